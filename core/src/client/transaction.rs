//! Transactions: one at a time on a connection, in the order they were asked for.
//!
//! A transaction is sent in one go when it is voted: `tpc_begin`, what it does, `vote`. It is never repeated by itself.

use super::desk::Desk;
use super::fault::Fault;
use super::link::Link;
use super::loads::{Loads, State};
use super::mark::{Mark, marked};
use super::purpose::Purpose;
use super::resolve::Merging;
use super::settle::{Ending, Settlement};
use super::txn::{Stage, Txn, check, check_operations, check_state};
use super::waiting::Question;
use super::{Answer, Call, Changes, Error, Judged, Operation, Output, ServerId, Ticket, TxnRef, replies};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::Revision;
use crate::time::Instant;
use crate::wire::call::{Begin, Request, TxnId};
use crate::wire::remote::RemoteError;
use crate::wire::reply::Conflict;
use crate::wire::tree::Value;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

/// Who has the server's one place for a transaction of this connection.
#[derive(Debug)]
enum Slot {
    Commit(Box<Txn>),
    Settle(Settlement),
}

/// All transactions of this client.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Transactions that wait for the place, with the time they wait for a connection if theirs is lost.
    queue: VecDeque<(Ticket, Option<Instant>, Box<Changes>)>,
    slot: Option<Slot>,
    /// Finishes whose answers were lost.
    unsettled: VecDeque<Settlement>,
    /// Transactions that were lost after they were voted, which their callers do not know yet.
    lost: BTreeMap<TxnRef, Error>,
    last_id: i64,
}

impl Commits {
    /// Transactions that are not over.
    pub(super) fn under_way(&self) -> usize {
        self.queue.len() + usize::from(self.slot.is_some()) + self.unsettled.len()
    }

    /// A transaction is to be voted.
    pub(super) fn vote(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        ticket: Ticket,
        changes: Box<Changes>,
        until: Option<Instant>,
    ) {
        if link.read_only {
            desk.answer(ticket, Err(Error::ReadOnly));
        } else if let Err(error) = check(&changes).and_then(|()| link.check_can(&changes)) {
            desk.answer(ticket, Err(error));
        } else {
            self.queue.push_back((ticket, until, changes));
            self.pump(desk, link);
        }
    }

    /// Gives the place to the next, if it is free. Lost finishes come first: others may depend on them.
    pub(super) fn pump(&mut self, desk: &mut Desk, link: &mut Link) {
        while self.slot.is_none() {
            if let Some(mut settlement) = self.unsettled.pop_front() {
                self.last_id += 1;
                if settlement.start(desk, link, TxnId(self.last_id)) {
                    self.slot = Some(Slot::Settle(settlement));
                }
            } else if let Some((ticket, _, changes)) = self.queue.pop_front() {
                if desk.is_open(ticket) {
                    self.begin(desk, link, ticket, changes);
                }
            } else {
                return;
            }
        }
    }

    fn begin(&mut self, desk: &mut Desk, link: &mut Link, ticket: Ticket, changes: Box<Changes>) {
        self.last_id += 1;
        let (at, id) = (TxnRef(ticket), TxnId(self.last_id));
        let mark = desk.config.marks.then(|| Mark::new(&mut desk.rng));
        let (extension, mark) = marked(&changes.extension, mark);
        link.tell(&Request::TpcBegin(Begin {
            txn: id,
            user: &changes.user,
            description: &changes.description,
            extension,
            tid: changes.copied.map(|(tid, _)| tid),
            status: changes.copied.map_or(b' ', |(_, status)| status),
        }));
        let (rounds, changed) = (0, BTreeSet::new());
        let mut txn = Txn { at, voter: ticket, id, changes, mark, stage: Stage::Sending(0), rounds, changed };
        txn.send(desk, link, 0);
        self.slot = Some(Slot::Commit(Box::new(txn)));
    }

