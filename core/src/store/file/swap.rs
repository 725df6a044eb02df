//! Putting a packed log in the place of the old one, in steps that are synced one after the other.
//!
//! The lock file names the new checksums first: from then on the old ones count for nothing, so that they are never
//! compared with the new log. The saved index of the old log goes before its names change, and the new checksums come
//! last. A crash anywhere opens to the old log or to the new one, both of which are whole; there is never a moment without
//! a log.

use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId, Naming};
use crate::store::file::lockfile::{self, Nonce};
use crate::store::file::pack::Packed;
use bytes::Bytes;
use std::collections::VecDeque;

/// The steps that are left.
#[derive(Debug)]
pub(super) struct Swap {
    steps: VecDeque<Step>,
    /// What is to be taken up with the new log; `None` once it was.
    packed: Option<Box<Packed>>,
    /// The lock file could not be written.
    unwritten: Option<DiskError>,
    /// Why the old log stays.
    failed: Option<DiskError>,
    /// The old log stays whatever comes, and there is nothing to tell.
    discards: bool,
    owner: (u32, Nonce),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    WriteLock(Nonce),
    Name(Naming),
    /// Puts the new log in place.
    Place,
}

/// How it goes on.
#[derive(Debug)]
pub(super) enum Progress {
    /// The next step is on its way.
    Going,
    /// The new log is in place, and the next step is on its way.
    Placed(Box<Packed>),
    /// It is over.
    Over,
    /// The old log stays, and all is as it was.
    Kept(DiskError),
    /// The new log is in place, but may not be after a crash.
    Uncertain(DiskError),
}

impl Swap {
    /// To `packed`, of a storage whose lock file names this process and nonce.
    pub(super) fn new(packed: Box<Packed>, keep_old: bool, owner: (u32, Nonce)) -> Swap {
        use Naming::{Link, Remove, Rename, Sync};
        let mut steps = VecDeque::new();
        if keep_old {
            steps.push_back(Step::Name(Link { from: FileId::Log, to: FileId::Old }));
        }
        steps.extend([
            Step::WriteLock(packed.nonce),
            Step::Name(Remove(FileId::Index)),
            Step::Name(Sync),
            Step::Place,
            Step::Name(Sync),
            Step::Name(Rename { from: FileId::PackedSums, to: FileId::Sidecar }),
            Step::Name(Rename { from: FileId::PackedIndex, to: FileId::Index }),
        ]);
        if !keep_old {
            steps.push_back(Step::Name(Remove(FileId::Old)));
        }
        steps.push_back(Step::Name(Sync));
        Swap { steps, packed: Some(packed), unwritten: None, failed: None, discards: false, owner }
    }

    /// To nothing: what was written goes.
    pub(super) fn discarding(owner: (u32, Nonce)) -> Swap {
        Swap {
            steps: removal().collect(),
            packed: None,
            unwritten: None,
            failed: None,
            discards: true,
            owner,
        }
    }

    /// Whether an outcome is the answer to a step.
    pub(super) fn concerns<C>(done: &DiskDone<C>) -> bool {
        match done {
            DiskDone::Named { .. } => true,
            DiskDone::Synced { file, .. } | DiskDone::WriteFailed { file, .. } => *file == FileId::Lock,
            _ => false,
        }
    }

    /// Whether the new log is still to be put in place.
    pub(super) fn is_ahead(&self) -> bool {
        self.packed.is_some()
    }

    /// Takes the answer to a step, and puts out the next.
    pub(super) fn on_disk<C>(&mut self, done: DiskDone<C>, out: &mut VecDeque<DiskOp<C>>) -> Progress {
        let error = match done {
            DiskDone::Named { result } => result.err(),
            DiskDone::Synced { result, .. } => self.unwritten.take().or(result.err()),
            DiskDone::WriteFailed { error, .. } => {
                // The sync behind it is answered too.
                self.unwritten = Some(error);
                return Progress::Going;
            }
            _ => unreachable!("no answer to a step"),
        };
        let is_placed = !self.steps.iter().any(|step| matches!(step, Step::Place));
        match error {
            _ if self.discards => {}
            Some(error) if self.failed.is_none() && self.packed.is_none() => {
                return Progress::Uncertain(error);
            }
            Some(error) if self.failed.is_none() => self.give_up(error),
            // What cannot be put back costs a check of the structure, or some room, at the next start.
            Some(_) => {}
            None if is_placed && self.failed.is_none() => {
                if let Some(packed) = self.packed.take() {
                    self.go(out);
                    return Progress::Placed(packed);
                }
            }
            None => {}
        }
        if self.go(out) {
            return Progress::Going;
        }
        self.failed.take().map_or(Progress::Over, Progress::Kept)
    }

    /// The old log stays: its checksums are named again, and what was written goes.
    fn give_up(&mut self, error: DiskError) {
        self.failed = Some(error);
        self.steps = VecDeque::from([Step::WriteLock(self.owner.1)]);
        self.steps.extend(removal());
    }

    /// Puts out the next step; false when there is none.
    pub(super) fn go<C>(&mut self, out: &mut VecDeque<DiskOp<C>>) -> bool {
        let Some(step) = self.steps.pop_front() else { return false };
        match step {
            Step::Name(naming) => out.push_back(DiskOp::Name(naming)),
            Step::Place => {
                out.push_back(DiskOp::Name(Naming::Rename { from: FileId::Packed, to: FileId::Log }));
            }
            Step::WriteLock(nonce) => {
                let contents = Bytes::from(lockfile::format(self.owner.0, nonce));
                let (file, len) = (FileId::Lock, contents.len() as u64);
                out.push_back(DiskOp::Write { file, at: 0, chunks: vec![contents] });
                out.push_back(DiskOp::SetLen { file, len });
                out.push_back(DiskOp::Sync { file });
            }
        }
        true
    }
}

/// Removes what a pack has written.
fn removal() -> impl Iterator<Item = Step> {
    [FileId::Packed, FileId::PackedSums, FileId::PackedIndex]
        .into_iter()
        .map(|file| Step::Name(Naming::Remove(file)))
}
