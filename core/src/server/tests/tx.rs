//! A client's transaction.

use super::super::ConnId;
use super::super::testing::{Answer, Rig, row};
use crate::ids::{Oid, Tid};
use crate::wire::call::MessageId;
use crate::wire::tree::Owned;

/// A transaction that `conn` calls `id`.
#[derive(Clone, Copy)]
pub(super) struct Tx {
    pub(super) conn: ConnId,
    pub(super) id: i64,
}

impl Tx {
    pub(super) fn begin(rig: &mut Rig, conn: ConnId, id: i64) -> Tx {
        let none = Owned::Dict(Vec::new());
        rig.one_way(conn, "tpc_begin", row![id, "", "", none, Owned::None, " "]);
        Tx { conn, id }
    }

    /// One that must get `tid`.
    pub(super) fn copy(rig: &mut Rig, conn: ConnId, id: i64, tid: Option<Tid>, status: &str) -> Tx {
        let none = Owned::Dict(Vec::new());
        let tid = tid.map_or(Owned::None, Owned::from);
        rig.one_way(conn, "tpc_begin", row![id, "", "", none, tid, status]);
        Tx { conn, id }
    }

    pub(super) fn store(self, rig: &mut Rig, oid: u64, serial: Tid, data: &str) -> Tx {
        rig.one_way(self.conn, "storea", row![Oid(oid), serial, data.as_bytes(), self.id]);
        self
    }

    pub(super) fn check(self, rig: &mut Rig, oid: u64, serial: Tid) -> Tx {
        rig.one_way(self.conn, "checkCurrentSerialInTransaction", row![Oid(oid), serial, self.id]);
        self
    }

    pub(super) fn ask_vote(self, rig: &mut Rig) -> MessageId {
        rig.send(self.conn, "vote", row![self.id])
    }

    pub(super) fn vote(self, rig: &mut Rig) -> Answer {
        rig.call(self.conn, "vote", row![self.id])
    }

    /// A vote nothing stands in the way of.
    pub(super) fn voted(self, rig: &mut Rig) -> Tx {
        assert_eq!(self.vote(rig), Ok(row![]));
        self
    }

    pub(super) fn ask_finish(self, rig: &mut Rig) -> MessageId {
        rig.send(self.conn, "tpc_finish", row![self.id])
    }

    pub(super) fn finish(self, rig: &mut Rig) -> Tid {
        tid(rig.call(self.conn, "tpc_finish", row![self.id]).expect("a finish"))
    }

    pub(super) fn abort(self, rig: &mut Rig) {
        assert_eq!(rig.call(self.conn, "tpc_abort", row![self.id]), Ok(Owned::None));
    }
}

/// Commits a transaction of these objects.
pub(super) fn commit(rig: &mut Rig, conn: ConnId, stores: &[(u64, Tid, &str)]) -> Tid {
    let tx = Tx::begin(rig, conn, 999);
    for (oid, serial, data) in stores {
        tx.store(rig, *oid, *serial, data);
    }
    tx.voted(rig).finish(rig)
}

/// The state and serial of an object now.
pub(super) fn current(rig: &mut Rig, conn: ConnId, oid: u64) -> Option<(String, Tid)> {
    let loaded = rig.call(conn, "loadBefore", row![Oid(oid), Tid::MAX]);
    let Ok(Owned::Tuple(items)) = loaded else { return None };
    let [Owned::Bytes(data), Owned::Bytes(serial), Owned::None] = &items[..] else { panic!("{items:?}") };
    Some((String::from_utf8(data.clone()).unwrap(), Tid::from_slice(serial).unwrap()))
}

pub(super) fn tid(value: Owned) -> Tid {
    match value {
        Owned::Bytes(bytes) => Tid::from_slice(&bytes).expect("eight bytes"),
        other => panic!("{other} is no tid"),
    }
}

/// The class and message of an error.
pub(super) fn error(answer: Answer) -> String {
    let error = answer.expect_err("an error");
    format!("{}: {error}", error.class().rsplit('.').next().unwrap())
}
