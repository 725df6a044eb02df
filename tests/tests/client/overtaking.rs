//! Python's server on uvloop, whose answers overtake the invalidations that were due before them.

use zeolith_core::wire::Codec;
use zeolith_net::{Client, Oid, Tid};
use zeolith_tests::repetitions;
use zeolith_tests::server::Maker;

use crate::rig::{Rig, tell};

/// Clients that commit at the same time.
const CLIENTS: u64 = 4;

/// A client that has made an object for each of those to come, and its transaction.
async fn begin(rig: &Rig) -> (Client, Tid) {
    let first = rig.client().await;
    let mut transaction = first.begin();
    (1..=CLIENTS).for_each(|oid| {
        transaction.store_new(Oid(oid), "0");
    });
    let begun = transaction.commit().await.unwrap();
    (first, begun)
}

#[test]
fn snapshots_after_own_commits_are_right_in_pickle() {
    tell(Maker::PythonOnUvloop, Codec::Pickle, false, snapshots_after_own_commits_are_right);
}

#[test]
fn snapshots_after_own_commits_are_right_in_msgpack() {
    tell(Maker::PythonOnUvloop, Codec::Msgpack, false, snapshots_after_own_commits_are_right);
}

/// Each changes an object of its own, and looks at all of them as of its own transaction.
async fn snapshots_after_own_commits_are_right(rig: &mut Rig) {
    let rounds = repetitions(150, 2_000);
    let (_first, begun) = begin(rig).await;
    let mut tasks = tokio::task::JoinSet::new();
    for own in (1..=CLIENTS).map(Oid) {
        let client = rig.client().await;
        tasks.spawn(async move { write_and_look(&client, own, begun, rounds).await });
    }
    let seen: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen.len(), (CLIENTS * CLIENTS) as usize * rounds);
    // A client without a history of its own asks the server.
    let judge = rig.client().await;
    for (oid, tid, serial) in seen {
        let truth = judge.load_before(oid, tid.next()).await.unwrap().unwrap();
        assert_eq!(serial, truth.serial, "object {oid} as of {tid}");
    }
    // On uvloop it does not always end when it is told to.
    rig.kill();
}

async fn write_and_look(client: &Client, own: Oid, begun: Tid, rounds: usize) -> Vec<(Oid, Tid, Tid)> {
    let mut seen = Vec::new();
    let mut serial = begun;
    for round in 0..rounds {
        let mut transaction = client.begin();
        transaction.store(own, serial, round.to_string());
        serial = transaction.commit().await.expect("nobody else changes it");
        let snapshot = client.snapshot().await.unwrap();
        assert!(snapshot.tid() >= serial, "a client sees its own transaction");
        for oid in (1..=CLIENTS).map(Oid) {
            seen.push((oid, snapshot.tid(), snapshot.load(oid).await.unwrap().serial));
        }
    }
    seen
}

#[test]
fn a_kept_cache_is_verified_while_others_commit_in_pickle() {
    tell(Maker::PythonOnUvloop, Codec::Pickle, false, a_kept_cache_is_verified_while_others_commit);
}

#[test]
fn a_kept_cache_is_verified_while_others_commit_in_msgpack() {
    tell(Maker::PythonOnUvloop, Codec::Msgpack, false, a_kept_cache_is_verified_while_others_commit);
}

/// Clients write without a pause; others come with the cache of before, look at everything, and go.
async fn a_kept_cache_is_verified_while_others_commit(rig: &mut Rig) {
    let rounds = repetitions(150, 1_000);
    let (first, begun) = begin(rig).await;
    let mut writers = tokio::task::JoinSet::new();
    for own in (1..=CLIENTS).map(Oid) {
        let client = rig.client().await;
        writers.spawn(async move {
            let mut serial = begun;
            for round in 0u64.. {
                let mut transaction = client.begin();
                transaction.store(own, serial, round.to_string());
                serial = transaction.commit().await.expect("nobody else changes it");
            }
        });
    }
    let options = rig.options().cache_file(rig.home.path("kept.zeolith"));
    let mut seen = Vec::new();
    for round in 0..rounds {
        let client = Client::connect(options.clone()).await.unwrap();
        let server = client.info().await.unwrap().server;
        let snapshot = client.snapshot().await.unwrap();
        for oid in (1..=CLIENTS).map(Oid) {
            let revision = snapshot.load(oid).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
            seen.push((oid, snapshot.tid(), revision.serial));
        }
        // What the verification has overtaken comes within two turns of the server's loop.
        client.sync().await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(client.info().await.unwrap().server, server);
        client.close().await;
    }
    writers.shutdown().await;
    for (oid, tid, serial) in seen {
        let truth = first.load_before(oid, tid.next()).await.unwrap().unwrap();
        assert_eq!(serial, truth.serial, "object {oid} as of {tid}");
    }
    // On uvloop it does not always end when it is told to.
    rig.kill();
}
