//! From options to a client that runs.

use super::medium::{FileError, FileMedium, boot_id};
use super::shared::Shared;
use super::trace::TraceFile;
use super::{ClientOptions, ConnectError};
use crate::address::Address;
use crate::clock;
use crate::tls::ClientSide;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use zeolith_core::cache::{BootId, Cache, Emptied, Report};
use zeolith_core::client::Client as Machine;
use zeolith_core::client::config::Config;
use zeolith_core::rng::Seed;

/// How long a cache file may be held by a client that is being closed, and how often it is looked at.
const CLOSING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// What a client's machine and its connections begin with.
pub(crate) struct Opened {
    pub(crate) config: Config,
    pub(crate) cache: Cache,
    pub(crate) servers: Vec<Address>,
    pub(crate) tls: Option<ClientSide>,
}

impl Opened {
    /// Opens the cache, and reads the certificates.
    pub(crate) async fn new(options: ClientOptions) -> Result<Opened, ConnectError> {
        let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
        let size = options.cache_size;
        let cache = match options.cache_path() {
            None => Cache::in_memory(size),
            Some(path) => {
                let opened = runtime.spawn_blocking(move || open_file(&path, size));
                opened.await.expect("opening a cache neither panics nor is cancelled")?
            }
        };
        let tls = match options.tls {
            None => None,
            Some(tls) => {
                let loaded = runtime.spawn_blocking(move || tls.load());
                Some(loaded.await.expect("reading certificates neither panics nor is cancelled")?)
            }
        };
        let servers = options.servers;
        let names = servers.iter().map(ToString::to_string).collect();
        Ok(Opened { config: Config { servers: names, ..options.config }, cache, servers, tls })
    }
}

/// Starts the machine and its driver on the present runtime.
pub(super) async fn open(options: ClientOptions) -> Result<Arc<Shared>, ConnectError> {
    let Opened { config, cache, servers, tls } = Opened::new(options).await?;
    let seed = Seed(clock::seed());
    let machine = |now| Machine::new(now, config, cache, seed);
    Ok(Shared::start(machine, servers, tls, Handle::current()))
}

/// Opens a cache in a file, traced if the environment asks for it.
fn open_file(path: &Path, size: u64) -> Result<Cache, ConnectError> {
    let mut cache = open_cache(path, size)?;
    if let Some(trace) = TraceFile::wanted(path) {
        cache.trace(Box::new(trace));
    }
    Ok(cache)
}

fn open_cache(path: &Path, size: u64) -> Result<Cache, ConnectError> {
    let medium = open_medium(path)?;
    let boot = boot_id().unwrap_or_else(|error| {
        // As after a power loss, which nobody can tell from any other start then.
        tracing::warn!("{}: only a client that is closed leaves a cache: {error}", path.display());
        BootId([clock::seed(); 2].map(u64::to_be_bytes).concat().try_into().expect("twice eight bytes"))
    });
    let wrong = |error| ConnectError::Cache { path: path.to_owned(), error };
    let (cache, report) = Cache::open(Box::new(medium), size, boot).map_err(wrong)?;
    report_on(path, &report);
    Ok(cache)
}

/// Opens and locks the file. A client that was dropped a moment ago may still be writing it.
fn open_medium(path: &Path) -> Result<FileMedium, FileError> {
    let patience = std::time::Instant::now() + CLOSING;
    loop {
        match FileMedium::open(path) {
            Err(FileError::Held(_)) if std::time::Instant::now() < patience => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
}

/// Says what an operator should know.
fn report_on(path: &Path, report: &Report) {
    let path = path.display();
    tracing::info!("opened the cache {path}: {} objects", report.objects);
    match report.emptied {
        Some(Emptied::Unflushed) => {
            tracing::info!("{path}: emptied, for the machine went down without closing it")
        }
        Some(Emptied::Damaged) => tracing::warn!("{path}: emptied, for its header is damaged"),
        None => {}
    }
    if report.damaged > 0 {
        tracing::warn!("{path}: {} damaged parts are dropped", report.damaged);
    }
}
