//! Packs over the wire, asked for by Python's client while others commit.

use std::fs;
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Server, Storage};

/// Whether Python's tools that read records can read those of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    Plain,
    Coded,
}

fn packs(config: &Config, records: Records) {
    let home = Home::new();
    let server = Server::start(&home, config);
    let rounds = repetitions(100, 2000);
    let limit = Duration::from_secs(repetitions(120, 1200) as u64);
    Script::new("packs.py").arg(server.address()).arg(rounds.to_string()).limit(limit).run();
    assert!(home.path("Data.fs.old").exists(), "the log of before the last pack is kept");
    assert!(server.own_log().contains("packed: "), "{}", server.own_log());
    server.stop();
    // Python's own readers find the file sound too.
    let file = home.path("Data.fs");
    Script::module("ZODB.scripts.fstest").arg(&file).run();
    if records == Records::Plain {
        let dangling = Script::module("ZODB.scripts.fsrefs").arg(&file).run();
        assert_eq!(dangling, "", "references that lead nowhere");
    }
    // Restarted, it finds its checksums and its index of use, and what a pack left behind goes.
    fs::write(home.path("Data.fs.pack"), b"FS30half a pack").expect("a folder of our own");
    let server = Server::start(&home, config);
    assert!(!home.path("Data.fs.pack").exists());
    assert!(server.own_log().contains("index: used; checksums: used"), "{}", server.own_log());
    server.stop();
}

#[test]
fn packs_beside_commits_lose_nothing_in_pickle() {
    packs(&Config::new(Codec::Pickle), Records::Plain);
}

#[test]
fn packs_beside_commits_lose_nothing_in_msgpack() {
    packs(&Config::new(Codec::Msgpack), Records::Plain);
}

#[test]
fn packs_of_compressed_records_lose_nothing() {
    let lines = "%import zc.zlibstorage\n<zlibstorage>\n<filestorage>\npath HOME/Data.fs\n</filestorage>\n</zlibstorage>";
    let config = Config { storages: vec![Storage::Lines(lines)], ..Config::new(Codec::Pickle) };
    packs(&config, Records::Coded);
}
