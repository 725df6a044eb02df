//! What goes in and out of a client, and what its callers ask of it.

use crate::ids::{Oid, Tid};
use crate::store::Revision;
pub use crate::store::{CopiedRecord, CopiedTransaction};
use crate::wire::Malformed;
use crate::wire::call::Request;
use crate::wire::packet::Packet;
use crate::wire::remote::{ConflictError, RemoteError};
use crate::wire::reply::Conflict;
use crate::wire::tree::Owned;
use bytes::Bytes;
use thiserror::Error;

use super::event::Event;

/// A connection, or the attempt to make one; named by the client, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A server, by its place among the configured addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub usize);

/// One question of a caller, named by the shell; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A transaction that a caller is committing, named by the ticket of its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnRef(pub Ticket);

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The connection asked for by [`Output::Connect`] stands.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// It could not be made, or it ended. Not given for those the client closed.
    Lost {
        /// Which.
        conn: ConnId,
        /// What the operating system said, for the log and for errors.
        why: String,
    },
    /// Bytes arrived.
    Received {
        /// On which connection.
        conn: ConnId,
        /// The bytes, split anywhere.
        bytes: &'a [u8],
    },
    /// A caller asks something.
    Ask {
        /// What its answer is to carry.
        ticket: Ticket,
        /// The question.
        call: Call,
    },
    /// The caller does not wait any more. What it asked may still be carried out; a transaction that is not being
    /// finished is aborted.
    Forget {
        /// Which question.
        ticket: Ticket,
    },
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// Whose transaction.
        txn: TxnRef,
        /// Which object.
        oid: Oid,
        /// The merged state; `None`: these changes cannot be merged.
        state: Option<Bytes>,
    },
    /// The answer to [`Output::ReadBlob`].
    BlobRead {
        /// Whose transaction.
        txn: TxnRef,
        /// The next bytes; an empty piece is the end. The error is the caller's, printed.
        piece: Result<Bytes, String>,
    },
    /// The deadline came.
    Tick,
    /// The client is to end: what is under way fails with [`Error::Closed`].
    Close,
}

/// Something to do.
#[derive(Debug)]
pub enum Output {
    /// Connect to a server, and tell [`Input::Connected`] or [`Input::Lost`].
    Connect {
        /// The connection's name.
        conn: ConnId,
        /// Where to.
        server: ServerId,
    },
    /// Send bytes.
    Send {
        /// Where.
        conn: ConnId,
        /// What.
        packet: Packet,
    },
    /// Close a connection, or give up making it.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// The answer to a question.
    Answer {
        /// Which question.
        ticket: Ticket,
        /// The answer.
        result: Result<Answer, Error>,
    },
    /// Two transactions changed the same object: merge their states, and tell [`Input::Resolved`].
    Resolve {
        /// Whose transaction.
        txn: TxnRef,
        /// The object and its three states.
        conflict: Box<Merge>,
    },
    /// Read on in the blob that a transaction is storing, at most [`limits::BLOB_CHUNK`](crate::limits::BLOB_CHUNK)
    /// bytes, and tell [`Input::BlobRead`]: once the connection has taken what was put out before, so that a blob is
    /// never in memory as a whole.
    ReadBlob {
        /// Whose transaction.
        txn: TxnRef,
        /// Which of its operations.
        at: usize,
    },
    /// Bytes of a blob that a caller asked for; its answer follows the last.
    BlobPiece {
        /// Which question.
        ticket: Ticket,
        /// The bytes.
        bytes: Bytes,
    },
    /// The storage has changed. Every transaction is told of once, in order, the client's own included; what happened
    /// while there was no connection is told in one piece.
    Changed(Change),
    /// Something an operator may want to know.
    Log(Event),
}

/// What is new in the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Objects were changed by the transactions behind the one told before, up to `tid`.
    Objects {
        /// The last transaction covered.
        tid: Tid,
        /// Its objects; where several transactions are covered, those of all.
        oids: Vec<Oid>,
    },
    /// Anything may have changed up to `tid`: the server could not say what, and the cache was dropped.
    Everything {
        /// The last transaction.
        tid: Tid,
    },
}

