//! A transaction between begin and finish: what it wants to change, and how far it is.

use crate::commit::locks::{Mode, Wanted};
use crate::ids::{Oid, Tid};
use crate::limits::{self, Limits};
use crate::record;
use crate::server::names::{ReplyTo, TxnKey};
use crate::store::{Current, Record, Store, StoreError, Transaction};
use crate::time::WallTime;
use crate::wire::call::TxnId;
use crate::wire::remote::{ConflictError, RemoteError};
use crate::wire::reply::Conflict;
use bytes::Bytes;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// It takes stores and read checks. After a vote that ended in conflicts it does so with its locks held.
    Open,
    /// Its vote waits for locks.
    Waiting(ReplyTo),
    /// It holds its locks; `outstanding` current serials are still to come.
    Checking {
        /// Who voted.
        vote: ReplyTo,
        /// Answers to come.
        outstanding: usize,
    },
    /// It is free of conflicts and waits for room on the disk.
    Reserving(ReplyTo),
    /// Its vote was answered; it may finish.
    Voted,
}

/// A change or a read check, with what was found out about it.
#[derive(Clone, Debug)]
struct Item {
    oid: Oid,
    /// The revision the client's work is based on.
    serial: Tid,
    kind: Kind,
    /// What the storage holds; asked for once the lock is there.
    current: Option<Current>,
    /// Its lock is held.
    locked: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Store(Bytes),
    Check,
}

/// What is to be done after a vote's checks.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing stands in the way.
    Clean,
    /// These stores are stale: the client may resolve them.
    Resolve(Vec<Conflict>),
    /// The transaction cannot be committed.
    Fail(RemoteError),
}

/// A transaction of one connection.
#[derive(Debug)]
pub struct Txn {
    /// Ours, never reused.
    pub key: TxnKey,
    /// The client's.
    pub id: TxnId,
    /// How far it is.
    pub phase: Phase,
    /// A tid it must get.
    pub explicit_tid: Option<Tid>,
    status: u8,
    user: Bytes,
    description: Bytes,
    extension: Bytes,
    items: Vec<Item>,
    stores: HashMap<Oid, usize, FxBuildHasher>,
    bytes: usize,
    limits: Limits,
    /// A store that could not be taken; one-way calls have no reply, so the vote tells.
    spoiled: Option<RemoteError>,
    /// Votes that ended in conflicts.
    rounds: u32,
    /// Conflicts the client resolved.
    resolved: u64,
    /// Room reserved on the disk.
    pub reserved: u64,
    /// When its locks were granted.
    pub locked_at: Option<WallTime>,
}

/// What `tpc_begin` says of a transaction, owned.
#[derive(Clone, Debug)]
pub struct Header {
    /// The client's name for it.
    pub id: TxnId,
    /// User name.
    pub user: Bytes,
    /// Description.
    pub description: Bytes,
    /// Extension pickle.
    pub extension: Bytes,
    /// A tid it must get.
    pub tid: Option<Tid>,
    /// Its status.
    pub status: u8,
}

impl Txn {
    /// A transaction without changes.
    pub fn new(key: TxnKey, header: Header, limits: Limits) -> Txn {
        let status = RemoteError::StorageTransaction(format!(
            "status {:?} is none of ' ' and 'p'",
            char::from(header.status)
        ));
        let unread = (!matches!(header.status, b' ' | b'p')).then_some(status);
        let too_long = [
            (&header.user, "user name too long"),
            (&header.description, "description too long"),
            (&header.extension, "too much extension data"),
        ]
        .into_iter()
        .find(|(text, _)| text.len() > limits::METADATA)
        .map(|(_, what)| RemoteError::Storage(what.into()));
        Txn {
            key,
            id: header.id,
            phase: Phase::Open,
            explicit_tid: header.tid,
            status: header.status,
            user: header.user,
            description: header.description,
            extension: header.extension,
            items: Vec::new(),
            stores: HashMap::default(),
            bytes: 0,
            limits,
            // A log marks what is not to be read with other statuses: the transaction would be gone after a restart.
            spoiled: unread.or(too_long),
            rounds: 0,
            resolved: 0,
            reserved: 0,
            locked_at: None,
        }
    }

