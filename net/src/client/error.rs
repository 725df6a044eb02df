//! Why there is no client.

use std::path::PathBuf;
use thiserror::Error;
use zeolith_core::cache::CacheError;
use zeolith_core::client::Error;

/// Why a client could not be started.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// [`Client::connect`](super::Client::connect) was polled outside of a tokio runtime.
    #[error("a client needs a tokio runtime; zeolith_net::client::blocking has one of its own")]
    NoRuntime,
    /// The runtime of a [`blocking::Client`](super::blocking::Client) could not be started.
    #[error("cannot start a client's thread: {0}")]
    Runtime(std::io::Error),
    /// The cache's file cannot be had: another process uses it, or the system refuses it.
    #[error(transparent)]
    CacheFile(#[from] super::medium::FileError),
    /// The cache's file is something else, or damaged beyond use.
    #[error("{}: {error}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: CacheError,
    },
    /// The files that TLS takes cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// No server could be used within the wait timeout.
    #[error(transparent)]
    Client(#[from] Error),
}
