//! What calls under way are for.

use super::{Ticket, TxnRef};
use crate::ids::{Oid, Tid};

/// What is to be done with the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be let in.
    Register,
    /// To know where to begin.
    LastTransaction,
    /// To know what happened since the cache's last transaction.
    Invalidations,
    /// To know what the server can do.
    Info,
    /// For those who wait for the state of a revision.
    LoadSerial(Oid, Tid),
    /// To have new oids.
    Oids,
    /// To have everybody's transactions up to now.
    Sync(Ticket),
    /// To have those that the answer to this has overtaken.
    SyncAgain(Ticket),
    /// For a transaction.
    Vote(TxnRef),
    /// For a transaction.
    Finish(TxnRef),
    /// To have what the answer to its finish has overtaken.
    Overtaken(TxnRef),
    /// To know that a transaction is gone; a caller may want to know as well.
    Abort(TxnRef, Option<Ticket>),
    /// To have nobody else in the way of a look at an object's history.
    Fence(TxnRef),
    /// To know whether a transaction is in it.
    Settle(TxnRef),
    /// To have what the answer to that has overtaken.
    Settled(TxnRef),
    /// For somebody who looks around in the storage.
    Browse(Ticket),
    /// For those who read a blob.
    Blob(Oid, Tid),
}
