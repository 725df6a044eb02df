//! What goes on at every step while the logs change places.

use super::super::ConnId;
use super::super::config::Config;
use super::super::testing::{Hold, Medium, Rig, row};
use super::blobs::{commit_blob, fetch, leftovers};
use super::tx::{Tx, commit, current, error, tid};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::disk::{DiskError, FileId};
use crate::wire::call::{MessageId, undo_id};
use crate::wire::tree::Owned;
use std::time::Duration;

/// More than there are changes of names.
const STEPS: usize = 10;

/// Packs all there is, and holds the logs back after so many changes of names.
fn pack_up_to(rig: &mut Rig, conn: ConnId, steps: usize) -> MessageId {
    pack_to(4e9, rig, conn, steps)
}

/// The same to a time.
fn pack_to(time: f64, rig: &mut Rig, conn: ConnId, steps: usize) -> MessageId {
    rig.hold(Hold::Names);
    let packed = rig.send(conn, "pack", row![Owned::Float(time), true]);
    (0..steps).for_each(|_| rig.release(Hold::Names));
    packed
}

fn go_on(rig: &mut Rig, conn: ConnId, packed: &MessageId) {
    rig.let_go(Hold::Names);
    assert_eq!(rig.answer(conn, packed), Some(Ok(Owned::None)));
}

fn undo(rig: &mut Rig, conn: ConnId, id: i64, undone: Tid) -> Tx {
    let tx = Tx::begin(rig, conn, id);
    rig.one_way(conn, "undoa", row![undo_id::of(undone).to_vec(), id]);
    tx
}

fn state(rig: &mut Rig, conn: ConnId, oid: u64) -> Option<String> {
    current(rig, conn, oid).map(|(state, _)| state)
}

#[test]
fn an_undo_never_points_into_the_log_that_went() {
    let mut refused = 0;
    for steps in 0..STEPS {
        let mut rig = Rig::file();
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "one"), (2, Tid::ZERO, "other")]);
        let second = commit(&mut rig, a, &[(1, first, "two")]);
        let packed = pack_up_to(&mut rig, b, steps);
        let tx = undo(&mut rig, a, 7, second);
        let vote = tx.ask_vote(&mut rig);
        go_on(&mut rig, b, &packed);
        let expected = match rig.answer(a, &vote).expect("a vote is answered") {
            Ok(_) => {
                tx.finish(&mut rig);
                "one"
            }
            refusal => {
                refused += 1;
                let refusal = error(refusal);
                assert!(refusal.contains("packed"), "{refusal} after {steps} steps");
                "two"
            }
        };
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(state(&mut rig, a, 1).unwrap(), expected, "after {steps} steps");
        assert!(rig.call(a, "history", row![Oid(1), 9]).is_ok());
    }
    assert_eq!(refused, STEPS, "there is nothing left to go back to");
}

/// Two revisions of an object; a time; a third revision.
fn with_a_time_between(rig: &mut Rig, conn: ConnId) -> (f64, Tid) {
    let zero = commit(rig, conn, &[(1, Tid::ZERO, "zero")]);
    let first = commit(rig, conn, &[(1, zero, "one")]);
    rig.pass(Duration::from_secs(60));
    let time = rig.wall.seconds();
    rig.pass(Duration::from_secs(60));
    (time, commit(rig, conn, &[(1, first, "two")]))
}

#[test]
fn an_undo_of_what_the_pack_did_not_go_through_succeeds_at_every_step() {
    for steps in 0..STEPS {
        for reads in [false, true] {
            let mut rig = Rig::file();
            let (a, b) = (rig.client(), rig.client());
            let (time, second) = with_a_time_between(&mut rig, a);
            let tx = undo(&mut rig, a, 7, second);
            let (packed, vote) = if reads {
                // Its walk is on its way when the logs change places.
                rig.hold(Hold::Reads);
                let vote = tx.ask_vote(&mut rig);
                rig.release(Hold::Reads);
                let packed = pack_to(time, &mut rig, b, steps);
                rig.let_go(Hold::Reads);
                (packed, vote)
            } else {
                let packed = pack_to(time, &mut rig, b, steps);
                (packed, tx.ask_vote(&mut rig))
            };
            go_on(&mut rig, b, &packed);
            assert!(matches!(rig.answer(a, &vote), Some(Ok(_))), "after {steps} steps");
            tx.finish(&mut rig);
            let mut rig = rig.reopen();
            let a = rig.client();
            assert_eq!(state(&mut rig, a, 1).unwrap(), "one", "after {steps} steps");
            assert!(rig.call(a, "history", row![Oid(1), 9]).is_ok());
        }
    }
}

