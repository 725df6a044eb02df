//! What happened in a run: a hash over everything, and the last lines for people.

use std::collections::VecDeque;
use std::fmt::{self, Display};
use xxhash_rust::xxh3::Xxh3Default;

/// Lines kept.
const LINES: usize = 60;

/// The trace of one run.
#[derive(Default)]
pub struct Trace {
    sum: Xxh3Default,
    /// Events so far.
    pub events: u64,
    lines: VecDeque<String>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} events, {:#018x})", self.events, self.hash())
    }
}

impl Trace {
    /// An event happens.
    pub fn event(&mut self, event: &impl Display) {
        self.events += 1;
        let line = format!("{} {event}", self.events);
        self.line(line);
    }

    /// Something followed from it.
    pub fn note(&mut self, what: &impl Display) {
        let line = format!("    {what}");
        self.line(line);
    }

    fn line(&mut self, line: String) {
        self.sum.update(line.as_bytes());
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The same for equal runs, in every process and build.
    pub fn hash(&self) -> u64 {
        self.sum.digest()
    }

    /// The last lines.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}
