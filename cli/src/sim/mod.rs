//! `zeolith sim`: the simulator's commands. What they do is in `zeolith-sim`; here are their options and what they print.

#[cfg(feature = "planted-bugs")]
mod bugs;
pub mod options;
mod replay;
mod run;
mod show;
mod shrink;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use thiserror::Error;
use zeolith_sim::campaign::Fault;
use zeolith_sim::checkers::{Kind, Violation};
use zeolith_sim::coverage::ListError;
use zeolith_sim::schedule::{Schedule, ScheduleError};

use crate::serve::EXIT_USAGE;
use options::{SimArgs, SimCommand};

/// How a command ended, when nothing was in its way. The numbers are the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing is wrong.
    Good = 0,
    /// Something happened that must not.
    Safety = 1,
    /// Something that must happen in the end did not.
    Liveness = 3,
    /// A machine found an invariant of its own broken.
    Panic = 4,
    /// Two runs of the same are not the same.
    Nondeterminism = 5,
    /// A campaign did not reach what campaigns reach.
    CoverageLost = 6,
}

impl End {
    fn of(violation: Option<&Violation>) -> End {
        match violation.map(|violation| violation.kind) {
            None => End::Good,
            Some(Kind::Safety) => End::Safety,
            Some(Kind::Liveness) => End::Liveness,
            Some(Kind::Panic) => End::Panic,
        }
    }

    fn of_fault(fault: &Fault) -> End {
        match fault {
            Fault::Broken(violation) => End::of(Some(violation)),
            Fault::Nondeterminism { .. } => End::Nondeterminism,
        }
    }
}

/// What is in the way of a command.
#[derive(Debug, Error)]
enum SimError {
    #[error("{} cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} cannot be written: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Schedule { path: PathBuf, error: ScheduleError },
    #[error("{}: {error}", path.display())]
    List { path: PathBuf, error: ListError },
    #[error("{} is there already: name another file with --out, or give --in-place", .0.display())]
    Exists(PathBuf),
    #[error(transparent)]
    Faults(#[from] options::FaultsError),
    #[error("{} breaks no promise: there is nothing to shrink", .0.display())]
    NothingBroken(PathBuf),
    #[cfg(feature = "planted-bugs")]
    #[error("{} has no table of planted bugs", .0.display())]
    NoTable(PathBuf),
    #[error("the result cannot be printed: {0}")]
    Print(#[from] io::Error),
}

/// Runs one of the simulator's commands.
pub fn sim(arguments: SimArgs) -> ExitCode {
    let mut out = io::stdout().lock();
    let end = match arguments.command {
        SimCommand::Run(arguments) => run::run(&arguments, &mut out),
        SimCommand::Replay(arguments) => replay::replay(&arguments, &mut out),
        SimCommand::Shrink(arguments) => shrink::shrink(&arguments, &mut out),
        SimCommand::Show(arguments) => show::show(&arguments, &mut out),
        #[cfg(feature = "planted-bugs")]
        SimCommand::Bugs(arguments) => bugs::bugs(&arguments, &mut out),
    };
    match end {
        Ok(end) => ExitCode::from(end as u8),
        Err(SimError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(EXIT_USAGE)
        }
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn read(path: &Path) -> Result<String, SimError> {
    fs::read_to_string(path).map_err(|error| SimError::Read { path: path.to_owned(), error })
}

fn write(path: &Path, text: &str) -> Result<(), SimError> {
    fs::write(path, text).map_err(|error| SimError::Write { path: path.to_owned(), error })
}

fn schedule(path: &Path) -> Result<Schedule, SimError> {
    read(path)?.parse().map_err(|error| SimError::Schedule { path: path.to_owned(), error })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
