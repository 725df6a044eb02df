//! Transactions that are told with all their records, and copies of them.

use super::loads::batches;
use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::store::file::format::{DATA_HEADER, FIRST, STATUS, TXN_HEADER, UNDONE};
use crate::store::file::testing::{Disk, Session, store_one, transaction};
use crate::store::{CopiedRecord, CopiedTransaction, Outbox, StoreDone, StoreError, Transaction};
use proptest::prelude::*;

fn told(session: &Session<'_>, from: Tid) -> Result<Vec<CopiedTransaction>, StoreError> {
    let mut errand = session.store.transactions(from);
    let mut all = Vec::new();
    while let Some(transaction) = session.pursue(&mut errand)? {
        all.push(transaction);
    }
    Ok(all)
}

fn copied(session: &mut Session<'_>, mut batch: Vec<Transaction>) {
    batch.iter_mut().for_each(|transaction| transaction.copied = true);
    let mut out = Outbox::default();
    let last = batch.last().unwrap().tid;
    session.store.append(batch, &mut out);
    assert_eq!(session.settle(&mut out), [StoreDone::Durable { upto: last }]);
}

/// What a way through the log has to say of a transaction whose records have their states.
fn expected(transaction: &Transaction) -> CopiedTransaction {
    let record = |record: &crate::store::Record| CopiedRecord {
        oid: record.oid,
        serial: transaction.tid,
        data: record.data.clone().filter(|data| !data.is_empty()),
        same_as: None,
    };
    CopiedTransaction {
        tid: transaction.tid,
        status: transaction.status,
        user: transaction.user.clone(),
        description: transaction.description.clone(),
        extension: transaction.extension.clone(),
        records: transaction.records.iter().map(record).collect(),
    }
}

proptest! {
    #[test]
    fn what_was_appended_is_told_from_any_transaction_on(batches in batches()) {
        let mut disk = Disk::default();
        let mut session = Session { store: disk.open().store, disk: &mut disk };
        let mut all = Vec::new();
        for batch in batches {
            all.extend(batch.iter().map(expected));
            session.append(batch);
        }
        for from in (0..160).step_by(5).map(Tid) {
            let wanted: Vec<_> = all.iter().filter(|transaction| transaction.tid >= from).cloned().collect();
            prop_assert_eq!(told(&session, from).unwrap(), wanted);
        }
    }

    #[test]
    fn copies_in_one_batch_are_the_same_bytes_as_one_by_one(batches in batches()) {
        let all: Vec<Transaction> = batches.into_iter().flatten().collect();
        let [mut one, mut other] = [Disk::default(), Disk::default()];
        let mut session = Session { store: one.open().store, disk: &mut one };
        for transaction in all.clone() {
            session.append(vec![transaction]);
        }
        let mut session = Session { store: other.open().store, disk: &mut other };
        copied(&mut session, all);
        prop_assert_eq!(one.bytes(FileId::Log), other.bytes(FileId::Log));
        // And the index knows them all.
        let report = other.open().report;
        prop_assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }
}

#[test]
fn a_way_through_the_log_goes_on_with_what_came_since() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    let mut errand = session.store.transactions(Tid::ZERO);
    for tid in 1..4 {
        assert_eq!(session.pursue(&mut errand), Ok(None));
        session.append(vec![store_one(tid, 1, 100)]);
        assert_eq!(session.pursue(&mut errand), Ok(Some(expected(&store_one(tid, 1, 100)))));
    }
}

