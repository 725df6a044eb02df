//! Blobs, as unmodified clients have them sent, shared and kept.

use std::fs;
use std::thread;
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Maker, Server, Storage};

/// A server with blobs beside a Data.fs and around a mapping storage, and the folders of both.
fn config(codec: Codec) -> Config {
    let mut config = Config::new(codec);
    config.storages = vec![Storage::Blobs("1", "Data.fs"), Storage::BlobsAround("2", "memory.blobs")];
    config
}

const FOLDERS: [(&str, &str); 2] = [("1", "Data.fs.blobs"), ("2", "memory.blobs")];

fn script(kind: &str, server: &Server, home: &Home, (name, blobs): (&str, &str)) -> Script {
    let script = Script::new("blobs.py").arg(kind).arg(server.address()).arg(name);
    script.arg(home.path("clients")).arg(home.path(blobs))
}

fn stories(codec: Codec) {
    let home = Home::new();
    fs::create_dir(home.path("clients")).expect("a folder");
    let server = Server::start(&home, &config(codec));
    for storage in FOLDERS {
        script("stories", &server, &home, storage).run();
    }
    server.stop();
    Script::module("ZODB.scripts.fstest").arg(home.path("Data.fs")).run();
}

#[test]
fn clients_share_their_blobs_in_pickle() {
    stories(Codec::Pickle);
}

#[test]
fn clients_share_their_blobs_in_msgpack() {
    stories(Codec::Msgpack);
}

fn large(codec: Codec) {
    let home = Home::new();
    fs::create_dir(home.path("clients")).expect("a folder");
    let server = Server::start(&home, &config(codec));
    let megabytes = repetitions(300, 3_000).to_string();
    let script = script("large", &server, &home, FOLDERS[0]).arg(server.id().to_string()).arg(megabytes);
    script.limit(Duration::from_secs(900)).run();
    server.stop();
}

#[test]
fn a_large_blob_takes_no_memory_in_pickle() {
    large(Codec::Pickle);
}

#[test]
fn a_large_blob_takes_no_memory_in_msgpack() {
    large(Codec::Msgpack);
}

fn killed(codec: Codec) {
    let home = Home::new();
    fs::create_dir(home.path("clients")).expect("a folder");
    let notes = home.path("acknowledged");
    let acknowledged = || fs::read_to_string(&notes).unwrap_or_default().lines().count();
    for round in 1..=repetitions(3, 30) {
        let before = acknowledged();
        let server = Server::start(&home, &config(codec));
        let mut commits = script("endless", &server, &home, FOLDERS[0]).arg(&notes).spawn();
        while acknowledged() < before + 5 {
            assert!(commits.goes_on(), "the commits ended by themselves\n{}", commits.finish());
            thread::sleep(Duration::from_millis(2));
        }
        server.kill();
        commits.finish();
        let server = Server::start(&home, &config(codec));
        script("survived", &server, &home, FOLDERS[0]).arg(&notes).arg(round.to_string()).run();
        server.stop();
    }
}

#[test]
fn acknowledged_blobs_survive_a_kill_and_others_leave_nothing_in_pickle() {
    killed(Codec::Pickle);
}

#[test]
fn acknowledged_blobs_survive_a_kill_and_others_leave_nothing_in_msgpack() {
    killed(Codec::Msgpack);
}

/// Python → Zeolith → Python → Zeolith in one folder.
fn handed_over(layout: &str) {
    let home = Home::new();
    let (file, blobs) = (home.path("Data.fs"), home.path("Data.fs.blobs"));
    Script::new("blobs.py").arg("write").arg(&file).arg(&blobs).arg(layout).run();
    for (round, maker) in [Maker::Zeolith, Maker::Python, Maker::Zeolith].into_iter().enumerate() {
        let count = (2 * round + 1).to_string();
        let server = Server::start_as(maker, &home, &config(Codec::Pickle));
        let clients = home.path(&format!("client {round}"));
        Script::new("blobs.py").arg("served").arg(server.address()).arg(clients).arg(count).run();
        server.stop();
        let count = (2 * round + 2).to_string();
        Script::new("blobs.py").arg("read").arg(&file).arg(&blobs).arg(count).run();
    }
    let marker = fs::read_to_string(blobs.join(".layout")).expect("the marker");
    assert_eq!(marker, layout);
}

#[test]
fn a_bushy_folder_goes_from_python_to_zeolith_and_back() {
    handed_over("bushy");
}

#[test]
fn a_lawn_goes_from_python_to_zeolith_and_back() {
    handed_over("lawn");
}
