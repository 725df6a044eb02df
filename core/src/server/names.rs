//! What things are called between the parts of a server.

use super::undo_log::UndoSearch;
use crate::ids::Oid;
use crate::store::{Nest, Place, Step};
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
    /// A transaction is to hold a state, since its place is not good any more.
    State {
        /// Whose transaction.
        conn: ConnId,
        /// Which of its transactions.
        key: TxnKey,
        /// Where the state is.
        place: Place,
    },
    /// Transactions are gathered that can be undone.
    UndoLog(Box<UndoSearch>),
    /// Part of a store works on an operation of the whole.
    Part(Box<Step<Context>>),
    /// A transaction that was given a state in the place of a pointer reserves more room.
    Room {
        /// Whose transaction.
        conn: ConnId,
        /// Which of its transactions.
        key: TxnKey,
        /// How much more.
        bytes: u64,
    },
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

impl Nest for Context {
    fn nest(step: Box<Step<Context>>) -> Context {
        Context::Part(step)
    }

    fn unnest(self) -> Box<Step<Context>> {
        match self {
            Context::Part(step) => step,
            other => unreachable!("a part answers in the context of the question: {other:?}"),
        }
    }
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
