//! One transaction on the server: what it does, and how far it is.

use super::desk::Desk;
use super::fault::Fault;
use super::link::Link;
use super::mark::Mark;
use super::purpose::Purpose;
use super::resolve::Merging;
use super::settle::Settlement;
use super::{Answer, Changes, Error, Finished, Operation, Output, ServerId, Ticket, TxnRef};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::wire::call::{Request, TxnId};
use crate::wire::tree::Tree;
use crate::wire::{Malformed, pickle};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// How far a transaction is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its operations are being sent; the one with this number is a blob that is being read.
    Sending(usize),
    /// The server checks it, and locks its objects.
    Voting,
    /// Conflicts are being merged.
    Merging(Merging),
    /// The caller was told of conflicts, and goes on.
    Conflicting,
    /// It holds its locks until the caller says what becomes of it.
    Voted,
    /// It is being made durable, for this caller.
    Finishing(Ticket),
    /// It is durable; transactions before it may still be told of.
    Overtaking(Ticket, Tid),
}

/// A transaction on the server.
#[derive(Debug)]
pub(super) struct Txn {
    pub(super) at: TxnRef,
    /// Who waits for the answer to its vote.
    pub(super) voter: Ticket,
    pub(super) id: TxnId,
    pub(super) changes: Box<Changes>,
    pub(super) mark: Option<Mark>,
    pub(super) stage: Stage,
    /// Votes that ended in conflicts.
    pub(super) rounds: u32,
    /// Objects that got another state than the caller stored.
    pub(super) changed: BTreeSet<Oid>,
}

impl Txn {
    /// Whether it is, or may be, durable.
    pub(super) fn is_finishing(&self) -> bool {
        matches!(self.stage, Stage::Finishing(_) | Stage::Overtaking(..))
    }

    pub(super) fn finished(&self, tid: Tid) -> Answer {
        Answer::Finished(Finished { tid, changed: self.changed.iter().copied().collect() })
    }

    /// Sends its operations from this one on, up to the vote or to a blob, which takes its time.
    pub(super) fn send(&mut self, desk: &mut Desk, link: &mut Link, from: usize) {
        for (place, operation) in self.changes.operations.iter().enumerate().skip(from) {
            match request(self.id, operation) {
                Some(request) => link.tell(&request),
                None => {
                    self.stage = Stage::Sending(place);
                    link.tell(&Request::StoreBlobStart);
                    return desk.push(Output::ReadBlob { txn: self.at, at: place });
                }
            }
        }
        self.vote(desk, link);
    }

    pub(super) fn vote(&mut self, desk: &Desk, link: &mut Link) {
        self.stage = Stage::Voting;
        link.call(desk, Purpose::Vote(self.at), &Request::Vote(self.id));
    }

    /// What the cache is to make of it: the states that are known, by object.
    pub(super) fn states(&self) -> BTreeMap<Oid, Option<Bytes>> {
        let mut states = BTreeMap::new();
        for operation in &self.changes.operations {
            match operation {
                Operation::Store { oid, data, .. } | Operation::StoreBlob { oid, data, .. } => {
                    states.insert(*oid, Some(data.clone()));
                }
                Operation::Delete { oid, .. } | Operation::Restore { oid, .. } => {
                    states.insert(*oid, None);
                }
                Operation::ReadCheck { .. } | Operation::Undo(_) => {}
            }
        }
        states.extend(self.changed.iter().map(|oid| (*oid, None)));
        states
    }

