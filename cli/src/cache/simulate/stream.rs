//! What a trace asks of any cache, whatever the traced one had.
//!
//! A trace tells of a miss which object was missed, but not which revision nor its size; the store that follows does.
//! Until then every further miss of the object is the same load: Python's client looks for the current revision, then for
//! one before its transaction, and for both again before it asks the server.
//! Here every load names its revision, so that a policy has nothing to decide but what to keep.

use super::ring::OVERHEAD;
use std::collections::{BTreeSet, HashMap};
use zeolith_core::cache::trace::{Code, Traced};
use zeolith_core::ids::{Oid, Tid};

/// A revision that may be in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number, from zero without gaps.
    pub revision: u32,
    /// What it takes in a cache file, ZEO's overhead included.
    pub bytes: u64,
    /// The number of the step that loads it next; [`Item::NEVER`] when none does. No cache can know it: it is for the
    /// curve that shows what could be reached.
    pub next: u32,
}

impl Item {
    /// No step any more.
    pub const NEVER: u32 = u32::MAX;
}

/// One thing that is asked of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Give this revision. If it is not there, a server sends it and it may be kept.
    Load(Item),
    /// Give something whose size the trace does not tell: a miss for every cache.
    Unknown,
    /// Keep this revision, which the client committed or fetched ahead.
    Store(Item),
    /// Drop this revision: it is known to be wrong.
    Forget(Item),
}

/// All steps of a trace.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// In their order.
    pub steps: Vec<Step>,
    /// How many of them are loads.
    pub loads: u64,
    /// Revisions that were loaded or stored, and what they take together.
    pub revisions: u32,
    /// What all of them take together, in bytes.
    pub footprint: u64,
}

/// Makes steps of records.
#[derive(Debug, Default)]
pub struct Streamer {
    stream: Stream,
    numbers: HashMap<(Oid, Tid), u32>,
    /// What each revision takes, by number.
    sizes: Vec<u64>,
    current: HashMap<Oid, Tid>,
    /// Revisions of an object so far; taken when all of it is to be forgotten.
    known: HashMap<Oid, BTreeSet<u32>>,
    /// Loads, by their step, for which the server was asked.
    awaited: HashMap<Oid, usize>,
}

impl Streamer {
    /// Takes a record.
    pub fn add(&mut self, traced: &Traced) {
        let Traced { code, size, oid, start, end } = *traced;
        match code {
            Code::LoadHit => {
                let item = self.item(oid, start, size);
                self.current.insert(oid, start);
                self.load(Step::Load(item));
            }
            Code::LoadMiss | Code::LoadBeforeMiss if self.awaited.contains_key(&oid) => {}
            Code::LoadMiss | Code::LoadBeforeMiss => {
                self.awaited.insert(oid, self.stream.steps.len());
                let current = self.current.get(&oid).copied().filter(|_| code == Code::LoadMiss);
                let item = current.map(|start| self.item(oid, start, 0));
                self.load(item.map_or(Step::Unknown, Step::Load));
            }
            Code::LoadBeforeHit => {
                // Python's client tells the revision in the other tid.
                let start = if start == Tid::ZERO { end } else { start };
                match self.numbers.contains_key(&(oid, start)) {
                    true => {
                        let item = self.item(oid, start, 0);
                        self.load(Step::Load(item));
                    }
                    false => self.load(Step::Unknown),
                }
            }
            Code::Store | Code::StoreOld | Code::StoreVersion => {
                let item = self.item(oid, start, size);
                if end == Tid::ZERO {
                    self.current.insert(oid, start);
                }
                match self.awaited.remove(&oid) {
                    Some(at) => self.stream.steps[at] = Step::Load(item),
                    None => self.stream.steps.push(Step::Store(item)),
                }
            }
            Code::InvalidateMiss | Code::InvalidateVersion | Code::InvalidateKeep | Code::InvalidateDrop => {
                self.current.remove(&oid);
                if start == Tid::ZERO {
                    for revision in self.known.remove(&oid).unwrap_or_default() {
                        let item = Item { revision, bytes: 0, next: Item::NEVER };
                        self.stream.steps.push(Step::Forget(item));
                    }
                }
            }
            Code::Opened => self.awaited.clear(),
        }
    }

    /// All steps, each with what its revision takes and when it is needed again.
    pub fn finish(mut self) -> Stream {
        let mut next = vec![Item::NEVER; self.sizes.len()];
        for (at, step) in self.stream.steps.iter_mut().enumerate().rev() {
            let loads = matches!(step, Step::Load(_));
            if let Step::Load(item) | Step::Store(item) | Step::Forget(item) = step {
                let revision = item.revision as usize;
                (item.bytes, item.next) = (self.sizes[revision], next[revision]);
                if loads {
                    next[revision] = at as u32;
                }
            }
        }
        self.stream.revisions = self.sizes.len() as u32;
        self.stream.footprint = self.sizes.iter().sum();
        self.stream
    }

    /// The revision by its number. A size that is not told (zero) leaves the one that is known.
    fn item(&mut self, oid: Oid, start: Tid, size: u32) -> Item {
        let next = self.sizes.len() as u32;
        let revision = *self.numbers.entry((oid, start)).or_insert(next);
        if revision == next {
            self.sizes.push(0);
        }
        self.known.entry(oid).or_default().insert(revision);
        let bytes = &mut self.sizes[revision as usize];
        *bytes = (*bytes).max(u64::from(size) + OVERHEAD);
        Item { revision, bytes: *bytes, next: Item::NEVER }
    }

    fn load(&mut self, step: Step) {
        self.stream.loads += 1;
        self.stream.steps.push(step);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
