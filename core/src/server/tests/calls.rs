//! What is said when, and who is told what is wrong.

use super::super::config::Config;
use super::super::fault::{Fault, PeerFault};
use super::super::testing::{CODECS, Rig, row};
use super::tx::{Tx, commit, error};
use crate::ids::{Oid, Tid};
use crate::wire::Codec;
use crate::wire::call::{MessageId, heartbeat};
use crate::wire::tree::Owned;

const ONE_WAY: &str = "a one-way call is not answered";

#[test]
fn a_message_id_comes_back_as_it_was() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let ids = [
            MessageId::Int(0),
            MessageId::Int(i64::MAX),
            MessageId::Load(Oid(1), Tid::MAX),
            MessageId::Other(Box::new(Owned::Str("seven".into()))),
            MessageId::Other(Box::new(row![1, Owned::None])),
        ];
        for id in ids {
            rig.send_as(a, id.clone(), "loadBefore", row![Oid(1), Tid::MAX]);
            assert_eq!(rig.answer(a, &id), Some(Ok(row![&b"x"[..], serial, Owned::None])));
        }
    });
}

#[test]
fn an_unknown_method_ends_the_connection() {
    Rig::everywhere(Config::default(), |mut rig| {
        for one_way in [false, true] {
            let a = rig.client();
            let call = rig.encode(a, &MessageId::Int(1), one_way, "os.system", &row!["true"]);
            rig.bytes(a, &call);
            assert_eq!(rig.fault(a), Some(PeerFault::UnknownMethod("os.system".into()).into()));
        }
    });
}

#[test]
fn an_unsupported_method_is_an_error_and_one_way_it_ends_the_connection() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let answer = rig.call(a, "sendBlob", row![Oid(1), Tid(1)]);
        assert_eq!(error(answer), "Unsupported: this server does not support sendBlob");
        assert_eq!(rig.call(a, "ping", row![]), Ok(Owned::None), "the connection goes on");
        rig.one_way(a, "storeBlobStart", row![]);
        let fault = rig.fault(a);
        assert!(
            matches!(fault, Some(Fault::Peer(PeerFault::OneWay(what))) if what.contains("storeBlobStart"))
        );
    });
}

#[test]
fn wrong_arguments_are_a_type_error_and_one_way_they_end_the_connection() {
    Rig::everywhere(Config::default(), |mut rig| {
        let wrong = [
            ("ping", row![1]),
            ("loadBefore", row![Oid(1)]),
            ("loadBefore", row![Oid(1), Tid(1), 1]),
            ("loadBefore", row!["short", Tid(1)]),
            ("storea", row![Oid(1), Tid(1), 5, 7]),
            ("tpc_begin", row![]),
            ("tpc_begin", row![7, "", "", 5]),
            ("tpc_begin", row![7, "", "", Owned::None, Owned::None, "two"]),
            ("vote", row!["seven"]),
            ("new_oids", row!["all"]),
            ("register", row![1, 2, 3]),
        ];
        for (method, args) in wrong {
            let a = rig.client();
            let answer = error(rig.call(a, method, args.clone()));
            assert!(answer.starts_with(&format!("TypeError: {method}() takes ")), "{answer}");
            assert_eq!(rig.call(a, "ping", row![]), Ok(Owned::None), "the connection goes on");
            rig.one_way(a, method, args);
            assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::OneWay(_)))), "{method}");
        }
    });
}

#[test]
fn a_call_before_register_ends_the_connection_however_wrong_it_is() {
    for codec in CODECS {
        let mut rig = Rig::memory();
        let calls = [
            ("ping", row![]),
            ("get_info", row![]),
            ("loadBefore", row![Oid(1), Tid(1)]),
            ("loadBefore", row![]),
            ("tpc_begin", row![7, "", "", Owned::None]),
            ("undoInfo", row![]),
        ];
        for (method, args) in calls {
            let a = rig.open(codec);
            rig.frame(a, codec.handshake());
            rig.send(a, method, args);
            assert_eq!(rig.fault(a), Some(PeerFault::Unregistered(method).into()));
        }
    }
}

#[test]
fn a_one_way_call_is_not_answered_even_when_it_has_an_answer() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        rig.inbox(a);
        let calls = [
            ("ping", row![]),
            ("lastTransaction", row![]),
            ("get_info", row![]),
            ("new_oids", row![]),
            ("loadBefore", row![Oid(1), Tid::MAX]),
            ("loadSerial", row![Oid(1), serial]),
            ("getTid", row![Oid(1)]),
        ];
        for (method, args) in calls {
            rig.one_way(a, method, args);
            assert_eq!(rig.inbox(a), [""; 0], "{ONE_WAY}: {method}");
        }
        Tx::begin(&mut rig, a, 7).store(&mut rig, 2, Tid::ZERO, "y");
        rig.one_way(a, "vote", row![7]);
        assert_eq!(rig.inbox(a), [""; 0], "{ONE_WAY}: vote");
        rig.one_way(a, "tpc_finish", row![7]);
        let inbox = rig.inbox(a);
        assert!(inbox.len() == 1 && inbox[0].starts_with("info("), "{ONE_WAY}: tpc_finish; got {inbox:?}");
        assert!(!rig.is_closed(a));
    });
}