    /// Takes an object's new state. A later store of the same object replaces the earlier: that is how a resolved
    /// conflict comes in, and a log holds one record of an object a transaction.
    pub fn store(&mut self, oid: Oid, serial: Tid, data: Bytes) {
        let earlier = self.stores.get(&oid).copied();
        let replaced = earlier.map_or(0, |at| match &self.items[at].kind {
            Kind::Store(data) => data.len(),
            Kind::Check => 0,
        });
        let bytes = self.bytes - replaced + data.len();
        if bytes > self.limits.transaction_bytes || (earlier.is_none() && self.is_full()) {
            return self.spoil();
        }
        self.bytes = bytes;
        let kind = Kind::Store(data);
        match earlier {
            Some(at) => {
                mark!("a store replaces an earlier one");
                let item = &mut self.items[at];
                *item = Item { oid, serial, kind, current: None, locked: item.locked };
            }
            None => {
                self.stores.insert(oid, self.items.len());
                self.items.push(Item { oid, serial, kind, current: None, locked: false });
            }
        }
    }

    /// Takes a read check: the object must still be at `serial` when the transaction votes, and until it finishes.
    pub fn check(&mut self, oid: Oid, serial: Tid) {
        if self.is_full() {
            return self.spoil();
        }
        self.items.push(Item { oid, serial, kind: Kind::Check, current: None, locked: false });
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.limits.transaction_objects
    }

    /// Something could not be taken: the vote will say so.
    fn spoil(&mut self) {
        let Limits { transaction_bytes, transaction_objects, .. } = self.limits;
        mark!("a transaction is too large");
        let what =
            format!("the transaction exceeds {transaction_bytes} bytes or {transaction_objects} objects");
        self.spoiled.get_or_insert(RemoteError::TransactionTooLarge(what));
    }

    /// Why the transaction cannot be voted on, if a store or its metadata could not be taken.
    pub fn spoiled(&self) -> Option<&RemoteError> {
        self.spoiled.as_ref()
    }

    /// Whether its locks are held.
    pub fn holds_locks(&self) -> bool {
        !matches!(self.phase, Phase::Waiting(_)) && self.locked_at.is_some()
    }

    /// The locks the transaction needs and has not asked for, which it is taken to ask for now. Copies of databases
    /// carry a tid or a status and exclude everything else.
    pub fn wanted(&mut self) -> Wanted {
        if self.explicit_tid.is_some() || self.status != b' ' {
            mark!("a copy excludes everything else");
            return Wanted::Whole;
        }
        let mut objects: Vec<(Oid, Mode)> = Vec::new();
        for item in self.items.iter_mut().filter(|item| !item.locked) {
            item.locked = true;
            objects.push((
                item.oid,
                match item.kind {
                    Kind::Store(_) => Mode::Exclusive,
                    Kind::Check => Mode::Shared,
                },
            ));
        }
        // An object both stored and checked, or checked twice, is named once, in the stronger mode.
        objects.sort_unstable_by_key(|&(oid, mode)| (oid, mode == Mode::Shared));
        objects.dedup_by_key(|&mut (oid, _)| oid);
        Wanted::Objects(objects)
    }

