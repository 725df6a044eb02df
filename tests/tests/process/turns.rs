//! Long searches: the others are served in between.

use std::fs;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::{Request, Wanted};
use zeolith_core::wire::tree::Owned;
use zeolith_tests::server::Home;

use crate::client::Client;
use crate::rig::Process;

const TRANSACTIONS: u64 = 20_000;

/// A Data.fs of transactions that store one object each.
fn log() -> Vec<u8> {
    let mut log = b"FS30".to_vec();
    for number in 1..=TRANSACTIONS {
        let (tid, at) = ((Tid(0x0400_0000_0000_0000).0 + number).to_be_bytes(), log.len() as u64);
        let data = b"\x80\x03cpersistent\nPersistent\n.\x80\x03N.";
        let length = (23 + 42 + data.len() as u64).to_be_bytes();
        log.extend_from_slice(&[&tid[..], &length, b" \0\0\0\0\0\0"].concat());
        let oid = Oid(number).0.to_be_bytes();
        log.extend_from_slice(&[&oid[..], &tid, &[0; 8], &at.to_be_bytes(), &[0; 2]].concat());
        log.extend_from_slice(&[&(data.len() as u64).to_be_bytes()[..], data, &length].concat());
    }
    log
}

#[test]
fn a_search_through_the_whole_log_lets_others_through() {
    let home = Home::new();
    fs::write(home.path("Data.fs"), log()).unwrap();
    let (server, address) = Process::serving(&home, &[]);
    let (mut searching, mut other) = (Client::register(&address), Client::register(&address));
    let nobody = vec![(Owned::Str("user_name".into()), Wanted::Value(Owned::Bytes(b"nobody".to_vec())))];
    let search = Request::UndoInfo { first: 0, last: -20, specification: nobody };
    for _ in 0..20 {
        searching.send(false, &search);
    }
    for _ in 0..10 {
        assert_eq!(other.ask(&Request::Ping, |value| value.is_none().then_some(())), Ok(()));
    }
    let answered = recv(searching.writer(), &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    assert_eq!(answered.map(|_| ()), Err(Errno::AGAIN), "the searches were over before");
    for _ in 0..20 {
        let found = searching.reply(|value| value.items().map(|items| items.len()));
        assert_eq!(found.expect("the connection stays").1, Ok(0));
    }
    server.stop();
}
