//! Blobs that cannot be: bad input, disks that fail, crashes.

use super::super::config::Config;
use super::super::fault::{Fault, PeerFault};
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::blobs::{commit_blob, fetch, leftovers};
use super::tx::{Tx, current, error};
use crate::ids::{Oid, Tid};
use crate::store::blob_folder::Name;
use crate::store::disk::DiskError;
use crate::wire::tree::Owned;

#[test]
fn a_step_of_an_upload_that_does_not_follow_is_refused_and_nothing_is_left() {
    let end = |oid: u64, id: i32| ("storeBlobEnd", row![Oid(oid), Tid::ZERO, &b"x"[..], id]);
    let start = || ("storeBlobStart", row![]);
    let chunk = || ("storeBlobChunk", row![&b"x"[..]]);
    let shared = |name: &str| ("storeBlobShared", row![Oid(1), Tid::ZERO, &b"x"[..], name, 7]);
    let transaction = "StorageTransactionError";
    let cases: Vec<(Vec<(&str, Owned)>, &str)> = vec![
        (vec![chunk()], transaction),
        (vec![end(1, 7)], transaction),
        (vec![start(), start()], transaction),
        (vec![start(), chunk(), start()], transaction),
        (vec![start(), chunk(), end(1, 8)], transaction),
        (vec![start(), chunk(), end(1, 7), chunk()], transaction),
        (vec![start(), end(1, 7), end(1, 7)], transaction),
        (vec![shared("../0x02/a.tmp")], "ValueError"),
        (vec![shared("/etc/passwd")], "ValueError"),
        (vec![shared("a.blob")], "ValueError"),
        (vec![shared("")], "ValueError"),
    ];
    for codec in CODECS {
        for (steps, expected) in &cases {
            for one_way in [true, false] {
                let mut rig = Rig::with_blobs(Medium::Memory, Config { codec, ..Config::default() });
                let (a, b) = (rig.client(), rig.client());
                let tx = Tx::begin(&mut rig, a, 7);
                let ((method, args), before) = steps.split_last().unwrap();
                for (method, args) in before {
                    rig.one_way(a, method, args.clone());
                }
                assert!(!rig.is_closed(a));
                if one_way {
                    rig.one_way(a, method, args.clone());
                    let fault = rig.fault(a).expect("a closed connection");
                    assert!(matches!(&fault, Fault::Peer(PeerFault::OneWay(what)) if what.contains(method)));
                } else {
                    let refused = error(rig.call(a, method, args.clone()));
                    assert!(refused.starts_with(expected), "{refused}");
                    tx.abort(&mut rig);
                }
                assert_eq!(rig.disk.blobs.files.len() + leftovers(&rig), 0, "{steps:?}");
                commit_blob(&mut rig, b, 1, Tid::ZERO, b"others go on");
            }
        }
    }
}

#[test]
fn uploads_need_a_transaction_and_a_client_that_may_write() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    for (method, args) in [
        ("storeBlobStart", row![]),
        ("storeBlobChunk", row![&b"x"[..]]),
        ("storeBlobEnd", row![Oid(1), Tid::ZERO, &b"x"[..], 7]),
        ("storeBlobShared", row![Oid(1), Tid::ZERO, &b"x"[..], "a.tmp", 7]),
    ] {
        assert!(error(rig.call(a, method, args.clone())).starts_with("StorageTransactionError"), "{method}");
        let reader = rig.negotiate();
        rig.call(reader, "register", row!["1", true]).expect("a reader");
        assert!(error(rig.call(reader, method, args)).starts_with("ReadOnlyError"), "{method}");
    }
    assert_eq!(rig.disk.blobs.files.len(), 0);
}

#[test]
fn a_vote_before_the_end_of_a_blob_ends_the_transaction() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
    rig.one_way(a, "storeBlobStart", row![]);
    rig.one_way(a, "storeBlobChunk", row![&b"x"[..]]);
    assert!(error(tx.vote(&mut rig)).starts_with("StorageTransactionError: the vote comes before the end"));
    assert_eq!(rig.disk.blobs.files.len(), 0);
    assert_eq!(current(&mut rig, a, 1), None);
}

