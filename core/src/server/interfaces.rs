//! The interfaces that a storage has, by Python's names.

/// What Python's client reads from `get_info`: it offers undo, iteration, blobs and external garbage collection only
/// where the storage's interfaces say so.
const INTERFACES: &[(&str, &str)] = &[
    ("ZODB.interfaces", "IStorageRestoreable"),
    ("ZODB.interfaces", "IStorageIteration"),
    ("ZODB.interfaces", "IStorageCurrentRecordIteration"),
    ("ZODB.interfaces", "IExternalGC"),
    ("ZODB.interfaces", "IStorage"),
    ("zope.interface", "Interface"),
];

/// Those of a storage that can undo.
const UNDO_INTERFACES: &[(&str, &str)] = &[("ZODB.interfaces", "IStorageUndoable")];

/// Those of a storage whose objects may have blobs.
const BLOB_INTERFACES: &[(&str, &str)] =
    &[("ZODB.interfaces", "IBlobStorageRestoreable"), ("ZODB.interfaces", "IBlobStorage")];

/// The interfaces of a storage, as (module, name).
pub(super) fn interfaces(undo: bool, blobs: bool) -> Vec<(&'static str, &'static str)> {
    let blobs = BLOB_INTERFACES.iter().filter(|_| blobs);
    let undo = UNDO_INTERFACES.iter().filter(|_| undo);
    blobs.chain(undo).chain(INTERFACES).copied().collect()
}
