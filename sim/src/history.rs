//! What clients asked and were answered, as the oracle and the checkers judge it.

use crate::event::ClientId;
use crate::ledger::Attempt;
use zeolith_core::client::Call;
use zeolith_core::ids::{Oid, Tid};

/// A place in time: how many things the world had noted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

/// A caller's question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question.
    pub call: Call,
    /// When it was asked.
    pub at: Place,
    /// The client's last transaction then; `None`: it knew of none.
    pub last: Option<Tid>,
    /// The transaction it is part of, if it votes, finishes or aborts one.
    pub attempt: Option<Attempt>,
    /// The bytes of the blob that was asked for, as far as they came.
    pub blob: Vec<u8>,
}

/// What a state says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Who wrote it.
    pub writer: Attempt,
    /// What it counts to.
    pub value: u64,
}

/// A read, or a read check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The object.
    pub oid: Oid,
    /// Its revision; `None`: there was no such object.
    pub serial: Option<Tid>,
    /// What it was given; `None` where it was not seen, or says nothing.
    pub state: Option<State>,
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The object.
    pub oid: Oid,
    /// The revision that the change was made to; zero for a new object.
    pub base: Tid,
    /// The revision that the change was merged with in the end; `None`: no merge was asked for.
    pub merged: Option<Tid>,
    /// What was stored counts to; where it was merged, it is one more than what it was merged with.
    pub value: u64,
}

/// What the caller knows of a transaction in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed.
    Committed(Tid),
    /// It was refused, given up, or lost: it left nothing.
    Failed,
    /// Nobody said. A transaction that is still under way is one of these.
    Unknown,
}

/// Transactions that leave what their callers do not say themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alters {
    /// Sets objects back to what they were before this transaction; the answer tells which.
    Undo(Tid),
    /// Deletes objects.
    Delete,
    /// Has objects, and its tid, as another storage had them.
    Restore,
}

/// A transaction of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Whose, and which: of one client they follow one another.
    pub attempt: Attempt,
    /// Its snapshot: the last transaction that its reads show.
    pub start: Tid,
    /// What it read, in order.
    pub reads: Vec<Read>,
    /// The revisions it asked the server to hold for it.
    pub checks: Vec<Read>,
    /// What it changed, each object once.
    pub writes: Vec<Write>,
    /// What it does instead of changing objects.
    pub alters: Option<Alters>,
    /// The objects it does that to; of an undo they are known once it is committed.
    pub sets: Vec<Oid>,
    /// What came of it.
    pub outcome: Outcome,
    /// When it began.
    pub began: Place,
    /// When its commit was asked for; as `began` for one that only read.
    pub asked: Place,
    /// When its outcome was known.
    pub ended: Place,
}

impl Transaction {
    /// Whose it is.
    pub fn client(&self) -> ClientId {
        self.attempt.client
    }

    /// When it had read what it reads, at the latest.
    pub fn read(&self) -> Place {
        if self.asked > self.began { self.asked } else { self.ended }
    }

    /// Its change of an object.
    pub fn write(&self, oid: Oid) -> Option<&Write> {
        self.writes.iter().find(|write| write.oid == oid)
    }
}

/// A revision with which somebody merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Of which object.
    pub oid: Oid,
    /// Which.
    pub serial: Tid,
    /// What it says.
    pub state: State,
    /// When.
    pub at: Place,
}

/// A storage was put back to an older backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// When.
    pub at: Place,
    /// The last transaction that was left.
    pub kept: Tid,
    /// What the clock showed: tids that were given before are less.
    pub time: Tid,
}

/// Everything that the clients of one storage did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The transactions, in the order in which they began.
    pub transactions: Vec<Transaction>,
    /// The backups, in their order.
    pub restores: Vec<Restore>,
    /// When packs were asked for, and to which times.
    pub packs: Vec<(Place, Tid)>,
    /// Revisions with which somebody merged: what was read is in the transactions.
    pub merged: Vec<Merged>,
    /// When programs were started again: what one began with says nothing of the one before.
    pub restarts: Vec<(ClientId, Place)>,
}
