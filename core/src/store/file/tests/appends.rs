//! What an append asks of the disk, and what becomes of its failures.

use crate::ids::{Oid, Tid};
use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId};
use crate::store::file::testing::{Disk, Session, options, store_one, transaction};
use crate::store::{Outbox, StoreDone, StoreError, StoreOp};

fn shape(op: &DiskOp<u32>) -> String {
    match op {
        DiskOp::Write { file, at, chunks } => {
            format!("write {file:?} {at} {}", chunks.iter().map(|chunk| chunk.len()).sum::<usize>())
        }
        DiskOp::Sync { file } => format!("sync {file:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_written_marked_unmarked_summed_and_synced_in_this_order() {
    let mut disk = Disk::default();
    let mut store = disk.open().store;
    let mut out = Outbox::default();
    store.append(vec![store_one(1, 1, 100), store_one(2, 2, 100)], &mut out);
    let ops: Vec<String> = out.disk.iter().map(shape).collect();
    assert_eq!(ops, ["write Log 4 380", "write Log 20 1", "write Sidecar 48 96", "sync Log", "sync Sidecar"]);
    let Some(DiskOp::Write { chunks, .. }) = out.disk.front() else { panic!("a write") };
    let bytes = chunks.concat();
    assert_eq!((bytes[16], bytes[190 + 16]), (b'c', b' '), "only the first transaction is marked");
}

#[test]
fn nothing_is_visible_before_both_syncs_have_answered() {
    for first in [FileId::Log, FileId::Sidecar] {
        let mut disk = Disk::default();
        let mut store = disk.open().store;
        let mut out = Outbox::default();
        store.append(vec![store_one(1, 1, 100)], &mut out);
        let second = if first == FileId::Log { FileId::Sidecar } else { FileId::Log };
        store.on_disk(DiskDone::Synced { file: first, result: Ok(()) }, &mut out);
        assert_eq!((out.done.len(), store.last_tid(), store.len(), store.size()), (0, Tid::ZERO, 0, 4));
        store.on_disk(DiskDone::Synced { file: second, result: Ok(()) }, &mut out);
        assert_eq!(out.done, [StoreDone::Durable { upto: Tid(1) }]);
        assert_eq!((store.last_tid(), store.len(), store.size()), (Tid(1), 1, 194));
    }
}

#[test]
fn after_a_failed_sync_nothing_more_is_taken_and_loads_go_on() {
    for broken in [FileId::Log, FileId::Sidecar] {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        session.append(vec![store_one(1, 1, 100)]);
        session.disk.broken = Some(broken);
        let done = session.append(vec![store_one(2, 1, 100)]);
        let why = StoreError::Disk(DiskError::Io("a broken disk".into()));
        assert_eq!(done, [StoreDone::Refused { why }]);
        session.disk.broken = None;
        let done = session.append(vec![store_one(3, 1, 100)]);
        assert_eq!(done, [StoreDone::Refused { why: StoreError::Failed }]);
        let done = session.ask(StoreOp::Reserve { context: 5, bytes: 1 });
        assert_eq!(done, StoreDone::Reserved { context: 5, result: Err(StoreError::Failed) });
        assert_eq!(session.before(Oid(1), Tid::MAX).unwrap().unwrap().serial, Tid(1));
        assert_eq!(session.store.last_tid(), Tid(1));
    }
}

#[test]
fn a_failed_write_refuses_the_batch_though_the_syncs_succeed() {
    let mut disk = Disk::default();
    let mut store = disk.open().store;
    let mut out = Outbox::default();
    store.append(vec![store_one(1, 1, 100)], &mut out);
    store.on_disk(DiskDone::WriteFailed { file: FileId::Log, error: DiskError::Full }, &mut out);
    for file in [FileId::Log, FileId::Sidecar] {
        store.on_disk(DiskDone::Synced { file, result: Ok(()) }, &mut out);
    }
    assert_eq!(out.done, [StoreDone::Refused { why: StoreError::Disk(DiskError::Full) }]);
    assert_eq!(store.len(), 0);
}

#[test]
fn a_failed_save_of_the_index_is_no_failure_of_the_store() {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 100)]);
    let mut out = Outbox::default();
    session.store.close(&mut out);
    session.store.on_disk(DiskDone::Synced { file: FileId::Lock, result: Ok(()) }, &mut out);
    assert!(out.done.is_empty(), "the index is still on its way");
    let failed = DiskDone::Synced { file: FileId::Index, result: Err(DiskError::Full) };
    session.store.on_disk(failed, &mut out);
    let why = Err(StoreError::Disk(DiskError::Full));
    assert_eq!(out.done, [StoreDone::Closed { result: why }], "told, and nothing else");
}

#[test]
fn what_was_reserved_is_what_an_append_takes() {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.disk.room = Some(4 + 190);
    let done = session.ask(StoreOp::Reserve { context: 1, bytes: 190 });
    assert_eq!(done, StoreDone::Reserved { context: 1, result: Ok(()) });
    session.append(vec![store_one(1, 1, 100)]);
    assert_eq!(session.store.size(), 194);
    let done = session.ask(StoreOp::Reserve { context: 2, bytes: 1 });
    assert_eq!(done, StoreDone::Reserved { context: 2, result: Err(StoreError::Disk(DiskError::Full)) });
}

#[test]
#[should_panic(expected = "one batch at a time")]
fn a_second_batch_before_the_first_is_durable_is_a_bug() {
    let mut store = Disk::default().open().store;
    let mut out = Outbox::default();
    store.append(vec![store_one(1, 1, 100)], &mut out);
    store.append(vec![store_one(2, 2, 100)], &mut out);
}

#[test]
#[should_panic(expected = "locks keep an object from coming twice")]
fn an_object_twice_in_a_batch_is_a_bug() {
    Disk::default().open().store.append(vec![store_one(1, 1, 9), store_one(2, 1, 9)], &mut Outbox::default());
}

#[test]
#[should_panic(expected = "tids rise")]
fn a_tid_that_does_not_rise_is_a_bug() {
    Disk::default().open().store.append(vec![store_one(2, 1, 9), store_one(2, 2, 9)], &mut Outbox::default());
}

#[test]
#[should_panic(expected = "the format cannot count")]
fn a_string_one_byte_too_long_is_a_bug_here() {
    let mut too_long = transaction(1, &[]);
    too_long.description = vec![b'x'; 65_535].into();
    let mut store = Disk::default().open().store;
    store.append(vec![too_long.clone()], &mut Outbox::default());
    too_long.description = vec![b'x'; 65_536].into();
    Disk::default().open().store.append(vec![too_long], &mut Outbox::default());
}

#[test]
#[should_panic(expected = "read-only")]
fn an_append_to_a_read_only_storage_is_a_bug() {
    let mut disk = Disk::default();
    disk.open();
    let read_only = crate::store::file::open::OpenOptions { read_only: true, ..options() };
    let mut store = disk.try_open(read_only).unwrap().unwrap().store;
    store.append(vec![store_one(1, 1, 9)], &mut Outbox::default());
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_planted_durable_comes_before_the_syncs() {
    let mut store = Disk::default().open().store;
    store.plant(crate::planted::Bug::DurableBeforeSync);
    let mut out = Outbox::default();
    store.append(vec![store_one(1, 1, 100)], &mut out);
    assert_eq!(out.done, [StoreDone::Durable { upto: Tid(1) }]);
    for file in [FileId::Log, FileId::Sidecar] {
        store.on_disk(DiskDone::Synced { file, result: Ok(()) }, &mut out);
    }
    assert_eq!(out.done.len(), 1);
}
