//! Others read the file of a running server: backups, and storages opened read-only.

use std::fs;
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Server};

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
