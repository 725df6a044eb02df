//! Promise 13: locks.

use super::{Checker, Seen};
use crate::ledger::{Attempt, Ledger};
use std::collections::BTreeSet;

/// A transaction is in the log only if its client finished it, and once; and every waiter is served in the end.
#[derive(Debug, Default)]
pub struct Locks {
    logged: BTreeSet<Attempt>,
}

impl Checker for Locks {
    fn promise(&self) -> u32 {
        13
    }

    fn see(&mut self, seen: &Seen<'_>, ledger: &Ledger) -> Result<(), String> {
        match *seen {
            Seen::Logged(transaction) => {
                for (oid, data) in &transaction.records {
                    let attempt = Attempt::of(data).ok_or_else(|| format!("nobody wrote {oid} so"))?;
                    if !ledger.finish_sent.contains(&attempt) {
                        return Err(format!("{attempt:?} is in the log and was never finished"));
                    }
                }
                let attempt = transaction.records.first().and_then(|(_, data)| Attempt::of(data));
                if let Some(attempt) = attempt
                    && !self.logged.insert(attempt)
                {
                    return Err(format!("{attempt:?} is in the log twice"));
                }
            }
            Seen::Reopened(log) => {
                let first = log.iter().filter_map(|transaction| transaction.records.first());
                self.logged = first.filter_map(|(_, data)| Attempt::of(data)).collect();
            }
            Seen::Quiet([(client, waits), ..]) => {
                return Err(format!("client {} waits for ever {waits}", client.0));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{history, ledger, logged};
    use super::*;
    use crate::event::ClientId;

    fn finished(number: u64) -> Ledger {
        let mut ledger = ledger();
        ledger.finish_sent.insert(Attempt { client: ClientId(0), number });
        ledger
    }

    #[test]
    fn a_finished_transaction_in_the_log_is_good_once() {
        let (transaction, mut checker) = (logged(6), Locks::default());
        let seen = [Seen::Logged(&transaction)];
        assert_eq!(history(&mut checker, &finished(6), &seen), Ok(()));
        assert!(history(&mut checker, &finished(6), &seen).is_err());
    }

    #[test]
    fn a_transaction_nobody_finished_is_caught() {
        assert!(history(&mut Locks::default(), &finished(7), &[Seen::Logged(&logged(6))]).is_err());
    }

    #[test]
    fn a_client_that_waits_for_ever_is_caught() {
        let waiting = [(ClientId(1), "for its vote".to_owned())];
        assert!(history(&mut Locks::default(), &ledger(), &[Seen::Quiet(&waiting)]).is_err());
        assert_eq!(history(&mut Locks::default(), &ledger(), &[Seen::Quiet(&[])]), Ok(()));
    }
}
