//! Histories: the file's against the memory's, and what a damaged or endless one ends with.

use super::loads::batches;
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::disk::FileId;
use crate::store::file::format::{FIRST, TXN_HEADER};
use crate::store::file::testing::{Disk, Session, store_one, transaction};
use crate::store::memory::MemoryStore;
use crate::store::{Outbox, Past, StoreDone, StoreError, StoreOp, Transaction};
use bytes::Bytes;
use proptest::prelude::*;

fn remembered(store: &mut MemoryStore, oid: Oid, count: usize) -> Result<Vec<Past>, StoreError> {
    let mut out = Outbox::<u32>::default();
    store.ask(StoreOp::History { context: 0, oid, count }, &mut out);
    match out.done.pop_front() {
        Some(StoreDone::History { result, .. }) => result,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn a_file_and_a_memory_remember_the_same(batches in batches()) {
        let mut disk = Disk::default();
        let mut session = Session { store: disk.open().store, disk: &mut disk };
        let mut memory = MemoryStore::new();
        for batch in batches {
            memory.append(batch.clone(), &mut Outbox::<u32>::default());
            session.append(batch);
        }
        for oid in (0..9).map(|number| Oid(number * 300)) {
            for count in [0, 1, 2, usize::MAX] {
                let expected = remembered(&mut memory, oid, count);
                let tids = expected.as_ref().map_or(&[][..], |pasts| pasts);
                prop_assert!(tids.is_sorted_by(|one, next| one.tid > next.tid));
                prop_assert_eq!(session.history(oid, count), expected);
            }
        }
    }
}

/// A transaction of one object with the longest strings there are.
fn verbose(tid: u64) -> Transaction {
    let text = Bytes::from(vec![tid as u8; limits::METADATA]);
    let (user, description, extension) = (text.clone(), text.clone(), text);
    Transaction { user, description, extension, ..store_one(tid, 1, 10) }
}

#[test]
fn a_history_that_is_too_long_is_refused_and_a_shorter_one_is_not() {
    let fits = (limits::HISTORY / (3 * limits::METADATA + size_of::<Past>())) as u64;
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    let mut memory = MemoryStore::new();
    for tid in 1..=fits + 1 {
        memory.append(vec![verbose(tid)], &mut Outbox::<u32>::default());
        session.append(vec![verbose(tid)]);
    }
    for count in [fits, fits + 1].map(|count| count as usize) {
        let results = [session.history(Oid(1), count), remembered(&mut memory, Oid(1), count)];
        for result in results {
            match result {
                Ok(pasts) => assert_eq!((pasts.len(), pasts[0].tid), (fits as usize, Tid(fits + 1))),
                Err(error) => {
                    assert!(matches!(error, StoreError::TooLarge(_)), "{error}");
                    assert_eq!(count, fits as usize + 1);
                }
            }
        }
    }
}

#[test]
fn a_commit_on_the_way_does_not_start_a_history_over() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 10)]);
    session.append(vec![store_one(2, 1, 10)]);
    let mut out = Outbox::default();
    session.store.ask(StoreOp::History { context: 0, oid: Oid(1), count: 9 }, &mut out);
    session.append(vec![store_one(3, 1, 10)]);
    match &session.settle(&mut out)[..] {
        [StoreDone::History { result: Ok(pasts), .. }] => {
            assert_eq!(pasts.iter().map(|past| past.tid).collect::<Vec<_>>(), [Tid(2), Tid(1)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_history_through_damage_names_the_damage() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 10)]);
    session.append(vec![transaction(2, &[(1, Some(b"second")), (2, Some(b"other"))])]);
    let sound = session.disk.bytes(FileId::Log).to_vec();
    let record = FIRST as usize + TXN_HEADER + "usera description".len();
    // The fields of the first record: object, transaction, previous record, position of the transaction.
    let fields =
        [(0, "another object"), (8, "another transaction"), (16, "backwards"), (24, "another transaction")];
    for (at, text) in fields {
        let mut broken = sound.clone();
        broken[record + at..record + at + 8].copy_from_slice(&(sound.len() as u64).to_be_bytes());
        session.disk.put(FileId::Log, broken);
        match session.history(Oid(1), 9) {
            Err(StoreError::Damaged { at, what, .. }) => {
                assert_eq!(at, record as u64);
                assert!(what.contains(text), "{what}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(session.history(Oid(1), 1).map(|pasts| pasts.len()), Ok(1), "the second is sound");
    }
}
