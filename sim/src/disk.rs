//! A disk that forgets: what was written and not synced may be lost in a crash, in any subset and torn at sectors. It may
//! also fail, and bits may turn on it. What a failed sync could not write is still read, until memory gets short or the power
//! fails.

mod image;
mod sums;
mod words;

use crate::event::Failure;
use crate::folder::Folder;
use crate::log;
use bytes::{Bytes, BytesMut};
use image::{Change, apply, lose_sectors};
use std::collections::{BTreeMap, VecDeque};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::server::Context;
use zeolith_core::store::blob::BlobOp;
use zeolith_core::store::disk::{DiskDone, DiskError, DiskOp, FileId, Naming, Span};

/// Why no operation is on the files of one of several parts.
const ONE_FILE: &str = "simulated storages are a Data.fs each";

/// What is left when the machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process died: everything written is still there.
    Process,
    /// The power failed: every unsynced piece survives or not, as these dice fall.
    Power(u64),
}

#[derive(Debug, Default)]
struct SimFile {
    /// What a power loss leaves for certain.
    durable: Vec<u8>,
    /// What a reader sees.
    current: Vec<u8>,
    /// What makes the one into the other, in order.
    unsynced: Vec<Change>,
}

/// What becomes of names in one step.
#[derive(Clone, Copy, Debug)]
struct Renamed {
    gone: Option<FileId>,
    made: Option<(FileId, usize)>,
}

impl Renamed {
    fn apply(self, names: &mut BTreeMap<FileId, usize>) {
        self.gone.and_then(|gone| names.remove(&gone));
        names.extend(self.made);
    }
}

/// An operation that was begun and is not answered.
#[derive(Debug)]
enum Begun {
    Read(Box<DiskOp<Context>>),
    /// It covers the first `changes` unsynced changes.
    Sync {
        file: FileId,
        inode: usize,
        changes: usize,
    },
    Blob(BlobOp),
}

/// The disk of one server.
#[derive(Debug, Default)]
pub struct SimDisk {
    inodes: Vec<SimFile>,
    /// Which of them has a name.
    names: BTreeMap<FileId, usize>,
    /// Which has it for certain after a power loss.
    kept: BTreeMap<FileId, usize>,
    /// What makes the one into the other, in order.
    renamed: Vec<Renamed>,
    /// The folder of the blobs.
    pub blobs: Folder,
    /// Operations not begun: they begin in order.
    queue: VecDeque<DiskOp<Context>>,
    /// Operations begun: they end in any order.
    begun: Vec<Begun>,
    /// Bits of the log that have turned, by place: the file's images hold what was written there.
    rot: BTreeMap<usize, u8>,
    /// Where the log ended before the last sync that made it longer, and before the one before that.
    ends: [usize; 2],
    /// It has failed since the machine started.
    failed: bool,
    /// The checksums of a packed log have their name for certain, and nobody has looked at them yet.
    swapped: bool,
    /// The next operation in the folder of the blobs does not end well.
    fails_blob: bool,
    /// How long the log may get; `None`: as long as it likes.
    room: Option<u64>,
    /// How long it may get all the same: this much was promised to the process.
    reserved: u64,
}

impl SimDisk {
    /// Takes an operation.
    pub fn submit(&mut self, op: DiskOp<Context>) {
        self.queue.push_back(op);
    }