#[test]
fn a_copy_points_back_to_what_the_file_has() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![transaction(1, &[(1, Some(b"first")), (2, Some(b"other"))])]);
    session.append(vec![transaction(2, &[(1, Some(b"second"))])]);
    let same_as = session.place(1, 1, b"first");
    assert!(same_as.is_some());
    let mut undo = transaction(3, &[(1, Some(b"first"))]);
    undo.records[0].same_as = same_as;
    let before = session.store.size();
    copied(&mut session, vec![undo]);
    let strings = "user".len() + "a description".len();
    assert_eq!(session.store.size() - before, (TXN_HEADER + strings + DATA_HEADER + 8 + 8) as u64);
    let record = told(&session, Tid(3)).unwrap().remove(0).records.remove(0);
    assert_eq!((record.data.as_deref(), record.same_as), (Some(&b"first"[..]), Some(Tid(1))));
    // A pointer is followed to the first state, and told by the transaction it leads to first.
    let mut again = transaction(4, &[(1, Some(b"first"))]);
    again.records[0].same_as = session.place(1, 3, b"first");
    copied(&mut session, vec![again]);
    let record = told(&session, Tid(4)).unwrap().remove(0).records.remove(0);
    assert_eq!((record.data.as_deref(), record.same_as), (Some(&b"first"[..]), Some(Tid(3))));
    assert_eq!(session.before(Oid(1), Tid::MAX).unwrap().unwrap().data, &b"first"[..]);
}

#[test]
fn nothing_is_pointed_to_that_is_not_the_same() {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![transaction(10, &[(1, Some(b"first"))])]);
    session.append(vec![transaction(20, &[(1, Some(b"second"))])]);
    for (oid, serial, data) in [
        (1, 10, &b"other"[..]),
        (1, 10, b"longer than it"),
        (1, 5, b"first"),
        (1, 15, b"first"),
        (1, 30, b"second"),
        (2, 10, b"first"),
    ] {
        assert_eq!(session.place(oid, serial, data), None, "{oid} at {serial}");
    }
    assert!(session.place(1, 20, b"second").is_some());
}

/// The bytes of a log of three transactions of 20 bytes each, and where its second one starts.
fn three() -> (Vec<u8>, usize) {
    let mut disk = Disk::default();
    let mut session = Session { store: disk.open().store, disk: &mut disk };
    session.append(vec![store_one(1, 1, 20)]);
    let second = session.store.size() as usize;
    session.append(vec![store_one(2, 1, 20)]);
    session.append(vec![store_one(3, 1, 20)]);
    (disk.bytes(FileId::Log).to_vec(), second)
}

#[test]
fn an_undone_transaction_is_told_without_its_records() {
    let (mut log, second) = three();
    log[second + STATUS as usize] = UNDONE;
    let mut disk = Disk::with(&[(FileId::Log, &log)]);
    let session = Session { store: disk.open().store, disk: &mut disk };
    let told = told(&session, Tid::ZERO).unwrap();
    let told: Vec<_> = told.iter().map(|it| (it.tid, it.status, it.records.len())).collect();
    assert_eq!(told, [(Tid(1), b' ', 1), (Tid(2), UNDONE, 0), (Tid(3), b' ', 1)]);
}

#[test]
fn damage_under_way_ends_with_an_error_and_no_panic() {
    let (log, _) = three();
    let mut disk = Disk::with(&[(FileId::Log, &log)]);
    let store = disk.open().store;
    let session = Session { store, disk: &mut disk };
    for at in FIRST as usize..log.len() {
        for bit in [0x01, 0x80] {
            let mut damaged = log.clone();
            damaged[at] ^= bit;
            session.disk.put(FileId::Log, damaged);
            match told(&session, Tid::ZERO) {
                // Strings and states cannot be told from others without checksums.
                Ok(told) => assert!(told.len() <= 3, "byte {at}"),
                Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "byte {at}: {error}"),
            }
        }
    }
    // A length, and the position of the transaction in its record.
    for at in [8, 15, TXN_HEADER + 17 + 24].map(|offset| FIRST as usize + offset) {
        let mut damaged = log.clone();
        damaged[at] ^= 1;
        session.disk.put(FileId::Log, damaged);
        assert!(told(&session, Tid::ZERO).is_err(), "byte {at}");
    }
}
