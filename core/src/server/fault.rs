//! Why a connection is closed, by who is to blame.

use crate::wire::Malformed;
use crate::wire::frame::FrameError;
use std::time::Duration;
use thiserror::Error;

/// The reason for an [`Output::Close`](super::output::Output::Close).
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Fault {
    /// The peer broke the protocol.
    #[error("{0}")]
    Peer(#[from] PeerFault),
    /// The peer did nothing wrong, but had its time. In the words of Python's server, which monitors look for.
    #[error("Transaction timeout after {} seconds", .0.as_secs_f64())]
    TransactionTimeout(Duration),
    /// The storage failed while the peer's transaction was being written: its outcome is known after a restart.
    #[error("the storage failed: {0}")]
    Storage(String),
    /// The server has as many connections as it takes.
    #[error("too many connections")]
    Crowded,
    /// A `ruok` was answered.
    #[error("status sent")]
    StatusSent,
    /// The server above was lost: what the client knows is to be compared anew.
    #[error("the connection to the server above was lost meanwhile")]
    Upstream,
    /// The server stops.
    #[error("the server stops")]
    Stopping,
}

/// What a peer did wrong.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PeerFault {
    /// The first message is no handshake of a known protocol.
    #[error("bad handshake {0:?}")]
    Handshake(String),
    /// A frame over the limit.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A message that cannot be read.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A method that does not exist.
    #[error("unknown method {0:?}")]
    UnknownMethod(String),
    /// A call other than `register` on a connection that is not registered.
    #[error("call of {0} before register")]
    Unregistered(&'static str),
    /// A one-way call failed: the peer cannot be told, so it is closed, as Python's server does.
    #[error("one-way call failed: {0}")]
    OneWay(String),
    /// It stopped reading while others committed.
    #[error("the peer does not read: {0} bytes wait for it")]
    NotReading(usize),
}
