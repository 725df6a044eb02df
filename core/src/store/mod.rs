//! What a server asks of a storage, and what it is told.
//!
//! A store is a part: the server owns it, calls it directly, and drains what it wants from the disk
//! ([`DiskOp`](disk::DiskOp)) and what it has to say ([`StoreDone`]). The context `C` of an operation travels with it
//! to the disk and back, so there is no table of pending operations anywhere.

pub mod blob;
#[cfg(test)]
pub(crate) mod blob_folder;
pub mod coded;
pub mod demo;
pub mod disk;
pub mod file;
pub mod memory;
pub mod reach;

mod layer;
mod ops;
mod revision;
#[cfg(test)]
pub(crate) mod testing;
mod transaction;
mod undoing;

use crate::ids::{Oid, Tid};
use crate::record::BadCoding;
use std::collections::VecDeque;
use thiserror::Error;

pub use layer::{Nest, Part, Step};
pub use ops::{StoreDone, StoreOp};
pub use revision::{Current, First, Past, Revision};
pub use transaction::{
    CopiedRecord, CopiedTransaction, Place, Record, RecordsLeft, Transaction, TransactionHead,
};
pub use undoing::{SoFar, UndoRefusal, UndoTarget, Undone};

use revision::Pasts;

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
    /// A record is not in the form in which the storage writes them.
    #[error("a record cannot be read: {0}")]
    Coding(BadCoding),
    /// The operating system could not do it.
    #[error("{0}")]
    Disk(#[from] disk::DiskError),
    /// The store refused an earlier append and takes no more.
    #[error("the storage takes no more commits since an earlier write failed; restart the server")]
    Failed,
    /// The log was packed while the answer was looked for.
    #[error("the storage was packed meanwhile: ask once more")]
    Repacked,
    /// The transaction does not fit the format, or the answer not into a message.
    #[error("{0}")]
    TooLarge(&'static str),
}

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
    /// Any of them, with records in another form.
    Coded(Box<coded::Coded<C>>),
    /// Changes over one that is never written.
    Demo(Box<demo::Demo<C>>),
}

impl<C> Store<C> {
    /// Bytes a transaction takes in the log: `metadata` of user, description and extension together, and the
    /// length of each record's data (`None` for deletions).
    pub fn footprint(metadata: usize, records: impl Iterator<Item = Option<usize>>) -> u64 {
        file::format::footprint(metadata, records)
    }
}

impl<C: Nest> Store<C> {
    /// Starts an operation; the answer may be in `out.done` already when this returns.
    pub fn ask(&mut self, op: StoreOp<C>, out: &mut Outbox<C>) {
        match self {
            Store::Memory(store) => store.ask(op, out),
            Store::File(store) => store.ask(op, out),
            Store::Coded(coded) => coded.ask(op, out),
            Store::Demo(demo) => demo.ask(op, out),
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
            Store::Coded(coded) => coded.append(batch, out),
            Store::Demo(demo) => demo.append(batch, out),
        }
    }

    /// The log that is packed when this store is; `None`: it has none.
    pub fn log(&self) -> Option<&file::FileStore<C>> {
        match self {
            Store::File(store) => Some(store),
            Store::Coded(coded) => coded.store().log(),
            Store::Demo(demo) => demo.changes().log(),
            Store::Memory(_) => None,
        }
    }

    /// Whether a pack may look for what can be reached: not in changes that are kept in a log, which others refer to that
    /// are in the base.
    pub fn may_collect(&self) -> bool {
        match self {
            Store::Memory(_) | Store::File(_) => true,
            Store::Coded(coded) => coded.store().may_collect(),
            Store::Demo(demo) => demo.changes().log().is_none(),
        }
    }

    /// Packs a store that has no [`log`](Store::log). `None`: there is nothing to do.
    ///
    /// # Errors
    /// [`PackError`](memory::PackError); nothing is gone then.
    ///
    /// # Panics
    /// When it has a log.
    pub fn pack(&mut self, stop: Tid, gc: bool) -> Result<Option<memory::Packed>, memory::PackError> {
        match self {
            Store::Memory(store) => store.pack(stop, gc),
            Store::Coded(coded) => coded.pack(stop, gc),
            Store::Demo(demo) => demo.pack(stop, gc),
            Store::File(_) => unreachable!("a log is packed beside its store"),
        }
    }

    /// Puts a packed log in the place of [`log`](Store::log); answered by `Swapped`.
    ///
    /// # Panics
    /// When the store has no log, or something was appended since the pack was told to finish.
    pub fn swap(&mut self, packed: Box<file::pack::Packed>, keep_old: bool, out: &mut Outbox<C>) {
        match self {
            Store::File(store) => store.swap(packed, keep_old, out),
            Store::Coded(coded) => coded.swap(packed, keep_old, out),
            Store::Demo(demo) => demo.swap(packed, keep_old, out),
            Store::Memory(_) => unreachable!("there is no log in memory"),
        }
    }

