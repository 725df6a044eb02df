//! Where records are put, and which of them make room.
//!
//! S3-FIFO: a new record goes into the small ring, a tenth of the room. When its place there is needed it moves to the
//! main ring if it was used meanwhile, and else is put out and remembered for a while; an object that comes back in that
//! time goes to the main ring at once. A record whose place in the main ring is needed is written anew as often as it
//! was used, up to three times. So what is used once, as by a scan, never drives out what is used often.

use super::Tid;
use super::ghosts::Ghosts;
use super::index::Index;
use super::layout::{self, HEAD, Head, Header, Piece, UNIT};
use super::medium::{BootId, Medium, MediumError};
use super::ring::{Entry, Kind, Rings, Slot, Which};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A write within one such piece of a file is never cut by the death of the process.
const PAGE: u64 = 4096;
/// Uses in the small ring that make a record move to the main ring.
const PROMOTE: u32 = 1;
/// How many records of the main ring may be written anew to make room for one: what one store may cost is bounded.
const SECOND_CHANCES: u32 = 64;

/// What a cache holds, and what it did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes it may take.
    pub size: u64,
    /// Bytes its records take now, headers included.
    pub bytes: u64,
    /// Revisions in it.
    pub objects: u64,
    /// Those of them that are current.
    pub current: u64,
    /// Loads of any kind that found what they asked for.
    pub hits: u64,
    /// Loads of any kind that did not.
    pub misses: u64,
    /// Revisions stored.
    pub stores: u64,
    /// Revisions put out to make room.
    pub evictions: u64,
    /// Revisions written anew because they were used.
    pub moves: u64,
    /// Revisions dropped because the medium did not give back what was written.
    pub damaged: u64,
}

/// A record on its way into a ring, its head not yet made for a place.
#[derive(Debug)]
struct Packet {
    head: Head,
    /// Of the whole record.
    bytes: Vec<u8>,
    uses: u32,
}

/// The medium with its rings, and the index of what stands there.
///
/// An error leaves it in no state but to be [given up](Self::give_up).
#[derive(Debug)]
pub(super) struct Shelves {
    pub(super) medium: Box<dyn Medium>,
    pub(super) header: Header,
    pub(super) rings: Rings,
    pub(super) index: Index,
    ghosts: Ghosts,
    pub(super) stats: Stats,
}

impl Shelves {
    /// A medium with that header, and nothing known yet of what stands in its rings.
    pub(super) fn new(medium: Box<dyn Medium>, header: Header) -> Shelves {
        let rings = Rings::new(header.size);
        let stats = Stats { size: header.size, ..Stats::default() };
        Shelves { medium, header, rings, index: Index::default(), ghosts: Ghosts::default(), stats }
    }

    /// Begins an empty cache of `size` bytes, whatever stands in the medium.
    pub(super) fn begin(
        mut medium: Box<dyn Medium>,
        size: u64,
        boot: BootId,
        nonce: u64,
    ) -> Result<Shelves, MediumError> {
        // From nothing: what is left over becomes zeros. The header is safe before anything else is written, so that after a
        // power loss a medium without one holds nothing but zeros.
        medium.set_len(0)?;
        medium.set_len(size)?;
        let mut shelves = Shelves::new(medium, Header { size, nonce, last: None, boot, clean: false });
        shelves.clear()?;
        Ok(shelves)
    }

    /// Forgets everything, in one write; what stood there counts no more from then on.
    pub(super) fn clear(&mut self) -> Result<(), MediumError> {
        let nonce = xxh3_64_with_seed(&self.header.boot.0, self.header.nonce);
        self.header = Header { nonce, last: None, clean: false, ..self.header };
        self.rings = Rings::new(self.header.size);
        (self.index, self.ghosts) = (Index::default(), Ghosts::default());
        self.stats.bytes = 0;
        self.medium.write_at(0, &self.header.bytes())?;
        self.medium.sync()?;
        for which in [Which::Small, Which::Main] {
            let (from, to) = (self.rings[which].start, self.rings[which].end);
            self.cover(from, to, true)?;
        }
        Ok(())
    }

    /// Takes leave of a medium that failed: nothing is known any more, neither here nor, if the medium still listens, to
    /// the next who opens it.
    pub(super) fn give_up(&mut self) {
        self.header.boot = BootId([0; 16]);
        // It has failed already, and that was told.
        let _ = self.clear();
    }

    /// Sets the last tid; all that came before it is written.
    pub(super) fn set_last(&mut self, last: Tid) -> Result<(), MediumError> {
        self.soil()?;
        self.header.last = Some(last);
        self.medium.write_at(layout::LAST_AT, &layout::last(self.header.nonce, self.header.last))
    }

    /// Makes sure that a power loss from now on is noticed by the next who opens it.
    pub(super) fn soil(&mut self) -> Result<(), MediumError> {
        if self.header.clean { self.set_state(false) } else { Ok(()) }
    }

    /// Leaves the medium so that it is trusted after a power loss too.
    pub(super) fn flush(&mut self) -> Result<(), MediumError> {
        if !self.header.clean {
            self.medium.sync()?;
            self.set_state(true)?;
        }
        Ok(())
    }

