//! What a store made of two others needs: to know the parts apart, and to take part in an operation of theirs.

use crate::ids::Tid;
use crate::store::{First, Past, Place, RecordsLeft, TransactionHead, UndoTarget};

/// One of the two stores that a [demo](super::demo::Demo) store is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is underneath, and never written.
    Base,
    /// What came since.
    Changes,
}

/// The context of an operation that can also be the context of what is asked for its sake.
pub trait Nest: Sized {
    /// The context of what a part is asked.
    fn nest(step: Box<Step<Self>>) -> Self;

    /// What [`nest`](Nest::nest) was given.
    ///
    /// # Panics
    /// When it is another context: a part answers in the context of the question.
    fn unnest(self) -> Box<Step<Self>>;
}

/// An operation of a store while a part of it works on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<C> {
    /// The operation's own context.
    pub(super) context: C,
    pub(super) stage: Stage,
}

/// What the part's answer is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// It is the answer.
    Answer,
    /// The base's revision is the answer if the object is still unchanged.
    LoadUnchanged(Tid),
    /// The same for its serial.
    SerialUnchanged,
    /// The same for its history, of so many revisions.
    HistoryUnchanged(usize),
    /// If the changes have no revision before this one, one of the base is wanted.
    LoadChanged(Tid),
    /// The serial is the end of the base's revision that is current before this one.
    Border(Tid),
    /// The base's revision ended with this one, or before if that was packed away.
    UpTo(First),
    /// If the changes do not have the state of this transaction, the base may.
    SerialChanged(Tid),
    /// If these are fewer revisions than so many, the base's follow.
    HistoryChanged(usize),
    /// These revisions go before those of the base.
    HistoryAfter(Vec<Past>),
    /// If there is no such transaction in the base, one of the changes is wanted.
    Next(Tid),
    /// If undoing leaves nothing of the object in the changes, it is what it is in the base.
    Undo(UndoTarget),
    /// This state of the base is what undoing leads to.
    Reinstate,
}

impl Part {
    /// A place of this part as one of the whole.
    pub(super) fn place(self, place: Place) -> Place {
        Place { at: self.mark(place.at), ..place }
    }

    pub(super) fn head(self, mut head: TransactionHead) -> TransactionHead {
        head.at = self.place(head.at);
        head.behind = self.place(head.behind);
        head.records = self.left(head.records);
        head
    }

    pub(super) fn left(self, left: RecordsLeft) -> RecordsLeft {
        RecordsLeft { txn: self.mark(left.txn), ..left }
    }

    pub(super) fn target(self, target: UndoTarget) -> UndoTarget {
        UndoTarget { record: self.place(target.record), ..target }
    }

    /// The part that a place of the whole lies in, and where it is there.
    pub(super) fn of(place: Place) -> (Part, Place) {
        let (part, at) = Part::read(place.at);
        (part, Place { at, ..place })
    }

    pub(super) fn of_left(left: RecordsLeft) -> (Part, RecordsLeft) {
        let (part, txn) = Part::read(left.txn);
        (part, RecordsLeft { txn, ..left })
    }

    /// A position with the part in its lowest bit, so that parts of parts find room.
    fn mark(self, at: u64) -> u64 {
        assert!(at < 1 << 63, "positions leave room for the part they are in");
        at << 1 | u64::from(self == Part::Changes)
    }

    fn read(at: u64) -> (Part, u64) {
        (if at & 1 == 0 { Part::Base } else { Part::Changes }, at >> 1)
    }
}
