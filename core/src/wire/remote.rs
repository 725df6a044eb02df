//! Errors as they travel: `(dotted class, arguments)` in a reply with flag 2.
//!
//! Python's client rebuilds `KeyError`, `TypeError` and the `POSException` classes from these shapes; every other
//! class reaches its caller as a `ServerException`. The arguments are the exception's attributes when it has any (a
//! dictionary), else its positional arguments (a tuple).

use crate::ids::{Oid, Tid};
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::packet::{LeftOut, Packet};
use crate::wire::reply::REPLY;
use crate::wire::tree::{Kind, Value};
use crate::wire::writer::Writer;
use bytes::BytesMut;
use thiserror::Error;

/// An error reply.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RemoteError {
    /// `ZODB.POSException.POSKeyError(oid)`: no such object or revision.
    #[error("no object {0} there")]
    PosKey(Oid),
    /// `ZODB.POSException.POSKeyError(None)`: no object was named, as a mapping would answer.
    #[error("no object is named")]
    NoOid,
    /// `builtins.KeyError(number)`: no such iteration.
    #[error("no iteration {0} is open")]
    Key(i64),
    /// `ZODB.POSException.ReadOnlyError()`.
    #[error("the storage is read-only")]
    ReadOnly,
    /// `ZODB.POSException.ConflictError`: a store on a revision that is not current.
    #[error("conflict on {}: {} is current, {} was read", .0.oid, .0.committed, .0.read)]
    Conflict(Box<ConflictError>),
    /// `ZODB.POSException.ReadConflictError`: a read check that failed.
    #[error("read conflict on {}: {} is current, {} was read", .0.oid, .0.committed, .0.read)]
    ReadConflict(Box<ConflictError>),
    /// `ZODB.POSException.UndoError(reason)`: a transaction that cannot be undone.
    #[error("{0}")]
    Undo(String),
    /// `ZODB.POSException.MultipleUndoErrors`: objects for which a transaction cannot be undone, and why; never none.
    #[error("{} objects cannot be set back: {}: {}", .0.len(), .0[0].0, .0[0].1)]
    MultipleUndo(Vec<(Oid, String)>),
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
    /// `ZODB.FileStorage.FileStorage.FileStorageError(message)`.
    #[error("{0}")]
    FileStorage(String),
    /// `ZODB.POSException.Unsupported(message)`: a method this server does not have.
    #[error("{0}")]
    Unsupported(String),
    /// `ZEO.Exceptions.ClientDisconnected(message)`: a server between this one and the storage has lost its connection.
    #[error("{0}")]
    Disconnected(String),
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

/// The classes, by the names they have on the wire.
mod class {
    pub(super) const POS_KEY: &str = "ZODB.POSException.POSKeyError";
    pub(super) const KEY: &str = "builtins.KeyError";
    pub(super) const READ_ONLY: &str = "ZODB.POSException.ReadOnlyError";
    pub(super) const CONFLICT: &str = "ZODB.POSException.ConflictError";
    pub(super) const READ_CONFLICT: &str = "ZODB.POSException.ReadConflictError";
    pub(super) const BTREES_CONFLICT: &str = "ZODB.POSException.BTreesConflictError";
    pub(super) const UNDO: &str = "ZODB.POSException.UndoError";
    pub(super) const MULTIPLE_UNDO: &str = "ZODB.POSException.MultipleUndoErrors";
    pub(super) const STORAGE_TRANSACTION: &str = "ZODB.POSException.StorageTransactionError";
    pub(super) const TRANSACTION_TOO_LARGE: &str = "ZODB.POSException.TransactionTooLargeError";
    pub(super) const STORAGE_SYSTEM: &str = "ZODB.POSException.StorageSystemError";
    pub(super) const STORAGE: &str = "ZODB.POSException.StorageError";
    pub(super) const FILE_STORAGE: &str = "ZODB.FileStorage.FileStorage.FileStorageError";
    pub(super) const UNSUPPORTED: &str = "ZODB.POSException.Unsupported";
    pub(super) const DISCONNECTED: &str = "ZEO.Exceptions.ClientDisconnected";
    pub(super) const TYPE: &str = "builtins.TypeError";
    pub(super) const VALUE: &str = "builtins.ValueError";
}

impl RemoteError {
    /// The answer to a method of the protocol that this server does not have.
    pub fn unsupported(method: &str) -> RemoteError {
        RemoteError::Unsupported(format!("this server does not support {method}"))
    }

