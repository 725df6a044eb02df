//! What clients of both servers see of one storage.

use super::testing::{Floor, Tower, What, changes, store};
use crate::client::{Answer, Call, Change, Changes, Error, Operation, TxnRef};
use crate::ids::{Oid, Tid};
use crate::server::config::Config;
use crate::server::event::Event;
use crate::server::fault::Fault;
use crate::wire::remote::RemoteError;
use std::time::Duration;

/// A tower with one object, and clients below, below and above.
fn tower() -> (Tower, [usize; 3], Tid) {
    tower_with(Config::default())
}

fn tower_with(config: Config) -> (Tower, [usize; 3], Tid) {
    let mut tower = Tower::with(config);
    let clients = [Floor::Below, Floor::Below, Floor::Above].map(|floor| tower.client(floor));
    let tid = tower.commit(clients[2], vec![store(1, Tid::ZERO, "one")]);
    clients.iter().for_each(|at| drop(tower.changes(*at)));
    (tower, clients, tid)
}

/// A transaction that holds its place above until somebody finishes it.
fn hold(tower: &mut Tower, at: usize, operations: Vec<Operation>) -> TxnRef {
    match tower.call(at, Call::Vote(Box::new(Changes { finish: false, ..changes(operations) }))) {
        Ok(Answer::Voted(txn)) => txn,
        other => panic!("no vote: {other:?}"),
    }
}

fn objects(tid: Tid, oids: &[u64]) -> Vec<Change> {
    vec![Change::Objects { tid, oids: oids.iter().copied().map(Oid).collect() }]
}

#[test]
fn a_commit_on_either_floor_is_told_once_to_everybody() {
    let (mut tower, clients, mut tid) = tower();
    for committer in clients {
        tid = tower.commit(committer, vec![store(1, tid, "next")]);
        for at in clients {
            assert_eq!(tower.changes(at), objects(tid, &[1]), "client {at} of one by {committer}");
            assert_eq!(tower.current(at, 1), Ok(("next".to_owned(), tid)));
        }
    }
}

#[test]
fn one_load_above_serves_all_clients_below() {
    let (mut tower, [one, two, _], tid) = tower();
    let before = tower.loads_above();
    for at in [one, two, one] {
        assert_eq!(tower.current(at, 1), Ok(("one".to_owned(), tid)));
    }
    assert_eq!(tower.loads_above() - before, 1);
    assert_eq!(tower.current(two, 5), Err(Error::NoObject(Oid(5))));
}

#[test]
fn conflicts_come_down_to_the_client_who_merges() {
    let (mut tower, [one, two, above], tid) = tower();
    let second = tower.commit(above, vec![store(1, tid, "theirs")]);
    let stale = || changes(vec![store(2, Tid::ZERO, "new"), store(1, tid, "ours")]);
    let refused = tower.call(two, Call::Vote(Box::new(stale())));
    assert!(matches!(refused, Err(Error::Conflict(conflict)) if conflict.committed == second));
    let merged = tower.call(one, Call::Vote(Box::new(Changes { resolve: true, ..stale() })));
    let Ok(Answer::Finished(finished)) = merged else { panic!("{merged:?}") };
    assert_eq!(finished.changed, [Oid(1)]);
    for at in [one, two, above] {
        assert_eq!(tower.current(at, 1), Ok(("theirs+ours".to_owned(), finished.tid)));
    }
}

#[test]
fn a_read_check_is_judged_above() {
    let (mut tower, [one, _, above], tid) = tower();
    let second = tower.commit(above, vec![store(1, tid, "two")]);
    let check = Operation::ReadCheck { oid: Oid(1), serial: tid };
    let checked = tower.call(one, Call::Vote(Box::new(changes(vec![store(2, Tid::ZERO, "x"), check]))));
    assert_eq!(checked, Err(Error::ReadConflict { oid: Oid(1), committed: second, read: tid }));
}

