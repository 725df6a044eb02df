//! Where every object's current record lies, in less than ten bytes an object.
//!
//! Objects are grouped by 256: a page has a bitmap of those that exist and, for each, seven packed bytes in the order
//! of the oids: the position and a size class. ZODB hands out oids in sequence, so pages are full or nearly so.

use crate::ids::Oid;
use std::collections::BTreeMap;

/// Bytes of an entry: 48 bits of position, as in Python's index, and the size class.
const PACKED: usize = 7;
/// Positions end here: 256 terabytes.
const POSITION_MAX: u64 = (1 << 48) - 1;

/// Where an object's current record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position of the record.
    pub at: u64,
    /// How much to read there.
    pub size: SizeClass,
}

/// The length of a record, rounded up by at most an eighth so that it takes one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass(u8);

impl SizeClass {
    /// Nobody has read the record yet.
    pub const UNKNOWN: SizeClass = SizeClass(0);

    /// The class of a record of `len` bytes: five bits of exponent and three of mantissa, for (8 + mantissa) << exponent.
    /// Unknown from 30 GiB on, which no record has.
    pub fn of(len: u64) -> SizeClass {
        let len = len.max(9);
        let mut exponent = len.ilog2() - 3;
        let mut eighths = len.div_ceil(1 << exponent);
        if eighths == 16 {
            eighths = 8;
            exponent += 1;
        }
        if exponent > 31 { SizeClass::UNKNOWN } else { SizeClass((exponent * 8) as u8 | (eighths - 8) as u8) }
    }

    /// Bytes that hold any record of this class; `None` when nothing is known.
    pub fn bytes(self) -> Option<usize> {
        if self == SizeClass::UNKNOWN {
            return None;
        }
        Some((8 + usize::from(self.0 & 7)) << (self.0 >> 3))
    }
}

/// The positions of all objects.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pages: BTreeMap<u64, Page>,
    len: u64,
}

impl Index {
    /// An index of nothing.
    pub fn new() -> Index {
        Index::default()
    }

    /// Where the record of `oid` lies; `None` when it was never stored.
    pub fn get(&self, oid: Oid) -> Option<Entry> {
        self.pages.get(&(oid.0 >> 8))?.get(oid.0 as u8)
    }

    /// Puts `oid` at `at`.
    ///
    /// # Panics
    /// When the position takes more than 48 bits.
    pub fn set(&mut self, oid: Oid, at: u64, size: SizeClass) {
        assert!(at <= POSITION_MAX, "a log below 256 terabytes");
        if self.pages.entry(oid.0 >> 8).or_default().set(oid.0 as u8, Entry { at, size }) {
            self.len += 1;
        }
    }

    /// Remembers that the record of `oid`, if it still is the one at `at`, takes `len` bytes.
    pub fn learn(&mut self, oid: Oid, at: u64, len: u64) {
        if self.get(oid).is_some_and(|entry| entry.at == at) {
            self.set(oid, at, SizeClass::of(len));
        }
    }

    /// Adds `other`, which shares no page with this one.
    ///
    /// # Panics
    /// When it does.
    pub fn extend(&mut self, other: Index) {
        self.len += other.len;
        for (prefix, page) in other.pages {
            let before = self.pages.insert(prefix, page);
            assert!(before.is_none(), "indexes that share no page");
        }
    }

    /// Objects in the index.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The highest oid; `None` in an empty index.
    pub fn max_oid(&self) -> Option<Oid> {
        let (prefix, page) = self.pages.last_key_value()?;
        page.slots().last().map(|slot| Oid(prefix << 8 | u64::from(slot)))
    }

    /// The first object at or behind `oid`; `None` when there is none.
    pub fn first_from(&self, oid: Oid) -> Option<Oid> {
        self.pages.range(oid.0 >> 8..).find_map(|(prefix, page)| {
            page.slots().map(|slot| Oid(prefix << 8 | u64::from(slot))).find(|found| *found >= oid)
        })
    }

