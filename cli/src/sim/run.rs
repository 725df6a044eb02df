//! `zeolith sim run`: a campaign, and what becomes of a seed that fails.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use zeolith_sim::campaign::{Failure, Fault, Tally, campaign};
use zeolith_sim::coverage::List;
use zeolith_sim::schedule::Schedule;
use zeolith_sim::shrink::shrink;

use super::options::RunArgs;
use super::{End, SimError, read, write};
use crate::figures::commas;

/// How often the progress line changes, on a terminal and elsewhere.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(30);

pub(super) fn run(arguments: &RunArgs, out: &mut impl Write) -> Result<End, SimError> {
    let plan = arguments.plan()?;
    // Read first: a campaign is too long to be told at its end that there is no such file.
    let list = match arguments.list() {
        Some(path) if !arguments.bless => {
            let list: Result<List, _> = read(&path)?.parse();
            Some(list.map_err(|error| SimError::List { path, error })?)
        }
        _ => None,
    };
    writeln!(out, "seeds {:?} on {} threads", plan.seeds, plan.jobs)?;
    out.flush()?;
    let start = Instant::now();
    let mut progress = Progress::new(start);
    let tally = campaign(&plan, |tally| progress.show(tally));
    progress.end();
    writeln!(out, "{}", Summary { tally: &tally, time: start.elapsed() })?;
    if let Some(failure) = &tally.failure {
        return report(failure, arguments, out);
    }
    if arguments.bless {
        let path = arguments.list().expect("what is blessed has a place");
        write(&path, &tally.coverage.list(tally.seeds).to_string())?;
        writeln!(out, "{} is what they reach", path.display())?;
    } else if let Some(list) = list {
        return compare(&tally, &list, out);
    }
    Ok(End::Good)
}

/// What a campaign has done.
struct Summary<'a> {
    tally: &'a Tally,
    time: Duration,
}

impl Summary<'_> {
    fn rate(&self) -> u64 {
        let seconds = self.time.as_secs_f64();
        if seconds > 0.0 { (self.tally.events as f64 / seconds) as u64 } else { 0 }
    }

    fn line(&self) -> String {
        let Tally { seeds, events, coverage, .. } = self.tally;
        let (seeds, events, rate) = (commas(*seeds), commas(*events), commas(self.rate()));
        let (states, marks) = (coverage.states(), coverage.marks());
        format!("{seeds} seeds, {events} events, {rate} a second, {states} states, {marks} marks")
    }
}

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} in {:.1} s", self.line(), self.time.as_secs_f64())?;
        writeln!(f, "{} transactions committed", commas(self.tally.transactions))?;
        write!(f, "trace {:016x}", self.tally.hash)
    }
}

/// The line that tells how far a campaign is; on standard error, so that the result stays clean.
struct Progress {
    start: Instant,
    last: Instant,
    terminal: bool,
}

impl Progress {
    fn new(start: Instant) -> Progress {
        Progress { start, last: start, terminal: io::stderr().is_terminal() }
    }

    fn show(&mut self, tally: &Tally) {
        let pause = if self.terminal { OFTEN } else { SELDOM };
        if self.last.elapsed() >= pause {
            self.last = Instant::now();
            let line = Summary { tally, time: self.start.elapsed() }.line();
            if self.terminal { eprint!("\r\x1b[K{line}") } else { eprintln!("{line}") }
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// Shrinks what failed, writes it down, and says how to see it again.
fn report(failure: &Failure, arguments: &RunArgs, out: &mut impl Write) -> Result<End, SimError> {
    let Failure { seed, outcome, fault } = failure;
    let path = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("seed-{seed}.events")));
    let before = outcome.events.len();
    let mut end = End::of_fault(fault);
    let schedule = match fault {
        Fault::Nondeterminism { event } => {
            writeln!(out, "FAILED seed {seed}: nondeterminism: two runs part at event {}", event + 1)?;
            Schedule::of(outcome.setup, outcome.events.clone(), outcome.broken())
        }
        Fault::Broken(violation) => match shrink(outcome.setup, &outcome.events, violation) {
            Some(shrunk) => {
                let after = shrunk.outcome.events.len();
                let broken = shrunk.outcome.violation.as_ref();
                let (violation, tail) = broken.expect("what was shrunk still breaks it");
                write!(out, "{tail}")?;
                writeln!(out, "FAILED seed {seed}, {before} events, shrunk to {after}: {violation}")?;
                Schedule::of(shrunk.setup, shrunk.outcome.events.clone(), Some(violation))
            }
            None => {
                writeln!(
                    out,
                    "FAILED seed {seed}: nondeterminism: its events alone do not break it: {violation}"
                )?;
                end = End::Nondeterminism;
                Schedule::of(outcome.setup, outcome.events.clone(), Some(violation))
            }
        },
    };
    write(&path, &schedule.to_string())?;
    writeln!(out, "see it again: zeolith sim replay {}", path.display())?;
    Ok(end)
}

fn compare(tally: &Tally, list: &List, out: &mut impl Write) -> Result<End, SimError> {
    if tally.seeds < list.seeds {
        writeln!(out, "coverage is not compared: the list takes {} seeds", commas(list.seeds))?;
        return Ok(End::Good);
    }
    let lost = tally.coverage.lost(tally.seeds, list);
    for place in &lost {
        writeln!(out, "LOST {place}")?;
    }
    if lost.is_empty() {
        return Ok(End::Good);
    }
    writeln!(out, "the campaign does not reach this any more; if that is right: zeolith sim run --bless")?;
    Ok(End::CoverageLost)
}
