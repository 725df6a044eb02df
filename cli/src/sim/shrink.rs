//! `zeolith sim shrink`: a schedule, made short and plain.

use std::io::Write;

use zeolith_sim::run::replay;
use zeolith_sim::schedule::Schedule;
use zeolith_sim::shrink::shrink as make_short;

use super::options::ShrinkArgs;
use super::{End, SimError, schedule, write};

pub(super) fn shrink(arguments: &ShrinkArgs, out: &mut impl Write) -> Result<End, SimError> {
    let before = schedule(&arguments.file)?;
    let (path, replaces) = arguments.target();
    // Looked at first: it takes a while.
    if !replaces && path.exists() {
        return Err(SimError::Exists(path));
    }
    let outcome = replay(before.setup, &before.events);
    let Some(broken) = outcome.broken() else {
        return Err(SimError::NothingBroken(arguments.file.clone()));
    };
    let Some(shrunk) = make_short(before.setup, &before.events, broken) else {
        writeln!(out, "FAILED: nondeterminism: a second run does not break the promise")?;
        return Ok(End::Nondeterminism);
    };
    let (events, tried) = (shrunk.outcome.events.len(), shrunk.tried);
    let short = Schedule::of(shrunk.setup, shrunk.outcome.events.clone(), shrunk.outcome.broken());
    write(&path, &Schedule { cause: before.cause, ..short }.to_string())?;
    writeln!(out, "{broken}")?;
    writeln!(out, "{}: {} events, {events} after {tried} tries", path.display(), before.events.len())?;
    Ok(End::Good)
}
