//! What a server has to say to its log.

use super::fault::Fault;
use crate::client;
use crate::ids::{Oid, Tid};
use crate::store::file::pack::Progress;
use thiserror::Error;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth seeing when looking for something.
    Debug,
    /// The ordinary course.
    Info,
    /// Somebody may want to do something.
    Warning,
    /// Somebody should.
    Error,
    /// Somebody should, and Python's server says so in this way.
    Critical,
}

/// One line of the log. Peers are named by label and address, as in the lines of Python's server.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Event {
    /// A connection was opened.
    #[error("({peer}) connected")]
    Connected {
        /// The peer.
        peer: String,
    },
    /// A client registered.
    #[error("({peer}) registered for storage {storage:?} at {last}{}", if *.read_only { ", read-only" } else { "" })]
    Registered {
        /// The peer.
        peer: String,
        /// The storage's name.
        storage: String,
        /// Whether it may write.
        read_only: bool,
        /// The last transaction it was told of.
        last: Tid,
    },
    /// A registration was refused.
    #[error("({peer}) registration refused: {why}")]
    Refused {
        /// The peer.
        peer: String,
        /// The error it got.
        why: String,
    },
    /// A connection ended from the other side.
    #[error("({peer}) disconnected{}", if *.in_transaction { " during a transaction, which is aborted" } else { "" })]
    Disconnected {
        /// The peer.
        peer: String,
        /// A transaction was open.
        in_transaction: bool,
    },
    /// The server closed a connection.
    #[error("({peer}) closed: {fault}")]
    Closed {
        /// The peer.
        peer: String,
        /// Why.
        fault: Fault,
    },
    /// A call failed in a way that is not part of ordinary work.
    #[error("({peer}) {method} failed: {error}")]
    CallFailed {
        /// The peer.
        peer: String,
        /// The method.
        method: &'static str,
        /// The error it got.
        error: String,
    },
    /// A transaction ended in a conflict.
    #[error("conflict on {oid}")]
    Conflict {
        /// The object.
        oid: Oid,
    },
    /// Votes wait for locks.
    #[error("storage {storage:?}: {waiting} transactions wait for locks")]
    Waiting {
        /// The storage.
        storage: String,
        /// How many.
        waiting: usize,
    },
    /// The index could not be saved: the next start scans the log.
    #[error("storage {storage:?}: the index could not be saved: {why}")]
    IndexUnsaved {
        /// The storage.
        storage: String,
        /// What the disk said.
        why: String,
    },
    /// A history was told without some of the transactions' extension data.
    #[error(
        "storage {storage:?}: extension data of transaction {tid}, or others, is left out of a history: {why}"
    )]
    ExtensionLeftOut {
        /// The storage.
        storage: String,
        /// The newest transaction concerned.
        tid: Tid,
        /// What is wrong with it.
        why: String,
    },
    /// Something about the connection to the server above.
    #[error("storage {storage:?}: {event}")]
    Upstream {
        /// The storage.
        storage: String,
        /// What its client says.
        event: client::event::Event,
    },
    /// A pack began.
    #[error(
        "storage {storage:?}: packing to {stop}{}", if *.gc { "" } else { ", without garbage collection" }
    )]
    PackBegan {
        /// The storage.
        storage: String,
        /// The last transaction before the state that is kept.
        stop: Tid,
        /// Whether objects go that the root does not reach.
        gc: bool,
    },
    /// A pack has come so far.
    #[error("storage {storage:?}: packing: {progress}")]
    Packing {
        /// The storage.
        storage: String,
        /// How far.
        progress: Progress,
    },
    /// A pack is done.
    #[error("storage {storage:?}: packed: {before} bytes before, {after} now")]
    Packed {
        /// The storage.
        storage: String,
        /// Bytes of the log before.
        before: u64,
        /// Bytes of the log now.
        after: u64,
    },
    /// A pack had nothing to do.
    #[error("storage {storage:?}: not packed: {why}")]
    PackedNothing {
        /// The storage.
        storage: String,
        /// Why.
        why: String,
    },
    /// A pack was refused, or ended without a result. The storage is as it was.
    #[error("storage {storage:?}: not packed: {why}")]
    PackFailed {
        /// The storage.
        storage: String,
        /// Why.
        why: String,
    },
    /// A storage was packed, but not all blobs could be removed whose records are gone.
    #[error(
        "storage {storage:?}: not all blobs that a pack removes are gone: {why}; the next pack or start removes them"
    )]
    BlobsLeft {
        /// The storage.
        storage: String,
        /// What the disk said.
        why: String,
    },
    /// The storage refused an append.
    #[error("storage {storage:?} takes no more commits: {why}")]
    StorageFailed {
        /// The storage.
        storage: String,
        /// What the disk said.
        why: String,
    },
}

impl Event {
    /// How much this event matters.
    pub fn level(&self) -> Level {
        match self {
            Event::Connected { .. } | Event::Conflict { .. } => Level::Debug,
            Event::Registered { .. } | Event::Disconnected { .. } => Level::Info,
            Event::ExtensionLeftOut { .. } => Level::Info,
            Event::PackBegan { .. } | Event::Packing { .. } => Level::Info,
            Event::Packed { .. } | Event::PackedNothing { .. } => Level::Info,
            Event::PackFailed { .. } | Event::BlobsLeft { .. } => Level::Warning,
            Event::Closed { fault: Fault::StatusSent | Fault::Stopping, .. } => Level::Debug,
            Event::Closed { fault: Fault::Upstream, .. } => Level::Info,
            Event::Closed { fault: Fault::TransactionTimeout(_), .. } => Level::Critical,
            Event::Closed { .. } | Event::CallFailed { .. } | Event::Refused { .. } => Level::Warning,
            Event::IndexUnsaved { .. } => Level::Warning,
            // Python's server warns from 4 on, when a waiter stands in everybody's way; here most waits concern few.
            Event::Waiting { waiting: 0..=9, .. } => Level::Debug,
            Event::Waiting { .. } => Level::Warning,
            Event::Upstream { event, .. } => event.level(),
            Event::StorageFailed { .. } => Level::Error,
        }
    }
}
