//! Bringing storages up: locks, files, recovery.

mod layers;

pub(crate) use layers::blob_folder;

use crate::blobs;
use crate::client::ConnectError;
use crate::clock::wall;
use crate::disk::files::Files;
use crate::disk::logs::Logs;
use crate::disk::{self, Disk, Ran};
use crate::upstream::UpstreamSpec;
use std::fs::{File, OpenOptions as FileOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use zeolith_core::ids::Tid;
use zeolith_core::rng::Seed;
use zeolith_core::server::Context;
use zeolith_core::server::config::StorageBoot;
use zeolith_core::server::packs::PackOptions;
use zeolith_core::store::coded::Transformation;
use zeolith_core::store::disk::{DiskDone, DiskOp, FileId};
use zeolith_core::store::file::lockfile;
use zeolith_core::store::file::open::{Cut, Found, OpenError, OpenOptions, Opened, Opening, Report};
use zeolith_core::store::reach::Reach;

/// A storage to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSpec {
    /// What clients name in `register`.
    pub name: String,
    /// What it is.
    pub kind: StorageKind,
    /// The folder of its blobs; `None`: it takes none.
    pub blobs: Option<PathBuf>,
}

/// The kinds of storages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageKind {
    /// A Data.fs.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether it is created when it is missing.
        create: bool,
        /// Nobody may write.
        read_only: bool,
        /// How it is packed.
        pack: PackOptions,
    },
    /// In memory: gone with the process.
    Memory,
    /// Any of them, with records in another form.
    Coded {
        /// How records change on their way.
        form: Transformation,
        /// What keeps them.
        base: Box<StorageKind>,
    },
    /// A storage of other servers.
    Upstream(Box<UpstreamSpec>),
    /// Changes over a storage that is never written.
    Demo {
        /// What it is called; `None`: by what it is made of.
        name: Option<String>,
        /// What is underneath, whatever it says of itself.
        base: Box<Layer>,
        /// What takes the changes; `None`: memory, and a folder for blobs that goes with the process.
        changes: Option<Box<Layer>>,
    },
}

/// One of the storages that lie over one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is.
    pub kind: StorageKind,
    /// The folder of its blobs; `None`: it has none of its own.
    pub blobs: Option<PathBuf>,
}

impl Layer {
    /// In memory, without blobs.
    pub const MEMORY: Layer = Layer { kind: StorageKind::Memory, blobs: None };
}

/// A storage that was opened.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What clients name in `register`.
    pub name: String,
    /// The path of the Data.fs; `None`: it is not one file.
    pub path: Option<PathBuf>,
    /// Where it is, in words.
    pub place: String,
    /// Nobody may write.
    pub read_only: bool,
    /// Objects in it.
    pub objects: u64,
    /// Bytes of it.
    pub size: u64,
    /// The last transaction; zero when there is none.
    pub last: Tid,
    /// What was found when it was opened.
    pub report: Report,
}

/// Why a storage cannot be served.
#[derive(Debug, Error)]
pub enum BootError {
    /// Another process has it.
    #[error(
        "{} is in use by {}: it holds {}. Stop it first; to read beside it, open the storage read-only",
        path.display(), holder(*pid), lock.display()
    )]
    Held {
        /// The Data.fs.
        path: PathBuf,
        /// Its lock file.
        lock: PathBuf,
        /// The process that wrote its id there.
        pid: Option<u32>,
    },
    /// A demo storage was to write its own base.
    #[error("{}: the changes of a demo storage cannot go where its base is", path.display())]
    OwnBase {
        /// The file, or the folder of blobs.
        path: PathBuf,
    },
    /// The base of a demo storage has blobs, and its changes none.
    #[error(
        "storage {name:?}: the base of this demo storage has blobs; its changes need a folder for theirs, too"
    )]
    BlobsBelow {
        /// The storage.
        name: String,
    },
    /// The operating system could not do it.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Two storages would mix their blobs.
    #[error("{}: the blobs of storage {first:?} lie there, those of {second:?} need a folder of their own", path.display())]
    SharedBlobs {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        first: String,
        /// Who wants it too.
        second: String,
    },
    /// A storage of other servers cannot be had.
    #[error("storage {name:?}: {error}")]
    Upstream {
        /// Its name.
        name: String,
        /// Why.
        error: ConnectError,
    },
    /// Something was to lie over a storage of other servers.
    #[error("nothing can lie over a storage of another server: it is to do so there")]
    OverUpstream,
    /// The storage itself is at fault.
    #[error(transparent)]
    Open(#[from] OpenError),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or("another process".into(), |pid| format!("process {pid}"))
}

