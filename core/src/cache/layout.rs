//! How a cache lies in its medium: a header, then the small ring, then the main ring.
//!
//! A ring is a row of pieces without holes: records and gaps, each a multiple of 8 bytes. Every ring has one gap marked as
//! the place where the next record goes. Numbers are little-endian. Checks are seeded with the nonce of the header and
//! the place in the medium, so that nothing left over from another file or place is taken for a piece.
//!
//! ```text
//! header   magic 8, version 4, zero 4, size 8, nonce 8, check of these 8   (the same in every version)
//!          last tid: known 8, tid 8, check 8
//!          state: boot id 16, clean 8, check 8
//! record   length of data 4, check of the head 4, until 8 (zero: current), oid 8, start 8, check of the data 4, data, zeros
//! gap      bit 31 set, bit 30: here goes the next record, length in units of 8 bytes 30 bits; check 4
//! ```

use super::medium::BootId;
use crate::ids::{Oid, Tid};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What the file begins with.
pub(super) const MAGIC: &[u8; 8] = b"ZEOLITHC";
/// What a cache file of Python's ZEO begins with, whatever its version.
pub(super) const ZEO_MAGIC: &[u8; 3] = b"ZEC";
/// Of this layout.
pub(super) const VERSION: u32 = 1;

/// Bytes of the header.
pub(super) const HEADER: u64 = 96;
/// Where the last tid stands.
pub(super) const LAST_AT: u64 = 40;
/// Where the state stands.
pub(super) const STATE_AT: u64 = 64;
/// Bytes of a record before its data.
pub(super) const HEAD: usize = 36;
/// Pieces are multiples of it, and gaps at least as long.
pub(super) const UNIT: u64 = 8;
/// The least size: a header and two rings of nothing but a gap.
pub(super) const SIZE_MIN: u64 = HEADER + 2 * UNIT;
/// The largest size: its last place is the last that 30 bits count in units.
pub(super) const SIZE_MAX: u64 = UNIT << 30;
/// The longest data 30 bits count.
pub(super) const DATA_MAX: usize = (1 << 30) - 1;

const GAP: u32 = 1 << 31;
const HERE: u32 = 1 << 30;

/// Bytes that a record with so much data takes.
pub(super) fn footprint(data: usize) -> u64 {
    ((HEAD + data) as u64).next_multiple_of(UNIT)
}

/// Where the small ring ends and the main ring begins, and where that one ends.
pub(super) fn bounds(size: u64) -> (u64, u64) {
    let units = (size - HEADER) / UNIT;
    let small = (units / 10).max(1);
    (HEADER + small * UNIT, HEADER + units * UNIT)
}

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub size: u64,
    pub nonce: u64,
    pub last: Option<Tid>,
    pub boot: BootId,
    pub clean: bool,
}

/// What else can stand where a header should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    Version(u32),
    Damaged,
}

impl Header {
    pub(super) fn bytes(&self) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.size.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.nonce.to_le_bytes());
        let check = xxh3_64(&bytes[..32]);
        bytes[32..40].copy_from_slice(&check.to_le_bytes());
        bytes[40..64].copy_from_slice(&last(self.nonce, self.last));
        bytes[64..].copy_from_slice(&state(self.nonce, self.boot, self.clean));
        bytes
    }

    /// Reads what begins with our magic.
    pub(super) fn read(bytes: &[u8; HEADER as usize]) -> Result<Header, NoHeader> {
        if word(bytes, 32) != xxh3_64(&bytes[..32]) {
            return Err(NoHeader::Damaged);
        }
        let version = half(bytes, 8);
        if version != VERSION {
            return Err(NoHeader::Version(version));
        }
        let header = Header {
            size: word(bytes, 16),
            nonce: word(bytes, 24),
            last: (word(bytes, 40) == 1).then(|| Tid(word(bytes, 48))),
            boot: BootId(bytes[64..80].try_into().expect("sixteen bytes")),
            clean: word(bytes, 80) == 1,
        };
        // Whatever differs from what we would have written is damage, in the slots as in the zeros.
        if header.bytes() == *bytes { Ok(header) } else { Err(NoHeader::Damaged) }
    }
}

