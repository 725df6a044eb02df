//! Bringing the cache up to date, with transactions that come meanwhile.

use super::super::config::WhenBehind;
use super::super::event::{Event, Verified};
use super::super::fault::Fault;
use super::super::testing::{Scripted, changes, client_config, info, none, python_info, revision, store};
use super::super::{Call, Change, Error, Ticket};
use crate::cache::Cache;
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::testing::{CODECS, row};
use crate::store::Revision;
use crate::wire::tree::Owned;

/// A cache as of transaction 100 with objects 1 and 2 as of 50.
fn cache() -> Cache {
    let mut cache = Cache::in_memory(1 << 20);
    for oid in [1, 2] {
        cache.store(Oid(oid), &Revision { data: "old".into(), serial: Tid(50), until: None });
    }
    cache.set_last_tid(Tid(100));
    cache
}

fn with_cache(test: impl Fn(Scripted)) {
    for codec in CODECS {
        test(Scripted::with(codec, client_config(1), cache()));
    }
}

fn oids(oids: &[u64]) -> Owned {
    Owned::Tuple(oids.iter().map(|oid| Oid(*oid).into()).collect())
}

fn verified(rig: &Scripted) -> Option<Verified> {
    rig.events.iter().rev().find_map(|event| match event {
        Event::Connected { verified, .. } => Some(*verified),
        _ => None,
    })
}

#[test]
fn what_comes_meanwhile_is_kept_and_applied_if_it_is_later() {
    with_cache(|mut rig| {
        rig.greet(0);
        rig.invalidate(120, &[3]);
        rig.reply("register", Tid(120).into());
        rig.reply("get_info", info());
        rig.invalidate(130, &[2]);
        rig.invalidate(140, &[4]);
        assert_eq!(rig.client.last_tid(), Some(Tid(100)));
        assert!(rig.client.cached(Oid(2), Tid(101)).is_some(), "what was right at 100 is right");
        // The answer was given after 130.
        rig.reply("getInvalidations", row![Tid(130), oids(&[2, 3])]);
        let [first, second] = &rig.changes[..] else { panic!("{:?}", rig.changes) };
        assert_eq!(first, &Change::Objects { tid: Tid(130), oids: vec![Oid(2), Oid(3)] });
        assert_eq!(second, &Change::Objects { tid: Tid(140), oids: vec![Oid(4)] });
        assert_eq!(rig.client.last_tid(), Some(Tid(140)));
        assert_eq!(rig.client.cached(Oid(2), Tid::MAX), None);
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX).unwrap().serial, Tid(50));
        assert_eq!(verified(&rig), Some(Verified::Quick));
    });
}

#[test]
fn what_comes_between_the_verification_and_the_description_is_applied_at_once() {
    with_cache(|mut rig| {
        rig.greet(0);
        rig.reply("register", Tid(100).into());
        rig.invalidate(110, &[1]);
        assert_eq!(rig.changes, [Change::Objects { tid: Tid(110), oids: vec![Oid(1)] }]);
        assert!(!rig.client.is_ready());
        rig.reply("get_info", info());
        assert_eq!(verified(&rig), Some(Verified::UpToDate));
    });
}

#[test]
fn an_empty_cache_begins_where_the_server_is_and_tells_nothing() {
    Scripted::everywhere(|mut rig| {
        assert_eq!(rig.client.last_tid(), None);
        rig.greet(0);
        rig.reply("register", Tid(100).into());
        rig.invalidate(110, &[1]);
        rig.reply("get_info", info());
        assert_eq!(rig.changes, [Change::Objects { tid: Tid(110), oids: vec![Oid(1)] }]);
        assert_eq!((rig.client.last_tid(), verified(&rig)), (Some(Tid(110)), Some(Verified::Empty)));
    });
}

#[test]
fn a_cache_that_is_too_old_is_dropped_and_what_was_kept_is_told() {
    with_cache(|mut rig| {
        rig.greet(0);
        rig.reply("register", Tid(120).into());
        rig.invalidate(130, &[7]);
        rig.reply("getInvalidations", none());
        rig.reply("get_info", info());
        assert_eq!(
            rig.changes,
            [Change::Everything { tid: Tid(120) }, Change::Objects { tid: Tid(130), oids: vec![Oid(7)] }]
        );
        assert_eq!(verified(&rig), Some(Verified::TooOld));
        assert_eq!(rig.client.cached(Oid(1), Tid(60)), None);
    });
}

