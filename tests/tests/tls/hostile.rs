//! Peers that are none, beside one that is.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Home, Maker, Server};

use crate::config;

/// The first flight of a client, cut off behind its header: a record of 512 bytes that never comes.
const BEGINNING: [u8; 9] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];

#[test]
fn silence_and_garbage_cost_nobody_else_anything() {
    let home = Home::new();
    let server = Server::start_as(Maker::Zeolith, &home, &config(Codec::Msgpack));
    let mut rest = Vec::new();
    for number in 0..100 {
        let mut peer = TcpStream::connect(server.address()).expect("a server that listens");
        let bytes = match number % 5 {
            0 => &b""[..],
            1 => &BEGINNING,
            2 => b"\0\0\0\x02Z5\0\0\0\x10",
            3 => b"GET / HTTP/1.1\r\n\r\n",
            _ => &[0xff; 4096],
        };
        peer.write_all(bytes).expect("a connection that stands");
        if number % 2 == 0 {
            peer.shutdown(Shutdown::Write).expect("a connection that stands");
        }
        rest.push(peer);
    }
    Script::new("visible.py").over_tls().arg(server.address()).run();
    // Each is let go in the end, whatever it waits for.
    for mut peer in rest {
        peer.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        let mut heard = Vec::new();
        // A reset is an end as well.
        if let Err(error) = peer.read_to_end(&mut heard) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    let log = server.own_log();
    for reason in ["the peer does not speak TLS", "the peer closed the connection", "not done within 10 s"] {
        assert!(log.contains(&format!("TLS handshake failed: {reason}")), "{reason}:\n{log}");
    }
    server.stop();
}

#[test]
fn a_server_stops_though_handshakes_are_under_way() {
    let home = Home::new();
    let server = Server::start_as(Maker::Zeolith, &home, &config(Codec::Pickle));
    let mut peer = TcpStream::connect(server.address()).expect("a server that listens");
    peer.write_all(&BEGINNING).expect("a connection that stands");
    server.stop();
    assert_eq!(peer.read(&mut [0; 100]).unwrap_or(0), 0);
}
