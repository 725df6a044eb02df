//! One pass over a log: its structure, its checksums where there are any, and an index of what has none yet.
//!
//! What a checksum vouches for and the index covers is not looked into. What lies before the last batch, before the
//! position of a saved index, or in a log that was closed, was durable and may have been acknowledged: what is wrong
//! there is damage. An index that does not agree with the log only claims so: it may be another log's. Behind that, the first thing that the checksums do not vouch for is where a crash cut the writing
//! off; and without checksums, structure that breaks may be that too.

use crate::ids::{Oid, Tid};
use crate::store::file::format::{
    Broken, DATA_HEADER, Damaged, DataHeader, INCOMPLETE, TXN_HEADER, TxnHeader, UNDONE,
};
use crate::store::file::index::{Index, SizeClass};
use crate::store::file::lockfile::Nonce;
use crate::store::file::open::Tail;
use crate::store::file::open::txn::{Summed, Txn};
use crate::store::file::open::vouch::{Said, Vouch};
use crate::store::file::sidecar::Entry;
use crate::store::file::view::{Need, View, Walk, damaged};
use bytes::Bytes;
use std::ops::Range;

/// Oddities kept for the report.
const WARNINGS: usize = 20;

/// The pass. It ends with the log, or before a tail; damage ends it with an error.
#[derive(Debug)]
pub(super) struct Check {
    index: Index,
    /// What the index knew from the start.
    indexed: u64,
    /// What lies before was durable, whatever the checksums say.
    durable: u64,
    /// What lies before was durable if an index that was rejected is of this log: not what a crash is known to leave.
    claimed: u64,
    vouch: Option<Vouch>,
    /// Why there is no use in the checksums, once that shows.
    unvouched: Option<Damaged>,
    /// What comes next.
    at: u64,
    /// The transaction that `at` is in.
    open: Option<Txn>,
    /// Its records.
    records: Vec<(Oid, u64, SizeClass)>,
    so_far: Counts,
    last: Tid,
    warnings: Vec<Damaged>,
    damaged: Vec<Range<u64>>,
    /// The checksums of sound transactions that nothing tells to be durable.
    doubted: Vec<Entry>,
}

/// What a pass went through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Transactions.
    pub(super) transactions: u64,
    /// Those of them that the index did not know.
    pub(super) scanned: u64,
    /// Bytes compared with checksums.
    pub(super) compared: u64,
    /// Other bytes.
    pub(super) structure: u64,
}

#[derive(Debug)]
pub(super) enum Found {
    Txn(TxnHeader, Option<Entry>),
    Record(DataHeader),
    /// The transaction is sound. Its checksum, if there is one to compare with.
    Closed(Option<u64>),
    /// Some of its bytes.
    Piece(Bytes),
    /// It does not begin as it did when it was written.
    Torn(Entry),
    /// The checksums are of no use from here on: they are another log's, unless this one's structure breaks before
    /// `durable`.
    Unvouched {
        durable: u64,
    },
    Over(Verdict),
}

/// How the pass goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With more entries of the sidecar.
    More { nonce: Nonce, unread: Range<u64> },
    /// Here, where the log ends.
    End,
    /// Here, where this tail begins.
    Tail(Tail),
    /// Perhaps here: what follows has to tell whether this is a tail.
    Broken(Tail),
}

/// What a pass found.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) index: Index,
    /// The last transaction.
    pub(super) last: Tid,
    /// Where it ends.
    pub(super) end: u64,
    pub(super) counts: Counts,
    pub(super) warnings: Vec<Damaged>,
    /// What differs from what was written.
    pub(super) damaged: Vec<Range<u64>>,
    /// What lies before was durable, as far as the checksums are this log's.
    pub(super) durable: u64,
    /// The checksums of what lies behind.
    pub(super) doubted: Vec<Entry>,
    /// Nonce of the checksums and how many entries belong to the log, if they cover it to the end.
    pub(super) sums: Option<(Nonce, u64)>,
    /// Why there are none although there were.
    pub(super) unvouched: Option<Damaged>,
}

impl Check {
    /// Starts at `at`, behind transaction `last`. The index knows what lies before `indexed`; all before `durable` was
    /// durable, and before `claimed` perhaps. These checksums are compared from where they start.
    pub(super) fn new(
        index: Index,
        indexed: u64,
        at: u64,
        last: Tid,
        durable: u64,
        claimed: u64,
        vouch: Option<Vouch>,
    ) -> Check {
        Check {
            index,
            indexed,
            durable,
            claimed,
            vouch,
            unvouched: None,
            at,
            open: None,
            records: Vec::new(),
            so_far: Counts::default(),
            last,
            warnings: Vec::new(),
            damaged: Vec::new(),
            doubted: Vec::new(),
        }
    }

    /// Takes entries that were missing.
    pub(super) fn feed(&mut self, entries: Vec<Option<Entry>>) {
        self.vouch.as_mut().expect("nobody else misses entries").feed(entries);
    }

