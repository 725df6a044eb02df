//! A transaction while a log is checked, and its checksum.

use crate::limits;
use crate::store::file::format::TxnHeader;
use crate::store::file::sidecar::Entry;
use crate::store::file::view::{Need, View};
use bytes::Bytes;
use std::fmt;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A transaction that begins and ends where one can.
pub(super) struct Txn {
    pub(super) start: u64,
    pub(super) header: TxnHeader,
    /// What vouches for it.
    pub(super) entry: Option<Entry>,
    /// Nobody needs to know what is in it.
    pub(super) closed: bool,
    /// Of what lies before `summed`; begun only where the transaction does not lie in one piece.
    sum: Option<Box<Xxh3>>,
    summed: u64,
}

/// What was looked at for the checksum.
#[derive(Debug)]
pub(super) enum Summed {
    /// Some bytes, to be added.
    Piece(Bytes),
    /// All of the transaction: this is its checksum.
    All(u64),
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txn")
            .field("start", &self.start)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Txn {
    pub(super) fn new(start: u64, header: TxnHeader, entry: Option<Entry>, closed: bool) -> Txn {
        Txn { start, header, entry, closed, sum: None, summed: start }
    }

    /// Where the next transaction starts.
    pub(super) fn end(&self) -> u64 {
        self.start + self.header.stride()
    }

    /// Up to where it is summed up.
    pub(super) fn summed(&self) -> u64 {
        self.summed
    }

    /// Looks at what comes next for the checksum, up to `upto`.
    pub(super) fn look_on(&self, upto: u64, log: &View<'_>) -> Result<Summed, Need> {
        let whole = upto == self.end();
        match &self.sum {
            Some(sum) if whole && self.summed == upto => return Ok(Summed::All(sum.digest())),
            None if whole => {
                let len = usize::try_from(self.header.stride()).unwrap_or(usize::MAX);
                // In one piece it goes fastest.
                if let Ok(bytes) = log.slice(self.start, len) {
                    return Ok(Summed::All(xxh3_64(bytes)));
                }
            }
            Some(_) | None => {}
        }
        let most = usize::try_from(upto - self.summed).unwrap_or(usize::MAX);
        Ok(Summed::Piece(log.some_bytes(self.summed, most.min(limits::CHECK_CHUNK))?))
    }

    /// Adds the bytes that come next.
    pub(super) fn sum(&mut self, bytes: &[u8]) {
        self.sum.get_or_insert_default().update(bytes);
        self.summed += bytes.len() as u64;
    }
}
