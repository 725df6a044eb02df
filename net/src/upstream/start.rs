//! From a configuration to a storage of another server.

use super::{Links, UpstreamSpec};
use crate::blobs::start::open_folder;
use crate::boot::{BootError, Summary};
use crate::client::Opened;
use crate::disk::files::Files;
use std::path::PathBuf;
use zeolith_core::client::Client;
use zeolith_core::client::config::{Access, Config};
use zeolith_core::ids::Tid;
use zeolith_core::rng::Seed;
use zeolith_core::server::config::RelayBoot;
use zeolith_core::store::file::open::Report;
use zeolith_core::time::Instant;

/// A storage of another server whose cache is open.
pub(crate) struct Prepared {
    name: String,
    description: String,
    place: String,
    opened: Opened,
    wait: bool,
    sync: bool,
    pub(crate) files: Files,
}

/// Opens what such a storage has here: the cache, and the folder for blobs.
///
/// # Errors
/// When that cannot be, or certificates cannot be read.
pub(crate) async fn prepare(
    name: String,
    spec: UpstreamSpec,
    blobs: Option<PathBuf>,
) -> Result<Prepared, BootError> {
    let UpstreamSpec { options, name: called } = spec;
    let (wait, sync, storage) = (options.waits(), options.syncs(), options.storage_name().to_owned());
    let failed = |error| BootError::Upstream { name: name.clone(), error };
    let opened = Opened::new(options.marks(false)).await.map_err(failed)?;
    let place = format!("storage {storage} of {}", opened.config.servers.join(", "));
    let blobs = blobs.map(|path| open_folder(&path)).transpose()?;
    let description = called.unwrap_or_else(|| place.clone());
    Ok(Prepared { name, description, place, opened, wait, sync, files: Files { blobs, ..Files::default() } })
}

impl Prepared {
    /// The storage, which begins to connect now, and its connections.
    pub(crate) fn begin(self, now: Instant, seed: Seed) -> (RelayBoot, Files, Summary, Links) {
        let Prepared { name, description, place, opened, wait, sync, files } = self;
        let Opened { config, cache, servers, tls } = opened;
        let Config { access, wait_timeout, .. } = config;
        if wait {
            tracing::info!("storage {name:?}: waits for {place}, {} s at most", wait_timeout.as_secs_f64());
        }
        let read_only = access == Access::Read;
        let summary = Summary {
            name: name.clone(),
            path: None,
            place,
            read_only,
            objects: 0,
            size: 0,
            last: Tid::ZERO,
            report: Report::default(),
        };
        let boot = RelayBoot {
            name,
            description,
            client: Client::new(now, config, cache, seed),
            now,
            wait,
            read_only,
            sync,
            has_blobs: files.blobs.is_some(),
        };
        (boot, files, summary, Links::new(servers, tls))
    }
}
