//! What a server asks of a storage, and what it is told.
//!
//! A store is a part: the server owns it, calls it directly, and drains what it wants from the disk
//! ([`DiskOp`](disk::DiskOp)) and what it has to say ([`StoreDone`]). The context `C` of an operation travels with it
//! to the disk and back, so there is no table of pending operations anywhere.

pub mod disk;
pub mod file;
pub mod memory;

use crate::ids::{Oid, Tid};
use crate::limits;
use bytes::Bytes;
use std::collections::VecDeque;
use thiserror::Error;

/// A question with the context its answer is given with.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreOp<C> {
    /// The revision of `oid` that was current just before `before`.
    LoadBefore {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// The first tid too late.
        before: Tid,
    },
    /// The state that transaction `serial` gave `oid`.
    LoadSerial {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// The transaction.
        serial: Tid,
    },
    /// The serial of the current revision of `oid`.
    CurrentSerial {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
    },
    /// The newest revisions of `oid` with what is known of their transactions.
    History {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// How many at most.
        count: usize,
    },
    /// The first transaction whose tid is not below `from`.
    NextTransaction {
        /// Returned with the answer.
        context: C,
        /// The first tid.
        from: Tid,
        /// What stands behind the transaction that was given before; `None`: the start is looked for.
        near: Option<Place>,
    },
    /// The next record of a transaction.
    NextRecord {
        /// Returned with the answer.
        context: C,
        /// How far its records were read.
        left: RecordsLeft,
    },
    /// Where the state that transaction `serial` gave `oid` stands, if it is `data`.
    Find {
        /// Returned with the answer.
        context: C,
        /// The object.
        oid: Oid,
        /// The transaction.
        serial: Tid,
        /// The state that is looked for.
        data: Option<Bytes>,
    },
    /// The records of transaction `tid`, which is to be undone. Of a store that [can](Store::supports_undo).
    Targets {
        /// Returned with the answer.
        context: C,
        /// The transaction.
        tid: Tid,
    },
    /// What undoing one of these records makes of its object.
    Undo {
        /// Returned with the answer.
        context: C,
        /// The record.
        target: UndoTarget,
        /// What the transaction that undoes has done to the object before.
        so_far: Option<SoFar>,
    },
    /// The last transaction before another one. Of a store that [can](Store::supports_undo) undo.
    PreviousTransaction {
        /// Returned with the answer.
        context: C,
        /// The other one; `None`: the end.
        before: Option<Place>,
    },
    /// Makes sure that `bytes` more than all earlier reservations can be appended.
    Reserve {
        /// Returned with the answer.
        context: C,
        /// Bytes of the transaction, as [`Store::footprint`] counts them.
        bytes: u64,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreDone<C> {
    /// To [`StoreOp::LoadBefore`]. `None`: the object exists, but had no revision before that tid.
    Loaded {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The revision.
        result: Result<Option<Revision>, StoreError>,
    },
    /// To [`StoreOp::LoadSerial`].
    Data {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The state.
        result: Result<Bytes, StoreError>,
    },
    /// To [`StoreOp::CurrentSerial`].
    Serial {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The current revision.
        result: Result<Current, StoreError>,
    },
    /// To [`StoreOp::History`], the newest first.
    History {
        /// From the question.
        context: C,
        /// The object.
        oid: Oid,
        /// The revisions, deletions included; [`StoreError::TooLarge`] when they take more than [`limits::HISTORY`].
        result: Result<Vec<Past>, StoreError>,
    },
    /// To [`StoreOp::NextTransaction`] and [`StoreOp::PreviousTransaction`]. `None`: there is none.
    Transaction {
        /// From the question.
        context: C,
        /// The transaction.
        result: Result<Option<TransactionHead>, StoreError>,
    },
    /// To [`StoreOp::NextRecord`]. `None`: there are no more.
    Record {
        /// From the question.
        context: C,
        /// The record, and what is left behind it.
        result: Result<Option<(CopiedRecord, RecordsLeft)>, StoreError>,
    },
    /// To [`StoreOp::Find`]. `None`: the store does not have it, or another state there.
    Found {
        /// From the question.
        context: C,
        /// The place.
        result: Result<Option<Place>, StoreError>,
    },
    /// To [`StoreOp::Targets`].
    Targets {
        /// From the question.
        context: C,
        /// The records, in their order.
        result: Result<Result<Vec<UndoTarget>, UndoRefusal>, StoreError>,
    },
    /// To [`StoreOp::Undo`].
    Undone {
        /// From the question.
        context: C,
        /// What becomes of the object.
        result: Result<Result<Undone, UndoRefusal>, StoreError>,
    },
    /// To [`StoreOp::Reserve`].
    Reserved {
        /// From the question.
        context: C,
        /// Whether the room is there.
        result: Result<(), StoreError>,
    },
    /// Every appended transaction up to and including `upto` is durable and in the index.
    Durable {
        /// The watermark.
        upto: Tid,
    },
    /// The last append failed, and the store takes no more: what was appended since the last watermark may or may
    /// not be there after a restart.
    Refused {
        /// What the disk said.
        why: StoreError,
    },
    /// To [`Store::close`]: what makes the next start fast is written, or could not be.
    Closed {
        /// Whether it is.
        result: Result<(), StoreError>,
    },
}

/// The newest state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Current {
    /// The object was never stored.
    Absent,
    /// It is as transaction `Tid` left it.
    At(Tid),
    /// Its deletion, or the undoing of its creation, by transaction `Tid` is the last that happened to it.
    Deleted(Tid),
}

