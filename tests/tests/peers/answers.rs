//! What the server answers, as Python's client and ZEO's tools understand it.

use std::fs;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Maker, Server, Storage};

use crate::name;

fn errors(codec: Codec) {
    let home = Home::new();
    let mut config = Config::new(codec);
    let server = Server::start(&home, &config);
    Script::new("errors.py").arg(server.address()).run();
    server.stop();
    let refuses = |config: &Config, mode| {
        let server = Server::start(&home, config);
        Script::new("errors.py").arg(server.address()).arg(mode).run();
        server.stop();
    };
    refuses(&config, "read-only-client");
    config.read_only = true;
    refuses(&config, "read-only");
    config.read_only = false;
    config.storages = vec![Storage::ReadOnly("1", "Data.fs")];
    refuses(&config, "read-only-storage");
}

#[test]
fn errors_are_rebuilt_by_the_client_in_pickle() {
    errors(Codec::Pickle);
}

#[test]
fn errors_are_rebuilt_by_the_client_in_msgpack() {
    errors(Codec::Msgpack);
}

/// A sample file, put in the place of a server's.
fn put(home: &Home, sample: &str) {
    let sample = zeolith_tests::workspace().join("corpus/data").join(sample);
    fs::copy(sample, home.path("Data.fs")).expect("the sample is in the repository");
}

/// Every method, asked of both makers' servers by clients that may only read.
fn readers(codec: Codec) {
    for (read_only, storage) in [
        (false, Storage::File("1", "Data.fs")),
        (true, Storage::File("1", "Data.fs")),
        (false, Storage::ReadOnly("1", "Data.fs")),
    ] {
        let (home, reference) = (Home::new(), Home::new());
        put(&home, "plain.fs");
        put(&reference, "plain.fs");
        let mut config = Config::new(codec);
        config.read_only = read_only;
        config.storages = vec![storage];
        let server = Server::start(&home, &config);
        let python = Server::start_as(Maker::Python, &reference, &config);
        let encoding = &name(codec)[..1];
        Script::new("methods.py").arg(encoding).arg(server.address()).arg(python.address()).run();
        // Python's threads wait for ever to hand over what was asked for one-way: such a server does not stop.
        python.kill();
        match Maker::under_test() {
            Maker::Zeolith => server.stop(),
            Maker::Python | Maker::PythonOnUvloop => server.kill(),
        }
    }
}

#[test]
fn readers_get_the_answers_of_pythons_server_in_pickle() {
    readers(Codec::Pickle);
}

#[test]
fn readers_get_the_answers_of_pythons_server_in_msgpack() {
    readers(Codec::Msgpack);
}

fn histories(codec: Codec) {
    for sample in ["plain.fs", "undone.fs", "packed.fs", "doubled.fs"] {
        let home = Home::new();
        put(&home, sample);
        let server = Server::start(&home, &Config::new(codec));
        Script::new("history.py").arg(server.address()).arg(home.path("Data.fs")).run();
        server.stop();
    }
}

#[test]
fn histories_are_those_of_pythons_file_storage_in_pickle() {
    histories(Codec::Pickle);
}

#[test]
fn histories_are_those_of_pythons_file_storage_in_msgpack() {
    histories(Codec::Msgpack);
}

fn iterations(codec: Codec) {
    for sample in ["plain.fs", "undone.fs", "packed.fs", "doubled.fs"] {
        let (home, reference) = (Home::new(), Home::new());
        put(&home, sample);
        put(&reference, sample);
        let server = Server::start(&home, &Config::new(codec));
        let python = Server::start_as(Maker::Python, &reference, &Config::new(codec));
        Script::new("iteration.py").arg(server.address()).arg(python.address()).run();
        server.stop();
        python.stop();
    }
}

#[test]
fn iterations_are_those_of_pythons_server_in_pickle() {
    iterations(Codec::Pickle);
}

#[test]
fn iterations_are_those_of_pythons_server_in_msgpack() {
    iterations(Codec::Msgpack);
}

fn copies(codec: Codec) {
    for sample in ["plain.fs", "undone.fs", "packed.fs", "doubled.fs"] {
        let home = Home::new();
        let server = Server::start(&home, &Config::new(codec));
        let sample = zeolith_tests::workspace().join("corpus/data").join(sample);
        Script::new("copying.py").arg(server.address()).arg(home.path("Data.fs")).arg(sample).run();
        server.stop();
    }
}

#[test]
fn a_copy_through_a_client_is_the_file_that_python_makes_in_pickle() {
    copies(Codec::Pickle);
}