/// What callers ask.
#[derive(Clone, Debug)]
pub enum Call {
    /// The client is connected and its cache verified.
    Ready,
    /// The revision current before a tid; [`Tid::MAX`] for whatever is current.
    Load {
        /// The object.
        oid: Oid,
        /// Before which transaction.
        before: Tid,
    },
    /// The state that a transaction gave an object.
    LoadSerial {
        /// The object.
        oid: Oid,
        /// The transaction.
        serial: Tid,
    },
    /// Objects to be fetched into the cache, as of before a tid.
    Prefetch {
        /// The objects.
        oids: Vec<Oid>,
        /// Before which transaction.
        before: Tid,
    },
    /// The bytes of a blob.
    LoadBlob {
        /// The object.
        oid: Oid,
        /// Its revision.
        serial: Tid,
    },
    /// An oid that was never used.
    NewOid,
    /// A round trip, after which everything committed before it is known here.
    Sync,
    /// Sends a transaction to the server, and has it checked and locked there.
    Vote(Box<Changes>),
    /// Goes on with a [relayed](Changes::relayed) transaction whose vote ended in conflicts: does this too, and votes again.
    VoteAgain {
        /// Which.
        txn: TxnRef,
        /// What is to be done.
        operations: Vec<Operation>,
    },
    /// Makes a transaction durable that was voted.
    Finish(TxnRef),
    /// Gives a transaction up that was voted, or is being voted.
    Abort(TxnRef),
    /// The newest revisions of an object.
    History {
        /// The object.
        oid: Oid,
        /// How many at most.
        count: u32,
    },
    /// The newest transactions that can be undone: those in places `first..last`, the newest is in place 0.
    UndoLog {
        /// The first place.
        first: u32,
        /// Behind the last place.
        last: u32,
    },
    /// Removes revisions that were not current any more at a time.
    Pack {
        /// Seconds since 1970, as Python's `time.time()`.
        time: f64,
    },
    /// What the server says of itself.
    Status,
    /// The objects, bytes and abilities of the storage.
    Info,
    /// Transactions, oldest first, from `start` on up to and including `stop`.
    Iterate {
        /// The first tid; `None` for the first there is.
        start: Option<Tid>,
        /// The last tid; `None` for the last there is.
        stop: Option<Tid>,
    },
    /// The next transaction of an iteration with its records; the end is `None`.
    IterateNext(IterationId),
    /// An iteration is not needed any more.
    IterateEnd(IterationId),
    /// The object that follows `oid` in the order of oids, with its current revision; `None` begins.
    NextRecord {
        /// The object before.
        oid: Option<Oid>,
    },
    /// Any question that is no part of a transaction, asked as it is; what comes of it is the caller's business.
    Pass(Box<Request<'static>>),
}

/// An iteration on the server; it ends with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IterationId {
    /// The connection it belongs to.
    pub conn: ConnId,
    /// The server's name for it.
    pub number: i64,
}

/// A transaction to be committed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// User name.
    pub user: Bytes,
    /// Description.
    pub description: Bytes,
    /// Extension data as a pickle of a dictionary; empty for none.
    pub extension: Bytes,
    /// The tid and status it must get, when a database is copied.
    pub copied: Option<(Tid, u8)>,
    /// What it does, in this order.
    pub operations: Vec<Operation>,
    /// Whether it is finished as soon as it is voted; its answer is then [`Answer::Finished`].
    pub finish: bool,
    /// Whether conflicts are handed out to be merged; else the first ends the transaction.
    pub resolve: bool,
    /// Whether the caller votes for somebody else: a vote is answered with [`Answer::Judged`], with conflicts or without, and
    /// the caller goes on.
    pub relayed: bool,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A new state for an object.
    Store {
        /// The object.
        oid: Oid,
        /// The revision the change is based on; zero for a new object.
        serial: Tid,
        /// The state.
        data: Bytes,
    },
    /// The same, with a blob, whose bytes are asked for with [`Output::ReadBlob`].
    StoreBlob {
        /// The object.
        oid: Oid,
        /// The revision the change is based on; zero for a new object.
        serial: Tid,
        /// The state.
        data: Bytes,
    },
    /// The transaction holds only if this revision is still current.
    ReadCheck {
        /// The object.
        oid: Oid,
        /// The revision that was read.
        serial: Tid,
    },
    /// Deletes an object (external garbage collection).
    Delete {
        /// The object.
        oid: Oid,
        /// Its current revision.
        serial: Tid,
    },
    /// Undoes a transaction.
    Undo(Tid),
    /// A record as another storage had it, in a copied transaction.
    Restore {
        /// The object.
        oid: Oid,
        /// Its transaction.
        serial: Tid,
        /// The state; `None` for the undoing of its creation.
        data: Option<Bytes>,
        /// A transaction that has the same state, if known.
        same_as: Option<Tid>,
    },
}

