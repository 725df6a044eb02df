//! Servers that come, go, know less or cannot be written to, and what becomes of the cache.

use std::fs;
use std::time::Duration;

use zeolith_net::{Change, Client, ClientOptions, ConnectError, Error, Oid, Tid};
use zeolith_tests::server::{Config, Home};

use crate::proxy::Proxy;
use crate::rig::{PATIENCE, Rig, stories};
use crate::{commit, create};

stories! {
    on a socket:
    a_client_comes_back_to_a_server_that_was_restarted,
    what_happened_while_the_server_was_away_is_told_in_one_piece,
    a_question_waits_for_a_server_but_not_for_ever,
    a_cache_file_serves_the_next_client,
    a_server_that_knows_less_is_refused,
    a_server_that_knows_less_costs_the_cache_where_that_is_told,
}

stories! {
    a_cache_file_in_use_is_refused,
    a_client_that_only_reads_reads_from_a_server_that_only_serves_reads,
    a_read_only_server_will_do_until_another_comes,
    a_snapshot_with_server_sync_shows_what_was_committed_elsewhere,
    a_lost_connection_costs_a_load_nothing,
    a_closed_client_answers_nothing,
    clients_of_other_storages_are_told_so,
    a_client_ends_with_its_runtime,
}

async fn a_client_comes_back_to_a_server_that_was_restarted(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = create(&client, "1").await;
    for kill in [false, true] {
        if kill {
            rig.kill()
        } else {
            rig.stop()
        }
        rig.start();
        let serial = client.load(oid).await.unwrap().serial;
        client.sync().await.unwrap();
        commit(&client, oid, serial, "2").await.unwrap();
    }
    let reader = rig.client().await;
    assert_eq!(reader.load(oid).await.unwrap().data, "2");
    assert_eq!(reader.load_serial(oid, first).await.unwrap(), "1");
}

async fn what_happened_while_the_server_was_away_is_told_in_one_piece(rig: &mut Rig) {
    // Ours is cut off, another goes on; only then a server is there for it again.
    rig.config.unix = false;
    rig.stop();
    rig.start();
    let proxy = Proxy::new(rig.address());
    let options = rig.options();
    let client =
        Client::connect(ClientOptions::new(&proxy.address).unwrap().wait_timeout(PATIENCE)).await.unwrap();
    let writer = Client::connect(options).await.unwrap();
    let (one, first) = create(&writer, "1").await;
    let (other, second) = create(&writer, "1").await;
    let (untouched, _) = create(&writer, "untouched").await;
    client.sync().await.unwrap();
    client.prefetch([one, other, untouched]).await.unwrap();
    let (_, mut changes) = client.follow().await.unwrap();
    proxy.stop();
    commit(&writer, one, first, "2").await.unwrap();
    let last = commit(&writer, other, second, "2").await.unwrap();
    proxy.resume();
    let Some(Change::Objects { tid, mut oids }) = changes.next().await else { panic!("the changed objects") };
    oids.sort();
    assert_eq!((tid, oids), (last, vec![one, other]));
    assert_eq!(client.cached(one, Tid::MAX), None);
    assert_eq!(client.cached(untouched, Tid::MAX).expect("nobody changed it").data, "untouched");
    assert_eq!(client.load(one).await.unwrap().data, "2");
}

async fn a_question_waits_for_a_server_but_not_for_ever(rig: &mut Rig) {
    let options = rig.options();
    let client = Client::connect(options.clone()).await.unwrap();
    let hasty = Client::connect(options.clone().wait_timeout(Duration::from_millis(100))).await.unwrap();
    let (oid, _) = create(&client, "1").await;
    rig.stop();
    // Another object than the cached one.
    let missing = Oid(oid.0 + 1000);
    assert!(matches!(hasty.load(missing).await, Err(Error::Disconnected(_))));
    assert!(matches!(
        commit(&hasty, missing, Tid::ZERO, "x").await,
        Err(Error::Disconnected(_) | Error::Lost(_))
    ));
    let late = options.clone().wait_timeout(Duration::from_millis(100));
    let none = Client::connect(late.clone()).await;
    assert!(matches!(none, Err(ConnectError::Client(Error::Disconnected(_)))), "{none:?}");
    let patient = tokio::spawn(async move { client.load(missing).await });
    // Who does not wait to be connected has a client that connects later.
    let unconnected = Client::connect(late.wait(false)).await.unwrap();
    assert_eq!(unconnected.last_tid(), None);
    rig.start();
    assert_eq!(patient.await.unwrap(), Err(Error::NoObject(missing)));
    while unconnected.ready().await.is_err() {}
    assert_eq!(unconnected.load(oid).await.unwrap().data, "1");
}