    /// The dotted class, as Python's client knows it.
    pub fn class(&self) -> &str {
        match self {
            RemoteError::PosKey(_) | RemoteError::NoOid => class::POS_KEY,
            RemoteError::Key(_) => class::KEY,
            RemoteError::ReadOnly => class::READ_ONLY,
            RemoteError::Conflict(_) => class::CONFLICT,
            RemoteError::ReadConflict(_) => class::READ_CONFLICT,
            RemoteError::Undo(_) => class::UNDO,
            RemoteError::MultipleUndo(_) => class::MULTIPLE_UNDO,
            RemoteError::StorageTransaction(_) => class::STORAGE_TRANSACTION,
            RemoteError::TransactionTooLarge(_) => class::TRANSACTION_TOO_LARGE,
            RemoteError::StorageSystem(_) => class::STORAGE_SYSTEM,
            RemoteError::Storage(_) => class::STORAGE,
            RemoteError::FileStorage(_) => class::FILE_STORAGE,
            RemoteError::Unsupported(_) => class::UNSUPPORTED,
            RemoteError::Disconnected(_) => class::DISCONNECTED,
            RemoteError::Type(_) => class::TYPE,
            RemoteError::Value(_) => class::VALUE,
            RemoteError::Other { class, .. } => class,
        }
    }

    /// The error reply to call `id`: `(id, 2, '.reply', (class, arguments))`. `out` lends its room, as for
    /// [`Reply::encode`](crate::wire::reply::Reply::encode).
    pub fn encode(&self, codec: Codec, id: &MessageId, out: &mut BytesMut) -> Packet {
        Packet::encode(codec, out, |writer| {
            writer.tuple(4, |w| {
                id.write(w);
                w.int(2);
                w.str(REPLY);
                w.tuple(2, |w| {
                    w.str(self.class());
                    self.write_arguments(w);
                });
            });
            LeftOut::Nothing
        })
    }

    fn write_arguments(&self, writer: &mut Writer<'_>) {
        match self {
            RemoteError::PosKey(oid) => writer.tuple(1, |w| w.oid(*oid)),
            RemoteError::NoOid => writer.tuple(1, |w| w.none()),
            RemoteError::Key(number) => writer.tuple(1, |w| w.int(*number)),
            RemoteError::ReadOnly => writer.tuple(0, |_| ()),
            RemoteError::Conflict(error) => error.write("database conflict error", writer),
            RemoteError::ReadConflict(error) => error.write("database read conflict error", writer),
            RemoteError::Undo(reason) => undo_error(writer, reason),
            RemoteError::MultipleUndo(errors) => writer.dict(["_reason", "_oid", "_errs"], |w, key| {
                w.str(key);
                match key {
                    "_reason" => w.str(&errors[0].1),
                    "_oid" => w.oid(errors[0].0),
                    // The text alone: Python prints nothing else in either encoding.
                    _ => w.list(errors, |w, (oid, reason)| {
                        w.tuple(2, |w| {
                            w.oid(*oid);
                            w.str(reason);
                        });
                    }),
                }
            }),
            RemoteError::StorageTransaction(message)
            | RemoteError::TransactionTooLarge(message)
            | RemoteError::StorageSystem(message)
            | RemoteError::FileStorage(message)
            | RemoteError::Unsupported(message)
            | RemoteError::Storage(message)
            | RemoteError::Disconnected(message)
            | RemoteError::Type(message)
            | RemoteError::Value(message) => writer.tuple(1, |w| w.str(message)),
            RemoteError::Other { class, args } => write_other(class, args, writer),
        }
    }

    /// Reads `(class, arguments)`; what is not one of the known shapes is printed. `None` when it is no such pair.
    pub(in crate::wire) fn read(value: Value<'_>) -> Option<RemoteError> {
        let [class, arguments] = value.array()?;
        let class = class.as_str()?;
        Some(RemoteError::known(class, arguments).unwrap_or_else(|| RemoteError::Other {
            class: class.into(),
            args: arguments.to_owned().map_or_else(|error| error.to_string(), |args| args.to_string()),
        }))
    }

