//! Transactions: one at a time on the server, whatever becomes of them.

use super::super::config::Config;
use super::super::testing::{Scripted, World, changes, client_config, none, python_info, store};
use super::super::{
    Answer, Call, Change, Changes, Error, Finished, Input, Operation, Output, Ticket, TxnRef,
};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::testing::{CODECS, row};
use crate::wire::tree::Owned;
use bytes::Bytes;
use std::time::Duration;

fn vote(rig: &mut Scripted, changes: Changes) -> Ticket {
    rig.ask(Call::Vote(Box::new(changes)))
}

/// A transaction that is voted, and waits.
fn held(operations: Vec<Operation>) -> Changes {
    Changes { finish: false, ..changes(operations) }
}

fn conflict(oid: u64, committed: u64, read: u64) -> Owned {
    let pairs: [(&str, Owned); 3] = [
        ("oid", Oid(oid).into()),
        ("serials", row![Tid(committed), Tid(read)]),
        ("data", b"mine".to_vec().into()),
    ];
    Owned::Dict(pairs.map(|(key, value)| (key.into(), value)).into())
}

#[test]
fn a_commit_is_in_the_cache_when_it_is_told() {
    Scripted::ready(|mut rig| {
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one"), store(2, Tid::ZERO, "two")]));
        rig.reply("vote", row![Oid(2)]);
        rig.reply("tpc_finish", Tid(110).into());
        let finished = Finished { tid: Tid(110), changed: vec![Oid(2)] };
        assert_eq!(rig.answer(ticket), Some(Ok(Answer::Finished(finished))));
        assert_eq!(rig.changes, [Change::Objects { tid: Tid(110), oids: vec![Oid(1), Oid(2)] }]);
        assert_eq!(rig.client.cached(Oid(1), Tid(111)).unwrap().data, "one");
        // What the server made of it is not what was stored.
        assert_eq!(rig.client.cached(Oid(2), Tid(111)), None);
        assert_eq!(rig.client.last_tid(), Some(Tid(110)));
    });
}

