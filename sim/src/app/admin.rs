//! What administrators and their tools do: undo, delete, restore, iterate, look at what was, and fill caches.

use super::notes::{Iterated, Notes, Scene};
use super::questions::{Iteration, Purpose, Questions};
use super::txns::Txns;
use super::work;
use crate::history::Alters;
use crate::ledger::Attempt;
use zeolith_core::client::{Call, Operation};
use zeolith_core::ids::Tid;
use zeolith_core::rng::Rng;

/// Iterations that one application has open at most.
const ITERATIONS: usize = 3;
/// Prefetches that are asked for in one go at most.
const STORM: u64 = 40;

/// Any of these.
fn pick<T: Copy>(all: &[T], rng: &mut Rng) -> Option<T> {
    all.get(rng.below(all.len().max(1) as u64) as usize).copied()
}

/// Undoes a transaction, of which an older one is more likely to be refused; false when it knows of none.
pub(super) fn undo(scene: &mut Scene<'_>, questions: &mut Questions, txns: &mut Txns, rng: &mut Rng) -> bool {
    let newest = txns.undoable.last().copied().filter(|_| rng.chance(2, 3));
    let Some(tid) = newest.or_else(|| pick(&txns.undoable, rng)) else { return false };
    txns.alter(scene, questions, Alters::Undo(tid), vec![Operation::Undo(tid)], None)
}

/// Asks for a pack: to now, to a transaction that it came across, or to a time that is still to come.
pub(super) fn pack(scene: &mut Scene<'_>, questions: &mut Questions, txns: &Txns, now: Tid, rng: &mut Rng) {
    let known = pick(&txns.known, rng).map_or(now, |(_, tid)| tid);
    let time = match rng.below(6) {
        0..3 => now.time(),
        3 | 4 => known.time(),
        _ => now.time() + 3_600.0,
    };
    let stop = Tid::of_time(time).expect("a time of this century");
    let at = scene.notes.place();
    scene.notes.history.packs.push((at, stop));
    questions.ask(scene, Call::Pack { time }, Purpose::Look, None);
}

/// An administrator's tools.
#[derive(Debug, Default)]
pub(super) struct Admin {
    iterations: Vec<Iteration>,
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
        let known = pick(&txns.known, rng).map_or_else(|| work::any(rng), |(oid, _)| oid);
        let call = match rng.below(14) {
            0..4 => return undo(scene, questions, txns, rng),
            4 | 5 => {
                // One of its own, as it left it, or a node of the graph, as it was when it came across it.
                let nodes: Vec<_> =
                    txns.known.iter().copied().filter(|(oid, _)| work::is_node(*oid)).collect();
                let all = if rng.chance(1, 3) { &txns.own } else { &nodes };
                let Some((oid, serial)) = pick(all, rng) else { return false };
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
            Some(iteration) if rng.chance(1, 4) => {
                self.iterations.remove(0);
                questions.ask(scene, Call::IterateEnd(iteration.id), Purpose::Look, None);
            }
            _ if self.iterations.len() >= ITERATIONS => return false,
            _ => {
                let last = scene.machine.last_tid();
                let start = last.filter(|_| rng.chance(1, 3));
                let behind = start.map_or(Tid::ZERO, |start| Tid(start.0.saturating_sub(1)));
                let purpose = Purpose::Iterate { behind, known: last.unwrap_or(Tid::ZERO) };
                questions.ask(scene, Call::Iterate { start, stop: None }, purpose, None);
            }
        }
        true
    }

    /// The oldest iteration goes on; whether there is one.
    pub(super) fn go_on(&mut self, scene: &mut Scene<'_>, questions: &mut Questions) -> bool {
        let Some(iteration) = self.iterations.first().copied() else { return false };
        self.iterations.remove(0);
        questions.ask(scene, Call::IterateNext(iteration.id), Purpose::Next(iteration), None);
        true
    }

    /// An iteration goes on when its time comes.
    pub(super) fn keep(&mut self, iteration: Iteration) {
        self.iterations.push(iteration);
    }

    /// An iteration gave its next transaction, or has come to its end.
    pub(super) fn iterated(&mut self, notes: &mut Notes, iteration: Iteration, tid: Option<Tid>) {
        let Iteration { behind, known, is_whole, .. } = iteration;
        if is_whole {
            notes.iterated.push(Iterated { behind, known, tid });
        }
        if let Some(behind) = tid {
            self.keep(Iteration { behind, ..iteration });
        }
    }

    /// Gives up the iterations that are open; whether there are any.
    pub(super) fn rest(&mut self, scene: &mut Scene<'_>, questions: &mut Questions) -> bool {
        let all = std::mem::take(&mut self.iterations);
        for iteration in &all {
            questions.ask(scene, Call::IterateEnd(iteration.id), Purpose::Look, None);
        }
        !all.is_empty()
    }

    /// Its program ends.
    pub(super) fn clear(&mut self) {
        self.iterations.clear();
    }
}
