//! The oracle: whether everything that clients were told is a history that a correct storage could have produced.
//!
//! It knows what callers asked and learned, and nothing of servers. A commit that nobody answered may have happened or
//! not: it did if anybody saw something of it, and then all of it did; if nobody saw any of it, then that it did not
//! contradicts nothing. What follows is one storage whose transactions stand in the order of their tids, and every
//! answer has to agree with it.
//!
//! A backup that is put back begins another such order with what the backup kept. A tid tells when it was given, and so in
//! which order: clocks are right where backups are put back. A transaction stands in the orders behind its own as far as the
//! backups have it. Who is told that it left nothing is told so of the order of that time: it may have been committed before,
//! and seen, and taken away since. A client may not know yet that a backup was put back: what a transaction read agrees with
//! one order that was there before it ended, and only within one order does a client never go back.
//!
//! Most states count the changes of their object. So every revision has to count to one more than the one before it: all
//! increments that were acknowledged are in it, and none twice, merged ones too. An undo counts to what was before the undone.

mod contradiction;
mod doubt;
mod values;

pub use contradiction::{Contradiction, Name};

use crate::event::ClientId;
use crate::history::{Alters, History, Merged, Outcome, Place, Read, Transaction};
use crate::ledger::Attempt;
use doubt::Doubts;
use std::collections::{BTreeMap, BTreeSet};
use values::Values;
use zeolith_core::ids::{Oid, Tid};

/// Stands for the oracle where a promise's number is told.
pub const ORACLE: u32 = 21;

/// Decides whether a history can be.
///
/// # Errors
/// The first contradiction: of identities, then of single transactions in their order, then between them.
pub fn judge(history: &History) -> Result<(), Contradiction> {
    let present = Present::of(history)?;
    for transaction in &history.transactions {
        present.judge(history, transaction)?;
    }
    Values::of(&present.eras).judge(history, &present.doubts)?;
    present.judge_real_time(history)?;
    judge_sessions(history)
}

/// The transactions that happened.
struct Present<'a> {
    by_attempt: BTreeMap<Attempt, Tid>,
    /// For each order that a backup began, and the first: who wrote what.
    eras: Vec<Era<'a>>,
    doubts: Doubts,
}

/// For each object, who wrote it in which transaction.
type Era<'a> = BTreeMap<Oid, BTreeMap<Tid, &'a Transaction>>;

