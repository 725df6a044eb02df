//! Promise 22: new oids.

use super::{Checker, Seen, ServerNo};
use crate::ledger::Books;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::ids::Oid;

/// An oid that is given out as new is in no transaction of the log, and was not given out before in the server's life. After a
/// start nobody knows of what a pack took out altogether.
#[derive(Debug, Default)]
pub struct NewOids {
    given: BTreeMap<ServerNo, BTreeSet<Oid>>,
}

impl Checker for NewOids {
    fn promise(&self) -> u32 {
        22
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::NewOids(conn, oids) => {
                let given = self.given.entry(conn.server).or_default();
                for &oid in oids {
                    if !given.insert(oid) {
                        return Err(format!("{conn} is given {oid} as new, which was given out before"));
                    }
                    if books.of(conn.server).first_left(oid).is_some() {
                        return Err(format!("{conn} is given {oid} as new, which is an object"));
                    }
                }
            }
            // What was given out and not stored is forgotten.
            Seen::Reopened(server, _) => {
                self.given.remove(&server);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CONN, SERVER, books, conn, history};
    use super::*;

    fn given(seen: &[Seen<'_>]) -> Result<(), String> {
        history(&mut NewOids::default(), &books(), seen)
    }

    #[test]
    fn oids_that_nobody_has_are_good_and_after_a_start_again() {
        let (one, two) = ([Oid(6), Oid(7)], [Oid(8)]);
        let (one, two) = (Seen::NewOids(CONN, &one), Seen::NewOids(conn(1, 9), &two));
        assert_eq!(given(&[one.clone(), two, Seen::Reopened(SERVER, &[]), one]), Ok(()));
    }

    #[test]
    fn oids_that_somebody_has_are_caught() {
        let (one, two) = ([Oid(6), Oid(7)], [Oid(7)]);
        assert!(given(&[Seen::NewOids(CONN, &one), Seen::NewOids(conn(1, 9), &two)]).is_err());
        assert!(given(&[Seen::NewOids(CONN, &[Oid(4)])]).is_err());
    }
}
