//! What checkers can see.

use crate::event::ClientId;
pub use crate::event::ServerNo;
use crate::folder::Folder;
use crate::history::Asked;
use crate::log::Logged;
use std::fmt;
use zeolith_core::client::{Answer, Change, Client, Error};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;
use zeolith_core::wire::call::Request;

/// One connection of a client to a server; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnName {
    /// To which server.
    pub server: ServerNo,
    /// Of which client.
    pub client: ClientId,
    /// Which of all connections; later ones have greater numbers.
    pub number: u64,
}

impl fmt::Display for ConnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.client.0)?;
        if self.server != ServerNo(0) { write!(f, " at server {}", self.server.0) } else { Ok(()) }
    }
}

/// The bytes of a blob, which are too many to be printed.
#[derive(Clone, Copy)]
pub struct Sent<'a>(pub &'a [u8]);

impl fmt::Debug for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Why a folder of blobs is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// This transaction appeared in the server's log.
    Logged(Tid),
    /// The server came up.
    Reopened,
    /// Faults are over, and everybody had time to end what it was doing.
    Quiet,
}

/// Something a checker can see.
///
/// What happens on a server's side of a connection is seen in the order in which the server takes and sends it, before the
/// network has it; what a client's machine puts out, in that order. One connection's side says nothing of when the
/// other sees it.
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// `register` returned the last transaction.
    Registered(ConnName, Tid),
    /// The connection is over for the server: it closed it, was told of its end, or died.
    Gone(ConnName),
    /// `invalidateTransaction` was sent.
    Invalidated(ConnName, Tid, &'a [Oid]),
    /// A finish was acknowledged.
    Finished(ConnName, Tid),
    /// A load was answered with a revision.
    Loaded {
        /// On which connection.
        conn: ConnName,
        /// Of which object.
        oid: Oid,
        /// Before which transaction.
        before: Tid,
        /// The transaction that wrote the revision.
        serial: Tid,
        /// The next one that changed it.
        until: Option<Tid>,
    },
    /// A load was answered without one.
    NotLoaded {
        /// On which connection.
        conn: ConnName,
        /// Of which object.
        oid: Oid,
        /// Before which transaction.
        before: Tid,
        /// The class of the error; `None`: the object has revisions, and none so early.
        error: Option<&'a str>,
    },
    /// A server was handed a call.
    Asked {
        /// On which connection.
        conn: ConnName,
        /// The call.
        request: &'a Request<'a>,
    },
    /// A vote was answered, not with an error: the transaction has its locks.
    Voted {
        /// On which connection.
        conn: ConnName,
        /// The objects to be resolved; none: it may finish.
        conflicts: &'a [Oid],
    },
    /// A call was answered with an error. Loads are told of by `NotLoaded`.
    Refused {
        /// On which connection.
        conn: ConnName,
        /// Which call.
        method: &'a str,
        /// The error's class.
        class: &'a str,
    },
    /// `getInvalidations` was answered.
    Verified {
        /// On which connection.
        conn: ConnName,
        /// What was asked for.
        since: Tid,
        /// The last transaction, and what changed; `None`: the server cannot say.
        answer: Option<(Tid, &'a [Oid])>,
    },
    /// `new_oids` was answered.
    NewOids(ConnName, &'a [Oid]),
    /// A client's machine told of changes.
    Changed {
        /// Which client.
        client: ClientId,
        /// Of what.
        change: &'a Change,
    },
    /// A client's machine answered a caller.
    Answered {
        /// Which client.
        client: ClientId,
        /// What was asked.
        call: &'a Asked,
        /// The answer.
        result: &'a Result<Answer, Error>,
    },
    /// A client's cache answered without a question.
    Cached {
        /// Which client.
        client: ClientId,
        /// Which object.
        oid: Oid,
        /// Before which transaction.
        before: Tid,
        /// Whether the client was ready.
        ready: bool,
        /// The answer.
        revision: &'a Revision,
    },
    /// An iteration gave its client the next transaction.
    Iterated {
        /// Which client.
        client: ClientId,
        /// What it gave before, or what it began behind.
        behind: Tid,
        /// The last transaction that the client knew of when it began.
        known: Tid,
        /// The transaction; `None`: there was none left.
        tid: Option<Tid>,
    },
    /// A client's process began, or began again, over a cache.
    Reset {
        /// Which client.
        client: ClientId,
        /// The cache's last transaction; `None`: it is empty.
        kept: Option<Tid>,
    },
    /// The client machines that an event has touched, after it.
    State {
        /// They and their names.
        clients: &'a [(ClientId, &'a Client)],
    },
    /// A transaction appeared in a server's log.
    Logged(ServerNo, &'a Logged),
    /// A packed log is in the place of a server's; the ledger still holds the one before.
    Packed {
        /// Which server.
        server: ServerNo,
        /// The packed log.
        log: &'a [Logged],
        /// The last transaction of which only what was still current stays.
        stop: Tid,
        /// Whether what the root did not reach goes.
        gc: bool,
    },
    /// A finish was acknowledged, or the log that ends so was packed.
    Safe {
        /// Which server.
        server: ServerNo,
        /// The transaction.
        tid: Tid,
        /// Whether its checksum survives a power loss, with all that makes it count.
        vouched: bool,
    },
    /// A server's disk could not read something; an operation that waits for it will fail.
    ReadFailed(ServerNo),
    /// A server came up over a disk with bits that have turned. It was seen to come up before.
    Rotten(ServerNo),
    /// A server came up again over this log; the ledger still holds the one before.
    Reopened(ServerNo, &'a [Logged]),
    /// An older backup was put in place of a server's log; the ledger still holds the one before.
    Restored(ServerNo, &'a [Logged]),
    /// The folder of a server's blobs.
    Folder {
        /// Whose.
        server: ServerNo,
        /// What is in it.
        folder: &'a Folder,
        /// On which occasion.
        look: Look,
    },
    /// A blob was sent, or not: the class of the error.
    Blob {
        /// On which connection.
        conn: ConnName,
        /// Of which object.
        oid: Oid,
        /// Which revision.
        serial: Tid,
        /// Its bytes.
        result: Result<Sent<'a>, &'a str>,
    },
    /// Faults are over.
    Calm,
    /// Connections have been silent for longer than clients put up with: these clients wait for one all the same, or for what
    /// somebody has who has gone.
    Silent(&'a [Waiting]),
    /// All that can move did, without anybody looking after servers whose disks have failed: these clients wait for one.
    Sick(&'a [Waiting]),
    /// Faults are over, and everybody had time to end what it was doing: these clients wait for an answer.
    Quiet(&'a [Waiting]),
    /// Nobody waits for anything, and this is kept for somebody all the same.
    Left {
        /// Transactions and locks, each with whose it is.
        locks: &'a [String],
        /// All else.
        rest: &'a [String],
    },
}

/// A client that waits for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub client: ClientId,
    /// For what kind of thing.
    pub kind: String,
    /// For what, and who has it.
    pub what: String,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} waits for ever {}: {}", self.client.0, self.kind, self.what)
    }
}

impl Seen<'_> {
    /// The transactions shown on a connection.
    pub fn shown(&self) -> Option<(ConnName, [Option<Tid>; 2])> {
        match *self {
            Seen::Registered(conn, tid) | Seen::Invalidated(conn, tid, _) | Seen::Finished(conn, tid) => {
                Some((conn, [Some(tid), None]))
            }
            Seen::Loaded { conn, serial, until, .. } => Some((conn, [Some(serial), until])),
            Seen::Verified { conn, answer: Some((upto, _)), .. } => Some((conn, [Some(upto), None])),
            _ => None,
        }
    }
}
