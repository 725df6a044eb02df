//! What happened in a run: a sum over everything, event by event, and the last lines for people.

use std::collections::VecDeque;
use std::fmt::{self, Display, Write};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Lines kept, unless all are.
const LINES: usize = 60;

/// The trace of one run.
#[derive(Default)]
pub struct Trace {
    sum: u64,
    sums: Vec<u64>,
    lines: VecDeque<String>,
    keep_all: bool,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} events, {:#018x})", self.sums.len(), self.hash())
    }
}

impl Trace {
    /// Keeps every line from now on, for whoever takes them.
    pub fn keep_all(&mut self) {
        self.keep_all = true;
    }

    /// An event happens.
    pub fn event(&mut self, event: &impl Display) {
        self.sums.push(self.sum);
        let number = self.sums.len();
        self.line(format_args!("{number} {event}"));
    }

    /// An event sets off another that might have come by itself.
    pub fn step(&mut self, event: &impl Display) {
        self.line(format_args!("  {event}"));
    }

    /// Something followed from it.
    pub fn note(&mut self, what: &impl Display) {
        self.line(format_args!("    {what}"));
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        let full = !self.keep_all && self.lines.len() >= LINES;
        let mut line = if full { self.lines.pop_front().unwrap_or_default() } else { String::new() };
        line.clear();
        line.write_fmt(text).expect("a string takes all");
        self.sum = xxh3_64_with_seed(line.as_bytes(), self.sum);
        self.lines.push_back(line);
    }

    /// The same for equal runs, in every process and build.
    pub fn hash(&self) -> u64 {
        self.sum
    }

    /// The sum over everything before each event, and last the one over all: two runs part in the event before the
    /// first difference.
    pub fn into_sums(mut self) -> Vec<u64> {
        self.sums.push(self.sum);
        self.sums
    }

    /// The lines since they were last taken, as far as they are kept.
    pub fn take_lines(&mut self) -> impl Iterator<Item = String> + '_ {
        self.lines.drain(..)
    }

    /// The last lines.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for line in self.lines.iter().skip(self.lines.len().saturating_sub(LINES)) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}