#[test]
fn a_transaction_is_voted_and_then_finished_or_not() {
    Scripted::ready(|mut rig| {
        let ticket = vote(&mut rig, held(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", row![]);
        let txn = TxnRef(ticket);
        assert_eq!(rig.answer(ticket), Some(Ok(Answer::Voted(txn))));
        assert_eq!(rig.count("tpc_finish"), 0);
        let finish = rig.ask(Call::Finish(txn));
        rig.reply("tpc_finish", Tid(110).into());
        assert!(matches!(rig.answer(finish), Some(Ok(Answer::Finished(_)))));
        let again = rig.ask(Call::Finish(txn));
        assert_eq!(rig.error(again), Error::NoTransaction);

        let ticket = vote(&mut rig, held(vec![store(1, Tid(110), "two")]));
        rig.reply("vote", row![]);
        let abort = rig.ask(Call::Abort(TxnRef(ticket)));
        rig.reply("tpc_abort", none());
        assert_eq!(rig.answer(abort), Some(Ok(Answer::Done)));
        let finish = rig.ask(Call::Finish(TxnRef(ticket)));
        assert_eq!(rig.error(finish), Error::NoTransaction);
        assert_eq!(rig.client.last_tid(), Some(Tid(110)));
    });
}

#[test]
fn transactions_take_turns() {
    Scripted::ready(|mut rig| {
        let first = vote(&mut rig, held(vec![store(1, Tid::ZERO, "one")]));
        let second = vote(&mut rig, changes(vec![store(2, Tid::ZERO, "two")]));
        assert_eq!(rig.count("tpc_begin"), 1);
        rig.reply("vote", row![]);
        assert_eq!(rig.count("tpc_begin"), 1);
        rig.ask(Call::Finish(TxnRef(first)));
        rig.reply("tpc_finish", Tid(110).into());
        assert_eq!(rig.count("tpc_begin"), 2);
        rig.reply("vote", row![]);
        rig.reply("tpc_finish", Tid(120).into());
        assert!(matches!(rig.answer(second), Some(Ok(Answer::Finished(_)))));
    });
}

#[test]
fn a_transaction_that_waits_for_its_turn_can_be_given_up() {
    Scripted::ready(|mut rig| {
        let first = vote(&mut rig, held(vec![]));
        let [second, third] = [0, 1].map(|_| vote(&mut rig, changes(vec![])));
        let abort = rig.ask(Call::Abort(TxnRef(second)));
        assert_eq!(rig.answer(abort), Some(Ok(Answer::Done)));
        assert_eq!(rig.error(second), Error::NoTransaction);
        rig.input(Input::Forget { ticket: third });
        rig.reply("vote", row![]);
        rig.ask(Call::Finish(TxnRef(first)));
        rig.reply("tpc_finish", Tid(110).into());
        assert_eq!(rig.count("tpc_begin"), 1);
    });
}

#[test]
fn a_vote_under_way_can_be_given_up_whether_it_is_answered_or_not() {
    for answered in [true, false] {
        Scripted::ready(|mut rig| {
            let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
            rig.input(Input::Forget { ticket });
            if answered {
                rig.reply("vote", row![conflict(1, 60, 50)]);
            }
            rig.reply("tpc_abort", none());
            assert_eq!(rig.answer(ticket), None);
            vote(&mut rig, changes(vec![]));
            assert_eq!(rig.count("tpc_begin"), 2);
            assert!(rig.client.is_ready());
        });
    }
}

#[test]
fn a_transaction_that_is_being_finished_cannot_be_given_up() {
    Scripted::ready(|mut rig| {
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", row![]);
        let abort = rig.ask(Call::Abort(TxnRef(ticket)));
        assert_eq!(rig.error(abort), Error::NoTransaction);
        rig.input(Input::Forget { ticket });
        rig.reply("tpc_finish", Tid(110).into());
        assert_eq!(rig.changes.len(), 1, "it is told like any other");
        assert_eq!((rig.answer(ticket), rig.count("tpc_abort")), (None, 0));
    });
}

#[test]
fn a_conflict_is_merged_from_three_states_and_voted_again() {
    Scripted::ready(|mut rig| {
        let mut mine = changes(vec![store(1, Tid(50), "mine")]);
        mine.resolve = true;
        let ticket = vote(&mut rig, mine);
        for round in 1..=2_u64 {
            rig.reply("vote", row![conflict(1, 60 + round, 50)]);
            while rig.count("loadSerial") > 0 {
                rig.reply("loadSerial", b"state".to_vec().into());
            }
            let Some(Output::Resolve { txn, conflict }) = rig.others.pop() else { panic!("no merge") };
            assert_eq!((conflict.conflict.committed, &conflict.old[..]), (Tid(60 + round), &b"state"[..]));
            rig.input(Input::Resolved { txn, oid: Oid(9), state: None });
            rig.input(Input::Resolved { txn, oid: Oid(1), state: Some(Bytes::from("merged")) });
            rig.input(Input::Resolved { txn, oid: Oid(1), state: None });
        }
        rig.reply("vote", row![]);
        rig.reply("tpc_finish", Tid(110).into());
        let finished = Finished { tid: Tid(110), changed: vec![Oid(1)] };
        assert_eq!(rig.answer(ticket), Some(Ok(Answer::Finished(finished))));
        assert_eq!(rig.client.cached(Oid(1), Tid(111)), None, "the caller has to load what was merged");
        assert_eq!(rig.count("storea"), 3);
    });
}

#[test]
fn conflicts_that_keep_coming_end_in_the_ninth_round() {
    Scripted::ready(|mut rig| {
        let mut mine = changes(vec![store(1, Tid(50), "mine")]);
        mine.resolve = true;
        let ticket = vote(&mut rig, mine);
        for round in 1..=u64::from(limits::VOTE_ROUNDS) {
            assert_eq!(rig.answer(ticket), None);
            rig.reply("vote", row![conflict(1, 60 + round, 50)]);
            while rig.count("loadSerial") > 0 {
                rig.reply("loadSerial", b"state".to_vec().into());
            }
            if let Some(Output::Resolve { txn, .. }) = rig.others.pop() {
                rig.input(Input::Resolved { txn, oid: Oid(1), state: Some(Bytes::from("merged")) });
            }
        }
        assert!(matches!(rig.error(ticket), Error::Conflict(_)));
        assert_eq!((rig.count("tpc_abort"), rig.count("vote")), (1, 0));
    });
}

#[test]
fn a_conflict_that_cannot_be_merged_ends_the_transaction() {
    // Not wanted; a new object; nobody can; no past state.
    for case in 0..4 {
        Scripted::ready(|mut rig| {
            let mut mine = changes(vec![store(1, Tid(50), "mine")]);
            mine.resolve = case != 0;
            let ticket = vote(&mut rig, mine);
            rig.reply("vote", row![conflict(1, 60, if case == 1 { 0 } else { 50 })]);
            match case {
                2 => {
                    rig.reply("loadSerial", b"old".to_vec().into());
                    rig.reply("loadSerial", b"new".to_vec().into());
                    let Some(Output::Resolve { txn, .. }) = rig.others.pop() else { panic!("no merge") };
                    rig.input(Input::Resolved { txn, oid: Oid(1), state: None });
                }
                3 => rig.fail("loadSerial", "ZODB.POSException.POSKeyError", row![Oid(1)]),
                _ => assert_eq!(rig.count("loadSerial"), 0),
            }
            let Error::Conflict(conflict) = rig.error(ticket) else { panic!("another error") };
            assert_eq!((conflict.oid, conflict.committed), (Oid(1), Tid(60)));
            assert_eq!(rig.count("tpc_abort"), 1);
            // The other state may come late.
            while rig.count("loadSerial") > 0 {
                rig.reply("loadSerial", b"late".to_vec().into());
            }
            assert!(rig.client.is_ready());
        });
    }
}

#[test]
fn errors_of_a_vote_are_the_callers() {
    let attributes = |oid: u64| {
        let pairs: [(&str, Owned); 2] = [("oid", Oid(oid).into()), ("serials", row![Tid(60), Tid(50)])];
        Owned::Dict(pairs.map(|(key, value)| (key.into(), value)).into())
    };
    let read_conflict = Error::ReadConflict { oid: Oid(1), committed: Tid(60), read: Tid(50) };
    for (class, args, expected) in [
        ("ZODB.POSException.ReadConflictError", attributes(1), Some(read_conflict)),
        ("ZODB.POSException.ConflictError", attributes(1), None),
        ("ZODB.POSException.POSKeyError", row![Oid(3)], Some(Error::NoObject(Oid(3)))),
        ("ZODB.POSException.ReadOnlyError", row![], Some(Error::ReadOnly)),
        ("some.Error", row!["why"], None),
    ] {
        Scripted::ready(|mut rig| {
            let ticket = vote(&mut rig, changes(vec![store(1, Tid(50), "mine")]));
            rig.fail("vote", class, args.clone());
            let error = rig.error(ticket);
            match &expected {
                Some(expected) => assert_eq!(error, *expected),
                None => assert!(matches!(error, Error::Conflict(_) | Error::Refused(_))),
            }
            assert_eq!(rig.count("tpc_abort"), 1);
            vote(&mut rig, changes(vec![]));
            assert_eq!(rig.count("tpc_begin"), 2);
        });
    }
}

#[test]
fn a_connection_that_is_lost_ends_a_transaction_and_leaves_those_that_wait() {
    Scripted::ready(|mut rig| {
        let first = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        let second = vote(&mut rig, changes(vec![store(2, Tid::ZERO, "two")]));
        rig.cut();
        assert!(matches!(rig.error(first), Error::Lost(_)));
        rig.reconnect(100);
        assert_eq!(rig.count("tpc_begin"), 1);
        rig.reply("vote", row![]);
        rig.reply("tpc_finish", Tid(110).into());
        assert!(matches!(rig.answer(second), Some(Ok(Answer::Finished(_)))));
    });
}

#[test]
fn whoever_voted_learns_later_that_the_connection_was_lost() {
    Scripted::ready(|mut rig| {
        let mut voted = Vec::new();
        for _ in 0..3 {
            let ticket = vote(&mut rig, held(vec![]));
            rig.reply("vote", row![]);
            rig.cut();
            rig.reconnect(100);
            voted.push(TxnRef(ticket));
        }
        let finish = rig.ask(Call::Finish(voted[0]));
        assert!(matches!(rig.error(finish), Error::Lost(_)));
        let abort = rig.ask(Call::Abort(voted[1]));
        assert_eq!(rig.answer(abort), Some(Ok(Answer::Done)));
        rig.input(Input::Forget { ticket: voted[2].0 });
        for txn in voted {
            let finish = rig.ask(Call::Finish(txn));
            assert_eq!(rig.error(finish), Error::NoTransaction);
        }
    });
}

#[test]
fn so_many_lost_transactions_are_remembered_and_no_more() {
    let mut rig = Scripted::new(CODECS[0], super::super::testing::client_config(1));
    rig.connect(100);
    let mut voted = Vec::new();
    for _ in 0..=limits::LOST_TRANSACTIONS {
        let ticket = vote(&mut rig, held(vec![]));
        rig.reply("vote", row![]);
        rig.cut();
        rig.reconnect(100);
        voted.push(TxnRef(ticket));
    }
    let [first, second] = [0, 1].map(|at| rig.ask(Call::Finish(voted[at])));
    assert_eq!(rig.error(first), Error::NoTransaction);
    assert!(matches!(rig.error(second), Error::Lost(_)));
}

#[test]
fn what_no_server_takes_is_refused_before_it_is_sent() {
    Scripted::ready(|mut rig| {
        let long = "x".repeat(limits::METADATA + 1);
        let large = Bytes::from(vec![0; limits::STATE + 1]);
        let store = Operation::Store { oid: Oid(1), serial: Tid::ZERO, data: large.clone() };
        let restore = Operation::Restore { oid: Oid(1), serial: Tid(1), data: Some(large), same_as: None };
        for refused in [
            Changes { user: long.clone().into(), ..Changes::default() },
            Changes { description: long.clone().into(), ..Changes::default() },
            Changes { extension: long.into(), ..Changes::default() },
            changes(vec![store]),
            changes(vec![restore]),
        ] {
            let ticket = vote(&mut rig, refused);
            assert!(matches!(rig.error(ticket), Error::Limit(_)));
        }
        assert!(rig.calls.is_empty());
        vote(&mut rig, Changes { user: "x".repeat(limits::METADATA).into(), ..Changes::default() });
        assert_eq!(rig.count("tpc_begin"), 1);
    });
}

#[test]
fn every_operation_is_sent_in_its_order() {
    Scripted::ready(|mut rig| {
        vote(
            &mut rig,
            Changes {
                copied: Some((Tid(300), b'p')),
                ..changes(vec![
                    Operation::Delete { oid: Oid(1), serial: Tid(50) },
                    Operation::Undo(Tid(70)),
                    store(2, Tid(50), "two"),
                    Operation::ReadCheck { oid: Oid(3), serial: Tid(60) },
                    Operation::Restore { oid: Oid(4), serial: Tid(80), data: None, same_as: None },
                ])
            },
        );
        let methods: Vec<&str> = rig.calls.iter().map(|call| call.method.as_str()).collect();
        let expected = [
            "tpc_begin",
            "deleteObject",
            "undoa",
            "storea",
            "checkCurrentSerialInTransaction",
            "restorea",
            "vote",
        ];
        assert_eq!(methods, expected);
        rig.reply("vote", row![Oid(7)]);
        rig.reply("tpc_finish", Tid(300).into());
        assert_eq!(rig.changes, [Change::Objects { tid: Tid(300), oids: [1, 2, 4, 7].map(Oid).into() }]);
    });
}

#[test]
fn a_blob_is_read_and_sent_piece_by_piece() {
    Scripted::ready(|mut rig| {
        let blob = Operation::StoreBlob { oid: Oid(1), serial: Tid::ZERO, data: "blob".into() };
        let ticket =
            vote(&mut rig, changes(vec![store(2, Tid::ZERO, "two"), blob, store(3, Tid::ZERO, "three")]));
        let txn = TxnRef(ticket);
        let piece = |len: usize| Ok(Bytes::from(vec![7; len]));
        for len in [5, limits::BLOB_CHUNK + 1, 0] {
            assert!(matches!(rig.others.pop(), Some(Output::ReadBlob { at: 1, txn: of }) if of == txn));
            assert_eq!(rig.count("vote"), 0);
            rig.input(Input::BlobRead { txn, piece: piece(len) });
        }
        let methods: Vec<&str> = rig.calls.iter().map(|call| call.method.as_str()).collect();
        let chunk = "storeBlobChunk";
        let expected =
            ["tpc_begin", "storea", "storeBlobStart", chunk, chunk, chunk, "storeBlobEnd", "storea", "vote"];
        assert_eq!(methods, expected);
        rig.input(Input::BlobRead { txn, piece: piece(5) });
        assert_eq!(rig.calls.len(), expected.len(), "a piece that was not asked for is dropped");
    });
}

#[test]
fn a_blob_that_cannot_be_read_ends_the_transaction() {
    Scripted::ready(|mut rig| {
        let blob = Operation::StoreBlob { oid: Oid(1), serial: Tid::ZERO, data: "blob".into() };
        let ticket = vote(&mut rig, changes(vec![blob]));
        rig.input(Input::BlobRead { txn: TxnRef(ticket), piece: Err("no such file".to_owned()) });
        assert_eq!(rig.error(ticket), Error::Blob("no such file".to_owned()));
        assert_eq!((rig.count("tpc_abort"), rig.count("vote")), (1, 0));
    });
}

#[test]
fn a_finish_whose_tid_is_out_of_order_is_told_and_costs_the_connection_and_the_cache() {
    Scripted::ready(|mut rig| {
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", row![]);
        rig.reply("tpc_finish", Tid(100).into());
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(_)))));
        assert!(!rig.is_linked());
        assert_eq!(rig.client.cache().last_tid(), None);
    });
}

