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

impl Bug {
    /// Every one of them.
    pub const ALL: &[Bug] = &[
        Bug::DurableBeforeSync,
        Bug::StaleRead,
        Bug::InvalidationCutShort,
        Bug::LocksKeptAtDisconnect,
        Bug::TornTailKept,
    ];

    /// What it is called in a schedule and on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::DurableBeforeSync => "durable-before-sync",
            Bug::StaleRead => "stale-read",
            Bug::InvalidationCutShort => "invalidation-cut-short",
            Bug::LocksKeptAtDisconnect => "locks-kept-at-disconnect",
            Bug::TornTailKept => "torn-tail-kept",
        }
    }

    /// The promise it breaks.
    pub fn promise(self) -> u32 {
        match self {
            Bug::DurableBeforeSync => 1,
            Bug::StaleRead => 2,
            Bug::InvalidationCutShort => 7,
            Bug::LocksKeptAtDisconnect => 13,
            Bug::TornTailKept => 19,
        }
    }
}