    /// Whether there is an operation to begin.
    pub fn can_begin(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The place of an operation among those begun that comes once a blob or once a pack, and decides about all of it.
    pub fn decisive(&self) -> Option<usize> {
        let decides =
            |op: &BlobOp| matches!(op, BlobOp::Publish { .. } | BlobOp::Condemn { .. } | BlobOp::Sweep);
        self.begun.iter().position(|begun| matches!(begun, Begun::Blob(op) if decides(op)))
    }

    /// Operations that may end.
    pub fn begun(&self) -> usize {
        self.begun.len()
    }

    /// The place of the oldest read among the operations begun.
    pub fn first_read(&self) -> Option<usize> {
        self.begun.iter().position(|begun| matches!(begun, Begun::Read(_)))
    }

    /// Whether all that it was asked to write is written and synced. What is left of drafts of blobs goes at the next start.
    pub fn is_written(&self) -> bool {
        let writes = |op: &DiskOp<Context>| {
            !matches!(op, DiskOp::Read { .. } | DiskOp::Reserve { .. } | DiskOp::Blob(_))
        };
        self.syncs() == 0 && !self.queue.iter().any(writes)
    }

    /// Syncs that may end.
    pub fn syncs(&self) -> usize {
        self.begun.iter().filter(|begun| matches!(begun, Begun::Sync { .. })).count()
    }

    /// Its files, as a reader sees them.
    pub fn files(&self) -> BTreeMap<FileId, Vec<u8>> {
        self.names.iter().map(|(&id, &inode)| (id, self.inodes[inode].current.clone())).collect()
    }

    /// Which file is the log: another one after a pack.
    pub fn log_file(&self) -> Option<usize> {
        self.names.get(&FileId::Log).copied()
    }

    fn file(&self, id: FileId) -> Option<&SimFile> {
        self.names.get(&id).map(|&inode| &self.inodes[inode])
    }

    /// The file of a name, which is made when there is none.
    fn inode(&mut self, id: FileId) -> usize {
        if let Some(&inode) = self.names.get(&id) {
            return inode;
        }
        let inode = self.inodes.len();
        self.inodes.push(SimFile::default());
        let made = Renamed { gone: None, made: Some((id, inode)) };
        made.apply(&mut self.names);
        // An empty file more or less makes no difference; another file of this name does.
        if self.kept.contains_key(&id) {
            self.renamed.push(made)
        } else {
            made.apply(&mut self.kept)
        }
        inode
    }

    fn file_mut(&mut self, id: FileId) -> &mut SimFile {
        let inode = self.inode(id);
        &mut self.inodes[inode]
    }

    /// Whether it has failed since the machine started.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether a bit has turned on it.
    pub fn is_rotten(&self) -> bool {
        !self.rot.is_empty()
    }

    /// What a person would call the next operation to begin.
    pub fn upcoming(&self) -> Option<String> {
        self.queue.front().map(words::operation)
    }

    /// What a person would call the end of the operation at place `at` of those begun; `None` when there is none.
    pub fn ending(&self, at: usize) -> Option<String> {
        self.begun.get(at).map(|begun| match begun {
            Begun::Read(_) => "read is there".to_owned(),
            Begun::Sync { file, .. } => format!("{file:?} is synced"),
            Begun::Blob(op) => format!("{} is done", words::blob(op)),
        })
    }

    /// Begins the next operation; those that never wait are answered at once.
    pub fn begin(&mut self) -> Option<DiskDone<Context>> {
        match self.queue.pop_front()? {
            read @ DiskOp::Read { .. } => self.begun.push(Begun::Read(Box::new(read))),
            DiskOp::Write { file, at, chunks } => {
                let mut bytes = BytesMut::new();
                chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
                if file == FileId::Log && !self.has_room(at + bytes.len() as u64) {
                    self.failed = true;
                    return Some(DiskDone::WriteFailed { file, error: DiskError::Full });
                }
                self.change(file, Change::Write { at, bytes: bytes.freeze() });
            }
            DiskOp::SetLen { file, len } => self.change(file, Change::SetLen(len)),
            DiskOp::Replace { file, contents } => {
                self.change(file, Change::Replace(contents.concat().into()));
                self.begin_sync(file);
            }
            DiskOp::Sync { file } => self.begin_sync(file),
            DiskOp::Reserve { upto } if !self.has_room(upto) => {
                return Some(DiskDone::Reserved { upto, result: Err(DiskError::Full) });
            }
            DiskOp::Reserve { upto } => {
                self.reserved = self.reserved.max(upto);
                return Some(DiskDone::Reserved { upto, result: Ok(()) });
            }
            DiskOp::KeepTail { .. } => return Some(DiskDone::Kept { result: Ok("Data.fs.tr0".into()) }),
            DiskOp::Of { .. } => unreachable!("{ONE_FILE}"),
            DiskOp::Blob(op) => {
                self.blobs.begin(&op);
                self.begun.push(Begun::Blob(op));
            }
            DiskOp::Free => return Some(DiskDone::Free { result: Ok(u64::MAX) }),
            DiskOp::Name(naming) => {
                self.name(naming);
                return Some(DiskDone::Named { result: Ok(()) });
            }
        }
        None
    }

    /// Carries out an operation that nobody else waits behind, as a thread of its own does; fails at it if it `fails`.
    pub fn run(&mut self, op: DiskOp<Context>, fails: bool) -> Option<DiskDone<Context>> {
        let error = || DiskError::Io("a bad sector".into());
        match op {
            DiskOp::Free if fails => Some(DiskDone::Free { result: Ok(0) }),
            DiskOp::Read { pending, .. } if fails => Some(DiskDone::Read { pending, result: Err(error()) }),
            DiskOp::Sync { file } if fails => Some(DiskDone::Synced { file, result: Err(error()) }),
            op => {
                self.queue.push_front(op);
                if fails {
                    return self.fail_to_begin(&error());
                }
                let begun = self.begun.len();
                let done = self.begin();
                if self.begun.len() > begun { Some(self.end(begun)) } else { done }
            }
        }
    }

    /// From now on the next operation in the folder of the blobs that can fail does so at its end.
    pub fn fail_blob(&mut self) {
        self.fails_blob = true;
    }

    /// From now on there is room for so many bytes more of the log, beside what was promised.
    pub fn leave_room(&mut self, bytes: u64) {
        let len = self.contents(FileId::Log).len() as u64;
        self.room = Some(len.saturating_add(bytes));
    }

    fn has_room(&self, len: u64) -> bool {
        self.room.is_none_or(|room| len <= room.max(self.reserved))
    }

    /// Fails at an operation; the answer, unless there is no such operation, or it is one that cannot fail there.
    pub fn fail(&mut self, failure: Failure) -> Option<DiskDone<Context>> {
        let done = match failure {
            Failure::Full => self.fail_to_begin(&DiskError::Full),
            Failure::Write => self.fail_to_begin(&DiskError::Io("a bad sector".into())),
            Failure::Blob | Failure::Pack => unreachable!("what fails elsewhere has no answer here"),
            Failure::End(at) => (at < self.begun.len()).then(|| self.fail_to_end(at)).flatten(),
        };
        // What fails in the folder of the blobs fails for one transaction.
        self.failed |= done.as_ref().is_some_and(|done| !matches!(done, DiskDone::Blob(_)));
        done
    }

    fn fail_to_begin(&mut self, error: &DiskError) -> Option<DiskDone<Context>> {
        let error = error.clone();
        let done = match self.queue.front()? {
            DiskOp::Read { .. } | DiskOp::Sync { .. } => return None,
            DiskOp::Write { file, .. } | DiskOp::SetLen { file, .. } => {
                DiskDone::WriteFailed { file: *file, error }
            }
            DiskOp::Replace { file, .. } => DiskDone::Synced { file: *file, result: Err(error) },
            DiskOp::Reserve { upto } => DiskDone::Reserved { upto: *upto, result: Err(error) },
            DiskOp::KeepTail { .. } => DiskDone::Kept { result: Err(error) },
            DiskOp::Of { .. } => unreachable!("{ONE_FILE}"),
            DiskOp::Blob(op) => DiskDone::Blob(self.blobs.fail(op.clone(), false, error).ok()?),
            DiskOp::Free => DiskDone::Free { result: Err(error) },
            DiskOp::Name(_) => DiskDone::Named { result: Err(error) },
        };
        self.queue.pop_front();
        Some(done)
    }

    /// A read gives nothing. A sync loses what it covered, as Linux has it: reads still give it, a later sync that succeeds
    /// does not bring it to the disk, and nobody can tell.
    fn fail_to_end(&mut self, at: usize) -> Option<DiskDone<Context>> {
        let error = DiskError::Io("a bad sector".into());
        Some(match self.begun.remove(at) {
            Begun::Read(op) => match *op {
                DiskOp::Read { pending, .. } => DiskDone::Read { pending, result: Err(error) },
                op => unreachable!("only reads are begun as reads: {op:?}"),
            },
            Begun::Sync { file, inode, changes } => {
                self.lose(inode, changes);
                DiskDone::Synced { file, result: Err(error) }
            }
            Begun::Blob(op) => match self.blobs.fail(op, true, error) {
                Ok(done) => DiskDone::Blob(done),
                Err(op) => {
                    self.begun.insert(at, Begun::Blob(op));
                    return None;
                }
            },
        })
    }

    /// From where on the log has its checksums; `None`: the ones that are there are another's, as after a crash in a pack.
    fn vouched_from(&self) -> Option<usize> {
        sums::header(self.contents(FileId::Sidecar), self.contents(FileId::Lock)).map(|it| it.base as usize)
    }

    /// Whether a power loss now would leave the checksum of a transaction, with what says that it counts: without, nobody could tell
    /// the log from what a crash has left of it.
    pub fn vouches_for(&self, tid: Tid) -> bool {
        let kept = |file| self.kept.get(&file).map_or(&[][..], |&inode| &self.inodes[inode].durable[..]);
        sums::vouch(kept(FileId::Sidecar), kept(FileId::Lock), tid)
    }

    /// Whether a packed log has taken the place of another one for certain, since this was asked last.
    pub fn take_swapped(&mut self) -> bool {
        std::mem::take(&mut self.swapped)
    }

    /// Turns a bit of what stands in the log, and was there before it got longer for the last two times: damage behind that cannot be told
    /// from the rest of a crash. False when there is nothing.
    pub fn turn_bit(&mut self, dice: u64) -> bool {
        let len = self.ends[1].min(self.contents(FileId::Log).len());
        let Some(from) = self.vouched_from().filter(|from| *from < len) else { return false };
        let mut rng = Rng::new(Seed(dice));
        let (at, bit) = (from + rng.below((len - from) as u64) as usize, 1 << rng.below(8));
        let mut turned = self.contents(FileId::Log).to_vec();
        turned[at] ^= bit;
        // Where it is not even known which objects were there, nobody can refuse to serve just these.
        let is_data = shape(&turned) == shape(self.contents(FileId::Log));
        if is_data {
            self.rot.insert(at, bit);
        }
        is_data
    }

    /// The other logs beside the log: the one before the last pack, and the one that a pack has not put in place.
    pub fn beside(&self) -> Vec<String> {
        let there = [FileId::Old, FileId::Packed].into_iter().filter(|file| self.names.contains_key(file));
        there.map(|file| format!("Data.fs{}", file.suffix())).collect()
    }

    /// What a start does when the log is recovered: removes what is left of a pack that was interrupted, and makes the names
    /// certain that it has read by.
    pub fn remove_packed(&mut self) {
        for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex] {
            if self.names.contains_key(&file) {
                self.name(Naming::Remove(file));
            }
        }
        self.name(Naming::Sync);
    }

