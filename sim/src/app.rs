//! The application above a client: transactions as ZODB's connections make them, and whatever else a program asks.

mod admin;
mod notes;
mod questions;
mod txns;
mod work;

pub use notes::{Cached, Iterated, Notes, Scene, Told};
pub use work::any;

use crate::event::ClientId;
use crate::history::{Asked, Outcome};
use crate::ledger::Attempt;
use admin::Admin;
use questions::{Iteration, Purpose, Questions};
use txns::Txns;
pub use work::Storage;
use zeolith_core::client::{Answer, Call, Error, Input, Ticket};
use zeolith_core::ids::Tid;
use zeolith_core::rng::Rng;

/// Questions and transactions that one application has under way at most.
const QUESTIONS: usize = 6;
const TRANSACTIONS: usize = 2;

/// The application.
#[derive(Debug)]
pub struct App {
    id: ClientId,
    questions: Questions,
    txns: Txns,
    admin: Admin,
    storage: Storage,
}

impl App {
    /// One that has asked nothing yet.
    pub fn new(id: ClientId, writes: bool, storage: Storage) -> App {
        let (questions, txns) = (Questions::default(), Txns::new(id, writes, storage));
        App { id, questions, txns, admin: Admin::default(), storage }
    }

    /// Whether it has nothing under way.
    pub fn is_idle(&self) -> bool {
        self.questions.is_empty() && self.txns.is_empty()
    }

    /// Transactions it has begun.
    pub fn number(&self) -> u64 {
        self.txns.number()
    }

    /// Whether it goes on trying.
    pub fn wants(&self) -> bool {
        self.txns.wants
    }

    /// A transaction that was voted, and waits for this application.
    pub fn is_voted(&self) -> bool {
        self.txns.is_voted()
    }

    /// How far it is, beyond being connected: idle, loading, voting, voted, finishing.
    pub fn stage(&self) -> usize {
        self.txns.stage().unwrap_or(usize::from(!self.questions.is_empty()))
    }

    /// What it waits for: the kind of thing, and more. `None`: for nothing.
    pub fn waits_for(&self) -> Option<(String, String)> {
        let questions = self.questions.all().map(|asked| {
            let call = format!("{:?}", asked.call);
            let name = call.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let what = match asked.attempt {
                Some(attempt) => format!("{name} of transaction {}", attempt.number),
                None => call.clone(),
            };
            (format!("for {name}"), what)
        });
        let (kinds, all): (Vec<String>, Vec<String>) = self.txns.waits().chain(questions).unzip();
        match kinds.into_iter().next() {
            None => {
                self.txns.wants.then(|| ("to commit".to_owned(), "it is refused again and again".to_owned()))
            }
            Some(kind) => Some((kind, all.join(", "))),
        }
    }

    /// The question of a ticket that is not answered.
    pub fn asked(&self, ticket: Ticket) -> Option<&Asked> {
        self.questions.asked(ticket)
    }

    /// Takes a step, as the dice fall; whether it did anything.
    pub fn act(&mut self, scene: &mut Scene<'_>, rng: &mut Rng) -> bool {
        if self.is_voted() && rng.chance(2, 3) {
            return self.decide(scene, rng.chance(1, 10));
        }
        if self.storage.blobs && rng.chance(1, 2) && self.txns.upload(scene) {
            return true;
        }
        if self.questions.len() < QUESTIONS
            && rng.chance(1, 3)
            && self.admin.go_on(scene, &mut self.questions)
        {
            return true;
        }
        match rng.below(16) {
            0..9 if self.txns.len() < TRANSACTIONS => self.txns.start(scene, &mut self.questions, rng),
            9 if !self.questions.is_empty() && rng.chance(1, 2) => self.forget(scene, rng),
            _ if self.questions.len() < QUESTIONS => {
                match self.look(scene, rng) {
                    Call::Load { oid, before } => {
                        self.questions.load(scene, (oid, before), Purpose::Look, None);
                    }
                    call => self.questions.ask(scene, call, Purpose::Look, None),
                }
                true
            }
            _ => false,
        }
    }

    /// Does what administrators do; whether it did anything. `now` is what their clocks show.
    pub fn administrate(&mut self, scene: &mut Scene<'_>, now: Tid, rng: &mut Rng) -> bool {
        if self.txns.len() >= TRANSACTIONS || self.questions.len() >= QUESTIONS {
            return false;
        }
        let attempt = Attempt { client: self.id, number: self.txns.number() + 1 };
        if self.storage.packs {
            // What points back makes a pack hard.
            match rng.below(6) {
                0 | 1 => {
                    admin::pack(scene, &mut self.questions, &self.txns, now, rng);
                    return true;
                }
                2 | 3 => return admin::undo(scene, &mut self.questions, &mut self.txns, rng),
                _ => {}
            }
        }
        self.admin.act(scene, &mut self.questions, &mut self.txns, (attempt, now), rng)
    }

    /// Begins a transaction if it has none, and goes on trying; whether it did anything.
    pub fn begin(&mut self, scene: &mut Scene<'_>, rng: &mut Rng) -> bool {
        self.txns.want();
        self.txns.is_empty() && self.txns.start(scene, &mut self.questions, rng)
    }

    /// Finishes, or gives up, a transaction that was voted.
    pub fn decide(&mut self, scene: &mut Scene<'_>, abort: bool) -> bool {
        self.txns.decide(scene, &mut self.questions, abort)
    }

