//! Promise 10: behind or diverged.

use super::{Checker, ConnName, Seen, ServerNo};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::BTreeMap;
use zeolith_core::ids::Tid;

/// A client whose last tid the server does not know never keeps its cache as valid.
#[derive(Debug, Default)]
pub struct BehindOrDiverged {
    /// The connections that each client is registered on.
    conns: BTreeMap<ClientId, Vec<ConnName>>,
}

impl BehindOrDiverged {
    /// A client that answers questions is at a transaction of its server.
    fn on_ready(&self, client: ClientId, at: ServerNo, last: Tid, books: &Books) -> Result<(), String> {
        let mut conns = self.conns.get(&client).into_iter().flatten();
        // What is on its way to a client of a server that died is not known to be lost yet.
        if conns.any(|conn| conn.server == at) && !books.of(at).knows(last) {
            return Err(format!(
                "client {} trusts its cache as of {last}, which its server does not know",
                client.0
            ));
        }
        Ok(())
    }
}

impl Checker for BehindOrDiverged {
    fn promise(&self) -> u32 {
        10
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, _) => self.conns.entry(conn.client).or_default().push(conn),
            Seen::Gone(conn) => {
                self.conns.entry(conn.client).or_default().retain(|other| *other != conn);
            }
            Seen::Verified { conn, since, answer: Some((upto, _)) } => {
                let ledger = books.of(conn.server);
                if since == Tid::ZERO || !ledger.knows(since) {
                    return Err(format!(
                        "{conn} asks what changed since {since}, which is no transaction of this history, \
                         and is told up to {upto}"
                    ));
                }
            }
            Seen::State { clients } => {
                for (client, machine) in clients {
                    if let (Some(server), Some(last)) = (machine.server(), machine.cache().last_tid()) {
                        self.on_ready(*client, ServerNo(server.0), last, books)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, books, history};
    use super::*;

    fn verified(since: u64, answer: Option<(Tid, &[zeolith_core::ids::Oid])>) -> Result<(), String> {
        let seen = Seen::Verified { conn: CONN, since: Tid(since), answer };
        history(&mut BehindOrDiverged::default(), &books(), &[seen])
    }

    #[test]
    fn an_answer_since_a_transaction_of_this_history_is_good() {
        assert_eq!(verified(3, Some((Tid(5), &[]))), Ok(()));
        assert_eq!(verified(9, None), Ok(()));
    }

    #[test]
    fn an_answer_since_a_transaction_of_another_history_is_caught() {
        assert!(verified(9, Some((Tid(5), &[]))).is_err());
        assert!(verified(0, Some((Tid(5), &[]))).is_err());
    }

    #[test]
    fn a_client_that_trusts_a_cache_its_server_knows_nothing_of_is_caught() {
        let mut checker = BehindOrDiverged::default();
        assert_eq!(checker.on_ready(CLIENT, ServerNo(0), Tid(9), &books()), Ok(()), "it has no server");
        assert_eq!(history(&mut checker, &books(), &[Seen::Registered(CONN, Tid(5))]), Ok(()));
        assert_eq!(checker.on_ready(CLIENT, ServerNo(0), Tid(4), &books()), Ok(()));
        assert!(checker.on_ready(CLIENT, ServerNo(0), Tid(9), &books()).is_err());
    }
}
