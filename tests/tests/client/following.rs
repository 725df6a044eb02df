//! Watching what others change, Python's programs among them.

use zeolith_net::{Change, Oid, Tid};
use zeolith_tests::python::Script;

use crate::rig::{Rig, stories};
use crate::{commit, create};

stories! {
    every_transaction_is_told_once_and_in_order,
    what_changed_after_a_snapshot_is_told_from_there_on,
    what_is_not_remembered_may_be_anything,
    what_python_commits_is_told_and_read,
    a_client_that_is_closed_tells_nothing_more,
}

fn objects(tid: Tid, oids: &[Oid]) -> Option<Change> {
    Some(Change::Objects { tid, oids: oids.to_vec() })
}

async fn every_transaction_is_told_once_and_in_order(rig: &mut Rig) {
    let clients = [rig.client().await, rig.client().await];
    let (snapshot, mut changes) = clients[0].follow().await.unwrap();
    let mut last = snapshot.tid();
    let mut serials = Vec::new();
    for round in 0..20 {
        // Its own and another's in turns.
        let (oid, tid) = create(&clients[round % 2], "new").await;
        serials.push((oid, tid));
    }
    for (oid, tid) in serials {
        assert_eq!(changes.next().await, objects(tid, &[oid]));
        assert!(last < tid, "{last} before {tid}");
        last = tid;
        // What is told is known: a load shows it without a wait for more.
        assert_eq!(clients[0].load(oid).await.unwrap().serial, tid);
    }
}

async fn what_changed_after_a_snapshot_is_told_from_there_on(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = create(&client, "1").await;
    let snapshot = client.snapshot().await.unwrap();
    assert_eq!(snapshot.tid(), first);
    let second = commit(&client, oid, first, "2").await.unwrap();
    let third = commit(&client, oid, second, "3").await.unwrap();
    let mut changes = client.invalidations(&snapshot);
    assert_eq!(changes.next().await, objects(second, &[oid]));
    assert_eq!(changes.next().await, objects(third, &[oid]));
    let mut later = client.invalidations(&client.at(second).await.unwrap());
    assert_eq!(later.next().await, objects(third, &[oid]));
}

async fn what_is_not_remembered_may_be_anything(rig: &mut Rig) {
    let writer = rig.client().await;
    let (oid, first) = create(&writer, "1").await;
    let second = commit(&writer, oid, first, "2").await.unwrap();
    // This one was not there yet.
    let client = rig.client().await;
    let mut changes = client.invalidations(&client.at(first).await.unwrap());
    assert_eq!(changes.next().await, Some(Change::Everything { tid: second }));
    let third = commit(&writer, oid, second, "3").await.unwrap();
    assert_eq!(changes.next().await, objects(third, &[oid]));
}

async fn what_python_commits_is_told_and_read(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, _) = create(&client, "1").await;
    let (_, mut changes) = client.follow().await.unwrap();
    let script = Script::new("set_raw.py").arg(rig.address()).arg(oid.0.to_string()).arg("from Python");
    let printed = tokio::task::spawn_blocking(|| script.run()).await.unwrap();
    let Some(Change::Objects { tid, oids }) = changes.next().await else {
        panic!("the change of one object")
    };
    assert_eq!(oids, [oid]);
    assert!(printed.contains(&tid.to_string()), "{printed} is not about {tid}");
    let read = client.load(oid).await.unwrap();
    assert_eq!((&*read.data, read.serial), (&b"from Python"[..], tid));
}

async fn a_client_that_is_closed_tells_nothing_more(rig: &mut Rig) {
    let client = rig.client().await;
    let (_, mut changes) = client.follow().await.unwrap();
    let waiting = tokio::spawn(async move { changes.next().await });
    tokio::task::yield_now().await;
    client.close().await;
    assert_eq!(waiting.await.unwrap(), None);
}
