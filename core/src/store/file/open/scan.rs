//! The structure of a log, transaction by transaction: FileStorage's `read_index`.

use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::file::format::{
    Broken, DATA_HEADER, Damaged, DataHeader, INCOMPLETE, NUMBER, TXN_HEADER, TxnHeader, UNDONE,
};
use crate::store::file::index::{Index, SizeClass};
use crate::store::file::view::{Need, View, Walk, damaged};
use std::fmt;

/// Oddities kept for the report.
const WARNINGS: usize = 20;

/// The scan. It ends with the log, or before a tail that a crash left; damage elsewhere ends it with an error.
#[derive(Debug)]
pub(super) struct Scan {
    index: Index,
    last: Tid,
    scanned: u64,
    warnings: Vec<Damaged>,
    /// What comes next.
    at: u64,
    /// The transaction that `at` is in.
    open: Option<Txn>,
    /// Its records.
    records: Vec<(Oid, u64, SizeClass)>,
}

#[derive(Clone, Copy, Debug)]
struct Txn {
    start: u64,
    header: TxnHeader,
}

#[derive(Debug)]
pub(super) enum Found {
    Txn(TxnHeader),
    Record(DataHeader),
    /// The repeated length of the transaction.
    Closed,
    Over(Option<Tail>),
}

/// Why a log is thought to end before its file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The last transaction is cut off.
    Truncated,
    /// It is marked incomplete.
    Incomplete,
    /// It is no transaction, and nothing that looks like one follows.
    Nonsense,
    /// From somewhere in it on there is nothing but zeros.
    Zeros,
    /// Its checksum is not there, or differs: it was never acknowledged.
    Unacknowledged,
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tail::Truncated => "a transaction that is cut off",
            Tail::Incomplete => "a transaction marked incomplete",
            Tail::Nonsense => "no transaction, and nothing that looks like one follows",
            Tail::Zeros => "zeros to the end",
            Tail::Unacknowledged => "never acknowledged, for the checksums do not vouch for it",
        })
    }
}

/// What a scan found.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) index: Index,
    /// The last transaction.
    pub(super) last: Tid,
    /// Where it ends.
    pub(super) end: u64,
    pub(super) tail: Option<Tail>,
    /// Transactions scanned.
    pub(super) scanned: u64,
    pub(super) warnings: Vec<Damaged>,
}

impl Scan {
    /// Scans from `at` on, into an index of what comes before, whose last transaction is `last`.
    pub(super) fn new(index: Index, at: u64, last: Tid) -> Scan {
        Scan { index, last, scanned: 0, warnings: Vec::new(), at, open: None, records: Vec::new() }
    }

    /// Where the transaction starts that the scan is in.
    pub(super) fn boundary(&self) -> u64 {
        self.open.map_or(self.at, |txn| txn.start)
    }

