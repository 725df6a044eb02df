//! The files of one storage, and the operations a store asks for.

pub(crate) mod arena;
mod copy;
pub(crate) mod files;
pub(crate) mod logs;

use arena::Arena;
use bytes::Bytes;
pub(crate) use copy::remove;
use rustix::fs::FallocateFlags;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::process::{Resource, getrlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeolith_core::server::Context;
use zeolith_core::store::StoreError;
use zeolith_core::store::disk::{DiskDone, DiskError, DiskOp, FileId, Naming, Span};
use zeolith_core::store::file::FileStore;
use zeolith_core::store::file::errand::{Errand, Step};
use zeolith_core::store::file::view::Walk;

/// Work that may block.
pub(crate) type Job = Box<dyn FnOnce() -> DiskDone<Context> + Send>;

/// What became of an operation.
#[expect(clippy::large_enum_variant, reason = "a box would cost every read of an object an allocation")]
pub(crate) enum Ran {
    /// It is done, and has no answer.
    Quiet,
    /// It is done.
    Done(DiskDone<Context>),
    /// It may block: to be run elsewhere.
    Later(Job),
}

/// The most pieces one vectored write takes (`IOV_MAX`).
const PIECES: usize = 1024;

/// The files of one storage.
#[derive(Debug)]
pub(crate) struct Disk {
    base: PathBuf,
    read_only: bool,
    files: BTreeMap<FileId, Arc<File>>,
    /// Files created here whose directory entry is not synced yet.
    fresh: BTreeSet<FileId>,
    /// The log that another one took the place of: to be closed where that may take its time.
    retired: Option<Arc<File>>,
    /// Where the log ends: a shorter read than asked for is complete only there.
    log_len: u64,
    arena: Arena,
}

/// The path of a storage's file.
pub(crate) fn path(base: &Path, file: FileId) -> PathBuf {
    match file.suffix().strip_prefix('.') {
        Some(suffix) => beside(base, suffix),
        None => base.to_owned(),
    }
}

/// The path of a file beside the log: `Data.fs.suffix`.
pub(crate) fn beside(base: &Path, suffix: &str) -> PathBuf {
    let mut path = base.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

/// The length of a file; `None` when it is not there.
pub(crate) fn length(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the system said, as a store hears it.
pub(crate) fn disk_error(error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            DiskError::Full
        }
        _ => DiskError::Io(error.to_string()),
    }
}

impl Disk {
    /// The files of the storage whose log is `base`. `lock` is its lock file, held.
    pub(crate) fn new(base: PathBuf, read_only: bool, lock: Option<File>) -> io::Result<Disk> {
        let log_len = length(&base)?.unwrap_or(0);
        let files = lock.map(|lock| (FileId::Lock, Arc::new(lock))).into_iter().collect();
        Ok(Disk {
            base,
            read_only,
            files,
            fresh: BTreeSet::new(),
            retired: None,
            log_len,
            arena: Arena::default(),
        })
    }

    /// Starts an operation, and carries it out if it does not block.
    pub(crate) fn run(&mut self, op: DiskOp<Context>) -> Ran {
        match op {
            DiskOp::Read { file, span, pending } => match self.read_now(file, span) {
                Ok(Some(bytes)) => Ran::Done(DiskDone::Read { pending, result: Ok(bytes) }),
                Ok(None) => self.read_later(file, span, |result| DiskDone::Read { pending, result }),
                Err(error) => Ran::Done(DiskDone::Read { pending, result: Err(disk_error(&error)) }),
            },
            DiskOp::Write { file, at, chunks } => quiet(file, self.write(file, at, &chunks)),
            DiskOp::SetLen { file, len } => quiet(file, self.set_len(file, len)),
            DiskOp::Sync { file } => match self.open(file) {
                Ok(handle) => {
                    let directory = self.fresh.remove(&file).then(|| self.base.clone());
                    Ran::Later(Box::new(move || {
                        let synced = handle
                            .sync_data()
                            .and_then(|()| directory.map_or(Ok(()), |base| sync_parent(&base)));
                        DiskDone::Synced { file, result: synced.map_err(|error| disk_error(&error)) }
                    }))
                }
                Err(error) => Ran::Done(DiskDone::Synced { file, result: Err(disk_error(&error)) }),
            },
            DiskOp::Replace { file, contents } => {
                self.files.remove(&file);
                let (base, target) = (self.base.clone(), path(&self.base, file));
                Ran::Later(Box::new(move || {
                    let replaced = copy::replace(&target, &contents).and_then(|()| sync_parent(&base));
                    DiskDone::Synced { file, result: replaced.map_err(|error| disk_error(&error)) }
                }))
            }
            DiskOp::Reserve { upto } => {
                let result = self.reserve(upto).map_err(|error| disk_error(&error));
                Ran::Done(DiskDone::Reserved { upto, result })
            }
            DiskOp::Of { .. } => unreachable!("a Data.fs has no parts"),
            DiskOp::KeepTail { from } => {
                let base = self.base.clone();
                Ran::Later(Box::new(move || {
                    let result = copy::keep_tail(&base, from).map_err(|error| disk_error(&error));
                    DiskDone::Kept { result }
                }))
            }
            DiskOp::Blob(_) => unreachable!("blobs have a folder of their own"),
            DiskOp::Free => {
                let result = copy::free(&self.base).map_err(|error| disk_error(&error));
                Ran::Done(DiskDone::Free { result })
            }
            // At once: what is read from now on is read from the new log.
            DiskOp::Name(Naming::Rename { from, to }) => {
                let result = self.rename(from, to).map_err(|error| disk_error(&error));
                Ran::Done(DiskDone::Named { result })
            }
            DiskOp::Name(naming) => {
                let (base, retired) = (self.base.clone(), self.retired.take());
                if let Naming::Remove(file) | Naming::Link { to: file, .. } = naming {
                    self.files.remove(&file);
                }
                Ran::Later(Box::new(move || {
                    drop(retired);
                    let result = copy::name(&base, naming).map_err(|error| disk_error(&error));
                    DiskDone::Named { result }
                }))
            }
        }
    }

    /// Reads a span at once, whether that blocks or not.
    pub(crate) fn read(&mut self, file: FileId, span: Span) -> Result<Bytes, DiskError> {
        let read = match self.read_now(file, span) {
            Ok(None) => self.open(file).and_then(|handle| copy::read(&handle, span)),
            Ok(Some(bytes)) => Ok(bytes),
            Err(error) => Err(error),
        };
        read.map_err(|error| disk_error(&error))
    }

    /// Takes an errand to its answer.
    pub(crate) fn answer<W: Walk>(
        &mut self,
        store: &FileStore<Context>,
        errand: &mut Errand<W>,
    ) -> Result<W::Answer, StoreError> {
        loop {
            match store.pursue(errand)? {
                Step::Answer(answer) => return Ok(answer),
                Step::Read(span) => errand.take(self.read(FileId::Log, span))?,
            }
        }
    }

    /// Where the log is.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Looks where the log ends by now: somebody else writes it.
    pub(crate) fn look_again(&mut self) -> io::Result<()> {
        self.log_len = length(&self.base)?.unwrap_or(0);
        Ok(())
    }

    /// Gives back the blocks that were reserved beyond the end of the log.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        for file in [FileId::Log, FileId::Sidecar] {
            let file = self.open(file)?;
            file.set_len(file.metadata()?.len())?;
        }
        Ok(())
    }

    fn open(&mut self, file: FileId) -> io::Result<Arc<File>> {
        if let Some(open) = self.files.get(&file) {
            return Ok(open.clone());
        }
        let path = path(&self.base, file);
        let existed = length(&path)?.is_some();
        let writable = !self.read_only;
        let open =
            OpenOptions::new().read(true).write(writable).create(writable).truncate(false).open(path)?;
        if !existed {
            self.fresh.insert(file);
        }
        let open = Arc::new(open);
        self.files.insert(file, open.clone());
        Ok(open)
    }

    /// The file for reading; `None` when it is not there.
    fn open_existing(&mut self, file: FileId) -> io::Result<Option<Arc<File>>> {
        if self.files.contains_key(&file) || length(&path(&self.base, file))?.is_some() {
            return self.open(file).map(Some);
        }
        Ok(None)
    }

    /// What the page cache has of a span; `None` when it has not all of it.
    fn read_now(&mut self, file: FileId, span: Span) -> io::Result<Option<Bytes>> {
        let Some(handle) = self.open_existing(file)? else { return Ok(Some(Bytes::new())) };
        let len = self.within(file, span);
        let read = self.arena.fill(len, |into| {
            rustix::io::preadv2(&handle, &mut [IoSliceMut::new(into)], span.at, ReadWriteFlags::NOWAIT)
        });
        match read {
            Ok(bytes) if bytes.len() == len => Ok(Some(bytes)),
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a span on whatever thread the job runs.
    fn read_later(
        &mut self,
        file: FileId,
        span: Span,
        done: impl FnOnce(Result<Bytes, DiskError>) -> DiskDone<Context> + Send + 'static,
    ) -> Ran {
        match self.open(file) {
            Ok(handle) => Ran::Later(Box::new(move || {
                done(copy::read(&handle, span).map_err(|error| disk_error(&error)))
            })),
            Err(error) => Ran::Done(done(Err(disk_error(&error)))),
        }
    }

    /// The part of a span that lies within the log; other files are read as they are.
    fn within(&self, file: FileId, span: Span) -> usize {
        if file != FileId::Log {
            return span.len;
        }
        let left = self.log_len.saturating_sub(span.at);
        span.len.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn write(&mut self, file: FileId, at: u64, chunks: &[Bytes]) -> io::Result<()> {
        let handle = self.open(file)?;
        let mut end = at;
        for group in chunks.chunks(PIECES) {
            let slices: Vec<IoSlice<'_>> = group.iter().map(|chunk| IoSlice::new(chunk)).collect();
            let wanted: usize = group.iter().map(Bytes::len).sum();
            let written = rustix::io::pwritev(&handle, &slices, end)?;
            if written < wanted {
                // The rare short write: one piece after the other, from where it stopped.
                let mut skip = written;
                let mut position = end;
                for chunk in group {
                    let done = skip.min(chunk.len());
                    skip -= done;
                    handle.write_all_at(&chunk[done..], position + done as u64)?;
                    position += chunk.len() as u64;
                }
            }
            end += wanted as u64;
        }
        if file == FileId::Log {
            self.log_len = self.log_len.max(end);
        }
        Ok(())
    }

    fn set_len(&mut self, file: FileId, len: u64) -> io::Result<()> {
        self.open(file)?.set_len(len)?;
        if file == FileId::Log {
            self.log_len = len;
        }
        Ok(())
    }

    fn rename(&mut self, from: FileId, to: FileId) -> io::Result<()> {
        std::fs::rename(path(&self.base, from), path(&self.base, to))?;
        self.files.remove(&from);
        let before = self.files.remove(&to);
        if to == FileId::Log {
            self.retired = before;
            self.look_again()?;
        }
        Ok(())
    }

    fn reserve(&mut self, upto: u64) -> io::Result<()> {
        // Room past the length of a file is not held against the limit, the append that fills it is.
        if getrlimit(Resource::Fsize).current.is_some_and(|limit| upto > limit) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let more = upto.saturating_sub(self.log_len).max(1);
        self.allocate(FileId::Log, self.log_len, more)?;
        let sidecar = self.open(FileId::Sidecar)?.metadata()?.len();
        self.allocate(FileId::Sidecar, sidecar, 2 * more)
    }

    /// Allocates blocks behind the end of a file.
    fn allocate(&mut self, file: FileId, from: u64, bytes: u64) -> io::Result<()> {
        let file = self.open(file)?;
        match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, from, bytes) {
            // Where the file system cannot reserve, a full disk shows at the append.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Disk {
    /// Lets go of the lock by word, not by closing the file: a child that this process is just starting shares the file
    /// until it runs its program, and would hold the lock that long.
    fn drop(&mut self) {
        if let Some(lock) = self.files.get(&FileId::Lock) {
            let _ = lock.unlock();
        }
    }
}

fn quiet(file: FileId, result: io::Result<()>) -> Ran {
    match result {
        Ok(()) => Ran::Quiet,
        Err(error) => Ran::Done(DiskDone::WriteFailed { file, error: disk_error(&error) }),
    }
}

/// The directory a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs the directory a file lies in, so that its name survives a power loss.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