/// A transaction that waits while a client connects whose server cannot say what changed, or says that nothing did.
fn vote_over(serial: u64, nothing_changed: bool, then: impl Fn(&mut Scripted, Ticket)) {
    with_cache(|mut rig| {
        let vote = rig.ask(Call::Vote(Box::new(changes(vec![store(1, Tid(serial), "new")]))));
        rig.greet(0);
        rig.reply("register", Tid(if nothing_changed { 100 } else { 120 }).into());
        rig.reply("get_info", info());
        if !nothing_changed {
            rig.reply("getInvalidations", none());
        }
        then(&mut rig, vote);
    });
}

#[test]
fn a_transaction_that_waited_for_a_server_which_cannot_say_what_changed_is_not_sent() {
    vote_over(50, false, |rig, vote| {
        assert!(matches!(rig.error(vote), Error::Lost(_)));
        assert_eq!(rig.count("tpc_begin"), 0);
    });
}

#[test]
fn one_that_is_based_on_nothing_or_on_what_the_server_has_is_sent() {
    for (serial, nothing_changed) in [(0, false), (50, true), (0, true)] {
        vote_over(serial, nothing_changed, |rig, vote| {
            assert_eq!(rig.count("tpc_begin"), 1);
            assert_eq!(rig.answer(vote), None);
        });
    }
}

#[test]
fn a_server_that_does_not_say_at_registration_where_it_is_is_asked() {
    with_cache(|mut rig| {
        rig.greet(0);
        rig.reply("register", none());
        rig.reply("lastTransaction", Tid(100).into());
        rig.reply("get_info", info());
        assert_eq!(verified(&rig), Some(Verified::UpToDate));
    });
}

#[test]
fn a_server_that_is_behind_is_refused_also_when_it_says_so_late() {
    with_cache(|mut rig| {
        let load = rig.load(1, 0);
        rig.greet(0);
        rig.reply("register", none());
        rig.reply("lastTransaction", Tid(99).into());
        let [behind] = [(Tid(99), Tid(100))];
        assert_eq!(rig.faults(), [Fault::Behind { server: behind.0, client: behind.1 }]);
        assert_eq!(rig.error(load), Error::ServerBehind { server: Tid(99), client: Tid(100) });
        assert!(rig.client.cached(Oid(1), Tid(101)).is_some(), "the cache is kept");
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX), None);
    });
}

#[test]
fn a_server_that_is_behind_is_put_up_with_when_told_so() {
    for codec in CODECS {
        let mut config = client_config(1);
        config.when_behind = WhenBehind::DropCache;
        let mut rig = Scripted::with(codec, config, cache());
        rig.connect(99);
        assert_eq!(rig.changes, [Change::Everything { tid: Tid(99) }]);
        assert_eq!((rig.client.last_tid(), verified(&rig)), (Some(Tid(99)), Some(Verified::Behind)));
        assert_eq!(rig.client.cached(Oid(1), Tid::MAX), None);
    }
}

#[test]
fn an_answer_that_reaches_less_far_than_what_is_told_costs_the_connection() {
    for upto in [119, 100, 0, u64::MAX] {
        with_cache(|mut rig| {
            rig.greet(0);
            rig.reply("register", Tid(120).into());
            rig.reply("getInvalidations", row![Tid(upto), oids(&[1])]);
            assert!(matches!(rig.faults()[0], Fault::Server(_)));
            assert_eq!(rig.client.last_tid(), Some(Tid(100)));
        });
    }
}

#[test]
fn a_registration_that_tells_no_tid_costs_the_connection() {
    for answer in [row![], 7.into(), Tid(u64::MAX).into(), b"short".to_vec().into()] {
        with_cache(|mut rig| {
            rig.greet(0);
            rig.reply("register", answer.clone());
            assert!(matches!(rig.faults()[0], Fault::Server(_)));
        });
    }
}

