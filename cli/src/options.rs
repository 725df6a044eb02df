//! What a server is told before it starts: the outcome of the command line, the configuration file and the
//! environment.

use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
pub use zeolith_net::Address;
pub use zeolith_net::boot::{StorageKind, StorageSpec};

use crate::zconfig::datatypes::integer;

/// The port that ZEO's documentation and Plone use.
pub const DEFAULT_PORT: u16 = 8100;

/// All that `zeolith serve` needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where to listen.
    pub address: Address,
    /// What to serve: at least one, names unique.
    pub storages: Vec<StorageSpec>,
    /// Refuse every write, whatever the storages allow.
    pub read_only: bool,
    /// Serve what is left of storages that differ from their checksums.
    pub serve_damaged: bool,
    /// Announce protocol `M5` (msgpack) instead of `Z5` (pickle).
    pub msgpack: bool,
    /// Transactions that the invalidation queue remembers for each storage; 0 keeps none.
    pub invalidation_queue: usize,
    /// How long a transaction may hold its locks; `None` is for ever.
    pub transaction_timeout: Option<Duration>,
    /// Where to leave the process id; `None` for nowhere.
    pub pid_file: Option<PathBuf>,
    /// Where to log what.
    pub log: LogOptions,
    /// What an operator should hear about the configuration, to be logged once the log is open.
    pub notices: Vec<Notice>,
}

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither a port nor a word.
    #[error("expected HOST:PORT, :PORT, PORT, or a path with a '/'")]
    NoAddress,
    /// Letters where the port stands.
    #[error("'{0}' is no port")]
    NoPort(String),
    /// A port above 65535 or below 0.
    #[error("port {0} is not between 0 and 65535")]
    PortRange(i64),
}

/// Reads ZConfig's socket-binding-address: `HOST:PORT`, `[IPV6]:PORT`, `:PORT`, `PORT`, `HOST`, or a path with
/// a `/` in it. As with `runzeo`, a host without a port listens on a port that the system chooses.
pub fn address(text: &str) -> Result<Address, AddressError> {
    if text.contains('/') {
        return Ok(Address::Unix(PathBuf::from(text)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => (host, port),
            // An IPv6 address without brackets: what follows the last colon is part of it.
            None if host.contains(':') => (text, ""),
            None => (host, port),
        },
        None if integer(text).is_ok() => ("", text),
        None => (text, ""),
    };
    if host.contains(char::is_whitespace) || (host.is_empty() && port.is_empty()) {
        return Err(AddressError::NoAddress);
    }
    let port = match port {
        "" => 0,
        port => {
            let number = integer(port).map_err(|_| AddressError::NoPort(port.to_owned()))?;
            u16::try_from(number).map_err(|_| AddressError::PortRange(number))?
        }
    };
    Ok(Address::Tcp { host: host.to_lowercase(), port })
}

/// Where to log what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Every place that gets a copy; an event reaches those whose level lets it through.
    pub sinks: Vec<LogSink>,
}

impl Default for LogOptions {
    /// Standard error, from INFO up.
    fn default() -> LogOptions {
        LogOptions { sinks: vec![LogSink { target: LogTarget::Stderr, level: LevelFilter::INFO }] }
    }
}

/// One place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSink {
    /// The place.
    pub target: LogTarget,
    /// The least severe level that goes there.
    pub level: LevelFilter,
}

/// What a log can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// A remark about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Good to know.
    Info(String),
    /// Something written has no effect.
    Warning(String),
}

#[cfg(test)]
mod tests;
