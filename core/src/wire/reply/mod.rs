//! What a server sends: replies and one-way notices.

mod encode;
mod history;
mod status;
mod undo_log;

use crate::ids::{Oid, Tid};
use crate::wire::call::IteratorId;
use crate::wire::tree::Owned;
use bytes::Bytes;

pub(in crate::wire) use encode::{IN_ORDER, REPLY};
pub use history::{Extensions, PastRevision, Room};
pub use status::{Status, status_json};
pub use undo_log::UndoableTransaction;

/// A successful result.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `None`.
    None,
    /// A tid.
    Tid(Tid),
    /// The answer to a load: a revision and the time it was current.
    Revision {
        /// The object's state.
        data: Bytes,
        /// The transaction that wrote it.
        serial: Tid,
        /// The next transaction that changed the object; `None` while the revision is current.
        until: Option<Tid>,
    },
    /// The state of one revision.
    Data(Bytes),
    /// A list of oids: new ones, or those whose state the server changed by itself at a vote.
    Oids(Vec<Oid>),
    /// All objects changed after the tid asked for, up to and including `upto`.
    Invalidations {
        /// The last transaction covered.
        upto: Tid,
        /// The objects, each once.
        oids: Vec<Oid>,
    },
    /// The answer to `get_info`.
    Info(Info),
    /// Conflicts that the client is asked to resolve.
    Conflicts(Vec<Conflict>),
    /// The answer to `server_status`.
    Status(Status),
    /// The answer to `history`, the newest revision first.
    History(Vec<PastRevision>),
    /// The answer to `undoLog` and `undoInfo`, the newest transaction first.
    UndoLog(Vec<UndoableTransaction>),
    /// What another server answered, handed on.
    Passed(Owned),
    /// The name of an iteration.
    Iterator(IteratorId),
    /// The answer to `iterator_next`.
    IteratedTransaction {
        /// The transaction.
        tid: Tid,
        /// Its status, an ASCII character.
        status: u8,
        /// Its user name.
        user: Bytes,
        /// Its description.
        description: Bytes,
        /// The pairs of its extension dictionary, in their order.
        extension: Vec<(Owned, Owned)>,
    },
    /// The answer to `iterator_record_next`.
    IteratedRecord {
        /// The object.
        oid: Oid,
        /// The transaction.
        tid: Tid,
        /// The state; `None` where the object does not exist from here on.
        data: Option<Bytes>,
        /// A transaction that has the same state, if known.
        data_txn: Option<Tid>,
    },
    /// The answer to `record_iternext`.
    Record {
        /// The object.
        oid: Oid,
        /// Its current revision.
        tid: Tid,
        /// Its state.
        data: Bytes,
        /// The object behind it; `None`: it is the last.
        next: Option<Oid>,
    },
}

/// Size figures, sent with `get_info` and as the notice `info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Objects in the storage.
    pub length: u64,
    /// Bytes of the storage.
    pub size: u64,
}

/// The answer to `get_info`.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// Objects and bytes.
    pub size: Size,
    /// The storage's name for people: its path.
    pub name: String,
    /// Whether `undoa`, `undoLog` and `undoInfo` work.
    pub supports_undo: bool,
    /// Whether `record_iternext` works.
    pub supports_record_iternext: bool,
    /// Whether no reply overtakes an invalidation that was due before it; not said when false, as by Python's server.
    pub in_order: bool,
    /// The interfaces of the storage as (module, name); Python's client offers the operations of those it knows.
    pub interfaces: Vec<(&'static str, &'static str)>,
}

/// A store that is based on a revision which is not current any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The object.
    pub oid: Oid,
    /// The current revision.
    pub committed: Tid,
    /// The revision the change is based on.
    pub read: Tid,
    /// The state that was to be stored.
    pub data: Bytes,
}

/// A one-way message to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice<'a> {
    /// `invalidateTransaction(tid, oids)`: another client's transaction.
    Invalidate(Tid, &'a [Oid]),
    /// `info({length, size})`.
    Info(Size),
    /// `receiveBlobStart(oid, tid)`: a blob that was asked for begins.
    BlobStart(Oid, Tid),
    /// `receiveBlobChunk(oid, tid, chunk)`: its next bytes.
    BlobChunk(Oid, Tid, &'a Bytes),
    /// `receiveBlobStop(oid, tid)`: it is complete.
    BlobStop(Oid, Tid),
}

#[cfg(test)]
mod tests;
