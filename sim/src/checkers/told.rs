//! What servers have told on each connection.

use super::{ConnName, Seen};
use crate::ledger::Ledger;
use std::collections::BTreeMap;
use std::ops::Bound;
use zeolith_core::ids::Tid;

/// The last transaction told on every connection that is registered.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<ConnName, Tid>);

impl Told {
    /// Notes what is told, after it was judged.
    pub(super) fn note(&mut self, seen: &Seen<'_>) {
        match *seen {
            Seen::Registered(conn, tid) | Seen::Invalidated(conn, tid, _) | Seen::Finished(conn, tid) => {
                self.0.insert(conn, tid);
            }
            Seen::Gone(conn) => {
                self.0.remove(&conn);
            }
            _ => {}
        }
    }

    /// The last transaction told on a connection; `None`: it is not registered.
    pub(super) fn on(&self, conn: ConnName) -> Option<Tid> {
        self.0.get(&conn).copied()
    }

    /// A transaction that the connection ought to have been told of before `tid`, and was not.
    pub(super) fn missed(&self, conn: ConnName, tid: Tid, ledger: &Ledger) -> Option<Tid> {
        let told = self.on(conn)?;
        if told >= tid {
            return None;
        }
        let between = (Bound::Excluded(told), Bound::Excluded(tid));
        ledger.changes.range(between).next().map(|(missed, _)| *missed)
    }

    /// Every registered connection with the last transaction told on it.
    pub(super) fn all(&self) -> impl Iterator<Item = (ConnName, Tid)> + '_ {
        self.0.iter().map(|(&conn, &tid)| (conn, tid))
    }
}
