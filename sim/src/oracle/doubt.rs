//! What nobody can say: an undo, a deletion or a copy that was not answered may have happened, and what is read afterwards does
//! not tell who did it. Of the objects that it would have changed anything may be true; everything else is judged.

use super::era_at;
use crate::history::{Alters, History, Outcome, Place, Transaction};
use std::collections::BTreeSet;
use zeolith_core::ids::{Oid, Tid};

/// All that is in doubt.
pub(super) struct Doubts(Vec<Doubt>);

struct Doubt {
    /// When it was asked for.
    since: Place,
    /// What it would have changed; `None`: nobody knows what.
    oids: Option<BTreeSet<Oid>>,
}

impl Doubts {
    /// Of a history.
    pub(super) fn of(history: &History) -> Doubts {
        let dark = history.transactions.iter().filter(|transaction| is_dark(history, transaction));
        let doubt = |transaction: &Transaction| Doubt {
            since: transaction.asked,
            oids: match transaction.alters {
                Some(Alters::Undo(undone)) => changed_by(history, undone),
                _ => Some(transaction.sets.iter().copied().collect()),
            },
        };
        Doubts(dark.map(doubt).collect())
    }

    /// Whether an answer about an object, known at this place, may be due to one of them.
    pub(super) fn cover(&self, oid: Oid, at: Place) -> bool {
        let mut before = self.0.iter().filter(|doubt| doubt.since < at);
        before.any(|doubt| doubt.oids.as_ref().is_none_or(|oids| oids.contains(&oid)))
    }
}

/// Whether nobody can say what a transaction left, or in which order: one that was not answered and whose data does not tell
/// of it, or a copied one, which brings its tid along, while a backup was put back.
pub(super) fn is_dark(history: &History, transaction: &Transaction) -> bool {
    match transaction.alters {
        None => false,
        Some(Alters::Restore) if era_at(history, transaction.asked) != era_at(history, transaction.ended) => {
            true
        }
        Some(_) => transaction.outcome == Outcome::Unknown,
    }
}

/// The objects that a transaction changed, if it was acknowledged.
fn changed_by(history: &History, tid: Tid) -> Option<BTreeSet<Oid>> {
    let mut committed = history.transactions.iter();
    let transaction = committed.find(|transaction| transaction.outcome == Outcome::Committed(tid))?;
    let written = transaction.writes.iter().map(|write| write.oid);
    Some(written.chain(transaction.sets.iter().copied()).collect())
}
