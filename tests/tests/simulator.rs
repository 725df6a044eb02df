//! `zeolith sim` as a developer types it: exit codes, files, and the same trace in every process.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use zeolith_tests::server::{Home, zeolith};
use zeolith_tests::workspace;

fn sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(zeolith());
    command.arg("sim").args(arguments).current_dir(workspace()).output().expect("zeolith runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ends(arguments: &[&str], code: i32) -> String {
    let output = sim(arguments);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}");
    said
}

fn path(at: &Path) -> &str {
    at.to_str().expect("a plain path")
}

#[test]
fn the_same_seeds_give_the_same_trace_in_two_processes_and_on_any_number_of_threads() {
    let trace = |jobs: &str| {
        let said = ends(&["run", "--seeds", "0..300", "--jobs", jobs], 0);
        said.lines().find(|line| line.starts_with("trace ")).expect("a trace").to_owned()
    };
    let first = trace("1");
    assert_eq!(first, trace("1"));
    assert_eq!(first, trace("2"));
}

#[test]
fn the_binary_that_serves_has_no_planted_bugs() {
    ends(&["run", "--bug", "stale-read"], 2);
    ends(&["bugs"], 2);
    let said = ends(&["replay", "corpus/schedules/planted-stale-read.events"], 2);
    assert!(said.contains("this build has no bug 'stale-read'"), "{said}");
}

#[test]
fn a_schedule_is_played_stepped_through_and_drawn() {
    let home = Home::new();
    let (file, svg, html) = (home.path("a.events"), home.path("a.svg"), home.path("a.html"));
    fs::write(&file, "start\ndisk\nconnect 0\nto-client 0 all\nquiet\n").expect("a temporary file");
    assert!(ends(&["replay", path(&file)], 0).contains("no promise is broken"));
    let steps = ends(&["replay", path(&file), "--step"], 0);
    assert!(steps.contains("3 connect 0\n") && steps.contains("Registered"), "{steps}");
    ends(&["show", path(&file), "--svg", path(&svg), "--html", path(&html)], 0);
    for file in [svg, html] {
        assert!(fs::read_to_string(file).expect("a picture").contains("client 1"));
    }
    assert!(ends(&["shrink", path(&file)], 2).contains("nothing to shrink"));
}

#[test]
fn a_file_that_is_no_schedule_is_named_with_its_line() {
    let home = Home::new();
    let file = home.path("a.events");
    fs::write(&file, "start\nconnect 7\n").expect("a temporary file");
    let said = ends(&["replay", path(&file)], 2);
    assert!(said.contains("a.events: line 2: there is no client 7"), "{said}");
    fs::write(&file, [0xff, 0xfe, 0x00]).expect("a temporary file");
    ends(&["replay", path(&file)], 2);
    ends(&["replay", path(&home.path("nowhere"))], 2);
    ends(&["show", path(&home.path("nowhere")), "--svg", path(&home.path("a.svg"))], 2);
}

#[test]
fn a_campaign_that_lost_something_ends_with_its_own_code() {
    let home = Home::new();
    let list = home.path("coverage.txt");
    fs::write(&list, "seeds 10\nmark 20 a branch nobody takes (core/src/lib.rs)\n")
        .expect("a temporary file");
    let said = ends(&["run", "--seeds", "0..10", "--coverage", path(&list)], 6);
    assert!(
        said.contains(
            "LOST mark 'a branch nobody takes' in core/src/lib.rs, reached by 0 runs where 20 were to"
        ),
        "{said}"
    );
    ends(&["run", "--seeds", "0..10", "--coverage", path(&list), "--bless"], 0);
    ends(&["run", "--seeds", "0..10", "--coverage", path(&list)], 0);
}
