//! The writing end of a pack: the new log and its checksums.

use crate::store::disk::{DiskOp, FileId};
use crate::store::file::format::{DataHeader, FIRST, MAGIC, NUMBER, TxnHeader};
use crate::store::file::lockfile::Nonce;
use crate::store::file::sidecar::{ENTRY, Entry, Header};
use bytes::{BufMut, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// Bytes that are written together.
const PIECE: usize = 256 << 10;
/// Bytes after which the new log is synced, so that the syncs of commits beside it find little to wait for.
const SYNC: u64 = 32 << 20;

/// The new log as far as it is written, and what comes next.
pub(super) struct Pen {
    nonce: Nonce,
    /// Where `text` goes.
    at: u64,
    text: BytesMut,
    /// How much of `text` is in the sum, or belongs to no transaction.
    summed: usize,
    sum: Box<Xxh3>,
    /// Where the open transaction starts, and its header.
    txn: Option<(u64, TxnHeader)>,
    sums_at: u64,
    sums: BytesMut,
    unsynced: u64,
}

impl fmt::Debug for Pen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pen").field("at", &self.at()).finish_non_exhaustive()
    }
}

impl Pen {
    /// At the beginning of a new log.
    pub(super) fn new<C>(nonce: Nonce, out: &mut VecDeque<DiskOp<C>>) -> Pen {
        for file in [FileId::Packed, FileId::PackedSums] {
            out.push_back(DiskOp::SetLen { file, len: 0 });
        }
        let (mut text, mut sums) = (BytesMut::with_capacity(2 * PIECE), BytesMut::new());
        text.put_slice(MAGIC);
        sums.put(Header { nonce, base: FIRST }.bytes());
        let sum = Box::new(Xxh3::new());
        Pen { nonce, at: 0, summed: text.len(), text, sum, txn: None, sums_at: 0, sums, unsynced: 0 }
    }

    /// Where the next byte goes.
    pub(super) fn at(&self) -> u64 {
        self.at + self.text.len() as u64
    }

    /// Bytes of the checksums.
    pub(super) fn sums_len(&self) -> u64 {
        self.sums_at + self.sums.len() as u64
    }

    /// Begins a transaction with all its strings.
    pub(super) fn begin(&mut self, header: TxnHeader, strings: &[u8]) {
        self.summed = self.text.len();
        self.txn = Some((self.at(), header));
        header.put(&mut self.text);
        self.text.put_slice(strings);
    }

    /// Writes a record of the open transaction; `back` goes in the place of data that is not there. Gives where it is.
    pub(super) fn record(&mut self, mut header: DataHeader, data: &[u8], back: u64) -> u64 {
        let (txn, _) = self.txn.expect("records are written into a transaction");
        let at = self.at();
        header.txn = txn;
        header.data = data.len() as u64;
        header.put(&mut self.text);
        if data.is_empty() {
            self.text.put_u64(back)
        } else {
            self.text.put_slice(data)
        }
        at
    }

    /// Ends the open transaction.
    ///
    /// # Panics
    /// When it is not as long as its header says.
    pub(super) fn end(&mut self) {
        let (offset, header) = self.txn.take().expect("a transaction was begun");
        self.text.put_u64(header.length);
        assert_eq!(self.at(), offset + header.stride(), "a transaction is as long as was measured");
        self.add_up();
        let entry = Entry {
            batch: offset,
            offset,
            tid: header.tid,
            length: header.length + NUMBER as u64,
            sum: self.sum.digest(),
        };
        self.sum.reset();
        entry.put(self.nonce, &mut self.sums);
    }

    /// Writes what has gathered, if it is enough to. Whether a sync was asked for.
    pub(super) fn flush<C>(&mut self, out: &mut VecDeque<DiskOp<C>>) -> bool {
        if self.text.len() >= PIECE {
            self.flush_all(out);
        }
        let due = self.unsynced >= SYNC;
        if due {
            self.unsynced = 0;
            out.push_back(DiskOp::Sync { file: FileId::Packed });
        }
        due
    }

    /// Writes what has gathered.
    pub(super) fn flush_all<C>(&mut self, out: &mut VecDeque<DiskOp<C>>) {
        self.add_up();
        self.summed = 0;
        self.unsynced += self.text.len() as u64;
        write(FileId::Packed, &mut self.at, &mut self.text, out);
        write(FileId::PackedSums, &mut self.sums_at, &mut self.sums, out);
        self.text.reserve(2 * PIECE);
        self.sums.reserve(ENTRY);
    }

    fn add_up(&mut self) {
        self.sum.update(&self.text[self.summed..]);
        self.summed = self.text.len();
    }
}

fn write<C>(file: FileId, at: &mut u64, text: &mut BytesMut, out: &mut VecDeque<DiskOp<C>>) {
    if !text.is_empty() {
        let chunk = text.split().freeze();
        let len = chunk.len() as u64;
        out.push_back(DiskOp::Write { file, at: *at, chunks: vec![chunk] });
        *at += len;
    }
}
