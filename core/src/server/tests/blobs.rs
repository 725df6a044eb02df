//! Blobs: how they come in, when others see them, and how they go out.

use super::super::ConnId;
use super::super::config::Config;
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::tx::{Tx, commit, current, error, tid};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::blob::DraftId;
use crate::store::blob_folder::Name;
use crate::wire::call::undo_id;
use crate::wire::tree::Owned;

/// The record of a blob.
const RECORD: &str = "cZODB.blob\nBlob\n.N.";

/// Runs a test over both media in both encodings.
fn everywhere(test: impl Fn(Rig)) {
    for medium in [Medium::Memory, Medium::File] {
        for codec in CODECS {
            test(Rig::with_blobs(medium, Config { codec, ..Config::default() }));
        }
    }
}

impl Tx {
    /// An upload as Python's client makes it: the object is stored, too.
    pub(super) fn blob(self, rig: &mut Rig, oid: u64, serial: Tid, chunks: &[&[u8]]) -> Tx {
        self.store(rig, oid, serial, RECORD).upload(rig, oid, serial, chunks)
    }

    fn upload(self, rig: &mut Rig, oid: u64, serial: Tid, chunks: &[&[u8]]) -> Tx {
        rig.one_way(self.conn, "storeBlobStart", row![]);
        for chunk in chunks {
            rig.one_way(self.conn, "storeBlobChunk", row![*chunk]);
        }
        rig.one_way(self.conn, "storeBlobEnd", row![Oid(oid), serial, RECORD.as_bytes(), self.id]);
        self
    }

    fn shared(self, rig: &mut Rig, oid: u64, serial: Tid, name: &str) -> Tx {
        let args = row![Oid(oid), serial, RECORD.as_bytes(), name, self.id];
        rig.one_way(self.conn, "storeBlobShared", args);
        self
    }
}

/// Commits a blob.
pub(super) fn commit_blob(rig: &mut Rig, conn: ConnId, oid: u64, serial: Tid, bytes: &[u8]) -> Tid {
    Tx::begin(rig, conn, 999).blob(rig, oid, serial, &[bytes]).voted(rig).finish(rig)
}

/// What `sendBlob` gives a client.
pub(super) fn fetch(rig: &mut Rig, conn: ConnId, oid: u64, tid: Tid) -> Result<Vec<u8>, String> {
    rig.chunks(conn);
    match rig.call(conn, "sendBlob", row![Oid(oid), tid]) {
        Ok(nothing) => {
            assert_eq!(nothing, Owned::None);
            Ok(rig.chunks(conn).concat())
        }
        failed => {
            assert_eq!(rig.chunks(conn), [[0; 0]; 0], "nothing was sent of it");
            Err(error(failed))
        }
    }
}

/// Files that are no blobs.
pub(super) fn leftovers(rig: &Rig) -> usize {
    let is_blob = |name: &&Name| matches!(name, Name::Blob(..));
    rig.disk.blobs.files.keys().filter(|name| !is_blob(name)).count() + rig.disk.blobs.notes.len()
}

#[test]
fn a_blob_comes_in_and_goes_out_and_a_new_revision_leaves_the_old_one_there() {
    everywhere(|mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let first = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[b"one ", b"and ", b"two"]);
        let first = first.voted(&mut rig).finish(&mut rig);
        assert_eq!(current(&mut rig, b, 1), Some((RECORD.into(), first)));
        let second = commit_blob(&mut rig, b, 1, first, b"");
        assert_eq!(fetch(&mut rig, b, 1, first), Ok(b"one and two".to_vec()));
        assert_eq!(fetch(&mut rig, a, 1, second), Ok(Vec::new()), "an empty blob");
        assert_eq!(leftovers(&rig), 0);
    });
}

