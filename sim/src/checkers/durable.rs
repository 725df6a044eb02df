//! Promise 1: durable, then visible.

use super::{Checker, Seen};
use crate::ledger::Ledger;
use zeolith_core::ids::Tid;

/// No message shows a transaction that a power loss could still take away.
#[derive(Debug)]
pub struct DurableThenVisible;

impl Checker for DurableThenVisible {
    fn promise(&self) -> u32 {
        1
    }

    fn see(&mut self, seen: &Seen<'_>, ledger: &Ledger) -> Result<(), String> {
        let Some((client, shown)) = seen.shown() else { return Ok(()) };
        for tid in shown.into_iter().flatten().filter(|&tid| tid > Tid::ZERO) {
            if !ledger.durable.contains(&tid) {
                return Err(format!("client {} is shown {tid} before it is durable", client.0));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{history, ledger};
    use super::*;
    use crate::event::ClientId;
    use zeolith_core::ids::Oid;

    #[test]
    fn showing_what_is_durable_is_good() {
        let good = [Seen::Registered(ClientId(0), Tid::ZERO), Seen::Finished(ClientId(0), Tid(5))];
        assert_eq!(history(&mut DurableThenVisible, &ledger(), &good), Ok(()));
    }

    #[test]
    fn every_way_of_showing_what_is_not_durable_is_caught() {
        let (client, oid) = (ClientId(0), Oid(1));
        for bad in [
            Seen::Registered(client, Tid(6)),
            Seen::Invalidated(client, Tid(6), &[]),
            Seen::Finished(client, Tid(6)),
            Seen::Loaded { client, oid, serial: Tid(6), until: None },
            Seen::Loaded { client, oid, serial: Tid(1), until: Some(Tid(6)) },
        ] {
            assert!(history(&mut DurableThenVisible, &ledger(), &[bad]).is_err());
        }
    }
}
