//! Transactions, as they are appended and as an iteration gives them.

use crate::ids::{Oid, Tid};
use bytes::Bytes;

/// A transaction ready to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its id, later than all before.
    pub tid: Tid,
    /// A blank unless a database is copied.
    pub status: u8,
    /// User name.
    pub user: Bytes,
    /// Description.
    pub description: Bytes,
    /// The extension dictionary as a pickle, or empty.
    pub extension: Bytes,
    /// The objects, each at most once.
    pub records: Vec<Record>,
    /// It is one of another storage: an object may come several times.
    pub copied: bool,
}

/// An object's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The object.
    pub oid: Oid,
    /// The state; `None` deletes the object.
    pub data: Option<Bytes>,
    /// Where the store has this state already: then it is not written once more.
    pub same_as: Option<Place>,
}

/// Where a store keeps a revision or a transaction; good for that store alone, and until it is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) at: u64,
    /// The log that this is good for.
    pub(super) log: u32,
}

/// A transaction as an iteration gives it, its records still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionHead {
    /// Its id.
    pub tid: Tid,
    /// Its status.
    pub status: u8,
    /// Who made it.
    pub user: Bytes,
    /// Why.
    pub description: Bytes,
    /// Extension data as a pickle; empty for none.
    pub extension: Bytes,
    /// Bytes it takes in the store; zero where that makes no sense.
    pub size: u64,
    /// Where it is.
    pub at: Place,
    /// All its records.
    pub records: RecordsLeft,
    /// Where the next transaction is.
    pub behind: Place,
}

/// The records of a transaction that were not read yet; good for the store that gave it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsLeft {
    pub(super) tid: Tid,
    /// The log that these are good for, and how many records were given.
    pub(super) log: u32,
    pub(super) given: u64,
    /// Where the transaction starts, where its next record is, and where the last one ends.
    pub(super) txn: u64,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl RecordsLeft {
    /// The transaction.
    pub fn tid(&self) -> Tid {
        self.tid
    }
}

/// A transaction with all its records, as an iteration gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CopiedTransaction {
    /// Its id.
    pub tid: Tid,
    /// Its status.
    pub status: u8,
    /// Who made it.
    pub user: Bytes,
    /// Why.
    pub description: Bytes,
    /// Extension data as a pickle; empty for none.
    pub extension: Bytes,
    /// What it wrote.
    pub records: Vec<CopiedRecord>,
}

/// One record of such a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedRecord {
    /// The object.
    pub oid: Oid,
    /// The transaction it is of.
    pub serial: Tid,
    /// Its state; `None` where its creation was undone, or it was deleted.
    pub data: Option<Bytes>,
    /// A transaction that has the same state, if known.
    pub same_as: Option<Tid>,
}
