//! A store of changes over another one that is never written, as ZODB's DemoStorage has it.
//!
//! An object is as the changes have it, and as the base has it while they have nothing. Its revisions in the changes
//! follow those in the base: the base ends where the changes begin. A deletion in the changes hides what is in the base;
//! undoing the first change of an object brings it back, as a new revision.
//!
//! Figures, undo, the undo log and packs are about the changes alone. Which revision of an object came first in them is not
//! certain after a pack, so none of the base's is told then whose end that would be.

use crate::ids::{Oid, Tid};
use crate::store::disk::{DiskDone, DiskOp};
use crate::store::file::pack::Packed;
use crate::store::layer::{Nest, Part, Stage, Step};
use crate::store::memory;
use crate::store::revision::Pasts;
use crate::store::{
    Current, First, Outbox, Past, Place, Revision, SoFar, Store, StoreDone, StoreError, StoreOp, Transaction,
    UndoTarget, Undone,
};

/// Two stores, one over the other.
#[derive(Debug)]
pub struct Demo<C> {
    base: Layer<C>,
    changes: Layer<C>,
    /// The oids up to this one are left to the base.
    left: Oid,
}

/// One of them with what it has put out.
#[derive(Debug)]
struct Layer<C> {
    store: Store<C>,
    out: Outbox<C>,
}

impl<C: Nest> Layer<C> {
    fn new(store: Store<C>) -> Layer<C> {
        Layer { store, out: Outbox::default() }
    }

    fn ask(&mut self, op: StoreOp<C>) {
        self.store.ask(op, &mut self.out);
    }
}

impl<C: Nest> Demo<C> {
    /// Puts `changes` over `base`.
    ///
    /// What the changes create is to get its oids far away from those of the base, which may grow under them from one start
    /// to the next, and away from those of changes that were given up, which clients may still have in their caches. So
    /// unless the changes have objects of their own, which are gone on from, none gets an oid up to `left`.
    pub fn new(base: Store<C>, changes: Store<C>, left: Oid) -> Demo<C> {
        let left = if changes.max_oid() > base.max_oid() { Oid::ZERO } else { left };
        Demo { base: Layer::new(base), changes: Layer::new(changes), left }
    }

    /// What is underneath.
    pub fn base(&self) -> &Store<C> {
        &self.base.store
    }

    /// What came since.
    pub fn changes(&self) -> &Store<C> {
        &self.changes.store
    }

    /// Starts an operation; the answer may be there already when this returns.
    pub fn ask(&mut self, op: StoreOp<C>, out: &mut Outbox<C>) {
        match op {
            StoreOp::LoadBefore { context, oid, before } => self.load(context, oid, before),
            StoreOp::LoadSerial { context, oid, serial } if self.is_changed(oid) => {
                let context = nest(context, Stage::SerialChanged(serial));
                self.changes.ask(StoreOp::LoadSerial { context, oid, serial });
            }
            StoreOp::LoadSerial { context, oid, serial } => {
                self.base.ask(StoreOp::LoadSerial { context: nest(context, Stage::Answer), oid, serial });
            }
            StoreOp::CurrentSerial { context, oid } => self.current(context, oid),
            StoreOp::First { context, oid } => {
                let layer = if self.base.store.contains(oid) { &mut self.base } else { &mut self.changes };
                layer.ask(StoreOp::First { context: nest(context, Stage::Answer), oid });
            }
            StoreOp::History { context, oid, count } => self.history(context, oid, count),
            StoreOp::NextTransaction { context, from, near } => self.next(context, from, near),
            StoreOp::NextRecord { context, left } => {
                let (part, left) = Part::of_left(left);
                self.layer(part).ask(StoreOp::NextRecord { context: nest(context, Stage::Answer), left });
            }
            StoreOp::Find { context, oid, serial, data } => {
                let context = nest(context, Stage::Answer);
                self.changes.ask(StoreOp::Find { context, oid, serial, data });
            }
            StoreOp::Targets { context, tid } => {
                self.changes.ask(StoreOp::Targets { context: nest(context, Stage::Answer), tid });
            }
            StoreOp::Undo { context, target, so_far } => {
                let context = nest(context, Stage::Undo(target));
                let target = UndoTarget { record: changed(target.record), ..target };
                let so_far = so_far.map(|so_far| match so_far {
                    SoFar::Back(place) => SoFar::Back(changed(place)),
                    other => other,
                });
                self.changes.ask(StoreOp::Undo { context, target, so_far });
            }
            StoreOp::Origin { context, oid, place } => {
                let (context, place) = (nest(context, Stage::Answer), changed(place));
                self.changes.ask(StoreOp::Origin { context, oid, place });
            }
            StoreOp::PreviousTransaction { context, before } => {
                let (context, before) = (nest(context, Stage::Answer), before.map(changed));
                self.changes.ask(StoreOp::PreviousTransaction { context, before });
            }
            StoreOp::Reserve { context, bytes } => {
                self.changes.ask(StoreOp::Reserve { context: nest(context, Stage::Answer), bytes });
            }
        }
        self.settle(out);
    }

