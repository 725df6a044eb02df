use super::*;
use crate::wire::testing::{CALLS, CODECS, recorded};
use crate::wire::tree::Tree;
use crate::wire::writer::Writer;
use crate::wire::{Codec, Malformed};
use bytes::BytesMut;
use proptest::prelude::*;

const OID: Oid = Oid(5);
const OTHER: Oid = Oid(0x0102030405060708);
const TID: Tid = Tid(0x03ff112233445566);
const NEXT: Tid = Tid(0x03ff112233445577);
const TXN: TxnId = TxnId(140234567890123);
const DATA: &[u8] = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\x00.\x80\x03}q\x01.";

/// The undo log of one user.
fn specification() -> Specification {
    vec![(Owned::Str("user_name".into()), Wanted::Value(Owned::Bytes(b"user".into())))]
}

/// What the recorded calls say, as far as our client would say it the same way.
fn calls() -> Vec<(&'static str, MessageId, bool, Request<'static>)> {
    let begin = |user: &'static [u8], description: &'static [u8], extension: &[u8], tid, status| {
        Request::TpcBegin(Begin { txn: TXN, user, description, extension: extension.into(), tid, status })
    };
    let restore = |data, prev_txn| Request::Restorea { oid: OID, serial: TID, data, prev_txn, txn: TXN };
    let shared = Request::StoreBlobShared {
        oid: OID,
        serial: Tid::ZERO,
        data: DATA,
        filename: "BUSHfR.tmp-",
        txn: TXN,
    };
    let call = |name, request| (name, MessageId::Int(1), false, request);
    let oneway = |name, request| (name, MessageId::Int(0), true, request);
    vec![
        call("register", Request::Register { storage: "1", read_only: false }),
        call("get_info", Request::GetInfo),
        ("last_transaction", MessageId::Int(300), false, Request::LastTransaction),
        ("invalidations", MessageId::Int(70_000), false, Request::GetInvalidations(TID)),
        ("load_before", MessageId::Load(OID, TID), false, Request::LoadBefore(OID, TID)),
        call("load_serial", Request::LoadSerial(OID, TID)),
        call("get_tid", Request::GetTid(OID)),
        call("new_oids", Request::NewOids(100)),
        call("new_oids_7", Request::NewOids(7)),
        oneway("begin", begin(b"user", b"description", b"", None, b' ')),
        oneway("begin_bytes", begin(b"", b"", b"\x80\x03}.", None, b' ')),
        oneway("begin_tid", begin(b"user", b"", b"", Some(TID), b'p')),
        oneway("storea", Request::Storea { oid: OID, serial: Tid::ZERO, data: DATA, txn: TXN }),
        oneway("storea_300", Request::Storea { oid: OTHER, serial: TID, data: &[b'x'; 300], txn: TXN }),
        oneway("check", Request::CheckCurrent { oid: OID, serial: TID, txn: TXN }),
        call("vote", Request::Vote(TXN)),
        call("finish", Request::TpcFinish(TXN)),
        call("abort", Request::TpcAbort(TXN)),
        call("ping", Request::Ping),
        oneway("label", Request::SetClientLabel("w\u{f6}rker 1")),
        call("status", Request::ServerStatus),
        oneway("delete", Request::DeleteObject { oid: OID, serial: TID, txn: TXN }),
        oneway("restore", restore(Some(DATA), Some(TID))),
        oneway("restore_none", restore(None, None)),
        oneway("undo", Request::Undoa { tid: TID, txn: TXN }),
        call("undo_log", Request::UndoLog { first: 0, last: -20 }),
        call("undo_info", Request::UndoInfo { first: 0, last: -20, specification: Specification::new() }),
        call("undo_info_of", Request::UndoInfo { first: 5, last: 9, specification: specification() }),
        call("history", Request::History { oid: Some(OID), size: 20 }),
        call("pack", Request::Pack { time: 1_740_952_452.015_686, wait: true }),
        call("record", Request::RecordIternext(None)),
        call("record_next", Request::RecordIternext(Some(OID))),
        call("iterate", Request::IteratorStart { start: None, stop: None }),
        call("iterate_between", Request::IteratorStart { start: Some(TID), stop: Some(NEXT) }),
        call("iterate_next", Request::IteratorNext(IteratorId(0))),
        call("records", Request::IteratorRecordStart { iterator: IteratorId(0), tid: TID }),
        call("records_next", Request::IteratorRecordNext(IteratorId(1))),
        oneway("iterate_gc", Request::IteratorGc(vec![IteratorId(0), IteratorId(300)])),
        oneway("blob_start", Request::StoreBlobStart),
        oneway("blob_chunk", Request::StoreBlobChunk(&[b'z'; 300])),
        oneway("blob_end", Request::StoreBlobEnd { oid: OID, serial: TID, data: DATA, txn: TXN }),
        oneway("blob_shared", shared),
        call("send_blob", Request::SendBlob(OID, TID)),
    ]
}

