//! Why a measurement ends early.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use zeolith_core::wire::remote::RemoteError;
use zeolith_net::tls::TlsError;

/// What went wrong, and on which server.
#[derive(Debug, Error)]
#[error("{address}: {fault}")]
pub struct BenchError {
    /// The server, as it is named to people.
    pub address: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What went wrong.
#[derive(Debug, Error)]
pub enum Fault {
    /// Nobody listens there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody else listens there.
    #[error("this is no ZEO server: {0}")]
    NotZeo(String),
    /// The server ended, or does not want us any more.
    #[error("the server closed the connection")]
    Vanished,
    /// Nothing arrived for a long time.
    #[error("no answer within {0} seconds")]
    Silent(u64),
    /// A socket's error.
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// The server says no.
    #[error("{method} is refused: {error}")]
    Refused {
        /// The method of the protocol.
        method: &'static str,
        /// The server's words.
        error: RemoteError,
    },
    /// The server answers something that a ZEO server does not.
    #[error("{0}")]
    Nonsense(String),
}

/// Why the result cannot be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {error}", path.display())]
pub struct WriteError {
    /// Where to.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

impl Fault {
    /// What an error of an established connection means.
    pub fn of(error: io::Error) -> Fault {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, WouldBlock};
        match error.kind() {
            ConnectionReset | ConnectionAborted | BrokenPipe => Fault::Vanished,
            // What a blocking read says when its time is over.
            WouldBlock | TimedOut => Fault::Silent(super::link::PATIENCE.as_secs()),
            _ => Fault::Io(error),
        }
    }
}