pub(crate) struct Booted {
    pub(crate) boot: StorageBoot,
    pub(crate) files: Files,
    pub(crate) summary: Summary,
}

impl Booted {
    /// An empty storage that goes with the process.
    pub(crate) fn in_memory(name: String) -> Booted {
        let summary = Summary {
            name: name.clone(),
            path: None,
            place: "in memory".into(),
            read_only: false,
            objects: 0,
            size: 0,
            last: Tid::ZERO,
            report: Report::default(),
        };
        Booted { boot: StorageBoot::memory(name), files: Files::default(), summary }
    }
}

/// How storages are opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Transactions wanted for the invalidation queue.
    pub(crate) queue: Reach,
    /// Bytes of a log up to which all of it is checked.
    pub(crate) check_upto: u64,
    /// Whether a log is opened that differs from its checksums.
    pub(crate) serve_damaged: bool,
    /// Whether it is the base of a demo storage, of which nothing is written.
    pub(crate) frozen: bool,
}

/// Opens a storage, recovering it if need be. The seed is for this opening alone: of it comes what tells the storage's
/// files, and the objects of a demo storage, from others'.
///
/// Given up in between, it leaves the files as a crash would, and unlocked.
pub(crate) async fn open(spec: StorageSpec, manner: Manner, seed: Seed) -> Result<Booted, BootError> {
    let StorageSpec { name, kind, blobs } = spec;
    open_layer(name, Layer { kind, blobs }, manner, seed).await
}

/// Opens a storage with its blobs.
async fn open_layer(name: String, layer: Layer, manner: Manner, seed: Seed) -> Result<Booted, BootError> {
    let mut booted = open_kind(name, layer.kind, manner, seed).await?;
    if let Some(path) = layer.blobs {
        blobs::start::attach(&mut booted, &path, manner.frozen)?;
    }
    Ok(booted)
}

/// Opens all of a storage but its own folder of blobs.
async fn open_kind(name: String, kind: StorageKind, manner: Manner, seed: Seed) -> Result<Booted, BootError> {
    match kind {
        StorageKind::Memory => Ok(Booted::in_memory(name)),
        StorageKind::File { path, create, read_only, .. }
            if manner.frozen && layers::is_nothing(&path, create && !read_only)? =>
        {
            Box::pin(open_kind(name, StorageKind::Memory, manner, seed)).await
        }
        StorageKind::File { path, create, read_only, pack } => {
            let (create, read_only) = (create && !manner.frozen, read_only || manner.frozen);
            let mut booted = open_file(name, path, create, read_only, manner, seed).await?;
            booted.boot.pack = pack;
            Ok(booted)
        }
        StorageKind::Coded { form, base } => {
            Ok(layers::coded(Box::pin(open_kind(name, *base, manner, seed)).await?, form))
        }
        StorageKind::Upstream(_) => Err(BootError::OverUpstream),
        StorageKind::Demo { name: called, base, changes } => {
            let below = Manner { frozen: true, ..manner };
            let over = changes.map(|changes| *changes);
            layers::check_apart(&base, over.as_ref())?;
            let base = Box::pin(open_layer(name.clone(), *base, below, seed)).await?;
            let changes = match over {
                Some(changes) => Box::pin(open_layer(name, changes, manner, seed)).await?,
                None => layers::temporary(Booted::in_memory(name), manner)?,
            };
            layers::demo(called, base, changes, manner, seed)
        }
    }
}

