//! Locks by object, granted in order of arrival.
//!
//! A transaction asks once, for all its objects together. It takes its place in the queue of each of them at that
//! moment, and is granted when in every queue only compatible requests stand before it. Since places are taken all at
//! once, "stands before" is the same order in every queue: no deadlock is possible, nobody overtakes a request it
//! conflicts with, and disjoint transactions never wait for each other.

use crate::ids::Oid;
use crate::server::names::TxnKey;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// How an object is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Together with other read checks.
    Shared,
    /// Alone.
    Exclusive,
}

/// What a lock is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Target {
    /// The whole storage: shared by every transaction that locks objects, exclusive for one that excludes all others.
    Whole,
    Object(Oid),
}

/// The objects a transaction asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything, alone.
    Whole,
    /// These objects, each named once.
    Objects(Vec<(Oid, Mode)>),
}

#[cfg(feature = "planted-bugs")]
impl Wanted {
    /// Without those that are only read, where others are changed.
    pub(super) fn without_shared(mut self) -> Wanted {
        if let Wanted::Objects(objects) = &mut self
            && objects.iter().any(|(_, mode)| *mode == Mode::Exclusive)
        {
            objects.retain(|(_, mode)| *mode == Mode::Exclusive);
        }
        self
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    txn: TxnKey,
    mode: Mode,
    granted: bool,
}

#[derive(Debug)]
struct Request {
    /// When it asked, counted in requests.
    arrival: u64,
    targets: Vec<(Target, Mode)>,
    /// Targets not granted yet.
    missing: usize,
}

/// The lock table of one storage.
#[derive(Debug, Default)]
pub struct Locks {
    queues: HashMap<Target, SmallVec<[Place; 2]>, FxBuildHasher>,
    requests: BTreeMap<TxnKey, Request>,
    waiting: usize,
    arrivals: u64,
}

impl Locks {
    /// Takes `txn`'s place in the queues; true when it has all its locks now. Otherwise [`release`](Self::release)
    /// of the transactions before it will name it.
    ///
    /// # Panics
    /// When `txn` has asked before.
    pub fn request(&mut self, txn: TxnKey, wanted: Wanted) -> bool {
        let targets = match wanted {
            Wanted::Whole => vec![(Target::Whole, Mode::Exclusive)],
            Wanted::Objects(objects) => {
                let whole = (Target::Whole, Mode::Shared);
                let objects = objects.into_iter().map(|(oid, mode)| (Target::Object(oid), mode));
                std::iter::once(whole).chain(objects).collect()
            }
        };
        let mut missing = 0;
        for &(target, mode) in &targets {
            let queue = self.queues.entry(target).or_default();
            let granted = compatible(queue, mode);
            missing += usize::from(!granted);
            queue.push(Place { txn, mode, granted });
        }
        self.waiting += usize::from(missing > 0);
        self.arrivals += 1;
        let previous = self.requests.insert(txn, Request { arrival: self.arrivals, targets, missing });
        assert!(previous.is_none(), "a transaction asks for its locks once");
        missing == 0
    }

    /// Adds objects to what `txn` holds, if every one of them can be had at once; takes none otherwise. A transaction
    /// that holds locks never waits for more: that could deadlock.
    ///
    /// # Errors
    /// The first object that cannot be had.
    ///
    /// # Panics
    /// When `txn` does not hold its locks.
    pub fn extend(&mut self, txn: TxnKey, objects: &[(Oid, Mode)]) -> Result<(), Oid> {
        let request = self.requests.get_mut(&txn).expect("a transaction that holds locks");
        assert!(request.missing == 0, "a transaction that holds all its locks");
        if request.targets == [(Target::Whole, Mode::Exclusive)] {
            mark!("the whole storage needs no more objects");
            return Ok(());
        }
        let mut fresh: Vec<(Target, Mode)> = Vec::new();
        for &(oid, mode) in objects {
            let target = Target::Object(oid);
            let queue = self.queues.get(&target).map_or(&[][..], |queue| queue);
            match queue.iter().find(|place| place.txn == txn).map(|place| place.mode) {
                Some(Mode::Exclusive) => continue,
                Some(Mode::Shared) if mode == Mode::Shared => continue,
                // Its own shared place stands in the way of an exclusive one; to upgrade could deadlock.
                Some(Mode::Shared) => return Err(oid),
                None if compatible(queue, mode) => fresh.push((target, mode)),
                None => return Err(oid),
            }
        }
        for &(target, mode) in &fresh {
            self.queues.entry(target).or_default().push(Place { txn, mode, granted: true });
        }
        mark!("a transaction with locks takes more");
        request.targets.extend(fresh);
        Ok(())
    }

