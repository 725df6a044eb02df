//! The cache of a client: revisions of objects, bounded to the byte, in memory or in one file.
//!
//! It keeps the promise that the client's correctness rests on: for a cached current revision `(oid, serial, none)` no
//! transaction in `(serial, last tid]` touched the object; for a non-current one `(oid, serial, until)`, `until` is the first
//! that did. To that end the client applies every message to it in order, changed objects before the last tid. What it
//! forgets it may forget at any time.
//!
//! Below, a medium holds two rings of records (`layout`), filled and emptied as S3-FIFO does (`shelves`), with an
//! `index` in memory of about 35 bytes an object. After the death of the process what stands in the medium is the state
//! between two writes, each of which leaves it sound; after a power loss it is sound if it was flushed, or emptied.

mod ghosts;
mod index;
mod invariants;
mod layout;
mod medium;
mod open;
mod ring;
mod shelves;
pub mod trace;

#[cfg(test)]
mod tests;

pub use medium::{BootId, Medium, MediumError, Memory};
pub use open::{CacheError, Emptied, Report};
pub use shelves::Stats;
pub use trace::{Code, Trace, Traced};

use crate::ids::{Oid, Tid};
use crate::store::Revision;
use bytes::Bytes;
use index::Fit;
use layout::Head;
use ring::{Kind, Slot, Which};
use shelves::Shelves;

/// Revisions of objects, and the last transaction they are known to be right at.
#[derive(Debug)]
pub struct Cache {
    shelves: Shelves,
    last: Option<Tid>,
    fault: Option<CacheError>,
    trace: Option<Box<dyn Trace>>,
}

impl Cache {
    /// An empty cache in memory, of at most `size` bytes: records with their headers, not the index of them.
    ///
    /// Less than a few hundred bytes hold nothing; more than 8 GiB are taken as that.
    pub fn in_memory(size: u64) -> Cache {
        let shelves = open::begin(Box::new(Memory::default()), size, BootId([0; 16]));
        Cache::over(shelves.expect("memory does not fail"))
    }

    /// The cache that stands in a medium, or an empty one of `size` bytes if nothing stands there yet.
    ///
    /// Takes one pass over the medium. One of another size is brought to `size`, and keeps what fits. What is damaged is
    /// dropped, and what cannot be trusted (a power loss without [`flush`](Self::flush) before) is emptied; the report tells.
    /// The bounds of `size` are those of [`in_memory`](Self::in_memory).
    ///
    /// # Errors
    /// When something else than a cache of ours stands there, which is then left as it is, or when the medium fails.
    pub fn open(medium: Box<dyn Medium>, size: u64, boot: BootId) -> Result<(Cache, Report), CacheError> {
        let (shelves, report) = open::open(medium, size, boot)?;
        Ok((Cache::over(shelves), report))
    }

    /// The last transaction whose changes were applied; `None`: nothing is known to be current.
    pub fn last_tid(&self) -> Option<Tid> {
        self.last
    }

    /// The current revision.
    pub fn load(&mut self, oid: Oid) -> Option<Revision> {
        let found = self.find_current(oid, None);
        self.count(found.is_some());
        if found.is_none() {
            self.tell(Code::LoadMiss, 0, oid, Tid::ZERO, Tid::ZERO);
        }
        found
    }

    /// The revision that was current just before `before`. A current one answers only up to the transaction after the last
    /// tid: of later ones nothing is known.
    pub fn load_before(&mut self, oid: Oid, before: Tid) -> Option<Revision> {
        let found = match self.shelves.index.ended_before(oid, before) {
            Some(ended) if ended.until >= before => {
                let found = self.read(ended.slot);
                if let Some(revision) = &found {
                    self.tell(Code::LoadBeforeHit, 0, oid, Tid::ZERO, revision.serial);
                }
                found
            }
            _ => self.find_current(oid, Some(before)),
        };
        self.count(found.is_some());
        if found.is_none() {
            // As there, where one look is in the other.
            if self.serial(oid).is_none() {
                self.tell(Code::LoadMiss, 0, oid, Tid::ZERO, Tid::ZERO);
            }
            self.tell(Code::LoadBeforeMiss, 0, oid, Tid::ZERO, before);
        }
        found
    }

