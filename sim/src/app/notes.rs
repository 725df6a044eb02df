//! What applications are told, what they work with, and what the world notes of what they do.

use crate::history::{History, Place};
use zeolith_core::client::{Answer, Client, Error, Merge, Ticket, TxnRef};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;
use zeolith_core::time::Instant;

/// What a client's machine put out for its application.
#[derive(Debug)]
pub enum Told {
    /// An answer.
    Answer(Ticket, Result<Answer, Error>),
    /// States to be merged.
    Resolve(TxnRef, Box<Merge>),
    /// The blob of this operation is to be read on.
    ReadBlob(TxnRef, usize),
    /// Anything may have changed, in another history even.
    Everything,
}

/// What an iteration gave.
#[derive(Clone, Copy, Debug)]
pub struct Iterated {
    /// What it gave before, or what it began behind.
    pub behind: Tid,
    /// The last transaction that its client knew of when it began.
    pub known: Tid,
    /// The next transaction; `None`: there was none.
    pub tid: Option<Tid>,
}

/// An answer that a cache gave without a question.
#[derive(Debug)]
pub struct Cached {
    /// Of which object.
    pub oid: Oid,
    /// Before which transaction.
    pub before: Tid,
    /// Whether the client was ready.
    pub ready: bool,
    /// The answer.
    pub revision: Revision,
}

/// What the world notes of what applications do.
#[derive(Debug, Default)]
pub struct Notes {
    /// Their transactions.
    pub history: History,
    /// Things noted so far.
    place: u64,
    /// Answers that a cache gave without a question, and nobody has looked at.
    pub cached: Vec<Cached>,
    /// What iterations gave, and nobody has looked at.
    pub iterated: Vec<Iterated>,
    /// The newest blob in the first server's folder, of a transaction that need not be durable yet. No application can know of
    /// it, but any may guess.
    pub guess: Option<(Oid, Tid)>,
    /// Something an application found that cannot be.
    pub broken: Option<String>,
}

impl Notes {
    /// The next place in time.
    pub fn place(&mut self) -> Place {
        self.place += 1;
        Place(self.place)
    }
}

/// What an application works with.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The time.
    pub now: Instant,
    /// The client.
    pub machine: &'a mut Client,
    /// What is noted.
    pub notes: &'a mut Notes,
}
