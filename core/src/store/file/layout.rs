//! A batch as bytes: headers written into one buffer, data shared with whoever sent it.

use crate::ids::Oid;
use crate::limits;
use crate::store::Transaction;
use crate::store::file::format::{DATA_HEADER, DataHeader, INCOMPLETE, NUMBER, STATUS, TxnHeader, footprint};
use crate::store::file::index::{Index, SizeClass};
use crate::store::file::lockfile::Nonce;
use crate::store::file::sidecar::{ENTRY, Entry};
use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

/// Where a record of the batch goes.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) oid: Oid,
    pub(super) at: u64,
    pub(super) size: SizeClass,
}

/// A batch under construction. Its first transaction is marked incomplete; the checksums are those of the batch
/// without the mark.
#[derive(Debug)]
pub(super) struct Layout {
    start: u64,
    /// Where the next transaction goes.
    at: u64,
    nonce: Nonce,
    /// Everything between data. What is before `summed` belongs to no checksum any more.
    head: BytesMut,
    summed: usize,
    marked: bool,
    chunks: Vec<Bytes>,
    sums: BytesMut,
    records: Vec<Placed>,
}

impl Layout {
    /// A batch that goes to `start`.
    pub(super) fn new(start: u64, nonce: Nonce, batch: &[Transaction]) -> Layout {
        let records = batch.iter().map(|transaction| transaction.records.len()).sum();
        let strings: usize = batch.iter().map(strings_len).sum();
        let fixed = batch.len() * (crate::store::file::format::TXN_HEADER + NUMBER)
            + records * (DATA_HEADER + NUMBER);
        Layout {
            start,
            at: start,
            nonce,
            head: BytesMut::with_capacity(fixed + strings),
            summed: 0,
            marked: false,
            chunks: Vec::with_capacity(2 * records + 1),
            sums: BytesMut::with_capacity(batch.len() * ENTRY),
            records: Vec::with_capacity(records),
        }
    }

    /// Adds a transaction. Previous pointers come from the index.
    pub(super) fn lay(&mut self, transaction: Transaction, index: &Index) {
        let data_len = |data: &Option<Bytes>| data.as_ref().map(Bytes::len);
        let length = footprint(
            strings_len(&transaction),
            transaction.records.iter().map(|record| data_len(&record.data)),
        );
        let header = TxnHeader {
            tid: transaction.tid,
            length: length - NUMBER as u64,
            status: transaction.status,
            user: short(&transaction.user),
            description: short(&transaction.description),
            extension: short(&transaction.extension),
        };
        let mut sum = Xxh3::new();
        self.summed = self.head.len();
        header.put(&mut self.head);
        for string in [&transaction.user, &transaction.description, &transaction.extension] {
            self.head.put_slice(string);
        }
        let mut at = self.at + header.records_at();
        for record in transaction.records {
            // Data of no bytes is a back pointer to nowhere: the format has no other way to say it.
            let data = record.data.filter(|data| !data.is_empty());
            let prev = index.get(record.oid).map_or(0, |entry| entry.at);
            let header = DataHeader {
                oid: record.oid,
                tid: transaction.tid,
                prev,
                txn: self.at,
                data: data_len(&data).unwrap_or(0) as u64,
            };
            header.put(&mut self.head);
            let len = header.record_len();
            self.records.push(Placed { oid: record.oid, at, size: SizeClass::of(len) });
            at += len;
            match data {
                Some(data) => self.share(data, &mut sum),
                None => self.head.put_u64(0),
            }
        }
        self.head.put_u64(header.length);
        self.sum_head(&mut sum);
        assert_eq!(at + NUMBER as u64, self.at + length, "records fill their transaction");
        let entry =
            Entry { batch: self.start, offset: self.at, tid: transaction.tid, length, sum: sum.digest() };
        entry.put(self.nonce, &mut self.sums);
        self.at += length;
    }

    /// The chunks of the log, the entries of the sidecar, the records, and where the batch ends.
    pub(super) fn finish(mut self) -> (Vec<Bytes>, Bytes, Vec<Placed>, u64) {
        self.chunks.push(self.head.freeze());
        (self.chunks, self.sums.freeze(), self.records, self.at)
    }

    fn share(&mut self, data: Bytes, sum: &mut Xxh3) {
        self.sum_head(sum);
        self.chunks.push(self.head.split().freeze());
        self.summed = 0;
        sum.update(&data);
        self.chunks.push(data);
    }

    /// Adds what was written since the last time to the checksum; then the mark may go in.
    fn sum_head(&mut self, sum: &mut Xxh3) {
        sum.update(&self.head[self.summed..]);
        self.summed = self.head.len();
        if !self.marked {
            self.head[STATUS as usize] = INCOMPLETE;
            self.marked = true;
        }
    }
}

fn strings_len(transaction: &Transaction) -> usize {
    transaction.user.len() + transaction.description.len() + transaction.extension.len()
}

fn short(string: &Bytes) -> u16 {
    assert!(string.len() <= limits::METADATA, "votes refuse strings the format cannot count");
    string.len() as u16
}
