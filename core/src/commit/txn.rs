//! A transaction between begin and finish: what it wants to change, and how far it is.

use crate::commit::attached::Attached;
use crate::commit::beneath::Beneath;
use crate::commit::item::{Hint, Item, Kind, Set, Standing, Unknown, conflict_error};
use crate::commit::locks::{Mode, Wanted};
use crate::commit::phase::Phase;
use crate::commit::table::Opened;
use crate::ids::{Oid, Tid};
use crate::limits::{self, Limits};
use crate::server::names::{ReplyTo, TxnKey};
use crate::store::blob::DraftId;
use crate::store::{Current, Place, SoFar, Store, StoreError, Transaction, UndoRefusal, UndoTarget, Undone};
use crate::time::WallTime;
use crate::wire::call::TxnId;
use crate::wire::remote::RemoteError;
use crate::wire::reply::Conflict;
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use rustc_hash::FxBuildHasher;
use std::collections::VecDeque;

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
    /// Records were restored.
    copied: bool,
    user: Bytes,
    description: Bytes,
    extension: Bytes,
    items: Vec<Item>,
    stores: HashMap<Oid, usize, FxBuildHasher>,
    bytes: usize,
    limits: Limits,
    /// Its blobs, and the one that is coming in.
    pub blobs: Attached,
    /// Transactions to be undone whose records are not known yet.
    undos: VecDeque<Tid>,
    /// How many were asked for in all: they are numbered.
    asked: usize,
    /// Records that are to be set back yet, in order, with the number of the undo.
    targets: VecDeque<(usize, UndoTarget)>,
    beneath: Beneath,
    /// Records that cannot be, and why.
    refusals: Vec<(UndoTarget, UndoRefusal)>,
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

impl Opened for Txn {
    fn key(&self) -> TxnKey {
        self.key
    }

    fn id(&self) -> TxnId {
        self.id
    }