    /// The next bytes of a blob that is being stored.
    pub(super) fn on_blob(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        at: TxnRef,
        piece: Result<Bytes, String>,
    ) {
        let Some(txn) = self.current(at) else { return };
        let Stage::Sending(place) = txn.stage else { return };
        match piece {
            Ok(piece) if piece.is_empty() => {
                let Operation::StoreBlob { oid, serial, data } = &txn.changes.operations[place] else {
                    unreachable!("a blob is being read")
                };
                link.tell(&Request::StoreBlobEnd { oid: *oid, serial: *serial, data, txn: txn.id });
                txn.send(desk, link, place + 1);
            }
            Ok(piece) => {
                for chunk in piece.chunks(limits::BLOB_CHUNK) {
                    link.tell(&Request::StoreBlobChunk(chunk));
                }
                desk.push(Output::ReadBlob { txn: at, at: place });
            }
            Err(why) => self.give_up(desk, link, Error::Blob(why)),
        }
    }

    fn current(&mut self, at: TxnRef) -> Option<&mut Txn> {
        match &mut self.slot {
            Some(Slot::Commit(txn)) if txn.at == at => Some(txn),
            _ => None,
        }
    }

    /// The answer to a vote.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn on_vote(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        loads: &mut Loads,
        at: TxnRef,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<(), Fault> {
        let Some(txn) = self.current(at) else {
            // It was aborted meanwhile.
            return Ok(());
        };
        let (oids, conflicts) = match result {
            Ok(value) => replies::vote(value)?,
            Err(error) => {
                let error = Error::of(error);
                self.give_up(desk, link, error);
                return Ok(());
            }
        };
        txn.changed.extend(oids);
        if txn.changes.relayed {
            self.judge(desk, link, conflicts);
            return Ok(());
        }
        if conflicts.is_empty() {
            txn.stage = Stage::Voted;
            if txn.changes.finish {
                self.finish(desk, link, at, at.0);
            } else {
                desk.answer(at.0, Ok(Answer::Voted(at)));
            }
            return Ok(());
        }
        txn.rounds += 1;
        let mergeable = txn.changes.resolve && txn.rounds < limits::VOTE_ROUNDS;
        match Merging::new(conflicts, |oid| txn.changes.stores(oid))? {
            Ok(merging) if mergeable => {
                txn.stage = Stage::Merging(merging);
                let Some(Slot::Commit(txn)) = &mut self.slot else { unreachable!("just seen") };
                let Stage::Merging(merging) = &mut txn.stage else { unreachable!("just set") };
                merging.start(desk, link, loads, at);
            }
            Ok(merging) => self.give_up(desk, link, Error::Conflict(Box::new(merging.into_first()))),
            Err(conflict) => self.give_up(desk, link, Error::Conflict(conflict)),
        }
        Ok(())
    }

    /// The vote of a relayed transaction was answered.
    fn judge(&mut self, desk: &mut Desk, link: &mut Link, conflicts: Vec<Conflict>) {
        let Some(Slot::Commit(txn)) = &mut self.slot else { unreachable!("a transaction is judged") };
        txn.rounds += u32::from(!conflicts.is_empty());
        if txn.rounds >= limits::VOTE_ROUNDS {
            let first = conflicts.into_iter().next().expect("the round that was one too many");
            return self.give_up(desk, link, Error::Conflict(Box::new(first)));
        }
        txn.stage = if conflicts.is_empty() { Stage::Voted } else { Stage::Conflicting };
        let changed = txn.changed.iter().copied().collect();
        desk.answer(txn.voter, Ok(Answer::Judged(Judged { txn: txn.at, changed, conflicts })));
    }

    /// A relayed transaction goes on after its conflicts.
    pub(super) fn vote_again(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        at: TxnRef,
        operations: Vec<Operation>,
        ticket: Ticket,
    ) {
        let Some(txn @ Txn { stage: Stage::Conflicting, .. }) = self.current(at) else {
            return self.finish_nothing(desk, at, ticket);
        };
        txn.voter = ticket;
        if let Err(error) = check_operations(&operations) {
            return self.give_up(desk, link, error);
        }
        let from = txn.changes.operations.len();
        txn.changes.operations.extend(operations);
        txn.send(desk, link, from);
    }