    /// Gives up `txn`'s locks, or its places in the queues; returns the transactions that have all their locks now,
    /// in order of arrival. Does nothing for a transaction that never asked.
    pub fn release(&mut self, txn: TxnKey) -> Vec<TxnKey> {
        let Some(request) = self.requests.remove(&txn) else { return Vec::new() };
        self.waiting -= usize::from(request.missing > 0);
        let mut ready = Vec::new();
        for (target, _) in request.targets {
            let queue = self.queues.get_mut(&target).expect("a queue for every place taken");
            let at = queue.iter().position(|place| place.txn == txn).expect("a place in each of its queues");
            queue.remove(at);
            if queue.is_empty() {
                self.queues.remove(&target);
                continue;
            }
            for next in at..queue.len() {
                if queue[next].granted {
                    continue;
                }
                if !compatible(&queue[..next], queue[next].mode) {
                    mark!("a waiting transaction still has another before it");
                    break;
                }
                mark!("a place is granted when one before it is given up");
                queue[next].granted = true;
                let waiter = self.requests.get_mut(&queue[next].txn).expect("a request for every place");
                waiter.missing -= 1;
                if waiter.missing == 0 {
                    mark!("a waiting transaction has all its locks");
                    ready.push(queue[next].txn);
                }
            }
        }
        self.waiting -= ready.len();
        ready.sort_unstable_by_key(|ready| self.requests[ready].arrival);
        ready
    }

    /// Transactions that wait for locks.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// True when nobody holds or waits for anything.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether `txn` holds or waits for locks.
    pub fn contains(&self, txn: TxnKey) -> bool {
        self.requests.contains_key(&txn)
    }

    /// What `txn` waits for, an object or with `None` the whole storage, and who is in its way there; `None` when it has all
    /// its locks.
    pub fn hindrance(&self, txn: TxnKey) -> Option<(Option<Oid>, TxnKey)> {
        self.requests.get(&txn)?.targets.iter().find_map(|(target, mode)| {
            let before = self.queues[target].iter().take_while(|place| place.txn != txn);
            let mut in_the_way =
                before.filter(|place| *mode == Mode::Exclusive || place.mode == Mode::Exclusive);
            let oid = match target {
                Target::Whole => None,
                Target::Object(oid) => Some(*oid),
            };
            in_the_way.next().map(|place| (oid, place.txn))
        })
    }

    /// Transactions that hold or wait for locks, in order of their keys.
    pub fn transactions(&self) -> impl Iterator<Item = TxnKey> + '_ {
        self.requests.keys().copied()
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When two transactions hold conflicting locks, or one waits without another in its way.
    pub fn check_invariants(&self) {
        for (&txn, request) in &self.requests {
            let mut missing = 0;
            for (target, mode) in &request.targets {
                let queue = &self.queues[target];
                let at =
                    queue.iter().position(|place| place.txn == txn).expect("a place in each of its queues");
                assert_eq!(
                    queue[at].granted,
                    compatible(&queue[..at], *mode),
                    "a place is granted when it can be"
                );
                missing += usize::from(!queue[at].granted);
            }
            assert_eq!(missing, request.missing, "the count of missing locks is right");
        }
    }
}

/// Whether a request behind `queue` can be granted: all before it, granted or not, share with it.
fn compatible(queue: &[Place], mode: Mode) -> bool {
    match mode {
        Mode::Exclusive => queue.is_empty(),
        Mode::Shared => queue.iter().all(|place| place.mode == Mode::Shared),
    }
}

#[cfg(test)]
#[path = "locks_tests.rs"]
mod tests;