    fn known(class: &str, arguments: Value<'_>) -> Option<RemoteError> {
        let message = || Some(arguments.array::<1>()?[0].as_str()?.to_owned());
        Some(match class {
            class::POS_KEY => {
                let oid = arguments.array::<1>()?[0].or_none(Value::as_oid)?;
                oid.map_or(RemoteError::NoOid, RemoteError::PosKey)
            }
            class::KEY => RemoteError::Key(arguments.array::<1>()?[0].as_int()?),
            class::UNDO => RemoteError::Undo(arguments.field("_reason")?.as_str()?.to_owned()),
            class::MULTIPLE_UNDO => {
                let error = |value: Value<'_>| {
                    let [oid, error] = value.array()?;
                    Some((oid.as_oid()?, undo_reason(error)?.to_owned()))
                };
                let errors: Vec<_> = arguments.field("_errs")?.items()?.map(error).collect::<Option<_>>()?;
                if errors.is_empty() {
                    return None;
                }
                RemoteError::MultipleUndo(errors)
            }
            class::READ_ONLY => {
                arguments.array::<0>()?;
                RemoteError::ReadOnly
            }
            class::CONFLICT => RemoteError::Conflict(Box::new(ConflictError::read(arguments)?)),
            class::READ_CONFLICT => RemoteError::ReadConflict(Box::new(ConflictError::read(arguments)?)),
            class::STORAGE_TRANSACTION => RemoteError::StorageTransaction(message()?),
            class::TRANSACTION_TOO_LARGE => RemoteError::TransactionTooLarge(message()?),
            class::STORAGE_SYSTEM => RemoteError::StorageSystem(message()?),
            class::STORAGE => RemoteError::Storage(message()?),
            class::FILE_STORAGE => RemoteError::FileStorage(message()?),
            class::UNSUPPORTED => RemoteError::Unsupported(message()?),
            class::DISCONNECTED => RemoteError::Disconnected(message()?),
            class::TYPE => RemoteError::Type(message()?),
            class::VALUE => RemoteError::Value(message()?),
            _ => return None,
        })
    }
}

/// The attributes of an `UndoError`.
fn undo_error(writer: &mut Writer<'_>, reason: &str) {
    writer.dict(["_reason", "_oid"], |w, key| {
        w.str(key);
        if key == "_reason" { w.str(reason) } else { w.none() }
    });
}

/// Why an object cannot be set back: a text from our servers, from Python's the class and attributes of an `UndoError` in
/// msgpack, and the exception itself in a pickle.
fn undo_reason(error: Value<'_>) -> Option<&str> {
    let attributes = match error.kind() {
        Kind::Str(reason) => return Some(reason),
        Kind::Reduce { args, .. } => args.array::<2>()?[1],
        _ => error.array::<2>()?[1],
    };
    attributes.field("_reason")?.as_str()
}

/// Arguments that are not known. Of some classes Python's client wants attributes, and never answers its caller without.
fn write_other(class: &str, args: &str, writer: &mut Writer<'_>) {
    match class {
        class::CONFLICT | class::READ_CONFLICT => {
            writer.dict(["message", "oid", "class_name", "serials"], |w, key| {
                w.str(key);
                if key == "message" { w.str(args) } else { w.none() }
            });
        }
        class::BTREES_CONFLICT => writer.dict(["p1", "p2", "p3", "reason"], |w, key| {
            w.str(key);
            w.int(-1);
        }),
        class::MULTIPLE_UNDO => writer.dict(["_errs"], |w, key| {
            w.str(key);
            w.list(&[args], |w, reason| {
                w.tuple(2, |w| {
                    w.none();
                    w.str(reason);
                });
            });
        }),
        _ => writer.tuple(1, |w| w.str(args)),
    }
}

impl ConflictError {
    fn write(&self, message: &str, writer: &mut Writer<'_>) {
        writer.dict(["message", "oid", "class_name", "serials"], |w, key| {
            w.str(key);
            match key {
                "message" => w.str(message),
                "oid" => w.oid(self.oid),
                "class_name" => w.optional(self.class_name.as_deref(), Writer::str),
                _ => w.tuple(2, |w| {
                    w.tid(self.committed);
                    w.tid(self.read);
                }),
            }
        });
    }

    fn read(attributes: Value<'_>) -> Option<ConflictError> {
        let [committed, read] = attributes.field("serials")?.array()?;
        Some(ConflictError {
            oid: attributes.field("oid")?.as_oid()?,
            committed: committed.as_tid()?,
            read: read.as_tid()?,
            class_name: match attributes.field("class_name").map(Value::kind) {
                Some(Kind::Str(name)) => Some(name.into()),
                _ => None,
            },
        })
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
