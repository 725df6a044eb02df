//! FS30, the format of a Data.fs (ZODB/FileStorage/format.py).
//!
//! It is FS21, the format of Python 2, with another magic number: the pickles in it are Python 3's.
//!
//! The file is a magic number and transactions. A transaction is a header, three strings, data records, and its
//! length again, so that the file can be read backwards:
//!
//! ```text
//! transaction  tid 8, length 8, status 1, user length 2, description length 2, extension length 2     23 bytes
//! record       oid 8, tid 8, previous record 8, its transaction 8, version length 2, data length 8    42 bytes
//! ```
//!
//! Numbers are big-endian. The length leaves out its own repetition. A record without data is followed by the
//! position of the record whose data it shares; zero there means that the object does not exist from here on.

use crate::ids::{Oid, Tid};
use bytes::{BufMut, BytesMut};
use std::fmt;

/// The first bytes of a Data.fs.
pub const MAGIC: &[u8; 4] = b"FS30";
/// The first bytes of a Data.fs of Python 2, which Python 3 refuses.
pub const MAGIC_PYTHON_2: &[u8; 4] = b"FS21";
/// Offset of the first transaction.
pub const FIRST: u64 = MAGIC.len() as u64;
/// Bytes of a transaction header without its strings.
pub const TXN_HEADER: usize = 23;
/// Bytes of a record header.
pub const DATA_HEADER: usize = 42;
/// Bytes of a back pointer, and of the repeated length of a transaction.
pub const NUMBER: usize = 8;
/// Offset of the status in a transaction.
pub const STATUS: u64 = 16;
/// The status of a transaction that is not complete.
pub const INCOMPLETE: u8 = b'c';
/// The status of a transaction that a packless undo of the nineties cancelled.
pub const UNDONE: u8 = b'u';

/// Bytes a transaction takes in the log, its repeated length included: `metadata` of its three strings together,
/// and the length of each record's data (`None` for deletions; empty data counts as a deletion, because the format
/// cannot tell them apart).
pub fn footprint(metadata: usize, records: impl Iterator<Item = Option<usize>>) -> u64 {
    let records: u64 = records.map(|data| record_len(data.unwrap_or(0) as u64)).sum();
    (TXN_HEADER + metadata + NUMBER) as u64 + records
}

/// Bytes of a record with `data` bytes of data.
fn record_len(data: u64) -> u64 {
    (DATA_HEADER as u64).saturating_add(if data == 0 { NUMBER as u64 } else { data })
}

/// The head of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnHeader {
    /// Its id.
    pub tid: Tid,
    /// Its bytes without the repeated length. Any number where a file is damaged.
    pub length: u64,
    /// A blank; `p` after a pack, `u` when undone, `c` while it is written.
    pub status: u8,
    /// Bytes of the user name.
    pub user: u16,
    /// Bytes of the description.
    pub description: u16,
    /// Bytes of the pickled extension dictionary.
    pub extension: u16,
}

impl TxnHeader {
    /// Reads a header. Every bit pattern is one; whether it makes sense is the reader's to check.
    pub fn parse(bytes: &[u8; TXN_HEADER]) -> TxnHeader {
        TxnHeader {
            tid: Tid(number(bytes, 0)),
            length: number(bytes, 8),
            status: bytes[16],
            user: u16::from_be_bytes([bytes[17], bytes[18]]),
            description: u16::from_be_bytes([bytes[19], bytes[20]]),
            extension: u16::from_be_bytes([bytes[21], bytes[22]]),
        }
    }

    /// Appends the header to `out`.
    pub fn put(&self, out: &mut BytesMut) {
        let mut bytes = [0; TXN_HEADER];
        bytes[..8].copy_from_slice(&self.tid.bytes());
        bytes[8..16].copy_from_slice(&self.length.to_be_bytes());
        bytes[16] = self.status;
        bytes[17..19].copy_from_slice(&self.user.to_be_bytes());
        bytes[19..21].copy_from_slice(&self.description.to_be_bytes());
        bytes[21..].copy_from_slice(&self.extension.to_be_bytes());
        out.put_slice(&bytes);
    }

    /// Bytes before the first record.
    pub fn records_at(&self) -> u64 {
        TXN_HEADER as u64 + u64::from(self.user) + u64::from(self.description) + u64::from(self.extension)
    }

