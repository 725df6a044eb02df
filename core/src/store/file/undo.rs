//! The walk that finds out what undoing one record makes of its object, as FileStorage's `undo` decides it.
//!
//! The object is set back to the record before, by a pointer, if what the undone record wrote is still what the object
//! is. If not, the changes since would have to be merged.
//!
//! A record that was named before the log was packed is looked for in the packed one.

use crate::ids::{Oid, Tid};
use crate::store::file::asked::{Asked, Query};
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, DATA_HEADER, DataHeader};
use crate::store::file::read::Purpose;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Place, SoFar, StoreDone, StoreError, UndoRefusal, UndoTarget, Undone};
use bytes::Bytes;

/// Bytes read of a record whose length is not known.
const GUESS: usize = 1 << 12;

/// The search for what one record's undoing leads to.
#[derive(Debug)]
pub struct Undo {
    target: UndoTarget,
    /// The log it goes through.
    log: u32,
    /// Where the index has the object.
    current: u64,
    /// What the transaction that undoes did to it before.
    so_far: Option<SoFar>,
    /// Of the record that is undone: the one before; zero for none.
    before: u64,
    /// The object's current serial; `None`: that of the transaction that undoes.
    serial: Option<Tid>,
    stage: Stage,
    undone_state: Bytes,
}

/// What is looked at next.
#[derive(Debug)]
enum Stage {
    /// The record that is undone, from this one of its object back.
    Moved(u64),
    /// The record that is undone.
    Target,
    /// The object's current record.
    Current,
    /// The state that the undone record wrote, by way of the record here; then the current one, if it is not known.
    UndoneState(u64, Now),
    /// The current state, by way of the record here.
    CurrentState(u64),
    /// The state to go back to, by way of the record here.
    Earlier(u64),
}

/// The current state.
#[derive(Clone, Debug)]
enum Now {
    Known(Bytes),
    /// It is to be looked for from here on.
    At(u64),
}

/// What one step finds.
#[derive(Debug)]
pub enum Found {
    /// The record that is undone is this one, or was before this one; zero: there is none.
    Moved(u64, bool),
    /// The transaction was packed.
    Packed,
    /// The record that is undone follows this one.
    Target(u64),
    /// The current record, with its own state if it has one.
    Current(DataHeader, Option<Bytes>, u64),
    /// The state is further back.
    Further(u64),
    /// The state; `None`: there is none.
    State(Option<Bytes>),
}

impl Undo {
    /// For one record of an object that the index has at `current`.
    pub(super) fn new(target: UndoTarget, current: u64, so_far: Option<SoFar>, book: &Book) -> Undo {
        let is_here = target.record.log == book.log;
        Undo {
            log: book.log,
            target,
            current,
            so_far,
            before: 0,
            serial: None,
            stage: if is_here { Stage::Target } else { Stage::Moved(current) },
            undone_state: Bytes::new(),
        }
    }

    fn oid(&self) -> Oid {
        self.target.oid
    }

    fn place(&self, at: u64) -> Place {
        Place { at, ..self.target.record }
    }

    fn header(&self, log: &View<'_>, at: u64, guess: usize) -> Result<DataHeader, Need> {
        let header = log.data_header(at, guess)?;
        if header.oid != self.oid() {
            return damaged(at, Broken::OtherObject);
        }
        Ok(header)
    }

    /// The record that is undone, if the one at `at` is it, or where to look on.
    fn moved(&self, log: &View<'_>, at: u64) -> Result<Found, Need> {
        let header = self.header(log, at, DATA_HEADER)?;
        if header.tid < self.target.tid {
            return Ok(Found::Packed);
        }
        if header.tid > self.target.tid {
            return if header.prev < at {
                Ok(Found::Moved(header.prev, false))
            } else {
                damaged(at, Broken::Pointer)
            };
        }
        let is_packed = log.txn_header(header.txn)?.status != b' ';
        Ok(if is_packed { Found::Packed } else { Found::Moved(at, true) })
    }

    /// The state of the record at `at`, or where it is.
    fn state(&self, log: &View<'_>, at: u64) -> Result<Found, Need> {
        let header = self.header(log, at, GUESS)?;
        if header.data > 0 {
            return Ok(Found::State(Some(data(log, at, &header)?)));
        }
        match log.number(at + DATA_HEADER as u64)? {
            0 => Ok(Found::State(None)),
            back if back >= at => damaged(at, Broken::Pointer),
            back => Ok(Found::Further(back)),
        }
    }

    /// The state is as the undone record left it: back to the one before.
    fn set_back(&self) -> Result<Undone, UndoRefusal> {
        Ok(if self.before == 0 { Undone::Gone } else { Undone::Back(self.place(self.before)) })
    }

