//! The folder of a storage's blobs, as ZODB lays it out, and what is done in it.
//!
//! A draft is `tmp/zeolith-N` while it is written, and `zeolith-N.tmp` in the folder of its object from then on: to publish
//! it is to rename it there. Before anything appears in that folder, an empty file `tmp/zeolith-N.OID` says so, and it
//! stays until the transaction is durable; [`start`] removes what these lead to.

mod layout;
mod packed;
pub(crate) mod start;

use crate::disk::{Job, disk_error, sync_parent};
use bytes::{Bytes, BytesMut};
use layout::Layout;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tempfile::TempDir;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::blob::{BlobDone, BlobOp, DraftId, Source};
use zeolith_core::store::disk::DiskDone;

/// How the names of our files begin in the folder for temporary ones, which clients on the same host use too.
const OURS: &str = "zeolith-";

/// The folder of one storage's blobs.
#[derive(Debug)]
pub(crate) struct BlobDir {
    base: PathBuf,
    layout: Layout,
    /// Held by those who put something into a folder that may be empty, and alone by who removes empty folders.
    folders: RwLock<()>,
    /// Where blobs are that are not here, which are only read.
    below: Option<Arc<BlobDir>>,
    /// What is removed with this.
    home: Option<TempDir>,
}

impl BlobDir {
    /// The folder of a storage that lies over another one.
    ///
    /// # Panics
    /// When the upper one is shared already.
    pub(crate) fn over(mut upper: Arc<BlobDir>, below: Arc<BlobDir>) -> Arc<BlobDir> {
        let folder = Arc::get_mut(&mut upper).expect("a folder that nobody shares yet");
        folder.below = Some(below);
        upper
    }

    /// What is to be done for an operation, which may block.
    pub(crate) fn job(self: &Arc<Self>, op: BlobOp) -> Job {
        let folder = self.clone();
        Box::new(move || DiskDone::Blob(folder.run(op)))
    }

    fn run(&self, op: BlobOp) -> BlobDone {
        match op {
            BlobOp::Write { draft, at, chunks } => {
                let result = self.write(draft, at, &chunks).map_err(|error| disk_error(&error));
                BlobDone::Written { draft, result }
            }
            BlobOp::Place { draft, oid, source } => {
                let placed = self.place(draft, oid, &source);
                if !matches!(placed, Ok(true)) {
                    self.discard(draft, Some(oid), None);
                }
                if let (Err(_), Source::Shared(name)) = (&placed, &source) {
                    remove(&self.folder(oid).join(name));
                }
                BlobDone::Placed { draft, result: placed.map_err(|error| disk_error(&error)) }
            }
            BlobOp::Publish { draft, oid, tid } => {
                let named = fs::rename(self.placed(draft, oid), self.blob(oid, tid));
                let result = named.and_then(|()| sync(&self.folder(oid)));
                BlobDone::Published { draft, result: result.map_err(|error| disk_error(&error)) }
            }
            BlobOp::Settle { draft, oid } => {
                remove(&self.note(draft, oid));
                BlobDone::Gone { draft }
            }
            BlobOp::Discard { draft, oid, published } => {
                self.discard(draft, oid, published);
                BlobDone::Gone { draft }
            }
            BlobOp::Condemn { gone, keep_old } => BlobDone::Condemned {
                result: self.condemn(&gone, keep_old).map_err(|error| disk_error(&error)),
            },
            BlobOp::Sweep => BlobDone::Swept { result: self.sweep().map_err(|error| disk_error(&error)) },
            BlobOp::ReadBack { draft, at, len } => {
                let result = read(&self.draft(draft), at, len).map_err(|error| disk_error(&error));
                BlobDone::ReadBack { draft, result: result.map(Option::unwrap_or_default) }
            }
            BlobOp::Read { reader, oid, tid, at, len } => {
                let result = self.read(oid, tid, at, len).map_err(|error| disk_error(&error));
                BlobDone::Read { reader, result }
            }
        }
    }

    /// The folder for temporary files.
    fn tmp(&self) -> PathBuf {
        self.base.join("tmp")
    }

    /// A draft that is being written.
    fn draft(&self, DraftId(draft): DraftId) -> PathBuf {
        self.tmp().join(format!("{OURS}{draft}"))
    }

    /// The file that says that there is something of a draft in the folder of an object.
    fn note(&self, DraftId(draft): DraftId, Oid(oid): Oid) -> PathBuf {
        self.tmp().join(format!("{OURS}{draft}.{oid:016x}"))
    }

    /// A draft in the folder of its object.
    fn placed(&self, DraftId(draft): DraftId, oid: Oid) -> PathBuf {
        self.folder(oid).join(format!("{OURS}{draft}.tmp"))
    }