#[test]
fn a_blob_is_in_its_place_before_the_locks_and_has_its_name_before_the_log_is_written() {
    let mut rig = Rig::with_blobs(Medium::File, Config::default());
    let (a, b) = (rig.client(), rig.client());
    commit(&mut rig, a, &[(5, Tid::ZERO, "makes room in the log")]);
    rig.script.take();
    rig.hold(Hold::Blobs);
    let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[b"bytes"]);
    let vote = tx.ask_vote(&mut rig);
    let other = Tx::begin(&mut rig, b, 8).store(&mut rig, 1, Tid::ZERO, "other").voted(&mut rig);
    other.abort(&mut rig);
    rig.release(Hold::Blobs);
    assert_eq!(rig.answer(a, &vote), None, "it is only written");
    rig.release(Hold::Blobs);
    assert_eq!(rig.answer(a, &vote), Some(Ok(row![])));
    let finish = tx.ask_finish(&mut rig);
    assert_eq!(rig.answer(a, &finish), None);
    rig.release(Hold::Blobs);
    assert!(rig.answer(a, &finish).is_some());
    rig.let_go(Hold::Blobs);
    let script = rig.script.take();
    let at = |line: &str| {
        script.lines().position(|found| found == line).unwrap_or_else(|| panic!("{line}:\n{script}"))
    };
    let order = [
        "blobs: write 1",
        "disk: write 1 done",
        "blobs: place 1",
        "disk: place 1 done",
        "1 < reply 4 = []",
        "blobs: publish 1 as of T2",
        "disk: publish 1 as of T2 done",
        "disk: write log",
        "disk: sync log",
        "2 < invalidateTransaction(T2, [1])",
        "blobs: settle 1",
    ];
    let places: Vec<usize> = order.iter().map(|line| at(line)).collect();
    assert!(places.is_sorted(), "{places:?}:\n{script}");
}

#[test]
fn a_finish_behind_one_with_a_blob_waits_for_its_tid_and_one_before_it_does_not() {
    everywhere(|mut rig| {
        let [a, b, c] = std::array::from_fn(|_| rig.client());
        let before = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        let blob = Tx::begin(&mut rig, b, 7).blob(&mut rig, 2, Tid::ZERO, &[b"bytes"]).voted(&mut rig);
        let behind = Tx::begin(&mut rig, c, 7).store(&mut rig, 3, Tid::ZERO, "x").voted(&mut rig);
        rig.hold(Hold::Blobs);
        rig.hold(Hold::Syncs);
        let before = before.ask_finish(&mut rig);
        let blob = blob.ask_finish(&mut rig);
        let behind = behind.ask_finish(&mut rig);
        rig.let_go(Hold::Syncs);
        assert!(rig.answer(a, &before).is_some());
        assert_eq!((rig.answer(b, &blob), rig.answer(c, &behind)), (None, None));
        rig.let_go(Hold::Blobs);
        let blob = tid(rig.answer(b, &blob).unwrap().unwrap());
        let behind = tid(rig.answer(c, &behind).unwrap().unwrap());
        assert!(blob < behind);
    });
}

#[test]
fn blobs_of_several_connections_come_in_side_by_side_and_do_not_mix() {
    everywhere(|mut rig| {
        let conns: [ConnId; 4] = std::array::from_fn(|_| rig.client());
        let txs = conns.map(|conn| Tx::begin(&mut rig, conn, 7));
        for conn in conns {
            rig.one_way(conn, "storeBlobStart", row![]);
        }
        for round in 0..5 {
            for conn in conns {
                rig.one_way(conn, "storeBlobChunk", row![format!("{}:{round} ", conn.0).into_bytes()]);
            }
        }
        let mut tids = Vec::new();
        for tx in txs {
            let (oid, conn) = (tx.conn.0 + 10, tx.conn);
            rig.one_way(conn, "storeBlobEnd", row![Oid(oid), Tid::ZERO, RECORD.as_bytes(), 7]);
            tids.push((oid, tx.voted(&mut rig).finish(&mut rig)));
        }
        for ((oid, tid), conn) in tids.into_iter().zip(conns) {
            let expected: String = (0..5).map(|round| format!("{}:{round} ", conn.0)).collect();
            assert_eq!(fetch(&mut rig, conns[0], oid, tid), Ok(expected.into_bytes()));
        }
    });
}

#[test]
fn a_blob_survives_rounds_of_conflicts() {
    everywhere(|mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, first, "mine");
        tx.blob(&mut rig, 2, Tid::ZERO, &[b"bytes"]);
        let second = commit(&mut rig, b, &[(1, first, "theirs")]);
        let Ok(Owned::Tuple(conflicts)) = tx.vote(&mut rig) else { panic!("a conflict") };
        assert_eq!(conflicts.len(), 1);
        // The resolved state comes in as a store; so does that of the blob's object, without its bytes.
        tx.store(&mut rig, 1, second, "merged").store(&mut rig, 2, Tid::ZERO, RECORD);
        let third = tx.voted(&mut rig).finish(&mut rig);
        assert_eq!(fetch(&mut rig, b, 2, third), Ok(b"bytes".to_vec()));
        assert_eq!(leftovers(&rig), 0);
    });
}

