//! Packs: asked for, refused, beside commits, loads and undos, and at a stop.

use super::super::ConnId;
use super::super::config::Config;
use super::super::event::Event;
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::wire::call::{MessageId, undo_id};
use crate::wire::tree::Owned;

/// Far behind every transaction of a test.
const FUTURE: Owned = Owned::Float(4e9);

fn on_files(test: impl Fn(Rig, ConnId)) {
    for codec in CODECS {
        let mut rig = Rig::new(Medium::File, Config { codec, ..Config::default() });
        let conn = rig.client();
        test(rig, conn);
    }
}

fn pack(rig: &mut Rig, conn: ConnId) -> MessageId {
    rig.send(conn, "pack", row![FUTURE, true])
}

fn state(rig: &mut Rig, conn: ConnId, oid: u64) -> Option<String> {
    current(rig, conn, oid).map(|(state, _)| state)
}

/// Two revisions of an object, and another one; the tids.
fn three(rig: &mut Rig, conn: ConnId) -> [Tid; 3] {
    let first = commit(rig, conn, &[(1, Tid::ZERO, "one")]);
    let second = commit(rig, conn, &[(1, first, "two"), (2, Tid::ZERO, "other")]);
    [first, second, commit(rig, conn, &[(2, second, "changed")])]
}

#[test]
fn a_pack_drops_old_revisions_and_tells_everybody_the_size() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let [first, second, third] = three(&mut rig, a);
        let before = rig.disk.bytes(FileId::Log).len();
        rig.inbox(a);
        rig.inbox(b);
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None));
        let size = rig.disk.bytes(FileId::Log).len();
        assert!(size < before);
        for conn in [a, b] {
            let told = rig.inbox(conn);
            assert!(told[0].starts_with("info(") && told[0].contains(&size.to_string()), "{told:?}");
        }
        assert_eq!(
            (state(&mut rig, b, 1).unwrap(), state(&mut rig, b, 2).unwrap()),
            ("two".into(), "changed".into())
        );
        assert_eq!(rig.call(a, "loadBefore", row![Oid(1), second]), Ok(Owned::None), "it was packed away");
        assert!(rig.call(a, "loadSerial", row![Oid(1), first]).is_err());
        assert_eq!(rig.call(a, "lastTransaction", row![]), Ok(third.into()));
        // What is queued is answered though it was packed away.
        assert!(matches!(rig.call(a, "getInvalidations", row![first]), Ok(Owned::Tuple(_))));
        let fourth = commit(&mut rig, a, &[(1, second, "three")]);
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(current(&mut rig, a, 1), Some(("three".into(), fourth)));
    });
}

#[test]
fn a_second_pack_is_refused_until_the_first_is_done() {
    on_files(|mut rig, a| {
        three(&mut rig, a);
        rig.pack_held = true;
        let first = pack(&mut rig, a);
        assert_eq!(error(rig.call(a, "pack", row![FUTURE, true])), "FileStorageError: Already packing");
        assert_eq!(rig.call(a, "pack", row![FUTURE, false]), Ok(Owned::None), "nobody waits to hear it");
        let Ok(Owned::Dict(status)) = rig.call(a, "server_status", row![]) else { panic!("no status") };
        assert!(status.contains(&(Owned::Str("pack".into()), Owned::Str("beginning".into()))), "{status:?}");
        assert_eq!(rig.answer(a, &first), None);
        rig.let_pack_go();
        assert_eq!(rig.answer(a, &first), Some(Ok(Owned::None)));
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None), "there is nothing left to pack");
        assert!(rig.events.iter().any(|event| matches!(event, Event::PackedNothing { .. })));
    });
}

#[test]
fn a_pack_that_nobody_waits_for_goes_on_without_its_client() {
    on_files(|mut rig, a| {
        three(&mut rig, a);
        for wait in [true, false] {
            let b = rig.client();
            rig.pack_held = true;
            rig.send(b, "pack", row![FUTURE, wait]);
            rig.hang_up(b);
            rig.let_pack_go();
        }
        let packed = rig.events.iter().filter(|event| matches!(event, Event::Packed { .. })).count();
        assert_eq!((packed, state(&mut rig, a, 1).unwrap()), (1, "two".into()));
    });
}

