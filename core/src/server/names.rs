//! What things are called between the parts of a server.

use super::undo_log::UndoSearch;
use crate::ids::Oid;
use crate::wire::Codec;
use crate::wire::call::{IteratorId, MessageId};

/// A connection, named by the shell; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A storage, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageId(pub usize);

/// What a store operation is for; it travels with the operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Context {
    /// The answer is a reply.
    Read(ReplyTo),
    /// The answer is `record_iternext`'s, with the object behind the one that is read.
    Current {
        /// Who asked.
        to: ReplyTo,
        /// `None`: it is the last.
        next: Option<Oid>,
    },
    /// The answer is the next element of an iteration.
    Iterate {
        /// Who asked.
        to: ReplyTo,
        /// The iteration.
        iterator: IteratorId,
    },
    /// A vote checks its object in place `at`.
    Check {
        /// Whose transaction.
        conn: ConnId,
        /// Which of its transactions.
        key: TxnKey,
        /// Which object.
        at: usize,
    },
    /// A vote undoes a transaction.
    Undo {
        /// Whose transaction.
        conn: ConnId,
        /// Which of its transactions.
        key: TxnKey,
    },
    /// A voted transaction is to hold an object's state in the place of a place.
    State {
        /// Whose transaction.
        conn: ConnId,
        /// Which of its transactions.
        key: TxnKey,
        /// The object.
        oid: Oid,
    },
    /// Transactions are gathered that can be undone.
    UndoLog(Box<UndoSearch>),
    /// A vote reserves room.
    Reserve {
        /// Whose transaction.
        conn: ConnId,
        /// Which of its transactions.
        key: TxnKey,
        /// How much.
        bytes: u64,
    },
}

/// A transaction's own name in its storage, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnKey(pub u64);

/// Who waits for a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyTo {
    /// The connection.
    pub conn: ConnId,
    /// Its encoding.
    pub codec: Codec,
    /// What it wants its reply to carry.
    pub id: MessageId,
    /// It wants none: a result is dropped, and an error closes the connection, since there is no way to tell it.
    pub one_way: bool,
}