    /// Goes on without checksums.
    pub(super) fn without_sums(&mut self, why: Damaged) {
        self.vouch = None;
        self.unvouched = Some(why);
    }

    /// Where the transaction starts that the pass is in.
    pub(super) fn boundary(&self) -> u64 {
        self.open.as_ref().map_or(self.at, |txn| txn.start)
    }

    /// The last transaction before that.
    pub(super) fn last(&self) -> Tid {
        self.last
    }

    /// Whether what stands at the boundary was durable.
    pub(super) fn is_durable(&self) -> bool {
        self.boundary() < self.durable_upto()
    }

    fn durable_upto(&self) -> u64 {
        self.durable.max(self.vouch.as_ref().map_or(0, |vouch| vouch.durable))
    }

    /// Whether an index that was rejected claims that what stands at the boundary was durable.
    pub(super) fn is_claimed(&self) -> bool {
        self.boundary() < self.claimed
    }

    /// Whether the checksums speak of what stands at the boundary.
    pub(super) fn is_vouched(&self) -> bool {
        self.vouch.as_ref().is_some_and(|vouch| self.boundary() >= vouch.start)
    }

    /// What was found, with the log ending at the last boundary.
    pub(super) fn finish(self) -> Checked {
        Checked {
            last: self.last,
            end: self.boundary(),
            durable: self.durable_upto(),
            doubted: self.doubted,
            counts: self.so_far,
            sums: self.vouch.map(|vouch| (vouch.nonce, vouch.number)),
            index: self.index,
            warnings: self.warnings,
            damaged: self.damaged,
            unvouched: self.unvouched,
        }
    }

    fn look_at_txn(&self, log: &View<'_>) -> Result<Found, Need> {
        if self.at == log.end() {
            // Checksums of more than there is are those of another log.
            let more = self.vouch.as_ref().is_some_and(|vouch| self.at < vouch.durable);
            return Ok(if more { self.unvouched(log) } else { Found::Over(Verdict::End) });
        }
        let Some(vouch) = self.vouch.as_ref().filter(|vouch| self.at >= vouch.start) else {
            return self.look_at_structure(log);
        };
        match vouch.next() {
            Said::Unread => Ok(Found::Over(Verdict::More { nonce: vouch.nonce, unread: vouch.unread() })),
            Said::Nothing | Said::Lost if !self.is_durable() => {
                Ok(Found::Over(Verdict::Tail(Tail::Unacknowledged)))
            }
            Said::Nothing => Ok(self.unvouched(log)),
            Said::Lost => self.look_at_structure(log),
            Said::Entry(entry) => self.look_at_vouched(vouch, entry, log),
        }
    }

    fn look_at_vouched(&self, vouch: &Vouch, entry: Entry, log: &View<'_>) -> Result<Found, Need> {
        let fits = entry.offset == self.at && entry.end() <= log.end();
        if fits {
            let header = log.txn_header(self.at)?;
            if header.tid == entry.tid && header.stride() == entry.length {
                return Ok(Found::Txn(header, Some(entry)));
            }
        }
        if !self.is_durable() {
            mark!("a checksum is not for what stands there");
            return Ok(Found::Over(Verdict::Tail(Tail::Unacknowledged)));
        }
        if !vouch.is_ours(&entry, self.at, log)? {
            return Ok(self.unvouched(log));
        }
        // Without an index nobody knows what is in it.
        if self.at >= self.indexed { damaged(self.at, Broken::Checksum) } else { Ok(Found::Torn(entry)) }
    }

    /// The checksums say something else than the log. Of a log that is shorter than what was durable they are not.
    fn unvouched(&self, log: &View<'_>) -> Found {
        let durable = self.vouch.as_ref().map_or(0, |vouch| vouch.durable);
        Found::Unvouched { durable: if durable <= log.end() { durable } else { 0 } }
    }

    fn look_at_structure(&self, log: &View<'_>) -> Result<Found, Need> {
        let rest = log.end() - self.at;
        if rest < TXN_HEADER as u64 {
            mark!("a log ends within a transaction's header");
            return self.broken(Tail::Truncated);
        }
        let header = log.txn_header(self.at)?;
        if header.stride() > rest {
            mark!("a log ends within a transaction");
            return self.broken(Tail::Truncated);
        }
        if header.status == INCOMPLETE {
            mark!("a log ends with a transaction marked incomplete");
            // Nobody acknowledged it; but in what was shifted it may be a letter of something else.
            let whole = log.number(self.at + header.length)? == header.length;
            if whole && !self.is_durable() {
                return Ok(Found::Over(Verdict::Tail(Tail::Incomplete)));
            }
            return self.broken(Tail::Incomplete);
        }
        if header.length < header.records_at() {
            return self.broken(Tail::Nonsense);
        }
        if self.at < self.indexed && self.at + header.stride() > self.indexed {
            return damaged(self.at, Broken::Followed);
        }
        Ok(Found::Txn(header, None))
    }

