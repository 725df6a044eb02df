//! Promise 9: verify window.

use super::{Checker, ConnName, Seen};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::{Answer, Change};
use zeolith_core::ids::Tid;
use zeolith_core::wire::call::Request;

/// A client's newest connection.
#[derive(Debug)]
struct Newest {
    conn: ConnName,
    /// It is not ready yet, for all that the server can know.
    open: bool,
    /// What the server told it since it registered.
    told: BTreeSet<Tid>,
}

/// Whether a client asks this before it is ready.
pub(super) fn verifies(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Register { .. }
            | Request::GetInfo
            | Request::SetClientLabel(_)
            | Request::LastTransaction
            | Request::GetInvalidations(_)
    )
}

/// Invalidations between register and ready are kept; after verifying to V exactly those after V apply.
#[derive(Debug, Default)]
pub struct VerifyWindow {
    newest: BTreeMap<ClientId, Newest>,
    /// The last transaction that each client told its callers of.
    changed: BTreeMap<ClientId, Tid>,
}

impl VerifyWindow {
    fn on_change(&mut self, client: ClientId, change: &Change, books: &Books) -> Result<(), String> {
        let (Change::Objects { tid, .. } | Change::Everything { tid }) = *change;
        let last = self.changed.insert(client, tid).unwrap_or_default();
        let Some(newest) = self.newest.get_mut(&client) else { return Ok(()) };
        let ledger = books.of(newest.conn.server);
        if let Change::Objects { oids, .. } = change
            && ledger.knows(tid)
        {
            for kept in newest.told.range(..tid).filter(|&&kept| kept > last) {
                let changed = ledger.changes.get(kept);
                if changed.is_some_and(|changed| changed.iter().any(|oid| !oids.contains(oid))) {
                    return Err(format!(
                        "{} was told of {kept} while it verified; client {} goes from {last} to {tid} without it",
                        newest.conn, client.0
                    ));
                }
            }
        }
        newest.told = newest.told.split_off(&tid.next());
        Ok(())
    }
}

impl Checker for VerifyWindow {
    fn promise(&self) -> u32 {
        9
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, _) => {
                self.newest.insert(conn.client, Newest { conn, open: true, told: BTreeSet::new() });
            }
            Seen::Gone(conn) if self.newest.get(&conn.client).is_some_and(|newest| newest.conn == conn) => {
                self.newest.remove(&conn.client);
            }
            Seen::Invalidated(conn, tid, _) => {
                if let Some(newest) = self.newest.get_mut(&conn.client)
                    && newest.conn == conn
                    && newest.open
                {
                    newest.told.insert(tid);
                }
            }
            Seen::Asked { conn, request } => {
                if let Some(newest) = self.newest.get_mut(&conn.client)
                    && newest.conn == conn
                {
                    newest.open &= verifies(request);
                }
            }
            Seen::Changed { client, change } => self.on_change(client, change, books)?,
            Seen::Answered { client, result: Ok(Answer::Finished(finished)), .. } => {
                let last = self.changed.get(&client).copied().unwrap_or_default();
                let told = self.newest.get(&client).into_iter().flat_map(|newest| &newest.told);
                if let Some(kept) = told.copied().find(|&kept| last < kept && kept <= finished.tid) {
                    return Err(format!(
                        "client {} was told of {kept} while it verified, and is at {last}",
                        client.0
                    ));
                }
            }
            Seen::Reset { client, kept } => {
                self.changed.remove(&client);
                self.changed.extend(kept.map(|kept| (client, kept)));
            }
            Seen::State { clients } => {
                for (client, machine) in clients {
                    // What a client begins with is told to nobody.
                    if let Some(last) = machine.last_tid() {
                        self.changed.entry(*client).or_insert(last);
                    }
                }
            }
            Seen::Quiet(_) => {
                for (client, newest) in &self.newest {
                    let Some(&last) = self.changed.get(client) else { continue };
                    if let Some(kept) = newest.told.range(last.next()..).next() {
                        let conn = newest.conn;
                        return Err(format!("{conn} was told of {kept} while it verified, and is at {last}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, books, history, objects};
    use super::*;
    use zeolith_core::ids::Oid;

    fn after_a_window(seen: &[Seen<'_>]) -> Result<(), String> {
        let mut checker = VerifyWindow::default();
        let window = [
            Seen::Reset { client: CLIENT, kept: Some(Tid(1)) },
            Seen::Registered(CONN, Tid(2)),
            Seen::Invalidated(CONN, Tid(3), &[Oid(0), Oid(3)]),
            Seen::Asked { conn: CONN, request: &Request::GetInvalidations(Tid(1)) },
            Seen::Invalidated(CONN, Tid(4), &[Oid(0), Oid(4)]),
            Seen::Asked { conn: CONN, request: &Request::LoadBefore(Oid(0), Tid::MAX) },
            Seen::Invalidated(CONN, Tid(5), &[Oid(0), Oid(5)]),
        ];
        history(&mut checker, &books(), &window)?;
        history(&mut checker, &books(), seen)
    }

    #[test]
    fn what_was_kept_and_is_later_than_the_verified_tid_is_told_of() {
        let changes = [objects(3, &[0, 2, 3]), objects(4, &[0, 4]), objects(5, &[0, 5])];
        let told = changes.each_ref().map(|change| Seen::Changed { client: CLIENT, change });
        assert_eq!(after_a_window(&told), Ok(()));
        let all = Change::Everything { tid: Tid(5) };
        assert_eq!(after_a_window(&[Seen::Changed { client: CLIENT, change: &all }]), Ok(()));
    }

    #[test]
    fn what_was_kept_and_lost_is_caught_by_the_next_or_at_the_end() {
        let changes = [objects(3, &[0, 2, 3]), objects(5, &[0, 5])];
        let told = changes.each_ref().map(|change| Seen::Changed { client: CLIENT, change });
        assert!(after_a_window(&told).is_err());
        assert!(after_a_window(&[told[0].clone(), Seen::Quiet(&[])]).is_err());
    }
}