    /// The question what became of it.
    pub(super) fn unsettled(
        self,
        desk: &Desk,
        server: ServerId,
        ticket: Ticket,
        fault: &Fault,
    ) -> Settlement {
        let written = self.changes.operations.iter().filter_map(|operation| match operation {
            Operation::Store { oid, serial, .. }
            | Operation::StoreBlob { oid, serial, .. }
            | Operation::Delete { oid, serial } => Some((*oid, *serial)),
            Operation::Restore { oid, .. } => Some((*oid, Tid::ZERO)),
            Operation::ReadCheck { .. } | Operation::Undo(_) => None,
        });
        let undone = self.changed.iter().map(|oid| (*oid, Tid::ZERO));
        // An object with a past has a history even if this transaction has no part in it.
        let written = written.chain(undone).max_by_key(|(_, serial)| *serial > Tid::ZERO);
        Settlement::new(desk, (server, ticket), self.at, self.mark.zip(written), self.changed, fault)
    }
}

impl Changes {
    /// Whether it is about revisions that there have to be.
    pub(super) fn is_based(&self) -> bool {
        self.operations.iter().any(|operation| match operation {
            Operation::Store { serial, .. }
            | Operation::StoreBlob { serial, .. }
            | Operation::Delete { serial, .. }
            | Operation::ReadCheck { serial, .. } => *serial > Tid::ZERO,
            Operation::Undo(_) => true,
            Operation::Restore { .. } => false,
        })
    }

    pub(super) fn stores(&self, wanted: Oid) -> bool {
        self.operations.iter().any(|operation| match operation {
            Operation::Store { oid, .. } | Operation::StoreBlob { oid, .. } => *oid == wanted,
            _ => false,
        })
    }
}

/// What could not be sent, or would cost the connection, is refused before anything is sent.
pub(super) fn check(changes: &Changes) -> Result<(), Error> {
    let metadata = [changes.user.len(), changes.description.len(), changes.extension.len()];
    if metadata.into_iter().any(|len| len > limits::METADATA) {
        return Err(Error::Limit("bytes of user name, description or extension"));
    }
    // What a copy carries was taken by another storage before, whatever it is.
    if changes.copied.is_none() {
        check_extension(&changes.extension)?;
    }
    check_operations(&changes.operations)
}

pub(super) fn check_operations(operations: &[Operation]) -> Result<(), Error> {
    operations.iter().try_for_each(|operation| match operation {
        Operation::Store { oid, data, .. }
        | Operation::StoreBlob { oid, data, .. }
        | Operation::Restore { oid, data: Some(data), .. } => check_state(*oid, data),
        Operation::Restore { data: None, .. }
        | Operation::ReadCheck { .. }
        | Operation::Delete { .. }
        | Operation::Undo(_) => Ok(()),
    })
}

fn check_extension(pickled: &[u8]) -> Result<(), Error> {
    if pickled.is_empty() {
        return Ok(());
    }
    match pickle::read(pickled, &mut Tree::default()) {
        Ok(value) if value.pairs().is_some() => Ok(()),
        Ok(_) => Err(Error::Extension(Malformed::Shape("not a dictionary"))),
        Err(error) => Err(Error::Extension(error)),
    }
}

pub(super) fn check_state(oid: Oid, state: &Bytes) -> Result<(), Error> {
    match state.len() {
        // In a Data.fs no bytes stand for a reference to another record: Python's storage reads on behind it.
        0 => Err(Error::Empty(oid)),
        len if len > limits::STATE => Err(Error::Limit("bytes of an object")),
        _ => Ok(()),
    }
}

/// What is sent for an operation; a blob is sent in pieces.
fn request(txn: TxnId, operation: &Operation) -> Option<Request<'_>> {
    Some(match operation {
        Operation::Store { oid, serial, data } => Request::Storea { oid: *oid, serial: *serial, data, txn },
        Operation::StoreBlob { .. } => return None,
        Operation::ReadCheck { oid, serial } => Request::CheckCurrent { oid: *oid, serial: *serial, txn },
        Operation::Delete { oid, serial } => Request::DeleteObject { oid: *oid, serial: *serial, txn },
        Operation::Undo(tid) => Request::Undoa { tid: *tid, txn },
        Operation::Restore { oid, serial, data, same_as } => {
            Request::Restorea { oid: *oid, serial: *serial, data: data.as_deref(), prev_txn: *same_as, txn }
        }
    })
}
