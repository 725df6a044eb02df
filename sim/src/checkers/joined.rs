//! Promise 14: joined loads.

use super::{Checker, Seen};
use crate::history::Asked;
use crate::ledger::Books;
use zeolith_core::client::{Answer, Call, Error};
use zeolith_core::ids::{Oid, Tid};

/// A load joins one in flight only for the same (oid, before): its caller is answered what was asked, as of when it was
/// asked.
#[derive(Debug)]
pub struct JoinedLoads;

/// Whether a revision, if any, can be the one current before `before`; `MAX` asks for what is current at any time since
/// the client was at `last`.
fn fits(books: &Books, oid: Oid, (before, last): (Tid, Tid), found: Option<(Tid, Option<Tid>)>) -> bool {
    let since = if before == Tid::MAX { last.next() } else { before };
    let right = |(serial, until): (Tid, Option<Tid>)| {
        serial < before
            && until.is_none_or(|until| if before == Tid::MAX { until > last } else { until >= before })
    };
    books.histories().any(|history| match found {
        // Where nothing changed up to then, or the last change took it away, nothing is right.
        None => {
            let upto = if before == Tid::MAX { Tid::MAX } else { since };
            let mut serial = history.serial_before(oid, since);
            let mut is_gone =
                serial.is_none_or(|it| history.is_deleted(oid, it) || history.was_hidden(oid, it));
            while let Some(next) =
                history.next_change(oid, serial.unwrap_or_default()).filter(|it| *it < upto)
            {
                is_gone |= history.is_deleted(oid, next) || history.was_hidden(oid, next);
                serial = Some(next);
            }
            is_gone
        }
        Some((serial, until)) => {
            let next = history.next_change(oid, serial);
            right((serial, until))
                && history.serial_before(oid, serial.next()) == Some(serial)
                && (until == next || (until.is_none() && next.is_none_or(|next| next >= since)))
        }
    })
}

impl Checker for JoinedLoads {
    fn promise(&self) -> u32 {
        14
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        let Seen::Answered { client, call: Asked { call: Call::Load { oid, before }, last, .. }, result } =
            *seen
        else {
            return Ok(());
        };
        let found = match result {
            Ok(Answer::Loaded(found)) => found.as_ref().map(|found| (found.serial, found.until)),
            Err(Error::NoObject(_)) => None,
            _ => return Ok(()),
        };
        if fits(books, *oid, (*before, last.unwrap_or_default()), found) {
            return Ok(());
        }
        let found = match found {
            None => "there is none".to_owned(),
            Some((serial, None)) => format!("it is {serial}"),
            Some((serial, Some(until))) => format!("it is {serial}, which ended at {until}"),
        };
        Err(format!("client {} asked for {oid} before {before}, and learns that {found}", client.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, asked, books, history, ledger, loaded, logged, revision};
    use super::*;

    /// What client 0 is answered, who asked when the last transaction was 3; object 0 is changed by each of 1 to 5.
    fn answered(oid: u64, before: Tid, found: Option<(u64, Option<u64>)>) -> Result<(), String> {
        let call = asked(Call::Load { oid: Oid(oid), before });
        let result = loaded(found.map(|(serial, until)| revision(Oid(oid), serial, until)));
        let seen = Seen::Answered { client: CLIENT, call: &call, result: &result };
        history(&mut JoinedLoads, &books(), &[seen])
    }

    #[test]
    fn the_revision_that_was_asked_for_is_good() {
        assert_eq!(answered(0, Tid(3), Some((2, Some(3)))), Ok(()));
        assert_eq!(answered(0, Tid(6), Some((5, None))), Ok(()));
        assert_eq!(answered(4, Tid(4), None), Ok(()));
    }

    #[test]
    fn whatever_was_current_at_any_time_since_is_good() {
        assert_eq!(answered(0, Tid::MAX, Some((3, Some(4)))), Ok(()));
        assert_eq!(answered(0, Tid::MAX, Some((3, None))), Ok(()), "4 was not applied yet");
        assert_eq!(answered(0, Tid::MAX, Some((5, None))), Ok(()));
        assert_eq!(answered(4, Tid::MAX, None), Ok(()), "4 was not applied yet");
    }

    #[test]
    fn the_revision_before_another_tid_is_caught() {
        assert!(answered(0, Tid(3), Some((3, Some(4)))).is_err());
        assert!(answered(0, Tid(3), Some((1, Some(2)))).is_err());
        assert!(answered(0, Tid::MAX, Some((2, Some(3)))).is_err());
        assert!(answered(0, Tid::MAX, Some((2, None))).is_err());
        assert!(answered(1, Tid::MAX, None).is_err());
    }

    #[test]
    fn what_was_taken_away_is_not_there_and_nothing_else() {
        let mut ledger = ledger();
        let mut deletion = logged(6);
        deletion.records = vec![(Oid(4), Vec::new())];
        ledger.enter(deletion);
        let books = Books::forged(ledger);
        let gone = |oid, before| {
            let call = asked(Call::Load { oid: Oid(oid), before });
            let seen = Seen::Answered { client: CLIENT, call: &call, result: &loaded(None) };
            history(&mut JoinedLoads, &books, &[seen])
        };
        assert_eq!((gone(4, Tid(7)), gone(4, Tid::MAX)), (Ok(()), Ok(())));
        assert!(gone(4, Tid(6)).is_err() && gone(3, Tid(7)).is_err() && gone(3, Tid::MAX).is_err());
    }

    #[test]
    fn a_revision_that_never_was_is_caught() {
        assert!(answered(2, Tid::MAX, Some((4, None))).is_err());
    }
}
