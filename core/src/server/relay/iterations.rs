//! Iterations that clients have open above: all are of one connection there, and each is its client's alone.

use crate::limits;
use crate::server::names::ConnId;
use crate::wire::call::IteratorId;
use std::collections::BTreeMap;

/// Whose iterations there are.
#[derive(Debug, Default)]
pub(super) struct Iterations {
    open: BTreeMap<IteratorId, ConnId>,
}

impl Iterations {
    /// One was begun for a client. Gives the oldest of all if that is one too many: clients say late, if ever, what they
    /// do not need.
    pub(super) fn begin(&mut self, id: IteratorId, conn: ConnId) -> Option<IteratorId> {
        self.open.insert(id, conn);
        let full = self.open.len() > limits::ITERATIONS;
        full.then(|| self.open.pop_first()).flatten().map(|(oldest, _)| oldest)
    }

    /// Whether a client has this one.
    pub(super) fn is_of(&self, id: IteratorId, conn: ConnId) -> bool {
        self.open.get(&id) == Some(&conn)
    }

    /// One is over.
    pub(super) fn end(&mut self, id: IteratorId) {
        self.open.remove(&id);
    }

    /// Takes out those of a client, or of these those that are.
    pub(super) fn take(&mut self, conn: ConnId, among: Option<&[IteratorId]>) -> Vec<IteratorId> {
        let wanted = |id: &IteratorId| among.is_none_or(|among| among.contains(id));
        let taken = self.open.extract_if(.., |id, owner| *owner == conn && wanted(id));
        taken.map(|(id, _)| id).collect()
    }

    /// The connection above is gone, and all of them with it.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
