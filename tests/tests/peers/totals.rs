//! What many processes write together is what one finds afterwards.

use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Server};

fn totals(codec: Codec) {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(codec));
    let rounds = repetitions(150, 3000);
    let limit = Duration::from_secs(repetitions(120, 1200) as u64);
    Script::new("hammer.py").arg(server.address()).arg(rounds.to_string()).limit(limit).run();
    server.stop();
    // Python's own reader finds the file sound too.
    Script::module("ZODB.scripts.fstest").arg(home.path("Data.fs")).run();
}

#[test]
fn four_processes_agree_on_every_total_in_pickle() {
    totals(Codec::Pickle);
}

#[test]
fn four_processes_agree_on_every_total_in_msgpack() {
    totals(Codec::Msgpack);
}

fn visible(codec: Codec) {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(codec));
    Script::new("visible.py").arg(server.address()).run();
    server.stop();
}

#[test]
fn a_change_is_seen_by_another_process_in_pickle() {
    visible(Codec::Pickle);
}

#[test]
fn a_change_is_seen_by_another_process_in_msgpack() {
    visible(Codec::Msgpack);
}

fn large(codec: Codec) {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(codec));
    Script::new("large.py").arg(server.address()).run();
    server.stop();
}

#[test]
fn a_large_object_and_many_objects_go_through_in_pickle() {
    large(Codec::Pickle);
}

#[test]
fn a_large_object_and_many_objects_go_through_in_msgpack() {
    large(Codec::Msgpack);
}
