//! What transactions keep, for whoever looks for what was left behind.

use super::Commits;

/// The transactions that are open or on their way, and the locks, each with whose it is.
pub fn held(commits: &Commits) -> Vec<String> {
    let open = commits.txns.iter().map(|txn| {
        let conn = commits.txns.owner(txn.key).expect("a transaction has a connection");
        format!("connection {} has a transaction open: {:?}", conn.0, txn.phase)
    });
    let locks = commits.locks.transactions().map(|key| match commits.txns.owner(key) {
        Some(conn) => format!("connection {} has locks", conn.0),
        None => format!("transaction {} has locks, and no connection", key.0),
    });
    let on_their_way = commits.durable.on_their_way();
    let on_their_way = on_their_way.map(|finishing| format!("{} is on its way to the disk", finishing.tid));
    let mut all: Vec<String> = open.chain(locks).chain(on_their_way).collect();
    if let Some(deadline) = commits.deadline().filter(|_| commits.txns.len() == 0) {
        all.push(format!("a transaction that is over has its time until {deadline:?}"));
    }
    all
}
