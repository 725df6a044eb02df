//! One served storage: its store, its transactions, and the clients registered for it.

use super::blob_streams::{BlobStreams, Missing};
use super::config::{Config, StorageBoot};
use super::event::Event;
use super::held::Held;
use super::interfaces;
use super::iterating::Iterating;
use super::iterations::{Element, Next, Question};
use super::names::{ConnId, Context, ReplyTo, StorageId};
use super::output::{Output, Outputs};
use super::packs::Packs;
use super::queue::Queue;
use super::told;
use super::undo_log::UndoSearch;
use crate::commit::scene::{Audience, Desk, Oids, Scene};
use crate::commit::txn::{self, Txn};
use crate::commit::{Commits, invariants, packing};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::blob::BlobDone;
use crate::store::disk::DiskDone;
use crate::store::file::pack::News;
use crate::store::{Current, Revision, StoreDone, StoreError, StoreOp, TransactionHead};
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::call::IteratorId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Info, Reply, Status};

/// One served storage.
#[derive(Debug)]
pub struct Storage {
    id: StorageId,
    name: String,
    description: String,
    read_only: bool,
    started: String,
    desk: Desk,
    audience: Audience,
    commits: Commits,
    iterating: Iterating,
    blob_streams: BlobStreams,
    packs: Packs,
    closed: bool,
    now: Instant,
    wall: WallTime,
    #[cfg(feature = "planted-bugs")]
    bug: Option<crate::planted::Bug>,
}