    /// Takes everything away, and puts this log and these blobs there.
    pub fn restore(&mut self, log: Vec<u8>, blobs: Folder) {
        *self = SimDisk { blobs, ..SimDisk::default() };
        *self.file_mut(FileId::Log) = SimFile { durable: log.clone(), current: log, unsynced: Vec::new() };
    }

    /// Somebody looks after the disk: what has turned is as it was, and there is room.
    pub fn mend(&mut self) {
        self.rot.clear();
        self.fails_blob = false;
        self.room = None;
    }

    /// Memory gets short: what only reads gave is read from the disk from now on. Whether that is something else.
    pub fn forget(&mut self) -> bool {
        let mut forgot = false;
        for file in &mut self.inodes {
            let mut current = file.durable.clone();
            file.unsynced.iter().for_each(|change| apply(&mut current, change));
            forgot |= current != file.current;
            file.current = current;
        }
        forgot
    }

    /// What a sync covered is not on the disk, and no later one brings it there; but a file that has the name of another is
    /// the one that has it.
    fn lose(&mut self, inode: usize, changes: usize) {
        let covered = self.synced(inode, changes);
        let named: Vec<Change> =
            covered.into_iter().filter(|change| matches!(change, Change::Replace(_))).collect();
        for begun in &mut self.begun {
            if let Begun::Sync { inode: other, changes, .. } = begun
                && *other == inode
            {
                *changes += named.len();
            }
        }
        self.inodes[inode].unsynced.splice(0..0, named);
    }

