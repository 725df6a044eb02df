//! The interfaces that a storage is said to have. Python's client offers undo, iteration, blobs and external garbage
//! collection only where they are named.

use super::names::Context;
use crate::store::Store;

/// An interface as module and name.
type Interface = (&'static str, &'static str);

const RESTORES_BLOBS: Interface = ("ZODB.interfaces", "IBlobStorageRestoreable");
const BLOBS: Interface = ("ZODB.interfaces", "IBlobStorage");
const UNDO: Interface = ("ZODB.interfaces", "IStorageUndoable");
const WRAPPER: Interface = ("ZODB.interfaces", "IStorageWrapper");

/// All there are, in the order in which Python's server names those of a FileStorage.
const INTERFACES: [Interface; 10] = [
    RESTORES_BLOBS,
    BLOBS,
    ("ZODB.interfaces", "IStorageRestoreable"),
    ("ZODB.interfaces", "IStorageIteration"),
    UNDO,
    ("ZODB.interfaces", "IStorageCurrentRecordIteration"),
    ("ZODB.interfaces", "IExternalGC"),
    ("ZODB.interfaces", "IStorage"),
    WRAPPER,
    ("zope.interface", "Interface"),
];

/// Those that another server names, of a storage with a folder for blobs here, or without.
pub(super) fn above(names: impl Fn(&str) -> bool, has_blobs: bool) -> Vec<Interface> {
    let has = |interface: &Interface| match *interface {
        BLOBS => has_blobs && names(BLOBS.1),
        ("ZODB.interfaces", name) => names(name),
        _ => true,
    };
    // A copy brings its blobs along in a folder that only the server above has.
    INTERFACES.into_iter().filter(|interface| *interface != RESTORES_BLOBS && has(interface)).collect()
}

/// Those of a store with a folder for blobs, or without.
pub(super) fn of(store: &Store<Context>, has_blobs: bool) -> Vec<Interface> {
    let has = |interface: &Interface| match *interface {
        RESTORES_BLOBS | BLOBS => has_blobs,
        UNDO => store.supports_undo(),
        WRAPPER => store.is_wrapper(),
        _ => true,
    };
    INTERFACES.into_iter().filter(has).collect()
}
