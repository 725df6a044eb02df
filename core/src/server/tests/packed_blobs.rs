//! Packs of a storage with blobs: which go, and when.

use super::super::ConnId;
use super::super::config::Config;
use super::super::event::Event;
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::blobs::{commit_blob, fetch, leftovers};
use super::tx::{Tx, commit, current, error};
use crate::ids::{Oid, Tid};
use crate::store::blob::BlobId;
use crate::store::disk::{DiskError, FileId};
use crate::wire::call::undo_id;
use crate::wire::tree::Owned;

/// Far behind every transaction of a test.
const FUTURE: Owned = Owned::Float(4e9);

fn on_files(test: impl Fn(Rig, ConnId)) {
    for codec in CODECS {
        let mut rig = Rig::with_blobs(Medium::File, Config { codec, ..Config::default() });
        let conn = rig.client();
        test(rig, conn);
    }
}

/// Two revisions of a blob.
fn two(rig: &mut Rig, conn: ConnId) -> [Tid; 2] {
    let first = commit_blob(rig, conn, 1, Tid::ZERO, b"one");
    [first, commit_blob(rig, conn, 1, first, b"two")]
}

fn is_there(rig: &Rig, tid: Tid) -> bool {
    rig.disk.blobs.blob(1, tid).is_some()
}

#[test]
fn blobs_go_with_their_records_and_are_kept_beside() {
    on_files(|mut rig, a| {
        let [first, second] = two(&mut rig, a);
        let deleted = commit_blob(&mut rig, a, 2, Tid::ZERO, b"three");
        let tx = Tx::begin(&mut rig, a, 7);
        rig.one_way(a, "deleteObject", row![Oid(2), deleted, 7]);
        assert!(tx.vote(&mut rig).is_ok());
        tx.finish(&mut rig);
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None));
        assert!(fetch(&mut rig, a, 1, first).unwrap_err().starts_with("POSKeyError"));
        assert_eq!(fetch(&mut rig, a, 1, second), Ok(b"two".to_vec()));
        assert_eq!(rig.disk.blobs.files.len(), 1);
        let kept: Vec<_> = rig.disk.blobs.old.keys().copied().collect();
        assert_eq!(kept, [BlobId { oid: Oid(1), tid: first }, BlobId { oid: Oid(2), tid: deleted }]);
        assert_eq!((leftovers(&rig), &rig.disk.blobs.condemned), (0, &None));
    });
}

#[test]
fn blobs_stay_until_the_logs_have_changed_places_and_those_of_meanwhile_stay_for_good() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let [first, second] = two(&mut rig, a);
        rig.hold(Hold::Names);
        let packed = rig.send(b, "pack", row![FUTURE, true]);
        assert_eq!(fetch(&mut rig, a, 1, first), Ok(b"one".to_vec()));
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, second, &[b"meanwhile"]).voted(&mut rig);
        let finish = tx.ask_finish(&mut rig);
        rig.let_go(Hold::Names);
        assert_eq!(rig.answer(b, &packed), Some(Ok(Owned::None)));
        assert!(matches!(rig.answer(a, &finish), Some(Ok(_))));
        let (_, third) = current(&mut rig, a, 1).unwrap();
        assert_eq!([first, second, third].map(|tid| is_there(&rig, tid)), [false, true, true]);
    });
}

#[test]
fn commits_and_loads_go_on_while_blobs_are_removed() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let [first, second] = two(&mut rig, a);
        rig.hold(Hold::Blobs);
        let packed = rig.send(b, "pack", row![FUTURE, true]);
        // They are noted, then swept.
        rig.release(Hold::Blobs);
        assert_eq!((rig.answer(b, &packed), rig.on_hold(Hold::Blobs)), (None, 1));
        let Ok(Owned::Dict(status)) = rig.call(a, "server_status", row![]) else { panic!("no status") };
        assert!(status.contains(&(Owned::Str("pack".into()), Owned::Str("removing blobs".into()))));
        commit(&mut rig, a, &[(7, Tid::ZERO, "meanwhile")]);
        assert!(error(rig.call(a, "pack", row![FUTURE, true])).contains("Already packing"));
        rig.let_go(Hold::Blobs);
        assert_eq!(rig.answer(b, &packed), Some(Ok(Owned::None)));
        assert_eq!([first, second].map(|tid| is_there(&rig, tid)), [false, true]);
    });
}

#[test]
fn a_crash_at_any_step_leaves_every_blob_that_the_log_names_and_no_other() {
    for steps in 0..14 {
        let mut rig = Rig::with_blobs(Medium::File, Config::default());
        let a = rig.client();
        let [first, second] = two(&mut rig, a);
        rig.hold(Hold::Names);
        rig.hold(Hold::Blobs);
        rig.send(a, "pack", row![FUTURE, true]);
        for step in 0..steps {
            rig.release(if step == 0 { Hold::Blobs } else { Hold::Names });
        }
        if steps > 12 {
            rig.release(Hold::Blobs);
        }
        let mut rig = rig.reopen();
        let a = rig.client();
        let named = rig.call(a, "loadSerial", row![Oid(1), first]).is_ok();
        let committed: Vec<Tid> = if named { vec![first, second] } else { vec![second] };
        // What a start does.
        rig.disk.blobs.crash(|_, tid| committed.contains(&tid));
        assert_eq!(is_there(&rig, first), named, "after {steps} steps");
        assert!(is_there(&rig, second));
    }
}

