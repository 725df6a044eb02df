//! What the system refuses the server: descriptors, disk space, a reader of its log.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use zeolith_core::ids::{Oid, Tid};
use zeolith_tests::server::{Home, zeolith};

use crate::client::Client;
use crate::rig::{PATIENCE, Process};

/// A server started by a shell that sets a limit first.
fn limited(home: &Home, limit: &str) -> (Process, String) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limit}; exec \"$0\" serve -a 127.0.0.1:0 -f Data.fs")).arg(zeolith());
    Process::run(home, command).ready()
}

#[test]
fn a_server_out_of_descriptors_waits_and_takes_connections_when_others_leave() {
    let home = Home::new();
    let (server, address) = limited(&home, "ulimit -n 40");
    let mut served = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..60 {
        let client = Client::silent(&address).unwrap();
        if served.len() < 20 {
            served.push(client);
        } else {
            waiting.push(client);
        }
    }
    assert_eq!(served[0].frame().as_deref(), Some(b"Z5".as_slice()));
    crate::rig::until("the server says so", || server.err().contains("cannot accept connections"));
    let before = server.ticks();
    thread::sleep(Duration::from_millis(1000));
    assert!(server.ticks() - before < 15, "it does not spin");
    assert_eq!(server.err().matches("cannot accept connections").count(), 1, "{}", server.err());
    drop(served);
    // The first of those that waited are enough: the rest would not fit.
    for client in &mut waiting[..15] {
        assert_eq!(client.frame().as_deref(), Some(b"Z5".as_slice()));
    }
    drop(waiting);
    Client::register(&address).commit(Oid(1), Tid(0), b"after");
    server.stop();
}

#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let home = Home::new();
    let (server, address) = limited(&home, "ulimit -S -n 40");
    let mut crowd: Vec<Client> = (0..60).map(|_| Client::register(&address)).collect();
    crowd.iter_mut().for_each(Client::ping);
    server.stop();
}

#[test]
fn a_commit_that_does_not_fit_on_the_disk_is_refused_and_reads_go_on() {
    let home = Home::new();
    // In units of 512 or 1024 bytes, as the shell has it: 16 or 32 megabytes.
    let (server, address) = limited(&home, "ulimit -f 32768");
    let mut client = Client::register(&address);
    let (mut serial, mut stored) = (Tid(0), 0);
    let refused = loop {
        match client.try_commit(Oid(1), serial, &[stored; 1 << 20]).expect("the connection stays") {
            Ok(tid) => (serial, stored) = (tid, stored + 1),
            Err(error) => break error,
        }
        assert!(stored < 40, "the limit has no effect");
    };
    assert!(stored > 0, "{refused}");
    let mut other = Client::register(&address);
    assert_eq!(other.load(Oid(1)), Some((vec![stored - 1; 1 << 20], serial)));
    server.signal(Signal::TERM);
    let end = server.end();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(!end.err.contains("panicked"), "{}", end.err);
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    assert_eq!(client.load(Oid(1)).unwrap().1, serial);
    client.commit(Oid(1), serial, &[9; 1 << 20]);
    server.stop();
}

#[test]
fn a_server_whose_log_and_banner_nobody_reads_serves_on() {
    let home = Home::new();
    let address = crate::rig::free_address();
    let mut server = Command::new(zeolith())
        .args(["serve", "-a", &address, "-f", "Data.fs"])
        .current_dir(home.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((server.stdout.take(), server.stderr.take()));
    crate::rig::until("it listens", || Client::silent(&address).is_ok());
    let mut client = Client::register(&address);
    let tid = client.commit(Oid(1), Tid(0), b"unheard");
    // What it has to say about others does not harm it, or them.
    for _ in 0..10 {
        let mut wrong = Client::silent(&address).unwrap();
        wrong.write(b"GET / HTTP/1.1\r\n\r\n");
        wrong.hear_out();
        Client::register(&address).ping();
    }
    client.commit(Oid(1), tid, b"still");
    zeolith_tests::process::signal(&server, Signal::TERM);
    let status = zeolith_tests::process::wait_for(&mut server, PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(fs::metadata(home.path("Data.fs.index")).is_ok());
}

#[test]
fn a_log_whose_reader_stands_still_holds_nobody_up() {
    let home = Home::new();
    let address = crate::rig::free_address();
    let mut server = Command::new(zeolith())
        .args(["serve", "-a", &address, "-f", "Data.fs"])
        .current_dir(home.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    crate::rig::until("it listens", || Client::silent(&address).is_ok());
    let mut client = Client::register(&address);
    let mut tid = client.commit(Oid(1), Tid(0), b"first");
    // Several times as much as a pipe holds.
    for _ in 0..2_000 {
        let mut wrong = Client::silent(&address).unwrap();
        wrong.write(b"GET / HTTP/1.1\r\n\r\n");
        wrong.hear_out();
    }
    tid = client.commit(Oid(1), tid, b"nobody waits");
    assert_eq!(client.load(Oid(1)), Some((b"nobody waits".to_vec(), tid)));
    zeolith_tests::process::signal(&server, Signal::TERM);
    let status = zeolith_tests::process::wait_for(&mut server, PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(0));
    drop(server.stderr.take());
}

#[test]
fn an_error_that_nobody_reads_keeps_its_exit_code() {
    let home = Home::new();
    fs::write(home.path("Data.fs"), "garbage").unwrap();
    for (file, code) in [("Data.fs", 1), ("/dev/null/nothing", 1)] {
        let mut server = Command::new(zeolith())
            .args(["serve", "-a", "127.0.0.1:0", "-f", file])
            .current_dir(home.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(server.stderr.take());
        let status = zeolith_tests::process::wait_for(&mut server, PATIENCE).expect("it ends");
        assert_eq!(status.code(), Some(code), "{file}");
    }
}
