//! What an opening is told, and what it tells.

use crate::ids::{Oid, Tid};
use crate::store::disk::{DiskError, FileId};
use crate::store::file::FileStore;
use crate::store::file::format::Damaged;
use crate::store::file::open::Tail;
use crate::store::reach::Reach;
use std::fmt;
use std::ops::Range;
use thiserror::Error;

/// The files of a storage before it is opened.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Bytes of the log; `None` when it is missing.
    pub log_len: Option<u64>,
    /// Bytes of the sidecar; `None` when it is missing.
    pub sidecar_len: Option<u64>,
    /// Bytes of the index; `None` when it is missing.
    pub index_len: Option<u64>,
    /// Contents of the lock file as they were before this process wrote its id there.
    pub lock: Vec<u8>,
    /// Names of what an interrupted pack or an operator left beside the log: `Data.fs.old`, `Data.fs.pack`.
    pub leftovers: Vec<String>,
    /// Id of this process.
    pub pid: u32,
}

/// How to open a storage.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Path of the Data.fs, for messages.
    pub path: String,
    /// Whether a missing log is created.
    pub create: bool,
    /// Writes nothing, needs no lock, and ends before a tail that would be cut.
    pub read_only: bool,
    /// Transactions wanted for the invalidation queue.
    pub queue: Reach,
    /// Bytes of a log up to which all of it is checked; of a longer one, what a saved index does not cover.
    pub check_upto: u64,
    /// Opens although bytes differ from their checksums. Loads of what lies there are refused.
    pub serve_damaged: bool,
}

/// An open storage.
#[derive(Debug)]
pub struct Opened<C> {
    /// The storage.
    pub store: FileStore<C>,
    /// The last transactions, the oldest first, each with its objects in order.
    pub recent: Vec<(Tid, Vec<Oid>)>,
    /// The transaction before them; zero when there is none.
    pub base: Tid,
    /// What the operator should hear.
    pub report: Report,
}

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects in the storage.
    pub objects: u64,
    /// Transactions that were checked.
    pub transactions: u64,
    /// Those of them that the index does not cover.
    pub scanned: u64,
    /// Bytes that were compared with checksums, and are what was written.
    pub compared: u64,
    /// Bytes of which only the structure was checked, for nobody knows their checksums.
    pub structure: u64,
    /// Bytes that were not checked, for the index covers them and the log is long.
    pub unchecked: u64,
    /// Whether the index was of use.
    pub index: IndexUse,
    /// Whether the checksums were.
    pub sums: SumsUse,
    /// What was cut off the log, or would have been.
    pub cut: Option<Cut>,
    /// Ranges of the log that differ from what was written there; none unless such a log was to be served. Loads of what
    /// lies in them are refused.
    pub damaged: Vec<Range<u64>>,
    /// The first few things that are odd, as Python's FileStorage logs them, and do no harm.
    pub warnings: Vec<Damaged>,
    /// Why the rebuilt index could not be saved. The next opening takes longer.
    pub index_unsaved: Option<DiskError>,
}

/// Whether the saved index was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexUse {
    /// There was none.
    #[default]
    Missing,
    /// It was.
    Used,
    /// It was not, for this reason at this offset of index or log; the log was scanned instead.
    Ignored(Damaged),
}

impl fmt::Display for IndexUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexUse::Missing => f.write_str("missing"),
            IndexUse::Used => f.write_str("used"),
            IndexUse::Ignored(damaged) => write!(f, "ignored ({damaged})"),
        }
    }
}

/// Whether the checksums were used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SumsUse {
    /// There were none, or somebody else wrote to the log since: its tail was judged by structure.
    #[default]
    Missing,
    /// They were.
    Used,
    /// They were not, for this reason at this offset of sidecar or log.
    Ignored(Damaged),
}

impl fmt::Display for SumsUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SumsUse::Missing => f.write_str("none of use"),
            SumsUse::Used => f.write_str("used"),
            SumsUse::Ignored(damaged) => write!(f, "ignored ({damaged})"),
        }
    }
}

/// A tail of the log that is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the log ends.
    pub at: u64,
    /// Bytes behind that.
    pub bytes: u64,
    /// Why.
    pub why: Tail,
    /// The name of the file that keeps them; `None` when the storage was opened read-only and nothing was cut.
    pub kept: Option<String>,
}

/// Why a storage cannot be opened. Nothing was changed, unless a disk error came in the middle of repairs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// There is no log.
    #[error("{path} does not exist or is empty, and is not to be created")]
    Missing {
        /// The log.
        path: String,
    },
    /// There is no log, but something that may be one.
    #[error(
        "{path} is missing or empty, but {beside} stands beside it. No new storage is created here: rename {beside} \
         to bring it back, or move it away"
    )]
    Leftover {
        /// The log.
        path: String,
        /// What stands beside it.
        beside: String,
    },
    /// The file is something else.
    #[error("{path} is not a Data.fs: it does not start with FS30. It was left as it is; check the path")]
    Foreign {
        /// The log.
        path: String,
    },
    /// The file begins as one, and goes on as something else.
    #[error(
        "{path} is not a Data.fs: what follows FS30 is no transaction, and none is found behind. It was left as it is; \
         check the path, or restore a backup"
    )]
    NoTransactions {
        /// The log.
        path: String,
    },
    /// The file was written by Python 2.
    #[error("{path} is a Data.fs of Python 2 (FS21). Convert it with `zodbupdate --convert-py3` first")]
    Python2 {
        /// The log.
        path: String,
    },
    /// The log is damaged where no crash explains it.
    #[error(
        "{path} is damaged {damaged}. It was left as it is. Restore a backup, or copy what can be read with \
         `python -m ZODB.fsrecover`"
    )]
    Damaged {
        /// The log.
        path: String,
        /// Where, and how.
        damaged: Damaged,
    },
    /// Transactions of the log that were acknowledged are not as they were written.
    #[error(
        "{path} is damaged: {}. It was left as it is. Restore a backup, or serve the rest with \
         `zeolith serve --serve-damaged`: it refuses reads of what is damaged",
        differing(ranges)
    )]
    Differs {
        /// The log.
        path: String,
        /// Where they lie; at least one.
        ranges: Vec<Range<u64>>,
    },
    /// The same, where no saved index says what objects are in them, so that the rest cannot be served either.
    #[error(
        "{path} is damaged: {}, and no saved index tells what is in them. It was left as it is. Restore a backup, or copy \
         what can be read with `python -m ZODB.fsrecover`",
        differing(ranges)
    )]
    DiffersUnindexed {
        /// The log.
        path: String,
        /// Where they lie; at least one.
        ranges: Vec<Range<u64>>,
    },
    /// The operating system could not do it.
    #[error("{path}{}: {error}", file.suffix())]
    Disk {
        /// The log.
        path: String,
        /// The file it was about.
        file: FileId,
        /// What it said.
        error: DiskError,
    },
}

fn differing(ranges: &[Range<u64>]) -> String {
    let first = ranges.first().map_or(0..0, Range::clone);
    let more = match ranges.len() {
        0 | 1 => String::new(),
        2 => ", nor those of 1 more transaction".to_owned(),
        len => format!(", nor those of {} more transactions", len - 1),
    };
    format!("bytes {} to {} are not those that were written{more}", first.start, first.end)
}
