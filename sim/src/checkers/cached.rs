//! Promise 4: cache soundness.

use super::{Checker, Seen};
use crate::ledger::{Books, Ledger};
use zeolith_core::cache::Cache;
use zeolith_core::ids::Tid;

/// For a cached (oid, s, none) no T in (s, last tid] touches oid; for (oid, s, e), e is the first that does.
///
/// The last tid says which history the cache is of: any that has it.
#[derive(Debug)]
pub struct CacheSoundness;

fn judge(cache: &Cache, history: &Ledger) -> Result<(), String> {
    let Some(last) = cache.last_tid() else {
        return cache.current().next().map_or(Ok(()), |(oid, _)| Err(format!("{oid}, and no last tid")));
    };
    for (oid, serial) in cache.current() {
        let current = history.serial_before(oid, last.next());
        if current != Some(serial) {
            let current = current.map_or("nothing".to_owned(), |current| current.to_string());
            return Err(format!("{serial} as current of {oid} at {last}, when {current} is"));
        }
    }
    for (oid, serial, until) in cache.ended() {
        if history.serial_before(oid, until) != Some(serial)
            || history.next_change(oid, serial) != Some(until)
        {
            return Err(format!("{serial} of {oid} until {until}, which is not so"));
        }
    }
    Ok(())
}

fn judge_in_any(cache: &Cache, books: &Books) -> Result<(), String> {
    let mut fault = Err("what no history has".to_owned());
    for history in books.histories() {
        if cache.last_tid().is_none_or(|last| history.knows(last)) {
            fault = judge(cache, history);
            if fault.is_ok() {
                break;
            }
        }
    }
    fault
}

impl Checker for CacheSoundness {
    fn promise(&self) -> u32 {
        4
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        if let Seen::State { clients } = seen {
            for (client, machine) in *clients {
                judge_in_any(machine.cache(), books)
                    .map_err(|what| format!("the cache of client {} holds {what}", client.0))?;
            }
        }
        // What is current now, nobody knows without a connection.
        if let Seen::Cached { client, oid, before: Tid::MAX, ready: false, .. } = seen {
            return Err(format!("client {} has no connection, and says what {oid} is now", client.0));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, books, history, ledger, logged, revision};
    use super::*;
    use zeolith_core::ids::Oid;

    fn cache(last: u64, revisions: &[(u64, u64, Option<u64>)]) -> Cache {
        let mut cache = Cache::in_memory(100_000);
        cache.set_last_tid(Tid(last));
        for &(oid, serial, until) in revisions {
            cache.store(Oid(oid), &revision(Oid(oid), serial, until));
        }
        cache
    }

    #[test]
    fn a_cache_in_step_with_a_history_is_good() {
        assert_eq!(judge_in_any(&cache(5, &[(0, 5, None), (0, 2, Some(3)), (4, 4, None)]), &books()), Ok(()));
        assert_eq!(judge_in_any(&cache(3, &[(0, 3, None)]), &books()), Ok(()));
        assert_eq!(judge_in_any(&Cache::in_memory(100_000), &books()), Ok(()));
    }

    #[test]
    fn a_stale_revision_kept_as_current_is_caught() {
        assert!(judge_in_any(&cache(5, &[(0, 4, None)]), &books()).is_err());
    }

    #[test]
    fn a_revision_with_a_wrong_end_or_a_wrong_beginning_is_caught() {
        assert!(judge_in_any(&cache(5, &[(0, 2, Some(4))]), &books()).is_err());
        assert!(judge_in_any(&cache(5, &[(4, 3, None)]), &books()).is_err());
    }

    #[test]
    fn an_answer_without_a_connection_is_of_the_past_or_caught() {
        let revision = revision(Oid(0), 5, None);
        let answered = |before, ready| {
            let seen = Seen::Cached { client: CLIENT, oid: Oid(0), before, ready, revision: &revision };
            history(&mut CacheSoundness, &books(), &[seen])
        };
        assert_eq!((answered(Tid::MAX, true), answered(Tid(6), false)), (Ok(()), Ok(())));
        assert!(answered(Tid::MAX, false).is_err());
    }

    #[test]
    fn a_cache_of_a_history_that_a_backup_ended_is_good_and_a_mixture_is_not() {
        let mut books = books();
        let mut past = ledger();
        past.enter(logged(7));
        books.forge_past(past);
        assert_eq!(judge_in_any(&cache(7, &[(0, 7, None), (7, 7, None)]), &books), Ok(()));
        assert!(judge_in_any(&cache(5, &[(7, 7, None)]), &books).is_err());
        assert!(judge_in_any(&cache(8, &[]), &books).is_err());
    }
}
