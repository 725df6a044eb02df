//! The commit path of one storage: begin, store, vote, finish; locks, checks, durability, timeouts.

pub mod durable;
pub mod held;
pub mod item;
pub mod locks;
pub mod scene;
mod table;
pub mod timeout;
pub mod txn;

use crate::ids::{Oid, Tid};
use crate::limits::Limits;
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::server::event::Event;
use crate::server::fault::Fault;
use crate::server::names::{ConnId, Context, ReplyTo, TxnKey};
use crate::store::{Current, Place, StoreError, StoreOp, UndoRefusal, UndoTarget, Undone};
use crate::time::Instant;
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Notice, Reply};
use bytes::Bytes;
use durable::{Durable, Finishing};
use item::Unknown;
use locks::{Locks, Wanted};
use scene::Scene;
use std::collections::VecDeque;
use std::time::Duration;
use table::Table;
use timeout::Timeouts;
use txn::{Header, Phase, Txn, Verdict};

/// The transactions of one storage.
#[derive(Debug)]
pub struct Commits {
    /// At most one a connection.
    txns: Table,
    locks: Locks,
    timeouts: Timeouts,
    durable: Durable,
    /// Transactions that were granted their locks and are to be checked.
    ready: VecDeque<TxnKey>,
    /// Finishes that wait for the end of a pack; `None`: none has to.
    held: Option<Vec<(ReplyTo, TxnId)>>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

impl Commits {
    /// No transactions yet; tids will exceed `last`, and locks are held for at most `timeout`.
    pub fn new(last: Tid, timeout: Option<Duration>, limits: Limits) -> Commits {
        Commits {
            txns: Table::new(limits),
            locks: Locks::default(),
            timeouts: Timeouts::new(timeout),
            durable: Durable::new(last),
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
    }

    /// `tpc_begin`. Beginning the open transaction again does nothing, as in Python's server.
    pub fn begin(&mut self, conn: ConnId, header: Header) -> Result<(), RemoteError> {
        self.txns.begin(conn, header)
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

    /// `vote`: answered when the locks are there and everything was checked.
    pub fn vote(&mut self, to: ReplyTo, id: TxnId, scene: &mut Scene<'_>) -> Result<(), RemoteError> {
        let conn = to.conn;
        let txn = self.txns.building(conn, id)?;
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

    /// Asks for the records of the next transaction that is to be undone; when all are known, the locks are taken.
    fn read_undos(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let txn = self.txns.voting(conn);
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
        (conn, key): (ConnId, TxnKey),
        result: Result<Result<Vec<UndoTarget>, UndoRefusal>, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        let Some(txn) = self.txns.keyed(conn, key) else { return };
        let Phase::Reading(vote) = &txn.phase else { return };
        let vote = vote.clone();
        match result {
            Ok(Ok(targets)) => {
                txn.aim(targets);
                match txn.spoiled().cloned() {
                    Some(spoiled) => self.fail(conn, &vote, spoiled, scene),
                    None => self.read_undos(conn, scene),
                }
            }
            Ok(Err(refusal)) => self.fail(conn, &vote, RemoteError::Undo(refusal.to_string()), scene),
            Err(error) => self.fail(conn, &vote, txn::remote(error), scene),
        }
        self.run_ready(scene);
    }

    /// What becomes of one record that is undone.
    pub fn on_undone(
        &mut self,
        (conn, key): (ConnId, TxnKey),
        result: Result<Result<Undone, UndoRefusal>, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        let Some(txn) = self.txns.keyed(conn, key) else { return };
        let Phase::Undoing(vote) = &txn.phase else { return };
        match result {
            Ok(outcome) => {
                txn.set_back(outcome);
                self.set_back(conn, scene);
            }
            Err(error) => {
                let vote = vote.clone();
                self.fail(conn, &vote, txn::remote(error), scene);
            }
        }
        self.run_ready(scene);
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
        let finishing = Finishing { key, tid, oids, finish: to, locked_at };
        self.durable.add(finishing, txn.into_transaction(tid));
        self.append(scene);
        Ok(())
    }

    /// From now on finishes wait.
    pub fn hold_finishes(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Those that waited go on, and others need not wait.
    pub fn let_finishes_go(&mut self, scene: &mut Scene<'_>) {
        for (to, id) in self.held.take().unwrap_or_default() {
            // Its client may be gone by now, and its transaction with it.
            if let Err(error) = self.finish(to.clone(), id, scene) {
                scene.out.error(&to, &error);
            }
        }
    }

    /// Asks for the states of all places that transactions hold; how many.
    pub fn ask_states(&mut self, scene: &mut Scene<'_>) -> usize {
        let places = self.txns.places();
        let asked = places.len();
        places.into_iter().for_each(|(context, place)| scene.desk.ask(StoreOp::State { context, place }));
        asked
    }

    /// Such a state.
    pub fn on_state(&mut self, (conn, key, oid): (ConnId, TxnKey, Oid), state: Option<Bytes>) {
        self.txns.keyed(conn, key).into_iter().for_each(|txn| txn.state(oid, state.clone()));
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

    /// The current serial of an object a vote asked for.
    pub fn on_serial(
        &mut self,
        whose: (ConnId, TxnKey, usize),
        result: Result<Current, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        self.on_answer(whose, result, Txn::learn, scene);
    }

    /// The place of a state a vote asked for.
    pub fn on_found(
        &mut self,
        whose: (ConnId, TxnKey, usize),
        result: Result<Option<Place>, StoreError>,
        scene: &mut Scene<'_>,
    ) {
        self.on_answer(whose, result, Txn::locate, scene);
    }

    fn on_answer<A>(
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
        let txn = self.txns.keyed(conn, key);
        let Some((txn, vote)) = txn.and_then(|txn| match &txn.phase {
            Phase::Reserving(vote) => Some(vote.clone()).map(|vote| (txn, vote)),
            _ => None,
        }) else {
            mark!("room on the disk comes after its transaction ended");
            // The transaction ended while it was waiting for this.
            if result.is_ok() {
                scene.desk.store.release(bytes);
            }
            return;
        };
        match result {
            Ok(()) => {
                txn.reserved = bytes;
                txn.phase = Phase::Voted;
                scene.out.reply(&vote, &Reply::Oids(txn.changed_unseen()));
            }
            Err(error) => self.fail(conn, &vote, txn::remote(error), scene),
        }
        self.run_ready(scene);
    }

    /// Everything up to `upto` is durable and in the index: it becomes visible, here and nowhere else.
    pub fn on_durable(&mut self, upto: Tid, scene: &mut Scene<'_>) {
        while let Some(Finishing { key, tid, oids, finish, .. }) = self.durable.pop_durable(upto) {
            scene.audience.stats.commits += 1;
            let told = oids.as_slice();
            #[cfg(feature = "planted-bugs")]
            let told =
                if self.bug == Some(Bug::InvalidationCutShort) { &told[..1.min(told.len())] } else { told };
            #[cfg(feature = "planted-bugs")]
            let left = self.bug.filter(|_| !scene.audience.members.contains_key(&finish.conn));
            #[cfg(feature = "planted-bugs")]
            if left == Some(Bug::MissedWhenCommitterLeft) {
                scene.audience.queue.push(tid, oids);
                self.ready.extend(self.locks.release(key));
                continue;
            }
            scene.audience.broadcast(finish.conn, &Notice::Invalidate(tid, told), scene.out);
            #[cfg(feature = "planted-bugs")]
            let oids = if left == Some(Bug::QueuedWithoutObjects) { Vec::new() } else { oids };
            scene.audience.queue.push(tid, oids);
            let info = scene.out.notice(finish.codec, &Notice::Info(scene.desk.size()));
            scene.out.send(finish.conn, info);
            scene.out.reply(&finish, &Reply::Tid(tid));
            self.ready.extend(self.locks.release(key));
        }
        self.append(scene);
        self.run_ready(scene);
    }

    /// The store failed: whoever waits for a finish is closed, since nobody can say how it ended.
    pub fn on_refused(&mut self, why: &StoreError, scene: &mut Scene<'_>) {
        mark!("the store refuses a batch");
        scene.out.log(Event::StorageFailed { storage: scene.name.to_owned(), why: why.to_string() });
        for Finishing { key, finish, .. } in self.durable.refuse() {
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
        self.txns.len() + self.durable.on_their_way().count()
    }

    /// Votes that wait for locks.
    pub fn waiting(&self) -> usize {
        self.locks.waiting()
    }

    /// When the oldest lock now held was granted, in seconds since 1970.
    pub fn lock_time(&self) -> Option<f64> {
        let open = self.txns.iter().filter_map(|txn| txn.locked_at);
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
                    let (key, bytes) = (txn.key, txn.footprint());
                    txn.phase = Phase::Reserving(vote);
                    if let Some(highest) = txn.oids().into_iter().max() {
                        scene.audience.oids.note(highest);
                    }
                    scene
                        .desk
                        .ask(StoreOp::Reserve { context: Context::Reserve { conn, key, bytes }, bytes });
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

    /// Checks what must always hold between two inputs.
    ///
    /// # Panics
    /// When a lock belongs to no transaction, or a transaction that should hold its locks does not.
    pub fn check_invariants(&self) {
        self.locks.check_invariants();
        for key in self.locks.transactions() {
            let finishing = self.durable.on_their_way().any(|finishing| finishing.key == key);
            assert!(self.txns.owner(key).is_some() || finishing, "every lock has a transaction");
        }
        for txn in self.txns.iter() {
            assert_eq!(
                txn.has_asked(),
                self.locks.contains(txn.key),
                "locks are asked for at the first vote"
            );
        }
        assert!(self.ready.is_empty(), "nobody who has its locks is left waiting");
    }
}
