//! Promise 1: durable, then visible.

use super::{Checker, Seen};
use crate::ledger::{Books, Ledger};
use zeolith_core::client::Answer;
use zeolith_core::ids::Tid;
use zeolith_core::store::{CopiedRecord, CopiedTransaction};

/// No message shows a transaction that a power loss could still take away.
#[derive(Debug)]
pub struct DurableThenVisible;

/// Whether a transaction of an iteration stands so in the log, with all its records.
fn is_in(history: &Ledger, given: &CopiedTransaction) -> bool {
    let Ok(at) = history.logged.binary_search_by_key(&given.tid, |logged| logged.tid) else { return false };
    let data = |record: &CopiedRecord| (record.oid, record.data.as_deref().unwrap_or_default().to_vec());
    let mut given = given.records.iter().map(data).peekable();
    // What a pack took out may have been given before.
    let has_all = history.logged[at].records.iter().all(|record| {
        given.next_if(|given| given == record).is_some() || history.was_gone(record.0, history.logged[at].tid)
    });
    has_all && given.next().is_none()
}

impl Checker for DurableThenVisible {
    fn promise(&self) -> u32 {
        1
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        if let Seen::Answered { client, result: Ok(Answer::Transaction(Some(given))), .. } = seen {
            return match books.histories().any(|history| is_in(history, given)) {
                true => Ok(()),
                false => {
                    Err(format!("client {} is given a transaction {} that is not so", client.0, given.tid))
                }
            };
        }
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
    use super::super::forged::{CLIENT, CONN, asked, attempt, books, history};
    use super::*;
    use zeolith_core::client::Call;
    use zeolith_core::ids::Oid;

    #[test]
    fn showing_what_is_durable_is_good() {
        let good = [Seen::Registered(CONN, Tid::ZERO), Seen::Finished(CONN, Tid(5))];
        assert_eq!(history(&mut DurableThenVisible, &books(), &good), Ok(()));
    }

    #[test]
    fn a_transaction_of_an_iteration_is_given_as_it_is_in_the_log() {
        let record = |oid: u64| CopiedRecord {
            oid: Oid(oid),
            serial: Tid(4),
            data: Some(attempt(4).data(Oid(oid), 0).into()),
            same_as: None,
        };
        let given = |tid: u64, records: Vec<CopiedRecord>| {
            let (user, description, extension) = Default::default();
            let given =
                CopiedTransaction { tid: Tid(tid), status: b' ', user, description, extension, records };
            let result = Ok(Answer::Transaction(Some(Box::new(given))));
            let call = asked(Call::Ready);
            let seen = [Seen::Answered { client: CLIENT, call: &call, result: &result }];
            history(&mut DurableThenVisible, &books(), &seen)
        };
        assert_eq!(given(4, vec![record(0), record(4)]), Ok(()));
        assert!(given(4, vec![record(0)]).is_err(), "a record is missing");
        assert!(given(6, vec![record(0), record(4)]).is_err(), "nobody committed it");
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
