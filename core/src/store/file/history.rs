//! The walk of a history: along an object's revisions, newest first, with a look at the transaction of each.

use crate::ids::Oid;
use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, DATA_HEADER, TXN_HEADER};
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Past, Pasts, StoreDone, StoreError};
use bytes::Bytes;

/// Bytes read of a transaction whose header is not there yet: most have no longer strings.
const TXN_GUESS: usize = 256;

/// The search for the newest revisions of one object.
#[derive(Debug)]
pub struct History {
    oid: Oid,
    /// The record to look at next.
    at: u64,
    pasts: Pasts,
}

/// One revision.
#[derive(Debug)]
pub struct Found {
    past: Past,
    /// Where the one before is; zero for none.
    prev: u64,
}

impl History {
    /// At most `count` revisions, and at least one, from the record at `at` on.
    pub(super) fn new(oid: Oid, count: usize, at: u64) -> History {
        History { oid, at, pasts: Pasts::new(count) }
    }
}

impl Walk for History {
    type Found = Found;
    type Answer = Result<Vec<Past>, StoreError>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let record = log.data_header(self.at, DATA_HEADER)?;
        if record.oid != self.oid {
            return damaged(self.at, Broken::OtherObject);
        }
        if record.prev >= self.at {
            return damaged(self.at, Broken::Pointer);
        }
        if record.txn >= self.at {
            return damaged(self.at, Broken::OtherTransaction);
        }
        let txn = log.txn_header_or(record.txn, TXN_GUESS)?;
        if txn.tid != record.tid || record.txn + txn.records_at() > self.at {
            return damaged(self.at, Broken::OtherTransaction);
        }
        let [user, description, extension] = [txn.user, txn.description, txn.extension].map(usize::from);
        let strings = log.slice(record.txn + TXN_HEADER as u64, user + description + extension)?;
        let (user, rest) = strings.split_at(user);
        let (description, extension) = rest.split_at(description);
        let past = Past {
            tid: record.tid,
            size: record.data,
            // Copies: what was read is a piece of something larger, and a history may wait for its last revision.
            user: Bytes::copy_from_slice(user),
            description: Bytes::copy_from_slice(description),
            extension: Bytes::copy_from_slice(extension),
        };
        Ok(Found { past, prev: record.prev })
    }

    fn take(&mut self, found: Found) -> Option<Result<Vec<Past>, StoreError>> {
        if let Err(error) = self.pasts.add(found.past) {
            return Some(Err(error));
        }
        self.at = found.prev;
        let is_over = found.prev == 0 || self.pasts.is_full();
        is_over.then(|| Ok(std::mem::take(&mut self.pasts.found)))
    }
}

impl Query for History {
    fn purpose<C>(asked: Asked<C, History>) -> Purpose<C> {
        Purpose::History(asked)
    }

    fn restart(&mut self, book: &Book) -> Option<Result<Self::Answer, StoreError>> {
        let Some(entry) = book.index.get(self.oid) else { return Some(Err(StoreError::NoObject(self.oid))) };
        *self = History::new(self.oid, self.pasts.count, entry.at);
        None
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::History { context, oid: self.oid, result: result.flatten() }
    }
}
