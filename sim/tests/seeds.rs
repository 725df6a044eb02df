//! Seeds, coverage, planted bugs, determinism. `ZEOLITH_SEEDS=A..B` runs other seeds than the usual ones.

use std::io::Write;
use std::process::Command;
use zeolith_core::planted::Bug;
use zeolith_core::rng::Seed;
use zeolith_sim::campaign::{Plan, campaign};
use zeolith_sim::coverage::List;
use zeolith_sim::hunt::{FOUND_WITHIN, SHRUNK_TO, hunt};
use zeolith_sim::options::Asked;
use zeolith_sim::run::{replay, run};
use zeolith_sim::table;

/// Seeds run by the test command.
const SEEDS: std::ops::Range<u64> = 0..8_000;
/// Seeds besides that nobody has run before: they change with the commit.
const FRESH: u64 = 4_000;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("ZEOLITH_SEEDS") else { return SEEDS };
    let bound = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{text:?} is no seed"));
    let (first, end) = text.split_once("..").expect("ZEOLITH_SEEDS is two numbers with '..' between");
    bound(first)..bound(end)
}

#[test]
fn no_seed_breaks_a_promise_and_together_they_reach_what_they_did() {
    let seeds = seeds();
    println!("seeds {seeds:?}");
    let plan = Plan { seeds: seeds.clone(), time: None, asked: Asked::default(), jobs: 2 };
    let tally = campaign(&plan, |_| {});
    if let Some(failure) = tally.failure {
        panic!("seed {}: {:?}\n{}", failure.seed, failure.fault, failure.outcome);
    }
    assert!(
        tally.transactions > 5 * tally.seeds,
        "only {} transactions: the seeds hardly try anything",
        tally.transactions
    );
    let list = include_str!("../../corpus/coverage.txt");
    let list: List = list.parse().unwrap_or_else(|error| panic!("corpus/coverage.txt: {error}"));
    if tally.seeds >= list.seeds {
        let lost = tally.coverage.lost(tally.seeds, &list);
        assert!(lost.is_empty(), "lost:\n{}", lost.join("\n"));
    }
}

/// The first of the seeds that belong to this commit; those of the usual ones that come next where there is no commit.
fn first_of_this_commit() -> u64 {
    let mut git = Command::new("git");
    let head = git.args(["rev-parse", "--short=7", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let name = head.ok().and_then(|head| String::from_utf8(head.stdout).ok());
    name.and_then(|name| u64::from_str_radix(name.trim().get(..7)?, 16).ok()).unwrap_or(SEEDS.end)
}

#[test]
fn no_seed_of_this_commit_breaks_a_promise() {
    let first = first_of_this_commit();
    let seeds = first..first + FRESH;
    // Printed even when it passes, which print! is not.
    writeln!(std::io::stderr(), "fresh seeds {}..{}", seeds.start, seeds.end).expect("a stderr");
    let tally = campaign(&Plan { seeds, time: None, asked: Asked::default(), jobs: 2 }, |_| {});
    if let Some(failure) = tally.failure {
        panic!("seed {}: {:?}\n{}", failure.seed, failure.fault, failure.outcome);
    }
}

#[test]
fn a_seed_gives_the_same_run_every_time_and_so_do_its_events_alone() {
    for seed in 0..50 {
        let outcome = run(Seed(seed), Asked::default());
        assert_eq!(outcome.parts_from(&run(Seed(seed), Asked::default())), None, "seed {seed}");
        assert_eq!(
            outcome.parts_from(&replay(outcome.setup, &outcome.events)),
            None,
            "seed {seed}, replayed"
        );
    }
}

/// The table's row of a planted bug that is found by the checker of its promise and shrunk; how it is not.
fn find_and_shrink(bug: Bug) -> Result<String, String> {
    let found = hunt(bug, 0..FOUND_WITHIN, SHRUNK_TO)
        .ok_or_else(|| format!("{} was not found in {FOUND_WITHIN} seeds", bug.name()))?;
    let name = format!("{} in seed {}", bug.name(), found.seed);
    if found.broken.promise != bug.promise() {
        return Err(format!("{name} breaks something else: {}", found.broken));
    }
    let outcome = &found.shrunk.outcome;
    if replay(found.shrunk.setup, &outcome.events).broken() != outcome.broken() {
        return Err(format!("{name}: its events alone break something else"));
    }
    match outcome.events.len() {
        left if left > SHRUNK_TO => Err(format!("{name}: {left} events are left\n{outcome}")),
        _ => Ok(table::row(bug, Some(&found))),
    }
}

#[test]
fn every_planted_bug_is_found_by_the_checker_of_its_promise_and_shrunk_as_the_table_says() {
    let (one, other) = Bug::ALL.split_at(Bug::ALL.len() / 2);
    let find = |bugs: &[Bug]| bugs.iter().map(|&bug| find_and_shrink(bug)).collect::<Vec<_>>();
    let found = std::thread::scope(|scope| {
        let other = scope.spawn(|| find(other));
        let mut found = find(one);
        found.extend(other.join().expect("a search does not panic"));
        found
    });
    let missed: Vec<&String> = found.iter().filter_map(|row| row.as_ref().err()).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let rows: String = found.into_iter().flatten().collect();
    let docs = include_str!("../../docs/simulation.md");
    let place = table::place(docs).expect("a table in docs/simulation.md");
    let again = "made anew by: cargo run --release -p zeolith-cli --features planted-bugs -- \
                 sim bugs --write corpus/schedules --docs docs/simulation.md";
    assert_eq!(&docs[place], format!("{}{rows}", table::HEAD), "{again}");
}
