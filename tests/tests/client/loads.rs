//! Reading: what is current, what was, and what is in the cache.

use zeolith_net::{Change, Client, Error, Oid, Tid};

use crate::rig::{Rig, stories};
use crate::{commit, create};

stories! {
    an_object_is_read_as_of_any_time,
    what_does_not_exist_is_a_clear_error,
    an_empty_storage_can_be_read,
    the_cache_answers_until_another_client_changes_the_object,
    a_snapshot_shows_one_moment_whatever_others_commit,
    a_snapshot_of_the_future_is_refused,
    prefetched_objects_are_in_the_cache,
    equal_loads_at_the_same_time_get_the_same,
}

async fn an_object_is_read_as_of_any_time(rig: &mut Rig) {
    let writer = rig.client().await;
    let (oid, first) = create(&writer, "one").await;
    let second = commit(&writer, oid, first, "two").await.unwrap();
    // The second client asks the server for all of it, the writer its cache for some.
    for client in [writer, rig.client().await] {
        let current = client.load(oid).await.unwrap();
        assert_eq!((&*current.data, current.serial, current.until), (&b"two"[..], second, None));
        let earlier = client.load_before(oid, second).await.unwrap().unwrap();
        assert_eq!((&*earlier.data, earlier.serial, earlier.until), (&b"one"[..], first, Some(second)));
        assert_eq!(client.load_before(oid, first).await, Ok(None));
        assert_eq!(client.load_serial(oid, first).await.unwrap(), "one");
        assert_eq!(client.load_serial(oid, second).await.unwrap(), "two");
        assert_eq!(client.last_tid(), Some(second));
    }
}

async fn what_does_not_exist_is_a_clear_error(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, tid) = create(&client, "one").await;
    let never = Oid(1 << 40);
    assert_eq!(client.load(never).await, Err(Error::NoObject(never)));
    assert_eq!(client.load_before(never, tid).await, Err(Error::NoObject(never)));
    assert_eq!(client.load_serial(never, tid).await, Err(Error::NoObject(never)));
    assert_eq!(client.load_serial(oid, Tid(tid.0 - 1)).await, Err(Error::NoObject(oid)));
    let before = client.at(Tid(tid.0 - 1)).await.unwrap();
    assert_eq!(before.load(oid).await, Err(Error::NoObject(oid)));
    assert_eq!(client.load(oid).await.unwrap().data, "one", "the connection goes on");
}

async fn an_empty_storage_can_be_read(rig: &mut Rig) {
    let client = rig.client().await;
    let snapshot = client.snapshot().await.unwrap();
    assert_eq!(snapshot.tid(), Tid::ZERO);
    assert_eq!(snapshot.load(Oid(0)).await, Err(Error::NoObject(Oid(0))));
    let (oid, _) = create(&client, "first").await;
    assert_eq!(client.load(oid).await.unwrap().data, "first");
}

async fn the_cache_answers_until_another_client_changes_the_object(rig: &mut Rig) {
    let (reader, writer) = (rig.client().await, rig.client().await);
    let (oid, first) = create(&writer, "one").await;
    reader.sync().await.unwrap();
    assert_eq!(reader.cached(oid, Tid::MAX), None);
    let read = reader.load(oid).await.unwrap();
    assert_eq!(reader.cached(oid, Tid::MAX), Some(read));

    let (_, mut changes) = reader.follow().await.unwrap();
    let second = commit(&writer, oid, first, "two").await.unwrap();
    assert_eq!(changes.next().await, Some(Change::Objects { tid: second, oids: vec![oid] }));
    assert_eq!(reader.cached(oid, Tid::MAX), None, "what is told to have changed is not current any more");
    assert_eq!(reader.load(oid).await.unwrap().data, "two");
    let earlier = reader.cached(oid, second).expect("what was current is kept");
    assert_eq!((&*earlier.data, earlier.until), (&b"one"[..], Some(second)));
}

async fn a_snapshot_shows_one_moment_whatever_others_commit(rig: &mut Rig) {
    let (reader, writer) = (rig.client().await, rig.client().await);
    let (one, first) = create(&writer, "1").await;
    let (other, second) = create(&writer, "1").await;
    reader.sync().await.unwrap();
    let snapshot = reader.snapshot().await.unwrap();
    assert_eq!(snapshot.tid(), second);
    // One is read before the change, the other after it.
    assert_eq!(snapshot.load(one).await.unwrap().data, "1");
    let mut transaction = writer.begin();
    transaction.store(one, first, "2").store(other, second, "2");
    let third = transaction.commit().await.unwrap();
    reader.sync().await.unwrap();
    for oid in [one, other] {
        let read = snapshot.load(oid).await.unwrap();
        assert_eq!((&*read.data, read.until), (&b"1"[..], Some(third)));
        assert_eq!(reader.load(oid).await.unwrap().data, "2");
        assert_eq!(reader.at(third).await.unwrap().load(oid).await.unwrap().data, "2");
    }
    assert_eq!(reader.at(first).await.unwrap().load(other).await, Err(Error::NoObject(other)));
}

async fn a_snapshot_of_the_future_is_refused(rig: &mut Rig) {
    let (reader, writer) = (rig.client().await, rig.client().await);
    let (oid, tid) = create(&writer, "one").await;
    // It may not have been told of this one yet, and asks.
    assert_eq!(reader.at(tid).await.unwrap().load(oid).await.unwrap().data, "one");
    assert_eq!(reader.at(tid.next()).await.unwrap_err(), Error::NotYet { tid: tid.next(), last: tid });
    assert_eq!(reader.at(Tid::MAX).await.unwrap_err(), Error::NotYet { tid: Tid::MAX, last: tid });
}

/// Objects with their numbers as states, in one transaction.
async fn many(client: &Client, count: u64) -> Vec<Oid> {
    let mut transaction = client.begin();
    let mut oids = Vec::new();
    for number in 0..count {
        let oid = client.new_oid().await.unwrap();
        transaction.store_new(oid, number.to_string());
        oids.push(oid);
    }
    transaction.commit().await.unwrap();
    oids
}

async fn prefetched_objects_are_in_the_cache(rig: &mut Rig) {
    let writer = rig.client().await;
    let mut oids = many(&writer, 3_000).await;
    oids.push(Oid(1 << 40));
    let reader = rig.client().await;
    let snapshot = reader.snapshot().await.unwrap();
    assert!(oids.iter().all(|&oid| snapshot.cached(oid).is_none()));
    snapshot.prefetch(oids.iter().copied()).await.unwrap();
    oids.pop();
    for (number, &oid) in oids.iter().enumerate() {
        assert_eq!(snapshot.cached(oid).expect("it was fetched").data, number.to_string());
    }
    // Once more costs nothing, and neither does nothing.
    snapshot.prefetch(oids).await.unwrap();
    reader.prefetch([]).await.unwrap();
}

async fn equal_loads_at_the_same_time_get_the_same(rig: &mut Rig) {
    let writer = rig.client().await;
    let oids = many(&writer, 50).await;
    let reader = rig.client().await;
    let mut loads = tokio::task::JoinSet::new();
    for _ in 0..20 {
        for (number, &oid) in oids.iter().enumerate() {
            let reader = reader.clone();
            loads.spawn(async move { assert_eq!(reader.load(oid).await.unwrap().data, number.to_string()) });
        }
    }
    while let Some(load) = loads.join_next().await {
        load.unwrap();
    }
}
