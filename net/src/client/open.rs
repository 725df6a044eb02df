//! From options to a client that runs.

use super::medium::{FileMedium, boot_id};
use super::shared::Shared;
use super::{ClientOptions, ConnectError};
use crate::clock;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use zeolith_core::cache::{BootId, Cache};
use zeolith_core::client::Client as Machine;
use zeolith_core::client::config::Config;
use zeolith_core::rng::Seed;

/// Opens the cache, and starts the machine and its driver on the present runtime.
pub(super) async fn open(options: ClientOptions) -> Result<Arc<Shared>, ConnectError> {
    let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
    let size = options.cache_size;
    let cache = match options.cache_path() {
        None => Cache::in_memory(size),
        Some(path) => {
            let opened = runtime.spawn_blocking(move || open_file(&path, size));
            opened.await.expect("opening a cache neither panics nor is cancelled")?
        }
    };
    let servers = options.servers;
    let names = servers.iter().map(ToString::to_string).collect();
    let config = Config { servers: names, ..options.config };
    let seed = Seed(clock::seed());
    Ok(Shared::start(|now| Machine::new(now, config, cache, seed), servers, runtime))
}

fn open_file(path: &Path, size: u64) -> Result<Cache, ConnectError> {
    let medium = FileMedium::open(path)?;
    let wrong = |error| ConnectError::Cache { path: path.to_owned(), error };
    let boot = boot_id().unwrap_or_else(|error| {
        tracing::warn!("{}: emptied at the next start unless it is closed: {error}", path.display());
        BootId([clock::seed(); 2].map(u64::to_be_bytes).as_flattened().try_into().expect("twice eight bytes"))
    });
    let (cache, report) = Cache::open(Box::new(medium), size, boot).map_err(wrong)?;
    tracing::info!("opened the cache {}: {report:?}", path.display());
    Ok(cache)
}
