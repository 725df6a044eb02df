//! Promise 16: loadBefore.

use super::{Checker, Seen, ServerNo};
use crate::event::ClientId;
use crate::history::Asked;
use crate::ledger::{Books, Ledger};
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::{Answer, Call};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::Revision;

/// What a load of an unknown object is answered with.
const KEY_ERROR: &str = "ZODB.POSException.POSKeyError";

/// The revision current before a tid, with the state it has in the log. None before creation; a key error when the oid is
/// unknown or the revision found at that tid is a deletion.
///
/// Any other error has its reason: something could not be read since, or bits have turned.
#[derive(Debug, Default)]
pub struct LoadBefore {
    /// Reads that failed in each server's life, and are not told of yet.
    failed: BTreeMap<ServerNo, u64>,
    /// Servers over bits that have turned.
    rotten: BTreeSet<ServerNo>,
}

impl LoadBefore {
    fn on_state(&mut self, seen: &Seen<'_>) {
        match *seen {
            Seen::ReadFailed(server) => *self.failed.entry(server).or_default() += 1,
            Seen::Rotten(server) => {
                self.rotten.insert(server);
            }
            Seen::Reopened(server, _) => {
                self.failed.remove(&server);
                self.rotten.remove(&server);
            }
            _ => {}
        }
    }

    /// Whether a load may fail. What fails for one read, fails once.
    fn may_fail(&mut self, server: ServerNo) -> bool {
        let failed = self.failed.get_mut(&server).filter(|failed| **failed > 0);
        let told = failed.map(|failed| *failed -= 1).is_some();
        told || self.rotten.contains(&server)
    }
}

/// A revision's state is the one in the log, whatever way it came.
fn state(books: &Books, client: ClientId, oid: Oid, revision: &Revision) -> Result<(), String> {
    let serial = revision.serial;
    if books.histories().any(|history| history.state(oid, serial) == Some(&revision.data[..])) {
        return Ok(());
    }
    Err(format!("client {} is given a state of {oid} that {serial} did not write", client.0))
}

/// Whether what is current of an object before a tid is its deletion; what nobody was shown yet may not be there yet.
fn is_gone(ledger: &Ledger, oid: Oid, before: Tid) -> bool {
    let mut next = before;
    while let Some(serial) = ledger.left_before(oid, next) {
        if ledger.is_deleted(oid, serial) {
            return true;
        }
        if ledger.shown.contains(&serial) {
            return false;
        }
        next = serial;
    }
    false
}

