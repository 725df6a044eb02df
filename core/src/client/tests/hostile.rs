//! Servers that do not keep to the protocol, or fall silent.

use super::super::fault::{Fault, ServerFault};
use super::super::testing::{Scripted, changes, client_config, none, revision, store};
use super::super::{Answer, Call, Change, Error};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::testing::{CODECS, row};
use crate::wire::call::MessageId;
use crate::wire::frame::FrameError;
use crate::wire::tree::Owned;
use std::time::Duration;

/// What `wrong` does costs the connection; a load under way learns that the server is to blame, and the next
/// connection works.
fn costs_the_connection(wrong: impl Fn(&mut Scripted)) {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 0);
        wrong(&mut rig);
        assert!(!rig.is_linked(), "the connection is given up");
        assert!(matches!(rig.faults()[0], Fault::Server(_)), "{:?}", rig.faults());
        assert!(matches!(rig.error(load), Error::Protocol(_)));
        rig.calls.clear();
        rig.reconnect(100);
        let load = rig.load(1, 0);
        rig.reply("loadBefore", revision("one", 50, None));
        assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
    });
}

#[test]
fn bytes_that_are_no_message_cost_the_connection() {
    for garbage in [&b""[..], b"garbage", b"\x80\x03N.", b"\xc0", b"\x80\x03(K\x01K\0X\x06\0\0\0.replyt."] {
        costs_the_connection(|rig| rig.frame(garbage));
    }
}

#[test]
fn a_frame_over_the_limit_costs_the_connection_before_it_came() {
    costs_the_connection(|rig| rig.bytes(&(limits::FRAME as u32 + 1).to_be_bytes()));
    Scripted::ready(|mut rig| {
        rig.bytes(&(limits::FRAME as u32).to_be_bytes());
        assert!(rig.is_linked());
    });
}

#[test]
fn before_it_has_introduced_itself_a_server_says_little() {
    Scripted::everywhere(|mut rig| {
        rig.bytes(&(limits::FRAME_BEFORE_REGISTER as u32 + 1).to_be_bytes());
        let too_long = FrameError::TooLong {
            len: limits::FRAME_BEFORE_REGISTER + 1,
            limit: limits::FRAME_BEFORE_REGISTER,
        };
        assert_eq!(rig.faults(), [Fault::Server(ServerFault::Frame(too_long))]);
    });
}

#[test]
fn an_answer_to_what_was_not_asked_costs_the_connection() {
    costs_the_connection(|rig| rig.message(&MessageId::Int(77), 0, ".reply", &none()));
    costs_the_connection(|rig| rig.message(&MessageId::Load(Oid(2), Tid::MAX), 0, ".reply", &none()));
    costs_the_connection(|rig| rig.message(&MessageId::Load(Oid(1), Tid(7)), 0, ".reply", &none()));
    costs_the_connection(|rig| {
        rig.message(&MessageId::Other(Box::new(Owned::Str("x".into()))), 0, ".reply", &none());
    });
}

#[test]
fn a_second_answer_to_a_call_costs_the_connection() {
    costs_the_connection(|rig| {
        rig.ask(Call::Sync);
        let id = rig.called("ping").id;
        rig.message(&id, 0, ".reply", &none());
        rig.message(&id, 0, ".reply", &none());
    });
}

#[test]
fn a_call_that_clients_do_not_have_costs_the_connection() {
    costs_the_connection(|rig| rig.message(&MessageId::Int(0), 1, "shutdown", &row![]));
    costs_the_connection(|rig| rig.message(&MessageId::Int(0), 1, "invalidateTransaction", &row![1, 2]));
    costs_the_connection(|rig| rig.message(&MessageId::Int(0), 1, "info", &row!["much"]));
    costs_the_connection(|rig| {
        rig.message(&MessageId::Int(0), 1, "receiveBlobStart", &row![Oid(1), Tid(1)]);
    });
}

#[test]
fn a_load_that_is_answered_with_nonsense_costs_the_connection() {
    for nonsense in [
        row![1, 2, 3],
        row!["text"],
        row![b"data".to_vec(), Tid(1)],
        // Not before what was asked for, over before that, or in no time at all.
        revision("one", Tid::MAX.0, None),
        revision("one", u64::MAX, None),
        revision("one", 50, Some(60)),
        revision("one", 50, Some(u64::MAX)),
    ] {
        costs_the_connection(|rig| rig.reply("loadBefore", nonsense.clone()));
    }
}

#[test]
fn transactions_out_of_order_cost_the_connection_and_the_cache() {
    for tid in [100, 99, 0, u64::MAX] {
        Scripted::ready(|mut rig| {
            rig.load(1, 0);
            rig.reply("loadBefore", revision("one", 50, None));
            assert!(rig.client.cached(Oid(1), Tid(101)).is_some());
            rig.invalidate(tid, &[1]);
            assert_eq!(rig.faults(), [Fault::Server(ServerFault::Order { tid: Tid(tid), last: Tid(100) })]);
            assert_eq!(rig.client.cached(Oid(1), Tid(101)), None);
            assert_eq!(rig.client.last_tid(), Some(Tid(100)), "it does not fall");
            rig.reconnect(100);
            assert_eq!(rig.changes, [Change::Everything { tid: Tid(100) }]);
        });
    }
}

