//! The Rust client as its users see it, against Python's server and ours in both encodings: the same stories for all four.

mod admin;
mod blocking;
mod commits;
mod connections;
mod examples;
mod following;
mod hostile;
mod loads;
mod lost;
mod options;
mod overtaking;
mod proxy;
mod rig;
mod totals;

use zeolith_net::{Client, Error, Oid, Tid};

/// Commits one object's state.
async fn commit(client: &Client, oid: Oid, serial: Tid, data: &'static str) -> Result<Tid, Error> {
    let mut transaction = client.begin();
    transaction.store(oid, serial, data);
    transaction.commit().await
}

/// A new object with this state.
async fn create(client: &Client, data: &'static str) -> (Oid, Tid) {
    let oid = client.new_oid().await.expect("an oid");
    let tid = commit(client, oid, Tid::ZERO, data).await.expect("a commit that nothing stands against");
    (oid, tid)
}
