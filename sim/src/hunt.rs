//! Looking for a planted bug: whether a seed finds it, and how short its history gets.

use crate::bug::Bug;
use crate::checkers::Violation;
use crate::options::Asked;
use crate::run::{Outcome, run};
use crate::shrink::{Shrunk, shrink};
use std::ops::Range;
use zeolith_core::rng::Seed;

/// A planted bug must be found within this many seeds.
pub const FOUND_WITHIN: u64 = 2_000;
/// What is to be left of its history at most.
pub const SHRUNK_TO: usize = 30;

/// Histories that are shrunk at most, to find a short one: where one has no way to get shorter, another has.
const SHRUNK: usize = 8;

/// A bug that was found.
#[derive(Clone, Debug)]
pub struct Hunted {
    /// The first seed in which the checker of its promise found it.
    pub seed: u64,
    /// What that seed broke.
    pub broken: Violation,
    /// The seed whose history is shown.
    pub shown: u64,
    /// Its events before it was shrunk.
    pub before: usize,
    /// What is left of it.
    pub shrunk: Shrunk,
}

/// Runs seeds until the checker of the bug's promise finds it in one, and on until a history is shrunk to this many events; `None` when none finds it.
///
/// The shortest of the first eight is given when none gets that short.
pub fn hunt(bug: Bug, seeds: Range<u64>, events: usize) -> Option<Hunted> {
    let asked = Asked { bug: Some(bug), ..Asked::default() };
    let mut best: Option<Hunted> = None;
    let runs = seeds.map(|seed| (seed, run(Seed(seed), asked)));
    // What it does may break other promises before: the checker that is meant to see it has to.
    let meant = |outcome: &Outcome| outcome.broken().is_some_and(|broken| broken.promise == bug.promise());
    for (shown, outcome) in runs.filter(|(_, outcome)| meant(outcome)).take(SHRUNK) {
        let broken = outcome.broken().expect("it broke something");
        let Some(shrunk) = shrink(outcome.setup, &outcome.events, broken) else { continue };
        let first = best.as_ref().map_or((shown, broken.clone()), |best| (best.seed, best.broken.clone()));
        if first.1.is_like(broken)
            && best.as_ref().is_none_or(|best| shrunk.outcome.events.len() < best.shrunk.outcome.events.len())
        {
            let (seed, broken) = first;
            best = Some(Hunted { seed, broken, shown, before: outcome.events.len(), shrunk });
        }
        if best.as_ref().is_some_and(|best| best.shrunk.outcome.events.len() <= events) {
            break;
        }
    }
    best
}
