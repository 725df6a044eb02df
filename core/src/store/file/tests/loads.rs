//! Loads against a plain model.

use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::store::file::index::{Entry, SizeClass};
use crate::store::file::load::{Answer, Load, Question};
use crate::store::file::testing::{Disk, Session, store_one, transaction};
use crate::store::file::view::{Need, Spans, run};
use crate::store::memory::MemoryStore;
use crate::store::{Current, Outbox, StoreDone, StoreError, StoreOp, Transaction};
use bytes::Bytes;
use proptest::prelude::*;

/// Batches of transactions of a few objects, with deletions, empty data and data larger than a first read.
pub(super) fn batches() -> impl Strategy<Value = Vec<Vec<Transaction>>> {
    let data = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Some),
        1 => (4000usize..9000).prop_map(|len| Some(vec![7; len])),
        1 => Just(None),
        1 => Just(Some(Vec::new())),
    ];
    let records = prop::collection::btree_map(0u64..8, data, 0..4);
    // Whether a transaction starts a new batch.
    prop::collection::vec((records, any::<bool>()), 1..14).prop_map(|transactions| {
        let mut batches: Vec<Vec<Transaction>> = Vec::new();
        for (number, (records, apart)) in transactions.into_iter().enumerate() {
            let records: Vec<_> = records.iter().map(|(oid, data)| (*oid * 300, data.as_deref())).collect();
            let made = transaction(10 * (number as u64 + 1), &records);
            let clashes = batches.last().is_some_and(|batch| {
                let oids = batch.iter().flat_map(|transaction| &transaction.records);
                oids.into_iter().any(|record| made.records.iter().any(|other| other.oid == record.oid))
            });
            match batches.last_mut() {
                Some(batch) if !apart && !clashes => batch.push(made),
                _ => batches.push(vec![made]),
            }
        }
        batches
    })
}

/// All questions there are about objects of [`batches`].
fn questions() -> impl Iterator<Item = StoreOp<u32>> {
    (0..9).map(|oid| Oid(oid * 300)).flat_map(|oid| {
        let tids = (0..160).step_by(5).map(Tid).chain([Tid::MAX]);
        let each = tids.flat_map(move |tid| {
            [
                StoreOp::LoadBefore { context: 1, oid, before: tid },
                StoreOp::LoadSerial { context: 2, oid, serial: tid },
            ]
        });
        each.chain([StoreOp::CurrentSerial { context: 3, oid }])
    })
}

/// Checks every answer of a session against a store in memory that was given the same transactions.
pub(super) fn compare(session: &mut Session<'_>, model: &mut MemoryStore) {
    for question in questions() {
        let mut out = Outbox::default();
        model.ask(question.clone(), &mut out);
        assert_eq!(session.ask(question.clone()), out.done.pop_front().unwrap(), "{question:?}");
    }
    assert_eq!(session.store.last_tid(), model.last_tid());
    assert_eq!(session.store.max_oid(), model.max_oid());
    assert_eq!(session.store.len(), model.len());
    assert_eq!(session.store.size(), model.size() + 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_answers_as_memory_does_before_and_after_reopening(batches in batches(), closes in any::<bool>()) {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        let mut model = MemoryStore::new();
        for batch in batches {
            model.append(batch.clone(), &mut Outbox::<u32>::default());
            session.append(batch);
        }
        compare(&mut session, &mut model);
        if closes {
            session.close();
        }
        let store = disk.open().store;
        compare(&mut Session { store, disk: &mut disk }, &mut model);
    }

    #[test]
    fn a_view_that_misses_every_read_finds_what_one_that_never_misses_does(batches in batches(), class in any::<bool>()) {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        for batch in batches {
            session.append(batch);
        }
        let index = session.store.book.index.clone();
        let log = Bytes::copy_from_slice(disk.bytes(FileId::Log));
        for (oid, entry) in index.iter() {
            let origin = Entry { size: if class { entry.size } else { SizeClass::UNKNOWN }, ..entry };
            let tids = || (0..160).step_by(5).map(Tid);
            let asked = tids().map(Question::Before).chain(tids().map(Question::Serial)).chain([Question::Current]);
            for question in asked {
                prop_assert_eq!(missing(&log, oid, question, origin), never_missing(&log, oid, question, origin));
            }
        }
    }
}

fn never_missing(log: &Bytes, oid: Oid, question: Question, origin: Entry) -> Answer {
    let mut spans = Spans::default();
    spans.add(0, log.clone());
    run(&mut Load::new(oid, question, origin), &mut spans, log.len() as u64, &[]).unwrap()
}

fn missing(log: &Bytes, oid: Oid, question: Question, origin: Entry) -> Answer {
    let mut walk = Load::new(oid, question, origin);
    let mut spans = Spans::default();
    loop {
        match run(&mut walk, &mut spans, log.len() as u64, &[]) {
            Ok(answer) => return answer,
            Err(Need::Bytes(span)) => {
                let from = span.at as usize;
                spans.add(span.at, log.slice(from..from + span.len));
            }
            Err(Need::Damaged(damaged)) => panic!("{damaged}"),
        }
    }
}

fn loaded(done: StoreDone<u32>) -> Result<(u64, Option<u64>), StoreError> {
    match done {
        StoreDone::Loaded { result, .. } => {
            result.map(Option::unwrap).map(|revision| (revision.serial.0, revision.until.map(|tid| tid.0)))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_load_takes_one_read_and_an_object_of_unknown_size_learns_to() {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 300)]);
    session.append(vec![store_one(2, 2, 30_000)]);
    session.close();
    let reads = |session: &mut Session<'_>, oid| {
        let ops = session.disk.ops;
        session.before(Oid(oid), Tid::MAX).unwrap().unwrap();
        session.disk.ops - ops
    };
    assert_eq!((reads(&mut session, 1), reads(&mut session, 2)), (1, 1));
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    // The index file knows no sizes.
    assert_eq!((reads(&mut session, 1), reads(&mut session, 2)), (1, 2));
    assert_eq!((reads(&mut session, 1), reads(&mut session, 2)), (1, 1));
}