/// The body of a framed message.
fn body(framed: &[u8]) -> &[u8] {
    &framed[4..]
}

#[test]
fn calls_are_written_as_pythons_client_writes_them() {
    for codec in CODECS {
        for (name, id, oneway, request) in calls() {
            let mut out = BytesMut::new();
            encode(codec, &id, oneway, &request, &mut out);
            assert_eq!(out, recorded(CALLS, name, codec), "{name} as {codec:?}");
        }
        assert_eq!(heartbeat(codec), recorded(CALLS, "heartbeat", codec));
    }
}

#[test]
fn pythons_calls_are_understood() {
    let mut tree = Tree::new();
    for codec in CODECS {
        for (name, id, oneway, request) in calls() {
            let message = recorded(CALLS, name, codec);
            let call = Incoming::Call(Call { id, oneway, request: Ok(request) });
            assert_eq!(decode(codec, body(&message), &mut tree), Ok(call), "{name} as {codec:?}");
        }
    }
}

#[test]
fn tpc_begin_is_understood_in_its_other_forms() {
    let mut tree = Tree::new();
    for codec in CODECS {
        let message = recorded(CALLS, "begin_extension", codec);
        let Incoming::Call(call) = decode(codec, body(&message), &mut tree).unwrap() else { panic!() };
        let Ok(Request::TpcBegin(begin)) = call.request else { panic!("{call:?}") };
        assert_eq!((begin.user, begin.description), ("us\u{e9}r".as_bytes(), &b""[..]));
        // A list came as such, or as one of msgpack's arrays.
        let pickle: &[u8] = match codec {
            Codec::Pickle => {
                b"\x80\x03}q\0(X\x01\0\0\0aq\x01K\x01X\x01\0\0\0bq\x02]q\x03(X\x01\0\0\0xq\x04NG?\xf8\0\0\0\0\0\0eu."
            }
            Codec::Msgpack => {
                b"\x80\x03}q\0(X\x01\0\0\0aq\x01K\x01X\x01\0\0\0bq\x02X\x01\0\0\0xq\x03NG?\xf8\0\0\0\0\0\0\x87q\x04u."
            }
        };
        assert_eq!(begin.extension, pickle);

        let message = recorded(CALLS, "begin_short", codec);
        let Incoming::Call(call) = decode(codec, body(&message), &mut tree).unwrap() else { panic!() };
        let Ok(Request::TpcBegin(begin)) = call.request else { panic!("{call:?}") };
        assert_eq!((begin.tid, begin.status, begin.extension), (None, b' ', vec![]));
    }
}

#[test]
fn a_heartbeat_is_told_by_its_id() {
    for codec in CODECS {
        let heartbeat = heartbeat(codec);
        assert_eq!(decode(codec, body(heartbeat), &mut Tree::new()), Ok(Incoming::KeepAlive));
    }
    assert_eq!(decode(Codec::Msgpack, b"\x91\xff", &mut Tree::new()), Ok(Incoming::KeepAlive));
}

