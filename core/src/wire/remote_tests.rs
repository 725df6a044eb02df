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

#[test]
fn errors_of_other_shapes_are_printed() {
    let other = RemoteError::Other { class: "app.Error".into(), args: "('boom',)".into() };
    let sent = RemoteError::Other { class: "app.Error".into(), args: "boom".into() };
    let packet = sent.encode(Codec::Pickle, &MessageId::Int(1), &mut BytesMut::new());
    assert_eq!(read(Codec::Pickle, &packet.to_vec()), other);

    // A ConflictError without serials is raised by storages that know no more.
    let mut out = BytesMut::from(&b"size"[..]);
    Writer::message(Codec::Msgpack, &mut out, |w| {
        w.tuple(4, |w| {
            w.int(1);
            w.int(2);
            w.str(REPLY);
            w.tuple(2, |w| {
                w.str(class::CONFLICT);
                w.dict(["message"], |w, key| {
                    w.str(key);
                    w.str("so");
                });
            });
        });
    });
    let args = "{'message': 'so'}".into();
    assert_eq!(read(Codec::Msgpack, &out), RemoteError::Other { class: class::CONFLICT.into(), args });
}
