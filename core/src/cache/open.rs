//! Opening: one pass over what stands in a medium.

use super::medium::MediumError;
use thiserror::Error;

/// Why there is no cache, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CacheError {
    /// A cache file of Python's ZEO.
    #[error("it is a cache file of Python's ZEO; Zeolith needs a file of its own")]
    Zeo,
    /// Something else.
    #[error("it is not a cache file of Zeolith's, and is left as it is")]
    Foreign,
    /// Written by another version of Zeolith.
    #[error("it is a cache file in version {0} of the format, of which nothing is known here")]
    Version(u32),
    /// The medium failed.
    #[error(transparent)]
    Medium(#[from] MediumError),
}

/// What was found at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects in the cache, current or not.
    pub objects: u64,
    /// Why it begins empty, if it does although something stood there.
    pub emptied: Option<Emptied>,
    /// Stretches of the file that could not be read as records, each dropped.
    pub damaged: u64,
    /// Records that did not fit any more, because the size changed.
    pub dropped: u64,
}

/// Why a cache was emptied at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptied {
    /// The operating system ended before the cache was flushed.
    Unflushed,
    /// Its header is damaged.
    Damaged,
}
