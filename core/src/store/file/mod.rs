//! A Data.fs: ZODB's FileStorage, byte for byte, with checksums beside it.
//!
//! [`Opening`](open::Opening) brings a storage up; the [`FileStore`] it yields answers loads from an index and one
//! read each, and appends batches. Nothing here touches a file: everything is asked of the disk.

pub mod errand;
pub mod find;
pub mod format;
pub mod heads;
pub mod history;
pub mod index;
pub mod index_file;
pub mod load;
pub mod lockfile;
mod onward;
pub mod open;
pub mod origin;
pub mod pack;
mod put_off;
pub mod read;
pub mod records;
pub mod sidecar;
mod swap;
pub mod targets;
pub mod transactions;
pub mod undo;
pub mod view;

mod append;
mod asked;
mod book;
mod layout;
mod reserve;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use crate::ids::{Oid, Tid};
use crate::limits;
use crate::rng::{Rng, Seed};
use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId};
use crate::store::{Outbox, Place, SoFar, StoreDone, StoreError, StoreOp, Transaction, UndoRefusal};
use asked::Asked;
use bytes::Bytes;
use errand::{Errand, Step};
use find::Find;
use heads::Heads;
use history::History;
use load::{Load, Question};
use lockfile::{Closed, Nonce};
use onward::Onward;
use origin::Origin;
use pack::{Begin, Packed};
use put_off::PutOff;
use read::{Lookup, Pending, Purpose};
use swap::Swap;
use targets::Targets;
use transactions::Transactions;
use undo::Undo;
use view::Walk;

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