#[test]
fn an_undo_after_another_of_its_transaction_asks_again_with_the_state_of_that() {
    for steps in 0..STEPS {
        let mut rig = Rig::file();
        let (a, b) = (rig.client(), rig.client());
        let (time, second) = with_a_time_between(&mut rig, a);
        let third = commit(&mut rig, a, &[(1, second, "three")]);
        let tx = undo(&mut rig, a, 7, third);
        rig.one_way(a, "undoa", row![undo_id::of(second).to_vec(), 7]);
        rig.hold(Hold::Reads);
        let vote = tx.ask_vote(&mut rig);
        (0..steps).for_each(|_| rig.release(Hold::Reads));
        let packed = pack_to(time, &mut rig, b, 3);
        rig.let_go(Hold::Reads);
        go_on(&mut rig, b, &packed);
        assert!(matches!(rig.answer(a, &vote), Some(Ok(_))), "after {steps} reads");
        tx.finish(&mut rig);
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(state(&mut rig, a, 1).unwrap(), "one", "after {steps} reads");
    }
}

#[test]
fn an_undo_that_waited_for_its_locks_finds_what_it_undoes_in_the_packed_log() {
    let mut rig = Rig::file();
    let (a, b, c) = (rig.client(), rig.client(), rig.client());
    let (time, second) = with_a_time_between(&mut rig, a);
    let holder = Tx::begin(&mut rig, b, 7).store(&mut rig, 1, second, "held").voted(&mut rig);
    let tx = undo(&mut rig, a, 8, second);
    let vote = tx.ask_vote(&mut rig);
    assert_eq!(rig.call(c, "pack", row![Owned::Float(time), true]), Ok(Owned::None));
    holder.abort(&mut rig);
    assert!(matches!(rig.answer(a, &vote), Some(Ok(_))));
    tx.finish(&mut rig);
    assert_eq!(state(&mut rig, c, 1).unwrap(), "one");
}

#[test]
fn room_is_reserved_for_the_state_that_a_voted_undo_is_given() {
    let large = "x".repeat(100_000);
    for full in [false, true] {
        let mut rig = Rig::file();
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, &large)]);
        let second = commit(&mut rig, a, &[(1, first, "two")]);
        let tx = undo(&mut rig, a, 7, second);
        assert!(tx.vote(&mut rig).is_ok());
        // As much as a disk gives at once is taken.
        let other = rig.client();
        let taken = "y".repeat(usize::try_from(limits::RESERVE_AHEAD).unwrap() - 50_000);
        let filler = Tx::begin(&mut rig, other, 9).store(&mut rig, 9, Tid::ZERO, &taken).voted(&mut rig);
        rig.hold(Hold::Reserves);
        let packed = rig.send(b, "pack", row![Owned::Float(4e9), true]);
        assert_eq!((rig.answer(b, &packed), rig.on_hold(Hold::Reserves)), (None, 1), "the disk is asked");
        if full {
            rig.fail(Hold::Reserves, DiskError::Full);
            rig.fail(Hold::Reserves, DiskError::Full);
        }
        rig.let_go(Hold::Reserves);
        let answer = rig.answer(b, &packed).expect("an answer");
        assert_eq!(answer.is_err(), full, "{answer:?}");
        assert_eq!(left_behind(&rig).contains(&FileId::Old), !full, "and nothing else is left");
        assert!(left_behind(&rig).len() < 2);
        filler.abort(&mut rig);
        tx.finish(&mut rig);
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(state(&mut rig, a, 1), Some(large.clone()));
    }
}

#[test]
fn a_copy_never_points_into_the_log_that_went() {
    for steps in 0..STEPS {
        let mut rig = Rig::file();
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "one"), (2, Tid::ZERO, "old")]);
        let second = commit(&mut rig, a, &[(1, first, "two"), (2, first, "new")]);
        let packed = pack_up_to(&mut rig, b, steps);
        let copied = Tid(second.0 + 1000);
        let tx = Tx::copy(&mut rig, a, 7, Some(copied), " ");
        for (oid, data, of) in [(1, "one", first), (2, "new", second)] {
            rig.one_way(a, "restorea", row![Oid(oid), copied, data.as_bytes(), of, 7]);
        }
        let vote = tx.ask_vote(&mut rig);
        go_on(&mut rig, b, &packed);
        assert!(rig.answer(a, &vote).expect("a vote is answered").is_ok(), "after {steps} steps");
        tx.finish(&mut rig);
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(
            (state(&mut rig, a, 1).unwrap(), state(&mut rig, a, 2).unwrap()),
            ("one".into(), "new".into())
        );
    }
}