#[test]
fn votes_below_wait_for_the_one_place_above() {
    let (mut tower, [one, two, _], tid) = tower();
    let txn = hold(&mut tower, one, vec![store(1, tid, "held")]);
    let waiting = tower.ask(two, Call::Vote(Box::new(changes(vec![store(2, Tid::ZERO, "other")]))));
    assert_eq!(tower.answer(two, waiting), None);
    assert!(matches!(tower.call(one, Call::Abort(txn)), Ok(Answer::Done)));
    assert!(matches!(tower.answer(two, waiting), Some(Ok(Answer::Finished(_)))));
}

#[test]
fn a_client_that_vanishes_gives_its_place_above_to_the_next() {
    let (mut tower, [one, two, _], tid) = tower();
    hold(&mut tower, one, vec![store(1, tid, "held")]);
    let waiting = tower.ask(two, Call::Vote(Box::new(changes(vec![store(1, tid, "mine")]))));
    assert_eq!(tower.answer(two, waiting), None);
    tower.cut_client(one);
    tower.run();
    assert!(matches!(tower.answer(two, waiting), Some(Ok(Answer::Finished(_)))));
}

#[test]
fn a_transaction_that_is_voted_and_forgotten_has_its_time() {
    let timeout = Some(Duration::from_secs(2));
    let (mut tower, [one, two, _], tid) =
        tower_with(Config { transaction_timeout: timeout, ..Config::default() });
    hold(&mut tower, one, vec![store(1, tid, "held")]);
    let waiting = tower.ask(two, Call::Vote(Box::new(changes(vec![store(1, tid, "mine")]))));
    tower.pass(Duration::from_secs(1));
    assert_eq!(tower.answer(two, waiting), None);
    tower.pass(Duration::from_secs(2));
    assert!(matches!(tower.answer(two, waiting), Some(Ok(Answer::Finished(_)))));
    let timed_out =
        |event: &Event| matches!(event, Event::Closed { fault: Fault::TransactionTimeout(_), .. });
    assert!(tower.events.iter().any(timed_out));
}

#[test]
fn while_the_server_above_is_away_clients_stay_and_their_questions_end_in_time() {
    let (mut tower, [one, ..], tid) = tower();
    let away = tower.kill();
    assert!(tower.is_ready(one));
    let load = tower.ask(one, Call::Load { oid: Oid(1), before: Tid::MAX });
    let vote = tower.ask(one, Call::Vote(Box::new(changes(vec![store(1, tid, "no")]))));
    tower.pass(Duration::from_secs(6));
    for ticket in [load, vote] {
        let answer = tower.answer(one, ticket);
        let Some(Err(Error::Refused(RemoteError::Disconnected(_)))) = answer else { panic!("{answer:?}") };
    }
    assert!(tower.is_ready(one));
    tower.revive(away);
    tower.pass(Duration::from_secs(60));
    assert_eq!(tower.current(one, 1), Ok(("one".to_owned(), tid)));
}

#[test]
fn what_was_cached_before_is_told_while_the_server_above_is_away() {
    let (mut tower, [one, two, _], tid) = tower();
    assert_eq!(tower.current(one, 1), Ok(("one".to_owned(), tid)));
    tower.kill();
    let loaded = tower.call(two, Call::Load { oid: Oid(1), before: tid.next() });
    assert!(matches!(loaded, Ok(Answer::Loaded(Some(revision))) if revision.serial == tid));
}

#[test]
fn clients_learn_what_they_missed_when_the_server_above_is_back() {
    let (mut tower, [one, two, above], tid) = tower();
    assert_eq!(tower.current(one, 1), Ok(("one".to_owned(), tid)));
    tower.cut();
    let second = tower.commit(above, vec![store(1, tid, "two")]);
    let third = tower.commit(above, vec![store(2, Tid::ZERO, "new")]);
    assert_eq!(tower.changes(one), []);
    tower.pass(Duration::from_secs(30));
    for at in [one, two] {
        assert_eq!(tower.changes(at), objects(third, &[1, 2]));
        assert_eq!(tower.current(at, 1), Ok(("two".to_owned(), second)));
        // The revision before did not last until the end of what was missed.
        let loaded = tower.call(at, Call::Load { oid: Oid(1), before: second });
        let Ok(Answer::Loaded(Some(revision))) = loaded else { panic!("{loaded:?}") };
        assert_eq!((revision.serial, revision.until), (tid, Some(second)));
    }
    let verified = |event: &Event| matches!(event, Event::Closed { fault: Fault::Upstream, .. });
    assert_eq!(tower.events.iter().filter(|event| verified(event)).count(), 2);
}

