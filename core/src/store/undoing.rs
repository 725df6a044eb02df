//! What undoing a transaction does to the objects it changed.

use super::Place;
use crate::ids::{Oid, Tid};
use bytes::Bytes;
use thiserror::Error;

/// One record of a transaction that is to be undone; good for the store that gave it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoTarget {
    /// The object.
    pub oid: Oid,
    /// The transaction.
    pub tid: Tid,
    pub(super) record: Place,
}

/// What a transaction has done to an object before it undoes a record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoFar {
    /// It gave it this state.
    Stored(Bytes),
    /// It set it back to what stands here.
    Back(Place),
    /// It deleted the object, or undid its creation.
    Gone,
}

/// What an undo makes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was here.
    Back(Place),
    /// It has this state again, which this transaction of a store underneath wrote.
    State(Tid, Bytes),
    /// It does not exist any more: its creation was undone.
    Gone,
    /// It was changed since: somebody who knows the class has to merge its current state and the one before the undone
    /// transaction.
    Merge {
        /// The current revision.
        current: Tid,
        /// The state before the undone transaction.
        earlier: Bytes,
    },
}

/// Why something cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UndoRefusal {
    /// No such transaction, or it was before the last pack.
    #[error("no transaction of this id can be undone")]
    Unknown,
    /// The last pack went through it.
    #[error("the transaction was packed")]
    Packed,
    /// The object did not exist at one of the points that matter.
    #[error("the object did not exist")]
    NoState,
    /// The transaction created the object, and a later one changed it.
    #[error("the transaction created the object, which was changed since")]
    Added,
    /// The object was changed since, and nobody can merge that.
    #[error("the object was changed by a later transaction")]
    Modified,
}