/// An open Data.fs.
#[derive(Debug)]
pub struct FileStore<C> {
    book: book::Book,
    /// `None` in a read-only storage.
    appender: Option<append::Appender>,
    reservations: reserve::Reservations<C>,
    /// Process and nonce in the lock file; `None` in a read-only storage.
    owner: Option<(u32, Nonce)>,
    /// A packed log is being put in place.
    swap: Option<Swap>,
    put_off: Vec<PutOff<C>>,
    /// Syncs that a close waits for, and what went wrong with one.
    closing: usize,
    unsaved: Option<DiskError>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

impl<C> FileStore<C> {
    fn new(
        book: book::Book,
        appender: Option<append::Appender>,
        owner: Option<(u32, Nonce)>,
    ) -> FileStore<C> {
        FileStore {
            owner,
            swap: None,
            put_off: Vec::new(),
            closing: 0,
            unsaved: None,
            reservations: reserve::Reservations::new(book.end),
            book,
            appender,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// Starts an operation; the answer may be there already when this returns.
    ///
    /// # Panics
    /// When room is reserved in a read-only storage.
    pub fn ask(&mut self, op: StoreOp<C>, out: &mut Outbox<C>) {
        let book = &mut self.book;
        match op {
            op if self.swap.as_ref().is_some_and(Swap::is_ahead) && put_off::asks_for_place(&op) => {
                self.put_off.push(PutOff::Asked(op));
            }
            StoreOp::LoadBefore { context, oid, before } => {
                #[cfg(feature = "planted-bugs")]
                let before = if self.bug == Some(Bug::CurrentForOlder) { Tid::MAX } else { before };
                #[cfg(feature = "planted-bugs")]
                if self.bug == Some(Bug::LoadRefused) && self.appender.as_ref().is_some_and(|it| it.is_busy())
                {
                    let result = Err(StoreError::Failed);
                    return out.done.push_back(StoreDone::Loaded { context, oid, result });
                }
                Lookup::start(context, oid, Question::Before(before), book, out);
            }
            StoreOp::LoadSerial { context, oid, serial } => {
                Lookup::start(context, oid, Question::Serial(serial), book, out);
            }
            StoreOp::CurrentSerial { context, oid } => {
                Lookup::start(context, oid, Question::Current, book, out);
            }
            StoreOp::First { context, oid } => Lookup::start(context, oid, Question::First, book, out),
            StoreOp::History { context, oid, count } => match book.index.get(oid) {
                Some(entry) if count > 0 => {
                    Asked::start(context, History::new(oid, count, entry.at), book, out);
                }
                found => {
                    let result = found.map(|_| Vec::new()).ok_or(StoreError::NoObject(oid));
                    out.done.push_back(StoreDone::History { context, oid, result });
                }
            },
            StoreOp::NextTransaction { context, from, near } => {
                // After a pack it has to look for it.
                let walk = match near.filter(|near| near.log == book.log) {
                    Some(near) => Heads::at(near, from, limits::FIRST_READ),
                    None => Heads::new(from, book.last, book.end, book.log, limits::FIRST_READ),
                };
                Asked::start(context, walk, book, out);
            }
            StoreOp::NextRecord { context, left } => {
                Asked::start(context, Onward::new(left, book, limits::FIRST_READ), book, out);
            }
            StoreOp::Find { context, oid, serial, data } => match book.index.get(oid) {
                Some(entry) => {
                    Asked::start(context, Find::new(oid, serial, data, entry.at, book.log), book, out);
                }
                None => out.done.push_back(StoreDone::Found { context, result: Ok(None) }),
            },
            StoreOp::Targets { context, tid } => {
                Asked::start(context, Targets::new(tid, book.end, book.log), book, out);
            }
            StoreOp::Undo { context, so_far: Some(SoFar::Back(place)), .. } if place.log != book.log => {
                out.done.push_back(StoreDone::Undone { context, result: Err(StoreError::Repacked) });
            }
            StoreOp::Undo { context, target, so_far } => match book.index.get(target.oid) {
                Some(entry) => Asked::start(context, Undo::new(target, entry.at, so_far, book), book, out),
                None => {
                    mark!("a vote undoes what was packed since it began");
                    let result = Ok(Err(UndoRefusal::Packed));
                    out.done.push_back(StoreDone::Undone { context, result });
                }
            },
            StoreOp::Origin { context, oid, place } => {
                assert_eq!(place.log, book.log, "who holds a place is asked before a pack voids it");
                Asked::start(context, Origin::new(oid, place), book, out);
            }
            StoreOp::PreviousTransaction { context, before } => {
                let behind = before.unwrap_or(Place { at: book.end, log: book.log });
                Asked::start(context, Heads::before(behind, limits::FIRST_READ), book, out);
            }
            StoreOp::Reserve { context, bytes } => self.reserve(context, bytes, out),
        }
    }

    /// Appends transactions as one batch that becomes durable together; answered by `Durable` or `Refused`. The room
    /// for them is taken from what was reserved.
    ///
    /// # Panics
    /// When the storage is read-only, an earlier batch is not answered yet, the tids do not rise, an object comes
    /// twice in a batch without copies, or a string is longer than the format can count.
    pub fn append(&mut self, batch: Vec<Transaction>, out: &mut Outbox<C>) {
        let appender = self.appender.as_mut().expect("nobody appends to a read-only storage");
        if appender.failed() {
            return out.done.push_back(StoreDone::Refused { why: StoreError::Failed });
        }
        let mut places =
            batch.iter().flat_map(|transaction| &transaction.records).filter_map(|record| record.same_as);
        assert!(places.all(|place| place.log == self.book.log), "no record points into a log that went");
        let bytes = appender.append(batch, &self.book, out);
        self.reservations.appended(bytes);
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(Bug::DurableBeforeSync) {
            appender.settle(&mut self.book, out);
        }
    }

    /// A way through all transactions from `from` on.
    pub fn transactions(&self, from: Tid) -> Errand<Transactions> {
        Errand::new(Transactions::new(from, self.book.last, self.book.end, self.book.log))
    }

    /// A search for the place where transaction `serial` gave `oid` the state `data`; `None`: there is no such object.
    pub fn find(&self, oid: Oid, serial: Tid, data: Option<Bytes>) -> Option<Errand<Find>> {
        let entry = self.book.index.get(oid)?;
        Some(Errand::new(Find::new(oid, serial, data, entry.at, self.book.log)))
    }

    /// A search for the revision of `oid` that was current just before `before`; `None`: there is no such object.
    pub fn revision(&self, oid: Oid, before: Tid) -> Option<Errand<Load>> {
        let entry = self.book.index.get(oid)?;
        Some(Errand::new(Load::new(oid, Question::Before(before), entry)))
    }

    /// A search for the newest revisions of `oid`, at most `count` and at least one; `None`: there is no such object.
    pub fn history(&self, oid: Oid, count: usize) -> Option<Errand<History>> {
        let entry = self.book.index.get(oid)?;
        Some(Errand::new(History::new(oid, count, entry.at)))
    }

    /// Takes an errand as far as its bytes reach.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; the errand is over then.
    pub fn pursue<W: Walk>(&self, errand: &mut Errand<W>) -> Result<Step<W::Answer>, StoreError> {
        errand.pursue(&self.book)
    }

    /// Gives back room that was reserved for a transaction which was aborted.
    pub fn release(&mut self, bytes: u64) {
        self.reservations.release(bytes);
    }

    /// Bytes of the disk that are kept for transactions which were voted, or wait for room.
    pub fn reserved(&self) -> u64 {
        self.reservations.reserved()
    }

    /// Takes the outcome of a disk operation. A failed write must be told before the answer to a sync that covers it.
    pub fn on_disk(&mut self, done: DiskDone<C>, out: &mut Outbox<C>) {
        match done {
            done if self.swap.is_some() && Swap::concerns(&done) => self.on_swapping(done, out),
            done if self.swap.as_ref().is_some_and(Swap::is_ahead) && put_off::finds_place(&done) => {
                mark!("a walk to a place waits since the log is to go");
                self.put_off.push(PutOff::Read(done));
            }
            DiskDone::Read { pending: Pending(Purpose::Load(lookup)), result } => {
                let relook = self.relooks();
                lookup.resume(result, relook, &mut self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::History(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::Head(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::Targets(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::Undo(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::Origin(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::Find(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Read { pending: Pending(Purpose::Record(asked)), result } => {
                asked.resume(result, &self.book, out);
            }
            DiskDone::Synced { file: FileId::Index | FileId::Lock, result } => self.on_closed(result, out),
            DiskDone::WriteFailed { file: FileId::Lock, error } => self.unsaved = Some(error),
            DiskDone::Synced { file, result: Ok(()) } => self.on_synced(file, out),
            DiskDone::Synced { file, result: Err(error) } | DiskDone::WriteFailed { file, error } => {
                debug_assert!(file != FileId::Index, "the index is replaced, not written");
                self.on_failure(error, out);
            }
            DiskDone::Reserved { upto, result } => self.reservations.on_reserved(upto, result, out),
            DiskDone::Read { .. }
            | DiskDone::Kept { .. }
            | DiskDone::Free { .. }
            | DiskDone::Named { .. } => unreachable!("asked for by an opening or a pack"),
            DiskDone::Of { .. } => unreachable!("a Data.fs has no parts"),
            DiskDone::Blob(_) => unreachable!("a store knows nothing of blobs"),
        }
    }

    /// What a pack of this log begins with: of all revisions before `stop` only those that show then stay.
    ///
    /// # Errors
    /// [`StoreError::Failed`], or [`StoreError::Damaged`] for a log that is served in part.
    ///
    /// # Panics
    /// When the storage is read-only.
    pub fn begin_pack(&self, stop: Tid, gc: bool, blobs: bool) -> Result<Begin, StoreError> {
        let appender = self.appender.as_ref().expect("nobody packs a read-only storage");
        if appender.failed() {
            return Err(StoreError::Failed);
        }
        if let Some(damaged) = self.book.damaged.first() {
            let what = "a log with damage is not packed";
            return Err(StoreError::Damaged { file: "Data.fs", at: damaged.start, what });
        }
        // A random number leads to another one: nobody had it before.
        let (_, nonce) = self.owner.expect("a storage that is appended to has an owner");
        let nonce = Nonce(Rng::new(Seed(nonce.0)).next_u64());
        Ok(Begin { upto: self.book.end, stop, gc, blobs, nonce })
    }

    /// Puts a packed log in the place of this one; answered by `Swapped`. Nothing may be appended meanwhile; what is read
    /// meanwhile starts over.
    ///
    /// # Panics
    /// When something was appended since the pack was told to finish.
    pub fn swap(&mut self, packed: Box<Packed>, keep_old: bool, out: &mut Outbox<C>) {
        assert_eq!(packed.before, self.book.end, "nothing is appended behind the end of a pack");
        let owner = self.owner.expect("nobody packs a read-only storage");
        self.swap.insert(Swap::new(packed, keep_old, owner)).go(&mut out.disk);
    }

    /// Removes a packed log that is not to take the place of this one; answered by `Swapped`. What cannot be removed goes
    /// with the next pack, or at the next start.
    pub fn discard(&mut self, out: &mut Outbox<C>) {
        let owner = self.owner.expect("nobody packs a read-only storage");
        self.swap.insert(Swap::discarding(owner)).go(&mut out.disk);
    }

    fn on_swapping(&mut self, done: DiskDone<C>, out: &mut Outbox<C>) {
        let swap = self.swap.as_mut().expect("a swap that goes on");
        let result = match swap.on_disk(done, &mut out.disk) {
            swap::Progress::Going => return,
            swap::Progress::Placed(packed) => {
                self.take_up(*packed, out);
                return self.resume(out);
            }
            swap::Progress::Over => Ok(()),
            swap::Progress::Kept(error) => Err(error.into()),
            swap::Progress::Uncertain(error) => {
                self.on_failure(error.clone(), out);
                Err(error.into())
            }
        };
        self.swap = None;
        out.done.push_back(StoreDone::Swapped { result });
        self.resume(out);
    }

    /// Goes on with what was put off.
    fn resume(&mut self, out: &mut Outbox<C>) {
        for put_off in std::mem::take(&mut self.put_off) {
            match put_off {
                PutOff::Asked(op) => self.ask(op, out),
                PutOff::Read(done) => self.on_disk(done, out),
            }
        }
    }

    fn take_up(&mut self, packed: Packed, out: &mut Outbox<C>) {
        let Packed { index, end, nonce, sums_len, .. } = packed;
        self.book.repack(index, end);
        self.appender = Some(append::Appender::new(nonce, sums_len));
        self.owner = self.owner.map(|(pid, _)| (pid, nonce));
        self.reservations.move_to(end, out);
    }

    /// Asks for the index to be saved, and for the lock file to say that this is a clean end; answered by `Closed`.
    /// Nothing depends on either: without, the next start scans the log, or takes the end for a crash.
    ///
    /// A log with damage keeps the index that it was found with: what the index of a very long log covers is not compared
    /// with its checksums again, so with a newer one the next start would serve what this one refused.
    pub fn close(&mut self, out: &mut Outbox<C>) {
        let sound = self.book.damaged.is_empty() && self.appender.as_ref().is_some_and(|it| !it.failed());
        let Some((pid, nonce)) = self.owner.filter(|_| sound) else {
            return out.done.push_back(StoreDone::Closed { result: Ok(()) });
        };
        let left = Closed { len: self.book.end, last: self.book.last };
        let lock = Bytes::from(lockfile::format_closed(pid, nonce, left));
        let len = lock.len() as u64;
        out.disk.push_back(DiskOp::Write { file: FileId::Lock, at: 0, chunks: vec![lock] });
        out.disk.push_back(DiskOp::SetLen { file: FileId::Lock, len });
        out.disk.push_back(DiskOp::Sync { file: FileId::Lock });
        let contents = index_file::encode(&self.book.index, self.book.end);
        out.disk.push_back(DiskOp::Replace { file: FileId::Index, contents });
        self.closing = 2;
    }

    fn on_closed(&mut self, result: Result<(), DiskError>, out: &mut Outbox<C>) {
        if let Err(error) = result {
            self.unsaved = Some(error);
        }
        self.closing -= 1;
        if self.closing == 0 {
            let result = self.unsaved.take().map_or(Ok(()), |error| Err(StoreError::Disk(error)));
            out.done.push_back(StoreDone::Closed { result });
        }
    }

    /// Whether it refused an append, and takes no more.
    pub fn has_failed(&self) -> bool {
        self.appender.as_ref().is_some_and(append::Appender::failed)
    }

    /// The last durable transaction; zero in an empty store.
    pub fn last_tid(&self) -> Tid {
        self.book.last
    }

    /// The highest oid ever stored; zero in an empty store.
    pub fn max_oid(&self) -> Oid {
        self.book.max_oid
    }

    /// The first object at or behind `oid`, deleted ones included; `None` when there is none.
    pub fn first_from(&self, oid: Oid) -> Option<Oid> {
        self.book.index.first_from(oid)
    }

    /// Whether the object was ever stored.
    pub fn contains(&self, oid: Oid) -> bool {
        self.book.index.get(oid).is_some()
    }

    /// Objects in the index, deleted ones included.
    pub fn len(&self) -> u64 {
        self.book.index.len()
    }

    /// Whether a place is one of this log, and not of one that was packed since.
    pub fn has_place(&self, place: Place) -> bool {
        place.log == self.book.log
    }

    /// True when nothing was ever stored.
    pub fn is_empty(&self) -> bool {
        self.book.index.is_empty()
    }

    /// Bytes of the log up to the end of the last durable transaction.
    pub fn size(&self) -> u64 {
        self.book.end
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.bug = Some(bug);
    }

    fn reserve(&mut self, context: C, bytes: u64, out: &mut Outbox<C>) {
        let appender = self.appender.as_ref().expect("nobody votes on a read-only storage");
        if appender.failed() {
            out.done.push_back(StoreDone::Reserved { context, result: Err(StoreError::Failed) });
        } else {
            self.reservations.ask(context, bytes, out);
        }
    }

    fn on_synced(&mut self, file: FileId, out: &mut Outbox<C>) {
        if let Some(appender) = &mut self.appender {
            appender.on_synced(file, &mut self.book, out);
        }
    }

    fn on_failure(&mut self, error: DiskError, out: &mut Outbox<C>) {
        self.reservations.fail(out);
        if let Some(appender) = &mut self.appender {
            appender.fail(error, out);
        }
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(Bug::FinishLeftOpen) {
            out.done.retain(|done| !matches!(done, StoreDone::Refused { .. }));
        }
    }

    /// Whether a load looks its object up again after a commit.
    fn relooks(&self) -> bool {
        #[cfg(feature = "planted-bugs")]
        return self.bug != Some(Bug::StaleRead);
        #[cfg(not(feature = "planted-bugs"))]
        true
    }
}
