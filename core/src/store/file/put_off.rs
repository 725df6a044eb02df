//! What waits while a packed log is put in the place of the log: what is answered with a place would be answered with one of
//! the log that goes, and be written into the one that comes.

use crate::store::StoreOp;
use crate::store::disk::DiskDone;
use crate::store::file::read::{Pending, Purpose};

/// What is gone on with as soon as the new log is there, or is not to come.
#[derive(Debug)]
pub(super) enum PutOff<C> {
    /// An operation.
    Asked(StoreOp<C>),
    /// Bytes that one waited for.
    Read(DiskDone<C>),
}

/// Whether the answer to an operation has a place to which a record may point.
pub(super) fn asks_for_place<C>(op: &StoreOp<C>) -> bool {
    matches!(op, StoreOp::Find { .. } | StoreOp::Undo { .. })
}

/// Whether these are bytes for such an operation.
pub(super) fn finds_place<C>(done: &DiskDone<C>) -> bool {
    matches!(done, DiskDone::Read { pending: Pending(Purpose::Find(_) | Purpose::Undo(_)), .. })
}
