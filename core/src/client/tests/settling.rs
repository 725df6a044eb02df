//! Lost answers to finishes, settled by asking the server.

use super::super::testing::{Scripted, World, changes, client_config, info, none, python_info, store};
use super::super::{Answer, Call, Error, Finished, Input, Operation, Ticket};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::testing::{CODECS, row};
use crate::wire::tree::Owned;
use std::time::Duration;

/// A transaction whose finish was sent, and whose connection was lost then. Gives its mark, too.
fn lose(rig: &mut Scripted, operations: Vec<Operation>) -> (Ticket, Owned) {
    let ticket = rig.ask(Call::Vote(Box::new(changes(operations))));
    let Owned::Tuple(begin) = rig.called("tpc_begin").args else { panic!("no arguments") };
    let mark = match &begin[3] {
        // Sixteen bytes before BINPUT with its place, SETITEM and STOP.
        Owned::Bytes(pickled) => Owned::Bytes(pickled[pickled.len() - 20..pickled.len() - 4].to_vec()),
        other => other.clone(),
    };
    rig.reply("vote", row![]);
    rig.called("tpc_finish");
    rig.cut();
    assert_eq!(rig.answer(ticket), None);
    (ticket, mark)
}

fn entry(tid: u64, mark: Option<&Owned>) -> Owned {
    let pairs = mark.map(|mark| ("zeolith.mark".into(), mark.clone())).into_iter();
    Owned::Dict(pairs.chain([("tid".into(), Tid(tid).into())]).collect())
}

/// The next connection is ready, and the read check was voted.
fn fence(rig: &mut Scripted) {
    rig.reconnect(100);
    assert_eq!(rig.count("history"), 0, "nothing is asked while the transaction may go on");
    rig.called("checkCurrentSerialInTransaction");
    rig.reply("vote", row![]);
}

#[test]
fn a_transaction_that_is_found_was_committed() {
    Scripted::ready(|mut rig| {
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        fence(&mut rig);
        rig.reply("history", row![entry(120, None), entry(110, Some(&mark)), entry(50, None)]);
        let finished = Finished { tid: Tid(110), changed: vec![] };
        assert_eq!(rig.answer(ticket), Some(Ok(Answer::Finished(finished))));
        assert_eq!(rig.count("tpc_abort"), 1);
    });
}

/// A client whose transaction was lost, ready again with a server whose answers overtake what is due before them, which has
/// said that the transaction was committed as 110.
fn found_by_an_answer_that_overtakes(test: impl Fn(Scripted, Ticket)) {
    Scripted::ready(|mut rig| {
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(100).into());
        rig.reply("get_info", python_info());
        rig.called("checkCurrentSerialInTransaction");
        rig.reply("vote", row![]);
        rig.reply("history", row![entry(110, Some(&mark)), entry(50, None)]);
        assert_eq!((rig.answer(ticket), rig.client.last_tid()), (None, Some(Tid(100))));
        test(rig, ticket);
    });
}

fn is_finished(rig: &mut Scripted, ticket: Ticket) -> bool {
    matches!(rig.answer(ticket), Some(Ok(Answer::Finished(Finished { tid: Tid(110), .. }))))
}

#[test]
fn a_transaction_that_is_found_is_told_when_what_the_answer_overtook_is_there() {
    found_by_an_answer_that_overtakes(|mut rig, ticket| {
        rig.reply("ping", none());
        assert_eq!(rig.answer(ticket), None, "by up to two turns");
        rig.invalidate(110, &[1]);
        rig.reply("ping", none());
        assert!(is_finished(&mut rig, ticket));
        assert_eq!((rig.client.last_tid(), rig.faults().len()), (Some(Tid(110)), 1));
    });
    found_by_an_answer_that_overtakes(|mut rig, ticket| {
        rig.invalidate(110, &[1]);
        rig.reply("ping", none());
        assert!(is_finished(&mut rig, ticket), "what is there is not waited for");
    });
}

#[test]
fn a_transaction_that_is_found_is_told_by_the_next_verification_if_the_connection_is_lost_meanwhile() {
    found_by_an_answer_that_overtakes(|mut rig, ticket| {
        rig.cut();
        assert_eq!(rig.answer(ticket), None);
        // A server without it will not do.
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(105).into());
        assert!(!rig.is_linked());
        rig.calls.clear();
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(110).into());
        rig.reply("get_info", python_info());
        assert_eq!(rig.answer(ticket), None);
        rig.reply("getInvalidations", row![Tid(110), row![Oid(1)]]);
        assert!(is_finished(&mut rig, ticket));
        assert_eq!((rig.count("vote"), rig.client.last_tid()), (0, Some(Tid(110))));
    });
}