    /// States that a merge needs came.
    pub(super) fn on_state(&mut self, desk: &mut Desk, link: &mut Link, state: State) {
        let Some(Txn { at, stage: Stage::Merging(merging), .. }) = self.current(state.txn) else { return };
        let at = *at;
        if let Err(conflict) = merging.on_state(desk, at, state) {
            self.give_up(desk, link, Error::Conflict(conflict));
        }
    }

    /// A merge was made, or cannot be made.
    pub(super) fn on_resolved(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        at: TxnRef,
        oid: Oid,
        state: Option<Bytes>,
    ) {
        let Some(txn) = self.current(at) else { return };
        let Stage::Merging(merging) = &mut txn.stage else { return };
        let Some(conflict) = merging.take(oid) else { return };
        let Some(state) = state else {
            return self.give_up(desk, link, Error::Conflict(Box::new(conflict)));
        };
        if let Err(error) = check_state(oid, &state) {
            return self.give_up(desk, link, error);
        }
        let done = merging.is_done();
        txn.changed.insert(oid);
        link.tell(&Request::Storea { oid, serial: conflict.committed, data: &state, txn: txn.id });
        if done {
            txn.vote(desk, link);
        }
    }

    /// A transaction that was voted is to be made durable.
    pub(super) fn finish(&mut self, desk: &mut Desk, link: &mut Link, at: TxnRef, ticket: Ticket) {
        match self.current(at) {
            Some(txn @ Txn { stage: Stage::Voted, .. }) => {
                txn.stage = Stage::Finishing(ticket);
                link.call(desk, Purpose::Finish(at), &Request::TpcFinish(txn.id));
            }
            _ => self.finish_nothing(desk, at, ticket),
        }
    }

    /// A transaction is to be made durable that is not there any more.
    pub(super) fn finish_nothing(&mut self, desk: &mut Desk, at: TxnRef, ticket: Ticket) {
        let error = self.lost.remove(&at).unwrap_or(Error::NoTransaction);
        desk.answer(ticket, Err(error));
    }

