//! The commit path of one storage: begin, store, vote, finish; locks, checks, durability, timeouts.

pub mod attached;
mod beneath;
pub mod blobs;
pub mod drafts;
pub mod durable;
pub mod held;
pub mod invariants;
pub mod item;
pub mod locks;
pub mod merged;
mod next;
pub mod packing;
mod phase;
pub mod scene;
pub mod table;
pub mod timeout;
pub mod txn;
mod undos;

use crate::ids::{Oid, Tid};
use crate::limits::Limits;
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::server::event::Event;
use crate::server::fault::Fault;
use crate::server::names::{ConnId, Context, ReplyTo, TxnKey};
use crate::store::blob::BlobDone;
use crate::store::{StoreError, StoreOp, UndoRefusal, UndoTarget, Undone};
use crate::time::Instant;
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::Reply;
use blobs::Upload;
use bytes::Bytes;
use drafts::Drafts;
use durable::{Durable, Finishing};
use item::Unknown;
use locks::{Locks, Wanted};
use merged::Merged;
use next::Next;
use phase::Phase;
use scene::Scene;
use std::collections::VecDeque;
use std::time::Duration;
use table::Table;
use timeout::Timeouts;
use txn::{Header, Txn, Verdict};

/// The transactions of one storage.
#[derive(Debug)]
pub struct Commits {
    /// At most one a connection.
    txns: Table<Txn>,
    limits: Limits,
    locks: Locks,
    timeouts: Timeouts,
    durable: Durable,
    merged: Merged,
    drafts: Drafts,
    /// Transactions that were granted their locks and are to be checked.
    ready: VecDeque<TxnKey>,
    /// Finishes that wait for the end of a pack; `None`: none has to.
    held: Option<Vec<(ReplyTo, TxnId)>>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

impl Commits {
    /// No transactions yet; tids will exceed `last`, and locks are held for at most `timeout`. Conflicts of undos are left to
    /// the client for objects that are `merged`.
    pub fn new(last: Tid, timeout: Option<Duration>, limits: Limits, merged: Merged) -> Commits {
        Commits {
            txns: Table::default(),
            limits,
            locks: Locks::default(),
            timeouts: Timeouts::new(timeout),
            durable: Durable::new(last),
            merged,
            drafts: Drafts::default(),
            ready: VecDeque::new(),
            held: None,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.bug = Some(bug);
        self.durable.plant(bug);
        self.drafts.plant(bug);
    }

    /// `tpc_begin`. Beginning the open transaction again does nothing, as in Python's server.
    pub fn begin(&mut self, conn: ConnId, header: Header) -> Result<(), RemoteError> {
        self.txns.begin(conn, header.id, |key| Txn::new(key, header, self.limits))
    }

    /// A call that adds to the open transaction: `storea`, `undoa` and the like.
    pub fn change(
        &mut self,
        conn: ConnId,
        id: TxnId,
        change: impl FnOnce(&mut Txn),
    ) -> Result<(), RemoteError> {
        change(self.txns.building(conn, id)?);
        Ok(())
    }

    /// A step of the upload of a blob into the open transaction, which `id` names if the step does.
    pub fn upload(
        &mut self,
        conn: ConnId,
        id: Option<TxnId>,
        step: Upload<'_>,
        scene: &mut Scene<'_>,
    ) -> Result<(), RemoteError> {
        let open = id.or_else(|| self.txns.of(conn).map(|open| open.id));
        let open = open.ok_or_else(|| RemoteError::StorageTransaction("no transaction is open".into()))?;
        blobs::take(step, conn, self.txns.building(conn, open)?, &mut self.drafts, scene)
    }

    /// `vote`: answered when the locks are there and everything was checked.
    pub fn vote(&mut self, to: ReplyTo, id: TxnId, scene: &mut Scene<'_>) -> Result<(), RemoteError> {
        let conn = to.conn;
        let txn = self.txns.building(conn, id)?;
        if txn.blobs.coming().is_some() {
            txn.spoil_by(RemoteError::StorageTransaction("the vote comes before the end of a blob".into()));
        }
        if let Some(spoiled) = txn.spoiled() {
            mark!("a vote tells of a store that could not be taken");
            let spoiled = spoiled.clone();
            self.end(conn, scene);
            self.run_ready(scene);
            return Err(spoiled);
        }
        txn.phase = Phase::Reading(to);
        self.read_undos(conn, scene);
        self.run_ready(scene);
        Ok(())
    }

    /// Waits for the blobs, and asks for the records of the next transaction that is to be undone; when all are known, the
    /// locks are taken.
    fn read_undos(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
        if !txn.blobs.are_placed() {
            mark!("a vote waits for blobs");
            return;
        }
        if let Some(tid) = txn.next_undo() {
            let context = Context::Undo { conn, key: txn.key };
            return scene.desk.ask(StoreOp::Targets { context, tid });
        }
        let Phase::Reading(to) = &txn.phase else { unreachable!("its vote begins") };
        let to = to.clone();
        if txn.holds_locks() {
            mark!("a transaction votes again with its locks");
            self.vote_again(to, scene);
        } else {
            self.first_vote(to, scene);
        }
    }

    /// The records of a transaction that is to be undone.
    pub fn on_targets(
        &mut self,
        whose: (ConnId, TxnKey),
        result: Result<Result<Vec<UndoTarget>, UndoRefusal>, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        let next = undos::on_targets(whose, result, &mut self.txns);
        self.follow(next, scene);
    }

    /// What becomes of one record that is undone.
    pub fn on_undone(
        &mut self,
        whose: (ConnId, TxnKey),
        result: Result<Result<Undone, UndoRefusal>, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        let next = undos::on_undone(whose, result, &self.merged, &mut self.txns, &mut self.drafts, scene);
        self.follow(next, scene);
    }

    /// Sets the next undone record back; when all are, the transaction is judged.
    fn set_back(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
        match txn.next_target() {
            Some((target, so_far)) => {
                let context = Context::Undo { conn, key: txn.key };
                scene.desk.ask(StoreOp::Undo { context, target, so_far });
            }
            None => self.judge(conn, scene),
        }
    }

    /// Takes the transaction's place in the queues.
    fn first_vote(&mut self, to: ReplyTo, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(to.conn);
        let (key, wanted) = (txn.key, txn.wanted());
        #[cfg(feature = "planted-bugs")]
        let wanted = if self.bug == Some(Bug::ReadCheckNotHeld) { wanted.without_shared() } else { wanted };
        txn.phase = Phase::Waiting(to);
        if self.locks.request(key, wanted) {
            self.ready.push_back(key);
        } else {
            mark!("a vote waits for its locks");
            let waiting = self.locks.waiting();
            scene.out.log(Event::Waiting { storage: scene.name.to_owned(), waiting });
        }
    }

    /// Goes on after conflicts, with the locks kept. Objects that are new in this round must be free.
    fn vote_again(&mut self, to: ReplyTo, scene: &mut Scene<'_>) {
        let conn = to.conn;
        let txn = self.txns.voting(conn);
        if let Wanted::Objects(fresh) = txn.wanted()
            && let Err(oid) = self.locks.extend(txn.key, &fresh)
        {
            mark!("a later round wants an object that is not free");
            let conflict = txn.conflict_on(oid);
            return self.fail(conn, &to, conflict, scene);
        }
        txn.phase = Phase::Checking { vote: to, outstanding: 0 };
        self.check_all(conn, scene);
    }

    /// `tpc_finish`: answered when the transaction is durable.
    pub fn finish(&mut self, to: ReplyTo, id: TxnId, scene: &mut Scene<'_>) -> Result<(), RemoteError> {
        let conn = to.conn;
        if self.txns.open(conn, id)?.phase != Phase::Voted {
            mark!("a finish comes before its vote");
            return Err(RemoteError::StorageTransaction("tpc_finish before a successful vote".into()));
        }
        if self.durable.failed() {
            self.end(conn, scene);
            self.run_ready(scene);
            return Err(txn::remote(StoreError::Failed));
        }
        if let Some(held) = &mut self.held {
            mark!("a finish waits for the end of a pack");
            held.push((to, id));
            self.timeouts.stop(self.txns.voting(conn).key);
            return Ok(());
        }
        let txn = self.forget(conn).expect("the open transaction");
        self.timeouts.stop(txn.key);
        let tid = txn.explicit_tid.unwrap_or_else(|| self.durable.next_tid(scene.wall));
        scene.audience.stats.conflicts_resolved += txn.resolved();
        let (key, locked_at, oids) = (txn.key, txn.locked_at, txn.oids());
        // Pointers may have taken the place of states since that was reserved.
        let reserved = txn.reserved.min(txn.footprint());
        scene.desk.store.release(txn.reserved - reserved);
        let (transaction, drafts) = txn.into_transaction(tid);
        let finishing = Finishing { key, tid, oids, finish: to, locked_at, reserved, drafts: drafts.clone() };
        self.durable.add(finishing, transaction);
        for draft in drafts {
            self.drafts.publish(draft, tid, scene);
        }
        self.append(scene);
        Ok(())
    }

    /// `tpc_abort`. Aborting what is not open does nothing: clients do so after a failed vote.
    pub fn abort(&mut self, conn: ConnId, id: TxnId, scene: &mut Scene<'_>) {
        if self.txns.of(conn).is_some_and(|open| open.id == id) {
            mark!("a client aborts");
            scene.count_abort(self.txns.of(conn));
            self.end(conn, scene);
            self.run_ready(scene);
        }
    }

    /// The connection is gone; its transaction ends unless it is on its way to the disk. Whether there was one.
    pub fn disconnect(&mut self, conn: ConnId, scene: &mut Scene<'_>) -> bool {
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(Bug::LocksKeptAtDisconnect) && self.txns.of(conn).is_some_and(Txn::holds_locks) {
            return self.forget(conn).inspect(|txn| self.timeouts.stop(txn.key)).is_some();
        }
        let open = self.txns.of(conn).is_some();
        if open {
            mark!("a client vanishes with its transaction open");
            scene.count_abort(self.txns.of(conn));
            self.end(conn, scene);
            self.run_ready(scene);
        }
        open
    }

    /// Something was done in the folder of the blobs.
    pub fn on_blob(&mut self, done: BlobDone, scene: &mut Scene<'_>) {
        let next = blobs::on_done(done, &mut self.txns, &mut self.drafts, scene);
        self.follow(next, scene);
    }

    /// The state to which an object is set back.
    pub fn on_origin(
        &mut self,
        whose: (ConnId, TxnKey),
        oid: Oid,
        result: Result<Option<(Tid, Bytes)>, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        let next = blobs::on_origin(whose, oid, result, &mut self.txns, &mut self.drafts, scene);
        self.follow(next, scene);
    }

    /// Goes on with a transaction.
    fn follow(&mut self, next: Next, scene: &mut Scene<'_>) {
        match next {
            Next::Nothing => return,
            Next::Vote(conn) => match self.txns.voting(conn).phase {
                Phase::Reading(_) => self.read_undos(conn, scene),
                Phase::Undoing(_) => self.set_back(conn, scene),
                _ => self.reserve(conn, scene),
            },
            Next::Fail(conn, vote, error) => self.fail(conn, &vote, error, scene),
            Next::Append(key) => {
                self.durable.published(key);
                self.append(scene);
            }
            Next::Withdraw(key, error) => self.withdraw(key, &error, scene),
        }
        self.run_ready(scene);
    }

    /// A blob of a transaction that finishes cannot have its name: the transaction will not be.
    fn withdraw(&mut self, key: TxnKey, error: &RemoteError, scene: &mut Scene<'_>) {
        // Another of its blobs may have failed before.
        let Some(Finishing { finish, reserved, drafts, .. }) = self.durable.withdraw(key) else { return };
        drafts.into_iter().for_each(|draft| self.drafts.discard(draft, scene));
        scene.desk.store.release(reserved);
        scene.note_failure(finish.conn, error);
        scene.out.error(&finish, error);
        self.ready.extend(self.locks.release(key));
        self.append(scene);
    }

    /// An answer about one of the objects of a vote, which `note` takes: its current serial, or the place of a state.
    pub fn on_answer<A>(
        &mut self,
        (conn, key, at): (ConnId, TxnKey, usize),
        result: Result<A, StoreError>,
        note: impl FnOnce(&mut Txn, usize, A),
        scene: &mut Scene<'_>,
    ) {
        let Some(txn) = self.txns.keyed(conn, key) else {
            mark!("a serial comes after its transaction ended");
            return;
        };
        let Phase::Checking { vote, outstanding } = &mut txn.phase else { return };
        match result {
            Ok(answer) => {
                *outstanding -= 1;
                let last = *outstanding == 0;
                note(txn, at, answer);
                if last {
                    self.checked(conn, scene);
                }
            }
            Err(error) => {
                mark!("the serial of a voted object cannot be read");
                let vote = vote.clone();
                self.fail(conn, &vote, txn::remote(error), scene);
            }
        }
        self.run_ready(scene);
    }

    /// Whether there is room on the disk for a transaction.
    pub fn on_reserved(
        &mut self,
        (conn, key, bytes): (ConnId, TxnKey, u64),
        result: Result<(), StoreError>,
        scene: &mut Scene<'_>,
    ) {
        let Some((txn, vote)) = self.txns.keyed(conn, key).and_then(Txn::reserving) else {
            mark!("room on the disk comes after its transaction ended");
            // The transaction ended while it was waiting for this.
            if result.is_ok() {
                scene.desk.store.release(bytes);
            }
            return;
        };
        match result {
            Ok(()) => {
                txn.reserved += bytes;
                txn.phase = Phase::Voted;
                scene.out.reply(&vote, &Reply::Oids(txn.changed_unseen()));
            }
            Err(error) => self.fail(conn, &vote, txn::remote(error), scene),
        }
        self.run_ready(scene);
    }

    /// Everything up to `upto` is durable and in the index: it becomes visible, here and nowhere else.
    pub fn on_durable(&mut self, upto: Tid, scene: &mut Scene<'_>) {
        while let Some(mut finishing) = self.durable.pop_durable(upto) {
            finishing.drafts.drain(..).for_each(|draft| self.drafts.settle(draft, scene));
            let key = finishing.key;
            finishing.show(
                #[cfg(feature = "planted-bugs")]
                self.bug,
                scene,
            );
            self.ready.extend(self.locks.release(key));
        }
        self.append(scene);
        self.run_ready(scene);
    }

    /// The store failed: whoever waits for a finish is closed, since nobody can say how it ended.
    pub fn on_refused(&mut self, why: &StoreError, scene: &mut Scene<'_>) {
        mark!("the store refuses a batch");
        scene.out.log(Event::StorageFailed { storage: scene.name.to_owned(), why: why.to_string() });
        for Finishing { key, finish, drafts, .. } in self.durable.refuse() {
            drafts.into_iter().for_each(|draft| self.drafts.leave(draft));
            mark!("a finish has an unknown outcome");
            scene.out.close(finish.conn, Fault::Storage(why.to_string()));
            self.ready.extend(self.locks.release(key));
        }
        self.run_ready(scene);
    }

    /// The next moment at which a transaction's time is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.timeouts.deadline()
    }

