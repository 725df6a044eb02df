//! The walk to one transaction of the log: its head, without its records.

use crate::ids::Tid;
use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, FIRST, INCOMPLETE, TXN_HEADER, TxnHeader, UNDONE};
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Place, RecordsLeft, StoreDone, StoreError, TransactionHead};
use bytes::Bytes;

/// Bytes read of a transaction that is passed over: a few small ones.
const PASSING: usize = 1 << 12;

/// A way along the transactions whose tids are not below `from`, the oldest first. Its answer is the next one, or `None`
/// at the end of what was visible when it was asked; asked again later it tells what came since.
#[derive(Debug)]
pub struct Heads {
    from: Tid,
    /// What comes next, once the start is found.
    at: u64,
    /// How the start is looked for.
    seek: Seek,
    /// The log it goes through.
    log: u32,
    /// Bytes read at a time where they are needed one after the other.
    ahead: usize,
}

#[derive(Clone, Copy, Debug)]
enum Seek {
    /// From the nearer end: this is the last transaction, and where it ends.
    Nearer(Tid, u64),
    /// Backwards: the transaction that starts here is still wanted.
    Backwards(u64),
    /// The transaction that ends here is the only one that is wanted.
    Last(u64),
    /// Forwards, over those that are not wanted.
    Forwards,
}

/// What one step finds.
#[derive(Debug)]
pub enum Found {
    /// The first transaction of the log.
    First(Tid),
    /// Where the transaction before starts, and whether it is wanted too.
    Before(u64, bool),
    /// A transaction before the first that is wanted.
    Earlier(TxnHeader),
    /// A transaction, with user, description and extension.
    Txn(TxnHeader, Bytes),
    /// The end of the log.
    Over,
}

impl Heads {
    /// From the first transaction on whose tid is not below `from`, in log `log`, which ends with `last` at `end`.
    pub(super) fn new(from: Tid, last: Tid, end: u64, log: u32, ahead: usize) -> Heads {
        let seek = if from == Tid::ZERO { Seek::Forwards } else { Seek::Nearer(last, end) };
        Heads { from, at: FIRST, seek, log, ahead }
    }

    /// The transaction before the one at `behind`, or the last of a log that ends there.
    pub(super) fn before(behind: Place, ahead: usize) -> Heads {
        Heads { from: Tid::ZERO, at: FIRST, seek: Seek::Last(behind.at), log: behind.log, ahead }
    }

    /// From the transaction at `near` on.
    pub(super) fn at(near: Place, from: Tid, ahead: usize) -> Heads {
        Heads { from, at: near.at, seek: Seek::Forwards, log: near.log, ahead }
    }

    fn look_at_txn(&self, log: &View<'_>) -> Result<Found, Need> {
        if self.at >= log.end() {
            return Ok(Found::Over);
        }
        let header = log.txn_header_or(self.at, PASSING)?;
        if header.status == INCOMPLETE {
            return damaged(self.at, Broken::Status);
        }
        if header.length < header.records_at() {
            return damaged(self.at, Broken::TxnHeader);
        }
        if self.at.saturating_add(header.stride()) > log.end() {
            return damaged(self.at, Broken::Ends);
        }
        if header.tid < self.from {
            return Ok(Found::Earlier(header));
        }
        let strings = header.records_at() as usize - TXN_HEADER;
        let strings = match strings {
            0 => Bytes::new(),
            len => log.bytes_or(self.at + TXN_HEADER as u64, len, self.ahead)?,
        };
        Ok(Found::Txn(header, strings))
    }
}

impl Walk for Heads {
    type Found = Found;
    type Answer = Option<TransactionHead>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match self.seek {
            Seek::Nearer(_, FIRST) | Seek::Forwards => self.look_at_txn(log),
            Seek::Last(FIRST) => Ok(Found::Over),
            Seek::Last(end) => Ok(Found::Before(log.txn_before(end)?.0, false)),
            Seek::Nearer(..) => Ok(Found::First(log.txn_header(FIRST)?.tid)),
            Seek::Backwards(FIRST) => Ok(Found::Before(FIRST, false)),
            Seek::Backwards(start) => {
                let (before, header) = log.txn_before(start)?;
                Ok(Found::Before(before, header.tid >= self.from))
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<Option<TransactionHead>> {
        match (found, self.seek) {
            (Found::First(first), Seek::Nearer(last, end)) => {
                let (from, first, last) = (self.from.0, first.0, last.0);
                let nearer_start = from.saturating_sub(first) < last.saturating_sub(from);
                self.seek = if nearer_start { Seek::Forwards } else { Seek::Backwards(end) };
            }
            (Found::Before(start, true), _) => self.seek = Seek::Backwards(start),
            (Found::Before(start, false), Seek::Last(_))
            | (Found::Before(_, false), Seek::Backwards(start)) => {
                self.at = start;
                self.seek = Seek::Forwards;
            }
            (Found::Over, _) => return Some(None),
            (Found::Earlier(header), _) => self.at += header.stride(),
            (Found::Txn(header, mut strings), _) => {
                let start = self.at;
                self.at += header.stride();
                // What an undone transaction holds counts for nothing.
                let records = if header.status == UNDONE { header.length } else { header.records_at() };
                return Some(Some(TransactionHead {
                    tid: header.tid,
                    status: header.status,
                    user: strings.split_to(header.user.into()),
                    description: strings.split_to(header.description.into()),
                    extension: strings,
                    size: header.length,
                    at: Place { at: start, log: self.log },
                    records: RecordsLeft {
                        tid: header.tid,
                        log: self.log,
                        given: 0,
                        txn: start,
                        at: start + records,
                        end: start + header.length,
                    },
                    behind: Place { at: self.at, log: self.log },
                }));
            }
            (found, seek) => unreachable!("{found:?} on a way {seek:?}"),
        }
        None
    }
}

impl Query for Heads {
    fn purpose<C>(asked: Asked<C, Heads>) -> Purpose<C> {
        Purpose::Head(Box::new(asked))
    }

    fn restart(&mut self, book: &Book) -> Option<Result<Self::Answer, StoreError>> {
        if let Seek::Last(_) = self.seek {
            return Some(Err(StoreError::Repacked));
        }
        *self = Heads::new(self.from, book.last, book.end, book.log, self.ahead);
        None
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::Transaction { context, result }
    }
}
