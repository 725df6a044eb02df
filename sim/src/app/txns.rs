//! The transactions of one application.

use super::notes::{Notes, Scene};
use super::questions::{Purpose, Questions};
use super::work::{self, Pieces, Storage, Work};
use crate::event::ClientId;
use crate::history::{Alters, Merged, Outcome, Read, Transaction, Write};
use crate::ledger::Attempt;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::{Call, Changes, Input, Merge, Operation, TxnRef};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::store::Revision;

/// Revisions and transactions that are remembered.
const KNOWN: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reading,
    Voting { finish: bool },
    Voted(TxnRef),
    Finishing,
}

/// A transaction that goes on.
#[derive(Debug)]
struct Txn {
    /// Its place in the history.
    at: usize,
    work: Work,
    dice: u64,
    before: Tid,
    missing: BTreeSet<Oid>,
    found: BTreeMap<Oid, Revision>,
    /// What is left of its blobs, by operation.
    blobs: BTreeMap<usize, Pieces>,
    /// Its client wants to read on, and it takes its time.
    asked: Option<(TxnRef, usize)>,
    stage: Stage,
}

impl Txn {
    fn new(at: usize, work: Work, dice: u64, before: Tid) -> Txn {
        Txn {
            at,
            work,
            dice,
            before,
            missing: BTreeSet::new(),
            found: BTreeMap::new(),
            blobs: BTreeMap::new(),
            asked: None,
            stage: Stage::Reading,
        }
    }

    /// Whether it is slow to read its blobs.
    fn is_slow(&self) -> bool {
        self.dice & 1 == 1
    }
}

/// Transactions under way, and what is remembered of others.
#[derive(Debug)]
pub(super) struct Txns {
    id: ClientId,
    writes: bool,
    storage: Storage,
    number: u64,
    open: BTreeMap<u64, Txn>,
    /// It tries until a transaction is committed.
    pub(super) wants: bool,
    /// Revisions it came across.
    pub(super) known: Vec<(Oid, Tid)>,
    /// Transactions that can be undone without an object of all ceasing to be.
    pub(super) undoable: Vec<Tid>,
    /// What its undos left.
    pub(super) undone: Vec<(Oid, Tid)>,
    /// Objects of its own that it made or changed, and when.
    pub(super) own: Vec<(Oid, Tid)>,
}

