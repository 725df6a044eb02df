//! Random files, as they grew and as Python packed them: what Python reads in them, we read.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::{CopiedTransaction, Past, StoreError};
use zeolith_net::offline::Offline;
use zeolith_tests::repetitions;
use zeolith_tests::server::Home;

use crate::packing::{cases, transactions};

/// Length and FNV-1a hash.
fn digest(data: &[u8]) -> String {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} {hash:016x}", data.len())
}

fn id(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("hexadecimal digits")
}

/// Who reads a file, and what is in its transactions.
struct Reader {
    file: Offline,
    all: Vec<CopiedTransaction>,
    states: HashMap<(Oid, Tid), String>,
}

impl Reader {
    fn new(path: &Path) -> Reader {
        let all = transactions(path);
        let records = all.iter().flat_map(|transaction| &transaction.records);
        let states = records.map(|it| ((it.oid, it.serial), it.data.as_deref().map_or("key".into(), digest)));
        let states = states.collect();
        Reader { file: Offline::open_read_only(path).expect("a file that opens"), all, states }
    }

    fn before(&mut self, oid: &str, tid: &str) -> String {
        match self.file.load_before(Oid(id(oid)), Tid(id(tid))) {
            Err(StoreError::NoObject(_)) => "key".to_owned(),
            Ok(None) => "none".to_owned(),
            Ok(Some(found)) => {
                let until = found.until.map_or("-".to_owned(), |tid| tid.to_string());
                format!("{} {until} {}", found.serial, digest(&found.data))
            }
            Err(error) => error.to_string(),
        }
    }

    fn history(&mut self, oid: &str, count: usize) -> String {
        let past = |past: &Past| {
            let strings = [&past.user, &past.description, &past.extension].map(|text| digest(text));
            format!("{} {} {}", past.tid, past.size, strings.join(" "))
        };
        match self.file.history(Oid(id(oid)), count) {
            Err(StoreError::NoObject(_)) => "key".to_owned(),
            Ok(pasts) => pasts.iter().map(past).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    /// Asks what a line of Python's listing asks; gives the line with our answer.
    fn answer(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["storage", _, objects, _] => {
                format!("storage {} {objects} {}", self.file.last_tid(), self.file.size())
            }
            ["before", oid, tid, ..] => format!("before {oid} {tid} {}", self.before(oid, tid)),
            ["serial", oid, tid, ..] => {
                let state = self.states.get(&(Oid(id(oid)), Tid(id(tid))));
                format!("serial {oid} {tid} {}", state.map_or("key", String::as_str))
            }
            ["history", oid, count, ..] => {
                let count = count.parse().expect("a number");
                format!("history {oid} {count} {}", self.history(oid, count))
            }
            ["recent", tid, ..] => {
                let found = self.all.iter().find(|transaction| transaction.tid == Tid(id(tid)));
                let mut oids: Vec<String> =
                    found.iter().flat_map(|it| &it.records).map(|record| record.oid.to_string()).collect();
                oids.sort();
                [&["recent".to_owned(), tid.to_owned()], &oids[..]].concat().join(" ")
            }
            _ => panic!("a line of a listing: {line}"),
        }
    }
}

/// Reads a file as Python did; how many answers were compared.
fn compare(path: &Path) -> usize {
    let listing = fs::read_to_string(path.with_added_extension("txt")).expect("a listing");
    let mut reader = Reader::new(path);
    let recent = listing.lines().filter(|line| line.starts_with("recent")).count();
    assert_eq!(reader.all.len(), recent, "transactions of {}", path.display());
    // Who reads a file asks for no serials alone, and for no histories without revisions. A record may be there to which no
    // later one points any more, since Python's pack took what was between for garbage.
    let is_asked = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        !matches!(words[..], ["current", ..] | ["history", _, "0", ..] | ["serial", .., "key"])
    };
    let questions = listing.lines().filter(is_asked);
    questions.map(|line| assert_eq!(reader.answer(line), line, "{}", path.display())).count()
}

#[test]
fn random_files_are_read_as_python_reads_them_before_and_after_its_packs() {
    let home = Home::new();
    let mut compared = 0;
    for case in cases(&home, repetitions(3, 4), repetitions(20, 300)) {
        // Both packs are of one file.
        if !case.gc {
            compared += compare(Path::new(&case.file));
        }
        if case.error.is_none() {
            compared += compare(Path::new(&case.packed));
        }
    }
    assert!(compared > 5_000, "{compared} answers");
}
