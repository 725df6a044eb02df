//! A server over another one: how it starts, waits, and stops.

use std::fs;

use rustix::process::Signal;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;
use zeolith_tests::server::Home;

use crate::client::{Client, tid_of};
use crate::rig::{Process, free_address, names, until};

/// A configuration with a storage of the server at this address.
fn over(address: &str, kind: &str, more: &str) -> String {
    format!("<zeo>\naddress 127.0.0.1:0\n</zeo>\n<{kind}>\nserver {address}\n{more}\n</{kind}>\n")
}

/// A server by a configuration that is not waited for.
fn spawn(home: &Home, text: &str) -> Process {
    fs::write(home.path("zeo.conf"), text).unwrap();
    Process::spawn(home, &["-C", "zeo.conf"])
}

#[test]
fn a_server_whose_other_server_is_not_there_says_so_and_ends() {
    let (home, nobody) = (Home::new(), free_address());
    let end = spawn(&home, &over(&nobody, "clientstorage", "wait-timeout 1\nstorage main")).end();
    assert_eq!(end.code, Some(1), "{}", end.err);
    let waits = format!("storage \"1\": waits for storage main of {nobody}, 1 s at most");
    assert!(end.err.contains(&waits), "{}", end.err);
    assert!(end.err.contains("Error: storage \"1\": no connection to a server: "), "{}", end.err);
    assert_eq!((end.out, names(&home)), (String::new(), Vec::new()));
}

#[test]
fn a_server_waits_for_its_other_server_and_serves_what_that_has() {
    let (home, home_below, address) = (Home::new(), Home::new(), free_address());
    let below = spawn(&home_below, &over(&address, "zeoclient", ""));
    until("it waits", || below.err().contains("waits for"));
    let (above, _) = Process::spawn(&home, &["-a", &address, "-f", "Data.fs"]).ready();
    Client::register(&address).commit(Oid(0), Tid(0), b"root");
    let (below, address_below) = below.ready();
    let mut client = Client::register(&address_below);
    assert_eq!(client.load(Oid(0)).unwrap().0, b"root");
    client.commit(Oid(1), Tid(0), b"one");
    assert_eq!(Client::register(&address).load(Oid(1)).unwrap().0, b"one");
    let end = below.stop();
    assert!(end.out.contains(&format!("  1  storage 1 of {address}  ")), "{}", end.out);
    above.stop();
}

#[test]
fn a_server_that_waits_ends_when_it_is_asked_to() {
    let (home, nobody) = (Home::new(), free_address());
    let server = spawn(&home, &over(&nobody, "clientstorage", ""));
    until("it waits", || server.err().contains("waits for"));
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn a_server_that_does_not_wait_lets_nobody_in_before_its_time() {
    let (home, home_below, address) = (Home::new(), Home::new(), free_address());
    let more = "wait off\nmin-disconnect-poll 1\nmax-disconnect-poll 1";
    let (below, address_below) = Process::configured(&home_below, &over(&address, "zeoclient", more));
    let register = || {
        let mut client = Client::connect(&address_below);
        client.ask(&Request::Register { storage: "1", read_only: false }, tid_of)
    };
    assert!(register().unwrap_err().to_string().contains("was not reached yet"));
    let (above, _) = Process::spawn(&home, &["-a", &address, "-f", "Data.fs"]).ready();
    until("clients are let in", || register().is_ok());
    below.stop();
    above.stop();
}

#[test]
fn a_cache_of_another_kind_is_refused_and_stays_as_it_is() {
    let (home, nobody) = (Home::new(), free_address());
    fs::write(home.path("fan.cache"), b"ZEC5 and more of it").unwrap();
    let end = spawn(&home, &over(&nobody, "clientstorage", "cache-path fan.cache")).end();
    assert_eq!(end.code, Some(1));
    assert!(end.err.contains("Error: storage \"1\": fan.cache: "), "{}", end.err);
    assert_eq!(fs::read(home.path("fan.cache")).unwrap(), b"ZEC5 and more of it");
}
