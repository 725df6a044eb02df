//! A cache file.

use std::fs::{File, OpenOptions, TryLockError, read_to_string};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeolith_core::cache::{BootId, Medium, MediumError};

/// A file that a cache is kept in, locked for as long as this lives. Reads and writes go through the page cache.
#[derive(Debug)]
pub struct FileMedium(File);

/// Why a cache file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// Another process has it.
    #[error("the cache file {} is in use by another client; every one needs a file of its own, and lets go of it when it is closed", .0.display())]
    Held(PathBuf),
    /// It is no file, so it cannot be cut or lengthened.
    #[error("{} is not a file", .0.display())]
    NoFile(PathBuf),
    /// The operating system could not do it.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl FileMedium {
    /// Opens the file, which is made if it is missing, and locks it; what stands there is left as it is.
    ///
    /// # Errors
    /// When another process has it, this one included, or it cannot be read and written.
    pub fn open(path: &Path) -> Result<FileMedium, FileError> {
        let io = |error| FileError::Io { path: path.to_owned(), error };
        // A pipe or a device would be waited for, or worse.
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() => return Err(FileError::NoFile(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(FileMedium(file)),
            Err(TryLockError::WouldBlock) => Err(FileError::Held(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }
}

impl Medium for FileMedium {
    fn len(&self) -> Result<u64, MediumError> {
        Ok(self.0.metadata().map_err(failed)?.len())
    }

    fn set_len(&mut self, len: u64) -> Result<(), MediumError> {
        self.0.set_len(len).map_err(failed)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), MediumError> {
        self.0.read_exact_at(into, at).map_err(failed)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), MediumError> {
        self.0.write_all_at(bytes, at).map_err(failed)
    }

    fn sync(&mut self) -> Result<(), MediumError> {
        self.0.sync_data().map_err(failed)
    }
}

fn failed(error: io::Error) -> MediumError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => MediumError::Full,
        _ => MediumError::Io(error.to_string()),
    }
}

/// Which run of the operating system this is.
///
/// # Errors
/// When Linux does not tell, or not in the form of a UUID.
pub fn boot_id() -> io::Result<BootId> {
    let text = read_to_string("/proc/sys/kernel/random/boot_id")?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no boot id")))
}

fn parse(text: &str) -> Option<BootId> {
    let digits: String = text.trim_end().split('-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(BootId(number.to_be_bytes()))
}

#[cfg(test)]
#[path = "medium_tests.rs"]
mod tests;
