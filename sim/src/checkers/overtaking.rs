//! Promise 2: no overtaking.

use super::{Checker, Seen};
use crate::event::ClientId;
use crate::ledger::Ledger;
use std::collections::BTreeMap;
use zeolith_core::ids::{Oid, Tid};

#[derive(Debug, Default)]
struct Stream {
    /// The last transaction the client was told of, by `register`, an invalidation or its own finish.
    told: Tid,
    /// The last transaction it was told of for each object.
    invalidated: BTreeMap<Oid, Tid>,
}

/// On a connection, invalidate(T) is sent before any reply that shows T; and after invalidate(T∋oid) a reply
/// R(oid, ·) = (s, e) with s < T has e ≤ T.
#[derive(Debug, Default)]
pub struct NoOvertaking {
    streams: BTreeMap<ClientId, Stream>,
}

impl Checker for NoOvertaking {
    fn promise(&self) -> u32 {
        2
    }

    fn see(&mut self, seen: &Seen<'_>, _: &Ledger) -> Result<(), String> {
        match *seen {
            Seen::Registered(client, told) => {
                self.streams.insert(client, Stream { told, ..Stream::default() });
            }
            Seen::Gone(client) => {
                self.streams.remove(&client);
            }
            Seen::Invalidated(client, tid, oids) => {
                let stream = self.streams.entry(client).or_default();
                stream.told = tid;
                stream.invalidated.extend(oids.iter().map(|&oid| (oid, tid)));
            }
            Seen::Finished(client, tid) => self.streams.entry(client).or_default().told = tid,
            Seen::Loaded { client, oid, serial, until } => {
                let stream = self.streams.entry(client).or_default();
                let newest = until.map_or(serial, |until| until.max(serial));
                if newest > stream.told {
                    return Err(format!(
                        "client {} is shown {newest} of {oid} before it is told of it",
                        client.0
                    ));
                }
                if let Some(&tid) = stream.invalidated.get(&oid)
                    && serial < tid
                    && until.is_none_or(|until| until > tid)
                {
                    let what =
                        format!("client {} was told that {tid} changed {oid}, and then that ", client.0);
                    return Err(match until {
                        None => what + &format!("{serial} is current"),
                        Some(until) => what + &format!("{serial} was current until {until}"),
                    });
                }
            }
            Seen::Logged(_) | Seen::Reopened(_) | Seen::Quiet(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{history, ledger};
    use super::*;

    const CLIENT: ClientId = ClientId(0);
    const OID: Oid = Oid(7);

    fn after_an_invalidation(serial: u64, until: Option<u64>) -> Result<(), String> {
        let seen = [
            Seen::Registered(CLIENT, Tid(1)),
            Seen::Invalidated(CLIENT, Tid(3), &[OID]),
            Seen::Loaded { client: CLIENT, oid: OID, serial: Tid(serial), until: until.map(Tid) },
        ];
        history(&mut NoOvertaking::default(), &ledger(), &seen)
    }

    #[test]
    fn replies_that_agree_with_the_invalidations_before_them_are_good() {
        assert_eq!(after_an_invalidation(3, None), Ok(()));
        assert_eq!(after_an_invalidation(1, Some(3)), Ok(()));
        assert_eq!(after_an_invalidation(1, Some(2)), Ok(()));
    }

    #[test]
    fn a_stale_revision_called_current_is_caught() {
        assert!(after_an_invalidation(2, None).is_err());
    }

    #[test]
    fn a_transaction_shown_before_its_invalidation_is_caught() {
        assert!(after_an_invalidation(4, None).is_err());
        assert!(after_an_invalidation(3, Some(4)).is_err());
    }
}
