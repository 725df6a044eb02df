//! Disk work that may block, done away from the loop.

use super::{beside, path, sync_parent};
use bytes::{Bytes, BytesMut};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeolith_core::store::disk::{Naming, Span};

/// Reads a span; less where the file ends.
pub(crate) fn read(file: &File, span: Span) -> io::Result<Bytes> {
    let mut into = BytesMut::zeroed(span.len);
    let mut got = 0;
    while got < into.len() {
        match file.read_at(&mut into[got..], span.at + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    into.truncate(got);
    Ok(into.freeze())
}

/// Writes a file under a temporary name, syncs it, and renames it.
pub(crate) fn replace(target: &Path, contents: &[Bytes]) -> io::Result<()> {
    let temporary = beside(target, "new");
    let written = File::create(&temporary).and_then(|mut file| {
        contents.iter().try_for_each(|chunk| file.write_all(chunk))?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&temporary, target));
    replaced.inspect_err(|_| {
        // What is half there would only take the room that was missing.
        if let Err(error) = std::fs::remove_file(&temporary) {
            tracing::warn!("cannot remove {}: {error}", temporary.display());
        }
    })
}

/// Copies the log from `from` on into the first free `Data.fs.tr0`, `.tr1`, …; returns the file's name.
pub(crate) fn keep_tail(log: &Path, from: u64) -> io::Result<String> {
    let mut source = File::open(log)?;
    source.seek(SeekFrom::Start(from))?;
    let mut number = 0;
    let (path, mut kept) = loop {
        let path = beside(log, &format!("tr{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => break (path, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    };
    io::copy(&mut source, &mut kept)?;
    kept.sync_all()?;
    Ok(path.display().to_string())
}

/// Bytes that are free on the disk of the log, to those who have no privileges.
pub(crate) fn free(log: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(super::folder(log))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Changes names beside the log.
pub(crate) fn name(log: &Path, naming: Naming) -> io::Result<()> {
    match naming {
        Naming::Remove(file) => remove(&path(log, file)),
        Naming::Link { from, to } => {
            let to = path(log, to);
            remove(&to)?;
            std::fs::hard_link(path(log, from), to)
        }
        Naming::Rename { from, to } => std::fs::rename(path(log, from), path(log, to)),
        Naming::Sync => sync_parent(log),
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
