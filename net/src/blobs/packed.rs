//! Removing the blobs whose records a pack has removed.
//!
//! `tmp/zeolith-packed` names them before the logs change places; when these have, the blobs go, and then that file. A start
//! that finds it does the same for those that the log does not name.
//!
//! To be kept, blobs are moved to a folder beside, `blobs.pack`, and the others linked there; whole, it takes the place of
//! `blobs.old`. Python's FileStorage leaves the same folder behind a pack, for the log that stays as `Data.fs.old`.

use super::layout::MARKER;
use super::start::Unclean;
use super::{BlobDir, OURS, make_folder, remove, sync};
use crate::disk::sync_parent;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::blob::BlobId;

/// What the first line of the file says: the blobs are to be kept beside, or not.
const KEEP: &str = "keep";
const DROP: &str = "drop";

impl BlobDir {
    /// The file that names the blobs that are to go.
    fn condemned(&self) -> PathBuf {
        self.tmp().join(format!("{OURS}packed"))
    }

    /// A folder beside the one of the blobs.
    fn beside(&self, suffix: &str) -> io::Result<PathBuf> {
        let name = self.base.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut name = name.to_owned();
        name.push(suffix);
        Ok(self.base.with_file_name(name))
    }

    /// Notes which blobs are to go.
    pub(super) fn condemn(&self, gone: &[BlobId], keep_old: bool) -> io::Result<()> {
        if keep_old {
            // A file system without links shows now, while the pack can still be given up.
            let aside = self.beside(".pack")?;
            remove_all(&aside)?;
            make_folder(&aside)?;
            fs::hard_link(self.base.join(MARKER), aside.join(MARKER))?;
        }
        let mut text = format!("{}\n", if keep_old { KEEP } else { DROP });
        for BlobId { oid, tid } in gone {
            text.push_str(&format!("{:016x} {:016x}\n", oid.0, tid.0));
        }
        let (note, new) = (self.condemned(), self.tmp().join(format!("{OURS}packed.new")));
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &note)?;
        sync(&self.tmp())
    }

    /// What is noted: whether the blobs are to be kept, and which they are; `None`: nothing is.
    fn noted(&self) -> io::Result<Option<(bool, Vec<BlobId>)>> {
        match fs::read_to_string(self.condemned()) {
            Ok(text) => match read(&text) {
                Some(noted) => Ok(Some(noted)),
                None => {
                    let what = format!("{} is not what a pack has written", self.condemned().display());
                    Err(io::Error::new(io::ErrorKind::InvalidData, what))
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the blobs that are noted. Those that a crash or an error leaves behind go when this is done again.
    pub(super) fn sweep(&self) -> io::Result<()> {
        match self.noted()? {
            Some((keep_old, gone)) => self.take_all_away(gone, keep_old),
            None => Ok(()),
        }
    }

    fn take_all_away(&self, gone: Vec<BlobId>, keep_old: bool) -> io::Result<()> {
        // A crash came when the folder beside had its last name, if it is not there.
        let aside = if keep_old { Some(self.beside(".pack")?).filter(|aside| aside.is_dir()) } else { None };
        for id in gone {
            self.take_away(id, aside.as_deref())?;
        }
        if let Some(aside) = aside {
            self.link_all(&self.base, &aside)?;
            let old = self.beside(".old")?;
            remove_all(&old)?;
            fs::rename(aside, &old)?;
            sync_parent(&old)?;
        }
        fs::remove_file(self.condemned())
    }

    /// Removes a blob, or moves it to the folder `aside`, and removes the folders that this leaves empty.
    fn take_away(&self, BlobId { oid, tid }: BlobId, aside: Option<&Path>) -> io::Result<()> {
        let blob = self.blob(oid, tid);
        let taken = match aside {
            None => fs::remove_file(&blob),
            Some(aside) => {
                let folder = aside.join(self.layout.folder(oid));
                fs::create_dir_all(&folder)?;
                fs::rename(&blob, folder.join(blob.file_name().unwrap_or_default()))
            }
        };
        match taken {
            // It went before, or was never there.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody is about to put something into a folder that is removed now.
        let _alone = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder(oid);
        for folder in folder.ancestors().take_while(|folder| *folder != self.base) {
            match fs::remove_dir(folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives all blobs below a folder a second name below another one.
    fn link_all(&self, from: &Path, to: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(from) {
            Ok(entries) => entries,
            // It was empty, or its draft was given up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type()?.is_dir() {
                if path != self.tmp() {
                    self.link_all(&path, &to)?;
                }
            } else if path.extension() == Some(OsStr::new("blob")) {
                fs::create_dir_all(to.parent().unwrap_or(Path::new("")))?;
                match fs::hard_link(&path, &to) {
                    Err(error)
                        if !matches!(
                            error.kind(),
                            io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                        ) =>
                    {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes what the server before has noted and not removed. What `is_committed` knows stays: the logs did not change
    /// places then, or an older one was put back.
    pub(super) fn sweep_again(
        &self,
        mut is_committed: impl FnMut(Oid, Tid) -> Result<bool, Unclean>,
    ) -> Result<(), Unclean> {
        remove(&self.tmp().join(format!("{OURS}packed.new")));
        let Some((keep_old, noted)) = self.noted()? else { return Ok(()) };
        let mut gone = Vec::new();
        for id in noted {
            if !is_committed(id.oid, id.tid)? {
                gone.push(id);
            }
        }
        if gone.is_empty() {
            // What may be beside is of the log before.
            remove_all(&self.beside(".pack")?)?;
            return Ok(fs::remove_file(self.condemned())?);
        }
        tracing::info!("{}: removing {} blobs that a pack has left", self.base.display(), gone.len());
        Ok(self.take_all_away(gone, keep_old)?)
    }
}

/// Whether the blobs are to be kept, and which they are; `None`: that is no such file.
fn read(text: &str) -> Option<(bool, Vec<BlobId>)> {
    let mut lines = text.lines();
    let keep_old = match lines.next()? {
        KEEP => true,
        DROP => false,
        _ => return None,
    };
    let id = |line: &str| {
        let (oid, tid) = line.split_once(' ')?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        Some(BlobId { oid: Oid(number(oid)?), tid: Tid(number(tid)?) })
    };
    Some((keep_old, lines.map(id).collect::<Option<_>>()?))
}

/// Removes a folder that may be there, with all that is in it.
fn remove_all(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