    pub(super) fn set_state(&mut self, clean: bool) -> Result<(), MediumError> {
        self.header.clean = clean;
        let state = layout::state(self.header.nonce, self.header.boot, clean);
        self.medium.write_at(layout::STATE_AT, &state)?;
        self.medium.sync()
    }

    /// Puts a revision in, that is known to [fit](Index::fit); false when there is no room for its like.
    pub(super) fn add(&mut self, head: Head, data: &[u8]) -> Result<bool, MediumError> {
        let main = &self.rings[Which::Main];
        if !main.holds(head.footprint()) {
            return Ok(false);
        }
        self.soil()?;
        let known = head.until.is_none() && self.ghosts.contains(head.oid, self.rings[Which::Main].len());
        let which = if known || !self.rings[Which::Small].holds(head.footprint()) {
            Which::Main
        } else {
            Which::Small
        };
        self.put(which, head, data)?;
        Ok(true)
    }

    /// Puts a revision into a ring, as its newest.
    pub(super) fn put(&mut self, which: Which, head: Head, data: &[u8]) -> Result<(), MediumError> {
        // With room for the mark that is written behind it.
        let mut bytes = Vec::with_capacity(head.footprint() as usize + UNIT as usize);
        bytes.resize(HEAD, 0);
        bytes.extend_from_slice(data);
        bytes.resize(head.footprint() as usize, 0);
        self.append(which, Packet { head, bytes, uses: 0 })
    }

    /// Reads a record; `None` when the medium did not give back what was written.
    pub(super) fn read(&self, slot: Slot) -> Result<Option<(Head, Bytes)>, MediumError> {
        let entry = self.rings.entry(slot);
        let mut bytes = vec![0; HEAD + entry.len()];
        self.medium.read_at(entry.at(), &mut bytes)?;
        let Some(head) = self.recognise(entry, &bytes) else { return Ok(None) };
        let mut data = Bytes::from(bytes);
        data.advance(HEAD);
        Ok((layout::data_check(&data) == head.check).then_some((head, data)))
    }

    /// The head at the beginning of `bytes`, if it is that of the entry.
    pub(super) fn recognise(&self, entry: &Entry, bytes: &[u8]) -> Option<Head> {
        match Piece::read(bytes, self.header.nonce, entry.at())? {
            Piece::Record(head)
                if (head.oid, head.start, head.len as usize) == (entry.oid, entry.start, entry.len())
                    && head.until.is_none() == (entry.kind() == Kind::Current) =>
            {
                Some(head)
            }
            _ => None,
        }
    }

    /// Notes that a record was of use.
    pub(super) fn used(&mut self, slot: Slot) {
        self.rings.entry_mut(slot).used();
    }

    /// The current revision in `slot` ends.
    pub(super) fn end(&mut self, slot: Slot, until: Tid) -> Result<(), MediumError> {
        self.soil()?;
        let entry = *self.rings.entry(slot);
        let mut bytes = [0; HEAD];
        self.medium.read_at(entry.at(), &mut bytes)?;
        let Some(mut head) = self.recognise(&entry, &bytes) else {
            self.stats.damaged += 1;
            return self.erase(slot);
        };
        head.until = Some(until);
        // The check stands beside what changes, so that both go in one write.
        let bytes = head.bytes(self.header.nonce, entry.at());
        self.medium.write_at(entry.at() + 4, &bytes[4..16])?;
        self.index.remove_current(entry.oid, slot);
        self.rings.entry_mut(slot).end();
        self.index.insert(&self.rings, slot, Some(until));
        if slot.which() == Which::Main {
            // What follows is as much in demand as this was.
            self.ghosts.remember(entry.oid, self.rings[Which::Main].len());
        }
        Ok(())
    }

    /// Drops the revision in `slot`.
    pub(super) fn erase(&mut self, slot: Slot) -> Result<(), MediumError> {
        self.soil()?;
        let entry = *self.rings.entry(slot);
        self.cover(entry.at(), entry.at() + entry.footprint(), false)?;
        self.remove(slot, entry);
        self.rings.entry_mut(slot).set_kind(Kind::Dead);
        Ok(())
    }

    /// Takes the revision out of the index.
    fn remove(&mut self, slot: Slot, entry: Entry) {
        match entry.kind() {
            Kind::Current => self.index.remove_current(entry.oid, slot),
            Kind::Ended => self.index.remove_ended(entry.oid, entry.start),
            Kind::Dead => return,
        }
        self.stats.bytes -= entry.footprint();
    }

    /// Takes into the index what stands in a ring, as its newest record.
    pub(super) fn admit(&mut self, which: Which, head: &Head, at: u64, uses: u32) -> Slot {
        let slot = self.rings[which].push(Entry::new(head, at, uses));
        self.index.insert(&self.rings, slot, head.until);
        self.stats.bytes += head.footprint();
        slot
    }

    /// Makes a gap of what stands there.
    pub(super) fn cover(&mut self, from: u64, to: u64, here: bool) -> Result<(), MediumError> {
        self.medium.write_at(from, &layout::gap(to - from, here, self.header.nonce, from))
    }

