use std::fs;

use tracing::level_filters::LevelFilter;

use super::*;
use crate::options::LogSink;

fn sink(path: &Path, level: LevelFilter) -> LogSink {
    LogSink { target: LogTarget::File(path.to_owned()), level }
}

/// A log that waits for every line.
fn direct(sinks: Vec<LogSink>) -> Result<(impl Subscriber + Send + Sync + use<>, LogFiles), LogError> {
    subscriber(&LogOptions { sinks }, &|sink| Ok(BoxMakeWriter::new(sink)))
}

#[test]
fn an_event_is_one_line_with_time_level_name_message_and_fields() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeo.log");
    let (log, _files) = direct(vec![sink(&path, LevelFilter::INFO)]).unwrap();
    tracing::subscriber::with_default(log, || tracing::warn!(storage = "main", "it is late"));
    let text = fs::read_to_string(&path).unwrap();
    let (time, rest) = text.split_once(' ').unwrap();
    assert_eq!(rest, "WARNING zeolith.cli.logging.tests it is late storage=\"main\"\n");
    assert_eq!((time.len(), &time[4..5], &time[10..11], &time[19..]), (20, "-", "T", "Z"));
}

#[test]
fn levels_and_names_are_those_that_watchers_of_a_python_server_know() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeo.log");
    let (log, _files) = direct(vec![sink(&path, LevelFilter::DEBUG)]).unwrap();
    tracing::subscriber::with_default(log, || {
        tracing::error!(target: "ZEO.StorageServer", critical = true, "late");
        tracing::error!(target: "zeolith_net::boot", critical = false, "damaged");
        tracing::debug!(target: "ZEO.StorageServer", bytes = 1, "read");
    });
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected = [
        "CRITICAL ZEO.StorageServer late",
        "ERROR zeolith.net.boot damaged",
        "DEBUG ZEO.StorageServer read bytes=1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_a_client_sends_cannot_forge_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeo.log");
    let (log, _files) = direct(vec![sink(&path, LevelFilter::INFO)]).unwrap();
    tracing::subscriber::with_default(log, || {
        tracing::info!("label {}", "x\n2026-11-21T22:25:30Z ERROR gone\r\u{1b}[2J")
    });
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.chars().filter(|character| character.is_control()).count(), 1, "{text:?}");
}

#[test]
fn every_place_has_its_own_level() {
    let directory = tempfile::tempdir().unwrap();
    let (all, few) = (directory.path().join("all.log"), directory.path().join("few.log"));
    let sinks = vec![sink(&all, LevelFilter::DEBUG), sink(&few, LevelFilter::ERROR)];
    let (log, _files) = direct(sinks).unwrap();
    tracing::subscriber::with_default(log, || {
        tracing::trace!("a");
        tracing::debug!("b");
        tracing::error!("c");
    });
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&all), lines(&few)), (2, 1));
}

#[test]
fn a_renamed_file_gets_a_successor_when_reopened() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("zeo.log"), directory.path().join("zeo.log.1"));
    let (log, files) = direct(vec![sink(&path, LevelFilter::INFO)]).unwrap();
    tracing::subscriber::with_default(log, || {
        tracing::info!("first");
        fs::rename(&path, &old).unwrap();
        tracing::info!("second");
        files.reopen().unwrap();
        tracing::info!("third");
    });
    assert_eq!(fs::read_to_string(&old).unwrap().lines().count(), 2);
    assert!(fs::read_to_string(&path).unwrap().ends_with("INFO zeolith.cli.logging.tests third\n"));
}

#[test]
fn a_file_that_cannot_be_reopened_is_written_to_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let (var, moved) = (directory.path().join("var"), directory.path().join("moved"));
    fs::create_dir(&var).unwrap();
    let (path, other) = (var.join("zeo.log"), directory.path().join("other.log"));
    let sinks = vec![sink(&path, LevelFilter::INFO), sink(&other, LevelFilter::INFO)];
    let (log, files) = direct(sinks).unwrap();
    tracing::subscriber::with_default(log, || {
        fs::rename(&var, &moved).unwrap();
        fs::rename(&other, directory.path().join("other.log.1")).unwrap();
        assert!(matches!(files.reopen(), Err(LogError::Open { .. })));
        tracing::info!("still here");
    });
    assert_eq!(fs::read_to_string(moved.join("zeo.log")).unwrap().lines().count(), 1);
    assert!(other.exists(), "the failure of one file does not keep the others from being reopened");
}

#[test]
fn a_log_file_without_its_directory_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("zeo.log");
    let error = direct(vec![sink(&path, LevelFilter::INFO)]).err().unwrap();
    assert!(error.to_string().starts_with(&format!("cannot open the log file {}", path.display())));
}

#[test]
fn the_lines_of_a_server_are_all_there_once_they_are_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("zeo.log"), directory.path().join("zeo.log.1"));
    let options = LogOptions { sinks: vec![sink(&path, LevelFilter::INFO)] };
    let (log, files, threads) = subscriber_behind(&options).unwrap();
    tracing::subscriber::with_default(log, || {
        for number in 0..100 {
            tracing::info!("line {number}");
        }
        fs::rename(&path, &old).unwrap();
        files.reopen().unwrap();
        tracing::info!("the last");
    });
    threads.drain();
    let text = fs::read_to_string(&old).unwrap() + &fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 101);
    assert!(text.ends_with("INFO zeolith.cli.logging.tests the last\n"));
}
