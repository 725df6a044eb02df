//! The first pass: where every object is at the time of the pack, and what later records point back to.

use super::objects::Objects;
use crate::ids::{Oid, Tid};
use crate::store::file::format::{Broken, DATA_HEADER, DataHeader, FIRST, TxnHeader, UNDONE};
use crate::store::file::view::{Need, View, Walk, damaged};

/// The status of a transaction that a pack went through.
pub(in crate::store::file) const PACKED: u8 = b'p';

/// The pass.
#[derive(Debug)]
pub(super) struct Scan {
    stop: Tid,
    at: u64,
    /// Start and header of the transaction that `at` is in.
    open: Option<(u64, TxnHeader)>,
    last: Tid,
    /// Where the first transaction behind the time of the pack starts.
    split: Option<u64>,
    /// Some transaction before it was not packed yet.
    unpacked: bool,
    /// The status of the transaction that decides whether the pack is redundant: the first behind, or else the last.
    status: u8,
    objects: Objects,
    back: Vec<(Oid, u64)>,
}

/// What the pass finds.
#[derive(Debug)]
pub(super) struct Scanned {
    /// Where the first transaction behind the time of the pack starts, or the log ends.
    pub(super) split: u64,
    /// The objects at the time of the pack.
    pub(super) objects: Objects,
    /// Objects of later records that point back, and where to, in order.
    pub(super) back: Vec<(Oid, u64)>,
    /// The log was packed to a later time, or not changed since it was packed.
    pub(super) redundant: bool,
}

#[derive(Debug)]
pub(super) enum Found {
    Txn(TxnHeader),
    /// A record and what it points to; zero for nothing.
    Record(DataHeader, u64),
    Closed,
    Over,
}

impl Scan {
    pub(super) fn new(stop: Tid) -> Scan {
        Scan {
            stop,
            at: FIRST,
            open: None,
            last: Tid::ZERO,
            split: None,
            unpacked: false,
            status: b' ',
            objects: Objects::default(),
            back: Vec::new(),
        }
    }

    /// How much of the log the pass has gone through.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    fn add(&mut self, header: &DataHeader, back: u64) {
        if self.split.is_some() {
            if back != 0 {
                self.back.push((header.oid, back));
            }
        } else if header.data == 0 && back == 0 {
            self.objects.remove(header.oid);
        } else {
            self.objects.set(header.oid, self.at, header.record_len());
        }
        self.at += header.record_len();
    }
}

/// A transaction header as a log may have it behind transaction `last`.
pub(super) fn look_at_txn(log: &View<'_>, at: u64, last: Tid) -> Result<TxnHeader, Need> {
    let header = log.txn_header(at)?;
    if header.tid <= last {
        return damaged(at, Broken::Tid);
    }
    if !matches!(header.status, b' ' | PACKED | UNDONE) {
        return damaged(at, Broken::Status);
    }
    if header.length < header.records_at() {
        return damaged(at, Broken::TxnHeader);
    }
    if at.saturating_add(header.stride()) > log.end() {
        return damaged(at, Broken::Ends);
    }
    Ok(header)
}

/// The record at `at` in the transaction at `start`, and what it points to; zero for nothing.
pub(super) fn look_at_record(
    log: &View<'_>,
    at: u64,
    start: u64,
    txn: &TxnHeader,
) -> Result<(DataHeader, u64), Need> {
    let end = start + txn.length;
    if at + DATA_HEADER as u64 > end {
        return damaged(at, Broken::RecordLength);
    }
    let header = log.data_header(at, DATA_HEADER)?;
    if header.txn != start || header.tid != txn.tid {
        return damaged(at, Broken::OtherTransaction);
    }
    if at.saturating_add(header.record_len()) > end {
        return damaged(at, Broken::RecordLength);
    }
    if header.prev >= at {
        return damaged(at, Broken::Pointer);
    }
    if header.data > 0 {
        return Ok((header, 0));
    }
    let back = log.number(at + DATA_HEADER as u64)?;
    if back >= at { damaged(at, Broken::Pointer) } else { Ok((header, back)) }
}

/// The repeated length of a transaction.
pub(super) fn look_at_end(log: &View<'_>, start: u64, txn: &TxnHeader) -> Result<(), Need> {
    let end = start + txn.length;
    if log.number(end)? == txn.length { Ok(()) } else { damaged(end, Broken::RepeatedLength) }
}

impl Walk for Scan {
    type Found = Found;
    type Answer = Scanned;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let Some((start, txn)) = &self.open else {
            if self.at == log.end() {
                return Ok(Found::Over);
            }
            return Ok(Found::Txn(look_at_txn(log, self.at, self.last)?));
        };
        if self.at == start + txn.length {
            look_at_end(log, *start, txn)?;
            return Ok(Found::Closed);
        }
        let (header, back) = look_at_record(log, self.at, *start, txn)?;
        Ok(Found::Record(header, back))
    }

    fn take(&mut self, found: Found) -> Option<Scanned> {
        match found {
            Found::Txn(header) => {
                if self.split.is_none() {
                    self.status = header.status;
                    if header.tid > self.stop {
                        self.split = Some(self.at);
                    } else if header.status != PACKED {
                        self.unpacked = true;
                    }
                }
                self.open = Some((self.at, header));
                self.last = header.tid;
                // What an undone transaction holds counts for nothing.
                self.at += if header.status == UNDONE { header.length } else { header.records_at() };
            }
            Found::Record(header, back) => self.add(&header, back),
            Found::Closed => {
                self.open = None;
                self.at += 8;
            }
            Found::Over => {
                return Some(Scanned {
                    split: self.split.unwrap_or(self.at),
                    objects: std::mem::take(&mut self.objects),
                    back: std::mem::take(&mut self.back),
                    redundant: !self.unpacked && self.status == PACKED,
                });
            }
        }
        None
    }
}
