//! The open transactions: at most one a connection, each with a key of its own.

use crate::server::names::{ConnId, TxnKey};
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use std::collections::BTreeMap;

/// A transaction that a connection has open.
pub trait Opened {
    /// Its key.
    fn key(&self) -> TxnKey;
    /// What its client calls it.
    fn id(&self) -> TxnId;
    /// What its vote does, in Python's word, or did; `None`: it takes changes, and may vote.
    fn voting(&self) -> Option<&'static str>;
}

/// The transactions between begin and finish or abort.
#[derive(Debug)]
pub struct Table<T> {
    txns: BTreeMap<ConnId, T>,
    /// Whose transaction a key names.
    owners: BTreeMap<TxnKey, ConnId>,
    next_key: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { txns: BTreeMap::new(), owners: BTreeMap::new(), next_key: 0 }
    }
}

impl<T: Opened> Table<T> {
    /// Takes up a transaction. Beginning the open one again does nothing, as in Python's server.
    ///
    /// # Errors
    /// A StorageTransactionError when another one is open.
    pub fn begin(
        &mut self,
        conn: ConnId,
        id: TxnId,
        made: impl FnOnce(TxnKey) -> T,
    ) -> Result<(), RemoteError> {
        if let Some(open) = self.txns.get(&conn) {
            if open.id() == id {
                mark!("the open transaction is begun again");
                return Ok(());
            }
            let what = "Multiple simultaneous tpc_begin requests from one client.";
            return Err(RemoteError::StorageTransaction(what.into()));
        }
        self.next_key += 1;
        let key = TxnKey(self.next_key);
        self.txns.insert(conn, made(key));
        self.owners.insert(key, conn);
        Ok(())
    }

    /// The connection's transaction.
    pub fn of(&self, conn: ConnId) -> Option<&T> {
        self.txns.get(&conn)
    }

    /// The transaction of a connection that is known to have one.
    ///
    /// # Panics
    /// When it has none.
    pub fn voting(&mut self, conn: ConnId) -> &mut T {
        self.txns.get_mut(&conn).expect("the transaction that votes")
    }

    /// The connection's transaction, if it still is the one with this key.
    pub fn keyed(&mut self, conn: ConnId, key: TxnKey) -> Option<&mut T> {
        self.txns.get_mut(&conn).filter(|txn| txn.key() == key)
    }

    /// The connection's transaction, if `id` names it.
    ///
    /// # Errors
    /// A StorageTransactionError when it does not.
    pub fn open(&mut self, conn: ConnId, id: TxnId) -> Result<&mut T, RemoteError> {
        let what = match self.txns.get_mut(&conn) {
            Some(open) if open.id() == id => return Ok(open),
            Some(open) => format!("transaction {} is not the open one, {}", id.0, open.id().0),
            None => format!("no transaction {} is open", id.0),
        };
        Err(RemoteError::StorageTransaction(what))
    }

    /// The connection's transaction, if it still takes changes and votes.
    ///
    /// # Errors
    /// A StorageTransactionError when it does not.
    pub fn building(&mut self, conn: ConnId, id: TxnId) -> Result<&mut T, RemoteError> {
        let txn = self.open(conn, id)?;
        match txn.voting() {
            None => Ok(txn),
            Some(how) => Err(RemoteError::StorageTransaction(format!("Already voting ({how})"))),
        }
    }

    /// Whose transaction a key names; `None`: it is not open any more.
    pub fn owner(&self, key: TxnKey) -> Option<ConnId> {
        self.owners.get(&key).copied()
    }

    /// Takes the connection's transaction out.
    pub fn remove(&mut self, conn: ConnId) -> Option<T> {
        let txn = self.txns.remove(&conn)?;
        self.owners.remove(&txn.key());
        Some(txn)
    }

    /// All of them, with whose they are.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.txns.iter().map(|(conn, txn)| (*conn, txn))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnId, &mut T)> {
        self.txns.iter_mut().map(|(conn, txn)| (*conn, txn))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.txns.len()
    }
}
