//! A file that is written round and round, as ZEO's cache is.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Bytes at the beginning of ZEO's cache file: its magic and the last tid.
const HEADER: u64 = 12;
/// Bytes that ZEO's cache file takes for an object besides its data.
pub(super) const OVERHEAD: u64 = 43;

/// Blocks in a file of fixed size. A new one is written behind the last; what stood there is gone.
///
/// Each block may be found by its key. Free room is made of blocks too, so that all of them together fill the file.
#[derive(Debug)]
pub(super) struct Ring<K> {
    limit: u64,
    /// Where the next block is written: always the start of one.
    head: u64,
    /// Size and key by offset; no key where the block is free.
    blocks: BTreeMap<u64, (u64, Option<K>)>,
    places: HashMap<K, u64>,
}

impl<K: Copy + Eq + Hash> Ring<K> {
    /// The smallest file with room for anything.
    pub(super) const SMALLEST: u64 = HEADER + OVERHEAD + 2;

    /// An empty file of `limit` bytes, of which there are at least [`Ring::SMALLEST`].
    pub(super) fn new(limit: u64) -> Ring<K> {
        assert!(limit >= Self::SMALLEST, "a file of {limit} bytes");
        let blocks = BTreeMap::from([(HEADER, (limit - HEADER, None))]);
        Ring { limit, head: HEADER, blocks, places: HashMap::new() }
    }

    pub(super) fn contains(&self, key: K) -> bool {
        self.places.contains_key(&key)
    }

    /// How far the head has come since the block was written, in bytes. `None` when there is none.
    pub(super) fn age(&self, key: K) -> Option<u64> {
        let place = *self.places.get(&key)?;
        Some(if place <= self.head { self.head - place } else { self.head + self.limit - place })
    }

    /// Frees a block, and gives its size. `None` when there is none.
    pub(super) fn remove(&mut self, key: K) -> Option<u64> {
        let place = self.places.remove(&key)?;
        let (size, owner) = self.blocks.get_mut(&place).expect("a key has a block");
        *owner = None;
        Some(*size)
    }

    /// Writes a block, which was not there. Gives what it was written over, with sizes; `None` when the file is too
    /// small for it, and then nothing has changed.
    pub(super) fn add(&mut self, key: K, size: u64) -> Option<Vec<(K, u64)>> {
        assert!(!self.contains(key), "a block is written once");
        // One byte more, for the mark that tells where to go on.
        let needed = size + 1;
        if needed > self.limit - HEADER {
            return None;
        }
        if self.head + needed > self.limit {
            self.head = HEADER;
        }
        let mut evicted = Vec::new();
        let mut end = self.head;
        while end < self.head + needed {
            let (size, owner) = self.blocks.remove(&end).expect("blocks fill the file");
            if let Some(owner) = owner {
                self.places.remove(&owner);
                evicted.push((owner, size));
            }
            end += size;
        }
        self.blocks.insert(self.head, (size, Some(key)));
        self.places.insert(key, self.head);
        self.head += size;
        self.blocks.insert(self.head, (end - self.head, None));
        Some(evicted)
    }

    /// The share of the file's room that is taken, in per cent.
    pub(super) fn in_use(&self) -> f64 {
        let used: u64 = self.blocks.values().filter(|(_, key)| key.is_some()).map(|(size, _)| size).sum();
        100.0 * used as f64 / (self.limit - HEADER) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_goes_when_the_head_comes_round() {
        let mut ring = Ring::new(HEADER + 100);
        for key in 0..3 {
            assert_eq!(ring.add(key, 30), Some(vec![]));
        }
        assert_eq!((ring.age(0), ring.age(2), ring.in_use()), (Some(90), Some(30), 90.0));
        assert_eq!(
            ring.add(3, 20),
            Some(vec![(0, 30)]),
            "there are ten bytes at the end, which is not enough"
        );
        assert_eq!(ring.add(4, 20), Some(vec![(1, 30)]));
        assert!(!ring.contains(0) && ring.contains(2));
        assert_eq!(ring.age(2), Some(40 + HEADER + 100 - 60));
    }

    #[test]
    fn what_is_too_large_changes_nothing() {
        let mut ring = Ring::new(HEADER + 100);
        ring.add(0, 30);
        assert_eq!(ring.add(1, 100), None);
        assert!(ring.contains(0));
        assert_eq!(ring.add(1, 99), Some(vec![(0, 30)]));
    }

    proptest! {
        #[test]
        fn blocks_always_fill_the_file(steps in prop::collection::vec((0u8..20, 1u64..120, any::<bool>()), 1..200)) {
            let mut ring = Ring::new(HEADER + 300);
            for (key, size, remove) in steps {
                if remove || ring.contains(key) {
                    ring.remove(key);
                } else {
                    ring.add(key, size);
                }
                prop_assert_eq!(ring.blocks.values().map(|(size, _)| size).sum::<u64>(), 300);
                prop_assert!(ring.blocks.contains_key(&ring.head));
                let owned = ring.blocks.iter().filter_map(|(place, (_, key))| Some((key.as_ref()?, place)));
                prop_assert!(owned.clone().all(|(key, place)| ring.places.get(key) == Some(place)));
                prop_assert_eq!(owned.count(), ring.places.len());
            }
        }
    }
}
