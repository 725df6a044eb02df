//! What happened lately, and those who follow it.
//!
//! There is one row of changes for all of them, each at its own place in it. Who is too far behind is told that anything
//! may have changed: a reader that stands still costs no memory.

use std::collections::VecDeque;
use std::task::Waker;
use zeolith_core::client::Change;
use zeolith_core::ids::Tid;
use zeolith_core::limits;

/// The recent changes of a storage.
#[derive(Debug)]
pub(super) struct Followers {
    /// Changes of known objects, in order.
    recent: VecDeque<Change>,
    /// The place of the first of them; rises by one with each that is dropped.
    first: Place,
    /// The last transaction before the first of them; `None`: nothing is known yet.
    base: Option<Tid>,
    /// The last transaction.
    last: Option<Tid>,
    /// Transactions and objects in `recent`.
    weight: usize,
    wakers: Vec<(FollowerId, Waker)>,
    last_follower: u64,
}

/// A place in the row of all changes there ever were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// One who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FollowerId(u64);

impl Followers {
    pub(super) fn new(last: Option<Tid>) -> Followers {
        Followers {
            recent: VecDeque::new(),
            first: Place(1),
            base: last,
            last,
            weight: 0,
            wakers: Vec::new(),
            last_follower: 0,
        }
    }

    /// Something has changed.
    pub(super) fn push(&mut self, change: Change) {
        match &change {
            Change::Objects { tid, oids } => {
                self.base = self.base.or(self.last);
                self.last = Some(*tid);
                self.weight += 1 + oids.len();
                self.recent.push_back(change);
                while self.weight > limits::CHANGES_KEPT {
                    self.drop_first();
                }
            }
            Change::Everything { tid } => self.restart(*tid),
        }
        self.wake();
    }

    /// The storage's last transaction is this. Should it not be the last that was told of, anything may have changed.
    pub(super) fn arrive(&mut self, last: Option<Tid>) {
        if let Some(tid) = last
            && self.last != last
        {
            if self.last.is_some() {
                self.restart(tid);
                self.wake();
            } else {
                (self.base, self.last) = (last, last);
            }
        }
    }

    /// The place behind all changes so far.
    pub(super) fn end(&self) -> Place {
        Place(self.first.0 + self.recent.len() as u64)
    }

    /// The place of the first change after a transaction.
    pub(super) fn after(&self, tid: Tid) -> Place {
        if self.base.is_none_or(|base| tid < base) {
            return Place(self.first.0 - 1);
        }
        let seen = self
            .recent
            .partition_point(|change| matches!(change, Change::Objects { tid: last, .. } if *last <= tid));
        Place(self.first.0 + seen as u64)
    }

    /// The change at a place, which then moves on; `None`: there is none yet.
    pub(super) fn next(&self, place: &mut Place) -> Option<Change> {
        if *place < self.first {
            let tid = self.base?;
            *place = self.first;
            return Some(Change::Everything { tid });
        }
        let change = self.recent.get((place.0 - self.first.0) as usize)?;
        place.0 += 1;
        Some(change.clone())
    }

    /// A new name for one who may have to wait.
    pub(super) fn follower(&mut self) -> FollowerId {
        self.last_follower += 1;
        FollowerId(self.last_follower)
    }

    /// Wakes this one at the next change.
    pub(super) fn wait(&mut self, id: FollowerId, waker: &Waker) {
        self.leave(id);
        self.wakers.push((id, waker.clone()));
    }

    /// This one waits no more.
    pub(super) fn leave(&mut self, id: FollowerId) {
        self.wakers.retain(|(waiting, _)| *waiting != id);
    }

    /// Wakes all who wait.
    pub(super) fn wake(&mut self) {
        for (_, waker) in self.wakers.drain(..) {
            waker.wake();
        }
    }

    fn drop_first(&mut self) {
        if let Some(Change::Objects { tid, oids }) = self.recent.pop_front() {
            self.weight -= 1 + oids.len();
            self.base = Some(tid);
            self.first.0 += 1;
        }
    }

    /// Whatever was told before is not the whole story any more.
    fn restart(&mut self, tid: Tid) {
        self.first = Place(self.end().0 + 1);
        self.recent.clear();
        self.weight = 0;
        (self.base, self.last) = (Some(tid), Some(tid));
    }
}

#[cfg(test)]
#[path = "followers_tests.rs"]
mod tests;
