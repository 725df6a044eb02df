//! Promise 6: own finish.

use super::told::Told;
use super::{Checker, Seen};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::BTreeMap;
use zeolith_core::client::{Answer, Change};
use zeolith_core::ids::Tid;

/// Every invalidate(T′ < T) precedes the finish reply for T; setting last tid and the callback are one step.
#[derive(Debug, Default)]
pub struct OwnFinish {
    told: Told,
    /// The last transaction that each client told its callers of.
    changed: BTreeMap<ClientId, Tid>,
}

impl Checker for OwnFinish {
    fn promise(&self) -> u32 {
        6
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Finished(conn, tid) => {
                let ledger = books.of(conn.server);
                match self.told.on(conn) {
                    None => return Err(format!("{conn} has finished {tid} and is not registered")),
                    Some(told) if tid <= told => {
                        return Err(format!("{conn} is told that it finished {tid} after {told}"));
                    }
                    Some(_) => {}
                }
                if let Some(missed) = self.told.missed(conn, tid, ledger) {
                    return Err(format!(
                        "{conn} is told that it finished {tid} before it is told of {missed}"
                    ));
                }
            }
            Seen::Changed { client, change: Change::Objects { tid, .. } | Change::Everything { tid } } => {
                self.changed.insert(client, *tid);
            }
            Seen::Reset { client, .. } => {
                self.changed.remove(&client);
            }
            Seen::Answered { client, result: Ok(Answer::Finished(finished)), .. } => {
                let (tid, changed) = (finished.tid, self.changed.get(&client).copied());
                if changed.is_none_or(|changed| changed < tid) {
                    let changed = changed.map_or("nothing".to_owned(), |changed| changed.to_string());
                    return Err(format!(
                        "client {} answers that {tid} is committed, and has told of {changed}",
                        client.0
                    ));
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
    use super::super::forged::{CLIENT, CONN, asked, books, history, objects};
    use super::*;
    use zeolith_core::client::{Call, Finished};
    use zeolith_core::ids::Oid;

    fn judged(seen: &[Seen<'_>]) -> Result<(), String> {
        let mut checker = OwnFinish::default();
        history(&mut checker, &books(), &[Seen::Registered(CONN, Tid(3))])?;
        history(&mut checker, &books(), seen)
    }

    #[test]
    fn a_finish_behind_everything_before_it_is_good() {
        let call = asked(Call::Vote(Box::default()));
        let result = Ok(Answer::Finished(Finished { tid: Tid(5), changed: Vec::new() }));
        let seen = [
            Seen::Invalidated(CONN, Tid(4), &[Oid(4), Oid(0)]),
            Seen::Finished(CONN, Tid(5)),
            Seen::Changed { client: CLIENT, change: &objects(5, &[5, 0]) },
            Seen::Answered { client: CLIENT, call: &call, result: &result },
        ];
        assert_eq!(judged(&seen), Ok(()));
    }

    #[test]
    fn a_finish_before_an_invalidation_is_caught() {
        assert!(judged(&[Seen::Finished(CONN, Tid(5))]).is_err());
        assert!(judged(&[Seen::Finished(CONN, Tid(3))]).is_err());
        assert!(judged(&[Seen::Gone(CONN), Seen::Finished(CONN, Tid(4))]).is_err());
    }

    #[test]
    fn an_answer_without_its_callback_is_caught() {
        let call = asked(Call::Vote(Box::default()));
        let result = Ok(Answer::Finished(Finished { tid: Tid(5), changed: Vec::new() }));
        let answered = Seen::Answered { client: CLIENT, call: &call, result: &result };
        assert!(judged(std::slice::from_ref(&answered)).is_err());
        assert!(judged(&[Seen::Changed { client: CLIENT, change: &objects(4, &[4, 0]) }, answered]).is_err());
    }
}
