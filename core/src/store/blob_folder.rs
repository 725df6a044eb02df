//! A folder of blobs for tests: names and bytes in memory, of which a power loss takes back what was not made durable.

use crate::ids::{Oid, Tid};
use crate::store::blob::{BlobDone, BlobId, BlobOp, DraftId, Source};
use crate::store::disk::DiskError;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What a file of the folder is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// A draft that is being written.
    Draft(DraftId),
    /// A draft in the folder of its object.
    Placed(Oid, DraftId),
    /// What a client has put into the folder of an object.
    Shared(Oid, String),
    /// A blob.
    Blob(Oid, Tid),
}

/// The folder of one storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) files: BTreeMap<Name, Vec<u8>>,
    durable: BTreeMap<Name, Vec<u8>>,
    /// Drafts of which something is, or was, in the folder of an object.
    pub(crate) notes: BTreeSet<(DraftId, Oid)>,
    /// Blobs that are to go, and whether they stay beside.
    pub(crate) condemned: Option<(Vec<BlobId>, bool)>,
    /// What stays of the last pack.
    pub(crate) old: BTreeMap<BlobId, Vec<u8>>,
    /// Bytes that fit into it.
    pub(crate) room: Option<usize>,
    /// Blobs cannot get their names.
    pub(crate) broken: bool,
}

impl Folder {
    /// Carries an operation out.
    pub(crate) fn carry_out(&mut self, op: BlobOp) -> BlobDone {
        match op {
            BlobOp::Write { draft, at, chunks } => {
                let bytes = chunks.concat();
                let used: usize = self.files.values().map(Vec::len).sum();
                if self.room.is_some_and(|room| used + bytes.len() > room) {
                    return BlobDone::Written { draft, result: Err(DiskError::Full) };
                }
                let file = self.files.entry(Name::Draft(draft)).or_default();
                assert_eq!(file.len() as u64, at, "a draft is written from its end on");
                file.extend(bytes);
                BlobDone::Written { draft, result: Ok(()) }
            }
            BlobOp::Place { draft, oid, source } => {
                let bytes = match source {
                    Source::Written => Some(self.files.remove(&Name::Draft(draft)).unwrap_or_default()),
                    Source::Shared(name) => self.files.remove(&Name::Shared(oid, name)),
                    Source::Revision(tid) => self.files.get(&Name::Blob(oid, tid)).cloned(),
                };
                let found = bytes.is_some();
                if let Some(bytes) = bytes {
                    self.notes.insert((draft, oid));
                    self.put(Name::Placed(oid, draft), bytes);
                }
                BlobDone::Placed { draft, result: Ok(found) }
            }
            BlobOp::Publish { draft, .. } if self.broken => {
                BlobDone::Published { draft, result: Err(DiskError::Io("a broken folder".into())) }
            }
            BlobOp::Publish { draft, oid, tid } => {
                let bytes = self.take(&Name::Placed(oid, draft)).expect("a draft in its place");
                self.put(Name::Blob(oid, tid), bytes);
                BlobDone::Published { draft, result: Ok(()) }
            }
            BlobOp::Settle { draft, oid } => {
                assert!(self.notes.remove(&(draft, oid)), "a draft is settled once");
                BlobDone::Gone { draft }
            }
            BlobOp::Discard { draft, oid, published } => {
                self.take(&Name::Draft(draft));
                if let Some(oid) = oid {
                    self.take(&Name::Placed(oid, draft));
                    published.map(|tid| self.take(&Name::Blob(oid, tid)));
                    self.notes.remove(&(draft, oid));
                }
                BlobDone::Gone { draft }
            }
            BlobOp::Condemn { gone, keep_old } => {
                self.condemned = Some((gone, keep_old));
                BlobDone::Condemned { result: Ok(()) }
            }
            BlobOp::Sweep => {
                self.sweep(|_, _| false);
                BlobDone::Swept { result: Ok(()) }
            }
            BlobOp::ReadBack { draft, at, len } => {
                let bytes = self.read(&Name::Draft(draft), at, len).unwrap_or_default();
                BlobDone::ReadBack { draft, result: Ok(bytes) }
            }
            BlobOp::Read { reader, oid, tid, at, len } => {
                BlobDone::Read { reader, result: Ok(self.read(&Name::Blob(oid, tid), at, len)) }
            }
        }
    }

    fn read(&self, name: &Name, at: u64, len: usize) -> Option<Bytes> {
        let bytes = self.files.get(name)?;
        let from = bytes.len().min(at as usize);
        Some(Bytes::copy_from_slice(&bytes[from..bytes.len().min(from + len)]))
    }

    /// The answer to an operation that fails, if it can.
    pub(crate) fn failed(op: BlobOp, error: DiskError) -> BlobDone {
        match op {
            BlobOp::Write { draft, .. } => BlobDone::Written { draft, result: Err(error) },
            BlobOp::Place { draft, .. } => BlobDone::Placed { draft, result: Err(error) },
            BlobOp::Publish { draft, .. } => BlobDone::Published { draft, result: Err(error) },
            BlobOp::Settle { draft, .. } | BlobOp::Discard { draft, .. } => BlobDone::Gone { draft },
            BlobOp::Condemn { .. } => BlobDone::Condemned { result: Err(error) },
            BlobOp::Sweep => BlobDone::Swept { result: Err(error) },
            BlobOp::ReadBack { draft, .. } => BlobDone::ReadBack { draft, result: Err(error) },
            BlobOp::Read { reader, .. } => BlobDone::Read { reader, result: Err(error) },
        }
    }

    fn sweep(&mut self, stays: impl Fn(Oid, Tid) -> bool) {
        let Some((gone, keep_old)) = self.condemned.take() else { return };
        self.old.clear();
        for id @ BlobId { oid, tid } in gone.into_iter().filter(|id| !stays(id.oid, id.tid)) {
            if let Some(bytes) = self.take(&Name::Blob(oid, tid)).filter(|_| keep_old) {
                self.old.insert(id, bytes);
            }
        }
    }

    /// A file that survives a power loss.
    pub(crate) fn put(&mut self, name: Name, bytes: Vec<u8>) {
        self.durable.insert(name.clone(), bytes.clone());
        self.files.insert(name, bytes);
    }

    fn take(&mut self, name: &Name) -> Option<Vec<u8>> {
        self.durable.remove(name);
        self.files.remove(name)
    }

    /// The bytes of a blob.
    pub(crate) fn blob(&self, oid: u64, tid: Tid) -> Option<&[u8]> {
        self.files.get(&Name::Blob(Oid(oid), tid)).map(Vec::as_slice)
    }

    /// The power goes; then what was left over is removed, as at a start.
    pub(crate) fn crash(&mut self, is_committed: impl Fn(Oid, Tid) -> bool) {
        self.files = self.durable.clone();
        let noted: BTreeSet<Oid> = std::mem::take(&mut self.notes).into_iter().map(|(_, oid)| oid).collect();
        self.files.retain(|name, _| match name {
            Name::Draft(_) | Name::Placed(..) => false,
            Name::Shared(..) => true,
            Name::Blob(oid, tid) => !noted.contains(oid) || is_committed(*oid, *tid),
        });
        self.durable = self.files.clone();
        self.sweep(is_committed);
    }
}
