//! A storage in memory: for tests, and for data that need not outlive the server.

mod pack;

pub use pack::{PackError, Packed};

use crate::ids::{Oid, Tid};
use crate::store::{
    CopiedRecord, Current, First, Outbox, Past, Pasts, Place, RecordsLeft, Revision, Store, StoreDone,
    StoreError, StoreOp, Transaction, TransactionHead,
};
use bytes::Bytes;
use pack::Objects;
use std::collections::BTreeMap;

/// The status of a transaction of which a pack has removed something.
const PACKED: u8 = b'p';

/// It is not asked for places.
const NOWHERE: Place = Place { at: 0, log: 0 };

/// A storage that answers everything at once and keeps every revision until it is packed.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Objects,
    transactions: BTreeMap<Tid, Kept>,
    last: Tid,
    size: u64,
    /// The time of the last pack; zero when there was none.
    packed: Tid,
}

/// A transaction without the states it wrote.
#[derive(Debug)]
struct Kept {
    status: u8,
    /// User, description and extension.
    strings: [Bytes; 3],
    oids: Vec<Oid>,
}

impl MemoryStore {
    /// An empty storage.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Answers an operation.
    pub fn ask<C>(&mut self, op: StoreOp<C>, out: &mut Outbox<C>) {
        out.done.push_back(match op {
            StoreOp::LoadBefore { context, oid, before } => {
                StoreDone::Loaded { context, oid, result: self.load_before(oid, before) }
            }
            StoreOp::LoadSerial { context, oid, serial } => {
                StoreDone::Data { context, oid, result: self.load_serial(oid, serial) }
            }
            StoreOp::CurrentSerial { context, oid } => {
                StoreDone::Serial { context, oid, result: Ok(self.current(oid)) }
            }
            StoreOp::First { context, oid } => StoreDone::First { context, oid, result: Ok(self.first(oid)) },
            StoreOp::History { context, oid, count } => {
                StoreDone::History { context, oid, result: self.history(oid, count) }
            }
            StoreOp::NextTransaction { context, from, near: _ } => {
                StoreDone::Transaction { context, result: Ok(self.next_transaction(from)) }
            }
            StoreOp::NextRecord { context, left } => {
                StoreDone::Record { context, result: Ok(self.next_record(left)) }
            }
            StoreOp::Targets { .. }
            | StoreOp::Undo { .. }
            | StoreOp::Origin { .. }
            | StoreOp::PreviousTransaction { .. } => {
                unreachable!("a memory store undoes nothing, and says so")
            }
            StoreOp::Find { context, .. } => StoreDone::Found { context, result: Ok(None) },
            StoreOp::Reserve { context, bytes: _ } => StoreDone::Reserved { context, result: Ok(()) },
        });
    }

    /// Appends transactions; they are durable, as far as memory is, when this returns.
    ///
    /// # Panics
    /// When the tids do not rise.
    pub fn append<C>(&mut self, batch: Vec<Transaction>, out: &mut Outbox<C>) {
        for transaction in batch {
            assert!(transaction.tid > self.last, "tids rise");
            self.last = transaction.tid;
            let strings =
                transaction.user.len() + transaction.description.len() + transaction.extension.len();
            let lens = transaction.records.iter().map(|record| record.data.as_ref().map(Bytes::len));
            self.size += Store::<C>::footprint(strings, lens);
            let oids = transaction.records.iter().map(|record| record.oid).collect();
            for record in transaction.records {
                // As in a Data.fs, no data is a deletion.
                let data = record.data.filter(|data| !data.is_empty());
                let revisions = self.objects.entry(record.oid).or_default();
                // Of several records of one object the last counts, as in a Data.fs.
                revisions.pop_if(|(tid, _)| *tid == transaction.tid);
                revisions.push((transaction.tid, data));
            }
            let strings = [transaction.user, transaction.description, transaction.extension];
            self.transactions.insert(transaction.tid, Kept { status: transaction.status, strings, oids });
        }
        out.done.push_back(StoreDone::Durable { upto: self.last });
    }

