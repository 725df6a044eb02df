use super::*;
use crate::limits;
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::delivery::{Delivery, decode_delivery};
use crate::wire::testing::{CODECS, REPLIES, recorded};
use crate::wire::tree::{Owned, Tree};
use bytes::BytesMut;
use proptest::prelude::*;

const OID: Oid = Oid(5);
const OTHER: Oid = Oid(0x0102030405060708);
const TID: Tid = Tid(0x03ff112233445566);
const NEXT: Tid = Tid(0x03ff112233445577);
const DATA: &[u8] = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\x00.\x80\x03}q\x01.";

fn status() -> Status {
    Status {
        loads: 1,
        stores: 300,
        commits: 3,
        aborts: 0,
        conflicts: 0,
        conflicts_resolved: 0,
        active_txns: 0,
        connections: 2,
        waiting: 0,
        lock_time: None,
        start: "Sat Nov 21 22:25:30 2026".into(),
        last_transaction: TID,
        timeout: false,
        pack: None,
    }
}

fn history() -> Vec<PastRevision> {
    let revision =
        |minute: u64, size, user: &'static str, description: &'static str, extension| PastRevision {
            tid: Tid(0x03f6_dcb0_1e4b_17e4 + (minute << 32)),
            size,
            user: Bytes::from_static(user.as_bytes()),
            description: Bytes::from_static(description.as_bytes()),
            extension,
        };
    let text = |text: &str| Owned::Str(text.into());
    let large = Owned::BigInt(vec![0, 0, 0, 0, 0, 0, 0, 0x80, 0]);
    let raw = vec![(Owned::Bytes(b"raw".into()), Owned::Tuple(vec![Owned::Bytes(vec![0xff]), large]))];
    let named = vec![
        (text("request_type"), text("View")),
        (text("levels"), Owned::List(vec![Owned::Int(1), Owned::Float(2.5), Owned::None])),
        (text("time"), text("never")),
        (text("size"), text("large")),
    ];
    vec![
        revision(4, 1, "worker", "back", raw),
        revision(3, 0, "worker", "deleted", vec![]),
        revision(2, 0, "worker", "undone", vec![]),
        revision(1, 147, "w\u{f6}rker", "changed", named),
        revision(0, 49, "", "created", vec![]),
    ]
}

fn undo_log() -> Vec<UndoableTransaction> {
    let of = |past: PastRevision| {
        let PastRevision { tid, user, description, extension, .. } = past;
        UndoableTransaction { tid, size: 0, user, description, extension }
    };
    let transactions = history().into_iter().map(of).zip([109, 86, 85, 0, 212]);
    transactions.map(|(transaction, size)| UndoableTransaction { size, ..transaction }).collect()
}

/// The transaction of each revision, and the record of it.
fn iterations() -> Vec<(&'static str, MessageId, Reply)> {
    let tid = |minute: u64| Tid(0x03f6_dcb0_1e4b_17e4 + (minute << 32));
    let transaction = |minute: usize| {
        let PastRevision { tid, user, description, extension, .. } = history().swap_remove(4 - minute);
        Reply::IteratedTransaction { tid, status: b' ', user, description, extension }
    };
    let record = |minute, oid, data: Option<&[u8]>, data_txn| {
        let data = data.map(Bytes::copy_from_slice);
        Reply::IteratedRecord { oid, tid: tid(minute), data, data_txn }
    };
    let current = |oid, minute, data: &'static [u8], next| Reply::Record {
        oid,
        tid: tid(minute),
        data: data.into(),
        next,
    };
    let replies = [
        ("iterated_0", transaction(0)),
        ("iterated_1", transaction(1)),
        ("iterated_4", transaction(4)),
        ("iterated_record_0", record(0, Oid::ZERO, Some(DATA), None)),
        ("iterated_record_1", record(1, OID, Some(&DATA.repeat(3)), None)),
        ("iterated_record_2", record(2, OID, Some(DATA), Some(tid(0)))),
        ("iterated_record_3", record(3, OID, None, None)),
        ("record", current(Oid::ZERO, 0, DATA, Some(OID))),
        ("record_last", current(OID, 4, b"n", None)),
    ];
    replies.map(|(name, reply)| (name, MessageId::Int(1), reply)).into()
}

