//! What readers of a log go by: the index, and how much of the log is visible.

use crate::ids::{Oid, Tid};
use crate::store::file::index::Index;
use crate::store::file::layout::Placed;
use std::ops::Range;

/// The visible part of a log.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) index: Index,
    /// Where the last visible transaction ends.
    pub(super) end: u64,
    /// The last visible transaction.
    pub(super) last: Tid,
    pub(super) max_oid: Oid,
    /// What of the log is damaged: loads of what lies in there are refused.
    pub(super) damaged: Vec<Range<u64>>,
    /// Counts the packs: positions are good for one log alone.
    pub(super) log: u32,
}

impl Book {
    pub(super) fn new(index: Index, end: u64, last: Tid, damaged: Vec<Range<u64>>) -> Book {
        Book { max_oid: index.max_oid().unwrap_or(Oid::ZERO), index, end, last, damaged, log: 0 }
    }

    /// Takes up a packed log with the same last transaction. Ids of objects that went are not given again.
    pub(super) fn repack(&mut self, index: Index, end: u64) {
        self.index = index;
        self.end = end;
        self.log += 1;
    }

    /// Makes a batch visible that ends at `end` with transaction `last`.
    pub(super) fn publish(&mut self, records: &[Placed], end: u64, last: Tid) {
        assert!(end > self.end && last > self.last, "the log grows, and tids rise");
        for record in records {
            self.index.set(record.oid, record.at, record.size);
            self.max_oid = self.max_oid.max(record.oid);
        }
        self.end = end;
        self.last = last;
    }
}