impl Storage {
    /// A storage that was just opened.
    pub fn new(id: StorageId, boot: StorageBoot, config: &Config, wall: WallTime) -> Storage {
        let last = boot.store.last_tid();
        let highest = boot.store.max_oid();
        Storage {
            id,
            name: boot.name,
            description: boot.description,
            read_only: boot.read_only,
            started: super::stats::ctime(wall),
            commits: Commits::new(last, config.transaction_timeout, config.limits, config.merged.clone()),
            audience: Audience::new(
                Queue::new(config.invalidation_queue, boot.base, boot.recent),
                Oids::after(highest),
            ),
            desk: Desk::new(boot.store, boot.has_blobs),
            iterating: Iterating::default(),
            blob_streams: BlobStreams::default(),
            packs: Packs::new(id, boot.pack),
            closed: false,
            now: Instant::default(),
            wall,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// Its name in `register`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody may write.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Whether transactions can be undone.
    pub fn supports_undo(&self) -> bool {
        self.desk.store.supports_undo()
    }

    /// The last transaction.
    pub fn last_tid(&self) -> Tid {
        self.desk.store.last_tid()
    }

    /// Sets the time of the steps that follow.
    pub fn set_time(&mut self, now: Instant, wall: WallTime) {
        self.now = now;
        self.wall = wall;
    }

    /// Registers a client: from now on it is told of every transaction of others.
    pub fn join(&mut self, conn: ConnId, codec: Codec) -> Tid {
        self.audience.members.insert(conn, codec);
        self.last_tid()
    }

    /// A client is gone. Whether it had a transaction open.
    pub fn leave(&mut self, conn: ConnId, out: &mut Outputs) -> bool {
        self.audience.members.remove(&conn);
        self.drop_iterations(conn);
        self.blob_streams.leave(conn);
        self.commit(out, |commits, scene| commits.disconnect(conn, scene))
    }

    fn drop_iterations(&mut self, conn: ConnId) {
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(crate::planted::Bug::IterationsKept) {
            return;
        }
        self.iterating.leave(conn);
    }

    /// `get_info`.
    pub fn info(&self) -> Reply {
        Reply::Info(Info {
            size: self.desk.size(),
            name: self.description.clone(),
            supports_undo: self.supports_undo(),
            supports_record_iternext: true,
            in_order: true,
            interfaces: interfaces::of(&self.desk.store, self.has_blobs()),
        })
    }

    /// `getInvalidations`.
    pub fn invalidations(&self, since: Tid) -> Reply {
        match self.audience.queue.since(since) {
            Some((upto, oids)) => Reply::Invalidations { upto, oids },
            None => Reply::None,
        }
    }

    /// `new_oids`: as many as asked for, within 1 and 100.
    pub fn new_oids(&mut self, count: i64) -> Result<Reply, RemoteError> {
        let count = u64::try_from(count).unwrap_or(0).clamp(1, limits::NEW_OIDS);
        let fresh = self.audience.oids.next(count);
        fresh.map(Reply::Oids).ok_or_else(|| RemoteError::Storage("no object ids are left".into()))
    }

    /// `server_status`.
    pub fn status(&self) -> Status {
        let stats = &self.audience.stats;
        Status {
            loads: stats.loads,
            stores: stats.stores,
            commits: stats.commits,
            aborts: stats.aborts,
            conflicts: stats.conflicts,
            conflicts_resolved: stats.conflicts_resolved,
            active_txns: self.commits.active() as u64,
            connections: self.audience.members.len() as u64,
            waiting: self.commits.waiting() as u64,
            lock_time: self.commits.lock_time(),
            start: self.started.clone(),
            last_transaction: self.last_tid(),
            timeout: self.commits.is_limited(),
            pack: self.packs.progress(),
        }
    }

    /// `pack`: to a time in seconds since 1970; `None` when the reply comes later.
    pub fn pack(
        &mut self,
        to: ReplyTo,
        time: f64,
        wait: bool,
        out: &mut Outputs,
    ) -> Result<Option<Reply>, RemoteError> {
        let reply = self.pack_step(out, |packs, commits, scene| packs.start(to, time, wait, commits, scene));
        self.settle(out);
        reply
    }

    /// Takes what a pack tells.
    pub fn on_packed(&mut self, news: News, out: &mut Outputs) {
        self.pack_step(out, |packs, commits, scene| packs.on_news(news, commits, scene));
        self.settle(out);
    }

    /// The server is to stop.
    pub fn stop(&mut self, out: &mut Outputs) {
        self.packs.stop(out);
    }

    /// Starts a load; the store's answer becomes the reply.
    pub fn load(&mut self, to: ReplyTo, oid: Oid, before: Tid, out: &mut Outputs) {
        self.audience.stats.loads += 1;
        out.begin_operation(to.conn);
        self.desk.ask(StoreOp::LoadBefore { context: Context::Read(to), oid, before });
        self.settle(out);
    }

    /// Starts `loadSerial`.
    pub fn load_serial(&mut self, to: ReplyTo, oid: Oid, serial: Tid, out: &mut Outputs) {
        out.begin_operation(to.conn);
        self.desk.ask(StoreOp::LoadSerial { context: Context::Read(to), oid, serial });
        self.settle(out);
    }

    /// Whether objects may have blobs.
    pub fn has_blobs(&self) -> bool {
        self.desk.has_blobs()
    }

    /// Starts `sendBlob`.
    pub fn send_blob(&mut self, to: ReplyTo, oid: Oid, tid: Tid, out: &mut Outputs) {
        out.begin_operation(to.conn);
        let (visible, disk) = (tid <= self.last_tid(), &mut |op| self.desk.blob(op));
        self.blob_streams.start(to, (oid, tid), visible, disk, out);
        self.settle(out);
    }

    /// A peer took enough for more of a blob to be read for it.
    pub fn on_room(&mut self, conn: ConnId, out: &mut Outputs) {
        self.blob_streams.on_room(conn, &mut |op| self.desk.blob(op));
        self.settle(out);
    }

    /// Starts `getTid`.
    pub fn current_serial(&mut self, to: ReplyTo, oid: Oid, out: &mut Outputs) {
        out.begin_operation(to.conn);
        self.desk.ask(StoreOp::CurrentSerial { context: Context::Read(to), oid });
        self.settle(out);
    }

    /// Starts `history`.
    pub fn history(&mut self, to: ReplyTo, oid: Oid, count: usize, out: &mut Outputs) {
        out.begin_operation(to.conn);
        self.desk.ask(StoreOp::History { context: Context::Read(to), oid, count });
        self.settle(out);
    }

    /// Starts `record_iternext`.
    ///
    /// # Errors
    /// A ValueError, as from an empty BTree, when there is no object at or behind `from`.
    pub fn next_record(&mut self, to: ReplyTo, from: Oid, out: &mut Outputs) -> Result<(), RemoteError> {
        let oid = self.desk.store.first_from(from);
        let oid = oid.ok_or_else(|| RemoteError::Value("no object follows".into()))?;
        let next = oid.0.checked_add(1).and_then(|next| self.desk.store.first_from(Oid(next)));
        out.begin_operation(to.conn);
        self.desk.ask(StoreOp::LoadBefore { context: Context::Current { to, next }, oid, before: Tid::MAX });
        self.settle(out);
        Ok(())
    }

    /// Starts `undoLog` or `undoInfo`.
    pub fn undo_log(&mut self, search: UndoSearch, out: &mut Outputs) {
        out.begin_operation(search.to.conn);
        if search.is_full() {
            let to = search.to.clone();
            return self.answer(&to, Ok(Reply::UndoLog(search.into_found())), None, "undoLog", out);
        }
        self.desk
            .ask(StoreOp::PreviousTransaction { context: Context::UndoLog(search.into()), before: None });
        self.settle(out);
    }

    /// `iterator_start`: on the transactions there are now.
    pub(super) fn iterate(
        &mut self,
        conn: ConnId,
        start: Option<Tid>,
        stop: Option<Tid>,
    ) -> Result<Reply, RemoteError> {
        let upto = stop.unwrap_or(Tid::MAX).min(self.last_tid());
        let iterations = self.iterating.of(conn);
        iterations.start(start.unwrap_or(Tid::ZERO), upto).map(Reply::Iterator)
    }

    /// `iterator_record_start`.
    pub(super) fn iterate_records(
        &mut self,
        conn: ConnId,
        id: IteratorId,
        tid: Tid,
    ) -> Result<Reply, RemoteError> {
        self.iterating.of(conn).start_records(id, tid).map(Reply::Iterator)
    }

    /// Starts `iterator_next` or `iterator_record_next`.
    pub(super) fn next_element(&mut self, to: ReplyTo, id: IteratorId, element: Element, out: &mut Outputs) {
        out.begin_operation(to.conn);
        let next = self.iterating.of(to.conn).next(id, element, to);
        self.iterate_on(id, vec![next], out);
        self.settle(out);
    }

    /// `iterator_gc`.
    pub(super) fn end_iterations(&mut self, conn: ConnId, ids: &[IteratorId], out: &mut Outputs) {
        for &id in ids {
            let waiting = self.iterating.of(conn).end(id);
            self.iterate_on(id, waiting, out);
        }
    }

    /// Does for calls of an iteration what it says.
    fn iterate_on(&mut self, iterator: IteratorId, next: Vec<Next>, out: &mut Outputs) {
        for next in next {
            match next {
                Next::Ask(to, question) => {
                    let context = Context::Iterate { to, iterator };
                    self.desk.ask(match question {
                        Question::Transaction { from, near } => {
                            StoreOp::NextTransaction { context, from, near }
                        }
                        Question::Record(left) => StoreOp::NextRecord { context, left },
                    });
                }
                Next::Wait => {}
                Next::Unknown(to) => {
                    out.error(&to, &RemoteError::Key(iterator.0));
                    out.end_operation(to.conn, 0);
                }
            }
        }
    }

    /// Takes a step of the commit path, and all that follows from it.
    pub fn commit<R>(
        &mut self,
        out: &mut Outputs,
        step: impl FnOnce(&mut Commits, &mut Scene<'_>) -> R,
    ) -> R {
        let result = self.step(out, step);
        self.settle(out);
        result
    }

    /// Takes the outcome of a disk operation.
    pub fn on_disk(&mut self, done: DiskDone<Context>, out: &mut Outputs) {
        match done {
            DiskDone::Blob(BlobDone::Read { reader, result }) => {
                let disk = &mut |op| self.desk.blob(op);
                if let Some(Missing { conn, oid, .. }) = self.blob_streams.on_read(reader, result, disk, out)
                {
                    self.blob_streams.refuse(conn, &RemoteError::PosKey(oid), disk, out);
                }
            }
            DiskDone::Blob(BlobDone::Condemned { result }) => {
                self.pack_step(out, |packs, commits, scene| packs.on_condemned(result, commits, scene));
            }
            DiskDone::Blob(BlobDone::Swept { result }) => {
                self.pack_step(out, |packs, commits, scene| packs.on_swept(result, commits, scene));
            }
            DiskDone::Blob(done) => self.step(out, |commits, scene| commits.on_blob(done, scene)),
            done => self.desk.on_disk(done),
        }
        self.settle(out);
    }

    /// Passes on what the store put out, until it is quiet.
    fn settle(&mut self, out: &mut Outputs) {
        loop {
            while let Some(op) = self.desk.pop_disk() {
                out.push(Output::Disk { storage: self.id, op });
            }
            if let Some(done) = self.desk.pop_done() {
                self.on_store(done, out);
            } else if !self.pack_step(out, |packs, commits, scene| packs.go_on(commits, scene)) {
                return;
            }
        }
    }

    fn on_store(&mut self, done: StoreDone<Context>, out: &mut Outputs) {
        match done {
            StoreDone::Loaded { context: Context::Read(to), oid, result } => {
                self.answer(&to, result.map(told::revision), Some(oid), "loadBefore", out);
                #[cfg(feature = "planted-bugs")]
                self.audience.tell_late(out);
            }
            StoreDone::Data { context: Context::Read(to), oid, result } => {
                self.answer(&to, result.map(Reply::Data), Some(oid), "loadSerial", out);
            }
            StoreDone::Serial { context: Context::Read(to), oid, result } => {
                let serial = result.and_then(|current| match current {
                    Current::At(serial) => Ok(Reply::Tid(serial)),
                    Current::Absent | Current::Deleted(_) => Err(StoreError::NoObject(oid)),
                });
                self.answer(&to, serial, Some(oid), "getTid", out);
            }
            StoreDone::History { context: Context::Read(to), oid, result } => {
                let reply = result.map(|pasts| told::history(&self.name, to.codec, pasts, out));
                self.answer(&to, reply, Some(oid), "history", out);
            }
            StoreDone::Loaded { context: Context::Current { to, next }, oid, result } => {
                let record = result.and_then(|revision| match revision {
                    Some(Revision { data, serial: tid, .. }) => Ok(Reply::Record { oid, tid, data, next }),
                    None => Err(StoreError::NoObject(oid)),
                });
                self.answer(&to, record, Some(oid), "record_iternext", out);
            }
            StoreDone::Transaction { context: Context::Iterate { to, iterator }, result } => {
                let name = &self.name;
                let answer = self.iterating.on_transaction(&to, iterator, result, name, out);
                let Some((reply, next)) = answer else { return };
                self.answer(&to, reply, None, "iterator_next", out);
                self.iterate_on(iterator, next, out);
            }
            StoreDone::Record { context: Context::Iterate { to, iterator }, result } => {
                let answer = self.iterating.on_record(&to, iterator, result);
                let Some((reply, next)) = answer else { return };
                self.answer(&to, reply, None, "iterator_record_next", out);
                self.iterate_on(iterator, next, out);
            }
            StoreDone::Serial { context: Context::Check { conn, key, at }, result, .. } => {
                self.step(out, |commits, scene| {
                    commits.on_answer((conn, key, at), result, Txn::learn, scene)
                });
            }
            StoreDone::Transaction { context: Context::UndoLog(search), result } => {
                self.on_previous(search, result, out);
            }
            StoreDone::Targets { context: Context::Undo { conn, key }, result } => {
                self.step(out, |commits, scene| commits.on_targets((conn, key), result, scene));
            }
            StoreDone::Undone { context: Context::Undo { conn, key }, result } => {
                self.step(out, |commits, scene| commits.on_undone((conn, key), result, scene));
            }
            StoreDone::Origin { context: Context::Undo { conn, key }, oid, result } => {
                self.step(out, |commits, scene| commits.on_origin((conn, key), oid, result, scene));
            }
            StoreDone::Found { context: Context::Check { conn, key, at }, result } => {
                self.step(out, |commits, scene| {
                    commits.on_answer((conn, key, at), result, Txn::locate, scene)
                });
            }
            StoreDone::Reserved { context: Context::Reserve { conn, key, bytes }, result } => {
                self.step(out, |commits, scene| commits.on_reserved((conn, key, bytes), result, scene));
            }
            StoreDone::Origin { context: Context::State { conn, key, place }, oid, result } => {
                self.pack_step(out, |packs, commits, scene| {
                    let result = result
                        .map(|origin| packing::on_state(commits, (conn, key, place), oid, origin, scene));
                    packs.on_stated(result, scene);
                });
            }
            StoreDone::Reserved { context: Context::Room { conn, key, bytes }, result } => {
                self.pack_step(out, |packs, commits, scene| {
                    let result = result.map(|()| packing::on_room(commits, (conn, key, bytes), scene));
                    packs.on_stated(result, scene);
                });
            }
            StoreDone::Swapped { result } => {
                self.pack_step(out, |packs, commits, scene| packs.on_swapped(result, commits, scene));
            }
            StoreDone::Durable { upto } => {
                self.step(out, |commits, scene| commits.on_durable(upto, scene));
            }
            StoreDone::Refused { why } => {
                self.step(out, |commits, scene| commits.on_refused(&why, scene));
            }
            StoreDone::Closed { result } => {
                self.closed = true;
                if let Err(error) = result {
                    out.log(Event::IndexUnsaved { storage: self.name.clone(), why: error.to_string() });
                }
            }
            done => unreachable!("the store answers in the context of the question: {done:?}"),
        }
    }

    /// The next transaction for an undo log; `None`: there are no more.
    fn on_previous(
        &mut self,
        mut search: Box<UndoSearch>,
        result: Result<Option<TransactionHead>, StoreError>,
        out: &mut Outputs,
    ) {
        let to = search.to.clone();
        let goes_on = result.and_then(|head| {
            let Some(head) = head else { return Ok(None) };
            let at = head.at;
            search.take(head).map(|goes_on| goes_on.then_some(at))
        });
        match goes_on {
            Ok(Some(before)) => {
                let context = Context::UndoLog(search);
                self.desk.ask(StoreOp::PreviousTransaction { context, before: Some(before) });
            }
            Ok(None) => self.answer(&to, Ok(Reply::UndoLog(search.into_found())), None, "undoLog", out),
            Err(error) => self.answer(&to, Err(error), None, "undoLog", out),
        }
    }

    /// A step of the commit path alone.
    fn step<R>(&mut self, out: &mut Outputs, step: impl FnOnce(&mut Commits, &mut Scene<'_>) -> R) -> R {
        self.pack_step(out, |_, commits, scene| step(commits, scene))
    }

    /// A step of the pack, which may take some of the commit path.
    fn pack_step<R>(
        &mut self,
        out: &mut Outputs,
        step: impl FnOnce(&mut Packs, &mut Commits, &mut Scene<'_>) -> R,
    ) -> R {
        let mut scene = Scene {
            name: &self.name,
            desk: &mut self.desk,
            audience: &mut self.audience,
            out,
            now: self.now,
            wall: self.wall,
        };
        step(&mut self.packs, &mut self.commits, &mut scene)
    }

    fn answer(
        &self,
        to: &ReplyTo,
        result: Result<Reply, StoreError>,
        oid: Option<Oid>,
        method: &'static str,
        out: &mut Outputs,
    ) {
        let bytes = match result {
            Ok(reply) => out.reply(to, &reply),
            Err(error) => {
                if !matches!(error, StoreError::NoObject(_)) {
                    let object = oid.map(|oid| format!(" (object {oid})")).unwrap_or_default();
                    let peer = format!("connection {}{object}", to.conn.0);
                    out.log(Event::CallFailed { peer, method, error: error.to_string() });
                }
                out.error(to, &txn::remote(error));
                0
            }
        };
        out.end_operation(to.conn, bytes);
    }

    /// When the next transaction will have had its time.
    pub fn deadline(&self) -> Option<Instant> {
        self.commits.deadline()
    }

    /// Whether no finished transaction is on its way to the disk, and no pack goes on.
    pub fn is_idle(&self) -> bool {
        self.commits.is_idle() && self.packs.is_idle()
    }

    /// Saves what makes the next start fast.
    pub fn close(&mut self, out: &mut Outputs) {
        self.desk.close();
        self.settle(out);
    }

    /// Whether everything [`close`](Self::close) asked for is written.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        self.bug = Some(bug);
        self.commits.plant(bug);
        self.audience.plant(bug);
    }

    /// Tells what it keeps for its clients.
    pub(super) fn hold(&self, held: &mut Held) {
        held.transactions.extend(crate::commit::held::held(&self.commits));
        self.iterating.hold(held);
        held.rest
            .extend(self.blob_streams.readers().map(|conn| format!("connection {} is sent a blob", conn.0)));
        let reserved = self.desk.store.reserved();
        if reserved > 0 {
            held.rest.push(format!("storage {}: {reserved} bytes of the disk are reserved", self.name));
        }
    }

    /// Checks what must always hold between two inputs; `is_there` says which connections there are.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self, is_there: impl Fn(ConnId) -> bool) {
        invariants::check(&self.commits, &self.audience, &is_there);
        self.iterating.check_invariants(is_there);
    }
}
