//! Files that Python's FileStorage made, and what it reads in them: see `corpus/data/make_samples.py`.

use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::store::file::open::{IndexUse, OpenOptions};
use crate::store::file::testing::{Disk, Session, options};
use crate::store::{Current, Past, StoreError};

struct Sample {
    name: &'static str,
    log: &'static [u8],
    index: &'static [u8],
    listing: &'static str,
}

macro_rules! sample {
    ($name:literal) => {
        Sample {
            name: $name,
            log: include_bytes!(concat!("../../../../../corpus/data/", $name, ".fs")),
            index: include_bytes!(concat!("../../../../../corpus/data/", $name, ".fs.index")),
            listing: include_str!(concat!("../../../../../corpus/data/", $name, ".fs.txt")),
        }
    };
}

const SAMPLES: [Sample; 4] = [sample!("plain"), sample!("undone"), sample!("packed"), sample!("doubled")];

fn id(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

/// Length and FNV-1a hash.
fn digest(data: &[u8]) -> String {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} {hash:016x}", data.len())
}

/// Asks what a line of a listing asks; gives the line with our answer.
fn answer(session: &mut Session<'_>, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["storage", ..] => {
            let store = &session.store;
            format!("storage {} {} {}", store.last_tid(), store.len(), store.size())
        }
        ["before", oid, tid, ..] => {
            let answer = match session.before(Oid(id(oid)), Tid(id(tid))) {
                Err(StoreError::NoObject(_)) => "key".to_owned(),
                Ok(None) => "none".to_owned(),
                Ok(Some(found)) => {
                    let until = found.until.map_or("-".to_owned(), |tid| tid.to_string());
                    format!("{} {until} {}", found.serial, digest(&found.data))
                }
                Err(error) => error.to_string(),
            };
            format!("before {oid} {tid} {answer}")
        }
        ["serial", oid, tid, ..] => {
            let answer = match session.serial(Oid(id(oid)), Tid(id(tid))) {
                Err(StoreError::NoObject(_)) => "key".to_owned(),
                Ok(data) => digest(&data),
                Err(error) => error.to_string(),
            };
            format!("serial {oid} {tid} {answer}")
        }
        ["current", oid, ..] => {
            let answer = match session.current(Oid(id(oid))) {
                Ok(Current::At(tid)) => tid.to_string(),
                Ok(Current::Deleted(_) | Current::Absent) => "key".to_owned(),
                Err(error) => error.to_string(),
            };
            format!("current {oid} {answer}")
        }
        ["history", oid, count, ..] => {
            let answer = match session.history(Oid(id(oid)), count.parse().unwrap()) {
                Err(StoreError::NoObject(_)) => "key".to_owned(),
                Ok(pasts) => {
                    let past = |past: &Past| {
                        let strings =
                            [&past.user, &past.description, &past.extension].map(|text| digest(text));
                        format!("{} {} {}", past.tid, past.size, strings.join(" "))
                    };
                    pasts.iter().map(past).collect::<Vec<_>>().join(" ")
                }
                Err(error) => error.to_string(),
            };
            format!("history {oid} {count} {answer}")
        }
        _ => panic!("a line of a listing: {line}"),
    }
}

/// The transactions of a listing.
fn history(sample: &Sample) -> Vec<(Tid, Vec<Oid>)> {
    let lines = sample.listing.lines().filter_map(|line| line.strip_prefix("recent "));
    lines
        .map(|line| {
            let mut ids = line.split(' ').map(id);
            (Tid(ids.next().unwrap()), ids.map(Oid).collect())
        })
        .collect()
}

/// Those that a start knows with all their objects, and the one before them: a pack went through the first three of one sample, and
/// nobody knows what it took out behind them.
fn known(sample: &Sample) -> (Tid, Vec<(Tid, Vec<Oid>)>) {
    let mut all = history(sample);
    let recent = all.split_off(if sample.name == "packed" { 4 } else { 0 });
    (all.last().map_or(Tid::ZERO, |(tid, _)| *tid), recent)
}

#[test]
fn every_revision_python_reads_in_its_files_is_read_the_same_with_and_without_an_index() {
    for sample in SAMPLES {
        for with_index in [true, false] {
            for read_only in [true, false] {
                let mut disk = Disk::with(&[(FileId::Log, sample.log)]);
                if with_index {
                    disk.put(FileId::Index, sample.index.to_vec());
                }
                let options = OpenOptions { read_only, queue: 100.into(), ..options() };
                let opened = disk.try_open(options).unwrap().unwrap();
                let used = opened.report.index == IndexUse::Used;
                assert_eq!(used, with_index, "{}: {:?}", sample.name, opened.report);
                assert_eq!((opened.report.cut, opened.report.warnings), (None, vec![]), "{}", sample.name);
                assert_eq!((opened.base, opened.recent), known(&sample), "{}", sample.name);
                let mut session = Session { store: opened.store, disk: &mut disk };
                let mut questions = 0;
                for line in sample.listing.lines().filter(|line| !line.starts_with("recent")) {
                    assert_eq!(answer(&mut session, line), line, "{}", sample.name);
                    questions += 1;
                }
                assert!(questions > 10);
                assert_eq!(disk.bytes(FileId::Log), sample.log, "the log stays as it is");
            }
        }
    }
}

#[test]
fn the_index_saved_for_a_file_of_python_is_pythons_own() {
    for sample in SAMPLES {
        let mut disk = Disk::with(&[(FileId::Log, sample.log)]);
        disk.open();
        assert_eq!(disk.bytes(FileId::Index), sample.index, "{}", sample.name);
    }
}

#[test]
fn the_queue_is_filled_with_the_last_transactions_only() {
    for sample in SAMPLES {
        let mut disk = Disk::with(&[(FileId::Log, sample.log)]);
        let opened = disk.open();
        let (first, mut all) = known(&sample);
        let recent = all.split_off(all.len().saturating_sub(3));
        let base = all.last().map_or(first, |(tid, _)| *tid);
        assert_eq!((opened.base, opened.recent), (base, recent), "{}", sample.name);
    }
}

#[test]
fn every_truncation_of_a_file_of_python_recovers_a_prefix() {
    for sample in SAMPLES {
        let ends: Vec<Tid> =
            [Tid::ZERO].into_iter().chain(history(&sample).iter().map(|(tid, _)| *tid)).collect();
        let mut last = 0;
        for len in 4..sample.log.len() {
            let mut disk = Disk::with(&[(FileId::Log, &sample.log[..len])]);
            let opened = disk.open();
            let now = ends.iter().position(|tid| *tid == opened.store.last_tid()).unwrap();
            assert!(now == last || now == last + 1, "{} at {len}", sample.name);
            last = now;
            let cut = opened.report.cut.map_or(0, |cut| cut.bytes);
            assert_eq!(opened.store.size() + cut, len as u64);
        }
    }
}
