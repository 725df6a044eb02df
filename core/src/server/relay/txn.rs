//! Transactions that are gathered here and voted above.

use crate::client::{Changes, Operation, Ticket, TxnRef};
use crate::commit::table::Opened;
use crate::commit::txn::Header;
use crate::ids::{Oid, Tid};
use crate::limits::Limits;
use crate::server::names::{ReplyTo, TxnKey};
use crate::store::blob::DraftId;
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use bytes::Bytes;
use std::collections::BTreeMap;

/// How far a transaction is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// It takes changes; after conflicts it does so with its place above kept.
    Open,
    /// Its vote waits for its blobs to be written.
    Writing(ReplyTo),
    /// Its vote is under way above, under this ticket.
    Voting(ReplyTo, Ticket),
    /// It may finish.
    Voted,
}

/// A transaction of one connection.
#[derive(Debug)]
pub(super) struct Txn {
    pub(super) key: TxnKey,
    pub(super) id: TxnId,
    pub(super) phase: Phase,
    /// What it is called above; `None` before its first vote.
    pub(super) at: Option<TxnRef>,
    /// The upload under way.
    pub(super) coming: Option<DraftId>,
    /// Its header, and what was not sent yet.
    changes: Changes,
    /// Operations that were sent.
    sent: usize,
    /// The blobs of all operations, by the operation's place.
    blobs: BTreeMap<usize, DraftId>,
    bytes: usize,
    limits: Limits,
    /// Something that could not be taken, for the vote to tell.
    spoiled: Option<RemoteError>,
    /// A vote was answered: it has its place above.
    pub(super) judged: bool,
    /// Conflicts its client was told of.
    pub(super) conflicts: u64,
    /// The last vote ended in some.
    pub(super) in_conflict: bool,
}

impl Opened for Txn {
    fn key(&self) -> TxnKey {
        self.key
    }

    fn id(&self) -> TxnId {
        self.id
    }

    fn voting(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Open => None,
            Phase::Writing(_) => Some("waiting"),
            Phase::Voting(..) | Phase::Voted => Some("locked"),
        }
    }
}

impl Txn {
    pub(super) fn new(key: TxnKey, header: Header, limits: Limits) -> Txn {
        let Header { id, user, description, extension, tid, status } = header;
        let refused = || {
            let what = format!("status {:?} comes without a tid", char::from(status));
            RemoteError::StorageTransaction(what)
        };
        let spoiled = (tid.is_none() && status != b' ').then(refused);
        let copied = tid.map(|tid| (tid, status));
        let changes = Changes { user, description, extension, copied, relayed: true, ..Changes::default() };
        Txn {
            key,
            id,
            phase: Phase::Open,
            at: None,
            coming: None,
            changes,
            sent: 0,
            blobs: BTreeMap::new(),
            bytes: 0,
            limits,
            spoiled,
            judged: false,
            conflicts: 0,
            in_conflict: false,
        }
    }

    /// Takes an operation, unless it is one too many.
    pub(super) fn add(&mut self, operation: Operation) {
        self.bytes += match &operation {
            Operation::Store { data, .. }
            | Operation::StoreBlob { data, .. }
            | Operation::Restore { data: Some(data), .. } => data.len(),
            Operation::Restore { data: None, .. }
            | Operation::ReadCheck { .. }
            | Operation::Delete { .. }
            | Operation::Undo(_) => 0,
        };
        let Limits { transaction_bytes, transaction_objects, .. } = self.limits;
        if self.bytes > transaction_bytes || self.place() >= transaction_objects {
            let what =
                format!("the transaction exceeds {transaction_bytes} bytes or {transaction_objects} objects");
            return self.spoil(RemoteError::TransactionTooLarge(what));
        }
        self.changes.operations.push(operation);
    }

    /// Takes a store with its blob; gives the blob back when the store is one too many.
    pub(super) fn add_blob(
        &mut self,
        (oid, serial, data): (Oid, Tid, Bytes),
        draft: DraftId,
    ) -> Option<DraftId> {
        let place = self.place();
        self.add(Operation::StoreBlob { oid, serial, data });
        if self.place() == place {
            return Some(draft);
        }
        self.blobs.insert(place, draft);
        None
    }

    fn place(&self) -> usize {
        self.sent + self.changes.operations.len()
    }

    /// Something went wrong of which no reply can tell: the vote will.
    pub(super) fn spoil(&mut self, error: RemoteError) {
        self.spoiled.get_or_insert(error);
    }

    /// Why it cannot be voted.
    pub(super) fn spoiled(&self) -> Option<&RemoteError> {
        self.spoiled.as_ref()
    }

    /// The blob of an operation.
    pub(super) fn blob(&self, place: usize) -> Option<DraftId> {
        self.blobs.get(&place).copied()
    }

    /// All blobs, the one that is coming in included.
    pub(super) fn drafts(&self) -> impl Iterator<Item = DraftId> + '_ {
        self.blobs.values().copied().chain(self.coming)
    }

    /// What was not sent yet: for the first vote with the header.
    pub(super) fn take_changes(&mut self) -> Changes {
        let operations = std::mem::take(&mut self.changes.operations);
        self.sent += operations.len();
        Changes { operations, ..self.changes.clone() }
    }
}
