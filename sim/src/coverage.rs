//! What runs have reached: marks beside subtle branches of the machines, and states of the whole protocol.
//!
//! A committed list says what a campaign is known to reach. A place is in it when many runs of one campaign reach it, so
//! that another campaign of that size misses it by chance never, and one that misses it has lost something: a branch
//! that cannot be taken any more, or a world that became tame.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeolith_core::mark::Mark;

/// Runs of a campaign that reach a place before it is in the list.
pub const RUNS: u64 = 20;

/// How far all machines of a world are together, clients of the same stage not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(u32);

/// What one place of a [`State`] is called, by its value.
const SERVER: [&str; 4] = ["down", "opening", "up", "up with finishes on their way"];
const DISK: [&str; 4] = ["idle", "asked", "busy", "busy and asked"];
const CLIENTS: [&str; 4] = ["no client", "a client", "two clients", "clients"];

impl State {
    /// The state of a server, a disk (both by their place in the tables above) and clients by the number of their
    /// stage, below ten.
    pub(crate) fn new(server: usize, disk: usize, stages: impl Iterator<Item = usize>) -> State {
        let mut state = server as u32 | (disk as u32) << 2;
        for stage in stages {
            let shift = 4 + 2 * stage as u32;
            if state >> shift & 3 < 3 {
                state += 1 << shift;
            }
        }
        State(state)
    }

    /// What it is called, with the names of the clients' stages.
    fn name(self, stages: &[&str]) -> String {
        let part = |shift: usize| (self.0 >> shift & 3) as usize;
        let mut name = format!("server {}, disk {}", SERVER[part(0)], DISK[part(2)]);
        for (at, stage) in stages.iter().enumerate() {
            let number = part(4 + 2 * at);
            if number > 0 {
                name += &format!(", {} {stage}", CLIENTS[number]);
            }
        }
        name
    }
}

/// What one run reached.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// Marks, by name.
    pub marks: Vec<(Mark, u64)>,
    /// States.
    pub states: BTreeSet<State>,
}

/// What a campaign reached, with the number of runs that did.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    marks: BTreeMap<Mark, u64>,
    states: BTreeMap<State, u64>,
}

impl Coverage {
    /// Takes in another run.
    pub fn add(&mut self, reached: &Reached) {
        for &(mark, _) in &reached.marks {
            *self.marks.entry(mark).or_default() += 1;
        }
        for &state in &reached.states {
            *self.states.entry(state).or_default() += 1;
        }
    }

    /// Takes in what another part of the campaign reached.
    pub fn merge(&mut self, other: Coverage) {
        for (mark, runs) in other.marks {
            *self.marks.entry(mark).or_default() += runs;
        }
        for (state, runs) in other.states {
            *self.states.entry(state).or_default() += runs;
        }
    }

    /// Marks reached at all.
    pub fn marks(&self) -> usize {
        self.marks.len()
    }

    /// States reached at all.
    pub fn states(&self) -> usize {
        self.states.len()
    }

    /// The list of a campaign over this many seeds.
    pub fn list(&self, seeds: u64) -> List {
        let marks = self.marks.iter().filter(|&(_, &runs)| runs >= RUNS);
        let states = self.states.iter().filter(|&(_, &runs)| runs >= RUNS);
        List {
            seeds,
            marks: marks.map(|(mark, _)| (mark.name.to_owned(), mark.file.replace('\\', "/"))).collect(),
            states: states.map(|(state, _)| state.name(crate::world::STAGES)).collect(),
        }
    }

    /// What the list has and this campaign did not reach at all, each with where it was.
    pub fn lost(&self, list: &List) -> Vec<String> {
        let marks: BTreeSet<&str> = self.marks.keys().map(|mark| mark.name).collect();
        let states: BTreeSet<String> =
            self.states.keys().map(|state| state.name(crate::world::STAGES)).collect();
        let marks = list.marks.iter().filter(|(name, _)| !marks.contains(name.as_str()));
        let states = list.states.iter().filter(|&name| !states.contains(name));
        let marks = marks.map(|(name, file)| format!("mark '{name}', which was in {file}"));
        marks.chain(states.map(|name| format!("state '{name}'"))).collect()
    }
}

/// The committed list: lines `mark NAME (FILE)` and `state NAME` below the number of seeds they took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Seeds of the campaign; one over fewer is not compared.
    pub seeds: u64,
    marks: BTreeMap<String, String>,
    states: BTreeSet<String>,
}

/// A line of a list that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0}: expected 'seeds N', 'mark NAME (FILE)' or 'state NAME'")]
pub struct ListError(pub usize);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What a campaign over so many seeds reaches, each in at least {RUNS} runs. Losing one fails."
        )?;
        writeln!(f, "# Written by: zeolith sim run --bless")?;
        writeln!(f, "seeds {}", self.seeds)?;
        self.marks.iter().try_for_each(|(name, file)| writeln!(f, "mark {name} ({file})"))?;
        self.states.iter().try_for_each(|name| writeln!(f, "state {name}"))
    }
}

impl std::str::FromStr for List {
    type Err = ListError;

    fn from_str(text: &str) -> Result<List, ListError> {
        let mut list = List::default();
        for (at, line) in text.lines().map(str::trim).enumerate() {
            list.read(line).ok_or(ListError(at + 1))?;
        }
        Ok(list)
    }
}

impl List {
    fn read(&mut self, line: &str) -> Option<()> {
        if let Some(mark) = line.strip_prefix("mark ") {
            let (name, file) = mark.strip_suffix(')')?.rsplit_once(" (")?;
            self.marks.insert(name.to_owned(), file.to_owned());
        } else if let Some(name) = line.strip_prefix("state ") {
            self.states.insert(name.to_owned());
        } else if let Some(seeds) = line.strip_prefix("seeds ") {
            self.seeds = seeds.parse().ok()?;
        } else if !line.is_empty() && !line.starts_with('#') {
            return None;
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