#[test]
fn nothing_is_left_of_a_blob_that_is_not_committed() {
    everywhere(|mut rig| {
        for held in [true, false] {
            let (a, b, c) = (rig.client(), rig.client(), rig.client());
            if held {
                rig.hold(Hold::Blobs);
            }
            // Aborted, vanished, replaced and deleted; open, complete and voted.
            for (round, conn) in [a, b].into_iter().enumerate() {
                let tx = Tx::begin(&mut rig, conn, 7).blob(&mut rig, 1, Tid::ZERO, &[b"bytes"]);
                if round == 0 {
                    rig.one_way(conn, "storeBlobStart", row![]);
                    rig.one_way(conn, "storeBlobChunk", row![&b"more"[..]]);
                    tx.abort(&mut rig);
                } else {
                    tx.ask_vote(&mut rig);
                    rig.hang_up(conn);
                }
            }
            let tx = Tx::begin(&mut rig, c, 7).blob(&mut rig, 9, Tid::ZERO, &[b"first"]);
            tx.upload(&mut rig, 9, Tid::ZERO, &[b"second"]).blob(&mut rig, 8, Tid::ZERO, &[b"gone"]);
            rig.let_go(Hold::Blobs);
            while rig.on_hold(Hold::Blobs) > 0 {
                rig.release(Hold::Blobs);
            }
            let kept: Vec<_> = rig.disk.blobs.files.keys().cloned().collect();
            assert_eq!(kept.len(), 2, "of the transaction that is open: {kept:?}");
            tx.abort(&mut rig);
            assert_eq!(rig.disk.blobs.files.len() + leftovers(&rig), 0);
        }
    });
}

#[test]
fn an_object_that_is_deleted_after_all_has_no_blob() {
    everywhere(|mut rig| {
        let a = rig.client();
        let first = commit_blob(&mut rig, a, 1, Tid::ZERO, b"one");
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, first, &[b"two"]);
        rig.one_way(a, "deleteObject", row![Oid(1), first, 7]);
        let vote = tx.vote(&mut rig).expect("a vote");
        assert_eq!(vote, row![Oid(1)]);
        let second = tx.finish(&mut rig);
        assert_eq!(rig.disk.blobs.blob(1, second), None);
        assert_eq!(fetch(&mut rig, a, 1, first), Ok(b"one".to_vec()), "what was before stays until a pack");
        assert_eq!(leftovers(&rig), 0);
    });
}

#[test]
fn a_later_blob_of_an_object_replaces_the_earlier_one_of_its_transaction() {
    everywhere(|mut rig| {
        let a = rig.client();
        let tx = Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[b"first"]);
        let only = tx.upload(&mut rig, 1, Tid::ZERO, &[b"second"]).voted(&mut rig).finish(&mut rig);
        assert_eq!(fetch(&mut rig, a, 1, only), Ok(b"second".to_vec()));
        assert_eq!(leftovers(&rig), 0);
    });
}

#[test]
fn a_shared_blob_is_taken_from_where_its_client_has_put_it() {
    everywhere(|mut rig| {
        let (a, b) = (rig.client(), rig.client());
        for name in ["0x00abc.tmp", "0x00abc.tmp-"] {
            rig.disk.blobs.put(Name::Shared(Oid(1), name.into()), b"bytes".to_vec());
            let serial = current(&mut rig, a, 1).map_or(Tid::ZERO, |(_, serial)| serial);
            let tx = Tx::begin(&mut rig, a, 7).shared(&mut rig, 1, serial, name);
            let tid = tx.voted(&mut rig).finish(&mut rig);
            assert_eq!(fetch(&mut rig, b, 1, tid), Ok(b"bytes".to_vec()));
        }
        rig.disk.blobs.put(Name::Shared(Oid(2), "a.tmp".into()), b"bytes".to_vec());
        Tx::begin(&mut rig, a, 7).shared(&mut rig, 2, Tid::ZERO, "a.tmp").abort(&mut rig);
        assert_eq!(leftovers(&rig), 0, "it is the server's from then on");
    });
}

