//! Peers that read late, little, or never: the others do not notice, and memory stays within bounds.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::{MessageId, Request};
use zeolith_tests::server::Home;

use crate::client::{BEGIN, Client, FINISH, LATEST, VOTE, call, storea, tid_of};
use crate::rig::Process;

const LOADS: usize = 100_000;

/// Makes a peer that asks for many loads of the object and does not read; returns the thread that still asks, and how
/// many it asked for.
fn flood(client: &Client, oid: Oid, loads: usize) -> (thread::JoinHandle<()>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (mut writer, count) = (client.writer(), asked.clone());
    let asking = thread::spawn(move || {
        for id in 0..loads {
            let load = call(id as i64, false, &Request::LoadBefore(oid, LATEST));
            if writer.write_all(&load).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (asking, asked)
}

/// Waits until the peer is not listened to any more, or has asked for everything.
fn settle(asked: &AtomicUsize, all: usize) {
    let mut last = (asked.load(Ordering::Relaxed), Instant::now());
    while last.0 < all && last.1.elapsed() < Duration::from_millis(300) {
        thread::sleep(Duration::from_millis(5));
        let now = asked.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
}

#[test]
fn a_peer_that_asks_for_100_000_loads_before_it_reads_gets_them_in_order_and_costs_little() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    client.commit(Oid(1), Tid(0), &[42; 1500]);
    let before = server.memory();
    let (asking, asked) = flood(&client, Oid(1), LOADS);
    settle(&asked, LOADS);
    let grown = server.memory().saturating_sub(before);
    // The replies take 150 megabytes.
    assert!(grown < 48 << 20, "{grown} bytes for {} loads", asked.load(Ordering::Relaxed));
    // Others are served meanwhile.
    Client::register(&address).load(Oid(1)).unwrap();
    for id in 0..LOADS {
        let reply = client.reply(|value| value.revision().map(|(data, _, _)| data.len()));
        let (answered, length) = reply.expect("the connection stays");
        assert_eq!((answered, length), (MessageId::Int(id as i64), Ok(1500)));
    }
    asking.join().unwrap();
    server.stop();
}

#[test]
fn a_peer_that_does_not_read_does_not_hold_up_the_commits_of_others() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let mut serial = client.commit(Oid(1), Tid(0), &[42; 100_000]);
    let mut deaf = Client::register(&address);
    let (asking, asked) = flood(&deaf, Oid(1), 1000);
    settle(&asked, 1000);
    let mut told = Vec::new();
    for count in 0..200u8 {
        serial = client.commit(Oid(2), if count == 0 { Tid(0) } else { serial }, &[count]);
        told.push(serial);
    }
    // It missed nothing when it reads at last.
    for _ in 0..1000 {
        deaf.reply(|_| Some(())).expect("the connection stays").1.unwrap();
    }
    asking.join().unwrap();
    told.push(client.commit(Oid(2), serial, b"last"));
    deaf.ping();
    assert_eq!(deaf.invalidations, told.iter().map(|&tid| (tid, vec![Oid(2)])).collect::<Vec<_>>());
    server.stop();
}

#[test]
fn the_invalidations_of_a_peer_that_read_late_are_all_there() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let (mut client, mut late) = (Client::register(&address), Client::register(&address));
    let mut serial = Tid(0);
    let tids: Vec<Tid> = (0..300u16)
        .map(|count| {
            serial = client.commit(Oid(1), serial, &count.to_be_bytes());
            serial
        })
        .collect();
    late.ping();
    let told: Vec<Tid> = late.invalidations.iter().map(|(tid, _)| *tid).collect();
    assert_eq!(told, tids);
    server.stop();
}

#[test]
fn replies_reach_a_peer_that_closed_its_sending_side() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    client.commit(Oid(1), Tid(0), &[42; 1 << 20]);
    // More than the sockets hold, so that the server still has some of it when it sees the end; and more than it reads
    // ahead.
    for loads in [3, 20] {
        let mut client = Client::register(&address);
        let asks: Vec<u8> =
            (0..loads).flat_map(|id| call(id, false, &Request::LoadBefore(Oid(1), LATEST))).collect();
        client.write(&asks);
        client.half_close();
        thread::sleep(Duration::from_millis(50));
        for id in 0..loads {
            let (answered, result) = client.reply(|_| Some(())).expect("every reply arrives");
            result.unwrap();
            assert_eq!(answered, MessageId::Int(id));
        }
        assert_eq!(client.frame(), None);
    }
    server.stop();
}

