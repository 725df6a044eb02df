//! The iterations of all clients of a storage.

use super::held::Held;
use super::iterations::{Iterations, Next};
use super::names::{ConnId, ReplyTo};
use super::output::Outputs;
use super::told;
use crate::store::{CopiedRecord, RecordsLeft, StoreError, TransactionHead};
use crate::wire::call::IteratorId;
use crate::wire::reply::Reply;
use std::collections::BTreeMap;

/// What a client is answered, and what is to be done for its calls behind that.
pub(super) type Answer = (Result<Reply, StoreError>, Vec<Next>);

/// Of each client that has any.
#[derive(Debug, Default)]
pub(super) struct Iterating(BTreeMap<ConnId, Iterations>);

impl Iterating {
    /// Those of a client.
    pub(super) fn of(&mut self, conn: ConnId) -> &mut Iterations {
        self.0.entry(conn).or_default()
    }

    /// A client is gone.
    pub(super) fn leave(&mut self, conn: ConnId) {
        self.0.remove(&conn);
    }

    /// Takes the transaction that the store found; `None`: who has left iterates no more.
    pub(super) fn on_transaction(
        &mut self,
        to: &ReplyTo,
        iterator: IteratorId,
        result: Result<Option<TransactionHead>, StoreError>,
        storage: &str,
        out: &mut Outputs,
    ) -> Option<Answer> {
        let iterations = self.0.get_mut(&to.conn)?;
        Some(match result {
            Ok(found) => {
                let (head, next) = iterations.on_transaction(iterator, found);
                let tell = |head| told::transaction(storage, to.codec, head, out);
                (Ok(head.map_or(Reply::None, tell)), next)
            }
            Err(error) => (Err(error), iterations.go_on(iterator)),
        })
    }

    /// Takes the record that the store found; `None`: who has left iterates no more.
    pub(super) fn on_record(
        &mut self,
        to: &ReplyTo,
        iterator: IteratorId,
        result: Result<Option<(CopiedRecord, RecordsLeft)>, StoreError>,
    ) -> Option<Answer> {
        let iterations = self.0.get_mut(&to.conn)?;
        Some(match result {
            Ok(found) => {
                let next = iterations.on_record(iterator, found.as_ref().map(|(_, left)| *left));
                (Ok(found.map_or(Reply::None, |(record, _)| told::record(record))), next)
            }
            Err(error) => (Err(error), iterations.go_on(iterator)),
        })
    }

    /// Tells what it keeps.
    pub(super) fn hold(&self, held: &mut Held) {
        for (conn, iterations) in self.0.iter().filter(|(_, iterations)| iterations.len() > 0) {
            held.rest.push(format!("connection {} has {} iterations", conn.0, iterations.len()));
        }
    }

    /// Checks what must always hold; `is_there` says which connections there are.
    ///
    /// # Panics
    /// When somebody has iterations who has left.
    pub(super) fn check_invariants(&self, is_there: impl Fn(ConnId) -> bool) {
        assert!(self.0.keys().all(|&conn| is_there(conn)), "who has left iterates over nothing");
    }
}
