//! What may be asked for at the client's edges: options at their extremes, a cache file that was just let go of, and what a
//! transaction may carry beside its objects.

use crate::rig::{Rig, stories};
use crate::{commit, create};
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use zeolith_net::{Client, ClientOptions, Error, Tid};

stories!(
    durations_at_their_extremes_harm_nobody,
    caches_of_extreme_sizes_harm_nobody,
    a_cache_file_is_free_for_the_next_client_at_once,
    extension_data_that_nobody_could_read_again_is_refused,
);

/// It connects, writes and reads.
async fn works(options: ClientOptions) {
    let client = Client::connect(options).await.unwrap();
    let (oid, first) = create(&client, "1").await;
    commit(&client, oid, first, "2").await.unwrap();
    client.sync().await.unwrap();
    assert_eq!(client.load(oid).await.unwrap().data, "2");
    client.close().await;
}

async fn durations_at_their_extremes_harm_nobody(rig: &mut Rig) {
    works(rig.options().wait_timeout(Duration::MAX)).await;
    works(rig.options().heartbeat(Duration::MAX)).await;
    works(rig.options().silence_timeout(Duration::MAX)).await;
    works(rig.options().reconnect(Duration::ZERO, Duration::ZERO)).await;
    works(rig.options().reconnect(Duration::MAX, Duration::ZERO)).await;
    works(rig.options().heartbeat(Duration::ZERO)).await;

    // Nothing can be waited for in no time, and a server that owes an answer is silent at once.
    for hopeless in [
        rig.options().wait_timeout(Duration::ZERO),
        rig.options().silence_timeout(Duration::ZERO).wait_timeout(Duration::from_millis(200)),
    ] {
        let client = Client::connect(hopeless.wait(false)).await.unwrap();
        match client.load(zeolith_net::Oid(1 << 40)).await {
            Err(Error::NoObject(_) | Error::Disconnected(_) | Error::Lost(_)) => {}
            other => panic!("an answer or a reason, not {other:?}"),
        }
        client.close().await;
    }
    works(rig.options()).await;
}

async fn caches_of_extreme_sizes_harm_nobody(rig: &mut Rig) {
    for size in [0, 1, 111, 112, 113, 1000, 1 << 40, u64::MAX] {
        works(rig.options().cache_size(size)).await;
    }
    for size in [0, 1, 111, 112, 113, 1000] {
        works(rig.options().cache_size(size).cache_file(rig.home.path("small.zeolith"))).await;
    }
    // A file takes no more of the disk than is in it, and what is in it comes along to every other size.
    let path = rig.home.path("resized.zeolith");
    let (oid, _) = create(&rig.client().await, "1").await;
    for (at, size) in [20 << 20, u64::MAX, 1000, 1 << 30].into_iter().enumerate() {
        let client = Client::connect(rig.options().cache_size(size).cache_file(&path)).await.unwrap();
        assert_eq!(client.cached(oid, Tid::MAX).is_some(), at > 0, "{size} bytes");
        client.load(oid).await.unwrap();
        client.close().await;
        assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20, "{size} bytes");
    }
}

async fn a_cache_file_is_free_for_the_next_client_at_once(rig: &mut Rig) {
    let options = rig.options().cache_file(rig.home.path("shared.zeolith"));
    let (oid, _) = create(&rig.client().await, "1").await;
    for round in 0..20 {
        let client = Client::connect(options.clone()).await.unwrap();
        assert_eq!(client.cached(oid, Tid::MAX).is_some(), round > 0, "round {round}");
        client.load(oid).await.unwrap();
        // Neither closed nor waited for.
        drop(client);
    }

    // A connect that fails lets go of it too.
    let nowhere = rig.home.path("nobody.sock");
    let lost = ClientOptions::new(nowhere.to_str().unwrap()).unwrap().wait_timeout(Duration::from_millis(50));
    Client::connect(lost.cache_file(rig.home.path("shared.zeolith"))).await.unwrap_err();
    let client = Client::connect(options).await.unwrap();
    assert_eq!(client.cached(oid, Tid::MAX).expect("what was cached before").data, "1");
}

async fn extension_data_that_nobody_could_read_again_is_refused(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, mut serial) = create(&client, "1").await;
    let unreadable: [&'static [u8]; 6] =
        [b"no pickle", b"\x80\x03}", b"\x80\x03N.", b"\x80\x03}..", b".", b"\x80\x03]."];
    for extension in unreadable {
        let mut transaction = client.begin();
        transaction.extension(Bytes::from_static(extension)).store(oid, serial, "2");
        let refused = transaction.commit().await;
        assert!(matches!(refused, Err(Error::Extension(_))), "{extension:?}: {refused:?}");
    }
    assert_eq!(client.load(oid).await.unwrap().serial, serial, "nothing was done");

    let readable: [&'static [u8]; 3] =
        [b"", b"\x80\x03}.", b"\x80\x03}X\x03\x00\x00\x00keyX\x05\x00\x00\x00values."];
    for extension in readable {
        let mut transaction = client.begin();
        transaction.extension(Bytes::from_static(extension)).store(oid, serial, "2");
        serial = transaction.commit().await.unwrap();
    }
    let told = client.history(oid, 1).await.unwrap();
    let known = told[0].extension.iter().any(|(name, value)| name == "key" && value.contains("value"));
    assert!(known, "{told:?}");
}
