//! A small real file whose every boundary is known, and copies of it to be broken.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::{Record, Transaction};
use zeolith_core::wire::Codec;
use zeolith_net::offline::Offline;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Maker, Server};

/// The files of a storage, by what follows the path of the log.
pub const FILES: [&str; 4] = ["", ".index", ".sums", ".lock"];

/// Where a transaction stands in the log.
#[derive(Clone, Debug)]
pub struct Placed {
    pub tid: Tid,
    pub start: usize,
    pub end: usize,
    /// Where one of its fields ends: of the headers, strings, data, and the repeated length.
    pub fields: Vec<usize>,
}

/// What stands on the disk, by the names of [`FILES`]; `None` for a file that is missing.
#[derive(Clone, Debug)]
pub struct Sample {
    pub files: [Option<Vec<u8>>; 4],
    pub transactions: Vec<Placed>,
}

/// A file beside the log.
pub fn beside(log: &Path, suffix: &str) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

impl Sample {
    /// Six transactions in four batches, the last two of two and of one. Their writer died after the last: the index
    /// is of the time before these two batches. The salt makes another database of it.
    pub fn crashed(salt: u64) -> Sample {
        let home = Home::new();
        let log = home.path("Data.fs");
        let mut storage = Offline::open(&log, true).expect("a new file");
        let made = |number: u64, objects: &[(u64, Option<usize>)]| transaction(salt, number, objects);
        let append = |storage: &mut Offline, batch| storage.append(batch).expect("a disk with room");
        append(&mut storage, vec![made(1, &[(0, Some(60)), (1, Some(300))]), made(2, &[(2, Some(40))])]);
        append(&mut storage, vec![made(3, &[(1, Some(2_000 + salt as usize))])]);
        storage.close().expect("a disk with room");
        let mut storage = Offline::open(&log, false).expect("the file just written");
        append(&mut storage, vec![made(4, &[(1, Some(90)), (3, Some(70))]), made(5, &[(2, None)])]);
        append(&mut storage, vec![made(6, &[(3, Some(5)), (4, Some(33)), (5, Some(1))])]);
        drop(storage);
        Sample::read(&log)
    }

    /// The same, closed as it should be.
    pub fn closed(salt: u64) -> Sample {
        let (home, log) = Sample::crashed(salt).put();
        Offline::open(&log, false).expect("a sound file").close().expect("a disk with room");
        let sample = Sample::read(&log);
        drop(home);
        sample
    }

    pub fn read(log: &Path) -> Sample {
        let files = FILES.map(|suffix| fs::read(beside(log, suffix)).ok());
        let transactions = places(files[0].as_deref().expect("a log"));
        Sample { files, transactions }
    }

    pub fn log(&mut self) -> &mut Vec<u8> {
        self.files[0].as_mut().expect("a log")
    }

    pub fn sums(&mut self) -> &mut Vec<u8> {
        self.files[2].as_mut().expect("checksums")
    }

    /// Somebody else has opened the storage since: Python's lock leaves one line.
    pub fn without_nonce(&mut self) {
        self.files[3] = Some(b" 4711\n".to_vec());
    }

    /// Writes the files into a folder of their own.
    pub fn put(&self) -> (Home, PathBuf) {
        let home = Home::new();
        let log = home.path("Data.fs");
        for (suffix, contents) in FILES.iter().zip(&self.files) {
            if let Some(contents) = contents {
                fs::write(beside(&log, suffix), contents).expect("a disk with room");
            }
        }
        (home, log)
    }
}

fn transaction(salt: u64, number: u64, objects: &[(u64, Option<usize>)]) -> Transaction {
    let data = |oid: u64, len: usize| {
        let text = format!("<{oid} of {number} in {salt}>");
        Bytes::from(text.bytes().cycle().take(len).collect::<Vec<u8>>())
    };
    // 2026-11-21 22:25, and a second later each time.
    let tid = Tid(0x040d_2c81_0000_0000 + salt + number * 0x0444_4444);
    Transaction {
        tid,
        status: b' ',
        user: Bytes::from_static(b"somebody"),
        description: Bytes::from_static(b"a small transaction"),
        extension: Bytes::new(),
        copied: false,
        records: objects
            .iter()
            .map(|&(oid, len)| Record { oid: Oid(oid), data: len.map(|len| data(oid, len)), same_as: None })
            .collect(),
    }
}

fn number(log: &[u8], at: usize, len: usize) -> usize {
    log[at..at + len].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Finds the transactions of a sound log and all their fields, as ZODB's format.py describes them.
fn places(log: &[u8]) -> Vec<Placed> {
    let (mut found, mut at) = (Vec::new(), 4);
    while at < log.len() {
        let (start, length) = (at, number(log, at + 8, 8));
        let mut fields = Vec::new();
        let mut field = |at: &mut usize, len: usize| {
            *at += len;
            fields.push(*at);
        };
        let strings = [17, 19, 21].map(|place| number(log, start + place, 2));
        for len in [8, 8, 1, 2, 2, 2].into_iter().chain(strings) {
            field(&mut at, len);
        }
        while at < start + length {
            let data = number(log, at + 34, 8);
            for len in [8, 8, 8, 8, 2, 8, if data == 0 { 8 } else { data }] {
                field(&mut at, len);
            }
        }
        field(&mut at, 8);
        let tid = Tid(u64::from_be_bytes(log[start..start + 8].try_into().expect("eight bytes")));
        found.push(Placed { tid, start, end: at, fields });
    }
    found
}

/// What a real server says when it opens a storage, and that it stops as it should.
pub fn opened(home: &Home) -> String {
    let server = Server::start_as(Maker::Zeolith, home, &Config::new(Codec::Pickle));
    let log = server.own_log();
    server.stop();
    log
}

/// Files that Python is to look at in the end, with the transactions that must be in each.
#[derive(Debug, Default)]
pub struct Verdicts {
    list: String,
    homes: Vec<Home>,
}

impl Verdicts {
    pub fn expect(&mut self, home: Home, log: &Path, transactions: &[Placed]) {
        write!(self.list, "{}", log.display()).expect("text grows");
        for transaction in transactions {
            write!(self.list, " {}", transaction.tid).expect("text grows");
        }
        self.list.push('\n');
        self.homes.push(home);
    }

    /// Lets Python judge them all.
    pub fn judge(self) {
        let list = self.homes.first().expect("files to judge").path("list");
        fs::write(&list, &self.list).expect("a disk with room");
        Script::new("recovered.py").arg(&list).run();
    }
}
