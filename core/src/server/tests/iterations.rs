//! Iterations: over transactions, over their records, and over what is current.

use super::super::ConnId;
use super::super::config::Config;
use super::super::testing::{Answer, Hold, Rig, row};
use super::tx::{Tx, commit, error, tid};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::wire::tree::Owned;

fn number(answer: Answer) -> i64 {
    match answer {
        Ok(Owned::Int(number)) => number,
        other => panic!("{other:?} is no number"),
    }
}

fn start(rig: &mut Rig, conn: ConnId, from: Option<Tid>, upto: Option<Tid>) -> i64 {
    let tid = |tid: Option<Tid>| tid.map_or(Owned::None, Owned::from);
    number(rig.call(conn, "iterator_start", row![tid(from), tid(upto)]))
}

/// The tid of the next transaction, `None` at the end.
fn next(rig: &mut Rig, conn: ConnId, iterator: i64) -> Option<Tid> {
    match rig.call(conn, "iterator_next", row![iterator]).unwrap() {
        Owned::None => None,
        Owned::Tuple(mut items) => {
            assert_eq!(items.len(), 5);
            Some(tid(items.swap_remove(0)))
        }
        other => panic!("{other}"),
    }
}

fn rest(rig: &mut Rig, conn: ConnId, iterator: i64) -> Vec<Tid> {
    std::iter::from_fn(|| next(rig, conn, iterator)).collect()
}

fn unknown(iterator: i64) -> String {
    format!("KeyError: no iteration {iterator} is open")
}

#[test]
fn an_iteration_tells_the_transactions_that_were_there_when_it_began() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let none = start(&mut rig, a, None, None);
        let mut tids = Vec::new();
        for oid in 1..6 {
            tids.push(commit(&mut rig, a, &[(oid, Tid::ZERO, "x")]));
        }
        assert_eq!(rest(&mut rig, a, none), [], "it began before them");
        for (from, first) in [(None, 0), (Some(tids[0]), 0), (Some(tids[1]), 1), (Some(tids[3].next()), 4)] {
            for (upto, behind) in [(None, 5), (Some(tids[4]), 5), (Some(tids[3]), 4), (Some(Tid(1)), 0)] {
                let iterator = start(&mut rig, a, from, upto);
                let expected = tids.get(first..behind).unwrap_or_default();
                assert_eq!(rest(&mut rig, a, iterator), expected, "{from:?} to {upto:?}");
                let again = rig.call(a, "iterator_next", row![iterator]);
                assert_eq!(error(again), unknown(iterator), "it is over");
            }
        }
        let iterator = start(&mut rig, a, Some(tids[4].next()), None);
        assert_eq!(next(&mut rig, a, iterator), None);
        let iterator = start(&mut rig, a, Some(Tid::MAX), Some(Tid::MAX));
        assert_eq!(next(&mut rig, a, iterator), None);
    });
}

#[test]
fn the_records_of_a_transaction_are_told_with_its_strings() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let extension = Owned::Dict(vec![("key".into(), 7.into())]);
        rig.one_way(a, "tpc_begin", row![1, b"user".to_vec(), b"why".to_vec(), extension.clone()]);
        let long = "x".repeat(2 * limits::COPY_BODY);
        let tx = Tx { conn: a, id: 1 };
        let made = tx.store(&mut rig, 7, Tid::ZERO, "seven").store(&mut rig, 3, Tid::ZERO, &long);
        let made = made.voted(&mut rig).finish(&mut rig);
        let iterator = start(&mut rig, a, None, None);
        let early = rig.call(a, "iterator_record_start", row![iterator, made]);
        assert_eq!(error(early), unknown(iterator), "no transaction was given yet");
        let transaction = rig.call(a, "iterator_next", row![iterator]);
        assert_eq!(transaction, Ok(row![made, " ", b"user".to_vec(), b"why".to_vec(), extension]));
        let wrong = rig.call(a, "iterator_record_start", row![iterator, made.next()]);
        assert!(error(wrong).starts_with("ValueError: transaction "));
        let records = number(rig.call(a, "iterator_record_start", row![iterator, made]));
        let mut record = |oid: u64, data: &str| {
            let found = rig.call(a, "iterator_record_next", row![records]);
            assert_eq!(found, Ok(row![Oid(oid), made, data.as_bytes(), Owned::None]));
        };
        record(7, "seven");
        record(3, &long);
        assert_eq!(rig.call(a, "iterator_record_next", row![records]), Ok(Owned::None));
        assert_eq!(error(rig.call(a, "iterator_record_next", row![records])), unknown(records));
        assert_eq!(error(rig.call(a, "iterator_next", row![records])), unknown(records));
        assert_eq!(error(rig.call(a, "iterator_record_next", row![iterator])), unknown(iterator));
    });
}

