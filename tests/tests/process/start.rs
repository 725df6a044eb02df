//! How a server comes up: what it serves, what it prints, and what it leaves alone when it cannot.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;
use zeolith_tests::server::Home;

use crate::client::{Client, tid_of};
use crate::rig::{Process, Snapshot, names, until};

#[test]
fn without_arguments_data_fs_is_served_on_port_8100_of_this_machine() {
    // The port is a fixed one: whoever has it on this machine keeps it.
    let Ok(free) = TcpListener::bind("127.0.0.1:8100") else { return };
    drop(free);
    let home = Home::new();
    let (server, address) = Process::spawn::<&str>(&home, &[]).ready();
    assert_eq!(address, "127.0.0.1:8100");
    Client::register(&address).commit(Oid(0), Tid(0), b"root");
    let end = server.stop();
    let expected = format!(
        "zeolith {} serves\n  1  ./Data.fs  0 objects, 4 bytes, never changed\non 127.0.0.1:8100 (Z5). Connect with\n  \
         import ZEO; db = ZEO.DB(('127.0.0.1', 8100))\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(end.out, expected);
    assert_eq!(names(&home), ["Data.fs", "Data.fs.index", "Data.fs.lock", "Data.fs.sums"]);
}

#[test]
fn several_files_are_storages_with_lives_of_their_own() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &["-f", "Other.fs", "-f", "Third.fs"]);
    for (storage, data) in [("1", b"a"), ("2", b"b"), ("3", b"c")] {
        let mut client = Client::connect(&address);
        client.ask(&Request::Register { storage, read_only: false }, tid_of).unwrap();
        client.commit(Oid(0), Tid(0), data);
        assert_eq!(client.load(Oid(0)).unwrap().0, data);
        assert_eq!(client.invalidations, [], "of another storage");
    }
    let mut client = Client::connect(&address);
    let refused = client.ask(&Request::Register { storage: "4", read_only: false }, tid_of);
    assert!(refused.unwrap_err().to_string().contains("unknown storage"));
    let end = server.stop();
    for line in ["  2  Other.fs  0 objects", "ZEO.DB(('127.0.0.1', ", ", storage='3')\n"] {
        assert!(end.out.contains(line), "{}", end.out);
    }
}

#[test]
fn port_0_is_one_that_the_system_chooses_and_the_banner_names_it() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let (host, port) = address.rsplit_once(':').unwrap();
    assert_eq!(host, "127.0.0.1");
    assert_ne!(port, "0");
    Client::register(&address).ping();
    assert!(server.stop().out.contains(&format!("ZEO.DB(('127.0.0.1', {port}))")));
}

#[test]
fn a_server_whose_address_is_in_use_touches_nothing() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["-a", &address, "-f", "Data.fs", "--pid-file", "zeo.pid"];
    let end = Process::spawn(&home, &arguments).end();
    assert_eq!(end.code, Some(2));
    assert!(end.err.ends_with(&format!("Error: address {address} is already in use\n")), "{}", end.err);
    assert_eq!(names(&home), [""; 0], "no file is created");

    let (server, other) = Process::serving(&home, &[]);
    Client::register(&other).commit(Oid(0), Tid(0), b"root");
    server.stop();
    let files = names(&home);
    let before: Vec<Snapshot> = files.iter().map(|name| Snapshot::of(&home.path(name))).collect();
    assert_eq!(Process::spawn(&home, &arguments).end().code, Some(2));
    assert_eq!(names(&home), files);
    let after: Vec<Snapshot> = files.iter().map(|name| Snapshot::of(&home.path(name))).collect();
    assert_eq!(after, before, "nothing is written, the lock not even opened");
}

