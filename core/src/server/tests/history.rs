//! What clients ask of the past: loads, the invalidation queue, new oids.

use super::super::ConnId;
use super::super::config::Config;
use super::super::event::Event;
use super::super::testing::{CODECS, Medium, Rig, row};
use super::tx::{Tx, commit, error};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::reach::Reach;
use crate::wire::tree::Owned;
use std::time::Duration;

fn oids(value: Owned) -> Vec<u64> {
    let Owned::Tuple(items) = value else { panic!("{value} is no list") };
    let oid = |item| match item {
        Owned::Bytes(bytes) => Oid::from_slice(&bytes).expect("eight bytes").0,
        other => panic!("{other} is no oid"),
    };
    items.into_iter().map(oid).collect()
}

#[test]
fn the_invalidation_queue_answers_for_the_transactions_it_remembers_and_no_others() {
    Rig::everywhere(Config { invalidation_queue: 3.into(), ..Config::default() }, |mut rig| {
        let a = rig.client();
        assert_eq!(rig.call(a, "getInvalidations", row![Tid::ZERO]), Ok(Owned::None));
        let mut tids = vec![commit(&mut rig, a, &[(10, Tid::ZERO, "x")])];
        for oid in 11..15 {
            tids.push(commit(&mut rig, a, &[(oid, Tid::ZERO, "x"), (10, *tids.last().unwrap(), "x")]));
        }
        let last = tids[4];
        let since = |tid: Tid| row![tid];
        assert_eq!(rig.call(a, "getInvalidations", since(tids[0])), Ok(Owned::None), "too long ago");
        let oids = |oids: &[u64]| Owned::Tuple(oids.iter().map(|oid| Oid(*oid).into()).collect());
        assert_eq!(rig.call(a, "getInvalidations", since(tids[1])), Ok(row![last, oids(&[10, 12, 13, 14])]));
        assert_eq!(rig.call(a, "getInvalidations", since(tids[3])), Ok(row![last, oids(&[10, 14])]));
        assert_eq!(rig.call(a, "getInvalidations", since(last)), Ok(row![last, oids(&[])]));
        for foreign in [Tid::ZERO, Tid(tids[3].0 + 1 - 2), last.next(), Tid::MAX] {
            if !tids.contains(&foreign) {
                assert_eq!(rig.call(a, "getInvalidations", since(foreign)), Ok(Owned::None), "{foreign}");
            }
        }
    });
}

#[test]
fn the_invalidation_queue_is_filled_from_the_log_at_start() {
    for codec in CODECS {
        let config = Config { codec, invalidation_queue: 2.into(), ..Config::default() };
        let mut rig = Rig::new(Medium::File, config);
        let a = rig.client();
        let mut tids = Vec::new();
        for oid in 1..5 {
            tids.push(commit(&mut rig, a, &[(oid, Tid::ZERO, "x")]));
        }
        let mut rig = rig.reopen();
        let a = rig.negotiate();
        assert_eq!(rig.call(a, "register", row!["1", false]), Ok(tids[3].into()));
        assert_eq!(rig.call(a, "getInvalidations", row![tids[0]]), Ok(Owned::None));
        let answer = rig.call(a, "getInvalidations", row![tids[1]]);
        assert_eq!(answer, Ok(row![tids[3], row![Oid(3), Oid(4)]]));
    }
}

#[test]
fn transactions_that_are_young_enough_are_remembered_beyond_the_queue_and_a_restart() {
    for codec in CODECS {
        let reach = Reach { transactions: 1, age: Duration::from_secs(60) };
        let config = Config { codec, invalidation_queue: reach, ..Config::default() };
        let mut rig = Rig::new(Medium::File, config);
        let a = rig.client();
        let mut tids = Vec::new();
        for oid in 1..6 {
            tids.push(commit(&mut rig, a, &[(oid, Tid::ZERO, "x")]));
            rig.pass(Duration::from_secs(25));
        }
        for reopened in [false, true] {
            if reopened {
                rig = rig.reopen();
            }
            let a = rig.client();
            let since = |rig: &mut Rig, tid: Tid| rig.call(a, "getInvalidations", row![tid]);
            assert_eq!(since(&mut rig, tids[0]), Ok(Owned::None), "100 seconds before the last");
            assert_eq!(since(&mut rig, tids[1]), Ok(row![tids[4], row![Oid(3), Oid(4), Oid(5)]]));
            assert_eq!(since(&mut rig, tids[2]), Ok(row![tids[4], row![Oid(4), Oid(5)]]));
            assert_eq!(since(&mut rig, tids[2].next()), Ok(Owned::None), "no transaction of this history");
        }
    }
}

#[test]
fn new_oids_are_as_many_as_asked_for_between_1_and_100() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let mut next = 1;
        let most = limits::NEW_OIDS as i64;
        for (args, count) in [
            (row![], 100),
            (row![1], 1),
            (row![0], 1),
            (row![-1], 1),
            (row![i64::MIN], 1),
            (row![most], 100),
            (row![most + 1], 100),
            (row![1000], 100),
            (row![i64::MAX], 100),
        ] {
            let fresh = oids(rig.call(a, "new_oids", args).unwrap());
            assert_eq!(fresh, Vec::from_iter(next..next + count));
            next += count;
        }
    });
}

#[test]
fn new_oids_were_never_stored_nor_handed_out() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        assert_eq!(oids(rig.call(a, "new_oids", row![2]).unwrap()), [1, 2]);
        assert_eq!(oids(rig.call(b, "new_oids", row![2]).unwrap()), [3, 4]);
        commit(&mut rig, a, &[(1000, Tid::ZERO, "x"), (7, Tid::ZERO, "y")]);
        assert_eq!(oids(rig.call(b, "new_oids", row![2]).unwrap()), [1001, 1002]);
    });
    let mut rig = Rig::file();
    let a = rig.client();
    commit(&mut rig, a, &[(1000, Tid::ZERO, "x")]);
    let mut rig = rig.reopen();
    let a = rig.client();
    assert_eq!(oids(rig.call(a, "new_oids", row![1]).unwrap()), [1001]);
}

