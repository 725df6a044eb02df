//! What a pack knows of every object: where its record lies, and whether it stays. About nine bytes each.

use crate::ids::Oid;
use crate::store::file::index::{Entry, Index, SizeClass};
use std::collections::BTreeMap;

/// The position of an object that does not exist at the time of the pack.
const GONE: u64 = 0;

/// The objects at the time of the pack.
///
/// The index has the place of the record that stays: in the old log until it is copied, then in the new one.
#[derive(Debug, Default)]
pub(super) struct Objects {
    index: Index,
    pages: BTreeMap<u64, Page>,
    /// Reached, and nobody has looked yet at what they refer to.
    pending: u64,
}

/// Of 256 objects each.
#[derive(Debug, Default)]
struct Page {
    reached: Bits,
    pending: Bits,
    copied: Bits,
}

#[derive(Debug, Default)]
struct Bits([u64; 4]);

impl Bits {
    fn has(&self, oid: Oid) -> bool {
        let slot = oid.0 as u8;
        self.0[usize::from(slot >> 6)] & 1 << (slot & 63) != 0
    }

    fn put(&mut self, oid: Oid, on: bool) {
        let slot = oid.0 as u8;
        let (word, bit) = (&mut self.0[usize::from(slot >> 6)], 1 << (slot & 63));
        if on { *word |= bit } else { *word &= !bit }
    }
}

impl Objects {
    /// The object is at `at`, in a record of `len` bytes.
    pub(super) fn set(&mut self, oid: Oid, at: u64, len: u64) {
        self.index.set(oid, at, SizeClass::of(len));
    }

    /// The object does not exist any more.
    pub(super) fn remove(&mut self, oid: Oid) {
        if self.index.get(oid).is_some() {
            self.index.set(oid, GONE, SizeClass::UNKNOWN);
        }
    }

    /// Where the object is; `None` when it is not there.
    pub(super) fn get(&self, oid: Oid) -> Option<Entry> {
        self.index.get(oid).filter(|entry| entry.at != GONE)
    }

    /// Objects that exist or existed.
    pub(super) fn len(&self) -> u64 {
        self.index.len()
    }

    /// Whether no object exists.
    pub(super) fn is_empty(&self) -> bool {
        self.index.iter().all(|(_, entry)| entry.at == GONE)
    }

    /// Whether the object stays.
    pub(super) fn is_reached(&self, oid: Oid) -> bool {
        self.page(oid).is_some_and(|page| page.reached.has(oid))
    }

    /// All of them stay.
    pub(super) fn reach_all(&mut self) {
        for (oid, _) in self.index.iter().filter(|(_, entry)| entry.at != GONE) {
            self.pages.entry(oid.0 >> 8).or_default().reached.put(oid, true);
        }
    }

    /// The object stays, as the record at `at` has it. What that refers to is the caller's to look at.
    pub(super) fn keep_at(&mut self, oid: Oid, at: u64) {
        self.index.set(oid, at, SizeClass::UNKNOWN);
        self.pages.entry(oid.0 >> 8).or_default().reached.put(oid, true);
    }

    /// The object stays, and what it refers to is to be looked at; gives where it is, unless it was reached before.
    ///
    /// # Errors
    /// When it does not exist.
    pub(super) fn reach(&mut self, oid: Oid) -> Result<Option<u64>, Oid> {
        let page = self.pages.entry(oid.0 >> 8).or_default();
        if page.reached.has(oid) {
            return Ok(None);
        }
        let entry = self.index.get(oid).filter(|entry| entry.at != GONE).ok_or(oid)?;
        page.reached.put(oid, true);
        page.pending.put(oid, true);
        self.pending += 1;
        Ok(Some(entry.at))
    }

    /// Somebody has looked at what the object at `at` refers to.
    pub(super) fn seen(&mut self, oid: Oid, at: u64) {
        if self.index.get(oid).is_none_or(|entry| entry.at != at) {
            return;
        }
        let page = self.pages.entry(oid.0 >> 8).or_default();
        if page.pending.has(oid) {
            page.pending.put(oid, false);
            self.pending -= 1;
        }
    }

    /// How many wait to be looked at.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Where the first `most` of them are, from `from` on, and where to go on.
    pub(super) fn some_pending(&self, from: Oid, most: usize) -> (Vec<u64>, Oid) {
        let mut found = Vec::with_capacity(most.min(self.pending as usize));
        for (&prefix, page) in self.pages.range(from.0 >> 8..) {
            if found.len() >= most {
                return (found, Oid(prefix << 8));
            }
            let oids = (0..256).map(|slot| Oid(prefix << 8 | slot)).filter(|oid| page.pending.has(*oid));
            found.extend(oids.filter_map(|oid| self.get(oid)).map(|entry| entry.at));
        }
        (found, Oid::ZERO)
    }

    /// Whether the record of the object at `at` is the one that stays, and not copied yet.
    pub(super) fn stays(&self, oid: Oid, at: u64) -> bool {
        self.page(oid).is_some_and(|page| page.reached.has(oid) && !page.copied.has(oid))
            && self.index.get(oid).is_some_and(|entry| entry.at == at)
    }

    /// Whether the object's record was copied.
    pub(super) fn is_copied(&self, oid: Oid) -> bool {
        self.page(oid).is_some_and(|page| page.copied.has(oid))
    }

    /// The object's record was copied to `at` in the new log, where it takes `len` bytes.
    pub(super) fn copied(&mut self, oid: Oid, at: u64, len: u64) {
        self.index.set(oid, at, SizeClass::of(len));
        self.pages.entry(oid.0 >> 8).or_default().copied.put(oid, true);
    }

    /// The index of what was copied.
    pub(super) fn into_index(self) -> Index {
        let (mut index, pages) = (self.index, self.pages);
        index.retain(|oid| pages.get(&(oid.0 >> 8)).is_some_and(|page| page.copied.has(oid)));
        index
    }

    fn page(&self, oid: Oid) -> Option<&Page> {
        self.pages.get(&(oid.0 >> 8))
    }
}
