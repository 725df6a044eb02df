//! Why a connection to a server is given up.

use super::Error;
use crate::ids::Tid;
use crate::wire::Malformed;
use crate::wire::frame::FrameError;
use crate::wire::remote::RemoteError;
use std::time::Duration;
use thiserror::Error as ThisError;

/// The reason why a connection, or the attempt to make one, is over.
#[derive(Clone, Debug, PartialEq, ThisError)]
pub enum Fault {
    /// Nobody is to blame that could be named: the network, or a server that ended.
    #[error("{0}")]
    Network(String),
    /// It did not introduce itself and register the client in time.
    #[error("the server did not register the client within {} seconds", .0.as_secs_f64())]
    Slow(Duration),
    /// It owed an answer and said nothing.
    #[error("the server owes an answer and has said nothing for {} seconds", .0.as_secs_f64())]
    Silent(Duration),
    /// It refused a call without which there is no working with it.
    #[error("the server refused: {0}")]
    Refused(RemoteError),
    /// It knows less than this client.
    #[error("its last transaction is {server}, but this client has seen {client}")]
    Behind {
        /// The server's last transaction.
        server: Tid,
        /// The client's.
        client: Tid,
    },
    /// It broke the protocol.
    #[error("{0}")]
    Server(#[from] ServerFault),
    /// Another server was found that can be written to.
    #[error("another server can be written to")]
    Switched,
    /// The client itself is closed.
    #[error("the client is closed")]
    Closed,
}

/// What a server did wrong.
#[derive(Clone, Debug, PartialEq, ThisError)]
pub enum ServerFault {
    /// Its first message is no handshake of a known protocol.
    #[error("bad handshake {0:?}")]
    Handshake(String),
    /// A frame over the limit.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A message that cannot be read.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A reply to what was not asked.
    #[error("a reply to {0}, which was not asked")]
    Reply(String),
    /// A one-way call that clients do not have, or not at that time.
    #[error("an unexpected call of {0}")]
    Call(String),
    /// A result of another shape than the method has, or one that cannot be true.
    #[error("the result of {method} is no {expected}")]
    Result {
        /// The method.
        method: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// Transactions must be told in order.
    #[error("transaction {tid} was told after {last}")]
    Order {
        /// The transaction.
        tid: Tid,
        /// The last one before.
        last: Tid,
    },
}

impl Fault {
    /// A result of another shape.
    pub(super) fn result(method: &'static str, expected: &'static str) -> Fault {
        ServerFault::Result { method, expected }.into()
    }

    /// What a question is told that was under way.
    pub fn lost(&self) -> Error {
        match self {
            Fault::Server(fault) => Error::Protocol(fault.to_string()),
            Fault::Behind { server, client } => Error::ServerBehind { server: *server, client: *client },
            other => Error::Lost(other.to_string()),
        }
    }

    /// What a question is told that waited for a connection in vain, when this was the last reason why there was none.
    pub fn disconnected(&self) -> Error {
        match self {
            Fault::Behind { .. } => self.lost(),
            other => Error::Disconnected(other.to_string()),
        }
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Fault {
        Fault::Server(error.into())
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Fault {
        Fault::Server(error.into())
    }
}
