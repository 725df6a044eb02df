//! Promise 11: reconnect.

use super::{Checker, Seen};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::Change;
use zeolith_core::ids::{Oid, Tid};

/// The next transaction starts after the verified tid, with object caches dropped where they may be stale: a verification
/// names all that changed, and the client tells its callers of all of it.
#[derive(Debug, Default)]
pub struct Reconnect {
    /// From where to where each client was verified last, and what it has to tell.
    verified: BTreeMap<ClientId, (Tid, Tid, BTreeSet<Oid>)>,
    /// The last transaction that each client told its callers of.
    changed: BTreeMap<ClientId, Tid>,
}

impl Checker for Reconnect {
    fn promise(&self) -> u32 {
        11
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Verified { conn, since, answer: Some((upto, oids)) } => {
                let changed = books.of(conn.server).changed_within(since, upto);
                let named: BTreeSet<Oid> = oids.iter().copied().collect();
                if changed != named {
                    return Err(format!(
                        "behind {since} up to {upto} changed {changed:?}, {conn} is told {named:?}"
                    ));
                }
                self.verified.insert(conn.client, (since, upto, named));
            }
            Seen::Changed { client, change: Change::Everything { tid } } => {
                self.changed.insert(client, *tid);
            }
            Seen::Changed { client, change: Change::Objects { tid, oids } } => {
                let last = self.changed.insert(client, *tid);
                if let Some((since, upto, changed)) = self.verified.get(&client)
                    && (Some(*since), *upto) == (last, *tid)
                    && let Some(kept) = changed.iter().find(|oid| !oids.contains(oid))
                {
                    return Err(format!(
                        "client {} is verified from {since} to {upto}, and says nothing of {kept}",
                        client.0
                    ));
                }
            }
            Seen::Reset { client, kept } => {
                self.changed.remove(&client);
                self.changed.extend(kept.map(|kept| (client, kept)));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, books, history, objects};
    use super::*;

    fn verified(oids: &[u64], told: &Change) -> Result<(), String> {
        let oids: Vec<Oid> = oids.iter().copied().map(Oid).collect();
        let seen = [
            Seen::Reset { client: CLIENT, kept: Some(Tid(2)) },
            Seen::Verified { conn: CONN, since: Tid(2), answer: Some((Tid(4), &oids)) },
            Seen::Changed { client: CLIENT, change: told },
        ];
        history(&mut Reconnect::default(), &books(), &seen)
    }

    #[test]
    fn a_verification_that_names_all_and_is_passed_on_is_good() {
        assert_eq!(verified(&[0, 3, 4], &objects(4, &[0, 3, 4])), Ok(()));
        assert_eq!(verified(&[0, 3, 4], &Change::Everything { tid: Tid(4) }), Ok(()));
    }

    #[test]
    fn a_verification_without_an_object_is_caught() {
        assert!(verified(&[0, 4], &objects(4, &[0, 3, 4])).is_err());
    }

    #[test]
    fn an_object_that_the_client_says_nothing_of_is_caught() {
        assert!(verified(&[0, 3, 4], &objects(4, &[0, 4])).is_err());
    }
}
