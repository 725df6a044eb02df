//! A Data.fs in one process.

use super::*;
use bytes::Bytes;
use zeolith_core::ids::Oid;
use zeolith_core::store::Record;
use zeolith_core::store::file::open::IndexUse;

fn transaction(tid: u64) -> Transaction {
    Transaction {
        tid: Tid(tid),
        status: b' ',
        user: Bytes::new(),
        description: Bytes::new(),
        extension: Bytes::new(),
        records: vec![Record { oid: Oid(tid), data: Some(Bytes::from_static(&[7; 100])), same_as: None }],
        copied: false,
    }
}

#[test]
fn what_was_appended_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Data.fs");
    let mut storage = Offline::open(&path, true).unwrap();
    storage.append(vec![transaction(1), transaction(2)]).unwrap();
    storage.append(vec![transaction(3)]).unwrap();
    storage.close().unwrap();
    let storage = Offline::open(&path, false).unwrap();
    assert_eq!((storage.last_tid(), storage.summary().objects), (Tid(3), 3));
    assert_eq!((storage.summary().report.index, storage.summary().report.scanned), (IndexUse::Used, 0));
}

#[test]
fn nobody_else_opens_it_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Data.fs");
    let storage = Offline::open(&path, true).unwrap();
    let error = Offline::open(&path, true).unwrap_err().to_string();
    let holder = format!("is in use by process {}", std::process::id());
    assert!(error.contains(&holder), "{error}");
    drop(storage);
    Offline::open(&path, false).unwrap();
}

#[test]
fn a_file_that_is_not_there_is_not_made_unless_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let error = Offline::open(&folder.path().join("Data.fs"), false).unwrap_err().to_string();
    assert!(error.contains("does not exist or is empty"), "{error}");
}

/// The same transaction as another storage tells it.
fn copied(tid: u64) -> CopiedTransaction {
    let Transaction { tid, status, user, description, extension, records, .. } = transaction(tid);
    let records =
        records.into_iter().map(|it| CopiedRecord { oid: it.oid, serial: tid, data: it.data, same_as: None });
    CopiedTransaction { tid, status, user, description, extension, records: records.collect() }
}

#[test]
fn a_file_is_read_beside_the_one_who_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Data.fs");
    let mut storage = Offline::open(&path, true).unwrap();
    storage.append(vec![transaction(1), transaction(2)]).unwrap();
    let mut reader = Offline::open_read_only(&path).unwrap();
    assert_eq!(reader.load_before(Oid(1), Tid::MAX).unwrap().unwrap().serial, Tid(1));
    assert_eq!(reader.load_before(Oid(2), Tid(2)), Ok(None));
    assert_eq!(reader.load_before(Oid(3), Tid::MAX), Err(StoreError::NoObject(Oid(3))));
    assert_eq!(reader.history(Oid(2), 10).unwrap().len(), 1);
    assert_eq!(reader.history(Oid(3), 10), Err(StoreError::NoObject(Oid(3))));
    let mut cursor = reader.transactions(Tid(2));
    assert_eq!(reader.next(&mut cursor), Ok(Some(copied(2))));
    assert_eq!(reader.next(&mut cursor), Ok(None));
}

#[test]
fn what_points_into_its_own_batch_is_written_as_a_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Data.fs");
    let mut storage = Offline::open(&path, true).unwrap();
    let again = |tid: u64, same_as| {
        let mut transaction = copied(tid);
        transaction.records[0] =
            CopiedRecord { oid: Oid(1), same_as: Some(Tid(same_as)), ..transaction.records[0].clone() };
        transaction
    };
    storage.copy(vec![copied(1), again(2, 1), again(3, 2), copied(4)]).unwrap();
    let mut cursor = storage.transactions(Tid::ZERO);
    let mut pointers = Vec::new();
    while let Some(transaction) = storage.next(&mut cursor).unwrap() {
        assert_eq!(transaction.records[0].data, copied(1).records[0].data);
        pointers.push(transaction.records[0].same_as);
    }
    assert_eq!(pointers, [None, Some(Tid(1)), Some(Tid(2)), None]);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = Offline::open(&folder.path().join("Data.fs"), true).unwrap();
    storage.copy(vec![copied(5)]).unwrap();
    let size = storage.size();
    let late = CopyError::Order { tid: Tid(5), last: Tid(6) };
    assert_eq!(storage.copy(vec![copied(6), copied(5)]), Err(late));
    assert_eq!(storage.copy(vec![copied(5)]), Err(CopyError::Order { tid: Tid(5), last: Tid(5) }));
    let odd = CopiedTransaction { status: b'c', ..copied(7) };
    assert_eq!(storage.copy(vec![copied(6), odd]), Err(CopyError::Status { tid: Tid(7), status: b'c' }));
    let long = CopiedTransaction { user: vec![b'x'; 65_536].into(), ..copied(7) };
    assert_eq!(storage.copy(vec![copied(6), long]), Err(CopyError::Strings(Tid(7))));
    assert_eq!((storage.size(), storage.last_tid()), (size, Tid(5)));
    storage.copy(vec![CopiedTransaction { status: b'u', ..copied(6) }]).unwrap();
    assert_eq!(storage.load_before(Oid(6), Tid::MAX), Err(StoreError::NoObject(Oid(6))));
}