#[test]
fn a_blob_that_is_not_there_is_a_missing_key() {
    let mut rig = Rig::with_blobs(Medium::File, Config::default());
    let (a, b) = (rig.client(), rig.client());
    let tid = commit_blob(&mut rig, a, 1, Tid::ZERO, b"bytes");
    for (oid, tid) in [(2, tid), (1, Tid::ZERO), (1, tid.next()), (1, Tid::MAX)] {
        assert!(fetch(&mut rig, b, oid, tid).unwrap_err().starts_with("POSKeyError"), "{oid} {tid}");
    }
    rig.hold(Hold::Syncs);
    let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 2, Tid::ZERO, &[b"new"]).voted(&mut rig);
    tx.ask_finish(&mut rig);
    let hidden = rig.disk.blobs.files.keys().find_map(|name| match name {
        Name::Blob(Oid(2), tid) => Some(*tid),
        _ => None,
    });
    let hidden = hidden.expect("its name is there before the log is");
    assert!(fetch(&mut rig, b, 2, hidden).unwrap_err().starts_with("POSKeyError"), "it is not visible yet");
    rig.let_go(Hold::Syncs);
    assert_eq!(fetch(&mut rig, b, 2, hidden), Ok(b"new".to_vec()));
}

#[test]
fn a_shared_blob_that_nobody_has_put_there_is_told_by_the_vote() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    let tx = Tx::begin(&mut rig, a, 7);
    rig.one_way(a, "storeBlobShared", row![Oid(1), Tid::ZERO, &b"x"[..], "a.tmp", 7]);
    let told = error(tx.vote(&mut rig));
    assert!(told.starts_with("StorageError: the folder of object"), "{told}");
    assert_eq!(current(&mut rig, a, 1), None);
    assert_eq!(leftovers(&rig), 0);
}

#[test]
fn a_blob_over_the_disks_space_is_told_by_the_vote_and_costs_nobody_else_anything() {
    for codec in CODECS {
        let mut rig = Rig::with_blobs(Medium::File, Config { codec, ..Config::default() });
        let (a, b) = (rig.client(), rig.client());
        rig.disk.blobs.room = Some(1000);
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[&[1; 800], &[2; 800], &[3; 100]]);
        assert_eq!(rig.disk.blobs.files.len(), 0, "its room is free at once");
        commit_blob(&mut rig, b, 2, Tid::ZERO, &[4; 900]);
        assert_eq!(error(tx.vote(&mut rig)), "StorageSystemError: no space left on the disk");
        assert!(error(rig.call(a, "tpc_finish", row![7])).contains("no transaction 7 is open"));
        assert_eq!(leftovers(&rig), 0);
        assert_eq!(current(&mut rig, a, 1), None);
    }
}

#[test]
fn a_blob_that_cannot_be_written_or_placed_fails_its_vote() {
    for (written, vote_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
        let a = rig.client();
        rig.hold(Hold::Blobs);
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[b"bytes", b"that wait"]);
        if written {
            rig.release(Hold::Blobs);
            rig.release(Hold::Blobs);
        }
        let early = vote_first.then(|| tx.ask_vote(&mut rig));
        rig.fail(Hold::Blobs, DiskError::Io("a bad sector".into()));
        let vote = early.unwrap_or_else(|| tx.ask_vote(&mut rig));
        let answer = rig.answer(a, &vote).expect("an answer");
        assert_eq!(error(answer), "StorageSystemError: a bad sector");
        rig.let_go(Hold::Blobs);
        let script = rig.script.take();
        assert!(script.contains("blobs: place") == written, "nothing more is done with it:\n{script}");
        Tx::begin(&mut rig, a, 8).blob(&mut rig, 1, Tid::ZERO, &[b"again"]).voted(&mut rig).finish(&mut rig);
    }
}

#[test]
fn a_blob_that_cannot_have_its_name_ends_its_transaction_and_no_other() {
    for codec in CODECS {
        let mut rig = Rig::with_blobs(Medium::File, Config { codec, ..Config::default() });
        let (a, b, c) = (rig.client(), rig.client(), rig.client());
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[b"one"]);
        tx.blob(&mut rig, 2, Tid::ZERO, &[b"two"]).voted(&mut rig);
        let waiter = Tx::begin(&mut rig, b, 7).store(&mut rig, 1, Tid::ZERO, "waits");
        let waiting = waiter.ask_vote(&mut rig);
        let behind = Tx::begin(&mut rig, c, 7).store(&mut rig, 3, Tid::ZERO, "x").voted(&mut rig);
        rig.hold(Hold::Blobs);
        let finish = tx.ask_finish(&mut rig);
        let later = behind.ask_finish(&mut rig);
        rig.disk.blobs.broken = true;
        rig.let_go(Hold::Blobs);
        let answer = rig.answer(a, &finish).expect("an answer");
        assert_eq!(error(answer), "StorageSystemError: a broken folder");
        assert!(rig.answer(c, &later).is_some(), "who waited behind it goes on");
        assert_eq!(rig.answer(b, &waiting), Some(Ok(row![])), "its locks are free");
        assert_eq!(rig.disk.blobs.files.len() + leftovers(&rig), 0);
        waiter.finish(&mut rig);
    }
}

