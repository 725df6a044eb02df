//! Promise 19: nothing lost.

use super::{Checker, Seen};
use crate::ledger::{Books, Ledger};
use crate::log::Logged;

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
        let mut log = log.iter().peekable();
        for logged in &ledger.logged {
            let tid = logged.tid;
            match log.next_if(|transaction| transaction.tid == tid) {
                Some(transaction) if is_left_of(transaction, logged, ledger) => {}
                Some(_) => return Err(format!("transaction {tid} in the log was never written so")),
                // What a pack has left nothing of need not be there.
                None if log.peek().is_some() && is_packed(logged, ledger) => {}
                None if ledger.shown.contains(&tid) => {
                    return Err(format!("{tid} was acknowledged and is gone"));
                }
                None if log.peek().is_some() => {
                    return Err(format!("{tid} is not in the log, and what followed it is"));
                }
                None => {}
            }
        }
        match log.next() {
            Some(transaction) => {
                Err(format!("transaction {} in the log was never written so", transaction.tid))
            }
            None => Ok(()),
        }
    }
}

/// Whether a pack has taken out all that a transaction wrote.
fn is_packed(logged: &Logged, ledger: &Ledger) -> bool {
    logged.records.iter().all(|(oid, _)| ledger.is_gone(*oid, logged.tid))
}

/// Whether a transaction has all the records that it was written with, but for those that a pack took out. After a power loss
/// these may be there again.
fn is_left_of(transaction: &Logged, logged: &Logged, ledger: &Ledger) -> bool {
    let mut records = transaction.records.iter().peekable();
    let has_all = logged.records.iter().all(|record| {
        records.next_if(|other| *other == record).is_some() || ledger.is_gone(record.0, logged.tid)
    });
    has_all && records.next().is_none() && transaction.description == logged.description
}

#[cfg(test)]
mod tests {
    use super::super::forged::{SERVER, books, history, ledger, logged};
    use super::*;
    use zeolith_core::ids::{Oid, Tid};

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
    fn what_a_pack_took_out_may_be_missing_and_nothing_else() {
        let mut ledger = ledger();
        for (oid, tid) in [(0, 1), (1, 1), (0, 2)] {
            ledger.forge_gone(Oid(oid), Tid(tid));
        }
        let books = Books::forged(ledger);
        let reopened = |log: &[_]| history(&mut NothingLost, &books, &[Seen::Reopened(SERVER, log)]);
        let log: Vec<_> = (1..=5).map(logged).collect();
        let mut packed = log[1..].to_vec();
        packed[0].records.remove(0);
        assert_eq!(reopened(&packed), Ok(()));
        assert_eq!(reopened(&log), Ok(()), "a power loss may bring it back");
        let mut more = packed.clone();
        more[1].records.remove(0);
        assert!(reopened(&more).is_err());
        packed.remove(1);
        assert!(reopened(&packed).is_err() && reopened(&packed[..1]).is_err());
    }

    #[test]
    fn changed_data_is_caught() {
        let mut changed = logged(1);
        changed.records[0].1.push(b'!');
        assert!(history(&mut NothingLost, &books(), &[Seen::Reopened(SERVER, &[changed])]).is_err());
    }
}
