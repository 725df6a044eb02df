//! Servers that may not write.

use std::thread;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;
use zeolith_core::wire::remote::RemoteError;
use zeolith_tests::server::Home;

use crate::client::{Client, REGISTER, tid_of};
use crate::rig::{Process, Snapshot, names};

const READER: Request<'static> = Request::Register { storage: "1", read_only: true };

fn configuration(server: &str, storage: &str) -> String {
    format!(
        "<zeo>\n address 127.0.0.1:0\n {server}\n</zeo>\n<filestorage 1>\n path Data.fs\n {storage}\n</filestorage>\n"
    )
}

/// A Data.fs with one object; returns its serial.
fn stored(home: &Home) -> Tid {
    let (server, address) = Process::serving(home, &[]);
    let tid = Client::register(&address).commit(Oid(0), Tid(0), b"root");
    server.stop();
    tid
}

/// A connection that was refused as a writer and is a reader now.
fn reader(address: &str) -> Client {
    let mut client = Client::connect(address);
    assert_eq!(client.ask(&REGISTER, tid_of), Err(RemoteError::ReadOnly));
    client.ask(&READER, tid_of).unwrap();
    client
}

/// Holds that a connection cannot write.
fn cannot_write(mut client: Client, oid: Oid, serial: Tid) {
    // Begin is one-way, and its failure closes the connection; a reply would name the error.
    match client.try_commit(oid, serial, b"forbidden") {
        None | Some(Err(RemoteError::ReadOnly)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_read_only_server_answers_loads_and_refuses_writers() {
    let home = Home::new();
    let tid = stored(&home);
    let (server, address) = Process::configured(&home, &configuration("read-only true", ""));
    let mut client = reader(&address);
    assert_eq!(client.load(Oid(0)), Some((b"root".to_vec(), tid)));
    cannot_write(client, Oid(0), tid);
    let end = server.stop();
    assert!(end.out.contains(", read-only)") && end.out.contains("read_only=True"), "{}", end.out);
}

#[test]
fn a_read_only_storage_is_served_without_touching_a_file() {
    let home = Home::new();
    let tid = stored(&home);
    let files = names(&home);
    let before: Vec<Snapshot> = files.iter().map(|name| Snapshot::of(&home.path(name))).collect();
    let (server, address) = Process::configured(&home, &configuration("", "read-only true"));
    let mut client = reader(&address);
    assert_eq!(client.load(Oid(0)), Some((b"root".to_vec(), tid)));
    cannot_write(client, Oid(0), tid);
    server.stop();
    assert_eq!(names(&home), files);
    let after: Vec<Snapshot> = files.iter().map(|name| Snapshot::of(&home.path(name))).collect();
    assert_eq!(after, before);
}

#[test]
fn a_reading_connection_of_a_writable_server_cannot_write() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::connect(&address);
    client.ask(&READER, tid_of).unwrap();
    cannot_write(client, Oid(0), Tid(0));
    assert_eq!(Client::register(&address).load(Oid(0)), None);
    server.stop();
}

#[test]
fn a_second_server_reads_the_file_that_another_writes() {
    let home = Home::new();
    let tid = stored(&home);
    let (writing, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let mut serial = client.commit(Oid(0), tid, b"known to both");
    thread::scope(|scope| {
        // The other one opens again and again, in the middle of commits.
        let opening = scope.spawn(|| {
            for _ in 0..5 {
                let (reading, address) = Process::configured(&home, &configuration("", "read-only true"));
                let mut client = reader(&address);
                let (state, serial) = client.load(Oid(0)).unwrap();
                assert!(serial > tid && state.starts_with(b"known to both"));
                cannot_write(client, Oid(0), serial);
                reading.stop();
            }
        });
        let mut state = b"known to both".to_vec();
        let mut last = Tid(0);
        while !opening.is_finished() {
            state.push(b'.');
            serial = client.commit(Oid(0), serial, &state);
            last = client.commit(Oid(1), last, &[1; 10_000]);
            state.truncate(100);
        }
        opening.join().unwrap();
    });
    let current = client.load(Oid(0)).unwrap().1;
    assert_eq!(current, serial);
    writing.stop();
}