    /// Appends transactions to the changes.
    pub fn append(&mut self, mut batch: Vec<Transaction>, out: &mut Outbox<C>) {
        for record in batch.iter_mut().flat_map(|transaction| &mut transaction.records) {
            record.same_as = record.same_as.map(changed);
        }
        self.changes.store.append(batch, &mut self.changes.out);
        self.settle(out);
    }

    /// Packs changes that are in memory. Objects of theirs may be reached from the base alone: what can be reached from the
    /// root counts only if all of it is in the changes.
    pub fn pack(&mut self, stop: Tid, gc: bool) -> Result<Option<memory::Packed>, memory::PackError> {
        use memory::PackError::{Missing, NoRoot};
        match self.changes.store.pack(stop, gc) {
            Err(Missing { .. } | NoRoot) => {
                mark!("changes are packed that refer to their base");
                self.changes.store.pack(stop, false)
            }
            packed => packed,
        }
    }

    /// Puts a packed log in the place of that of the changes.
    pub fn swap(&mut self, packed: Box<Packed>, keep_old: bool, out: &mut Outbox<C>) {
        self.changes.store.swap(packed, keep_old, &mut self.changes.out);
        self.settle(out);
    }

    /// Removes a packed log that is not to take the place of that of the changes.
    pub fn discard(&mut self, out: &mut Outbox<C>) {
        self.changes.store.discard(&mut self.changes.out);
        self.settle(out);
    }

    /// Gives back room that was reserved for a transaction which was aborted.
    pub fn release(&mut self, bytes: u64) {
        self.changes.store.release(bytes);
    }

    /// Takes the outcome of a disk operation.
    pub fn on_disk(&mut self, done: DiskDone<C>, out: &mut Outbox<C>) {
        let DiskDone::Of { part, done } = done else { unreachable!("only the parts ask the disk") };
        let layer = self.layer(part);
        layer.store.on_disk(*done, &mut layer.out);
        self.settle(out);
    }

    /// Saves what makes the next start of the changes fast; of the base there is nothing to save.
    pub fn close(&mut self, out: &mut Outbox<C>) {
        self.changes.store.close(&mut self.changes.out);
        self.settle(out);
    }

    /// The last transaction of both.
    pub fn last_tid(&self) -> Tid {
        self.base.store.last_tid().max(self.changes.store.last_tid())
    }

    /// The highest oid that no new object may get.
    pub fn max_oid(&self) -> Oid {
        self.base.store.max_oid().max(self.changes.store.max_oid()).max(self.left)
    }

    /// The first object of either at or behind `oid`, deleted ones included.
    pub fn first_from(&self, oid: Oid) -> Option<Oid> {
        let [base, changes] = [&self.base, &self.changes].map(|layer| layer.store.first_from(oid));
        base.into_iter().chain(changes).min()
    }

    /// Whether either has, or had, this object.
    pub fn contains(&self, oid: Oid) -> bool {
        self.is_changed(oid) || self.base.store.contains(oid)
    }

    fn is_changed(&self, oid: Oid) -> bool {
        self.changes.store.contains(oid)
    }

    fn layer(&mut self, part: Part) -> &mut Layer<C> {
        match part {
            Part::Base => &mut self.base,
            Part::Changes => &mut self.changes,
        }
    }

    fn load(&mut self, context: C, oid: Oid, before: Tid) {
        if self.is_changed(oid) {
            let context = nest(context, Stage::LoadChanged(before));
            self.changes.ask(StoreOp::LoadBefore { context, oid, before });
        } else {
            let context = nest(context, Stage::LoadUnchanged(before));
            self.base.ask(StoreOp::LoadBefore { context, oid, before });
        }
    }

    fn current(&mut self, context: C, oid: Oid) {
        if self.is_changed(oid) {
            self.changes.ask(StoreOp::CurrentSerial { context: nest(context, Stage::Answer), oid });
        } else {
            self.base.ask(StoreOp::CurrentSerial { context: nest(context, Stage::SerialUnchanged), oid });
        }
    }

    fn history(&mut self, context: C, oid: Oid, count: usize) {
        if self.is_changed(oid) {
            let context = nest(context, Stage::HistoryChanged(count));
            self.changes.ask(StoreOp::History { context, oid, count });
        } else {
            let context = nest(context, Stage::HistoryUnchanged(count));
            self.base.ask(StoreOp::History { context, oid, count });
        }
    }

