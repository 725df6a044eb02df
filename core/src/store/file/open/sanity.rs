//! Whether a saved index belongs to the log: FileStorage's `_check_sanity`.
//!
//! The last transaction before the position the index was saved at that holds records is compared with the index. As
//! in Python that is a spot check; unlike in Python, the last of an object's records in one transaction counts.

use crate::ids::Tid;
use crate::store::file::format::{Broken, DATA_HEADER, DataHeader, FIRST, TxnHeader, UNDONE};
use crate::store::file::index::Index;
use crate::store::file::view::{Need, View, Walk, damaged};

/// Records looked at.
const RECORDS: u32 = 5;
/// Python ignores an index that was saved before this position.
const TOO_EARLY: u64 = 100;

#[derive(Debug)]
pub(super) struct Sanity {
    index: Index,
    /// Where the index was saved.
    position: u64,
    /// The transaction before that position.
    last: Option<Tid>,
    place: Place,
    checked: u32,
}

#[derive(Debug)]
enum Place {
    /// At the end of a transaction.
    Behind(u64),
    /// At a record of the transaction that ends at `end`.
    Record { at: u64, txn: u64, end: u64 },
}

#[derive(Debug)]
pub(super) enum Found {
    Txn { at: u64, header: TxnHeader },
    Record(DataHeader),
}

/// An index that can be trusted, where it was saved, and the transaction before that.
#[derive(Debug)]
pub(super) struct Sane {
    pub(super) index: Index,
    pub(super) position: u64,
    pub(super) last: Tid,
}

impl Sanity {
    pub(super) fn new(index: Index, position: u64) -> Sanity {
        Sanity { index, position, last: None, place: Place::Behind(position), checked: 0 }
    }

    fn look_behind(&self, end: u64, log: &View<'_>) -> Result<Found, Need> {
        if self.position < TOO_EARLY || self.position > log.end() {
            return damaged(self.position, Broken::Position);
        }
        if end == FIRST {
            // Nothing but empty transactions: nothing that could vouch for the index.
            return damaged(end, Broken::Unindexed);
        }
        let (at, header) = log.txn_before(end)?;
        if !matches!(header.status, b' ' | b'p' | UNDONE) {
            return damaged(at, Broken::Status);
        }
        Ok(Found::Txn { at, header })
    }
}

impl Walk for Sanity {
    type Found = Found;
    type Answer = Sane;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match self.place {
            Place::Behind(end) => self.look_behind(end, log),
            Place::Record { at, txn, end } => {
                let header = log.data_header(at, DATA_HEADER)?;
                if at.saturating_add(header.record_len()) > end || header.txn != txn {
                    return damaged(at, Broken::OtherTransaction);
                }
                match self.index.get(header.oid) {
                    Some(entry) if entry.at >= at && entry.at < end => Ok(Found::Record(header)),
                    Some(_) | None => damaged(at, Broken::Unindexed),
                }
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<Sane> {
        match found {
            Found::Txn { at, header } => {
                self.last.get_or_insert(header.tid);
                let records = at + header.records_at();
                let end = at + header.length;
                self.place = if header.status == UNDONE || records == end {
                    Place::Behind(at)
                } else {
                    Place::Record { at: records, txn: at, end }
                };
                return None;
            }
            Found::Record(header) => {
                let Place::Record { at, txn, end } = self.place else {
                    unreachable!("a record was looked at")
                };
                let next = at + header.record_len();
                self.checked += 1;
                if next < end && self.checked < RECORDS {
                    self.place = Place::Record { at: next, txn, end };
                    return None;
                }
            }
        }
        let last = self.last.expect("a record lies in a transaction");
        Some(Sane { index: std::mem::take(&mut self.index), position: self.position, last })
    }
}
