//! The commit path of a relayed storage: what a client says until its vote is kept here, and handed up in one go.

use super::desk::{Pending, Scene};
use super::drafts::Owner;
use super::errors::remote;
use super::txn::{Phase, Txn};
use crate::client::{Answer, Call, Error, Judged, TxnRef};
use crate::commit::blobs::Upload;
use crate::commit::table::Table;
use crate::commit::timeout::Timeouts;
use crate::commit::txn::Header;
use crate::limits::Limits;
use crate::server::event::Event;
use crate::server::fault::Fault;
use crate::server::names::{ConnId, ReplyTo, TxnKey};
use crate::store::blob::{DraftId, is_shared_name};
use crate::time::Instant;
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::Reply;
use std::time::Duration;

/// The transactions of one relayed storage.
#[derive(Debug)]
pub(super) struct Commits {
    txns: Table<Txn>,
    limits: Limits,
    /// From the first answer to a vote on: until then the server above has a deadline of its own.
    timeouts: Timeouts,
}

impl Commits {
    pub(super) fn new(timeout: Option<Duration>, limits: Limits) -> Commits {
        Commits { txns: Table::default(), limits, timeouts: Timeouts::new(timeout) }
    }

    /// `tpc_begin`. Beginning the open transaction again does nothing, as in Python's server.
    pub(super) fn begin(&mut self, conn: ConnId, header: Header) -> Result<(), RemoteError> {
        self.txns.begin(conn, header.id, |key| Txn::new(key, header, self.limits))
    }

    /// A call that adds to the open transaction.
    pub(super) fn change(
        &mut self,
        conn: ConnId,
        id: TxnId,
        change: impl FnOnce(&mut Txn),
    ) -> Result<(), RemoteError> {
        change(self.txns.building(conn, id)?);
        Ok(())
    }

    /// A step of the upload of a blob into the open transaction, which `id` names if the step does.
    ///
    /// # Errors
    /// A StorageTransactionError for a step that does not follow from the one before; Unsupported for a file in a shared
    /// folder, which the server above need not see.
    pub(super) fn upload(
        &mut self,
        conn: ConnId,
        id: Option<TxnId>,
        step: Upload<'_>,
        scene: &mut Scene<'_>,
    ) -> Result<(), RemoteError> {
        let refused = |what: &str| Err(RemoteError::StorageTransaction(what.into()));
        let Some(open) = id.or_else(|| self.txns.of(conn).map(|open| open.id)) else {
            return refused("no transaction is open");
        };
        let txn = self.txns.building(conn, open)?;
        match (step, txn.coming) {
            (Upload::Start, Some(_)) => refused("a blob starts before the one before it ended"),
            (Upload::Start, None) => {
                txn.coming = Some(scene.drafts.start(Owner::Upload(conn, txn.key)));
                Ok(())
            }
            (Upload::Chunk(chunk), Some(draft)) => {
                scene.drafts.write(draft, chunk, scene.out);
                Ok(())
            }
            (Upload::Chunk(_), None) => refused("a chunk of a blob that did not start"),
            (Upload::End(oid, serial, data), Some(draft)) => {
                txn.coming = None;
                if let Some(draft) = txn.add_blob((oid, serial, data), draft) {
                    scene.drafts.discard(draft, scene.out);
                }
                Ok(())
            }
            (Upload::End(..), None) => refused("the end of a blob that did not start"),
            (Upload::Shared(_, _, _, name), _) if !is_shared_name(name) => {
                Err(RemoteError::Value(name.into()))
            }
            (Upload::Shared(..), _) => Err(RemoteError::unsupported("storeBlobShared")),
        }
    }

