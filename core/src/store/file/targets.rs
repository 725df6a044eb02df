//! The walk to a transaction that is to be undone, and along its records.

use crate::ids::Tid;
use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, DATA_HEADER};
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Place, StoreDone, StoreError, UndoRefusal, UndoTarget};

/// The status of a transaction that a pack went through: it and what is before it cannot be undone.
const PACKED: u8 = b'p';

/// The search for a transaction from the end, and for its records.
#[derive(Debug)]
pub struct Targets {
    tid: Tid,
    /// The log it goes through.
    log: u32,
    stage: Stage,
    found: Vec<UndoTarget>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The transactions from here on are other ones.
    Search(u64),
    /// The next record, and where the last one ends.
    Records { txn: u64, at: u64, end: u64 },
}

/// What one step finds.
#[derive(Debug)]
pub enum Found {
    /// Another transaction starts here.
    Other(u64),
    /// The transaction: where it and its records start, and where they end.
    Txn(u64, u64, u64),
    /// A record, and how long it is.
    Record(UndoTarget, u64),
    /// The end of the search.
    Over(Option<UndoRefusal>),
}

impl Targets {
    /// For transaction `tid` in log `log`, which ends at `end`.
    pub(super) fn new(tid: Tid, end: u64, log: u32) -> Targets {
        Targets { tid, log, stage: Stage::Search(end), found: Vec::new() }
    }
}

impl Walk for Targets {
    type Found = Found;
    type Answer = Result<Vec<UndoTarget>, UndoRefusal>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match self.stage {
            Stage::Search(end) => {
                if end <= crate::store::file::format::FIRST {
                    return Ok(Found::Over(Some(UndoRefusal::Unknown)));
                }
                let (at, header) = log.txn_before(end)?;
                if header.tid != self.tid {
                    let over = header.tid < self.tid || header.status == PACKED;
                    return Ok(if over { Found::Over(Some(UndoRefusal::Unknown)) } else { Found::Other(at) });
                }
                if header.status != b' ' {
                    return Ok(Found::Over(Some(UndoRefusal::Packed)));
                }
                Ok(Found::Txn(at, at + header.records_at(), at + header.length))
            }
            Stage::Records { at, end, .. } if at == end => Ok(Found::Over(None)),
            Stage::Records { txn, at, end } => {
                let header = log.data_header(at, DATA_HEADER)?;
                if header.txn != txn || header.tid != self.tid {
                    return damaged(at, Broken::OtherTransaction);
                }
                let len = header.record_len();
                if at.saturating_add(len) > end {
                    return damaged(at, Broken::RecordLength);
                }
                Ok(Found::Record(
                    UndoTarget { oid: header.oid, tid: self.tid, record: Place { at, log: self.log } },
                    len,
                ))
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<Self::Answer> {
        match found {
            Found::Other(at) => self.stage = Stage::Search(at),
            Found::Txn(txn, at, end) => self.stage = Stage::Records { txn, at, end },
            Found::Record(target, len) => {
                let Stage::Records { at, .. } = &mut self.stage else {
                    unreachable!("a record among records")
                };
                *at += len;
                self.found.push(target);
            }
            Found::Over(None) => return Some(Ok(std::mem::take(&mut self.found))),
            Found::Over(Some(refusal)) => return Some(Err(refusal)),
        }
        None
    }
}

impl Query for Targets {
    fn purpose<C>(asked: Asked<C, Targets>) -> Purpose<C> {
        Purpose::Targets(Box::new(asked))
    }

    fn restart(&mut self, book: &Book) -> Option<Result<Self::Answer, StoreError>> {
        *self = Targets::new(self.tid, book.end, book.log);
        None
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::Targets { context, result }
    }
}
