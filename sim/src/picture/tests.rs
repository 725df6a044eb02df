use super::*;
use crate::bug::Bug;
use crate::options::{Asked, Setup};
use crate::run::{replay_recorded, run};
use zeolith_core::rng::Seed;

/// Tags that are opened and not closed, or closed and not opened.
fn unbalanced(text: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    let body = text.split("<script>").next().expect("there is a body");
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().expect("a tag ends");
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        if let Some(closed) = tag.strip_prefix('/') {
            if open.last().is_some_and(|last| last == closed) {
                open.pop();
            } else {
                wrong.push(format!("/{closed}"));
            }
        } else if !tag.ends_with('/') && !tag.starts_with('!') && name != "meta" {
            open.push(name);
        }
    }
    open.retain(|name| !["html", "body"].contains(&name.as_str()));
    wrong.extend(open);
    wrong
}

fn broken() -> (Record, Schedule) {
    let asked = Asked { bug: Some(Bug::LocksKeptAtDisconnect), ..Asked::default() };
    let mut outcomes = (0..2_000).map(|seed| run(Seed(seed), asked));
    let outcome = outcomes.find(|outcome| outcome.violation.is_some()).expect("a planted bug is found");
    let (again, record) = replay_recorded(outcome.setup, &outcome.events);
    assert_eq!(again.broken(), outcome.broken());
    (record, Schedule::of(outcome.setup, outcome.events.clone(), outcome.broken()))
}

#[test]
fn a_picture_and_its_page_are_well_formed_and_show_what_broke() {
    let (record, schedule) = broken();
    let (_, what) = schedule.broken.clone().expect("a promise is broken");
    let what = what.split(':').next().expect("its beginning");
    for text in [svg(&record, "a < b & \"c\""), html(&record, "a < b & \"c\"", &schedule)] {
        assert_eq!(unbalanced(&text), Vec::<String>::new());
        assert!(text.contains("a &lt; b &amp; &quot;c&quot;"));
        assert!(text.contains(what), "what broke is in it: {what}");
        for node in ["client 0", "client 1", "server", "disk"] {
            assert!(text.contains(&format!(">{node}</text>")), "{node} has a line");
        }
    }
}

#[test]
fn a_recorded_run_is_the_same_as_one_that_is_not() {
    for seed in 0..20 {
        let outcome = run(Seed(seed), Asked::default());
        let (recorded, _) = replay_recorded(outcome.setup, &outcome.events);
        assert_eq!(outcome.parts_from(&recorded), None, "seed {seed}");
    }
}

#[test]
fn every_message_arrives_after_it_was_sent() {
    let mut messages = Vec::new();
    for seed in 0..10 {
        let outcome = run(Seed(seed), Asked::default());
        messages.extend(replay_recorded(outcome.setup, &outcome.events).1.messages);
    }
    for message in &messages {
        assert!(message.arrived.is_none_or(|arrived| arrived >= message.sent), "{message:?}");
        assert_ne!(message.label, "?", "{message:?}");
    }
    assert!(messages.iter().any(|message| message.arrived.is_none()), "one was lost");
    assert!(messages.iter().any(|message| message.commits), "a finish was acknowledged");
}

#[test]
fn nothing_at_all_is_a_picture_too() {
    let (_, record) = replay_recorded(Setup::default(), &[]);
    assert_eq!(unbalanced(&svg(&record, "")), Vec::<String>::new());
}
