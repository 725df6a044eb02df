//! `zeolith sim replay`: a schedule, played again.

use std::io::{self, BufRead, IsTerminal, Write};

use zeolith_sim::checkers::Violation;
use zeolith_sim::run::{Player, replay as play};
use zeolith_sim::schedule::Schedule;

use super::options::ReplayArgs;
use super::{End, SimError, schedule};

pub(super) fn replay(arguments: &ReplayArgs, out: &mut impl Write) -> Result<End, SimError> {
    let schedule = schedule(&arguments.file)?;
    if arguments.step {
        let broken = step(&schedule, out)?;
        say(broken.as_ref(), &schedule, out)?;
        return Ok(End::of(broken.as_ref()));
    }
    let outcome = play(schedule.setup, &schedule.events);
    if let Some(event) = outcome.parts_from(&play(schedule.setup, &schedule.events)) {
        writeln!(out, "FAILED: nondeterminism: two runs part at event {}", event + 1)?;
        return Ok(End::Nondeterminism);
    }
    if let Some((_, tail)) = &outcome.violation {
        write!(out, "{tail}")?;
    }
    say(outcome.broken(), &schedule, out)?;
    writeln!(out, "trace {:016x}", outcome.hash())?;
    Ok(End::of(outcome.broken()))
}

/// What became of it, beside what the file says.
fn say(broken: Option<&Violation>, schedule: &Schedule, out: &mut impl Write) -> io::Result<()> {
    match (broken, &schedule.broken) {
        (Some(violation), _) => writeln!(out, "FAILED: {violation}"),
        (None, Some((promise, _))) => {
            writeln!(out, "no promise is broken, not even {promise} as it once was")
        }
        (None, None) => writeln!(out, "no promise is broken"),
    }
}

/// Prints what follows from each event.
fn step(schedule: &Schedule, out: &mut impl Write) -> Result<Option<Violation>, SimError> {
    let mut keys = io::stdin().lock();
    let mut waits = keys.is_terminal() && io::stdout().is_terminal();
    let mut player = Player::new(schedule.setup);
    player.world.trace.keep_all();
    for &event in &schedule.events {
        let result = player.apply(event);
        for line in player.world.trace.take_lines() {
            writeln!(out, "{line}")?;
        }
        match result {
            Err(violation) => return Ok(Some(violation)),
            Ok(true) => {}
            Ok(false) => writeln!(out, "    (nothing happens)")?,
        }
        if waits {
            out.flush()?;
            // After the end of the input, or an error, there is nobody to wait for.
            waits = keys.read_line(&mut String::new()).is_ok_and(|read| read > 0);
        }
    }
    Ok(None)
}
