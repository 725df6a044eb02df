//! Walks that answer an operation, on their way to the disk and back. What is committed meanwhile does not concern them;
//! after a pack they start again in the new log.

use crate::store::disk::{DiskError, DiskOp, FileId};
use crate::store::file::book::Book;
use crate::store::file::read::{Pending, Purpose, Reading, Step};
use crate::store::file::view::Walk;
use crate::store::{Outbox, StoreDone, StoreError};
use bytes::Bytes;

/// A walk whose end is the answer to an operation.
pub(super) trait Query: Walk + Sized {
    /// Under what its reads travel.
    fn purpose<C>(asked: Asked<C, Self>) -> Purpose<C>;

    /// Goes back to the start, in the log of after a pack. `Some`: what there is to answer without walking.
    fn restart(&mut self, book: &Book) -> Option<Result<Self::Answer, StoreError>>;

    /// The answer to the operation.
    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C>;
}

/// Such a walk with the bytes it stands on.
#[derive(Debug)]
pub(super) struct Asked<C, W> {
    context: C,
    walk: W,
    reading: Reading,
    /// The log it goes through.
    log: u32,
}

impl<C, W: Query> Asked<C, W> {
    /// Walks as far as no byte is needed.
    pub(super) fn start(context: C, walk: W, book: &Book, out: &mut Outbox<C>) {
        Asked { context, walk, reading: Reading::default(), log: book.log }.pursue(book, out);
    }

    /// Goes on with the bytes that were waited for.
    pub(super) fn resume(mut self, result: Result<Bytes, DiskError>, book: &Book, out: &mut Outbox<C>) {
        if self.log != book.log {
            mark!("a walk starts over since the log was packed");
            return self.start_over(book, out);
        }
        match self.reading.take(result) {
            Ok(()) => self.pursue(book, out),
            Err(error) => self.answer(Err(error), out),
        }
    }

    fn pursue(mut self, book: &Book, out: &mut Outbox<C>) {
        match self.reading.walk(&mut self.walk, book) {
            Ok(Step::Over(answer)) => self.answer(Ok(answer), out),
            Ok(Step::Read(span)) => {
                let pending = Pending(W::purpose(self));
                out.disk.push_back(DiskOp::Read { file: FileId::Log, span, pending });
            }
            Err(error) => self.answer(Err(error), out),
        }
    }

    fn start_over(mut self, book: &Book, out: &mut Outbox<C>) {
        match self.walk.restart(book) {
            None => Asked::start(self.context, self.walk, book, out),
            Some(result) => self.answer(result, out),
        }
    }

    fn answer(self, result: Result<W::Answer, StoreError>, out: &mut Outbox<C>) {
        out.done.push_back(self.walk.done(self.context, result));
    }
}
