//! Many seeds, one after the other and on several threads, until one fails or the time is over.

use crate::checkers::{Kind, Violation};
use crate::coverage::Coverage;
use crate::options::Asked;
use crate::run::{Outcome, run};
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;
use zeolith_core::rng::Seed;

/// Every so many seeds one is run twice, so that chance from elsewhere is noticed though nothing fails.
const TWICE: u64 = 50;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seeds.
    pub seeds: Range<u64>,
    /// When to stop although there are more seeds.
    pub time: Option<Duration>,
    /// What is asked of each.
    pub asked: Asked,
    /// Threads, at least one.
    pub jobs: usize,
}

/// What a campaign has done so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Seeds run.
    pub seeds: u64,
    /// Events that did something, those included that others set off; of a seed that is run twice they count once.
    pub events: u64,
    /// Transactions in the logs at the ends.
    pub transactions: u64,
    /// The sum of all runs' hashes, whatever the order they ran in.
    pub hash: u64,
    /// What was reached.
    pub coverage: Coverage,
    /// What failed: of several the first seed.
    pub failure: Option<Failure>,
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Its first run.
    pub outcome: Outcome,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A promise is broken, and so it is in a second run, event by event.
    Broken(Violation),
    /// Two runs are not the same: from this event on, counted from 0.
    Nondeterminism {
        /// The first event in which they differ.
        event: usize,
    },
}

impl Fault {
    /// In which way it is wrong; `None` for nondeterminism.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Fault::Broken(violation) => Some(violation.kind),
            Fault::Nondeterminism { .. } => None,
        }
    }
}

/// Runs a seed; one that fails is run again, and both runs are compared.
pub fn run_seed(seed: u64, asked: Asked) -> (Outcome, Option<Fault>) {
    let outcome = run(Seed(seed), asked);
    let fault = match outcome.broken() {
        None if !seed.is_multiple_of(TWICE) => None,
        broken => match outcome.parts_from(&run(Seed(seed), asked)) {
            Some(event) => Some(Fault::Nondeterminism { event }),
            None => broken.cloned().map(Fault::Broken),
        },
    };
    (outcome, fault)
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: Outcome, fault: Option<Fault>) {
        self.seeds += 1;
        self.events += outcome.moved;
        self.transactions += outcome.transactions as u64;
        let run = [seed.to_le_bytes(), outcome.hash().to_le_bytes()].concat();
        self.hash = self.hash.wrapping_add(xxh3_64(&run));
        self.coverage.add(&outcome.reached);
        if let Some(fault) = fault {
            self.fail(Failure { seed, outcome, fault });
        }
    }

    fn fail(&mut self, failure: Failure) {
        if self.failure.as_ref().is_none_or(|first| failure.seed < first.seed) {
            self.failure = Some(failure);
        }
    }

    fn merge(&mut self, other: Tally) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.transactions += other.transactions;
        self.hash = self.hash.wrapping_add(other.hash);
        self.coverage.merge(other.coverage);
        if let Some(failure) = other.failure {
            self.fail(failure);
        }
    }
}

/// What the threads of a campaign share.
struct Shared {
    next: u64,
    tally: Tally,
}

/// Runs a campaign. `progress` sees what was done so far, once in a while.
///
/// It stops at the first seed that fails. Which that is does not depend on the number of threads: seeds are handed out in
/// order, and those before it are finished.
pub fn campaign(plan: &Plan, progress: impl FnMut(&Tally) + Send) -> Tally {
    let start = Instant::now();
    let over = || plan.time.is_some_and(|time| start.elapsed() >= time);
    let shared = Mutex::new((Shared { next: plan.seeds.start, tally: Tally::default() }, progress));
    let lock = || shared.lock().expect("no thread panics with it: runs that panic are watched");
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                let mut own = Tally::default();
                loop {
                    let mut guard = lock();
                    let (all, progress) = &mut *guard;
                    if own.seeds > 0 {
                        all.tally.merge(std::mem::take(&mut own));
                        progress(&all.tally);
                    }
                    let from = all.next;
                    if from >= plan.seeds.end || all.tally.failure.is_some() || over() {
                        break;
                    }
                    // Enough to be rarely here, few enough to be asked for progress.
                    let to = plan.seeds.end.min(from.saturating_add(64));
                    all.next = to;
                    drop(guard);
                    for seed in from..to {
                        let (outcome, fault) = run_seed(seed, plan.asked);
                        let failed = fault.is_some();
                        own.add(seed, outcome, fault);
                        if failed {
                            break;
                        }
                    }
                }
            });
        }
    });
    shared.into_inner().expect("no thread panicked").0.tally
}

#[cfg(test)]
#[path = "campaign_tests.rs"]
mod tests;
