//! What a transaction does to one object, or has to know of it.

use crate::ids::{Oid, Tid};
use crate::store::{Current, Place};
use bytes::Bytes;

/// A change or a read check, with what was found out about it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) oid: Oid,
    /// The revision the client's work is based on.
    pub(super) serial: Tid,
    pub(super) kind: Kind,
    /// What the storage holds; asked for once the lock is there.
    pub(super) current: Option<Current>,
    /// Its lock is held.
    pub(super) locked: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Store(Bytes),
    Check,
    Delete,
    Undone(Set),
    Restore {
        data: Option<Bytes>,
        /// Where the storage may have the state already.
        hint: Hint,
    },
}

/// What undoing has made of an object.
#[derive(Clone, Debug)]
pub(super) enum Set {
    /// It is not known yet.
    Unknown,
    Back(Place),
    Gone,
    /// The client has to merge these: the current revision, what was undone, and the state before that.
    Merge {
        current: Tid,
        undone: Tid,
        earlier: Bytes,
    },
}

/// Whether a restored state is there already.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hint {
    /// This transaction may have it.
    Transaction(Tid),
    /// It is here.
    Place(Place),
    None,
}

/// What a vote has to ask of the store about one of a transaction's objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Unknown {
    /// Its current serial.
    Current(Oid),
    /// Where the state stands that a transaction gave it.
    Place(Oid, Tid, Option<Bytes>),
}

impl Kind {
    /// Bytes that count towards the transaction's bound.
    pub(super) fn len(&self) -> usize {
        match self {
            Kind::Store(data) => data.len(),
            Kind::Restore { data, .. } => data.as_ref().map_or(0, Bytes::len),
            Kind::Undone(Set::Merge { earlier, .. }) => earlier.len(),
            Kind::Check | Kind::Delete | Kind::Undone(_) => 0,
        }
    }
}