    /// Its locks were given up: it is to ask for them again.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn let_go(&mut self) {
        self.locked_at = None;
        self.items.iter_mut().for_each(|item| item.locked = false);
    }

    /// The objects whose current serial is not known yet, by their place.
    pub fn unchecked(&self) -> impl Iterator<Item = (usize, Oid)> + '_ {
        let unknown = self.items.iter().enumerate().filter(|(_, item)| item.current.is_none());
        unknown.map(|(at, item)| (at, item.oid))
    }

    /// Notes the current serial of the object in place `at`.
    pub fn learn(&mut self, at: usize, current: Current) {
        self.items[at].current = Some(current);
    }

    /// Judges the transaction once every current serial is known.
    ///
    /// An absent object is never stale. A failed read check, or conflicts in the last round, end the transaction.
    pub fn judge(&mut self) -> Verdict {
        let mut conflicts = Vec::new();
        for item in &self.items {
            let current = item.current.expect("every current serial is known when a vote is judged");
            match (&item.kind, current) {
                (Kind::Store(data), Current::At(committed) | Current::Deleted(committed)) => {
                    if committed != item.serial {
                        let data = data.clone();
                        mark!("a store is stale");
                        conflicts.push(Conflict { oid: item.oid, committed, read: item.serial, data });
                    }
                }
                (Kind::Store(_), Current::Absent) => mark!("a store is of a new object"),
                (Kind::Check, Current::At(committed)) => {
                    if committed != item.serial {
                        let error =
                            ConflictError { oid: item.oid, committed, read: item.serial, class_name: None };
                        mark!("a read check fails");
                        return Verdict::Fail(RemoteError::ReadConflict(Box::new(error)));
                    }
                }
                (Kind::Check, Current::Absent | Current::Deleted(_)) => {
                    mark!("what was read is not there");
                    return Verdict::Fail(RemoteError::PosKey(item.oid));
                }
            }
        }
        let Some(first) = conflicts.first() else { return Verdict::Clean };
        self.rounds += 1;
        if self.rounds >= limits::VOTE_ROUNDS {
            mark!("the last round ends in conflicts");
            return Verdict::Fail(conflict_error(first));
        }
        self.resolved += conflicts.len() as u64;
        Verdict::Resolve(conflicts)
    }

    /// The error for a conflict on one of the transaction's objects that nobody is asked to resolve.
    pub fn conflict_on(&self, oid: Oid) -> RemoteError {
        let item = self.items.iter().find(|item| item.oid == oid);
        let item = item.expect("one of the transaction's objects");
        let committed = match item.current {
            Some(Current::At(tid) | Current::Deleted(tid)) => tid,
            Some(Current::Absent) | None => Tid::ZERO,
        };
        let data = match &item.kind {
            Kind::Store(data) => data.clone(),
            Kind::Check => Bytes::new(),
        };
        conflict_error(&Conflict { oid: item.oid, committed, read: item.serial, data })
    }

    /// Whether its last vote ended in conflicts and it did not vote again.
    pub fn in_conflict(&self) -> bool {
        self.phase == Phase::Open && self.rounds > 0
    }

    /// Conflicts its client resolved, for the statistics.
    pub fn resolved(&self) -> u64 {
        self.resolved
    }

    /// The objects the transaction stores, in the order of their first store.
    pub fn oids(&self) -> Vec<Oid> {
        let stores = self.items.iter().filter(|item| matches!(item.kind, Kind::Store(_)));
        stores.map(|item| item.oid).collect()
    }

    /// Bytes the transaction will take in the log.
    pub fn footprint(&self) -> u64 {
        let metadata = self.user.len() + self.description.len() + self.extension.len();
        let records = self.items.iter().filter_map(|item| match &item.kind {
            Kind::Store(data) => Some(Some(data.len())),
            Kind::Check => None,
        });
        Store::<()>::footprint(metadata, records)
    }

    /// The transaction as the store appends it.
    pub fn into_transaction(self, tid: Tid) -> Transaction {
        let records = self.items.into_iter().filter_map(|item| match item.kind {
            Kind::Store(data) => Some(Record { oid: item.oid, data: Some(data), same_as: None }),
            Kind::Check => None,
        });
        Transaction {
            tid,
            status: self.status,
            user: self.user,
            description: self.description,
            extension: self.extension,
            records: records.collect(),
        }
    }
}

fn conflict_error(conflict: &Conflict) -> RemoteError {
    RemoteError::Conflict(Box::new(ConflictError {
        oid: conflict.oid,
        committed: conflict.committed,
        read: conflict.read,
        class_name: record::class(&conflict.data).ok().map(|class| class.to_string()),
    }))
}

/// How a storage's own fault reaches a client.
pub fn remote(error: StoreError) -> RemoteError {
    match error {
        StoreError::NoObject(oid) => RemoteError::PosKey(oid),
        StoreError::TooLarge(what) => RemoteError::Storage(what.into()),
        fault => RemoteError::StorageSystem(fault.to_string()),
    }
}
