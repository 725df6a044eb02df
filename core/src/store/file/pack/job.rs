//! What a pack is told, and what it tells.

use crate::ids::{Oid, Tid};
use crate::record::BadRecord;
use crate::store::StoreError;
use crate::store::blob::BlobId;
use crate::store::disk::DiskError;
use crate::store::file::format::Damaged;
use crate::store::file::index::Index;
use crate::store::file::lockfile::Nonce;
use std::fmt;
use thiserror::Error;

/// What is to be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Where the log ends, as far as it is durable.
    pub upto: u64,
    /// The last transaction before the state that is kept: of all before, only what it shows stays.
    pub stop: Tid,
    /// Whether objects go that the root does not reach.
    pub gc: bool,
    /// Whether it is to be told which blobs go.
    pub blobs: bool,
    /// For the checksums of the new log: one that nobody had before.
    pub nonce: Nonce,
}

/// What a pack that has begun is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Copy what was committed since, up to this place; answered by [`News::CaughtUp`].
    CatchUp {
        /// Where the log ends by now.
        upto: u64,
    },
    /// The same, and nothing will be committed behind it; answered by [`News::Ready`].
    Finish {
        /// Where the log ends.
        upto: u64,
    },
    /// Remove what was written and end; answered by [`News::Stopped`], unless it has ended.
    Stop,
}

/// What becomes of a pack. After anything but `Progress` and `CaughtUp` it is over.
#[derive(Debug)]
pub enum News {
    /// It has come this far.
    Progress(Progress),
    /// Everything up to this place is in the new log. The pack waits for an [`Order`].
    CaughtUp {
        /// The place in the old log.
        upto: u64,
    },
    /// The new log is whole and synced, and waits to be put in the place of the old.
    Ready(Box<Packed>),
    /// There is nothing to do: no file is left behind.
    Nothing(Nothing),
    /// It cannot be done; no file is left behind.
    Failed(PackError),
    /// It was told to stop; no file is left behind.
    Stopped,
}

/// How far a pack has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// How much of that is done.
    pub percent: u8,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Scanning => "scanning",
            Stage::Marking => "marking",
            Stage::Copying => "copying",
        };
        write!(f, "{stage} {}%", self.percent)
    }
}

/// What a pack is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It looks for every object's state at the time of the pack.
    Scanning,
    /// It looks for what can be reached.
    Marking,
    /// It writes the new log.
    Copying,
}

/// A new log, in `Data.fs.pack` with its checksums and an index beside it.
#[derive(Debug)]
pub struct Packed {
    /// Where every object's record lies.
    pub index: Index,
    /// Whether what is not there was collected.
    pub gc: bool,
    /// Where the old log ended.
    pub before: u64,
    /// Where the new log ends.
    pub end: u64,
    /// Of its checksums.
    pub nonce: Nonce,
    /// Bytes of its checksums.
    pub sums_len: u64,
    /// The blobs whose records are not in it, if they were asked for.
    pub gone: Vec<BlobId>,
}

/// Why a pack has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// It was packed to a later time, or nothing was committed since the last pack.
    Redundant,
    /// All that is there would stay.
    Needed,
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Nothing::Redundant => "it was packed to that time or a later one, or nothing was committed since",
            Nothing::Needed => "nothing can be freed",
        })
    }
}

/// Why a pack cannot be done. The log stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// The disk has no room for the new log.
    #[error("a pack may need {needed} bytes beside the log, and the disk has {free} left")]
    NoRoom {
        /// Bytes of the log.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The log contradicts itself.
    #[error("Data.fs is damaged {0}: it cannot be packed")]
    Damaged(Damaged),
    /// An object that is reached refers to one that is not there: what would be collected is not certain.
    #[error(
        "object {by} refers to object {oid}, which does not exist at the time of the pack; pack without pack-gc"
    )]
    Missing {
        /// What is missing.
        oid: Oid,
        /// What refers to it.
        by: Oid,
    },
    /// The root object is not there.
    #[error("there is no root object at the time of the pack; pack without pack-gc")]
    NoRoot,
    /// The references in a record that is reached cannot be read.
    #[error("the references in object {oid} cannot be read: {why}; pack without pack-gc")]
    Unreadable {
        /// The object.
        oid: Oid,
        /// What is wrong with its record.
        why: BadRecord,
    },
    /// An undo during the pack brought a state back that refers to something the pack has collected.
    #[error("an undo during the pack brought back object {by}, which refers to object {oid}: pack again")]
    BroughtBack {
        /// What was collected.
        oid: Oid,
        /// What refers to it.
        by: Oid,
    },
    /// The disk could not do it.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// The storage could not take part.
    #[error("{0}")]
    Store(#[from] StoreError),
}