/// Undoes a transaction; gives the bytes of the blob of object 1 as of the transaction that does.
fn undo(rig: &mut Rig, conn: ConnId, undone: Tid) -> (Tid, Option<Vec<u8>>) {
    let tx = Tx::begin(rig, conn, 8);
    rig.one_way(conn, "undoa", row![undo_id::of(undone).to_vec(), 8]);
    tx.vote(rig).expect("a vote");
    let tid = tx.finish(rig);
    (tid, rig.disk.blobs.blob(1, tid).map(<[u8]>::to_vec))
}

#[test]
fn an_undone_change_of_a_blob_brings_its_bytes_back_as_a_new_revision() {
    for codec in CODECS {
        let mut rig = Rig::with_blobs(Medium::File, Config { codec, ..Config::default() });
        let a = rig.client();
        let plain = commit(&mut rig, a, &[(5, Tid::ZERO, "cmy\nThing\n.N.")]);
        let first = commit_blob(&mut rig, a, 1, Tid::ZERO, b"one");
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 5, plain, "cmy\nThing\n.Vother\n.");
        let second = tx.blob(&mut rig, 1, first, &[b"two"]).voted(&mut rig).finish(&mut rig);
        let (undone, bytes) = undo(&mut rig, a, second);
        assert_eq!(bytes.as_deref(), Some(&b"one"[..]));
        let (redone, bytes) = undo(&mut rig, a, undone);
        assert_eq!(bytes.as_deref(), Some(&b"two"[..]), "the undo is undone");
        let (_, bytes) = undo(&mut rig, a, redone);
        assert_eq!(bytes.as_deref(), Some(&b"one"[..]));
        let of_another = |name: &&Name| matches!(name, Name::Blob(Oid(5), _));
        assert_eq!(
            rig.disk.blobs.files.keys().filter(of_another).count(),
            0,
            "it was undone, too, and has none"
        );
        let (gone, bytes) = undo(&mut rig, a, first);
        assert_eq!(bytes, None, "the creation is undone");
        let (_, bytes) = undo(&mut rig, a, gone);
        assert_eq!(bytes.as_deref(), Some(&b"one"[..]));
        assert_eq!(leftovers(&rig), 0);
    }
}

#[test]
fn an_undo_fails_when_the_bytes_of_the_blob_are_gone() {
    let mut rig = Rig::with_blobs(Medium::File, Config::default());
    let a = rig.client();
    let first = commit_blob(&mut rig, a, 1, Tid::ZERO, b"one");
    let second = commit_blob(&mut rig, a, 1, first, b"two");
    rig.disk.blobs.files.remove(&Name::Blob(Oid(1), first));
    let tx = Tx::begin(&mut rig, a, 8);
    rig.one_way(a, "undoa", row![undo_id::of(second).to_vec(), 8]);
    assert_eq!(error(tx.vote(&mut rig)).split(':').next(), Some("POSKeyError"));
    assert_eq!(leftovers(&rig), 0);
    // What tells no class may be anything: without a file it is no blob.
    let odd = commit(&mut rig, a, &[(3, Tid::ZERO, "odd")]);
    let odder = commit(&mut rig, a, &[(3, odd, "odder")]);
    undo(&mut rig, a, odder);
    assert_eq!(leftovers(&rig), 0);
}

