//! What a file store asks of the disk.
//!
//! Operations are carried out in the order they are given, except that a `Sync` may be answered at any later time
//! and a `Read` may wait for the disk. A `Sync` covers every write of its file that was given before it.

use crate::store::blob::{BlobDone, BlobOp};
use crate::store::file::read::Pending;
use crate::store::layer::Part;
use bytes::Bytes;
use thiserror::Error;

/// One of a storage's files, named by what is appended to the path of the Data.fs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileId {
    /// `Data.fs`: the log.
    Log,
    /// `Data.fs.sums`: checksums of what Zeolith appended.
    Sidecar,
    /// `Data.fs.index`: Python's index, a snapshot.
    Index,
    /// `Data.fs.lock`: held while the storage is open.
    Lock,
    /// `Data.fs.old`: the log as it was before the last pack.
    Old,
    /// `Data.fs.pack`: the log that a pack writes.
    Packed,
    /// `Data.fs.pack.sums`: its checksums.
    PackedSums,
    /// `Data.fs.pack.index`: its index.
    PackedIndex,
}

impl FileId {
    /// What is appended to the path of the Data.fs.
    pub fn suffix(self) -> &'static str {
        match self {
            FileId::Log => "",
            FileId::Sidecar => ".sums",
            FileId::Index => ".index",
            FileId::Lock => ".lock",
            FileId::Old => ".old",
            FileId::Packed => ".pack",
            FileId::PackedSums => ".pack.sums",
            FileId::PackedIndex => ".pack.index",
        }
    }
}

/// Some bytes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub at: u64,
    /// Bytes; fewer come back where the file ends.
    pub len: usize,
}

/// An operation.
#[derive(Debug)]
pub enum DiskOp<C> {
    /// Reads from the log or, while opening, another file. A missing file reads as empty.
    Read {
        /// The file.
        file: FileId,
        /// What to read.
        span: Span,
        /// Returned with the bytes: what the read is for.
        pending: Pending<C>,
    },
    /// Writes `chunks`, one after the other, at `at`.
    Write {
        /// The file; created when missing.
        file: FileId,
        /// Offset of the first byte.
        at: u64,
        /// The bytes.
        chunks: Vec<Bytes>,
    },
    /// Cuts the file, or extends it with zeros, to `len` bytes.
    SetLen {
        /// The file.
        file: FileId,
        /// Its new length.
        len: u64,
    },
    /// Makes earlier writes, the length and the directory entry survive a power loss. Answered by `Synced`.
    Sync {
        /// The file.
        file: FileId,
    },
    /// Writes `contents` to a temporary file, syncs it, and renames it over the file: all or nothing.
    /// Operations given later are about the new file. Answered by `Synced`.
    Replace {
        /// The file.
        file: FileId,
        /// Its new contents.
        contents: Vec<Bytes>,
    },
    /// Allocates blocks so that the log can grow to `upto` bytes, and the sidecar along with it (by twice as much: an
    /// entry is less than twice the smallest transaction), without changing their lengths.
    /// Answered by `Reserved`.
    Reserve {
        /// The length to make room for.
        upto: u64,
    },
    /// Copies the log from `from` to its end into a new file beside it (`Data.fs.tr0`, `.tr1`, …).
    /// Answered by `Kept`.
    KeepTail {
        /// Offset of the first byte kept.
        from: u64,
    },
    /// An operation on the files of one of the two stores that a demo store is made of. Its answer comes as
    /// [`DiskDone::Of`].
    Of {
        /// Which.
        part: Part,
        /// The operation.
        op: Box<DiskOp<C>>,
    },
    /// Something is to be done in the folder of the blobs.
    Blob(BlobOp),
    /// Looks how many bytes are free beside the log. Answered by `Free`.
    Free,
    /// Changes names. Answered by `Named`; given only when the one before was answered.
    Name(Naming),
}

/// A change of the names beside the log. Until the names are synced, a power loss may take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Removes a file, if it is there.
    Remove(FileId),
    /// Gives a file a second name, in the place of what had that.
    Link {
        /// The file.
        from: FileId,
        /// Its second name.
        to: FileId,
    },
    /// Gives a file another name, in the place of what had that. Operations given later are about the file that has the name
    /// then; reads that were under way are of either.
    Rename {
        /// The file.
        from: FileId,
        /// Its new name.
        to: FileId,
    },
    /// Makes all earlier changes survive a power loss.
    Sync,
}

/// An outcome.
#[derive(Debug)]
pub enum DiskDone<C> {
    /// To [`DiskOp::Read`].
    Read {
        /// From the operation.
        pending: Pending<C>,
        /// The bytes; fewer than asked for only at the end of the file.
        result: Result<Bytes, DiskError>,
    },
    /// To [`DiskOp::Sync`] and [`DiskOp::Replace`].
    Synced {
        /// The file.
        file: FileId,
        /// Whether it is safe.
        result: Result<(), DiskError>,
    },
    /// A [`DiskOp::Write`] or [`DiskOp::SetLen`] failed. Nothing is said of those that succeed. This comes before the
    /// answer to any sync that was asked for later.
    WriteFailed {
        /// The file.
        file: FileId,
        /// Why.
        error: DiskError,
    },
    /// To [`DiskOp::Reserve`].
    Reserved {
        /// The length there is room for now.
        upto: u64,
        /// Whether there is.
        result: Result<(), DiskError>,
    },
    /// To [`DiskOp::KeepTail`].
    Kept {
        /// The name of the file that holds the tail.
        result: Result<String, DiskError>,
    },
    /// To [`DiskOp::Of`].
    Of {
        /// From the operation.
        part: Part,
        /// The outcome.
        done: Box<DiskDone<C>>,
    },
    /// To [`DiskOp::Blob`].
    Blob(BlobDone),
    /// To [`DiskOp::Free`].
    Free {
        /// Bytes.
        result: Result<u64, DiskError>,
    },
    /// To [`DiskOp::Name`].
    Named {
        /// Whether it is so now.
        result: Result<(), DiskError>,
    },
}

impl<C> DiskDone<C> {
    /// Whether it is for a pack that goes on, where one carries operations out on the same files as its storage.
    pub fn is_for_pack(&self) -> bool {
        match self {
            DiskDone::Read { pending, .. } => pending.is_for_pack(),
            DiskDone::Synced { file, .. } | DiskDone::WriteFailed { file, .. } => {
                matches!(file, FileId::Packed | FileId::PackedSums | FileId::PackedIndex)
            }
            DiskDone::Free { .. } | DiskDone::Named { .. } => true,
            DiskDone::Reserved { .. } | DiskDone::Kept { .. } | DiskDone::Of { .. } | DiskDone::Blob(_) => {
                false
            }
        }
    }
}

/// What the operating system said.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiskError {
    /// No space left, or a quota or file size limit was reached.
    #[error("no space left on the disk")]
    Full,
    /// Anything else, with the system's words.
    #[error("{0}")]
    Io(String),
}
