//! Promise 13: locks.

use super::txns::{Stage, Txns};
use super::{Checker, ConnName, Seen};
use crate::ledger::Books;
use zeolith_core::ids::Tid;

/// Nobody has a lock that another has: from the first answered vote to the end; a transaction is in the log only if its
/// client finished it, and over the revisions it was based on; and every vote is answered in the end.
#[derive(Debug, Default)]
pub struct Locks {
    txns: Txns,
}

impl Locks {
    /// The connection has just been told that it has its locks.
    fn on_voted(&self, conn: ConnName, books: &Books) -> Result<(), String> {
        let Some(txn) = self.txns.on(conn) else { return Ok(()) };
        let history = books.of(conn.server);
        let changes = txn.changes(history);
        for (other, held) in self.txns.open() {
            if other == conn || other.server != conn.server || !held.locked {
                continue;
            }
            if txn.whole || held.whole {
                return Err(format!("{conn} and {other} have locks, and one of them that of the storage"));
            }
            let theirs = held.changes(history);
            let both = changes.iter().find(|oid| theirs.contains(oid) || held.checks.contains_key(oid));
            if let Some(oid) = both {
                return Err(format!("{conn} has the lock of {oid}, and so has {other}"));
            }
        }
        Ok(())
    }
}

impl Checker for Locks {
    fn promise(&self) -> u32 {
        13
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        self.txns.note(seen);
        match *seen {
            Seen::Voted { conn, .. } => self.on_voted(conn, books),
            Seen::Logged(server, transaction) => {
                let tid = transaction.tid;
                let attempt = transaction.attempt().ok_or_else(|| format!("{tid} is nobody's"))?;
                if !books.finish_sent.contains(&attempt) {
                    return Err(format!("{attempt:?} is in the log and was never finished"));
                }
                for (oid, _) in &transaction.records {
                    let stored = self.txns.finished(attempt).and_then(|txn| txn.stores.get(oid));
                    let ledger = books.of(server);
                    let current = ledger.serial_before(*oid, tid);
                    // What was taken away may be made anew; and of what a pack took out, nobody knows what it was.
                    let is_anew = |base, current| {
                        ledger.is_gone(*oid, current)
                            || (base == Tid::ZERO && ledger.is_deleted(*oid, current))
                    };
                    if let (Some(&base), Some(current)) = (stored, current)
                        && base != current
                        && !is_anew(base, current)
                    {
                        return Err(format!("{tid} changes {oid} over {base}, and {current} is lost"));
                    }
                }
                Ok(())
            }
            Seen::Left { locks: [first, ..], .. } => Err(format!("nobody waits, and {first}")),
            Seen::Quiet(_) => match self.txns.open().find(|(_, txn)| txn.stage == Stage::Voting) {
                Some((conn, _)) => Err(format!("a vote of {conn} waits for ever")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, SERVER, attempt, books, conn, history, logged};
    use super::super::txns::forged::{abort, asks, begin, check, finish, store, vote};
    use super::*;
    use crate::ledger::Attempt;
    use zeolith_core::ids::Oid;
    use zeolith_core::wire::call::Request;

    fn judged(seen: &[Seen<'_>]) -> Result<(), String> {
        let mut books = books();
        books.finish_sent.insert(Attempt { client: CLIENT, number: 5 });
        history(&mut Locks::default(), &books, seen)
    }

    /// Another connection has its locks of 1 and 2, and goes on as told; then this one votes on object 1 and has them.
    fn after_another(end: &[Request<'_>]) -> Result<(), String> {
        let (other, data) = (conn(1, 2), attempt(9).data(Oid(1), 0));
        let asked = [begin(), store(1, 1, &data), check(2, 2), vote()];
        let mut seen = asks(other, &asked);
        seen.push(Seen::Voted { conn: other, conflicts: &[Oid(1)] });
        seen.extend(asks(other, end));
        let asked = [begin(), store(1, 1, &data), store(2, 2, &data), vote()];
        seen.extend(asks(CONN, &asked));
        seen.push(Seen::Voted { conn: CONN, conflicts: &[] });
        judged(&seen)
    }

    #[test]
    fn a_lock_that_was_given_up_is_good() {
        assert_eq!(after_another(&[abort()]), Ok(()));
    }

    #[test]
    fn a_lock_that_two_have_is_caught_between_rounds_too() {
        assert!(after_another(&[]).is_err());
        assert!(after_another(&[vote()]).is_err());
    }

    fn committed(number: u64, base: u64) -> Result<(), String> {
        let (data, transaction) = (attempt(5).data(Oid(0), 0), logged(number));
        let asked = [begin(), store(0, base, &data), store(5, 0, &data), vote(), finish()];
        let mut seen = asks(CONN, &asked);
        seen.push(Seen::Logged(SERVER, &transaction));
        judged(&seen)
    }

    #[test]
    fn a_finished_transaction_over_what_was_current_is_good() {
        assert_eq!(committed(5, 4), Ok(()));
    }

    #[test]
    fn a_lost_update_is_caught() {
        assert!(committed(5, 3).is_err());
    }

    #[test]
    fn a_transaction_nobody_finished_is_caught() {
        assert!(committed(4, 3).is_err());
    }

    #[test]
    fn a_lock_that_is_left_behind_is_caught() {
        let left = |locks: &[String]| judged(&[Seen::Left { locks, rest: &[] }]);
        assert_eq!(left(&[]), Ok(()));
        assert!(left(&["connection 1 has locks".to_owned()]).is_err());
    }

    #[test]
    fn a_vote_that_waits_for_ever_is_caught() {
        let asked = [begin(), vote()];
        let mut seen = asks(CONN, &asked);
        seen.push(Seen::Quiet(&[]));
        assert!(judged(&seen).is_err());
        seen.insert(2, Seen::Refused { conn: CONN, method: "vote", class: "x" });
        assert_eq!(judged(&seen), Ok(()));
    }
}
