use super::*;
use crate::bug::Bug;
use crate::checkers::Kind;
use crate::event::ServerNo;
use crate::options::Asked;
use crate::run::run;
use zeolith_core::rng::Seed;

fn found(bug: Bug) -> Outcome {
    let asked = Asked { bug: Some(bug), ..Asked::default() };
    let mut outcomes = (0..2_000).map(|seed| run(Seed(seed), asked));
    outcomes.find(|outcome| outcome.violation.is_some()).expect("a planted bug is found")
}

#[test]
fn a_shrunk_history_breaks_the_same_promise_and_cannot_lose_an_event() {
    let outcome = found(Bug::StaleRead);
    let broken = outcome.broken().expect("it was found");
    let shrunk = shrink(outcome.setup, &outcome.events, broken).expect("it breaks the promise again");
    let events = &shrunk.outcome.events;
    assert!(shrunk.outcome.broken().is_some_and(|violation| violation.is_like(broken)));
    for at in 0..events.len() {
        let rest = [&events[..at], &events[at + 1..]].concat();
        let broken = replay(shrunk.setup, &rest).violation;
        assert!(broken.is_none_or(|(violation, _)| violation.promise != 2), "{} can go", events[at]);
    }
}

#[test]
fn a_history_that_breaks_nothing_or_something_else_is_not_shrunk() {
    let outcome = found(Bug::StaleRead);
    let other = Violation { promise: 19, kind: Kind::Safety, what: String::new() };
    assert!(shrink(outcome.setup, &outcome.events, &other).is_none());
    let broken = outcome.broken().expect("it was found");
    assert!(shrink(outcome.setup, &outcome.events[..1], broken).is_none());
}

#[test]
fn nothing_is_made_less_plain() {
    let (client, server) = (ClientId(0), ServerNo(0));
    assert_eq!(plainer(Event::Act(client, 0)), []);
    assert_eq!(plainer(Event::ToServer(Wire { client, server }, ALL)), []);
    assert_eq!(plainer(Event::Pass(10)), [Event::Pass(1)]);
    assert_eq!(plainer(Event::EndDisk(server, 1)), [Event::EndDisk(server, 0)]);
    assert_eq!(plainer(Event::Crash(server, Fate::Power(1))).len(), 2);
}
