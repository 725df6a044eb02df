//! The last transactions of a log with the objects they changed, for the invalidation queue.

use crate::ids::{Oid, Tid};
use crate::store::file::format::{Broken, DATA_HEADER, DataHeader, FIRST, TxnHeader, UNDONE};
use crate::store::file::pack::PACKED;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::reach::{Reach, remembered};

/// Goes backwards by the repeated lengths.
#[derive(Debug)]
pub(super) struct Recent {
    wanted: Reach,
    /// The last transaction of the log, once it was seen.
    last: Option<Tid>,
    /// What those that were found take.
    bytes: usize,
    place: Place,
    /// The newest first.
    found: Vec<(Tid, Vec<Oid>)>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the end of a transaction.
    Behind(u64),
    /// At a record of the transaction found last.
    Record { at: u64, txn: u64, end: u64 },
}

#[derive(Debug)]
pub(super) enum Found {
    Txn { at: u64, header: TxnHeader },
    Record(DataHeader),
    Start,
}

/// The last transactions.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The oldest first, each with its objects in order.
    pub(super) recent: Vec<(Tid, Vec<Oid>)>,
    /// The transaction before them; zero when there is none.
    pub(super) base: Tid,
}

impl Recent {
    /// The last transactions within the `wanted` reach, of a log that ends at `end`.
    pub(super) fn new(end: u64, wanted: Reach) -> Recent {
        Recent { wanted, last: None, bytes: 0, place: Place::Behind(end), found: Vec::new() }
    }

    /// The transactions behind one that cannot be read; `last` is the last of the log. What lies before is as good as
    /// forgotten.
    pub(super) fn unread(&mut self, last: Tid) -> History {
        if matches!(self.place, Place::Record { .. }) {
            self.found.pop();
        }
        self.finish_behind(last)
    }

    /// Nobody knows which transaction came before the oldest that was found: it is the base itself; `last` where none was.
    fn finish_behind(&mut self, last: Tid) -> History {
        let base = self.found.pop().map_or(last, |(tid, _)| tid);
        self.finish(base)
    }

    fn covers(&self, tid: Tid) -> bool {
        self.wanted.covers(tid, self.found.len(), self.bytes, self.last.unwrap_or(tid))
    }

    fn finish(&mut self, base: Tid) -> History {
        let mut recent = std::mem::take(&mut self.found);
        recent.reverse();
        for (_, oids) in &mut recent {
            // Python's server writes two records for a blob.
            oids.sort_unstable();
            oids.dedup();
        }
        History { recent, base }
    }
}

impl Walk for Recent {
    type Found = Found;
    type Answer = History;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match self.place {
            Place::Behind(FIRST) => Ok(Found::Start),
            Place::Behind(end) => {
                let (at, header) = log.txn_before(end)?;
                Ok(Found::Txn { at, header })
            }
            Place::Record { at, txn, end } => {
                let header = log.data_header(at, DATA_HEADER)?;
                if header.txn != txn {
                    return damaged(at, Broken::OtherTransaction);
                }
                if at.saturating_add(header.record_len()) > end {
                    return damaged(at, Broken::RecordLength);
                }
                Ok(Found::Record(header))
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<History> {
        match found {
            Found::Start => return Some(self.finish(Tid::ZERO)),
            Found::Txn { at, header } if header.status == UNDONE => self.place = Place::Behind(at),
            Found::Txn { header, .. } if header.status == PACKED => {
                // Nobody knows either what a pack took out, of this transaction or behind it.
                mark!("the last transactions end at a pack");
                return Some(self.finish_behind(header.tid));
            }
            Found::Txn { header, .. } if !self.covers(header.tid) => return Some(self.finish(header.tid)),
            Found::Txn { at, header } => {
                self.last.get_or_insert(header.tid);
                self.bytes += remembered(0);
                self.found.push((header.tid, Vec::new()));
                let (records, end) = (at + header.records_at(), at + header.length);
                self.place = if records == end {
                    Place::Behind(at)
                } else {
                    Place::Record { at: records, txn: at, end }
                };
            }
            Found::Record(header) => {
                let Place::Record { at, txn, end } = self.place else {
                    unreachable!("a record was looked at")
                };
                let (_, oids) = self.found.last_mut().expect("its transaction was found");
                oids.push(header.oid);
                self.bytes += remembered(1) - remembered(0);
                let next = at + header.record_len();
                self.place =
                    if next < end { Place::Record { at: next, txn, end } } else { Place::Behind(txn) };
            }
        }
        None
    }
}
