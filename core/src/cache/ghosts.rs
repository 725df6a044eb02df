//! Which objects were put out lately: one that comes back soon is worth more than one that never does.

use super::Oid;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// The objects last put out, by a fingerprint of 32 bits: now and then it remembers a wrong one, or forgets one.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    /// Fingerprint and time; a fingerprint of zero is nobody's.
    slots: Vec<(u32, u32)>,
    /// Counts what was put out.
    clock: u32,
}

impl Ghosts {
    /// Remembers an object among the last `window`.
    pub(super) fn remember(&mut self, oid: Oid, window: usize) {
        let wanted = (2 * window.max(8)).next_power_of_two();
        if self.slots.len() < wanted {
            // What was remembered is lost; that happens while a cache fills, when it means the least.
            self.slots = vec![(0, 0); wanted];
        }
        self.clock = self.clock.wrapping_add(1);
        let (nth, fingerprint) = self.find(oid);
        self.slots[nth] = (fingerprint, self.clock);
    }

    /// Whether the object is among the last `window`.
    pub(super) fn contains(&self, oid: Oid, window: usize) -> bool {
        if self.slots.is_empty() {
            return false;
        }
        let (nth, fingerprint) = self.find(oid);
        let (of, time) = self.slots[nth];
        of == fingerprint && (self.clock.wrapping_sub(time) as usize) < window
    }

    fn find(&self, oid: Oid) -> (usize, u32) {
        let hash = FxBuildHasher.hash_one(oid);
        (hash as usize & (self.slots.len() - 1), (hash >> 32) as u32 | 1)
    }
}
