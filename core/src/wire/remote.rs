//! Errors as they travel: `(dotted class, arguments)` in a reply with flag 2.
//!
//! Python's client rebuilds `KeyError`, `TypeError` and the `POSException` classes from these shapes; every other
//! class reaches its caller as a `ServerException`. The arguments are the exception's attributes when it has any (a
//! dictionary), else its positional arguments (a tuple).

use crate::ids::{Oid, Tid};
use thiserror::Error;

/// An error reply.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RemoteError {
    /// `ZODB.POSException.POSKeyError(oid)`: no such object or revision.
    #[error("no object {0} there")]
    PosKey(Oid),
    /// `ZODB.POSException.ReadOnlyError()`.
    #[error("the storage is read-only")]
    ReadOnly,
    /// `ZODB.POSException.ConflictError`: a store on a revision that is not current.
    #[error("conflict on {}: {} is current, {} was read", .0.oid, .0.committed, .0.read)]
    Conflict(Box<ConflictError>),
    /// `ZODB.POSException.ReadConflictError`: a read check that failed.
    #[error("read conflict on {}: {} is current, {} was read", .0.oid, .0.committed, .0.read)]
    ReadConflict(Box<ConflictError>),
    /// `ZODB.POSException.StorageTransactionError(message)`.
    #[error("{0}")]
    StorageTransaction(String),
    /// `ZODB.POSException.TransactionTooLargeError(message)`.
    #[error("{0}")]
    TransactionTooLarge(String),
    /// `ZODB.POSException.StorageSystemError(message)`: the storage itself is at fault.
    #[error("{0}")]
    StorageSystem(String),
    /// `ZODB.POSException.StorageError(message)`.
    #[error("{0}")]
    Storage(String),
    /// `builtins.TypeError(message)`.
    #[error("{0}")]
    Type(String),
    /// `builtins.ValueError(message)`.
    #[error("{0}")]
    Value(String),
    /// Another class, from a server of another kind.
    #[error("{class}: {args}")]
    Other {
        /// The dotted class.
        class: String,
        /// Its arguments, printed.
        args: String,
    },
}

/// The attributes of a `ConflictError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictError {
    /// The object.
    pub oid: Oid,
    /// The current revision.
    pub committed: Tid,
    /// The revision that was read.
    pub read: Tid,
    /// The object's class as `module.name`, where its state was at hand to tell.
    pub class_name: Option<String>,
}
