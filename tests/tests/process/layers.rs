//! Demo storages and wrapped ones as an operator meets them: what is opened, what is refused, and what is left alone.

use std::collections::BTreeMap;
use std::fs;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;
use zeolith_tests::server::Home;

use crate::client::{Client, LATEST, tid_of};
use crate::rig::{End, Process, names};

const ZEO: &str = "<zeo>\naddress 127.0.0.1:0\n</zeo>\n";
const FILE: &str = "<filestorage>\npath Data.fs\n</filestorage>\n";

fn demo(inside: &str) -> String {
    format!("{ZEO}<demostorage>\n{inside}</demostorage>\n")
}

/// A server that cannot serve this.
fn refused(home: &Home, text: &str) -> End {
    fs::write(home.path("zeo.conf"), text).expect("the folder is writable");
    Process::spawn(home, &["-C", "zeo.conf"]).end()
}

/// `Data.fs` with one object.
fn base(home: &Home) {
    let (server, address) = Process::serving(home, &[]);
    Client::register(&address).commit(Oid(0), Tid(0), b"base");
    server.stop();
}

fn files(home: &Home) -> BTreeMap<String, Vec<u8>> {
    let names = names(home).into_iter().filter(|name| name.starts_with("Data.fs"));
    names.map(|name| (name.clone(), fs::read(home.path(&name)).unwrap())).collect()
}

#[test]
fn a_base_is_read_beside_its_own_server_and_no_file_of_it_changes() {
    let home = Home::new();
    base(&home);
    let (server, own) = Process::serving(&home, &[]);
    let before = files(&home);
    let (demo, address) = Process::configured(&home, &demo(FILE));
    let mut client = Client::register(&address);
    let (data, serial) = client.load(Oid(0)).unwrap();
    assert_eq!(data, b"base");
    client.commit(Oid(0), serial, b"changed");
    assert_eq!(client.load(Oid(0)).unwrap().0, b"changed");
    assert!(files(&home) == before);
    assert_eq!(Client::register(&own).load(Oid(0)).unwrap().0, b"base");
    let told = demo.stop();
    assert!(
        told.out.contains("  1  in memory over Data.fs  0 objects, 0 bytes, last changed "),
        "{}",
        told.out
    );
    assert!(files(&home) == before);
    server.stop();
}

#[test]
fn a_base_that_is_not_there_is_empty_and_is_not_made() {
    let home = Home::new();
    let (server, address) = Process::configured(&home, &demo(FILE));
    let mut client = Client::register(&address);
    client.commit(Oid(0), Tid(0), b"new");
    assert_eq!(client.load(Oid(0)).unwrap().0, b"new");
    let end = server.stop();
    assert!(end.err.contains("Data.fs: not there, so the base of the demo storage is empty"), "{}", end.err);
    assert_eq!(files(&home), BTreeMap::new());
}

#[test]
fn a_base_that_should_be_there_is_missed() {
    let home = Home::new();
    let read_only = "<filestorage>\npath Data.fs\nread-only yes\n</filestorage>\n";
    let end = refused(&home, &demo(read_only));
    assert_eq!(end.code, Some(1));
    assert!(end.err.contains("Data.fs"), "{}", end.err);
    fs::write(home.path("Data.fs.old"), b"FS30").unwrap();
    let end = refused(&home, &demo(FILE));
    assert_eq!(end.code, Some(1));
    assert!(end.err.contains("Data.fs.old"), "{}", end.err);
    assert_eq!(files(&home).into_keys().collect::<Vec<_>>(), ["Data.fs.old"]);
}

#[test]
fn a_base_is_not_its_own_changes_by_whatever_path() {
    let home = Home::new();
    base(&home);
    std::os::unix::fs::symlink("Data.fs", home.path("Other.fs")).unwrap();
    let before = files(&home);
    let changes = |path| format!("<filestorage changes>\npath {path}\n</filestorage>\n");
    let deep = format!("<hexstorage>\n<demostorage>\n{FILE}</demostorage>\n</hexstorage>\n");
    for inside in [
        format!("{FILE}{}", changes("Data.fs")),
        format!("{FILE}{}", changes("Other.fs")),
        format!("{deep}{}", changes("./Data.fs")),
    ] {
        let end = refused(&home, &demo(&inside));
        assert_eq!(end.code, Some(1), "{inside}");
        assert!(end.err.contains("the changes of a demo storage cannot go where its base is"), "{}", end.err);
        assert!(files(&home) == before);
    }
}

