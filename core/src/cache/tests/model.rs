//! Any order of what a client does, over a plain model of the database, with reopening, crashes and errors in between.

use super::disk::{Journal, disk};
use crate::cache::{BootId, Cache, Emptied, Report};
use crate::ids::{Oid, Tid};
use crate::rng::{Rng, Seed};
use crate::store::Revision;
use bytes::Bytes;
use proptest::prelude::*;

const OBJECTS: u64 = 12;

#[derive(Clone, Debug)]
enum Step {
    Load(u64),
    LoadBefore(u64, u64),
    /// Loads that object as it was, from the server, whether it is cached or not.
    Fetch(u64, u64),
    Commit {
        objects: Vec<u64>,
        size: usize,
        own: bool,
    },
    Forget(u64),
    Clear,
    Flush,
    Reopen,
    Resize(u64),
    /// Back by so many writes, of which the last is cut.
    Kill {
        back: usize,
        pages: u64,
    },
    PowerLoss(u64),
    /// The disk fails after so many changes.
    Fail(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let object = || 0..OBJECTS;
    let objects = proptest::collection::vec(object(), 1..4);
    prop_oneof![
        20 => object().prop_map(Step::Load),
        8 => (object(), any::<u64>()).prop_map(|(oid, back)| Step::LoadBefore(oid, back)),
        8 => (object(), any::<u64>()).prop_map(|(oid, back)| Step::Fetch(oid, back)),
        12 => (objects, prop_oneof![4 => 0..300_usize, 1 => 0..9000_usize], any::<bool>())
            .prop_map(|(objects, size, own)| Step::Commit { objects, size, own }),
        1 => object().prop_map(Step::Forget),
        1 => Just(Step::Clear),
        2 => Just(Step::Flush),
        2 => Just(Step::Reopen),
        1 => sizes().prop_map(Step::Resize),
        3 => (0..12_usize, 0..3_u64).prop_map(|(back, pages)| Step::Kill { back, pages }),
        2 => any::<u64>().prop_map(Step::PowerLoss),
        1 => (0..30_usize).prop_map(Step::Fail),
    ]
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![0..500_u64, 500..4000_u64, 4000..40_000_u64]
}

/// What the server has.
#[derive(Default)]
struct Database {
    last: u64,
    /// By object: tid and data, in order.
    revisions: [Vec<(Tid, Bytes)>; OBJECTS as usize],
}

impl Database {
    fn commit(&mut self, objects: &[u64], size: usize) -> Vec<Oid> {
        self.last += 1;
        let mut objects = objects.to_vec();
        objects.sort_unstable();
        objects.dedup();
        for &oid in &objects {
            let data = format!("{oid} at {} ", self.last).repeat(1 + size / 7);
            self.revisions[oid as usize].push((Tid(self.last), Bytes::from(data).slice(..size)));
        }
        objects.into_iter().map(Oid).collect()
    }

    /// What was current before `before`, for one who knows of the transactions up to `known`.
    fn load(&self, oid: u64, before: Tid, known: Tid) -> Option<Revision> {
        let all = &self.revisions[oid as usize];
        let after = all.partition_point(|&(tid, _)| tid < before);
        let (serial, data) = all.get(after.checked_sub(1)?)?.clone();
        let until = all.get(after).map(|&(tid, _)| tid).filter(|&tid| tid <= known);
        Some(Revision { data, serial, until })
    }
}

struct World {
    database: Database,
    cache: Cache,
    journal: Journal,
    boot: u64,
    size: u64,
}

impl World {
    fn new(size: u64) -> World {
        let (disk, journal) = disk(Vec::new(), usize::MAX);
        let (cache, report) = Cache::open(disk, size, boot(0)).unwrap();
        assert_eq!(report, Report::default());
        let mut world = World { database: Database::default(), cache, journal, boot: 0, size };
        world.cache.set_last_tid(Tid::ZERO);
        world
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Load(oid) => {
                if self.cache.load(Oid(oid)).is_none() {
                    self.fetch(oid, Tid::MAX);
                }
            }
            Step::LoadBefore(oid, back) => {
                let before = self.past(back);
                if self.cache.load_before(Oid(oid), before).is_none() {
                    self.fetch(oid, before);
                }
            }
            Step::Fetch(oid, back) => {
                let before = self.past(back);
                self.fetch(oid, before);
            }
            Step::Commit { objects, size, own } => {
                let touched = self.database.commit(&objects, size);
                self.apply(self.database.last, &touched, own);
            }
            Step::Forget(oid) => {
                self.cache.forget(Oid(oid));
                assert_eq!(self.cache.serial(Oid(oid)), None);
            }
            Step::Clear => {
                self.cache.clear();
                assert_eq!((self.cache.last_tid(), self.cache.stats().objects), (None, 0));
                self.cache.set_last_tid(Tid(self.database.last));
            }
            Step::Flush => self.cache.flush(),
            Step::Reopen => {
                let stands = self.cache.fault().is_none();
                let (last, current) = (self.cache.last_tid(), self.cache.current().collect::<Vec<_>>());
                let bytes = self.journal.now().to_vec();
                let report = self.reopen(bytes, usize::MAX);
                if stands {
                    assert_eq!((report.emptied, report.damaged, report.dropped), (None, 0, 0));
                    assert_eq!(
                        (self.cache.last_tid(), self.cache.current().collect::<Vec<_>>()),
                        (last, current)
                    );
                }
                self.verify();
            }
            Step::Resize(size) => {
                let last = self.cache.fault().is_none().then_some(self.cache.last_tid());
                self.size = size;
                let bytes = self.journal.now().to_vec();
                let report = self.reopen(bytes, usize::MAX);
                if let Some(last) = last {
                    assert_eq!((report.damaged, self.cache.last_tid()), (0, last));
                }
                self.verify();
            }
            Step::Kill { back, pages } => {
                let kept = self.journal.update().len().saturating_sub(back + 1);
                let bytes = self.journal.killed(kept, pages);
                self.reopen(bytes, usize::MAX);
                self.verify();
            }
            Step::PowerLoss(seed) => {
                let mut rng = Rng::new(Seed(seed));
                let bytes = self.journal.unpowered(|| rng.chance(1, 2));
                self.boot += 1;
                self.reopen(bytes, usize::MAX);
                self.verify();
            }
            Step::Fail(good) => {
                let bytes = self.journal.now().to_vec();
                let before = self.cache.fault().is_none().then_some(self.cache.last_tid());
                let (failing, journal) = disk(bytes.clone(), good);
                match Cache::open(failing, self.size, boot(self.boot)) {
                    Ok((cache, _)) => {
                        assert!(before.is_none_or(|last| cache.last_tid() == last));
                        (self.cache, self.journal) = (cache, journal);
                        self.verify();
                    }
                    Err(_) => {
                        self.reopen(bytes, usize::MAX);
                        self.verify();
                    }
                }
            }
        }
        self.check();
    }

