//! The cache of a client: revisions of objects, bounded to the byte, in memory or in one file.
//!
//! It keeps the promise that the client's correctness rests on: for a cached current revision `(oid, serial, none)` no
//! transaction in `(serial, last tid]` touched the object; for a non-current one `(oid, serial, until)`, `until` is the first
//! that did. To that end the client applies every message to it in order, changed objects before the last tid. What it
//! forgets it may forget at any time.
//!
//! Below, a medium holds two rings of records ([`layout`]), filled and emptied as S3-FIFO does ([`shelves`]), with an
//! [`index`] in memory of about 35 bytes an object. After the death of the process what stands in the medium is the state
//! between two writes, each of which leaves it sound; after a power loss it is sound if it was flushed, or emptied.

mod ghosts;
mod index;
mod invariants;
mod layout;
mod medium;
mod open;
mod ring;
mod shelves;
mod trace;

#[cfg(test)]
mod tests;

pub use medium::{BootId, Medium, MediumError, Memory};
pub use open::{CacheError, Emptied, Report};
pub use shelves::Stats;
pub use trace::{Code, Trace, Traced};

use crate::ids::{Oid, Tid};
use crate::store::Revision;
use bytes::Bytes;
use index::{Fit, Slot};
use shelves::Shelves;

/// Revisions of objects, and the last transaction they are known to be right at.
#[derive(Debug)]
pub struct Cache {
    shelves: Shelves,
    last: Option<Tid>,
    fault: Option<CacheError>,
    trace: Option<Box<dyn Trace>>,
}

impl Cache {
    /// An empty cache in memory, of at most `size` bytes: records with their headers, not the index of them.
    ///
    /// Less than a few hundred bytes hold nothing; more than 8 GiB are taken as that.
    pub fn in_memory(size: u64) -> Cache;

    /// The cache that stands in a medium, or an empty one of `size` bytes if nothing stands there yet.
    ///
    /// Takes one pass over the medium. One of another size is brought to `size`, and keeps what fits. What is damaged is
    /// dropped, and what cannot be trusted (a power loss without [`flush`](Self::flush) before) is emptied; the report tells.
    /// The bounds of `size` are those of [`in_memory`](Self::in_memory).
    ///
    /// # Errors
    /// When something else than a cache of ours stands there, which is then left as it is, or when the medium fails.
    pub fn open(medium: Box<dyn Medium>, size: u64, boot: BootId) -> Result<(Cache, Report), CacheError>;

    /// The last transaction whose changes were applied; `None`: nothing is known to be current.
    pub fn last_tid(&self) -> Option<Tid>;

    /// The current revision.
    pub fn load(&mut self, oid: Oid) -> Option<Revision>;

    /// The revision that was current just before `before`. A current one answers only up to the transaction after the last
    /// tid: of later ones nothing is known.
    pub fn load_before(&mut self, oid: Oid, before: Tid) -> Option<Revision>;

    /// What transaction `serial` made of the object.
    pub fn load_serial(&mut self, oid: Oid, serial: Tid) -> Option<Bytes>;

    /// The serial of the current revision. Does not count as a use.
    pub fn serial(&self, oid: Oid) -> Option<Tid>;

    /// Keeps a revision, if it fits and contradicts nothing that is known.
    ///
    /// A current one takes the place of an older current one. One with an `until` that was taken for current ends there. What
    /// is older than the current revision without an `until`, or overlaps another revision, is not taken.
    pub fn store(&mut self, oid: Oid, revision: &Revision);

    /// The object was changed by transaction `tid`: its current revision, if older, ends there and is kept as non-current.
    pub fn invalidate(&mut self, oid: Oid, tid: Tid);

    /// Drops the current revision, without knowing when it ended.
    pub fn forget(&mut self, oid: Oid);

    /// All changes up to `tid` were applied.
    ///
    /// # Panics
    /// When it is less than the last one.
    pub fn set_last_tid(&mut self, tid: Tid);

    /// Empties it; nothing is known any more.
    pub fn clear(&mut self);

    /// All current revisions, by oid.
    pub fn current(&self) -> impl Iterator<Item = (Oid, Tid)> + use<>;

    /// What it holds and what it did since it was opened.
    pub fn stats(&self) -> Stats;

    /// Tells everything that happens from now on, as ZEO's cache would.
    pub fn trace(&mut self, trace: Box<dyn Trace>);

    /// Leaves the medium so that the next open trusts it after a power loss too: waits for the disk, twice. The cache may be
    /// used on; the first change after it waits for the disk as well.
    pub fn flush(&mut self);

    /// The medium failed: the cache has been empty since, takes nothing, and keeps its last tid.
    pub fn fault(&self) -> Option<&CacheError>;

    /// Panics on any broken invariant. Reads the whole medium.
    pub fn check_invariants(&self);
}
