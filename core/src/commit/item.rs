//! What a transaction does to one object, or has to know of it.

use crate::ids::{Oid, Tid};
use crate::record;
use crate::store::{Current, Place, Record, SoFar};
use crate::wire::remote::{ConflictError, RemoteError};
use crate::wire::reply::Conflict;
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

/// How an item stands against what the storage holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    Clean,
    /// Whoever knows the object's class may resolve this.
    Stale(Conflict),
}

impl Item {
    /// Judges a change or a read check once everything about it is known. An absent object is never stale.
    pub(super) fn judge(&self) -> Result<Standing, RemoteError> {
        match &self.kind {
            Kind::Undone(Set::Merge { current, undone, earlier }) => {
                mark!("an undo is to be merged");
                let (committed, read, data) = (*current, *undone, earlier.clone());
                Ok(Standing::Stale(Conflict { oid: self.oid, committed, read, data }))
            }
            Kind::Restore { .. } | Kind::Undone(_) => Ok(Standing::Clean),
            Kind::Store(data) => Ok(self.judge_store(data)),
            Kind::Check => self.judge_check(),
            Kind::Delete => self.judge_deletion(),
        }
    }

    fn judge_store(&self, data: &Bytes) -> Standing {
        match self.known() {
            Current::At(committed) | Current::Deleted(committed) if committed != self.serial => {
                mark!("a store is stale");
                Standing::Stale(Conflict { oid: self.oid, committed, read: self.serial, data: data.clone() })
            }
            Current::At(_) | Current::Deleted(_) => Standing::Clean,
            Current::Absent => {
                mark!("a store is of a new object");
                Standing::Clean
            }
        }
    }

    fn judge_check(&self) -> Result<Standing, RemoteError> {
        match self.known() {
            Current::At(committed) if committed != self.serial => {
                mark!("a read check fails");
                let error = ConflictError { oid: self.oid, committed, read: self.serial, class_name: None };
                Err(RemoteError::ReadConflict(Box::new(error)))
            }
            Current::At(_) => Ok(Standing::Clean),
            Current::Absent | Current::Deleted(_) => Err(self.missing()),
        }
    }

    fn judge_deletion(&self) -> Result<Standing, RemoteError> {
        match self.known() {
            Current::At(committed) | Current::Deleted(committed) if committed != self.serial => {
                mark!("a deletion is stale");
                Err(self.conflict())
            }
            Current::At(_) | Current::Deleted(_) => Ok(Standing::Clean),
            Current::Absent => Err(self.missing()),
        }
    }

    fn known(&self) -> Current {
        self.current.expect("every current serial is known when a vote is judged")
    }

    fn missing(&self) -> RemoteError {
        mark!("what was read is not there");
        RemoteError::PosKey(self.oid)
    }

    /// The error for a conflict on this object that nobody is asked to resolve.
    pub(super) fn conflict(&self) -> RemoteError {
        let committed = match self.current {
            Some(Current::At(tid) | Current::Deleted(tid)) => tid,
            Some(Current::Absent) | None => Tid::ZERO,
        };
        let data = match &self.kind {
            Kind::Store(data) => data.clone(),
            Kind::Check | Kind::Delete | Kind::Undone(_) | Kind::Restore { .. } => Bytes::new(),
        };
        conflict_error(&Conflict { oid: self.oid, committed, read: self.serial, data })
    }

    /// Bytes of state its record will have in the log, `None` where it has none of its own; `None` if it writes no record.
    pub(super) fn appended(&self) -> Option<Option<usize>> {
        match &self.kind {
            Kind::Store(data) | Kind::Undone(Set::State(_, data, _)) => Some(Some(data.len())),
            Kind::Check => None,
            Kind::Delete | Kind::Undone(_) | Kind::Restore { hint: Hint::Place(_), .. } => Some(None),
            Kind::Restore { data, .. } => Some(data.as_ref().map(Bytes::len)),
        }
    }

    /// The record it writes, if it writes one.
    pub(super) fn into_record(self) -> Option<Record> {
        let (data, same_as) = match self.kind {
            Kind::Store(data) | Kind::Undone(Set::State(_, data, _)) => (Some(data), None),
            Kind::Check => return None,
            Kind::Delete | Kind::Undone(Set::Gone) => (None, None),
            Kind::Undone(Set::Back(place)) => (None, Some(place)),
            Kind::Undone(Set::Unknown | Set::Merge { .. }) => unreachable!("a vote settles every undo"),
            Kind::Restore { data, hint: Hint::Place(place) } => (data, Some(place)),
            Kind::Restore { data, .. } => (data, None),
        };
        Some(Record { oid: self.oid, data, same_as })
    }
}

/// The error for a conflict that was not resolved.
pub(crate) fn conflict_error(conflict: &Conflict) -> RemoteError {
    RemoteError::Conflict(Box::new(ConflictError {
        oid: conflict.oid,
        committed: conflict.committed,
        read: conflict.read,
        class_name: record::class(&conflict.data).ok().map(|class| class.to_string()),
    }))
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
    /// It has this state, which this transaction wrote, for there is no place of the log that it could point to; or the place
    /// is there, and may go.
    State(Tid, Bytes, Option<Place>),
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
            Kind::Store(data) | Kind::Undone(Set::State(_, data, _)) => data.len(),
            Kind::Restore { data, .. } => data.as_ref().map_or(0, Bytes::len),
            Kind::Undone(Set::Merge { earlier, .. }) => earlier.len(),
            Kind::Check | Kind::Delete | Kind::Undone(_) => 0,
        }
    }

    /// What an undo finds done to the object in its own transaction; `None`: nothing that is known.
    pub(super) fn so_far(&self) -> Option<SoFar> {
        match self {
            Kind::Store(data) | Kind::Undone(Set::State(_, data, _)) => Some(SoFar::Stored(data.clone())),
            Kind::Delete | Kind::Undone(Set::Gone) => Some(SoFar::Gone),
            Kind::Undone(Set::Back(place)) => Some(SoFar::Back(*place)),
            Kind::Undone(Set::Unknown | Set::Merge { .. }) => None,
            Kind::Check | Kind::Restore { .. } => unreachable!("no changes of an object that others replace"),
        }
    }
}
