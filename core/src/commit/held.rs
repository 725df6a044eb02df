//! What transactions keep, for whoever looks for what was left behind.

use super::Commits;

/// The transactions that are open or on their way, the locks, and the blobs that are not settled, each with whose it is.
pub fn held(commits: &Commits) -> Vec<String> {
    let open = commits.txns.iter().map(|(_, txn)| {
        let conn = commits.txns.owner(txn.key).expect("a transaction has a connection");
        format!("connection {} has a transaction open: {:?}", conn.0, txn.phase)
    });
    let who = |key| match commits.txns.owner(key) {
        Some(conn) => format!("connection {}", conn.0),
        None => format!("transaction {}, which no connection has open,", key.0),
    };
    let locks = commits.locks.transactions().map(|key| match commits.locks.hindrance(key) {
        Some((Some(oid), other)) => {
            format!("{} waits for object {}, which {} has", who(key), oid.0, who(other))
        }
        Some((None, other)) => {
            format!("{} waits for the whole storage, of which {} has a part", who(key), who(other))
        }
        None => format!("{} has locks", who(key)),
    });
    let drafts =
        commits.drafts.owners().map(|(conn, _)| format!("connection {} has a draft of a blob", conn.0));
    let on_their_way = commits.durable.on_their_way();
    let on_their_way = on_their_way.map(|finishing| format!("{} is on its way to the disk", finishing.tid));
    let mut all: Vec<String> = open.chain(locks).chain(drafts).chain(on_their_way).collect();
    if let Some(deadline) = commits.deadline().filter(|_| commits.txns.count() == 0) {
        all.push(format!("a transaction that is over has its time until {deadline:?}"));
    }
    all
}
