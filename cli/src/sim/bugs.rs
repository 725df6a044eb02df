//! `zeolith sim bugs`: every planted bug, how soon it is found, and what is left of its history.

use std::io::Write;

use zeolith_sim::bug::Bug;
use zeolith_sim::hunt::{FOUND_WITHIN, SHRUNK_TO, hunt};
use zeolith_sim::schedule::Schedule;
use zeolith_sim::table;

use super::options::BugsArgs;
use super::{End, SimError, read, write};

pub(super) fn bugs(arguments: &BugsArgs, out: &mut impl Write) -> Result<End, SimError> {
    let mut end = End::Good;
    let mut all = table::HEAD.to_owned();
    write!(out, "{}", table::HEAD)?;
    for &bug in Bug::ALL {
        let found = hunt(bug, 0..FOUND_WITHIN, SHRUNK_TO);
        let row = table::row(bug, found.as_ref());
        write!(out, "{row}")?;
        out.flush()?;
        all += &row;
        let Some(found) = found else {
            end = End::CoverageLost;
            continue;
        };
        if let Some(folder) = &arguments.write {
            let outcome = &found.shrunk.outcome;
            let mut schedule = Schedule::of(found.shrunk.setup, outcome.events.clone(), outcome.broken());
            let name = bug.name();
            schedule.cause = format!("the planted bug {name}, in seed {}", found.shown);
            write(&folder.join(format!("planted-{name}.events")), &schedule.to_string())?;
        }
    }
    if let Some(path) = &arguments.docs {
        let mut text = read(path)?;
        let place = table::place(&text).ok_or_else(|| SimError::NoTable(path.clone()))?;
        text.replace_range(place, &all);
        write(path, &text)?;
    }
    Ok(end)
}
