//! Storages that lie over others: record transformations and demo storages.

use super::{BootError, Booted, Layer, Manner, StorageKind};
use crate::blobs::{self, BlobDir};
use crate::disk;
use crate::disk::files::Files;
use crate::disk::logs::Logs;
use std::io;
use std::path::{Path, PathBuf};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Seed;
use zeolith_core::store::Store;
use zeolith_core::store::coded::{Coded, Transformation};
use zeolith_core::store::demo::Demo;

/// Puts a transformation of records before a storage.
pub(super) fn coded(mut inner: Booted, form: Transformation) -> Booted {
    inner.boot.store = Store::Coded(Box::new(Coded::new(inner.boot.store, form)));
    inner
}

/// Whether a base would be created if it were none: an empty storage stands in its place. Not even a pack has left a file there.
pub(super) fn is_nothing(path: &Path, create: bool) -> Result<bool, BootError> {
    let is_empty = |path: &Path| match disk::length(path) {
        Ok(length) => Ok(length.unwrap_or(0) == 0),
        Err(error) => Err(BootError::Io { path: path.to_owned(), error }),
    };
    let is_nothing = create
        && is_empty(path)?
        && is_empty(&disk::beside(path, "old"))?
        && is_empty(&disk::beside(path, "pack"))?;
    if is_nothing {
        tracing::info!("{}: not there, so the base of the demo storage is empty", path.display());
    }
    Ok(is_nothing)
}

/// Refuses a demo storage whose changes would go into the files of its base.
pub(super) fn check_apart(base: &Layer, changes: Option<&Layer>) -> Result<(), BootError> {
    let below = places(base)?;
    let over = changes.map(places).transpose()?.unwrap_or_default();
    match over.into_iter().find(|path| below.contains(path)) {
        Some(path) => Err(BootError::OwnBase { path }),
        None => Ok(()),
    }
}

/// The files of a storage, and the folders of its blobs.
fn places(Layer { kind, blobs }: &Layer) -> Result<Vec<PathBuf>, BootError> {
    let mut places = of_kind(kind)?;
    places.extend(blobs.as_deref().map(the_one_name).transpose()?);
    Ok(places)
}

fn of_kind(kind: &StorageKind) -> Result<Vec<PathBuf>, BootError> {
    Ok(match kind {
        StorageKind::File { path, .. } => vec![the_one_name(path)?],
        StorageKind::Coded { base, .. } => of_kind(base)?,
        StorageKind::Demo { base, changes, .. } => {
            let over = changes.as_deref().map(places).transpose()?;
            [places(base)?, over.unwrap_or_default()].concat()
        }
        StorageKind::Memory | StorageKind::Upstream(_) => Vec::new(),
    })
}

/// The folder into which a storage puts blobs: its own, or that of what takes its changes.
pub(crate) fn blob_folder(kind: &StorageKind, blobs: Option<&Path>) -> Result<Option<PathBuf>, BootError> {
    match (blobs, kind) {
        (Some(folder), _) => the_one_name(folder).map(Some),
        (None, StorageKind::Coded { base, .. }) => blob_folder(base, None),
        (None, StorageKind::Demo { changes: Some(changes), .. }) => {
            blob_folder(&changes.kind, changes.blobs.as_deref())
        }
        (None, _) => Ok(None),
    }
}

/// What a file or folder is called, of all names it may have.
fn the_one_name(path: &Path) -> Result<PathBuf, BootError> {
    let name = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(path),
        name => name,
    };
    name.map_err(|error| BootError::Io { path: path.to_owned(), error })
}

/// Changes that were not asked for in words take blobs, too: into a folder that goes with the process. A base writes none.
pub(super) fn temporary(mut changes: Booted, manner: Manner) -> Result<Booted, BootError> {
    if !manner.frozen {
        blobs::start::attach_temporary(&mut changes)?;
    }
    Ok(changes)
}

/// Puts changes over a base. Clients that come back are told of the base's transactions as long as the queue reaches.
pub(super) fn demo(
    name: Option<String>,
    base: Booted,
    changes: Booted,
    manner: Manner,
    seed: Seed,
) -> Result<Booted, BootError> {
    let (below, above) = (base.boot.store.last_tid(), changes.boot.store.last_tid());
    if Tid::ZERO < above && above < below {
        tracing::warn!(
            "{}: the last transaction of its base, {below}, is later than that of the changes, {above}: these were made over \
             another base",
            changes.boot.name
        );
    }
    let (mut boot, mut summary) = (changes.boot, changes.summary);
    boot.description =
        name.unwrap_or_else(|| format!("DemoStorage('{}', '{}')", base.boot.description, boot.description));
    if boot.base == Tid::ZERO {
        boot.base = base.boot.base;
        boot.recent = [base.boot.recent, boot.recent].concat();
    }
    // As far away as Python's demo storage begins on average, and like there somewhere else every time.
    let left = Oid(1 << 61 | seed.0 >> 3);
    boot.store = Store::Demo(Box::new(Demo::new(base.boot.store, boot.store, left)));
    summary.path = None;
    summary.place = format!("{} over {}", summary.place, base.summary.place);
    summary.last = boot.store.last_tid();
    let blobs = match (changes.files.blobs, base.files.blobs) {
        (Some(changes), Some(base)) => Some(BlobDir::over(changes, base)),
        (None, Some(base)) if manner.frozen => Some(base),
        (None, Some(_)) => return Err(BootError::BlobsBelow { name: boot.name }),
        (changes, None) => changes,
    };
    let logs = Logs::over(changes.files.logs, base.files.logs);
    Ok(Booted { boot, files: Files { logs, blobs }, summary })
}
