//! What `zeolith sim` can be told.

use std::ops::Range;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Subcommand;
use zeolith_sim::campaign::Plan;
use zeolith_sim::options::{Asked, Fault};

/// The seeds of a campaign that is told neither seeds nor a time: those of the test command.
const SEEDS: Range<u64> = 0..8_000;

/// The list that a campaign is compared with, in a checkout.
const COVERAGE: &str = "corpus/coverage.txt";

/// The options of `zeolith sim`.
#[derive(Clone, Debug, clap::Args)]
pub struct SimArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SimCommand,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum SimCommand {
    /// Run seeds until one fails; what fails is run again, shrunk, and written to a file
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Play a schedule
    #[command(after_help = EXIT_CODES)]
    Replay(ReplayArgs),
    /// Make a schedule short and plain while it breaks the same promise
    Shrink(ShrinkArgs),
    /// Draw a schedule
    Show(ShowArgs),
    /// Find every planted bug, and print the table of docs/simulation.md
    #[cfg(feature = "planted-bugs")]
    Bugs(BugsArgs),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  nothing is wrong
  1  safety: something happened that must not
  2  bad usage, or a file that cannot be read or written
  3  liveness: something that must happen in the end did not
  4  panic: a machine found an invariant of its own broken
  5  nondeterminism: two runs of the same are not the same
  6  a campaign lost something that campaigns reach (--coverage)";

/// The options of `zeolith sim run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The seeds, B not among them [default: 0..8000, or all from 0 on with --minutes]
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub seeds: Option<Range<u64>>,

    /// Stop after this time
    #[arg(long, value_name = "M", value_parser = minutes)]
    pub minutes: Option<Duration>,

    /// Exactly this kind of fault in every seed, or none; may be given several times: cuts, crashes, power-losses,
    /// splits, slow-disk, pauses, half-cuts, partitions, storms, restarts, disk-failures, rot, restores, clocks, full-disks,
    /// stops, strangers; restores and clocks are never together [default: each seed has its own]
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    pub fault: Vec<NamedFault>,

    /// Threads [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// Where to write the schedule of what fails [default: seed-N.events]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Fail when the campaign does not reach what is in this list
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = COVERAGE, conflicts_with = "fault")]
    pub coverage: Option<PathBuf>,

    /// Write the list anew from this campaign
    #[arg(long, conflicts_with_all = ["fault", "minutes"])]
    pub bless: bool,

    /// Plant a bug in every server
    #[cfg(feature = "planted-bugs")]
    #[arg(long, value_name = "NAME", value_parser = bug)]
    pub bug: Option<zeolith_sim::bug::Bug>,
}

impl RunArgs {
    /// The campaign.
    ///
    /// # Errors
    /// [`FaultsError`].
    pub fn plan(&self) -> Result<Plan, FaultsError> {
        let usual = if self.minutes.is_some() { 0..u64::MAX } else { SEEDS };
        if self.fault.contains(&NamedFault(None)) && self.fault.len() > 1 {
            return Err(FaultsError::NoneAndOthers);
        }
        if [Fault::Restores, Fault::Clocks].iter().all(|&fault| self.fault.contains(&NamedFault(Some(fault))))
        {
            return Err(FaultsError::RestoresAndClocks);
        }
        let faults = self.fault.iter().filter_map(|named| named.0).collect();
        let asked = Asked {
            faults: (!self.fault.is_empty()).then_some(faults),
            #[cfg(feature = "planted-bugs")]
            bug: self.bug,
            #[cfg(not(feature = "planted-bugs"))]
            bug: None,
        };
        let processors = || thread::available_parallelism().map_or(1, |number| number.get());
        let jobs = self.jobs.map_or_else(processors, usize::from);
        Ok(Plan { seeds: self.seeds.clone().unwrap_or(usual), time: self.minutes, asked, jobs })
    }

    /// The list to compare with or to write; `None` when neither is asked for.
    pub fn list(&self) -> Option<PathBuf> {
        let usual = self.bless.then(|| PathBuf::from(COVERAGE));
        self.coverage.clone().or(usual)
    }
}

/// Faults that are not asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// None, and some.
    #[error("--fault none allows no other --fault")]
    NoneAndOthers,
    /// Two that give transactions of two histories one name, which no client can tell apart.
    #[error(
        "--fault restores and --fault clocks are never together: after a restore a clock that went back gives transactions \
         names that were given before, and no client can tell them apart"
    )]
    RestoresAndClocks,
}

/// A kind of fault, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedFault(Option<Fault>);

/// The options of `zeolith sim replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// The schedule
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Print what happens event by event; on a terminal, wait for Enter after each
    #[arg(long)]
    pub step: bool,
}

/// The options of `zeolith sim shrink`.
#[derive(Clone, Debug, clap::Args)]
pub struct ShrinkArgs {
    /// The schedule
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where to write the shorter one [default: FILE with .short before its ending, if there is no such file yet]
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    pub out: Option<PathBuf>,

    /// Put the shorter one in the place of FILE
    #[arg(long)]
    pub in_place: bool,
}

impl ShrinkArgs {
    /// Where the shorter schedule goes, and whether what is there may be replaced.
    pub fn target(&self) -> (PathBuf, bool) {
        match &self.out {
            Some(out) => (out.clone(), true),
            None if self.in_place => (self.file.clone(), true),
            None => {
                let ending = self.file.extension().unwrap_or("events".as_ref()).to_string_lossy();
                (self.file.with_extension(format!("short.{ending}")), false)
            }
        }
    }
}

/// The options of `zeolith sim show`.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// The schedule
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Draw it as an SVG picture
    #[arg(long, value_name = "OUT", required_unless_present = "html")]
    pub svg: Option<PathBuf>,

    /// Draw it as a page that needs no other file
    #[arg(long, value_name = "OUT", required_unless_present = "svg")]
    pub html: Option<PathBuf>,
}

/// The options of `zeolith sim bugs`.
#[cfg(feature = "planted-bugs")]
#[derive(Clone, Debug, clap::Args)]
pub struct BugsArgs {
    /// Write the shrunk schedules into this folder, as planted-NAME.events
    #[arg(long, value_name = "FOLDER")]
    pub write: Option<PathBuf>,

    /// Put the table in the place of the one in this text, which is docs/simulation.md
    #[arg(long, value_name = "FILE")]
    pub docs: Option<PathBuf>,
}

fn seeds(text: &str) -> Result<Range<u64>, &'static str> {
    let bounds = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let (first, end): (u64, u64) = bounds.ok_or("expected two numbers with '..' between")?;
    if first < end { Ok(first..end) } else { Err("these are no seeds: the second number must be the larger") }
}

fn minutes(text: &str) -> Result<Duration, &'static str> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| *minutes > 0.0);
    let duration = minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
    duration.ok_or("expected a positive number of minutes")
}

fn fault(text: &str) -> Result<NamedFault, String> {
    if text == "none" { Ok(NamedFault(None)) } else { text.parse().map(|fault| NamedFault(Some(fault))) }
}

#[cfg(feature = "planted-bugs")]
fn bug(text: &str) -> Result<zeolith_sim::bug::Bug, String> {
    zeolith_sim::bug::named(text).ok_or_else(|| {
        let all = zeolith_sim::bug::Bug::ALL.iter().chain(zeolith_sim::bug::Bug::OTHERS);
        let names: Vec<_> = all.map(|bug| bug.name()).collect();
        format!("bugs are {}", names.join(", "))
    })
}
