//! Stores of every make with their disks, for tests that hold them against a plain model.

use crate::ids::{Oid, Tid};
use crate::store::coded::{Coded, Transformation};
use crate::store::demo::Demo;
use crate::store::disk::{DiskDone, DiskOp};
use crate::store::file::testing::{Disk, options, transaction};
use crate::store::memory::MemoryStore;
use crate::store::{
    CopiedRecord, First, Nest, Outbox, Place, RecordsLeft, Step, Store, StoreDone, StoreError, StoreOp,
    Transaction, TransactionHead,
};
use proptest::prelude::*;
use std::collections::VecDeque;

/// The context of what tests ask.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Test,
    Part(Box<Step<Asked>>),
}

impl Nest for Asked {
    fn nest(step: Box<Step<Asked>>) -> Asked {
        Asked::Part(step)
    }

    fn unnest(self) -> Box<Step<Asked>> {
        match self {
            Asked::Part(step) => step,
            Asked::Test => panic!("a part answers the test itself"),
        }
    }
}

/// A state with its serial and its end.
pub(crate) type Short = (Vec<u8>, u64, Option<u64>);

/// What a store has on the disk.
#[derive(Debug)]
pub(crate) enum Disks {
    None,
    One(Box<Disk>),
    Two(Box<[Disks; 2]>),
}

impl Disks {
    fn carry_out(&mut self, op: DiskOp<Asked>) -> Option<DiskDone<Asked>> {
        match (self, op) {
            (Disks::One(disk), op) => disk.carry_out(op),
            (Disks::Two(two), DiskOp::Of { part, op }) => {
                let done = two[part as usize].carry_out(*op)?;
                Some(DiskDone::Of { part, done: Box::new(done) })
            }
            (disks, op) => panic!("{op:?} for {disks:?}"),
        }
    }
}

/// A store with its disk.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) store: Store<Asked>,
    pub(crate) disks: Disks,
    pub(crate) out: Outbox<Asked>,
    /// Operations that the disk was not yet told of.
    pub(crate) held: VecDeque<DiskOp<Asked>>,
}

impl Rig {
    fn of(store: Store<Asked>, disks: Disks) -> Rig {
        Rig { store, disks, out: Outbox::default(), held: VecDeque::new() }
    }

    pub(crate) fn memory() -> Rig {
        Rig::of(Store::Memory(MemoryStore::new()), Disks::None)
    }

    /// A Data.fs on this disk.
    pub(crate) fn file_on(mut disk: Disk) -> Rig {
        let opened = disk.try_open_for(options()).expect("a disk that lives").expect("a storage that opens");
        Rig::of(Store::File(Box::new(opened.store)), Disks::One(Box::new(disk)))
    }

    pub(crate) fn file() -> Rig {
        Rig::file_on(Disk::default())
    }

    /// A Data.fs, or a store in memory.
    pub(crate) fn either(file: bool) -> Rig {
        if file { Rig::file() } else { Rig::memory() }
    }

    pub(crate) fn coded(self, form: Transformation) -> Rig {
        Rig::of(Store::Coded(Box::new(Coded::new(self.store, form))), self.disks)
    }

    /// This one as the changes over another.
    pub(crate) fn over(self, base: Rig) -> Rig {
        let disks = Disks::Two(Box::new([base.disks, self.disks]));
        Rig::of(Store::Demo(Box::new(Demo::new(base.store, self.store, Oid::ZERO))), disks)
    }

    /// Begins an operation; what it asks of the disk waits.
    pub(crate) fn begin(&mut self, op: StoreOp<Asked>) {
        self.store.ask(op, &mut self.out);
        self.held.append(&mut self.out.disk);
    }

    /// Lets the disk do what waits, until all is quiet; gives the answers.
    pub(crate) fn settle(&mut self) -> Vec<StoreDone<Asked>> {
        loop {
            self.held.append(&mut self.out.disk);
            let Some(op) = self.held.pop_front() else { return self.out.done.drain(..).collect() };
            if let Some(done) = self.disks.carry_out(op) {
                self.store.on_disk(done, &mut self.out);
            }
        }
    }

    pub(crate) fn ask(&mut self, op: StoreOp<Asked>) -> StoreDone<Asked> {
        self.begin(op);
        let mut answers = self.settle();
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        answers.pop().unwrap()
    }

    pub(crate) fn append(&mut self, batch: Vec<Transaction>) {
        let upto = batch.last().unwrap().tid;
        self.store.append(batch, &mut self.out);
        assert_eq!(self.settle(), [StoreDone::Durable { upto }]);
    }

