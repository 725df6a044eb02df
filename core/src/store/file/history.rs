//! The walk of a history: along an object's revisions, newest first, with a look at the transaction of each.

use crate::ids::Oid;
use crate::store::disk::{DiskError, DiskOp, FileId};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, DATA_HEADER, TXN_HEADER};
use crate::store::file::read::{Pending, Purpose, Reading, Step};
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Outbox, Past, Pasts, StoreDone, StoreError};
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

/// A history on its way to the disk and back. What is committed meanwhile is not in it.
#[derive(Debug)]
pub(super) struct Recall<C> {
    context: C,
    walk: History,
    reading: Reading,
}

impl<C> Recall<C> {
    /// Starts a history.
    pub(super) fn start(context: C, oid: Oid, count: usize, book: &Book, out: &mut Outbox<C>) {
        let result = match book.index.get(oid) {
            None => Err(StoreError::NoObject(oid)),
            Some(_) if count == 0 => Ok(Vec::new()),
            Some(origin) => {
                let walk = History::new(oid, count, origin.at);
                return Recall { context, walk, reading: Reading::default() }.pursue(book, out);
            }
        };
        out.done.push_back(StoreDone::History { context, oid, result });
    }

    /// Goes on with the bytes that were waited for.
    pub(super) fn resume(mut self, result: Result<Bytes, DiskError>, book: &Book, out: &mut Outbox<C>) {
        match self.reading.take(result) {
            Ok(()) => self.pursue(book, out),
            Err(error) => self.answer(Err(error), out),
        }
    }

    fn pursue(mut self, book: &Book, out: &mut Outbox<C>) {
        match self.reading.walk(&mut self.walk, book) {
            Ok(Step::Over(result)) => self.answer(result, out),
            Ok(Step::Read(span)) => {
                let pending = Pending(Purpose::History(self));
                out.disk.push_back(DiskOp::Read { file: FileId::Log, span, pending });
            }
            Err(error) => self.answer(Err(error), out),
        }
    }

    fn answer(self, result: Result<Vec<Past>, StoreError>, out: &mut Outbox<C>) {
        out.done.push_back(StoreDone::History { context: self.context, oid: self.walk.oid, result });
    }
}
