//! The open transactions: at most one a connection, each with a key of its own.

use crate::commit::txn::{Header, Phase, Txn};
use crate::ids::Oid;
use crate::limits::Limits;
use crate::server::names::{ConnId, Context, ReplyTo, TxnKey};
use crate::store::Place;
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use std::collections::BTreeMap;

/// The transactions between begin and finish or abort.
#[derive(Debug)]
pub(super) struct Table {
    txns: BTreeMap<ConnId, Txn>,
    /// Whose transaction a key names.
    owners: BTreeMap<TxnKey, ConnId>,
    next_key: u64,
    limits: Limits,
}

impl Table {
    /// No transactions yet.
    pub(super) fn new(limits: Limits) -> Table {
        Table { txns: BTreeMap::new(), owners: BTreeMap::new(), next_key: 0, limits }
    }

    /// Takes up a transaction. Beginning the open one again does nothing, as in Python's server.
    ///
    /// # Errors
    /// A StorageTransactionError when another one is open.
    pub(super) fn begin(&mut self, conn: ConnId, header: Header) -> Result<(), RemoteError> {
        if let Some(open) = self.txns.get(&conn) {
            if open.id == header.id {
                mark!("the open transaction is begun again");
                return Ok(());
            }
            let what = "Multiple simultaneous tpc_begin requests from one client.";
            return Err(RemoteError::StorageTransaction(what.into()));
        }
        self.next_key += 1;
        let key = TxnKey(self.next_key);
        self.txns.insert(conn, Txn::new(key, header, self.limits));
        self.owners.insert(key, conn);
        Ok(())
    }

    /// The connection's transaction.
    pub(super) fn of(&self, conn: ConnId) -> Option<&Txn> {
        self.txns.get(&conn)
    }

    /// The transaction of a connection that is known to have one.
    ///
    /// # Panics
    /// When it has none.
    pub(super) fn voting(&mut self, conn: ConnId) -> &mut Txn {
        self.txns.get_mut(&conn).expect("the transaction that votes")
    }

    /// The connection's transaction, if it still is the one with this key.
    pub(super) fn keyed(&mut self, conn: ConnId, key: TxnKey) -> Option<&mut Txn> {
        self.txns.get_mut(&conn).filter(|txn| txn.key == key)
    }

    /// The same, if its vote waits for room on the disk; with the vote.
    pub(super) fn reserving(&mut self, conn: ConnId, key: TxnKey) -> Option<(&mut Txn, ReplyTo)> {
        let txn = self.keyed(conn, key)?;
        let Phase::Reserving(vote) = &txn.phase else { return None };
        let vote = vote.clone();
        Some((txn, vote))
    }

    /// The connection's transaction, if `id` names it.
    ///
    /// # Errors
    /// A StorageTransactionError when it does not.
    pub(super) fn open(&mut self, conn: ConnId, id: TxnId) -> Result<&mut Txn, RemoteError> {
        match self.txns.get_mut(&conn) {
            Some(open) if open.id == id => Ok(open),
            Some(open) => {
                let what = format!("transaction {} is not the open one, {}", id.0, open.id.0);
                Err(RemoteError::StorageTransaction(what))
            }
            None => Err(RemoteError::StorageTransaction(format!("no transaction {} is open", id.0))),
        }
    }

    /// The connection's transaction, if it still takes changes and votes.
    ///
    /// # Errors
    /// A StorageTransactionError when it does not.
    pub(super) fn building(&mut self, conn: ConnId, id: TxnId) -> Result<&mut Txn, RemoteError> {
        let txn = self.open(conn, id)?;
        match txn.phase {
            Phase::Open => Ok(txn),
            Phase::Reading(_) | Phase::Waiting(_) => {
                Err(RemoteError::StorageTransaction("Already voting (waiting)".into()))
            }
            _ => Err(RemoteError::StorageTransaction("Already voting (locked)".into())),
        }
    }

    /// Whose transaction a key names; `None`: it is not open any more.
    pub(super) fn owner(&self, key: TxnKey) -> Option<ConnId> {
        self.owners.get(&key).copied()
    }

    /// Takes the connection's transaction out.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Txn> {
        let txn = self.txns.remove(&conn)?;
        self.owners.remove(&txn.key);
        Some(txn)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Txn> {
        self.txns.values()
    }

    /// The places that they hold, of which objects, and in which context their states are to be asked for.
    pub(super) fn places(&mut self) -> Vec<(Context, Oid, Place)> {
        let of = |(&conn, txn): (&ConnId, &mut Txn)| {
            let key = txn.key;
            let places = txn.places().into_iter();
            places.map(move |(oid, place)| (Context::State { conn, key, place }, oid, place))
        };
        self.txns.iter_mut().flat_map(of).collect()
    }

    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Txn> {
        self.txns.values_mut()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.txns.len()
    }
}
