//! Promise 19: nothing lost.

use super::{Checker, Seen};
use crate::ledger::Books;

/// After a recovery the log holds a prefix of what was finished, with everything that was shown to anybody.
#[derive(Debug)]
pub struct NothingLost;

impl Checker for NothingLost {
    fn promise(&self) -> u32 {
        19
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        let Seen::Reopened(server, log) = *seen else { return Ok(()) };
        let ledger = books.of(server);
        for (at, transaction) in log.iter().enumerate() {
            if ledger.logged.get(at) != Some(transaction) {
                return Err(format!("transaction {} in the log was never written so", transaction.tid));
            }
        }
        let lost = ledger.logged[log.len()..].iter().find(|lost| ledger.shown.contains(&lost.tid));
        lost.map_or(Ok(()), |lost| Err(format!("{} was acknowledged and is gone", lost.tid)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{SERVER, books, history, ledger, logged};
    use super::*;
    use zeolith_core::ids::Tid;

    fn reopened(shown: u64, log: &[u64]) -> Result<(), String> {
        let mut ledger = ledger();
        ledger.shown = (1..=shown).map(Tid).collect();
        let log: Vec<_> = log.iter().map(|&n| logged(n)).collect();
        history(&mut NothingLost, &Books::forged(ledger), &[Seen::Reopened(SERVER, &log)])
    }

    #[test]
    fn a_prefix_with_everything_that_was_shown_is_good() {
        assert_eq!(reopened(3, &[1, 2, 3]), Ok(()));
        assert_eq!(reopened(3, &[1, 2, 3, 4, 5]), Ok(()));
        assert_eq!(reopened(0, &[]), Ok(()));
    }

    #[test]
    fn an_acknowledged_transaction_that_is_gone_is_caught() {
        assert!(reopened(3, &[1, 2]).is_err());
    }

    #[test]
    fn a_log_that_is_no_prefix_is_caught() {
        assert!(reopened(0, &[1, 3]).is_err());
        assert!(reopened(0, &[2]).is_err());
    }

    #[test]
    fn changed_data_is_caught() {
        let mut changed = logged(1);
        changed.records[0].1.push(b'!');
        assert!(history(&mut NothingLost, &books(), &[Seen::Reopened(SERVER, &[changed])]).is_err());
    }
}
