//! The conflicts that one vote found, until all are merged.

use super::desk::Desk;
use super::fault::Fault;
use super::link::Link;
use super::loads::{Loads, State, Waiter};
use super::{Merge, Output, TxnRef};
use crate::ids::{Oid, Tid};
use crate::wire::reply::Conflict;
use bytes::Bytes;
use std::collections::BTreeMap;

/// One of them.
#[derive(Debug)]
struct Open {
    conflict: Conflict,
    old: Option<Bytes>,
    committed: Option<Bytes>,
    /// The caller merges.
    handed_out: bool,
}

/// The conflicts of one vote.
#[derive(Debug)]
pub(super) struct Merging {
    open: BTreeMap<Oid, Open>,
}

impl Merging {
    /// Takes the conflicts; the first that cannot be merged is the inner error: a new object has no common past.
    ///
    /// # Errors
    /// When an object is named twice, or is none that the transaction `stores`.
    pub(super) fn new(
        conflicts: Vec<Conflict>,
        stores: impl Fn(Oid) -> bool,
    ) -> Result<Result<Merging, Box<Conflict>>, Fault> {
        let mut open = BTreeMap::new();
        let mut hopeless = None;
        for conflict in conflicts {
            let oid = conflict.oid;
            if conflict.read == Tid::ZERO && hopeless.is_none() {
                hopeless = Some(Box::new(conflict.clone()));
            }
            let previous = open.insert(oid, Open { conflict, old: None, committed: None, handed_out: false });
            if previous.is_some() || !stores(oid) {
                return Err(Fault::result("vote", "list of conflicts on the transaction's objects"));
            }
        }
        Ok(match hopeless {
            Some(conflict) => Err(conflict),
            None => Ok(Merging { open }),
        })
    }

    /// Gets the states that the merges need: from the cache, or from the server.
    pub(super) fn start(&mut self, desk: &mut Desk, link: &mut Link, loads: &mut Loads, txn: TxnRef) {
        for (oid, open) in &mut self.open {
            let mut state = |serial: Tid| {
                let state = desk.cache.load_serial(*oid, serial);
                if state.is_none() {
                    loads.load_serial(desk, link, *oid, serial, Waiter::Merge(txn));
                }
                state
            };
            open.old = state(open.conflict.read);
            open.committed = state(open.conflict.committed);
            open.hand_out(desk, txn);
        }
    }

    /// A state came; the conflict whose state cannot be had is the error.
    pub(super) fn on_state(
        &mut self,
        desk: &mut Desk,
        txn: TxnRef,
        state: State,
    ) -> Result<(), Box<Conflict>> {
        let Some(open) = self.open.get_mut(&state.oid) else { return Ok(()) };
        let Ok(data) = state.state else { return Err(Box::new(open.conflict.clone())) };
        if state.serial == open.conflict.read {
            open.old = Some(data.clone());
        }
        if state.serial == open.conflict.committed {
            open.committed = Some(data);
        }
        open.hand_out(desk, txn);
        Ok(())
    }

    /// A merge was made that was asked for.
    pub(super) fn take(&mut self, oid: Oid) -> Option<Conflict> {
        self.open.get(&oid).filter(|open| open.handed_out)?;
        self.open.remove(&oid).map(|open| open.conflict)
    }

    /// Whether all are merged.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// One of them, to be told when none is merged.
    pub(super) fn into_first(mut self) -> Conflict {
        self.open.pop_first().expect("a vote with conflicts").1.conflict
    }
}

impl Open {
    fn hand_out(&mut self, desk: &mut Desk, txn: TxnRef) {
        if let (Some(old), Some(committed), false) = (&self.old, &self.committed, self.handed_out) {
            self.handed_out = true;
            let (old, committed) = (old.clone(), committed.clone());
            #[cfg(feature = "planted-bugs")]
            let old = if desk.bug == Some(crate::planted::Bug::MergedFromCommitted) {
                committed.clone()
            } else {
                old
            };
            let conflict = Box::new(Merge { conflict: self.conflict.clone(), old, committed });
            desk.push(Output::Resolve { txn, conflict });
        }
    }
}
