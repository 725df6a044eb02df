//! `zeolith cache`: what a client's cache did, from the trace it wrote, and what caches of other sizes would have done.
//!
//! `stats` and `simulate` give the figures of ZEO's `cache_stats` and `cache_simul` for the same traces.

pub mod simulate;
pub mod stats;
mod text;
mod trace;

pub use trace::{Event, TraceError, TraceReader};

use crate::serve::EXIT_FAILURE;
use simulate::SimulateArgs;
use stats::StatsArgs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// The commands of `zeolith cache`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum CacheCommand {
    /// Sum up what a cache did
    #[command(after_help = STATS_HELP, disable_help_flag = true)]
    Stats(StatsArgs),
    /// Tell what a cache of another size would have done
    #[command(after_help = SIMULATE_HELP)]
    Simulate(SimulateArgs),
}

const STATS_HELP: &str = "\
A client writes a trace when the environment variable ZEO_CACHE_TRACE is set and its cache is persistent: beside the
cache main.zec stands main.zec.trace. Times are in UTC.

Columns: loads, and how many of them the cache answered; objects that were invalidated and in the cache; objects stored.

Exit codes: 0 done, 1 the trace is missing, ends early or is none, 2 bad usage";

const SIMULATE_HELP: &str = "\
Without --sizes and --svg this gives the figures of ZEO's cache_simul: one size, interval by interval. With them, the
hit rate over the cache's size:
  ZEO's ring   the cache of Python's client: a file that is written round and round
  LRU          what was not used for longest goes first
  look-ahead   what is not needed for longest goes first, which no cache can know; where objects differ much in
               size it is no upper bound

The first loads of a trace that does not begin with an empty cache count as misses.

Examples:
  zeolith cache simulate main.zec.trace --size 50
  zeolith cache simulate main.zec.trace --sizes 5M,20M,100M
  zeolith cache simulate main.zec.trace.gz --svg hits.svg

Exit codes: 0 done, 1 the trace is missing, ends early or is none, 2 bad usage";

/// Why a tool has no result, or a partial one.
#[derive(Debug, Error)]
pub enum CacheError {
    /// About the trace. If it merely ends early, the figures before its end were printed.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The result has no place to go.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl CacheError {
    /// For what goes to standard output.
    fn output(error: io::Error) -> CacheError {
        CacheError::Write { path: "the result".into(), error }
    }
}

/// Runs a command, and says what went wrong.
pub fn cache(command: &CacheCommand) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = match command {
        CacheCommand::Stats(arguments) => stats::run(arguments, &mut out),
        CacheCommand::Simulate(arguments) => simulate::run(arguments, &mut out),
    };
    let done = done.and(io::Write::flush(&mut out).map_err(CacheError::output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