async fn a_cache_file_serves_the_next_client(rig: &mut Rig) {
    let writer = rig.client().await;
    let (oid, first) = create(&writer, "1").await;
    let (changed, second) = create(&writer, "1").await;
    let options = rig.options().client("shop", rig.home.path(""));
    let client = Client::connect(options.clone()).await.unwrap();
    client.prefetch([oid, changed]).await.unwrap();
    client.close().await;
    drop(client);
    assert!(rig.home.path("shop-1.zeolith").exists());
    let third = commit(&writer, changed, second, "2").await.unwrap();

    let client = Client::connect(options.clone()).await.unwrap();
    assert_eq!(client.last_tid(), Some(third));
    let read = client.cached(oid, Tid::MAX).expect("it was there, and did not change");
    assert_eq!((&*read.data, read.serial), (&b"1"[..], first));
    assert_eq!(client.cached(changed, Tid::MAX), None, "it changed while nobody looked");
    client.load(changed).await.unwrap();
    client.close().await;
    drop(client);

    // The same after the server was away.
    rig.stop();
    rig.start();
    let client = Client::connect(options).await.unwrap();
    assert_eq!(client.cached(changed, Tid::MAX).expect("unchanged").data, "2");
}

async fn a_cache_file_in_use_is_refused(rig: &mut Rig) {
    let path = rig.home.path("cache.zeolith");
    let options = rig.options().cache_file(&path);
    let client = Client::connect(options.clone()).await.unwrap();
    let refused = Client::connect(options.clone()).await.unwrap_err().to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
    client.close().await;
    Client::connect(options).await.unwrap().close().await;

    let other = rig.home.path("other");
    for contents in [&b"ZEC3 and what Python's ZEO writes behind it"[..], b"something else"] {
        fs::write(&other, contents).unwrap();
        let refused = Client::connect(rig.options().cache_file(&other)).await.unwrap_err().to_string();
        assert!(refused.contains(other.to_str().unwrap()), "{refused}");
        assert_eq!(fs::read(&other).unwrap(), contents, "what is not ours is left as it is");
    }
    let nowhere = rig.home.path("no/such/folder/cache");
    let refused = Client::connect(rig.options().cache_file(&nowhere)).await.unwrap_err().to_string();
    assert!(refused.contains(nowhere.to_str().unwrap()), "{refused}");
}

/// Puts the storage back to what it was before the last of two commits; returns the object and the first's tid.
async fn behind(rig: &mut Rig, client: &Client) -> (Oid, Tid) {
    let (oid, first) = create(client, "1").await;
    rig.stop();
    for suffix in ["", ".sums", ".lock", ".index"] {
        let name = |end: &str| rig.home.path(&format!("Data.fs{suffix}{end}"));
        if name("").exists() {
            fs::copy(name(""), name(".backup")).unwrap();
        }
    }
    rig.start();
    client.sync().await.unwrap();
    commit(client, oid, first, "2").await.unwrap();
    assert_eq!(client.load(oid).await.unwrap().data, "2");
    rig.stop();
    for suffix in ["", ".sums", ".lock", ".index"] {
        let name = |end: &str| rig.home.path(&format!("Data.fs{suffix}{end}"));
        let _ = fs::remove_file(name(""));
        if name(".backup").exists() {
            fs::copy(name(".backup"), name("")).unwrap();
        }
    }
    rig.start();
    (oid, first)
}

async fn a_server_that_knows_less_is_refused(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = behind(rig, &client).await;
    let seen = client.last_tid().unwrap();
    let Err(error) = client.sync().await else { panic!("a server that knows less") };
    assert_eq!(error, Error::ServerBehind { server: first, client: seen });
    let refused = commit(&client, oid, first, "3").await;
    assert!(matches!(refused, Err(Error::ServerBehind { .. })), "{refused:?}");
}

async fn a_server_that_knows_less_costs_the_cache_where_that_is_told(rig: &mut Rig) {
    let client = Client::connect(rig.options().drop_cache_when_behind(true)).await.unwrap();
    let (_, mut changes) = client.follow().await.unwrap();
    let (oid, first) = behind(rig, &client).await;
    client.sync().await.unwrap();
    let read = client.load(oid).await.unwrap();
    assert_eq!((&*read.data, read.serial), (&b"1"[..], first));
    while changes.next().await.unwrap() != (Change::Everything { tid: first }) {}
    commit(&client, oid, first, "3").await.unwrap();
}