    /// The changes that a sync covered.
    fn synced(&mut self, inode: usize, changes: usize) -> Vec<Change> {
        for begun in &mut self.begun {
            if let Begun::Sync { inode: other, changes: left, .. } = begun
                && *other == inode
            {
                *left = left.saturating_sub(changes);
            }
        }
        self.inodes[inode].unsynced.drain(..changes).collect()
    }

    /// Changes names.
    fn name(&mut self, naming: Naming) {
        let renamed = match naming {
            Naming::Remove(file) => Renamed { gone: Some(file), made: None },
            Naming::Link { from, to } => Renamed { gone: None, made: Some((to, self.inode(from))) },
            Naming::Rename { from, to } => {
                let inode = self.inode(from);
                if to == FileId::Log {
                    // What has turned is in the file that goes.
                    self.rot.clear();
                    self.ends = [0; 2];
                }
                Renamed { gone: Some(from), made: Some((to, inode)) }
            }
            Naming::Sync => {
                let is_sums = |it: &Renamed| matches!(it.made, Some((FileId::Sidecar, _)));
                self.swapped |= self.renamed.iter().any(is_sums);
                return self.renamed.drain(..).for_each(|it| it.apply(&mut self.kept));
            }
        };
        renamed.apply(&mut self.names);
        self.renamed.push(renamed);
    }

