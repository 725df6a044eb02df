//! The questions a server puts to a storage, and the answers.

use super::{
    CopiedRecord, Current, First, Past, Place, RecordsLeft, Revision, SoFar, StoreError, TransactionHead,
    UndoRefusal, UndoTarget, Undone,
};
use crate::ids::{Oid, Tid};
use bytes::Bytes;

/// A question with the context its answer is given with.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreOp<C> {
    /// The revision of `oid` that was current just before `before`.
    LoadBefore {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// The first tid too late.
        before: Tid,
    },
    /// The state that transaction `serial` gave `oid`.
    LoadSerial {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// The transaction.
        serial: Tid,
    },
    /// The serial of the current revision of `oid`.
    CurrentSerial {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
    },
    /// Where the revisions of `oid` begin that the store has.
    First {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
    },
    /// The newest revisions of `oid` with what is known of their transactions.
    History {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// How many at most.
        count: usize,
    },
    /// The first transaction whose tid is not below `from`.
    NextTransaction {
        /// Returned with the answer.
        context: C,
        /// The first tid.
        from: Tid,
        /// What stands behind the transaction that was given before; `None`: the start is looked for.
        near: Option<Place>,
    },
    /// The next record of a transaction.
    NextRecord {
        /// Returned with the answer.
        context: C,
        /// How far its records were read.
        left: RecordsLeft,
    },
    /// Where the state that transaction `serial` gave `oid` stands, if it is `data`.
    Find {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// The transaction.
        serial: Tid,
        /// The state that is looked for.
        data: Option<Bytes>,
    },
    /// The records of transaction `tid`, which is to be undone. Of a store that [can](super::Store::supports_undo).
    Targets {
        /// Returned with the answer.
        context: C,
        /// The transaction.
        tid: Tid,
    },
    /// What undoing one of these records makes of its object.
    Undo {
        /// Returned with the answer.
        context: C,
        /// The record.
        target: UndoTarget,
        /// What the transaction that undoes has done to the object before.
        so_far: Option<SoFar>,
    },
    /// The state of `oid` at `place`, and the transaction that wrote it. Of a store that [can](super::Store::supports_undo) undo.
    Origin {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// Where it is said which state that is.
        place: Place,
    },
    /// The last transaction before another one. Of a store that [can](super::Store::supports_undo) undo.
    PreviousTransaction {
        /// Returned with the answer.
        context: C,
        /// The other one; `None`: the end.
        before: Option<Place>,
    },
    /// Makes sure that `bytes` more than all earlier reservations can be appended.
    Reserve {
        /// Returned with the answer.
        context: C,
        /// Bytes of the transaction, as [`Store::footprint`](super::Store::footprint) counts them.
        bytes: u64,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreDone<C> {
    /// To [`StoreOp::LoadBefore`]. `None`: the object exists, but had no revision before that tid.
    Loaded {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The revision.
        result: Result<Option<Revision>, StoreError>,
    },
    /// To [`StoreOp::LoadSerial`].
    Data {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The state.
        result: Result<Bytes, StoreError>,
    },
    /// To [`StoreOp::CurrentSerial`].
    Serial {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The current revision.
        result: Result<Current, StoreError>,
    },
    /// To [`StoreOp::First`]. `None`: the object was never stored.
    First {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The first revision.
        result: Result<Option<First>, StoreError>,
    },
    /// To [`StoreOp::History`], the newest first.
    History {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The revisions, deletions included; [`StoreError::TooLarge`] when they take more than [`HISTORY`](crate::limits::HISTORY).
        result: Result<Vec<Past>, StoreError>,
    },
    /// To [`StoreOp::NextTransaction`] and [`StoreOp::PreviousTransaction`]. `None`: there is none.
    Transaction {
        /// From the question.
        context: C,
        /// The transaction.
        result: Result<Option<TransactionHead>, StoreError>,
    },
    /// To [`StoreOp::NextRecord`]. `None`: there are no more.
    Record {
        /// From the question.
        context: C,
        /// The record, and what is left behind it.
        result: Result<Option<(CopiedRecord, RecordsLeft)>, StoreError>,
    },
    /// To [`StoreOp::Find`]. `None`: the store does not have it, or another state there.
    Found {
        /// From the question.
        context: C,
        /// The place.
        result: Result<Option<Place>, StoreError>,
    },
    /// To [`StoreOp::Targets`].
    Targets {
        /// From the question.
        context: C,
        /// The records, in their order.
        result: Result<Result<Vec<UndoTarget>, UndoRefusal>, StoreError>,
    },
    /// To [`StoreOp::Undo`].
    Undone {
        /// From the question.
        context: C,
        /// What becomes of the object.
        result: Result<Result<Undone, UndoRefusal>, StoreError>,
    },
    /// To [`StoreOp::Origin`]. `None`: the object does not exist there.
    Origin {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The transaction, and the state.
        result: Result<Option<(Tid, Bytes)>, StoreError>,
    },
    /// To [`StoreOp::Reserve`].
    Reserved {
        /// From the question.
        context: C,
        /// Whether the room is there.
        result: Result<(), StoreError>,
    },
    /// Every appended transaction up to and including `upto` is durable and in the index.
    Durable {
        /// The watermark.
        upto: Tid,
    },
    /// The last append failed, and the store takes no more: what was appended since the last watermark may or may
    /// not be there after a restart.
    Refused {
        /// What the disk said.
        why: StoreError,
    },
    /// To [`Store::discard`](super::Store::discard), and to [`Store::swap`](super::Store::swap). After an error the old log is served; if the new one is, the store takes no
    /// more commits.
    Swapped {
        /// Whether the packed log is in place for good.
        result: Result<(), StoreError>,
    },
    /// To [`Store::close`](super::Store::close): what makes the next start fast is written, or could not be.
    Closed {
        /// Whether it is.
        result: Result<(), StoreError>,
    },
}
