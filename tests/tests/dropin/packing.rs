//! One file packed by Python and by us: what comes out is the same, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::CopiedTransaction;
use zeolith_core::store::blob::BlobId;
use zeolith_net::offline::{Offline, Pack};
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::Home;

/// One pack of Python's.
pub struct Case {
    pub file: String,
    pub packed: String,
    time: f64,
    pub gc: bool,
    pub error: Option<String>,
    /// Object and transaction of each blob that was there, and of those that went.
    blobs: Vec<String>,
    gone: Vec<String>,
    /// Whether later records point back before the time of the pack.
    back: bool,
    /// Some of them are of objects that nothing reached then.
    alone: bool,
}

pub fn cases(home: &Home, seed: usize, count: usize) -> Vec<Case> {
    let script = Script::new("packing.py").arg(home.path("")).arg(seed.to_string()).arg(count.to_string());
    let printed = script.limit(Duration::from_secs(120 + count as u64)).run();
    let case = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let texts = |key: &str| serde_json::from_value(value[key].clone()).expect("a list of texts");
        Case {
            file: text("file").expect("a path"),
            packed: text("packed").expect("a path"),
            time: value["time"].as_f64().expect("a number"),
            gc: value["gc"].as_bool().expect("a flag"),
            error: text("error"),
            blobs: texts("blobs"),
            gone: texts("gone"),
            back: value["back"].as_bool().expect("a flag"),
            alone: value["alone"].as_bool().expect("a flag"),
        }
    };
    printed.lines().filter(|line| line.starts_with('{')).map(case).collect()
}

pub fn transactions(path: &Path) -> Vec<CopiedTransaction> {
    let mut storage = Offline::open_read_only(path).expect("a file that opens");
    let mut cursor = storage.transactions(Tid::ZERO);
    std::iter::from_fn(|| storage.next(&mut cursor).expect("a file that can be read")).collect()
}

/// Packs a copy of the file; gives its bytes, and which blobs go.
fn packed_by_us(home: &Home, case: &Case) -> Result<(Vec<u8>, Vec<String>), String> {
    let ours = home.path("ours.fs");
    for suffix in ["", ".index", ".sums", ".lock", ".old"] {
        let _ = fs::remove_file(home.path(&format!("ours.fs{suffix}")));
    }
    fs::copy(&case.file, &ours).expect("a disk with room");
    let mut storage = Offline::open(&ours, false).expect("a file of Python's");
    let stop = Tid::of_time(case.time).expect("a time of our days");
    let outcome = storage.pack(stop, case.gc, true);
    storage.close().expect("a disk with room");
    let outcome = outcome.map_err(|error| error.to_string())?;
    let old = home.path("ours.fs.old");
    let is_done = matches!(outcome, Pack::Done { .. });
    let mut gone: Vec<String> = match outcome {
        Pack::Done { before, after, gone } => {
            assert_eq!(fs::read(&old).unwrap(), fs::read(&case.file).unwrap(), "the old log is kept");
            assert_eq!(fs::metadata(&old).unwrap().len(), before);
            assert_eq!(fs::metadata(&ours).unwrap().len(), after);
            gone.iter().map(|BlobId { oid, tid }| format!("{oid} {tid}")).collect()
        }
        Pack::Nothing(_) => {
            assert!(!old.exists());
            Vec::new()
        }
    };
    gone.sort();
    for suffix in ["pack", "pack.sums", "pack.index"] {
        assert!(!home.path(&format!("ours.fs.{suffix}")).exists(), "{suffix} is left behind");
    }
    // Its checksums and its index are of use, and it can be packed again.
    let storage = Offline::open(&ours, false).expect("the packed file");
    assert!(storage.summary().report.damaged.is_empty() && storage.summary().report.cut.is_none());
    if is_done {
        assert_eq!(storage.summary().report.structure, 0, "{:?}", storage.summary().report);
    }
    storage.close().expect("a disk with room");
    Ok((fs::read(&ours).expect("a file"), gone))
}

