//! Others read the file of a running server: backups, and storages opened read-only.

use std::fs;
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Server, Storage};

#[test]
fn live_readers_never_see_half_a_transaction() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    let backups = home.path("backups");
    fs::create_dir(&backups).expect("the server's folder is writable");
    let seconds = repetitions(3, 60);
    Script::new("live_readers.py")
        .arg(server.address())
        .arg(home.path("Data.fs"))
        .arg(backups)
        .arg(seconds.to_string())
        .limit(Duration::from_secs(120 + 3 * seconds as u64))
        .run();
    server.stop();
    Script::module("ZODB.scripts.fstest").arg(home.path("Data.fs")).run();
}

#[test]
fn the_tools_of_zodb_find_packed_and_undone_files_with_blobs_sound_while_the_server_commits() {
    let home = Home::new();
    let lines = "<filestorage>\npath HOME/Data.fs\nblob-dir HOME/blobs\n</filestorage>";
    let config = Config { storages: vec![Storage::Lines(lines)], ..Config::new(Codec::Pickle) };
    let server = Server::start(&home, &config);
    let rounds = repetitions(2, 20);
    let script = Script::new("zodb_tools.py").arg(server.address()).arg(home.path("Data.fs"));
    let script = script.arg(home.path("blobs")).arg(home.path("clients")).arg(rounds.to_string());
    script.limit(Duration::from_secs(120 + 30 * rounds as u64)).run();
    server.stop();
    let file = home.path("Data.fs");
    Script::module("ZODB.scripts.fstest").arg(&file).run();
    assert_eq!(Script::module("ZODB.scripts.fsrefs").arg(&file).run(), "", "references that lead nowhere");
    assert!(Script::module("ZODB.FileStorage.fsdump").arg(&file).run().contains("Trans #00000"));
}
