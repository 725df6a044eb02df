//! What is done with a folder of blobs before its storage is served.

use super::layout::{Layout, MARKER, revision};
use super::{BlobDir, OURS, make_folder, remove};
use crate::boot::{BootError, Booted, StorageSpec, blob_folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use thiserror::Error;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::StoreError;
use zeolith_core::store::blob::DraftId;
use zeolith_core::store::file::load::Answer;

/// Why a leftover stays where it is.
#[derive(Debug, Error)]
pub(crate) enum Unclean {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a storage that was just opened its folder of blobs, and removes what the server before left there.
/// A frozen one is left as it is.
pub(crate) fn attach(booted: &mut Booted, path: &Path, frozen: bool) -> Result<(), BootError> {
    let io = |error| BootError::Io { path: path.to_owned(), error };
    let read_only = booted.boot.read_only || frozen;
    let folder = BlobDir::open(path, read_only).map_err(io)?;
    if !read_only {
        for leftover in folder.leftovers().map_err(io)? {
            if let Err(error) = folder.clean(leftover, |oid, tid| is_committed(booted, oid, tid)) {
                tracing::warn!("{}: {leftover:?} stays: {error}", folder.base.display());
            }
        }
        if let Err(error) = folder.sweep_again(|oid, tid| is_committed(booted, oid, tid)) {
            tracing::warn!("{}: blobs that a pack has left stay: {error}", folder.base.display());
        }
    }
    booted.files.blobs = Some(Arc::new(folder));
    booted.boot.has_blobs = true;
    Ok(())
}

/// Gives a storage in memory a folder of blobs that goes when nobody has it any more.
pub(crate) fn attach_temporary(booted: &mut Booted) -> Result<(), BootError> {
    let home = tempfile::Builder::new().prefix("zeolith-blobs-").tempdir();
    let home = home.map_err(|error| BootError::Io { path: std::env::temp_dir(), error })?;
    attach(booted, home.path(), false)?;
    let folder = booted.files.blobs.as_mut().and_then(Arc::get_mut).expect("a folder nobody shares yet");
    folder.home = Some(home);
    Ok(())
}

/// Opens the folder of a storage of another server: for blobs under way, of which nothing stays, and for those that came
/// from above. Those are complete as soon as they have their names.
pub(crate) fn open_folder(path: &Path) -> Result<Arc<BlobDir>, BootError> {
    let io = |error| BootError::Io { path: path.to_owned(), error };
    let folder = BlobDir::open(path, false).map_err(io)?;
    for leftover in folder.leftovers().map_err(io)? {
        if let Err(error) = folder.clean(leftover, |_, _| Ok(true)) {
            tracing::warn!("{}: {leftover:?} stays: {error}", folder.base.display());
        }
    }
    Ok(Arc::new(folder))
}

/// Whether a transaction wrote a state of an object.
fn is_committed(booted: &mut Booted, oid: Oid, tid: Tid) -> Result<bool, Unclean> {
    let Some((store, disk)) = booted.files.logs.written(&booted.boot.store) else { return Ok(false) };
    let Some(mut search) = store.revision(oid, tid.next()) else { return Ok(false) };
    let found = disk.answer(store, &mut search)?;
    Ok(matches!(found, Answer::Revision(revision) if revision.serial == tid))
}

/// Sees to it that no two storages have one folder for their blobs: their objects have the same names.
pub(crate) fn check_apart(storages: &[StorageSpec]) -> Result<(), BootError> {
    let mut taken: Vec<(PathBuf, &str)> = Vec::new();
    for StorageSpec { name, kind, blobs } in storages {
        let Some(path) = blob_folder(kind, blobs.as_deref())? else { continue };
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == path) {
            return Err(BootError::SharedBlobs { path, first: (*first).to_owned(), second: name.clone() });
        }
        taken.push((path, name));
    }
    Ok(())
}

/// Something that was left in a folder of blobs when its server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// A draft that was being written.
    Draft(DraftId),
    /// Something of this draft is, or was, in the folder of this object.
    Placed(DraftId, Oid),
}

impl BlobDir {
    /// The folder at `path`, which is made unless it is there, or nothing may be written.
    pub(crate) fn open(path: &Path, read_only: bool) -> io::Result<BlobDir> {
        let base = std::path::absolute(path)?;
        let layout = Layout::of(&base)?;
        if layout == Layout::Lawn {
            tracing::warn!(
                "{}: the layout `lawn` is slow on some file systems with many blobs, and deprecated in ZODB",
                base.display()
            );
        }
        let folder = BlobDir { base, layout, folders: RwLock::default(), below: None, home: None };
        if !read_only {
            make_folder(&folder.tmp())?;
            let marker = folder.base.join(MARKER);
            if !marker.exists() {
                fs::write(marker, layout.name())?;
            }
        }
        Ok(folder)
    }

    /// What the server before left behind. Other files for temporary use belong to clients on this host.
    pub(crate) fn leftovers(&self) -> io::Result<Vec<Leftover>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.tmp())? {
            let name = entry?.file_name();
            found.extend(name.to_str().and_then(|name| name.strip_prefix(OURS)).and_then(leftover));
        }
        Ok(found)
    }

    /// Removes a leftover. Of the blobs of its object, those stay that `is_committed` knows.
    pub(crate) fn clean(
        &self,
        leftover: Leftover,
        mut is_committed: impl FnMut(Oid, Tid) -> Result<bool, Unclean>,
    ) -> Result<(), Unclean> {
        let (draft, oid) = match leftover {
            Leftover::Draft(draft) => {
                remove(&self.draft(draft));
                return Ok(());
            }
            Leftover::Placed(draft, oid) => (draft, oid),
        };
        remove(&self.placed(draft, oid));
        let folder = self.folder(oid);
        if folder.is_dir() {
            for entry in fs::read_dir(&folder)? {
                let name = entry?.file_name();
                if let Some(tid) = name.to_str().and_then(revision)
                    && !is_committed(oid, tid)?
                {
                    tracing::info!(
                        "{}: removed, for its transaction was not committed",
                        folder.join(&name).display()
                    );
                    remove(&folder.join(name));
                }
            }
        }
        self.forget_note(draft, oid);
        Ok(())
    }
}

fn leftover(name: &str) -> Option<Leftover> {
    match name.split_once('.') {
        None => Some(Leftover::Draft(DraftId(name.parse().ok()?))),
        Some((draft, oid)) => {
            let oid = u64::from_str_radix(oid, 16).ok()?;
            Some(Leftover::Placed(DraftId(draft.parse().ok()?), Oid(oid)))
        }
    }
}
