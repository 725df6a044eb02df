//! Messages that arrive together, or in parts.

use super::super::ConnId;
use super::super::config::Config;
use super::super::testing::{CODECS, Medium, Rig, row};
use crate::ids::{Oid, Tid};
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::tree::Owned;
use bytes::Bytes;

/// All that a client has to say, from its greeting on, one element a message.
fn messages(rig: &Rig, conn: ConnId, codec: Codec) -> Vec<Bytes> {
    let greeting = [&2_u32.to_be_bytes()[..], codec.handshake()].concat();
    let call = |id: i64, method: &str, args: Owned| {
        let one_way = id == 0;
        rig.encode(conn, &MessageId::Int(id), one_way, method, &args)
    };
    let store = |oid, data: &[u8]| call(0, "storea", row![Oid(oid), Tid::ZERO, data, 7]);
    vec![
        greeting.into(),
        call(1, "register", row!["1", false]),
        call(0, "tpc_begin", row![7, "", "", Owned::Dict(Vec::new()), Owned::None, " "]),
        store(1, b"one"),
        store(2, &[b'x'; 50]),
        call(2, "vote", row![7]),
        call(3, "tpc_finish", row![7]),
        call(4, "loadBefore", row![Oid(2), Tid::MAX]),
        call(5, "loadBefore", row![Oid(9), Tid::MAX]),
        call(6, "ping", row![]),
    ]
}

/// What a client hears when its messages arrive in these pieces.
fn heard(codec: Codec, pieces: impl Fn(&[Bytes]) -> Vec<Vec<u8>>) -> Vec<String> {
    let mut rig = Rig::new(Medium::Memory, Config { codec, ..Config::default() });
    let conn = rig.open(codec);
    for piece in pieces(&messages(&rig, conn, codec)) {
        rig.bytes(conn, &piece);
    }
    rig.inbox(conn)
}

fn one_by_one(codec: Codec) -> Vec<String> {
    let heard = heard(codec, |messages| messages.iter().map(|message| message.to_vec()).collect());
    assert_eq!(heard.iter().filter(|line| line.starts_with("reply")).count(), 5, "{heard:#?}");
    heard
}

#[test]
fn messages_that_arrive_together_are_answered_as_if_they_came_one_by_one() {
    for codec in CODECS {
        assert_eq!(heard(codec, |messages| vec![messages.concat()]), one_by_one(codec));
    }
}

#[test]
fn messages_that_are_cut_anywhere_are_answered_as_if_they_came_whole() {
    for codec in CODECS {
        let whole = one_by_one(codec);
        let mut rig = Rig::new(Medium::Memory, Config { codec, ..Config::default() });
        let conn = rig.open(codec);
        let len = messages(&rig, conn, codec).concat().len();
        for at in 1..len {
            let cut = heard(codec, |messages| {
                let all = messages.concat();
                vec![all[..at].to_vec(), all[at..].to_vec()]
            });
            assert_eq!(cut, whole, "cut at {at}");
        }
    }
}

#[test]
fn pieces_of_any_size_say_the_same() {
    for codec in CODECS {
        let whole = one_by_one(codec);
        for size in 1..100 {
            let pieces = |messages: &[Bytes]| messages.concat().chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(heard(codec, pieces), whole, "pieces of {size}");
        }
    }
}
