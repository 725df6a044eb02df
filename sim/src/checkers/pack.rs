//! Promise 15: pack.

use super::{Checker, Seen};
use crate::ledger::{Books, Ledger};
use crate::log::Logged;
use crate::state::references;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::ids::{Oid, Tid};

/// A load during and after a pack gives the right revision or none, never another; and what has to stay stays as it was:
/// what could be reached at the time of the pack, and everything newer.
#[derive(Debug)]
pub struct Pack;

/// A plain model of what a pack has to keep.
fn kept(ledger: &Ledger, stop: Tid, gc: bool) -> BTreeSet<(Oid, Tid)> {
    let mut kept = BTreeSet::new();
    let mut then: BTreeMap<Oid, (Tid, &[u8])> = BTreeMap::new();
    for Logged { tid, records, .. } in &ledger.logged {
        let records = records.iter().filter(|(oid, _)| !ledger.is_gone(*oid, *tid));
        if *tid > stop {
            kept.extend(records.map(|(oid, _)| (*oid, *tid)));
            continue;
        }
        for (oid, data) in records {
            if data.is_empty() {
                then.remove(oid);
            } else {
                then.insert(*oid, (*tid, data));
            }
        }
    }
    let mut next: Vec<Oid> = if gc { vec![Oid::ZERO] } else { then.keys().copied().collect() };
    while let Some(oid) = next.pop() {
        if let Some(&(tid, data)) = then.get(&oid)
            && kept.insert((oid, tid))
            && gc
        {
            next.extend(references(data));
        }
    }
    kept
}

fn judge(ledger: &Ledger, log: &[Logged], stop: Tid, gc: bool) -> Result<(), String> {
    let revisions = |log: &[Logged]| -> BTreeSet<(Oid, Tid)> {
        log.iter().flat_map(|it| it.records.iter().map(|(oid, _)| (*oid, it.tid))).collect()
    };
    let (left, kept) = (revisions(log), kept(ledger, stop, gc));
    if let Some((oid, tid)) = kept.iter().find(|revision| !left.contains(revision)) {
        return Err(format!("a pack to {stop} dropped what {tid} made of {oid}"));
    }
    let begins = log.iter().flat_map(|it| it.begins.iter().map(|oid| (*oid, it.tid)));
    for (oid, tid) in begins.filter(|(_, tid)| *tid > stop) {
        if let Some((_, hidden)) = kept.range((oid, Tid::ZERO)..(oid, tid)).next() {
            return Err(format!(
                "after a pack to {stop} nothing leads from {tid} to what {hidden} made of {oid}"
            ));
        }
    }
    if gc {
        judge_undone(ledger, &left, stop)?;
    }
    for transaction in log {
        let tid = transaction.tid;
        for (oid, data) in &transaction.records {
            if ledger.is_gone(*oid, tid) || ledger.state(*oid, tid) != Some(data) {
                return Err(format!("after a pack to {stop} {oid} is otherwise than {tid} made it"));
            }
        }
    }
    Ok(())
}

/// What a record behind the time of the pack points back to refers to nothing that the pack took away altogether.
fn judge_undone(ledger: &Ledger, left: &BTreeSet<(Oid, Tid)>, stop: Tid) -> Result<(), String> {
    for Logged { tid, records, back, .. } in ledger.logged.iter().filter(|it| it.tid > stop) {
        for (by, state) in records.iter().filter(|(oid, _)| back.contains(oid)) {
            for oid in references(state) {
                let then = ledger.left_before(oid, stop.next());
                let was_there = then.is_some_and(|then| !ledger.is_deleted(oid, then));
                if was_there && left.range((oid, Tid::ZERO)..=(oid, Tid::MAX)).next().is_none() {
                    let who = format!("to which what {tid} made of {by} refers");
                    return Err(format!("a pack to {stop} left nothing of {oid}, {who}"));
                }
            }
        }
    }
    Ok(())
}

