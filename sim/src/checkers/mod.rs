//! The promises of the design, each watched by a checker of its own.
//!
//! A checker sees what servers and clients say, in the order in which they say it, and the [`Books`] of what really
//! happened.

mod before;
mod blobs;
mod cached;
mod checks;
mod complete;
mod diverged;
mod durable;
mod fresh;
mod gist;
mod iterated;
mod join;
mod joined;
mod last;
mod locks;
mod lost;
mod order;
mod overtaking;
mod own;
mod pack;
mod progress;
mod reconnect;
mod seen;
mod settled;
mod told;
mod txns;
mod vouched;
mod window;

pub use seen::{ConnName, Look, Seen, Sent, ServerNo, Waiting};

use crate::ledger::Books;
use std::fmt;

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

    /// Whether another run that broke something broke the same: a panic at the same place, a wait of the same kind.
    pub fn is_like(&self, other: &Violation) -> bool {
        (self.promise, self.kind) == (other.promise, other.kind) && gist::of(self) == gist::of(other)
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
    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String>;
}

/// All checkers.
#[derive(Debug)]
pub struct Checkers(Vec<Box<dyn Checker>>);

impl Default for Checkers {
    fn default() -> Self {
        // Where one thing breaks several promises, the closest to it is named.
        Checkers(vec![
            Box::new(durable::DurableThenVisible),
            Box::new(last::LastTransaction::default()),
            Box::new(lost::NothingLost),
            Box::new(vouched::Vouched),
            Box::new(pack::Pack),
            Box::new(blobs::Blobs::default()),
            Box::new(iterated::NothingLeftOut),
            Box::new(join::JoinAndLeave::default()),
            Box::new(overtaking::NoOvertaking::default()),
            Box::new(window::VerifyWindow::default()),
            Box::new(own::OwnFinish::default()),
            Box::new(diverged::BehindOrDiverged::default()),
            Box::new(reconnect::Reconnect::default()),
            Box::new(order::ApplyInOrder::default()),
            Box::new(complete::Completeness::default()),
            Box::new(joined::JoinedLoads),
            Box::new(before::LoadBefore::default()),
            Box::new(cached::CacheSoundness),
            Box::new(settled::LostFinish::default()),
            Box::new(checks::ReadChecks::default()),
            Box::new(locks::Locks::default()),
            Box::new(fresh::NewOids::default()),
            Box::new(progress::Progress::default()),
        ])
    }
}

impl Checkers {
    /// Shows one thing to every checker; the first that objects is heard.
    pub fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), Violation> {
        for checker in &mut self.0 {
            let promise = checker.promise();
            // At the end of all faults only what is still missing can be seen.
            let kind = if matches!(seen, Seen::Silent(_) | Seen::Sick(_) | Seen::Quiet(_) | Seen::Left { .. })
            {
                Kind::Liveness
            } else {
                Kind::Safety
            };
            checker.see(seen, books).map_err(|what| Violation { promise, kind, what })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod forged;