#[test]
fn an_address_of_another_machine_is_an_error_of_usage() {
    let home = Home::new();
    let end = Process::spawn(&home, &["-a", "192.0.2.1:8100"]).end();
    assert_eq!(end.code, Some(2));
    assert!(end.err.contains("Error: cannot listen on 192.0.2.1:8100: "), "{}", end.err);
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn the_pid_file_is_there_while_the_server_takes_connections() {
    let home = Home::new();
    let address = crate::rig::free_address();
    let server = Process::spawn(&home, &["-a", &address, "-f", "Data.fs", "--pid-file", "zeo.pid"]);
    let pid_file = home.path("zeo.pid");
    until("the pid file is there", || pid_file.exists());
    TcpStream::connect(&address).expect("it listens by now");
    let (server, _) = server.ready();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), format!("{}\n", server.id()));
    server.stop();
    assert!(!pid_file.exists());
}

#[test]
fn a_server_that_cannot_serve_leaves_the_pid_file_of_the_one_that_does() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &["--pid-file", "zeo.pid"]);
    let before = Snapshot::of(&home.path("zeo.pid"));
    // In the way is once the address, once the storage.
    for (address, code) in [(address.as_str(), 2), ("127.0.0.1:0", 1)] {
        let end = Process::spawn(&home, &["-a", address, "-f", "Data.fs", "--pid-file", "zeo.pid"]).end();
        assert_eq!(end.code, Some(code), "{}", end.err);
        assert_eq!(Snapshot::of(&home.path("zeo.pid")), before);
    }
    server.stop();
}

#[test]
fn a_successors_pid_file_is_not_removed() {
    let home = Home::new();
    let (server, _) = Process::serving(&home, &["--pid-file", "zeo.pid"]);
    fs::write(home.path("zeo.pid"), "1\n").unwrap();
    server.stop();
    assert_eq!(fs::read_to_string(home.path("zeo.pid")).unwrap(), "1\n");
}

#[test]
fn an_error_of_the_configuration_names_file_and_line() {
    let home = Home::new();
    let text =
        "<zeo>\n  address 127.0.0.1:0\n  adress 1\n</zeo>\n<filestorage 1>\n  path Data.fs\n</filestorage>\n";
    fs::write(home.path("zeo.conf"), text).unwrap();
    let end = Process::spawn(&home, &["-C", "zeo.conf"]).end();
    assert_eq!(end.code, Some(2));
    assert!(end.err.starts_with("Error: zeo.conf:3: unknown key 'adress'"), "{}", end.err);
    assert_eq!(names(&home), [""; 0]);
    let end = Process::spawn(&home, &["-C", "missing.conf"]).end();
    assert_eq!(end.code, Some(2));
    assert!(end.err.contains("missing.conf"), "{}", end.err);
    assert_eq!(Process::spawn(&home, &["--no-such-option"]).end().code, Some(2));
}

#[test]
fn a_server_told_to_end_while_it_starts_ends_and_leaves_a_storage_that_opens() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let mut serial = Tid(0);
    for round in 0..200u32 {
        serial = client.commit(Oid(0), serial, &[round as u8; 20_000]);
    }
    server.stop();
    let mut attempts = 0;
    until("a signal comes while the storage is opened", || {
        // Without an index the log is scanned, which takes a while.
        let _ = fs::remove_file(home.path("Data.fs.index"));
        let server = Process::spawn(&home, &["-a", "127.0.0.1:0", "-f", "Data.fs"]);
        std::thread::sleep(Duration::from_micros(250 * (attempts % 80)));
        attempts += 1;
        server.signal(Signal::TERM);
        let end = server.end();
        // Before the process listens to signals the system ends it.
        assert!(matches!(end.code, Some(0) | None), "{end:?}");
        let heard = end.err.contains("asked to end while the storages were being opened");
        assert!(!heard || end.out.is_empty(), "nothing is announced: {end:?}");
        heard
    });
    let (server, address) = Process::serving(&home, &[]);
    assert_eq!(Client::register(&address).load(Oid(0)), Some((vec![199; 20_000], serial)));
    server.stop();
}
