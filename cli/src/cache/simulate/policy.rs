//! What is kept in a cache of limited size.

use super::ring::Ring;
use super::stream::{Item, Step, Stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Decides what stays in a cache. Revisions are asked for as [`Stream`] tells.
pub trait Policy {
    /// Whether the revision is there. If it is not, the policy may keep it now.
    fn load(&mut self, item: Item) -> bool;

    /// Gives it a revision that nobody asked for yet; it may be there already.
    fn store(&mut self, item: Item);

    /// Drops a revision, if it is there.
    fn forget(&mut self, item: Item);
}

/// A policy by name, and how to make one for a cache file of so many bytes.
pub struct Curve {
    /// What people call it.
    pub name: &'static str,
    /// Makes it, empty.
    pub make: fn(u64) -> Box<dyn Policy>,
}

/// The policies that are compared.
pub const CURVES: &[Curve] = &[
    Curve { name: "ZEO's ring", make: |limit| Box::new(Fifo::new(limit, REARRANGE)) },
    Curve { name: "LRU", make: |limit| Box::new(Lru::new(limit)) },
    Curve { name: "look-ahead", make: |limit| Box::new(LookAhead::new(limit)) },
];

/// As in Python's client, which offers no other.
const REARRANGE: f64 = 0.8;

/// How many loads of a stream a policy answers.
pub fn hits(policy: &mut dyn Policy, stream: &Stream) -> u64 {
    let mut hits = 0;
    for step in &stream.steps {
        match *step {
            Step::Load(item) => hits += u64::from(policy.load(item)),
            Step::Store(item) => policy.store(item),
            Step::Forget(item) => policy.forget(item),
            Step::Unknown => {}
        }
    }
    hits
}

/// ZEO's ring: first in, first out, but what is used when it is about to go is written anew.
struct Fifo {
    ring: Ring<u32>,
    /// The age from which what is used is written anew.
    old: f64,
}

impl Fifo {
    fn new(limit: u64, rearrange: f64) -> Fifo {
        Fifo { ring: Ring::new(limit), old: rearrange * limit as f64 }
    }
}

impl Policy for Fifo {
    fn load(&mut self, item: Item) -> bool {
        let Some(age) = self.ring.age(item.revision) else {
            self.ring.add(item.revision, item.bytes);
            return false;
        };
        if age as f64 > self.old {
            self.ring.remove(item.revision);
            self.ring.add(item.revision, item.bytes);
        }
        true
    }

    fn store(&mut self, item: Item) {
        if !self.ring.contains(item.revision) {
            self.ring.add(item.revision, item.bytes);
        }
    }

    fn forget(&mut self, item: Item) {
        self.ring.remove(item.revision);
    }
}

/// What was not used for longest goes first.
struct Lru {
    room: u64,
    used: u64,
    /// Revision and bytes by the time of the last use.
    rows: BTreeMap<u64, Item>,
    times: HashMap<u32, u64>,
    clock: u64,
}

impl Lru {
    fn new(limit: u64) -> Lru {
        Lru { room: limit, used: 0, rows: BTreeMap::new(), times: HashMap::new(), clock: 0 }
    }

    fn touch(&mut self, item: Item) {
        self.clock += 1;
        self.times.insert(item.revision, self.clock);
        self.rows.insert(self.clock, item);
        self.used += item.bytes;
        while self.used > self.room {
            let (_, oldest) = self.rows.pop_first().expect("what is used is used by something");
            self.times.remove(&oldest.revision);
            self.used -= oldest.bytes;
        }
    }

    fn remove(&mut self, revision: u32) -> bool {
        let Some(time) = self.times.remove(&revision) else { return false };
        self.used -= self.rows.remove(&time).expect("a time has a row").bytes;
        true
    }
}

impl Policy for Lru {
    fn load(&mut self, item: Item) -> bool {
        let there = self.remove(item.revision);
        self.touch(item);
        there
    }

    fn store(&mut self, item: Item) {
        if !self.times.contains_key(&item.revision) {
            self.touch(item);
        }
    }

    fn forget(&mut self, item: Item) {
        self.remove(item.revision);
    }
}

/// Belady's: what is not needed for longest goes first, and what is needed later than all the rest does not come in.
///
/// With objects of one size nothing can do better. With many sizes it is a guide and no bound: one large object that is
/// needed soon may cost many small ones, and then a larger cache may even answer fewer loads.
struct LookAhead {
    room: u64,
    used: u64,
    /// Revisions by the step that needs them next.
    rows: BTreeSet<(u32, u32)>,
    items: HashMap<u32, Item>,
}

impl LookAhead {
    fn new(limit: u64) -> LookAhead {
        LookAhead { room: limit, used: 0, rows: BTreeSet::new(), items: HashMap::new() }
    }

    fn insert(&mut self, item: Item) {
        if item.next == Item::NEVER {
            return;
        }
        self.rows.insert((item.next, item.revision));
        self.items.insert(item.revision, item);
        self.used += item.bytes;
        while self.used > self.room {
            let (_, last) = self.rows.pop_last().expect("what is used is used by something");
            self.used -= self.items.remove(&last).expect("a row has an item").bytes;
        }
    }

    fn remove(&mut self, revision: u32) -> bool {
        let Some(item) = self.items.remove(&revision) else { return false };
        self.rows.remove(&(item.next, revision));
        self.used -= item.bytes;
        true
    }
}

impl Policy for LookAhead {
    fn load(&mut self, item: Item) -> bool {
        let there = self.remove(item.revision);
        self.insert(item);
        there
    }

    fn store(&mut self, item: Item) {
        self.remove(item.revision);
        self.insert(item);
    }

    fn forget(&mut self, item: Item) {
        self.remove(item.revision);
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