    /// What was found so far, with the log ending at the last boundary.
    pub(super) fn finish(&mut self, tail: Option<Tail>) -> Scanned {
        Scanned {
            index: std::mem::take(&mut self.index),
            last: self.last,
            end: self.boundary(),
            tail,
            scanned: self.scanned,
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    fn look_at_txn(&self, log: &View<'_>) -> Result<Found, Need> {
        let rest = log.end() - self.at;
        if rest == 0 {
            return Ok(Found::Over(None));
        }
        if rest < TXN_HEADER as u64 {
            mark!("a log ends within a transaction's header");
            return Ok(Found::Over(Some(Tail::Truncated)));
        }
        let header = log.txn_header(self.at)?;
        if header.stride() > rest {
            mark!("a log ends within a transaction");
            return Ok(Found::Over(Some(Tail::Truncated)));
        }
        if header.status == INCOMPLETE {
            mark!("a log ends with a transaction marked incomplete");
            return Ok(Found::Over(Some(Tail::Incomplete)));
        }
        if header.length < header.records_at() {
            // Rubbish at the end, or damage in the middle? If the file ends with the length of a transaction that
            // starts behind this place, there is something behind it.
            let repeated = log.number(log.end() - NUMBER as u64)?;
            let at_the_end = repeated > rest || repeated < TXN_HEADER as u64;
            return if at_the_end {
                Ok(Found::Over(Some(Tail::Nonsense)))
            } else {
                damaged(self.at, Broken::TxnHeader)
            };
        }
        Ok(Found::Txn(header))
    }

    fn look_inside(&self, txn: &Txn, log: &View<'_>) -> Result<Found, Need> {
        let end = txn.start + txn.header.length;
        if self.at == end {
            if log.number(end)? != txn.header.length {
                return damaged(end, Broken::RepeatedLength);
            }
            return Ok(Found::Closed);
        }
        if self.at + DATA_HEADER as u64 > end {
            return damaged(self.at, Broken::RecordLength);
        }
        let header = log.data_header(self.at, DATA_HEADER)?;
        if header.txn != txn.start {
            mark!("a record belongs to another transaction");
            return damaged(self.at, Broken::OtherTransaction);
        }
        if self.at.saturating_add(header.record_len()) > end {
            return damaged(self.at, Broken::RecordLength);
        }
        Ok(Found::Record(header))
    }

    fn warn(&mut self, at: u64, what: Broken) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(Damaged { at, what });
        }
    }

    fn begin(&mut self, header: TxnHeader) {
        if header.tid <= self.last {
            self.warn(self.at, Broken::Tid);
        }
        if !matches!(header.status, b' ' | b'p' | UNDONE) {
            self.warn(self.at, Broken::Status);
        }
        self.open = Some(Txn { start: self.at, header });
        // What an undone transaction holds counts for nothing.
        self.at += if header.status == UNDONE { header.length } else { header.records_at() };
    }

    fn add(&mut self, header: &DataHeader) {
        if self.index.get(header.oid).map_or(0, |entry| entry.at) != header.prev {
            self.warn(self.at, Broken::Previous);
        }
        let len = header.record_len();
        self.records.push((header.oid, self.at, SizeClass::of(len)));
        self.at += len;
    }

    fn close(&mut self) {
        for (oid, at, size) in self.records.drain(..) {
            self.index.set(oid, at, size);
        }
        let txn = self.open.take().expect("a transaction was closed");
        self.last = txn.header.tid;
        self.scanned += 1;
        self.at += NUMBER as u64;
    }
}

impl Walk for Scan {
    type Found = Found;
    type Answer = Scanned;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.open {
            None => self.look_at_txn(log),
            Some(txn) => self.look_inside(txn, log),
        }
    }

    fn take(&mut self, found: Found) -> Option<Scanned> {
        match found {
            Found::Txn(header) => self.begin(header),
            Found::Record(header) => self.add(&header),
            Found::Closed => self.close(),
            Found::Over(tail) => return Some(self.finish(tail)),
        }
        None
    }
}

/// Whether a log holds nothing but zeros from `at` on, behind the damage that ended a scan.
#[derive(Debug)]
pub(super) struct Zeros {
    pub(super) at: u64,
    pub(super) scan: Scan,
    pub(super) damaged: Damaged,
}

impl Walk for Zeros {
    type Found = Option<usize>;
    type Answer = bool;

    /// How many zeros come next; `None` when something else does.
    fn look(&self, log: &View<'_>) -> Result<Option<usize>, Need> {
        if self.at == log.end() {
            return Ok(Some(0));
        }
        let bytes = log.some(self.at, limits::SCAN_CHUNK)?;
        Ok(bytes.iter().all(|&byte| byte == 0).then_some(bytes.len()))
    }

    fn take(&mut self, found: Option<usize>) -> Option<bool> {
        match found {
            None => Some(false),
            Some(0) => Some(true),
            Some(zeros) => {
                self.at += zeros as u64;
                None
            }
        }
    }
}
