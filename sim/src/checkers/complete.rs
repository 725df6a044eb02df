//! Promise 7: completeness.

use super::told::Told;
use super::{Checker, Seen};
use crate::event::ClientId;
use crate::ledger::Books;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::Change;
use zeolith_core::ids::{Oid, Tid};

/// After `register` returned r, invalidations plus own finishes are all commits after r, strictly rising, with every
/// oid; and a client tells its callers of all of them.
#[derive(Debug, Default)]
pub struct Completeness {
    told: Told,
    /// The last transaction that each client told its callers of.
    changed: BTreeMap<ClientId, Tid>,
}

impl Completeness {
    fn on_change(&self, client: ClientId, change: &Change, books: &Books) -> Result<(), String> {
        let (Change::Objects { tid, oids }, Some(&last)) = (change, self.changed.get(&client)) else {
            return Ok(());
        };
        let named: BTreeSet<Oid> = oids.iter().copied().collect();
        let mut histories = books.histories().filter(|history| history.knows(*tid) && history.knows(last));
        let Some(history) = histories.next() else { return Ok(()) };
        let fits = std::iter::once(history).chain(histories);
        if fits.into_iter().any(|history| history.changed_within(last, *tid) == named) {
            return Ok(());
        }
        let changed = history.changed_within(last, *tid);
        Err(format!("behind {last} up to {tid} changed {changed:?}, client {} tells {named:?}", client.0))
    }
}

impl Checker for Completeness {
    fn promise(&self) -> u32 {
        7
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Invalidated(conn, tid, oids) => {
                let ledger = books.of(conn.server);
                match self.told.on(conn) {
                    None => return Err(format!("{conn} is told of {tid} and is not registered")),
                    Some(told) if tid <= told => return Err(format!("{conn} is told of {tid} after {told}")),
                    Some(_) => {}
                }
                if let Some(missed) = self.told.missed(conn, tid, ledger) {
                    return Err(format!("{conn} is told of {tid}, and never of {missed}"));
                }
                let named: BTreeSet<Oid> = oids.iter().copied().collect();
                if ledger.changes.get(&tid) != Some(&named) {
                    let changed = ledger.changes.get(&tid);
                    return Err(format!("{tid} changed {changed:?}, {conn} is told {named:?}"));
                }
            }
            Seen::Changed { client, change } => {
                self.on_change(client, change, books)?;
                let (Change::Objects { tid, .. } | Change::Everything { tid }) = change;
                self.changed.insert(client, *tid);
            }
            Seen::Reset { client, kept } => {
                self.changed.remove(&client);
                self.changed.extend(kept.map(|kept| (client, kept)));
            }
            Seen::Quiet(_) => {
                for (conn, told) in self.told.all() {
                    let last = books.of(conn.server).last();
                    if told != last {
                        return Err(format!("{conn} was told up to {told}, the last one is {last}"));
                    }
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
    use super::super::forged::{CLIENT, CONN, books, history, objects};
    use super::*;

    fn told(seen: &[Seen<'_>]) -> Result<(), String> {
        let mut checker = Completeness::default();
        history(&mut checker, &books(), &[Seen::Registered(CONN, Tid(3))])?;
        history(&mut checker, &books(), seen)
    }

    #[test]
    fn invalidations_and_own_finishes_without_a_gap_are_good() {
        let seen = [
            Seen::Invalidated(CONN, Tid(4), &[Oid(4), Oid(0)]),
            Seen::Finished(CONN, Tid(5)),
            Seen::Quiet(&[]),
        ];
        assert_eq!(told(&seen), Ok(()));
    }

    #[test]
    fn a_missing_transaction_is_caught_by_the_next_one_or_at_the_end() {
        assert!(told(&[Seen::Invalidated(CONN, Tid(5), &[Oid(5), Oid(0)])]).is_err());
        let first = Seen::Invalidated(CONN, Tid(4), &[Oid(4), Oid(0)]);
        assert!(told(&[first, Seen::Quiet(&[])]).is_err());
    }

    #[test]
    fn a_missing_object_is_caught() {
        assert!(told(&[Seen::Invalidated(CONN, Tid(4), &[Oid(0)])]).is_err());
    }

    #[test]
    fn tids_that_do_not_rise_are_caught() {
        assert!(told(&[Seen::Invalidated(CONN, Tid(3), &[Oid(3), Oid(0)])]).is_err());
    }

    fn changed(change: &Change) -> Result<(), String> {
        let begin = Seen::Reset { client: CLIENT, kept: Some(Tid(2)) };
        let seen = [begin, Seen::Changed { client: CLIENT, change }];
        history(&mut Completeness::default(), &books(), &seen)
    }

    #[test]
    fn a_client_that_tells_of_all_or_of_everything_is_good() {
        assert_eq!(changed(&objects(3, &[3, 0])), Ok(()));
        assert_eq!(changed(&objects(5, &[0, 3, 4, 5])), Ok(()));
        assert_eq!(changed(&Change::Everything { tid: Tid(5) }), Ok(()));
    }

    #[test]
    fn a_client_that_passes_over_an_object_or_a_transaction_is_caught() {
        assert!(changed(&objects(3, &[3])).is_err());
        assert!(changed(&objects(5, &[0, 3, 5])).is_err());
    }
}