async fn a_client_that_only_reads_reads_from_a_server_that_only_serves_reads(rig: &mut Rig) {
    let (oid, serial) = create(&rig.client().await, "1").await;
    rig.stop();
    rig.config.read_only = true;
    rig.start();
    let client = Client::connect(rig.options().read_only()).await.unwrap();
    assert_eq!(client.load(oid).await.unwrap().data, "1");
    assert_eq!(commit(&client, oid, serial, "2").await, Err(Error::ReadOnly));
    assert_eq!(client.new_oid().await, Err(Error::ReadOnly));
    assert!(client.info().await.unwrap().read_only);
    // Who wants to write waits in vain.
    let options = rig.options().wait_timeout(Duration::from_millis(300));
    let none = Client::connect(options).await;
    assert!(matches!(none, Err(ConnectError::Client(Error::Disconnected(_) | Error::ReadOnly))), "{none:?}");
}

async fn a_read_only_server_will_do_until_another_comes(rig: &mut Rig) {
    let (oid, serial) = create(&rig.client().await, "1").await;
    // A copy of the storage, for reading only.
    let home = Home::new();
    fs::copy(rig.home.path("Data.fs"), home.path("Data.fs")).unwrap();
    let copy = rig.another(&home, &Config { read_only: true, ..rig.config.clone() });
    let proxy = Proxy::new(rig.address());
    proxy.stop();
    let options = ClientOptions::new(&proxy.address).unwrap().server(copy.address()).unwrap();
    let options =
        options.read_only_fallback().reconnect(Duration::from_millis(20), Duration::from_millis(100));
    let client = Client::connect(options).await.unwrap();
    assert_eq!(client.load(oid).await.unwrap().data, "1");
    assert!(client.info().await.unwrap().read_only);
    assert_eq!(commit(&client, oid, serial, "2").await, Err(Error::ReadOnly));
    proxy.resume();
    let second = loop {
        match commit(&client, oid, serial, "2").await {
            Err(Error::ReadOnly | Error::Lost(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            other => break other.unwrap(),
        }
    };
    assert!(!client.info().await.unwrap().read_only);
    assert_eq!(client.load(oid).await.unwrap().serial, second);
    copy.end();
}

async fn a_snapshot_with_server_sync_shows_what_was_committed_elsewhere(rig: &mut Rig) {
    let writer = rig.client().await;
    let reader = Client::connect(rig.options().server_sync(true)).await.unwrap();
    let (oid, mut serial) = create(&writer, "0").await;
    for round in 0..50 {
        let snapshot = reader.snapshot().await.unwrap();
        assert_eq!((round, snapshot.tid()), (round, serial));
        assert_eq!(snapshot.load(oid).await.unwrap().serial, serial);
        serial = commit(&writer, oid, serial, "next").await.unwrap();
    }
}

async fn a_lost_connection_costs_a_load_nothing(rig: &mut Rig) {
    let writer = rig.client().await;
    let mut oids = Vec::new();
    for _ in 0..200 {
        oids.push(create(&writer, "1").await.0);
    }
    let proxy = Proxy::new(rig.address());
    let options = ClientOptions::new(&proxy.address).unwrap().wait_timeout(PATIENCE);
    let options = options.reconnect(Duration::from_millis(1), Duration::from_millis(10));
    let reader = Client::connect(options).await.unwrap();
    let cutter = tokio::spawn(async move {
        for _ in 0..20 {
            proxy.stop();
            proxy.resume();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy
    });
    for oid in oids {
        assert_eq!(reader.load(oid).await.unwrap().data, "1");
    }
    cutter.await.unwrap();
}

async fn a_closed_client_answers_nothing(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, serial) = create(&client, "1").await;
    let other = client.clone();
    let voted = {
        let mut transaction = client.begin();
        transaction.store(oid, serial, "2");
        transaction.vote().await.unwrap()
    };
    client.close().await;
    assert_eq!(other.load(Oid(1 << 40)).await, Err(Error::Closed));
    assert_eq!(commit(&other, oid, serial, "3").await, Err(Error::Closed));
    assert_eq!(voted.finish().await, Err(Error::Closed));
    other.close().await;
    // Whatever it held at the server is free.
    commit(&rig.client().await, oid, serial, "4").await.unwrap();
}

async fn clients_of_other_storages_are_told_so(rig: &mut Rig) {
    let options = rig.options().storage("no such").wait_timeout(Duration::from_millis(500));
    let none = Client::connect(options).await.unwrap_err().to_string();
    assert!(none.contains("no such") || none.contains("storage"), "{none}");
}

async fn a_client_ends_with_its_runtime(rig: &mut Rig) {
    let options = rig.options();
    let (elsewhere, client) = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(Client::connect(options)).unwrap();
        (runtime, client)
    })
    .join()
    .unwrap();
    // Nobody moves its bytes while its runtime stands still; whoever waits learns that it is gone.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.sync().await }
    });
    tokio::task::spawn_blocking(move || drop(elsewhere)).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(Error::Closed));
    assert_eq!(client.load(Oid(1 << 40)).await, Err(Error::Closed));
    client.close().await;
}