    /// Closes the connections whose transactions have had their time.
    pub fn expire(&mut self, scene: &mut Scene<'_>) {
        let after = self.timeouts.after().unwrap_or_default();
        while let Some(key) = self.timeouts.expired(scene.now) {
            let conn = self.txns.owner(key).expect("an owner for every transaction with a deadline");
            #[cfg(feature = "planted-bugs")]
            if self.bug == Some(Bug::LocksKeptAtTimeout) {
                self.forget(conn);
            }
            mark!("a transaction has had its time");
            scene.out.close(conn, Fault::TransactionTimeout(after));
        }
    }

    /// Transactions between begin and end.
    pub fn active(&self) -> usize {
        self.txns.count() + self.durable.on_their_way().count()
    }

    /// Votes that wait for locks.
    pub fn waiting(&self) -> usize {
        self.locks.waiting()
    }

    /// When the oldest lock now held was granted, in seconds since 1970.
    pub fn lock_time(&self) -> Option<f64> {
        let open = self.txns.iter().filter_map(|(_, txn)| txn.locked_at);
        let finishing = self.durable.on_their_way().filter_map(|finishing| finishing.locked_at);
        open.chain(finishing).min().map(|wall| wall.seconds())
    }

    /// Whether transactions have a deadline.
    pub fn is_limited(&self) -> bool {
        self.timeouts.after().is_some()
    }