    /// Writes a record behind the newest one of a ring. What has to make room is put out or moved on; it stands in the
    /// medium until the end, which nothing else is written before.
    fn append(&mut self, which: Which, packet: Packet) -> Result<(), MediumError> {
        let mut waiting = VecDeque::from([packet]);
        let mut chances = SECOND_CHANCES;
        while let Some(packet) = waiting.pop_front() {
            let footprint = packet.head.footprint();
            while !self.rings[which].fits(footprint) {
                if self.rings[which].ends_before(footprint) {
                    self.wrap(which)?;
                } else {
                    let entry = self.take_ahead(which).expect("something is in the way, or it would fit");
                    waiting.extend(self.evict(which, &entry, &mut chances)?);
                }
            }
            self.place(which, packet)?;
        }
        Ok(())
    }

    /// Takes the oldest record of a ring out of it, if it stands between the place of the next one and the end.
    fn take_ahead(&mut self, which: Which) -> Option<Entry> {
        let (slot, entry) = self.rings[which].ahead()?;
        self.remove(slot, entry);
        self.rings[which].pop();
        Some(entry)
    }

    /// Decides on a record that has to make room; a packet is to be written anew in the same ring.
    fn evict(
        &mut self,
        which: Which,
        entry: &Entry,
        chances: &mut u32,
    ) -> Result<Option<Packet>, MediumError> {
        if entry.kind() == Kind::Dead {
            return Ok(None);
        }
        let main = &self.rings[Which::Main];
        let window = main.len();
        match which {
            Which::Small if entry.uses() >= PROMOTE || main.fills(entry.footprint()) => {
                if let Some(packet) = self.pick_up(entry, 0)? {
                    self.append(Which::Main, packet)?;
                }
                return Ok(None);
            }
            Which::Small if entry.kind() == Kind::Current => self.ghosts.remember(entry.oid, window),
            Which::Main if entry.uses() > 0 && *chances > 0 => {
                *chances -= 1;
                return self.pick_up(entry, entry.uses() - 1);
            }
            _ => {}
        }
        self.stats.evictions += 1;
        Ok(None)
    }

    /// The record of an entry that was just taken out, to be written elsewhere; `None` when it is damaged.
    fn pick_up(&mut self, entry: &Entry, uses: u32) -> Result<Option<Packet>, MediumError> {
        let mut bytes = Vec::with_capacity(entry.footprint() as usize + UNIT as usize);
        bytes.resize(entry.footprint() as usize, 0);
        self.medium.read_at(entry.at(), &mut bytes)?;
        // The data keeps its check: damage in there is found when it is loaded.
        let packet = self.recognise(entry, &bytes).map(|head| Packet { head, bytes, uses });
        match packet {
            Some(_) => self.stats.moves += 1,
            None => self.stats.damaged += 1,
        }
        Ok(packet)
    }

    /// Goes on writing at the ring's beginning. What stands between here and the end stays for another turn: to give it up
    /// for a record that it is too short for would be a waste.
    fn wrap(&mut self, which: Which) -> Result<(), MediumError> {
        let (write, free_end) = (self.rings[which].write, self.rings[which].free_end());
        assert!(write > self.rings[which].start, "a record that its ring holds");
        self.cover(write, free_end, false)?;
        // Once round at the most: nothing else may stand in the ring.
        for _ in 0..self.rings[which].len() {
            let Some((slot, entry)) = self.rings[which].ahead() else { break };
            let until = self.index.ended_at(entry.oid, entry.start).map(|ended| ended.until);
            self.remove(slot, entry);
            self.rings[which].pop();
            let slot = self.rings[which].push(entry);
            if entry.kind() != Kind::Dead {
                self.index.insert(&self.rings, slot, until);
                self.stats.bytes += entry.footprint();
            }
        }
        self.rings[which].write = self.rings[which].start;
        Ok(())
    }

    /// Writes a record where there is room for it, so that at every moment the ring is a row of pieces, and nothing in
    /// it that was put out is found once the record is.
    fn place(&mut self, which: Which, packet: Packet) -> Result<(), MediumError> {
        let Packet { head, mut bytes, uses } = packet;
        let nonce = self.header.nonce;
        let (at, free_end) = (self.rings[which].write, self.rings[which].free_end());
        let behind = at + bytes.len() as u64;
        bytes[..HEAD].copy_from_slice(&head.bytes(nonce, at));
        bytes.extend_from_slice(&layout::gap(free_end - behind, true, nonce, behind));
        if at / PAGE == behind / PAGE {
            self.medium.write_at(at, &bytes)?;
        } else {
            // A write of several pages may be cut between them: all but the first word goes where it is not looked at yet.
            self.cover(at, free_end, true)?;
            self.medium.write_at(at + UNIT, &bytes[UNIT as usize..])?;
            self.medium.write_at(at, &bytes[..UNIT as usize])?;
        }
        self.rings[which].write = behind;
        self.admit(which, &head, at, uses);
        Ok(())
    }
}
