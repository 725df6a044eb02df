//! Changing: what is committed, what conflicts, and what is merged.

use bytes::Bytes;
use zeolith_net::{Error, Oid, Tid};
use zeolith_tests::server::Maker;

use crate::rig::{Rig, stories};
use crate::{commit, create};

stories! {
    a_commit_is_seen_here_and_there,
    a_change_of_what_is_not_current_is_a_conflict,
    a_resolver_merges_what_two_changed,
    a_resolver_may_give_up,
    a_failed_read_check_ends_the_transaction,
    a_voted_transaction_is_finished_or_not,
    transactions_of_one_client_take_turns,
    a_dropped_commit_costs_nobody_anything,
    oids_are_new,
    a_state_without_a_byte_is_refused,
    what_is_large_goes_through_and_so_does_nothing,
    what_is_told_of_a_transaction_is_kept,
}

async fn a_commit_is_seen_here_and_there(rig: &mut Rig) {
    let (one, other) = (rig.client().await, rig.client().await);
    let (first, second) = (one.new_oid().await.unwrap(), one.new_oid().await.unwrap());
    let mut transaction = one.begin();
    transaction.store_new(first, "a").store_new(second, "b");
    let tid = transaction.commit().await.unwrap();
    assert_eq!(one.last_tid(), Some(tid));
    other.sync().await.unwrap();
    for client in [one, other] {
        for (oid, data) in [(first, "a"), (second, "b")] {
            let read = client.load(oid).await.unwrap();
            assert_eq!((read.data, read.serial), (Bytes::from(data), tid));
        }
    }
}

async fn a_change_of_what_is_not_current_is_a_conflict(rig: &mut Rig) {
    let (one, other) = (rig.client().await, rig.client().await);
    let (oid, first) = create(&one, "1").await;
    let second = commit(&one, oid, first, "2").await.unwrap();
    let Err(Error::Conflict(conflict)) = commit(&other, oid, first, "3").await else { panic!("no conflict") };
    assert_eq!((conflict.oid, conflict.committed, conflict.read), (oid, second, first));
    // With what is current now it works, and nothing of the first attempt is left.
    other.sync().await.unwrap();
    let current = other.load(oid).await.unwrap();
    assert_eq!((&*current.data, current.serial), (&b"2"[..], second));
    commit(&other, oid, current.serial, "3").await.unwrap();
}

/// The record of a `BTrees.Length.Length`, which Python's server merges by itself.
pub fn length(value: u16) -> Bytes {
    let state = [&b"\x80\x03M"[..], &value.to_le_bytes(), b"."].concat();
    [&b"\x80\x03cBTrees.Length\nLength\n."[..], &state].concat().into()
}

/// What such a record says; other writers spell small numbers shorter.
pub fn length_of(record: &[u8]) -> u32 {
    let at = record.windows(2).rposition(|bytes| bytes == b"\x80\x03").expect("two pickles");
    match &record[at + 2..] {
        [b'K', small, b'.'] => u32::from(*small),
        [b'M', low, high, b'.'] => u32::from(u16::from_le_bytes([*low, *high])),
        [b'J', rest @ .., b'.'] => u32::from_le_bytes(rest.try_into().expect("four bytes")),
        other => panic!("the state of a Length is a number, not {other:?}"),
    }
}

async fn a_resolver_merges_what_two_changed(rig: &mut Rig) {
    let (one, other) = (rig.client().await, rig.client().await);
    let oid = one.new_oid().await.unwrap();
    let mut transaction = one.begin();
    transaction.store_new(oid, length(10));
    let first = transaction.commit().await.unwrap();
    let mut transaction = one.begin();
    transaction.store(oid, first, length(11));
    let second = transaction.commit().await.unwrap();

    let mut transaction = other.begin();
    transaction.store(oid, first, length(15)).resolver(move |merge| {
        assert_eq!((merge.conflict.oid, merge.conflict.committed, merge.conflict.read), (oid, second, first));
        let value = |record: &[u8]| length_of(record);
        let merged = value(&merge.committed) + value(&merge.conflict.data) - value(&merge.old);
        Some(length(u16::try_from(merged).expect("a small number")))
    });
    let finished = transaction.vote().await.unwrap().finish().await.unwrap();
    assert_eq!(finished.changed, [oid], "another state than the one stored");
    for client in [one, other] {
        client.sync().await.unwrap();
        let read = client.load(oid).await.unwrap();
        assert_eq!((length_of(&read.data), read.serial), (16, finished.tid));
    }
}

