//! The copy of the transactions behind the time of the pack: record by record as they are, with their pointers moved.
//!
//! Only an undo that was committed during the pack can point to what is not in the new log: it gets its state.

use super::job::PackError;
use super::mark::{Targets, state};
use super::pen::Pen;
use super::scan::{look_at_end, look_at_record, look_at_txn};
use crate::ids::{Oid, Tid};
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::record::{Reference, references};
use crate::store::file::format::{DATA_HEADER, DataHeader, NUMBER, TXN_HEADER, TxnHeader, UNDONE};
use crate::store::file::index::{Index, SizeClass};
use crate::store::file::view::{Need, View, Walk};
use bytes::Bytes;

/// The copy. It goes on where it ended when there is more of the log.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) pen: Pen,
    /// Of all that is in the new log.
    pub(super) index: Index,
    targets: Targets,
    /// Whether what is not there was collected.
    gc: bool,
    at: u64,
    last: Tid,
    step: Step,
    /// Places in the old log from which on another distance leads to the new one, and where they are there.
    moves: Vec<(u64, u64)>,
    /// Records of the open transaction: no other record of it follows them.
    written: Vec<(Oid, u64, SizeClass)>,
    /// What objects that were brought back refer to.
    owed: Vec<(Oid, Oid)>,
    #[cfg(feature = "planted-bugs")]
    pub(super) bug: Option<Bug>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Between,
    /// In a transaction: bytes of its records.
    Measure {
        start: u64,
        txn: TxnHeader,
        len: u64,
    },
    Write {
        start: u64,
        txn: TxnHeader,
    },
}

#[derive(Debug)]
pub(super) enum Found {
    Txn(TxnHeader),
    /// A record of so many bytes, and how many it will take.
    Record(u64, u64),
    /// The transaction is measured: its strings.
    Measured(Bytes),
    /// A record to be copied, with its state or what it points to in the new log.
    Copied(DataHeader, Bytes, u64),
    /// One that points to what is not there: its state instead.
    BroughtBack(DataHeader, Bytes),
    Closed,
    Over,
}

/// What a record has behind its header in the new log.
enum Body {
    Own,
    Pointer(u64),
    State(Bytes),
}