    /// Whether nothing is on its way to the disk.
    pub fn is_idle(&self) -> bool {
        self.durable.is_idle()
    }

    /// Takes up the transactions that were granted their locks.
    fn run_ready(&mut self, scene: &mut Scene<'_>) {
        while let Some(key) = self.ready.pop_front() {
            let conn = self.txns.owner(key).expect("an owner for every transaction that waits");
            let txn = self.txns.voting(conn);
            let Phase::Waiting(vote) = &txn.phase else { unreachable!("it waits for its locks") };
            txn.phase = Phase::Checking { vote: vote.clone(), outstanding: 0 };
            txn.locked_at = Some(scene.wall);
            self.timeouts.start(key, scene.now);
            self.check_all(conn, scene);
        }
    }

    /// Asks for the current serial of everything whose lock is new or whose store was replaced.
    fn check_all(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
        if self.durable.failed() {
            mark!("a vote comes after the store failed");
            // What was on its way to the disk may be there after the next start. Whoever asks with a read check what
            // became of it must not take this answer for one.
            let Phase::Checking { vote, .. } = &txn.phase else { unreachable!("it is being checked") };
            let vote = vote.clone();
            return self.fail(conn, &vote, txn::remote(StoreError::Failed), scene);
        }
        let key = txn.key;
        let mut asked = 0;
        for (at, unknown) in txn.unchecked() {
            asked += 1;
            let context = Context::Check { conn, key, at };
            scene.desk.ask(match unknown {
                Unknown::Current(oid) => StoreOp::CurrentSerial { context, oid },
                Unknown::Place(oid, serial, data) => StoreOp::Find { context, oid, serial, data },
            });
        }
        let Phase::Checking { outstanding, .. } = &mut txn.phase else { unreachable!("it is being checked") };
        *outstanding = asked;
        if asked == 0 {
            self.checked(conn, scene);
        }
    }