    /// Drops the revisions that were not current at `stop` or later, and with `gc` the objects that the root does not
    /// reach, however new they are. The last tid stays. `None`: there is nothing to do.
    ///
    /// # Errors
    /// [`PackError`]; nothing is gone then.
    pub fn pack(&mut self, stop: Tid, gc: bool) -> Result<Option<Packed>, PackError> {
        if self.objects.is_empty() || self.packed == stop {
            return Ok(None);
        }
        if self.packed > stop {
            return Err(PackError::Later);
        }
        let leaving = pack::leaving(&self.objects, stop, gc)?;
        self.packed = stop;
        for (oid, tids) in &leaving {
            for tid in tids {
                let kept = self.transactions.get_mut(tid).expect("the transaction of a revision");
                kept.oids.retain(|other| other != oid);
                kept.status = PACKED;
                if kept.oids.is_empty() {
                    self.transactions.remove(tid);
                }
            }
        }
        let mut gone = pack::remove(&mut self.objects, &leaving);
        gone.extend(pack::superseded(&self.objects));
        let before = self.size;
        self.size = self.transactions.iter().map(|(tid, kept)| self.footprint(*tid, kept)).sum();
        Ok(Some(Packed { before, after: self.size, gone }))
    }

    /// Bytes that what is left of a transaction would take in a Data.fs.
    fn footprint(&self, tid: Tid, kept: &Kept) -> u64 {
        let lens = kept.oids.iter().map(|oid| self.load_serial(*oid, tid).ok().map(|data| data.len()));
        Store::<()>::footprint(kept.strings.iter().map(Bytes::len).sum(), lens)
    }

    /// The last transaction; zero in an empty store.
    pub fn last_tid(&self) -> Tid {
        self.last
    }

    /// The highest oid ever stored; zero in an empty store.
    pub fn max_oid(&self) -> Oid {
        self.objects.last_key_value().map_or(Oid::ZERO, |(oid, _)| *oid)
    }

    /// The first object at or behind `oid`, deleted ones included; `None` when there is none.
    pub fn first_from(&self, oid: Oid) -> Option<Oid> {
        self.objects.range(oid..).next().map(|(oid, _)| *oid)
    }

    /// Whether the object was ever stored.
    pub fn contains(&self, oid: Oid) -> bool {
        self.objects.contains_key(&oid)
    }

    /// Objects in the store, deleted ones included.
    pub fn len(&self) -> u64 {
        self.objects.len() as u64
    }

    /// True when nothing was ever stored.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Bytes the transactions would take in a Data.fs.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn load_before(&self, oid: Oid, before: Tid) -> Result<Option<Revision>, StoreError> {
        let revisions = self.objects.get(&oid).ok_or(StoreError::NoObject(oid))?;
        let behind = revisions.partition_point(|(serial, _)| *serial < before);
        let Some((serial, data)) = behind.checked_sub(1).map(|at| &revisions[at]) else { return Ok(None) };
        let data = data.clone().ok_or(StoreError::NoObject(oid))?;
        let until = revisions.get(behind).map(|(serial, _)| *serial);
        Ok(Some(Revision { data, serial: *serial, until }))
    }

    fn load_serial(&self, oid: Oid, serial: Tid) -> Result<Bytes, StoreError> {
        let revisions = self.objects.get(&oid).ok_or(StoreError::NoObject(oid))?;
        let at = revisions.binary_search_by_key(&serial, |(serial, _)| *serial);
        let data = at.ok().and_then(|at| revisions[at].1.clone());
        data.ok_or(StoreError::NoObject(oid))
    }

    fn history(&self, oid: Oid, count: usize) -> Result<Vec<Past>, StoreError> {
        let revisions = self.objects.get(&oid).ok_or(StoreError::NoObject(oid))?;
        let mut pasts = Pasts::new(count);
        for (tid, data) in revisions.iter().rev().take(count) {
            let [user, description, extension] = self.transactions[tid].strings.clone();
            let size = data.as_ref().map_or(0, |data| data.len() as u64);
            pasts.add(Past { tid: *tid, size, user, description, extension })?;
        }
        Ok(pasts.found)
    }

    fn next_transaction(&self, from: Tid) -> Option<TransactionHead> {
        let (tid, kept) = self.transactions.range(from..).next()?;
        let [user, description, extension] = kept.strings.clone();
        let end = kept.oids.len() as u64;
        let records = RecordsLeft { tid: *tid, log: 0, given: 0, txn: 0, at: 0, end };
        let status = kept.status;
        Some(TransactionHead {
            tid: *tid,
            status,
            user,
            description,
            extension,
            size: 0,
            at: NOWHERE,
            records,
            behind: NOWHERE,
        })
    }

    fn next_record(&self, mut left: RecordsLeft) -> Option<(CopiedRecord, RecordsLeft)> {
        let oid = *self.transactions[&left.tid].oids.get(left.at as usize)?;
        left.at += 1;
        let data = self.load_serial(oid, left.tid).ok();
        Some((CopiedRecord { oid, serial: left.tid, data, same_as: None }, left))
    }

    fn current(&self, oid: Oid) -> Current {
        serial(self.objects.get(&oid).and_then(|revisions| revisions.last()))
    }

    fn first(&self, oid: Oid) -> Option<First> {
        let (serial, _) = self.objects.get(&oid)?.first()?;
        Some(First { serial: *serial, packed: *serial <= self.packed })
    }
}