async fn open_file(
    name: String,
    path: PathBuf,
    create: bool,
    read_only: bool,
    manner: Manner,
    seed: Seed,
) -> Result<Booted, BootError> {
    let io = |error| BootError::Io { path: path.clone(), error };
    let (lock, contents) = if read_only { (None, peek(&path)?) } else { hold(&path)? };
    let found = look(&path, contents.clone()).map_err(io)?;
    let Manner { queue, check_upto, serve_damaged, .. } = manner;
    let name_of_log = path.display().to_string();
    let options = OpenOptions { path: name_of_log, create, read_only, queue, check_upto, serve_damaged };
    let mut disk = Disk::new(path.clone(), read_only, lock).map_err(io)?;
    let opened = recover(Opening::new(found, options, seed), &mut disk).await;
    let untouched = matches!(&opened, Err(error) if !matches!(error, OpenError::Disk { .. }));
    if untouched && !read_only {
        leave(&mut disk, contents);
    }
    let opened = opened?;
    if !read_only {
        // Of a pack that was interrupted. Whoever has a log does not need it.
        for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex] {
            disk::remove(&disk::path(&path, file)).map_err(io)?;
        }
        // A pack may have been interrupted before the names were certain that this start has read by.
        disk::sync_parent(&path).map_err(io)?;
    }
    report(&path, &opened.report);
    if let Some(ahead) = ahead(opened.store.last_tid()) {
        tracing::warn!(
            "{}: its last transaction is {} seconds in the future; new ones are counted from there on until the clock \
             has caught up",
            path.display(),
            ahead.as_secs()
        );
    }
    let summary = Summary {
        name: name.clone(),
        path: Some(path.clone()),
        place: path.display().to_string(),
        read_only,
        objects: opened.store.len(),
        size: opened.store.size(),
        last: opened.store.last_tid(),
        report: opened.report.clone(),
    };
    let boot = StorageBoot::file(name, path.display().to_string(), read_only, opened);
    Ok(Booted { boot, files: Files { logs: Logs::One(disk), blobs: None }, summary })
}

/// The contents of `Data.fs.lock`, whoever holds it; empty when it is not there. Without it the checksums are of no use.
fn peek(path: &Path) -> Result<Vec<u8>, BootError> {
    let lock_path = disk::path(path, FileId::Lock);
    match std::fs::read(&lock_path) {
        Ok(contents) => Ok(contents),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            Ok(Vec::new())
        }
        Err(error) => Err(BootError::Io { path: lock_path, error }),
    }
}

/// Takes `Data.fs.lock`, as `zc.lockfile` does; returns it with the contents it had.
fn hold(path: &Path) -> Result<(Option<File>, Vec<u8>), BootError> {
    let lock_path = disk::path(path, FileId::Lock);
    let io = |error| BootError::Io { path: lock_path.clone(), error };
    let mut lock = FileOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(io)?;
    let taken = lock.try_lock();
    let mut contents = Vec::new();
    lock.read_to_end(&mut contents).map_err(io)?;
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = contents.split(|&byte| byte == b'\n').next();
            let pid = pid.and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok());
            return Err(BootError::Held { path: path.to_owned(), lock: lock_path, pid });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    // Our id is there while the storage is recovered; the other lines stay, since nobody else has written.
    if lockfile::nonce(&contents).is_some() {
        let others = contents.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let ours = [format!(" {}\n", std::process::id()).as_bytes(), &contents[others..]].concat();
        lock.rewind().and_then(|()| lock.write_all(&ours)).map_err(io)?;
        lock.set_len(ours.len() as u64).map_err(io)?;
    }
    Ok((Some(lock), contents))
}

/// Leaves the lock file of a storage that is not opened as it was.
fn leave(disk: &mut Disk, contents: Vec<u8>) {
    let (file, len) = (FileId::Lock, contents.len() as u64);
    for op in [DiskOp::Write { file, at: 0, chunks: vec![contents.into()] }, DiskOp::SetLen { file, len }] {
        if let Ran::Done(DiskDone::WriteFailed { error, .. }) = disk.run(op) {
            tracing::warn!("the lock file keeps the id of this process: {error}");
        }
    }
}