#[test]
fn iterations_are_a_clients_own_and_end_when_it_says_so() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let made = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let iterator = start(&mut rig, a, None, None);
        assert_eq!(error(rig.call(b, "iterator_next", row![iterator])), unknown(iterator));
        assert_eq!(rig.call(b, "iterator_gc", row![row![iterator]]), Ok(Owned::None));
        assert_eq!(next(&mut rig, a, iterator), Some(made));
        rig.one_way(a, "iterator_gc", row![row![iterator, 77, -1]]);
        assert_eq!(error(rig.call(a, "iterator_next", row![iterator])), unknown(iterator));
        let started = rig.call(a, "iterator_record_start", row![iterator, made]);
        assert_eq!(error(started), unknown(iterator));
        rig.one_way(b, "iterator_next", row![0]);
        assert!(rig.is_closed(b), "an error nobody can be told of");
    });
}

#[test]
fn one_iteration_too_many_ends_the_one_that_was_longest_unused() {
    let mut rig = Rig::file();
    let (a, b) = (rig.client(), rig.client());
    let made = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    let other = start(&mut rig, b, None, None);
    for expected in 0..limits::ITERATIONS as i64 {
        assert_eq!(start(&mut rig, a, None, None), expected);
    }
    assert_eq!(next(&mut rig, a, 0), Some(made), "the bound is not passed, and 1 is unused for longest");
    start(&mut rig, a, None, None);
    assert_eq!(error(rig.call(a, "iterator_next", row![1])), unknown(1));
    assert_eq!(next(&mut rig, a, 0), None);
    assert_eq!(next(&mut rig, b, other), Some(made), "others have their own");
}

#[test]
fn calls_of_one_iteration_are_answered_in_order_however_slow_the_disk() {
    let mut rig = Rig::file();
    let a = rig.client();
    let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    let second = commit(&mut rig, a, &[(1, first, "y")]);
    let iterator = start(&mut rig, a, None, None);
    rig.hold(Hold::Reads);
    let asked: Vec<_> = (0..4).map(|_| rig.send(a, "iterator_next", row![iterator])).collect();
    assert_eq!(rig.on_hold(Hold::Reads), 1, "one question at a time");
    rig.let_go(Hold::Reads);
    let mut answers = asked.iter().map(|id| rig.answer(a, id).expect("an answer"));
    for expected in [first, second] {
        let Ok(Owned::Tuple(mut items)) = answers.next().unwrap() else { panic!("a transaction") };
        assert_eq!(tid(items.swap_remove(0)), expected);
    }
    assert_eq!(answers.next().unwrap(), Ok(Owned::None));
    assert_eq!(error(answers.next().unwrap()), unknown(iterator));
}

#[test]
fn an_iteration_that_ends_while_the_disk_is_asked_answers_all_its_calls() {
    for hangs_up in [false, true] {
        let mut rig = Rig::file();
        let a = rig.client();
        let made = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let iterator = start(&mut rig, a, None, None);
        rig.hold(Hold::Reads);
        let asked = [0; 2].map(|_| rig.send(a, "iterator_next", row![iterator]));
        if hangs_up {
            rig.hang_up(a);
            rig.let_go(Hold::Reads);
            continue;
        }
        rig.one_way(a, "iterator_gc", row![row![iterator]]);
        rig.let_go(Hold::Reads);
        let Some(Ok(Owned::Tuple(items))) = rig.answer(a, &asked[0]) else { panic!("a transaction") };
        assert_eq!(items[0], made.into());
        assert_eq!(error(rig.answer(a, &asked[1]).unwrap()), unknown(iterator));
    }
}

#[test]
fn what_is_current_is_told_object_by_object() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let empty = rig.call(a, "record_iternext", row![]);
        assert_eq!(error(empty), "ValueError: no object follows");
        let first = commit(&mut rig, a, &[(0, Tid::ZERO, "root"), (300, Tid::ZERO, "old")]);
        let second = commit(&mut rig, a, &[(300, first, "new"), (u64::MAX, Tid::ZERO, "last")]);
        let mut told = |args, row| assert_eq!(rig.call(a, "record_iternext", args), Ok(row));
        let root = row![Oid(0), first, b"root".to_vec(), Oid(300)];
        told(row![], root.clone());
        told(row![Owned::None], root.clone());
        told(row![Oid(0)], root);
        let middle = row![Oid(300), second, b"new".to_vec(), Oid(u64::MAX)];
        told(row![Oid(1)], middle.clone());
        told(row![Oid(300)], middle);
        told(row![Oid(301)], row![Oid(u64::MAX), second, b"last".to_vec(), Owned::None]);
    });
}
