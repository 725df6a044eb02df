//! What a client asks of a server.

mod decode;
mod encode;

use crate::ids::{Oid, Tid};
use crate::wire::tree::Owned;

pub use decode::decode;
pub use encode::{encode, heartbeat};

/// What a caller wants its reply to carry: echoed as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageId {
    /// The usual counter.
    Int(i64),
    /// `loadBefore` calls are named by their arguments, so that equal loads can be joined.
    Load(Oid, Tid),
    /// Anything else a client may have thought of.
    Other(Box<Owned>),
}

/// The client's name for its transaction: `id(transaction)` in Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(pub i64);

/// One message from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming<'a> {
    /// A heartbeat: message id −1. It has no answer.
    KeepAlive,
    /// A call.
    Call(Call<'a>),
}

/// A call as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// Echoed in the reply.
    pub id: MessageId,
    /// No reply is expected; an error closes the connection.
    pub oneway: bool,
    /// The method with its arguments, or what is wrong with them.
    pub request: Result<Request<'a>, BadCall>,
}

/// A well-formed call that asks for nothing the protocol has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCall {
    /// No such method.
    UnknownMethod(String),
    /// A method of the protocol that this server does not have.
    Unsupported(&'static str),
    /// A method of the protocol with too few, too many or ill-typed arguments: answered with a TypeError.
    Arguments {
        /// The method.
        method: &'static str,
        /// What it takes.
        expected: &'static str,
    },
}

/// A method of the protocol with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    /// `register(storage, read_only)`: the first call on a connection. Answers the last tid.
    Register {
        /// The storage's name, usually "1".
        storage: &'a str,
        /// The client will not write.
        read_only: bool,
    },
    /// `get_info()`.
    GetInfo,
    /// `lastTransaction()`.
    LastTransaction,
    /// `getInvalidations(tid)`.
    GetInvalidations(Tid),
    /// `loadBefore(oid, tid)`: the revision current just before `tid`.
    LoadBefore(Oid, Tid),
    /// `loadSerial(oid, serial)`.
    LoadSerial(Oid, Tid),
    /// `getTid(oid)`.
    GetTid(Oid),
    /// `new_oids([n])`; 100 when not given.
    NewOids(i64),
    /// `tpc_begin(id, user, description, extension[, tid[, status]])`.
    TpcBegin(Begin<'a>),
    /// `storea(oid, serial, data, id)`.
    Storea {
        /// The object.
        oid: Oid,
        /// The revision the change is based on; zero for a new object.
        serial: Tid,
        /// The new state.
        data: &'a [u8],
        /// The transaction.
        txn: TxnId,
    },
    /// `checkCurrentSerialInTransaction(oid, serial, id)`.
    CheckCurrent {
        /// The object that was read.
        oid: Oid,
        /// The revision that was read.
        serial: Tid,
        /// The transaction.
        txn: TxnId,
    },
    /// `vote(id)`.
    Vote(TxnId),
    /// `tpc_finish(id)`.
    TpcFinish(TxnId),
    /// `tpc_abort(id)`.
    TpcAbort(TxnId),
    /// `ping()`.
    Ping,
    /// `set_client_label(label)`.
    SetClientLabel(&'a str),
    /// `server_status()`.
    ServerStatus,
}

/// The arguments of `tpc_begin`.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin<'a> {
    /// The transaction's name in later calls.
    pub txn: TxnId,
    /// User name; text arrives as UTF-8.
    pub user: &'a [u8],
    /// Description.
    pub description: &'a [u8],
    /// The extension dictionary as the pickle the storage keeps; empty for an empty dictionary.
    pub extension: Vec<u8>,
    /// A tid the transaction must get, when a database is copied.
    pub tid: Option<Tid>,
    /// The transaction's status; a blank unless a database is copied.
    pub status: u8,
}

#[cfg(test)]
mod tests;