#[test]
fn commits_and_loads_go_on_at_every_step_of_a_pack() {
    for steps in 0..40 {
        let mut rig = Rig::file();
        let (a, b) = (rig.client(), rig.client());
        let [_, second, third] = three(&mut rig, a);
        rig.pack_held = true;
        let packed = pack(&mut rig, b);
        rig.pack_on(steps);
        assert_eq!(current(&mut rig, a, 1), Some(("two".into(), second)));
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 2, third, "during").voted(&mut rig);
        let finish = tx.ask_finish(&mut rig);
        rig.let_pack_go();
        let answer = rig.answer(a, &finish).expect("a finish is answered").unwrap();
        assert_eq!(rig.answer(b, &packed), Some(Ok(Owned::None)), "after {steps} steps");
        assert_eq!(state(&mut rig, b, 2).unwrap(), "during");
        assert_eq!(rig.call(b, "lastTransaction", row![]), Ok(answer));
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(
            (state(&mut rig, a, 1).unwrap(), state(&mut rig, a, 2).unwrap()),
            ("two".into(), "during".into())
        );
    }
}

#[test]
fn a_finish_waits_while_the_logs_change_places_and_its_client_may_go() {
    on_files(|mut rig, a| {
        let (b, c) = (rig.client(), rig.client());
        let [_, second, third] = three(&mut rig, a);
        let stays = Tx::begin(&mut rig, a, 7).store(&mut rig, 2, third, "after").voted(&mut rig);
        let goes = Tx::begin(&mut rig, b, 8).store(&mut rig, 1, second, "never").voted(&mut rig);
        rig.hold(Hold::Names);
        let packed = pack(&mut rig, c);
        let (finish, _) = (stays.ask_finish(&mut rig), goes.ask_finish(&mut rig));
        assert_eq!((rig.answer(a, &finish), rig.answer(c, &packed)), (None, None));
        assert_eq!(state(&mut rig, c, 1).unwrap(), "two", "loads do not wait");
        rig.hang_up(b);
        rig.let_go(Hold::Names);
        assert_eq!(rig.answer(c, &packed), Some(Ok(Owned::None)));
        assert!(matches!(rig.answer(a, &finish), Some(Ok(_))));
        assert_eq!(
            (state(&mut rig, c, 1).unwrap(), state(&mut rig, c, 2).unwrap()),
            ("two".into(), "after".into())
        );
    });
}

#[test]
fn what_is_read_while_the_logs_change_places_starts_over() {
    on_files(|mut rig, a| {
        let [first, second, _] = three(&mut rig, a);
        let iterator = rig.call(a, "iterator_start", row![Owned::None, Owned::None]).unwrap();
        rig.call(a, "iterator_next", row![iterator.clone()]).unwrap();
        rig.hold(Hold::Reads);
        let b = rig.client();
        let load = rig.send(b, "loadBefore", row![Oid(1), Tid::MAX]);
        let old = rig.send(b, "loadSerial", row![Oid(1), first]);
        let history = rig.send(b, "history", row![Oid(1), 9]);
        let next = rig.send(b, "undoLog", row![0, 9]);
        let head = rig.send(a, "iterator_next", row![iterator]);
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None));
        rig.let_go(Hold::Reads);
        assert_eq!(rig.answer(b, &load), Some(Ok(row![&b"two"[..], second, Owned::None])));
        assert!(matches!(rig.answer(b, &old), Some(Err(_))));
        assert!(
            matches!(rig.answer(b, &history), Some(Ok(Owned::Tuple(past) | Owned::List(past))) if past.len() == 1)
        );
        assert_eq!(
            error(rig.answer(b, &next).expect("an answer")),
            "StorageError: the storage was packed meanwhile: ask once more"
        );
        assert!(matches!(rig.answer(a, &head), Some(Ok(Owned::Tuple(head))) if head[0] == second.into()));
    });
}

#[test]
fn an_undo_that_was_voted_before_the_logs_change_places_is_kept() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let [_, second, third] = three(&mut rig, a);
        let undo = Tx::begin(&mut rig, a, 55);
        rig.one_way(a, "undoa", row![undo_id::of(third).to_vec(), 55]);
        assert!(undo.vote(&mut rig).is_ok());
        assert_eq!(rig.call(b, "pack", row![FUTURE, true]), Ok(Owned::None));
        let undone = undo.finish(&mut rig);
        assert_eq!(current(&mut rig, b, 2), Some(("other".into(), undone)), "its state went with {second}");
        // One that is voted on later finds that its transaction was packed.
        let undo = Tx::begin(&mut rig, a, 56);
        rig.one_way(a, "undoa", row![undo_id::of(second).to_vec(), 56]);
        assert!(undo.vote(&mut rig).is_err());
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(state(&mut rig, a, 2).unwrap(), "other");
    });
}

