//! Loads under way: equal ones joined, prefetches bounded, and each reply kept in the cache as far as it can be trusted.

use super::desk::Desk;
use super::fault::{Fault, ServerFault};
use super::link::Link;
use super::purpose::Purpose;
use super::waiting::Question;
use super::{Answer, Call, Error, Ticket, TxnRef, replies};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::Revision;
use crate::time::Instant;
use crate::wire::call::Request;
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use crate::wire::tree::Value;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};

/// Who waits for a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// A caller. When the connection is lost it waits for another until the given time, or as long as is usual.
    Caller(Ticket, Option<Instant>),
    /// A caller of a prefetch.
    Prefetch(Ticket),
    /// A transaction in conflict.
    Merge(TxnRef),
}

/// What a transaction in conflict learns: the state of the object in a revision.
pub(super) struct State {
    pub(super) txn: TxnRef,
    pub(super) oid: Oid,
    pub(super) serial: Tid,
    pub(super) state: Result<Bytes, Error>,
}

type Waiters = SmallVec<[Waiter; 1]>;

/// A load that was sent.
#[derive(Debug, Default)]
struct Flight {
    waiters: Waiters,
    /// The last transaction that is known to have changed the object since.
    changed: Option<Tid>,
    /// It was asked again because the reply could not be true.
    again: bool,
}

#[derive(Debug)]
struct Prefetch {
    before: Tid,
    /// Objects that are not there yet.
    left: usize,
    until: Option<Instant>,
}

/// Loads under way.
#[derive(Debug, Default)]
pub(super) struct Loads {
    flights: BTreeMap<(Oid, Tid), Flight>,
    serials: BTreeMap<(Oid, Tid), Waiters>,
    prefetches: BTreeMap<Ticket, Prefetch>,
    /// Objects that are prefetched when there is room.
    queue: VecDeque<(Ticket, Oid)>,
    /// Loads sent for prefetches.
    ahead: usize,
}

impl Loads {
    /// Loads and prefetches that are not over.
    pub(super) fn under_way(&self) -> usize {
        self.flights.len() + self.serials.len() + self.prefetches.len() + self.queue.len() + self.ahead
    }

    /// Loads a revision that is not in the cache; joins an equal load, and no other.
    pub(super) fn load(&mut self, desk: &Desk, link: &mut Link, oid: Oid, before: Tid, waiter: Waiter) {
        #[cfg(feature = "planted-bugs")]
        if desk.bug == Some(crate::planted::Bug::OtherLoadJoined)
            && let Some((_, flight)) = self.flights.range_mut((oid, Tid::ZERO)..=(oid, Tid::MAX)).next()
        {
            return flight.waiters.push(waiter);
        }
        let flight = self.flights.entry((oid, before)).or_insert_with(|| {
            link.load(desk, oid, before);
            Flight::default()
        });
        flight.waiters.push(waiter);
    }

    /// Loads the state of a revision that is not in the cache.
    pub(super) fn load_serial(
        &mut self,
        desk: &Desk,
        link: &mut Link,
        oid: Oid,
        serial: Tid,
        waiter: Waiter,
    ) {
        let waiters = self.serials.entry((oid, serial)).or_insert_with(|| {
            link.call(desk, Purpose::LoadSerial(oid, serial), &Request::LoadSerial(oid, serial));
            Waiters::default()
        });
        waiters.push(waiter);
    }

    /// Fetches objects into the cache, some at a time.
    pub(super) fn prefetch(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        ticket: Ticket,
        oids: &[Oid],
        before: Tid,
        until: Option<Instant>,
    ) {
        if self.queue.len() + oids.len() > limits::PREFETCH_QUEUE {
            return desk.answer(ticket, Err(Error::Limit("objects to be prefetched")));
        }
        if oids.is_empty() {
            return desk.answer(ticket, Ok(Answer::Done));
        }
        self.prefetches.insert(ticket, Prefetch { before, left: oids.len(), until });
        self.queue.extend(oids.iter().map(|oid| (ticket, *oid)));
        self.pump(desk, link);
    }

    /// Sends loads for prefetches while there is room.
    fn pump(&mut self, desk: &mut Desk, link: &mut Link) {
        while self.ahead < limits::PREFETCH
            && let Some((ticket, oid)) = self.queue.pop_front()
        {
            let before = self.prefetches[&ticket].before;
            let cached = match before {
                Tid::MAX => desk.cache.serial(oid).is_some(),
                before => desk.cache.load_before(oid, before).is_some(),
            };
            if cached || !desk.is_open(ticket) {
                self.fetched(desk, ticket);
            } else {
                self.ahead += 1;
                self.load(desk, link, oid, before, Waiter::Prefetch(ticket));
            }
        }
    }

    /// One object of a prefetch is there, or never will be.
    fn fetched(&mut self, desk: &mut Desk, ticket: Ticket) {
        let prefetch = self.prefetches.get_mut(&ticket).expect("a prefetch with objects left");
        prefetch.left -= 1;
        if prefetch.left == 0 {
            self.prefetches.remove(&ticket);
            desk.answer(ticket, Ok(Answer::Done));
        }
    }

    /// A transaction changed an object: replies on their way may not know of it.
    pub(super) fn on_changed(&mut self, oid: Oid, tid: Tid) {
        for (_, flight) in self.flights.range_mut((oid, Tid::ZERO)..=(oid, Tid(u64::MAX))) {
            flight.changed = Some(tid);
        }
    }