    /// Every current serial is known.
    fn checked(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
        let Phase::Checking { vote, .. } = &txn.phase else { unreachable!("it is being checked") };
        txn.phase = Phase::Undoing(vote.clone());
        self.set_back(conn, scene);
    }

    /// Everything is known.
    fn judge(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
        let Phase::Undoing(vote) = &txn.phase else { unreachable!("it is being checked") };
        let vote = vote.clone();
        match txn.judge() {
            Verdict::Clean => match self.durable.admit(txn.explicit_tid) {
                Err(error) => self.fail(conn, &vote, error, scene),
                Ok(()) => {
                    if let Some(highest) = txn.oids().into_iter().max() {
                        scene.audience.oids.note(highest);
                    }
                    blobs::copy(vote, txn, &mut self.drafts, scene);
                    self.reserve(conn, scene);
                }
            },
            Verdict::Resolve(conflicts) => {
                txn.phase = Phase::Open;
                #[cfg(feature = "planted-bugs")]
                if self.bug == Some(Bug::LocksLetGoBetweenRounds) {
                    txn.let_go();
                    self.ready.extend(self.locks.release(txn.key));
                }
                mark!("a client is asked to resolve conflicts");
                scene.out.reply(&vote, &Reply::Conflicts(conflicts));
            }
            Verdict::Fail(error) => self.fail(conn, &vote, error, scene),
        }
    }

