use super::*;
use crate::bug::Bug;

fn plan(seeds: Range<u64>, jobs: usize) -> Plan {
    Plan { seeds, time: None, asked: Asked::default(), jobs }
}

#[test]
fn a_campaign_is_the_same_on_any_number_of_threads() {
    let tally = |jobs| campaign(&plan(0..300, jobs), |_| {});
    let (one, three) = (tally(1), tally(3));
    assert_eq!((one.seeds, one.events, one.hash), (300, three.events, three.hash));
    assert_eq!(one.coverage.list(300), three.coverage.list(300));
}

#[test]
fn other_seeds_have_another_hash() {
    let hash = |seeds| campaign(&plan(seeds, 1), |_| {}).hash;
    assert_ne!(hash(0..5), hash(1..6));
}

#[test]
fn the_first_seed_that_fails_is_told_whatever_the_number_of_threads() {
    let asked = Asked { bug: Some(Bug::StaleRead), ..Asked::default() };
    let first = |jobs| {
        let failure = campaign(&Plan { asked, ..plan(0..2_000, jobs) }, |_| {}).failure.expect("it is found");
        (failure.seed, failure.fault)
    };
    assert_eq!(first(1), first(4));
}

#[test]
fn a_campaign_without_time_ends_before_it_begins() {
    let plan = Plan { time: Some(Duration::ZERO), ..plan(0..u64::MAX, 2) };
    assert_eq!(campaign(&plan, |_| {}).seeds, 0);
}

#[test]
fn progress_is_told_up_to_the_end() {
    let mut last = 0;
    campaign(&plan(0..100, 1), |tally| last = tally.seeds);
    assert_eq!(last, 100);
}

#[test]
fn runs_that_part_are_told_apart_at_the_first_event_that_differs() {
    let outcome = run(Seed(3), Asked::default());
    assert_eq!(outcome.parts_from(&outcome), None);
    // As if something else had followed from the eleventh event.
    let mut other = outcome.clone();
    other.sums[11..].iter_mut().for_each(|sum| *sum ^= 1);
    assert_eq!(outcome.parts_from(&other), Some(10));
    assert_eq!(other.parts_from(&outcome), Some(10));
    let mut shorter = outcome.clone();
    shorter.events.truncate(7);
    shorter.sums.truncate(8);
    assert_eq!(outcome.parts_from(&shorter), Some(7));
}