/// Three states of an object to be merged into one, as ZODB's `_p_resolveConflict` does it.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The object, the serials, and the state that was to be stored.
    pub conflict: Conflict,
    /// The state both changes are based on.
    pub old: Bytes,
    /// The state that was committed meanwhile.
    pub committed: Bytes,
}

/// What callers learn.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To `Ready`, `Prefetch`, `Sync`, `Abort`, `Pack`, `LoadBlob` and `IterateEnd`.
    Done,
    /// To `Load`; `None`: there was none yet, the object did not exist then.
    Loaded(Option<Revision>),
    /// To `LoadSerial`.
    State(Bytes),
    /// To `NewOid`.
    Oid(Oid),
    /// To `Vote`, unless it was to be finished at once.
    Voted(TxnRef),
    /// To `Vote` and `VoteAgain` of a relayed transaction.
    Judged(Judged),
    /// To `Finish`, and to `Vote` that was to be finished at once.
    Finished(Finished),
    /// To `History`, the newest first.
    History(Vec<PastRevision>),
    /// To `UndoLog`, the newest first.
    UndoLog(Vec<PastTransaction>),
    /// To `Status`: the server's dictionary as JSON-like text.
    Status(Vec<(String, String)>),
    /// To `Info`.
    Info(StorageInfo),
    /// To `Iterate`.
    Iteration(IterationId),
    /// To `IterateNext`; `None`: that was the last.
    Transaction(Option<Box<CopiedTransaction>>),
    /// To `NextRecord`.
    Record(NextRecord),
    /// To `Pass`.
    Passed(Owned),
}

/// What a vote says of a relayed transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The transaction.
    pub txn: TxnRef,
    /// Objects whose states the server changes by itself.
    pub changed: Vec<Oid>,
    /// Stores that are stale; with none the transaction may be finished.
    pub conflicts: Vec<Conflict>,
}

/// A transaction that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its id.
    pub tid: Tid,
    /// Objects that got another state than the caller stored: merged or undone ones.
    pub changed: Vec<Oid>,
}

/// One revision in an object's history.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRevision {
    /// Its transaction.
    pub tid: Tid,
    /// Bytes of its state.
    pub size: u64,
    /// Who made it.
    pub user: Vec<u8>,
    /// Why.
    pub description: Vec<u8>,
    /// What else is known of the transaction: names and values, printed.
    pub extension: Vec<(String, String)>,
}

/// One transaction in an undo log.
#[derive(Clone, Debug, PartialEq)]
pub struct PastTransaction {
    /// Its id, to be handed to [`Operation::Undo`].
    pub tid: Tid,
    /// When, in seconds since 1970.
    pub time: f64,
    /// Who made it.
    pub user: Vec<u8>,
    /// Why.
    pub description: Vec<u8>,
    /// What else is known of it: names and values, printed.
    pub extension: Vec<(String, String)>,
}

