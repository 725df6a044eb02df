//! A disk that forgets: what was written and not synced may be lost in a crash, in any subset and torn at sectors.

use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::server::Context;
use zeolith_core::store::disk::{DiskDone, DiskOp, FileId, Span};

/// What survives a power loss is decided in pieces of this size.
const SECTOR: usize = 512;

/// What is left when the machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process died: everything written is still there.
    Process,
    /// The power failed: every unsynced piece survives or not, as these dice fall.
    Power(u64),
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: u64, bytes: Bytes },
    SetLen(u64),
    Replace(Bytes),
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

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => put(image, *at as usize, bytes),
        Change::SetLen(len) => image.resize(*len as usize, 0),
        Change::Replace(contents) => *image = contents.to_vec(),
    }
}

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// An operation that was begun and is not answered.
#[derive(Debug)]
enum Begun {
    Read(Box<DiskOp<Context>>),
    /// It covers the first `changes` unsynced changes.
    Sync {
        file: FileId,
        changes: usize,
    },
}

/// The disk of one server.
#[derive(Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<FileId, SimFile>,
    /// Operations not begun: they begin in order.
    queue: VecDeque<DiskOp<Context>>,
    /// Operations begun: they end in any order.
    begun: Vec<Begun>,
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

    /// Operations that may end.
    pub fn begun(&self) -> usize {
        self.begun.len()
    }

    /// What a person would call the next operation to begin.
    pub fn upcoming(&self) -> Option<String> {
        Some(match self.queue.front()? {
            DiskOp::Read { file, .. } => format!("read {file:?}"),
            DiskOp::Write { file, at, chunks } => {
                let bytes: usize = chunks.iter().map(Bytes::len).sum();
                format!("write {file:?} {at}+{bytes}")
            }
            DiskOp::SetLen { file, len } => format!("set length {file:?} {len}"),
            DiskOp::Replace { file, .. } => format!("replace {file:?}"),
            DiskOp::Sync { file } => format!("sync {file:?}"),
            DiskOp::Reserve { upto } => format!("reserve {upto}"),
            DiskOp::KeepTail { from } => format!("keep the tail from {from}"),
        })
    }

    /// What a person would call the end of the operation at place `at` of those begun; `None` when there is none.
    pub fn ending(&self, at: usize) -> Option<String> {
        self.begun.get(at).map(|begun| match begun {
            Begun::Read(_) => "read is there".to_owned(),
            Begun::Sync { file, .. } => format!("{file:?} is synced"),
        })
    }

    /// Begins the next operation; those that never wait are answered at once.
    pub fn begin(&mut self) -> Option<DiskDone<Context>> {
        match self.queue.pop_front()? {
            read @ DiskOp::Read { .. } => self.begun.push(Begun::Read(Box::new(read))),
            DiskOp::Write { file, at, chunks } => {
                let mut bytes = BytesMut::new();
                chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
                self.change(file, Change::Write { at, bytes: bytes.freeze() });
            }
            DiskOp::SetLen { file, len } => self.change(file, Change::SetLen(len)),
            DiskOp::Replace { file, contents } => {
                self.change(file, Change::Replace(contents.concat().into()));
                self.begin_sync(file);
            }
            DiskOp::Sync { file } => self.begin_sync(file),
            DiskOp::Reserve { upto } => return Some(DiskDone::Reserved { upto, result: Ok(()) }),
            DiskOp::KeepTail { .. } => return Some(DiskDone::Kept { result: Ok("Data.fs.tr0".into()) }),
        }
        None
    }

    fn change(&mut self, file: FileId, change: Change) {
        let file = self.files.entry(file).or_default();
        apply(&mut file.current, &change);
        file.unsynced.push(change);
    }

    fn begin_sync(&mut self, file: FileId) {
        let changes = self.files.entry(file).or_default().unsynced.len();
        self.begun.push(Begun::Sync { file, changes });
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
            Begun::Sync { file: id, changes } => {
                let file = self.files.entry(id).or_default();
                for change in file.unsynced.drain(..changes) {
                    apply(&mut file.durable, &change);
                }
                for begun in &mut self.begun {
                    if let Begun::Sync { file, changes: other } = begun
                        && *file == id
                    {
                        *other = other.saturating_sub(changes);
                    }
                }
                DiskDone::Synced { file: id, result: Ok(()) }
            }
        }
    }

    fn read(&self, file: FileId, span: Span) -> Bytes {
        let Some(file) = self.files.get(&file) else { return Bytes::new() };
        let start = file.current.len().min(span.at as usize);
        let end = file.current.len().min(start + span.len);
        Bytes::copy_from_slice(&file.current[start..end])
    }

    /// What a reader of the file sees; empty when it is not there.
    pub fn contents(&self, file: FileId) -> &[u8] {
        self.files.get(&file).map_or(&[], |file| &file.current)
    }

    /// What a power loss would leave of the file for certain.
    pub fn durable(&self, file: FileId) -> &[u8] {
        self.files.get(&file).map_or(&[], |file| &file.durable)
    }

    /// The length of a file; `None` when it was never written.
    pub fn length(&self, file: FileId) -> Option<u64> {
        self.files.get(&file).map(|file| file.current.len() as u64)
    }

    /// The machine goes down: operations not answered are forgotten, and unsynced changes share their fate.
    pub fn crash(&mut self, fate: Fate) {
        self.queue.clear();
        self.begun.clear();
        let Fate::Power(dice) = fate else { return };
        let mut rng = Rng::new(Seed(dice));
        for file in self.files.values_mut() {
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
    }
}

/// Writes the sectors that survive.
fn lose_sectors(image: &mut Vec<u8>, at: usize, bytes: &[u8], keep_all: bool, rng: &mut Rng) {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
        if keep_all || rng.chance(1, 2) {
            put(image, at + from, &bytes[from..to]);
        }
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(synced: &'static [u8], unsynced: &'static [u8]) -> SimDisk {
        let mut disk = SimDisk::default();
        let write =
            |at, bytes| DiskOp::Write { file: FileId::Log, at, chunks: vec![Bytes::from_static(bytes)] };
        disk.submit(write(0, synced));
        disk.submit(DiskOp::Sync { file: FileId::Log });
        disk.submit(write(synced.len() as u64, unsynced));
        while disk.can_begin() {
            assert!(disk.begin().is_none());
        }
        disk.end(0);
        disk
    }

    #[test]
    fn what_was_synced_survives_every_power_loss() {
        for dice in 0..50 {
            let mut disk = disk_with(b"synced", b"not");
            disk.crash(Fate::Power(dice));
            assert!(disk.contents(FileId::Log).starts_with(b"synced"));
        }
    }

    #[test]
    fn what_was_not_synced_survives_some_power_losses() {
        let survives = |dice| {
            let mut disk = disk_with(b"synced", b"not");
            disk.crash(Fate::Power(dice));
            disk.contents(FileId::Log) == b"syncednot"
        };
        let survived = (0..50).filter(|&dice| survives(dice)).count();
        assert!((10..50).contains(&survived), "{survived} of 50");
    }

    #[test]
    fn a_process_that_dies_loses_nothing_it_wrote() {
        let mut disk = disk_with(b"synced", b"not");
        disk.crash(Fate::Process);
        assert_eq!(disk.contents(FileId::Log), b"syncednot");
        assert_eq!(disk.durable(FileId::Log), b"synced");
    }
}