fn serial(revision: Option<&(Tid, Option<Bytes>)>) -> Current {
    match revision {
        None => Current::Absent,
        Some((serial, Some(_))) => Current::At(*serial),
        Some((serial, None)) => Current::Deleted(*serial),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Record;
    use crate::store::file::testing::transaction;

    fn stored(tid: u64, data: Option<&'static [u8]>) -> Transaction {
        Transaction {
            tid: Tid(tid),
            status: b' ',
            user: Bytes::new(),
            description: Bytes::new(),
            extension: Bytes::new(),
            records: vec![Record { oid: Oid(1), data: data.map(Bytes::from_static), same_as: None }],
            copied: false,
        }
    }

    fn ask(store: &mut MemoryStore, op: StoreOp<()>) -> StoreDone<()> {
        let mut out = Outbox::default();
        store.ask(op, &mut out);
        out.done.pop_front().unwrap()
    }

    fn before(store: &mut MemoryStore, tid: u64) -> Result<Option<(u64, Option<u64>)>, StoreError> {
        match ask(store, StoreOp::LoadBefore { context: (), oid: Oid(1), before: Tid(tid) }) {
            StoreDone::Loaded { result, .. } => {
                result.map(|found| found.map(|found| (found.serial.0, found.until.map(|tid| tid.0))))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn revisions_are_found_with_the_time_they_were_current() {
        let mut store = MemoryStore::new();
        assert_eq!(before(&mut store, 9), Err(StoreError::NoObject(Oid(1))));
        let mut out = Outbox::<()>::default();
        store.append(vec![stored(2, Some(b"a")), stored(4, Some(b"b")), stored(6, None)], &mut out);
        assert_eq!(out.done, [StoreDone::Durable { upto: Tid(6) }]);
        assert_eq!(before(&mut store, 2), Ok(None));
        assert_eq!(before(&mut store, 3), Ok(Some((2, Some(4)))));
        assert_eq!(before(&mut store, 6), Ok(Some((4, Some(6)))));
        assert_eq!(before(&mut store, 7), Err(StoreError::NoObject(Oid(1))), "a deletion");
        let current = ask(&mut store, StoreOp::CurrentSerial { context: (), oid: Oid(1) });
        assert_eq!(
            current,
            StoreDone::Serial { context: (), oid: Oid(1), result: Ok(Current::Deleted(Tid(6))) }
        );
        let data = ask(&mut store, StoreOp::LoadSerial { context: (), oid: Oid(1), serial: Tid(4) });
        assert_eq!(data, StoreDone::Data { context: (), oid: Oid(1), result: Ok(Bytes::from_static(b"b")) });
    }

    /// A record that refers to these objects.
    fn record(to: &[u8]) -> Vec<u8> {
        let mut record = b"\x80\x03cmodule\nClass\nq\x01.\x80\x03(".to_vec();
        for &oid in to {
            record.extend(b"C\x08\0\0\0\0\0\0\0");
            record.extend([oid, b'Q']);
        }
        record.extend(b"t.");
        record
    }

    /// The root refers to object 1, which is changed at 30 and 50 and refers to object 2 from 50 on; nothing refers to object 3.
    fn reachable() -> MemoryStore {
        let mut store = MemoryStore::new();
        let (root, plain, late) = (record(&[1]), record(&[]), record(&[2]));
        let batch = vec![
            transaction(10, &[(0, Some(&root)), (1, Some(&plain))]),
            transaction(20, &[(3, Some(&plain))]),
            transaction(30, &[(1, Some(&plain))]),
            transaction(40, &[(2, Some(&plain))]),
            transaction(50, &[(1, Some(&late))]),
        ];
        store.append(batch, &mut Outbox::<()>::default());
        store
    }

    fn tids(store: &MemoryStore) -> Vec<u64> {
        store.transactions.keys().map(|tid| tid.0).collect()
    }

    #[test]
    fn a_pack_drops_old_revisions_and_what_nothing_reaches() {
        let mut store = reachable();
        let packed = store.pack(Tid(35), true).unwrap().unwrap();
        assert!(packed.after < packed.before && packed.after == store.size());
        assert_eq!(tids(&store), [10, 30, 40, 50], "object 2 is reached later");
        assert_eq!(before(&mut store, 20), Ok(None), "it was packed away");
        assert_eq!(before(&mut store, 31), Ok(Some((30, Some(50)))));
        assert_eq!((store.len(), store.last_tid()), (3, Tid(50)));
        let first = store.next_transaction(Tid::ZERO).unwrap();
        assert_eq!((first.status, store.next_record(first.records).unwrap().0.oid), (b'p', Oid(0)));
        // What was there for the size is what a store without the rest would have.
        let kept: Vec<_> = [(10, 0), (30, 1), (40, 2), (50, 1)].into();
        let mut other = MemoryStore::new();
        for (tid, oid) in kept {
            let state = store.load_serial(Oid(oid), Tid(tid)).unwrap();
            other.append(vec![transaction(tid, &[(oid, Some(&state))])], &mut Outbox::<()>::default());
        }
        assert_eq!(store.size(), other.size());
    }

    #[test]
    fn a_pack_to_the_same_time_does_nothing_and_one_to_an_earlier_time_is_refused() {
        let mut store = reachable();
        assert!(store.pack(Tid(35), false).unwrap().is_some());
        assert_eq!(tids(&store), [10, 20, 30, 40, 50], "nothing is collected");
        assert_eq!(store.pack(Tid(35), true), Ok(None));
        assert_eq!(store.pack(Tid(34), true), Err(PackError::Later));
        assert_eq!(MemoryStore::new().pack(Tid(35), true), Ok(None));
    }

    #[test]
    fn a_pack_that_cannot_tell_what_is_reached_leaves_everything() {
        for (oid, state, expected) in [
            (4, record(&[]), None),
            (1, record(&[9]), Some(PackError::Missing { oid: Oid(9), by: Oid(1) })),
            (0, Vec::new(), Some(PackError::NoRoot)),
        ] {
            let mut store = reachable();
            store.append(vec![transaction(60, &[(oid, Some(&state))])], &mut Outbox::<()>::default());
            let (size, packed) = (store.size(), store.pack(Tid(70), true));
            match expected {
                None => assert!(packed.is_ok()),
                Some(error) => {
                    assert_eq!((packed, store.size()), (Err(error), size));
                    assert!(store.pack(Tid(65), false).unwrap().is_some(), "without collection it goes");
                }
            }
        }
        let mut store = reachable();
        store.append(vec![transaction(60, &[(1, Some(b"no record"))])], &mut Outbox::<()>::default());
        assert!(matches!(store.pack(Tid(70), true), Err(PackError::Unreadable { oid: Oid(1), .. })));
    }

    #[test]
    fn a_pack_tells_which_blobs_go() {
        let mut store = MemoryStore::new();
        let blob: &[u8] = b"cZODB.blob\nBlob\n.N.";
        let gone = |store: &mut MemoryStore, stop| -> Vec<(u64, u64)> {
            let packed = store.pack(Tid(stop), false).unwrap().unwrap();
            packed.gone.iter().map(|id| (id.oid.0, id.tid.0)).collect()
        };
        for (tid, state) in [(10, blob), (20, blob), (40, blob), (50, blob), (60, b"no blob")] {
            store.append(vec![transaction(tid, &[(1, Some(state))])], &mut Outbox::<()>::default());
        }
        assert_eq!(gone(&mut store, 30), [(1, 10), (1, 40), (1, 20)], "of later ones the newest stays");
        assert_eq!(store.load_serial(Oid(1), Tid(40)).unwrap(), blob, "its record does");
        store.append(vec![transaction(70, &[(1, None)])], &mut Outbox::<()>::default());
        assert_eq!(gone(&mut store, 55), [(1, 20), (1, 40), (1, 50)], "it was deleted later");
        assert_eq!((gone(&mut store, 80), store.len(), store.last_tid()), (vec![(1, 50)], 0, Tid(70)));
    }
}