    fn voting(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Open => None,
            Phase::Reading(_) | Phase::Waiting(_) => Some("waiting"),
            _ => Some("locked"),
        }
    }
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
            copied: false,
            user: header.user,
            description: header.description,
            extension: header.extension,
            items: Vec::new(),
            stores: HashMap::default(),
            bytes: 0,
            limits,
            blobs: Attached::default(),
            undos: VecDeque::new(),
            asked: 0,
            targets: VecDeque::new(),
            beneath: Beneath::default(),
            refusals: Vec::new(),
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
        self.cover(oid);
        self.change(oid, serial, Kind::Store(data));
    }

    /// Takes an object's deletion. It and stores of the same object replace each other.
    pub fn delete(&mut self, oid: Oid, serial: Tid) {
        self.cover(oid);
        self.change(oid, serial, Kind::Delete);
    }

    /// What undos that were asked for before will find of an object that is stored now.
    fn cover(&mut self, oid: Oid) {
        if !self.undos.is_empty() {
            let so_far = self.stores.get(&oid).and_then(|&at| self.items[at].kind.so_far());
            self.beneath.cover(oid, self.asked, so_far);
        }
    }

    /// Takes the wish to undo transaction `tid`.
    pub fn undo(&mut self, tid: Tid) {
        if self.items.len() + self.undos.len() >= self.limits.transaction_objects {
            return self.spoil();
        }
        self.undos.push_back(tid);
        self.asked += 1;
    }

    /// The next transaction to be undone whose records are not known yet.
    pub fn next_undo(&self) -> Option<Tid> {
        self.undos.front().copied()
    }

    /// Takes the records of the transaction that [`next_undo`](Txn::next_undo) gave.
    pub fn aim(&mut self, targets: Vec<UndoTarget>) {
        let number = self.asked - self.undos.len();
        self.undos.pop_front().expect("a transaction to be undone");
        if self.targets.len() + targets.len() > self.limits.transaction_objects {
            return self.spoil();
        }
        for target in targets {
            if !self.stores.contains_key(&target.oid) {
                self.change(target.oid, Tid::ZERO, Kind::Undone(Set::Unknown));
            }
            self.targets.push_back((number, target));
        }
    }

    /// The next record that is to be set back, with what the transaction has done to its object before.
    pub fn next_target(&self) -> Option<(UndoTarget, Option<SoFar>)> {
        let (number, target) = *self.targets.front()?;
        if self.refusals.first().is_some_and(|(refused, _)| refused.tid != target.tid) {
            // Whatever else is to be undone, this transaction cannot be.
            return None;
        }
        let beneath = self.beneath.seen_by(number, target.oid);
        let so_far = beneath.unwrap_or_else(|| self.items[self.stores[&target.oid]].kind.so_far());
        Some((target, so_far))
    }

    /// Takes what becomes of the record that [`next_target`](Txn::next_target) gave.
    pub fn set_back(&mut self, outcome: Result<Undone, UndoRefusal>) {
        let (number, target) = self.targets.pop_front().expect("a record to be set back");
        let kind = &self.items[self.stores[&target.oid]].kind;
        let merging = matches!(kind, Kind::Undone(Set::Merge { .. }));
        // A second record of the same object may be set back where the first could not.
        self.refusals.retain(|(refused, _)| refused.oid != target.oid);
        let set = match outcome {
            Err(refusal) => return self.refusals.push((target, refusal)),
            Ok(undone) if self.beneath.take(number, target.oid, &undone) => {
                mark!("an undo stays beneath a later store");
                return;
            }
            Ok(_) if merging => return self.refusals.push((target, UndoRefusal::Modified)),
            Ok(Undone::Merge { current, earlier }) => Set::Merge { current, undone: target.tid, earlier },
            Ok(Undone::State(tid, data)) => Set::State(tid, data, None),
            Ok(Undone::Back(place)) => Set::Back(place),
            Ok(Undone::Gone) => Set::Gone,
        };
        let kind = Kind::Undone(set);
        self.bytes += kind.len();
        if self.bytes > self.limits.transaction_bytes {
            self.spoil();
        }
        self.items[self.stores[&target.oid]].kind = kind;
    }

    /// Takes a record of transaction `tid` of another storage, whose state transaction `same_as` may have here too. Nothing
    /// about the object is checked, and it may come several times.
    pub fn restore(&mut self, oid: Oid, tid: Tid, data: Option<Bytes>, same_as: Option<Tid>) {
        let late = self.holds_locks() && !self.excludes_all();
        if *self.explicit_tid.get_or_insert(tid) != tid {
            let what = format!("a record of transaction {tid} is restored in another one");
            self.spoiled.get_or_insert(RemoteError::StorageTransaction(what));
        } else if late {
            mark!("a record is restored after a vote");
            let what = "the first record is restored after a vote";
            self.spoiled.get_or_insert(RemoteError::StorageTransaction(what.into()));
        }
        let bytes = self.bytes + data.as_ref().map_or(0, Bytes::len);
        if bytes > self.limits.transaction_bytes || self.is_full() {
            return self.spoil();
        }
        self.bytes = bytes;
        self.copied = true;
        let hint = same_as.map_or(Hint::None, Hint::Transaction);
        let kind = Kind::Restore { data, hint };
        self.items.push(Item { oid, serial: tid, kind, current: None, locked: false });
    }

    fn change(&mut self, oid: Oid, serial: Tid, kind: Kind) {
        let earlier = self.stores.get(&oid).copied();
        let replaced = earlier.map_or(0, |at| self.items[at].kind.len());
        let bytes = self.bytes - replaced + kind.len();
        if bytes > self.limits.transaction_bytes || (earlier.is_none() && self.is_full()) {
            return self.spoil();
        }
        self.bytes = bytes;
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
        mark!("a transaction is too large");
        let error = self.too_large();
        self.spoiled.get_or_insert(error);
    }

    /// Something went wrong of which no reply can tell: the vote will.
    pub fn spoil_by(&mut self, error: RemoteError) {
        self.spoiled.get_or_insert(error);
    }

    fn too_large(&self) -> RemoteError {
        let Limits { transaction_bytes, transaction_objects, .. } = self.limits;
        let what =
            format!("the transaction exceeds {transaction_bytes} bytes or {transaction_objects} objects");
        RemoteError::TransactionTooLarge(what)
    }

    /// What it sets back to a place. Of what it restores it has the states itself, and forgets the places.
    pub fn places(&mut self) -> Vec<(Oid, Place)> {
        let mut places: Vec<_> = self.beneath.places().collect();
        for item in &mut self.items {
            match &mut item.kind {
                Kind::Undone(Set::Back(place)) => places.push((item.oid, *place)),
                Kind::Restore { hint: hint @ Hint::Place(_), .. } => *hint = Hint::None,
                _ => {}
            }
        }
        places
    }

    /// Takes the state that such a place of `oid` leads to, and the transaction that wrote it; `None`: there is none.
    pub fn reinstate(&mut self, oid: Oid, place: Place, origin: Option<(Tid, Bytes)>) {
        self.beneath.reinstate(oid, place, origin.as_ref().map(|(_, state)| state));
        let Some(&at) = self.stores.get(&oid) else { return };
        let kind = &mut self.items[at].kind;
        if matches!(kind, Kind::Undone(Set::Back(back)) if *back == place) {
            let set = |(tid, state)| Set::State(tid, state, Some(place));
            *kind = Kind::Undone(origin.map_or(Set::Gone, set));
            self.bytes += kind.len();
        }
    }

    /// Points again to the places that were taken for their states, as far as they are good.
    pub fn point_again(&mut self, is_good: impl Fn(Place) -> bool) {
        for Item { kind, .. } in &mut self.items {
            if let Kind::Undone(Set::State(_, _, Some(place))) = *kind
                && is_good(place)
            {
                self.bytes -= kind.len();
                *kind = Kind::Undone(Set::Back(place));
            }
        }
    }

    /// Why the transaction cannot be voted on, if a store or its metadata could not be taken.
    pub fn spoiled(&self) -> Option<&RemoteError> {
        self.spoiled.as_ref()
    }

    /// Whether its locks are held.
    pub fn holds_locks(&self) -> bool {
        !matches!(self.phase, Phase::Waiting(_)) && self.locked_at.is_some()
    }

    /// Whether it is a copy, which excludes everything else.
    fn excludes_all(&self) -> bool {
        self.explicit_tid.is_some() || self.status != b' '
    }

    /// The locks the transaction needs and has not asked for, which it is taken to ask for now. Copies of databases
    /// carry a tid or a status and exclude everything else.
    pub fn wanted(&mut self) -> Wanted {
        if self.excludes_all() {
            mark!("a copy excludes everything else");
            return Wanted::Whole;
        }
        let mut objects: Vec<(Oid, Mode)> = Vec::new();
        for item in self.items.iter_mut().filter(|item| !item.locked) {
            item.locked = true;
            objects.push((
                item.oid,
                match item.kind {
                    Kind::Check => Mode::Shared,
                    Kind::Store(_) | Kind::Delete | Kind::Undone(_) | Kind::Restore { .. } => Mode::Exclusive,
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

    /// What is not known yet of its objects, by their place.
    pub fn unchecked(&self) -> impl Iterator<Item = (usize, Unknown)> + '_ {
        self.items.iter().enumerate().filter_map(|(at, item)| {
            let unknown = match &item.kind {
                Kind::Restore { data, hint: Hint::Transaction(tid) } => {
                    Unknown::Place(item.oid, *tid, data.clone())
                }
                Kind::Restore { .. } | Kind::Undone(_) => return None,
                Kind::Store(_) | Kind::Check | Kind::Delete => match item.current {
                    None => Unknown::Current(item.oid),
                    Some(_) => return None,
                },
            };
            Some((at, unknown))
        })
    }

    /// Notes where the state of the object in place `at` stands; `None`: nowhere.
    pub fn locate(&mut self, at: usize, place: Option<Place>) {
        let Kind::Restore { hint, .. } = &mut self.items[at].kind else {
            unreachable!("only restored states are looked for")
        };
        *hint = place.map_or(Hint::None, Hint::Place);
    }

    /// Notes the current serial of the object in place `at`.
    pub fn learn(&mut self, at: usize, current: Current) {
        self.items[at].current = Some(current);
    }

    /// Judges the transaction once every current serial is known.
    ///
    /// An absent object is never stale. A failed read check, or conflicts in the last round, end the transaction.
    pub fn judge(&mut self) -> Verdict {
        if let Some(spoiled) = &self.spoiled {
            return Verdict::Fail(spoiled.clone());
        }
        if !self.refusals.is_empty() {
            mark!("an undo is refused");
            let refusals = self.refusals.iter().map(|(target, why)| (target.oid, why.to_string()));
            return Verdict::Fail(RemoteError::MultipleUndo(refusals.collect()));
        }
        let mut conflicts = Vec::new();
        for item in &self.items {
            match item.judge() {
                Ok(Standing::Clean) => {}
                Ok(Standing::Stale(conflict)) => conflicts.push(conflict),
                Err(error) => return Verdict::Fail(error),
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
        item.expect("one of the transaction's objects").conflict()
    }

    /// Whether it has, or waits for, locks.
    pub fn has_asked(&self) -> bool {
        !matches!(self.phase, Phase::Open | Phase::Reading(_)) || self.locked_at.is_some()
    }

    /// Whether its last vote ended in conflicts and it did not vote again.
    pub fn in_conflict(&self) -> bool {
        self.phase == Phase::Open && self.rounds > 0
    }

    /// Conflicts its client resolved, for the statistics.
    pub fn resolved(&self) -> u64 {
        self.resolved
    }

    /// The objects the transaction changes, in the order in which they first came up.
    pub fn oids(&self) -> Vec<Oid> {
        self.distinct(|kind| !matches!(kind, Kind::Check))
    }

    /// Those of them whose new states its client does not know by having stored them.
    pub fn changed_unseen(&self) -> Vec<Oid> {
        self.distinct(|kind| matches!(kind, Kind::Delete | Kind::Undone(_) | Kind::Restore { .. }))
    }

    fn distinct(&self, wanted: impl Fn(&Kind) -> bool) -> Vec<Oid> {
        let items = self.items.iter().filter(|item| wanted(&item.kind));
        let oids = items.map(|item| item.oid);
        if !self.copied {
            return oids.collect();
        }
        let mut seen = HashSet::<Oid, FxBuildHasher>::default();
        oids.filter(|oid| seen.insert(*oid)).collect()
    }

    /// Bytes the transaction will take in the log.
    pub fn footprint(&self) -> u64 {
        let metadata = self.user.len() + self.description.len() + self.extension.len();
        let records = self.items.iter().filter_map(Item::appended);
        Store::<()>::footprint(metadata, records)
    }

    /// Blobs of objects that are deleted after all, taken from them.
    pub fn blobs_without_state(&mut self) -> Vec<DraftId> {
        let gone = |item: &&Item| matches!(item.kind, Kind::Delete | Kind::Undone(Set::Gone));
        self.items.iter().filter(gone).filter_map(|item| self.blobs.detach(item.oid)).collect()
    }

    /// The vote that waits for room on the disk, if it does.
    pub fn reserving(&mut self) -> Option<(&mut Txn, ReplyTo)> {
        let Phase::Reserving(vote) = &self.phase else { return None };
        let vote = vote.clone();
        Some((self, vote))
    }

    /// The objects that are set back, and where their states are.
    pub fn set_back_to(&self) -> Vec<(Oid, Place)> {
        let back = |item: &Item| match item.kind {
            Kind::Undone(Set::Back(place)) => Some((item.oid, place)),
            _ => None,
        };
        self.items.iter().filter_map(back).collect()
    }

    /// The states of the log that objects have again.
    pub fn states_again(&self) -> impl Iterator<Item = (Oid, &Bytes)> {
        self.items.iter().filter_map(|item| match &item.kind {
            Kind::Undone(Set::State(_, state, _)) => Some((item.oid, state)),
            _ => None,
        })
    }

    /// Whether an object has a state of this transaction's when it is committed.
    pub fn gives_state(&self, oid: Oid) -> bool {
        let item = self.stores.get(&oid).map(|&at| &self.items[at]);
        item.is_some_and(|item| !matches!(item.kind, Kind::Delete | Kind::Undone(Set::Gone)))
    }

    /// The state that an object has again, and the transaction that wrote it; `None`: it has none, or its place.
    pub fn set_back_with(&self, oid: Oid) -> Option<(Tid, Bytes)> {
        match &self.items[*self.stores.get(&oid)?].kind {
            Kind::Undone(Set::State(tid, state, _)) => Some((*tid, state.clone())),
            _ => None,
        }
    }

    /// The transaction as the store appends it, and its blobs.
    pub fn into_transaction(self, tid: Tid) -> (Transaction, Vec<DraftId>) {
        let records = self.items.into_iter().filter_map(Item::into_record);
        let transaction = Transaction {
            tid,
            status: self.status,
            user: self.user,
            description: self.description,
            extension: self.extension,
            records: records.collect(),
            copied: self.copied,
        };
        (transaction, self.blobs.into_drafts().collect())
    }
}

/// How a storage's own fault reaches a client.
pub fn remote(error: StoreError) -> RemoteError {
    match error {
        StoreError::NoObject(oid) => RemoteError::PosKey(oid),
        StoreError::TooLarge(what) => RemoteError::Storage(what.into()),
        StoreError::Repacked => RemoteError::Storage(error.to_string()),
        fault => RemoteError::StorageSystem(fault.to_string()),
    }
}
