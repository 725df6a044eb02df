use super::options::{FaultsError, RunArgs, SimArgs};
use super::*;
use clap::{Args, Command, FromArgMatches};
use std::time::Duration;
use zeolith_sim::options::Fault as Kinds;

fn parse(line: &str) -> Result<SimCommand, String> {
    let command = SimArgs::augment_args(Command::new("sim"));
    let matches = command.try_get_matches_from(format!("sim {line}").split_whitespace());
    let matches = matches.map_err(|error| error.to_string())?;
    SimArgs::from_arg_matches(&matches).map(|args| args.command).map_err(|error| error.to_string())
}

fn run_args(line: &str) -> RunArgs {
    match parse(&format!("run {line}")) {
        Ok(SimCommand::Run(arguments)) => arguments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_options_the_seeds_of_the_test_command_are_run() {
    let plan = run_args("").plan().expect("a plan");
    assert_eq!((plan.seeds, plan.time, plan.asked.faults), (0..8_000, None, None));
    assert!(plan.jobs >= 1);
}

#[test]
fn a_time_without_seeds_takes_all_there_are() {
    let plan = run_args("--minutes 0.5").plan().expect("a plan");
    assert_eq!((plan.seeds, plan.time), (0..u64::MAX, Some(Duration::from_secs(30))));
    assert_eq!(run_args("--minutes 2 --seeds 5..9").plan().expect("a plan").seeds, 5..9);
}

#[test]
fn named_faults_are_the_only_ones() {
    let faults = run_args("--fault cuts --fault slow-disk")
        .plan()
        .expect("a plan")
        .asked
        .faults
        .expect("some are named");
    let on: Vec<_> = Kinds::ALL.iter().filter(|&&fault| faults.has(fault)).collect();
    assert_eq!(on, [&Kinds::Cuts, &Kinds::SlowDisk]);
    let none = run_args("--fault none").plan().expect("a plan").asked.faults.expect("none is named");
    assert!(!Kinds::ALL.iter().any(|&fault| none.has(fault)));
}

#[test]
fn no_fault_and_some_are_not_asked_for_together() {
    for line in ["--fault none --fault cuts", "--fault cuts --fault none", "--fault none --fault none"] {
        assert_eq!(run_args(line).plan().err(), Some(FaultsError::NoneAndOthers), "{line}");
    }
}

#[test]
fn faults_that_are_never_together_are_not_asked_for_together() {
    for line in ["--fault restores --fault clocks", "--fault clocks --fault cuts --fault restores"] {
        assert_eq!(run_args(line).plan().err(), Some(FaultsError::RestoresAndClocks), "{line}");
    }
    assert!(run_args("--fault restores --fault cuts").plan().is_ok());
}

#[test]
fn a_shorter_schedule_goes_beside_the_longer_one_or_where_it_is_told() {
    let target = |line: &str| match parse(&format!("shrink {line}")) {
        Ok(SimCommand::Shrink(arguments)) => arguments.target(),
        other => panic!("{other:?}"),
    };
    assert_eq!(target("some/seed-7.events"), ("some/seed-7.short.events".into(), false));
    assert_eq!(target("seed-7"), ("seed-7.short.events".into(), false));
    assert_eq!(target("a.events --out b.events"), ("b.events".into(), true));
    assert_eq!(target("a.events --in-place"), ("a.events".into(), true));
    assert!(parse("shrink a.events --out b.events --in-place").is_err());
}

#[test]
fn a_list_is_compared_or_written_only_when_asked_for() {
    assert_eq!(run_args("").list(), None);
    assert_eq!(run_args("--coverage").list(), Some("corpus/coverage.txt".into()));
    assert_eq!(run_args("--coverage other.txt").list(), Some("other.txt".into()));
    assert_eq!(run_args("--bless").list(), Some("corpus/coverage.txt".into()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "",
        "run --seeds 5",
        "run --seeds 5..5",
        "run --seeds 9..5",
        "run --seeds a..b",
        "run --seeds -1..5",
        "run --seeds 0..99999999999999999999",
        "run --minutes 0",
        "run --minutes -1",
        "run --minutes NaN",
        "run --minutes 1e300",
        "run --fault earthquake",
        "run --jobs 0",
        "run --bless --fault cuts",
        "run --coverage --fault cuts",
        "replay",
        "show FILE",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn every_way_to_be_wrong_has_its_own_exit_code() {
    let violation = |kind| Violation { promise: 1, kind, what: String::new() };
    let codes = [Kind::Safety, Kind::Liveness, Kind::Panic].map(|kind| End::of(Some(&violation(kind))) as u8);
    assert_eq!(codes, [1, 3, 4]);
    assert_eq!(End::of(None) as u8, 0);
    assert_eq!(End::of_fault(&Fault::Nondeterminism { event: 3 }) as u8, 5);
    assert_eq!(End::of_fault(&Fault::Broken(violation(Kind::Panic))) as u8, 4);
}