    /// The answer to a finish: what it changed, its tid, and what the caller learns are one step.
    ///
    /// # Errors
    /// When it is none, or the outcome is not certain: it is looked into on the next connection.
    pub(super) fn on_finish(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        loads: &mut Loads,
        at: TxnRef,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<(), Fault> {
        let txn = self.current(at).expect("a transaction that is being finished keeps its place");
        let Stage::Finishing(ticket) = txn.stage else { unreachable!("a finish was sent") };
        let tid = match result {
            Ok(value) => replies::tid(value, "tpc_finish")?,
            Err(error @ RemoteError::StorageTransaction(_)) => {
                self.slot = None;
                desk.answer(ticket, Err(Error::Refused(error)));
                self.pump(desk, link);
                return Ok(());
            }
            Err(error) => return Err(Fault::Refused(error)),
        };
        if link.in_order() {
            return self.apply(desk, link, loads, ticket, tid);
        }
        txn.stage = Stage::Overtaking(ticket, tid);
        link.call(desk, Purpose::Overtaken(at), &Request::Ping);
        Ok(())
    }

    /// Everything before a transaction has been told of.
    ///
    /// # Errors
    /// As [`on_finish`](Self::on_finish).
    pub(super) fn on_overtaken(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        loads: &mut Loads,
        at: TxnRef,
    ) -> Result<(), Fault> {
        match self.current(at) {
            Some(&mut Txn { stage: Stage::Overtaking(ticket, tid), .. }) => {
                self.apply(desk, link, loads, ticket, tid)
            }
            // A later transaction said so before.
            _ => Ok(()),
        }
    }

    /// Transaction `next` is to be applied: a finished one before it comes first.
    ///
    /// # Errors
    /// As [`on_finish`](Self::on_finish).
    pub(super) fn before(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        loads: &mut Loads,
        next: Tid,
    ) -> Result<(), Fault> {
        match &self.slot {
            Some(Slot::Commit(txn)) => match txn.stage {
                Stage::Overtaking(ticket, tid) if tid < next => self.apply(desk, link, loads, ticket, tid),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// A transaction is durable, and comes after all that were applied.
    fn apply(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        loads: &mut Loads,
        ticket: Ticket,
        tid: Tid,
    ) -> Result<(), Fault> {
        let Some(Slot::Commit(txn)) = &self.slot else { unreachable!("it keeps its place") };
        let ordered = desk.check_order(tid);
        let finished = txn.finished(tid);
        if ordered.is_ok() {
            let states = txn.states();
            for (oid, state) in &states {
                desk.cache.invalidate(*oid, tid);
                loads.on_changed(*oid, tid);
                if let Some(data) = state {
                    desk.cache.store(*oid, &Revision { data: data.clone(), serial: tid, until: None });
                }
            }
            desk.advance(tid, states.into_keys().collect());
            #[cfg(feature = "planted-bugs")]
            if desk.bug == Some(Bug::FinishUntold) {
                desk.untell();
            }
        }
        self.slot = None;
        desk.answer(ticket, Ok(finished));
        ordered?;
        self.pump(desk, link);
        Ok(())
    }

    /// A caller gives a transaction up. `link` is there while it is ready.
    pub(super) fn abort(&mut self, desk: &mut Desk, link: Option<&mut Link>, at: TxnRef, ticket: Ticket) {
        if self.current(at).is_some_and(|txn| !txn.is_finishing()) {
            let link = link.expect("a transaction has its place on a connection that is ready");
            desk.answer(at.0, Err(Error::NoTransaction));
            self.leave(desk, link, Some(ticket));
        } else if self.lost.remove(&at).is_some() || (self.current(at).is_none() && desk.is_open(at.0)) {
            desk.answer(at.0, Err(Error::NoTransaction));
            desk.answer(ticket, Ok(Answer::Done));
        } else {
            desk.answer(ticket, Err(Error::NoTransaction));
        }
    }

    /// Nobody waits for a transaction any more: it is given up, unless it is being finished.
    pub(super) fn forget(&mut self, desk: &mut Desk, link: Option<&mut Link>, at: TxnRef) {
        self.lost.remove(&at);
        if self.current(at).is_some_and(|txn| !txn.is_finishing()) {
            let link = link.expect("a transaction has its place on a connection that is ready");
            self.leave(desk, link, None);
        }
    }

    /// The transaction at hand cannot be: the caller learns why.
    fn give_up(&mut self, desk: &mut Desk, link: &mut Link, error: Error) {
        let Some(Slot::Commit(txn)) = &self.slot else { unreachable!("a transaction is given up") };
        let voter = txn.voter;
        // The cache may have led to it: what it holds of the object is not relied on.
        match &error {
            Error::Conflict(conflict) => desk.cache.forget(conflict.oid),
            Error::ReadConflict { oid, .. } => desk.cache.forget(*oid),
            _ => {}
        }
        desk.answer(voter, Err(error));
        self.leave(desk, link, None);
    }

    /// The place is given up, and the server told.
    fn leave(&mut self, desk: &mut Desk, link: &mut Link, ticket: Option<Ticket>) {
        let Some(Slot::Commit(txn)) = self.slot.take() else { unreachable!("a transaction is left") };
        link.call(desk, Purpose::Abort(txn.at, ticket), &Request::TpcAbort(txn.id));
        self.pump(desk, link);
    }

    /// The answer to an abort. A vote that waited may be answered before it, or never.
    pub(super) fn on_abort(&mut self, desk: &mut Desk, link: &mut Link, at: TxnRef, ticket: Option<Ticket>) {
        link.retract(&Purpose::Vote(at));
        link.retract(&Purpose::Fence(at));
        if let Some(ticket) = ticket {
            desk.answer(ticket, Ok(Answer::Done));
        }
    }

    /// A step of a settlement was answered.
    ///
    /// # Errors
    /// When it is no answer.
    pub(super) fn on_settling(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        purpose: Purpose,
        result: Result<Value<'_>, RemoteError>,
    ) -> Result<(), Fault> {
        let Some(Slot::Settle(settlement)) = &mut self.slot else { return Ok(()) };
        let ending = match purpose {
            Purpose::Fence(at) if settlement.is_of(at) => settlement.on_fence(desk, link, result),
            Purpose::Settle(at) if settlement.is_of(at) => settlement.on_history(desk, link, result)?,
            Purpose::Settled(at) if settlement.is_of(at) => settlement.on_overtaken(desk, link),
            // Of one whose time was over.
            _ => return Ok(()),
        };
        if let Ending::Done = ending {
            self.slot = None;
            self.pump(desk, link);
        }
        Ok(())
    }

    /// The connection is over. Gives the transactions that were not sent yet.
    pub(super) fn on_lost(&mut self, desk: &mut Desk, server: ServerId, fault: &Fault) -> Vec<Question> {
        match self.slot.take() {
            Some(Slot::Commit(txn)) => match txn.stage {
                #[cfg(feature = "planted-bugs")]
                Stage::Finishing(ticket) if desk.bug == Some(Bug::LostFinishDenied) => {
                    desk.answer(ticket, Err(fault.lost()))
                }
                Stage::Finishing(ticket) => {
                    self.unsettled.push_back(txn.unsettled(desk, server, ticket, fault));
                }
                // The next verification tells of it, and of what came before.
                Stage::Overtaking(ticket, tid) => {
                    desk.finished(tid);
                    desk.answer(ticket, Ok(txn.finished(tid)));
                }
                Stage::Voted | Stage::Conflicting => {
                    self.lost.insert(txn.at, fault.lost());
                    if self.lost.len() > limits::LOST_TRANSACTIONS {
                        self.lost.pop_first();
                    }
                }
                Stage::Sending(_) | Stage::Voting | Stage::Merging(_) => {
                    desk.answer(txn.voter, Err(fault.lost()))
                }
            },
            Some(Slot::Settle(settlement)) => self.unsettled.push_front(settlement),
            None => {}
        }
        let usual = desk.now + desk.config.wait_timeout;
        let question = |(ticket, until, changes)| Question {
            ticket,
            until: Option::unwrap_or(until, usual),
            call: Call::Vote(changes),
        };
        self.queue.drain(..).map(question).collect()
    }

    /// When the first settlement gives up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let under_way = match &self.slot {
            Some(Slot::Settle(settlement)) => Some(settlement.until()),
            _ => None,
        };
        self.unsettled.iter().map(Settlement::until).chain(under_way).min()
    }

    /// Settlements whose time is over end as they are: unknown.
    pub(super) fn on_tick(&mut self, desk: &mut Desk, link: Option<&mut Link>) {
        let (over, rest): (Vec<_>, Vec<_>) =
            self.unsettled.drain(..).partition(|settlement| settlement.until() <= desk.now);
        self.unsettled = rest.into();
        over.into_iter().for_each(|settlement| settlement.give_up(desk));
        if let Some(Slot::Settle(settlement)) = &self.slot
            && settlement.until() <= desk.now
            && let Some(Slot::Settle(settlement)) = self.slot.take()
        {
            let link = link.expect("a settlement has its place on a connection that is ready");
            settlement.leave(desk, link);
            settlement.give_up(desk);
            self.pump(desk, link);
        }
    }

    /// The client is closed: what is being finished may or may not be.
    pub(super) fn close(&mut self, desk: &mut Desk) {
        let unknown = || Err(Error::OutcomeUnknown("the client was closed".to_owned()));
        if let Some(Slot::Commit(txn)) = &self.slot {
            match txn.stage {
                Stage::Finishing(ticket) => desk.answer(ticket, unknown()),
                Stage::Overtaking(ticket, tid) => desk.answer(ticket, Ok(txn.finished(tid))),
                _ => {}
            }
        }
        let under_way = match self.slot.take() {
            Some(Slot::Settle(settlement)) => Some(settlement),
            _ => None,
        };
        for settlement in under_way.into_iter().chain(self.unsettled.drain(..)) {
            settlement.give_up(desk);
        }
        *self = Commits::default();
    }

    pub(super) fn check_invariants(&self, ready: bool) {
        assert!(ready || self.slot.is_none(), "a transaction has its place on a connection that is ready");
        assert!(self.slot.is_some() || self.queue.is_empty(), "nobody waits for a place that is free");
        assert!(self.lost.len() <= limits::LOST_TRANSACTIONS, "transactions that were lost are bounded");
    }
}