/// What stands on the disk. The log is looked at last, so that beside a running server it holds all that the others speak
/// of.
fn look(path: &Path, lock: Vec<u8>) -> io::Result<Found> {
    let length = |file| disk::length(&disk::path(path, file));
    let mut leftovers = Vec::new();
    for suffix in ["old", "pack"] {
        let beside = disk::beside(path, suffix);
        if disk::length(&beside)?.is_some() {
            leftovers.push(beside.display().to_string());
        }
    }
    Ok(Found {
        index_len: length(FileId::Index)?,
        sidecar_len: length(FileId::Sidecar)?,
        log_len: length(FileId::Log)?,
        lock,
        leftovers,
        pid: std::process::id(),
    })
}

/// Drives an opening to its end. No connection waits for anything yet, so each step may block; in between, signals
/// are heard, because a large log takes minutes to scan.
async fn recover(mut opening: Opening<Context>, disk: &mut Disk) -> Result<Opened<Context>, OpenError> {
    loop {
        tokio::task::yield_now().await;
        if let Some(result) = opening.finished() {
            return result;
        }
        let op = opening.poll().expect("an opening wants something until it is finished");
        match disk.run(op) {
            Ran::Quiet => {}
            Ran::Done(done) => opening.handle(done),
            Ran::Later(job) => opening.handle(job()),
        }
    }
}

/// How far a tid is ahead of the clock, where that is more than clocks usually differ.
fn ahead(last: Tid) -> Option<Duration> {
    let micros = last.wall()?.0.saturating_sub(wall().0);
    Some(Duration::from_micros(micros)).filter(|ahead| *ahead > Duration::from_secs(30))
}

/// An opening in one line.
fn sum_up(report: &Report) -> String {
    let Report { objects, index, sums, scanned, unchecked, .. } = report;
    let line =
        format!("{objects} objects; index: {index}; checksums: {sums}; {scanned} transactions scanned");
    match unchecked {
        0 => line,
        bytes => {
            format!("{line}; {bytes} bytes not checked, for the log is long: `zeolith check` reads them too")
        }
    }
}

/// Says what an operator should know.
fn report(path: &Path, report: &Report) {
    let path = path.display();
    tracing::info!("opened {path}: {}", sum_up(report));
    if let Some(Cut { at, bytes, why, kept }) = &report.cut {
        let kept = kept.as_ref().map_or_else(
            || "they stay, for it is open read-only".to_owned(),
            |kept| format!("they were cut off and are kept in {kept}"),
        );
        tracing::warn!("{path}: {bytes} bytes from byte {at} on are no part of it ({why}); {kept}");
    }
    for range in &report.damaged {
        tracing::error!(
            "{path}: bytes {} to {} are damaged; reads of them are refused",
            range.start,
            range.end
        );
    }
    for warning in &report.warnings {
        tracing::warn!("{path}: {warning}");
    }
    if let Some(error) = &report.index_unsaved {
        tracing::warn!("{path}: the index could not be saved: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeolith_core::time::WallTime;

    #[test]
    fn what_was_not_checked_is_told_with_the_way_to_do_it() {
        let report = Report { objects: 3, ..Report::default() };
        assert_eq!(
            sum_up(&report),
            "3 objects; index: missing; checksums: none of use; 0 transactions scanned"
        );
        let line = sum_up(&Report { unchecked: 1 << 31, ..report });
        assert!(line.ends_with(
            "; 2147483648 bytes not checked, for the log is long: `zeolith check` reads them too"
        ));
    }

    #[test]
    fn only_a_tid_that_is_well_ahead_of_the_clock_is_worth_a_word() {
        let now = wall().0;
        assert_eq!(ahead(Tid::at(WallTime(now))), None);
        assert_eq!(ahead(Tid::ZERO), None);
        let year = ahead(Tid::at(WallTime(now + 365 * 86_400_000_000))).unwrap();
        assert!(year > Duration::from_secs(364 * 86_400));
    }
}
