//! A batch as bytes: headers written into one buffer, data shared with whoever sent it.

use crate::ids::Oid;
use crate::limits;
use crate::store::file::format::{DATA_HEADER, DataHeader, INCOMPLETE, NUMBER, STATUS, TxnHeader, footprint};
use crate::store::file::index::{Index, SizeClass};
use crate::store::file::lockfile::Nonce;
use crate::store::file::sidecar::{ENTRY, Entry};
use crate::store::{Record, Transaction};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;
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
    /// Where objects are by the transactions laid so far; `None` where none comes twice.
    moved: Option<BTreeMap<Oid, u64>>,
}

impl Layout {
    /// A batch that goes to `start`. In one of `copies` objects may come several times.
    pub(super) fn new(start: u64, nonce: Nonce, batch: &[Transaction], copies: bool) -> Layout {
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
            moved: copies.then(BTreeMap::new),
        }
    }

    /// Adds a transaction. Previous pointers come from the index, or from what was laid before.
    pub(super) fn lay(&mut self, transaction: Transaction, index: &Index) {
        let length = footprint(
            strings_len(&transaction),
            transaction.records.iter().map(|record| own_data(record).map(Bytes::len)),
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
        let first = self.records.len();
        for record in transaction.records {
            let data = own_data(&record).cloned();
            let prev = self.previous(record.oid, index);
            let header = DataHeader {
                oid: record.oid,
                tid: transaction.tid,
                prev,
                txn: self.at,
                data: data.as_ref().map_or(0, Bytes::len) as u64,
            };
            header.put(&mut self.head);
            let len = header.record_len();
            self.records.push(Placed { oid: record.oid, at, size: SizeClass::of(len) });
            at += len;
            match data {
                Some(data) => self.share(data, &mut sum),
                None => self.head.put_u64(record.same_as.map_or(0, |place| place.at)),
            }
        }
        if let Some(moved) = &mut self.moved {
            // Behind the whole transaction: two records of one object in it follow the same one, as in FileStorage.
            moved.extend(self.records[first..].iter().map(|record| (record.oid, record.at)));
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

    /// Where the object's record before this transaction is; zero for none.
    fn previous(&self, oid: Oid, index: &Index) -> u64 {
        let moved = self.moved.as_ref().and_then(|moved| moved.get(&oid).copied());
        moved.or_else(|| index.get(oid).map(|entry| entry.at)).unwrap_or(0)
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

/// The data that goes into the record; `None` where a back pointer does. Data of no bytes is a pointer to nowhere: the
/// format has no other way to say it.
fn own_data(record: &Record) -> Option<&Bytes> {
    record.data.as_ref().filter(|data| record.same_as.is_none() && !data.is_empty())
}

fn strings_len(transaction: &Transaction) -> usize {
    transaction.user.len() + transaction.description.len() + transaction.extension.len()
}

fn short(string: &Bytes) -> u16 {
    assert!(string.len() <= limits::METADATA, "votes refuse strings the format cannot count");
    string.len() as u16
}
