//! Loads: joined, kept in the cache as far as they can be trusted, and asked again on another connection.

use super::super::testing::{Scripted, none, revision};
use super::super::{Answer, Call, Error};
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::testing::row;
use crate::wire::call::MessageId;
use std::time::Duration;

fn loads(rig: &Scripted) -> usize {
    rig.count("loadBefore")
}

#[test]
fn a_load_goes_into_the_cache_and_is_answered_from_it() {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 0);
        rig.reply("loadBefore", revision("one", 50, None));
        assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
        for before in [0, 51, 101] {
            let load = rig.load(1, before);
            assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
        }
        assert_eq!(loads(&rig), 0);
        // Of what comes after the last transaction nothing is known.
        rig.load(1, 102);
        assert_eq!(loads(&rig), 1);
    });
}

#[test]
fn equal_loads_are_joined_and_others_are_not() {
    Scripted::ready(|mut rig| {
        let joined = [rig.load(1, 0), rig.load(1, 0)];
        rig.load(1, 60);
        rig.load(2, 0);
        assert_eq!(loads(&rig), 3);
        rig.reply("loadBefore", revision("one", 50, None));
        for load in joined {
            assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
        }
        assert_eq!((rig.answers.len(), loads(&rig)), (0, 2));
    });
}

#[test]
fn a_revision_that_has_ended_answers_for_its_time_only() {
    Scripted::ready(|mut rig| {
        rig.load(1, 55);
        rig.reply("loadBefore", revision("one", 50, Some(60)));
        assert!(rig.client.cached(Oid(1), Tid(60)).is_some());
        assert_eq!(rig.client.cached(Oid(1), Tid(61)), None);
        assert_eq!(rig.client.cached(Oid(1), Tid(50)), None);
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX), None);
    });
}

#[test]
fn what_did_not_exist_yet_is_nothing_and_what_never_did_is_an_error() {
    Scripted::ready(|mut rig| {
        let [early, never] = [rig.load(1, 5), rig.load(2, 0)];
        rig.reply("loadBefore", none());
        rig.fail("loadBefore", "ZODB.POSException.POSKeyError", row![Oid(2)]);
        assert_eq!(rig.answer(early), Some(Ok(Answer::Loaded(None))));
        assert_eq!(rig.error(never), Error::NoObject(Oid(2)));
    });
}

#[test]
fn a_reply_that_knows_less_than_was_told_is_asked_for_again_and_never_kept() {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 0);
        rig.invalidate(110, &[1]);
        rig.reply("loadBefore", revision("old", 50, None));
        assert_eq!(rig.answer(load), None);
        rig.reply("loadBefore", revision("new", 110, None));
        assert_eq!(rig.loaded(load), ("new".to_owned(), 110));
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX).unwrap().serial, Tid(110));

        // A server that keeps to it is believed for this one question.
        let load = rig.load(2, 0);
        rig.invalidate(120, &[2]);
        rig.reply("loadBefore", revision("old", 50, None));
        rig.invalidate(130, &[2]);
        rig.reply("loadBefore", revision("old", 50, None));
        assert_eq!(rig.loaded(load), ("old".to_owned(), 50));
        assert_eq!(rig.client.cached(Oid(2), Tid::MAX), None);
    });
}

#[test]
fn a_reply_for_an_earlier_time_is_not_taken_for_current() {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 60);
        rig.invalidate(110, &[1]);
        // What follows was left out.
        rig.reply("loadBefore", revision("old", 50, None));
        assert_eq!(rig.loaded(load), ("old".to_owned(), 50));
        assert_eq!(rig.client.cached(Oid(1), Tid(111)), None);
    });
}

#[test]
fn a_reply_that_comes_before_its_invalidation_is_not_kept() {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 0);
        rig.reply("loadBefore", revision("new", 110, None));
        assert_eq!(rig.loaded(load), ("new".to_owned(), 110));
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX), None);
    });
}

#[test]
fn states_by_serial_are_joined_too() {
    Scripted::ready(|mut rig| {
        let asks: [_; 2] =
            std::array::from_fn(|_| rig.ask(Call::LoadSerial { oid: Oid(1), serial: Tid(50) }));
        assert_eq!(rig.count("loadSerial"), 1);
        rig.reply("loadSerial", b"one".to_vec().into());
        for ask in asks {
            assert_eq!(rig.answer(ask), Some(Ok(Answer::State("one".into()))));
        }
        rig.load(2, 0);
        rig.reply("loadBefore", revision("two", 60, None));
        let cached = rig.ask(Call::LoadSerial { oid: Oid(2), serial: Tid(60) });
        assert_eq!(rig.answer(cached), Some(Ok(Answer::State("two".into()))));
    });
}

