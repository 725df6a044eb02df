//! Promise 12: lost finish reply.

use super::txns::Txns;
use super::{Checker, ConnName, Seen, ServerNo};
use crate::event::ClientId;
use crate::history::Asked;
use crate::ledger::{Attempt, Books};
use crate::log::Logged;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::{Answer, Call, Error};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;

/// The client re-verifies before any load; a commit is all or nothing, never applied twice, and what its caller is told of
/// it is true.
#[derive(Debug, Default)]
pub struct LostFinish {
    txns: Txns,
    /// What is in each server's log.
    logged: BTreeSet<(ServerNo, Attempt)>,
    /// Attempts whose callers were told that they left nothing.
    failed: BTreeSet<Attempt>,
    /// What each connection's server said of its last transaction.
    registered: BTreeMap<ConnName, Tid>,
    /// The last transaction that each client is at.
    last: BTreeMap<ClientId, Tid>,
}

/// Whether a caller that gets this error may rely on it that nothing was committed.
fn is_certain(error: &Error) -> bool {
    !matches!(error, Error::OutcomeUnknown(_) | Error::Closed | Error::NoTransaction)
}

impl LostFinish {
    fn on_logged(&mut self, server: ServerNo, transaction: &Logged, books: &Books) -> Result<(), String> {
        let Some(attempt) = transaction.attempt() else { return Ok(()) };
        let tid = transaction.tid;
        if self.failed.contains(&attempt) {
            return Err(format!("{tid} is committed, and its caller was told that it is not: {attempt:?}"));
        }
        if !self.logged.insert((server, attempt)) {
            return Err(format!("{attempt:?} is in the log twice"));
        }
        let stored = self.txns.finished(attempt).map(|txn| txn.changes(books.of(server)));
        let written: BTreeSet<Oid> = transaction.records.iter().map(|(oid, _)| *oid).collect();
        match stored {
            Some(stored) if stored != written => {
                Err(format!("{tid} was to change {stored:?}, and changed {written:?}"))
            }
            _ => Ok(()),
        }
    }

