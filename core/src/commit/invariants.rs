//! What must always hold of the transactions between two inputs.

use super::Commits;

/// Checks it.
///
/// # Panics
/// When a lock belongs to no transaction, or a transaction that should hold its locks does not.
pub fn check(commits: &Commits) {
    commits.locks.check_invariants();
    for key in commits.locks.transactions() {
        let finishing = commits.durable.on_their_way().any(|finishing| finishing.key == key);
        assert!(commits.txns.owner(key).is_some() || finishing, "every lock has a transaction");
    }
    for txn in commits.txns.iter() {
        assert_eq!(txn.has_asked(), commits.locks.contains(txn.key), "locks are asked for at a vote");
    }
    assert!(commits.ready.is_empty(), "nobody who has its locks is left waiting");
}
