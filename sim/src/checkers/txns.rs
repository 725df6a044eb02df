//! What transactions consist of, as servers were handed them.

use super::{ConnName, Seen};
use crate::ledger::{Attempt, Ledger};
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::{Request, TxnId};

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Changes are taken. It may hold its locks, after a vote with conflicts.
    Open,
    /// Its vote is not answered.
    Voting,
    /// It may finish.
    Voted,
    /// It is to be finished.
    Finishing,
}

/// A transaction of a connection.
#[derive(Clone, Debug)]
pub(super) struct Txn {
    id: TxnId,
    pub(super) stage: Stage,
    /// A vote of it was answered: it has its locks.
    pub(super) locked: bool,
    /// It has the whole storage, since it is copied.
    pub(super) whole: bool,
    /// The transaction that it undoes.
    undoes: Option<Tid>,
    /// The objects that are to be as another storage had them.
    restores: BTreeSet<Oid>,
    /// The revisions that its changes and deletions are based on.
    pub(super) stores: BTreeMap<Oid, Tid>,
    /// The revisions that are to be held.
    pub(super) checks: BTreeMap<Oid, Tid>,
    pub(super) attempt: Option<Attempt>,
}

impl Txn {
    /// The objects that it changes, in this history.
    pub(super) fn changes(&self, history: &Ledger) -> BTreeSet<Oid> {
        let undone = self.undoes.and_then(|undone| history.changes.get(&undone));
        let stored = self.stores.keys().chain(&self.restores).copied();
        stored.chain(undone.into_iter().flatten().copied()).collect()
    }
}

/// The transactions under way, and those that were to be finished.
#[derive(Debug, Default)]
pub(super) struct Txns {
    open: BTreeMap<ConnName, Txn>,
    finished: BTreeMap<Attempt, Txn>,
}

impl Txns {
    /// Follows what is asked and answered.
    pub(super) fn note(&mut self, seen: &Seen<'_>) {
        match *seen {
            Seen::Asked { conn, request } => self.on_asked(conn, request),
            Seen::Voted { conn, conflicts } => {
                if let Some(txn) = self.open.get_mut(&conn) {
                    txn.stage = if conflicts.is_empty() { Stage::Voted } else { Stage::Open };
                    txn.locked = true;
                }
            }
            Seen::Finished(conn, _)
            | Seen::Gone(conn)
            | Seen::Refused { conn, method: "vote" | "tpc_finish", .. } => {
                self.open.remove(&conn);
            }
            _ => {}
        }
    }

    fn on_asked(&mut self, conn: ConnName, request: &Request<'_>) {
        if let Request::TpcBegin(begin) = request {
            let txn = Txn {
                id: begin.txn,
                stage: Stage::Open,
                locked: false,
                whole: begin.tid.is_some(),
                undoes: None,
                restores: BTreeSet::new(),
                stores: BTreeMap::new(),
                checks: BTreeMap::new(),
                attempt: Attempt::of(begin.description),
            };
            self.open.insert(conn, txn);
        }
        let Some(open) = self.open.get_mut(&conn) else { return };
        match *request {
            Request::Storea { oid, serial, data, txn } | Request::StoreBlobEnd { oid, serial, data, txn }
                if txn == open.id =>
            {
                open.stores.insert(oid, serial);
                open.attempt = open.attempt.or(Attempt::of(data));
            }
            Request::DeleteObject { oid, serial, txn } if txn == open.id => {
                open.stores.insert(oid, serial);
            }
            Request::Restorea { oid, txn, .. } if txn == open.id => {
                open.restores.insert(oid);
            }
            Request::Undoa { tid, txn } if txn == open.id => open.undoes = Some(tid),
            Request::CheckCurrent { oid, serial, txn } if txn == open.id => {
                open.checks.insert(oid, serial);
            }
            Request::Vote(txn) if txn == open.id => open.stage = Stage::Voting,
            Request::TpcFinish(txn) if txn == open.id => {
                open.stage = Stage::Finishing;
                self.finished.extend(open.attempt.map(|attempt| (attempt, open.clone())));
            }
            Request::TpcAbort(txn) if txn == open.id => {
                self.open.remove(&conn);
            }
            _ => {}
        }
    }

    /// The transactions under way, by connection.
    pub(super) fn open(&self) -> impl Iterator<Item = (ConnName, &Txn)> {
        self.open.iter().map(|(&conn, txn)| (conn, txn))
    }

    /// The transaction of a connection.
    pub(super) fn on(&self, conn: ConnName) -> Option<&Txn> {
        self.open.get(&conn)
    }

    /// A transaction that was to be finished.
    pub(super) fn finished(&self, attempt: Attempt) -> Option<&Txn> {
        self.finished.get(&attempt)
    }
}

/// Forged calls, for the tests of those who follow them.
#[cfg(test)]
pub(super) mod forged {
    use super::*;
    use zeolith_core::wire::call::Begin;

    const TXN: TxnId = TxnId(1);

    pub fn begin() -> Request<'static> {
        let (user, description, extension) = (&b""[..], &b""[..], Vec::new());
        Request::TpcBegin(Begin { txn: TXN, user, description, extension, tid: None, status: b' ' })
    }

    pub fn store(oid: u64, serial: u64, data: &[u8]) -> Request<'_> {
        Request::Storea { oid: Oid(oid), serial: Tid(serial), data, txn: TXN }
    }

    pub fn check(oid: u64, serial: u64) -> Request<'static> {
        Request::CheckCurrent { oid: Oid(oid), serial: Tid(serial), txn: TXN }
    }

    pub fn vote() -> Request<'static> {
        Request::Vote(TXN)
    }

    pub fn finish() -> Request<'static> {
        Request::TpcFinish(TXN)
    }

    pub fn abort() -> Request<'static> {
        Request::TpcAbort(TXN)
    }

    /// A connection asks these.
    pub fn asks<'a>(conn: ConnName, requests: &'a [Request<'a>]) -> Vec<Seen<'a>> {
        requests.iter().map(|request| Seen::Asked { conn, request }).collect()
    }
}
