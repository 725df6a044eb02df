//! Who waits for whom.

use super::super::ConnId;
use super::super::config::Config;
use super::super::event::{Event, Level};
use super::super::testing::{Hold, Rig, row};
use super::tx::{Tx, commit, error};
use crate::ids::Tid;
use crate::wire::call::MessageId;

/// A new client's transaction that stores these objects, and its vote.
fn voting(rig: &mut Rig, oids: &[u64]) -> (Tx, MessageId) {
    let conn = rig.client();
    let tx = Tx::begin(rig, conn, 7);
    for &oid in oids {
        tx.store(rig, oid, Tid::ZERO, "x");
    }
    let vote = tx.ask_vote(rig);
    (tx, vote)
}

/// Whether a vote was answered, and well.
fn granted(rig: &mut Rig, (tx, vote): &(Tx, MessageId)) -> bool {
    rig.answer(tx.conn, vote).map(|answer| assert_eq!(answer, Ok(row![]))).is_some()
}

#[test]
fn disjoint_transactions_vote_and_finish_side_by_side() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = voting(&mut rig, &[1, 2]);
        let b = voting(&mut rig, &[3]);
        assert!(granted(&mut rig, &a) && granted(&mut rig, &b));
        let second = b.0.finish(&mut rig);
        let first = a.0.finish(&mut rig);
        assert!(first > second, "tids follow the finishes");
    });
}

#[test]
fn locks_are_granted_in_order_of_arrival() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = voting(&mut rig, &[1]);
        let b = voting(&mut rig, &[1, 2]);
        let c = voting(&mut rig, &[2, 3]);
        let d = voting(&mut rig, &[3]);
        let e = voting(&mut rig, &[4]);
        assert!(granted(&mut rig, &a));
        assert!(granted(&mut rig, &e), "in nobody's way");
        assert!(!granted(&mut rig, &b));
        assert!(!granted(&mut rig, &c), "nobody overtakes a waiter it conflicts with");
        assert!(!granted(&mut rig, &d));
        for (before, after) in [(&a, &b), (&b, &c), (&c, &d)] {
            before.0.abort(&mut rig);
            assert!(granted(&mut rig, after));
        }
    });
}

#[test]
fn a_finish_lets_the_next_vote_go_on_and_find_the_conflict() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = voting(&mut rig, &[1]);
        let b = voting(&mut rig, &[1]);
        assert!(granted(&mut rig, &a) && !granted(&mut rig, &b));
        let committed = a.0.finish(&mut rig);
        let answer = rig.answer(b.0.conn, &b.1).expect("it has its locks").expect("conflicts");
        assert!(answer.to_string().contains("serials"), "{answer}");
        b.0.store(&mut rig, 1, committed, "resolved").voted(&mut rig).finish(&mut rig);
    });
}

#[test]
fn locks_are_held_until_the_finish_is_durable() {
    let mut rig = Rig::file();
    let a = voting(&mut rig, &[1]);
    assert!(granted(&mut rig, &a));
    rig.hold(Hold::Syncs);
    a.0.ask_finish(&mut rig);
    let b = voting(&mut rig, &[1]);
    let same = Tx::begin(&mut rig, a.0.conn, 8).store(&mut rig, 1, Tid::ZERO, "again");
    let again = same.ask_vote(&mut rig);
    assert_eq!((rig.answer(b.0.conn, &b.1), rig.answer(a.0.conn, &again)), (None, None));
    rig.release(Hold::Syncs);
    assert!(rig.answer(b.0.conn, &b.1).is_some());
    assert_eq!(rig.answer(a.0.conn, &again), None, "behind b");
    b.0.abort(&mut rig);
    assert!(rig.answer(a.0.conn, &again).is_some());
}

#[test]
fn read_checks_share_an_object_and_a_store_waits_for_all_of_them() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let readers = [rig.client(), rig.client()]
            .map(|conn| Tx::begin(&mut rig, conn, 7).check(&mut rig, 1, serial).voted(&mut rig));
        let writer = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y");
        let vote = writer.ask_vote(&mut rig);
        assert_eq!(rig.answer(a, &vote), None);
        readers[0].finish(&mut rig);
        assert_eq!(rig.answer(a, &vote), None, "one reader is left");
        readers[1].abort(&mut rig);
        assert_eq!(rig.answer(a, &vote), Some(Ok(row![])));
        writer.finish(&mut rig);
    });
}

