//! Python → Zeolith → Python → Zeolith, each committing in its turn.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::{Record, Transaction};
use zeolith_core::time::WallTime;
use zeolith_core::wire::Codec;
use zeolith_net::offline::Offline;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Maker, Server, Storage};

use crate::{printed, run};

/// One file, and the notes of what everybody committed to it.
struct Travels {
    home: Home,
    file: PathBuf,
    notes: PathBuf,
    codec: Codec,
}

impl Travels {
    fn new(codec: Codec) -> Travels {
        let home = Home::new();
        Travels { file: home.path("Data.fs"), notes: home.path("notes"), home, codec }
    }

    fn script(&self, kind: &str, place: impl AsRef<std::ffi::OsStr>) -> Script {
        Script::new("both_ways.py").arg(kind).arg(place).arg(&self.notes)
    }

    /// The file holds what was committed and nothing else; `interrupted`, something else at its end.
    fn check(&self, interrupted: bool) {
        let script = self.script("check", &self.file);
        if interrupted {
            script.arg("interrupted").run()
        } else {
            script.run()
        };
    }

    /// Python's server, with blobs; gives the blob's oid.
    fn python_serves(&self, round: usize) -> Oid {
        let mut config = Config::new(self.codec);
        config.storages = vec![Storage::Blobs("1", "Data.fs")];
        let server = Server::start_as(Maker::Python, &self.home, &config);
        let blobs = self.home.path("client's blobs");
        let did = self.script("served", server.address()).arg(round.to_string()).arg(blobs).run();
        let log = server.own_log();
        server.stop();
        assert!(did.contains("stored, undone, deleted, blob"), "{did}");
        assert!(!log.contains("Ignoring index"), "{log}");
        let (_, blob) = did.split_once("blob ").expect("just seen");
        Oid(u64::from_str_radix(&blob[..16], 16).expect("an oid"))
    }

    /// Zeolith, which uses the index it finds; killed at the end when `kill` says so.
    fn zeolith_serves(&self, round: usize, kill: bool) -> String {
        let server = Server::start_as(Maker::Zeolith, &self.home, &Config::new(self.codec));
        let log = server.own_log();
        assert!(log.contains("; index: used; "), "the index of the other side:\n{log}");
        self.script("served", server.address()).arg(round.to_string()).run();
        if kill {
            server.kill()
        } else {
            server.stop()
        }
        log
    }

    /// Deletes an object with Zeolith's store.
    fn zeolith_deletes(&self, oid: Oid) {
        let mut storage = Offline::open(&self.file, false).expect("a file that nobody else holds");
        let tid = now().max(storage.last_tid().next());
        let record = Record { oid, data: None, same_as: None };
        storage.append(vec![transaction(tid, vec![record])]).expect("a disk with room");
        storage.close().expect("a disk with room");
        let mut notes = fs::File::options().append(true).open(&self.notes).expect("the notes");
        writeln!(notes, "{{\"tid\": \"{tid}\", \"records\": {{\"{oid}\": null}}}}").expect("the notes");
    }

    /// Leaves at the end of the file what a server leaves that dies while it writes a batch: its last transaction
    /// again, with a later tid and marked incomplete, but for the last `missing` bytes.
    fn interrupt(&self, missing: usize) -> Vec<u8> {
        let log = fs::read(&self.file).expect("the log");
        let length = log.last_chunk().map(|length| u64::from_be_bytes(*length)).expect("a transaction");
        let start = log.len() - 8 - usize::try_from(length).expect("a small file");
        let mut tail = log[start..log.len() - missing].to_vec();
        tail[7] += 1;
        tail[16] = b'c';
        let mut file = fs::File::options().append(true).open(&self.file).expect("the log");
        file.write_all(&tail).expect("a disk with room");
        tail
    }
}

fn now() -> Tid {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Tid::at(WallTime(since.as_micros() as u64))
}

fn transaction(tid: Tid, records: Vec<Record>) -> Transaction {
    Transaction {
        tid,
        status: b' ',
        user: Default::default(),
        description: Default::default(),
        extension: Default::default(),
        records,
        copied: false,
    }
}

/// Whether one of the files that keep what was cut holds exactly this.
fn kept(file: &Path, tail: &[u8]) -> bool {
    (0..)
        .map(|number| file.with_extension(format!("fs.tr{number}")))
        .take_while(|path| path.exists())
        .any(|path| fs::read(path).expect("a kept tail") == tail)
}

fn both_ways(codec: Codec) {
    let travels = Travels::new(codec);
    for round in 0..repetitions(2, 20) {
        let blob = travels.python_serves(round);
        travels.check(false);

        travels.zeolith_serves(round, round % 2 == 1);
        travels.zeolith_deletes(blob);
        travels.check(false);

        // Zeolith dies while it writes, and Python's FileStorage goes on.
        let tail = travels.interrupt(10 * (round % 2));
        travels.check(true);
        travels.script("direct", &travels.file).arg(round.to_string()).run();
        assert!(kept(&travels.file, &tail), "Python kept what it cut");

        // FileStorage died while it wrote, and Zeolith goes on.
        travels.check(true);
        let log = travels.zeolith_serves(round, false);
        assert!(log.contains("are no part of it (a transaction marked incomplete); they were cut"), "{log}");
        assert!(log.contains("kept in "), "{log}");
        travels.check(false);
    }
}

#[test]
fn a_file_goes_from_python_to_zeolith_and_back_in_pickle() {
    both_ways(Codec::Pickle);
}

#[test]
fn a_file_goes_from_python_to_zeolith_and_back_in_msgpack() {
    both_ways(Codec::Msgpack);
}

#[test]
fn a_running_python_server_excludes_zeolith() {
    let home = Home::new();
    let file = home.path("Data.fs");
    let server = Server::start_as(Maker::Python, &home, &Config::new(Codec::Pickle));
    for arguments in [&["serve", "-a", "127.0.0.1:0", "-f"][..], &["heal"]] {
        let output = run(arguments, &file);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        let expected = format!(
            "Error: {0} is in use by process {1}: it holds {0}.lock. Stop it first",
            file.display(),
            server.id()
        );
        assert!(printed(&output).contains(&expected), "{}", printed(&output));
    }
    // The one that was there first goes on.
    Script::new("visible.py").arg(server.address()).run();
    server.stop();
}

#[test]
fn a_running_zeolith_excludes_python_and_keeps_its_checksums() {
    let home = Home::new();
    let file = home.path("Data.fs");
    let server = Server::start_as(Maker::Zeolith, &home, &Config::new(Codec::Pickle));
    let seen = Script::module("ZEO.runzeo")
        .arg("-a")
        .arg("127.0.0.1:0")
        .arg("-f")
        .arg(&file)
        .limit(Duration::from_secs(60))
        .run_to_failure();
    assert!(seen.contains(&format!("Couldn't lock '{}.lock'", file.display())), "{seen}");
    let lock = fs::read_to_string(home.path("Data.fs.lock")).expect("the lock file");
    assert_eq!(lock.lines().next(), Some(&*format!(" {}", server.id())), "who holds it is read there");
    Script::new("visible.py").arg(server.address()).run();
    server.stop();
    let server = Server::start_as(Maker::Zeolith, &home, &Config::new(Codec::Pickle));
    let log = server.own_log();
    assert!(log.contains("index: used; checksums: used; 0 transactions scanned"), "{log}");
    server.stop();
}