#[test]
fn an_undo_that_waits_for_its_locks_meanwhile_is_refused() {
    on_files(|mut rig, a| {
        let (b, c) = (rig.client(), rig.client());
        let [_, _, third] = three(&mut rig, a);
        let holder = Tx::begin(&mut rig, b, 7).store(&mut rig, 2, third, "held").voted(&mut rig);
        let undo = Tx::begin(&mut rig, a, 55);
        rig.one_way(a, "undoa", row![undo_id::of(third).to_vec(), 55]);
        let vote = undo.ask_vote(&mut rig);
        assert_eq!(rig.call(c, "pack", row![FUTURE, true]), Ok(Owned::None));
        holder.abort(&mut rig);
        assert!(error(rig.answer(a, &vote).expect("an answer")).contains("packed"));
        assert_eq!(state(&mut rig, c, 2).unwrap(), "changed");
    });
}

#[test]
fn a_server_that_stops_stops_its_pack_at_every_step() {
    for steps in 0..40 {
        let mut rig = Rig::file();
        let a = rig.client();
        three(&mut rig, a);
        rig.pack_held = true;
        pack(&mut rig, a);
        rig.pack_on(steps);
        rig.stop();
        rig.let_pack_go();
        assert_eq!(rig.stopped, 1, "after {steps} steps");
        for file in [FileId::Packed, FileId::PackedSums, FileId::PackedIndex] {
            assert_eq!(rig.disk.len(file), None, "{file:?} after {steps} steps");
        }
        let mut rig = rig.reopen();
        let a = rig.client();
        assert_eq!(state(&mut rig, a, 1).unwrap(), "two");
    }
}

#[test]
fn a_pack_that_cannot_be_done_is_refused_with_a_reason() {
    let mut rig = Rig::file();
    let a = rig.client();
    assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None), "an empty storage");
    three(&mut rig, a);
    rig.disk.room = Some(10);
    let why = error(rig.call(a, "pack", row![FUTURE, true]));
    assert!(why.contains("and the disk has 10 left"), "{why}");
    rig.disk.room = None;
    assert!(error(rig.call(a, "pack", row![Owned::Float(1e18), true])).contains("the year 10000"));
    assert_eq!(rig.call(a, "pack", row![Owned::Float(-1.0), true]), Ok(Owned::None), "before everything");
    assert_eq!(state(&mut rig, a, 1).unwrap(), "two");
}

#[test]
fn what_is_in_memory_is_packed_at_once() {
    for codec in CODECS {
        let mut rig = Rig::new(Medium::Memory, Config { codec, ..Config::default() });
        let (a, b) = (rig.client(), rig.client());
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None), "an empty storage");
        let [first, second, third] = three(&mut rig, a);
        rig.inbox(b);
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None));
        assert!(rig.inbox(b)[0].starts_with("info("));
        assert!(rig.call(a, "loadSerial", row![Oid(1), first]).is_err());
        assert_eq!(
            (current(&mut rig, b, 1), current(&mut rig, b, 2)),
            (Some(("two".into(), second)), Some(("changed".into(), third)))
        );
        assert_eq!(rig.call(a, "lastTransaction", row![]), Ok(third.into()));
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None), "to the same time");
        let earlier = rig.call(a, "pack", row![Owned::Float(3e9), true]);
        assert_eq!(error(earlier), "ValueError: Already packed to a later time");
        assert_eq!(rig.call(a, "pack", row![Owned::Float(3e9), false]), Ok(Owned::None), "nobody waits");
        assert!(rig.events.iter().any(|event| matches!(event, Event::PackFailed { .. })));
        commit(&mut rig, a, &[(1, second, "three")]);
    }
}

#[test]
fn a_disk_that_fails_while_the_logs_change_places_leaves_the_old_one() {
    let mut rig = Rig::file();
    let a = rig.client();
    three(&mut rig, a);
    let log = rig.disk.bytes(FileId::Log).to_vec();
    rig.hold(Hold::Names);
    let packed = pack(&mut rig, a);
    rig.fail(Hold::Names, crate::store::disk::DiskError::Full);
    rig.let_go(Hold::Names);
    assert!(matches!(rig.answer(a, &packed), Some(Err(_))));
    assert_eq!(rig.disk.bytes(FileId::Log), log);
    commit(&mut rig, a, &[(7, Tid::ZERO, "goes on")]);
    let mut rig = rig.reopen();
    let a = rig.client();
    assert_eq!(
        (state(&mut rig, a, 1).unwrap(), state(&mut rig, a, 7).unwrap()),
        ("two".into(), "goes on".into())
    );
}
