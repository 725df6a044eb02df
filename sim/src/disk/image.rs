//! The bytes of a file, as changes make them.

use bytes::Bytes;
use zeolith_core::rng::Rng;

/// What survives a power loss is decided in pieces of this size.
pub(super) const SECTOR: usize = 512;

/// What is done to a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Bytes at a place.
    Write { at: u64, bytes: Bytes },
    /// Cut, or made longer.
    SetLen(u64),
    /// All of it is new.
    Replace(Bytes),
}

/// Makes a change.
pub(super) fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => put(image, *at as usize, bytes),
        Change::SetLen(len) => image.resize(*len as usize, 0),
        Change::Replace(contents) => *image = contents.to_vec(),
    }
}

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Writes the sectors that survive.
pub(super) fn lose_sectors(image: &mut Vec<u8>, at: usize, bytes: &[u8], keep_all: bool, rng: &mut Rng) {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
        if keep_all || rng.chance(1, 2) {
            put(image, at + from, &bytes[from..to]);
        }
        from = to;
    }
}
