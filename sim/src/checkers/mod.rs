//! The promises of the design, each watched by a checker of its own.
//!
//! A checker sees what the server sends, in the order in which it sends it, and the [`Ledger`] of what really happened.

mod complete;
mod durable;
mod locks;
mod lost;
mod overtaking;

use crate::event::ClientId;
use crate::ledger::Ledger;
use crate::log::Logged;
use std::fmt;
use zeolith_core::ids::{Oid, Tid};

/// Something a checker can see.
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// `register` returned the last transaction.
    Registered(ClientId, Tid),
    /// The client's connection is over.
    Gone(ClientId),
    /// `invalidateTransaction` was sent.
    Invalidated(ClientId, Tid, &'a [Oid]),
    /// A finish was acknowledged.
    Finished(ClientId, Tid),
    /// A load was answered.
    Loaded {
        /// Whose load.
        client: ClientId,
        /// Of which object.
        oid: Oid,
        /// The transaction that wrote the revision.
        serial: Tid,
        /// The next one that changed it.
        until: Option<Tid>,
    },
    /// A transaction appeared in the log.
    Logged(&'a Logged),
    /// The server came up again over this log; the ledger still holds the one before.
    Reopened(&'a [Logged]),
    /// Faults are over, and everybody had time to end what it was doing: these clients wait for an answer.
    Quiet(&'a [(ClientId, String)]),
}

impl Seen<'_> {
    /// The client concerned and the transactions shown to it.
    pub fn shown(&self) -> Option<(ClientId, [Option<Tid>; 2])> {
        match *self {
            Seen::Registered(client, tid)
            | Seen::Invalidated(client, tid, _)
            | Seen::Finished(client, tid) => Some((client, [Some(tid), None])),
            Seen::Loaded { client, serial, until, .. } => Some((client, [Some(serial), until])),
            Seen::Gone(_) | Seen::Logged(_) | Seen::Reopened(_) | Seen::Quiet(_) => None,
        }
    }
}

/// Stands for a promise in a [`Violation`] that is a broken invariant of a machine: a panic.
pub const INVARIANT: u32 = 0;

/// In which way something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something happened that must not.
    Safety,
    /// Something that must happen in the end did not.
    Liveness,
    /// A machine found an invariant of its own broken.
    Panic,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise's number in the design; [`INVARIANT`] for a panic.
    pub promise: u32,
    /// In which way.
    pub kind: Kind,
    /// How it was broken.
    pub what: String,
}

impl Violation {
    /// A machine's panic.
    pub fn panic(what: String) -> Violation {
        Violation { promise: INVARIANT, kind: Kind::Panic, what }
    }

    /// Whether another run that broke something broke the same.
    pub fn is_like(&self, other: &Violation) -> bool {
        (self.promise, self.kind) == (other.promise, other.kind)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Panic => write!(f, "an invariant is broken: {}", self.what),
            Kind::Safety | Kind::Liveness => write!(f, "promise {} is broken: {}", self.promise, self.what),
        }
    }
}

/// Watches one promise.
pub trait Checker: fmt::Debug {
    /// The promise's number in the design.
    fn promise(&self) -> u32;

    /// Looks at one thing; says how it breaks the promise, if it does.
    fn see(&mut self, seen: &Seen<'_>, ledger: &Ledger) -> Result<(), String>;
}

/// All checkers.
#[derive(Debug)]
pub struct Checkers(Vec<Box<dyn Checker>>);

impl Default for Checkers {
    fn default() -> Self {
        Checkers(vec![
            Box::new(durable::DurableThenVisible),
            Box::new(overtaking::NoOvertaking::default()),
            Box::new(complete::Completeness::default()),
            Box::new(locks::Locks::default()),
            Box::new(lost::NothingLost),
        ])
    }
}

impl Checkers {
    /// Shows one thing to every checker; the first that objects is heard.
    pub fn see(&mut self, seen: &Seen<'_>, ledger: &Ledger) -> Result<(), Violation> {
        for checker in &mut self.0 {
            let promise = checker.promise();
            // At the end of all faults only what is still missing can be seen.
            let kind = if matches!(seen, Seen::Quiet(_)) { Kind::Liveness } else { Kind::Safety };
            checker.see(seen, ledger).map_err(|what| Violation { promise, kind, what })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod forged {
    //! Forged histories, for the checkers' own tests.

    use super::*;

    /// A ledger with transactions 1 to 5; transaction n changed objects n and 0, and is durable.
    pub fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for n in 1..=5 {
            ledger.logged.push(logged(n));
            ledger.durable.insert(Tid(n));
            ledger.changes.insert(Tid(n), [Oid(0), Oid(n)].into());
        }
        ledger
    }

    pub fn logged(n: u64) -> Logged {
        let attempt = crate::ledger::Attempt { client: ClientId(0), number: n };
        let records = [Oid(0), Oid(n)].map(|oid| (oid, attempt.data(oid, 0)));
        Logged { tid: Tid(n), records: records.into() }
    }

    /// What the checker says of a history.
    pub fn history(checker: &mut dyn Checker, ledger: &Ledger, seen: &[Seen<'_>]) -> Result<(), String> {
        seen.iter().try_for_each(|seen| checker.see(seen, ledger))
    }
}