impl Rest {
    /// From `split` in the old log on.
    pub(super) fn new(pen: Pen, index: Index, targets: Targets, gc: bool, split: u64) -> Rest {
        Rest {
            moves: vec![(split, pen.at())],
            pen,
            index,
            targets,
            gc,
            at: split,
            last: Tid::ZERO,
            step: Step::Between,
            written: Vec::new(),
            owed: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// How much of the log was copied.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether everything is there that was brought back with what refers to it.
    pub(super) fn check(&self) -> Result<(), PackError> {
        let missing = self.owed.iter().find(|(_, oid)| self.index.get(*oid).is_none());
        missing.map_or(Ok(()), |&(by, oid)| Err(PackError::BroughtBack { oid, by }))
    }

    /// Where the record at `at` in the old log is in the new one; `None` when it is not there.
    fn place(&self, at: u64) -> Option<u64> {
        match self.moves.partition_point(|(from, _)| *from <= at).checked_sub(1) {
            Some(piece) => Some(self.moves[piece].1 + (at - self.moves[piece].0)),
            None => self.targets.place(at),
        }
    }

    fn body(&self, log: &View<'_>, header: &DataHeader, back: u64) -> Result<Body, Need> {
        if header.data > 0 {
            return Ok(Body::Own);
        }
        if back == 0 {
            return Ok(Body::Pointer(0));
        }
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(Bug::PointerIntoOldLog) {
            return Ok(Body::Pointer(back));
        }
        if let Some(place) = self.place(back) {
            return Ok(Body::Pointer(place));
        }
        Ok(state(log, back)?.1.map_or(Body::Pointer(0), Body::State))
    }

    fn write(&mut self, mut header: DataHeader, data: &[u8], back: u64) {
        let old_len = header.record_len();
        header.prev = self.index.get(header.oid).map_or(0, |entry| entry.at);
        let to = self.pen.record(header, data, back);
        let len = self.pen.at() - to;
        self.written.push((header.oid, to, SizeClass::of(len)));
        self.at += old_len;
        if len != old_len {
            self.moves.push((self.at, self.pen.at()));
        }
    }

    fn bring_back(&mut self, header: DataHeader, state: &[u8]) -> Result<(), PackError> {
        mark!("a pack writes a state in the place of a pointer");
        let by = header.oid;
        if self.gc {
            let found = references(state).map_err(|why| PackError::Unreadable { oid: by, why })?;
            let objects = found.into_iter().filter_map(|reference| match reference {
                Reference::Object(oid) => Some((by, oid)),
                _ => None,
            });
            self.owed.extend(objects);
        }
        self.write(header, state, 0);
        Ok(())
    }
}

impl Walk for Rest {
    type Found = Found;
    type Answer = Result<(), PackError>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.step {
            Step::Between if self.at == log.end() => Ok(Found::Over),
            Step::Between => Ok(Found::Txn(look_at_txn(log, self.at, self.last)?)),
            Step::Measure { start, txn, .. } if self.at == start + txn.length => {
                look_at_end(log, *start, txn)?;
                let strings = txn.records_at() as usize - TXN_HEADER;
                Ok(Found::Measured(log.bytes(start + TXN_HEADER as u64, strings)?))
            }
            Step::Measure { start, txn, .. } => {
                let (header, back) = look_at_record(log, self.at, *start, txn)?;
                let len = header.record_len();
                Ok(Found::Record(
                    len,
                    match self.body(log, &header, back)? {
                        Body::Own | Body::Pointer(_) => len,
                        Body::State(state) => (DATA_HEADER + state.len()) as u64,
                    },
                ))
            }
            Step::Write { start, txn } if self.at == start + txn.length => Ok(Found::Closed),
            Step::Write { start, txn } => {
                let (header, back) = look_at_record(log, self.at, *start, txn)?;
                Ok(match self.body(log, &header, back)? {
                    Body::Own => {
                        let data = log.bytes(self.at + DATA_HEADER as u64, header.data as usize)?;
                        Found::Copied(header, data, 0)
                    }
                    Body::Pointer(place) => Found::Copied(header, Bytes::new(), place),
                    Body::State(state) => Found::BroughtBack(header, state),
                })
            }
        }
    }

    fn take(&mut self, found: Found) -> Option<Result<(), PackError>> {
        match (found, &mut self.step) {
            (Found::Over, _) => return Some(Ok(())),
            (Found::Txn(txn), step) => {
                *step = Step::Measure { start: self.at, txn, len: 0 };
                self.last = txn.tid;
                // What an undone transaction holds counts for nothing.
                self.at += if txn.status == UNDONE { txn.length } else { txn.records_at() };
            }
            (Found::Record(old, new), Step::Measure { len, .. }) => {
                *len += new;
                self.at += old;
            }
            (Found::Measured(strings), &mut Step::Measure { start, txn, len }) => {
                let length = txn.records_at() + len;
                self.pen.begin(TxnHeader { length, ..txn }, &strings);
                self.step = Step::Write { start, txn };
                self.at = start + if txn.status == UNDONE { txn.length } else { txn.records_at() };
            }
            (Found::Copied(header, data, back), _) => self.write(header, &data, back),
            (Found::BroughtBack(header, state), _) => {
                if let Err(error) = self.bring_back(header, &state) {
                    return Some(Err(error));
                }
            }
            (Found::Closed, &mut Step::Write { txn, .. }) => {
                self.pen.end();
                self.step = Step::Between;
                self.at += NUMBER as u64;
                if txn.status == UNDONE {
                    self.moves.push((self.at, self.pen.at()));
                }
                for (oid, at, size) in self.written.drain(..) {
                    self.index.set(oid, at, size);
                }
            }
            (found, step) => unreachable!("{found:?} at {step:?}"),
        }
        None
    }
}