#[test]
fn a_waiting_vote_is_released_when_the_other_transaction_ends() {
    for codec in CODECS {
        let mut world = World::new(codec, 1);
        let [a, b] = std::array::from_fn(|_| world.plain_client());
        let first = world.ask(a, Call::Vote(Box::new(held(vec![store(1, Tid::ZERO, "one")]))));
        let second = world.ask(b, Call::Vote(Box::new(changes(vec![store(1, Tid::ZERO, "two")]))));
        assert_eq!(world.answer(b, second), None);
        world.call(a, Call::Abort(TxnRef(first))).unwrap();
        assert!(matches!(world.answer(b, second), Some(Ok(Answer::Finished(_)))));
        assert_eq!(world.current(a, 1).unwrap().0, "two");
    }
}

/// A client of a server whose answers overtake what is due before them.
fn overtaking(test: impl Fn(Scripted)) {
    Scripted::everywhere(|mut rig| {
        rig.greet(0);
        rig.reply("register", Tid(100).into());
        rig.reply("get_info", python_info());
        test(rig);
    });
}

#[test]
fn what_an_answer_to_a_finish_has_overtaken_is_applied_before_it() {
    overtaking(|mut rig| {
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", none());
        rig.reply("tpc_finish", Tid(120).into());
        assert_eq!((rig.answer(ticket), rig.client.last_tid()), (None, Some(Tid(100))));
        rig.invalidate(110, &[2]);
        rig.reply("ping", none());
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(Finished { tid: Tid(120), .. })))));
        assert_eq!(
            rig.changes,
            [
                Change::Objects { tid: Tid(110), oids: vec![Oid(2)] },
                Change::Objects { tid: Tid(120), oids: vec![Oid(1)] }
            ]
        );
        assert!(rig.faults().is_empty());
    });
}

