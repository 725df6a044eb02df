//! Clients that go away in the middle of a commit.

use super::super::config::Config;
use super::super::event::Event;
use super::super::testing::{Hold, Rig, row};
use super::tx::{Tx, commit, current};
use crate::ids::Tid;
use crate::limits;
use crate::wire::tree::Owned;

/// Another client commits the object right away.
fn is_free(rig: &mut Rig, oid: u64, serial: Tid) {
    let conn = rig.client();
    commit(rig, conn, &[(oid, serial, "free")]);
    let status = rig.call(conn, "server_status", row![]).unwrap().to_string();
    assert!(status.contains("'active_txns': 0") && status.contains("'waiting': 0"), "{status}");
    rig.hang_up(conn);
}

fn was_in_transaction(rig: &Rig) -> bool {
    let disconnected = |event: &&Event| matches!(event, Event::Disconnected { .. });
    let Some(Event::Disconnected { in_transaction, .. }) = rig.events.iter().rfind(disconnected) else {
        panic!("nobody hung up")
    };
    *in_transaction
}

#[test]
fn an_open_transaction_is_forgotten() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
        rig.hang_up(a);
        assert!(was_in_transaction(&rig));
        is_free(&mut rig, 1, Tid::ZERO);
    });
}

#[test]
fn a_vote_that_waits_is_forgotten_and_those_behind_it_move_up() {
    Rig::everywhere(Config::default(), |mut rig| {
        let [a, b, c] = [rig.client(), rig.client(), rig.client()];
        let holder = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        Tx::begin(&mut rig, b, 7)
            .store(&mut rig, 1, Tid::ZERO, "y")
            .store(&mut rig, 2, Tid::ZERO, "y")
            .ask_vote(&mut rig);
        let behind = Tx::begin(&mut rig, c, 7).store(&mut rig, 2, Tid::ZERO, "z");
        let vote = behind.ask_vote(&mut rig);
        assert_eq!(rig.answer(c, &vote), None);
        rig.hang_up(b);
        assert_eq!(rig.answer(c, &vote), Some(Ok(row![])), "only b stood in its way");
        behind.finish(&mut rig);
        let serial = holder.finish(&mut rig);
        assert_eq!(current(&mut rig, a, 1), Some(("x".into(), serial)), "a dead client's vote never runs");
        is_free(&mut rig, 1, serial);
    });
}

#[test]
fn a_vote_that_is_checked_or_reserves_is_forgotten_and_waiters_are_served() {
    for hold in [Hold::Reads, Hold::Reserves] {
        for late in [false, true] {
            let mut rig = Rig::file();
            let a = rig.client();
            let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
            let mut rig = rig.reopen();
            let [a, b] = [rig.client(), rig.client()];
            rig.hold(hold);
            Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y").ask_vote(&mut rig);
            let waiter = Tx::begin(&mut rig, b, 7).store(&mut rig, 1, serial, "z");
            let vote = waiter.ask_vote(&mut rig);
            assert_eq!((rig.on_hold(hold), rig.answer(b, &vote)), (1, None));
            if late {
                rig.hang_up(a);
                rig.let_go(hold);
            } else {
                rig.let_go(hold);
                rig.hang_up(a);
            }
            assert_eq!(rig.answer(b, &vote), Some(Ok(row![])));
            let serial = waiter.finish(&mut rig);
            is_free(&mut rig, 1, serial);
        }
    }
}

#[test]
fn room_that_was_reserved_for_a_dead_client_is_given_back() {
    let mut rig = Rig::file();
    let a = rig.client();
    let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    let mut rig = rig.reopen();
    let a = rig.client();
    rig.disk.room = Some(limits::RESERVE_AHEAD);
    let eighths = |count: usize| "x".repeat(limits::RESERVE_AHEAD as usize / 8 * count);
    // Each is larger than the one before, so that the disk is asked again; together they are larger than the disk.
    for (size, voted) in [(1, false), (2, true), (3, false), (4, true), (5, false)] {
        let a = rig.client();
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, &eighths(size));
        if voted {
            tx.voted(&mut rig);
            rig.hang_up(a);
        } else {
            rig.hold(Hold::Reserves);
            tx.ask_vote(&mut rig);
            assert_eq!(rig.on_hold(Hold::Reserves), 1);
            rig.hang_up(a);
            rig.let_go(Hold::Reserves);
        }
    }
    commit(&mut rig, a, &[(1, serial, &eighths(6))]);
}

#[test]
fn a_voted_transaction_is_forgotten_and_the_waiter_is_served() {
    Rig::everywhere(Config::default(), |mut rig| {
        let [a, b] = [rig.client(), rig.client()];
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        let waiter = Tx::begin(&mut rig, b, 7).store(&mut rig, 1, Tid::ZERO, "z");
        let vote = waiter.ask_vote(&mut rig);
        rig.hang_up(a);
        assert!(was_in_transaction(&rig));
        assert_eq!(rig.answer(b, &vote), Some(Ok(row![])));
        let serial = waiter.finish(&mut rig);
        is_free(&mut rig, 1, serial);
    });
}

#[test]
fn a_finish_that_was_received_is_carried_out_and_told() {
    let mut rig = Rig::file();
    let [a, b, c] = [rig.client(), rig.client(), rig.client()];
    rig.hold(Hold::Syncs);
    Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig).ask_finish(&mut rig);
    Tx::begin(&mut rig, b, 7).store(&mut rig, 2, Tid::ZERO, "y").voted(&mut rig).ask_finish(&mut rig);
    let waiter = Tx::begin(&mut rig, c, 7).store(&mut rig, 1, Tid::ZERO, "z");
    let vote = waiter.ask_vote(&mut rig);
    rig.inbox(c);
    rig.hang_up(a);
    assert!(!was_in_transaction(&rig), "it is out of its client's hands");
    rig.hang_up(b);
    assert_eq!(rig.answer(c, &vote), None, "the locks are held until it is durable");
    rig.release(Hold::Syncs);
    assert_eq!(rig.inbox(c)[0], "invalidateTransaction(T1, [1])");
    rig.release(Hold::Syncs);
    assert_eq!(rig.inbox(c), ["invalidateTransaction(T2, [2])"]);
    assert!(rig.answer(c, &vote).is_some_and(|answer| answer.unwrap() != row![]), "its store is stale now");
    assert!(current(&mut rig, c, 1).is_some() && current(&mut rig, c, 2).is_some());
}

#[test]
fn a_client_that_is_closed_for_a_fault_loses_its_transaction_too() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        rig.one_way(a, "nonsense", row![]);
        assert!(rig.is_closed(a));
        is_free(&mut rig, 1, Tid::ZERO);
    });
}

#[test]
fn a_read_for_a_client_that_is_gone_is_answered_to_nobody() {
    let mut rig = Rig::file();
    let [a, b] = [rig.client(), rig.client()];
    commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    rig.hold(Hold::Reads);
    for _ in 0..3 {
        rig.send(a, "loadBefore", row![crate::ids::Oid(1), Tid::MAX]);
    }
    rig.hang_up(a);
    rig.let_go(Hold::Reads);
    assert_eq!(rig.call(b, "ping", row![]), Ok(Owned::None));
}
