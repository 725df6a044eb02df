//! Promise 7: completeness.

use super::{Checker, Seen};
use crate::event::ClientId;
use crate::ledger::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::ids::{Oid, Tid};

/// After `register` returned r, invalidations plus own finishes are all commits after r, strictly rising, with every
/// oid.
#[derive(Debug, Default)]
pub struct Completeness {
    told: BTreeMap<ClientId, Tid>,
}

impl Completeness {
    /// The client is told of `tid`: of every transaction before it, it must have been told already.
    fn tell(&mut self, client: ClientId, tid: Tid, ledger: &Ledger) -> Result<(), String> {
        let Some(told) = self.told.get_mut(&client) else {
            return Err(format!("client {} is told of {tid} and is not registered", client.0));
        };
        if tid <= *told {
            return Err(format!("client {} is told of {tid} after {told}", client.0));
        }
        let between = (std::ops::Bound::Excluded(*told), std::ops::Bound::Excluded(tid));
        if let Some((missed, _)) = ledger.changes.range(between).next() {
            return Err(format!("client {} is told of {tid}, and never of {missed}", client.0));
        }
        *told = tid;
        Ok(())
    }
}

impl Checker for Completeness {
    fn promise(&self) -> u32 {
        7
    }

    fn see(&mut self, seen: &Seen<'_>, ledger: &Ledger) -> Result<(), String> {
        match *seen {
            Seen::Registered(client, last) => {
                self.told.insert(client, last);
            }
            Seen::Gone(client) => {
                self.told.remove(&client);
            }
            Seen::Invalidated(client, tid, oids) => {
                self.tell(client, tid, ledger)?;
                let named: BTreeSet<Oid> = oids.iter().copied().collect();
                if ledger.changes.get(&tid) != Some(&named) {
                    let changed = ledger.changes.get(&tid);
                    return Err(format!("{tid} changed {changed:?}, client {} is told {named:?}", client.0));
                }
            }
            Seen::Finished(client, tid) => self.tell(client, tid, ledger)?,
            Seen::Quiet(_) => {
                if let Some((client, told)) = self.told.iter().find(|&(_, &told)| told != ledger.last()) {
                    let last = ledger.last();
                    return Err(format!("client {} was told up to {told}, the last one is {last}", client.0));
                }
            }
            Seen::Loaded { .. } | Seen::Logged(_) | Seen::Reopened(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{history, ledger};
    use super::*;

    const CLIENT: ClientId = ClientId(0);

    fn told(seen: &[Seen<'_>]) -> Result<(), String> {
        let mut checker = Completeness::default();
        history(&mut checker, &ledger(), &[Seen::Registered(CLIENT, Tid(3))])?;
        history(&mut checker, &ledger(), seen)
    }

    #[test]
    fn invalidations_and_own_finishes_without_a_gap_are_good() {
        let seen = [
            Seen::Invalidated(CLIENT, Tid(4), &[Oid(4), Oid(0)]),
            Seen::Finished(CLIENT, Tid(5)),
            Seen::Quiet(&[]),
        ];
        assert_eq!(told(&seen), Ok(()));
    }

    #[test]
    fn a_missing_transaction_is_caught_by_the_next_one_or_at_the_end() {
        assert!(told(&[Seen::Finished(CLIENT, Tid(5))]).is_err());
        assert!(told(&[Seen::Finished(CLIENT, Tid(4)), Seen::Quiet(&[])]).is_err());
    }

    #[test]
    fn a_missing_object_is_caught() {
        assert!(told(&[Seen::Invalidated(CLIENT, Tid(4), &[Oid(0)])]).is_err());
    }

    #[test]
    fn tids_that_do_not_rise_are_caught() {
        assert!(told(&[Seen::Finished(CLIENT, Tid(3))]).is_err());
    }
}