#[test]
fn a_later_transaction_says_that_nothing_was_overtaken_any_more() {
    overtaking(|mut rig| {
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", none());
        rig.reply("tpc_finish", Tid(120).into());
        rig.invalidate(130, &[1]);
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(_)))));
        let tid = |change: &Change| match change {
            Change::Objects { tid, .. } | Change::Everything { tid } => tid.0,
        };
        let told: Vec<u64> = rig.changes.iter().map(tid).collect();
        assert_eq!(told, [120, 130]);
        rig.reply("ping", none());
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX), None);
        assert!(rig.faults().is_empty());
    });
}

#[test]
fn a_finish_whose_connection_is_lost_before_what_it_overtook_came_is_a_finish_and_the_cache_stays_before_it()
{
    overtaking(|mut rig| {
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", none());
        rig.reply("tpc_finish", Tid(120).into());
        rig.cut();
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(Finished { tid: Tid(120), .. })))));
        assert_eq!(rig.client.last_tid(), Some(Tid(100)), "the next verification tells of what came before");

        // A server without it is behind.
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(110).into());
        rig.calls.clear();
        let behind = Error::ServerBehind { server: Tid(110), client: Tid(120) };
        assert_eq!(rig.faults()[0].disconnected(), behind);
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(120).into());
        rig.reply("get_info", python_info());
        rig.reply("getInvalidations", row![Tid(120), row![Oid(1), Oid(2)]]);
        assert_eq!((rig.client.is_ready(), rig.client.last_tid()), (true, Some(Tid(120))));
    });
}

