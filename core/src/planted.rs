//! Deliberate faults, one or more for each promise whose checker must be seen to catch it. Never in a production build.

use std::sync::atomic::{AtomicU64, Ordering};

/// A fault that is switched on for a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Promise 1: a batch counts as durable when its writes are issued, without waiting for the syncs.
    DurableBeforeSync,
    /// Promise 1: an opening serves what a failed sync may have left in the system's memory alone, without writing it
    /// again.
    DoubtNotWritten,
    /// Promise 2: a load whose object was committed while its bytes were read is answered as planned.
    StaleRead,
    /// Promise 2: others are told of a transaction only behind the next load that is answered.
    ToldBehindLoad,
    /// Promise 3: a client applies the invalidations of a chunk behind its other messages.
    AppliedLate,
    /// Promise 4: a client keeps as current what changed while it had no connection.
    KeptAcrossReconnect,
    /// Promise 4: a client without a connection answers from its cache what is current.
    CachedWhileAway,
    /// Promise 5: a client is at the server's last transaction before it knows what that changed.
    LastTidAhead,
    /// Promise 5: a pack to the time of the newest transaction drops it when nothing of it stays.
    LastTidPacked,
    /// Promise 6: a client answers that a transaction is committed, and does not tell of its changes.
    FinishUntold,
    /// Promise 7: an invalidation names only the first object of its transaction.
    InvalidationCutShort,
    /// Promise 8: nobody is told of a transaction whose client vanished before it was durable.
    MissedWhenCommitterLeft,
    /// Promise 9: a client forgets the invalidations that came before it was ready.
    KeptInvalidationsDropped,
    /// Promise 10: `getInvalidations` is answered for a tid that is between two of this history.
    DivergedAnswered,
    /// Promise 11: a client does not tell what changed while it had no connection.
    VerifiedUntold,
    /// Promise 11: a transaction is queued without its objects when its client vanished before it was durable.
    QueuedWithoutObjects,
    /// Promise 12: a client whose finish was not answered says that nothing was committed.
    LostFinishDenied,
    /// Promise 12: a client whose finish was not answered takes a part of a history for all of it.
    SettledTooSoon,
    /// Promise 13: a client that vanishes takes its locks with it.
    LocksKeptAtDisconnect,
    /// Promise 13: a transaction that has had its time keeps its locks.
    LocksKeptAtTimeout,
    /// Promise 13: a transaction that is to resolve conflicts loses its locks until it votes again.
    LocksLetGoBetweenRounds,
    /// Promise 14: a load joins one of the same object before another tid.
    OtherLoadJoined,
    /// Promise 15: a pack follows all references of an object but the last.
    ReachableDropped,
    /// Promise 15: a record behind the time of a pack points to where the state was in the old log.
    PointerIntoOldLog,
    /// Promise 15: a pack goes up to the end of the log, whatever time it was asked for.
    PackedBeyondItsTime,
    /// Promise 16: a load before a tid is answered with whatever is current.
    CurrentForOlder,
    /// Promise 16: a load fails while a transaction is on its way to the disk.
    LoadRefused,
    /// Promise 17: a transaction is appended while its blobs are still being put where their readers look.
    BlobNotAwaited,
    /// Promise 17: what is sent of a blob goes into the one that was begun last, on whatever connection.
    UploadsMixed,
    /// Promise 18: what a transaction only read is compared at its vote, and not locked.
    ReadCheckNotHeld,
    /// Promise 19: recovery judges the tail of the log by its structure alone though the checksums may be trusted,
    /// so that a transaction with lost sectors is kept.
    TornTailKept,
    /// Promise 20: the iterations of a client that vanishes stay.
    IterationsKept,
    /// Promise 20: a client forgets the questions that waited for a connection.
    QuestionForgotten,
    /// Promise 20: a storage that fails at a batch says nothing, and who waits for its finish goes on waiting.
    FinishLeftOpen,
    /// Promise 21: who merges a conflict is given what is committed for what was changed.
    MergedFromCommitted,
    /// Promise 22: new oids are given out again.
    OidsGivenTwice,
    /// No promise: a transaction is queued under the tid of the one before, which the queue does not put up with.
    QueuedTwice,
    /// No promise: which oids are new depends on what the process did before.
    Unsteady,
}

impl Bug {
    /// Every one of them that breaks a promise.
    pub const ALL: &[Bug] = &[
        Bug::DurableBeforeSync,
        Bug::DoubtNotWritten,
        Bug::StaleRead,
        Bug::ToldBehindLoad,
        Bug::AppliedLate,
        Bug::KeptAcrossReconnect,
        Bug::CachedWhileAway,
        Bug::LastTidAhead,
        Bug::LastTidPacked,
        Bug::FinishUntold,
        Bug::InvalidationCutShort,
        Bug::MissedWhenCommitterLeft,
        Bug::KeptInvalidationsDropped,
        Bug::DivergedAnswered,
        Bug::VerifiedUntold,
        Bug::QueuedWithoutObjects,
        Bug::LostFinishDenied,
        Bug::SettledTooSoon,
        Bug::LocksKeptAtDisconnect,
        Bug::LocksKeptAtTimeout,
        Bug::LocksLetGoBetweenRounds,
        Bug::OtherLoadJoined,
        Bug::ReachableDropped,
        Bug::PointerIntoOldLog,
        Bug::PackedBeyondItsTime,
        Bug::CurrentForOlder,
        Bug::LoadRefused,
        Bug::BlobNotAwaited,
        Bug::UploadsMixed,
        Bug::ReadCheckNotHeld,
        Bug::TornTailKept,
        Bug::IterationsKept,
        Bug::QuestionForgotten,
        Bug::FinishLeftOpen,
        Bug::MergedFromCommitted,
        Bug::OidsGivenTwice,
    ];