#[test]
fn a_large_blob_goes_out_as_its_reader_takes_it_and_its_reply_comes_last() {
    for codec in CODECS {
        let mut rig = Rig::with_blobs(Medium::Memory, Config { codec, ..Config::default() });
        let (a, b) = (rig.client(), rig.client());
        let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at / 997) as u8).collect();
        let tid = commit_blob(&mut rig, a, 1, Tid::ZERO, &bytes);
        let small = commit_blob(&mut rig, a, 2, Tid::ZERO, b"small");
        rig.inbox(b);
        rig.stop_reading(b);
        let large = rig.send(b, "sendBlob", row![Oid(1), tid]);
        let next = rig.send(b, "sendBlob", row![Oid(2), small]);
        let bound = limits::BLOB_UNSENT + limits::BLOB_READ + 4_000;
        let mut got = Vec::new();
        assert_eq!(rig.answer(b, &large), None);
        while rig.unsent(b) > 0 {
            assert!(rig.unsent(b) < bound, "{}", rig.unsent(b));
            rig.take(b, 300_000);
            got.extend(rig.chunks(b));
        }
        assert!(got.iter().all(|chunk| chunk.len() <= limits::BLOB_CHUNK));
        assert_eq!(got.concat(), [&bytes[..], b"small"].concat());
        assert!(rig.answer(b, &large).is_some() && rig.answer(b, &next).is_some());
        let lines = rig.inbox(b);
        assert!(lines[0].starts_with("receiveBlobStart(1, "));
        let stop = lines.iter().position(|line| line.starts_with("receiveBlobStop(1, ")).unwrap();
        assert!(lines[stop + 1].starts_with("reply 2 = None"), "{}", lines[stop + 1]);
        assert!(lines[stop + 2].starts_with("receiveBlobStart(2, "), "one after the other");
    }
}

#[test]
fn a_fast_uploader_waits_for_the_disk() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let (a, b) = (rig.client(), rig.client());
    rig.hold(Hold::Blobs);
    let tx = Tx::begin(&mut rig, a, 7);
    rig.one_way(a, "storeBlobStart", row![]);
    let chunk = vec![7_u8; 59_000];
    let mut sent = 0;
    while !rig.is_paused(a) {
        rig.one_way(a, "storeBlobChunk", row![&chunk[..]]);
        sent += 1;
        assert!(sent < 100, "it is held up in the end");
    }
    assert!(sent * chunk.len() >= limits::INTAKE_PAUSE);
    assert_eq!(rig.call(b, "ping", row![]), Ok(Owned::None), "others are served");
    for _ in 0..200 {
        rig.one_way(a, "storeBlobChunk", row![&chunk[..]]);
    }
    while rig.on_hold(Hold::Blobs) > 0 {
        rig.release(Hold::Blobs);
    }
    assert!(!rig.is_paused(a));
    rig.let_go(Hold::Blobs);
    rig.one_way(a, "storeBlobEnd", row![Oid(1), Tid::ZERO, RECORD.as_bytes(), 7]);
    let tid = tx.voted(&mut rig).finish(&mut rig);
    let expected = (sent + 200) * chunk.len();
    assert_eq!(rig.disk.blobs.blob(1, tid).map(<[u8]>::len), Some(expected));
}

#[test]
fn many_small_blobs_are_not_written_all_at_once() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    rig.hold(Hold::Blobs);
    let tx = Tx::begin(&mut rig, a, 7);
    for oid in 1..=200 {
        tx.upload(&mut rig, oid, Tid::ZERO, &[b"x"]);
    }
    assert!(rig.is_paused(a) && rig.on_hold(Hold::Blobs) < 50);
    rig.let_go(Hold::Blobs);
    tx.voted(&mut rig).finish(&mut rig);
    assert_eq!(rig.disk.blobs.files.len(), 200);
    assert_eq!(leftovers(&rig), 0);
}

#[test]
fn a_storage_with_a_folder_for_blobs_says_so() {
    for (medium, undo) in [(Medium::File, true), (Medium::Memory, false)] {
        let mut rig = Rig::with_blobs(medium, Config::default());
        let a = rig.client();
        let info = rig.call(a, "get_info", row![]).unwrap().to_string();
        assert!(info.contains("IBlobStorage'") && info.contains("IBlobStorageRestoreable"), "{info}");
        assert_eq!(info.contains("IStorageUndoable"), undo);
    }
}

#[test]
fn drafts_are_named_once() {
    let mut rig = Rig::with_blobs(Medium::Memory, Config::default());
    let a = rig.client();
    rig.hold(Hold::Blobs);
    Tx::begin(&mut rig, a, 7).blob(&mut rig, 1, Tid::ZERO, &[b"a"]).abort(&mut rig);
    Tx::begin(&mut rig, a, 8).blob(&mut rig, 1, Tid::ZERO, &[b"b"]);
    rig.release(Hold::Blobs);
    assert!(rig.disk.blobs.files.contains_key(&Name::Draft(DraftId(2))));
    rig.let_go(Hold::Blobs);
}
