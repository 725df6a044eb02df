//! Peers that ask for more than they take.

use super::super::ConnId;
use super::super::config::Config;
use super::super::fault::{Fault, PeerFault};
use super::super::testing::{CODECS, Hold, Medium, Rig, row};
use super::tx::{Tx, commit};
use crate::ids::{Oid, Tid};
use crate::limits::{self, Limits};
use crate::wire::call::MessageId;
use crate::wire::tree::Owned;

/// So many loads of an object, with ids from 1000 on, as bytes.
fn loads(rig: &Rig, conn: ConnId, oid: u64, count: i64) -> Vec<u8> {
    let load =
        |at| rig.encode(conn, &MessageId::Int(1000 + at), false, "loadBefore", &row![Oid(oid), Tid::MAX]);
    (0..count).flat_map(load).collect()
}

/// The ids of the loads answered so far, in order.
fn answered(rig: &mut Rig, conn: ConnId) -> Vec<i64> {
    let lines = rig.inbox(conn);
    let id = |line: &String| line.strip_prefix("reply ")?.split(' ').next()?.parse::<i64>().ok();
    lines.iter().filter_map(id).filter_map(|id| id.checked_sub(1000)).filter(|id| *id >= 0).collect()
}

#[test]
fn a_peer_that_does_not_read_is_paused_and_resumed_and_nothing_is_lost() {
    for codec in CODECS {
        let mut rig = Rig::new(Medium::Memory, Config { codec, ..Config::default() });
        let (a, b) = (rig.client(), rig.client());
        let len = limits::UNSENT_PAUSE / 8;
        commit(&mut rig, a, &[(1, Tid::ZERO, &"x".repeat(len))]);
        rig.inbox(a);
        rig.stop_reading(a);
        let wanted = loads(&rig, a, 1, 30);
        rig.bytes(a, &wanted[..7]);
        rig.bytes(a, &wanted[7..]);
        assert!(rig.is_paused(a));
        assert_eq!(answered(&mut rig, a), Vec::from_iter(0..8), "the eighth reaches the limit");
        assert!((limits::UNSENT_PAUSE..limits::UNSENT_PAUSE + len).contains(&rig.unsent(a)));
        assert_eq!(rig.call(b, "ping", row![]), Ok(Owned::None), "others are served");

        let half = rig.unsent(a) - limits::UNSENT_PAUSE / 2;
        rig.take(a, half - 1);
        assert!(rig.is_paused(a));
        assert_eq!(answered(&mut rig, a), [0; 0]);
        rig.take(a, 1);
        assert!(rig.is_paused(a), "what it sent before was enough for another pause");
        let mut seen = answered(&mut rig, a);
        assert_eq!(seen[0], 8);
        while rig.unsent(a) > 0 {
            rig.take(a, 100_000);
            seen.extend(answered(&mut rig, a));
        }
        assert_eq!(seen, Vec::from_iter(8..30));
        assert!(!rig.is_paused(a));
    }
}

#[test]
fn a_peer_is_paused_at_the_limit_and_not_one_byte_below() {
    let pings = |limits: Limits| {
        let mut rig = Rig::new(Medium::Memory, Config { limits, ..Config::default() });
        let a = rig.client();
        rig.inbox(a);
        rig.stop_reading(a);
        rig.send(a, "ping", row![]);
        let (unsent, paused) = (rig.unsent(a), rig.is_paused(a));
        rig.send(a, "ping", row![]);
        (unsent, paused, rig.inbox(a).len())
    };
    let (len, ..) = pings(Limits::default());
    assert_eq!(pings(Limits { unsent_pause: len + 1, ..Limits::default() }), (len, false, 2));
    assert_eq!(pings(Limits { unsent_pause: len, ..Limits::default() }), (len, true, 1));
}

#[test]
fn what_a_paused_peer_sends_is_looked_at_when_it_reads_again() {
    let limits = Limits { unsent_pause: 40, ..Limits::default() };
    for codec in CODECS {
        let mut rig = Rig::new(Medium::Memory, Config { codec, limits, ..Config::default() });
        let a = rig.client();
        rig.inbox(a);
        rig.stop_reading(a);
        let bytes: Vec<u8> =
            (0..50).flat_map(|id| rig.encode(a, &MessageId::Int(id), false, "ping", &row![])).collect();
        for chunk in bytes.chunks(11) {
            rig.bytes(a, chunk);
        }
        assert!(rig.is_paused(a));
        while rig.unsent(a) > 0 {
            rig.take(a, 7);
        }
        assert!(!rig.is_paused(a));
        let expected: Vec<String> = (0..50).map(|id| format!("reply {id} = None")).collect();
        assert_eq!(rig.inbox(a), expected);
    }
}

