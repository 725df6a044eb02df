//! Transactions that hold their locks for too long.

use super::super::config::Config;
use super::super::fault::Fault;
use super::super::testing::{Hold, Medium, Rig, row};
use super::tx::{Tx, commit};
use crate::ids::Tid;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const ALMOST: Duration = Duration::from_millis(29_999);
const MOMENT: Duration = Duration::from_millis(1);

fn limited() -> Config {
    Config { transaction_timeout: Some(LIMIT), ..Config::default() }
}

#[test]
fn time_runs_from_the_grant_of_the_locks_and_its_end_closes_the_connection() {
    Rig::everywhere(limited(), |mut rig| {
        let [a, b] = [rig.client(), rig.client()];
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
        rig.pass(LIMIT * 10);
        assert_eq!(rig.server.deadline(), None, "an open transaction holds nothing");
        Tx { conn: a, id: 7 }.voted(&mut rig);
        let waiter = Tx::begin(&mut rig, b, 7).store(&mut rig, 1, Tid::ZERO, "z");
        let vote = waiter.ask_vote(&mut rig);
        rig.pass(ALMOST);
        assert!(!rig.is_closed(a) && rig.answer(b, &vote).is_none());
        rig.pass(MOMENT);
        assert_eq!(rig.fault(a), Some(Fault::TransactionTimeout(LIMIT)));
        assert_eq!(rig.answer(b, &vote), Some(Ok(row![])), "the waiter is served");
        rig.pass(ALMOST);
        assert!(!rig.is_closed(b), "its time starts with its locks");
        waiter.finish(&mut rig);
        assert_eq!(rig.server.deadline(), None);
    });
}

#[test]
fn rounds_of_conflicts_share_one_span_of_time() {
    Rig::everywhere(limited(), |mut rig| {
        let a = rig.client();
        commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "y");
        assert!(tx.vote(&mut rig).is_ok());
        rig.pass(ALMOST);
        tx.store(&mut rig, 1, Tid::ZERO, "y");
        assert!(tx.vote(&mut rig).is_ok());
        rig.pass(MOMENT);
        assert_eq!(rig.fault(a), Some(Fault::TransactionTimeout(LIMIT)));
    });
}

#[test]
fn a_transaction_that_finished_has_all_the_time_it_needs() {
    let mut rig = Rig::new(Medium::File, limited());
    let a = rig.client();
    rig.hold(Hold::Syncs);
    let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
    let finish = tx.ask_finish(&mut rig);
    assert_eq!(rig.server.deadline(), None);
    rig.pass(LIMIT * 10);
    rig.release(Hold::Syncs);
    assert!(rig.answer(a, &finish).unwrap().is_ok());
}

#[test]
fn an_abort_a_failed_vote_and_a_disconnect_end_the_time() {
    Rig::everywhere(limited(), |mut rig| {
        let a = rig.client();
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig).abort(&mut rig);
        assert_eq!(rig.server.deadline(), None);
        assert!(Tx::begin(&mut rig, a, 8).check(&mut rig, 1, Tid::ZERO).vote(&mut rig).is_err());
        assert_eq!(rig.server.deadline(), None);
        Tx::begin(&mut rig, a, 9).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        rig.hang_up(a);
        assert_eq!(rig.server.deadline(), None);
    });
}

#[test]
fn several_transactions_expire_each_in_its_time() {
    Rig::everywhere(limited(), |mut rig| {
        let conns: Vec<_> = (0..5).map(|_| rig.client()).collect();
        for (oid, &conn) in conns.iter().enumerate() {
            Tx::begin(&mut rig, conn, 7).store(&mut rig, oid as u64, Tid::ZERO, "x").voted(&mut rig);
            if oid != 1 {
                rig.pass(Duration::from_secs(1));
            }
        }
        rig.pass(Duration::from_secs(27));
        let closed = |rig: &Rig| conns.iter().filter(|conn| rig.is_closed(**conn)).count();
        assert_eq!(closed(&rig), 3, "the second and third came at once");
        rig.pass(LIMIT);
        assert_eq!(closed(&rig), 5, "one tick for what has expired meanwhile");
    });
}

#[test]
fn without_configuration_a_transaction_has_all_the_time_it_wants() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        assert_eq!(rig.server.deadline(), None);
        rig.pass(Duration::from_secs(1_000_000));
        tx.finish(&mut rig);
    });
}

#[test]
fn a_tick_that_comes_early_does_nothing() {
    Rig::everywhere(limited(), |mut rig| {
        let a = rig.client();
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        rig.input(super::super::Input::Tick);
        assert!(!rig.is_closed(a));
    });
}