#[test]
fn a_copy_through_a_client_is_the_file_that_python_makes_in_msgpack() {
    copies(Codec::Msgpack);
}

fn undos(codec: Codec) {
    for seed in 1..3 {
        let (home, reference) = (Home::new(), Home::new());
        let server = Server::start(&home, &Config::new(codec));
        let python = Server::start_as(Maker::Python, &reference, &Config::new(codec));
        let script = Script::new("undoing.py").arg(server.address()).arg(python.address());
        script.arg(seed.to_string()).run();
        server.end();
        python.stop();
    }
}

#[test]
fn undos_end_as_at_pythons_server_in_pickle() {
    undos(Codec::Pickle);
}

#[test]
fn undos_end_as_at_pythons_server_in_msgpack() {
    undos(Codec::Msgpack);
}

/// Python's server has the classes, and merges without being told.
fn merges(codec: Codec) {
    let (named, unnamed) = (Some("ZODB.tests.ConflictResolution.PCounter"), None);
    for merged in [named, unnamed] {
        if merged.is_none() && Maker::under_test() == Maker::Python {
            continue;
        }
        let home = Home::new();
        let server = Server::start(&home, &Config { merged, ..Config::new(codec) });
        let expected = if merged.is_some() { "named" } else { "unnamed" };
        Script::new("merging.py").arg(server.address()).arg(expected).run();
        server.end();
    }
}

#[test]
fn undos_of_named_classes_are_merged_by_the_client_in_pickle() {
    merges(Codec::Pickle);
}

#[test]
fn undos_of_named_classes_are_merged_by_the_client_in_msgpack() {
    merges(Codec::Msgpack);
}

fn status(codec: Codec) {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(codec));
    Script::new("status.py").arg(server.address()).arg(name(codec)).run();
    server.stop();
}

#[test]
fn monitors_understand_the_status_in_pickle() {
    status(Codec::Pickle);
}

#[test]
fn monitors_understand_the_status_in_msgpack() {
    status(Codec::Msgpack);
}

fn verification(codec: Codec) {
    let home = Home::new();
    let mut config = Config::new(codec);
    config.invalidation_queue_size = Some(10);
    let server = Server::start(&home, &config);
    Script::new("verification.py").arg(server.address()).arg("10").run();
    server.stop();
}

#[test]
fn caches_are_verified_at_every_connect_in_pickle() {
    verification(Codec::Pickle);
}

#[test]
fn caches_are_verified_at_every_connect_in_msgpack() {
    verification(Codec::Msgpack);
}

fn several(codec: Codec) {
    let home = Home::new();
    let mut config = Config::new(codec);
    config.unix = true;
    config.storages = vec![
        Storage::File("1", "Data.fs"),
        Storage::File("2", "Second.fs"),
        Storage::Mapping("tmp"),
        Storage::Lines(
            "<demostorage demo>\n<filestorage>\npath HOME/Base.fs\n</filestorage>\n</demostorage>",
        ),
        Storage::Lines("%import ZODB.tests\n<hexstorage hex>\n<mappingstorage tmp/>\n</hexstorage>"),
    ];
    let server = Server::start(&home, &config);
    let script = Script::new("several.py").arg(server.address()).arg(name(codec));
    ["1", "2", "tmp", "demo", "hex"].into_iter().fold(script, |script, name| script.arg(name)).run();
    server.stop();
}

#[test]
fn several_storages_on_a_unix_socket_keep_apart_in_pickle() {
    several(Codec::Pickle);
}

#[test]
fn several_storages_on_a_unix_socket_keep_apart_in_msgpack() {
    several(Codec::Msgpack);
}

#[test]
fn a_transaction_without_end_is_cut_off() {
    if Maker::under_test() == Maker::Python {
        // Python's server closes such a client's connection, but keeps its lock: who waits for it waits for ever.
        println!("not held against Python's server, which never ends the wait");
        return;
    }
    let home = Home::new();
    let mut config = Config::new(Codec::Pickle);
    config.transaction_timeout = Some(2);
    let server = Server::start(&home, &config);
    Script::new("timeout.py").arg(server.address()).run();
    server.stop();
}

#[test]
fn the_options_alone_start_a_server() {
    let home = Home::new();
    let pid_file = home.path("server.pid");
    let server = Server::start_by_options(&home, &pid_file);
    let written = fs::read_to_string(&pid_file).expect("the server wrote its process number");
    assert_eq!(written.trim(), server.id().to_string());
    Script::new("visible.py").arg(server.address()).run();
    server.stop();
    assert!(!pid_file.exists(), "the file with the process number stays");
    assert!(home.path("Data.fs").exists(), "the storage's file is not where -f says");
}