/// A revision with the time it was current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The state.
    pub data: Bytes,
    /// The transaction that wrote it.
    pub serial: Tid,
    /// The next transaction that changed the object; `None` while it is current.
    pub until: Option<Tid>,
}

/// A revision in an object's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The transaction that wrote it.
    pub tid: Tid,
    /// Bytes of its state; zero where it has none of its own: a deletion, or the state of an earlier revision.
    pub size: u64,
    /// The transaction's user name.
    pub user: Bytes,
    /// Its description.
    pub description: Bytes,
    /// Its extension dictionary as a pickle, or empty. Nobody has looked at it.
    pub extension: Bytes,
}

/// A history being gathered.
#[derive(Debug)]
struct Pasts {
    found: Vec<Past>,
    count: usize,
    bytes: usize,
}

impl Pasts {
    /// For as many revisions as are asked for.
    fn new(count: usize) -> Pasts {
        Pasts { found: Vec::new(), count, bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.count
    }

    fn add(&mut self, past: Past) -> Result<(), StoreError> {
        let strings = past.user.len() + past.description.len() + past.extension.len();
        self.bytes += size_of::<Past>() + strings;
        if self.bytes > limits::HISTORY {
            return Err(StoreError::TooLarge(
                "the history is too long for one answer: ask for fewer revisions",
            ));
        }
        self.found.push(past);
        Ok(())
    }
}

/// Why a store cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No such object, or the revision asked for is a deletion: a POSKeyError.
    #[error("no object {0} there")]
    NoObject(Oid),
    /// What lies on the disk contradicts itself.
    #[error("damaged data at byte {at} of {file}: {what}")]
    Damaged {
        /// The file.
        file: &'static str,
        /// Where.
        at: u64,
        /// What was expected.
        what: &'static str,
    },
    /// The operating system could not do it.
    #[error("{0}")]
    Disk(#[from] disk::DiskError),
    /// The store refused an earlier append and takes no more.
    #[error("the storage takes no more commits since an earlier write failed; restart the server")]
    Failed,
    /// The transaction does not fit the format, or the answer not into a message.
    #[error("{0}")]
    TooLarge(&'static str),
}

/// A transaction as an iteration gives it, its records still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionHead {
    /// Its id.
    pub tid: Tid,
    /// Its status.
    pub status: u8,
    /// Who made it.
    pub user: Bytes,
    /// Why.
    pub description: Bytes,
    /// Extension data as a pickle; empty for none.
    pub extension: Bytes,
    /// Bytes it takes in the store; zero where that makes no sense.
    pub size: u64,
    /// Where it is.
    pub at: Place,
    /// All its records.
    pub records: RecordsLeft,
    /// Where the next transaction is.
    pub behind: Place,
}

/// The records of a transaction that were not read yet; good for the store that gave it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsLeft {
    tid: Tid,
    /// Where the transaction starts, where its next record is, and where the last one ends.
    txn: u64,
    at: u64,
    end: u64,
}

impl RecordsLeft {
    /// The transaction.
    pub fn tid(&self) -> Tid {
        self.tid
    }
}

/// A transaction with all its records, as an iteration gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CopiedTransaction {
    /// Its id.
    pub tid: Tid,
    /// Its status.
    pub status: u8,
    /// Who made it.
    pub user: Bytes,
    /// Why.
    pub description: Bytes,
    /// Extension data as a pickle; empty for none.
    pub extension: Bytes,
    /// What it wrote.
    pub records: Vec<CopiedRecord>,
}

/// One record of such a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedRecord {
    /// The object.
    pub oid: Oid,
    /// The transaction it is of.
    pub serial: Tid,
    /// Its state; `None` where its creation was undone, or it was deleted.
    pub data: Option<Bytes>,
    /// A transaction that has the same state, if known.
    pub same_as: Option<Tid>,
}

/// One record of a transaction that is to be undone; good for the store that gave it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoTarget {
    /// The object.
    pub oid: Oid,
    /// The transaction.
    pub tid: Tid,
    record: Place,
}

/// What a transaction has done to an object before it undoes a record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoFar {
    /// It gave it this state.
    Stored(Bytes),
    /// It set it back to what stands here.
    Back(Place),
    /// It deleted the object, or undid its creation.
    Gone,
}

/// What an undo makes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was here.
    Back(Place),
    /// It does not exist any more: its creation was undone.
    Gone,
    /// It was changed since: somebody who knows the class has to merge its current state and the one before the undone
    /// transaction.
    Merge {
        /// The current revision.
        current: Tid,
        /// The state before the undone transaction.
        earlier: Bytes,
    },
}