#[test]
fn a_one_way_call_that_fails_later_ends_the_connection() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        rig.one_way(a, "loadBefore", row![Oid(1), Tid::MAX]);
        assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::OneWay(_)))));

        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        Tx::begin(&mut rig, a, 7).check(&mut rig, 1, serial.next());
        rig.one_way(a, "vote", row![7]);
        assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::OneWay(_)))));
        let b = rig.client();
        commit(&mut rig, b, &[(1, serial, "y")]);
    });
}

#[test]
fn a_one_way_method_called_for_an_answer_gets_one() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let none = Owned::Dict(Vec::new());
        assert_eq!(rig.call(a, "tpc_begin", row![7, "", "", none]), Ok(Owned::None));
        assert_eq!(rig.call(a, "storea", row![Oid(1), Owned::None, &b"x"[..], 7]), Ok(Owned::None));
        assert_eq!(rig.call(a, "vote", row![7]), Ok(row![]));
    });
}

#[test]
fn a_heartbeat_is_not_answered_before_or_after_register() {
    for codec in CODECS {
        let mut rig = Rig::memory();
        let a = rig.open(codec);
        rig.frame(a, codec.handshake());
        rig.bytes(a, heartbeat(codec));
        rig.call(a, "register", row!["1", false]).unwrap();
        rig.inbox(a);
        rig.bytes(a, heartbeat(codec));
        assert_eq!(rig.inbox(a), [""; 0]);
        assert!(!rig.is_closed(a));
    }
}

#[test]
fn a_message_that_is_no_call_ends_the_connection() {
    for garbage in
        [&b""[..], b"\x80\x03cos\nsystem\n.", b"\x80\x03N.", b"no pickle", b"\x80\x03(K\x01K\0tK\x02."]
    {
        let mut rig = Rig::memory();
        let a = rig.client();
        rig.frame(a, garbage);
        assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::Malformed(_)))), "{garbage:?}");
    }
}

#[test]
fn messages_split_anywhere_are_the_same_messages() {
    for codec in CODECS {
        let mut rig = Rig::new(super::super::testing::Medium::File, Config { codec, ..Config::default() });
        let a = rig.client();
        let none = Owned::Dict(Vec::new());
        let mut bytes = Vec::new();
        let calls = [
            (true, "tpc_begin", row![7, "", "", none]),
            (true, "storea", row![Oid(1), Tid::ZERO, &b"x"[..], 7]),
            (false, "vote", row![7]),
            (false, "tpc_finish", row![7]),
            (false, "loadBefore", row![Oid(1), Tid::MAX]),
        ];
        for (one_way, method, args) in &calls {
            bytes.extend_from_slice(&rig.encode(a, &MessageId::Int(70), *one_way, method, args));
        }
        for byte in bytes {
            rig.bytes(a, &[byte]);
        }
        assert_eq!(rig.answer(a, &MessageId::Int(70)), Some(Ok(row![])), "the vote");
        let Some(Ok(serial @ Owned::Bytes(_))) = rig.answer(a, &MessageId::Int(70)) else { panic!("no tid") };
        assert_eq!(rig.answer(a, &MessageId::Int(70)), Some(Ok(row![&b"x"[..], serial, Owned::None])));
    }
}

#[test]
fn the_storages_of_a_server_know_nothing_of_each_other() {
    for codec in CODECS {
        let mut rig = Rig::new(super::super::testing::Medium::File, Config { codec, ..Config::default() });
        let (a, b, c) = (rig.client(), rig.client(), rig.negotiate());
        assert_eq!(rig.call(c, "register", row!["other", false]), Ok(Tid::ZERO.into()));
        rig.inbox(c);
        commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        assert_eq!(rig.inbox(b).len(), 3, "handshake, register's reply, invalidation");
        assert_eq!(rig.inbox(c), [""; 0]);
        assert_eq!(rig.call(c, "lastTransaction", row![]), Ok(Tid::ZERO.into()));
        let missing = rig.call(c, "getTid", row![Oid(1)]);
        assert!(error(missing).starts_with("POSKeyError"));
        commit(&mut rig, c, &[(1, Tid::ZERO, "other")]);
        assert_eq!(rig.inbox(b), [""; 0]);
    }
}

#[test]
fn clients_of_both_encodings_share_a_server() {
    let mut rig = Rig::file();
    let clients = CODECS.map(|codec| {
        let conn = rig.open(codec);
        rig.frame(conn, codec.handshake());
        rig.call(conn, "register", row!["1", false]).unwrap();
        conn
    });
    let serial = commit(&mut rig, clients[0], &[(1, Tid::ZERO, "x")]);
    assert_eq!(rig.inbox(clients[1])[2..], ["invalidateTransaction(T1, [1])"]);
    commit(&mut rig, clients[1], &[(1, serial, "y")]);
    assert_eq!(rig.inbox(clients[0]).last().unwrap(), "invalidateTransaction(T2, [1])");
    assert_eq!(Codec::Pickle.handshake(), &rig.raw(clients[1])[0][..], "the server announces one of them");
}