    /// What transaction `serial` made of the object.
    pub fn load_serial(&mut self, oid: Oid, serial: Tid) -> Option<Bytes> {
        let index = &self.shelves.index;
        let current = self.slot(oid).filter(|&slot| self.shelves.rings.entry(slot).start == serial);
        let slot = current.or_else(|| index.ended_at(oid, serial).map(|ended| ended.slot));
        let found = slot.and_then(|slot| self.read(slot));
        self.count(found.is_some());
        found.map(|revision| revision.data)
    }

    /// The serial of the current revision. Does not count as a use.
    pub fn serial(&self, oid: Oid) -> Option<Tid> {
        self.slot(oid).map(|slot| self.shelves.rings.entry(slot).start)
    }

    /// Keeps a revision, if it fits and contradicts nothing that is known.
    ///
    /// A current one takes the place of an older current one. One with an `until` that was taken for current ends there. What
    /// is older than the current revision without an `until`, or overlaps another revision, is not taken.
    pub fn store(&mut self, oid: Oid, revision: &Revision) {
        let &Revision { ref data, serial: start, until } = revision;
        if self.fault.is_some() || data.len() > layout::DATA_MAX {
            return;
        }
        match self.shelves.index.fit(&self.shelves.rings, oid, start, until) {
            Fit::Not => return,
            Fit::Ends(slot) => {
                let until = until.expect("only a revision that ended tells an end");
                let result = self.shelves.end(slot, until);
                self.attempt(result);
                return;
            }
            Fit::Replaces(slot) => {
                let result = self.shelves.erase(slot);
                self.attempt(result);
            }
            Fit::New => {}
        }
        if self.fault.is_some() {
            return;
        }
        let head = Head { len: data.len() as u32, oid, start, until, check: layout::data_check(data) };
        let result = self.shelves.add(head, data);
        if self.attempt(result) == Some(true) {
            self.shelves.stats.stores += 1;
            let code = if until.is_some() { Code::StoreOld } else { Code::Store };
            self.tell(code, data.len(), oid, start, until.unwrap_or_default());
        }
    }

    /// The object was changed by transaction `tid`: its current revision, if older, ends there and is kept as non-current.
    pub fn invalidate(&mut self, oid: Oid, tid: Tid) {
        let Some(slot) = self.slot(oid) else {
            self.tell(Code::InvalidateMiss, 0, oid, tid, Tid::ZERO);
            return;
        };
        // One that is as new or newer was written by this transaction, or after it.
        if self.shelves.rings.entry(slot).start < tid {
            let result = self.shelves.end(slot, tid);
            self.attempt(result);
            self.tell(Code::InvalidateKeep, 0, oid, tid, Tid::ZERO);
        }
    }

    /// Drops the current revision, without knowing when it ended.
    pub fn forget(&mut self, oid: Oid) {
        let Some(slot) = self.slot(oid) else {
            self.tell(Code::InvalidateMiss, 0, oid, Tid::ZERO, Tid::ZERO);
            return;
        };
        let result = self.shelves.erase(slot);
        self.attempt(result);
        self.tell(Code::InvalidateDrop, 0, oid, Tid::ZERO, Tid::ZERO);
    }

    /// All changes up to `tid` were applied.
    ///
    /// # Panics
    /// When it is less than the last one.
    pub fn set_last_tid(&mut self, tid: Tid) {
        assert!(self.last <= Some(tid), "the last tid falls from {:?} to {tid}", self.last);
        if self.last != Some(tid) {
            self.last = Some(tid);
            if self.fault.is_none() {
                let result = self.shelves.set_last(tid);
                self.attempt(result);
            }
        }
    }

    /// Empties it; nothing is known any more.
    pub fn clear(&mut self) {
        self.last = None;
        if self.fault.is_none() {
            let result = self.shelves.clear();
            self.attempt(result);
        }
    }

