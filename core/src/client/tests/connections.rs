//! Which server is worked with, how often they are tried, and what waits meanwhile.

use super::super::config::{Access, Config};
use super::super::fault::Fault;
use super::super::testing::{Scripted, changes, client_config, info};
use super::super::{Answer, Call, Error, Input, ServerId};
use crate::ids::Tid;
use crate::server::event::Level;
use crate::server::testing::{CODECS, row};
use crate::wire::remote::RemoteError;
use std::time::Duration;

const READ_ONLY: &str = "ZODB.POSException.ReadOnlyError";

fn of(servers: usize, access: Access) -> Config {
    Config { access, ..client_config(servers) }
}

fn everywhere(config: &Config, test: impl Fn(Scripted)) {
    CODECS.into_iter().for_each(|codec| test(Scripted::new(codec, config.clone())));
}

fn refuse(rig: &mut Scripted, server: usize) {
    let conn = rig.conns.remove(&ServerId(server)).expect("an attempt");
    rig.input(Input::Lost { conn, why: "connection refused".to_owned() });
}

#[test]
fn all_servers_are_tried_and_the_first_that_takes_the_client_is_worked_with() {
    everywhere(&of(3, Access::Write), |mut rig| {
        assert_eq!(rig.conns.len(), 3);
        rig.greet(2);
        rig.greet(1);
        // Both were asked; the second that was is the first to answer.
        rig.calls.swap(0, 1);
        rig.reply_on(1, "register", Tid(5).into());
        assert_eq!(rig.conns.keys().collect::<Vec<_>>(), [&ServerId(1)]);
        rig.calls.retain(|call| call.method != "register");
        rig.reply_on(1, "get_info", info());
        assert!(rig.client.is_ready());
        rig.pass(Duration::from_secs(1000));
        assert_eq!(rig.conns.len(), 1, "no other is looked for");
    });
}

#[test]
fn a_server_that_stays_away_is_complained_of_once() {
    everywhere(&of(1, Access::Write), |mut rig| {
        let complaints = |rig: &Scripted| rig.events.iter().filter(|it| it.level() >= Level::Warning).count();
        let try_again = |rig: &mut Scripted| {
            rig.pass(rig.client.deadline().expect("another attempt").since(rig.now));
        };
        for _ in 0..5 {
            refuse(&mut rig, 0);
            try_again(&mut rig);
        }
        assert_eq!((complaints(&rig), rig.faults().len()), (1, 5));
        let conn = rig.conns.remove(&ServerId(0)).expect("an attempt");
        rig.input(Input::Lost { conn, why: "no route to host".to_owned() });
        assert_eq!(complaints(&rig), 2, "another reason is");
        try_again(&mut rig);
        rig.connect(5);
        rig.cut();
        let before = complaints(&rig);
        try_again(&mut rig);
        refuse(&mut rig, 0);
        assert_eq!(complaints(&rig), before + 1, "and so is the next time");
    });
}

#[test]
fn pauses_between_attempts_grow_up_to_a_bound() {
    let config = of(1, Access::Write);
    everywhere(&config, |mut rig| {
        let mut pause = config.reconnect_min;
        for _ in 0..12 {
            refuse(&mut rig, 0);
            let next = rig.client.deadline().expect("another attempt").since(rig.now);
            assert!(pause <= next && next <= pause * 2, "{pause:?} {next:?}");
            pause = (pause * 2).min(config.reconnect_max);
            rig.pass(next);
            assert!(rig.is_linked());
        }
        rig.connect(5);
        rig.cut();
        let next = rig.client.deadline().expect("another attempt").since(rig.now);
        assert!(next <= config.reconnect_min * 2, "a success is a new start: {next:?}");
    });
}

#[test]
fn a_server_that_cannot_be_written_to_is_no_server_for_a_writer() {
    everywhere(&of(1, Access::Write), |mut rig| {
        let ask = rig.ask(Call::Ready);
        rig.greet(0);
        assert_eq!(rig.calls[0].args, row!["1", false]);
        rig.fail("register", READ_ONLY, row![]);
        assert_eq!(rig.faults(), [Fault::Refused(RemoteError::ReadOnly)]);
        rig.pass(Duration::from_secs(30));
        assert!(matches!(rig.error(ask), Error::Disconnected(_)));
    });
}

#[test]
fn a_reader_asks_for_reading_only() {
    everywhere(&of(1, Access::Read), |mut rig| {
        rig.greet(0);
        assert_eq!(rig.calls[0].args, row!["1", true]);
        rig.reply("register", Tid(5).into());
        rig.reply("get_info", info());
        let vote = rig.ask(Call::Vote(Box::new(changes(vec![]))));
        assert_eq!(rig.error(vote), Error::ReadOnly);
        rig.pass(Duration::from_secs(1000));
        assert_eq!(rig.conns.len(), 1, "no other is looked for");
    });
}

