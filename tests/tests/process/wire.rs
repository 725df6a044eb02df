//! The bytes of the protocol, cut and joined in every way, and bytes that are none of it.

use std::io::Write;
use std::thread;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::{MessageId, Request};
use zeolith_tests::server::Home;

use crate::client::{BEGIN, Client, FINISH, LATEST, REGISTER, VOTE, call, framed, storea, tid_of};
use crate::rig::Process;

/// A conversation up to a vote, and then some: whoever finishes waits for the vote's answer.
fn conversation(oid: Oid) -> Vec<u8> {
    let calls = [
        (1, false, REGISTER),
        (2, true, BEGIN),
        (3, true, storea(oid, Tid(0), b"state")),
        (4, false, VOTE),
        (5, false, Request::Ping),
        (6, false, Request::GetInfo),
    ];
    let calls = calls.iter().map(|(id, oneway, request)| call(*id, *oneway, request).to_vec());
    [framed(b"Z5")].into_iter().chain(calls).collect::<Vec<_>>().concat()
}

/// Holds that the conversation was understood.
fn understood(mut client: Client, oid: Oid) {
    assert_eq!(client.frame().as_deref(), Some(b"Z5".as_slice()));
    let mut answered = Vec::new();
    while answered.len() < 4 {
        let (id, result) = client.reply(|_| Some(())).expect("the connection stays");
        result.unwrap();
        answered.push(id);
    }
    answered.sort_by_key(|id| if let MessageId::Int(id) = id { *id } else { panic!("{id:?}") });
    assert_eq!(answered, [1, 4, 5, 6].map(MessageId::Int));
    client.ask(&FINISH, tid_of).unwrap();
    assert_eq!(client.load(oid).unwrap().0, b"state");
}

#[test]
fn a_conversation_cut_in_two_anywhere_is_understood() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let length = conversation(Oid(0)).len();
    let mut client = Client::register(&address);
    for cut in 1..length {
        let oid = Oid(cut as u64);
        let bytes = conversation(oid);
        let mut cutting = Client::silent(&address).unwrap();
        cutting.write(&bytes[..cut]);
        // The server reads both parts apart: it has answered another connection in between.
        client.ping();
        cutting.write(&bytes[cut..]);
        understood(cutting, oid);
    }
    server.stop();
}

#[test]
fn a_conversation_of_single_bytes_is_understood() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::silent(&address).unwrap();
    for byte in conversation(Oid(1)) {
        client.write(&[byte]);
    }
    understood(client, Oid(1));
    server.stop();
}

#[test]
fn a_conversation_in_one_write_is_understood() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::silent(&address).unwrap();
    client.write(&conversation(Oid(1)));
    understood(client, Oid(1));
    let mut client = Client::register(&address);
    let many: Vec<u8> = (0..5000).flat_map(|id| call(id, false, &Request::Ping)).collect();
    let mut writer = client.writer();
    let writing = thread::spawn(move || writer.write_all(&many).unwrap());
    for id in 0..5000 {
        assert_eq!(client.reply(|_| Some(())).unwrap().0, MessageId::Int(id));
    }
    writing.join().unwrap();
    server.stop();
}

#[test]
fn an_object_of_64_megabytes_goes_up_and_down() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let state: Vec<u8> =
        (0u32..16 << 20).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut client = Client::register(&address);
    let tid = client.commit(Oid(1), Tid(0), &state);
    let (loaded, serial) = Client::register(&address).load(Oid(1)).unwrap();
    assert_eq!(serial, tid);
    assert!(loaded == state, "the state is another one");
    server.stop();
}

#[test]
fn what_is_no_handshake_closes_the_connection_and_no_other() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut other = Client::register(&address);
    let wrong: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0\0\0\x02Z6",
        b"\0\0\0\x00",
        b"\0\0\0\x04Z309",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0xff; 1000],
    ];
    for bytes in wrong {
        let mut client = Client::silent(&address).unwrap();
        client.write(bytes);
        assert_eq!(client.frame().as_deref(), Some(b"Z5".as_slice()));
        assert_eq!(client.frame(), None, "after {bytes:?}");
        other.ping();
    }
    let end = server.stop();
    assert_eq!(end.err.lines().filter(|line| line.contains("closed: ")).count(), wrong.len(), "{}", end.err);
}

#[test]
fn a_huge_announced_length_closes_the_connection_without_waiting_for_more() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut strange = Client::silent(&address).unwrap();
    strange.write(&u32::to_be_bytes(60_001));
    strange.hear_out();
    let mut unregistered = Client::connect(&address);
    unregistered.write(&u32::to_be_bytes(1 << 30));
    assert_eq!(unregistered.frame(), None);
    // One that is registered may announce much, for which no memory is taken until it comes.
    let mut client = Client::register(&address);
    let before = server.memory();
    client.write(&u32::to_be_bytes(1 << 30));
    Client::register(&address).ping();
    assert!(server.memory() < before + (64 << 20));
    let mut client = Client::register(&address);
    client.write(&u32::to_be_bytes((1 << 30) + 1));
    assert_eq!(client.frame(), None);
    server.stop();
}

#[test]
fn calls_before_register_and_unknown_ones_close_the_connection() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::connect(&address);
    client.send(false, &Request::LoadBefore(Oid(0), LATEST));
    assert_eq!(client.frame(), None);
    let mut client = Client::register(&address);
    // A one-way call that fails: nothing else could tell the peer.
    client.send(true, &VOTE);
    assert_eq!(client.frame(), None);
    server.stop();
}

#[test]
fn ruok_is_answered_also_to_a_peer_that_closed_its_side() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::silent(&address).unwrap();
    client.write(&framed(b"ruok"));
    client.half_close();
    client.frame().expect("the handshake");
    let status = String::from_utf8(client.frame().unwrap()).unwrap();
    assert!(status.starts_with("{\"1\":"), "{status}");
    assert_eq!(client.frame(), None);
    server.stop();
}

#[test]
fn the_last_transaction_of_a_new_connection_is_the_one_just_acknowledged() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let mut serial = Tid(0);
    for _ in 0..50 {
        serial = client.commit(Oid(0), serial, b"root");
        let mut late = Client::connect(&address);
        assert_eq!(late.ask(&REGISTER, tid_of), Ok(serial));
    }
    server.stop();
}
