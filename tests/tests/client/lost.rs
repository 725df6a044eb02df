//! Commits whose connection is lost: all or nothing, never twice, and the caller learns which.

use std::time::Duration;

use zeolith_net::{Client, ClientOptions, Error, Oid, Tid};

use crate::proxy::{Cut, Proxy};
use crate::rig::{PATIENCE, Rig, stories};
use crate::{commit, create};

stories! {
    a_commit_whose_answer_is_lost_is_found_again,
    a_commit_the_server_never_heard_of_did_not_happen,
    a_vote_that_is_lost_did_not_happen,
    without_a_server_to_ask_the_outcome_is_unknown,
}

fn through(proxy: &Proxy, wait: Duration) -> ClientOptions {
    let options = ClientOptions::new(&proxy.address).expect("an address");
    options.wait_timeout(wait).reconnect(Duration::from_millis(20), Duration::from_millis(100))
}

async fn two(rig: &Rig, wait: Duration) -> (Proxy, Client, Client) {
    let proxy = Proxy::new(rig.address());
    let client = Client::connect(through(&proxy, wait)).await.unwrap();
    (proxy, client, rig.client().await)
}

/// Checks that the object has had these states and no other.
async fn assert_states(client: &Client, oid: Oid, states: &[(Tid, &str)]) {
    client.sync().await.unwrap();
    let history = client.history(oid, 10).await.unwrap();
    let tids: Vec<Tid> = history.iter().map(|past| past.tid).collect();
    let expected: Vec<Tid> = states.iter().rev().map(|(tid, _)| *tid).collect();
    assert_eq!(tids, expected);
    for (tid, data) in states {
        assert_eq!(client.load_serial(oid, *tid).await.unwrap(), *data);
    }
}

async fn a_commit_whose_answer_is_lost_is_found_again(rig: &mut Rig) {
    let (proxy, client, witness) = two(rig, PATIENCE).await;
    let (oid, first) = create(&client, "1").await;
    proxy.cut(Cut::Answer("tpc_finish"));
    let second = commit(&client, oid, first, "2").await.expect("it was committed, and is found");
    assert!(proxy.has_cut());
    let read = client.load(oid).await.unwrap();
    assert_eq!((&*read.data, read.serial), (&b"2"[..], second));
    assert_states(&witness, oid, &[(first, "1"), (second, "2")]).await;
    // And it goes on from there.
    commit(&client, oid, second, "3").await.unwrap();
}

async fn a_commit_the_server_never_heard_of_did_not_happen(rig: &mut Rig) {
    let (proxy, client, witness) = two(rig, PATIENCE).await;
    let (oid, first) = create(&client, "1").await;
    proxy.cut(Cut::Call("tpc_finish"));
    let lost = commit(&client, oid, first, "2").await;
    assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
    assert!(proxy.has_cut());
    assert_eq!(client.load(oid).await.unwrap().data, "1");
    assert_states(&witness, oid, &[(first, "1")]).await;
    commit(&client, oid, first, "2").await.unwrap();
}

async fn a_vote_that_is_lost_did_not_happen(rig: &mut Rig) {
    let (proxy, client, witness) = two(rig, PATIENCE).await;
    let (oid, first) = create(&client, "1").await;
    for cut in [Cut::Call("vote"), Cut::Answer("vote")] {
        proxy.cut(cut);
        let lost = commit(&client, oid, first, "2").await;
        assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
        assert!(proxy.has_cut());
    }
    assert_states(&witness, oid, &[(first, "1")]).await;
    commit(&client, oid, first, "2").await.unwrap();
}

async fn without_a_server_to_ask_the_outcome_is_unknown(rig: &mut Rig) {
    let (proxy, client, witness) = two(rig, Duration::from_millis(500)).await;
    let (oid, first) = create(&client, "1").await;
    proxy.cut_for_good(Cut::Answer("tpc_finish"));
    let unknown = commit(&client, oid, first, "2").await;
    assert!(matches!(unknown, Err(Error::OutcomeUnknown(_))), "{unknown:?}");
    proxy.resume();
    witness.sync().await.unwrap();
    assert_eq!(witness.load(oid).await.unwrap().data, "2", "it was committed, once");
    assert_eq!(witness.history(oid, 10).await.unwrap().len(), 2);
    while client.ready().await.is_err() {}
    assert_eq!(client.load(oid).await.unwrap().data, "2");
}