async fn a_resolver_may_give_up(rig: &mut Rig) {
    let (one, other) = (rig.client().await, rig.client().await);
    let (oid, first) = create(&one, "1").await;
    let second = commit(&one, oid, first, "2").await.unwrap();
    let mut transaction = other.begin();
    transaction.store(oid, first, "3").resolver(|_| None);
    let Err(Error::Conflict(conflict)) = transaction.commit().await else { panic!("no conflict") };
    assert_eq!((conflict.oid, conflict.committed), (oid, second));
    // The locks are free.
    commit(&one, oid, second, "4").await.unwrap();
}

async fn a_failed_read_check_ends_the_transaction(rig: &mut Rig) {
    let (one, other) = (rig.client().await, rig.client().await);
    let (read, first) = create(&one, "read").await;
    let (written, serial) = create(&one, "written").await;
    let attempt = |checked: Tid| {
        let mut transaction = other.begin();
        transaction.read_check(read, checked).store(written, serial, "changed");
        transaction.commit()
    };
    let second = commit(&one, read, first, "changed").await.unwrap();
    assert_eq!(attempt(first).await, Err(Error::ReadConflict { oid: read, committed: second, read: first }));
    assert_eq!(other.load(written).await.unwrap().data, "written");
    attempt(second).await.unwrap();
    assert_eq!(other.load(written).await.unwrap().data, "changed");
}

async fn a_voted_transaction_is_finished_or_not(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = create(&client, "1").await;
    let voted = async |data: &'static str, serial| {
        let mut transaction = client.begin();
        transaction.store(oid, serial, data);
        transaction.vote().await.unwrap()
    };
    voted("aborted", first).await.abort().await.unwrap();
    drop(voted("dropped", first).await);
    assert_eq!(client.load(oid).await.unwrap().data, "1");
    let finished = voted("2", first).await.finish().await.unwrap();
    assert_eq!(finished.changed, []);
    let read = client.load(oid).await.unwrap();
    assert_eq!((&*read.data, read.serial), (&b"2"[..], finished.tid));
}

async fn transactions_of_one_client_take_turns(rig: &mut Rig) {
    let client = rig.client().await;
    let mut commits = tokio::task::JoinSet::new();
    for number in 0..40_u64 {
        let client = client.clone();
        commits.spawn(async move {
            let oid = client.new_oid().await.unwrap();
            let mut transaction = client.begin();
            transaction.store_new(oid, number.to_string());
            let tid = transaction.commit().await.unwrap();
            assert_eq!(client.load(oid).await.unwrap().data, number.to_string());
            tid
        });
    }
    let mut tids = commits.join_all().await;
    tids.sort();
    tids.dedup();
    assert_eq!(tids.len(), 40);
    assert_eq!(client.last_tid(), tids.last().copied());
}

async fn a_dropped_commit_costs_nobody_anything(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, mut serial) = create(&client, "0").await;
    // At whatever moment each of these is given up, the next goes through: no lock and no turn is left behind.
    for round in 0..30_u32 {
        let mut transaction = client.begin();
        transaction.store(oid, serial, "given up");
        let given_up = async {
            let voted = transaction.vote().await;
            std::future::pending::<()>().await;
            drop(voted);
        };
        let polls = round % 6;
        let gone = tokio::time::timeout(std::time::Duration::from_micros(u64::from(polls) * 200), given_up);
        gone.await.expect_err("it never ends by itself");
        serial = commit(&client, oid, serial, "next").await.unwrap();
    }
    // The same for loads, of which others wait for the same.
    let (other, _) = create(&rig.client().await, "other").await;
    let reader = rig.client().await;
    for _ in 0..20 {
        let waits = reader.load(other);
        drop(tokio::time::timeout(std::time::Duration::ZERO, reader.load(other)).await);
        assert_eq!(waits.await.unwrap().data, "other");
    }
}