#[test]
fn a_message_that_is_no_call_is_malformed() {
    let shapes: [&[u8]; 7] = [
        b"\x01",
        b"\x90",
        b"\x93\x01\x02\x03",
        b"\x94\x01\xa1x\xa1p\x90",
        b"\x94\x01\xc2\xc4\x04ping\x90",
        b"\x94\x01\xc2\xa4ping\x01",
        b"\x95\x01\xc2\xa4ping\x90\x01",
    ];
    for message in shapes {
        let mut tree = Tree::new();
        let decoded = decode(Codec::Msgpack, message, &mut tree);
        assert!(matches!(decoded, Err(Malformed::Shape(_))), "{decoded:?}");
    }
    let class = b"\x80\x03(cos\nsystem\n\x89X\x04\0\0\0ping)t.";
    let mut tree = Tree::new();
    let decoded = decode(Codec::Pickle, class, &mut tree);
    assert_eq!(decoded, Err(Malformed::Global("os.system".into())));
}

/// Decodes a call of `method` whose arguments `write` writes.
fn called(codec: Codec, method: &str, write: impl Fn(&mut Writer<'_>)) -> Result<String, BadCall> {
    let mut out = BytesMut::new();
    Writer::message(codec, &mut out, |w| {
        w.tuple(4, |w| {
            w.int(9);
            w.int(0);
            w.str(method);
            write(w);
        });
    });
    match decode(codec, &out, &mut Tree::new()) {
        Ok(Incoming::Call(Call { id: MessageId::Int(9), oneway: false, request })) => {
            request.map(|request| format!("{request:?}"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_call_still_has_an_id_to_answer() {
    for codec in CODECS {
        let unknown = called(codec, "os.system", |w| w.tuple(0, |_| ()));
        assert_eq!(unknown, Err(BadCall::UnknownMethod("os.system".into())));
        let long = called(codec, &"x".repeat(10_000), |w| w.tuple(0, |_| ()));
        assert_eq!(long, Err(BadCall::UnknownMethod("x".repeat(crate::limits::LABEL))));

        let methods: [(&str, usize, usize); 35] = [
            ("loadBefore", 2, 2),
            ("storea", 4, 4),
            ("checkCurrentSerialInTransaction", 3, 3),
            ("tpc_begin", 4, 6),
            ("vote", 1, 1),
            ("tpc_finish", 1, 1),
            ("tpc_abort", 1, 1),
            ("new_oids", 0, 1),
            ("ping", 0, 0),
            ("lastTransaction", 0, 0),
            ("getInvalidations", 1, 1),
            ("loadSerial", 2, 2),
            ("getTid", 1, 1),
            ("register", 2, 2),
            ("get_info", 0, 0),
            ("set_client_label", 1, 1),
            ("server_status", 0, 0),
            ("deleteObject", 3, 3),
            ("restorea", 5, 5),
            ("undoa", 2, 2),
            ("undoLog", 2, 2),
            ("undoInfo", 3, 3),
            ("history", 1, 2),
            ("pack", 1, 2),
            ("record_iternext", 0, 1),
            ("iterator_start", 2, 2),
            ("iterator_next", 1, 1),
            ("iterator_record_start", 2, 2),
            ("iterator_record_next", 1, 1),
            ("iterator_gc", 1, 1),
            ("storeBlobStart", 0, 0),
            ("storeBlobChunk", 1, 1),
            ("storeBlobEnd", 4, 4),
            ("storeBlobShared", 5, 5),
            ("sendBlob", 2, 2),
        ];
        for (name, least, most) in methods {
            for count in 0..8 {
                // A float without a number is no argument of any method.
                let result =
                    called(codec, name, |w| w.tuple(count, |w| (0..count).for_each(|_| w.float(f64::NAN))));
                let expected_to_work = count == 0 && least == 0;
                match result {
                    Ok(_) => assert!(expected_to_work, "{name} took {count}"),
                    Err(BadCall::Arguments { method, .. }) => {
                        assert_eq!(method, name);
                        assert!(!expected_to_work && (count > 0 || most > 0), "{name} refused {count}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused_by_name() {
    let bytes = |bytes: &'static [u8]| Owned::Bytes(bytes.into());
    let oid = || bytes(b"\0\0\0\0\0\0\0\x05");
    let calls = [
        ("undoa", vec![bytes(b"A/8RIjNEVWY="), oid()]),
        ("undoInfo", vec![Owned::Int(0), Owned::Int(-20), Owned::Int(5)]),
        ("history", vec![oid(), Owned::Float(1.0)]),
        ("history", vec![oid(), Owned::BigInt(vec![0, 0, 0, 0, 0, 0, 0, 0x80, 0])]),
        ("pack", vec![Owned::Float(f64::INFINITY), Owned::Int(1)]),
        ("pack", vec![Owned::Str("1".into()), Owned::Int(1)]),
        ("iterator_start", vec![bytes(b"1234567"), Owned::None]),
        ("iterator_gc", vec![Owned::Tuple(vec![Owned::Int(1), Owned::None])]),
        ("iterator_gc", vec![Owned::Int(1)]),
        ("storeBlobChunk", vec![Owned::Str("text".into())]),
        ("storeBlobShared", vec![oid(), oid(), oid(), bytes(b"name"), Owned::Int(1)]),
        ("restorea", vec![oid(), oid(), Owned::Int(0), Owned::None, Owned::Int(1)]),
        ("deleteObject", vec![oid(), oid(), bytes(b"1")]),
    ];
    for codec in CODECS {
        for (name, arguments) in &calls {
            let result = called(codec, name, |w| w.value(&Owned::Tuple(arguments.clone())));
            assert!(
                matches!(result, Err(BadCall::Arguments { method, .. }) if method == *name),
                "{result:?}"
            );
        }
        let new_oid = called(codec, "new_oid", |w| w.tuple(0, |_| ()));
        assert_eq!(new_oid, Err(BadCall::Unsupported("new_oid")));
    }
}

#[test]
fn arguments_are_taken_in_the_forms_that_clients_use() {
    for codec in CODECS {
        let none_as_serial = called(codec, "storea", |w| {
            w.tuple(4, |w| {
                w.oid(OID);
                w.none();
                w.bytes(b"x");
                w.int(1);
            });
        });
        assert!(none_as_serial.unwrap().contains("Tid(0x0)"));
        let flag_as_int = called(codec, "register", |w| {
            w.tuple(2, |w| {
                w.str("1");
                w.int(1);
            });
        });
        assert!(flag_as_int.unwrap().contains("read_only: true"));
        let arguments_in_a_list = called(codec, "vote", |w| w.list([1], Writer::int));
        assert_eq!(arguments_in_a_list.unwrap(), "Vote(TxnId(1))");
        let pack = called(codec, "pack", |w| w.tuple(1, |w| w.int(5)));
        assert_eq!(pack.unwrap(), "Pack { time: 5.0, wait: true }");
        let history = called(codec, "history", |w| w.tuple(1, |w| w.oid(OID)));
        assert!(history.unwrap().ends_with("size: 1 }"));
        let records = called(codec, "record_iternext", |w| w.tuple(0, |_| ()));
        assert_eq!(records.unwrap(), "RecordIternext(None)");
        let short_oid = called(codec, "getTid", |w| w.tuple(1, |w| w.bytes(b"1234567")));
        assert!(matches!(short_oid, Err(BadCall::Arguments { method: "getTid", .. })));
    }
}

fn ids() -> impl Strategy<Value = MessageId> {
    prop_oneof![
        (0..i64::MAX).prop_map(MessageId::Int),
        any::<(u64, u64)>().prop_map(|(oid, tid)| MessageId::Load(Oid(oid), Tid(tid))),
        ".{0,9}".prop_map(|text| MessageId::Other(Box::new(Owned::Str(text)))),
    ]
}

/// Writes requests and reads them again, whole and cut off.
fn read_back(id: &MessageId, oneway: bool, requests: &[Request<'_>]) -> Result<(), TestCaseError> {
    let mut tree = Tree::new();
    for codec in CODECS {
        for request in requests {
            let mut out = BytesMut::new();
            encode(codec, id, oneway, request, &mut out);
            let message = body(&out);
            let call = Call { id: id.clone(), oneway, request: Ok(request.clone()) };
            prop_assert_eq!(decode(codec, message, &mut tree), Ok(Incoming::Call(call)));
            for len in 0..message.len() {
                prop_assert!(decode(codec, &message[..len], &mut tree).is_err());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn calls_read_back_as_they_were_written(
        id in ids(),
        oneway in any::<bool>(),
        (oid, tid, txn) in any::<(u64, u64, i64)>(),
        data in prop::collection::vec(any::<u8>(), 0..400),
        text in ".{0,40}",
    ) {
        let (oid, tid, txn) = (Oid(oid), Tid(tid), TxnId(txn));
        let begin = Begin {
            txn,
            user: text.as_bytes(),
            description: &data,
            extension: data.clone(),
            tid: Some(tid).filter(|tid| tid.0 % 2 == 0),
            status: b'u',
        };
        let requests = [
            Request::Register { storage: &text, read_only: oneway },
            Request::GetInvalidations(tid),
            Request::LoadBefore(oid, tid),
            Request::LoadSerial(oid, tid),
            Request::GetTid(oid),
            Request::NewOids(txn.0),
            Request::TpcBegin(begin),
            Request::Storea { oid, serial: tid, data: &data, txn },
            Request::CheckCurrent { oid, serial: tid, txn },
            Request::Vote(txn),
            Request::SetClientLabel(&text),
        ];
        read_back(&id, oneway, &requests)?;
    }

    #[test]
    fn the_rarer_calls_read_back_as_they_were_written(
        id in ids(),
        oneway in any::<bool>(),
        (oid, tid, txn) in any::<(u64, u64, i64)>(),
        data in prop::collection::vec(any::<u8>(), 0..400),
        text in ".{0,40}",
        (first, time, iterators) in any::<(i64, u32, Vec<i64>)>(),
    ) {
        let (oid, tid, txn, iterator) = (Oid(oid), Tid(tid), TxnId(txn), IteratorId(first));
        let some = tid.0 % 2 == 0;
        let wanted = Wanted::Value(Owned::Int(first));
        let specification = if some { vec![] } else { vec![(Owned::Str(text.clone()), wanted)] };
        let requests = [
            Request::DeleteObject { oid, serial: tid, txn },
            Request::Restorea { oid, serial: tid, data: some.then_some(&data), prev_txn: (!some).then_some(tid), txn },
            Request::Undoa { tid, txn },
            Request::UndoLog { first, last: txn.0 },
            Request::UndoInfo { first, last: txn.0, specification },
            Request::History { oid: some.then_some(oid), size: first },
            Request::Pack { time: f64::from(time) / 8.0, wait: some },
            Request::RecordIternext(some.then_some(oid)),
            Request::IteratorStart { start: some.then_some(tid), stop: (!some).then_some(tid) },
            Request::IteratorNext(iterator),
            Request::IteratorRecordStart { iterator, tid },
            Request::IteratorRecordNext(iterator),
            Request::IteratorGc(iterators.into_iter().map(IteratorId).collect()),
            Request::StoreBlobStart,
            Request::StoreBlobChunk(&data),
            Request::StoreBlobEnd { oid, serial: tid, data: &data, txn },
            Request::StoreBlobShared { oid, serial: tid, data: &data, filename: &text, txn },
            Request::SendBlob(oid, tid),
        ];
        read_back(&id, oneway, &requests)?;
    }

    #[test]
    fn a_flipped_byte_never_panics(name in 0..43_usize, at in any::<usize>(), byte in any::<u8>()) {
        let mut tree = Tree::new();
        for codec in CODECS {
            let mut message = recorded(CALLS, calls()[name].0, codec).split_off(4);
            let at = at % message.len();
            message[at] = byte;
            let _ = decode(codec, &message, &mut tree);
        }
    }
}
