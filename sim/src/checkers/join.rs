//! Promise 8: join and leave.

use super::told::Told;
use super::{Checker, ConnName, Seen, ServerNo};
use crate::ledger::Books;
use std::collections::BTreeMap;

/// Others' coming and going never makes a connection miss a transaction.
#[derive(Debug, Default)]
pub struct JoinAndLeave {
    told: Told,
    /// For each connection, who came or went last.
    moved: BTreeMap<ConnName, String>,
    /// Who went last from each server: what it had under way may come later than who came meanwhile.
    went: BTreeMap<ServerNo, String>,
}

impl JoinAndLeave {
    fn moves(&mut self, who: ConnName, how: &str) {
        for (conn, _) in self.told.all().filter(|(conn, _)| *conn != who && conn.server == who.server) {
            self.moved.insert(conn, format!("{who} {how}"));
        }
    }
}

impl Checker for JoinAndLeave {
    fn promise(&self) -> u32 {
        8
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, _) => {
                self.moves(conn, "came");
                self.moved.extend(self.went.get(&conn.server).map(|went| (conn, went.clone())));
            }
            Seen::Gone(conn) if self.told.on(conn).is_some() => {
                self.moves(conn, "went");
                self.moved.remove(&conn);
                self.went.insert(conn.server, format!("{conn} went"));
            }
            Seen::Invalidated(conn, tid, _) | Seen::Finished(conn, tid) => {
                if let Some(moved) = self.moved.get(&conn)
                    && let Some(missed) = self.told.missed(conn, tid, books.of(conn.server))
                {
                    return Err(format!("{conn} is told of {tid}, and never of {missed}, since {moved}"));
                }
            }
            Seen::Loaded { conn, oid, serial, .. } => {
                if let (Some(moved), Some(told)) = (self.moved.get(&conn), self.told.on(conn))
                    && told < serial
                {
                    return Err(format!(
                        "{conn} is given {serial} of {oid}, and never told of it, since {moved}"
                    ));
                }
            }
            Seen::Quiet(_) => {
                for (conn, told) in self.told.all() {
                    let last = books.of(conn.server).last();
                    if let Some(moved) = self.moved.get(&conn)
                        && told < last
                    {
                        return Err(format!(
                            "{conn} was told up to {told}, the last one is {last}, since {moved}"
                        ));
                    }
                }
            }
            _ => {}
        }
        self.told.note(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CONN, books, conn, history};
    use super::*;
    use zeolith_core::ids::{Oid, Tid};

    fn with_another(seen: &[Seen<'_>]) -> Result<(), String> {
        let other = conn(1, 2);
        let mut checker = JoinAndLeave::default();
        let begin = [Seen::Registered(CONN, Tid(2)), Seen::Registered(other, Tid(2)), Seen::Gone(other)];
        history(&mut checker, &books(), &begin)?;
        history(&mut checker, &books(), seen)
    }

    #[test]
    fn being_told_everything_whoever_goes_is_good() {
        let seen = [
            Seen::Invalidated(CONN, Tid(3), &[Oid(0), Oid(3)]),
            Seen::Invalidated(CONN, Tid(4), &[Oid(0), Oid(4)]),
            Seen::Finished(CONN, Tid(5)),
            Seen::Quiet(&[]),
        ];
        assert_eq!(with_another(&seen), Ok(()));
    }

    #[test]
    fn a_transaction_missed_while_somebody_went_is_caught() {
        assert!(with_another(&[Seen::Invalidated(CONN, Tid(4), &[Oid(0), Oid(4)])]).is_err());
        assert!(with_another(&[Seen::Finished(CONN, Tid(4))]).is_err());
        let (oid, before, serial, until) = (Oid(3), Tid::MAX, Tid(3), None);
        assert!(with_another(&[Seen::Loaded { conn: CONN, oid, before, serial, until }]).is_err());
        assert!(with_another(&[Seen::Quiet(&[])]).is_err());
    }

    #[test]
    fn a_transaction_missed_while_nobody_moved_is_for_others_to_catch() {
        let alone = [Seen::Registered(CONN, Tid(2)), Seen::Invalidated(CONN, Tid(4), &[Oid(0), Oid(4)])];
        assert_eq!(history(&mut JoinAndLeave::default(), &books(), &alone), Ok(()));
    }
}