/// Starts `question` and leaves it waiting for the disk while transaction 2 changes objects 1 and 3.
fn overtaken(question: StoreOp<u32>) -> StoreDone<u32> {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 300)]);
    let mut waiting = Outbox::default();
    session.store.ask(question, &mut waiting);
    assert!(waiting.done.is_empty(), "it waits");
    let done = session.append(vec![transaction(2, &[(1, Some(b"new")), (3, Some(b"third"))])]);
    assert_eq!(done, [StoreDone::Durable { upto: Tid(2) }]);
    session.settle(&mut waiting).pop().unwrap()
}

#[test]
fn a_load_overtaken_by_a_commit_does_not_say_that_the_old_revision_is_current() {
    let before = |before| overtaken(StoreOp::LoadBefore { context: 0, oid: Oid(1), before: Tid(before) });
    assert_eq!(loaded(before(2)), Ok((1, Some(2))));
    assert_eq!(loaded(before(3)), Ok((2, None)));
}

#[test]
fn a_serial_asked_for_before_its_commit_is_found_after_it() {
    let done = overtaken(StoreOp::LoadSerial { context: 0, oid: Oid(1), serial: Tid(2) });
    assert_eq!(done, StoreDone::Data { context: 0, oid: Oid(1), result: Ok(Bytes::from_static(b"new")) });
    let done = overtaken(StoreOp::CurrentSerial { context: 0, oid: Oid(1) });
    assert_eq!(done, StoreDone::Serial { context: 0, oid: Oid(1), result: Ok(Current::At(Tid(2))) });
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_planted_stale_read_is_one() {
    use crate::planted::Bug;
    let mut disk = Disk::default();
    let mut store = disk.open().store;
    store.plant(Bug::StaleRead);
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 300)]);
    let mut waiting = Outbox::default();
    session.store.ask(StoreOp::LoadBefore { context: 0, oid: Oid(1), before: Tid::MAX }, &mut waiting);
    session.append(vec![store_one(2, 1, 300)]);
    assert_eq!(loaded(session.settle(&mut waiting).pop().unwrap()), Ok((1, None)));
}

#[test]
fn a_log_that_contradicts_its_index_is_reported_not_served() {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 300)]);
    let at = session.store.book.index.get(Oid(1)).unwrap().at as usize;
    let whole = session.disk.bytes(FileId::Log).to_vec();
    let mut broken = whole.clone();
    broken[at + 7] = 9;
    session.disk.put(FileId::Log, broken);
    assert!(matches!(session.before(Oid(1), Tid::MAX), Err(StoreError::Damaged { file: "Data.fs", .. })));
    session.disk.put(FileId::Log, whole[..at + 20].to_vec());
    assert!(matches!(session.before(Oid(1), Tid::MAX), Err(StoreError::Damaged { .. })));
    session.disk.put(FileId::Log, whole);
    assert!(session.before(Oid(1), Tid::MAX).is_ok());
}