    /// `vote`: answered when the server above has answered.
    pub(super) fn vote(&mut self, to: ReplyTo, id: TxnId, scene: &mut Scene<'_>) -> Result<(), RemoteError> {
        let conn = to.conn;
        let txn = self.txns.building(conn, id)?;
        if txn.coming.is_some() {
            txn.spoil(RemoteError::StorageTransaction("the vote comes before the end of a blob".into()));
        }
        if let Some(spoiled) = txn.spoiled() {
            let spoiled = spoiled.clone();
            self.end(conn, scene);
            return Err(spoiled);
        }
        txn.phase = Phase::Writing(to);
        let key = txn.key;
        self.hand_up(conn, key, scene);
        Ok(())
    }

    /// Hands a transaction that votes up, once its blobs are written.
    pub(super) fn hand_up(&mut self, conn: ConnId, key: TxnKey, scene: &mut Scene<'_>) {
        let Some(txn) = self.txns.keyed(conn, key) else { return };
        let Phase::Writing(to) = &txn.phase else { return };
        if !txn.drafts().all(|draft| scene.drafts.is_written(draft)) {
            mark!("a vote waits for blobs to be written before they are handed up");
            return;
        }
        let ticket = scene.desk.ticket();
        txn.phase = Phase::Voting(to.clone(), ticket);
        let changes = txn.take_changes();
        let call = match txn.at {
            None => {
                txn.at = Some(TxnRef(ticket));
                Call::Vote(Box::new(changes))
            }
            Some(at) => Call::VoteAgain { txn: at, operations: changes.operations },
        };
        scene.desk.ask_as(ticket, Pending::Vote(conn, key), call);
    }

    /// The server above has answered a vote.
    pub(super) fn on_judged(
        &mut self,
        (conn, key): (ConnId, TxnKey),
        result: Result<Answer, Error>,
        scene: &mut Scene<'_>,
    ) {
        let Some(txn) = self.txns.keyed(conn, key) else { return };
        let Phase::Voting(to, _) = txn.phase.clone() else { unreachable!("it votes") };
        match result {
            Ok(Answer::Judged(Judged { changed, conflicts, .. })) => {
                if !std::mem::replace(&mut txn.judged, true) {
                    self.timeouts.start(key, scene.desk.now);
                }
                txn.in_conflict = !conflicts.is_empty();
                txn.conflicts += conflicts.len() as u64;
                let reply = if conflicts.is_empty() {
                    txn.phase = Phase::Voted;
                    Reply::Oids(changed)
                } else {
                    mark!("a client is asked to resolve what conflicts above");
                    txn.phase = Phase::Open;
                    Reply::Conflicts(conflicts)
                };
                scene.out.reply(&to, &reply);
            }
            Ok(other) => unreachable!("a relayed vote is judged: {other:?}"),
            Err(error) => self.fail(&to, &remote(error), scene),
        }
    }

    /// An upload cannot be written.
    pub(super) fn on_unwritten(
        &mut self,
        (conn, key): (ConnId, TxnKey),
        error: RemoteError,
        scene: &mut Scene<'_>,
    ) {
        let Some(txn) = self.txns.keyed(conn, key) else { return };
        match txn.phase.clone() {
            Phase::Writing(to) => self.fail(&to, &error, scene),
            _ => txn.spoil(error),
        }
    }

    /// A vote ends its transaction with an error.
    fn fail(&mut self, vote: &ReplyTo, error: &RemoteError, scene: &mut Scene<'_>) {
        match error {
            RemoteError::Conflict(conflict) | RemoteError::ReadConflict(conflict) => {
                scene.stats.conflicts += 1;
                scene.out.log(Event::Conflict { oid: conflict.oid });
            }
            RemoteError::PosKey(_) => {}
            other => {
                let (peer, error) = (format!("connection {}", vote.conn.0), other.to_string());
                scene.out.log(Event::CallFailed { peer, method: "vote", error });
            }
        }
        scene.out.error(vote, error);
        self.txns.voting(vote.conn).phase = Phase::Open;
        self.end(vote.conn, scene);
    }