/// Why something cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UndoRefusal {
    /// No such transaction, or it was before the last pack.
    #[error("no transaction of this id can be undone")]
    Unknown,
    /// The last pack went through it.
    #[error("the transaction was packed")]
    Packed,
    /// The object did not exist at one of the points that matter.
    #[error("the object did not exist")]
    NoState,
    /// The transaction created the object, and a later one changed it.
    #[error("the transaction created the object, which was changed since")]
    Added,
    /// The object was changed since, and nobody can merge that.
    #[error("the object was changed by a later transaction")]
    Modified,
}

/// A transaction ready to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its id, later than all before.
    pub tid: Tid,
    /// A blank unless a database is copied.
    pub status: u8,
    /// User name.
    pub user: Bytes,
    /// Description.
    pub description: Bytes,
    /// The extension dictionary as a pickle, or empty.
    pub extension: Bytes,
    /// The objects, each at most once.
    pub records: Vec<Record>,
    /// It is one of another storage: an object may come several times.
    pub copied: bool,
}

/// An object's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The object.
    pub oid: Oid,
    /// The state; `None` deletes the object.
    pub data: Option<Bytes>,
    /// Where the store has this state already: then it is not written once more.
    pub same_as: Option<Place>,
}

/// Where a store keeps a revision or a transaction; good for that store alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

/// What a store wants and what it has to say, in order.
#[derive(Debug)]
pub struct Outbox<C> {
    /// Operations for the disk.
    pub disk: VecDeque<disk::DiskOp<C>>,
    /// Answers.
    pub done: VecDeque<StoreDone<C>>,
}

impl<C> Default for Outbox<C> {
    fn default() -> Self {
        Outbox { disk: VecDeque::new(), done: VecDeque::new() }
    }
}

/// A storage of one of the kinds there are.
#[derive(Debug)]
pub enum Store<C> {
    /// In memory, for tests and scratch data.
    Memory(memory::MemoryStore),
    /// A Data.fs.
    File(Box<file::FileStore<C>>),
}

impl<C> Store<C> {
    /// Starts an operation; the answer may be in `out.done` already when this returns.
    pub fn ask(&mut self, op: StoreOp<C>, out: &mut Outbox<C>) {
        match self {
            Store::Memory(store) => store.ask(op, out),
            Store::File(store) => store.ask(op, out),
        }
    }

    /// Appends transactions as one batch that becomes durable together; answered by `Durable` or `Refused`.
    ///
    /// # Panics
    /// When an earlier batch is not answered yet, or the tids do not rise.
    pub fn append(&mut self, batch: Vec<Transaction>, out: &mut Outbox<C>) {
        match self {
            Store::Memory(store) => store.append(batch, out),
            Store::File(store) => store.append(batch, out),
        }
    }

    /// Gives back room that was reserved for a transaction which was aborted.
    pub fn release(&mut self, bytes: u64) {
        match self {
            Store::Memory(_) => {}
            Store::File(store) => store.release(bytes),
        }
    }

    /// Takes the outcome of a disk operation.
    pub fn on_disk(&mut self, done: disk::DiskDone<C>, out: &mut Outbox<C>) {
        match self {
            Store::Memory(_) => unreachable!("a memory store asks nothing of the disk"),
            Store::File(store) => store.on_disk(done, out),
        }
    }

    /// Asks for everything to be written that makes the next start fast: the index. Answered by `Closed`.
    pub fn close(&mut self, out: &mut Outbox<C>) {
        match self {
            Store::Memory(_) => out.done.push_back(StoreDone::Closed { result: Ok(()) }),
            Store::File(store) => store.close(out),
        }
    }

    /// Bytes a transaction takes in the log: `metadata` of user, description and extension together, and the
    /// length of each record's data (`None` for deletions).
    pub fn footprint(metadata: usize, records: impl Iterator<Item = Option<usize>>) -> u64 {
        file::format::footprint(metadata, records)
    }

    /// Whether transactions can be undone.
    pub fn supports_undo(&self) -> bool {
        matches!(self, Store::File(_))
    }

    /// The last durable transaction; zero in an empty store.
    pub fn last_tid(&self) -> Tid {
        match self {
            Store::Memory(store) => store.last_tid(),
            Store::File(store) => store.last_tid(),
        }
    }

    /// The highest oid ever stored; zero in an empty store.
    pub fn max_oid(&self) -> Oid {
        match self {
            Store::Memory(store) => store.max_oid(),
            Store::File(store) => store.max_oid(),
        }
    }

    /// The first object at or behind `oid`, deleted ones included; `None` when there is none.
    pub fn first_from(&self, oid: Oid) -> Option<Oid> {
        match self {
            Store::Memory(store) => store.first_from(oid),
            Store::File(store) => store.first_from(oid),
        }
    }

    /// Objects in the store. Deleted ones count until they are packed, as in Python's FileStorage.
    pub fn len(&self) -> u64 {
        match self {
            Store::Memory(store) => store.len(),
            Store::File(store) => store.len(),
        }
    }

    /// True when nothing was ever stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the store.
    pub fn size(&self) -> u64 {
        match self {
            Store::Memory(store) => store.size(),
            Store::File(store) => store.size(),
        }
    }
}
