//! Conflicts, and who resolves them.

use super::super::ConnId;
use super::super::config::Config;
use super::super::testing::{Answer, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::wire::tree::Owned;

/// An object that two clients know of, changed once since the first of the two serials.
fn changed(rig: &mut Rig) -> (ConnId, ConnId, Tid, Tid) {
    let (a, b) = (rig.client(), rig.client());
    let old = commit(rig, a, &[(1, Tid::ZERO, "x")]);
    let new = commit(rig, b, &[(1, old, "y")]);
    (a, b, old, new)
}

/// The answer to a vote with one conflict.
fn conflict(oid: u64, committed: Tid, read: Tid, data: &str) -> Answer {
    let fields = [
        ("oid", Owned::from(Oid(oid))),
        ("serials", row![committed, read]),
        ("data", data.as_bytes().into()),
    ];
    Ok(row![Owned::Dict(fields.map(|(key, value)| (key.into(), value)).into())])
}

#[test]
fn a_stale_store_comes_back_and_is_resolved() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, _, old, new) = changed(&mut rig);
        let tx =
            Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine").store(&mut rig, 2, Tid::ZERO, "new");
        assert_eq!(tx.vote(&mut rig), conflict(1, new, old, "mine"));
        let answer = rig.call(a, "tpc_finish", row![7]);
        assert!(error(answer).contains("before a successful vote"));
        let tid = tx.store(&mut rig, 1, new, "merged").voted(&mut rig).finish(&mut rig);
        assert_eq!(current(&mut rig, a, 1), Some(("merged".into(), tid)));
        assert_eq!(current(&mut rig, a, 2), Some(("new".into(), tid)));
    });
}

#[test]
fn locks_stay_with_the_transaction_between_its_rounds() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine");
        assert_eq!(tx.vote(&mut rig), conflict(1, new, old, "mine"));
        let other = Tx::begin(&mut rig, b, 8).store(&mut rig, 1, new, "theirs");
        let vote = other.ask_vote(&mut rig);
        assert_eq!(rig.answer(b, &vote), None);
        let tid = tx.store(&mut rig, 1, new, "merged").voted(&mut rig).finish(&mut rig);
        assert_eq!(rig.answer(b, &vote), Some(conflict(1, tid, new, "theirs")));
    });
}

#[test]
fn a_transaction_that_gives_up_between_its_rounds_lets_go() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        for hang_up in [false, true] {
            let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine");
            assert!(tx.vote(&mut rig).is_ok());
            let other = Tx::begin(&mut rig, b, 8).store(&mut rig, 1, new, "theirs");
            let vote = other.ask_vote(&mut rig);
            if hang_up {
                rig.hang_up(a);
            } else {
                tx.abort(&mut rig);
            }
            assert_eq!(rig.answer(b, &vote), Some(Ok(row![])));
            other.abort(&mut rig);
        }
        let status = rig.call(b, "server_status", row![]).unwrap().to_string();
        assert!(status.contains("conflicts': 2"), "{status}");
    });
}

#[test]
fn the_ninth_vote_that_still_conflicts_ends_in_a_conflict_error() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        let state = "\u{80}\x03cmyapp.counter\nCounter\nq\0.";
        let tx = Tx::begin(&mut rig, a, 7);
        for _ in 1..limits::VOTE_ROUNDS {
            tx.store(&mut rig, 1, old, state);
            assert_eq!(tx.vote(&mut rig), conflict(1, new, old, state));
        }
        tx.store(&mut rig, 1, old, state);
        let answer = error(tx.vote(&mut rig));
        assert!(answer.starts_with("ConflictError: conflict on 0000000000000001"), "{answer}");
        assert!(error(tx.vote(&mut rig)).contains("no transaction 7 is open"));
        commit(&mut rig, b, &[(1, new, "free")]);
    });
}

