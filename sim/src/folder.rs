//! The folder of a storage's blobs on a disk that forgets: what the real shell does for each operation, step by step.
//!
//! Names and bytes are two things. What was not synced may be lost with the power, each name for itself, and bytes from any
//! place on. Names in one folder are made durable together: there is one for temporary files and one for each object.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Rng;
use zeolith_core::store::blob::{BlobDone, BlobId, BlobOp, DraftId, Source};
use zeolith_core::store::disk::DiskError;

/// A file of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A draft that is being written.
    Draft(DraftId),
    /// It says that something of a draft is, or was, in the folder of an object.
    Note(DraftId, Oid),
    /// A draft in the folder of its object.
    Placed(Oid, DraftId),
    /// A blob.
    Blob(Oid, Tid),
}

impl Name {
    /// The object in whose folder it is; `None`: it is a temporary file.
    fn dir(self) -> Option<Oid> {
        match self {
            Name::Draft(_) | Name::Note(..) => None,
            Name::Placed(oid, _) | Name::Blob(oid, _) => Some(oid),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// So many of them survive a power loss.
    safe: usize,
}

/// What becomes of names in one step.
#[derive(Clone, Copy, Debug)]
struct Change {
    dir: Option<Oid>,
    gone: Option<Name>,
    made: Option<(Name, u64)>,
}

impl Change {
    fn apply(self, names: &mut BTreeMap<Name, u64>) {
        self.gone.and_then(|gone| names.remove(&gone));
        names.extend(self.made);
    }
}

/// The folder of one storage.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    files: BTreeMap<u64, File>,
    given: u64,
    /// What a reader sees.
    names: BTreeMap<Name, u64>,
    /// What a power loss leaves for certain.
    durable: BTreeMap<Name, u64>,
    /// What makes the one into the other, in order.
    unsynced: Vec<Change>,
    /// The blobs whose records a pack takes out.
    condemned: Vec<BlobId>,
    /// Those that could not be removed: the next pack does it, or the next start.
    unswept: BTreeSet<Name>,
    /// Those that were removed, and came back when the power failed.
    revived: BTreeSet<Name>,
}

impl Folder {
    /// A folder with these blobs.
    pub fn of(blobs: impl IntoIterator<Item = ((Oid, Tid), Vec<u8>)>) -> Folder {
        let mut folder = Folder::default();
        for ((oid, tid), bytes) in blobs {
            let file = folder.create(Name::Blob(oid, tid));
            let safe = bytes.len();
            folder.files.insert(file, File { bytes, safe });
            folder.sync(Some(oid));
        }
        folder
    }

    /// All files.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.names.keys().copied()
    }

    /// The newest of the blobs.
    pub fn newest(&self) -> Option<(Oid, Tid)> {
        let blobs =
            self.names.range(Name::Blob(Oid::ZERO, Tid::ZERO)..).filter_map(|(name, _)| match *name {
                Name::Blob(oid, tid) => Some((oid, tid)),
                _ => None,
            });
        blobs.max_by_key(|(_, tid)| *tid)
    }

    /// The bytes of a blob; `None`: there is none.
    pub fn blob(&self, oid: Oid, tid: Tid) -> Option<&[u8]> {
        self.bytes(Name::Blob(oid, tid))
    }

    /// What a power loss would leave of a blob for certain.
    pub fn durable(&self, oid: Oid, tid: Tid) -> Option<&[u8]> {
        let file = &self.files[self.durable.get(&Name::Blob(oid, tid))?];
        Some(&file.bytes[..file.safe])
    }

    /// Whether a blob that a pack was to remove may be there all the same, since the disk failed or the power did.
    pub fn may_be_left(&self, name: Name) -> bool {
        self.unswept.contains(&name) || self.revived.contains(&name)
    }

