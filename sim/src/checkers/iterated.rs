//! Promise 19, for those who iterate: nothing is left out.

use super::{Checker, Seen};
use crate::ledger::{Books, Ledger};
use std::ops::Bound;
use zeolith_core::ids::Tid;

/// An iteration gives every transaction of one history, in order, up to those that were known when it began.
#[derive(Debug)]
pub struct NothingLeftOut;

fn next(history: &Ledger, behind: Tid) -> Option<Tid> {
    let rest = (Bound::Excluded(behind), Bound::Unbounded);
    history.changes.range(rest).next().map(|(tid, _)| *tid)
}

impl Checker for NothingLeftOut {
    fn promise(&self) -> u32 {
        19
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        let Seen::Iterated { client, behind, known, tid } = *seen else { return Ok(()) };
        let is_right = |history: &Ledger| match tid {
            Some(tid) => next(history, behind) == Some(tid),
            None => next(history, behind).is_none_or(|next| next > known),
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
