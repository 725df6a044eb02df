//! The file that is packed.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::{Record, Transaction};
use zeolith_net::offline::Offline;

/// Objects in a transaction.
const TOGETHER: u64 = 100;
/// Transactions in a batch: one sync for many.
const BATCH: u64 = 100;
/// Bytes of an object.
const DATA: usize = 300;
/// Children of an object, as long as there are any.
const CHILDREN: u64 = 10;

/// The path of the file, which is made if need be.
pub fn file(objects: u64) -> PathBuf {
    let made = zeolith_tests::workspace().join("target").join(format!("pack-{objects}.fs"));
    if !made.exists() {
        make(&made, objects);
    }
    made
}

fn make(path: &Path, objects: u64) {
    let unfinished = path.with_extension("unfinished");
    let mut storage = Offline::open(&unfinished, true).expect("a new file");
    let first: Vec<u64> = (0..objects).collect();
    // Rewritten in another order.
    let second: Vec<u64> = (0..objects / 10).map(|number| number * 7_919 % objects).collect();
    let mut number = 0;
    for batch in first.chunks((TOGETHER * BATCH) as usize).chain(second.chunks((TOGETHER * BATCH) as usize)) {
        let batch = batch.chunks(TOGETHER as usize).map(|oids| {
            number += 1;
            transaction(number, oids, objects)
        });
        storage.append(batch.collect()).expect("a disk with room");
    }
    drop(storage);
    fs::rename(&unfinished, path).expect("a folder of our own");
}

fn transaction(number: u64, oids: &[u64], objects: u64) -> Transaction {
    let record = |&oid: &u64| Record { oid: Oid(oid), data: Some(record(oid, objects)), same_as: None };
    Transaction {
        // From 2024-02-29 on, a few milliseconds apart.
        tid: Tid(0x03ff_28ae_0000_0000 + (number << 18)),
        status: b' ',
        user: Bytes::new(),
        description: Bytes::from_static(b"many objects"),
        extension: Bytes::new(),
        copied: false,
        records: oids.iter().map(record).collect(),
    }
}

/// A mapping as ZODB writes it, with references to its children by oid and class.
fn record(oid: u64, objects: u64) -> Bytes {
    let mut record = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\x01.\x80\x03}q\x02X\x04\0\0\0dataq\x03}q\x04(X\x04\0\0\0kidsq\x05]q\x06(".to_vec();
    for child in (oid * CHILDREN + 1..=(oid + 1) * CHILDREN).filter(|child| *child < objects) {
        record.extend_from_slice(b"C\x08");
        record.extend_from_slice(&child.to_be_bytes());
        record.extend_from_slice(b"q\x07h\x01\x86q\x08Q");
    }
    record.extend_from_slice(b"eX\x04\0\0\0textq\x09X");
    let text = DATA.saturating_sub(record.len() + 10);
    record.extend_from_slice(&(text as u32).to_le_bytes());
    record.resize(record.len() + text, b'x');
    record.extend_from_slice(b"q\x0aus.");
    record.into()
}
