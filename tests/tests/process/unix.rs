//! Unix sockets: the same server under a path, and what may stand at that path before.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::Signal;
use zeolith_core::ids::{Oid, Tid};
use zeolith_tests::server::Home;

use crate::client::Client;
use crate::rig::{End, Process, Snapshot, names};

fn start(home: &Home, path: &str) -> Process {
    Process::spawn(home, &["-a", path, "-f", "Data.fs"])
}

fn refused(home: &Home, path: &str) -> End {
    let end = start(home, path).end();
    assert_eq!(end.code, Some(2), "{}", end.err);
    end
}

#[test]
fn a_unix_socket_serves_as_a_port_does_and_is_removed_at_the_end() {
    let home = Home::new();
    let path = home.path("socket").display().to_string();
    let (server, address) = start(&home, &path).ready();
    assert_eq!(address, path);
    let mut client = Client::register(&address);
    let tid = client.commit(Oid(0), Tid(0), b"root");
    assert_eq!(client.load(Oid(0)), Some((b"root".to_vec(), tid)));
    let end = server.stop();
    assert!(end.out.contains(&format!("ZEO.DB('{path}')")), "{}", end.out);
    assert!(!names(&home).contains(&"socket".to_owned()));
}

#[test]
fn a_client_that_hears_of_the_end_finds_nobody_listening_any_more() {
    let home = Home::new();
    let path = home.path("socket").display().to_string();
    let (server, address) = start(&home, &path).ready();
    let mut client = Client::register(&address);
    server.signal(Signal::TERM);
    assert_eq!(client.frame(), None, "its connection is closed");
    assert!(
        UnixStream::connect(&path).is_err(),
        "it would be let in and closed again, and come back, and so on"
    );
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn a_socket_that_a_dead_server_left_is_replaced() {
    let home = Home::new();
    let path = home.path("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (server, address) = start(&home, path.to_str().unwrap()).ready();
    Client::register(&address).ping();
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_socket_that_somebody_listens_on_is_in_use() {
    let home = Home::new();
    let path = home.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let end = refused(&home, path.to_str().unwrap());
    assert!(end.err.contains("is already in use"), "{}", end.err);
    UnixStream::connect(&path).expect("the socket is still there");
    drop(listener);
    assert_eq!(names(&home), ["socket"]);
}

#[test]
fn a_server_too_busy_to_accept_keeps_its_socket() {
    let home = Home::new();
    let path = home.path("socket");
    let address = SocketAddrUnix::new(&path).unwrap();
    let new = || socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
    let listener = new();
    bind(&listener, &address).unwrap();
    listen(&listener, 0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = new();
        match connect(&client, &address) {
            Ok(()) => waiting.push(client),
            Err(error) => break assert_eq!(error, rustix::io::Errno::AGAIN),
        }
    }
    let end = refused(&home, path.to_str().unwrap());
    assert!(end.err.contains("is already in use"), "{}", end.err);
    assert_eq!(names(&home), ["socket"]);
}

#[test]
fn a_file_named_by_mistake_is_not_taken_for_a_socket() {
    let home = Home::new();
    let file = home.path("precious.fs");
    fs::write(&file, b"FS30").unwrap();
    let before = Snapshot::of(&file);
    let end = refused(&home, file.to_str().unwrap());
    assert!(end.err.contains("no socket"), "{}", end.err);
    assert_eq!(Snapshot::of(&file), before);
}

#[test]
fn a_successors_socket_is_not_removed() {
    let home = Home::new();
    let path = home.path("socket");
    let (server, _) = start(&home, path.to_str().unwrap()).ready();
    fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    server.stop();
    UnixStream::connect(&path).expect("the successor's socket is still there");
    drop(successor);
}
