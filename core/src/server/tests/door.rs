//! Handshake, `ruok` and `register`.

use super::super::config::Config;
use super::super::event::Event;
use super::super::fault::{Fault, PeerFault};
use super::super::testing::{CODECS, Rig, row};
use super::super::{ConnId, Input};
use super::tx::{commit, error};
use crate::ids::Tid;
use crate::limits::{self, Limits};
use crate::wire::call::MessageId;
use crate::wire::frame::FrameError;
use crate::wire::tree::Owned;
use crate::wire::{Codec, Malformed};

#[test]
fn a_server_greets_with_the_encoding_it_is_configured_for_and_a_client_may_choose() {
    for codec in CODECS {
        let mut rig = Rig::new(super::super::testing::Medium::Memory, Config { codec, ..Config::default() });
        for chosen in CODECS {
            let a = rig.open(chosen);
            assert_eq!(rig.raw(a), [codec.handshake()]);
            rig.frame(a, chosen.handshake());
            assert_eq!(rig.call(a, "register", row!["1", false]), Ok(Tid::ZERO.into()));
        }
    }
}

#[test]
fn another_protocol_or_garbage_as_a_handshake_ends_the_connection() {
    for garbage in ["Z4", "Z310", "X5", "M4", "Z55", "z5", "", "GET / HTTP/1.1", "ruok "] {
        let mut rig = Rig::memory();
        let a = rig.open(Codec::Pickle);
        rig.frame(a, garbage.as_bytes());
        let shown = garbage.chars().take(20).collect();
        assert_eq!(rig.fault(a), Some(PeerFault::Handshake(shown).into()), "{garbage:?}");
        assert_eq!(rig.server.connections(), 0);
    }
}

#[test]
fn ruok_is_answered_with_the_figures_of_every_storage_and_the_connection_ends() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let b = rig.open(Codec::Pickle);
        rig.frame(b, b"ruok");
        let json: serde_json::Value = serde_json::from_slice(&rig.raw(b)[1]).unwrap();
        assert_eq!(json["1"]["commits"], 1);
        assert_eq!(json["1"]["connections"], 1, "who asks is no client");
        assert_eq!(json["other"]["commits"], 0);
        assert_eq!(json["frozen"]["commits"], 0);
        assert_eq!(rig.fault(b), Some(Fault::StatusSent));
    });
}

#[test]
fn ruok_after_the_handshake_is_no_call() {
    let mut rig = Rig::memory();
    let a = rig.negotiate();
    rig.frame(a, b"ruok");
    assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::Malformed(_)))));
}

#[test]
fn a_client_may_register_again_after_a_refusal_but_not_after_a_success() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.negotiate();
        let unknown = rig.call(a, "register", row!["2", false]);
        assert_eq!(error(unknown), "ValueError: unknown storage: 2");
        let refused = rig.call(a, "register", row!["frozen", false]);
        assert!(error(refused).starts_with("ReadOnlyError"));
        assert_eq!(rig.call(a, "register", row!["frozen", true]), Ok(Tid::ZERO.into()));
        let again = rig.call(a, "register", row!["1", true]);
        assert_eq!(error(again), "ValueError: duplicate register() call");
        assert_eq!(rig.call(a, "ping", row![]), Ok(Owned::None));
        let status = rig.call(a, "server_status", row![]).unwrap();
        assert!(status.to_string().contains("'connections': 1"), "{status}");
    });
}

#[test]
fn register_with_wrong_arguments_is_an_error_and_one_way_it_ends_the_connection() {
    let mut rig = Rig::memory();
    let a = rig.negotiate();
    assert!(error(rig.call(a, "register", row!["1"])).starts_with("TypeError"));
    assert_eq!(rig.call(a, "register", row!["1", 0]), Ok(Tid::ZERO.into()));
    let b = rig.negotiate();
    rig.one_way(b, "register", row!["2", false]);
    assert!(matches!(rig.fault(b), Some(Fault::Peer(PeerFault::OneWay(_)))));
}

#[test]
fn a_client_that_is_gone_before_it_registered_leaves_nothing() {
    let mut rig = Rig::memory();
    let conns = [rig.open(Codec::Pickle), rig.negotiate()];
    for conn in conns {
        rig.hang_up(conn);
    }
    assert_eq!(rig.server.connections(), 0);
    let late = ConnId(1);
    rig.input(Input::Received { conn: late, bytes: b"late", wall: rig.wall });
    rig.input(Input::Sent { conn: late, bytes: 4 });
    rig.input(Input::Closed { conn: late });
}

