//! The walk to the next record of a transaction, wherever that is by now.

use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::heads::{self, Heads};
use crate::store::file::pack::PACKED;
use crate::store::file::read::Purpose;
use crate::store::file::records::{self, Records};
use crate::store::file::view::{Need, View, Walk};
use crate::store::{CopiedRecord, RecordsLeft, StoreDone, StoreError};

/// A way along what is left of a transaction. After a pack the transaction is looked for first, and the records are passed
/// over that were given.
#[derive(Debug)]
pub struct Onward {
    left: RecordsLeft,
    ahead: usize,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Along(Records),
    /// To the transaction.
    Search(Heads),
}

/// What one step finds.
#[derive(Debug)]
pub enum Found {
    /// On the way along the records.
    Record(records::Found),
    /// On the way to the transaction.
    Head(heads::Found),
}

impl Onward {
    /// A way along what is `left`.
    pub(super) fn new(left: RecordsLeft, book: &Book, ahead: usize) -> Onward {
        let way = if left.log == book.log {
            Way::Along(Records::new(left, ahead))
        } else {
            mark!("an iteration looks for its transaction since the log was packed");
            Way::Search(Heads::new(left.tid, book.last, book.end, book.log, ahead))
        };
        Onward { left, ahead, way }
    }
}

impl Walk for Onward {
    type Found = Found;
    type Answer = Result<Option<(CopiedRecord, RecordsLeft)>, StoreError>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.way {
            Way::Along(records) => records.look(log).map(Found::Record),
            Way::Search(heads) => heads.look(log).map(Found::Head),
        }
    }

    fn take(&mut self, found: Found) -> Option<Self::Answer> {
        match (found, &mut self.way) {
            (Found::Record(found), Way::Along(records)) => {
                let next = records.take(found)?;
                // Behind a pack, those that were given come first.
                let is_given = |(_, left): &(CopiedRecord, RecordsLeft)| left.given <= self.left.given;
                if next.as_ref().is_some_and(is_given) { None } else { Some(Ok(next)) }
            }
            (Found::Head(found), Way::Search(heads)) => {
                let head = heads.take(found)?.filter(|head| head.tid == self.left.tid);
                // Of one that is gone nothing was needed.
                let Some(head) = head else { return Some(Ok(None)) };
                if head.status == PACKED && self.left.given > 0 {
                    // Nobody knows which of those that were given are still there.
                    return Some(Err(StoreError::Repacked));
                }
                self.way = Way::Along(Records::new(head.records, self.ahead));
                None
            }
            (found, way) => unreachable!("{found:?} on {way:?}"),
        }
    }
}

impl Query for Onward {
    fn purpose<C>(asked: Asked<C, Onward>) -> Purpose<C> {
        Purpose::Record(Box::new(asked))
    }

    fn restart(&mut self, book: &Book) -> Option<Result<Self::Answer, StoreError>> {
        *self = Onward::new(self.left, book, self.ahead);
        None
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::Record { context, result: result.flatten() }
    }
}
