//! What a client tells its operator.

use super::fault::Fault;
use crate::ids::Tid;
use crate::server::event::Level;
use crate::wire::remote::RemoteError;
use thiserror::Error;

/// Something an operator may want to know. Servers are named as in the configuration.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Event {
    /// A connection could not be made, or was given up.
    #[error("{server}: {fault}{}", if *.again { " (again)" } else { "" })]
    Failed {
        /// The server.
        server: String,
        /// Why.
        fault: Fault,
        /// The attempt before failed in the same way.
        again: bool,
    },
    /// The connection that questions were answered on is over.
    #[error("{server}: disconnected: {fault}")]
    Disconnected {
        /// The server.
        server: String,
        /// Why.
        fault: Fault,
    },
    /// Questions are answered.
    #[error("{server}: connected{} at {last}: {verified}", if *.read_only { " for reading only" } else { "" })]
    Connected {
        /// The server.
        server: String,
        /// Whether nothing can be written.
        read_only: bool,
        /// The server's last transaction.
        last: Tid,
        /// What became of the cache.
        verified: Verified,
    },
    /// So many invalidations came while the cache was verified that it was dropped.
    #[error("{server}: too many invalidations while the cache was verified: it is dropped")]
    Flooded {
        /// The server.
        server: String,
    },
    /// A finish whose answer was lost has been looked into.
    #[error("a transaction whose finish was not answered {}", match .0 {
        Some(tid) => format!("was committed as {tid}"),
        None => "was not committed".to_owned(),
    })]
    Settled(Option<Tid>),
}

/// What became of the cache when a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Verified {
    /// There was nothing in it.
    #[error("the cache was empty")]
    Empty,
    /// Nothing had happened meanwhile.
    #[error("the cache is up to date")]
    UpToDate,
    /// The server knew what had happened meanwhile.
    #[error("the cache was brought up to date")]
    Quick,
    /// The server did not know what had happened since the cache's last transaction.
    #[error("the cache was too old, and is dropped")]
    TooOld,
    /// The server knows less than the client, and the client was told to make do with that.
    #[error("the server is behind, the cache is dropped")]
    Behind,
}

impl Event {
    /// How much this event matters.
    pub fn level(&self) -> Level {
        match self {
            Event::Connected { verified: Verified::TooOld | Verified::Behind, .. } => Level::Warning,
            Event::Connected { .. } | Event::Settled(_) => Level::Info,
            // Said once: a server may be away for days.
            Event::Failed { again: true, .. } => Level::Debug,
            Event::Failed { fault: Fault::Behind { .. }, .. } => Level::Error,
            Event::Disconnected { fault: Fault::Closed, .. } => Level::Info,
            // In the course of the search for a server that can be written to.
            Event::Failed {
                fault: Fault::Refused(RemoteError::ReadOnly) | Fault::Switched | Fault::Closed,
                ..
            } => Level::Debug,
            Event::Failed { .. } | Event::Disconnected { .. } | Event::Flooded { .. } => Level::Warning,
        }
    }
}
