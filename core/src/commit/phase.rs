//! How far a transaction is.

use crate::server::names::ReplyTo;

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// It takes stores and read checks. After a vote that ended in conflicts it does so with its locks held.
    Open,
    /// Its vote waits for locks.
    Waiting(ReplyTo),
    /// Its vote waits for its blobs, then for the records of what is to be undone.
    Reading(ReplyTo),
    /// It holds its locks; what it undoes is set back, record by record.
    Undoing(ReplyTo),
    /// It holds its locks; `outstanding` current serials are still to come.
    Checking {
        /// Who voted.
        vote: ReplyTo,
        /// Answers to come.
        outstanding: usize,
    },
    /// It is free of conflicts; the blobs of what it undoes are copied.
    Copying {
        /// Who voted.
        vote: ReplyTo,
        /// Objects of which it is not known yet whether they have one.
        outstanding: usize,
    },
    /// It waits for room on the disk.
    Reserving(ReplyTo),
    /// Its vote was answered; it may finish.
    Voted,
}

impl Phase {
    /// The vote that waits for an answer; `None`: there is none.
    pub fn vote(&self) -> Option<&ReplyTo> {
        match self {
            Phase::Reading(vote)
            | Phase::Waiting(vote)
            | Phase::Checking { vote, .. }
            | Phase::Undoing(vote)
            | Phase::Copying { vote, .. }
            | Phase::Reserving(vote) => Some(vote),
            Phase::Open | Phase::Voted => None,
        }
    }
}