/// What is in a file of Python's, and not in ours of the same history. Of objects that an undo brings back and nothing else
/// reached, ours keeps what they refer to, too, and what they were before the undo is found only where it is known.
fn lost(home: &Home, ours: Vec<u8>, theirs: Vec<u8>) -> Vec<(Oid, Tid)> {
    let [ours, theirs] = [("ours", ours), ("theirs", theirs)].map(|(name, bytes)| {
        let path = home.path(name);
        fs::write(&path, bytes).expect("a disk with room");
        let records = transactions(&path).into_iter().flat_map(|transaction| transaction.records);
        let records: BTreeMap<_, _> = records.map(|it| ((it.oid, it.serial), it.data)).collect();
        for suffix in [".index", ".sums", ".lock"] {
            let _ = fs::remove_file(home.path(&format!("{name}{suffix}")));
        }
        records
    });
    theirs.into_iter().filter(|(id, data)| ours.get(id) != Some(data)).map(|(id, _)| id).collect()
}

#[test]
fn a_packed_file_is_what_python_makes_of_it() {
    let home = Home::new();
    let (mut packed, mut nothing, mut refused, mut kept, mut more, mut blobs) = (0, 0, 0, 0, 0, 0);
    for case in cases(&home, repetitions(1, 2), repetitions(80, 1_000)) {
        let Case { file, time, gc, error, .. } = &case;
        let told = format!("{file} packed to {time}, gc {gc}");
        let theirs = fs::read(&case.packed).expect("a file");
        let ours = packed_by_us(&home, &case).map(|(ours, gone)| {
            blobs += gone.len();
            // With an object that is garbage, or deleted, Python removes what its later revisions need, too.
            let later = |blob: &&String| blob[17..] > Tid::of_time(*time).expect("a time").to_string()[..];
            let gone: Vec<_> = gone.into_iter().filter(|blob| case.blobs.contains(blob)).collect();
            let due: Vec<_> = case.gone.iter().filter(|blob| !later(blob)).cloned().collect();
            assert!(error.is_some() || case.alone || gone == due, "{told}: {gone:?}, {due:?}");
            ours
        });
        match (ours, error) {
            (Ok(ours), None) if ours == theirs => {
                let same = theirs == fs::read(file).expect("a file");
                if same { nothing += 1 } else { packed += 1 }
            }
            (Ok(ours), None) if *gc && case.alone => {
                assert_eq!(lost(&home, ours, theirs), [], "{told}");
                more += 1;
            }
            (Ok(ours), None) => {
                // Python may drop the newest transaction; ours is there without records.
                let is_same = ours == fs::read(file).expect("a file");
                let home = Home::new();
                let (at, of) = (home.path("ours"), home.path("theirs"));
                fs::write(&at, ours).unwrap();
                fs::write(&of, theirs).unwrap();
                let (mut ours, theirs) = (transactions(&at), transactions(&of));
                let newest = ours.pop().expect("it is never empty");
                if is_same {
                    // With it all that is there stays, and there is nothing to pack.
                    ours.iter_mut().for_each(|transaction| transaction.status = b'p');
                }
                assert_eq!((ours, newest.records.len()), (theirs, 0), "{told}");
                kept += 1;
            }
            (Err(why), Some(error)) => {
                assert!(
                    why.contains("refers to object") || why.contains("no root"),
                    "{told}: {why}, {error}"
                );
                refused += 1;
            }
            // What an undo has brought back refers to nothing: no pack can help that.
            (Ok(_), Some(error)) if *gc && error == "KeyError" => assert!(case.back, "{told}: {error}"),
            // Python finds no place for a pointer to what it has dropped.
            (Ok(_), Some(error)) => assert!(!gc && error != "KeyError", "{told}: only Python fails: {error}"),
            (Err(why), None) => panic!("{told}: {why}"),
        }
    }
    println!(
        "{packed} packed alike, {nothing} with nothing to do, {refused} refused, {kept} keep their newest, {more} may \
         keep more"
    );
    assert!(packed > 20 && nothing > 5 && refused > 2, "{packed}, {nothing}, {refused}, {kept}");
    assert!(more > 2, "{more} with what undos brought back alone");
    assert!(blobs > 20, "{blobs} blobs went");
}
