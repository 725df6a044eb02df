use super::*;
use crate::wire::Codec;
use crate::wire::delivery::{BlobPart, Delivery, decode_delivery};
use crate::wire::testing::{CODECS, REPLIES, recorded, values};
use crate::wire::tree::Tree;
use crate::wire::writer::Writer;
use bytes::BytesMut;
use proptest::prelude::*;

const DATA: &[u8] = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\x00.\x80\x03}q\x01.";

/// The transactions of the recorded storage.
const TIDS: [Tid; 5] = [
    Tid(0x03f6_dcb0_1e4b_17e4),
    Tid(0x03f6_dcb1_1e4b_17e4),
    Tid(0x03f6_dcb2_1e4b_17e4),
    Tid(0x03f6_dcb3_1e4b_17e4),
    Tid(0x03f6_dcb4_1e4b_17e4),
];

/// Hands the recorded result to `read`.
fn result<T>(codec: Codec, name: &str, read: impl FnOnce(Value<'_>) -> T) -> T {
    let message = recorded(REPLIES, name, codec);
    let mut tree = Tree::new();
    match decode_delivery(codec, &message[4..], &mut tree) {
        Ok(Delivery::Reply { result: Ok(value), .. }) => read(value),
        other => panic!("{other:?}"),
    }
}

/// Hands a value to `read` that came in a message.
fn received<T>(codec: Codec, value: &Owned, read: impl FnOnce(Value<'_>) -> T) -> T {
    let mut out = BytesMut::new();
    Writer::message(codec, &mut out, |w| w.value(value));
    read(codec.read(&out, &mut Tree::new()).unwrap())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// A list, as it is printed after it came in this encoding.
fn levels(codec: Codec) -> &'static str {
    match codec {
        Codec::Pickle => "[1, 2.5, None]",
        Codec::Msgpack => "(1, 2.5, None)",
    }
}

#[test]
fn a_history_is_read() {
    for codec in CODECS {
        let user: &[u8] = b"worker";
        let entry = |at: usize, user, description, size, extension: &[(&str, &str)]| HistoryEntry {
            tid: TIDS[at],
            time: 1_709_208_007.1 + 60.0 * at as f64,
            user,
            description,
            size,
            extension: pairs(extension),
        };
        let expected = [
            entry(4, user, b"back", 1, &[("b'raw'", "(b'\\xff', 0x008000000000000000)")]),
            entry(3, user, b"deleted", 0, &[]),
            entry(2, user, b"undone", 0, &[]),
            entry(
                1,
                "w\u{f6}rker".as_bytes(),
                b"changed",
                147,
                &[("request_type", "View"), ("levels", levels(codec))],
            ),
            entry(0, b"", b"created", 49, &[]),
        ];
        result(codec, "history", |value| {
            for (entry, expected) in value.history().unwrap().into_iter().zip(expected) {
                assert!((entry.time - expected.time).abs() < 1e-6, "{entry:?}");
                assert_eq!(HistoryEntry { time: expected.time, ..entry }, expected);
            }
        });
        result(codec, "history_1", |value| assert_eq!(value.history().unwrap().len(), 1));
    }
}

#[test]
fn an_undo_log_is_read_whatever_extension_data_says() {
    for codec in CODECS {
        result(codec, "undo_log", |value| {
            let log = value.undo_log().unwrap();
            assert_eq!(log.iter().map(|entry| entry.tid).rev().collect::<Vec<_>>(), TIDS);
            let sizes: Vec<_> = log.iter().map(|entry| entry.size).collect();
            assert_eq!(sizes[1..], [Some(86), Some(85), None, Some(212)]);
            assert_eq!((log[2].user, log[2].description), (&b"worker"[..], &b"undone"[..]));
            // Its extension has a time of its own: "never".
            assert_eq!(log[3].time, TIDS[1].time());
            assert_eq!(log[3].extension, pairs(&[("request_type", "View"), ("levels", levels(codec))]));
        });
        result(codec, "undo_info", |value| {
            assert_eq!(
                value.undo_log().unwrap().iter().map(|entry| entry.tid).collect::<Vec<_>>(),
                [TIDS[2]]
            );
        });
    }
}

#[test]
fn an_iteration_is_read() {
    for codec in CODECS {
        let descriptions: [&[u8]; 5] = [b"created", b"changed", b"undone", b"deleted", b"back"];
        for (at, description) in descriptions.into_iter().enumerate() {
            result(codec, &format!("iterated_{at}"), |value| {
                let transaction = value.iterated_transaction().unwrap();
                assert_eq!((transaction.tid, transaction.status), (TIDS[at], b' '));
                assert_eq!(transaction.description, description);
                assert_eq!(transaction.extension.is_empty(), !matches!(at, 1 | 4));
            });
        }
        let large = DATA.repeat(3);
        let record =
            |at: usize, oid, data, data_txn| IteratedRecord { oid: Oid(oid), tid: TIDS[at], data, data_txn };
        let records = [
            record(0, 0, Some(DATA), None),
            record(1, 5, Some(&large[..]), None),
            record(2, 5, Some(DATA), Some(TIDS[0])),
            record(3, 5, None, None),
            record(4, 5, Some(b"n"), None),
        ];
        for (at, expected) in records.into_iter().enumerate() {
            result(codec, &format!("iterated_record_{at}"), |value| {
                assert_eq!(value.iterated_record(), Some(expected));
            });
        }
        result(codec, "none", |value| {
            assert!(value.is_none());
            assert_eq!((value.iterated_transaction(), value.iterated_record()), (None, None));
        });
    }
}

#[test]
fn records_in_the_order_of_oids_are_read() {
    for codec in CODECS {
        let first = RecordResult { oid: Oid(0), tid: TIDS[0], data: DATA, next: Some(Oid(5)) };
        let last = RecordResult { oid: Oid(5), tid: TIDS[4], data: b"n", next: None };
        result(codec, "record", |value| assert_eq!(value.record(), Some(first)));
        result(codec, "record_last", |value| assert_eq!(value.record(), Some(last)));
    }
}

#[test]
fn the_figures_of_a_storage_are_read() {
    for codec in CODECS {
        result(codec, "info_file", |value| {
            let info = value.info().unwrap();
            assert_eq!((info.size, info.name), (Size { length: 2, size: 876 }, "/data/Data.fs"));
            assert!(info.supports_undo && info.supports_record_iternext);
            assert!(info.provides("IStorageUndoable") && info.provides("IExternalGC"));
            assert!(!info.provides("IBlobStorage") && !info.provides("Interface"));
        });
        result(codec, "status", |value| {
            let status = value.status().unwrap();
            assert_eq!(status.len(), 13);
            for pair in
                [("stores", "300"), ("lock_time", "1795299930.5"), ("timeout-thread-is-alive", "True")]
            {
                assert!(status.contains(&(pair.0.into(), pair.1.into())), "{status:?}");
            }
        });
    }
}

#[test]
fn a_blob_is_delivered_in_parts() {
    for codec in CODECS {
        let parts = [
            ("blob_start", BlobPart::Start),
            ("blob_chunk", BlobPart::Chunk(&[b'z'; 300])),
            ("blob_stop", BlobPart::Stop),
        ];
        for (name, expected) in parts {
            let message = recorded(REPLIES, name, codec);
            match decode_delivery(codec, &message[4..], &mut Tree::new()) {
                Ok(Delivery::Blob { oid: Oid(5), serial: Tid(0x03ff_1122_3344_5566), part }) => {
                    assert_eq!(part, expected);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let wrong = b"\x94\x00\xc3\xb0receiveBlobChunk\x93\xc4\x01x\xc4\x01x\xc4\x01x";
    let decoded = decode_delivery(Codec::Msgpack, wrong, &mut Tree::new()).map(|_| ());
    assert!(matches!(decoded, Err(Malformed::Shape(_))), "{decoded:?}");
}

/// `count` references to one value: a memo makes much of a small message.
fn references(value: &[u8], count: usize) -> Vec<u8> {
    [b"\x80\x03](", value, b"q\0", &b"h\0".repeat(count - 1), b"e."].concat()
}

#[test]
fn a_result_is_not_more_than_its_message_can_hold() {
    let mut tree = Tree::new();
    // {'x': '...'}, and one with a thousand keys.
    let long = [&b"}X\x01\0\0\0xX\x10\x27\0\0"[..], &[b'x'; 10_000], b"s"].concat();
    let keys: Vec<u8> = (0..1000_u16).flat_map(|n| [&b"M"[..], &n.to_le_bytes(), b"N"].concat()).collect();
    let wide = [&b"}("[..], &keys, b"u"].concat();
    let conflict =
        [&b"}(X\x04\0\0\0dataB\x10\x27\0\0"[..], &[b'x'; 10_000], b"X\x07\0\0\0serialsC\x08\0\0\0\0\0\0\0\0"]
            .concat();
    let conflict = [&conflict[..], b"C\x08\0\0\0\0\0\0\0\0\x86X\x03\0\0\0oidC\x08\0\0\0\0\0\0\0\0u"].concat();
    for value in [long, wide] {
        let message = references(&value, 10_000);
        assert_eq!(Codec::Pickle.read(&message, &mut tree).unwrap().undo_log(), None);
        assert_eq!(Codec::Pickle.read(&message, &mut tree).unwrap().history(), None);
    }
    let message = references(&conflict, 10_000);
    assert_eq!(Codec::Pickle.read(&message, &mut tree).unwrap().conflicts(), None);
    let message = references(&conflict, 3);
    assert_eq!(Codec::Pickle.read(&message, &mut tree).unwrap().conflicts().unwrap().len(), 3);
}

#[test]
fn what_names_a_class_is_left_out_of_a_description() {
    let id: &[u8] = b"](}(X\x02\0\0\0idC\x0cA/8RIjNEVWY=X\x01\0\0\0acdatetime\ndate\n)RX\x01\0\0\0bK\x01ue.";
    let mut tree = Tree::new();
    let log = Codec::Pickle.read(id, &mut tree).unwrap().undo_log().unwrap();
    assert_eq!(log[0].extension, pairs(&[("b", "1")]));
}

#[test]
fn an_entry_without_what_it_needs_is_no_history_and_cannot_be_undone() {
    let entry = Owned::Dict(vec![(Owned::Str("id".into()), Owned::Int(5))]);
    for codec in CODECS {
        received(codec, &Owned::List(vec![entry.clone()]), |value| {
            assert_eq!(value.history(), None);
            assert_eq!(value.undo_log(), Some(vec![]));
        });
    }
}

proptest! {
    #[test]
    fn any_value_is_a_result_or_none(value in values()) {
        for codec in CODECS {
            for value in [value.clone(), Owned::Tuple(vec![value.clone(); 4]), Owned::Tuple(vec![value.clone(); 5])] {
                received(codec, &value, |value| {
                    let _ = (value.history(), value.undo_log(), value.info(), value.status(), value.conflicts());
                    let _ = (value.record(), value.iterated_record(), value.iterated_transaction());
                });
            }
        }
    }

    #[test]
    fn a_changed_result_never_panics(name in 0..7_usize, at in any::<usize>(), byte in any::<u8>()) {
        let names = ["history", "undo_log", "iterated_1", "iterated_record_2", "record", "info_file", "status"];
        for codec in CODECS {
            let mut message = recorded(REPLIES, names[name], codec).split_off(4);
            let at = at % message.len();
            message[at] = byte;
            if let Ok(Delivery::Reply { result: Ok(value), .. }) =
                decode_delivery(codec, &message, &mut Tree::new())
            {
                let _ = (value.history(), value.undo_log(), value.info(), value.status());
                let _ = (value.record(), value.iterated_record(), value.iterated_transaction());
            }
        }
    }
}
