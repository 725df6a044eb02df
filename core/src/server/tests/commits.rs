//! From begin to finish, and what is said out of turn.

use super::super::config::Config;
use super::super::fault::{Fault, PeerFault};
use super::super::testing::{Hold, Rig, row};
use super::tx::{Tx, commit, current, error};
use crate::ids::{Oid, Tid};
use crate::limits::{self, Limits};
use crate::wire::tree::Owned;

#[test]
fn a_commit_is_seen_by_everybody() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x"), (2, Tid::ZERO, "y")]);
        let second = commit(&mut rig, b, &[(2, first, "z")]);
        assert!(second > first);
        for conn in [a, b] {
            assert_eq!(current(&mut rig, conn, 1), Some(("x".into(), first)));
            assert_eq!(current(&mut rig, conn, 2), Some(("z".into(), second)));
            let old = rig.call(conn, "loadBefore", row![Oid(2), second]);
            assert_eq!(old, Ok(row![&b"y"[..], first, second]));
            assert_eq!(rig.call(conn, "loadBefore", row![Oid(2), first]), Ok(Owned::None));
            assert_eq!(rig.call(conn, "lastTransaction", row![]), Ok(second.into()));
        }
    });
}

#[test]
fn calls_that_name_no_open_transaction_are_refused_but_an_abort_does_nothing() {
    Rig::everywhere(Config::default(), |mut rig| {
        for open in [None, Some(7)] {
            let calls = [
                ("storea", row![Oid(1), Tid::ZERO, &b"x"[..], 8]),
                ("checkCurrentSerialInTransaction", row![Oid(1), Tid::ZERO, 8]),
                ("vote", row![8]),
                ("tpc_finish", row![8]),
            ];
            let a = rig.client();
            if let Some(id) = open {
                Tx::begin(&mut rig, a, id);
            }
            for (method, args) in calls {
                let answer = error(rig.call(a, method, args.clone()));
                assert!(answer.starts_with("StorageTransactionError"), "{method}: {answer}");
                let b = rig.client();
                rig.one_way(b, method, args);
                assert!(matches!(rig.fault(b), Some(Fault::Peer(PeerFault::OneWay(_)))), "{method}");
            }
            assert_eq!(rig.call(a, "tpc_abort", row![8]), Ok(Owned::None));
            if open.is_some() {
                Tx { conn: a, id: 7 }.store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig).abort(&mut rig);
            }
        }
    });
}

#[test]
fn a_second_begin_of_the_same_transaction_is_nothing_and_of_another_ends_the_connection() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
        Tx::begin(&mut rig, a, 7).voted(&mut rig);
        Tx::begin(&mut rig, a, 7).finish(&mut rig);
        assert!(current(&mut rig, a, 1).is_some(), "what was stored before is kept");

        Tx::begin(&mut rig, a, 7);
        let other = rig.call(a, "tpc_begin", row![8, "", "", Owned::None]);
        assert!(error(other).contains("Multiple simultaneous tpc_begin"));
        Tx::begin(&mut rig, a, 8);
        assert!(matches!(rig.fault(a), Some(Fault::Peer(PeerFault::OneWay(_)))));
    });
}

#[test]
fn a_finish_without_a_vote_is_refused_and_the_transaction_stays() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
        let answer = rig.call(a, "tpc_finish", row![7]);
        assert_eq!(error(answer), "StorageTransactionError: tpc_finish before a successful vote");
        tx.voted(&mut rig).finish(&mut rig);
    });
}

#[test]
fn after_the_vote_nothing_but_finish_and_abort_is_taken() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x").voted(&mut rig);
        for (method, args) in [
            ("vote", row![7]),
            ("storea", row![Oid(2), Tid::ZERO, &b"y"[..], 7]),
            ("checkCurrentSerialInTransaction", row![Oid(2), Tid::ZERO, 7]),
        ] {
            assert_eq!(error(rig.call(a, method, args)), "StorageTransactionError: Already voting (locked)");
        }
        tx.finish(&mut rig);
        assert_eq!(current(&mut rig, a, 2), None);
    });
}

#[test]
fn a_transaction_is_over_after_its_finish_and_after_its_abort() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        for end in ["tpc_finish", "tpc_abort"] {
            Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
            rig.call(a, "vote", row![7]).ok();
            rig.call(a, end, row![7]).unwrap();
            for method in ["vote", "tpc_finish"] {
                let answer = error(rig.call(a, method, row![7]));
                assert_eq!(answer, "StorageTransactionError: no transaction 7 is open");
            }
        }
    });
}

#[test]
fn the_last_of_several_stores_of_an_object_counts() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        rig.inbox(a);
        let last = commit(&mut rig, a, &[(1, Tid::ZERO, "stale"), (2, Tid::ZERO, "y"), (1, serial, "z")]);
        assert_eq!(current(&mut rig, a, 1), Some(("z".into(), last)));
        assert_eq!(rig.call(a, "getInvalidations", row![serial]), Ok(row![last, row![Oid(1), Oid(2)]]));
    });
}

#[test]
fn a_transaction_without_changes_gets_a_tid_and_tells_of_it() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let tid = commit(&mut rig, a, &[]);
        assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(T1, [])");
        assert_eq!(rig.call(b, "lastTransaction", row![]), Ok(tid.into()));
    });
}

#[test]
fn data_of_no_bytes_is_a_deletion() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let first = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        let deleted = commit(&mut rig, a, &[(1, first, "")]);
        assert!(error(rig.call(a, "loadBefore", row![Oid(1), Tid::MAX])).starts_with("POSKeyError"));
        assert_eq!(
            rig.call(a, "loadBefore", row![Oid(1), deleted]),
            Ok(row![&b"x"[..], first, deleted]),
            "what was before is still there"
        );
        commit(&mut rig, a, &[(1, deleted, "again")]);
    });
}