    fn change(&mut self, file: FileId, mut change: Change) {
        if let (FileId::Log, Change::Write { at, bytes }) = (file, &mut change) {
            self.write_over_rot(*at as usize, bytes);
        }
        let file = self.file_mut(file);
        apply(&mut file.current, &change);
        file.unsynced.push(change);
    }

    /// What has turned is as it was written, unless it is just what was read that is written back.
    fn write_over_rot(&mut self, at: usize, bytes: &mut Bytes) {
        if self.rot.range(at..at + bytes.len()).next().is_none() {
            return;
        }
        let mut written = bytes.to_vec();
        let current = self.contents(FileId::Log).to_vec();
        self.rot.retain(|&place, bit| {
            let Some(byte) = place.checked_sub(at).and_then(|place| written.get_mut(place)) else {
                return true;
            };
            let stays = current.get(place).is_some_and(|was| was ^ *bit == *byte);
            if stays {
                *byte ^= *bit;
            }
            stays
        });
        *bytes = written.into();
    }

    fn begin_sync(&mut self, file: FileId) {
        let inode = self.inode(file);
        let changes = self.inodes[inode].unsynced.len();
        self.begun.push(Begun::Sync { file, inode, changes });
    }

    /// Ends the operation at place `at` of those begun.
    ///
    /// # Panics
    /// When there is none.
    pub fn end(&mut self, at: usize) -> DiskDone<Context> {
        match self.begun.remove(at) {
            Begun::Read(op) => match *op {
                DiskOp::Read { file, span, pending } => {
                    DiskDone::Read { pending, result: Ok(self.read(file, span)) }
                }
                op => unreachable!("only reads are begun as reads: {op:?}"),
            },
            Begun::Sync { file: id, inode, changes } => {
                let changes = self.synced(inode, changes);
                if changes.iter().any(|change| matches!(change, Change::Replace(_))) {
                    // With the name of this file all others are synced.
                    self.name(Naming::Sync);
                }
                let file = &mut self.inodes[inode];
                let before = file.durable.len();
                changes.iter().for_each(|change| apply(&mut file.durable, change));
                if self.names.get(&FileId::Log) == Some(&inode) && file.durable.len() > before {
                    self.ends = [before, self.ends[0].min(before)];
                }
                DiskDone::Synced { file: id, result: Ok(()) }
            }
            Begun::Blob(op) if self.fails_blob => {
                let failed = self.blobs.fail(op, true, DiskError::Io("a bad sector".into()));
                self.fails_blob = failed.is_err();
                DiskDone::Blob(failed.unwrap_or_else(|op| self.blobs.end(op)))
            }
            Begun::Blob(op) => DiskDone::Blob(self.blobs.end(op)),
        }
    }

