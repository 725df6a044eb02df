//! What must always hold of the transactions between two inputs.

use super::Commits;
use super::scene::Audience;
use crate::server::names::ConnId;

/// Checks it; `is_there` says which connections there are.
///
/// # Panics
/// When a lock belongs to no transaction, a transaction that should hold its locks does not, or somebody is told of them who
/// has left.
pub fn check(commits: &Commits, audience: &Audience, is_there: &impl Fn(ConnId) -> bool) {
    assert!(audience.members.keys().all(|&conn| is_there(conn)), "who has left is told of nothing");
    commits.locks.check_invariants();
    for key in commits.locks.transactions() {
        let finishing = commits.durable.on_their_way().any(|finishing| finishing.key == key);
        assert!(commits.txns.owner(key).is_some() || finishing, "every lock has a transaction");
    }
    for (_, txn) in commits.txns.iter() {
        assert_eq!(txn.has_asked(), commits.locks.contains(txn.key), "locks are asked for at a vote");
    }
    assert!(commits.ready.is_empty(), "nobody who has its locks is left waiting");
}
