//! `zeolith cache stats`: loads, hits, invalidations and stores, by time and in sum.

mod report;
mod tally;

use super::text::interval;
use super::{CacheError, Event, TraceError, TraceReader};
use crate::calendar::ctime;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use tally::Tally;
use zeolith_core::cache::trace::{Code, Traced};

/// The options of `zeolith cache stats`, which are those of ZEO's `cache_stats`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatsArgs {
    /// Print each record
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Leave out the lines of the intervals
    #[arg(long, short)]
    pub quiet: bool,

    /// Print histograms of object sizes
    #[arg(long, short)]
    pub sizes: bool,

    /// Leave out the sums
    #[arg(long, short = 'S')]
    pub no_stats: bool,

    /// Print a histogram of how often objects were loaded
    #[arg(long, short = 'h')]
    pub load_histogram: bool,

    /// Accepted for the sake of scripts: records are always checked
    #[arg(long, short = 'X')]
    pub check: bool,

    /// Minutes that each line sums up, 60 at most
    #[arg(long, short, value_name = "MINUTES", default_value = "15", value_parser = interval)]
    pub interval: u32,

    /// The trace; compressed if its name ends in .gz
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
}

/// Reads a trace and prints what it tells.
pub fn run(arguments: &StatsArgs, out: &mut dyn Write) -> Result<(), CacheError> {
    let begun = Instant::now();
    let mut reader = TraceReader::open(&arguments.trace)?;
    let mut tally = Tally::default();
    report::header(out).map_err(CacheError::output)?;
    let end = loop {
        match reader.read() {
            Ok(Some(event)) => one(event, arguments, &mut tally, out).map_err(CacheError::output)?,
            Ok(None) => break Ok(()),
            Err(error @ TraceError::Truncated { records: 1.., .. }) => break Err(error),
            Err(error) => return Err(error.into()),
        }
    };
    let read = report::Read { bytes: reader.position(), took: begun.elapsed() };
    report::end(arguments, &tally, &read, out).map_err(CacheError::output)?;
    Ok(end?)
}

fn one(event: Event, arguments: &StatsArgs, tally: &mut Tally, out: &mut dyn Write) -> std::io::Result<()> {
    let (seconds, traced) = match event {
        Event::Record(seconds, traced) => (seconds, traced),
        Event::Skipped(_) if arguments.quiet => return Ok(()),
        Event::Skipped(at) => return writeln!(out, "Skipping 8 bytes at offset {at}"),
    };
    let finished = tally.add(seconds, &traced, arguments.interval);
    if let Some(finished) = finished.filter(|_| !arguments.quiet) {
        report::interval(&finished, out)?;
    }
    if arguments.verbose {
        record(seconds, &traced, out)?;
    }
    if traced.code == Code::Opened {
        let finished = tally.restart(seconds);
        if !arguments.quiet {
            report::interval(&finished, out)?;
            let line = "=".repeat(20);
            writeln!(out, "{} {line} Restart {line}", &ctime(seconds)[4..19])?;
        }
    }
    Ok(())
}

fn record(seconds: u32, traced: &Traced, out: &mut dyn Write) -> std::io::Result<()> {
    let oid = match traced.code {
        Code::Opened => "b''".to_owned(),
        _ => format!("{:16x}", traced.oid.0),
    };
    let size = if traced.size == 0 { String::new() } else { format!(" {}", traced.size) };
    let code = traced.code.number();
    writeln!(out, "{} {code:02x} {oid} {} {} -{size}", &ctime(seconds)[4..19], traced.start, traced.end)
}

#[cfg(test)]
mod tests;
