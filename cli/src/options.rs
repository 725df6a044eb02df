//! What a server is told before it starts: the outcome of the command line, the configuration file and the
//! environment.

use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
pub use zeolith_core::server::packs::PackOptions;
use zeolith_core::store::reach::Reach;
pub use zeolith_net::boot::{Layer, StorageKind, StorageSpec};
use zeolith_net::tls::ServerTls;
pub use zeolith_net::{Address, AddressError};

/// The port that ZEO's documentation and Plone use.
pub const DEFAULT_PORT: u16 = 8100;

/// All that `zeolith serve` needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where to listen.
    pub address: Address,
    /// The certificates of the server and its clients; `None`: everything is sent in the clear.
    pub tls: Option<ServerTls>,
    /// What to serve: at least one, names unique.
    pub storages: Vec<StorageSpec>,
    /// Refuse every write, whatever the storages allow.
    pub read_only: bool,
    /// Serve what is left of storages that differ from their checksums.
    pub serve_damaged: bool,
    /// Announce protocol `M5` (msgpack) instead of `Z5` (pickle).
    pub msgpack: bool,
    /// Transactions that are remembered of each storage for clients that come back.
    pub invalidation_queue: Reach,
    /// How long a transaction may hold its locks; `None` is for ever.
    pub transaction_timeout: Option<Duration>,
    /// Where to leave the process id; `None` for nowhere.
    pub pid_file: Option<PathBuf>,
    /// Classes by dotted name whose conflicts of undos are left to the client to merge; BTrees are anyway.
    pub merged: Vec<String>,
    /// Where to log what.
    pub log: LogOptions,
    /// What an operator should hear about the configuration, to be logged once the log is open.
    pub notices: Vec<Notice>,
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