    /// Those that break no promise: a machine's own invariant, and that equal runs are equal.
    pub const OTHERS: &[Bug] = &[Bug::QueuedTwice, Bug::Unsteady];

    /// What it is called in a schedule and on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::DurableBeforeSync => "durable-before-sync",
            Bug::DoubtNotWritten => "doubt-not-written",
            Bug::StaleRead => "stale-read",
            Bug::ToldBehindLoad => "told-behind-load",
            Bug::AppliedLate => "applied-late",
            Bug::KeptAcrossReconnect => "kept-across-reconnect",
            Bug::CachedWhileAway => "cached-while-away",
            Bug::LastTidAhead => "last-tid-ahead",
            Bug::FinishUntold => "finish-untold",
            Bug::InvalidationCutShort => "invalidation-cut-short",
            Bug::MissedWhenCommitterLeft => "missed-when-committer-left",
            Bug::KeptInvalidationsDropped => "kept-invalidations-dropped",
            Bug::DivergedAnswered => "diverged-answered",
            Bug::VerifiedUntold => "verified-untold",
            Bug::QueuedWithoutObjects => "queued-without-objects",
            Bug::LostFinishDenied => "lost-finish-denied",
            Bug::SettledTooSoon => "settled-too-soon",
            Bug::LocksKeptAtDisconnect => "locks-kept-at-disconnect",
            Bug::LocksKeptAtTimeout => "locks-kept-at-timeout",
            Bug::LocksLetGoBetweenRounds => "locks-let-go-between-rounds",
            Bug::OtherLoadJoined => "other-load-joined",
            Bug::LastTidPacked => "last-tid-packed",
            Bug::ReachableDropped => "reachable-dropped",
            Bug::PointerIntoOldLog => "pointer-into-old-log",
            Bug::PackedBeyondItsTime => "packed-beyond-its-time",
            Bug::CurrentForOlder => "current-for-older",
            Bug::LoadRefused => "load-refused",
            Bug::BlobNotAwaited => "blob-not-awaited",
            Bug::UploadsMixed => "uploads-mixed",
            Bug::ReadCheckNotHeld => "read-check-not-held",
            Bug::TornTailKept => "torn-tail-kept",
            Bug::IterationsKept => "iterations-kept",
            Bug::QuestionForgotten => "question-forgotten",
            Bug::FinishLeftOpen => "finish-left-open",
            Bug::MergedFromCommitted => "merged-from-committed",
            Bug::OidsGivenTwice => "oids-given-twice",
            Bug::QueuedTwice => "queued-twice",
            Bug::Unsteady => "unsteady",
        }
    }

    /// The promise it breaks; 0: none.
    pub fn promise(self) -> u32 {
        match self {
            Bug::DurableBeforeSync | Bug::DoubtNotWritten => 1,
            Bug::StaleRead | Bug::ToldBehindLoad => 2,
            Bug::AppliedLate => 3,
            Bug::KeptAcrossReconnect | Bug::CachedWhileAway => 4,
            Bug::LastTidAhead | Bug::LastTidPacked => 5,
            Bug::FinishUntold => 6,
            Bug::InvalidationCutShort => 7,
            Bug::MissedWhenCommitterLeft => 8,
            Bug::KeptInvalidationsDropped => 9,
            Bug::DivergedAnswered => 10,
            Bug::VerifiedUntold | Bug::QueuedWithoutObjects => 11,
            Bug::LostFinishDenied | Bug::SettledTooSoon => 12,
            Bug::LocksKeptAtDisconnect | Bug::LocksKeptAtTimeout | Bug::LocksLetGoBetweenRounds => 13,
            Bug::OtherLoadJoined => 14,
            Bug::ReachableDropped | Bug::PointerIntoOldLog | Bug::PackedBeyondItsTime => 15,
            Bug::CurrentForOlder | Bug::LoadRefused => 16,
            Bug::BlobNotAwaited | Bug::UploadsMixed => 17,
            Bug::ReadCheckNotHeld => 18,
            Bug::TornTailKept => 19,
            Bug::IterationsKept | Bug::QuestionForgotten | Bug::FinishLeftOpen => 20,
            Bug::MergedFromCommitted => 21,
            Bug::OidsGivenTwice => 22,
            Bug::QueuedTwice | Bug::Unsteady => 0,
        }
    }
}

/// Another number each time in the life of the process.
pub(crate) fn elsewhere() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}
