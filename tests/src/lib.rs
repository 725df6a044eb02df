//! What the tests across crates share: the real server process, and Python's clients beside it.
//!
//! Python's peers are the judges of "drop-in": the scripts in `python/` use unmodified ZEO and ZODB, pinned in
//! `python/requirements.txt` and installed once into a virtual environment under `target/`. These variables of the
//! environment steer them:
//!
//! - `ZEOLITH_PEER_SERVER=python` starts Python's own `runzeo` with the same configuration in place of `zeolith serve`.
//!   All tests must pass with it too: a test that Python's own server fails demands something that clients never had.
//! - `ZEOLITH_BIN` names the server's binary; otherwise it is built with the profile of the tests.
//! - `ZEOLITH_LONG=1` repeats what finds more the longer it runs: crash rounds, race checks, hammered totals.
//! - `ZEOLITH_WHOLE_SUITE=1` runs all of ZEO's own tests, not some of each kind.

pub mod process;
pub mod python;
pub mod server;

use std::path::{Path, PathBuf};

/// `short`, or `long` when `ZEOLITH_LONG` asks for the heavier repetition.
pub fn repetitions(short: usize, long: usize) -> usize {
    if is_set("ZEOLITH_LONG") { long } else { short }
}

/// Whether a variable of the environment asks for what it names.
pub fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value != "0")
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a member of the workspace")
}

/// Where this test's own profile is built, such as `target/debug`.
///
/// # Panics
///
/// When the test runs from anywhere but a `deps` folder of cargo's.
fn profile_folder() -> PathBuf {
    let executable = std::env::current_exe().expect("a test knows its executable");
    let deps = executable.parent().expect("an executable has a folder");
    assert!(deps.ends_with("deps"), "{} is not in cargo's deps folder", executable.display());
    deps.parent().expect("deps is in a profile's folder").to_path_buf()
}

/// Cargo's target folder.
fn target_folder() -> PathBuf {
    profile_folder().parent().expect("a profile's folder is in target").to_path_buf()
}
