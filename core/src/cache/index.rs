//! Which revisions there are, and where.

use super::ring::{Rings, Slot};
use super::{Oid, Tid};
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// The current revisions by oid, the others by oid and start.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Four bytes an object: oid and start stand in the rings.
    current: HashTable<Slot>,
    /// Few: an object's past is kept only until its place is needed.
    ended: BTreeMap<(Oid, Tid), Ended>,
}

/// A revision that is no longer current.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub slot: Slot,
    pub until: Tid,
}

/// What a revision is to those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It stands beside them.
    New,
    /// It takes the place of an older current one, whose end is not known.
    Replaces(Slot),
    /// It is the current one, and tells when it ended.
    Ends(Slot),
    /// It is there already, or contradicts them.
    Not,
}

impl Index {
    pub(super) fn current(&self, rings: &Rings, oid: Oid) -> Option<Slot> {
        self.current.find(hash(oid), |&slot| rings.entry(slot).oid == oid).copied()
    }

    /// The revision with the last start below `before`, of those that ended.
    pub(super) fn ended_before(&self, oid: Oid, before: Tid) -> Option<Ended> {
        let mut range = self.ended.range((oid, Tid::ZERO)..(oid, before));
        range.next_back().map(|(_, &ended)| ended)
    }

    pub(super) fn ended_at(&self, oid: Oid, start: Tid) -> Option<Ended> {
        self.ended.get(&(oid, start)).copied()
    }

    /// All that ended, by oid and start: with their ends.
    pub(super) fn ended(&self) -> impl Iterator<Item = (Oid, Tid, Tid)> + '_ {
        self.ended.iter().map(|(&(oid, start), ended)| (oid, start, ended.until))
    }

    /// How many current ones there are, and how many others.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.current.len(), self.ended.len())
    }

    pub(super) fn reserve(&mut self, rings: &Rings, more: usize) {
        self.current.reserve(more, |&slot| hash(rings.entry(slot).oid));
    }

    /// Adds what was just pushed to a ring.
    pub(super) fn insert(&mut self, rings: &Rings, slot: Slot, until: Option<Tid>) {
        let entry = rings.entry(slot);
        match until {
            None => {
                self.current.insert_unique(hash(entry.oid), slot, |&slot| hash(rings.entry(slot).oid));
            }
            Some(until) => {
                let before = self.ended.insert((entry.oid, entry.start), Ended { slot, until });
                assert!(before.is_none(), "one record a revision");
            }
        }
    }

    /// Takes out a current one.
    pub(super) fn remove_current(&mut self, oid: Oid, slot: Slot) {
        let found = self.current.find_entry(hash(oid), |&other| other == slot);
        found.expect("a current record is in the index").remove();
    }

    /// Takes out another one.
    pub(super) fn remove_ended(&mut self, oid: Oid, start: Tid) {
        self.ended.remove(&(oid, start)).expect("a record that ended is in the index");
    }

    /// Whether a revision can stand beside those that are known. Two of one object never overlap.
    pub(super) fn fit(&self, rings: &Rings, oid: Oid, start: Tid, until: Option<Tid>) -> Fit {
        let current = self.current(rings, oid).map(|slot| (slot, rings.entry(slot).start));
        // No revision begins at u64::MAX, so all that begin up to `start` begin before the next tid.
        let earlier = start.0.checked_add(1).and_then(|next| self.ended_before(oid, Tid(next)));
        if start.0 == u64::MAX || earlier.is_some_and(|earlier| earlier.until > start) {
            return Fit::Not;
        }
        let later =
            self.ended.range((oid, start)..=(oid, Tid(u64::MAX))).next().map(|(&(_, start), _)| start);
        match (until, current) {
            (None, _) if later.is_some() => Fit::Not,
            (None, None) => Fit::New,
            (None, Some((slot, of))) if of < start => Fit::Replaces(slot),
            (None, Some(_)) => Fit::Not,
            (Some(until), _) if until <= start || later.is_some_and(|later| later < until) => Fit::Not,
            (Some(_), Some((slot, of))) if of == start => Fit::Ends(slot),
            (Some(until), Some((_, of))) if of < until => Fit::Not,
            (Some(_), _) => Fit::New,
        }
    }
}

fn hash(oid: Oid) -> u64 {
    FxBuildHasher.hash_one(oid)
}