#[test]
fn blobs_of_changes_have_a_folder_that_is_not_that_of_the_base() {
    let home = Home::new();
    base(&home);
    fs::create_dir(home.path("blobs")).expect("a folder");
    let base = FILE.replace("path Data.fs", "path Data.fs\nblob-dir blobs");
    let with = |blobs: &str| format!("<filestorage changes>\npath changes.fs\n{blobs}</filestorage>\n");
    let before = files(&home);
    for (blobs, expected) in [
        ("blob-dir ./blobs\n", "blobs: the changes of a demo storage cannot go where its base is"),
        (
            "",
            "storage \"1\": the base of this demo storage has blobs; its changes need a folder for theirs, too",
        ),
    ] {
        let end = refused(&home, &demo(&format!("{base}{}", with(blobs))));
        assert_eq!(end.code, Some(1), "{}", end.err);
        assert!(end.err.contains(expected), "{}", end.err);
        assert!(files(&home) == before);
        assert_eq!(fs::read_dir(home.path("blobs")).expect("a folder").count(), 0);
    }
}

#[test]
fn every_start_gives_new_objects_other_oids_unless_it_goes_on() {
    let home = Home::new();
    base(&home);
    let first = |text: &str| {
        let (server, address) = Process::configured(&home, text);
        let mut client = Client::register(&address);
        let oids = client.ask(&Request::NewOids(1), |value| value.oids()).unwrap();
        let oid = oids[0];
        client.commit(oid, Tid(0), b"new");
        server.stop();
        oid
    };
    let in_memory = demo(FILE);
    let (one, two) = (first(&in_memory), first(&in_memory));
    assert!(one.0.abs_diff(two.0) > 1000 && one.0 > 1 << 60 && two.0 > 1 << 60, "{one} {two}");
    let in_a_file = demo(&format!("{FILE}<filestorage changes>\npath changes.fs\n</filestorage>\n"));
    let (one, two) = (first(&in_a_file), first(&in_a_file));
    assert_eq!(two, Oid(one.0 + 1));
}

#[test]
fn two_demo_storages_share_a_base_and_nothing_else() {
    let home = Home::new();
    base(&home);
    let text = format!("{ZEO}<demostorage a>\n{FILE}</demostorage>\n<demostorage b>\n{FILE}</demostorage>\n");
    let (server, address) = Process::configured(&home, &text);
    let mut clients = ["a", "b"].map(|storage| {
        let mut client = Client::connect(&address);
        client.ask(&Request::Register { storage, read_only: false }, tid_of).unwrap();
        client
    });
    for (client, data) in clients.iter_mut().zip([&b"in a"[..], b"in b"]) {
        let (found, serial) = client.load(Oid(0)).unwrap();
        assert_eq!(found, b"base");
        client.commit(Oid(0), serial, data);
    }
    assert_eq!(clients[0].load(Oid(0)).unwrap().0, b"in a");
    assert_eq!(clients[1].load(Oid(0)).unwrap().0, b"in b");
    server.stop();
}

#[test]
fn a_record_in_the_wrong_form_costs_its_own_readers_an_error_and_nobody_else_anything() {
    let home = Home::new();
    base(&home);
    let (server, address) = Process::configured(&home, &format!("{ZEO}<hexstorage>\n{FILE}</hexstorage>\n"));
    let mut client = Client::register(&address);
    client.commit(Oid(1), Tid(0), b"in hex");
    let refused = client.ask(&Request::LoadBefore(Oid(0), LATEST), |_| Some(())).unwrap_err().to_string();
    assert!(refused.contains("it is not written as hexadecimal digits"), "{refused}");
    assert_eq!(client.load(Oid(1)).unwrap().0, b"in hex");
    server.stop();
    let log = fs::read(home.path("Data.fs")).unwrap();
    assert!(log.windows(14).any(|bytes| bytes == b".h696e20686578"), "as it is written");
}
