//! A medium that writes down what is done to it, so that any crash can be played from there.

use crate::cache::medium::{Medium, MediumError};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A change of the medium.
#[derive(Clone, Debug)]
pub enum Change {
    Write { at: u64, bytes: Vec<u8> },
    SetLen(u64),
    Sync,
}

impl Change {
    pub fn apply(&self, disk: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes } => {
                disk[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
            }
            Change::SetLen(len) => disk.resize(*len as usize, 0),
            Change::Sync => {}
        }
    }
}

/// What a cache writes to. It works on its own copy, and tells the journal.
#[derive(Debug)]
pub struct Disk {
    bytes: Vec<u8>,
    journal: Sender<Change>,
    /// Changes until one fails, and all after it.
    good: usize,
    failed: bool,
}

/// The other end of a [`Disk`]: what stood there, and what was done since.
#[derive(Debug)]
pub struct Journal {
    before: Vec<u8>,
    changes: Vec<Change>,
    now: Vec<u8>,
    receiver: Receiver<Change>,
}

pub fn disk(bytes: Vec<u8>, good: usize) -> (Box<Disk>, Journal) {
    let (journal, receiver) = channel();
    (
        Box::new(Disk { bytes: bytes.clone(), journal, good, failed: false }),
        Journal { now: bytes.clone(), before: bytes, changes: Vec::new(), receiver },
    )
}

impl Disk {
    fn change(&mut self, change: Change) -> Result<(), MediumError> {
        if self.good == 0 {
            self.failed = true;
            return Err(MediumError::Full);
        }
        self.good -= 1;
        change.apply(&mut self.bytes);
        // A test that looks no more needs no news.
        let _ = self.journal.send(change);
        Ok(())
    }
}

impl Medium for Disk {
    fn len(&self) -> Result<u64, MediumError> {
        Ok(self.bytes.len() as u64)
    }

    fn set_len(&mut self, len: u64) -> Result<(), MediumError> {
        self.change(Change::SetLen(len))
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), MediumError> {
        if self.failed {
            return Err(MediumError::Io("a bad sector".into()));
        }
        into.copy_from_slice(&self.bytes[at as usize..at as usize + into.len()]);
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), MediumError> {
        assert!(at + bytes.len() as u64 <= self.bytes.len() as u64, "a write past the end, at {at}");
        self.change(Change::Write { at, bytes: bytes.to_vec() })
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        self.change(Change::Sync)
    }
}

impl Journal {
    /// Takes note of all that was done by now.
    pub fn update(&mut self) -> &[Change] {
        for change in self.receiver.try_iter() {
            change.apply(&mut self.now);
            self.changes.push(change);
        }
        &self.changes
    }

    /// What stands there.
    pub fn now(&mut self) -> &[u8] {
        self.update();
        &self.now
    }

    /// What stands there after the first `changes`, and `pages` whole pages of the next one, if that is more than one.
    pub fn killed(&mut self, changes: usize, pages: u64) -> Vec<u8> {
        self.update();
        let mut disk = self.before.clone();
        for change in &self.changes[..changes] {
            change.apply(&mut disk);
        }
        if let Some(Change::Write { at, bytes }) = self.changes.get(changes) {
            let cut = (at.next_multiple_of(4096) + pages * 4096).saturating_sub(4096).saturating_sub(*at);
            let bytes = bytes[..bytes.len().min(cut as usize)].to_vec();
            Change::Write { at: *at, bytes }.apply(&mut disk);
        }
        disk
    }

    /// What stands there after a power loss that keeps, of what was not synced, the sectors that `keep` says yes to.
    /// Without a sync what stood there in the beginning is safe.
    pub fn unpowered(&mut self, mut keep: impl FnMut() -> bool) -> Vec<u8> {
        self.update();
        let synced =
            self.changes.iter().rposition(|change| matches!(change, Change::Sync)).map_or(0, |at| at + 1);
        let mut disk = self.before.clone();
        for (nth, change) in self.changes.iter().enumerate() {
            match change {
                Change::Write { at, bytes } if nth >= synced => {
                    // A write beyond a length that was lost is lost with it.
                    let mut from = *at;
                    while from < at + bytes.len() as u64 {
                        let to = ((from / 512 + 1) * 512).min(at + bytes.len() as u64);
                        if keep() && to <= disk.len() as u64 {
                            let part = &bytes[(from - at) as usize..(to - at) as usize];
                            Change::Write { at: from, bytes: part.to_vec() }.apply(&mut disk);
                        }
                        from = to;
                    }
                }
                change => change.apply(&mut disk),
            }
        }
        disk
    }
}
