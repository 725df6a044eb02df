//! A drop-in over real data: the same file in the hands of Python and Zeolith in turn, restarts under connected
//! clients, and files as crashes and operators leave them.

mod both_ways;
mod packing;
mod readers;
mod reading;
mod recovery;
mod restarts;
mod sample;

use std::path::Path;
use std::process::{Command, Output};

use zeolith_tests::server::zeolith;

/// Runs a command of the binary to its end.
fn run(arguments: &[&str], file: &Path) -> Output {
    Command::new(zeolith()).args(arguments).arg(file).output().expect("the binary runs")
}

/// What a finished command printed, standard error last.
fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
