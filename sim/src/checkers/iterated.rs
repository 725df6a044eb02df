//! Promise 19, for those who iterate: nothing is left out.

use super::{Checker, Seen};
use crate::ledger::{Books, Ledger};
use std::ops::Bound;
use zeolith_core::ids::Tid;

/// An iteration gives every transaction of one history, in order, up to those that were known when it began.
#[derive(Debug)]
pub struct NothingLeftOut;

/// The next transaction behind `behind`, and those after it up to the first of which a pack has left something.
fn next(history: &Ledger, behind: Tid) -> Vec<Tid> {
    let rest = (Bound::Excluded(behind), Bound::Unbounded);
    let all = history.changes.range(rest);
    let mut next = Vec::new();
    for (tid, _) in all {
        next.push(*tid);
        if !is_packed(history, *tid) {
            break;
        }
    }
    next
}

/// Whether a pack has left nothing of a transaction, at some time.
fn is_packed(history: &Ledger, tid: Tid) -> bool {
    history.changes.get(&tid).is_some_and(|oids| oids.iter().all(|oid| history.was_gone(*oid, tid)))
}

impl Checker for NothingLeftOut {
    fn promise(&self) -> u32 {
        19
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        let Seen::Iterated { client, behind, known, tid } = *seen else { return Ok(()) };
        let is_right = |history: &Ledger| match tid {
            Some(tid) => next(history, behind).contains(&tid),
            None => {
                next(history, behind).last().is_none_or(|next| *next > known || is_packed(history, *next))
            }
        };
        if books.histories().any(is_right) {
            return Ok(());
        }
        let given = tid.map_or("nothing more".to_owned(), |tid| tid.to_string());
        Err(format!("client {} iterates, and is given {given} behind {behind}", client.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, books, history};
    use super::*;

    fn given(behind: u64, known: u64, tid: Option<u64>) -> Result<(), String> {
        let (behind, known, tid) = (Tid(behind), Tid(known), tid.map(Tid));
        history(&mut NothingLeftOut, &books(), &[Seen::Iterated { client: CLIENT, behind, known, tid }])
    }

    #[test]
    fn every_transaction_in_its_turn_is_good() {
        assert_eq!(given(0, 5, Some(1)), Ok(()));
        assert_eq!(given(3, 4, Some(4)), Ok(()));
        assert_eq!(given(5, 5, None), Ok(()));
    }

    #[test]
    fn an_end_before_what_was_not_known_at_the_beginning_is_good() {
        assert_eq!(given(3, 3, None), Ok(()));
    }

    #[test]
    fn a_transaction_that_is_left_out_is_caught() {
        assert!(given(0, 5, Some(2)).is_err());
        assert!(given(3, 4, None).is_err());
        assert!(given(5, 5, Some(6)).is_err());
    }
}