impl<'a> Present<'a> {
    fn of(history: &'a History) -> Result<Present<'a>, Contradiction> {
        let transactions: BTreeMap<Attempt, &Transaction> =
            history.transactions.iter().map(|transaction| (transaction.attempt, transaction)).collect();
        let mut by_attempt = BTreeMap::new();
        let mut by_tid: BTreeMap<Tid, Attempt> = BTreeMap::new();
        let mut happened = |attempt: Attempt, tid: Tid| {
            let known = *by_attempt.entry(attempt).or_insert(tid);
            if known != tid {
                return Err(Contradiction::TwoTids(Name(attempt), known, tid));
            }
            let other = *by_tid.entry(tid).or_insert(attempt);
            if other != attempt {
                return Err(Contradiction::OneTid(Name(other), Name(attempt), tid));
            }
            Ok(())
        };
        for transaction in &history.transactions {
            if let Outcome::Committed(tid) = transaction.outcome {
                happened(transaction.attempt, tid)?;
            }
        }
        let (altered, doubts) = (altered(history), Doubts::of(history));
        for reader in &history.transactions {
            for read in &reader.reads {
                let (Some(serial), Some(writer)) = (read.serial, read.state.map(|state| state.writer)) else {
                    continue;
                };
                // What an undo or a copy left has another's data, or that of no write.
                if altered.contains(&(read.oid, serial)) {
                    continue;
                }
                let name = Name(reader.attempt);
                let unwritten = Contradiction::Unwritten { reader: name, oid: read.oid, serial };
                let Some(wrote) = transactions.get(&writer) else { return Err(unwritten) };
                if wrote.outcome == Outcome::Failed && is_in(history, era_at(history, wrote.ended), serial) {
                    return Err(Contradiction::Undead { reader: name, oid: read.oid, failed: Name(writer) });
                }
                if wrote.write(read.oid).is_none() {
                    return Err(unwritten);
                }
                // It may be an undo's.
                if !doubts.cover(read.oid, reader.read()) {
                    happened(writer, serial)?;
                }
            }
        }
        for &Merged { oid, serial, state, at } in &history.merged {
            if !altered.contains(&(oid, serial))
                && !doubts.cover(oid, at)
                && let Some(wrote) = transactions.get(&state.writer)
                && wrote.write(oid).is_some()
                && (wrote.outcome != Outcome::Failed || !is_in(history, era_at(history, wrote.ended), serial))
            {
                happened(state.writer, serial)?;
            }
        }
        let mut eras = vec![BTreeMap::new(); history.restores.len() + 1];
        for (attempt, &tid) in &by_attempt {
            let transaction = transactions[attempt];
            if doubt::is_dark(history, transaction) {
                continue;
            }
            let of = era_of(history, transaction, tid);
            for (at, objects) in eras.iter_mut().enumerate() {
                if stays(history, of, at, tid) {
                    let written = transaction.writes.iter().map(|write| write.oid);
                    for oid in written.chain(transaction.sets.iter().copied()) {
                        let object: &mut BTreeMap<Tid, &Transaction> = objects.entry(oid).or_default();
                        object.insert(tid, transaction);
                    }
                }
            }
        }
        Ok(Present { by_attempt, eras, doubts })
    }

    /// What was current of an object before a tid.
    fn before(&self, era: usize, oid: Oid, before: Tid) -> Option<Tid> {
        self.eras[era].get(&oid)?.range(..before).next_back().map(|(tid, _)| *tid)
    }

    /// Who set a revision that was not stored: an undo, a deletion or a copy.
    fn set_by(&self, era: usize, oid: Oid, serial: Option<Tid>) -> Option<Alters> {
        let transaction = self.eras[era].get(&oid)?.get(&serial?)?;
        transaction.alters.filter(|_| transaction.sets.contains(&oid))
    }

    /// Whether a revision was not stored, but set.
    fn is_set(&self, era: usize, oid: Oid, serial: Option<Tid>) -> bool {
        self.set_by(era, oid, serial).is_some()
    }

    /// Whether a revision may be nothing: a copy always brings a state.
    fn is_taken_away(&self, era: usize, oid: Oid, serial: Option<Tid>) -> bool {
        self.set_by(era, oid, serial).is_some_and(|alters| !matches!(alters, Alters::Restore))
    }

    /// Judges what one transaction read and changed. A client may not know yet of a backup that was put back: what it
    /// read has to agree with one order.
    fn judge(&self, history: &History, transaction: &Transaction) -> Result<(), Contradiction> {
        let newest = era_at(history, transaction.ended);
        let result = self.judge_reads(history, newest, transaction);
        if result.is_err() && (0..newest).all(|era| self.judge_reads(history, era, transaction).is_err()) {
            return result;
        }
        match self.by_attempt.get(&transaction.attempt) {
            Some(&tid) => self.judge_commit(history, transaction, tid),
            None => Ok(()),
        }
    }

    fn judge_reads(
        &self,
        history: &History,
        era: usize,
        transaction: &Transaction,
    ) -> Result<(), Contradiction> {
        let (reader, start) = (Name(transaction.attempt), transaction.start);
        for &Read { oid, serial, .. } in &transaction.reads {
            let current = self.before(era, oid, start.next());
            // An undo or a deletion may have left nothing.
            let is_gone =
                serial.is_none() && (self.is_set(era, oid, current) || may_miss(history, transaction));
            let is_known = !self.doubts.cover(oid, transaction.read());
            if serial != current && !is_gone && is_known {
                return Err(Contradiction::Snapshot { reader, start, oid, read: serial, current });
            }
        }
        Ok(())
    }

    fn judge_commit(
        &self,
        history: &History,
        transaction: &Transaction,
        tid: Tid,
    ) -> Result<(), Contradiction> {
        let era = era_of(history, transaction, tid);
        let writer = Name(transaction.attempt);
        for write in &transaction.writes {
            let (oid, current) = (write.oid, self.before(era, write.oid, tid));
            let base = Some(write.merged.unwrap_or(write.base)).filter(|base| *base > Tid::ZERO);
            // What an undo or a deletion took away may be made anew; by anybody, once a pack took it out.
            let packed =
                history.packs.iter().any(|&(at, stop)| at < transaction.ended && Some(stop) >= current);
            let is_anew = self.is_taken_away(era, oid, current) && (base.is_none() || packed);
            if base != current && !is_anew && !self.doubts.cover(oid, transaction.ended) {
                return Err(Contradiction::LostUpdate { writer, oid, base, current });
            }
        }
        for &Read { oid, serial: held, .. } in &transaction.checks {
            let current = self.before(era, oid, tid);
            if held != current && !self.doubts.cover(oid, transaction.ended) {
                return Err(Contradiction::ReadCheck { writer, oid, held, current });
            }
        }
        Ok(())
    }

    /// Whoever asks for a commit when another is answered gets a later tid.
    fn judge_real_time(&self, history: &History) -> Result<(), Contradiction> {
        let mut asked: Vec<(Place, Tid, &Transaction)> = Vec::new();
        let mut ended: Vec<(Place, Tid, &Transaction)> = Vec::new();
        for transaction in &history.transactions {
            let Some(&tid) = self.by_attempt.get(&transaction.attempt) else { continue };
            asked.push((transaction.asked, tid, transaction));
            if transaction.outcome == Outcome::Committed(tid) {
                ended.push((transaction.ended, tid, transaction));
            }
        }
        asked.sort_by_key(|(place, ..)| *place);
        ended.sort_by_key(|(place, ..)| *place);
        let mut ended = ended.into_iter().peekable();
        let mut newest: Option<(Tid, &Transaction)> = None;
        for (place, tid, second) in asked {
            while let Some((_, known, first)) = ended.next_if(|(ended, ..)| *ended < place) {
                if newest.is_none_or(|(newest, _)| newest < known) {
                    newest = Some((known, first));
                }
            }
            if let Some((known, first)) = newest
                && tid < known
            {
                let (first, second) = (Name(first.attempt), Name(second.attempt));
                return Err(Contradiction::RealTime { first, second, tids: (known, tid) });
            }
        }
        Ok(())
    }
}

/// Whether a pack may have taken out what was current when a transaction began: it was asked for before that ended, and to a
/// later time.
fn may_miss(history: &History, transaction: &Transaction) -> bool {
    history.packs.iter().any(|&(at, stop)| at < transaction.ended && stop > transaction.start)
}

/// The revisions that undos, deletions and copies left.
fn altered(history: &History) -> BTreeSet<(Oid, Tid)> {
    let committed = history.transactions.iter().filter_map(|transaction| match transaction.outcome {
        Outcome::Committed(tid) => Some((tid, &transaction.sets)),
        _ => None,
    });
    committed.flat_map(|(tid, sets)| sets.iter().map(move |&oid| (oid, tid))).collect()
}

/// The order of transactions that is the storage's at a place: how many backups were put back before.
fn era_at(history: &History, place: Place) -> usize {
    history.restores.iter().filter(|restore| restore.at < place).count()
}

/// The order in which a transaction was committed. A copied one brings its tid along: the answer tells.
fn era_of(history: &History, transaction: &Transaction, tid: Tid) -> usize {
    match transaction.alters {
        Some(Alters::Restore) => era_at(history, transaction.ended),
        _ => era_of_tid(history, tid),
    }
}

/// The order in which a server gave a tid.
fn era_of_tid(history: &History, tid: Tid) -> usize {
    history.restores.iter().filter(|restore| restore.time <= tid).count()
}

/// Whether a transaction with a server's tid stands in order `at`.
fn is_in(history: &History, at: usize, tid: Tid) -> bool {
    stays(history, era_of_tid(history, tid), at, tid)
}

/// Whether a transaction of order `of` stands in order `at`: the backups put back since it was committed have to have it.
fn stays(history: &History, of: usize, at: usize, tid: Tid) -> bool {
    at >= of && history.restores[of..at].iter().all(|restore| tid <= restore.kept)
}

/// A client's transactions never begin before one of its own that was committed, or before where it began already.
fn judge_sessions(history: &History) -> Result<(), Contradiction> {
    let mut seen: BTreeMap<ClientId, Vec<(Place, Tid, Attempt)>> = BTreeMap::new();
    for later in &history.transactions {
        let known = seen.entry(later.client()).or_default();
        let behind = known.iter().find(|(place, tid, _)| {
            let restored = era_at(history, *place) != era_at(history, later.ended);
            let since = *place..later.began;
            let again = history.restarts.iter().any(|(who, at)| *who == later.client() && since.contains(at));
            *place < later.began && later.start < *tid && !restored && !again
        });
        if let Some(&(_, seen, earlier)) = behind {
            let (earlier, start) = (Name(earlier), later.start);
            return Err(Contradiction::Session { earlier, later: Name(later.attempt), start, seen });
        }
        known.push((later.began, later.start, later.attempt));
        if let Outcome::Committed(tid) = later.outcome {
            known.push((later.ended, tid, later.attempt));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;
