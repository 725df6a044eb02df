//! Data.fs.sums: checksums of what was appended, written and synced together with it.
//!
//! A header, then one entry a transaction, all of 48 bytes and big-endian:
//!
//! ```text
//! header  magic 8, version 8, nonce 8, base 8, zeros 8, check 8
//! entry   batch 8, offset 8, tid 8, length 8, sum 8, check 8
//! ```
//!
//! `base` is where the log ended when the sidecar was started; from there on the entries follow the log without a
//! gap. A `check` is a checksum of the fields before it, seeded with the nonce, so that nothing left over from an older
//! sidecar is ever taken for an entry of this one. `batch` is where the transaction's batch starts: batches become
//! durable one after the other, so everything before the highest `batch` was durable when that entry was written.

use crate::ids::Tid;
use crate::store::file::format::number;
use crate::store::file::lockfile::Nonce;
use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The first bytes of a sidecar.
pub const MAGIC: &[u8; 8] = b"zeosums\n";
/// The version of its format.
pub const VERSION: u64 = 1;
/// Bytes of the header and of each entry.
pub const ENTRY: usize = 48;

/// The head of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Stands in the lock file too while the sidecar is to be trusted.
    pub nonce: Nonce,
    /// Where in the log the first entry's transaction starts.
    pub base: u64,
}

impl Header {
    /// Reads a header; `None` for anything else.
    pub fn parse(bytes: &[u8; ENTRY]) -> Option<Header> {
        let header = Header { nonce: Nonce(number(bytes, 16)), base: number(bytes, 24) };
        let sound = &bytes[..8] == MAGIC
            && number(bytes, 8) == VERSION
            && number(bytes, 40) == xxh3_64_with_seed(&bytes[..40], header.nonce.0);
        sound.then_some(header)
    }

    /// The header as it is written.
    pub fn bytes(&self) -> Bytes {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(MAGIC);
        fill(&mut bytes, 1, &[VERSION, self.nonce.0, self.base]);
        seal(&mut bytes, self.nonce);
        Bytes::copy_from_slice(&bytes)
    }
}

/// What is known of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where in the log its batch starts.
    pub batch: u64,
    /// Where it starts.
    pub offset: u64,
    /// Its id.
    pub tid: Tid,
    /// Its bytes, the repeated length included.
    pub length: u64,
    /// XXH3 of them, with the status they have when all is written.
    pub sum: u64,
}

impl Entry {
    /// Reads an entry; `None` when it is not one of the sidecar with this nonce, or not whole.
    pub fn parse(bytes: &[u8; ENTRY], nonce: Nonce) -> Option<Entry> {
        (number(bytes, 40) == xxh3_64_with_seed(&bytes[..40], nonce.0)).then(|| Entry {
            batch: number(bytes, 0),
            offset: number(bytes, 8),
            tid: Tid(number(bytes, 16)),
            length: number(bytes, 24),
            sum: number(bytes, 32),
        })
    }

    /// Appends the entry to `out`.
    pub fn put(&self, nonce: Nonce, out: &mut BytesMut) {
        let mut bytes = [0; ENTRY];
        fill(&mut bytes, 0, &[self.batch, self.offset, self.tid.0, self.length, self.sum]);
        seal(&mut bytes, nonce);
        out.put_slice(&bytes);
    }

    /// Where the next transaction starts.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

fn fill(bytes: &mut [u8; ENTRY], from: usize, numbers: &[u64]) {
    for (place, number) in bytes.chunks_exact_mut(8).skip(from).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

fn seal(bytes: &mut [u8; ENTRY], nonce: Nonce) {
    let check = xxh3_64_with_seed(&bytes[..40], nonce.0);
    bytes[40..].copy_from_slice(&check.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(entry: &Entry, nonce: Nonce) -> [u8; ENTRY] {
        let mut out = BytesMut::new();
        entry.put(nonce, &mut out);
        out[..].try_into().unwrap()
    }

    #[test]
    fn headers_and_entries_are_read_as_written_and_every_flipped_bit_is_noticed() {
        let header = Header { nonce: Nonce(7), base: 4 };
        let entry = Entry { batch: 4, offset: 104, tid: Tid(5), length: 100, sum: 6 };
        let as_header = header.bytes()[..].try_into().unwrap();
        let as_entry = written(&entry, header.nonce);
        assert_eq!(Header::parse(&as_header), Some(header));
        assert_eq!(Entry::parse(&as_entry, header.nonce), Some(entry));
        for bit in 0..ENTRY * 8 {
            let flip = |mut bytes: [u8; ENTRY]| {
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            assert_eq!(Header::parse(&flip(as_header)), None);
            assert_eq!(Entry::parse(&flip(as_entry), header.nonce), None);
        }
    }

    #[test]
    fn an_entry_of_another_sidecar_or_of_zeros_is_none() {
        let entry = Entry { batch: 4, offset: 104, tid: Tid(5), length: 100, sum: 6 };
        assert_eq!(Entry::parse(&written(&entry, Nonce(1)), Nonce(2)), None);
        assert_eq!(Entry::parse(&[0; ENTRY], Nonce(0)), None);
    }
}