    /// Begins an operation: all of it is done that is no sync, and what may follow on one.
    pub fn begin(&mut self, op: &BlobOp) {
        match *op {
            BlobOp::Write { draft, at, ref chunks } => self.write(draft, at, chunks),
            BlobOp::Place { draft, oid, ref source } => self.place(draft, oid, source),
            BlobOp::Publish { draft, oid, tid } => {
                self.rename(Name::Placed(oid, draft), Name::Blob(oid, tid));
            }
            BlobOp::Settle { draft, oid } => self.remove(Name::Note(draft, oid)),
            BlobOp::Discard { draft, oid, published } => {
                self.remove(Name::Draft(draft));
                if let Some(oid) = oid {
                    self.remove(Name::Placed(oid, draft));
                    published.into_iter().for_each(|tid| self.remove(Name::Blob(oid, tid)));
                }
            }
            BlobOp::Sweep => self.sweep(|_, _| false),
            BlobOp::Condemn { .. } | BlobOp::Read { .. } => {}
            BlobOp::ReadBack { .. } => unreachable!("no storage of this world is another server's"),
        }
    }

    /// Ends an operation that was begun.
    pub fn end(&mut self, op: BlobOp) -> BlobDone {
        match op {
            BlobOp::Write { draft, .. } => BlobDone::Written { draft, result: Ok(()) },
            BlobOp::Place { draft, oid, .. } => {
                let placed = self.names.get(&Name::Placed(oid, draft)).copied();
                if let Some(file) = placed.and_then(|file| self.files.get_mut(&file)) {
                    file.safe = file.bytes.len();
                }
                self.sync(Some(oid));
                BlobDone::Placed { draft, result: Ok(placed.is_some()) }
            }
            BlobOp::Publish { draft, oid, .. } => {
                self.sync(Some(oid));
                BlobDone::Published { draft, result: Ok(()) }
            }
            BlobOp::Settle { draft, .. } => BlobDone::Gone { draft },
            BlobOp::Condemn { gone, .. } => {
                self.condemned = gone;
                BlobDone::Condemned { result: Ok(()) }
            }
            BlobOp::Sweep => {
                self.condemned.clear();
                self.unswept.clear();
                BlobDone::Swept { result: Ok(()) }
            }
            BlobOp::ReadBack { .. } => unreachable!("it was not begun"),
            BlobOp::Discard { draft, oid, .. } => {
                if let Some(oid) = oid {
                    self.forget_draft(draft, oid);
                }
                BlobDone::Gone { draft }
            }
            BlobOp::Read { reader, oid, tid, at, len } => {
                let part = self.blob(oid, tid).map(|bytes| {
                    let from = bytes.len().min(at as usize);
                    Bytes::copy_from_slice(&bytes[from..bytes.len().min(from + len)])
                });
                BlobDone::Read { reader, result: Ok(part) }
            }
        }
    }

    /// Fails at an operation, which was `begun` or not; gives it back when it is one that cannot fail.
    pub fn fail(&mut self, op: BlobOp, begun: bool, error: DiskError) -> Result<BlobDone, BlobOp> {
        Ok(match op {
            BlobOp::Write { draft, .. } => BlobDone::Written { draft, result: Err(error) },
            BlobOp::Place { draft, oid, .. } => {
                self.begin(&BlobOp::Discard { draft, oid: Some(oid), published: None });
                self.forget_draft(draft, oid);
                BlobDone::Placed { draft, result: Err(error) }
            }
            BlobOp::Publish { draft, .. } => BlobDone::Published { draft, result: Err(error) },
            BlobOp::Condemn { .. } => BlobDone::Condemned { result: Err(error) },
            BlobOp::Sweep => {
                self.unswept.extend(self.condemned.iter().map(|id| Name::Blob(id.oid, id.tid)));
                BlobDone::Swept { result: Err(error) }
            }
            BlobOp::Read { reader, .. } if begun => BlobDone::Read { reader, result: Err(error) },
            BlobOp::Read { .. }
            | BlobOp::ReadBack { .. }
            | BlobOp::Settle { .. }
            | BlobOp::Discard { .. } => return Err(op),
        })
    }

    fn write(&mut self, draft: DraftId, at: u64, chunks: &[Bytes]) {
        let name = Name::Draft(draft);
        let file = self.names.get(&name).copied().unwrap_or_else(|| self.create(name));
        let file = self.files.get_mut(&file).expect("a file that has a name");
        for (chunk, at) in chunks.iter().scan(at as usize, |at, chunk| {
            *at += chunk.len();
            Some((chunk, *at - chunk.len()))
        }) {
            file.bytes.resize(file.bytes.len().max(at + chunk.len()), 0);
            file.bytes[at..at + chunk.len()].copy_from_slice(chunk);
        }
    }

