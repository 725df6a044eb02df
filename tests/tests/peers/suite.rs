//! ZEO's own test suite, ZODB's tests of storages among it, with its server replaced.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::is_set;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Maker, zeolith};

/// One after the other: each runs several tests at a time, and some of these give their servers a few seconds.
static TURN: Mutex<()> = Mutex::new(());

/// Some of each kind of tests, or all of them.
fn suite(codec: Codec) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut script = Script::new("zeo_suite.py").arg("--attended").limit(Duration::from_secs(1800));
    script = match Maker::under_test() {
        Maker::Zeolith => script.arg("--server").arg(zeolith()),
        Maker::Python | Maker::PythonOnUvloop => script.arg("--python"),
    };
    if !is_set("ZEOLITH_WHOLE_SUITE") {
        script = script.arg("--short");
    }
    if codec == Codec::Msgpack {
        script = script.arg("--msgpack");
    }
    script.run();
}

#[test]
fn the_tests_of_zeo_pass_in_pickle() {
    suite(Codec::Pickle);
}

#[test]
fn the_tests_of_zeo_pass_in_msgpack() {
    suite(Codec::Msgpack);
}
