//! Connections that come in crowds and vanish at any moment.

use std::thread;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;
use zeolith_core::wire::remote::RemoteError;
use zeolith_tests::server::Home;

use crate::client::{BEGIN, CONFLICT, Client, FINISH, VOTE, storea, tid_of};
use crate::rig::Process;

/// How a peer goes away.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Reset,
    Close,
    HalfClose,
}

/// What a peer does before it goes, one more thing each time.
fn commit_up_to(client: &mut Client, step: usize, oid: Oid, serial: Tid) {
    let state = [7; 100_000];
    let steps: [&dyn Fn(&mut Client); 6] = [
        &|client| {
            client.send(true, &BEGIN);
        },
        // Half of a store.
        &|client| client.write(&crate::client::call(1, true, &storea(oid, serial, &state))[..50_000]),
        &|client| client.write(&crate::client::call(1, true, &storea(oid, serial, &state))[50_000..]),
        &|client| {
            client.send(false, &VOTE);
        },
        &|client| drop(client.reply(|_| Some(()))),
        &|client| {
            client.send(false, &FINISH);
        },
    ];
    steps[..step].iter().for_each(|act| act(client));
}

#[test]
fn a_peer_that_vanishes_at_any_step_of_a_commit_leaves_no_lock() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut other = Client::register(&address);
    let mut serial = other.commit(Oid(1), Tid(0), b"first");
    for leave in [Leave::Reset, Leave::Close, Leave::HalfClose] {
        for step in 0..=6 {
            let mut client = Client::register(&address);
            commit_up_to(&mut client, step, Oid(1), serial);
            let kept = match leave {
                Leave::Reset => {
                    client.reset();
                    None
                }
                Leave::Close => {
                    drop(client);
                    None
                }
                Leave::HalfClose => {
                    client.half_close();
                    Some(client)
                }
            };
            // Whether the vanished finish came through is open until it can be seen: then it is all there.
            serial = loop {
                let (state, current) = other.load(Oid(1)).unwrap();
                assert!(current == serial || step == 6 && state == [7; 100_000], "{leave:?} at {step}");
                match other.try_commit(Oid(1), current, b"other").expect("the connection stays") {
                    Ok(tid) => break tid,
                    // It came through just now.
                    Err(RemoteError::Other { class, .. }) if step == 6 && class == CONFLICT => {}
                    Err(error) => panic!("{leave:?} at {step}: {error}"),
                }
            };
            drop(kept);
        }
    }
    let end = server.stop();
    assert!(end.err.contains("disconnected during a transaction, which is aborted"), "{}", end.err);
}

#[test]
fn a_peer_that_vanishes_while_its_vote_waits_never_gets_the_lock() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut holder = Client::register(&address);
    commit_up_to(&mut holder, 5, Oid(1), Tid(0));
    for vanish in [Client::reset, drop] {
        let mut waits = Client::register(&address);
        commit_up_to(&mut waits, 4, Oid(1), Tid(0));
        vanish(waits);
    }
    let tid = holder.ask(&FINISH, tid_of).unwrap();
    assert!(Client::register(&address).commit(Oid(1), tid, b"next") > tid);
    server.stop();
}

#[test]
fn five_hundred_connections_at_once_are_served_and_hear_of_a_commit() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut crowd: Vec<Client> = thread::scope(|scope| {
        let quarters: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..125).map(|_| Client::register(&address)).collect::<Vec<_>>()))
            .collect();
        quarters.into_iter().flat_map(|quarter| quarter.join().unwrap()).collect()
    });
    let tid = crowd[0].commit(Oid(1), Tid(0), b"news");
    for client in &mut crowd[1..] {
        client.ping();
        assert_eq!(client.invalidations, [(tid, vec![Oid(1)])]);
    }
    // All of them ask before any of them reads.
    for client in &mut crowd {
        client.send(false, &Request::LoadBefore(Oid(1), crate::client::LATEST));
    }
    for client in &mut crowd {
        let state = client.reply(|value| value.revision().map(|(data, _, _)| data.to_vec())).unwrap().1;
        assert_eq!(state.unwrap(), b"news");
    }
    for client in crowd.drain(..250) {
        client.reset();
    }
    crowd[0].commit(Oid(1), tid, b"more");
    crowd.iter_mut().for_each(Client::ping);
    server.stop();
}

#[test]
fn peers_that_connect_and_leave_at_once_do_no_harm() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    for round in 0..300 {
        let client = Client::silent(&address).unwrap();
        if round % 2 == 0 { client.reset() } else { drop(client) }
    }
    Client::register(&address).ping();
    server.stop();
}