fn replies() -> Vec<(&'static str, MessageId, Reply)> {
    let reply = |name, reply| (name, MessageId::Int(1), reply);
    let load = |name, reply| (name, MessageId::Load(OID, NEXT), reply);
    let data = Bytes::from_static(DATA);
    let info = Info {
        size: Size { length: 12, size: 34567 },
        name: "/data/Data.fs".into(),
        supports_undo: true,
        supports_record_iternext: false,
        in_order: false,
        interfaces: vec![("ZODB.interfaces", "IStorage"), ("ZODB.interfaces", "IStorageUndoable")],
    };
    let conflict = Conflict { oid: OID, committed: NEXT, read: TID, data: data.clone() };
    let mut replies = vec![
        reply("none", Reply::None),
        reply("tid", Reply::Tid(TID)),
        load("revision", Reply::Revision { data: data.clone(), serial: TID, until: None }),
        load(
            "revision_old",
            Reply::Revision { data: vec![b'y'; 5000].into(), serial: TID, until: Some(NEXT) },
        ),
        reply("data", Reply::Data(data)),
        reply("no_oids", Reply::Oids(vec![])),
        reply("one_oid", Reply::Oids(vec![OID])),
        reply("oids", Reply::Oids(vec![OID, OTHER])),
        reply("oids_1001", Reply::Oids((0..1001).map(Oid).collect())),
        reply("invalidations", Reply::Invalidations { upto: TID, oids: vec![OID, OTHER] }),
        reply("conflicts", Reply::Conflicts(vec![conflict])),
        reply("info", Reply::Info(info)),
        reply("status_stub", Reply::Status(status())),
        reply("history", Reply::History(history())),
        reply("status", Reply::Status(Status { lock_time: Some(1795299930.5), timeout: true, ..status() })),
    ];
    replies.extend(iterations());
    replies.push(reply("undo_log", Reply::UndoLog(undo_log())));
    replies
}

#[test]
fn replies_are_written_as_pythons_server_writes_them() {
    let mut out = BytesMut::new();
    for codec in CODECS {
        for (name, id, reply) in replies() {
            let packet = reply.encode(codec, &id, &mut out);
            let expected = recorded(REPLIES, name, codec);
            assert_eq!(packet.to_vec(), expected, "{name} as {codec:?}");
            assert_eq!(packet.len(), expected.len());
            assert!(out.is_empty());
        }
    }
}

#[test]
fn notices_are_written_as_pythons_server_writes_them() {
    let mut out = BytesMut::new();
    for codec in CODECS {
        let notice = Notice::Invalidate(TID, &[OID, OTHER]);
        assert_eq!(notice.encode(codec, &mut out).to_vec(), recorded(REPLIES, "invalidate", codec));
        let notice = Notice::Info(Size { length: 12, size: 34567 });
        assert_eq!(notice.encode(codec, &mut out).to_vec(), recorded(REPLIES, "info_notice", codec));
    }
}

#[test]
fn a_large_object_is_sent_from_where_it_lies_and_a_small_one_is_copied() {
    let mut out = BytesMut::new();
    for codec in CODECS {
        for len in [limits::COPY_BODY, limits::COPY_BODY + 1] {
            let data = Bytes::from(vec![1; len]);
            let replies =
                [Reply::Data(data.clone()), Reply::Revision { data: data.clone(), serial: TID, until: None }];
            for reply in replies {
                let packet = reply.encode(codec, &MessageId::Int(1), &mut out);
                assert_eq!(packet.body.is_empty(), len == limits::COPY_BODY);
                if !packet.body.is_empty() {
                    assert_eq!(packet.body.as_ptr(), data.as_ptr());
                }
                assert_eq!(packet.pieces().iter().map(|piece| piece.len()).sum::<usize>(), packet.len());
            }
        }
    }
}

#[test]
fn one_buffer_serves_many_replies() {
    let mut out = BytesMut::with_capacity(1 << 16);
    let start = out.as_ptr() as usize;
    for _ in 0..100 {
        let packet = Reply::Tid(TID).encode(Codec::Pickle, &MessageId::Int(1), &mut out);
        assert!((start..start + (1 << 16)).contains(&(packet.head.as_ptr() as usize)));
    }
}

