//! `zeolith sim bugs`: every planted bug, how soon it is found, and what is left of its history.

use std::io::Write;

use zeolith_sim::bug::Bug;
use zeolith_sim::hunt::{Hunted, hunt};
use zeolith_sim::schedule::Schedule;

use super::options::BugsArgs;
use super::{End, SimError, write};
use crate::figures::commas;

/// A planted bug must be found within this many.
const FOUND_WITHIN: u64 = 2_000;
/// What is to be left of its history at most.
const SHRUNK_TO: usize = 30;

pub(super) fn bugs(arguments: &BugsArgs, out: &mut impl Write) -> Result<End, SimError> {
    let mut end = End::Good;
    writeln!(out, "| Bug | Promise | Found in seed | Events before | Events after |")?;
    writeln!(out, "|--|--|--|--|--|")?;
    for &bug in Bug::ALL {
        let (name, promise) = (bug.name(), bug.promise());
        let Some(Hunted { seed, shown, broken, before, shrunk }) = hunt(bug, 0..FOUND_WITHIN, SHRUNK_TO)
        else {
            writeln!(out, "| {name} | {promise} | none of {} | | |", commas(FOUND_WITHIN))?;
            end = End::CoverageLost;
            continue;
        };
        let after = shrunk.outcome.events.len();
        writeln!(out, "| {name} | {} | {} | {before} | {after} |", broken.promise, commas(seed))?;
        if let Some(folder) = &arguments.write {
            let mut schedule =
                Schedule::of(shrunk.setup, shrunk.outcome.events.clone(), shrunk.outcome.broken());
            schedule.cause = format!("the planted bug {name}, in seed {shown}");
            write(&folder.join(format!("planted-{name}.events")), &schedule.to_string())?;
        }
    }
    Ok(end)
}