#[test]
fn a_vote_in_conflict_about_other_objects_costs_the_connection() {
    let conflict = |oid: u64| {
        let pairs: [(&str, Owned); 3] =
            [("oid", Oid(oid).into()), ("serials", row![Tid(60), Tid(50)]), ("data", b"x".to_vec().into())];
        Owned::Dict(pairs.map(|(key, value)| (key.into(), value)).into())
    };
    for vote in [row![conflict(2)], row![conflict(1), conflict(1)], row![7], row![conflict(1), Oid(1)]] {
        Scripted::ready(|mut rig| {
            let mut changes = changes(vec![store(1, Tid(50), "x")]);
            changes.resolve = true;
            let ticket = rig.ask(Call::Vote(Box::new(changes)));
            rig.reply("vote", vote.clone());
            assert!(matches!(rig.error(ticket), Error::Protocol(_)));
            assert!(!rig.is_linked());
        });
    }
}

#[test]
fn new_oids_that_are_none_or_too_many_cost_the_connection() {
    let many = Owned::Tuple((0..=limits::NEW_OIDS_MAX as u64).map(|oid| Oid(oid).into()).collect());
    for oids in [row![], row![1], none(), many] {
        Scripted::ready(|mut rig| {
            let ticket = rig.ask(Call::NewOid);
            rig.reply("new_oids", oids.clone());
            assert!(matches!(rig.error(ticket), Error::Protocol(_)));
        });
    }
    Scripted::ready(|mut rig| {
        let most = Owned::Tuple((0..limits::NEW_OIDS_MAX as u64).map(|oid| Oid(oid).into()).collect());
        let ticket = rig.ask(Call::NewOid);
        rig.reply("new_oids", most);
        assert_eq!(rig.answer(ticket), Some(Ok(Answer::Oid(Oid(0)))));
    });
}

#[test]
fn another_protocol_is_not_spoken() {
    for greeting in [&b"Z4"[..], b"Z309", b"X5", b"", b"HTTP/1.1 400 Bad Request"] {
        Scripted::everywhere(|mut rig| {
            rig.frame(greeting);
            assert!(matches!(rig.faults()[..], [Fault::Server(ServerFault::Handshake(_))]));
            assert!(!rig.is_linked());
        });
    }
}

#[test]
fn a_server_that_does_not_register_the_client_is_given_up() {
    Scripted::everywhere(|mut rig| {
        rig.greet(0);
        let patience = client_config(1).greeting_timeout;
        rig.pass(patience - Duration::from_nanos(1));
        assert!(rig.is_linked());
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.faults(), [Fault::Slow(patience)]);
        assert!(!rig.is_linked());
    });
}

#[test]
fn a_server_that_owes_an_answer_and_is_silent_is_given_up_if_so_configured() {
    let patience = Duration::from_secs(5);
    for codec in CODECS {
        let mut config = client_config(1);
        config.silence_timeout = Some(patience);
        let mut rig = Scripted::new(codec, config);
        rig.connect(100);
        // It owes nothing.
        rig.pass(patience * 3);
        let load = rig.load(1, 0);
        rig.pass(patience / 2);
        // It is still there.
        rig.invalidate(101, &[2]);
        rig.pass(patience - Duration::from_nanos(1));
        assert!(rig.client.is_ready());
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.faults(), [Fault::Silent(patience)]);
        // The load is asked again.
        rig.calls.clear();
        rig.reconnect(101);
        rig.reply("loadBefore", revision("one", 50, None));
        assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
    }
}

#[test]
fn a_server_that_is_always_silent_is_not_asked_for_ever() {
    let mut config = client_config(1);
    config.silence_timeout = Some(Duration::from_secs(5));
    let mut rig = Scripted::new(CODECS[0], config);
    rig.connect(100);
    let load = rig.load(1, 0);
    for _ in 0..10 {
        rig.pass(Duration::from_secs(5));
        if rig.answers.contains_key(&load) {
            break;
        }
        rig.calls.clear();
        rig.reconnect(100);
    }
    assert!(matches!(rig.error(load), Error::Lost(_)));
}

#[test]
fn bytes_that_come_one_by_one_are_understood() {
    Scripted::everywhere(|mut rig| {
        let greeting = if rig.greeting() == b"Z5" { b"\0\0\0\x02Z5" } else { b"\0\0\0\x02M5" };
        for byte in greeting {
            rig.bytes(&[*byte]);
        }
        rig.reply("register", Tid(5).into());
        assert_eq!(rig.count("get_info"), 1);
    });
}