#[test]
fn frames_at_the_limit_pass_and_one_byte_more_ends_the_connection() {
    let too_long = |len, limit| Some(PeerFault::Frame(FrameError::TooLong { len, limit }).into());
    let announce = |len: usize| u32::try_from(len).unwrap().to_be_bytes();
    for codec in CODECS {
        let mut rig = Rig::memory();
        let before = limits::FRAME_BEFORE_REGISTER;
        for registered in [false, true] {
            let limit = if registered { limits::FRAME } else { before };
            for len in [limit, limit + 1] {
                let a = rig.open(codec);
                rig.frame(a, codec.handshake());
                if registered {
                    rig.call(a, "register", row!["1", false]).unwrap();
                }
                rig.bytes(a, &announce(len));
                assert_eq!(rig.fault(a), if len > limit { too_long(len, limit) } else { None });
            }
        }
        let a = rig.open(codec);
        rig.bytes(a, &announce(before + 1));
        assert_eq!(rig.fault(a), too_long(before + 1, before), "the handshake");

        let a = rig.open(codec);
        rig.frame(a, codec.handshake());
        let padding = before - rig.encode(a, &1.into_id(), false, "register", &row!["", false]).len();
        let name = "x".repeat(padding);
        let whole = rig.encode(a, &1.into_id(), false, "register", &row![&name[..], false]);
        assert!((before - 10..=before + 4).contains(&whole.len()));
        let answer = rig.call(a, "register", row![&name[..], false]);
        assert!(error(answer).starts_with("ValueError: unknown storage"));
    }
}

/// Message ids from numbers.
trait IntoId {
    fn into_id(self) -> crate::wire::call::MessageId;
}

impl IntoId for i64 {
    fn into_id(self) -> crate::wire::call::MessageId {
        crate::wire::call::MessageId::Int(self)
    }
}

#[test]
fn one_connection_too_many_is_closed_and_a_freed_place_is_taken() {
    let limits = Limits { connections: 3, ..Limits::default() };
    Rig::everywhere(Config { limits, ..Config::default() }, |mut rig| {
        let [a, b] = [rig.client(), rig.client()];
        let c = rig.open(Codec::Pickle);
        assert!(!rig.is_closed(c), "at the limit");
        let d = rig.open(Codec::Pickle);
        assert_eq!(rig.fault(d), Some(Fault::Crowded));
        assert_eq!(rig.raw(d).len(), 0, "no greeting");
        assert_eq!(rig.call(a, "ping", row![]), Ok(Owned::None), "the others go on");
        rig.hang_up(b);
        rig.client();
    });
}

#[test]
fn a_label_is_cut_and_freed_of_control_characters() {
    Rig::everywhere(Config::default(), |mut rig| {
        for (label, shown) in [
            ("app1".to_owned(), "app1".to_owned()),
            ("a\r\nb\0c\u{85}d\u{1b}".into(), "abcd".into()),
            ("x".repeat(limits::LABEL), "x".repeat(limits::LABEL)),
            ("x".repeat(limits::LABEL + 1), "x".repeat(limits::LABEL)),
            (format!("{}äb", "x".repeat(limits::LABEL - 1)), "x".repeat(limits::LABEL - 1)),
            (String::new(), String::new()),
        ] {
            let a = rig.client();
            assert_eq!(rig.call(a, "set_client_label", row![&label[..]]), Ok(Owned::None));
            rig.hang_up(a);
            let Some(Event::Disconnected { peer, .. }) = rig.events.last() else { panic!("no event") };
            assert_eq!(peer, format!("{shown} peer-{}", a.0).trim_start());
        }
    });
}

#[test]
fn a_peer_that_is_refused_and_does_not_read_is_closed_before_it_costs_64_kilobytes() {
    let mut rig = Rig::memory();
    let a = rig.negotiate();
    rig.stop_reading(a);
    let call = rig.encode(a, &MessageId::Int(1), false, "register", &row!["no such storage", false]);
    let mut most = 0;
    for _ in 0..1_000 {
        rig.bytes(a, &call);
        if rig.is_closed(a) {
            break;
        }
        most = rig.unsent(a);
    }
    assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::NotReading(_)))));
    assert!(most + limits::FRAME_BEFORE_REGISTER < 64_000, "{most} bytes waited");
}

#[test]
fn a_message_id_that_unfolds_ends_the_connection_at_once() {
    // 1.0, and the pair of it and itself, twenty times over: two million values from sixty bytes.
    let mut message = b"\x80\x03(G\0\0\0\0\0\0\0\0".to_vec();
    (0..20).for_each(|_| message.extend_from_slice(b"2\x86"));
    message.extend_from_slice(b"K\0X\x08\0\0\0registerX\x01\0\0\x001\x89\x86t.");
    let mut rig = Rig::memory();
    let a = rig.open(Codec::Pickle);
    rig.frame(a, Codec::Pickle.handshake());
    rig.frame(a, &message);
    let fault = PeerFault::Malformed(Malformed::Limit("values")).into();
    assert_eq!((rig.fault(a), rig.unsent(a)), (Some(fault), 0));
}
