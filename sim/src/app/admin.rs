//! What administrators and their tools do: undo, delete, restore, iterate, look at what was, and fill caches.

use super::notes::Scene;
use super::questions::{Purpose, Questions};
use super::txns::Txns;
use super::work;
use crate::history::Alters;
use crate::ledger::Attempt;
use zeolith_core::client::{Call, IterationId, Operation};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Rng;

/// Iterations that one application has open at most.
const ITERATIONS: usize = 3;
/// Prefetches that are asked for in one go at most.
const STORM: u64 = 40;

/// An administrator's tools.
#[derive(Debug, Default)]
pub(super) struct Admin {
    iterations: Vec<IterationId>,
}

impl Admin {
    /// Takes a step, as the dice fall; whether it did anything.
    pub(super) fn act(
        &mut self,
        scene: &mut Scene<'_>,
        questions: &mut Questions,
        txns: &mut Txns,
        (attempt, now): (Attempt, Tid),
        rng: &mut Rng,
    ) -> bool {
        let pick =
            |all: &[(Oid, Tid)], rng: &mut Rng| all.get(rng.below(all.len().max(1) as u64) as usize).copied();
        let known = pick(&txns.known, rng).map_or_else(|| work::any(rng), |(oid, _)| oid);
        let call = match rng.below(14) {
            0..4 => {
                let undoable = &txns.undoable;
                let Some(&tid) = undoable.get(rng.below(undoable.len().max(1) as u64) as usize) else {
                    return false;
                };
                return txns.alter(scene, questions, Alters::Undo(tid), vec![Operation::Undo(tid)], None);
            }
            4 | 5 => {
                let Some((oid, serial)) = pick(&txns.own, rng) else { return false };
                txns.own.retain(|(other, _)| *other != oid);
                let delete = vec![Operation::Delete { oid, serial }];
                return txns.alter(scene, questions, Alters::Delete, delete, None);
            }
            6 | 7 => {
                let restore = |n: u64, data| Operation::Restore {
                    oid: work::own(attempt, n),
                    serial: now,
                    data,
                    same_as: None,
                };
                let state = |n: u64| work::state(attempt, work::own(attempt, n), n, 0);
                let all = (0..1 + rng.below(3)).map(|n| restore(n, (n < 2).then(|| state(n)))).collect();
                return txns.alter(scene, questions, Alters::Restore, all, Some(now));
            }
            8 | 9 => return self.iterate(scene, questions, rng),
            10 => {
                let before = scene.machine.last_tid().map_or(Tid::MAX, Tid::next);
                for _ in 0..1 + rng.below(STORM) {
                    let own = txns.own.iter().map(|(oid, _)| *oid);
                    let oids = work::all().into_iter().chain(own).collect();
                    let before = if rng.chance(1, 4) { Tid::MAX } else { before };
                    questions.ask(scene, Call::Prefetch { oids, before }, Purpose::Look, None);
                }
                return true;
            }
            11 => Call::History { oid: known, count: 1 + rng.below(5) as u32 },
            12 => Call::UndoLog { first: 0, last: 1 + rng.below(10) as u32 },
            _ => Call::NextRecord { oid: rng.chance(1, 2).then_some(known) },
        };
        questions.ask(scene, call, Purpose::Look, None);
        true
    }

    fn iterate(&mut self, scene: &mut Scene<'_>, questions: &mut Questions, rng: &mut Rng) -> bool {
        match self.iterations.first().copied() {
            Some(id) if rng.chance(1, 3) => {
                self.iterations.remove(0);
                questions.ask(scene, Call::IterateEnd(id), Purpose::Look, None);
            }
            Some(id) if rng.chance(4, 5) => {
                self.iterations.remove(0);
                questions.ask(scene, Call::IterateNext(id), Purpose::Next(id), None);
            }
            _ if self.iterations.len() >= ITERATIONS => return false,
            _ => {
                let start = scene.machine.last_tid().filter(|_| rng.chance(1, 3));
                questions.ask(scene, Call::Iterate { start, stop: None }, Purpose::Iterate, None);
            }
        }
        true
    }

    /// An iteration goes on when its time comes.
    pub(super) fn keep(&mut self, id: IterationId) {
        self.iterations.push(id);
    }

    /// Gives up the iterations that are open; whether there are any.
    pub(super) fn rest(&mut self, scene: &mut Scene<'_>, questions: &mut Questions) -> bool {
        let all = std::mem::take(&mut self.iterations);
        for &id in &all {
            questions.ask(scene, Call::IterateEnd(id), Purpose::Look, None);
        }
        !all.is_empty()
    }

    /// Its program ends.
    pub(super) fn clear(&mut self) {
        self.iterations.clear();
    }
}