    /// Gives up what it has open and does not wait for; whether there was anything.
    pub fn rest(&mut self, scene: &mut Scene<'_>) -> bool {
        self.admin.rest(scene, &mut self.questions) | self.txns.upload(scene)
    }

    /// Bytes of a blob that it asked for.
    pub fn on_piece(&mut self, ticket: Ticket, bytes: &[u8]) {
        self.questions.add(ticket, bytes);
    }

    /// Something that is no transaction.
    fn look(&self, scene: &Scene<'_>, rng: &mut Rng) -> Call {
        let oid = work::any(rng);
        let known = &self.txns.known;
        let known = (!known.is_empty()).then(|| known[rng.below(known.len() as u64) as usize]);
        let snapshot = scene.machine.last_tid().map_or(Tid::MAX, Tid::next);
        // Once there is something newer, the log has the state of what an undo left elsewhere.
        let undone = &self.txns.undone;
        if !undone.is_empty() && rng.chance(1, 3) {
            let (oid, serial) = undone[rng.below(undone.len() as u64) as usize];
            return Call::Load { oid, before: serial.next() };
        }
        if let Some((oid, serial)) = scene.notes.guess.filter(|_| rng.chance(1, 24)) {
            return Call::LoadBlob { oid, serial };
        }
        match (rng.below(12), known) {
            (0..3, Some((oid, serial))) if self.storage.blobs => {
                let blob = self.txns.known.iter().rev().find(|(oid, _)| work::has_blob(*oid));
                let (oid, serial) = blob.copied().unwrap_or((oid, serial));
                Call::LoadBlob { oid, serial }
            }
            (3, _) if self.storage.packs && !self.txns.own.is_empty() => {
                let (oid, _) = self.txns.own[rng.below(self.txns.own.len() as u64) as usize];
                Call::Load { oid, before: if rng.chance(1, 2) { Tid::MAX } else { snapshot } }
            }
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
        let ticket = self.questions.any(rng).expect("there are some");
        match self.questions.take(ticket).expect("just seen") {
            Purpose::Read(number, _) => self.txns.end(scene.notes, number, Outcome::Failed),
            Purpose::Vote(number) | Purpose::Finish(number) => self.txns.give_up(scene.notes, number),
            // Its answer is lost.
            Purpose::Next(iteration) => self.admin.keep(Iteration { is_whole: false, ..iteration }),
            Purpose::Iterate { .. } | Purpose::Look => {}
        }
        scene.machine.handle(scene.now, Input::Forget { ticket });
        true
    }

    /// Looks at what the machine put out.
    pub fn hear(&mut self, scene: &mut Scene<'_>, told: Told) {
        let (ticket, result) = match told {
            Told::Answer(ticket, result) => (ticket, result),
            Told::Resolve(txn, merge) => {
                if let Some(Purpose::Vote(number)) = self.questions.purpose(txn.0) {
                    self.txns.merge(scene, number, txn, &merge);
                }
                return;
            }
            Told::ReadBlob(txn, at) => {
                if let Some(Purpose::Vote(number)) = self.questions.purpose(txn.0) {
                    self.txns.read_blob(scene, number, (txn, at));
                }
                return;
            }
            Told::Everything => return self.txns.give_up_reading(scene.notes),
        };
        let Some(purpose) = self.questions.take(ticket) else { return };
        match (purpose, result) {
            (Purpose::Look, _) => {}
            (Purpose::Iterate { behind, known }, Ok(Answer::Iteration(id))) => {
                self.admin.keep(Iteration { id, behind, known, is_whole: true });
            }
            (Purpose::Next(iteration), Ok(Answer::Transaction(transaction))) => {
                let tid = transaction.map(|transaction| transaction.tid);
                self.admin.iterated(scene.notes, iteration, tid);
            }
            // An earlier question to it, which nobody waits for any more, is not answered.
            (Purpose::Next(iteration), Err(Error::Limit(_))) => self.admin.keep(iteration),
            // It is over, or its connection is.
            (Purpose::Next(_) | Purpose::Iterate { .. }, Err(_)) => {}
            (Purpose::Read(number, oid), Ok(Answer::Loaded(revision))) => {
                self.txns.read(scene, number, oid, revision);
                self.txns.vote_if_read(scene, &mut self.questions, number);
            }
            (Purpose::Read(number, oid), Err(Error::NoObject(_))) => {
                self.txns.read(scene, number, oid, None);
                self.txns.vote_if_read(scene, &mut self.questions, number);
            }
            (Purpose::Vote(number), Ok(Answer::Voted(at))) => self.txns.voted(number, at),
            (Purpose::Vote(number) | Purpose::Finish(number), Ok(Answer::Finished(finished))) => {
                self.txns.finished(scene.notes, number, finished.tid, &finished.changed);
            }
            (Purpose::Vote(number) | Purpose::Finish(number), Err(Error::OutcomeUnknown(_))) => {
                self.txns.end(scene.notes, number, Outcome::Unknown);
            }
            (Purpose::Read(number, _) | Purpose::Vote(number) | Purpose::Finish(number), Err(_)) => {
                self.txns.end(scene.notes, number, Outcome::Failed);
            }
            (purpose, Ok(answer)) => unreachable!("{purpose:?} is answered with {answer:?}"),
        }
    }

    /// Its program ends: nothing is answered any more.
    pub fn on_end(&mut self, notes: &mut Notes) {
        self.questions.clear();
        self.admin.clear();
        self.txns.give_up_all(notes);
    }
}