    /// A tid up to one after the last.
    fn past(&self, back: u64) -> Tid {
        Tid(self.database.last + 1 - back % (self.database.last + 2))
    }

    fn fetch(&mut self, oid: u64, before: Tid) {
        if let Some(revision) = self.database.load(oid, before, Tid(self.database.last)) {
            self.cache.store(Oid(oid), &revision);
        }
    }

    fn apply(&mut self, tid: u64, touched: &[Oid], own: bool) {
        for &oid in touched {
            self.cache.invalidate(oid, Tid(tid));
            let newest = self.database.load(oid.0, Tid(tid + 1), Tid(tid)).unwrap();
            if own {
                self.cache.store(oid, &newest);
            }
        }
        self.cache.set_last_tid(Tid(tid));
    }

    fn reopen(&mut self, bytes: Vec<u8>, good: usize) -> Report {
        let (disk, journal) = disk(bytes, good);
        let (cache, report) = Cache::open(disk, self.size, boot(self.boot)).unwrap();
        (self.cache, self.journal) = (cache, journal);
        assert!(report.emptied.is_none_or(|why| why == Emptied::Unflushed), "{report:?}");
        if report.emptied.is_some() {
            assert_eq!((self.cache.last_tid(), self.cache.stats().objects), (None, 0));
        }
        self.check();
        report
    }

    /// What a client does when it is connected again.
    fn verify(&mut self) {
        let Some(last) = self.cache.last_tid() else {
            self.cache.clear();
            self.cache.set_last_tid(Tid(self.database.last));
            return;
        };
        for tid in last.0 + 1..=self.database.last {
            let touched: Vec<Oid> = (0..OBJECTS)
                .filter(|&oid| self.database.revisions[oid as usize].iter().any(|&(of, _)| of.0 == tid))
                .map(Oid)
                .collect();
            self.apply(tid, &touched, false);
        }
    }

    /// Everything that is cached is so, and no more than may be.
    fn check(&mut self) {
        self.cache.check_invariants();
        assert!(self.journal.now().len() as u64 <= self.size.max(112));
        let known = self.cache.last_tid().unwrap_or_default();
        assert!(known <= Tid(self.database.last));
        for (oid, serial) in self.cache.current().collect::<Vec<_>>() {
            assert_eq!(self.cache.serial(oid), Some(serial));
        }
        for oid in 0..OBJECTS {
            let truth = |before: Tid| self.database.load(oid, before, known);
            if let Some(found) = self.cache.load(Oid(oid)) {
                // It may be newer than the last tid, when that was not written any more.
                let expected = truth(Tid(known.0.max(found.serial.0) + 1));
                assert_eq!(Some(found), expected, "{oid} at {known}");
            }
            for before in 0..=self.database.last + 2 {
                if let Some(found) = self.cache.load_before(Oid(oid), Tid(before)) {
                    let all = self.database.load(oid, Tid(before), Tid(self.database.last)).unwrap();
                    let expected = Revision { until: found.until.and(all.until), ..all };
                    assert_eq!(found, expected, "{oid} before {before}");
                    assert!(
                        found.until.is_some()
                            || truth(Tid(before)).is_some_and(|truth| truth.until.is_none())
                    );
                    assert!(found.until.is_some() || before <= known.0 + 1);
                }
            }
            for (serial, data) in &self.database.revisions[oid as usize] {
                let found = self.cache.load_serial(Oid(oid), *serial);
                assert!(found.is_none_or(|found| found == data), "{oid} of {serial}");
            }
        }
    }
}

fn boot(number: u64) -> BootId {
    BootId(u128::from(number + 1).to_le_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn whatever_happens_a_cached_revision_is_the_right_one(
        size in sizes(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(size);
        for step in steps {
            world.run(step);
        }
    }
}
