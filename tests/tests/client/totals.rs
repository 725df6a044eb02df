//! Rust and Python write the same objects at the same time, and every total is right.

use zeolith_net::{Client, Error, Oid};
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;

use crate::commits::{length, length_of};
use crate::create;
use crate::rig::{Rig, stories};

stories! { rust_and_python_agree_on_every_total }

/// Processes of the script, and tasks of ours.
const EACH: u32 = 2;

/// Adds one to a number that nobody merges; returns how many attempts were in vain.
async fn count(client: &Client, counter: Oid) -> u32 {
    for conflicts in 0.. {
        let read = client.snapshot().await.unwrap().load(counter).await.unwrap();
        let number: u32 = std::str::from_utf8(&read.data).unwrap().parse().unwrap();
        let mut transaction = client.begin();
        transaction.store(counter, read.serial, (number + 1).to_string());
        match transaction.commit().await {
            Ok(_) => return conflicts,
            Err(Error::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("the numbers do not end")
}

/// Adds one to a Length, whose conflicts are merged here or at the server.
async fn lengthen(client: &Client, oid: Oid) {
    let read = client.load(oid).await.unwrap();
    let mut transaction = client.begin();
    let longer =
        |record: &[u8], by: u32| length(u16::try_from(length_of(record) + by).expect("a small number"));
    transaction.store(oid, read.serial, longer(&read.data, 1));
    transaction.resolver(move |merge| {
        Some(longer(&merge.committed, length_of(&merge.conflict.data) - length_of(&merge.old)))
    });
    transaction.commit().await.expect("what can always be merged");
}

async fn rust_and_python_agree_on_every_total(rig: &mut Rig) {
    let rounds = u32::try_from(repetitions(60, 1500)).unwrap();
    let client = rig.client().await;
    let (counter, _) = create(&client, "0").await;
    let shared = client.new_oid().await.unwrap();
    let mut transaction = client.begin();
    transaction.store_new(shared, length(0));
    transaction.commit().await.unwrap();

    let script = Script::new("counters.py").arg(rig.address()).arg(shared.0.to_string());
    let python = script.arg(counter.0.to_string()).arg(rounds.to_string()).spawn();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..EACH {
        let options = rig.options().server_sync(true);
        tasks.spawn(async move {
            let client = Client::connect(options).await.unwrap();
            let mut conflicts = 0;
            for _ in 0..rounds {
                lengthen(&client, shared).await;
                conflicts += count(&client, counter).await;
            }
            conflicts
        });
    }
    let conflicts: u32 = tasks.join_all().await.into_iter().sum();
    tokio::task::spawn_blocking(|| python.finish()).await.unwrap();
    println!("{conflicts} of our own commits were retried");

    let reader = rig.client().await;
    for client in [client, reader] {
        client.sync().await.unwrap();
        let total = 2 * EACH * rounds;
        assert_eq!(client.load(counter).await.unwrap().data, total.to_string());
        assert_eq!(length_of(&client.load(shared).await.unwrap().data), total);
    }
}
