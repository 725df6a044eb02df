//! Deliberate faults, one for each promise whose checker must be seen to catch it. Never in a production build.

/// A fault that is switched on for a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Promise 1: a batch counts as durable when its writes are issued, without waiting for the syncs.
    DurableBeforeSync,
    /// Promise 2: a load whose object was committed while its bytes were read is answered as planned.
    StaleRead,
    /// Promise 7: an invalidation names only the first object of its transaction.
    InvalidationCutShort,
    /// Promise 13: a client that vanishes takes its locks with it.
    LocksKeptAtDisconnect,
    /// Promise 19: recovery judges the tail of the log by its structure alone though the checksums may be trusted, so
    /// that a transaction with lost sectors is kept.
    TornTailKept,
}
