//! A disk that is slow, full or broken.

use super::super::event::Event;
use super::super::fault::Fault;
use super::super::testing::{Hold, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::ids::{Oid, Tid};
use crate::store::disk::{DiskError, FileId};
use crate::wire::call::MessageId;
use crate::wire::tree::Owned;

/// A load that the disk holds back, under the id clients give it.
fn ask(rig: &mut Rig, conn: super::super::ConnId, oid: u64, before: Tid) -> MessageId {
    rig.send_as(conn, MessageId::Load(Oid(oid), before), "loadBefore", row![Oid(oid), before])
}

fn broken() -> DiskError {
    DiskError::Io("the disk is on fire".into())
}

#[test]
fn a_load_held_back_while_a_commit_becomes_visible_is_looked_up_again() {
    let mut rig = Rig::file();
    let (a, b) = (rig.client(), rig.client());
    let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "other")]);
    let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, first, "y").voted(&mut rig);
    rig.hold(Hold::Reads);
    let newest = ask(&mut rig, b, 1, Tid::MAX);
    let untouched = ask(&mut rig, b, 2, Tid::MAX);
    let past = ask(&mut rig, b, 1, first.next());
    let second = tx.finish(&mut rig);
    assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(T2, [1])");
    rig.let_go(Hold::Reads);
    assert_eq!(rig.answer(b, &newest), Some(Ok(row![&b"y"[..], second, Owned::None])));
    assert_eq!(rig.answer(b, &untouched), Some(Ok(row![&b"other"[..], first, Owned::None])));
    assert_eq!(rig.answer(b, &past), Some(Ok(row![&b"x"[..], first, second])), "it ended meanwhile");
}

#[test]
fn a_history_on_its_way_holds_nobody_up() {
    let mut rig = Rig::file();
    let (a, b) = (rig.client(), rig.client());
    let mut serial = Tid::ZERO;
    for _ in 0..3 {
        serial = commit(&mut rig, a, &[(1, serial, "x")]);
    }
    rig.hold(Hold::Reads);
    let history = rig.send(b, "history", row![Oid(1), 9]);
    assert_eq!(rig.call(b, "ping", row![]), Ok(Owned::None));
    let fourth = commit(&mut rig, a, &[(2, Tid::ZERO, "other")]);
    // One read at a time: others have their turn in between.
    for _ in 0..6 {
        assert_eq!(rig.on_hold(Hold::Reads), 1);
        assert_eq!(rig.answer(b, &history), None);
        rig.release(Hold::Reads);
    }
    rig.let_go(Hold::Reads);
    let Some(Ok(Owned::Tuple(revisions))) = rig.answer(b, &history) else { panic!("no history") };
    assert_eq!(revisions.len(), 3);
    assert_eq!(rig.call(b, "lastTransaction", row![]), Ok(fourth.into()));
}

#[test]
fn a_read_that_fails_is_an_error_of_the_storage_and_the_next_one_may_do() {
    let mut rig = Rig::file();
    let a = rig.client();
    let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    rig.hold(Hold::Reads);
    for (method, args) in [
        ("loadBefore", row![Oid(1), Tid::MAX]),
        ("loadSerial", row![Oid(1), serial]),
        ("getTid", row![Oid(1)]),
        ("history", row![Oid(1), 5]),
    ] {
        let id = rig.send(a, method, args);
        rig.fail(Hold::Reads, broken());
        let answer = rig.answer(a, &id).expect("an answer");
        assert_eq!(error(answer), "StorageSystemError: the disk is on fire");
        assert!(matches!(rig.events.last(), Some(Event::CallFailed { .. })));
    }
    rig.let_go(Hold::Reads);
    assert!(current(&mut rig, a, 1).is_some());
}

#[test]
fn a_read_that_fails_during_a_vote_ends_the_transaction_once() {
    let mut rig = Rig::file();
    let a = rig.client();
    let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "x"), (3, Tid::ZERO, "x")]);
    let mut rig = rig.reopen();
    let (a, b) = (rig.client(), rig.client());
    rig.hold(Hold::Reads);
    let tx = Tx::begin(&mut rig, a, 7);
    for oid in [1, 2, 3] {
        tx.store(&mut rig, oid, serial, "y");
    }
    let vote = tx.ask_vote(&mut rig);
    let waiter = Tx::begin(&mut rig, b, 7).store(&mut rig, 3, serial, "z");
    let waiting = waiter.ask_vote(&mut rig);
    assert_eq!(rig.on_hold(Hold::Reads), 3);
    rig.fail(Hold::Reads, broken());
    assert_eq!(error(rig.answer(a, &vote).unwrap()), "StorageSystemError: the disk is on fire");
    assert_eq!(rig.answer(a, &vote), None, "one answer");
    rig.let_go(Hold::Reads);
    assert_eq!(rig.answer(b, &waiting), Some(Ok(row![])), "the waiter was served");
}

