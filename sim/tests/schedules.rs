//! The schedules of the corpus: what was found once stays fixed, and what is planted stays found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use zeolith_sim::bug::Bug;
use zeolith_sim::run::replay;
use zeolith_sim::schedule::Schedule;

fn schedules() -> Vec<(PathBuf, Schedule)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/schedules");
    let files = fs::read_dir(folder).expect("the corpus is there");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("the corpus is readable").path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let schedule = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, schedule)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn what_was_found_once_stays_fixed_and_what_is_planted_stays_found() {
    let schedules = schedules();
    assert!(schedules.len() >= 5, "only {} schedules", schedules.len());
    for (path, schedule) in schedules {
        let outcome = replay(schedule.setup, &schedule.events);
        assert_eq!(outcome.parts_from(&replay(schedule.setup, &schedule.events)), None, "{}", path.display());
        let expected = schedule.setup.bug.map(|bug| bug.promise());
        let promise = outcome.broken().map(|violation| violation.promise);
        assert_eq!(promise, expected, "{}:\n{outcome}", path.display());
    }
}

#[test]
fn every_planted_bug_has_its_schedule() {
    let planted: BTreeSet<&str> =
        schedules().iter().filter_map(|(_, schedule)| schedule.setup.bug).map(Bug::name).collect();
    assert_eq!(planted, Bug::ALL.iter().map(|bug| bug.name()).collect());
}

#[test]
fn every_schedule_says_what_broke_and_why_and_is_written_as_the_tools_do() {
    for (path, schedule) in schedules() {
        assert!(schedule.broken.is_some(), "{} names no promise", path.display());
        assert!(!schedule.cause.is_empty(), "{} has no cause", path.display());
        let text = fs::read_to_string(&path).expect("it was just read");
        assert_eq!(schedule.to_string(), text, "{}", path.display());
    }
}