#[test]
fn the_results_read_back_as_they_were_written() {
    let mut tree = Tree::new();
    for codec in CODECS {
        for (name, expected_id, reply) in replies() {
            let message = recorded(REPLIES, name, codec);
            let delivery = decode_delivery(codec, &message[4..], &mut tree).unwrap();
            let Delivery::Reply { id, result: Ok(value) } = delivery else { panic!("{delivery:?}") };
            assert_eq!(id, expected_id);
            match reply {
                Reply::None => assert!(value.is_none()),
                Reply::Passed(passed) => assert_eq!(value.to_owned(), Ok(passed)),
                Reply::Tid(tid) => assert_eq!(value.as_tid(), Some(tid)),
                Reply::Revision { data, serial, until } => {
                    assert_eq!(value.revision(), Some((&data[..], serial, until)));
                }
                Reply::Data(data) => assert_eq!(value.as_bytes(), Some(&data[..])),
                Reply::Oids(oids) => assert_eq!(value.oids(), Some(oids)),
                Reply::Invalidations { upto, oids } => assert_eq!(value.invalidations(), Some((upto, oids))),
                Reply::Conflicts(conflicts) => {
                    assert_eq!(value.conflicts(), Some(conflicts));
                    assert_eq!(value.oids(), None);
                }
                Reply::Info(info) => {
                    assert_eq!(value.size(), Some(info.size));
                    assert_eq!(value.field("name").and_then(|name| name.as_str()), Some(&info.name[..]));
                }
                Reply::History(revisions) => {
                    let read = value.history().unwrap();
                    let tids: Vec<Tid> = read.iter().map(|entry| entry.tid).collect();
                    assert_eq!(tids, revisions.iter().map(|entry| entry.tid).collect::<Vec<_>>());
                }
                Reply::UndoLog(found) => {
                    let tids = found.iter().map(|it| it.tid).collect::<Vec<_>>();
                    assert_eq!(value.undo_log().unwrap().iter().map(|it| it.tid).collect::<Vec<_>>(), tids);
                }
                Reply::Iterator(id) => assert_eq!(value.as_int(), Some(id.0)),
                Reply::IteratedTransaction { tid, status, .. } => {
                    let read = value.iterated_transaction().unwrap();
                    assert_eq!((read.tid, read.status), (tid, status));
                }
                Reply::IteratedRecord { oid, tid, data, data_txn } => {
                    let read = value.iterated_record().unwrap();
                    assert_eq!((read.oid, read.tid, read.data_txn), (oid, tid, data_txn));
                    assert_eq!(read.data, data.as_deref());
                }
                Reply::Record { oid, tid, data, next } => {
                    let read = value.record().unwrap();
                    assert_eq!((read.oid, read.tid, read.data, read.next), (oid, tid, &data[..], next));
                }
                Reply::Status(status) => {
                    assert_eq!(value.field("stores").and_then(|count| count.as_count()), Some(status.stores));
                }
            }
        }
    }
}

#[test]
fn notices_read_back_as_they_were_written() {
    let mut tree = Tree::new();
    for codec in CODECS {
        let message = recorded(REPLIES, "invalidate", codec);
        match decode_delivery(codec, &message[4..], &mut tree) {
            Ok(Delivery::Invalidate { tid: TID, oids }) => assert_eq!(oids, [OID, OTHER]),
            other => panic!("{other:?}"),
        }
        let message = recorded(REPLIES, "info_notice", codec);
        match decode_delivery(codec, &message[4..], &mut tree) {
            Ok(Delivery::Info(size)) => assert_eq!(size, Size { length: 12, size: 34567 }),
            other => panic!("{other:?}"),
        }
    }
    match decode_delivery(Codec::Msgpack, b"\x94\x00\xc3\xa3foo\x91\x05", &mut tree) {
        Ok(Delivery::Other { method: "foo", arguments }) => assert_eq!(arguments.items().unwrap().len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_for_ruok_is_one_json_object_by_storage() {
    let json = status_json(&[("1", status()), ("te\"mp", Status { timeout: true, ..status() })]);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["1"]["timeout-thread-is-alive"], "stub");
    assert_eq!(json["te\"mp"]["timeout-thread-is-alive"], true);
    assert_eq!(json["1"]["last-transaction"], "03ff112233445566");
    assert_eq!(json["1"]["lock_time"], serde_json::Value::Null);
    assert_eq!(json["1"].as_object().unwrap().len(), 13);
}

proptest! {
    #[test]
    fn a_cut_or_changed_message_never_panics(
        name in 0..25_usize,
        at in any::<usize>(),
        byte in any::<u8>(),
    ) {
        let mut tree = Tree::new();
        for codec in CODECS {
            let mut message = recorded(REPLIES, replies()[name].0, codec).split_off(4);
            let at = at % message.len();
            prop_assert!(decode_delivery(codec, &message[..at], &mut tree).is_err());
            message[at] = byte;
            if let Ok(delivery) = decode_delivery(codec, &message, &mut tree) {
                let _ = format!("{delivery:?}");
            }
        }
    }
}
