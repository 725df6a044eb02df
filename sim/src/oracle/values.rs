//! What states count to: each change of an object is one more than what it changed.

use super::doubt::Doubts;
use super::{Contradiction, Era};
use crate::history::{Alters, History, Transaction};
use std::collections::BTreeMap;
use zeolith_core::ids::{Oid, Tid};

/// What each revision counts to; those are left out of which nobody can say.
pub(super) struct Values(BTreeMap<(Oid, Tid), u64>);

impl Values {
    /// Of the revisions in these orders.
    pub(super) fn of(eras: &[Era<'_>]) -> Values {
        let mut values = Values(BTreeMap::new());
        for (&oid, revisions) in eras.iter().flatten() {
            for (&tid, transaction) in revisions {
                // What a backup kept counts to what it did before.
                if !values.0.contains_key(&(oid, tid))
                    && let Some(value) = values.after(oid, revisions, tid, transaction)
                {
                    values.0.insert((oid, tid), value);
                }
            }
        }
        values
    }

    fn after(
        &self,
        oid: Oid,
        revisions: &BTreeMap<Tid, &Transaction>,
        tid: Tid,
        transaction: &Transaction,
    ) -> Option<u64> {
        let before = |tid: Tid| {
            let (&last, _) = revisions.range(..tid).next_back()?;
            self.0.get(&(oid, last)).copied()
        };
        match (transaction.write(oid), transaction.alters) {
            (Some(write), _) if write.merged.is_some() => Some(before(tid)? + 1),
            (Some(write), _) => Some(write.value),
            (None, Some(Alters::Undo(undone))) => before(undone),
            (None, _) => None,
        }
    }

    /// Compares them with what was read and merged.
    pub(super) fn judge(&self, history: &History, doubts: &Doubts) -> Result<(), Contradiction> {
        let read = history.transactions.iter().flat_map(|transaction| {
            let reads = transaction.reads.iter();
            reads.filter_map(|read| Some((read.oid, read.serial?, read.state?, transaction.read())))
        });
        let merged = history.merged.iter().map(|it| (it.oid, it.serial, it.state, it.at));
        for (oid, serial, state, at) in read.chain(merged) {
            let given = state.value;
            match self.0.get(&(oid, serial)) {
                Some(&value) if value != given && !doubts.cover(oid, at) => {
                    return Err(Contradiction::Value { oid, serial, given, value });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
