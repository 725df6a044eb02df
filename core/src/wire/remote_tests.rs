use super::*;
use crate::wire::delivery::{Delivery, decode_delivery};
use crate::wire::testing::{CODECS, REPLIES, recorded};
use crate::wire::tree::Tree;

fn errors() -> Vec<(&'static str, RemoteError)> {
    let conflict = |class_name: Option<&str>| {
        Box::new(ConflictError {
            oid: Oid(5),
            committed: Tid(0x03ff112233445577),
            read: Tid(0x03ff112233445566),
            class_name: class_name.map(Into::into),
        })
    };
    let mapping = Some("persistent.mapping.PersistentMapping");
    vec![
        ("pos_key", RemoteError::PosKey(Oid(5))),
        ("read_only", RemoteError::ReadOnly),
        ("conflict", RemoteError::Conflict(conflict(mapping))),
        ("read_conflict", RemoteError::ReadConflict(conflict(None))),
        ("storage_transaction", RemoteError::StorageTransaction("no transaction".into())),
        ("storage_system", RemoteError::StorageSystem("disk".into())),
        ("storage", RemoteError::Storage("storage".into())),
        ("type", RemoteError::Type("type".into())),
        ("value", RemoteError::Value("unknown storage: x".into())),
    ]
}

#[test]
fn errors_are_written_as_pythons_server_writes_them() {
    let mut out = BytesMut::new();
    for codec in CODECS {
        for (name, error) in errors() {
            let packet = error.encode(codec, &MessageId::Int(1), &mut out);
            assert_eq!(packet.to_vec(), recorded(REPLIES, name, codec), "{name} as {codec:?}");
        }
    }
}

fn read(codec: Codec, message: &[u8]) -> RemoteError {
    match decode_delivery(codec, &message[4..], &mut Tree::new()) {
        Ok(Delivery::Reply { id: MessageId::Int(1), result: Err(error) }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_read_back_as_they_were_written() {
    let mut errors = errors();
    errors.push(("", RemoteError::TransactionTooLarge("too large".into())));
    for codec in CODECS {
        for (_, error) in &errors {
            let packet = error.encode(codec, &MessageId::Int(1), &mut BytesMut::new());
            assert_eq!(read(codec, &packet.to_vec()), *error);
        }
    }
}

/// An error reply of this class, with whatever arguments.
fn in_msgpack(class: &str, arguments: impl FnOnce(&mut Writer<'_>)) -> BytesMut {
    let mut out = BytesMut::from(&b"size"[..]);
    Writer::message(Codec::Msgpack, &mut out, |w| {
        w.tuple(4, |w| {
            w.int(1);
            w.int(2);
            w.str(REPLY);
            w.tuple(2, |w| {
                w.str(class);
                arguments(w);
            });
        });
    });
    out
}

#[test]
fn errors_of_other_shapes_are_printed() {
    let other = RemoteError::Other { class: "app.Error".into(), args: "('boom',)".into() };
    let sent = RemoteError::Other { class: "app.Error".into(), args: "boom".into() };
    let packet = sent.encode(Codec::Pickle, &MessageId::Int(1), &mut BytesMut::new());
    assert_eq!(read(Codec::Pickle, &packet.to_vec()), other);

    // A ConflictError without serials is raised by storages that know no more.
    let out = in_msgpack(class::CONFLICT, |w| {
        w.dict(["message"], |w, key| {
            w.str(key);
            w.str("so");
        });
    });
    let args = "{'message': 'so'}".into();
    assert_eq!(read(Codec::Msgpack, &out), RemoteError::Other { class: class::CONFLICT.into(), args });
}

#[test]
fn an_undo_that_pythons_server_refuses_is_known_in_both_encodings() {
    let oid = Oid(5);
    let expected = RemoteError::MultipleUndo(vec![(oid, "so".into())]);
    // As a pickle has it: `_recon(UndoError, {'_reason': 'so', …})`, the exception itself.
    let message = [
        &b"size\x80\x03(K\x01K\x02X\x06\0\0\0.reply(X\x24\0\0\0ZODB.POSException.MultipleUndoErrors"[..],
        b"}X\x05\0\0\0_errs]C\x08\0\0\0\0\0\0\0\x05cZODB.POSException\n_recon\ncZODB.POSException\nUndoError\n",
        b"}X\x07\0\0\0_reasonX\x02\0\0\0sos\x86R\x86astt.",
    ]
    .concat();
    assert_eq!(read(Codec::Pickle, &message), expected);

    let out = in_msgpack(class::MULTIPLE_UNDO, |w| {
        w.dict(["_errs"], |w, key| {
            w.str(key);
            w.list(&[oid], |w, oid| {
                w.tuple(2, |w| {
                    w.oid(*oid);
                    w.tuple(2, |w| {
                        w.str(class::UNDO);
                        undo_error(w, "so");
                    });
                });
            });
        });
    });
    assert_eq!(read(Codec::Msgpack, &out), expected);
}

#[test]
fn classes_that_pythons_client_rebuilds_from_attributes_have_them_whatever_is_known() {
    for (class, attribute) in [
        (class::CONFLICT, "serials"),
        (class::READ_CONFLICT, "serials"),
        (class::BTREES_CONFLICT, "p3"),
        (class::MULTIPLE_UNDO, "_errs"),
    ] {
        let other = RemoteError::Other { class: class.into(), args: "so".into() };
        let packet = other.encode(Codec::Msgpack, &MessageId::Int(1), &mut BytesMut::new());
        let told = read(Codec::Msgpack, &packet.to_vec()).to_string();
        assert!(told.starts_with(class) && told.contains(&format!("'{attribute}'")), "{told}");
    }
}
