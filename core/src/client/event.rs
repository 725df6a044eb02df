//! What a client tells its operator.

use std::fmt;

/// Something an operator may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A connection could not be made or was given up.
    Failed {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Failed { server, why } => write!(f, "{server}: {why}"),
        }
    }
}