    /// All transactions from `from` on with their records.
    pub(crate) fn iterate(&mut self, mut from: Tid) -> Vec<(TransactionHead, Vec<CopiedRecord>)> {
        let (mut all, mut near) = (Vec::new(), None);
        while let Some(head) = self.next(from, near) {
            let (mut records, mut left) = (Vec::new(), head.records);
            while let Some((record, more)) = self.record(left) {
                records.push(record);
                left = more;
            }
            (from, near) = (head.tid.next(), Some(head.behind));
            all.push((head, records));
        }
        all
    }

    fn next(&mut self, from: Tid, near: Option<Place>) -> Option<TransactionHead> {
        match self.ask(StoreOp::NextTransaction { context: Asked::Test, from, near }) {
            StoreDone::Transaction { result, .. } => result.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn record(&mut self, left: RecordsLeft) -> Option<(CopiedRecord, RecordsLeft)> {
        match self.ask(StoreOp::NextRecord { context: Asked::Test, left }) {
            StoreDone::Record { result, .. } => result.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The state of an object just before `before`, with its serial and its end.
    pub(crate) fn before(&mut self, oid: u64, before: Tid) -> Result<Option<Short>, StoreError> {
        match self.ask(StoreOp::LoadBefore { context: Asked::Test, oid: Oid(oid), before }) {
            StoreDone::Loaded { result, .. } => result.map(|revision| {
                revision.map(|it| (it.data.to_vec(), it.serial.0, it.until.map(|until| until.0)))
            }),
            other => panic!("{other:?}"),
        }
    }
}

/// Transactions of a few objects, with deletions and with data larger than a first read.
pub(crate) fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let data = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Some),
        2 => (21usize..9000).prop_map(|len| Some(vec![7; len])),
        1 => Just(None),
    ];
    let records = prop::collection::btree_map(0u64..6, data, 0..4);
    prop::collection::vec(records, 1..12).prop_map(|transactions| {
        let numbered = (1..).zip(transactions);
        let made = numbered.map(|(number, records)| {
            let records: Vec<_> = records.iter().map(|(oid, data)| (*oid * 3, data.as_deref())).collect();
            transaction(10 * number, &records)
        });
        made.collect()
    })
}

/// Checks every answer of a store, and its way through all transactions, against a store in memory.
pub(crate) fn compare(rig: &mut Rig, model: &mut Rig) {
    let context = Asked::Test;
    for oid in (0..19).map(Oid) {
        let tids = (0..=130).step_by(5).map(Tid).chain([Tid::MAX]);
        let mut questions: Vec<_> = tids
            .flat_map(|tid| {
                [
                    StoreOp::LoadBefore { context: context.clone(), oid, before: tid },
                    StoreOp::LoadSerial { context: context.clone(), oid, serial: tid },
                ]
            })
            .collect();
        questions.push(StoreOp::CurrentSerial { context: context.clone(), oid });
        let counts = [1, 2, 3, 100].into_iter();
        questions.extend(counts.map(|count| StoreOp::History { context: context.clone(), oid, count }));
        for question in questions {
            assert_eq!(answer(rig, question.clone()), answer(model, question.clone()), "{question:?}");
        }
        assert_eq!(first(rig, oid), first(model, oid), "{oid}");
        assert_eq!(rig.store.contains(oid), model.store.contains(oid), "{oid}");
        assert_eq!(rig.store.first_from(oid), model.store.first_from(oid), "{oid}");
    }
    assert_eq!(rig.store.last_tid(), model.store.last_tid());
    assert_eq!(rig.store.max_oid(), model.store.max_oid());
    for from in (0..=130).step_by(15).map(Tid) {
        let whole = |found: Vec<(TransactionHead, Vec<CopiedRecord>)>| -> Vec<_> {
            found.into_iter().map(|(head, records)| (head.tid, head.description, records)).collect()
        };
        assert_eq!(whole(rig.iterate(from)), whole(model.iterate(from)), "from {from}");
    }
}

/// An answer; sizes in a history are those of what is written, and left out.
fn answer(rig: &mut Rig, question: StoreOp<Asked>) -> StoreDone<Asked> {
    let mut done = rig.ask(question);
    if let StoreDone::History { result: Ok(pasts), .. } = &mut done {
        pasts.iter_mut().for_each(|past| past.size = 0);
    }
    done
}

fn first(rig: &mut Rig, oid: Oid) -> Option<First> {
    match rig.ask(StoreOp::First { context: Asked::Test, oid }) {
        StoreDone::First { result, .. } => result.unwrap(),
        other => panic!("{other:?}"),
    }
}
