//! What operators and copying programs ask.

use std::time::SystemTime;

use bytes::Bytes;
use zeolith_net::{Client, Error, Oid, Tid};
use zeolith_tests::server::{Home, Storage};

use crate::rig::{Rig, stories};
use crate::{commit, create};

stories! {
    a_history_tells_the_revisions_of_an_object,
    an_undo_log_tells_what_can_be_undone,
    a_pack_leaves_what_is_current,
    the_server_tells_of_itself,
    a_storage_is_copied,
    a_blob_comes_back_as_it_was_stored,
}

async fn a_history_tells_the_revisions_of_an_object(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = create(&client, "1").await;
    let second = commit(&client, oid, first, "22").await.unwrap();
    let revisions = |history: Vec<zeolith_net::client::PastRevision>| -> Vec<(Tid, u64)> {
        history.iter().map(|past| (past.tid, past.size)).collect()
    };
    assert_eq!(revisions(client.history(oid, 10).await.unwrap()), [(second, 2), (first, 1)]);
    assert_eq!(revisions(client.history(oid, 1).await.unwrap()), [(second, 2)]);
    let never = Oid(1 << 40);
    assert_eq!(client.history(never, 1).await, Err(Error::NoObject(never)));
}

async fn an_undo_log_tells_what_can_be_undone(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = create(&client, "1").await;
    let second = commit(&client, oid, first, "2").await.unwrap();
    let log = client.undo_log(0, 10).await.unwrap();
    let tids: Vec<Tid> = log.iter().map(|past| past.tid).collect();
    assert_eq!(tids, [second, first]);
    let mut undo = client.begin();
    undo.undo(second);
    let finished = undo.vote().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.changed, [oid]);
    let read = client.load(oid).await.unwrap();
    assert_eq!((&*read.data, read.serial), (&b"1"[..], finished.tid));
}

async fn a_pack_leaves_what_is_current(rig: &mut Rig) {
    let client = rig.client().await;
    // Only what can be reached from the root stays; the root itself always does. Packing reads records as pickles.
    let record = |state: u8| {
        Bytes::from(
            [
                &b"\x80\x03cpersistent.mapping\nPersistentMapping\n."[..],
                b"\x80\x03}q\x00U\x01kK",
                &[state],
                b"s.",
            ]
            .concat(),
        )
    };
    let mut transaction = client.begin();
    transaction.store_new(Oid(0), record(1));
    let first = transaction.commit().await.unwrap();
    let mut transaction = client.begin();
    transaction.store(Oid(0), first, record(2));
    let second = transaction.commit().await.unwrap();
    client.pack(SystemTime::now()).await.unwrap();
    let reader = rig.client().await;
    let read = reader.load(Oid(0)).await.unwrap();
    assert_eq!((read.data, read.serial), (record(2), second));
    assert_eq!(reader.load_serial(Oid(0), first).await, Err(Error::NoObject(Oid(0))));
}

async fn the_server_tells_of_itself(rig: &mut Rig) {
    let client = rig.client().await;
    create(&client, "1").await;
    let info = client.info().await.unwrap();
    assert_eq!((info.objects, info.read_only), (1, false));
    assert!(info.bytes > 0 && info.name.contains("Data.fs"), "{info:?}");
    assert!(info.supports_undo);
    let status = client.status().await.unwrap();
    let commits = status.iter().find(|(name, _)| name == "commits");
    assert_eq!(commits.map(|(_, value)| &**value), Some("1"), "{status:?}");
}

/// All that an iteration gives, and where records follow one another, all of those.
async fn everything(client: &Client) -> Vec<(Tid, Vec<(Oid, Bytes)>)> {
    let mut iteration = client.iterate(None, None).await.unwrap();
    let mut transactions = Vec::new();
    while let Some(transaction) = iteration.next().await.unwrap() {
        let records = transaction.records.into_iter();
        let records = records.map(|record| (record.oid, record.data.expect("nothing was undone")));
        transactions.push((transaction.tid, records.collect()));
    }
    transactions
}

async fn a_storage_is_copied(rig: &mut Rig) {
    let client = rig.client().await;
    let (one, first) = create(&client, "1").await;
    let (other, second) = create(&client, "2").await;
    let third = commit(&client, one, first, "3").await.unwrap();
    let read = everything(&client).await;
    let row = |tid, oid, data: &'static str| (tid, vec![(oid, Bytes::from(data))]);
    assert_eq!(read, [row(first, one, "1"), row(second, other, "2"), row(third, one, "3")]);
    let some = client.iterate(Some(second), Some(second)).await.unwrap().next().await.unwrap().unwrap();
    assert_eq!(some.tid, second);

    let mut next = None;
    let mut current = Vec::new();
    loop {
        let record = client.next_record(next).await.unwrap();
        current.push((record.oid, record.serial, record.data));
        next = record.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(current, [(one, third, Bytes::from("3")), (other, second, Bytes::from("2"))]);

    // Into an empty storage, with the same tids.
    let home = Home::new();
    let target = rig.another(&home, &rig.config);
    let copy = Client::connect(zeolith_net::ClientOptions::new(target.address()).unwrap()).await.unwrap();
    for (tid, records) in &read {
        let mut transaction = copy.begin();
        transaction.copied(*tid, b' ');
        for (oid, data) in records {
            transaction.restore(*oid, *tid, Some(data.clone()), None);
        }
        assert_eq!(transaction.commit().await, Ok(*tid));
    }
    assert_eq!(everything(&copy).await, read);
    target.end();
}

async fn a_blob_comes_back_as_it_was_stored(rig: &mut Rig) {
    rig.stop();
    rig.config.storages = vec![Storage::Blobs("1", "Blobs.fs")];
    rig.start();
    let client = rig.client().await;
    for size in [0, 1, 59_000, 59_001, 1_000_000] {
        let bytes: Vec<u8> = (0..size).map(|at: usize| (at % 253) as u8).collect();
        let oid = client.new_oid().await.unwrap();
        let mut transaction = client.begin();
        transaction.store_blob(oid, Tid::ZERO, "a blob's record", std::io::Cursor::new(bytes.clone()));
        let tid = transaction.commit().await.unwrap();
        let mut pieces = client.load_blob(oid, tid);
        let mut read = Vec::new();
        while let Some(piece) = pieces.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert!(read == bytes, "{size} bytes, of which {} came", read.len());
        assert_eq!(pieces.next().await, Ok(None));
    }
    let failing = failing_reader();
    let mut transaction = client.begin();
    transaction.store_blob(client.new_oid().await.unwrap(), Tid::ZERO, "record", failing);
    let failed = transaction.commit().await;
    assert!(matches!(&failed, Err(Error::Blob(why)) if why.contains("no disk")), "{failed:?}");
    create(&client, "the client goes on").await;
}

/// Something to read that cannot be read.
fn failing_reader() -> impl tokio::io::AsyncRead + Send + Unpin + 'static {
    struct Failing;
    impl tokio::io::AsyncRead for Failing {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("no disk")))
        }
    }
    Failing
}
