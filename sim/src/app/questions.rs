//! The questions of one application that are not answered.

use super::notes::{Cached, Scene};
use crate::history::Asked;
use crate::ledger::Attempt;
use std::collections::BTreeMap;
use zeolith_core::client::{Call, Input, IterationId, Ticket};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Rng;
use zeolith_core::store::Revision;

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For a transaction that reads this object.
    Read(u64, Oid),
    /// For a transaction that votes.
    Vote(u64),
    /// For a transaction that finishes.
    Finish(u64),
    /// For an iteration that begins behind this transaction, when its client knew of that one.
    Iterate { behind: Tid, known: Tid },
    /// For an iteration that goes on.
    Next(Iteration),
    /// For nobody.
    Look,
}

/// An iteration over the transactions of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Iteration {
    pub(super) id: IterationId,
    /// What it gave last, or what it begins behind.
    pub(super) behind: Tid,
    /// The last transaction that its client knew of when it was asked for.
    pub(super) known: Tid,
    /// Every answer was waited for.
    pub(super) is_whole: bool,
}

/// Questions, by ticket.
#[derive(Debug, Default)]
pub(super) struct Questions {
    tickets: u64,
    open: BTreeMap<Ticket, (Asked, Purpose)>,
}

impl Questions {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The questions.
    pub(super) fn all(&self) -> impl Iterator<Item = &Asked> {
        self.open.values().map(|(asked, _)| asked)
    }

    /// The question of a ticket.
    pub(super) fn asked(&self, ticket: Ticket) -> Option<&Asked> {
        self.open.get(&ticket).map(|(asked, _)| asked)
    }

    /// Bytes of a blob that was asked for.
    pub(super) fn add(&mut self, ticket: Ticket, bytes: &[u8]) {
        if let Some((asked, _)) = self.open.get_mut(&ticket) {
            asked.blob.extend_from_slice(bytes);
        }
    }

    /// What the answer to a ticket is for.
    pub(super) fn purpose(&self, ticket: Ticket) -> Option<Purpose> {
        self.open.get(&ticket).map(|(_, purpose)| *purpose)
    }

    /// The same, for the last time.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Purpose> {
        self.open.remove(&ticket).map(|(_, purpose)| purpose)
    }

    /// Any of them.
    pub(super) fn any(&self, rng: &mut Rng) -> Option<Ticket> {
        let at = rng.below(self.open.len().max(1) as u64) as usize;
        self.open.keys().nth(at).copied()
    }

    /// Nobody waits for answers any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    pub(super) fn ask(
        &mut self,
        scene: &mut Scene<'_>,
        call: Call,
        purpose: Purpose,
        attempt: Option<Attempt>,
    ) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (at, last) = (scene.notes.place(), scene.machine.last_tid());
        let asked = Asked { call: call.clone(), at, last, attempt, blob: Vec::new() };
        self.open.insert(ticket, (asked, purpose));
        scene.machine.handle(scene.now, Input::Ask { ticket, call });
    }

    /// Looks into the cache, and asks for what is not there.
    pub(super) fn load(
        &mut self,
        scene: &mut Scene<'_>,
        (oid, before): (Oid, Tid),
        purpose: Purpose,
        attempt: Option<Attempt>,
    ) -> Option<Revision> {
        let found = scene.machine.cached(oid, before);
        match &found {
            Some(revision) => {
                let (ready, revision) = (scene.machine.is_ready(), revision.clone());
                scene.notes.cached.push(Cached { oid, before, ready, revision });
            }
            None => self.ask(scene, Call::Load { oid, before }, purpose, attempt),
        }
        found
    }
}