    /// Removes a packed log that is not to take the place of the old one; answered by [`StoreDone::Swapped`].
    ///
    /// # Panics
    /// When the store has no log.
    pub fn discard(&mut self, out: &mut Outbox<C>) {
        match self {
            Store::File(store) => store.discard(out),
            Store::Coded(coded) => coded.discard(out),
            Store::Demo(demo) => demo.discard(out),
            Store::Memory(_) => unreachable!("there is no log in memory"),
        }
    }

    /// Gives back room that was reserved for a transaction which was aborted.
    pub fn release(&mut self, bytes: u64) {
        match self {
            Store::Memory(_) => {}
            Store::File(store) => store.release(bytes),
            Store::Coded(coded) => coded.release(bytes),
            Store::Demo(demo) => demo.release(bytes),
        }
    }

    /// Bytes of the disk that are kept for transactions which were voted, or wait for room.
    pub fn reserved(&self) -> u64 {
        match self {
            Store::Memory(_) => 0,
            Store::File(store) => store.reserved(),
            Store::Coded(coded) => coded.store().reserved(),
            Store::Demo(demo) => demo.changes().reserved(),
        }
    }

    /// Takes the outcome of a disk operation.
    pub fn on_disk(&mut self, done: disk::DiskDone<C>, out: &mut Outbox<C>) {
        match self {
            Store::Memory(_) => unreachable!("a memory store asks nothing of the disk"),
            Store::File(store) => store.on_disk(done, out),
            Store::Coded(coded) => coded.on_disk(done, out),
            Store::Demo(demo) => demo.on_disk(done, out),
        }
    }

    /// Asks for everything to be written that makes the next start fast: the index. Answered by `Closed`.
    pub fn close(&mut self, out: &mut Outbox<C>) {
        match self {
            Store::Memory(_) => out.done.push_back(StoreDone::Closed { result: Ok(()) }),
            Store::File(store) => store.close(out),
            Store::Coded(coded) => coded.close(out),
            Store::Demo(demo) => demo.close(out),
        }
    }

    /// Whether transactions can be undone.
    pub fn supports_undo(&self) -> bool {
        match self {
            Store::Memory(_) => false,
            Store::File(_) => true,
            Store::Coded(coded) => coded.store().supports_undo(),
            Store::Demo(demo) => demo.changes().supports_undo(),
        }
    }

    /// Whether records may stand in another form in the log than in a client.
    pub fn is_wrapper(&self) -> bool {
        matches!(self, Store::Coded(_))
    }

    /// Whether the object was ever stored; deleted ones count until they are packed.
    pub fn contains(&self, oid: Oid) -> bool {
        match self {
            Store::Memory(store) => store.contains(oid),
            Store::File(store) => store.contains(oid),
            Store::Coded(coded) => coded.store().contains(oid),
            Store::Demo(demo) => demo.contains(oid),
        }
    }

    /// The last durable transaction; zero in an empty store.
    pub fn last_tid(&self) -> Tid {
        match self {
            Store::Memory(store) => store.last_tid(),
            Store::File(store) => store.last_tid(),
            Store::Coded(coded) => coded.store().last_tid(),
            Store::Demo(demo) => demo.last_tid(),
        }
    }

    /// The highest oid that no new object may get. Where the store has no reason to go on from elsewhere it is the highest
    /// that was ever stored; zero in an empty store.
    pub fn max_oid(&self) -> Oid {
        match self {
            Store::Memory(store) => store.max_oid(),
            Store::File(store) => store.max_oid(),
            Store::Coded(coded) => coded.store().max_oid(),
            Store::Demo(demo) => demo.max_oid(),
        }
    }

    /// The first object at or behind `oid`, deleted ones included; `None` when there is none.
    pub fn first_from(&self, oid: Oid) -> Option<Oid> {
        match self {
            Store::Memory(store) => store.first_from(oid),
            Store::File(store) => store.first_from(oid),
            Store::Coded(coded) => coded.store().first_from(oid),
            Store::Demo(demo) => demo.first_from(oid),
        }
    }

    /// Objects in the store; of a demo store in its changes. Deleted ones count until they are packed, as in Python's
    /// FileStorage.
    pub fn len(&self) -> u64 {
        match self {
            Store::Memory(store) => store.len(),
            Store::File(store) => store.len(),
            Store::Coded(coded) => coded.store().len(),
            Store::Demo(demo) => demo.changes().len(),
        }
    }

    /// True when nothing was ever stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the store; of a demo store of its changes.
    pub fn size(&self) -> u64 {
        match self {
            Store::Memory(store) => store.size(),
            Store::File(store) => store.size(),
            Store::Coded(coded) => coded.store().size(),
            Store::Demo(demo) => demo.changes().size(),
        }
    }
}