#[test]
fn a_prefetch_sends_so_many_loads_at_a_time() {
    Scripted::ready(|mut rig| {
        let oids: Vec<Oid> = (0..limits::PREFETCH as u64 + 1).map(Oid).collect();
        let ticket = rig.ask(Call::Prefetch { oids, before: Tid(101) });
        assert_eq!(loads(&rig), limits::PREFETCH);
        rig.reply("loadBefore", revision("x", 50, None));
        assert_eq!(loads(&rig), limits::PREFETCH);
        while loads(&rig) > 1 {
            rig.fail("loadBefore", "ZODB.POSException.POSKeyError", row![Oid(2)]);
        }
        assert_eq!(rig.answer(ticket), None);
        rig.reply("loadBefore", revision("x", 50, None));
        assert_eq!(rig.answer(ticket), Some(Ok(Answer::Done)));
    });
}

#[test]
fn a_prefetch_of_nothing_new_is_done_at_once() {
    Scripted::ready(|mut rig| {
        rig.load(1, 0);
        rig.reply("loadBefore", revision("x", 50, None));
        for (oids, before) in [(vec![], Tid::MAX), (vec![Oid(1)], Tid::MAX), (vec![Oid(1), Oid(1)], Tid(70))]
        {
            let ticket = rig.ask(Call::Prefetch { oids, before });
            assert_eq!(rig.answer(ticket), Some(Ok(Answer::Done)));
        }
    });
}

#[test]
fn so_many_objects_wait_to_be_prefetched_and_no_more() {
    Scripted::ready(|mut rig| {
        let oids = |count: usize| (0..count as u64).map(Oid).collect();
        let all = rig.ask(Call::Prefetch { oids: oids(limits::PREFETCH_QUEUE), before: Tid(101) });
        assert_eq!(rig.answer(all), None);
        // Those under way do not wait any more.
        let more = rig.ask(Call::Prefetch { oids: oids(limits::PREFETCH + 1), before: Tid(101) });
        assert!(matches!(rig.error(more), Error::Limit(_)));
    });
}

#[test]
fn loads_under_way_are_asked_again_when_the_connection_is_lost() {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 0);
        let serial = rig.ask(Call::LoadSerial { oid: Oid(2), serial: Tid(50) });
        let prefetch = rig.ask(Call::Prefetch { oids: vec![Oid(3), Oid(4)], before: Tid(101) });
        rig.message(&MessageId::Load(Oid(3), Tid(101)), 0, ".reply", &revision("three", 50, None));
        rig.cut();
        rig.reconnect(100);
        assert_eq!(loads(&rig), 2);
        rig.message(&MessageId::Load(Oid(1), Tid::MAX), 0, ".reply", &revision("one", 50, None));
        rig.message(&MessageId::Load(Oid(4), Tid(101)), 0, ".reply", &revision("four", 50, None));
        rig.reply("loadSerial", b"two".to_vec().into());
        assert_eq!(rig.loaded(load), ("one".to_owned(), 50));
        assert_eq!(rig.answer(serial), Some(Ok(Answer::State("two".into()))));
        assert_eq!(rig.answer(prefetch), Some(Ok(Answer::Done)));
    });
}

#[test]
fn loads_wait_so_long_for_a_connection_and_no_longer() {
    Scripted::ready(|mut rig| {
        let load = rig.load(1, 0);
        rig.cut();
        rig.pass(Duration::from_secs(10));
        let later = rig.load(2, 0);
        rig.pass(Duration::from_secs(20) - Duration::from_nanos(1));
        assert_eq!(rig.answer(load), None);
        rig.pass(Duration::from_nanos(1));
        assert!(matches!(rig.error(load), Error::Disconnected(_)));
        assert_eq!(rig.answer(later), None);
        rig.pass(Duration::from_secs(10));
        assert!(matches!(rig.error(later), Error::Disconnected(_)));
    });
}

#[test]
fn while_there_is_no_connection_the_past_is_answered_and_the_present_is_not() {
    Scripted::ready(|mut rig| {
        rig.load(1, 0);
        rig.reply("loadBefore", revision("one", 50, None));
        rig.cut();
        let [past, present] = [rig.load(1, 101), rig.load(1, 0)];
        assert_eq!(rig.loaded(past), ("one".to_owned(), 50));
        assert_eq!(rig.answer(present), None);
        rig.reconnect(100);
        assert_eq!(rig.loaded(present), ("one".to_owned(), 50));
        assert_eq!(loads(&rig), 0);
    });
}

#[test]
fn an_answer_that_nobody_waits_for_goes_into_the_cache() {
    Scripted::ready(|mut rig| {
        let ticket = rig.load(1, 0);
        rig.input(super::super::Input::Forget { ticket });
        rig.reply("loadBefore", revision("one", 50, None));
        assert_eq!(rig.answer(ticket), None);
        assert!(rig.client.cached(Oid(1), Tid::MAX).is_some());
    });
}

#[test]
fn a_miss_is_looked_up_once() {
    Scripted::ready(|mut rig| {
        assert_eq!(rig.client.cached(Oid(1), Tid(101)), None);
        let misses = rig.client.cache().stats().misses;
        rig.load(1, 101);
        assert_eq!(rig.client.cache().stats().misses, misses);
        rig.load(1, 90);
        assert_eq!(rig.client.cache().stats().misses, misses + 1);
    });
}