/// The slot of the last tid.
pub(super) fn last(nonce: u64, last: Option<Tid>) -> [u8; 24] {
    let mut bytes = [0; 24];
    if let Some(tid) = last {
        bytes[..8].copy_from_slice(&1_u64.to_le_bytes());
        bytes[8..16].copy_from_slice(&tid.0.to_le_bytes());
    }
    let check = xxh3_64_with_seed(&bytes[..16], nonce ^ LAST_AT);
    bytes[16..].copy_from_slice(&check.to_le_bytes());
    bytes
}

/// The slot of the state.
pub(super) fn state(nonce: u64, boot: BootId, clean: bool) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&boot.0);
    bytes[16..24].copy_from_slice(&u64::from(clean).to_le_bytes());
    let check = xxh3_64_with_seed(&bytes[..24], nonce ^ STATE_AT);
    bytes[24..].copy_from_slice(&check.to_le_bytes());
    bytes
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the data.
    pub len: u32,
    pub oid: Oid,
    pub start: Tid,
    pub until: Option<Tid>,
    /// Of the data.
    pub check: u32,
}

impl Head {
    pub(super) fn bytes(&self, nonce: u64, at: u64) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.until.map_or(0, |tid| tid.0).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.oid.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.start.0.to_le_bytes());
        bytes[32..].copy_from_slice(&self.check.to_le_bytes());
        let check = check(&bytes, nonce, at);
        bytes[4..8].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Bytes of the whole record.
    pub(super) fn footprint(&self) -> u64 {
        footprint(self.len as usize)
    }
}

/// The check of a record's data. What binds it to its place and file is the check of the head.
pub(super) fn data_check(data: &[u8]) -> u32 {
    xxh3_64(data) as u32
}

/// What stands at a place in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Record(Head),
    Gap { len: u64, here: bool },
}

impl Piece {
    /// Reads the piece at `at`, of which `bytes` is the beginning; `None` when it is none.
    pub(super) fn read(bytes: &[u8], nonce: u64, at: u64) -> Option<Piece> {
        let first = half(bytes.get(..8)?, 0);
        if first & GAP != 0 {
            let (len, here) = (u64::from(first & !(GAP | HERE)) * UNIT, first & HERE != 0);
            return (len > 0 && bytes[..8] == gap(len, here, nonce, at)).then_some(Piece::Gap { len, here });
        }
        let head: [u8; HEAD] = bytes.get(..HEAD)?.try_into().expect("so many bytes");
        let mut unchecked = head;
        unchecked[4..8].fill(0);
        let until = word(&head, 8);
        (half(&head, 4) == check(&unchecked, nonce, at)).then(|| {
            Piece::Record(Head {
                len: first,
                oid: Oid(word(&head, 16)),
                start: Tid(word(&head, 24)),
                until: (until != 0).then_some(Tid(until)),
                check: half(&head, 32),
            })
        })
    }

    /// Bytes of the whole piece.
    pub(super) fn len(&self) -> u64 {
        match self {
            Piece::Record(head) => head.footprint(),
            Piece::Gap { len, .. } => *len,
        }
    }
}

/// A gap of `len` bytes at `at`; `here`: the next record goes there.
pub(super) fn gap(len: u64, here: bool, nonce: u64, at: u64) -> [u8; UNIT as usize] {
    let units = u32::try_from(len / UNIT).expect("at most 30 bits of units in a ring");
    let first = GAP | if here { HERE } else { 0 } | units;
    let mut bytes = [0; UNIT as usize];
    bytes[..4].copy_from_slice(&first.to_le_bytes());
    let check = check(&bytes, nonce, at);
    bytes[4..].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn check(bytes: &[u8], nonce: u64, at: u64) -> u32 {
    xxh3_64_with_seed(bytes, nonce ^ at) as u32
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