#[test]
fn a_read_check_behind_a_waiting_store_waits_and_then_fails() {
    Rig::everywhere(Config::default(), |mut rig| {
        let conns: [ConnId; 3] = std::array::from_fn(|_| rig.client());
        let serial = commit(&mut rig, conns[0], &[(1, Tid::ZERO, "x")]);
        let reader = Tx::begin(&mut rig, conns[0], 7).check(&mut rig, 1, serial).voted(&mut rig);
        let writer = Tx::begin(&mut rig, conns[1], 7).store(&mut rig, 1, serial, "y");
        let write = writer.ask_vote(&mut rig);
        let late = Tx::begin(&mut rig, conns[2], 7).check(&mut rig, 1, serial);
        let check = late.ask_vote(&mut rig);
        assert_eq!((rig.answer(conns[1], &write), rig.answer(conns[2], &check)), (None, None));
        reader.finish(&mut rig);
        assert_eq!(rig.answer(conns[1], &write), Some(Ok(row![])));
        writer.finish(&mut rig);
        let failed = rig.answer(conns[2], &check).expect("the check was made");
        assert!(error(failed).starts_with("ReadConflictError"), "what it read is not current any more");
    });
}

#[test]
fn a_store_and_a_check_of_one_object_in_one_transaction_get_along() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        for order in [true, false] {
            let tx = Tx::begin(&mut rig, a, 7);
            if order {
                tx.store(&mut rig, 1, serial, "y").check(&mut rig, 1, serial);
            } else {
                tx.check(&mut rig, 1, serial).check(&mut rig, 1, serial).store(&mut rig, 1, serial, "y");
            }
            tx.voted(&mut rig);
            let check = Tx::begin(&mut rig, b, 8).check(&mut rig, 1, serial);
            let vote = check.ask_vote(&mut rig);
            assert_eq!(rig.answer(b, &vote), None, "the lock is exclusive");
            tx.abort(&mut rig);
            assert_eq!(rig.answer(b, &vote), Some(Ok(row![])));
            check.abort(&mut rig);
        }
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y").check(&mut rig, 1, Tid(1));
        assert!(error(tx.vote(&mut rig)).starts_with("ReadConflictError"), "no resolution helps it");
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y").check(&mut rig, 1, serial);
        tx.voted(&mut rig).finish(&mut rig);
    });
}

#[test]
fn an_abort_while_the_vote_waits_is_the_end_of_both() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = voting(&mut rig, &[1]);
        let b = voting(&mut rig, &[1]);
        let c = voting(&mut rig, &[1]);
        let again = rig.call(b.0.conn, "vote", row![7]);
        assert_eq!(error(again), "StorageTransactionError: Already voting (waiting)");
        b.0.abort(&mut rig);
        let answer = rig.answer(b.0.conn, &b.1).expect("nobody hangs");
        assert!(error(answer).starts_with("StorageTransactionError"));
        assert!(!granted(&mut rig, &c), "a still holds the lock");
        a.0.abort(&mut rig);
        assert!(granted(&mut rig, &c));
    });
}

#[test]
fn an_abort_while_the_vote_reads_or_reserves_is_the_end_of_both() {
    for hold in [Hold::Reads, Hold::Reserves] {
        let mut rig = Rig::file();
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let mut rig = rig.reopen();
        let a = rig.client();
        rig.hold(hold);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y");
        let vote = tx.ask_vote(&mut rig);
        assert_eq!((rig.answer(a, &vote), rig.on_hold(hold)), (None, 1));
        tx.abort(&mut rig);
        assert!(error(rig.answer(a, &vote).expect("nobody hangs")).starts_with("StorageTransactionError"));
        let next = Tx::begin(&mut rig, a, 8).store(&mut rig, 1, serial, "z");
        let vote = next.ask_vote(&mut rig);
        rig.let_go(hold);
        assert_eq!(rig.answer(a, &vote), Some(Ok(row![])), "the late answer is nobody's");
        next.finish(&mut rig);
    }
}

#[test]
fn ten_waiters_are_worth_a_warning() {
    let mut rig = Rig::memory();
    for _ in 0..11 {
        voting(&mut rig, &[1]);
    }
    let levels: Vec<Level> =
        rig.events.iter().filter(|event| matches!(event, Event::Waiting { .. })).map(Event::level).collect();
    assert_eq!(levels, [vec![Level::Debug; 9], vec![Level::Warning]].concat());
}
