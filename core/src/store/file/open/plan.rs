//! What is known of a log, and what has to be written for it.

use crate::ids::Tid;
use crate::rng::Rng;
use crate::store::file::format::FIRST;
use crate::store::file::index::Index;
use crate::store::file::index_file;
use crate::store::file::lockfile::{self, Nonce};
use crate::store::file::open::recent::History;
use crate::store::file::open::rewrite::Doubt;
use crate::store::file::open::writes::Step;
use crate::store::file::open::{IndexUse, Report};
use crate::store::file::sidecar::Header;

/// Transactions scanned from which on the index is saved, so that the next opening need not scan them again.
const SAVE_INDEX_AFTER: u64 = 5_000;

/// What is known of the log.
#[derive(Debug)]
pub(super) struct LogSoFar {
    /// Of everything up to `end`; while it is checked, what the saved one covers.
    pub(super) index: Index,
    pub(super) end: u64,
    pub(super) last: Tid,
    /// What lies before was durable, whatever the checksums say.
    pub(super) durable: u64,
    /// What lies before was durable as well, if an index that was rejected is this log's.
    pub(super) claimed: u64,
    /// What lies before is durable even if the checksums are another log's.
    pub(super) known: u64,
    /// The log is as a clean end of ours left it.
    pub(super) clean: bool,
    /// The end of the log that may not be on the disk.
    pub(super) doubt: Doubt,
    /// The log is to be created.
    pub(super) create: bool,
    /// The checksums are in order up to `end`; `None`: there are none of use.
    pub(super) sums: Option<SumsInPlace>,
    pub(super) history: History,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SumsInPlace {
    pub(super) nonce: Nonce,
    /// Entries of the sidecar that are of use.
    pub(super) entries: u64,
}

impl Default for LogSoFar {
    fn default() -> LogSoFar {
        LogSoFar {
            index: Index::new(),
            end: FIRST,
            last: Tid::ZERO,
            durable: 0,
            claimed: 0,
            known: 0,
            clean: false,
            doubt: Doubt::default(),
            create: false,
            sums: None,
            history: History::default(),
        }
    }
}

impl LogSoFar {
    /// What is to be written; the checksums are in place then.
    pub(super) fn steps(&mut self, report: &Report, pid: u32, rng: &mut Rng) -> Vec<Step> {
        let mut steps = Vec::new();
        let end = self.end;
        if self.create {
            mark!("a log is created");
            steps.push(Step::CreateLog);
        } else if self.clean {
            mark!("a log is as a clean end left it");
            steps.push(Step::SyncLog);
        } else {
            if report.cut.is_some() {
                steps.push(Step::KeepTail { from: end });
            } else {
                mark!("a log is whole and served as it is");
            }
            if self.doubt.from < self.doubt.upto {
                mark!("what may not be on the disk is written again");
                steps.push(Step::Rewrite(self.doubt.clone()));
            }
            // An earlier cut may not be on the disk either.
            steps.push(Step::CutLog { len: end });
        }
        let sums = match self.sums {
            Some(sums) => {
                let (at, entries) = self.doubt.sums(sums.nonce, sums.entries);
                steps.push(Step::CutSums { at, entries });
                sums
            }
            None => {
                let header = Header { nonce: Nonce(rng.next_u64()), base: end };
                steps.push(Step::StartSums { header: header.bytes() });
                SumsInPlace { nonce: header.nonce, entries: 0 }
            }
        };
        self.sums = Some(sums);
        steps.push(Step::WriteLock { contents: lockfile::format(pid, sums.nonce).into() });
        let rebuilt = report.index != IndexUse::Used && !self.create;
        // An index over damage would hide it from the next opening.
        let sound = report.damaged.is_empty();
        if sound && (rebuilt || report.scanned > SAVE_INDEX_AFTER) {
            steps.push(Step::SaveIndex { contents: index_file::encode(&self.index, end) });
        }
        steps
    }
}