#[test]
fn what_cannot_be_noted_ends_the_pack_and_what_cannot_be_removed_goes_with_the_next() {
    on_files(|mut rig, a| {
        let [first, second] = two(&mut rig, a);
        let log = rig.disk.bytes(FileId::Log).to_vec();
        rig.hold(Hold::Blobs);
        let packed = rig.send(a, "pack", row![FUTURE, true]);
        rig.fail(Hold::Blobs, DiskError::Full);
        assert!(error(rig.answer(a, &packed).expect("an answer")).contains("no space left"));
        assert_eq!(rig.disk.bytes(FileId::Log), log);
        let packed = rig.send(a, "pack", row![FUTURE, true]);
        rig.release(Hold::Blobs);
        rig.fail(Hold::Blobs, DiskError::Io("a broken folder".into()));
        assert_eq!(rig.answer(a, &packed), Some(Ok(Owned::None)), "the log is packed");
        assert!(rig.events.iter().any(|event| matches!(event, Event::BlobsLeft { .. })));
        assert_eq!([first, second].map(|tid| is_there(&rig, tid)), [true, true]);
        rig.let_go(Hold::Blobs);
        let third = commit_blob(&mut rig, a, 1, second, b"three");
        assert_eq!(rig.call(a, "pack", row![FUTURE, true]), Ok(Owned::None));
        assert_eq!([first, second, third].map(|tid| is_there(&rig, tid)), [false, false, true]);
    });
}

#[test]
fn logs_that_cannot_change_places_keep_their_blobs_in_later_packs_too() {
    on_files(|mut rig, a| {
        let [first, second] = two(&mut rig, a);
        rig.hold(Hold::Names);
        let packed = rig.send(a, "pack", row![FUTURE, true]);
        rig.fail(Hold::Names, DiskError::Full);
        rig.let_go(Hold::Names);
        assert!(matches!(rig.answer(a, &packed), Some(Err(_))));
        let middle = Owned::Float((rig.wall.0 as f64) / 1e6 - 1e6);
        assert_eq!(rig.call(a, "pack", row![middle, true]), Ok(Owned::None), "nothing is that old");
        assert_eq!([first, second].map(|tid| is_there(&rig, tid)), [true, true]);
        assert_eq!(fetch(&mut rig, a, 1, first), Ok(b"one".to_vec()));
    });
}

#[test]
fn blobs_of_a_storage_in_memory_go_too() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    let [first, second] = two(&mut rig, a);
    rig.hold(Hold::Blobs);
    let packed = rig.send(a, "pack", row![FUTURE, true]);
    rig.fail(Hold::Blobs, DiskError::Full);
    assert_eq!(rig.answer(a, &packed), Some(Ok(Owned::None)));
    assert_eq!([first, second].map(|tid| is_there(&rig, tid)), [true, true], "they could not be removed");
    rig.let_go(Hold::Blobs);
    let third = commit_blob(&mut rig, a, 1, second, b"three");
    assert_eq!(rig.call(a, "pack", row![Owned::Float(5e9), true]), Ok(Owned::None));
    assert_eq!([first, second, third].map(|tid| is_there(&rig, tid)), [false, false, true]);
    assert!(rig.disk.blobs.old.is_empty(), "there is no old log that needs them");
}

#[test]
fn an_undo_that_was_given_its_state_copies_the_blob_before_it_goes() {
    on_files(|mut rig, a| {
        let b = rig.client();
        let [first, second] = two(&mut rig, a);
        // It has its place, and waits for the disk to say what is there.
        rig.hold(Hold::Names);
        let packed = rig.send(b, "pack", row![FUTURE, true]);
        let tx = Tx::begin(&mut rig, a, 55);
        rig.one_way(a, "undoa", row![undo_id::of(second).to_vec(), 55]);
        let vote = tx.ask_vote(&mut rig);
        rig.let_go(Hold::Names);
        assert_eq!(rig.answer(b, &packed), Some(Ok(Owned::None)));
        match rig.answer(a, &vote).expect("a vote is answered") {
            Ok(_) => {
                let undone = tx.finish(&mut rig);
                assert_eq!(fetch(&mut rig, a, 1, undone), Ok(b"one".to_vec()));
            }
            refused => assert!(error(refused).contains("Undo")),
        }
        assert!(!is_there(&rig, first));
        assert_eq!(fetch(&mut rig, a, 1, second), Ok(b"two".to_vec()));
    });
}