    fn folder(&self, oid: Oid) -> PathBuf {
        self.base.join(self.layout.folder(oid))
    }

    fn blob(&self, oid: Oid, tid: Tid) -> PathBuf {
        self.folder(oid).join(layout::file_name(tid))
    }

    /// A part of a blob, wherever it is.
    fn read(&self, oid: Oid, tid: Tid, at: u64, len: usize) -> io::Result<Option<Bytes>> {
        match (read(&self.blob(oid, tid), at, len)?, &self.below) {
            (None, Some(below)) => below.read(oid, tid, at, len),
            (found, _) => Ok(found),
        }
    }

    /// The file of a blob, here or below.
    fn find(&self, oid: Oid, tid: Tid) -> io::Result<PathBuf> {
        let here = self.blob(oid, tid);
        match &self.below {
            Some(below) if !is_file(&here)? => below.find(oid, tid),
            _ => Ok(here),
        }
    }

    fn write(&self, draft: DraftId, at: u64, chunks: &[Bytes]) -> io::Result<()> {
        let path = self.draft(draft);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut at = at;
        for chunk in chunks {
            file.write_all_at(chunk, at)?;
            at += chunk.len() as u64;
        }
        Ok(())
    }

    /// Puts a draft into the folder of its object; false when its source is not there.
    fn place(&self, draft: DraftId, oid: Oid, source: &Source) -> io::Result<bool> {
        let folder = self.folder(oid);
        let from = match source {
            Source::Written => self.draft(draft),
            Source::Shared(name) => folder.join(name),
            Source::Revision(tid) => self.find(oid, *tid)?,
        };
        if *source == Source::Written {
            self.write(draft, 0, &[])?;
        } else if !is_file(&from)? {
            return Ok(false);
        }
        File::create(self.note(draft, oid))?;
        sync(&self.tmp())?;
        let placed = self.placed(draft, oid);
        let shared = self.folders.read().unwrap_or_else(PoisonError::into_inner);
        make_folder(&folder)?;
        match source {
            Source::Written | Source::Shared(_) => rename_or_copy(&from, &placed)?,
            // What is below stays as it is, its permissions too.
            Source::Revision(_) if !from.starts_with(&self.base) => drop(fs::copy(&from, &placed)?),
            Source::Revision(_) => link_or_copy(&from, &placed)?,
        }
        drop(shared);
        protect(&placed, &folder)?;
        File::open(&placed)?.sync_all()?;
        sync(&folder)?;
        Ok(true)
    }

    fn discard(&self, draft: DraftId, oid: Option<Oid>, published: Option<Tid>) {
        remove(&self.draft(draft));
        if let Some(oid) = oid {
            remove(&self.placed(draft, oid));
            if let Some(tid) = published {
                remove(&self.blob(oid, tid));
            }
            self.forget_note(draft, oid);
        }
    }

    /// Removes what says that there is something of a draft in the folder of an object, once it is certain that there is
    /// not: no power loss brings back what nothing leads to.
    fn forget_note(&self, draft: DraftId, oid: Oid) {
        let folder = self.folder(oid);
        match sync(&folder) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                tracing::warn!("cannot sync {}: {error}", folder.display());
            }
            _ => remove(&self.note(draft, oid)),
        }
    }
}

/// Whether a file is there, which is not a link that leads elsewhere.
fn is_file(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read(path: &Path, at: u64, len: usize) -> io::Result<Option<Bytes>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = BytesMut::zeroed(len);
    let mut got = 0;
    while got < len {
        match file.read_at(&mut bytes[got..], at + got as u64) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(got);
    Ok(Some(bytes.freeze()))
}

/// Makes a folder and those above it, each of which survives a power loss.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    match fs::DirBuilder::new().mode(0o777).create(path) {
        // Another draft of the same object was faster, perhaps not with the sync yet.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(path),
    }
}

/// Makes the entries of a folder survive a power loss.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn rename_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to)?;
            fs::remove_file(from)
        }
        renamed => renamed,
    }
}

fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        // The file system, or this file, takes no further link.
        Err(_) => fs::copy(from, to).map(drop),
    }
}

/// Gives a blob the permissions that ZODB gives it: nobody may write, and whoever may read its folder may read it.
fn protect(path: &Path, folder: &Path) -> io::Result<()> {
    let own = fs::metadata(path)?.permissions().mode();
    let readers = fs::metadata(folder)?.permissions().mode() & 0o444;
    let wanted = (own & 0o7777 & !0o222) | readers;
    // A shared file may be somebody else's, who has seen to that.
    if own & 0o7777 == wanted { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(wanted)) }
}

/// Removes a file that may be there.
fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
