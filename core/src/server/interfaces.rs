//! The interfaces that a storage is said to have. Python's client offers undo, iteration, blobs and external garbage
//! collection only where they are named.

use super::names::Context;
use crate::store::Store;

/// An interface as module and name.
type Interface = (&'static str, &'static str);

const UNDO: Interface = ("ZODB.interfaces", "IStorageUndoable");
const WRAPPER: Interface = ("ZODB.interfaces", "IStorageWrapper");

/// All there are, in the order in which Python's server names those of a FileStorage.
const INTERFACES: [Interface; 8] = [
    ("ZODB.interfaces", "IStorageRestoreable"),
    ("ZODB.interfaces", "IStorageIteration"),
    UNDO,
    ("ZODB.interfaces", "IStorageCurrentRecordIteration"),
    ("ZODB.interfaces", "IExternalGC"),
    ("ZODB.interfaces", "IStorage"),
    WRAPPER,
    ("zope.interface", "Interface"),
];

/// Those of a store.
pub(super) fn of(store: &Store<Context>) -> Vec<Interface> {
    let has = |interface: &Interface| match *interface {
        UNDO => store.supports_undo(),
        WRAPPER => store.is_wrapper(),
        _ => true,
    };
    INTERFACES.into_iter().filter(has).collect()
}