impl Txns {
    pub(super) fn new(id: ClientId, writes: bool, storage: Storage) -> Txns {
        Txns {
            id,
            writes,
            storage,
            number: 0,
            open: BTreeMap::new(),
            wants: false,
            known: Vec::new(),
            undoable: Vec::new(),
            undone: Vec::new(),
            own: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Transactions that were begun.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Goes on trying until one is committed.
    pub(super) fn want(&mut self) {
        self.wants |= self.writes;
    }

    /// What each of them waits for: the kind of thing, and more.
    pub(super) fn waits(&self) -> impl Iterator<Item = (String, String)> {
        self.open.iter().map(|(number, txn)| {
            let kind = match txn.stage {
                Stage::Reading => "reading",
                Stage::Voting { .. } => "voting",
                Stage::Voted(_) => "to finish",
                Stage::Finishing => "finishing",
            };
            (kind.to_owned(), format!("transaction {number}"))
        })
    }

    /// How far the furthest is: 1 when it reads, 4 when it finishes; `None` when there is none.
    pub(super) fn stage(&self) -> Option<usize> {
        let stage = |txn: &Txn| match txn.stage {
            Stage::Reading => 1,
            Stage::Voting { .. } => 2,
            Stage::Voted(_) => 3,
            Stage::Finishing => 4,
        };
        self.open.values().map(stage).max()
    }

    /// Whether one was voted, and waits for its application.
    pub(super) fn is_voted(&self) -> bool {
        self.open.values().any(|txn| matches!(txn.stage, Stage::Voted(_)))
    }

    fn attempt(&self, number: u64) -> Attempt {
        Attempt { client: self.id, number }
    }

    fn note(&mut self, notes: &mut Notes, start: Tid) -> (u64, usize) {
        self.number += 1;
        let (began, at) = (notes.place(), notes.history.transactions.len());
        notes.history.transactions.push(Transaction {
            attempt: self.attempt(self.number),
            start,
            reads: Vec::new(),
            checks: Vec::new(),
            writes: Vec::new(),
            alters: None,
            sets: Vec::new(),
            outcome: Outcome::Unknown,
            began,
            asked: began,
            ended: began,
        });
        (self.number, at)
    }

    /// Begins a transaction: it reads what it needs as of the last transaction it knows of.
    pub(super) fn start(&mut self, scene: &mut Scene<'_>, questions: &mut Questions, rng: &mut Rng) -> bool {
        let Some(last) = scene.machine.last_tid() else { return false };
        let (number, at) = self.note(scene.notes, last);
        let (work, dice, before) = (Work::any(self.storage, rng), rng.next_u64(), last.next());
        let missing: BTreeSet<Oid> = work.reads(self.storage, rng).into_iter().collect();
        self.open.insert(number, Txn { missing: missing.clone(), ..Txn::new(at, work, dice, before) });
        for oid in missing {
            let attempt = Some(self.attempt(number));
            let found = questions.load(scene, (oid, before), Purpose::Read(number, oid), attempt);
            if let Some(revision) = found {
                self.read(scene, number, oid, Some(revision));
            }
        }
        self.vote_if_read(scene, questions, number);
        true
    }

    /// Sends a transaction that reads nothing, and whose server says what it left.
    pub(super) fn alter(
        &mut self,
        scene: &mut Scene<'_>,
        questions: &mut Questions,
        alters: Alters,
        operations: Vec<Operation>,
        copied: Option<Tid>,
    ) -> bool {
        let Some(last) = scene.machine.last_tid().filter(|_| self.writes) else { return false };
        let (number, at) = self.note(scene.notes, last);
        let noted = &mut scene.notes.history.transactions[at];
        noted.alters = Some(alters);
        noted.sets.extend(operations.iter().filter_map(|operation| match operation {
            Operation::Delete { oid, .. } | Operation::Restore { oid, .. } => Some(*oid),
            _ => None,
        }));
        // A deletion holds only over what is current.
        noted.checks.extend(operations.iter().filter_map(|operation| match *operation {
            Operation::Delete { oid, serial } => Some(Read { oid, serial: Some(serial), state: None }),
            _ => None,
        }));
        let stage = Stage::Voting { finish: true };
        self.open.insert(number, Txn { stage, ..Txn::new(at, Work::Bulk, 0, last) });
        let attempt = self.attempt(number);
        let copied = copied.map(|tid| (tid, b' '));
        let changes = Changes {
            description: attempt.to_string().into(),
            operations,
            finish: true,
            copied,
            ..Changes::default()
        };
        self.vote(scene, questions, number, changes);
        true
    }

    /// An object was read.
    pub(super) fn read(&mut self, scene: &mut Scene<'_>, number: u64, oid: Oid, revision: Option<Revision>) {
        let Some(txn) = self.open.get_mut(&number) else { return };
        let state = revision.as_ref().and_then(|revision| work::seen(&revision.data));
        let serial = revision.as_ref().map(|revision| revision.serial);
        scene.notes.history.transactions[txn.at].reads.push(Read { oid, serial, state });
        txn.missing.remove(&oid);
        if let Some(revision) = revision {
            remember(&mut self.known, (oid, revision.serial));
            if work::has_past(&revision.data) {
                remember(&mut self.undoable, revision.serial);
            }
            txn.found.insert(oid, revision);
        }
    }

    /// Sends a transaction that has read what it needs to be voted.
    pub(super) fn vote_if_read(&mut self, scene: &mut Scene<'_>, questions: &mut Questions, number: u64) {
        let attempt = self.attempt(number);
        let Some(txn) = self.open.get_mut(&number).filter(|txn| txn.missing.is_empty()) else { return };
        let mut rng = Rng::new(Seed(txn.dice));
        let operations = match txn.work.changes(attempt, &txn.found, self.storage, &mut rng) {
            Ok(operations) if self.writes && !operations.is_empty() => operations,
            Ok(_) => return self.end(scene.notes, number, Outcome::Failed),
            Err(what) => {
                scene.notes.broken = Some(format!("client {} sees at {}: {what}", self.id.0, txn.before));
                return;
            }
        };
        let noted = &mut scene.notes.history.transactions[txn.at];
        for (place, operation) in operations.iter().enumerate() {
            match *operation {
                Operation::Store { oid, serial, ref data } => {
                    noted.writes.push(Write { oid, base: serial, merged: None, value: work::value(data) });
                }
                Operation::StoreBlob { oid, serial, ref data } => {
                    noted.writes.push(Write { oid, base: serial, merged: None, value: work::value(data) });
                    txn.blobs.insert(place, work::pieces(attempt, oid, &mut rng));
                }
                Operation::ReadCheck { oid, serial } => {
                    noted.checks.push(Read { oid, serial: Some(serial), state: None });
                }
                ref other => unreachable!("no work does {other:?}"),
            }
        }
        let finish = rng.chance(1, 2);
        txn.stage = Stage::Voting { finish };
        let resolve = txn.work.merges();
        let description = attempt.to_string();
        self.vote(
            scene,
            questions,
            number,
            Changes { description: description.into(), operations, finish, resolve, ..Changes::default() },
        );
    }

    fn vote(&mut self, scene: &mut Scene<'_>, questions: &mut Questions, number: u64, changes: Changes) {
        let at = self.open[&number].at;
        let (call, attempt) = (Call::Vote(Box::new(changes)), self.attempt(number));
        questions.ask(scene, call, Purpose::Vote(number), Some(attempt));
        scene.notes.history.transactions[at].asked = scene.notes.place();
    }

    /// A blob is to be read on, now or when its time comes.
    pub(super) fn read_blob(&mut self, scene: &mut Scene<'_>, number: u64, asked: (TxnRef, usize)) {
        let Some(txn) = self.open.get_mut(&number) else { return };
        txn.asked = Some(asked);
        if !txn.is_slow() {
            self.upload(scene);
        }
    }

    /// Reads on in a blob whose client waits for that; false when none does.
    pub(super) fn upload(&mut self, scene: &mut Scene<'_>) -> bool {
        let asked = |txn: &mut Txn| {
            let (at, place) = txn.asked.take()?;
            let next = txn.blobs.get_mut(&place).expect("the pieces of a blob that it stores").pop_front();
            Some((at, next.unwrap_or(Ok(Bytes::new()))))
        };
        let Some((txn, piece)) = self.open.values_mut().find_map(asked) else { return false };
        scene.machine.handle(scene.now, Input::BlobRead { txn, piece });
        true
    }

    /// One was voted.
    pub(super) fn voted(&mut self, number: u64, at: TxnRef) {
        if let Some(txn) = self.open.get_mut(&number) {
            txn.stage = Stage::Voted(at);
        }
    }

    /// One is committed; these objects are otherwise than it stored them.
    pub(super) fn finished(&mut self, notes: &mut Notes, number: u64, tid: Tid, changed: &[Oid]) {
        let Some(txn) = self.open.get(&number) else { return };
        let noted = &mut notes.history.transactions[txn.at];
        match noted.alters {
            Some(Alters::Undo(_)) => {
                noted.sets = changed.to_vec();
                changed.iter().for_each(|&oid| remember(&mut self.undone, (oid, tid)));
            }
            Some(Alters::Delete) => remember(&mut self.undoable, tid),
            None if noted.writes.iter().all(|write| write.base > Tid::ZERO) => {
                remember(&mut self.undoable, tid)
            }
            Some(Alters::Restore) | None => {}
        }
        if noted.writes.iter().any(|write| write.base > Tid::ZERO) {
            remember(&mut self.undoable, tid);
        }
        for oid in noted.writes.iter().map(|write| write.oid).filter(|&oid| work::is_loose(oid)) {
            remember(&mut self.own, (oid, tid));
        }
        self.end(notes, number, Outcome::Committed(tid));
    }

    /// Finishes, or gives up, one that was voted.
    pub(super) fn decide(&mut self, scene: &mut Scene<'_>, questions: &mut Questions, abort: bool) -> bool {
        let voted = self.open.iter().find_map(|(&number, txn)| match txn.stage {
            Stage::Voted(at) => Some((number, at)),
            _ => None,
        });
        let Some((number, at)) = voted else { return false };
        let attempt = Some(self.attempt(number));
        if abort {
            self.end(scene.notes, number, Outcome::Failed);
            questions.ask(scene, Call::Abort(at), Purpose::Look, attempt);
        } else {
            self.open.get_mut(&number).expect("just seen").stage = Stage::Finishing;
            questions.ask(scene, Call::Finish(at), Purpose::Finish(number), attempt);
        }
        true
    }

    /// One is over.
    pub(super) fn end(&mut self, notes: &mut Notes, number: u64, outcome: Outcome) {
        let Some(txn) = self.open.remove(&number) else { return };
        let ended = notes.place();
        let noted = &mut notes.history.transactions[txn.at];
        (noted.outcome, noted.ended) = (outcome, ended);
        self.wants &= !matches!(outcome, Outcome::Committed(_));
    }

    /// One is over that nobody answers for.
    pub(super) fn give_up(&mut self, notes: &mut Notes, number: u64) {
        let outcome = match self.open.get(&number).map(|txn| txn.stage) {
            Some(Stage::Finishing | Stage::Voting { finish: true }) => Outcome::Unknown,
            _ => Outcome::Failed,
        };
        let wants = self.wants;
        self.end(notes, number, outcome);
        self.wants = wants;
    }

    /// So are all of them.
    pub(super) fn give_up_all(&mut self, notes: &mut Notes) {
        for number in self.open.keys().copied().collect::<Vec<_>>() {
            self.give_up(notes, number);
        }
    }

    /// What was read may be of another history than what would be read now: no transaction may see both.
    pub(super) fn give_up_reading(&mut self, notes: &mut Notes) {
        let reading = self.open.iter().filter(|(_, txn)| txn.stage == Stage::Reading);
        for number in reading.map(|(&number, _)| number).collect::<Vec<_>>() {
            self.end(notes, number, Outcome::Failed);
        }
    }

    pub(super) fn merge(&mut self, scene: &mut Scene<'_>, number: u64, at: TxnRef, merge: &Merge) {
        let attempt = self.attempt(number);
        let Some(txn) = self.open.get_mut(&number) else { return };
        let (oid, committed) = (merge.conflict.oid, merge.conflict.committed);
        // Some applications cannot: which, is decided by what this one has done so far.
        let can = number % 8 != 7 && work::can_merge(oid);
        let state: Option<Bytes> = can.then(|| work::merged(attempt, merge));
        if state.is_some() {
            let writes = &mut scene.notes.history.transactions[txn.at].writes;
            let write = writes.iter_mut().find(|write| write.oid == oid).expect("it stores what is merged");
            write.merged = Some(committed);
            let at = scene.notes.place();
            let with = work::seen(&merge.committed).map(|state| Merged { oid, serial: committed, state, at });
            scene.notes.history.merged.extend(with);
        }
        scene.machine.handle(scene.now, Input::Resolved { txn: at, oid, state });
    }
}

/// Remembers the newest of these.
fn remember<T>(all: &mut Vec<T>, new: T) {
    all.push(new);
    if all.len() > KNOWN {
        all.remove(0);
    }
}