#[test]
fn metadata_at_the_limit_is_taken_and_one_byte_more_is_refused_at_the_vote() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let fits = "x".repeat(limits::METADATA);
        let long = "x".repeat(limits::METADATA + 1);
        let pickle = long.clone().into_bytes();
        let begin = [
            (row![7, &fits[..], &fits[..], fits.clone().into_bytes()], ""),
            (row![7, &long[..], "", Owned::None], "StorageError: user name too long"),
            (row![7, "", &long[..], Owned::None], "StorageError: description too long"),
            (row![7, "", "", pickle], "StorageError: too much extension data"),
        ];
        for (args, expected) in begin {
            rig.one_way(a, "tpc_begin", args);
            let tx = Tx { conn: a, id: 7 }.store(&mut rig, 1, Tid::ZERO, "x");
            if expected.is_empty() {
                tx.voted(&mut rig).abort(&mut rig);
            } else {
                assert_eq!(error(tx.vote(&mut rig)), expected);
                assert!(error(tx.vote(&mut rig)).contains("no transaction 7 is open"));
            }
        }
    });
}

#[test]
fn a_transaction_at_its_limits_is_taken_and_one_past_them_is_refused_at_the_vote() {
    let limits = Limits { transaction_bytes: 10, transaction_objects: 3, ..Limits::default() };
    Rig::everywhere(Config { limits, ..Config::default() }, |mut rig| {
        let a = rig.client();
        let full = |rig: &mut Rig| {
            let tx = Tx::begin(rig, a, 7).store(rig, 1, Tid::ZERO, "12345");
            tx.store(rig, 2, Tid::ZERO, "12345").store(rig, 3, Tid::ZERO, "")
        };
        full(&mut rig).voted(&mut rig).abort(&mut rig);
        full(&mut rig).store(&mut rig, 1, Tid::ZERO, "54321").voted(&mut rig).abort(&mut rig);
        let refused = "TransactionTooLargeError: the transaction exceeds 10 bytes or 3 objects";
        let byte = full(&mut rig).store(&mut rig, 3, Tid::ZERO, "1");
        assert_eq!(error(byte.vote(&mut rig)), refused);
        let object = full(&mut rig).store(&mut rig, 4, Tid::ZERO, "");
        assert_eq!(error(object.vote(&mut rig)), refused);
        let check = full(&mut rig).check(&mut rig, 4, Tid::ZERO);
        assert_eq!(error(check.vote(&mut rig)), refused);
        let small_again = full(&mut rig).store(&mut rig, 4, Tid::ZERO, "").store(&mut rig, 4, Tid::ZERO, "");
        assert_eq!(error(small_again.vote(&mut rig)), refused, "what was refused is not forgotten");
        commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
    });
}

#[test]
fn a_vote_waits_for_its_room_and_a_finish_for_its_sync() {
    let mut rig = Rig::file();
    let a = rig.client();
    rig.hold(Hold::Reserves);
    rig.hold(Hold::Syncs);
    let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "x");
    let vote = tx.ask_vote(&mut rig);
    assert_eq!(rig.answer(a, &vote), None);
    rig.release(Hold::Reserves);
    assert_eq!(rig.answer(a, &vote), Some(Ok(row![])));
    let finish = tx.ask_finish(&mut rig);
    assert_eq!((rig.answer(a, &finish), current(&mut rig, a, 1)), (None, None));
    assert_eq!(rig.call(a, "lastTransaction", row![]), Ok(Tid::ZERO.into()), "not yet");
    rig.release(Hold::Syncs);
    assert!(rig.answer(a, &finish).unwrap().is_ok());
    assert!(current(&mut rig, a, 1).is_some());
}

#[test]
fn tids_rise_when_the_clock_does_not() {
    Rig::everywhere(Config::default(), |mut rig| {
        let a = rig.client();
        let mut last = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        for back in [0, 1, 3_600_000_000, u64::MAX] {
            rig.wall.0 = rig.wall.0.saturating_sub(back);
            let next = commit(&mut rig, a, &[(1, last, "x")]);
            assert_eq!(next, last.next());
            last = next;
        }
    });
}

#[test]
fn the_statistics_count_what_happened() {
    Rig::everywhere(Config::default(), |mut rig| {
        let (a, b) = (rig.client(), rig.client());
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        current(&mut rig, a, 1);
        Tx::begin(&mut rig, a, 7).store(&mut rig, 2, Tid::ZERO, "y").abort(&mut rig);
        let tx = Tx::begin(&mut rig, a, 7).store(&mut rig, 1, Tid::ZERO, "y");
        assert_ne!(tx.vote(&mut rig), Ok(row![]), "a conflict");
        tx.store(&mut rig, 1, serial, "resolved").voted(&mut rig).finish(&mut rig);
        let open = Tx::begin(&mut rig, a, 8).store(&mut rig, 5, Tid::ZERO, "z").voted(&mut rig);
        let waiting = Tx::begin(&mut rig, b, 9).store(&mut rig, 5, Tid::ZERO, "z");
        waiting.ask_vote(&mut rig);
        let status = rig.call(a, "server_status", row![]).unwrap().to_string();
        for figure in [
            "loads': 1",
            "stores': 6",
            "commits': 2",
            "aborts': 1",
            "conflicts': 0",
            "conflicts_resolved': 1",
        ]
        .into_iter()
        .chain([
            "active_txns': 2",
            "connections': 2",
            "waiting': 1",
            "timeout-thread-is-alive': 'stub'",
        ]) {
            assert!(status.contains(figure), "{figure} in {status}");
        }
        open.abort(&mut rig);
    });
}