    fn place(&mut self, draft: DraftId, oid: Oid, source: &Source) {
        let from = match source {
            Source::Written => {
                self.write(draft, 0, &[]);
                self.names[&Name::Draft(draft)]
            }
            Source::Revision(tid) => match self.names.get(&Name::Blob(oid, *tid)) {
                Some(file) => *file,
                None => return,
            },
            Source::Shared(_) => unreachable!("no client of this world shares a folder with its server"),
        };
        self.create(Name::Note(draft, oid));
        self.sync(None);
        let gone = Some(Name::Draft(draft)).filter(|_| *source == Source::Written);
        self.change(gone, Some((Name::Placed(oid, draft), from)));
    }

    /// Nothing of a draft is in the folder of its object any more; nor does anything say so when that is certain.
    fn forget_draft(&mut self, draft: DraftId, oid: Oid) {
        self.sync(Some(oid));
        self.remove(Name::Note(draft, oid));
    }

    /// Removes the blobs that a pack has condemned, unless the log still has their records.
    fn sweep(&mut self, is_committed: impl Fn(Oid, Tid) -> bool) {
        for BlobId { oid, tid } in self.condemned.clone() {
            if !is_committed(oid, tid) {
                self.remove(Name::Blob(oid, tid));
            }
        }
    }

    /// What the shell does before a storage is served: removes what was left behind, but for the blobs of committed
    /// revisions.
    pub fn clean(&mut self, is_committed: impl Fn(Oid, Tid) -> bool) {
        self.sweep(&is_committed);
        self.condemned.clear();
        self.unswept.clear();
        let left: Vec<Name> = self.names().take_while(|name| name.dir().is_none()).collect();
        for name in left {
            let Name::Note(draft, oid) = name else {
                self.remove(name);
                continue;
            };
            self.remove(Name::Placed(oid, draft));
            let blobs = self.names.range(Name::Blob(oid, Tid::ZERO)..=Name::Blob(oid, Tid::MAX));
            let blobs: Vec<Name> = blobs.map(|(name, _)| *name).collect();
            for name in blobs {
                if matches!(name, Name::Blob(oid, tid) if !is_committed(oid, tid)) {
                    self.remove(name);
                }
            }
            self.forget_draft(draft, oid);
        }
    }

    /// The power fails.
    pub fn lose_power(&mut self, rng: &mut Rng) {
        let keep_all = rng.chance(1, 4);
        for change in std::mem::take(&mut self.unsynced) {
            if keep_all || rng.chance(1, 2) {
                change.apply(&mut self.durable);
            }
        }
        let came_back = self.durable.keys().filter(|name| !self.names.contains_key(name));
        self.revived.extend(came_back.filter(|name| matches!(name, Name::Blob(..))));
        self.names = self.durable.clone();
        for file in self.files.values_mut().filter(|file| file.safe < file.bytes.len() && !keep_all) {
            let kept = file.safe + rng.below((file.bytes.len() - file.safe) as u64) as usize;
            if rng.chance(1, 2) {
                file.bytes.truncate(kept);
            } else {
                file.bytes[kept..].fill(0);
            }
        }
        for file in self.files.values_mut() {
            file.safe = file.bytes.len();
        }
    }

    fn bytes(&self, name: Name) -> Option<&[u8]> {
        self.names.get(&name).map(|file| &self.files[file].bytes[..])
    }

    fn create(&mut self, name: Name) -> u64 {
        self.given += 1;
        self.files.insert(self.given, File::default());
        self.change(None, Some((name, self.given)));
        self.given
    }

    fn rename(&mut self, from: Name, to: Name) {
        let file = self.names[&from];
        self.change(Some(from), Some((to, file)));
    }

    fn remove(&mut self, name: Name) {
        if self.names.contains_key(&name) {
            self.change(Some(name), None);
        }
    }

    /// Of two names in a change the new one says in which folder it is.
    fn change(&mut self, gone: Option<Name>, made: Option<(Name, u64)>) {
        let dir = made.map(|(name, _)| name).or(gone).and_then(Name::dir);
        let change = Change { dir, gone, made };
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }

    /// Makes the names in a folder durable.
    fn sync(&mut self, dir: Option<Oid>) {
        for change in self.unsynced.extract_if(.., |change| change.dir == dir) {
            change.apply(&mut self.durable);
        }
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