#[test]
fn a_transaction_that_is_found_is_told_though_the_server_falls_silent() {
    found_by_an_answer_that_overtakes(|mut rig, ticket| {
        rig.pass(Duration::from_secs(100));
        assert!(is_finished(&mut rig, ticket));
    });
    found_by_an_answer_that_overtakes(|mut rig, ticket| {
        rig.input(Input::Close);
        assert!(is_finished(&mut rig, ticket));
    });
}

#[test]
fn a_transaction_that_is_not_found_was_not_committed() {
    Scripted::ready(|mut rig| {
        let (ticket, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        fence(&mut rig);
        rig.reply("history", row![entry(120, Some(&vec![1; 16].into())), entry(100, None)]);
        assert!(matches!(rig.error(ticket), Error::Lost(_)));
    });
}

#[test]
fn a_storage_that_cannot_write_does_not_say_what_became_of_a_transaction() {
    Scripted::ready(|mut rig| {
        let (ticket, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        rig.reconnect(100);
        rig.called("checkCurrentSerialInTransaction");
        rig.fail("vote", "ZODB.POSException.StorageSystemError", row!["it takes no more commits"]);
        rig.reply("history", row![entry(50, None)]);
        assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
    });
}

#[test]
fn where_a_pack_may_have_taken_it_out_nobody_can_tell() {
    for errors in [true, false] {
        Scripted::ready(|mut rig| {
            let (ticket, _) = lose(&mut rig, vec![store(1, Tid::ZERO, "one")]);
            fence(&mut rig);
            if errors {
                rig.fail("history", "ZODB.POSException.POSKeyError", row![Oid(1)]);
            } else {
                rig.reply("history", row![entry(120, None)]);
            }
            assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
        });
    }
}

#[test]
fn a_read_check_that_fails_is_an_answer_too() {
    Scripted::ready(|mut rig| {
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        rig.reconnect(100);
        rig.fail("vote", "ZODB.POSException.POSKeyError", row![Oid(1)]);
        rig.reply("history", row![entry(110, Some(&mark))]);
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(_)))));
    });
}

#[test]
fn a_longer_history_is_looked_through_as_far_as_it_goes() {
    Scripted::ready(|mut rig| {
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        fence(&mut rig);
        let newer = |count: i64| (0..count).map(|at| entry(20_000 - at as u64, None)).collect::<Vec<_>>();
        let mut count = limits::SETTLE_HISTORY;
        while count < limits::SETTLE_HISTORY_MAX {
            rig.reply("history", Owned::Tuple(newer(count)));
            assert_eq!(rig.answer(ticket), None);
            count = (count * 16).min(limits::SETTLE_HISTORY_MAX);
        }
        let mut all = newer(count - 1);
        all.push(entry(110, Some(&mark)));
        rig.reply("history", Owned::Tuple(all));
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(_)))));
    });
    Scripted::ready(|mut rig| {
        let (ticket, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        fence(&mut rig);
        while rig.count("history") > 0 {
            let newer = (0..limits::SETTLE_HISTORY_MAX).map(|at| entry(20_000 - at as u64, None));
            rig.reply("history", Owned::Tuple(newer.collect()));
        }
        assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
    });
}

