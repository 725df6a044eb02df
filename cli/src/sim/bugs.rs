//! `zeolith sim bugs`: every planted bug, how soon it is found, and what is left of its history.

use std::io::Write;

use zeolith_core::rng::Seed;
use zeolith_sim::bug::Bug;
use zeolith_sim::options::Asked;
use zeolith_sim::run::run;
use zeolith_sim::schedule::Schedule;
use zeolith_sim::shrink::shrink;

use super::options::BugsArgs;
use super::{End, SimError, grouped, write};

/// A planted bug must be found within this many.
const FOUND_WITHIN: u64 = 2_000;

pub(super) fn bugs(arguments: &BugsArgs, out: &mut impl Write) -> Result<End, SimError> {
    let mut end = End::Good;
    writeln!(out, "| Bug | Promise | Found in seed | Events before | Events after |")?;
    writeln!(out, "|--|--|--|--|--|")?;
    for &bug in Bug::ALL {
        let asked = Asked { bug: Some(bug), ..Asked::default() };
        let runs = (0..FOUND_WITHIN).map(|seed| (seed, run(Seed(seed), asked)));
        let found = runs.filter_map(|(seed, outcome)| {
            let broken = outcome.broken()?.clone();
            Some((seed, outcome, broken))
        });
        let shrunk = { found }.next().and_then(|(seed, outcome, broken)| {
            let shrunk = shrink(outcome.setup, &outcome.events, &broken)?;
            Some((seed, outcome.events.len(), broken, shrunk))
        });
        let (name, promise) = (bug.name(), bug.promise());
        let Some((seed, before, broken, shrunk)) = shrunk else {
            writeln!(out, "| {name} | {promise} | none of {} | | |", grouped(FOUND_WITHIN))?;
            end = End::CoverageLost;
            continue;
        };
        let after = shrunk.outcome.events.len();
        writeln!(out, "| {name} | {} | {} | {before} | {after} |", broken.promise, grouped(seed))?;
        if let Some(folder) = &arguments.write {
            let mut schedule =
                Schedule::of(shrunk.setup, shrunk.outcome.events.clone(), shrunk.outcome.broken());
            schedule.cause = format!("the planted bug {name}, in seed {seed}");
            write(&folder.join(format!("planted-{name}.events")), &schedule.to_string())?;
        }
    }
    Ok(end)
}