impl Checker for Pack {
    fn promise(&self) -> u32 {
        15
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Packed { server, log, stop, gc } => judge(books.of(server), log, stop, gc),
            Seen::Loaded { conn, oid, before, serial, .. } => {
                let ledger = books.of(conn.server);
                let newest = ledger.serial_before(oid, before);
                // What nobody was shown yet may not be there yet.
                let is_right =
                    newest.is_none_or(|newest| newest == serial || !ledger.shown.contains(&newest));
                if ledger.is_packed() && !is_right {
                    return Err(format!("{conn} asks for {oid} before {before}, and is given {serial}"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CONN, SERVER, attempt, history, logged};
    use super::*;
    use crate::state::{Class, record};

    /// Transaction n of the ledger gives these objects states that refer to others.
    fn transaction(n: u64, objects: &[(u64, &[u64])]) -> Logged {
        let state = |&(oid, to): &(u64, &[u64])| {
            let to: Vec<Oid> = to.iter().copied().map(Oid).collect();
            (Oid(oid), record(Class::Thing, (attempt(n), Oid(oid)), n, 0, &to).to_vec())
        };
        Logged { records: objects.iter().map(state).collect(), begins: Vec::new(), ..logged(n) }
    }

    /// Object 3 cannot be reached after 2, object 2 is changed twice.
    fn whole() -> Vec<Logged> {
        vec![
            transaction(1, &[(0, &[1, 3]), (1, &[2]), (2, &[]), (3, &[])]),
            transaction(2, &[(0, &[1]), (2, &[])]),
            transaction(3, &[(2, &[])]),
        ]
    }

    fn books(shown: u64) -> Books {
        let mut ledger = Ledger::default();
        whole().into_iter().for_each(|transaction| ledger.enter(transaction));
        ledger.shown.extend((1..=shown).map(Tid));
        Books::forged(ledger)
    }

    fn packed(log: &[Logged], gc: bool) -> Result<(), String> {
        history(&mut Pack, &books(3), &[Seen::Packed { server: SERVER, log, stop: Tid(2), gc }])
    }

    /// The log without some revisions.
    fn without(gone: &[(u64, u64)]) -> Vec<Logged> {
        let mut log = whole();
        for Logged { tid, records, .. } in &mut log {
            records.retain(|(oid, _)| !gone.contains(&(oid.0, tid.0)));
        }
        log
    }

    #[test]
    fn a_pack_that_drops_what_is_old_and_what_nothing_leads_to_is_good() {
        assert_eq!(packed(&without(&[(0, 1), (2, 1), (3, 1)]), true), Ok(()));
        assert_eq!(packed(&without(&[(0, 1), (2, 1)]), false), Ok(()));
        assert_eq!(packed(&whole(), true), Ok(()), "more may stay");
    }

    #[test]
    fn a_pack_that_drops_what_is_needed_is_caught() {
        for needed in [(0, 2), (1, 1), (2, 2), (2, 3)] {
            assert!(packed(&without(&[needed]), true).is_err(), "{needed:?}");
        }
        assert!(packed(&without(&[(3, 1)]), false).is_err(), "nothing was to be collected");
    }

    #[test]
    fn a_pack_that_drops_what_an_undone_state_refers_to_is_caught() {
        // Object 3 is reached again behind the pack, by the root as it was before.
        let mut log = whole();
        let root = log[0].records[0].clone();
        log[2].records.insert(0, root);
        log[2].back = vec![Oid(0)];
        let mut ledger = Ledger::default();
        log.iter().cloned().for_each(|transaction| ledger.enter(transaction));
        let books = Books::forged(ledger);
        let packed = |log: &[Logged]| {
            history(&mut Pack, &books, &[Seen::Packed { server: SERVER, log, stop: Tid(2), gc: true }])
        };
        log[0].records.retain(|(oid, _)| *oid != Oid(2));
        assert_eq!(packed(&log), Ok(()));
        log[0].records.retain(|(oid, _)| *oid != Oid(3));
        assert!(packed(&log).is_err());
    }

    #[test]
    fn a_pack_that_hides_a_revision_behind_a_newer_one_is_caught() {
        let mut log = whole();
        log[1].begins = vec![Oid(0), Oid(2)];
        assert_eq!(packed(&log, true), Ok(()), "what is older than the pack need not be found");
        log[2].begins = vec![Oid(2)];
        assert!(packed(&log, true).is_err());
    }

    #[test]
    fn a_pack_that_changes_something_is_caught() {
        let mut log = whole();
        log[2].records[0].1 = log[1].records[1].1.clone();
        assert!(packed(&log, true).is_err());
    }

    #[test]
    fn another_revision_than_the_right_one_is_caught_once_something_was_packed() {
        let mut books = books(3);
        let given = |books: &Books, before: u64, serial: u64| {
            let (before, serial) = (Tid(before), Tid(serial));
            let seen = Seen::Loaded { conn: CONN, oid: Oid(2), before, serial, until: None };
            history(&mut Pack, books, &[seen])
        };
        assert_eq!(given(&books, 4, 2), Ok(()), "that is another's to judge");
        books.of_mut(SERVER).forge_gone(Oid(2), Tid(1));
        assert_eq!((given(&books, 4, 3), given(&books, 3, 2)), (Ok(()), Ok(())));
        assert!(given(&books, 4, 2).is_err() && given(&books, 2, 3).is_err());
    }
}
