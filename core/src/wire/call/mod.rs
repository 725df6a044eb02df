//! What a client asks of a server.

mod decode;
mod encode;
mod methods;
pub(crate) mod undo_id;
mod wanted;

use crate::ids::{Oid, Tid};
use crate::wire::tree::Owned;

pub use decode::decode;
pub use encode::{encode, heartbeat};
pub use wanted::{Specification, Wanted};

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

/// The server's name for an iteration over transactions, or over the records of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IteratorId(pub i64);

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
    /// A method that Python's server lists, and does not have: `new_oid`.
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
    /// `deleteObject(oid, serial, id)`: external garbage collection.
    DeleteObject {
        /// The object.
        oid: Oid,
        /// Its current revision.
        serial: Tid,
        /// The transaction.
        txn: TxnId,
    },
    /// `restorea(oid, serial, data, prev_txn, id)`: a record of a copied transaction.
    Restorea {
        /// The object.
        oid: Oid,
        /// The copied transaction.
        serial: Tid,
        /// The state; `None` where the transaction undid the object's creation.
        data: Option<&'a [u8]>,
        /// A transaction that has the same state. A hint: it need not be there.
        prev_txn: Option<Tid>,
        /// The transaction.
        txn: TxnId,
    },
    /// `undoa(transaction, id)`, with the name that the undo log gave to the transaction with this tid; zero where that is no such
    /// name.
    Undoa {
        /// What is to be undone.
        tid: Tid,
        /// The transaction that undoes it.
        txn: TxnId,
    },
    /// `undoLog(first, last)`: transactions that can be undone, the newest is in place 0.
    UndoLog {
        /// The first place.
        first: i64,
        /// Behind the last place; when negative, −`last` places are asked for.
        last: i64,
    },
    /// `undoInfo(first, last, specification)`: as `undoLog`, of those that have what the specification asks for.
    UndoInfo {
        /// The first place.
        first: i64,
        /// Behind the last place; when negative, −`last` places are asked for.
        last: i64,
        /// What a transaction's description must have; nothing when empty, which is `None` on the wire.
        specification: Specification,
    },
    /// `history(oid[, size])`.
    History {
        /// The object; `None` names none, and there is no history of it.
        oid: Option<Oid>,
        /// How many revisions at most; 1 when not given.
        size: i64,
    },
    /// `pack(time[, wait])`.
    Pack {
        /// Seconds since 1970; finite.
        time: f64,
        /// The reply is to come when the pack is done; true when not given.
        wait: bool,
    },
    /// `record_iternext([oid])`: the current revision of the first object from `oid` on, and which is behind it.
    RecordIternext(Option<Oid>),
    /// `iterator_start(start, stop)`.
    IteratorStart {
        /// The first tid; `None` for the first there is.
        start: Option<Tid>,
        /// The last tid; `None` for the last there is.
        stop: Option<Tid>,
    },
    /// `iterator_next(iterator)`: the next transaction.
    IteratorNext(IteratorId),
    /// `iterator_record_start(iterator, tid)`: starts on the records of the transaction that was given last.
    IteratorRecordStart {
        /// The iteration over transactions.
        iterator: IteratorId,
        /// The transaction.
        tid: Tid,
    },
    /// `iterator_record_next(iterator)`: the next record.
    IteratorRecordNext(IteratorId),
    /// `iterator_gc(iterators)`: these are not needed any more. Unknown ones are no error.
    IteratorGc(Vec<IteratorId>),
    /// `storeBlobStart()`: the chunks that follow are a blob's.
    StoreBlobStart,
    /// `storeBlobChunk(chunk)`.
    StoreBlobChunk(&'a [u8]),
    /// `storeBlobEnd(oid, serial, data, id)`: as `storea`, with the blob whose chunks were sent.
    StoreBlobEnd {
        /// The object.
        oid: Oid,
        /// The revision the change is based on; zero for a new object.
        serial: Tid,
        /// The new state.
        data: &'a [u8],
        /// The transaction.
        txn: TxnId,
    },
    /// `storeBlobShared(oid, serial, data, filename, id)`: as `storea`, with a blob in a folder shared with the server.
    StoreBlobShared {
        /// The object.
        oid: Oid,
        /// The revision the change is based on; zero for a new object.
        serial: Tid,
        /// The new state.
        data: &'a [u8],
        /// The file's name in the object's folder. Nobody has checked that it is only that.
        filename: &'a str,
        /// The transaction.
        txn: TxnId,
    },
    /// `sendBlob(oid, serial)`: the blob is sent in one-way calls, the reply may come before they are through.
    SendBlob(Oid, Tid),
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
