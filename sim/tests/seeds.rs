//! Seeds, found bugs, determinism. `ZEOLITH_SEEDS=A..B` runs other seeds than the usual ones.

use zeolith_core::planted::Bug;
use zeolith_core::rng::Seed;
use zeolith_sim::run::{Outcome, replay, run};

/// Seeds run by the test command.
const SEEDS: std::ops::Range<u64> = 0..8_000;
/// A planted bug must be found within this many.
const FOUND_WITHIN: u64 = 2_000;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("ZEOLITH_SEEDS") else { return SEEDS };
    let bound = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{text:?} is no seed"));
    let (first, end) = text.split_once("..").expect("ZEOLITH_SEEDS is two numbers with '..' between");
    bound(first)..bound(end)
}

#[test]
fn no_seed_breaks_a_promise() {
    let seeds = seeds();
    println!("seeds {seeds:?}");
    let mut transactions = 0;
    for seed in seeds.clone() {
        let outcome = run(Seed(seed), None);
        assert!(outcome.violation.is_none(), "seed {seed}:\n{outcome}");
        transactions += outcome.transactions;
    }
    assert!(
        transactions > 5 * seeds.clone().count(),
        "only {transactions} transactions: the seeds hardly try anything"
    );
}

#[test]
fn a_seed_gives_the_same_run_every_time_and_so_do_its_events_alone() {
    for seed in 0..50 {
        let outcome = run(Seed(seed), None);
        assert_eq!(outcome.hash, run(Seed(seed), None).hash, "seed {seed}");
        assert_eq!(outcome.hash, replay(Seed(seed), None, &outcome.events).hash, "seed {seed}, replayed");
    }
}

#[track_caller]
fn is_found_by_the_checker_of_promise(bug: Bug, promise: u32) {
    let (seed, found) = (0..FOUND_WITHIN)
        .map(|seed| (seed, run(Seed(seed), Some(bug))))
        .find(|(_, outcome)| outcome.violation.is_some())
        .unwrap_or_else(|| panic!("{bug:?} was not found in {FOUND_WITHIN} seeds"));
    let broken = |outcome: &Outcome| outcome.violation.as_ref().map(|(violation, _)| violation.clone());
    assert_eq!(
        broken(&found).map(|it| it.promise),
        Some(promise),
        "seed {seed} finds something else:\n{found}"
    );
    let again = replay(Seed(seed), Some(bug), &found.events);
    assert_eq!(broken(&again), broken(&found), "its events alone break the same promise in the same way");
}

#[test]
fn a_batch_that_is_durable_before_its_sync_is_found() {
    is_found_by_the_checker_of_promise(Bug::DurableBeforeSync, 1);
}

#[test]
fn a_stale_read_is_found() {
    is_found_by_the_checker_of_promise(Bug::StaleRead, 2);
}

#[test]
fn an_invalidation_that_is_cut_short_is_found() {
    is_found_by_the_checker_of_promise(Bug::InvalidationCutShort, 7);
}

#[test]
fn locks_kept_at_a_disconnect_are_found() {
    is_found_by_the_checker_of_promise(Bug::LocksKeptAtDisconnect, 13);
}

#[test]
fn a_torn_tail_that_is_kept_is_found() {
    is_found_by_the_checker_of_promise(Bug::TornTailKept, 19);
}
