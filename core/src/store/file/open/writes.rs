//! What an opening writes, one synced step after the other, once everything is read.
//!
//! The order makes a crash anywhere harmless. The log is cut and synced before the sidecar forgets what was cut, and
//! before a new sidecar vouches for it. What may not be on the disk is written again before anything says that it is. A new sidecar is in place before the lock file names its nonce: until then
//! the nonces differ, and the next opening judges the tail by structure, of which there is none any more.

use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId};
use crate::store::file::format::MAGIC;
use crate::store::file::open::rewrite::{Doubt, Rewrite};
use bytes::Bytes;
use std::collections::VecDeque;

/// One step; the next begins when it is answered.
#[derive(Debug)]
pub(super) enum Step {
    /// Starts an empty log.
    CreateLog,
    /// Copies what will be cut off from there on.
    KeepTail { from: u64 },
    /// Writes the end of the log again.
    Rewrite(Doubt),
    /// Cuts the log, and syncs it.
    CutLog { len: u64 },
    /// Makes sure that what was read from the log stays.
    SyncLog,
    /// Starts a new sidecar.
    StartSums { header: Bytes },
    /// Writes the last of the sidecar's entries again, and cuts it behind them.
    CutSums { at: u64, entries: Bytes },
    /// Says whose storage it is.
    WriteLock { contents: Bytes },
    /// Saves the index. The only step that may fail.
    SaveIndex { contents: Vec<Bytes> },
}

/// The steps that are left.
#[derive(Debug)]
pub(super) struct Writes {
    steps: VecDeque<Step>,
    rewrite: Option<Box<Rewrite>>,
    /// The name of the file that keeps the tail.
    pub(super) kept: Option<String>,
    pub(super) index_unsaved: Option<DiskError>,
}

/// How the writing goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The next step is on its way.
    Going,
    /// Nothing is left.
    Finished,
    /// A step failed.
    Failed(FileId, DiskError),
}

impl Writes {
    pub(super) fn new(steps: Vec<Step>) -> Writes {
        Writes { steps: steps.into(), rewrite: None, kept: None, index_unsaved: None }
    }

    /// Puts out the next step.
    pub(super) fn go<C>(&mut self, out: &mut VecDeque<DiskOp<C>>) -> Progress {
        if self.rewrite.as_ref().is_some_and(|rewrite| rewrite.go(out)) {
            return Progress::Going;
        }
        self.rewrite = None;
        let Some(step) = self.steps.pop_front() else { return Progress::Finished };
        match step {
            Step::CreateLog => {
                let chunks = vec![Bytes::from_static(MAGIC)];
                out.push_back(DiskOp::SetLen { file: FileId::Log, len: 0 });
                out.push_back(DiskOp::Write { file: FileId::Log, at: 0, chunks });
                out.push_back(DiskOp::Sync { file: FileId::Log });
            }
            Step::KeepTail { from } => out.push_back(DiskOp::KeepTail { from }),
            Step::Rewrite(doubt) => {
                self.rewrite = Some(Box::new(Rewrite::new(doubt)));
                return self.go(out);
            }
            Step::CutLog { len } => {
                out.push_back(DiskOp::SetLen { file: FileId::Log, len });
                out.push_back(DiskOp::Sync { file: FileId::Log });
            }
            Step::SyncLog => out.push_back(DiskOp::Sync { file: FileId::Log }),
            Step::StartSums { header } => {
                out.push_back(DiskOp::Replace { file: FileId::Sidecar, contents: vec![header] });
            }
            Step::CutSums { at, entries } => {
                let len = at + entries.len() as u64;
                if !entries.is_empty() {
                    out.push_back(DiskOp::Write { file: FileId::Sidecar, at, chunks: vec![entries] });
                }
                out.push_back(DiskOp::SetLen { file: FileId::Sidecar, len });
                out.push_back(DiskOp::Sync { file: FileId::Sidecar });
            }
            Step::WriteLock { contents } => {
                // Not replaced: whoever waits for the lock waits for this very file.
                let len = contents.len() as u64;
                out.push_back(DiskOp::Write { file: FileId::Lock, at: 0, chunks: vec![contents] });
                out.push_back(DiskOp::SetLen { file: FileId::Lock, len });
                out.push_back(DiskOp::Sync { file: FileId::Lock });
            }
            Step::SaveIndex { contents } => {
                out.push_back(DiskOp::Replace { file: FileId::Index, contents });
            }
        }
        Progress::Going
    }

    /// Takes the answer to a step.
    pub(super) fn on_disk<C>(&mut self, done: DiskDone<C>, out: &mut VecDeque<DiskOp<C>>) -> Progress {
        match done {
            DiskDone::Kept { result: Ok(name) } => self.kept = Some(name),
            DiskDone::Kept { result: Err(error) } => return Progress::Failed(FileId::Log, error),
            DiskDone::Synced { result: Ok(()), .. } => {}
            DiskDone::Synced { file: FileId::Index, result: Err(error) } => self.index_unsaved = Some(error),
            DiskDone::Synced { file, result: Err(error) } | DiskDone::WriteFailed { file, error } => {
                return Progress::Failed(file, error);
            }
            DiskDone::Read { result, .. } => {
                let rewrite = self.rewrite.as_mut().expect("only what is written again is read now");
                if let Err(error) = rewrite.on_read(result, out) {
                    return Progress::Failed(FileId::Log, error);
                }
            }
            DiskDone::Reserved { .. }
            | DiskDone::Free { .. }
            | DiskDone::Named { .. }
            | DiskDone::Of { .. }
            | DiskDone::Blob(_) => {
                unreachable!("an opening asks for none of that")
            }
        }
        self.go(out)
    }
}