    /// The base's transactions come before those of the changes.
    fn next(&mut self, context: C, from: Tid, near: Option<Place>) {
        let near = near.map(Part::of);
        if from <= self.base.store.last_tid() {
            let near = near.filter(|(part, _)| *part == Part::Base).map(|(_, near)| near);
            let context = nest(context, Stage::Next(from));
            self.base.ask(StoreOp::NextTransaction { context, from, near });
        } else {
            let near = near.filter(|(part, _)| *part == Part::Changes).map(|(_, near)| near);
            let context = nest(context, Stage::Answer);
            self.changes.ask(StoreOp::NextTransaction { context, from, near });
        }
    }

    /// Passes on what the parts put out, until they are quiet.
    fn settle(&mut self, out: &mut Outbox<C>) {
        loop {
            for part in [Part::Base, Part::Changes] {
                let ops = self.layer(part).out.disk.drain(..);
                out.disk.extend(ops.map(|op| DiskOp::Of { part, op: Box::new(op) }));
            }
            if let Some(done) = self.changes.out.done.pop_front() {
                self.on_done(Part::Changes, done, out);
            } else if let Some(done) = self.base.out.done.pop_front() {
                self.on_done(Part::Base, done, out);
            } else {
                return;
            }
        }
    }

    /// Takes a part's answer: gives it as that of the whole, or asks the other part.
    fn on_done(&mut self, part: Part, done: StoreDone<C>, out: &mut Outbox<C>) {
        let done = match done {
            StoreDone::Loaded { context, oid, result } => return self.on_loaded(context, oid, result, out),
            StoreDone::Data { context, oid, result } => {
                let Step { context, stage } = *context.unnest();
                if let (Stage::SerialChanged(serial), Err(StoreError::NoObject(_))) = (stage, &result) {
                    let context = nest(context, Stage::Answer);
                    return self.base.ask(StoreOp::LoadSerial { context, oid, serial });
                }
                StoreDone::Data { context, oid, result }
            }
            StoreDone::Serial { context, oid, result } => return self.on_serial(context, oid, result, out),
            StoreDone::First { context, oid, result } => return self.on_first(context, oid, result, out),
            StoreDone::History { context, oid, result } => return self.on_history(context, oid, result, out),
            StoreDone::Transaction { context, result } => {
                let Step { context, stage } = *context.unnest();
                if let (Stage::Next(from), Ok(None)) = (stage, &result) {
                    let context = nest(context, Stage::Answer);
                    return self.changes.ask(StoreOp::NextTransaction { context, from, near: None });
                }
                let result = result.map(|head| head.map(|head| part.head(head)));
                StoreDone::Transaction { context, result }
            }
            StoreDone::Record { context, result } => {
                let result = result.map(|found| found.map(|(record, left)| (record, part.left(left))));
                StoreDone::Record { context: answered(context), result }
            }
            StoreDone::Found { context, result } => {
                let result = result.map(|found| found.map(|place| part.place(place)));
                StoreDone::Found { context: answered(context), result }
            }
            StoreDone::Targets { context, result } => {
                let whole = |targets: Vec<_>| targets.into_iter().map(|target| part.target(target)).collect();
                StoreDone::Targets {
                    context: answered(context),
                    result: result.map(|found| found.map(whole)),
                }
            }
            StoreDone::Undone { context, result } => {
                let Step { context, stage } = *context.unnest();
                let Stage::Undo(UndoTarget { oid, .. }) = stage else {
                    unreachable!("an undo was asked for")
                };
                if let Ok(Ok(Undone::Gone)) = result {
                    let context = nest(context, Stage::Reinstate);
                    return self.base.ask(StoreOp::LoadBefore { context, oid, before: Tid::MAX });
                }
                let result = result.map(|outcome| {
                    outcome.map(|undone| match undone {
                        Undone::Back(place) => Undone::Back(part.place(place)),
                        other => other,
                    })
                });
                StoreDone::Undone { context, result }
            }
            StoreDone::Origin { context, oid, result } => {
                StoreDone::Origin { context: answered(context), oid, result }
            }
            StoreDone::Reserved { context, result } => {
                StoreDone::Reserved { context: answered(context), result }
            }
            told @ (StoreDone::Durable { .. }
            | StoreDone::Refused { .. }
            | StoreDone::Swapped { .. }
            | StoreDone::Closed { .. }) => told,
        };
        out.done.push_back(done);
    }

