//! kill -9 in a commit loop: what was acknowledged is there afterwards.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Server};

const WORKERS: usize = 3;

/// How many commits are acknowledged in a round before the kill may come.
const AT_LEAST: usize = 40;

fn crash_loop(codec: Codec) {
    let home = Home::new();
    let config = Config::new(codec);
    let notes = home.path("acknowledged");
    let file = home.path("Data.fs");
    fs::create_dir(&notes).expect("the server's folder is writable");
    for round in 0..repetitions(3, 40) {
        let before = acknowledged(&notes);
        let server = Server::start(&home, &config);
        let mut commits = Script::new("crashloop.py")
            .arg(server.address())
            .arg(&notes)
            .arg(round.to_string())
            .arg(WORKERS.to_string())
            .spawn();
        while acknowledged(&notes) < before + AT_LEAST {
            assert!(commits.goes_on(), "the commit loop ended by itself\n{}", commits.finish());
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(moment());
        server.kill();
        commits.finish();

        let told = acknowledged(&notes);
        let server = Server::start(&home, &config);
        let rounds = round + 1;
        verify("zeo", server.address(), &notes, rounds, told).run();
        server.stop();
        verify("file", &file, &notes, rounds, told).run();
        Script::module("ZODB.scripts.fstest").arg(&file).run();
    }
    // The check is checked: it sees a note of a transaction that is not there, and a log that lost its end.
    let lost = r#"{"tid": "7fffffffffffffff", "oids": [], "name": "lost", "number": 0, "digest": ""}"#;
    fs::write(notes.join("lost"), format!("{lost}\n")).expect("the notes are writable");
    let seen = verify("file", &file, &notes, 1, 1).run_to_failure();
    assert!(seen.contains("acknowledged and lost"), "{seen}");
    fs::remove_file(notes.join("lost")).expect("the notes are writable");
    // One more than may stand there without a note.
    cut_last_transactions(&file, WORKERS + 1);
    let seen = verify("file", &file, &notes, 1, 1).run_to_failure();
    assert!(seen.contains("acknowledged and lost"), "{seen}");
}

fn verify(kind: &str, place: impl AsRef<OsStr>, notes: &Path, rounds: usize, told: usize) -> Script {
    let script = Script::new("verify.py").arg(kind).arg(place).arg(notes);
    [rounds, WORKERS, told].map(|number| number.to_string()).into_iter().fold(script, Script::arg)
}

/// Takes the last transactions from a file storage: the last eight bytes of each say how long the rest of it is.
fn cut_last_transactions(file: &Path, count: usize) {
    let mut log = fs::read(file).expect("the log is readable");
    for _ in 0..count {
        let length =
            log.last_chunk().map(|length| u64::from_be_bytes(*length)).expect("the log has transactions");
        log.truncate(log.len() - 8 - usize::try_from(length).expect("logs fit in memory"));
    }
    fs::write(file, log).expect("the log is writable");
    // An index that knows more than the log would only distract.
    let _ = fs::remove_file(file.with_extension("fs.index"));
}

/// How many commits the notes tell of.
fn acknowledged(notes: &Path) -> usize {
    let files = fs::read_dir(notes).expect("the notes have a folder");
    files
        .map(|file| fs::read(file.expect("the folder is readable").path()).expect("notes are readable"))
        .map(|notes| notes.iter().filter(|&&byte| byte == b'\n').count())
        .sum()
}

/// A moment within a quarter of a second that is another one each time: no seed could repeat what a real kill hits.
fn moment() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Duration::from_micros(u64::from(now.subsec_nanos()) % 250_000)
}

#[test]
fn a_killed_server_has_every_acknowledged_transaction_in_pickle() {
    crash_loop(Codec::Pickle);
}

#[test]
fn a_killed_server_has_every_acknowledged_transaction_in_msgpack() {
    crash_loop(Codec::Msgpack);
}