    /// `tpc_finish`: answered when the server above has made it durable, and everybody was told.
    pub(super) fn finish(
        &mut self,
        to: ReplyTo,
        id: TxnId,
        scene: &mut Scene<'_>,
    ) -> Result<(), RemoteError> {
        if self.txns.open(to.conn, id)?.phase != Phase::Voted {
            return Err(RemoteError::StorageTransaction("tpc_finish before a successful vote".into()));
        }
        let txn = self.txns.remove(to.conn).expect("the open transaction");
        self.timeouts.stop(txn.key);
        scene.stats.conflicts_resolved += txn.conflicts;
        let at = txn.at.expect("a voted transaction has a name above");
        scene.desk.ask(Pending::Finish(to, txn.drafts().collect()), Call::Finish(at));
        Ok(())
    }

    /// `tpc_abort`. Aborting what is not open does nothing.
    pub(super) fn abort(&mut self, conn: ConnId, id: TxnId, scene: &mut Scene<'_>) {
        if self.txns.of(conn).is_some_and(|open| open.id == id) {
            self.give_up(conn, scene);
        }
    }

    /// The connection is gone, and its transaction with it, unless it is being finished. Whether there was one.
    pub(super) fn disconnect(&mut self, conn: ConnId, scene: &mut Scene<'_>) -> bool {
        let open = self.txns.of(conn).is_some();
        if open {
            mark!("a client vanishes with a transaction that is handed up");
            self.give_up(conn, scene);
        }
        open
    }

    fn give_up(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        scene.stats.aborts += 1;
        scene.stats.conflicts += u64::from(self.txns.of(conn).is_some_and(|txn| txn.in_conflict));
        self.end(conn, scene);
    }

    /// Ends a transaction that is not being finished, here and above.
    fn end(&mut self, conn: ConnId, scene: &mut Scene<'_>) {
        let Some(txn) = self.txns.remove(conn) else { return };
        self.timeouts.stop(txn.key);
        for draft in txn.drafts() {
            scene.drafts.discard(draft, scene.out);
        }
        if let Phase::Voting(vote, _) | Phase::Writing(vote) = &txn.phase {
            let what = "the transaction was aborted while its vote waited";
            scene.out.error(vote, &RemoteError::StorageTransaction(what.into()));
        }
        let voting = if let Phase::Voting(_, ticket) = txn.phase { Some(ticket) } else { None };
        for ticket in voting.into_iter().chain(txn.at.map(|TxnRef(ticket)| ticket)) {
            scene.desk.forget(ticket);
        }
    }

    /// The blob of an operation of a transaction that is being handed up.
    pub(super) fn blob(&self, at: TxnRef, place: usize) -> Option<DraftId> {
        self.txns.iter().find(|(_, txn)| txn.at == Some(at))?.1.blob(place)
    }

    /// Closes the connections whose transactions have had their time.
    pub(super) fn expire(&mut self, scene: &mut Scene<'_>) {
        let after = self.timeouts.after().unwrap_or_default();
        while let Some(key) = self.timeouts.expired(scene.desk.now) {
            let conn = self.txns.owner(key).expect("an owner for every transaction with a deadline");
            scene.out.close(conn, Fault::TransactionTimeout(after));
        }
    }

    /// When the next transaction will have had its time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timeouts.deadline()
    }

    /// Whether transactions have a deadline.
    pub(super) fn is_limited(&self) -> bool {
        self.timeouts.after().is_some()
    }

    /// Transactions that are not being finished.
    pub(super) fn open(&self) -> usize {
        self.txns.count()
    }

    /// Votes that are not answered.
    pub(super) fn voting(&self) -> usize {
        let votes = |phase: &Phase| matches!(phase, Phase::Voting(..) | Phase::Writing(_));
        self.txns.iter().filter(|(_, txn)| votes(&txn.phase)).count()
    }

    /// Whose transactions there are.
    pub(super) fn owners(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.txns.iter().map(|(conn, _)| conn)
    }
}
