//! A Data.fs open in this process and served to nobody: for commands that an operator runs.

use crate::boot::{self, BootError, Booted, Manner, StorageKind, StorageSpec, Summary};
use crate::clock;
use crate::disk::logs::Logs;
use crate::disk::{Disk, Ran};
use std::path::Path;
use thiserror::Error;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits;
use zeolith_core::rng::Seed;
use zeolith_core::server::Context;
use zeolith_core::server::packs::PackOptions;
use zeolith_core::store::blob::BlobId;
use zeolith_core::store::file::FileStore;
use zeolith_core::store::file::errand::Errand;
use zeolith_core::store::file::format;
use zeolith_core::store::file::load::Answer;
use zeolith_core::store::file::pack::{News, Nothing, Order, PackError, Packing};
use zeolith_core::store::file::transactions::Transactions;
use zeolith_core::store::file::view::Walk;
use zeolith_core::store::{
    CopiedRecord, CopiedTransaction, Outbox, Past, Place, Record, Revision, Store, StoreDone, StoreError,
    Transaction,
};

/// A Data.fs that this process holds until [`close`](Offline::close) or drop.
#[derive(Debug)]
pub struct Offline {
    store: Store<Context>,
    disk: Disk,
    outbox: Outbox<Context>,
    summary: Summary,
}

/// A way through the transactions of an [`Offline`].
#[derive(Debug)]
pub struct Cursor(Errand<Transactions>);

/// Why a transaction cannot be copied into a Data.fs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CopyError {
    /// It is not later than the last one there.
    #[error("transaction {tid} is not later than {last}, which is before it")]
    Order {
        /// The transaction.
        tid: Tid,
        /// The one before it.
        last: Tid,
    },
    /// Its status is none of blank, `p` and `u`.
    #[error("transaction {tid} has the status {:?}, which no complete transaction has", char::from(*status))]
    Status {
        /// The transaction.
        tid: Tid,
        /// Its status.
        status: u8,
    },
    /// User, description or extension are longer than the format can count.
    #[error("transaction {0} has a user, description or extension of more than 65,535 bytes")]
    Strings(Tid),
    /// The file could not be read or written. What was given may or may not be there, in part: from the first on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a pack has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pack {
    /// It has put a new log in the place of the old.
    Done {
        /// Bytes of the old one.
        before: u64,
        /// Bytes of the new one.
        after: u64,
        /// The blobs whose records went. Their files are where they were: nobody has said where that is.
        gone: Vec<BlobId>,
    },
    /// Nothing, for this reason.
    Nothing(Nothing),
}

impl Offline {
    /// Opens a Data.fs for writing exactly as a server does: takes the lock, recovers, reports to the log.
    pub fn open(path: &Path, create: bool) -> Result<Offline, BootError> {
        Offline::start(path, create, false, limits::CHECKED_AT_OPEN)
    }

    /// Opens a Data.fs for reading, which is possible beside a server: it shows what was committed until now, and changes
    /// no file. Of a damaged one it shows what is sound. Whoever asks it to write panics.
    pub fn open_read_only(path: &Path) -> Result<Offline, BootError> {
        Offline::start(path, false, true, 0)
    }

    fn start(path: &Path, create: bool, read_only: bool, check_upto: u64) -> Result<Offline, BootError> {
        let Booted { boot, files, summary } = open(path, create, read_only, check_upto, read_only)?;
        let Logs::One(disk) = files.logs else { unreachable!("a Data.fs is one log") };
        Ok(Offline { store: boot.store, disk, outbox: Outbox::default(), summary })
    }

    /// What was there when it was opened.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The last transaction; zero when there is none.
    pub fn last_tid(&self) -> Tid {
        self.store.last_tid()
    }

    /// Bytes of the log.
    pub fn size(&self) -> u64 {
        self.store.size()
    }

    /// The revision of an object that was current just before `before`; `None`: it did not exist yet.
    ///
    /// # Errors
    /// [`StoreError::NoObject`]: it was never stored, or did not exist any more.
    pub fn load_before(&mut self, oid: Oid, before: Tid) -> Result<Option<Revision>, StoreError> {
        let mut search = self.file().revision(oid, before).ok_or(StoreError::NoObject(oid))?;
        match self.run(&mut search)? {
            Answer::Revision(revision) => Ok(Some(revision)),
            Answer::Nothing => Ok(None),
            Answer::NoObject => Err(StoreError::NoObject(oid)),
            Answer::Current(_) | Answer::First(_) => unreachable!("nobody asked for a serial"),
        }
    }