#[test]
fn a_vote_that_waited_behind_a_backlog_has_its_time_limited_too() {
    const ASKS: i64 = 100;
    let home = Home::new();
    let (server, address) = Process::serving(&home, &["-t", "1"]);
    let mut slow = Client::register(&address);
    let since = slow.commit(Oid(1), Tid(0), b"first");
    let mut many = call(0, true, &BEGIN).to_vec();
    (100..20_000).for_each(|oid| many.extend(call(0, true, &storea(Oid(oid), Tid(0), b""))));
    slow.write(&many);
    slow.ask(&VOTE, |_| Some(())).unwrap();
    slow.ask(&FINISH, tid_of).unwrap();
    // Short questions with long answers: the server keeps what it read after them for later.
    let mut asks: Vec<u8> =
        (0..ASKS).flat_map(|id| call(id, false, &Request::GetInvalidations(since))).collect();
    let commit = [(true, BEGIN), (true, storea(Oid(2), Tid(0), b"slow")), (false, VOTE)];
    asks.extend(commit.iter().flat_map(|(oneway, request)| call(ASKS, *oneway, request)));
    slow.write(&asks);
    Client::register(&address).ping();
    // Now that it reads, its vote is looked at and takes the lock.
    for id in 0..=ASKS {
        assert_eq!(slow.reply(|_| Some(())).expect("the connection stays").0, MessageId::Int(id));
    }
    // Nothing else goes on in the server: it must think of the time by itself.
    slow.hear_out();
    Client::register(&address).commit(Oid(2), Tid(0), b"other");
    let end = server.stop();
    assert!(end.err.contains("Transaction timeout after 1 seconds"), "{}", end.err);
}

#[test]
fn idle_and_stuck_connections_take_no_processor_time() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    client.commit(Oid(1), Tid(0), &[42; 1 << 20]);
    let idle: Vec<Client> = (0..100).map(|_| Client::register(&address)).collect();
    let unregistered: Vec<Client> = (0..10).map(|_| Client::connect(&address)).collect();
    let asks = |loads| -> Vec<u8> {
        (0..loads).flat_map(|id| call(id, false, &Request::LoadBefore(Oid(1), LATEST))).collect()
    };
    // Paused ones; half-closed ones that do not read; ones that the server closes and that do not read.
    let stuck: Vec<Client> = (0..15)
        .map(|number| {
            let mut client = Client::register(&address);
            client.write(&asks(if number % 3 == 0 { 40 } else { 8 }));
            match number % 3 {
                1 => client.half_close(),
                2 => client.write(&[0xff; 8]),
                _ => {}
            }
            client
        })
        .collect();
    // One of them waits for a lock, whose holder sleeps.
    let mut holder = Client::register(&address);
    holder.send(true, &BEGIN);
    holder.send(true, &storea(Oid(2), Tid(0), b"held"));
    holder.ask(&VOTE, |_| Some(())).unwrap();
    client.send(true, &BEGIN);
    client.send(true, &storea(Oid(2), Tid(0), b"waits"));
    client.send(false, &VOTE);
    Client::register(&address).ping();
    thread::sleep(Duration::from_millis(300));
    let before = server.ticks();
    thread::sleep(Duration::from_millis(1500));
    let used = server.ticks() - before;
    // A task that spins takes a core, and a share of it even on a machine with much else to do.
    assert!(used < 15, "{used} ticks in one and a half seconds");
    drop((idle, unregistered, stuck, holder));
    client.reply(|_| Some(())).expect("the connection stays").1.unwrap();
    server.stop();
}
