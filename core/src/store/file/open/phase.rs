//! The phases of an opening: each is a walk over one file.

use crate::limits;
use crate::store::disk::{FileId, Span};
use crate::store::file::format::{MAGIC, MAGIC_PYTHON_2};
use crate::store::file::index_file::IndexWalk;
use crate::store::file::open::behind::Behind;
use crate::store::file::open::check::Check;
use crate::store::file::open::recent::Recent;
use crate::store::file::open::sanity::Sanity;
use crate::store::file::open::sums::{Locate, ReadEntries};
use crate::store::file::open::writes::Writes;
use crate::store::file::view::{Need, View, Walk};

/// Bytes read on either side where a file is read backwards.
const AROUND: u64 = 32 << 10;

#[derive(Debug)]
pub(super) enum Phase {
    /// Is it a Data.fs?
    Magic(ReadMagic),
    /// What does the index say?
    Index(IndexWalk),
    /// Does it belong to the log?
    Sanity(Sanity),
    /// Where are the checksums?
    Locate(Locate),
    /// What are they?
    Entries(ReadEntries),
    /// Is the log as they say, its structure sound, and where are the objects?
    Check(Box<Check>),
    /// Is what broke the structure a tail?
    Behind(Behind),
    /// What happened last?
    Recent(Recent),
    /// Everything is known and is being put in order.
    Write(Writes),
    Over,
}

impl Phase {
    /// The file it reads.
    pub(super) fn file(&self) -> FileId {
        match self {
            Phase::Index(_) => FileId::Index,
            Phase::Locate(_) | Phase::Entries(_) => FileId::Sidecar,
            Phase::Magic(_)
            | Phase::Sanity(_)
            | Phase::Check(_)
            | Phase::Behind(_)
            | Phase::Recent(_)
            | Phase::Write(_)
            | Phase::Over => FileId::Log,
        }
    }

    /// The span to read for a miss in a file of `len` bytes, so that the next looks find theirs too.
    pub(super) fn widen(&self, miss: Span, len: u64) -> Span {
        let end = miss.at + miss.len as u64;
        let (at, upto) = match self {
            Phase::Sanity(_) | Phase::Locate(_) | Phase::Recent(_) => {
                (miss.at.saturating_sub(AROUND), end.saturating_add(AROUND).min(len))
            }
            Phase::Check(_) => {
                let ahead = miss.at.saturating_add(limits::CHECK_CHUNK as u64);
                (miss.at, ahead.min(len).max(end))
            }
            Phase::Behind(_)
            | Phase::Magic(_)
            | Phase::Index(_)
            | Phase::Entries(_)
            | Phase::Write(_)
            | Phase::Over => (miss.at, end),
        };
        Span { at, len: (upto - at) as usize }
    }
}

/// Reads the first bytes of the log.
#[derive(Debug)]
pub(super) struct ReadMagic;

/// What a file starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// FS30.
    Log,
    /// FS21.
    Python2,
    /// A part of it and nothing else: a crash when it was created.
    Unfinished,
    /// Something else.
    Foreign,
}

impl Walk for ReadMagic {
    type Found = Start;
    type Answer = Start;

    fn look(&self, log: &View<'_>) -> Result<Start, Need> {
        let whole = log.end() <= MAGIC.len() as u64;
        let bytes = log.slice(0, if whole { log.end() as usize } else { MAGIC.len() })?;
        Ok(if bytes == MAGIC {
            Start::Log
        } else if bytes == MAGIC_PYTHON_2 {
            Start::Python2
        } else if whole && (MAGIC.starts_with(bytes) || bytes.iter().all(|&byte| byte == 0)) {
            Start::Unfinished
        } else {
            Start::Foreign
        })
    }

    fn take(&mut self, start: Start) -> Option<Start> {
        Some(start)
    }
}
