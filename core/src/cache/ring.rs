//! The two rings: which records stand in them, in the order they were written.

use super::layout::{SIZE_MAX, UNIT, bounds, footprint};
use super::{Oid, Tid, layout};
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

/// Bits of a position in units, and of a length.
const BITS: u32 = 30;
const MASK: u32 = (1 << BITS) - 1;
/// Numbers of entries go round at 2^31: more than a ring has room for.
const NUMBERS: u32 = (1 << 31) - 1;
/// Hits are counted up to here.
const USES: u32 = 3;

const _: () = assert!(SIZE_MAX / UNIT == 1 << BITS);

/// Which of the two rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Where new objects prove themselves.
    Small,
    /// Where those stay that were used.
    Main,
}

/// Where the index finds an entry: its ring in the top bit, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    fn new(which: Which, number: u32) -> Slot {
        Slot(number | if which == Which::Main { !NUMBERS } else { 0 })
    }

    pub(super) fn which(self) -> Which {
        if self.0 & !NUMBERS == 0 { Which::Small } else { Which::Main }
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Current,
    Ended,
    /// It was forgotten, and a gap stands there.
    Dead,
}

/// A record in a ring, in 24 bytes: there are many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub oid: Oid,
    pub start: Tid,
    /// Position in units; the kind in the two top bits.
    place: u32,
    /// Bytes of data; the uses in the two top bits.
    length: u32,
}

impl Entry {
    pub(super) fn new(head: &layout::Head, at: u64, uses: u32) -> Entry {
        let kind = if head.until.is_none() { Kind::Current } else { Kind::Ended };
        let units = u32::try_from(at / UNIT).expect("a place in a ring");
        debug_assert!(units <= MASK && head.len <= MASK && uses <= USES);
        let mut entry =
            Entry { oid: head.oid, start: head.start, place: units, length: head.len | uses << BITS };
        entry.set_kind(kind);
        entry
    }

    pub(super) fn at(&self) -> u64 {
        u64::from(self.place & MASK) * UNIT
    }

    /// Bytes of data.
    pub(super) fn len(&self) -> usize {
        (self.length & MASK) as usize
    }

    pub(super) fn footprint(&self) -> u64 {
        footprint(self.len())
    }

    pub(super) fn uses(&self) -> u32 {
        self.length >> BITS
    }

    pub(super) fn used(&mut self) {
        if self.uses() < USES {
            self.length += 1 << BITS;
        }
    }

    /// What is no longer current is not kept for what it was.
    pub(super) fn end(&mut self) {
        self.length &= MASK;
        self.set_kind(Kind::Ended);
    }

    pub(super) fn kind(&self) -> Kind {
        [Kind::Current, Kind::Ended, Kind::Dead][(self.place >> BITS) as usize]
    }

    pub(super) fn set_kind(&mut self, kind: Kind) {
        self.place = self.place & MASK | (kind as u32) << BITS;
    }
}

/// One ring. The oldest record is the first in the row; it is also the next one past the place where writing goes on.
#[derive(Debug)]
pub(super) struct Ring {
    which: Which,
    pub start: u64,
    pub end: u64,
    /// Where the next record goes.
    pub write: u64,
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u32,
}

impl Ring {
    fn new(which: Which, start: u64, end: u64) -> Ring {
        Ring { which, start, end, write: start, entries: VecDeque::new(), first: 0 }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        self.entries.iter().enumerate().map(|(nth, entry)| (self.slot(nth), entry))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn slot(&self, nth: usize) -> Slot {
        Slot::new(self.which, self.first.wrapping_add(nth as u32) & NUMBERS)
    }

    fn nth(&self, slot: Slot) -> usize {
        debug_assert_eq!(slot.which(), self.which);
        (slot.0.wrapping_sub(self.first) & NUMBERS) as usize
    }

    /// Whether a record of so many bytes can be held at all.
    pub(super) fn holds(&self, bytes: u64) -> bool {
        bytes + UNIT <= self.end - self.start
    }

    /// Whether it can be written now, with a gap left behind it.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.write + bytes + UNIT <= self.free_end()
    }

    /// Up to where nothing stands after the place of the next record.
    pub(super) fn free_end(&self) -> u64 {
        self.entries.front().map(Entry::at).filter(|&at| at >= self.write).unwrap_or(self.end)
    }

    /// Whether the end of the ring comes too soon for it, whatever makes room.
    pub(super) fn ends_before(&self, bytes: u64) -> bool {
        self.write + bytes + UNIT > self.end
    }

    /// Whether a record of so many bytes goes where none has stood since the ring was filled from its start.
    pub(super) fn fills(&self, bytes: u64) -> bool {
        let from_start = self.entries.front().is_none_or(|entry| entry.at() == self.start);
        from_start && self.fits(bytes)
    }

    /// The oldest record, if it stands between the place of the next one and the end of the ring.
    pub(super) fn ahead(&self) -> Option<(Slot, Entry)> {
        let front = self.entries.front().filter(|entry| entry.at() >= self.write)?;
        Some((self.slot(0), *front))
    }

    /// Takes the oldest record out.
    pub(super) fn pop(&mut self) {
        self.entries.pop_front().expect("a record that was just looked at");
        self.first = self.first.wrapping_add(1) & NUMBERS;
    }

    /// Adds the newest record.
    pub(super) fn push(&mut self, entry: Entry) -> Slot {
        self.entries.push_back(entry);
        self.slot(self.entries.len() - 1)
    }
}

/// Both rings.
#[derive(Debug)]
pub(super) struct Rings {
    small: Ring,
    main: Ring,
}

impl Rings {
    pub(super) fn new(size: u64) -> Rings {
        let (middle, end) = bounds(size);
        Rings {
            small: Ring::new(Which::Small, layout::HEADER, middle),
            main: Ring::new(Which::Main, middle, end),
        }
    }

    pub(super) fn entry(&self, slot: Slot) -> &Entry {
        let ring = &self[slot.which()];
        &ring.entries[ring.nth(slot)]
    }

    pub(super) fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        let ring = &mut self[slot.which()];
        let nth = ring.nth(slot);
        &mut ring.entries[nth]
    }
}

impl Index<Which> for Rings {
    type Output = Ring;

    fn index(&self, which: Which) -> &Ring {
        match which {
            Which::Small => &self.small,
            Which::Main => &self.main,
        }
    }
}

impl IndexMut<Which> for Rings {
    fn index_mut(&mut self, which: Which) -> &mut Ring {
        match which {
            Which::Small => &mut self.small,
            Which::Main => &mut self.main,
        }
    }
}
