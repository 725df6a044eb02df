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