#[test]
fn an_iteration_goes_on_from_where_it_was() {
    for steps in 0..STEPS {
        let mut rig = Rig::file();
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "a long state that goes"), (2, Tid::ZERO, "other")]);
        let second = commit(&mut rig, a, &[(1, first, "two")]);
        let third = commit(&mut rig, a, &[(2, first, "three")]);
        let fourth = commit(&mut rig, a, &[(3, Tid::ZERO, "four")]);
        let iterator = rig.call(a, "iterator_start", row![Owned::None, Owned::None]).unwrap();
        let next = |rig: &mut Rig| match rig.call(a, "iterator_next", row![iterator.clone()]) {
            Ok(Owned::Tuple(head)) => tid(head[0].clone()),
            other => panic!("{other:?} after {steps} steps"),
        };
        assert_eq!(next(&mut rig), first);
        let packed = pack_up_to(&mut rig, b, steps);
        assert_eq!((next(&mut rig), next(&mut rig)), (second, third), "after {steps} steps");
        go_on(&mut rig, b, &packed);
        assert_eq!(next(&mut rig), fourth, "after {steps} steps");
    }
}

/// A blob, changed, and another object beside.
fn blobs() -> (Rig, ConnId, ConnId, [Tid; 2]) {
    let mut rig = Rig::with_blobs(Medium::File, Config::default());
    let (a, b) = (rig.client(), rig.client());
    let first = commit_blob(&mut rig, a, 1, Tid::ZERO, b"one");
    let second = commit_blob(&mut rig, a, 1, first, b"two");
    (rig, a, b, [first, second])
}

#[test]
fn an_undone_change_of_a_blob_keeps_its_blob_though_its_place_goes_between_two_votes() {
    let (mut rig, a, b, [_, second]) = blobs();
    let other = commit(&mut rig, a, &[(2, Tid::ZERO, "other")]);
    commit(&mut rig, b, &[(2, other, "changed")]);
    let tx = undo(&mut rig, a, 7, second).store(&mut rig, 2, other, "stale");
    assert!(matches!(tx.vote(&mut rig), Ok(Owned::Tuple(stale) | Owned::List(stale)) if stale.len() == 1));
    assert_eq!(rig.call(b, "pack", row![Owned::Float(4e9), true]), Ok(Owned::None));
    let (_, current) = current(&mut rig, b, 2).unwrap();
    let tx = tx.store(&mut rig, 2, current, "merged");
    assert!(tx.vote(&mut rig).is_ok());
    let undone = tx.finish(&mut rig);
    assert_eq!(fetch(&mut rig, b, 1, undone), Ok(b"one".to_vec()));
    assert_eq!(leftovers(&rig), 0);
}

#[test]
fn an_undone_change_of_a_blob_keeps_its_blob_at_every_step_of_its_vote() {
    let mut kept = 0;
    for steps in 0..12 {
        let (mut rig, a, b, [_, second]) = blobs();
        rig.hold(Hold::Reads);
        let tx = undo(&mut rig, a, 7, second);
        let vote = tx.ask_vote(&mut rig);
        (0..steps).for_each(|_| rig.release(Hold::Reads));
        let packed = rig.send(b, "pack", row![Owned::Float(4e9), true]);
        rig.let_go(Hold::Reads);
        assert_eq!(rig.answer(b, &packed), Some(Ok(Owned::None)), "after {steps} steps");
        let voted = rig.answer(a, &vote).expect("a vote is answered");
        if voted.is_ok() {
            kept += 1;
            let undone = tx.finish(&mut rig);
            assert_eq!(fetch(&mut rig, b, 1, undone), Ok(b"one".to_vec()), "after {steps} steps");
        } else {
            let refusal = error(voted);
            assert!(refusal.contains("packed"), "{refusal} after {steps} steps");
        }
        assert_eq!(leftovers(&rig), 0);
    }
    assert!((1..12).contains(&kept), "{kept} of 12");
}

