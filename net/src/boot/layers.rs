//! Storages that lie over others: record transformations and demo storages.

use super::{BootError, Booted, StorageKind};
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

/// A base as it is opened: nothing below writes. A Data.fs that would be created is an empty storage in its place.
pub(super) fn frozen(kind: StorageKind) -> Result<StorageKind, BootError> {
    Ok(match kind {
        StorageKind::File { path, create, read_only, pack } => {
            if create && !read_only && is_to_be_created(&path)? {
                tracing::info!("{}: not there, so the base of the demo storage is empty", path.display());
                StorageKind::Memory
            } else {
                StorageKind::File { path, create: false, read_only: true, pack }
            }
        }
        StorageKind::Coded { form, base } => StorageKind::Coded { form, base: Box::new(frozen(*base)?) },
        StorageKind::Demo { name, base, changes } => {
            StorageKind::Demo { name, base, changes: Box::new(frozen(*changes)?) }
        }
        other @ (StorageKind::Memory | StorageKind::Upstream(_)) => other,
    })
}

/// Whether nothing is there, not even a file that a pack has left in its stead.
fn is_to_be_created(path: &Path) -> Result<bool, BootError> {
    let is_empty = |path: &Path| match disk::length(path) {
        Ok(length) => Ok(length.unwrap_or(0) == 0),
        Err(error) => Err(BootError::Io { path: path.to_owned(), error }),
    };
    Ok(is_empty(path)? && is_empty(&disk::beside(path, "old"))? && is_empty(&disk::beside(path, "pack"))?)
}

/// Refuses a demo storage whose changes would go into the file of its base.
pub(super) fn check_apart(base: &StorageKind, changes: &StorageKind) -> Result<(), BootError> {
    let below = files(base)?;
    match files(changes)?.into_iter().find(|path| below.contains(path)) {
        Some(path) => Err(BootError::OwnBase { path }),
        None => Ok(()),
    }
}

/// The files of a storage, each by one name.
fn files(kind: &StorageKind) -> Result<Vec<PathBuf>, BootError> {
    Ok(match kind {
        StorageKind::File { path, .. } => match path.canonicalize() {
            Ok(path) => vec![path],
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![path.clone()],
            Err(error) => return Err(BootError::Io { path: path.clone(), error }),
        },
        StorageKind::Coded { base, .. } => files(base)?,
        StorageKind::Demo { base, changes, .. } => [files(base)?, files(changes)?].concat(),
        StorageKind::Memory | StorageKind::Upstream(_) => Vec::new(),
    })
}

/// Puts changes over a base. Clients that come back are told of the base's transactions as long as the queue reaches.
pub(super) fn demo(name: Option<String>, base: Booted, changes: Booted, seed: Seed) -> Booted {
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
    let logs = Logs::over(changes.files.logs, base.files.logs);
    Booted { boot, files: Files { logs, blobs: None }, summary }
}
