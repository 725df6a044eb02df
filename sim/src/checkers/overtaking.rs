//! Promise 2: no overtaking.

use super::{Checker, ConnName, Seen};
use crate::ledger::Books;
use std::collections::BTreeMap;
use zeolith_core::ids::{Oid, Tid};

#[derive(Debug, Default)]
struct Stream {
    /// The last transaction the client was told of, by `register`, an invalidation or its own finish.
    told: Tid,
    /// The last transaction it was told of for each object.
    changed: BTreeMap<Oid, Tid>,
}

/// On a connection, invalidate(T) is sent before any reply that shows T; and after invalidate(T∋oid) a reply
/// R(oid, ·) = (s, e) with s < T has e ≤ T.
#[derive(Debug, Default)]
pub struct NoOvertaking {
    streams: BTreeMap<ConnName, Stream>,
}

impl Checker for NoOvertaking {
    fn promise(&self) -> u32 {
        2
    }

    fn see(&mut self, seen: &Seen<'_>, _: &Books) -> Result<(), String> {
        match *seen {
            Seen::Registered(conn, told) => {
                self.streams.insert(conn, Stream { told, ..Stream::default() });
            }
            Seen::Gone(conn) => {
                self.streams.remove(&conn);
            }
            Seen::Invalidated(conn, tid, oids) => {
                let stream = self.streams.entry(conn).or_default();
                stream.told = tid;
                stream.changed.extend(oids.iter().map(|&oid| (oid, tid)));
            }
            Seen::Finished(conn, tid) => self.streams.entry(conn).or_default().told = tid,
            Seen::Verified { conn, answer: Some((upto, _)), .. }
                if upto > self.streams.entry(conn).or_default().told =>
            {
                return Err(format!("{conn} is shown {upto} in a verification before it is told of it"));
            }
            Seen::Loaded { conn, oid, serial, until, .. } => {
                let stream = self.streams.entry(conn).or_default();
                let newest = until.map_or(serial, |until| until.max(serial));
                if newest > stream.told {
                    return Err(format!("{conn} is shown {newest} of {oid} before it is told of it"));
                }
                if let Some(&tid) = stream.changed.get(&oid)
                    && serial < tid
                    && until.is_none_or(|until| until > tid)
                {
                    let what = format!("{conn} was told that {tid} changed {oid}, and then that ");
                    return Err(match until {
                        None => what + &format!("{serial} is current"),
                        Some(until) => what + &format!("{serial} was current until {until}"),
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CONN, books, history};
    use super::*;

    const OID: Oid = Oid(7);

    fn after_an_invalidation(seen: Seen<'_>) -> Result<(), String> {
        let seen = [Seen::Registered(CONN, Tid(1)), Seen::Invalidated(CONN, Tid(3), &[OID]), seen];
        history(&mut NoOvertaking::default(), &books(), &seen)
    }

    fn load(serial: u64, until: Option<u64>) -> Seen<'static> {
        let (serial, until) = (Tid(serial), until.map(Tid));
        Seen::Loaded { conn: CONN, oid: OID, before: Tid::MAX, serial, until }
    }

    #[test]
    fn replies_that_agree_with_the_invalidations_before_them_are_good() {
        assert_eq!(after_an_invalidation(load(3, None)), Ok(()));
        assert_eq!(after_an_invalidation(load(1, Some(3))), Ok(()));
        assert_eq!(after_an_invalidation(load(1, Some(2))), Ok(()));
    }

    #[test]
    fn a_stale_revision_called_current_is_caught() {
        assert!(after_an_invalidation(load(2, None)).is_err());
        assert!(after_an_invalidation(load(2, Some(4))).is_err());
    }

    #[test]
    fn a_transaction_shown_before_its_invalidation_is_caught() {
        assert!(after_an_invalidation(load(4, None)).is_err());
        assert!(after_an_invalidation(load(3, Some(4))).is_err());
        let answer = Some((Tid(4), &[][..]));
        assert!(after_an_invalidation(Seen::Verified { conn: CONN, since: Tid(1), answer }).is_err());
    }
}