    /// Asks for room in the log, once all blobs are in their places.
    fn reserve(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
        let Phase::Copying { vote, outstanding: 0 } = &txn.phase else { return };
        if txn.blobs.are_placed() {
            let (key, bytes) = (txn.key, txn.footprint());
            txn.phase = Phase::Reserving(vote.clone());
            scene.desk.ask(StoreOp::Reserve { context: Context::Reserve { conn, key, bytes }, bytes });
        }
    }

    /// The vote ends the transaction with an error.
    fn fail(&mut self, conn: ConnId, vote: &ReplyTo, error: RemoteError, scene: &mut Scene<'_>) {
        scene.note_failure(conn, &error);
        scene.out.error(vote, &error);
        self.txns.voting(conn).phase = Phase::Open;
        self.end(conn, scene);
    }

    /// Ends a transaction that is not on its way to the disk: its locks, deadline and room are given back.
    fn end(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let Some(txn) = self.forget(conn) else { return };
        self.timeouts.stop(txn.key);
        scene.desk.store.release(txn.reserved);
        txn.blobs.into_drafts().for_each(|draft| self.drafts.discard(draft, scene));
        if let Some(vote) = txn.phase.vote() {
            mark!("a transaction ends while its vote waits");
            let what = "the transaction was aborted while its vote waited";
            scene.out.error(vote, &RemoteError::StorageTransaction(what.into()));
        }
        self.ready.extend(self.locks.release(txn.key));
    }

    fn forget(&mut self, conn: ConnId) -> Option<Txn> {
        let txn = self.txns.remove(conn)?;
        self.ready.retain(|&key| key != txn.key);
        Some(txn)
    }

    /// Appends what waits, unless a batch is on its way.
    fn append(&mut self, scene: &mut Scene<'_>) {
        if let Some(batch) = self.durable.next_batch() {
            scene.desk.append(batch);
        }
    }
}
