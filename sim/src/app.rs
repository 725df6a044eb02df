//! The application above a client: transactions as ZODB's connections make them, and whatever else a program asks.

mod work;

use crate::event::ClientId;
use crate::history::{Asked, History, Outcome, Place, Read, Transaction, Write};
use crate::ledger::Attempt;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use work::Work;
use zeolith_core::client::{Answer, Call, Changes, Client, Error, Input, Merge, Operation, Ticket, TxnRef};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Rng;
use zeolith_core::store::Revision;
use zeolith_core::time::Instant;

/// Questions and transactions that one application has under way at most.
const QUESTIONS: usize = 6;
const TRANSACTIONS: usize = 2;

/// What a client's machine put out for its application.
#[derive(Debug)]
pub enum Told {
    /// An answer.
    Answer(Ticket, Result<Answer, Error>),
    /// States to be merged.
    Resolve(TxnRef, Box<Merge>),
    /// Anything may have changed, in another history even.
    Everything,
}

/// What the world notes of what applications do.
#[derive(Debug, Default)]
pub struct Notes {
    /// Their transactions.
    pub history: History,
    /// Things noted so far.
    place: u64,
    /// Answers that a cache gave without a question, and nobody has looked at.
    pub cached: Vec<(Oid, Tid, Revision)>,
    /// Something an application found that cannot be.
    pub broken: Option<String>,
}

impl Notes {
    /// The next place in time.
    pub fn place(&mut self) -> Place {
        self.place += 1;
        Place(self.place)
    }
}

/// What an application works with.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The time.
    pub now: Instant,
    /// The client.
    pub machine: &'a mut Client,
    /// What is noted.
    pub notes: &'a mut Notes,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Read(u64, Oid),
    Vote(u64),
    Finish(u64),
    Look,
}

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
    stage: Stage,
}

/// The application.
#[derive(Debug)]
pub struct App {
    id: ClientId,
    writes: bool,
    number: u64,
    tickets: u64,
    asked: BTreeMap<Ticket, (Asked, Purpose)>,
    txns: BTreeMap<u64, Txn>,
    /// It tries until a transaction is committed.
    wants: bool,
    /// Revisions it came across.
    known: Vec<(Oid, Tid)>,
}

impl App {
    /// One that has asked nothing yet.
    pub fn new(id: ClientId, writes: bool) -> App {
        let (asked, txns) = (BTreeMap::new(), BTreeMap::new());
        App { id, writes, number: 0, tickets: 0, asked, txns, wants: false, known: Vec::new() }
    }