#[test]
fn a_peer_with_too_many_reads_at_the_disk_is_paused_until_half_of_them_are_answered() {
    let mut rig = Rig::file();
    let (a, b) = (rig.client(), rig.client());
    commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    let limit = limits::OPERATIONS_PER_CONNECTION;
    // Many small replies have widened its window to all there is.
    let many = loads(&rig, a, 1, limit as i64);
    rig.bytes(a, &many);
    rig.inbox(a);
    rig.hold(Hold::Reads);
    let wanted = loads(&rig, a, 1, limit as i64 + 1);
    let each = loads(&rig, a, 1, 1).len();
    rig.bytes(a, &wanted[..each * (limit - 1)]);
    assert_eq!((rig.on_hold(Hold::Reads), rig.is_paused(a)), (limit - 1, false));
    rig.bytes(a, &wanted[each * (limit - 1)..]);
    assert_eq!((rig.on_hold(Hold::Reads), rig.is_paused(a)), (limit, true), "the last one has to wait");
    let few = loads(&rig, b, 1, 3);
    rig.bytes(b, &few);
    assert_eq!(rig.on_hold(Hold::Reads), limit + 3, "others have reads of their own");
    rig.let_go(Hold::Reads);
    assert!(!rig.is_paused(a));
    assert_eq!(answered(&mut rig, a).len(), limit + 1);
}

#[test]
fn a_peer_that_stops_reading_while_others_commit_is_closed() {
    let limits = Limits { unsent_max: 1000, ..Limits::default() };
    Rig::everywhere(Config { limits, ..Config::default() }, |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        rig.stop_reading(b);
        let waiting = Tx::begin(&mut rig, b, 7).store(&mut rig, 9, Tid::ZERO, "x").voted(&mut rig);
        let mut serial = Tid::ZERO;
        while !rig.is_closed(b) {
            let before = rig.unsent(b);
            serial = commit(&mut rig, a, &[(1, serial, "x")]);
            assert_eq!(rig.is_closed(b), before > 1000, "not before the limit was passed, and then at once");
            if rig.is_closed(b) {
                assert_eq!(rig.fault(b), Some(Fault::Peer(PeerFault::NotReading(before))));
            }
        }
        commit(&mut rig, a, &[(9, Tid::ZERO, "free")]);
        assert_eq!(waiting.id, 7);
    });
}

#[test]
fn one_large_object_does_not_close_a_peer() {
    let limits = Limits { unsent_max: 1000, unsent_pause: 500, ..Limits::default() };
    Rig::everywhere(Config { limits, ..Config::default() }, |mut rig| {
        let a = rig.client();
        commit(&mut rig, a, &[(1, Tid::ZERO, &"x".repeat(100_000))]);
        rig.stop_reading(a);
        let wanted = loads(&rig, a, 1, 3);
        rig.bytes(a, &wanted);
        assert!(!rig.is_closed(a));
        while rig.unsent(a) > 0 {
            rig.take(a, 60_000);
        }
        assert_eq!(answered(&mut rig, a), [0, 1, 2]);
    });
}

#[test]
fn loads_pipelined_at_a_disk_do_not_close_a_peer_that_reads_slowly() {
    let limits = Limits { unsent_max: 600_000, unsent_pause: 300_000, operations: 8, ..Limits::default() };
    let mut rig = Rig::new(Medium::File, Config { limits, ..Config::default() });
    let a = rig.client();
    commit(&mut rig, a, &[(1, Tid::ZERO, &"x".repeat(100_000))]);
    rig.stop_reading(a);
    rig.hold(Hold::Reads);
    let wanted = loads(&rig, a, 1, 100);
    rig.bytes(a, &wanted);
    let mut seen = Vec::new();
    while rig.unsent(a) > 0 || rig.on_hold(Hold::Reads) > 0 {
        rig.release(Hold::Reads);
        seen.extend(answered(&mut rig, a));
        rig.take(a, 50_000);
    }
    assert!(!rig.is_closed(a));
    assert_eq!(seen, Vec::from_iter(0..100));
}

#[test]
fn a_paused_peer_that_is_gone_is_forgotten() {
    let limits = Limits { unsent_pause: 40, ..Limits::default() };
    let mut rig = Rig::new(Medium::Memory, Config { limits, ..Config::default() });
    let a = rig.client();
    rig.stop_reading(a);
    let bytes: Vec<u8> =
        (0..9).flat_map(|id| rig.encode(a, &MessageId::Int(id), false, "ping", &row![])).collect();
    rig.bytes(a, &bytes);
    assert!(rig.is_paused(a));
    rig.hang_up(a);
    assert_eq!(rig.server.connections(), 0);
    let b = rig.client();
    assert_eq!(rig.call(b, "ping", row![]), Ok(Owned::None));
}