#[test]
fn a_finish_that_was_answered_is_told_when_the_server_falls_silent_behind_it() {
    for codec in CODECS {
        let config = Config { silence_timeout: Some(Duration::from_secs(5)), ..client_config(1) };
        let mut rig = Scripted::new(codec, config);
        rig.greet(0);
        rig.reply("register", Tid(100).into());
        rig.reply("get_info", python_info());
        let ticket = vote(&mut rig, changes(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", none());
        rig.reply("tpc_finish", Tid(120).into());
        assert_eq!(rig.answer(ticket), None);
        rig.pass(Duration::from_secs(6));
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(Finished { tid: Tid(120), .. })))));
    }
}

#[test]
fn a_voted_transaction_whose_connection_was_lost_is_aborted_without_a_server() {
    Scripted::ready(|mut rig| {
        let voted = vote(&mut rig, held(vec![store(1, Tid::ZERO, "one")]));
        rig.reply("vote", row![]);
        assert!(matches!(rig.answer(voted), Some(Ok(Answer::Voted(_)))));
        rig.cut();
        let abort = rig.ask(Call::Abort(TxnRef(voted)));
        assert_eq!(rig.answer(abort), Some(Ok(Answer::Done)));
    });
}

#[test]
fn a_round_trip_on_such_a_server_takes_two() {
    overtaking(|mut rig| {
        let ticket = rig.ask(Call::Sync);
        rig.reply("ping", none());
        assert_eq!(rig.answer(ticket), None);
        rig.invalidate(110, &[1]);
        rig.reply("ping", none());
        assert_eq!((rig.answer(ticket), rig.client.last_tid()), (Some(Ok(Answer::Done)), Some(Tid(110))));
    });
}
