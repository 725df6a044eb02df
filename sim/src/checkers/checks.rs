//! Promise 18: read checks.

use super::txns::Txns;
use super::{Checker, Seen};
use crate::ledger::Books;

/// A commit that carried a read check succeeds only if the serial still held at vote, and holds until finish.
#[derive(Debug, Default)]
pub struct ReadChecks {
    txns: Txns,
}

impl Checker for ReadChecks {
    fn promise(&self) -> u32 {
        18
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        self.txns.note(seen);
        let Seen::Logged(server, transaction) = *seen else { return Ok(()) };
        let Some(txn) = transaction.attempt().and_then(|attempt| self.txns.finished(attempt)) else {
            return Ok(());
        };
        let tid = transaction.tid;
        for (&oid, &serial) in &txn.checks {
            let current = books.of(server).serial_before(oid, tid);
            if current != Some(serial) {
                return Err(format!("{tid} is committed on {serial} of {oid}, when {current:?} is current"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CONN, SERVER, attempt, books, history, logged};
    use super::super::txns::forged::{asks, begin, check, finish, store, vote};
    use super::*;
    use zeolith_core::ids::Oid;

    fn committed_on(oid: u64, serial: u64) -> Result<(), String> {
        let data = attempt(5).data(Oid(5), 0);
        let asked = [begin(), store(5, 0, &data), check(oid, serial), vote(), finish()];
        let transaction = logged(5);
        let mut seen = asks(CONN, &asked);
        seen.push(Seen::Logged(SERVER, &transaction));
        history(&mut ReadChecks::default(), &books(), &seen)
    }

    #[test]
    fn a_commit_on_what_is_still_current_is_good() {
        assert_eq!(committed_on(3, 3), Ok(()));
        assert_eq!(committed_on(0, 4), Ok(()));
    }

    #[test]
    fn a_commit_on_what_was_changed_meanwhile_is_caught() {
        assert!(committed_on(0, 3).is_err());
        assert!(committed_on(9, 1).is_err());
    }
}