#[test]
fn when_no_oids_are_left_the_call_fails_and_the_rest_goes_on() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        commit(&mut rig, a, &[(u64::MAX - 5, Tid::ZERO, "x")]);
        assert_eq!(error(rig.call(a, "new_oids", row![6])), "StorageError: no object ids are left");
        let last = oids(rig.call(a, "new_oids", row![5]).unwrap());
        assert_eq!(last, Vec::from_iter(u64::MAX - 4..=u64::MAX));
        assert_eq!(error(rig.call(a, "new_oids", row![1])), "StorageError: no object ids are left");
        commit(&mut rig, a, &[(u64::MAX, Tid::ZERO, "x")]);
        assert!(rig.call(a, "getTid", row![Oid(u64::MAX)]).is_ok());
    });
}

#[test]
fn loads_of_what_is_not_there_are_key_errors_or_none() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let second = commit(&mut rig, a, &[(1, first, "")]);
        let key_error =
            |answer| assert_eq!(error(answer), format!("POSKeyError: no object {} there", Oid(1)));
        assert_eq!(rig.call(a, "loadBefore", row![Oid(1), Tid::ZERO]), Ok(Owned::None));
        assert_eq!(rig.call(a, "loadBefore", row![Oid(1), first]), Ok(Owned::None), "before its creation");
        assert_eq!(rig.call(a, "loadBefore", row![Oid(1), second]), Ok(row![&b"x"[..], first, second]));
        key_error(rig.call(a, "loadBefore", row![Oid(1), second.next()]));
        key_error(rig.call(a, "loadSerial", row![Oid(1), second]));
        key_error(rig.call(a, "loadSerial", row![Oid(1), first.next()]));
        key_error(rig.call(a, "getTid", row![Oid(1)]));
        assert_eq!(rig.call(a, "loadSerial", row![Oid(1), first]), Ok((&b"x"[..]).into()));
        let unknown = error(rig.call(a, "loadBefore", row![Oid(2), Tid::MAX]));
        assert_eq!(unknown, format!("POSKeyError: no object {} there", Oid(2)));
    });
}

/// A transaction with extension data as a pickle.
fn commit_with(rig: &mut Rig, conn: ConnId, extension: &[u8], serial: Tid, data: &str) -> Tid {
    rig.one_way(conn, "tpc_begin", row![9, "wörker", "why", extension, Owned::None, " "]);
    Tx { conn, id: 9 }.store(rig, 1, serial, data).voted(rig).finish(rig)
}

fn entry(tid: Tid, size: i64, user: &str, description: &str, extension: &[(&str, Owned)]) -> Owned {
    let pair = |(key, value): (&str, Owned)| (key.into(), value);
    let own = [
        ("time", Owned::Float(tid.time())),
        ("user_name", user.as_bytes().into()),
        ("description", description.as_bytes().into()),
        ("tid", tid.into()),
        ("size", size.into()),
    ];
    Owned::Dict(extension.iter().cloned().chain(own).map(pair).collect())
}

#[test]
fn a_history_tells_the_newest_revisions_with_their_transactions() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        // {'where': 'here', 'what': a date, 'mark': 1}
        let extension =
            b"\x80\x03}(X\x05\0\0\0whereX\x04\0\0\0hereX\x04\0\0\0whatcdatetime\ndate\n)RX\x04\0\0\0markK\x01u.";
        let first = commit_with(&mut rig, a, b"", Tid::ZERO, "created");
        let second = commit_with(&mut rig, a, extension, first, "changed!");
        let third = commit(&mut rig, a, &[(1, second, "")]);
        let plain = [("where", "here".into()), ("mark", 1.into())];
        let all = [
            entry(third, 0, "", "", &[]),
            entry(second, 8, "wörker", "why", &plain),
            entry(first, 7, "wörker", "why", &[]),
        ];
        for (size, count) in [(-1, 0), (0, 0), (1, 1), (2, 2), (3, 3), (i64::MAX, 3)] {
            let expected = Owned::Tuple(all[..count].to_vec());
            assert_eq!(rig.call(a, "history", row![Oid(1), size]), Ok(expected), "{size}");
        }
        assert_eq!(rig.call(a, "history", row![Oid(1)]), Ok(Owned::Tuple(all[..1].to_vec())));
        let left_out = |event: &&Event| matches!(event, Event::ExtensionLeftOut { .. });
        match rig.events.iter().find(left_out) {
            Some(Event::ExtensionLeftOut { tid, why, .. }) => {
                assert_eq!(*tid, second);
                assert!(why.contains("datetime.date"), "{why}");
            }
            _ => panic!("what is left out is logged"),
        }
        for size in [0, 1] {
            let unknown = error(rig.call(a, "history", row![Oid(2), size]));
            assert_eq!(unknown, format!("POSKeyError: no object {} there", Oid(2)));
        }
        for arguments in [row![Owned::None], row![Owned::None, 1], row![Owned::None, Owned::None]] {
            assert_eq!(error(rig.call(a, "history", arguments)), "POSKeyError: no object is named");
        }
        assert!(error(rig.call(a, "history", row![Oid(1), Owned::None])).starts_with("TypeError: "));
        rig.one_way(a, "history", row![Oid(1), 1]);
        assert_eq!(rig.call(a, "ping", row![]), Ok(Owned::None), "nobody wants the answer");
    });
}