    /// The current record's state is the one at `from`, or `own`.
    fn on_current(&mut self, from: u64, own: Option<Bytes>) -> Option<Result<Undone, UndoRefusal>> {
        let undone = self.target.record.at;
        if from == undone {
            mark!("an undo finds its state by a pointer");
            return Some(self.set_back());
        }
        if from == 0 && own.is_none() {
            return Some(Err(UndoRefusal::NoState));
        }
        let now = own.map_or(Now::At(from), Now::Known);
        self.stage = Stage::UndoneState(undone, now);
        None
    }

    /// Both states are known.
    fn compare(&mut self, current: &Bytes) -> Option<Result<Undone, UndoRefusal>> {
        if *current == self.undone_state {
            mark!("an undo finds its state by comparing");
            return Some(self.set_back());
        }
        if self.before == 0 {
            return Some(Err(UndoRefusal::Added));
        }
        if self.serial.is_none() {
            mark!("two undos of one transaction would have to be merged");
            return Some(Err(UndoRefusal::Modified));
        }
        self.stage = Stage::Earlier(self.before);
        None
    }
}

fn data(log: &View<'_>, at: u64, header: &DataHeader) -> Result<Bytes, Need> {
    let Ok(len) = usize::try_from(header.data) else { return damaged(at, Broken::Ends) };
    log.bytes(at + DATA_HEADER as u64, len)
}

impl Walk for Undo {
    type Found = Found;
    type Answer = Result<Undone, UndoRefusal>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let undone = self.target.record.at;
        match self.stage {
            Stage::Moved(at) => self.moved(log, at),
            Stage::Target => {
                let header = self.header(log, undone, DATA_HEADER)?;
                if header.prev >= undone {
                    return damaged(undone, Broken::Pointer);
                }
                Ok(Found::Target(header.prev))
            }
            Stage::Current => {
                let header = self.header(log, self.current, GUESS)?;
                if header.data > 0 {
                    return Ok(Found::Current(header, Some(data(log, self.current, &header)?), self.current));
                }
                let back = log.number(self.current + DATA_HEADER as u64)?;
                if back >= self.current {
                    return damaged(self.current, Broken::Pointer);
                }
                Ok(Found::Current(header, None, back))
            }
            Stage::UndoneState(at, _) | Stage::CurrentState(at) | Stage::Earlier(at) => self.state(log, at),
        }
    }

    fn take(&mut self, found: Found) -> Option<Self::Answer> {
        match found {
            Found::Packed | Found::Moved(0, _) => {
                mark!("what a vote undoes was packed meanwhile");
                Some(Err(UndoRefusal::Packed))
            }
            Found::Moved(at, false) => {
                self.stage = Stage::Moved(at);
                None
            }
            Found::Moved(at, true) => {
                mark!("what a vote undoes is found in the packed log");
                self.target.record = Place { at, log: self.log };
                self.stage = Stage::Target;
                None
            }
            Found::Target(before) => {
                self.before = before;
                match self.so_far.take() {
                    Some(SoFar::Stored(state)) => self.on_current(0, Some(state)),
                    Some(SoFar::Back(place)) => self.on_current(place.at, None),
                    Some(SoFar::Gone) => Some(Err(UndoRefusal::NoState)),
                    None if self.current == self.target.record.at => Some(self.set_back()),
                    None => {
                        self.stage = Stage::Current;
                        None
                    }
                }
            }
            Found::Current(header, own, from) => {
                self.serial = Some(header.tid);
                self.on_current(from, own)
            }
            Found::Further(back) => {
                match &mut self.stage {
                    Stage::UndoneState(at, _) | Stage::CurrentState(at) | Stage::Earlier(at) => *at = back,
                    stage => unreachable!("no state is looked for: {stage:?}"),
                }
                None
            }
            Found::State(None) => Some(Err(UndoRefusal::NoState)),
            Found::State(Some(state)) => match &self.stage {
                Stage::UndoneState(_, now) => {
                    let now = now.clone();
                    self.undone_state = state;
                    match now {
                        Now::Known(current) => self.compare(&current),
                        Now::At(at) => {
                            self.stage = Stage::CurrentState(at);
                            None
                        }
                    }
                }
                Stage::CurrentState(_) => self.compare(&state),
                Stage::Earlier(_) => {
                    let serial = self.serial.expect("only committed states are merged");
                    Some(Ok(Undone::Merge { current: serial, earlier: state }))
                }
                stage => unreachable!("no state is looked for: {stage:?}"),
            },
        }
    }
}

impl Query for Undo {
    fn purpose<C>(asked: Asked<C, Undo>) -> Purpose<C> {
        Purpose::Undo(Box::new(asked))
    }

    fn restart(&mut self, _: &Book) -> Option<Result<Self::Answer, StoreError>> {
        // What the transaction did before to the object may have been a place.
        Some(Err(StoreError::Repacked))
    }

    fn done<C>(self, context: C, result: Result<Self::Answer, StoreError>) -> StoreDone<C> {
        StoreDone::Undone { context, result }
    }
}
