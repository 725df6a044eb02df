//! What every part of a client works with.

use super::config::Config;
use super::event::Event;
use super::fault::{Fault, ServerFault};
use super::{Answer, Change, Error, Output, Ticket};
use crate::cache::Cache;
use crate::ids::{Oid, Tid};
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::{BTreeSet, VecDeque};

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

/// The cache, the questions that are not answered, and what goes out.
#[derive(Debug)]
pub(super) struct Desk {
    /// The time of the input at hand.
    pub(super) now: Instant,
    pub(super) config: Config,
    pub(super) rng: Rng,
    pub(super) cache: Cache,
    /// The last transaction that callers know of; the cache's own is less only while it is empty.
    seen: Option<Tid>,
    /// A transaction of ours that a server has finished, which the cache may not have reached yet.
    finished: Option<Tid>,
    open: BTreeSet<Ticket>,
    out: VecDeque<Output>,
    #[cfg(feature = "planted-bugs")]
    pub(super) bug: Option<Bug>,
}

impl Desk {
    pub(super) fn new(now: Instant, config: Config, cache: Cache, rng: Rng) -> Desk {
        let seen = cache.last_tid();
        Desk {
            now,
            config,
            rng,
            cache,
            seen,
            finished: None,
            open: BTreeSet::new(),
            out: VecDeque::new(),
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(super) fn log(&mut self, event: Event) {
        self.push(Output::Log(event));
    }

    /// The last transaction that callers know of.
    pub(super) fn seen(&self) -> Option<Tid> {
        self.seen
    }

    /// The last transaction that a server has to know: the last that callers know of, their own included.
    pub(super) fn floor(&self) -> Option<Tid> {
        self.seen.max(self.finished)
    }

    /// A transaction of a caller is durable, but what came before it may not be known yet.
    pub(super) fn finished(&mut self, tid: Tid) {
        self.finished = Some(tid);
    }

    /// A caller waits for an answer.
    pub(super) fn open(&mut self, ticket: Ticket) {
        assert!(self.open.insert(ticket), "a ticket is used once");
    }

    /// Whether a caller still waits for this answer.
    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        self.open.contains(&ticket)
    }

    /// How many callers wait.
    pub(super) fn questions(&self) -> usize {
        self.open.len()
    }

    /// Answers a caller, if it still waits.
    pub(super) fn answer(&mut self, ticket: Ticket, result: Result<Answer, Error>) {
        if self.open.remove(&ticket) {
            self.push(Output::Answer { ticket, result });
        }
    }

    /// A caller does not wait any more.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.open.remove(&ticket);
    }

    /// Everybody who waits learns that this client is closed.
    pub(super) fn close(&mut self) {
        while let Some(ticket) = self.open.pop_first() {
            self.push(Output::Answer { ticket, result: Err(Error::Closed) });
        }
    }

    /// Every transaction comes after all others, and is a tid.
    ///
    /// # Errors
    /// When it does not, the cache cannot be trusted any more, and is dropped.
    pub(super) fn check_order(&mut self, tid: Tid) -> Result<(), Fault> {
        let last = self.cache.last_tid().expect("a verified cache has a last transaction");
        if last < tid && tid <= Tid::MAX {
            return Ok(());
        }
        self.cache.clear();
        Err(ServerFault::Order { tid, last }.into())
    }

    /// The cache holds everything up to `tid`: all at once for whoever looks.
    pub(super) fn advance(&mut self, tid: Tid, oids: Vec<Oid>) {
        self.cache.set_last_tid(tid);
        self.seen = Some(tid);
        self.push(Output::Changed(Change::Objects { tid, oids }));
    }

    /// Everybody is at `tid`, and nobody is told.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn run_ahead(&mut self, tid: Tid) {
        self.cache.set_last_tid(tid);
        self.seen = Some(tid);
    }

    /// What was put out last is not.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn untell(&mut self) {
        self.out.pop_back();
    }

    /// The cache is empty, and begins at `tid`. Callers are told unless this is all they ever knew: whether they are.
    pub(super) fn begin_at(&mut self, tid: Tid) -> bool {
        self.cache.clear();
        self.cache.set_last_tid(tid);
        self.finished = None;
        let told = self.seen.replace(tid).is_some();
        if told {
            self.push(Output::Changed(Change::Everything { tid }));
        }
        told
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.cache.last_tid() <= self.seen, "callers know what the cache knows");
    }
}