async fn oids_are_new(rig: &mut Rig) {
    let clients = [rig.client().await, rig.client().await];
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..350 {
        for client in &clients {
            assert!(seen.insert(client.new_oid().await.unwrap()), "twice the same in round {round}");
        }
    }
    assert!(!seen.contains(&Oid(0)), "the root is never new");
}

async fn a_state_without_a_byte_is_refused(rig: &mut Rig) {
    let client = rig.client().await;
    let (oid, first) = create(&client, "1").await;
    assert_eq!(commit(&client, oid, first, "").await, Err(Error::Empty(oid)));
    let second = commit(&client, oid, first, "2").await.unwrap();
    let mut transaction = client.begin();
    transaction.store(oid, first, "3").resolver(|_| Some(Bytes::new()));
    let refused = transaction.commit().await;
    // Python's server merges by itself, and asks nobody.
    let asked = rig.maker == Maker::Zeolith;
    assert_eq!(matches!(refused, Err(Error::Empty(_))), asked, "{refused:?}");
    assert_eq!(matches!(refused, Err(Error::Conflict(_))), !asked, "{refused:?}");
    assert_eq!(rig.client().await.load(oid).await.unwrap().serial, second);
}

async fn what_is_large_goes_through_and_so_does_nothing(rig: &mut Rig) {
    let client = rig.client().await;
    let sizes = [1, 4096, 4097, 100_000, 5_000_000];
    let mut transaction = client.begin();
    let mut stored = Vec::new();
    for size in sizes {
        let oid = client.new_oid().await.unwrap();
        let data = Bytes::from((0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>());
        transaction.store_new(oid, data.clone());
        stored.push((oid, data));
    }
    transaction.commit().await.unwrap();
    let reader = rig.client().await;
    for (oid, data) in stored {
        assert!(reader.load(oid).await.unwrap().data == data, "{} bytes", data.len());
        assert!(client.load(oid).await.unwrap().data == data, "{} bytes of our own", data.len());
    }
    // A transaction that changes nothing gets a tid all the same.
    let tid = client.begin().commit().await.unwrap();
    assert_eq!(client.last_tid(), Some(tid));
}

async fn what_is_told_of_a_transaction_is_kept(rig: &mut Rig) {
    let client = rig.client().await;
    let oid = client.new_oid().await.unwrap();
    let mut transaction = client.begin();
    // {'place': 'Växjö'} as Python pickles it.
    transaction.user("änn").note("why not?").extension(
        &b"\x80\x03}q\x00X\x05\x00\x00\x00placeq\x01X\x07\x00\x00\x00V\xc3\xa4xj\xc3\xb6q\x02s."[..],
    );
    transaction.store_new(oid, "state");
    let tid = transaction.commit().await.unwrap();
    let history = client.history(oid, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    let past = &history[0];
    assert_eq!((past.tid, past.size, &*past.user), (tid, 5, "änn".as_bytes()));
    assert_eq!(past.description, b"why not?");
    let place = past.extension.iter().find(|(name, _)| name == "place");
    assert!(place.is_some_and(|(_, value)| value.contains("xj")), "{:?}", past.extension);
}

#[test]
fn a_length_is_read_as_it_is_written() {
    for value in [0, 1, 255, 256, 65535] {
        assert_eq!(length_of(&length(value)), u32::from(value));
    }
    let short = b"\x80\x03cBTrees.Length\nLength\nq\x01.\x80\x03K\x07.";
    assert_eq!(length_of(short), 7, "as Python spells it");
}
