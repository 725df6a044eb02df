//! How far back a server remembers which objects were changed, for clients that come back.

use crate::ids::{Oid, Tid};
use crate::limits;
use std::time::Duration;

/// Which of the last transactions are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// So many, however old they are.
    pub transactions: usize,
    /// And all that are younger than so much when the last one is made, within [`limits::REMEMBERED`]; zero: no others.
    pub age: Duration,
}

impl Reach {
    /// Whether transaction `tid` is remembered beside `newer` later ones, which take `bytes`; the latest is `last`.
    pub fn covers(&self, tid: Tid, newer: usize, bytes: usize, last: Tid) -> bool {
        let young = || last.time() - tid.time() < self.age.as_secs_f64();
        newer < self.transactions || (bytes < limits::REMEMBERED && young())
    }
}

impl From<usize> for Reach {
    fn from(transactions: usize) -> Reach {
        Reach { transactions, age: Duration::ZERO }
    }
}

/// Bytes that it takes to remember a transaction that changed so many objects.
pub fn remembered(objects: usize) -> usize {
    size_of::<(Tid, Vec<Oid>)>() + objects * size_of::<Oid>()
}
