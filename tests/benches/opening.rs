//! How long it takes to open a large file, and how much memory it takes open: ours and Python's server.
//!
//! `cargo bench -p zeolith-tests --bench opening -- [OBJECTS]`; docs/performance.md has the figures. The file is made once
//! for each number of objects and kept below `target`; Python's server gets a copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::{Record, Transaction};
use zeolith_core::wire::Codec;
use zeolith_net::offline::Offline;
use zeolith_tests::server::{Config, Home, Maker, Server};

/// Objects in a transaction.
const TOGETHER: u64 = 100;
/// Transactions in a batch: one sync for many.
const BATCH: u64 = 100;
/// Bytes of an object.
const DATA: usize = 300;
/// Starts of which the median is told.
const TIMES: usize = 5;

fn main() {
    // cargo hands --bench to every bench.
    let objects = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let folder = zeolith_tests::workspace().join("target");
    let made = folder.join(format!("opening-{objects}.fs"));
    if !made.exists() {
        make(&made, objects);
    }
    let bytes = fs::metadata(&made).expect("the file").len();
    println!("{objects} objects of {DATA} bytes, {TOGETHER} a transaction; {} MB of log", bytes / 1_000_000);
    println!("{:50} {:>10} {:>12}", "", "opened in", "memory");
    for maker in [Maker::Zeolith, Maker::Python] {
        let home = Home::new();
        let log = home.path("Data.fs");
        fs::copy(&made, &log).expect("a disk with room");
        // The first start finds no index, and leaves one.
        let without = measure(maker, &home, true);
        let with = measure(maker, &home, false);
        row(maker, "without an index", &without);
        row(maker, "with an index", &with);
    }
    // With the checksums of its whole length, as Zeolith leaves a file that it wrote, a scan compares them too.
    let home = Home::new();
    for suffix in ["", ".sums", ".lock"] {
        fs::copy(beside(&made, suffix), beside(&home.path("Data.fs"), suffix)).expect("a disk with room");
    }
    row(Maker::Zeolith, "without an index, every checksum compared", &measure(Maker::Zeolith, &home, true));
    row(Maker::Zeolith, "with an index, every checksum compared", &measure(Maker::Zeolith, &home, false));
}

fn beside(log: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", log.display()).into()
}

struct Measured {
    opened: Duration,
    /// Kilobytes resident, once it answers.
    resident: u64,
    /// Kilobytes at the most until then.
    peak: u64,
}

fn row(maker: Maker, what: &str, measured: &Measured) {
    println!(
        "{:50} {:>8} ms {:>9} MB  (at most {} MB)",
        format!("{maker:?}, {what}"),
        measured.opened.as_millis(),
        measured.resident / 1_000,
        measured.peak / 1_000
    );
}

/// The median over several starts, from the start of the process to its handshake.
fn measure(maker: Maker, home: &Home, without_index: bool) -> Measured {
    let mut measured: Vec<Measured> = (0..TIMES)
        .map(|_| {
            if without_index {
                let _ = fs::remove_file(home.path("Data.fs.index"));
            }
            let begun = Instant::now();
            let server = Server::start_as(maker, home, &Config::new(Codec::Msgpack));
            let opened = begun.elapsed();
            let (resident, peak) = (memory(server.id(), "VmRSS:"), memory(server.id(), "VmHWM:"));
            server.stop();
            Measured { opened, resident, peak }
        })
        .collect();
    measured.sort_unstable_by_key(|measured| measured.opened);
    measured.swap_remove(TIMES / 2)
}

/// A number of kilobytes that Linux tells of a process.
fn memory(process: u32, what: &str) -> u64 {
    let status =
        fs::read_to_string(PathBuf::from(format!("/proc/{process}/status"))).expect("it runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a line of memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Writes a file through the store, under another name until it is whole.
fn make(path: &Path, objects: u64) {
    let unfinished = path.with_extension("unfinished");
    let mut storage = Offline::open(&unfinished, true).expect("a new file");
    let transactions = objects.div_ceil(TOGETHER);
    for first in (0..transactions).step_by(BATCH as usize) {
        let batch =
            (first..transactions.min(first + BATCH)).map(|number| transaction(number, objects)).collect();
        storage.append(batch).expect("a disk with room");
    }
    drop(storage);
    for suffix in [".sums", ".lock", ""] {
        fs::rename(beside(&unfinished, suffix), beside(path, suffix)).expect("a folder of our own");
    }
}

fn transaction(number: u64, objects: u64) -> Transaction {
    let oids = number * TOGETHER..objects.min((number + 1) * TOGETHER);
    Transaction {
        // From 2024-02-29 on, a few milliseconds apart.
        tid: Tid(0x03ff_28ae_0000_0000 + (number << 18)),
        status: b' ',
        user: Bytes::new(),
        description: Bytes::from_static(b"many objects"),
        extension: Bytes::new(),
        copied: false,
        records: oids
            .map(|oid| Record { oid: Oid(oid), data: Some(Bytes::from(vec![b'x'; DATA])), same_as: None })
            .collect(),
    }
}
