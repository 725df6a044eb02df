//! The race checks of ZODB's own test suite.

use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Server};

fn race(codec: Codec, check: &str) {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(codec));
    let times = repetitions(1, 20);
    // Each check gives itself 120 seconds.
    let limit = Duration::from_secs(150) * u32::try_from(times).expect("a small number");
    Script::new("race.py").arg(server.address()).arg(check).arg(times.to_string()).limit(limit).run();
    server.stop();
}

#[test]
fn opening_never_races_with_local_invalidations_in_pickle() {
    race(Codec::Pickle, "loadopen_vs_local_invalidate");
}

#[test]
fn opening_never_races_with_local_invalidations_in_msgpack() {
    race(Codec::Msgpack, "loadopen_vs_local_invalidate");
}

#[test]
fn loads_never_race_with_invalidations_of_others_in_pickle() {
    race(Codec::Pickle, "load_vs_external_invalidate");
}

#[test]
fn loads_never_race_with_invalidations_of_others_in_msgpack() {
    race(Codec::Msgpack, "load_vs_external_invalidate");
}

#[test]
fn reconnecting_never_loses_an_invalidation_in_pickle() {
    race(Codec::Pickle, "external_invalidate_vs_disconnect");
}

#[test]
fn reconnecting_never_loses_an_invalidation_in_msgpack() {
    race(Codec::Msgpack, "external_invalidate_vs_disconnect");
}