#[test]
fn a_part_of_a_blob_that_cannot_be_read_ends_the_blob_with_an_error() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    let tid = commit_blob(&mut rig, a, 1, Tid::ZERO, &[7; 600_000]);
    rig.hold(Hold::Blobs);
    let load = rig.send(a, "sendBlob", row![Oid(1), tid]);
    rig.release(Hold::Blobs);
    rig.fail(Hold::Blobs, DiskError::Io("a bad sector".into()));
    let answer = rig.answer(a, &load).expect("an answer");
    assert_eq!(error(answer), "StorageSystemError: a bad sector");
    rig.let_go(Hold::Blobs);
    assert_eq!(fetch(&mut rig, a, 1, tid).map(|bytes| bytes.len()), Ok(600_000));
}

#[test]
fn a_reader_that_leaves_in_the_middle_of_a_blob_is_forgotten() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let (a, b) = (rig.client(), rig.client());
    let tid = commit_blob(&mut rig, a, 1, Tid::ZERO, &[7; 600_000]);
    rig.hold(Hold::Blobs);
    rig.send(b, "sendBlob", row![Oid(1), tid]);
    rig.send(b, "sendBlob", row![Oid(1), tid]);
    rig.release(Hold::Blobs);
    rig.hang_up(b);
    rig.let_go(Hold::Blobs);
    assert_eq!(rig.on_hold(Hold::Blobs), 0);
    assert_eq!(fetch(&mut rig, a, 1, tid).map(|bytes| bytes.len()), Ok(600_000));
}

/// Whatever the operation after which the power goes: what was acknowledged has its blob, nothing else has one.
#[test]
fn after_a_crash_at_any_operation_committed_blobs_are_there_and_no_others() {
    let mut acknowledged_ones = 0;
    for dies_after in 0.. {
        let mut rig = Rig::with_blobs(Medium::File, Config::default());
        let a = rig.client();
        let first = commit_blob(&mut rig, a, 1, Tid::ZERO, b"one");
        rig.disk.dies_after = Some(rig.disk.ops + dies_after);
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, first, &[b"two"]).blob(
            &mut rig,
            2,
            Tid::ZERO,
            &[b"three"],
        );
        let vote = tx.ask_vote(&mut rig);
        let finish = rig.answer(a, &vote).map(|_| tx.ask_finish(&mut rig));
        let acknowledged = finish.is_some_and(|finish| rig.answer(a, &finish).is_some());
        let survived = !rig.disk.dead();
        rig.disk.crash(|| dies_after % 2 == 0);
        let folder = rig.disk.blobs.clone();
        let mut rig = rig.reopen();
        let a = rig.client();
        let serial = |rig: &mut Rig, oid| current(rig, a, oid).map(|(_, serial)| serial);
        let serials = [serial(&mut rig, 1), serial(&mut rig, 2)];
        rig.disk.blobs = folder;
        rig.disk.blobs.crash(|oid, tid| tid == first || serials[oid.0 as usize - 1] == Some(tid));
        let committed = serials[0] != Some(first);
        assert!(committed || !acknowledged, "after {dies_after}");
        assert_eq!(committed, serials[1].is_some(), "all or nothing");
        assert_eq!(fetch(&mut rig, a, 1, first), Ok(b"one".to_vec()));
        if committed {
            assert_eq!(fetch(&mut rig, a, 1, serials[0].unwrap()), Ok(b"two".to_vec()), "after {dies_after}");
            assert_eq!(fetch(&mut rig, a, 2, serials[1].unwrap()), Ok(b"three".to_vec()));
        }
        assert_eq!(rig.disk.blobs.files.len(), if committed { 3 } else { 1 }, "after {dies_after}");
        acknowledged_ones += usize::from(acknowledged);
        if survived {
            assert!(acknowledged && dies_after > 8, "there were more operations than that");
            break;
        }
    }
    assert!(acknowledged_ones > 0);
}