impl Checker for LoadBefore {
    fn promise(&self) -> u32 {
        16
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        self.on_state(seen);
        match *seen {
            Seen::Loaded { conn, oid, before, serial, until } => {
                let ledger = books.of(conn.server);
                let is_there = ledger.serial_before(oid, serial.next()) == Some(serial)
                    && !ledger.is_deleted(oid, serial);
                let next = ledger.next_change(oid, serial);
                let is_current = serial < before && next.is_none_or(|next| next >= before);
                // What nobody was shown yet is not there yet.
                let unseen = next.is_none_or(|next| !ledger.shown.contains(&next));
                if !is_there || !(is_current || unseen && serial < before) {
                    return Err(format!("{conn} asks for {oid} before {before}, and is given {serial}"));
                }
                if until != next && !(until.is_none() && unseen) {
                    return Err(format!("{conn} is told that {serial} of {oid} ended at {until:?}"));
                }
            }
            Seen::NotLoaded { conn, oid, before, error } => {
                let ledger = books.of(conn.server);
                let first = ledger.first_left(oid);
                let right = match error {
                    None => first.is_some_and(|first| first >= before),
                    Some(KEY_ERROR) => {
                        first.is_none_or(|first| !ledger.shown.contains(&first))
                            || is_gone(ledger, oid, before)
                    }
                    Some(_) => self.may_fail(conn.server),
                };
                if !right {
                    let how = error.unwrap_or("nothing");
                    return Err(format!("{conn} asks for {oid} before {before}, and is given {how}"));
                }
            }
            Seen::Cached { client, oid, revision, .. } => state(books, client, oid, revision)?,
            Seen::Answered {
                client,
                call: Asked { call: Call::Load { oid, .. }, .. },
                result: Ok(Answer::Loaded(Some(revision))),
            } => state(books, client, *oid, revision)?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, SERVER, books, history, ledger, logged, revision};
    use super::*;
    use bytes::Bytes;

    fn judged(seen: Seen<'_>) -> Result<(), String> {
        history(&mut LoadBefore::default(), &books(), &[seen])
    }

    fn given(oid: u64, before: Tid, serial: u64, until: Option<u64>) -> Result<(), String> {
        let (oid, serial, until) = (Oid(oid), Tid(serial), until.map(Tid));
        judged(Seen::Loaded { conn: CONN, oid, before, serial, until })
    }

    fn not_given(oid: u64, before: Tid, error: Option<&str>) -> Result<(), String> {
        judged(Seen::NotLoaded { conn: CONN, oid: Oid(oid), before, error })
    }

    #[test]
    fn the_revision_current_then_is_good() {
        assert_eq!(given(0, Tid(3), 2, Some(3)), Ok(()));
        assert_eq!(given(0, Tid::MAX, 5, None), Ok(()));
        assert_eq!(not_given(4, Tid(4), None), Ok(()));
        assert_eq!(not_given(9, Tid::MAX, Some(KEY_ERROR)), Ok(()));
    }

    #[test]
    fn another_revision_is_caught() {
        assert!(given(0, Tid(3), 1, Some(2)).is_err());
        assert!(given(0, Tid(3), 3, Some(4)).is_err());
        assert!(given(0, Tid(3), 2, Some(4)).is_err());
        assert!(given(0, Tid(3), 2, None).is_err());
        assert!(given(4, Tid::MAX, 3, None).is_err());
    }

    #[test]
    fn nothing_where_there_is_something_and_errors_of_the_wrong_kind_are_caught() {
        assert!(not_given(4, Tid::MAX, None).is_err());
        assert!(not_given(9, Tid::MAX, None).is_err());
        assert!(not_given(4, Tid(4), Some(KEY_ERROR)).is_err());
    }

    #[test]
    fn an_error_is_good_once_for_each_read_that_failed_and_over_turned_bits_and_caught_else() {
        let refused = Seen::NotLoaded { conn: CONN, oid: Oid(4), before: Tid::MAX, error: Some("ZODB.Any") };
        let judged = |seen: &[Seen<'_>]| history(&mut LoadBefore::default(), &books(), seen);
        let (failed, again) = (Seen::ReadFailed(SERVER), Seen::Reopened(SERVER, &[]));
        assert_eq!(judged(&[failed.clone(), refused.clone()]), Ok(()));
        assert_eq!(judged(&[Seen::Rotten(SERVER), refused.clone(), refused.clone()]), Ok(()));
        assert!(judged(std::slice::from_ref(&refused)).is_err());
        assert!(judged(&[failed.clone(), refused.clone(), refused.clone()]).is_err());
        assert!(judged(&[failed, Seen::Rotten(SERVER), again, refused]).is_err());
    }

    #[test]
    fn what_was_deleted_is_not_there_and_nothing_else() {
        let mut ledger = ledger();
        let mut deletion = logged(6);
        deletion.records = vec![(Oid(4), Vec::new())];
        ledger.enter(deletion);
        ledger.shown.insert(Tid(6));
        let books = Books::forged(ledger);
        let judged = |seen: Seen<'_>| history(&mut LoadBefore::default(), &books, &[seen]);
        let gone = |oid, before| {
            judged(Seen::NotLoaded { conn: CONN, oid: Oid(oid), before, error: Some(KEY_ERROR) })
        };
        assert_eq!(gone(4, Tid::MAX), Ok(()));
        assert!(gone(4, Tid(6)).is_err() && gone(0, Tid::MAX).is_err());
        let (oid, before) = (Oid(4), Tid::MAX);
        let loaded =
            |serial| judged(Seen::Loaded { conn: CONN, oid, before, serial: Tid(serial), until: None });
        assert!(loaded(4).is_err() && loaded(6).is_err());
    }

    #[test]
    fn a_state_that_was_not_written_is_caught() {
        let good = revision(Oid(0), 2, Some(3));
        let bad = Revision { data: Bytes::from_static(b"0.2.0.!"), ..good.clone() };
        let cached = |revision| {
            judged(Seen::Cached { client: CLIENT, oid: Oid(0), before: Tid(3), ready: true, revision })
        };
        assert_eq!(cached(&good), Ok(()));
        assert!(cached(&bad).is_err());
    }
}
