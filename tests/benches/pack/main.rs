//! How long a pack takes, how much memory, and what commits beside it notice: ours and Python's.
//!
//! `cargo bench -p zeolith-tests --bench pack -- [OBJECTS]`; docs/performance.md has the figures. The file is made once for
//! each number of objects and kept below `target`: a tree of objects that the root reaches, a tenth of them rewritten once.

mod commits;
mod sample;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use zeolith_core::ids::Tid;
use zeolith_net::offline::{Offline, Pack};
use zeolith_tests::python::Script;
use zeolith_tests::server::Home;

/// Packs of which the median is told.
const TIMES: usize = 3;
/// The word that makes the bench pack one file and tell its figures.
const CHILD: &str = "pack-one-file";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == CHILD) {
        return pack(Path::new(&arguments[at + 1]), arguments[at + 2] == "gc");
    }
    // cargo hands --bench to every bench.
    let objects = arguments.iter().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let made = sample::file(objects);
    let bytes = fs::metadata(&made).expect("the file").len();
    println!("{objects} objects, a tenth of them rewritten once; {} MB of log", bytes / 1_000_000);
    for how in ["all", "gc"] {
        let ours = median(&made, |path| child(path, how));
        let theirs = median(&made, |path| {
            let script = Script::new("pack_times.py").arg(path).arg(how).limit(Duration::from_secs(600));
            Figures::read(&script.run())
        });
        println!("{}", if how == "gc" { "with garbage collection" } else { "without" });
        for (who, figures) in [("Zeolith", &ours), ("Python", &theirs)] {
            let each = figures.kilobytes as f64 * 1024.0 / objects as f64;
            println!("  {who:10} {:>8.2} s  {each:>6.1} bytes of memory an object", figures.seconds);
        }
        println!("  {:.1} times as fast", theirs.seconds / ours.seconds);
    }
    commits::measure(&made);
}

/// What one pack took.
#[derive(Clone, Copy, Debug)]
struct Figures {
    seconds: f64,
    /// More than before at the most.
    kilobytes: u64,
}

impl Figures {
    fn read(printed: &str) -> Figures {
        let word = |name: &str| printed.split_whitespace().find_map(|word| word.strip_prefix(name));
        let seconds = word("seconds=").and_then(|word| word.parse().ok());
        let kilobytes = word("kilobytes=").and_then(|word| word.parse().ok());
        Figures { seconds: seconds.expect("seconds"), kilobytes: kilobytes.expect("kilobytes") }
    }
}

/// The median over packs of fresh copies.
fn median(made: &Path, run: impl Fn(&Path) -> Figures) -> Figures {
    let mut runs: Vec<Figures> = (0..TIMES)
        .map(|_| {
            let home = Home::new();
            let copy = home.path("Data.fs");
            fs::copy(made, &copy).expect("a disk with room");
            run(&copy)
        })
        .collect();
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    runs[TIMES / 2]
}

fn child(path: &Path, how: &str) -> Figures {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).arg(CHILD).arg(path).arg(how).output().expect("this program runs");
    assert!(output.status.success(), "{output:?}");
    Figures::read(&String::from_utf8_lossy(&output.stdout))
}

fn pack(path: &Path, gc: bool) {
    let mut storage = Offline::open(path, false).expect("the file");
    // What the opening took is not the pack's.
    fs::write("/proc/self/clear_refs", "5").expect("it runs on Linux");
    let before = memory("VmRSS:");
    let begun = Instant::now();
    let outcome = storage.pack(Tid::LAST, gc, true).expect("a sound file");
    let seconds = begun.elapsed().as_secs_f64();
    assert!(matches!(outcome, Pack::Done { .. }), "{outcome:?}");
    println!("seconds={seconds:.3} kilobytes={}", memory("VmHWM:").saturating_sub(before));
}

/// A number of kilobytes that Linux tells of this process.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("it runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a line of memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