#[test]
fn a_fallback_is_left_for_a_server_that_can_be_written_to() {
    everywhere(&of(2, Access::WriteOrRead), |mut rig| {
        refuse(&mut rig, 0);
        rig.greet(1);
        rig.fail_on(1, "register", READ_ONLY, row![]);
        assert_eq!(rig.calls[0].args, row!["1", true]);
        rig.reply_on(1, "register", Tid(100).into());
        rig.reply_on(1, "get_info", info());
        assert!(rig.client.is_ready());
        let load = rig.load(1, 0);
        // The other comes, cannot be written to either, and goes.
        rig.wait_for_attempt();
        rig.greet(0);
        rig.fail("register", READ_ONLY, row![]);
        assert!(!rig.is_linked() && rig.client.is_ready());
        // It comes again, is behind, and goes.
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(99).into());
        assert!(!rig.is_linked() && rig.client.is_ready());
        // It comes again, and can be written to.
        rig.wait_for_attempt();
        rig.greet(0);
        rig.reply("register", Tid(100).into());
        assert_eq!(rig.conns.keys().collect::<Vec<_>>(), [&ServerId(0)]);
        rig.called("loadBefore");
        rig.reply("get_info", info());
        rig.reply("loadBefore", super::super::testing::revision("one", 50, None));
        assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
    });
}

#[test]
fn a_storage_that_the_server_does_not_have_is_told_to_those_who_wait() {
    everywhere(&of(1, Access::Write), |mut rig| {
        let ask = rig.ask(Call::Ready);
        rig.greet(0);
        rig.fail("register", "builtins.ValueError", row!["unknown storage: 1"]);
        while rig.now.0 < Duration::from_secs(30).as_nanos() as u64 {
            rig.pass(Duration::from_secs(1));
            if rig.is_linked() {
                rig.greet(0);
                rig.fail("register", "builtins.ValueError", row!["unknown storage: 1"]);
            }
        }
        let Error::Disconnected(why) = rig.error(ask) else { panic!("another error") };
        assert!(why.contains("unknown storage"), "{why}");
    });
}

#[test]
fn signs_of_life_are_sent_while_connected() {
    everywhere(&of(1, Access::Write), |mut rig| {
        rig.pass(Duration::from_secs(5));
        rig.connect(5);
        assert_eq!(rig.heartbeats, 0);
        rig.pass(Duration::from_secs(3 * 60));
        assert_eq!(rig.heartbeats, 3);
    });
}

#[test]
fn without_servers_questions_end_when_they_waited_long_enough() {
    everywhere(&of(0, Access::Write), |mut rig| {
        let ask = rig.ask(Call::NewOid);
        rig.pass(Duration::from_secs(30));
        assert!(matches!(rig.error(ask), Error::Disconnected(_)));
        assert_eq!(rig.client.deadline(), None);
    });
}

#[test]
fn a_client_that_is_closed_answers_everybody_and_takes_no_more() {
    Scripted::ready(|mut rig| {
        let asks = [rig.load(1, 0), rig.ask(Call::Sync), rig.ask(Call::NewOid)];
        let vote = rig.ask(Call::Vote(Box::new(changes(vec![]))));
        rig.reply("vote", row![]);
        rig.input(Input::Close);
        for ask in asks {
            assert_eq!(rig.error(ask), Error::Closed);
        }
        assert!(matches!(rig.error(vote), Error::OutcomeUnknown(_)));
        assert!(rig.conns.is_empty() && rig.client.deadline().is_none());
        let late = rig.ask(Call::Ready);
        assert_eq!(rig.error(late), Error::Closed);
        rig.input(Input::Close);
        rig.input(Input::Tick);
    });
}

#[test]
fn whoever_waits_is_told_when_the_client_is_ready() {
    everywhere(&of(1, Access::Write), |mut rig| {
        let ask = rig.ask(Call::Ready);
        rig.connect(5);
        assert_eq!(rig.answer(ask), Some(Ok(Answer::Done)));
    });
}

#[test]
fn what_comes_on_a_connection_that_was_given_up_is_nothing() {
    Scripted::ready(|mut rig| {
        let conn = rig.conn();
        rig.frame(b"garbage");
        rig.input(Input::Received { conn, bytes: b"more" });
        rig.input(Input::Lost { conn, why: "reset".to_owned() });
        rig.input(Input::Connected { conn });
        assert!(!rig.client.is_ready());
    });
}