    /// Whether it has nothing under way.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.txns.is_empty()
    }

    /// Transactions it has begun.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether it goes on trying.
    pub fn wants(&self) -> bool {
        self.wants
    }

    /// A transaction that was voted, and waits for this application.
    pub fn is_voted(&self) -> bool {
        self.txns.values().any(|txn| matches!(txn.stage, Stage::Voted(_)))
    }

    /// How far it is, beyond being connected: idle, loading, voting, voted, finishing.
    pub fn stage(&self) -> usize {
        let stage = |txn: &Txn| match txn.stage {
            Stage::Reading => 1,
            Stage::Voting { .. } => 2,
            Stage::Voted(_) => 3,
            Stage::Finishing => 4,
        };
        self.txns.values().map(stage).max().unwrap_or(usize::from(!self.asked.is_empty()))
    }

    /// What it waits for; `None`: for nothing.
    pub fn waits_for(&self) -> Option<String> {
        let transactions = self.txns.iter().map(|(number, txn)| format!("{number} is {:?}", txn.stage));
        let questions = self.asked.values().map(|(asked, _)| format!("{:?}", asked.call));
        let all: Vec<String> = transactions.chain(questions).collect();
        match (all.is_empty(), self.wants) {
            (true, false) => None,
            (true, true) => Some("to commit at all".to_owned()),
            _ => Some(all.join("; ")),
        }
    }

    /// The question of a ticket that is not answered.
    pub fn asked(&self, ticket: Ticket) -> Option<&Asked> {
        self.asked.get(&ticket).map(|(asked, _)| asked)
    }

    /// Takes a step, as the dice fall; whether it did anything.
    pub fn act(&mut self, scene: &mut Scene<'_>, rng: &mut Rng) -> bool {
        if self.is_voted() && rng.chance(2, 3) {
            return self.decide(scene, rng.chance(1, 10));
        }
        match rng.below(16) {
            0..9 if self.txns.len() < TRANSACTIONS => self.start(scene, rng),
            9 if !self.asked.is_empty() && rng.chance(1, 2) => self.forget(scene, rng),
            _ if self.asked.len() < QUESTIONS => {
                match self.look(scene, rng) {
                    Call::Load { oid, before } => {
                        self.load(scene, oid, before, Purpose::Look, None);
                    }
                    call => self.ask(scene, call, Purpose::Look, None),
                }
                true
            }
            _ => false,
        }
    }

    /// Begins a transaction if it has none, and goes on trying; whether it did anything.
    pub fn begin(&mut self, scene: &mut Scene<'_>, rng: &mut Rng) -> bool {
        self.wants |= self.writes;
        self.txns.is_empty() && self.start(scene, rng)
    }

    /// Finishes, or gives up, a transaction that was voted.
    pub fn decide(&mut self, scene: &mut Scene<'_>, abort: bool) -> bool {
        let voted = self.txns.iter().find_map(|(&number, txn)| match txn.stage {
            Stage::Voted(at) => Some((number, at)),
            _ => None,
        });
        let Some((number, at)) = voted else { return false };
        let attempt = Some(self.attempt(number));
        if abort {
            self.end(scene, number, Outcome::Failed);
            self.ask(scene, Call::Abort(at), Purpose::Look, attempt);
        } else {
            self.txns.get_mut(&number).expect("just seen").stage = Stage::Finishing;
            self.ask(scene, Call::Finish(at), Purpose::Finish(number), attempt);
        }
        true
    }

    /// Something that is no transaction.
    fn look(&self, scene: &Scene<'_>, rng: &mut Rng) -> Call {
        let oid = work::any(rng);
        let known = (!self.known.is_empty()).then(|| self.known[rng.below(self.known.len() as u64) as usize]);
        let snapshot = scene.machine.last_tid().map_or(Tid::MAX, Tid::next);
        match (rng.below(12), known) {
            (0..4, _) => Call::Load { oid, before: Tid::MAX },
            (4, Some((oid, serial))) => Call::Load { oid, before: serial },
            (5, Some((oid, serial))) => Call::LoadSerial { oid, serial },
            (6 | 7, _) => Call::Prefetch { oids: work::all(), before: snapshot },
            (8, _) => Call::Prefetch { oids: work::all(), before: Tid::MAX },
            (9, _) => Call::NewOid,
            (10, _) => Call::Ready,
            (11, _) => Call::Sync,
            _ => Call::Load { oid, before: snapshot },
        }
    }

    /// Does not wait for an answer any more. What is being committed may be, or not.
    fn forget(&mut self, scene: &mut Scene<'_>, rng: &mut Rng) -> bool {
        let at = rng.below(self.asked.len() as u64) as usize;
        let (&ticket, &(_, purpose)) = self.asked.iter().nth(at).expect("there are as many");
        self.asked.remove(&ticket);
        match purpose {
            Purpose::Read(number, _) => self.end(scene, number, Outcome::Failed),
            Purpose::Vote(number) | Purpose::Finish(number) => {
                self.end(scene, number, self.unanswered(number))
            }
            Purpose::Look => {}
        }
        scene.machine.handle(scene.now, Input::Forget { ticket });
        true
    }

    /// What is known of a transaction that nobody answers for.
    fn unanswered(&self, number: u64) -> Outcome {
        match self.txns.get(&number).map(|txn| txn.stage) {
            Some(Stage::Finishing | Stage::Voting { finish: true }) => Outcome::Unknown,
            _ => Outcome::Failed,
        }
    }

    fn attempt(&self, number: u64) -> Attempt {
        Attempt { client: self.id, number }
    }

    fn ask(&mut self, scene: &mut Scene<'_>, call: Call, purpose: Purpose, attempt: Option<Attempt>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (at, last) = (scene.notes.place(), scene.machine.last_tid());
        self.asked.insert(ticket, (Asked { call: call.clone(), at, last, attempt }, purpose));
        scene.machine.handle(scene.now, Input::Ask { ticket, call });
    }

    /// Looks into the cache, and asks for what is not there.
    fn load(
        &mut self,
        scene: &mut Scene<'_>,
        oid: Oid,
        before: Tid,
        purpose: Purpose,
        attempt: Option<Attempt>,
    ) -> Option<Revision> {
        let found = scene.machine.cached(oid, before);
        match &found {
            Some(revision) => scene.notes.cached.push((oid, before, revision.clone())),
            None => self.ask(scene, Call::Load { oid, before }, purpose, attempt),
        }
        found
    }

    /// Begins a transaction: it reads what it needs as of the last transaction it knows of.
    fn start(&mut self, scene: &mut Scene<'_>, rng: &mut Rng) -> bool {
        let Some(last) = scene.machine.last_tid() else { return false };
        self.number += 1;
        let (number, began) = (self.number, scene.notes.place());
        let at = scene.notes.history.transactions.len();
        scene.notes.history.transactions.push(Transaction {
            attempt: self.attempt(number),
            start: last,
            reads: Vec::new(),
            checks: Vec::new(),
            writes: Vec::new(),
            outcome: Outcome::Unknown,
            began,
            asked: began,
            ended: began,
        });
        let (work, dice, before) = (Work::any(rng), rng.next_u64(), last.next());
        let missing: BTreeSet<Oid> = work.reads(rng).into_iter().collect();
        let (found, stage) = (BTreeMap::new(), Stage::Reading);
        self.txns.insert(number, Txn { at, work, dice, before, missing: missing.clone(), found, stage });
        for oid in missing {
            let attempt = Some(self.attempt(number));
            if let Some(revision) = self.load(scene, oid, before, Purpose::Read(number, oid), attempt) {
                self.read(scene, number, oid, Some(revision));
            }
        }
        self.vote_if_read(scene, number);
        true
    }

    /// An object was read.
    fn read(&mut self, scene: &mut Scene<'_>, number: u64, oid: Oid, revision: Option<Revision>) {
        let Some(txn) = self.txns.get_mut(&number) else { return };
        let writer = revision.as_ref().and_then(|revision| Attempt::of(&revision.data));
        let serial = revision.as_ref().map(|revision| revision.serial);
        scene.notes.history.transactions[txn.at].reads.push(Read { oid, serial, writer });
        txn.missing.remove(&oid);
        if let Some(revision) = revision {
            self.known.push((oid, revision.serial));
            if self.known.len() > 2 * QUESTIONS {
                self.known.remove(0);
            }
            txn.found.insert(oid, revision);
        }
    }

    /// Sends a transaction that has read what it needs to be voted.
    fn vote_if_read(&mut self, scene: &mut Scene<'_>, number: u64) {
        let attempt = self.attempt(number);
        let Some(txn) = self.txns.get_mut(&number).filter(|txn| txn.missing.is_empty()) else { return };
        let mut rng = Rng::new(zeolith_core::rng::Seed(txn.dice));
        let operations = match txn.work.changes(attempt, &txn.found, &mut rng) {
            Ok(operations) if self.writes => operations,
            Ok(_) => return self.end(scene, number, Outcome::Failed),
            Err(what) => {
                scene.notes.broken = Some(format!("client {} sees at {}: {what}", self.id.0, txn.before));
                return;
            }
        };
        let noted = &mut scene.notes.history.transactions[txn.at];
        for operation in &operations {
            match *operation {
                Operation::Store { oid, serial, .. } => {
                    noted.writes.push(Write { oid, base: serial, merged: None });
                }
                Operation::ReadCheck { oid, serial } => {
                    noted.checks.push(Read { oid, serial: Some(serial), writer: None });
                }
                ref other => unreachable!("no work does {other:?}"),
            }
        }
        let finish = rng.chance(1, 2);
        txn.stage = Stage::Voting { finish };
        let (resolve, at) = (txn.work.merges(), txn.at);
        let description = attempt.to_string();
        let changes = Changes { description, operations, finish, resolve, ..Changes::default() };
        self.ask(scene, Call::Vote(Box::new(changes)), Purpose::Vote(number), Some(attempt));
        scene.notes.history.transactions[at].asked = scene.notes.place();
    }

    /// A transaction is over.
    fn end(&mut self, scene: &mut Scene<'_>, number: u64, outcome: Outcome) {
        let Some(txn) = self.txns.remove(&number) else { return };
        let ended = scene.notes.place();
        let noted = &mut scene.notes.history.transactions[txn.at];
        (noted.outcome, noted.ended) = (outcome, ended);
        self.wants &= !matches!(outcome, Outcome::Committed(_));
    }

    /// Looks at what the machine put out.
    pub fn hear(&mut self, scene: &mut Scene<'_>, told: Told) {
        let (ticket, result) = match told {
            Told::Answer(ticket, result) => (ticket, result),
            Told::Resolve(txn, merge) => return self.merge(scene, txn, &merge),
            Told::Everything => return self.give_up_reading(scene),
        };
        let Some((_, purpose)) = self.asked.remove(&ticket) else { return };
        match (purpose, result) {
            (Purpose::Look, _) => {}
            (Purpose::Read(number, oid), Ok(Answer::Loaded(revision))) => {
                self.read(scene, number, oid, revision);
                self.vote_if_read(scene, number);
            }
            (Purpose::Read(number, oid), Err(Error::NoObject(_))) => {
                self.read(scene, number, oid, None);
                self.vote_if_read(scene, number);
            }
            (Purpose::Vote(number), Ok(Answer::Voted(at))) => {
                if let Some(txn) = self.txns.get_mut(&number) {
                    txn.stage = Stage::Voted(at);
                }
            }
            (Purpose::Vote(number) | Purpose::Finish(number), Ok(Answer::Finished(finished))) => {
                self.end(scene, number, Outcome::Committed(finished.tid));
            }
            (Purpose::Vote(number) | Purpose::Finish(number), Err(Error::OutcomeUnknown(_))) => {
                self.end(scene, number, Outcome::Unknown);
            }
            (Purpose::Read(number, _) | Purpose::Vote(number) | Purpose::Finish(number), Err(_)) => {
                self.end(scene, number, Outcome::Failed);
            }
            (purpose, Ok(answer)) => unreachable!("{purpose:?} is answered with {answer:?}"),
        }
    }

    /// What was read may be of another history than what would be read now: no transaction may see both.
    fn give_up_reading(&mut self, scene: &mut Scene<'_>) {
        let reading = self.txns.iter().filter(|(_, txn)| txn.stage == Stage::Reading);
        for number in reading.map(|(&number, _)| number).collect::<Vec<_>>() {
            self.end(scene, number, Outcome::Failed);
        }
    }

    fn merge(&mut self, scene: &mut Scene<'_>, at: TxnRef, merge: &Merge) {
        let Some(&(_, Purpose::Vote(number))) = self.asked.get(&at.0) else { return };
        let attempt = self.attempt(number);
        let Some(txn) = self.txns.get_mut(&number) else { return };
        let (oid, committed) = (merge.conflict.oid, merge.conflict.committed);
        // Some applications cannot: which, is decided by what this one has done so far.
        let state: Option<Bytes> = (number % 8 != 7).then(|| work::merged(attempt, merge));
        if state.is_some() {
            let writes = &mut scene.notes.history.transactions[txn.at].writes;
            let write = writes.iter_mut().find(|write| write.oid == oid).expect("it stores what is merged");
            write.merged = Some(committed);
            let writer = Attempt::of(&merge.committed).map(|writer| ((oid, committed), writer));
            scene.notes.history.writers.extend(writer);
        }
        scene.machine.handle(scene.now, Input::Resolved { txn: at, oid, state });
    }

    /// Its program ends: nothing is answered any more.
    pub fn on_end(&mut self, notes: &mut Notes) {
        self.asked.clear();
        for number in self.txns.keys().copied().collect::<Vec<_>>() {
            let outcome = self.unanswered(number);
            let txn = self.txns.remove(&number).expect("just seen");
            let ended = notes.place();
            let noted = &mut notes.history.transactions[txn.at];
            (noted.outcome, noted.ended) = (outcome, ended);
        }
    }
}
