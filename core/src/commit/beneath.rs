//! Objects that a transaction stores after it asked for undos: what it did to them before lies beneath.
//!
//! Undos are carried out at the vote, but in the order in which all was asked: an undo looks at what lies beneath a later
//! store, may be refused for it, and changes nothing of what is stored.

use crate::ids::Oid;
use crate::store::{Place, SoFar, Undone};
use bytes::Bytes;
use std::collections::BTreeMap;

/// By object.
#[derive(Debug, Default)]
pub(super) struct Beneath(BTreeMap<Oid, Layer>);

#[derive(Debug)]
struct Layer {
    /// Undos asked for before the store: the numbers below this.
    undos: usize,
    so_far: Option<SoFar>,
}

impl Beneath {
    /// The object is stored after so many undos; `so_far` is what was done to it before.
    pub(super) fn cover(&mut self, oid: Oid, undos: usize, so_far: Option<SoFar>) {
        self.0.entry(oid).or_insert(Layer { undos, so_far }).undos = undos;
    }

    /// What undo `number` finds beneath a later store; `None`: none came later.
    pub(super) fn seen_by(&self, number: usize, oid: Oid) -> Option<Option<SoFar>> {
        self.0.get(&oid).filter(|layer| number < layer.undos).map(|layer| layer.so_far.clone())
    }

    /// The objects of which a state of the log lies beneath, and where that is.
    pub(super) fn places(&self) -> impl Iterator<Item = (Oid, Place)> {
        self.0.iter().filter_map(|(&oid, layer)| match layer.so_far {
            Some(SoFar::Back(place)) => Some((oid, place)),
            _ => None,
        })
    }

    /// What lies beneath `oid` at `place` of the log is this state; `None`: there is none.
    pub(super) fn reinstate(&mut self, oid: Oid, place: Place, state: Option<&Bytes>) {
        if let Some(layer) = self.0.get_mut(&oid).filter(|layer| layer.so_far == Some(SoFar::Back(place))) {
            layer.so_far = Some(state.map_or(SoFar::Gone, |state| SoFar::Stored(state.clone())));
        }
    }

    /// Undo `number` made this of the object. Whether that stays beneath a later store.
    pub(super) fn take(&mut self, number: usize, oid: Oid, undone: &Undone) -> bool {
        let Some(layer) = self.0.get_mut(&oid).filter(|layer| number < layer.undos) else { return false };
        match undone {
            Undone::Back(place) => layer.so_far = Some(SoFar::Back(*place)),
            Undone::State(_, data) => layer.so_far = Some(SoFar::Stored(data.clone())),
            Undone::Gone => layer.so_far = Some(SoFar::Gone),
            // Nobody is asked to merge what nobody will see.
            Undone::Merge { .. } => {}
        }
        true
    }
}