    /// Bytes to the next transaction; saturates where the length is nonsense.
    pub fn stride(&self) -> u64 {
        self.length.saturating_add(NUMBER as u64)
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// The object.
    pub oid: Oid,
    /// The transaction that wrote the record.
    pub tid: Tid,
    /// Position of the object's previous record; zero for the first.
    pub prev: u64,
    /// Position of the transaction.
    pub txn: u64,
    /// Bytes of data; zero when a back pointer follows.
    pub data: u64,
}

impl DataHeader {
    /// Reads a header; fails where the length of a version, unused since ZODB 3.9, is not zero.
    pub fn parse(bytes: &[u8; DATA_HEADER]) -> Result<DataHeader, Broken> {
        if bytes[32..34] != [0, 0] {
            return Err(Broken::Version);
        }
        Ok(DataHeader {
            oid: Oid(number(bytes, 0)),
            tid: Tid(number(bytes, 8)),
            prev: number(bytes, 16),
            txn: number(bytes, 24),
            data: number(bytes, 34),
        })
    }

    /// Appends the header to `out`.
    pub fn put(&self, out: &mut BytesMut) {
        let mut bytes = [0; DATA_HEADER];
        bytes[..8].copy_from_slice(&self.oid.bytes());
        bytes[8..16].copy_from_slice(&self.tid.bytes());
        bytes[16..24].copy_from_slice(&self.prev.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.txn.to_be_bytes());
        bytes[34..].copy_from_slice(&self.data.to_be_bytes());
        out.put_slice(&bytes);
    }

    /// Bytes of the whole record; saturates where the length is nonsense.
    pub fn record_len(&self) -> u64 {
        record_len(self.data)
    }
}

/// The big-endian number at `at`.
///
/// # Panics
/// When `bytes` ends before it does.
pub fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + NUMBER].try_into().expect("a slice of eight bytes"))
}

/// Where a file contradicts itself, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Offset in the file.
    pub at: u64,
    /// What is wrong there.
    pub what: Broken,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.what.text())
    }
}

/// What can be wrong with a file of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The bytes end before what should be there.
    Ends,
    /// A record has a version.
    Version,
    /// A record belongs to another object than the one it was found for.
    OtherObject,
    /// A pointer to an earlier record does not point backwards.
    Pointer,
    /// A transaction is shorter than its own header.
    TxnHeader,
    /// Something is no whole transaction, but not the end of the log either.
    Followed,
    /// The status is none of blank, `p`, `u`.
    Status,
    /// The repeated length of a transaction differs from the first.
    RepeatedLength,
    /// A record points to another transaction than the one it is in.
    OtherTransaction,
    /// A record reaches past the end of its transaction.
    RecordLength,
    /// A tid is not later than the one before.
    Tid,
    /// A record's previous pointer is not where the object was before.
    Previous,
    /// The bytes of a transaction are not those that were written.
    Checksum,
    /// The position an index was saved at is no end of a transaction.
    Boundary,
    /// An index does not know a record it was saved after.
    Unindexed,
    /// Not the pickles an index consists of.
    Pickle,
    /// An index holds a position that lies outside the log it covers.
    Position,
    /// A sidecar's header is not one.
    SumsHeader,
    /// A sidecar belongs to another start of the storage than the lock file.
    Nonce,
    /// A sidecar speaks of other transactions than the log holds.
    OtherLog,
    /// The disk could not read it.
    Unreadable,
}

impl Broken {
    /// Where the last number lies of what should stand at `at`. When everything from there to the end of the file is
    /// zero, the rest of the file was never written.
    pub fn last_number(self, at: u64) -> u64 {
        let before = match self {
            Broken::Version | Broken::OtherTransaction | Broken::RecordLength => DATA_HEADER - NUMBER,
            Broken::TxnHeader => TXN_HEADER - NUMBER,
            _ => 0,
        };
        at + before as u64
    }

    /// The fault in words.
    pub fn text(self) -> &'static str {
        match self {
            Broken::Ends => "the file ends inside what should be there",
            Broken::Version => "a record with a version, which ZODB dropped in 3.9",
            Broken::OtherObject => "the record of another object",
            Broken::Pointer => "a pointer to an earlier record that does not point backwards",
            Broken::TxnHeader => "a transaction shorter than its own header",
            Broken::Followed => "something that is no whole transaction, though whole ones follow",
            Broken::Status => "a transaction whose status is none of ' ', 'p' and 'u'",
            Broken::RepeatedLength => "a transaction whose repeated length differs from the first",
            Broken::OtherTransaction => "a record that points to another transaction than its own",
            Broken::RecordLength => "a record that reaches past the end of its transaction",
            Broken::Tid => "a transaction that is not later than the one before",
            Broken::Previous => "a record whose previous pointer is not where the object was",
            Broken::Checksum => "a transaction whose bytes are not those that were written",
            Broken::Boundary => "no end of a transaction where the index was saved",
            Broken::Unindexed => "a record that the index does not know",
            Broken::Pickle => "something else than the pickles of an index",
            Broken::Position => "a position outside the log",
            Broken::SumsHeader => "something else than the header of checksums",
            Broken::Nonce => "checksums of another start than the lock file's",
            Broken::OtherLog => "checksums of other transactions than the log holds",
            Broken::Unreadable => "bytes that the disk could not read",
        }
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
