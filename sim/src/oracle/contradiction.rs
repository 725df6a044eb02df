//! Why a history cannot be.

use crate::ledger::Attempt;
use std::fmt;
use zeolith_core::ids::{Oid, Tid};

/// Why a history is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Two transactions have one tid.
    #[error("{0} and {1} are both committed as {2}")]
    OneTid(Name, Name, Tid),
    /// One transaction has two tids.
    #[error("{0} is committed as {1} and as {2}")]
    TwoTids(Name, Tid, Tid),
    /// What was refused has left something.
    #[error("{reader} read {oid} as {failed} wrote it, whose caller was told that it left nothing")]
    Undead {
        /// Who saw it.
        reader: Name,
        /// Of which object.
        oid: Oid,
        /// What should not be there.
        failed: Name,
    },
    /// A revision that nobody can have written.
    #[error("{reader} was given {serial} of {oid}, which nobody wrote")]
    Unwritten {
        /// Who saw it.
        reader: Name,
        /// The object.
        oid: Oid,
        /// The revision.
        serial: Tid,
    },
    /// A read does not show what was current at its snapshot.
    #[error("{reader}, which begins at {start}, read {} of {oid}, when {} was current", Shown(.read), Shown(.current))]
    Snapshot {
        /// Who read.
        reader: Name,
        /// Its snapshot.
        start: Tid,
        /// The object.
        oid: Oid,
        /// What it was given.
        read: Option<Tid>,
        /// What was current.
        current: Option<Tid>,
    },
    /// A change is lost in a merge, or counted twice.
    #[error("{oid} has {given} in {serial}, where all that was changed before comes to {value}")]
    Value {
        /// The object.
        oid: Oid,
        /// The revision.
        serial: Tid,
        /// What its state counts to.
        given: u64,
        /// What it should.
        value: u64,
    },
    /// A change replaces another that it knew nothing of.
    #[error("{writer} changed {oid} over {}, and {} is lost", Shown(.base), Shown(.current))]
    LostUpdate {
        /// Who wrote.
        writer: Name,
        /// The object.
        oid: Oid,
        /// What it was based on, or merged with.
        base: Option<Tid>,
        /// What was current.
        current: Option<Tid>,
    },
    /// A read check was passed and did not hold.
    #[error("{writer} is committed on {} of {oid}, when {} was current", Shown(.held), Shown(.current))]
    ReadCheck {
        /// Who committed.
        writer: Name,
        /// The object.
        oid: Oid,
        /// What it was to hold.
        held: Option<Tid>,
        /// What was current.
        current: Option<Tid>,
    },
    /// A transaction that was over when another was asked for is later.
    #[error("{first} was answered with {0} before {second} was asked for, and that is {1}", .tids.0, .tids.1)]
    RealTime {
        /// The earlier one.
        first: Name,
        /// The later one.
        second: Name,
        /// Their tids.
        tids: (Tid, Tid),
    },
    /// A client goes back behind what it has seen.
    #[error("{later} begins at {start}, and its client was at {seen} after {earlier}")]
    Session {
        /// The one before.
        earlier: Name,
        /// The one that goes back.
        later: Name,
        /// Where it begins.
        start: Tid,
        /// Where the client was.
        seen: Tid,
    },
}

/// A transaction, as people are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub Attempt);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transaction {} of client {}", self.0.number, self.0.client.0)
    }
}

/// A revision, or that there is none.
struct Shown<'a>(&'a Option<Tid>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tid) => tid.fmt(f),
            None => f.write_str("none"),
        }
    }
}