    fn on_loaded(
        &mut self,
        context: C,
        oid: Oid,
        result: Result<Option<Revision>, StoreError>,
        out: &mut Outbox<C>,
    ) {
        let Step { context, stage } = *context.unnest();
        let result = match (stage, result) {
            (Stage::LoadUnchanged(before), _) if self.is_changed(oid) => {
                mark!("an object of the base is changed while it is loaded");
                return self.load(context, oid, before);
            }
            (Stage::LoadChanged(before), Ok(None)) => {
                let context = nest(context, Stage::Border(before));
                return self.changes.ask(StoreOp::First { context, oid });
            }
            (Stage::UpTo(First { serial: first, packed: true }), Ok(Some(Revision { until, .. })))
                if until.is_none_or(|until| until > first) =>
            {
                mark!("the end of a revision of the base was packed away");
                Ok(None)
            }
            (Stage::UpTo(First { serial: first, .. }), Ok(Some(Revision { data, serial, until }))) => {
                mark!("a revision of the base ends where the changes begin");
                let until = Some(until.map_or(first, |until| until.min(first)));
                Ok(Some(Revision { data, serial, until }))
            }
            // Created in the changes, later than that.
            (Stage::UpTo(_), Err(StoreError::NoObject(_))) if !self.base.store.contains(oid) => Ok(None),
            (Stage::Reinstate, result) => {
                let undone = match result {
                    Ok(Some(Revision { data, serial, .. })) => Ok(Undone::State(serial, data)),
                    Ok(None) | Err(StoreError::NoObject(_)) => Ok(Undone::Gone),
                    Err(error) => Err(error),
                };
                return out.done.push_back(StoreDone::Undone { context, result: undone.map(Ok) });
            }
            (_, result) => result,
        };
        out.done.push_back(StoreDone::Loaded { context, oid, result });
    }

    fn on_serial(&mut self, context: C, oid: Oid, result: Result<Current, StoreError>, out: &mut Outbox<C>) {
        let Step { context, stage } = *context.unnest();
        match (stage, result) {
            (Stage::SerialUnchanged, _) if self.is_changed(oid) => self.current(context, oid),
            (_, result) => out.done.push_back(StoreDone::Serial { context, oid, result }),
        }
    }

    fn on_first(
        &mut self,
        context: C,
        oid: Oid,
        result: Result<Option<First>, StoreError>,
        out: &mut Outbox<C>,
    ) {
        let Step { context, stage } = *context.unnest();
        match (stage, result) {
            (Stage::Border(before), Ok(Some(first))) => {
                let context = nest(context, Stage::UpTo(first));
                self.base.ask(StoreOp::LoadBefore { context, oid, before });
            }
            // It left the changes between two answers.
            (Stage::Border(before), Ok(None)) => self.load(context, oid, before),
            (Stage::Border(_), Err(error)) => {
                out.done.push_back(StoreDone::Loaded { context, oid, result: Err(error) });
            }
            (_, result) => out.done.push_back(StoreDone::First { context, oid, result }),
        }
    }

    fn on_history(
        &mut self,
        context: C,
        oid: Oid,
        result: Result<Vec<Past>, StoreError>,
        out: &mut Outbox<C>,
    ) {
        let Step { context, stage } = *context.unnest();
        let result = match (stage, result) {
            (Stage::HistoryUnchanged(count), _) if self.is_changed(oid) => {
                return self.history(context, oid, count);
            }
            (Stage::HistoryChanged(count), Ok(found))
                if found.len() < count && self.base.store.contains(oid) =>
            {
                let count = count - found.len();
                let context = nest(context, Stage::HistoryAfter(found));
                return self.base.ask(StoreOp::History { context, oid, count });
            }
            (Stage::HistoryAfter(later), Ok(earlier)) => join(later, earlier),
            (_, result) => result,
        };
        out.done.push_back(StoreDone::History { context, oid, result });
    }
}

/// Two parts of a history as one, within the bound of one.
fn join(later: Vec<Past>, earlier: Vec<Past>) -> Result<Vec<Past>, StoreError> {
    let mut pasts = Pasts::new(later.len() + earlier.len());
    later.into_iter().chain(earlier).try_for_each(|past| pasts.add(past))?;
    Ok(pasts.found)
}

fn nest<C: Nest>(context: C, stage: Stage) -> C {
    C::nest(Box::new(Step { context, stage }))
}

/// The context of an operation that a part has answered.
fn answered<C: Nest>(context: C) -> C {
    context.unnest().context
}

/// A place in the changes: nothing refers to one in the base but an iteration.
fn changed(place: Place) -> Place {
    let (part, place) = Part::of(place);
    assert!(part == Part::Changes, "a transaction points into the changes");
    place
}

#[cfg(test)]
#[path = "demo_tests.rs"]
mod tests;
