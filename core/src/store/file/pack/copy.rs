//! The copy of what stays of the transactions up to the time of the pack.
//!
//! Each goes twice: what of it stays is measured first, since its header tells its length. What is copied has its state
//! with it and nothing before it: no pointer leads anywhere but to what follows.

use super::mark::{Targets, state};
use super::objects::Objects;
use super::pen::Pen;
use super::scan::{PACKED, look_at_end, look_at_record, look_at_txn};
use crate::ids::Tid;
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::store::blob::{BlobId, is_blob};
use crate::store::file::format::{DATA_HEADER, DataHeader, FIRST, NUMBER, TXN_HEADER, TxnHeader, UNDONE};
use crate::store::file::view::{Need, View, Walk};
use bytes::Bytes;

/// The copy.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) pen: Pen,
    pub(super) objects: Objects,
    pub(super) targets: Targets,
    /// Blobs whose records do not stay.
    pub(super) gone: Vec<BlobId>,
    /// Whether somebody wants to know of them.
    blobs: bool,
    /// Where the time of the pack is, and where the log ends.
    split: u64,
    upto: u64,
    /// How much of the log was copied.
    pub(super) at: u64,
    step: Step,
    #[cfg(feature = "planted-bugs")]
    pub(super) bug: Option<Bug>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Between two transactions.
    Between,
    /// In one: bytes of the records that stay, and whether there are any.
    Measure { start: u64, txn: TxnHeader, len: u64, stays: bool },
    /// In one that stays.
    Write { start: u64, txn: TxnHeader },
}

#[derive(Debug)]
pub(super) enum Found {
    Txn(TxnHeader),
    /// A record of so many bytes that stays, and takes so many then.
    Stays(u64, u64),
    /// A record of so many bytes that does not.
    Goes(u64, Option<BlobId>),
    /// The transaction is measured: its strings.
    Measured(Bytes),
    /// A record to be copied, and its state.
    Copied(DataHeader, Option<Bytes>),
    /// The transaction is copied.
    Closed,
    Over,
}

impl Copy {
    /// Of a log that ends at `upto` what stays of the transactions before `split`.
    pub(super) fn new(
        pen: Pen,
        objects: Objects,
        targets: Targets,
        (split, upto): (u64, u64),
        blobs: bool,
    ) -> Copy {
        Copy {
            pen,
            objects,
            targets,
            gone: Vec::new(),
            blobs,
            split,
            upto,
            at: FIRST,
            step: Step::Between,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    fn stays(&self, header: &DataHeader) -> bool {
        self.objects.stays(header.oid, self.at) || self.targets.keeps(self.at)
    }

    /// The blob that goes with the record that does not stay.
    fn gone(
        &self,
        log: &View<'_>,
        start: u64,
        txn: &TxnHeader,
        header: &DataHeader,
    ) -> Result<Option<BlobId>, Need> {
        if !self.blobs {
            return Ok(None);
        }
        let (_, Some(state)) = state(log, self.at)? else { return Ok(None) };
        // Python's server writes two records for a blob.
        let is_doubled = self.objects.get(header.oid).is_some_and(|entry| {
            entry.at > self.at && entry.at < start + txn.length && self.objects.stays(header.oid, entry.at)
        });
        let goes = is_blob(&state) == Some(true) && !is_doubled;
        Ok(goes.then_some(BlobId { oid: header.oid, tid: header.tid }))
    }

    fn look_at_measured(&self, log: &View<'_>, start: u64, txn: &TxnHeader) -> Result<Found, Need> {
        look_at_end(log, start, txn)?;
        Ok(Found::Measured(log.bytes(start + TXN_HEADER as u64, txn.records_at() as usize - TXN_HEADER)?))
    }

    fn write(&mut self, mut header: DataHeader, state: &[u8]) {
        let old_len = header.record_len();
        header.prev = 0;
        let to = self.pen.record(header, state, 0);
        let len = self.pen.at() - to;
        // Where several revisions stay, the last one copied is the current one.
        if self.objects.stays(header.oid, self.at) || self.objects.is_copied(header.oid) {
            self.objects.copied(header.oid, to, len);
        }
        self.targets.copied(self.at, to);
        self.at += old_len;
    }
}

impl Walk for Copy {
    type Found = Found;
    type Answer = ();

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.step {
            Step::Between if self.at == self.split => Ok(Found::Over),
            Step::Between => Ok(Found::Txn(look_at_txn(log, self.at, Tid::ZERO)?)),
            Step::Measure { start, txn, .. } if self.at == start + txn.length => {
                self.look_at_measured(log, *start, txn)
            }
            Step::Measure { start, txn, .. } => {
                let (header, back) = look_at_record(log, self.at, *start, txn)?;
                let len = header.record_len();
                if !self.stays(&header) {
                    return Ok(Found::Goes(len, self.gone(log, *start, txn, &header)?));
                }
                let state = if back == 0 { None } else { state(log, back)?.1 };
                let grown = state.map_or(len, |state| (DATA_HEADER + state.len()) as u64);
                Ok(Found::Stays(len, grown))
            }
            Step::Write { start, txn } if self.at == start + txn.length => Ok(Found::Closed),
            Step::Write { start, txn } => {
                let (header, _) = look_at_record(log, self.at, *start, txn)?;
                if !self.stays(&header) {
                    return Ok(Found::Goes(header.record_len(), None));
                }
                Ok(Found::Copied(header, state(log, self.at)?.1))
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<()> {
        match (found, &mut self.step) {
            (Found::Over, _) => return Some(()),
            (Found::Txn(txn), step) => {
                let start = self.at;
                // The newest stays, whatever is in it, so that the last tid never falls.
                let stays = start + txn.stride() == self.upto;
                #[cfg(feature = "planted-bugs")]
                let stays = stays && self.bug != Some(Bug::LastTidPacked);
                *step = Step::Measure { start, txn, len: 0, stays };
                self.at += if txn.status == UNDONE { txn.length } else { txn.records_at() };
            }
            (Found::Stays(old, new), Step::Measure { len, stays, .. }) => {
                *len += new;
                *stays = true;
                self.at += old;
            }
            (Found::Goes(len, gone), _) => {
                self.gone.extend(gone);
                self.at += len;
            }
            (Found::Measured(_), step @ Step::Measure { stays: false, .. }) => {
                *step = Step::Between;
                self.at += NUMBER as u64;
            }
            (Found::Measured(strings), &mut Step::Measure { start, txn, len, .. }) => {
                let length = txn.records_at() + len;
                self.pen.begin(TxnHeader { length, status: PACKED, ..txn }, &strings);
                self.step = Step::Write { start, txn };
                self.at = start + if txn.status == UNDONE { txn.length } else { txn.records_at() };
            }
            (Found::Copied(header, state), _) => self.write(header, state.as_deref().unwrap_or_default()),
            (Found::Closed, step) => {
                self.pen.end();
                *step = Step::Between;
                self.at += NUMBER as u64;
            }
            (found, step) => unreachable!("{found:?} at {step:?}"),
        }
        None
    }
}
