//! Transactions that are gathered here and voted above.

use crate::client::{Changes, Operation, Ticket, TxnRef};
use crate::commit::txn::Header;
use crate::ids::{Oid, Tid};
use crate::limits::Limits;
use crate::server::names::{ConnId, ReplyTo, TxnKey};
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

impl Txn {
    fn new(key: TxnKey, header: Header, limits: Limits) -> Txn {
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

/// The open transactions of one storage: at most one a connection.
#[derive(Debug)]
pub(super) struct Txns {
    txns: BTreeMap<ConnId, Txn>,
    /// Whose transaction a key names.
    owners: BTreeMap<TxnKey, ConnId>,
    given: u64,
    limits: Limits,
}

impl Txns {
    pub(super) fn new(limits: Limits) -> Txns {
        Txns { txns: BTreeMap::new(), owners: BTreeMap::new(), given: 0, limits }
    }

    /// `tpc_begin`. Beginning the open transaction again does nothing, as in Python's server.
    ///
    /// # Errors
    /// A StorageTransactionError when another one is open.
    pub(super) fn begin(&mut self, conn: ConnId, header: Header) -> Result<(), RemoteError> {
        if let Some(open) = self.txns.get(&conn) {
            let what = "Multiple simultaneous tpc_begin requests from one client.";
            let same = open.id == header.id;
            return if same { Ok(()) } else { Err(RemoteError::StorageTransaction(what.into())) };
        }
        self.given += 1;
        let key = TxnKey(self.given);
        self.owners.insert(key, conn);
        self.txns.insert(conn, Txn::new(key, header, self.limits));
        Ok(())
    }

    /// The connection's transaction, if `id` names it.
    ///
    /// # Errors
    /// A StorageTransactionError when it does not.
    pub(super) fn open(&mut self, conn: ConnId, id: TxnId) -> Result<&mut Txn, RemoteError> {
        let what = match self.txns.get_mut(&conn) {
            Some(open) if open.id == id => return Ok(open),
            Some(open) => format!("transaction {} is not the open one, {}", id.0, open.id.0),
            None => format!("no transaction {} is open", id.0),
        };
        Err(RemoteError::StorageTransaction(what))
    }

    /// The connection's transaction, if it still takes changes and votes.
    ///
    /// # Errors
    /// A StorageTransactionError when it does not.
    pub(super) fn building(&mut self, conn: ConnId, id: TxnId) -> Result<&mut Txn, RemoteError> {
        let txn = self.open(conn, id)?;
        let how = match txn.phase {
            Phase::Open => return Ok(txn),
            Phase::Writing(_) => "waiting",
            Phase::Voting(..) | Phase::Voted => "locked",
        };
        Err(RemoteError::StorageTransaction(format!("Already voting ({how})")))
    }

    /// The connection's transaction.
    pub(super) fn of(&self, conn: ConnId) -> Option<&Txn> {
        self.txns.get(&conn)
    }

    /// The connection's transaction, if it still is the one with this key.
    pub(super) fn keyed(&mut self, conn: ConnId, key: TxnKey) -> Option<&mut Txn> {
        self.txns.get_mut(&conn).filter(|txn| txn.key == key)
    }

    /// The transaction of a connection that is known to have one.
    ///
    /// # Panics
    /// When it has none.
    pub(super) fn voting(&mut self, conn: ConnId) -> &mut Txn {
        self.txns.get_mut(&conn).expect("the transaction that votes")
    }

    /// The one that is called so above.
    pub(super) fn above(&self, at: TxnRef) -> Option<&Txn> {
        self.txns.values().find(|txn| txn.at == Some(at))
    }

    /// Whose transaction a key names.
    pub(super) fn owner(&self, key: TxnKey) -> Option<ConnId> {
        self.owners.get(&key).copied()
    }

    /// Takes the connection's transaction out.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Txn> {
        let txn = self.txns.remove(&conn)?;
        self.owners.remove(&txn.key);
        Some(txn)
    }

    /// All of them, with whose they are.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &Txn)> {
        self.txns.iter().map(|(conn, txn)| (*conn, txn))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.txns.len()
    }
}