#[test]
fn so_much_is_kept_meanwhile_and_no_more() {
    // Each transaction counts as one more object.
    let most: Vec<u64> = (0..limits::KEPT_INVALIDATIONS as u64 - 3).collect();
    let mut rig = Scripted::with(CODECS[1], client_config(1), cache());
    rig.greet(0);
    rig.reply("register", Tid(120).into());
    rig.reply("get_info", info());
    rig.invalidate(130, &most);
    rig.invalidate(140, &[1]);
    rig.reply("getInvalidations", row![Tid(120), oids(&[])]);
    assert_eq!((rig.changes.len(), verified(&rig)), (3, Some(Verified::Quick)));
    assert_eq!(rig.client.last_tid(), Some(Tid(140)));

    let mut rig = Scripted::with(CODECS[1], client_config(1), cache());
    rig.greet(0);
    rig.reply("register", Tid(120).into());
    rig.invalidate(130, &most);
    rig.invalidate(140, &[1, 2]);
    assert!(rig.events.iter().any(|event| matches!(event, Event::Flooded { .. })));
    rig.reply("getInvalidations", row![Tid(120), oids(&[])]);
    rig.invalidate(150, &[1]);
    rig.invalidate(160, &[1]);
    rig.reply("lastTransaction", Tid(150).into());
    rig.reply("get_info", info());
    assert_eq!(
        rig.changes,
        [Change::Everything { tid: Tid(150) }, Change::Objects { tid: Tid(160), oids: vec![Oid(1)] }]
    );
}

#[test]
fn nothing_is_loaded_before_the_cache_is_verified() {
    with_cache(|mut rig| {
        let load = rig.load(1, 0);
        rig.greet(0);
        rig.reply("register", Tid(120).into());
        rig.reply("get_info", info());
        assert_eq!((rig.count("loadBefore"), rig.answers.len()), (0, 0));
        rig.reply("getInvalidations", row![Tid(120), oids(&[1])]);
        rig.reply("loadBefore", revision("new", 110, None));
        assert_eq!(rig.loaded(load), ("new".to_owned(), 110));
    });
}

#[test]
fn what_an_answer_has_overtaken_was_told_by_it() {
    with_cache(|mut rig| {
        rig.greet(0);
        rig.reply("register", Tid(120).into());
        rig.reply("get_info", python_info());
        // 115 to 130 were due before the answer, and come behind it: as soon as it, or much later.
        rig.reply("getInvalidations", row![Tid(130), oids(&[2])]);
        assert!(rig.client.is_ready());
        assert_eq!(rig.client.cached(Oid(2), Tid::MAX), None);
        rig.invalidate(115, &[2]);
        rig.invalidate(140, &[3]);
        let load = rig.load(2, 0);
        rig.reply("loadBefore", revision("new", 130, None));
        assert_eq!(rig.loaded(load), ("new".to_owned(), 130));
        rig.invalidate(130, &[2]);
        assert!(rig.client.cached(Oid(2), Tid::MAX).is_some(), "what was told again is no news");
        assert_eq!(
            rig.changes,
            [
                Change::Objects { tid: Tid(130), oids: vec![Oid(2)] },
                Change::Objects { tid: Tid(140), oids: vec![Oid(3)] }
            ]
        );
        assert!(rig.client.is_ready() && rig.faults().is_empty());
        rig.invalidate(140, &[3]);
        assert_eq!(rig.faults().len(), 1, "what came in order does not come again");
    });
}

#[test]
fn what_a_registration_or_the_last_transaction_has_overtaken_is_no_fault() {
    for registered in [Owned::from(Tid(100)), none()] {
        with_cache(|mut rig| {
            rig.greet(0);
            rig.reply("register", registered.clone());
            rig.reply("get_info", python_info());
            if registered == none() {
                rig.reply("lastTransaction", Tid(100).into());
            }
            rig.invalidate(100, &[1]);
            assert!(rig.client.is_ready() && rig.faults().is_empty());
            assert_eq!((rig.client.last_tid(), rig.changes.len()), (Some(Tid(100)), 0));
        });
    }
}

#[test]
fn a_server_that_keeps_the_order_is_held_to_it() {
    with_cache(|mut rig| {
        rig.greet(0);
        rig.reply("register", Tid(120).into());
        rig.reply("get_info", info());
        rig.reply("getInvalidations", row![Tid(130), oids(&[2])]);
        rig.invalidate(130, &[2]);
        assert_eq!(rig.faults().len(), 1);
    });
}
