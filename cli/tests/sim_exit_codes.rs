//! `zeolith sim` as a process, built with planted bugs: each way to fail ends it with its own code.

use std::path::Path;
use std::process::Command;

#[track_caller]
fn ends(arguments: &[&str], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeolith"));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = command.arg("sim").args(arguments).current_dir(workspace).output().expect("zeolith runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}");
    said
}

/// A campaign of a bug, whose schedule is written into a folder that goes away.
#[track_caller]
fn hunt_ends(bug: &str, code: i32) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("a.events");
    let out = out.to_str().expect("a plain path");
    let said = ends(&["run", "--bug", bug, "--seeds", "0..2000", "--out", out], code);
    ends(&["replay", out], code);
    said
}

#[test]
fn a_broken_promise_ends_with_1() {
    assert!(hunt_ends("finish-untold", 1).contains("promise"));
}

#[test]
fn somebody_who_waits_for_ever_ends_with_3_and_is_told_of_with_what_is_in_the_way() {
    let said = ends(&["replay", "corpus/schedules/planted-question-forgotten.events"], 3);
    assert!(said.contains("waits for ever") && said.contains("server 0: "), "{said}");
}

#[test]
fn a_panic_ends_with_4() {
    assert!(hunt_ends("queued-twice", 4).contains("an invariant is broken: tids rise"));
}

#[test]
fn runs_that_are_not_the_same_end_with_5() {
    assert!(hunt_ends("unsteady", 5).contains("nondeterminism: two runs part"));
}