    /// The newest revisions of an object, at most `count` and at least one, the newest first.
    ///
    /// # Errors
    /// [`StoreError::NoObject`]; [`StoreError::TooLarge`] when they take more than 4 MB.
    pub fn history(&mut self, oid: Oid, count: usize) -> Result<Vec<Past>, StoreError> {
        let mut search = self.file().history(oid, count).ok_or(StoreError::NoObject(oid))?;
        self.run(&mut search)?
    }

    /// All transactions from `from` on with their records, the oldest first. One is in memory at a time.
    ///
    /// Back pointers are followed: a record has its state, and in `same_as` the transaction it points to. An undone
    /// transaction is told without records, which count for nothing.
    pub fn transactions(&self, from: Tid) -> Cursor {
        Cursor(self.file().transactions(from))
    }

    /// The next of these transactions; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and errors of the disk; nothing follows them.
    pub fn next(&mut self, of: &mut Cursor) -> Result<Option<CopiedTransaction>, StoreError> {
        self.run(&mut of.0)
    }

    /// Appends transactions as one batch. They are durable when this returns; after an error they may or may not be
    /// there, and nothing more can be appended.
    ///
    /// # Panics
    /// When the tids do not rise, or an object comes twice.
    pub fn append(&mut self, batch: Vec<Transaction>) -> Result<(), StoreError> {
        self.store.append(batch, &mut self.outbox);
        match self.answer() {
            StoreDone::Durable { .. } => Ok(()),
            StoreDone::Refused { why } => Err(why),
            other => unreachable!("no answer to an append: {other:?}"),
        }
    }

    /// Appends transactions of another storage, as FileStorage's `copyTransactionsFrom` writes them: with their tids and
    /// status, and with a pointer in the place of a state that stands in this file already. They are durable when this
    /// returns.
    ///
    /// # Errors
    /// [`CopyError`]. What is refused is refused before anything of the batch is written.
    pub fn copy(&mut self, batch: Vec<CopiedTransaction>) -> Result<(), CopyError> {
        admit(self.last_tid(), &batch)?;
        let mut ready: Vec<Transaction> = Vec::new();
        for transaction in batch {
            // What a record points to has to be in the file before it is looked for.
            let points_into = |ready: &[Transaction]| {
                let first = ready.first().map(|transaction| transaction.tid);
                first.is_some_and(|first| transaction.records.iter().any(|it| it.same_as >= Some(first)))
            };
            if points_into(&ready) {
                self.append(std::mem::take(&mut ready))?;
            }
            ready.push(self.copied(transaction)?);
        }
        if ready.is_empty() { Ok(()) } else { Ok(self.append(ready)?) }
    }

    /// Packs the file to a time, that of transaction `stop` if there is one: of all revisions before it, only those that show then stay, and with `gc` only what the
    /// root reaches. The file as it was stays beside it as `Data.fs.old` if it is to.
    ///
    /// # Errors
    /// [`PackError`]; the file is as it was.
    pub fn pack(&mut self, stop: Tid, gc: bool, keep_old: bool) -> Result<Pack, PackError> {
        let Store::File(store) = &mut self.store else { unreachable!("a Data.fs is a file") };
        let begin = store.begin_pack(stop, gc, true)?;
        let (before, upto) = (store.size(), begin.upto);
        let mut packing: Packing<Context> = Packing::new(begin);
        loop {
            while let Some(news) = packing.news() {
                match news {
                    News::Progress(_) => {}
                    News::CaughtUp { .. } => packing.order(Order::Finish { upto }),
                    News::Nothing(why) => return Ok(Pack::Nothing(why)),
                    News::Failed(error) => return Err(error),
                    News::Stopped => unreachable!("nobody stops it"),
                    News::Ready(mut packed) => {
                        let (after, gone) = (packed.end, std::mem::take(&mut packed.gone));
                        let Store::File(store) = &mut self.store else { unreachable!("it was one") };
                        store.swap(packed, keep_old, &mut self.outbox);
                        return match self.answer() {
                            StoreDone::Swapped { result: Ok(()) } => Ok(Pack::Done { before, after, gone }),
                            StoreDone::Swapped { result: Err(error) } => Err(error.into()),
                            other => unreachable!("no answer to a swap: {other:?}"),
                        };
                    }
                }
            }
            let op = packing.poll().expect("a pack wants something until it is over");
            match self.disk.run(op) {
                Ran::Quiet => {}
                Ran::Done(done) => packing.handle(done),
                Ran::Later(job) => packing.handle(job()),
            }
        }
    }