#[test]
fn what_lies_beneath_a_later_store_gives_its_place_up_too() {
    let mut rig = Rig::file();
    let (a, b) = (rig.client(), rig.client());
    let zero = commit(&mut rig, a, &[(1, Tid::ZERO, "zero"), (2, Tid::ZERO, "other")]);
    let first = commit(&mut rig, a, &[(1, zero, "one")]);
    let time = rig.wall.seconds() + 1.0;
    rig.pass(Duration::from_secs(2));
    let second = commit(&mut rig, a, &[(1, first, "two")]);
    let third = commit(&mut rig, a, &[(1, second, "three")]);
    let changed = commit(&mut rig, b, &[(2, zero, "changed")]);
    // Back to "two", which has to be voted on again for a conflict beside; then back to "one", and a store over it.
    let tx = undo(&mut rig, a, 7, third).store(&mut rig, 2, zero, "stale");
    assert!(tx.vote(&mut rig).is_ok());
    rig.one_way(a, "undoa", row![undo_id::of(second).to_vec(), 7]);
    let tx = tx.store(&mut rig, 1, third, "stored").store(&mut rig, 2, changed, "merged");
    let before = rig.disk.bytes(FileId::Log).len();
    assert_eq!(rig.call(b, "pack", row![Owned::Float(time), true]), Ok(Owned::None));
    assert!(rig.disk.bytes(FileId::Log).len() < before);
    assert!(tx.vote(&mut rig).is_ok());
    tx.finish(&mut rig);
    assert_eq!(
        (state(&mut rig, b, 1).unwrap(), state(&mut rig, b, 2).unwrap()),
        ("stored".into(), "merged".into())
    );
}

/// A record that refers to these objects.
fn refers(to: &[u8]) -> String {
    let references = to.iter().map(|&oid| format!("C\x08\0\0\0\0\0\0\0{}Q", char::from(oid)));
    format!("N.({}t.", references.collect::<String>())
}

fn left_behind(rig: &Rig) -> Vec<FileId> {
    let files = [FileId::Packed, FileId::PackedSums, FileId::PackedIndex, FileId::Old];
    files.into_iter().filter(|file| rig.disk.len(*file).is_some()).collect()
}

#[test]
fn an_undo_that_is_voted_on_and_refers_to_what_a_pack_collects_ends_the_pack() {
    let mut rig = Rig::collecting();
    let (a, b) = (rig.client(), rig.client());
    let first = commit(&mut rig, a, &[(0, Tid::ZERO, &refers(&[1])), (1, Tid::ZERO, &refers(&[]))]);
    let second = commit(&mut rig, a, &[(0, first, &refers(&[]))]);
    let time = Owned::Float(rig.wall.seconds() + 60.0);
    rig.pass(Duration::from_secs(120));
    let tx = undo(&mut rig, a, 7, second);
    assert!(tx.vote(&mut rig).is_ok());
    let log = rig.disk.bytes(FileId::Log).to_vec();
    let refused = error(rig.call(b, "pack", row![time.clone(), true]));
    let expected = "StorageError: an undo during the pack brought back object 0000000000000000, which refers to \
                    object 0000000000000001: pack again";
    assert_eq!(refused, expected);
    assert_eq!((left_behind(&rig), rig.disk.bytes(FileId::Log)), (Vec::new(), &log[..]));
    tx.finish(&mut rig);
    // To the same time, at which nothing referred to the object: what is undone later says that it is needed.
    assert_eq!(rig.call(b, "pack", row![time, true]), Ok(Owned::None));
    let mut rig = rig.reopen();
    let a = rig.client();
    assert_eq!([0, 1].map(|oid| state(&mut rig, a, oid)), [Some(refers(&[1])), Some(refers(&[]))]);
}

#[test]
fn an_undo_that_brings_back_what_it_refers_to_lets_a_pack_go_on() {
    let mut rig = Rig::collecting();
    let (a, b) = (rig.client(), rig.client());
    let first = commit(&mut rig, a, &[(0, Tid::ZERO, &refers(&[1])), (1, Tid::ZERO, &refers(&[]))]);
    let tx = Tx::begin(&mut rig, a, 6).store(&mut rig, 0, first, &refers(&[]));
    rig.one_way(a, "deleteObject", row![Oid(1), first, 6]);
    assert!(tx.vote(&mut rig).is_ok());
    let second = tx.finish(&mut rig);
    let tx = undo(&mut rig, a, 7, second);
    assert!(tx.vote(&mut rig).is_ok());
    assert_eq!(rig.call(b, "pack", row![Owned::Float(4e9), true]), Ok(Owned::None));
    tx.finish(&mut rig);
    let mut rig = rig.reopen();
    let a = rig.client();
    assert_eq!([0, 1].map(|oid| state(&mut rig, a, oid)), [Some(refers(&[1])), Some(refers(&[]))]);
}
