//! The end of a server.

use super::super::config::Config;
use super::super::event::Event;
use super::super::fault::Fault;
use super::super::testing::{Hold, Rig, row};
use super::super::{ConnId, Input};
use super::tx::{Tx, commit, current};
use crate::ids::Tid;
use crate::store::disk::{DiskError, FileId};
use crate::wire::Codec;

#[test]
fn a_server_with_nothing_going_on_closes_its_connections_saves_the_index_and_stops() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let b = rig.open(Codec::Pickle);
        rig.stop();
        assert_eq!((rig.fault(a), rig.fault(b)), (Some(Fault::Stopping), Some(Fault::Stopping)));
        assert_eq!(rig.stopped, 1);
        assert!(rig.script.take().ends_with("stopped"), "that comes last");
        if !rig.disk.bytes(FileId::Log).is_empty() {
            assert!(!rig.disk.bytes(FileId::Index).is_empty());
            let mut rig = rig.reopen();
            let a = rig.client();
            assert_eq!(current(&mut rig, a, 1), Some(("x".into(), serial)));
        }
    });
}

#[test]
fn what_is_being_written_is_finished_and_told_before_the_end() {
    let mut rig = Rig::file();
    let [a, b, c] = std::array::from_fn(|_| rig.client());
    rig.hold(Hold::Syncs);
    rig.hold(Hold::Replaces);
    let first = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
    let finish = first.ask_finish(&mut rig);
    let second = Tx::begin(&mut rig, b, 7).store(&mut rig, 2, Tid::ZERO, "y").voted(&mut rig);
    let next = second.ask_finish(&mut rig);
    let voted = Tx::begin(&mut rig, c, 7).store(&mut rig, 3, Tid::ZERO, "z").voted(&mut rig);
    rig.stop();
    assert!(!rig.is_closed(a) && !rig.is_closed(c), "two finishes are on their way");
    rig.script.take();
    let late = voted.ask_finish(&mut rig);
    assert_eq!(rig.answer(c, &late), None, "no more calls are taken");
    rig.release(Hold::Syncs);
    assert!(rig.answer(a, &finish).is_some_and(|answer| answer.is_ok()));
    assert!(!rig.is_closed(a), "the second batch is being written");
    rig.release(Hold::Syncs);
    assert!(rig.answer(b, &next).is_some_and(|answer| answer.is_ok()));
    for conn in [a, b, c] {
        assert_eq!(rig.fault(conn), Some(Fault::Stopping));
    }
    rig.release(Hold::Syncs);
    assert_eq!(rig.stopped, 0, "the index is being saved");
    rig.release(Hold::Replaces);
    assert_eq!(rig.stopped, 1);
    insta::assert_snapshot!(rig.script.take(), @r#"
    3 > 3 tpc_finish(7)
    disk: sync log done
    disk: sync sums done
    2 < invalidateTransaction(T1, [1])
    3 < invalidateTransaction(T1, [1])
    1 < info(1 objects, 78 bytes)
    1 < reply 3 = T1
    disk: write log
    disk: sync log
    disk: sync sums
    disk: sync log done
    disk: sync sums done
    1 < invalidateTransaction(T2, [2])
    3 < invalidateTransaction(T2, [2])
    2 < info(2 objects, 152 bytes)
    2 < reply 3 = T2
    1 closed
    2 closed
    3 closed
    disk: sync lock
    disk: sync index
    disk: sync lock done
    disk: sync index done
    stopped
    "#);
    let mut rig = rig.reopen();
    let a = rig.client();
    assert!(current(&mut rig, a, 1).is_some() && current(&mut rig, a, 2).is_some());
    assert_eq!(current(&mut rig, a, 3), None);
}

#[test]
fn votes_and_reads_that_wait_do_not_keep_a_server_alive() {
    let mut rig = Rig::file();
    let a = rig.client();
    let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    let mut rig = rig.reopen();
    let [a, b, c, d] = std::array::from_fn(|_| rig.client());
    rig.hold(Hold::Reads);
    rig.hold(Hold::Reserves);
    Tx::begin(&mut rig, a, 7).store(&mut rig, 2, Tid::ZERO, "reserving").ask_vote(&mut rig);
    Tx::begin(&mut rig, b, 7).store(&mut rig, 1, serial, "checking").ask_vote(&mut rig);
    Tx::begin(&mut rig, c, 7).store(&mut rig, 1, serial, "waiting").ask_vote(&mut rig);
    rig.send(d, "loadBefore", row![crate::ids::Oid(1), Tid::MAX]);
    rig.stop();
    assert_eq!((rig.stopped, rig.server.connections()), (1, 0));
    rig.let_go(Hold::Reads);
    rig.let_go(Hold::Reserves);
    assert_eq!(rig.stopped, 1, "late answers change nothing");
}

#[test]
fn input_after_the_stop_changes_nothing() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        rig.stop();
        rig.stop();
        rig.input(Input::Tick);
        rig.input(Input::Sent { conn: a, bytes: 3 });
        rig.input(Input::Closed { conn: a });
        let late = rig.open(Codec::Pickle);
        assert_eq!(rig.fault(late), Some(Fault::Stopping));
        assert_eq!(rig.raw(late).len(), 0);
        rig.input(Input::Received { conn: late, bytes: b"\0\0\0\x02Z5", wall: rig.wall });
        rig.input(Input::Received { conn: ConnId(99), bytes: b"\0\0\0\x02Z5", wall: rig.wall });
        assert_eq!((rig.stopped, rig.server.connections()), (1, 0));
    });
}

#[test]
fn a_client_that_comes_while_the_server_finishes_is_turned_away() {
    let mut rig = Rig::file();
    let a = rig.client();
    rig.hold(Hold::Syncs);
    Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig).ask_finish(&mut rig);
    rig.stop();
    let late = rig.open(Codec::Pickle);
    assert_eq!(rig.fault(late), Some(Fault::Stopping));
    rig.hang_up(a);
    rig.let_go(Hold::Syncs);
    assert_eq!(rig.stopped, 1, "a finish without its client is finished too");
}

#[test]
fn a_sync_that_fails_during_the_stop_does_not_keep_the_server_alive() {
    let mut rig = Rig::file();
    let a = rig.client();
    rig.hold(Hold::Syncs);
    Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig).ask_finish(&mut rig);
    rig.stop();
    rig.fail(Hold::Syncs, DiskError::Io("no more".into()));
    assert_eq!(rig.fault(a), Some(Fault::Storage("no more".into())));
    assert_eq!(rig.stopped, 1);
}

#[test]
fn an_index_that_cannot_be_saved_is_reported_and_the_server_stops() {
    let mut rig = Rig::file();
    let a = rig.client();
    commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    rig.hold(Hold::Replaces);
    rig.stop();
    rig.fail(Hold::Replaces, DiskError::Full);
    assert_eq!(rig.stopped, 1);
    assert!(rig.events.iter().any(|event| matches!(event, Event::IndexUnsaved { .. })));
}