    /// The reply to a load.
    ///
    /// # Errors
    /// When it is none, or says what cannot be.
    pub(super) fn on_loaded(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        (oid, before): (Oid, Tid),
        result: Result<Value<'_>, RemoteError>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let Some(flight) = self.flights.get_mut(&(oid, before)) else {
            return Err(ServerFault::Reply(format!("the load of {oid} before {before}")).into());
        };
        let result = match result {
            Ok(value) => Ok(replies::revision(value, frame, before)?),
            Err(error) => Err(Error::of(error)),
        };
        link.loaded();
        if let Ok(Some(revision)) = &result {
            // The server told of a later change, then gave an earlier revision as current.
            match flight.changed.filter(|changed| revision.until.is_none() && revision.serial < *changed) {
                Some(changed) if changed < before && !flight.again => {
                    (flight.again, flight.changed) = (true, None);
                    link.load(desk, oid, before);
                    return Ok(());
                }
                Some(_) => {}
                None => keep(desk, oid, revision),
            }
        }
        let flight = self.flights.remove(&(oid, before)).expect("just seen");
        for waiter in flight.waiters {
            match waiter {
                Waiter::Caller(ticket, _) => desk.answer(ticket, result.clone().map(Answer::Loaded)),
                Waiter::Prefetch(ticket) => {
                    self.ahead -= 1;
                    self.fetched(desk, ticket);
                }
                Waiter::Merge(_) => unreachable!("transactions in conflict load by serial"),
            }
        }
        self.pump(desk, link);
        Ok(())
    }

    /// The reply to a load by serial; what transactions wait for is handed on.
    ///
    /// # Errors
    /// When it is no state.
    pub(super) fn on_serial(
        &mut self,
        desk: &mut Desk,
        (oid, serial): (Oid, Tid),
        result: Result<Value<'_>, RemoteError>,
        frame: &Frame<'_>,
    ) -> Result<Vec<State>, Fault> {
        let state = match result {
            Ok(value) => {
                let data = value.as_bytes().ok_or_else(|| Fault::result("loadSerial", "state"))?;
                Ok(frame.share(data))
            }
            Err(error) => Err(Error::of(error)),
        };
        let waiters = self.serials.remove(&(oid, serial)).expect("a load by serial is named by its call");
        let mut states = Vec::new();
        for waiter in waiters {
            match waiter {
                Waiter::Caller(ticket, _) => desk.answer(ticket, state.clone().map(Answer::State)),
                Waiter::Merge(txn) => states.push(State { txn, oid, serial, state: state.clone() }),
                Waiter::Prefetch(_) => unreachable!("prefetches load before a tid"),
            }
        }
        Ok(states)
    }

    /// The connection is over. Loads change nothing, so they can be asked again: gives those to be asked, unless a
    /// server that cannot be trusted is the reason.
    pub(super) fn on_lost(&mut self, desk: &mut Desk, fault: &Fault) -> Vec<Question> {
        let mut questions = Vec::new();
        let mut prefetched: BTreeMap<Ticket, Vec<Oid>> = BTreeMap::new();
        for (ticket, oid) in self.queue.drain(..) {
            prefetched.entry(ticket).or_default().push(oid);
        }
        let mut again = |waiter, call| match waiter {
            Waiter::Caller(ticket, until) => questions.push((ticket, until, call)),
            Waiter::Prefetch(_) | Waiter::Merge(_) => {}
        };
        for ((oid, before), flight) in std::mem::take(&mut self.flights) {
            for waiter in flight.waiters {
                again(waiter, Call::Load { oid, before });
                if let Waiter::Prefetch(ticket) = waiter {
                    prefetched.entry(ticket).or_default().push(oid);
                }
            }
        }
        for ((oid, serial), waiters) in std::mem::take(&mut self.serials) {
            waiters.into_iter().for_each(|waiter| again(waiter, Call::LoadSerial { oid, serial }));
        }
        for (ticket, Prefetch { before, until, .. }) in std::mem::take(&mut self.prefetches) {
            let oids = prefetched.remove(&ticket).expect("a prefetch has objects left");
            questions.push((ticket, until, Call::Prefetch { oids, before }));
        }
        self.ahead = 0;
        let usual = desk.now + desk.config.wait_timeout;
        let (lost, questions): (Vec<_>, Vec<_>) = questions.into_iter().partition(|(_, until, _)| {
            matches!(fault, Fault::Server(_)) || until.is_some_and(|until| until <= desk.now)
        });
        for (ticket, ..) in lost {
            desk.answer(ticket, Err(fault.lost()));
        }
        let question =
            |(ticket, until, call)| Question { ticket, until: Option::unwrap_or(until, usual), call };
        questions.into_iter().map(question).collect()
    }

    pub(super) fn check_invariants(&self) {
        let ahead = |flight: &Flight| {
            flight.waiters.iter().filter(|waiter| matches!(waiter, Waiter::Prefetch(_))).count()
        };
        assert_eq!(self.flights.values().map(ahead).sum::<usize>(), self.ahead, "prefetches under way");
        let left: usize = self.prefetches.values().map(|prefetch| prefetch.left).sum();
        assert_eq!(left, self.ahead + self.queue.len(), "every object of a prefetch is somewhere");
        assert!(self.ahead <= limits::PREFETCH, "prefetches are bounded");
        assert!(self.queue.len() <= limits::PREFETCH_QUEUE, "prefetches that wait are bounded");
    }
}

/// Keeps a revision in the cache. A current one counts only up to the last transaction that was applied: one that is
/// newer than that has come before its invalidation, which a server of the protocol does not do.
fn keep(desk: &mut Desk, oid: Oid, revision: &Revision) {
    if revision.until.is_some() || desk.cache.last_tid().is_some_and(|last| revision.serial <= last) {
        desk.cache.store(oid, revision);
    }
}