    /// Saves the index and lets go of the file. An error costs the next start a scan, and nothing else.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.store.close(&mut self.outbox);
        match self.answer() {
            StoreDone::Closed { result } => result,
            other => unreachable!("no answer to a close: {other:?}"),
        }
    }

    fn file(&self) -> &FileStore<Context> {
        match &self.store {
            Store::File(store) => store,
            Store::Memory(_) | Store::Coded(_) | Store::Demo(_) => unreachable!("a Data.fs is a file"),
        }
    }

    /// A transaction with the places that its records point to.
    fn copied(&mut self, transaction: CopiedTransaction) -> Result<Transaction, StoreError> {
        let CopiedTransaction { tid, status, user, description, extension, records } = transaction;
        let mut ready = Vec::with_capacity(records.len());
        // What an undone transaction holds counts for nothing, and must not get into the index.
        for record in records.into_iter().filter(|_| status != UNDONE) {
            let same_as = self.place(&record)?;
            ready.push(Record { oid: record.oid, data: record.data, same_as });
        }
        Ok(Transaction { tid, status, user, description, extension, records: ready, copied: true })
    }

    /// Where the state of a record stands in this file. Where it does not, it is written once more.
    fn place(&mut self, record: &CopiedRecord) -> Result<Option<Place>, StoreError> {
        let Some(serial) = record.same_as else { return Ok(None) };
        match self.file().find(record.oid, serial, record.data.clone()) {
            Some(mut search) => self.run(&mut search),
            None => Ok(None),
        }
    }

    /// Takes an errand to its answer.
    fn run<W: Walk>(&mut self, errand: &mut Errand<W>) -> Result<W::Answer, StoreError> {
        let Offline { store: Store::File(store), disk, .. } = self else { unreachable!("it is a Data.fs") };
        disk.answer(store, errand)
    }

    /// Carries out what the store wants from the disk until it answers; nothing else runs, so it may block.
    fn answer(&mut self) -> StoreDone<Context> {
        loop {
            if let Some(done) = self.outbox.done.pop_front() {
                // After a failed write the rest of its batch is of no use.
                self.outbox.disk.clear();
                return done;
            }
            let op = self.outbox.disk.pop_front().expect("a store answers when the disk has");
            let done = match self.disk.run(op) {
                Ran::Quiet => continue,
                Ran::Done(done) => done,
                Ran::Later(job) => job(),
            };
            self.store.on_disk(done, &mut self.outbox);
        }
    }
}

/// Checks all of a Data.fs, whatever its size, and changes nothing. A server may have it open meanwhile: what it has not
/// finished is a tail in the report.
pub fn check(path: &Path) -> Result<Summary, BootError> {
    open(path, false, true, u64::MAX, false).map(|booted| booted.summary)
}

fn open(
    path: &Path,
    create: bool,
    read_only: bool,
    check_upto: u64,
    serve_damaged: bool,
) -> Result<Booted, BootError> {
    let kind = StorageKind::File { path: path.to_owned(), create, read_only, pack: PackOptions::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| BootError::Io { path: path.to_owned(), error })?;
    let manner = Manner { queue: 0.into(), check_upto, serve_damaged, frozen: false };
    let spec = StorageSpec { name: "1".into(), kind, blobs: None };
    runtime.block_on(boot::open(spec, manner, Seed(clock::seed())))
}

/// The status of a transaction that counts for nothing.
const UNDONE: u8 = format::UNDONE;

/// Refuses what the format or the order of tids does not allow.
fn admit(mut last: Tid, batch: &[CopiedTransaction]) -> Result<(), CopyError> {
    for &CopiedTransaction { tid, status, ref user, ref description, ref extension, .. } in batch {
        if tid <= last {
            return Err(CopyError::Order { tid, last });
        }
        if !matches!(status, b' ' | b'p' | UNDONE) {
            return Err(CopyError::Status { tid, status });
        }
        if [user, description, extension].iter().any(|string| string.len() > limits::METADATA) {
            return Err(CopyError::Strings(tid));
        }
        last = tid;
    }
    Ok(())
}

#[cfg(test)]
#[path = "offline_tests.rs"]
mod tests;
