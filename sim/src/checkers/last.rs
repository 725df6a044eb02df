//! Promise 5: last transaction.

use super::{Checker, Seen, ServerNo};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::BTreeMap;
use zeolith_core::client::Change;
use zeolith_core::ids::Tid;

/// A reader sees last tid ≥ T only after T's invalidations were applied. It never falls, on server or client.
#[derive(Debug, Default)]
pub struct LastTransaction {
    /// The last transaction that each server showed anybody.
    servers: BTreeMap<ServerNo, Tid>,
    /// The last transaction that each client's callers know of.
    clients: BTreeMap<ClientId, Tid>,
}

impl LastTransaction {
    fn on_change(&mut self, client: ClientId, change: &Change, books: &Books) -> Result<(), String> {
        let (tid, rises) = match *change {
            Change::Objects { tid, .. } => (tid, self.clients.get(&client).is_none_or(|&last| last < tid)),
            // A client may be told to put up with a server that is behind.
            Change::Everything { tid } => {
                let behind = |last| books.histories().any(|history| history.last() < last);
                (tid, self.clients.get(&client).is_none_or(|&last| last <= tid || behind(last)))
            }
        };
        let last = self.clients.insert(client, tid).unwrap_or_default();
        if rises { Ok(()) } else { Err(format!("client {} tells of {tid} after {last}", client.0)) }
    }

    fn on_state(&mut self, client: ClientId, last: Option<Tid>) -> Result<(), String> {
        let Some(last) = last else { return Ok(()) };
        // What a client begins with is told to nobody.
        let told = *self.clients.entry(client).or_insert(last);
        if told == last {
            Ok(())
        } else {
            Err(format!("client {} is at {last}, and told its callers of {told}", client.0))
        }
    }
}

impl Checker for LastTransaction {
    fn promise(&self) -> u32 {
        5
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        if let Some((conn, [Some(tid), None])) = seen.shown()
            && !matches!(seen, Seen::Loaded { .. })
        {
            let last = self.servers.entry(conn.server).or_default();
            if tid < *last {
                return Err(format!("the last transaction falls to {tid}, {conn} learns; it was {last}"));
            }
            *last = tid;
        }
        match *seen {
            Seen::Packed { server, log, .. } => {
                let (last, left) = (books.of(server).last(), log.last().map(|transaction| transaction.tid));
                if left != Some(last) {
                    return Err(format!("the last transaction is {left:?} after a pack; it was {last}"));
                }
            }
            Seen::Restored(server, _) => {
                self.servers.remove(&server);
            }
            Seen::Changed { client, change } => self.on_change(client, change, books)?,
            Seen::Reset { client, kept } => {
                self.clients.remove(&client);
                self.clients.extend(kept.map(|kept| (client, kept)));
            }
            Seen::State { clients } => {
                for (client, machine) in clients {
                    self.on_state(*client, machine.last_tid())?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, SERVER, books, conn, history, logged, objects};
    use super::*;

    fn judged(seen: &[Seen<'_>]) -> Result<(), String> {
        history(&mut LastTransaction::default(), &books(), seen)
    }

    #[test]
    fn a_last_transaction_that_rises_is_good() {
        let seen = [
            Seen::Registered(CONN, Tid(3)),
            Seen::Invalidated(CONN, Tid(4), &[]),
            Seen::Registered(conn(1, 2), Tid(4)),
            Seen::Changed { client: CLIENT, change: &objects(4, &[4, 0]) },
            Seen::Changed { client: CLIENT, change: &Change::Everything { tid: Tid(4) } },
        ];
        assert_eq!(judged(&seen), Ok(()));
    }

    #[test]
    fn one_that_falls_on_a_server_is_caught_unless_a_backup_was_put_back() {
        let (high, low) = (Seen::Finished(CONN, Tid(4)), Seen::Registered(conn(1, 2), Tid(3)));
        assert!(judged(&[high.clone(), low.clone()]).is_err());
        assert_eq!(judged(&[high, Seen::Restored(SERVER, &[]), low]), Ok(()));
    }

    #[test]
    fn one_that_falls_in_a_pack_is_caught() {
        let packed = |left: u64| {
            let log: Vec<_> = (3..=left).map(logged).collect();
            judged(&[Seen::Packed { server: SERVER, log: &log, stop: Tid(4), gc: true }])
        };
        assert_eq!(packed(5), Ok(()));
        assert!(packed(4).is_err() && packed(2).is_err());
    }

    #[test]
    fn one_that_falls_on_a_client_is_caught() {
        let begin = Seen::Reset { client: CLIENT, kept: Some(Tid(5)) };
        for change in [objects(4, &[4, 0]), objects(5, &[5, 0]), Change::Everything { tid: Tid(4) }] {
            assert!(judged(&[begin.clone(), Seen::Changed { client: CLIENT, change: &change }]).is_err());
        }
    }

    #[test]
    fn a_client_ahead_of_what_it_told_is_caught() {
        let mut checker = LastTransaction::default();
        assert_eq!(checker.on_state(CLIENT, None), Ok(()));
        assert_eq!(checker.on_state(CLIENT, Some(Tid(3))), Ok(()));
        assert_eq!(checker.on_change(CLIENT, &objects(4, &[4, 0]), &books()), Ok(()));
        assert_eq!(checker.on_state(CLIENT, Some(Tid(4))), Ok(()));
        assert!(checker.on_state(CLIENT, Some(Tid(5))).is_err());
    }
}