/// What is known of a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageInfo {
    /// Its name for people.
    pub name: String,
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
    /// Whether transactions can be undone.
    pub supports_undo: bool,
    /// Whether blobs can be stored.
    pub supports_blobs: bool,
    /// Whether this connection can only read.
    pub read_only: bool,
    /// Whether `record_iternext` works.
    pub supports_record_iternext: bool,
    /// Those of `ZODB.interfaces` that the storage is said to have.
    pub interfaces: Vec<String>,
    /// Whether no reply of the server overtakes an invalidation that was due before it.
    pub in_order: bool,
    /// The address of the server, as configured.
    pub server: Option<ServerId>,
}

/// One object in the order of oids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextRecord {
    /// The object.
    pub oid: Oid,
    /// Its current revision.
    pub serial: Tid,
    /// Its state.
    pub data: Bytes,
    /// What follows it; `None`: it is the last.
    pub next: Option<Oid>,
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Error {
    /// There is no connection, and there was none in the time that may be waited for one.
    #[error("no connection to a server: {0}")]
    Disconnected(String),
    /// The connection ended before the answer came; what was asked had no lasting effect.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The connection ended while a transaction was being finished, and no server could say yet what became of it.
    #[error("it is unknown whether the transaction was committed: {0}")]
    OutcomeUnknown(String),
    /// The server answered with an error.
    #[error("{0}")]
    Refused(RemoteError),
    /// The client is open for reading only, or the only server at hand is.
    #[error("the storage is open for reading only")]
    ReadOnly,
    /// Nobody could merge the changes, or they kept coming.
    #[error("conflict on {}: {} is current, {} was read", .0.oid, .0.committed, .0.read)]
    Conflict(Box<Conflict>),
    /// A read check failed.
    #[error("read conflict on {oid}: {committed} is current, {read} was read")]
    ReadConflict {
        /// The object.
        oid: Oid,
        /// The current revision.
        committed: Tid,
        /// The revision that was read.
        read: Tid,
    },
    /// There is no such object, or no such revision.
    #[error("no object {0} there")]
    NoObject(Oid),
    /// The server knows less than the client: it was restored from a backup, or is another one.
    #[error(
        "the server's last transaction is {server}, but this client has seen {client}. If the server was restored from \
         a backup, drop the cache, or give the server a later transaction"
    )]
    ServerBehind {
        /// The server's last transaction.
        server: Tid,
        /// The client's.
        client: Tid,
    },
    /// A state without a byte was to be stored, which a storage cannot hold; nothing was done.
    #[error("the state of {0} is empty")]
    Empty(Oid),
    /// The extension data is no pickled dictionary, which would end every later reading of the transaction; nothing was
    /// done.
    #[error("the extension data is no pickle of a dictionary: {0}")]
    Extension(Malformed),
    /// A transaction that the storage has not seen yet was asked for.
    #[error("there is no transaction {tid} yet: the last one is {last}")]
    NotYet {
        /// What was asked for.
        tid: Tid,
        /// The last transaction.
        last: Tid,
    },
    /// The server sent what makes no sense.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(String),
    /// The caller's blob could not be read, or one of the server could not be kept until it was.
    #[error("the blob could not be read: {0}")]
    Blob(String),
    /// The transaction is not one that was voted.
    #[error("there is no such transaction")]
    NoTransaction,
    /// The iteration has come to its end, or was ended.
    #[error("there is no such iteration")]
    NoIteration,
    /// A bound of [`limits`](crate::limits) would be passed; nothing was done.
    #[error("too many {0}")]
    Limit(&'static str),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl Error {
    /// What an error reply is to whoever asked.
    pub fn of(error: RemoteError) -> Error {
        match error {
            RemoteError::PosKey(oid) => Error::NoObject(oid),
            RemoteError::ReadOnly => Error::ReadOnly,
            RemoteError::Conflict(error) => {
                let ConflictError { oid, committed, read, .. } = *error;
                Error::Conflict(Box::new(Conflict { oid, committed, read, data: Bytes::new() }))
            }
            RemoteError::ReadConflict(error) => {
                let ConflictError { oid, committed, read, .. } = *error;
                Error::ReadConflict { oid, committed, read }
            }
            other => Error::Refused(other),
        }
    }
}