#[test]
fn a_full_disk_is_an_error_at_the_vote_and_ends_the_transaction() {
    let mut rig = Rig::file();
    let (a, b) = (rig.client(), rig.client());
    let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    let mut rig = rig.reopen();
    let (a, b) = (rig.client(), {
        let _ = b;
        rig.client()
    });
    let small = rig.disk.bytes(FileId::Log).len() as u64 + 1000;
    rig.disk.room = Some(small);
    rig.hold(Hold::Reserves);
    let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, &"large".repeat(1000));
    let vote = tx.ask_vote(&mut rig);
    let waiter = Tx::begin(&mut rig, b, 7).store(&mut rig, 1, serial, "small");
    let waiting = waiter.ask_vote(&mut rig);
    rig.let_go(Hold::Reserves);
    assert_eq!(error(rig.answer(a, &vote).unwrap()), "StorageSystemError: no space left on the disk");
    assert!(error(tx.vote(&mut rig)).contains("no transaction 7 is open"));
    assert_eq!(rig.answer(b, &waiting), Some(Ok(row![])), "a smaller one fits");
    waiter.finish(&mut rig);
}

#[test]
fn after_a_failed_sync_finishers_are_closed_votes_fail_and_loads_go_on() {
    for file in [FileId::Log, FileId::Sidecar] {
        let mut rig = Rig::file();
        let [a, b, c, d, e] = std::array::from_fn(|_| rig.client());
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (9, Tid::ZERO, "x")]);
        let voted = Tx::begin(&mut rig, c, 7).store(&mut rig, 3, Tid::ZERO, "z").voted(&mut rig);
        rig.hold(Hold::Syncs);
        let syncing = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y").voted(&mut rig);
        syncing.ask_finish(&mut rig);
        Tx::begin(&mut rig, b, 7).store(&mut rig, 2, Tid::ZERO, "y").voted(&mut rig).ask_finish(&mut rig);
        let waiter = Tx::begin(&mut rig, d, 7).store(&mut rig, 1, serial, "w");
        let waiting = waiter.ask_vote(&mut rig);
        rig.inbox(e);
        rig.disk.broken = Some(file);
        rig.let_go(Hold::Syncs);
        let fault = Some(Fault::Storage("a broken disk".into()));
        assert_eq!((rig.fault(a), rig.fault(b)), (fault.clone(), fault), "written or waiting: nobody knows");
        assert!(!rig.is_closed(c) && !rig.is_closed(d));
        let refused = "StorageSystemError: the storage takes no more commits since an earlier write failed; \
                       restart the server";
        assert_eq!(error(rig.answer(d, &waiting).expect("an answer")), refused);
        assert_eq!(error(rig.call(c, "tpc_finish", row![7])), refused, "though it was voted");
        assert_eq!(voted.id, 7);
        let later = Tx::begin(&mut rig, c, 8).store(&mut rig, 5, Tid::ZERO, "z");
        assert_eq!(error(later.vote(&mut rig)), refused);
        let check = Tx::begin(&mut rig, c, 9).check(&mut rig, 2, Tid::ZERO);
        assert_eq!(error(check.vote(&mut rig)), refused, "2 may be there after the next start");
        assert_eq!(current(&mut rig, e, 1), Some(("x".into(), serial)), "loads go on");
        assert_eq!(rig.call(e, "lastTransaction", row![]), Ok(serial.into()));
        let told = rig.inbox(e);
        assert!(!told.iter().any(|line| line.starts_with("invalidate")), "{told:?}");
        let failures = |event: &&Event| matches!(event, Event::StorageFailed { .. });
        assert_eq!(rig.events.iter().filter(failures).count(), 1);
    }
}

#[test]
fn after_a_failed_sync_what_was_acknowledged_is_there_at_the_next_start() {
    let mut rig = Rig::file();
    let a = rig.client();
    let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    rig.disk.broken = Some(FileId::Log);
    let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, serial, "y").voted(&mut rig);
    tx.ask_finish(&mut rig);
    assert!(rig.is_closed(a));
    rig.disk.broken = None;
    rig.disk.crash(|| false);
    let mut rig = rig.reopen();
    let a = rig.client();
    assert_eq!(current(&mut rig, a, 1), Some(("x".into(), serial)));
    commit(&mut rig, a, &[(1, serial, "z")]);
}