    /// All current revisions, by oid.
    pub fn current(&self) -> impl Iterator<Item = (Oid, Tid)> + use<> {
        let rings = &self.shelves.rings;
        let entries = [Which::Small, Which::Main].into_iter().flat_map(|which| rings[which].entries());
        let current = entries.filter(|(_, entry)| entry.kind() == Kind::Current);
        let mut all: Vec<_> = current.map(|(_, entry)| (entry.oid, entry.start)).collect();
        all.sort_unstable();
        all.into_iter()
    }

    /// All revisions that ended, by oid and serial: object, serial, and the next transaction that changed the object.
    pub fn ended(&self) -> impl Iterator<Item = (Oid, Tid, Tid)> + '_ {
        self.shelves.index.ended()
    }

    /// What it holds and what it did since it was opened.
    pub fn stats(&self) -> Stats {
        let (current, ended) = self.shelves.index.counts();
        Stats { objects: (current + ended) as u64, current: current as u64, ..self.shelves.stats }
    }

    /// Tells everything that happens from now on, as ZEO's cache would.
    pub fn trace(&mut self, trace: Box<dyn Trace>) {
        self.trace = Some(trace);
        self.tell(Code::Opened, 0, Oid(0), Tid::ZERO, Tid::ZERO);
    }

    /// Leaves the medium so that the next open trusts it after a power loss too: waits for the disk, twice. The cache may be
    /// used on; the first change after it waits for the disk as well.
    pub fn flush(&mut self) {
        if self.fault.is_none() {
            let result = self.shelves.flush();
            self.attempt(result);
        }
    }

    /// The medium failed: the cache has been empty since, takes nothing, and keeps its last tid.
    pub fn fault(&self) -> Option<&CacheError> {
        self.fault.as_ref()
    }

    /// Panics on any broken invariant. Reads the whole medium.
    pub fn check_invariants(&self) {
        if self.fault.is_none() {
            assert_eq!(self.last, self.shelves.header.last, "the last tid, and the one in the medium");
            invariants::check(&self.shelves);
        } else {
            assert_eq!(self.stats().objects, 0, "objects over a medium that failed");
        }
    }

    fn over(shelves: Shelves) -> Cache {
        Cache { last: shelves.header.last, shelves, fault: None, trace: None }
    }

    fn slot(&self, oid: Oid) -> Option<Slot> {
        self.shelves.index.current(&self.shelves.rings, oid)
    }

    /// The current revision, if it is the one just before `before` for all that is known.
    fn find_current(&mut self, oid: Oid, before: Option<Tid>) -> Option<Revision> {
        let slot = self.slot(oid)?;
        if let Some(before) = before {
            let known = self.last.is_some_and(|last| before.0.saturating_sub(1) <= last.0);
            if !known || self.shelves.rings.entry(slot).start >= before {
                return None;
            }
        }
        let found = self.read(slot)?;
        self.tell(Code::LoadHit, found.data.len(), oid, found.serial, Tid::ZERO);
        Some(found)
    }

    /// Reads a revision that is wanted. One that the medium does not give back as it was written is dropped.
    fn read(&mut self, slot: Slot) -> Option<Revision> {
        let result = self.shelves.read(slot);
        if let Some((head, data)) = self.attempt(result)? {
            self.shelves.used(slot);
            return Some(Revision { data, serial: head.start, until: head.until });
        }
        self.shelves.stats.damaged += 1;
        let result = self.shelves.erase(slot);
        self.attempt(result);
        None
    }

    /// What the medium gave; when it failed, the cache is given up.
    fn attempt<T>(&mut self, result: Result<T, MediumError>) -> Option<T> {
        result
            .map_err(|error| {
                self.shelves.give_up();
                self.fault = Some(error.into());
            })
            .ok()
    }

    fn count(&mut self, hit: bool) {
        let stats = &mut self.shelves.stats;
        *if hit { &mut stats.hits } else { &mut stats.misses } += 1;
    }

    fn tell(&mut self, code: Code, size: usize, oid: Oid, start: Tid, end: Tid) {
        if let Some(trace) = &mut self.trace {
            trace.record(Traced { code, size: size as u32, oid, start, end });
        }
    }
}
