//! One batch of transactions on its way to the disk.
//!
//! The order of the operations is the promise: all bytes with the first transaction marked incomplete, then the mark's
//! removal, then the checksums, then both syncs. Only when both have answered does anything become visible.

use crate::ids::Tid;
use crate::store::disk::{DiskError, DiskOp, FileId};
use crate::store::file::book::Book;
use crate::store::file::format::STATUS;
use crate::store::file::layout::{Layout, Placed};
use crate::store::file::lockfile::Nonce;
use crate::store::{Outbox, StoreDone, StoreError, Transaction};
use bytes::Bytes;

/// The writing end of a log.
#[derive(Debug)]
pub(super) struct Appender {
    nonce: Nonce,
    /// Bytes of the sidecar that are of use: the next entry goes there.
    sums_len: u64,
    batch: Option<Batch>,
    /// A write or a sync failed: no more of them.
    failed: bool,
}

/// The batch that is being written.
#[derive(Debug)]
struct Batch {
    end: u64,
    last: Tid,
    /// By oid, and those of one object in order.
    records: Vec<Placed>,
    sums_len: u64,
    log_synced: bool,
    sums_synced: bool,
}

impl Appender {
    /// Appends to a log whose checksums end at `sums_len`.
    pub(super) fn new(nonce: Nonce, sums_len: u64) -> Appender {
        Appender { nonce, sums_len, batch: None, failed: false }
    }

    /// Whether a batch is on its way to the disk.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn is_busy(&self) -> bool {
        self.batch.is_some()
    }

    /// Whether an earlier write failed.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// Puts out all the operations of a batch; gives its bytes in the log. In one with copies an object may come several
    /// times.
    ///
    /// # Panics
    /// When the batch before is not durable yet, tids do not rise, or an object comes twice where none may.
    pub(super) fn append<C>(&mut self, batch: Vec<Transaction>, book: &Book, out: &mut Outbox<C>) -> u64 {
        assert!(self.batch.is_none(), "one batch at a time");
        let copies = batch.iter().any(|transaction| transaction.copied);
        let (first_status, last) = check_order(book.last, &batch);
        let start = book.end;
        let mut layout = Layout::new(start, self.nonce, &batch, copies);
        for transaction in batch {
            layout.lay(transaction, &book.index);
        }
        let (chunks, sums, mut records, end) = layout.finish();
        records.sort_unstable_by_key(|record| (record.oid, record.at));
        let distinct = records.is_sorted_by(|a, b| a.oid < b.oid);
        assert!(copies || distinct, "locks keep an object from coming twice in a batch");

        let sums_at = self.sums_len;
        let sums_len = sums_at + sums.len() as u64;
        let status = vec![one_byte(first_status)];
        out.disk.push_back(DiskOp::Write { file: FileId::Log, at: start, chunks });
        out.disk.push_back(DiskOp::Write { file: FileId::Log, at: start + STATUS, chunks: status });
        out.disk.push_back(DiskOp::Write { file: FileId::Sidecar, at: sums_at, chunks: vec![sums] });
        out.disk.push_back(DiskOp::Sync { file: FileId::Log });
        out.disk.push_back(DiskOp::Sync { file: FileId::Sidecar });
        self.batch = Some(Batch { end, last, records, sums_len, log_synced: false, sums_synced: false });
        end - start
    }

    /// Takes the outcome of a sync. Those of the index and of the lock file concern nobody here.
    pub(super) fn on_synced<C>(&mut self, file: FileId, book: &mut Book, out: &mut Outbox<C>) {
        let Some(batch) = &mut self.batch else { return };
        match file {
            FileId::Log => batch.log_synced = true,
            FileId::Sidecar => {
                if !batch.log_synced {
                    mark!("the checksums are synced before the log");
                }
                batch.sums_synced = true;
            }
            _ => {}
        }
        if batch.log_synced && batch.sums_synced {
            mark!("a batch is synced");
            self.settle(book, out);
        }
    }

    /// Makes the batch visible: it is durable.
    pub(super) fn settle<C>(&mut self, book: &mut Book, out: &mut Outbox<C>) {
        let batch = self.batch.take().expect("a batch that was written");
        book.publish(&batch.records, batch.end, batch.last);
        self.sums_len = batch.sums_len;
        out.done.push_back(StoreDone::Durable { upto: batch.last });
    }

    /// Gives up after a failed write or sync. Whether the bytes are there is unknown from now on, and trying again
    /// would prove nothing.
    pub(super) fn fail<C>(&mut self, error: DiskError, out: &mut Outbox<C>) {
        mark!("a write or a sync fails");
        self.failed = true;
        if self.batch.take().is_some() {
            out.done.push_back(StoreDone::Refused { why: StoreError::Disk(error) });
        }
    }
}

/// Checks that tids rise; gives the first transaction's status and the last one's tid.
fn check_order(mut last: Tid, batch: &[Transaction]) -> (u8, Tid) {
    let first = batch.first().expect("a batch of at least one transaction");
    for transaction in batch {
        assert!(transaction.tid > last, "tids rise: {} does not follow {last}", transaction.tid);
        last = transaction.tid;
    }
    (first.status, last)
}

/// A chunk of one byte; the usual ones cost nothing.
fn one_byte(status: u8) -> Bytes {
    match status {
        b' ' => Bytes::from_static(b" "),
        b'p' => Bytes::from_static(b"p"),
        other => Bytes::copy_from_slice(&[other]),
    }
}