#[test]
fn new_objects_in_a_later_round_are_taken_when_they_are_free() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine");
        assert!(tx.vote(&mut rig).is_ok());
        tx.store(&mut rig, 1, new, "merged").store(&mut rig, 2, Tid::ZERO, "new").check(&mut rig, 1, new);
        tx.voted(&mut rig);
        let other = Tx::begin(&mut rig, b, 8).store(&mut rig, 2, Tid::ZERO, "too");
        let vote = other.ask_vote(&mut rig);
        assert_eq!(rig.answer(b, &vote), None, "the new object is locked as well");
        let tid = tx.finish(&mut rig);
        assert_eq!(rig.answer(b, &vote), Some(conflict(2, tid, Tid::ZERO, "too")));
    });
}

#[test]
fn new_objects_in_a_later_round_that_others_hold_end_in_a_conflict_error_that_names_them() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        let other = Tx::begin(&mut rig, b, 8).store(&mut rig, 5, Tid::ZERO, "z").voted(&mut rig);
        for waits in [false, true] {
            let c = rig.client();
            let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine");
            assert!(tx.vote(&mut rig).is_ok());
            let waiter =
                Tx::begin(&mut rig, c, 9).store(&mut rig, 1, new, "w").store(&mut rig, 4, Tid::ZERO, "w");
            let vote = waiter.ask_vote(&mut rig);
            let oid = if waits { 4 } else { 5 };
            tx.store(&mut rig, 1, new, "merged").store(&mut rig, 3, Tid::ZERO, "n").store(
                &mut rig,
                oid,
                Tid::ZERO,
                "n",
            );
            let answer = error(tx.vote(&mut rig));
            let named = format!("ConflictError: conflict on {}", Oid(oid));
            assert!(answer.starts_with(&named), "{answer}");
            assert_eq!(rig.answer(c, &vote), Some(Ok(row![])), "its locks are free");
            waiter.abort(&mut rig);
        }
        other.finish(&mut rig);
    });
}

#[test]
fn an_object_that_was_only_checked_cannot_be_stored_in_a_later_round() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, _, old, new) = changed(&mut rig);
        let checked = commit(&mut rig, a, &[(2, Tid::ZERO, "x")]);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine").check(&mut rig, 2, checked);
        assert!(tx.vote(&mut rig).is_ok());
        tx.store(&mut rig, 1, new, "merged").store(&mut rig, 2, checked, "y");
        assert!(error(tx.vote(&mut rig)).starts_with("ConflictError: conflict on 0000000000000002"));
    });
}

#[test]
fn an_absent_object_is_never_stale_and_a_deleted_one_is() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid(5), "a serial of nowhere"), (2, Tid::ZERO, "x")]);
        let deleted = commit(&mut rig, a, &[(2, serial, "")]);
        for read in [Tid::ZERO, serial] {
            let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 2, read, "y");
            assert_eq!(tx.vote(&mut rig), conflict(2, deleted, read, "y"));
            tx.abort(&mut rig);
        }
    });
}

#[test]
fn read_checks_of_deleted_and_unknown_objects_are_key_errors() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        let deleted = commit(&mut rig, a, &[(1, new, "")]);
        for (oid, serial) in [(1, deleted), (1, new), (9, Tid::ZERO), (9, old)] {
            let tx =
                Tx::begin(&mut rig, a, 7).store(&mut rig, 5, Tid::ZERO, "x").check(&mut rig, oid, serial);
            let answer = error(tx.vote(&mut rig));
            assert_eq!(answer, format!("POSKeyError: no object {} there", Oid(oid)));
            assert!(error(tx.vote(&mut rig)).contains("no transaction 7 is open"));
        }
        commit(&mut rig, b, &[(5, Tid::ZERO, "free")]);
    });
}

#[test]
fn a_failed_read_check_ends_the_transaction_however_well_its_stores_could_be_resolved() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b, old, new) = changed(&mut rig);
        let first = commit(&mut rig, b, &[(2, Tid::ZERO, "x")]);
        commit(&mut rig, b, &[(2, first, "y")]);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, old, "mine").check(&mut rig, 2, first);
        assert!(error(tx.vote(&mut rig)).starts_with("ReadConflictError: read conflict on 0000000000000002"));
        commit(&mut rig, b, &[(1, new, "free")]);
    });
}
