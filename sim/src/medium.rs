//! What a cache file stands in: a disk that forgets, as the servers' does, in one piece.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use zeolith_core::cache::{Medium, MediumError};
use zeolith_core::rng::{Rng, Seed};

/// What survives a power loss is decided in pieces of this size.
const SECTOR: usize = 512;

#[derive(Debug, Default)]
struct Disk {
    current: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors in which they may differ.
    dirty: BTreeSet<usize>,
    /// Writes and syncs after which the power fails; `None`: it does not. What comes then is not done any more.
    left: Option<u64>,
}

impl Disk {
    /// Whether the machine is still there for one more write or sync.
    fn goes_on(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// A cache file. Clones are the same file, so that it outlives the cache in it.
#[derive(Clone, Debug, Default)]
pub struct SimMedium(Arc<Mutex<Disk>>);

impl SimMedium {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("nobody panics while it is held")
    }

    /// The power will fail after so many writes and syncs more; [`lose_power`](Self::lose_power) tells what is left then.
    pub fn end_after(&self, writes: u64) {
        self.disk().left = Some(writes);
    }

    /// The power fails: of each sector that was not synced, what was there or what is there now is left.
    pub fn lose_power(&self, dice: u64) {
        let mut disk = self.disk();
        let mut rng = Rng::new(Seed(dice));
        disk.left = None;
        let Disk { current, durable, dirty, .. } = &mut *disk;
        if current.len() != durable.len() && rng.chance(1, 2) {
            durable.resize(current.len(), 0);
        }
        for sector in std::mem::take(dirty) {
            let from = sector * SECTOR;
            let to = (from + SECTOR).min(current.len()).min(durable.len());
            if from < to && rng.chance(1, 2) {
                durable[from..to].copy_from_slice(&current[from..to]);
            }
        }
        current.clone_from(durable);
    }
}

impl Medium for SimMedium {
    fn len(&self) -> Result<u64, MediumError> {
        Ok(self.disk().current.len() as u64)
    }

    fn set_len(&mut self, len: u64) -> Result<(), MediumError> {
        let mut disk = self.disk();
        if !disk.goes_on() {
            return Ok(());
        }
        let before = disk.current.len();
        disk.current.resize(len as usize, 0);
        disk.dirty.extend(before / SECTOR..(len as usize).div_ceil(SECTOR));
        Ok(())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), MediumError> {
        let at = at as usize;
        into.copy_from_slice(&self.disk().current[at..at + into.len()]);
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), MediumError> {
        let (from, to) = (at as usize, at as usize + bytes.len());
        let mut disk = self.disk();
        if !disk.goes_on() {
            return Ok(());
        }
        disk.current[from..to].copy_from_slice(bytes);
        disk.dirty.extend(from / SECTOR..to.div_ceil(SECTOR));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        let mut disk = self.disk();
        if !disk.goes_on() {
            return Ok(());
        }
        let Disk { current, durable, dirty, .. } = &mut *disk;
        durable.resize(current.len(), 0);
        for sector in std::mem::take(dirty) {
            let from = sector * SECTOR;
            let to = (from + SECTOR).min(current.len());
            if from < to {
                durable[from..to].copy_from_slice(&current[from..to]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> SimMedium {
        let mut medium = SimMedium::default();
        medium.set_len(2_048).expect("memory");
        medium.write_at(0, b"synced").expect("memory");
        medium.sync().expect("memory");
        medium.write_at(1_024, b"not").expect("memory");
        medium
    }

    fn bytes(medium: &SimMedium, at: u64) -> [u8; 3] {
        let mut bytes = [0; 3];
        medium.read_at(at, &mut bytes).expect("memory");
        bytes
    }

    #[test]
    fn what_was_synced_survives_every_power_loss_and_the_rest_some() {
        let left = (0..50).map(|dice| {
            let medium = written();
            medium.lose_power(dice);
            assert_eq!(&bytes(&medium, 0), b"syn");
            &bytes(&medium, 1_024) == b"not"
        });
        let survived = left.filter(|&left| left).count();
        assert!((10..45).contains(&survived), "{survived} of 50");
    }

    #[test]
    fn what_comes_after_the_power_failed_is_not_done() {
        let synced = (0..50).filter(|&dice| {
            let mut medium = written();
            medium.end_after(1);
            medium.write_at(512, b"one").expect("memory");
            medium.sync().expect("memory");
            medium.write_at(0, b"two").expect("memory");
            medium.lose_power(dice);
            assert_eq!(&bytes(&medium, 0), b"syn");
            medium.write_at(0, b"new").expect("memory");
            assert_eq!(&bytes(&medium, 0), b"new");
            &bytes(&medium, 512) == b"one"
        });
        assert!((10..45).contains(&synced.count()));
    }

    #[test]
    fn a_clone_is_the_same_file() {
        let medium = written();
        assert_eq!(&bytes(&medium.clone(), 1_024), b"not");
    }
}
