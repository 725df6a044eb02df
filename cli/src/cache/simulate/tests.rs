use super::*;
use zeolith_core::cache::trace::{Code, Traced};
use zeolith_core::ids::{Oid, Tid};

fn traced(code: Code, oid: u64, size: u32, start: u64) -> Traced {
    Traced { code, size, oid: Oid(oid), start: Tid(start), end: Tid::ZERO }
}

/// What is printed for a trace with these records.
fn printed(records: &[Traced], change: impl FnOnce(&mut SimulateArgs)) -> (String, Result<(), CacheError>) {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("c.trace");
    let mut bytes = Vec::new();
    records.iter().for_each(|traced| traced.put(1_795_299_930, &mut bytes));
    std::fs::write(&trace, &bytes).unwrap();
    let mut arguments =
        SimulateArgs { size: 20 << 20, interval: 900, rearrange: 0.8, sizes: None, svg: None, trace };
    change(&mut arguments);
    let mut out = Vec::new();
    let done = run(&arguments, &mut out);
    (String::from_utf8(out).unwrap(), done)
}

fn sample() -> Vec<Traced> {
    let mut records = vec![Traced::OPENED];
    for oid in [1, 2, 3, 1, 4, 1, 5, 2, 1] {
        records.push(traced(Code::LoadMiss, oid, 0, 0));
        records.push(traced(Code::Store, oid, 1000, 7));
    }
    records
}

#[test]
fn one_size_is_simulated_as_zeo_does() {
    let (text, done) = printed(&sample(), |_| ());
    done.unwrap();
    let expected = "CircularCacheSimulation, cache size 20,971,520 bytes
  START TIME   DUR.   LOADS    HITS INVALS WRITES HITRATE  EVICTS   INUSE
Nov 21 22:25      0       9       4      0      5   44.4%       0     0.0
--------------------------------------------------------------------------
Nov 21 22:25      0       9       4      0      5   44.4%       0     0.0
";
    assert_eq!(text, expected);
}

#[test]
fn what_ends_the_original_in_an_error_is_passed_over() {
    let hostile = [
        // Larger than the cache, unchanged since yesterday, older than what it invalidates.
        traced(Code::Store, 1, 900_000, 5),
        traced(Code::Store, 2, 0, 5),
        traced(Code::InvalidateKeep, 2, 0, 3),
        traced(Code::StoreOld, 2, 10, 5),
        Traced { end: Tid(9), ..traced(Code::StoreOld, 3, 10, 5) },
        traced(Code::LoadBeforeHit, 3, 0, 5),
        traced(Code::LoadBeforeMiss, 3, 0, 0),
        traced(Code::InvalidateDrop, 3, 0, 0),
        Traced::OPENED,
    ];
    let (text, done) = printed(&hostile, |arguments| arguments.size = 100_000);
    done.unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    let (_, done) = printed(&hostile, |arguments| arguments.sizes = Some(vec![100_000]));
    done.unwrap();
}

#[test]
fn the_hit_rate_over_sizes_is_printed_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("hits.svg");
    let (text, done) = printed(&sample(), |arguments| {
        arguments.sizes = Some(vec![1 << 20, 3500, 2500]);
        arguments.svg = Some(svg.clone());
    });
    done.unwrap();
    let expected = "9 loads; 5 revisions of objects take 5.1 KB in a cache

cache size  ZEO's ring         LRU  look-ahead
    2.4 KB        0.0%       11.1%       44.4%
    3.4 KB       22.2%       33.3%       44.4%
      1 MB       44.4%       44.4%       44.4%
";
    assert_eq!(text, expected);
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<polyline").count(), 3);
    assert_eq!(svg.matches("<circle").count(), 9);
    for part in ["Hit rate over cache size", "cache size (logarithmic)", "ZEO's ring", "look-ahead", "1 MB"] {
        assert!(svg.contains(part), "{part}");
    }
}

#[test]
fn a_curve_of_no_loads_is_no_trouble() {
    let (text, done) = printed(&[Traced::OPENED], |arguments| arguments.sizes = Some(Vec::new()));
    done.unwrap();
    assert!(text.starts_with("0 loads; 0 revisions of objects take 0 bytes"), "{text}");
    assert!(text.contains("n/a"), "{text}");
}

#[test]
fn a_drawing_that_cannot_be_written_is_an_error() {
    let (_, done) = printed(&sample(), |arguments| arguments.svg = Some("/missing/hits.svg".into()));
    assert!(done.unwrap_err().to_string().starts_with("/missing/hits.svg cannot be written: "));
}

#[test]
fn sizes_are_bytes_with_or_without_a_unit() {
    let read = ["1000", "500K", "20m", "1G", "5MB"].map(|text| bytes(text).unwrap());
    assert_eq!(read, [1000, 500 << 10, 20 << 20, 1 << 30, 5 << 20]);
    for wrong in ["", "5T", "-1M", "20", "1e9", "99999999G"] {
        assert!(bytes(wrong).is_err(), "{wrong}");
    }
    assert_eq!(megabytes("0.5"), Ok(1 << 19));
    assert!(megabytes("0").is_err() && megabytes("nan").is_err() && megabytes("-1").is_err());
}
