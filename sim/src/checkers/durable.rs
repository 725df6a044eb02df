//! Promise 1: durable, then visible.

use super::{Checker, Seen};
use crate::ledger::Books;
use zeolith_core::ids::Tid;

/// No message shows a transaction that a power loss could still take away.
#[derive(Debug)]
pub struct DurableThenVisible;

impl Checker for DurableThenVisible {
    fn promise(&self) -> u32 {
        1
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        let Some((conn, shown)) = seen.shown() else { return Ok(()) };
        let ledger = books.of(conn.server);
        for tid in shown.into_iter().flatten().filter(|&tid| tid > Tid::ZERO) {
            if !ledger.durable.contains(&tid) {
                return Err(format!("{conn} is shown {tid} before it is durable"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CONN, books, history};
    use super::*;
    use zeolith_core::ids::Oid;

    #[test]
    fn showing_what_is_durable_is_good() {
        let good = [Seen::Registered(CONN, Tid::ZERO), Seen::Finished(CONN, Tid(5))];
        assert_eq!(history(&mut DurableThenVisible, &books(), &good), Ok(()));
    }

    #[test]
    fn every_way_of_showing_what_is_not_durable_is_caught() {
        let (conn, oid, before) = (CONN, Oid(1), Tid::MAX);
        for bad in [
            Seen::Registered(conn, Tid(6)),
            Seen::Invalidated(conn, Tid(6), &[]),
            Seen::Finished(conn, Tid(6)),
            Seen::Verified { conn, since: Tid(1), answer: Some((Tid(6), &[])) },
            Seen::Loaded { conn, oid, before, serial: Tid(6), until: None },
            Seen::Loaded { conn, oid, before, serial: Tid(1), until: Some(Tid(6)) },
        ] {
            assert!(history(&mut DurableThenVisible, &books(), &[bad]).is_err());
        }
    }
}