    fn on_answered(
        &mut self,
        asked: &Asked,
        result: &Result<Answer, Error>,
        books: &Books,
    ) -> Result<(), String> {
        let Some(attempt) = asked.attempt else { return Ok(()) };
        let mut committed = books.histories().filter_map(|history| history.committed(attempt));
        match result {
            Ok(Answer::Finished(finished)) => {
                let tid = finished.tid;
                if committed.all(|transaction| transaction.tid != tid) {
                    return Err(format!("{attempt:?} is said to be committed as {tid}, and is not"));
                }
            }
            Err(error) if matches!(asked.call, Call::Vote(_) | Call::Finish(_)) && is_certain(error) => {
                // One that an older backup took away has left nothing.
                if let Some(transaction) = books.of(ServerNo(0)).committed(attempt) {
                    let tid = transaction.tid;
                    return Err(format!(
                        "{attempt:?} is committed as {tid}, and its caller is told: {error}"
                    ));
                }
                self.failed.insert(attempt);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Checker for LostFinish {
    fn promise(&self) -> u32 {
        12
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        self.txns.note(seen);
        match *seen {
            Seen::Logged(server, transaction) => self.on_logged(server, transaction, books)?,
            Seen::Reopened(server, log) | Seen::Restored(server, log) => {
                self.logged.retain(|(other, _)| *other != server);
                self.logged.extend(log.iter().filter_map(Logged::attempt).map(|attempt| (server, attempt)));
            }
            Seen::Answered { call, result, .. } => self.on_answered(call, result, books)?,
            Seen::Registered(conn, last) => {
                self.registered.insert(conn, last);
            }
            Seen::Gone(conn) => {
                self.registered.remove(&conn);
            }
            // What a program sent before it ended may still arrive.
            Seen::Reset { client, kept } => {
                self.registered.retain(|conn, _| conn.client != client);
                self.last.remove(&client);
                self.last.extend(kept.map(|kept| (client, kept)));
            }
            Seen::State { clients } => {
                for (client, machine) in clients {
                    self.last.extend(machine.last_tid().map(|last| (*client, last)));
                }
            }
            Seen::Asked { conn, request: Request::LoadBefore(oid, _) } => {
                if let (Some(&registered), Some(&last)) =
                    (self.registered.get(&conn), self.last.get(&conn.client))
                    && last < registered
                {
                    return Err(format!(
                        "{conn} loads {oid} at {last}, before it has verified to {registered}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, SERVER, asked, attempt, books, history, ledger, logged};
    use super::super::txns::forged::{asks, begin, finish, store, vote};
    use super::*;
    use zeolith_core::client::Finished;

    fn told(number: u64, result: Result<Answer, Error>) -> Result<(), String> {
        let mut call = asked(Call::Vote(Box::default()));
        call.attempt = Some(attempt(number));
        let (mut checker, late) = (LostFinish::default(), logged(6));
        let answered = Seen::Answered { client: CLIENT, call: &call, result: &result };
        history(&mut checker, &books(), &[answered])?;
        let mut books = ledger();
        books.enter(logged(6));
        history(&mut checker, &Books::forged(books), &[Seen::Logged(SERVER, &late)])
    }

    fn finished(tid: u64) -> Result<Answer, Error> {
        Ok(Answer::Finished(Finished { tid: Tid(tid), changed: Vec::new() }))
    }

    #[test]
    fn a_true_answer_is_good_and_so_is_none() {
        assert_eq!(told(5, finished(5)), Ok(()));
        assert_eq!(told(7, Err(Error::Lost(String::new()))), Ok(()));
        assert_eq!(told(5, Err(Error::OutcomeUnknown(String::new()))), Ok(()));
    }

    #[test]
    fn an_untrue_answer_is_caught_now_or_later() {
        assert!(told(7, finished(5)).is_err());
        assert!(told(4, finished(5)).is_err());
        assert!(told(5, Err(Error::Lost(String::new()))).is_err());
        assert!(told(6, Err(Error::Lost(String::new()))).is_err());
    }

    fn written(stores: &[u64]) -> Result<(), String> {
        let data = attempt(5).data(Oid(0), 0);
        let mut requests = vec![begin()];
        requests.extend(stores.iter().map(|oid| store(*oid, 0, &data)));
        requests.extend([vote(), finish()]);
        let transaction = logged(5);
        let mut seen = asks(CONN, &requests);
        seen.push(Seen::Logged(SERVER, &transaction));
        history(&mut LostFinish::default(), &books(), &seen)
    }

    #[test]
    fn a_commit_as_a_whole_is_good() {
        assert_eq!(written(&[0, 5]), Ok(()));
    }

    #[test]
    fn a_part_of_a_commit_is_caught() {
        assert!(written(&[0, 5, 6]).is_err());
    }

    #[test]
    fn a_commit_that_is_there_twice_is_caught() {
        let mut twice = logged(5);
        twice.tid = Tid(6);
        let seen = [Seen::Reopened(SERVER, &[logged(5)]), Seen::Logged(SERVER, &twice)];
        assert!(history(&mut LostFinish::default(), &books(), &seen).is_err());
    }

    #[test]
    fn a_load_before_the_verification_is_caught() {
        let mut checker = LostFinish::default();
        checker.last.insert(CLIENT, Tid(3));
        let load = Seen::Asked { conn: CONN, request: &Request::LoadBefore(Oid(0), Tid::MAX) };
        let seen = [Seen::Registered(CONN, Tid(4)), load];
        assert!(history(&mut checker, &books(), &seen).is_err());
        checker.last.insert(CLIENT, Tid(4));
        assert_eq!(history(&mut checker, &books(), &seen), Ok(()));
    }
}