#[test]
fn a_voted_transaction_ends_with_the_connection_above() {
    let (mut tower, [one, _, above], tid) = tower();
    let txn = hold(&mut tower, one, vec![store(1, tid, "lost")]);
    tower.cut();
    let finished = tower.call(one, Call::Finish(txn));
    assert!(matches!(finished, Err(Error::Refused(RemoteError::StorageTransaction(_)))), "{finished:?}");
    tower.pass(Duration::from_secs(30));
    assert_eq!(tower.current(above, 1), Ok(("one".to_owned(), tid)));
}

#[test]
fn a_finish_that_is_lost_above_is_settled_by_its_client() {
    let (mut tower, [one, two, above], tid) = tower();
    let txn = hold(&mut tower, one, vec![store(1, tid, "lost?")]);
    tower.held = true;
    let finish = tower.ask(one, Call::Finish(txn));
    let (_, second) = tower.current(above, 1).expect("the object");
    assert!(second > tid, "it is committed");
    assert_eq!((tower.answer(one, finish), tower.changes(two)), (None, vec![]));
    tower.cut();
    assert_eq!(tower.answer(one, finish), None, "nobody below knows");
    tower.pass(Duration::from_secs(30));
    let settled = tower.answer(one, finish);
    assert!(matches!(&settled, Some(Ok(Answer::Finished(it))) if it.tid == second), "{settled:?}");
    for at in [one, two] {
        assert_eq!(tower.current(at, 1), Ok(("lost?".to_owned(), second)));
        assert_eq!(tower.changes(at), objects(second, &[1]));
    }
}

#[test]
fn a_reply_that_overtook_an_invalidation_above_waits_for_it() {
    let (mut tower, [one, _, above], tid) = tower();
    tower.held = true;
    let second = tower.commit(above, vec![store(1, tid, "two")]);
    tower.order(one);
    let load = tower.ask(one, Call::Load { oid: Oid(1), before: Tid::MAX });
    (tower.held, tower.overtaking) = (false, true);
    tower.run();
    let loaded = tower.answer(one, load);
    assert!(matches!(&loaded, Some(Ok(Answer::Loaded(Some(it)))) if it.serial == second), "{loaded:?}");
    assert_eq!(tower.order(one), [What::Change, What::Answer]);
}

#[test]
fn the_server_above_is_asked_what_a_client_missed_longer_ago() {
    let (mut tower, [one, _, above], tid) =
        tower_with(Config { invalidation_queue: 0.into(), ..Config::default() });
    tower.cut_client(one);
    let second = tower.commit(above, vec![store(1, tid, "two")]);
    tower.pass(Duration::from_secs(30));
    assert_eq!(tower.changes(one), objects(second, &[1]), "not everything");
}

#[test]
fn nobody_is_let_in_before_the_server_above_was_reached() {
    let mut tower = Tower::unconnected(Config::default());
    let away = tower.kill();
    let one = tower.client(Floor::Below);
    assert!(tower.below.started().is_none() && !tower.is_ready(one));
    tower.pass(Duration::from_secs(6));
    let started = tower.below.started();
    assert!(matches!(started, Some(Err(("1", Error::Disconnected(_))))), "{started:?}");
    tower.revive(away);
    tower.pass(Duration::from_secs(60));
    assert!(tower.is_ready(one));
}

#[test]
fn nothing_is_kept_for_clients_that_want_nothing() {
    let (mut tower, [one, two, above], tid) = tower();
    let iteration = tower.call(one, Call::Iterate { start: None, stop: None });
    assert!(matches!(iteration, Ok(Answer::Iteration(_))));
    hold(&mut tower, two, vec![store(1, tid, "held")]);
    let held = tower.below.held();
    assert_eq!((held.transactions.len(), held.rest.len()), (1, 1), "{held:?}");
    tower.cut_client(one);
    tower.cut_client(two);
    tower.run();
    assert_eq!(tower.below.held(), crate::server::held::Held::default());
    tower.commit(above, vec![store(1, tid, "free")]);
}
