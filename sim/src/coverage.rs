//! What runs have reached: marks beside subtle branches of the machines, and states of the whole protocol.
//!
//! A committed list says what a campaign is known to reach, and in how many runs. A place is in it when many runs of one
//! campaign reach it, so that chance never makes a tenth of that in another campaign of that size, and one that falls so
//! low has lost something: a branch that can hardly be taken any more, or a world that became tame.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeolith_core::mark::Mark;

/// Runs of a campaign that reach a place before it is in the list.
pub const RUNS: u64 = 20;

/// The part of its runs below which a place is lost, as a divisor.
const TENTH: u128 = 10;

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
            marks: marks
                .map(|(mark, &runs)| (mark.name.to_owned(), (runs, mark.file.replace('\\', "/"))))
                .collect(),
            states: states.map(|(state, &runs)| (state.name(crate::world::STAGES), runs)).collect(),
        }
    }

    /// What the list has and this campaign over so many seeds lost: less than a tenth of the runs that were to reach it
    /// did.
    pub fn lost(&self, seeds: u64, list: &List) -> Vec<String> {
        let marks: BTreeMap<&str, u64> = self.marks.iter().map(|(mark, &runs)| (mark.name, runs)).collect();
        let states: BTreeMap<String, u64> =
            self.states.iter().map(|(state, &runs)| (state.name(crate::world::STAGES), runs)).collect();
        let lost = |known: u64, runs: Option<&u64>| {
            let runs = runs.copied().unwrap_or_default();
            let expected = u128::from(known) * u128::from(seeds) / u128::from(list.seeds.max(1));
            (u128::from(runs) * TENTH < expected)
                .then(|| format!("reached by {runs} runs where {expected} were to"))
        };
        let marks = list.marks.iter().filter_map(|(name, (known, file))| {
            let lost = lost(*known, marks.get(name.as_str()))?;
            Some(format!("mark '{name}' in {file}, {lost}"))
        });
        let states = list.states.iter().filter_map(|(name, known)| {
            let lost = lost(*known, states.get(name))?;
            Some(format!("state '{name}', {lost}"))
        });
        marks.chain(states).collect()
    }
}

/// The committed list: lines `mark RUNS NAME (FILE)` and `state RUNS NAME` below the number of seeds they took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Seeds of the campaign; one over fewer is not compared.
    pub seeds: u64,
    /// By name: runs and file.
    marks: BTreeMap<String, (u64, String)>,
    states: BTreeMap<String, u64>,
}

/// A line of a list that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0}: expected 'seeds N', 'mark RUNS NAME (FILE)' or 'state RUNS NAME'")]
pub struct ListError(pub usize);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What a campaign over so many seeds reaches, each with the number of runs that do: at least {RUNS}. A campaign"
        )?;
        writeln!(f, "# in which it falls below a tenth of that fails. Written by: zeolith sim run --bless")?;
        writeln!(f, "seeds {}", self.seeds)?;
        let mut marks = self.marks.iter();
        marks.try_for_each(|(name, (runs, file))| writeln!(f, "mark {runs} {name} ({file})"))?;
        self.states.iter().try_for_each(|(name, runs)| writeln!(f, "state {runs} {name}"))
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
            let (runs, mark) = mark.split_once(' ')?;
            let (name, file) = mark.strip_suffix(')')?.rsplit_once(" (")?;
            self.marks.insert(name.to_owned(), (runs.parse().ok()?, file.to_owned()));
        } else if let Some(state) = line.strip_prefix("state ") {
            let (runs, name) = state.split_once(' ')?;
            self.states.insert(name.to_owned(), runs.parse().ok()?);
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
