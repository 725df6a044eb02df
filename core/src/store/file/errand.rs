//! Walks for callers that read by themselves, in their own time: nothing of them is pending in the store.

use crate::store::StoreError;
use crate::store::disk::{DiskError, Span};
use crate::store::file::book::Book;
use crate::store::file::read::{self, Reading};
use crate::store::file::view::Walk;
use bytes::Bytes;

/// A walk over a log with the bytes it stands on. [`FileStore::pursue`](super::FileStore::pursue) takes it further.
#[derive(Debug)]
pub struct Errand<W> {
    walk: W,
    reading: Reading,
}

/// How far an errand came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// To an answer. An errand with more to tell may be pursued again.
    Answer(A),
    /// To bytes of the log that are to be [handed in](Errand::take).
    Read(Span),
}

impl<W: Walk> Errand<W> {
    pub(super) fn new(walk: W) -> Errand<W> {
        Errand { walk, reading: Reading::default() }
    }

    /// Takes the bytes that were asked for last.
    ///
    /// # Errors
    /// When they could not be read, or are fewer: the log ends before its index does.
    pub fn take(&mut self, result: Result<Bytes, DiskError>) -> Result<(), StoreError> {
        self.reading.take(result)
    }

    pub(super) fn pursue(&mut self, book: &Book) -> Result<Step<W::Answer>, StoreError> {
        Ok(match self.reading.walk(&mut self.walk, book)? {
            read::Step::Over(answer) => Step::Answer(answer),
            read::Step::Read(span) => Step::Read(span),
        })
    }
}