#[test]
fn where_nobody_can_tell_the_outcome_is_unknown() {
    // The history ends after the last transaction known: something was packed.
    Scripted::ready(|mut rig| {
        let (ticket, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        fence(&mut rig);
        rig.reply("history", row![entry(120, None)]);
        assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
    });
    // No history is served.
    Scripted::ready(|mut rig| {
        let (ticket, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        fence(&mut rig);
        rig.fail("history", "ZODB.POSException.Unsupported", row!["no history"]);
        assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
    });
    // Nothing was written.
    Scripted::ready(|mut rig| {
        let (ticket, _) = lose(&mut rig, vec![Operation::ReadCheck { oid: Oid(1), serial: Tid(50) }]);
        rig.reconnect(100);
        assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
        assert_eq!(rig.count("vote"), 0);
    });
    // No connection in time, or a read check that waits for the lost transaction for too long.
    for waits in [true, false] {
        Scripted::ready(|mut rig| {
            let (ticket, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
            if waits {
                rig.reconnect(100);
            }
            rig.pass(Duration::from_secs(30));
            assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
            assert_eq!(rig.count("tpc_abort"), usize::from(waits));
        });
    }
}

#[test]
fn without_marks_the_outcome_is_unknown() {
    for codec in CODECS {
        let mut config = client_config(1);
        config.marks = false;
        let mut rig = Scripted::new(codec, config);
        rig.connect(100);
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        assert_eq!(mark, Owned::Dict(vec![]));
        rig.reconnect(100);
        assert!(matches!(rig.error(ticket), Error::OutcomeUnknown(_)));
    }
}

#[test]
fn a_settlement_survives_further_losses() {
    Scripted::ready(|mut rig| {
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        rig.reconnect(100);
        rig.cut();
        fence(&mut rig);
        rig.cut();
        fence(&mut rig);
        rig.reply("history", row![entry(110, Some(&mark))]);
        assert!(matches!(rig.answer(ticket), Some(Ok(Answer::Finished(_)))));
    });
}

#[test]
fn another_server_can_tell_that_it_was_committed_and_not_that_it_was_not() {
    for committed in [true, false] {
        let mut rig = Scripted::new(CODECS[0], client_config(2));
        rig.connect(100);
        let (ticket, mark) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        // The other is tried at once.
        rig.greet(1);
        rig.reply_on(1, "register", Tid(100).into());
        rig.reply_on(1, "get_info", info());
        rig.reply_on(1, "vote", row![]);
        let newest = if committed { entry(110, Some(&mark)) } else { entry(50, None) };
        rig.reply_on(1, "history", row![newest, entry(50, None)]);
        match rig.answer(ticket) {
            Some(Ok(Answer::Finished(_))) => assert!(committed),
            Some(Err(Error::OutcomeUnknown(_))) => assert!(!committed),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_answer_to_a_settlement_whose_time_was_over_is_not_taken_for_the_next_ones() {
    Scripted::ready(|mut rig| {
        let (first, _) = lose(&mut rig, vec![store(1, Tid(50), "one")]);
        rig.pass(Duration::from_secs(29));
        rig.connect(100);
        let fence = rig.called("vote").id;
        rig.pass(Duration::from_secs(1));
        assert!(matches!(rig.error(first), Error::OutcomeUnknown(_)));
        rig.message(&fence, 0, ".reply", &row![]);
        assert_eq!(rig.count("history"), 0);
        assert!(rig.client.is_ready());
    });
}

#[test]
fn a_transaction_the_server_no_longer_has_was_not_committed() {
    Scripted::ready(|mut rig| {
        let ticket = rig.ask(Call::Vote(Box::new(changes(vec![store(1, Tid(50), "one")]))));
        rig.reply("vote", row![]);
        rig.fail("tpc_finish", "ZODB.POSException.StorageTransactionError", row!["timed out"]);
        assert!(matches!(rig.error(ticket), Error::Refused(_)));
        assert!(rig.client.is_ready());
    });
}

#[test]
fn a_finish_that_failed_is_looked_into() {
    Scripted::ready(|mut rig| {
        let ticket = rig.ask(Call::Vote(Box::new(changes(vec![store(1, Tid(50), "one")]))));
        rig.reply("vote", row![]);
        rig.fail("tpc_finish", "ZODB.POSException.StorageSystemError", row!["the disk is full"]);
        assert_eq!(rig.answer(ticket), None);
        rig.calls.clear();
        fence(&mut rig);
        rig.reply("history", row![entry(50, None)]);
        assert!(matches!(rig.error(ticket), Error::Refused(_)));
    });
}

#[test]
fn other_transactions_wait_until_it_is_settled_and_loads_do_not() {
    Scripted::ready(|mut rig| {
        lose(&mut rig, vec![store(1, Tid(50), "one")]);
        rig.ask(Call::Vote(Box::default()));
        let load = rig.load(2, 0);
        rig.reconnect(100);
        assert_eq!(rig.count("vote"), 1);
        rig.reply("loadBefore", none());
        assert!(rig.answer(load).is_some());
        rig.called("tpc_begin");
        rig.reply("vote", row![]);
        assert_eq!(rig.count("tpc_begin"), 0);
        rig.reply("history", row![entry(50, None)]);
        assert_eq!(rig.count("tpc_begin"), 1);
    });
}

#[test]
fn a_finish_that_the_server_carries_out_late_is_waited_for() {
    for codec in CODECS {
        for committed in [true, false] {
            let mut world = World::new(codec, 1);
            let client = world.plain_client();
            let first = world.commit(client, vec![store(1, Tid::ZERO, "one")]);
            world.hold(client);
            let ticket = world.ask(client, Call::Vote(Box::new(changes(vec![store(1, first, "two")]))));
            world.eager = false;
            world.release_held(client);
            // The finish is on its way; the client gives the connection up, and the server does not know yet.
            let (key, lost) = world.lose_track(client);
            world.eager = true;
            world.pass(Duration::from_secs(1));
            assert!(world.clients[client].is_ready());
            assert_eq!(world.answer(client, ticket), None, "the lost transaction has its locks");
            world.find_out(key, lost, committed);
            match world.answer(client, ticket).expect("an answer") {
                Ok(Answer::Finished(finished)) => {
                    assert!(committed);
                    assert_eq!(world.current(client, 1), Ok(("two".to_owned(), finished.tid)));
                }
                Err(Error::Lost(_)) => {
                    assert!(!committed);
                    assert_eq!(world.current(client, 1), Ok(("one".to_owned(), first)));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