    fn read(&self, id: FileId, span: Span) -> Bytes {
        let Some(file) = self.file(id) else { return Bytes::new() };
        let start = file.current.len().min(span.at as usize);
        let end = file.current.len().min(start + span.len);
        let mut bytes = file.current[start..end].to_vec();
        if id == FileId::Log {
            for (place, bit) in self.rot.range(start..end) {
                bytes[place - start] ^= bit;
            }
        }
        bytes.into()
    }

    /// What was written to the file, whatever became of it on the disk; empty when it is not there.
    pub fn contents(&self, file: FileId) -> &[u8] {
        self.file(file).map_or(&[], |file| &file.current)
    }

    /// What a power loss would leave of the file for certain, if it keeps its name.
    pub fn durable(&self, file: FileId) -> &[u8] {
        self.file(file).map_or(&[], |file| &file.durable)
    }

    /// The length of a file; `None` when it was never written.
    pub fn length(&self, file: FileId) -> Option<u64> {
        self.file(file).map(|file| file.current.len() as u64)
    }

    /// The machine goes down: operations not answered are forgotten, and unsynced changes share their fate.
    pub fn crash(&mut self, fate: Fate) {
        self.queue.clear();
        self.begun.clear();
        (self.failed, self.swapped) = (false, false);
        self.reserved = 0;
        let Fate::Power(dice) = fate else { return };
        let mut rng = Rng::new(Seed(dice));
        for renamed in self.renamed.drain(..) {
            if rng.chance(1, 2) {
                renamed.apply(&mut self.kept);
            }
        }
        self.names = self.kept.clone();
        for file in &mut self.inodes {
            let keep_all = rng.chance(1, 4);
            for change in file.unsynced.drain(..) {
                if let Change::Write { at, bytes } = &change {
                    lose_sectors(&mut file.durable, *at as usize, bytes, keep_all, &mut rng);
                } else if keep_all || rng.chance(1, 2) {
                    apply(&mut file.durable, &change);
                }
            }
            file.current = file.durable.clone();
        }
        self.blobs.lose_power(&mut rng);
    }
}

/// Which transactions a log has, of which objects, and how long their states are.
fn shape(log: &[u8]) -> Vec<(Tid, Vec<(Oid, usize)>)> {
    let (transactions, _) = log::read(log, 0);
    let records = |records: Vec<(Oid, Vec<u8>)>| records.into_iter().map(|(oid, data)| (oid, data.len()));
    transactions.into_iter().map(|it| (it.tid, records(it.records).collect())).collect()
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