    /// What stands here is no whole transaction.
    fn broken(&self, tail: Tail) -> Result<Found, Need> {
        if !self.is_durable() {
            return Ok(Found::Over(Verdict::Broken(tail)));
        }
        let what = match tail {
            Tail::Truncated => Broken::Ends,
            Tail::Incomplete => Broken::Status,
            Tail::Nonsense | Tail::Zeros | Tail::Unacknowledged => Broken::TxnHeader,
        };
        damaged(self.at, what)
    }

    /// The records of a transaction, one after the other, then its repeated length.
    fn look_inside(&self, txn: &Txn, log: &View<'_>) -> Result<Found, Need> {
        let end = txn.start + txn.header.length;
        if txn.closed {
            return Ok(Found::Closed(None));
        }
        if self.at == end {
            if log.number(end)? != txn.header.length {
                return damaged(end, Broken::RepeatedLength);
            }
            return Ok(Found::Closed(None));
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

    /// Sums up a transaction on the way, so that each byte is read once: what is at hand is summed before the structure
    /// goes on to what is not.
    fn look_and_sum(&self, txn: &Txn, log: &View<'_>) -> Result<Found, Need> {
        let upto = match self.look_inside(txn, log) {
            Ok(Found::Closed(_)) => txn.end(),
            Err(Need::Bytes(miss)) if txn.summed() < miss.at => miss.at,
            other => return other,
        };
        Ok(match txn.look_on(upto, log)? {
            Summed::Piece(bytes) => Found::Piece(bytes),
            Summed::All(sum) => Found::Closed(Some(sum)),
        })
    }

    fn warn(&mut self, at: u64, what: Broken) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(Damaged { at, what });
        }
    }

    fn begin(&mut self, header: TxnHeader, entry: Option<Entry>) {
        if header.tid <= self.last {
            self.warn(self.at, Broken::Tid);
        }
        if !matches!(header.status, b' ' | b'p' | UNDONE) {
            self.warn(self.at, Broken::Status);
        }
        let start = self.at;
        // What the index knows and a checksum vouches for.
        let closed = entry.is_some() && start < self.indexed;
        // What an undone transaction holds counts for nothing.
        self.at += if header.status == UNDONE { header.length } else { header.records_at() };
        self.open = Some(Txn::new(start, header, entry, closed));
    }

    fn add(&mut self, header: &DataHeader) {
        let len = header.record_len();
        if self.at >= self.indexed {
            if self.index.get(header.oid).map_or(0, |entry| entry.at) != header.prev {
                self.warn(self.at, Broken::Previous);
            }
            self.records.push((header.oid, self.at, SizeClass::of(len)));
        }
        self.at += len;
    }

    /// On to the next transaction; a checksum that differs where nothing was acknowledged ends it before.
    fn close(&mut self, sum: Option<u64>) -> Option<Verdict> {
        let durable = self.is_durable();
        let txn = self.open.take().expect("a transaction was closed");
        let len = txn.header.stride();
        match txn.entry {
            Some(entry) if sum != Some(entry.sum) && !durable => {
                mark!("a transaction was never acknowledged");
                self.at = txn.start;
                return Some(Verdict::Tail(Tail::Unacknowledged));
            }
            Some(entry) if sum != Some(entry.sum) => {
                mark!("an acknowledged transaction is damaged");
                self.damaged.push(entry.offset..entry.end());
            }
            Some(entry) => {
                self.so_far.compared += len;
                if !durable {
                    self.doubted.push(entry);
                }
            }
            None => self.so_far.structure += len,
        }
        for (oid, at, size) in self.records.drain(..) {
            self.index.set(oid, at, size);
        }
        self.so_far.scanned += u64::from(txn.start >= self.indexed);
        self.pass(txn.start, txn.end(), txn.header.tid);
        None
    }

    /// On to what follows the transaction `tid`.
    fn pass(&mut self, start: u64, next: u64, tid: Tid) {
        if let Some(vouch) = self.vouch.as_mut().filter(|vouch| start >= vouch.start) {
            vouch.advance();
        }
        self.so_far.transactions += 1;
        self.at = next;
        self.last = tid;
    }
}

impl Walk for Check {
    type Found = Found;
    type Answer = Verdict;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.open {
            None => self.look_at_txn(log),
            Some(txn) if txn.entry.is_some() => self.look_and_sum(txn, log),
            Some(txn) => self.look_inside(txn, log),
        }
    }

    fn take(&mut self, found: Found) -> Option<Verdict> {
        match found {
            Found::Txn(header, entry) => self.begin(header, entry),
            Found::Record(header) => self.add(&header),
            Found::Piece(bytes) => {
                self.open.as_mut().expect("a piece of a transaction was looked for").sum(&bytes)
            }
            Found::Closed(sum) => return self.close(sum),
            Found::Torn(entry) => {
                self.damaged.push(entry.offset..entry.end());
                self.pass(entry.offset, entry.end(), entry.tid);
            }
            Found::Unvouched { durable } => {
                self.durable = self.durable.max(durable);
                self.without_sums(Damaged { at: self.at, what: Broken::OtherLog });
            }
            Found::Over(verdict) => return Some(verdict),
        }
        None
    }
}
