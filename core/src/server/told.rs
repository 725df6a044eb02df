//! What clients are told of a storage, in the shapes of the protocol.

use crate::store::{CopiedRecord, Revision};
use crate::wire::reply::Reply;

/// What Python's client reads from `get_info`: it offers undo, iteration, blobs and external garbage collection only
/// where the storage's interfaces say so. The first is for those that can undo.
pub(super) const INTERFACES: &[(&str, &str)] = &[
    ("ZODB.interfaces", "IStorageUndoable"),
    ("ZODB.interfaces", "IStorageRestoreable"),
    ("ZODB.interfaces", "IStorageIteration"),
    ("ZODB.interfaces", "IStorageCurrentRecordIteration"),
    ("ZODB.interfaces", "IExternalGC"),
    ("ZODB.interfaces", "IStorage"),
    ("zope.interface", "Interface"),
];

/// A record of an iteration.
pub(super) fn iterated(record: CopiedRecord) -> Reply {
    let CopiedRecord { oid, serial: tid, data, same_as: data_txn } = record;
    Reply::IteratedRecord { oid, tid, data, data_txn }
}

/// The answer to a load.
pub(super) fn revision(revision: Option<Revision>) -> Reply {
    match revision {
        Some(Revision { data, serial, until }) => Reply::Revision { data, serial, until },
        None => Reply::None,
    }
}