    /// All objects in the order of their oids.
    pub fn iter(&self) -> impl Iterator<Item = (Oid, Entry)> {
        self.iter_from(Oid::ZERO)
    }

    /// All objects at or behind `from`, in the order of their oids.
    pub fn iter_from(&self, from: Oid) -> impl Iterator<Item = (Oid, Entry)> {
        let pages = self.pages.range(from.0 >> 8..).flat_map(|(prefix, page)| {
            page.slots()
                .enumerate()
                .map(move |(rank, slot)| (Oid(prefix << 8 | u64::from(slot)), page.entry(rank)))
        });
        pages.skip_while(move |(oid, _)| *oid < from)
    }

    /// Removes every object that is not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(Oid) -> bool) {
        let mut len = 0;
        self.pages.retain(|prefix, page| {
            page.retain(|slot| keep(Oid(prefix << 8 | u64::from(slot))));
            len += page.packed.len() / PACKED;
            !page.packed.is_empty()
        });
        self.len = len as u64;
    }
}

#[derive(Clone, Debug, Default)]
struct Page {
    present: [u64; 4],
    packed: Vec<u8>,
}

impl Page {
    /// How many objects of the page come before `slot`, and whether it is there.
    fn rank(&self, slot: u8) -> (usize, bool) {
        let word = usize::from(slot >> 6);
        let bit = 1u64 << (slot & 63);
        let before: u32 = self.present[..word].iter().map(|bits| bits.count_ones()).sum();
        let within = (self.present[word] & (bit - 1)).count_ones();
        ((before + within) as usize, self.present[word] & bit != 0)
    }

    fn entry(&self, rank: usize) -> Entry {
        let packed = &self.packed[rank * PACKED..(rank + 1) * PACKED];
        let mut at = [0; 8];
        at[2..].copy_from_slice(&packed[..6]);
        Entry { at: u64::from_be_bytes(at), size: SizeClass(packed[6]) }
    }

    fn get(&self, slot: u8) -> Option<Entry> {
        let (rank, present) = self.rank(slot);
        present.then(|| self.entry(rank))
    }

    /// True when the object is new.
    fn set(&mut self, slot: u8, entry: Entry) -> bool {
        let (rank, present) = self.rank(slot);
        if !present {
            self.make_room(rank);
            self.present[usize::from(slot >> 6)] |= 1 << (slot & 63);
        }
        let packed = &mut self.packed[rank * PACKED..(rank + 1) * PACKED];
        packed[..6].copy_from_slice(&entry.at.to_be_bytes()[2..]);
        packed[6] = entry.size.0;
        !present
    }

    /// Opens a gap for an entry at `rank`. Grows by an eighth, since doubling would waste what packing saves.
    fn make_room(&mut self, rank: usize) {
        let len = self.packed.len();
        if len == self.packed.capacity() {
            let entries = len / PACKED;
            let more = (entries / 8 + 4).min(256 - entries);
            self.packed.reserve_exact(more * PACKED);
        }
        self.packed.resize(len + PACKED, 0);
        self.packed.copy_within(rank * PACKED..len, (rank + 1) * PACKED);
    }

    fn retain(&mut self, mut keep: impl FnMut(u8) -> bool) {
        let mut kept = Page::default();
        for (rank, slot) in self.slots().enumerate().filter(|(_, slot)| keep(*slot)) {
            kept.present[usize::from(slot >> 6)] |= 1 << (slot & 63);
            kept.packed.extend_from_slice(&self.packed[rank * PACKED..(rank + 1) * PACKED]);
        }
        if kept.packed.len() < self.packed.len() {
            kept.packed.shrink_to_fit();
            *self = kept;
        }
    }

    fn slots(&self) -> impl Iterator<Item = u8> {
        self.present.iter().zip([0, 64, 128, 192]).flat_map(|(&word, base)| {
            let mut bits = word;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.checked_sub(1)?;
                Some(base + bit as u8)
            })
        })
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
