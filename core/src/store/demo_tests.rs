use super::*;
use crate::record::Coding;
use crate::store::UndoRefusal;
use crate::store::coded::Transformation;
use crate::store::disk::FileId;
use crate::store::file::testing::transaction;
use crate::store::testing::{Asked, Disks, Rig, compare, transactions};
use bytes::Bytes;
use proptest::prelude::*;

/// A store with these transactions.
fn with(mut rig: Rig, batch: &[Transaction]) -> Rig {
    for transaction in batch {
        rig.append(vec![transaction.clone()]);
    }
    rig
}

fn one(tid: u64, oid: u64, state: &[u8]) -> Transaction {
    transaction(tid, &[(oid, Some(state))])
}

/// Object 1 in the base with two revisions, object 2 with one; object 1 changed at 30, object 3 created.
fn sample(file: bool) -> Rig {
    let base = with(Rig::either(file), &[one(10, 1, b"a"), one(20, 1, b"b"), one(21, 2, b"base")]);
    with(Rig::either(file).over(base), &[one(30, 1, b"c"), one(40, 3, b"new")])
}

fn targets(rig: &mut Rig, tid: u64) -> Result<Vec<UndoTarget>, UndoRefusal> {
    match rig.ask(StoreOp::Targets { context: Asked::Test, tid: Tid(tid) }) {
        StoreDone::Targets { result, .. } => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn undone(rig: &mut Rig, tid: u64, so_far: Option<SoFar>) -> Result<Undone, UndoRefusal> {
    let target = targets(rig, tid).unwrap()[0];
    match rig.ask(StoreOp::Undo { context: Asked::Test, target, so_far }) {
        StoreDone::Undone { result, .. } => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_base_ends_where_the_changes_begin() {
    for file in [false, true] {
        let mut rig = sample(file);
        assert_eq!(rig.before(1, Tid(10)), Ok(None));
        assert_eq!(rig.before(1, Tid(11)), Ok(Some((b"a".to_vec(), 10, Some(20)))));
        assert_eq!(rig.before(1, Tid(30)), Ok(Some((b"b".to_vec(), 20, Some(30)))));
        assert_eq!(rig.before(1, Tid(31)), Ok(Some((b"c".to_vec(), 30, None))));
        assert_eq!(rig.before(2, Tid::MAX), Ok(Some((b"base".to_vec(), 21, None))));
        assert_eq!(rig.before(3, Tid(40)), Ok(None));
        assert_eq!(rig.before(4, Tid(40)), Err(StoreError::NoObject(Oid(4))));
        assert_eq!((rig.store.last_tid(), rig.store.max_oid()), (Tid(40), Oid(3)));
        assert_eq!(rig.store.len(), 2, "the length is that of the changes, as in Python");
    }
}

#[test]
fn a_deletion_in_the_changes_hides_what_is_in_the_base() {
    for file in [false, true] {
        let mut rig = sample(file);
        rig.append(vec![transaction(50, &[(2, None)])]);
        assert_eq!(rig.before(2, Tid::MAX), Err(StoreError::NoObject(Oid(2))));
        assert_eq!(rig.before(2, Tid(50)), Ok(Some((b"base".to_vec(), 21, Some(50)))));
        let current = rig.ask(StoreOp::CurrentSerial { context: Asked::Test, oid: Oid(2) });
        let result = Ok(Current::Deleted(Tid(50)));
        assert_eq!(current, StoreDone::Serial { context: Asked::Test, oid: Oid(2), result });
    }
}

#[test]
fn undoing_the_first_change_brings_back_what_is_in_the_base() {
    let mut rig = sample(true);
    assert_eq!(undone(&mut rig, 30, None), Ok(Undone::State(Tid(20), Bytes::from_static(b"b"))));
    assert_eq!(undone(&mut rig, 40, None), Ok(Undone::Gone), "it was created in the changes");
    rig.append(vec![one(50, 1, b"d")]);
    let Ok(Undone::Back(place)) = undone(&mut rig, 50, None) else { panic!("a pointer") };
    let so_far = Some(SoFar::Back(place));
    assert_eq!(
        undone(&mut rig, 30, so_far),
        Ok(Undone::State(Tid(20), Bytes::from_static(b"b"))),
        "in one transaction"
    );
    let mut back = one(60, 1, b"");
    (back.records[0].data, back.records[0].same_as) = (None, Some(place));
    rig.append(vec![back]);
    assert_eq!(rig.before(1, Tid::MAX), Ok(Some((b"c".to_vec(), 60, None))));
}

#[test]
fn transactions_of_the_base_cannot_be_undone() {
    let mut rig = sample(true);
    assert_eq!(targets(&mut rig, 20), Err(UndoRefusal::Unknown));
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        match rig.ask(StoreOp::PreviousTransaction { context: Asked::Test, before }) {
            StoreDone::Transaction { result: Ok(Some(head)), .. } => {
                seen.push(head.tid);
                before = Some(head.at);
            }
            StoreDone::Transaction { result: Ok(None), .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [Tid(40), Tid(30)]);
}

#[test]
fn new_objects_stay_away_from_what_the_base_may_become() {
    let over = |base: Rig, changes: Rig| Demo::new(base.store, changes.store, Oid(1000)).max_oid();
    let base = || with(Rig::memory(), &[one(10, 7, b"a")]);
    assert_eq!(over(base(), Rig::memory()), Oid(1000));
    assert_eq!(over(base(), with(Rig::memory(), &[one(20, 7, b"b")])), Oid(1000), "none of their own");
    assert_eq!(over(base(), with(Rig::memory(), &[one(20, 900, b"b")])), Oid(900), "they go on");
    assert_eq!(over(with(Rig::memory(), &[one(10, 2000, b"a")]), Rig::memory()), Oid(2000));
}

#[test]
fn a_load_of_the_base_that_a_commit_overtakes_is_made_again() {
    let base = with(Rig::file(), &[one(10, 1, b"a")]);
    let mut rig = Rig::memory().over(base);
    let history = StoreOp::History { context: Asked::Test, oid: Oid(1), count: 9 };
    rig.begin(StoreOp::LoadBefore { context: Asked::Test, oid: Oid(1), before: Tid::MAX });
    rig.begin(StoreOp::LoadBefore { context: Asked::Test, oid: Oid(1), before: Tid(15) });
    rig.begin(StoreOp::CurrentSerial { context: Asked::Test, oid: Oid(1) });
    rig.begin(history);
    assert_eq!((rig.held.len(), rig.out.done.len()), (4, 0), "all wait for the disk");
    rig.store.append(vec![one(20, 1, b"b")], &mut rig.out);
    let answers = rig.settle();
    let loaded = |data: &'static [u8], serial, until| StoreDone::Loaded {
        context: Asked::Test,
        oid: Oid(1),
        result: Ok(Some(Revision { data: Bytes::from_static(data), serial: Tid(serial), until })),
    };
    assert_eq!(answers[0], StoreDone::Durable { upto: Tid(20) });
    assert!(answers.contains(&loaded(b"b", 20, None)), "{answers:?}");
    assert!(answers.contains(&loaded(b"a", 10, Some(Tid(20)))), "{answers:?}");
    let result = Ok(Current::At(Tid(20)));
    assert!(
        answers.contains(&StoreDone::Serial { context: Asked::Test, oid: Oid(1), result }),
        "{answers:?}"
    );
    let pasts = answers.iter().find_map(|answer| match answer {
        StoreDone::History { result, .. } => Some(result.as_ref().unwrap()),
        _ => None,
    });
    assert_eq!(pasts.unwrap().iter().map(|past| past.tid).collect::<Vec<_>>(), [Tid(20), Tid(10)]);
}

#[test]
fn the_disk_of_the_base_is_never_written() {
    let mut rig = with(Rig::file().over(with(Rig::file(), &[one(10, 1, b"a")])), &[]);
    let bytes = |rig: &Rig| {
        let Disks::Two(two) = &rig.disks else { panic!("two disks") };
        let Disks::One(base) = &two[0] else { panic!("a file") };
        [FileId::Log, FileId::Sidecar, FileId::Index, FileId::Lock].map(|file| base.bytes(file).to_vec())
    };
    let before = bytes(&rig);
    let done = rig.ask(StoreOp::Reserve { context: Asked::Test, bytes: 1000 });
    assert_eq!(done, StoreDone::Reserved { context: Asked::Test, result: Ok(()) });
    rig.append(vec![one(20, 1, b"b")]);
    rig.store.release(1);
    rig.store.close(&mut rig.out);
    assert_eq!(rig.settle(), [StoreDone::Closed { result: Ok(()) }]);
    assert_eq!(bytes(&rig), before);
}

#[test]
fn a_failed_write_of_the_changes_leaves_the_base_readable() {
    let base = with(Rig::file(), &[one(10, 1, b"a")]);
    let mut changes = Rig::file();
    let Disks::One(disk) = &mut changes.disks else { panic!("a file") };
    disk.broken = Some(FileId::Sidecar);
    let mut rig = changes.over(base);
    rig.store.append(vec![one(20, 1, b"b")], &mut rig.out);
    let answers = rig.settle();
    assert!(matches!(answers[..], [StoreDone::Refused { .. }]), "{answers:?}");
    assert_eq!(rig.before(1, Tid::MAX), Ok(Some((b"a".to_vec(), 10, None))));
    let done = rig.ask(StoreOp::Reserve { context: Asked::Test, bytes: 10 });
    assert_eq!(done, StoreDone::Reserved { context: Asked::Test, result: Err(StoreError::Failed) });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn two_stores_answer_as_one_with_all_the_transactions(
        batch in transactions(),
        split in 0usize..12,
        deeper in 0usize..12,
        files in any::<[bool; 4]>(),
    ) {
        let (under, above) = batch.split_at(split.min(batch.len()));
        let mut model = with(Rig::memory(), &batch);
        let mut rig = with(Rig::either(files[1]).over(with(Rig::either(files[0]), under)), above);
        compare(&mut rig, &mut model);
        // A demo storage under another one, and one above another; with a coding in between.
        let (lowest, middle) = under.split_at(deeper.min(under.len()));
        let hex = Transformation::both(Coding::Hex);
        let three = with(Rig::either(files[2]).coded(hex).over(with(Rig::either(files[0]), lowest)), middle);
        let mut three = with(Rig::either(files[1]).over(three), above);
        compare(&mut three, &mut model);
        let upper = Rig::either(files[3]).over(Rig::either(files[2]));
        let mut three = with(upper.over(with(Rig::either(files[0]), lowest)), &batch[lowest.len()..]);
        compare(&mut three, &mut model);
    }
}

/// A record that refers to this object.
fn record(to: u8) -> Vec<u8> {
    [&b"\x80\x03cmodule\nClass\nq\x01.\x80\x03C\x08\0\0\0\0\0\0\0"[..], &[to], b"Q."].concat()
}

#[test]
fn a_pack_of_the_changes_collects_only_what_nothing_in_the_base_can_reach() {
    let plain = b"\x80\x03cmodule\nClass\nq\x01.\x80\x03N.";
    for root in [None, Some(2), Some(1)] {
        let base = with(Rig::memory(), &[one(10, 0, &record(1)), one(11, 2, &record(1))]);
        let mut rig =
            with(Rig::memory().over(base), &[one(30, 1, plain), one(40, 1, plain), one(50, 3, plain)]);
        if let Some(to) = root {
            rig.append(vec![one(60, 0, &record(to))]);
        }
        assert!(rig.store.pack(Tid(70), true).unwrap().is_some());
        assert_eq!(rig.before(1, Tid::MAX), Ok(Some((plain.to_vec(), 40, None))), "{root:?}");
        assert_eq!(rig.before(3, Tid::MAX).is_ok(), root != Some(1), "{root:?}: all is in the changes");
        assert_eq!(rig.store.last_tid(), Tid(root.map_or(50, |_| 60)));
    }
}

#[test]
fn after_a_pack_no_revision_of_the_base_is_told_whose_end_is_not_certain() {
    let mut rig = sample(false);
    rig.append(vec![one(50, 1, b"d")]);
    rig.append(vec![one(70, 2, b"e")]);
    rig.store.pack(Tid(60), false).unwrap();
    assert_eq!(rig.before(1, Tid(31)), Ok(None), "that of 30 was packed away");
    assert_eq!(rig.before(1, Tid(50)), Ok(None));
    assert_eq!(rig.before(1, Tid(20)), Ok(Some((b"a".to_vec(), 10, Some(20)))), "the base knows its end");
    assert_eq!(rig.before(1, Tid(51)), Ok(Some((b"d".to_vec(), 50, None))));
    assert_eq!(rig.before(2, Tid(70)), Ok(Some((b"base".to_vec(), 21, Some(70)))), "it came after the pack");
}

#[test]
fn a_start_knows_from_the_log_of_the_changes_what_a_pack_may_have_removed() {
    let base = with(Rig::memory(), &[one(10, 1, b"a"), one(20, 1, b"b"), one(21, 2, b"base")]);
    let packed = Transaction { status: b'p', ..one(50, 1, b"d") };
    let deleted = Transaction { status: b'p', ..transaction(55, &[(3, None)]) };
    let mut rig = with(Rig::file().over(base), &[packed, deleted, one(70, 2, b"e")]);
    assert_eq!(rig.before(1, Tid(50)), Ok(None));
    assert_eq!(rig.before(1, Tid(20)), Ok(Some((b"a".to_vec(), 10, Some(20)))), "the base knows its end");
    assert_eq!(rig.before(1, Tid(51)), Ok(Some((b"d".to_vec(), 50, None))));
    assert_eq!(rig.before(2, Tid(70)), Ok(Some((b"base".to_vec(), 21, Some(70)))), "it came after the pack");
    assert_eq!(rig.before(3, Tid(55)), Ok(None));
}
