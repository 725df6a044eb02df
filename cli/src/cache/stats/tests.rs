use super::*;
use zeolith_core::ids::{Oid, Tid};

fn traced(code: Code, oid: u64, size: u32) -> Traced {
    Traced { code, size, oid: Oid(oid), start: Tid(5), end: Tid::ZERO }
}

/// What is printed about a trace with these records.
fn printed(records: &[(u32, Traced)], cut: usize, options: &[&str]) -> (String, Result<(), CacheError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.trace");
    let mut bytes = Vec::new();
    records.iter().for_each(|(seconds, traced)| traced.put(*seconds, &mut bytes));
    std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
    let arguments = StatsArgs {
        verbose: options.contains(&"-v"),
        quiet: options.contains(&"-q"),
        sizes: options.contains(&"-s"),
        no_stats: options.contains(&"-S"),
        load_histogram: options.contains(&"-h"),
        check: false,
        interval: 900,
        trace: path,
        help: None,
    };
    let mut out = Vec::new();
    let done = run(&arguments, &mut out);
    (String::from_utf8(out).unwrap(), done)
}

/// 2026-11-21 22:25:30 UTC.
const NOW: u32 = 1_795_299_930;

fn sample() -> Vec<(u32, Traced)> {
    vec![
        (NOW, Traced::OPENED),
        (NOW, traced(Code::LoadMiss, 1, 0)),
        (NOW + 1, traced(Code::Store, 1, 300)),
        (NOW + 2, traced(Code::LoadHit, 1, 300)),
        (NOW + 3, traced(Code::InvalidateMiss, 2, 0)),
        (NOW + 900, traced(Code::InvalidateKeep, 1, 0)),
    ]
}

#[test]
fn intervals_and_sums_are_printed() {
    let (text, done) = printed(&sample(), 0, &[]);
    done.unwrap();
    let expected = "                   loads    hits  inv(h)  writes hitrate
Nov 21 22:25-25       0       0       0       0     n/a
Nov 21 22:25:30 ==================== Restart ====================
Nov 21 22:25-25       2       1       0       1   50.0%
Nov 21 22:40-40       0       0       1       0     n/a

Read 6 trace records (196 bytes) in 0.0 seconds
Versions:   0 records used a version
First time: Sat Nov 21 22:25:30 2026
Last time:  Sat Nov 21 22:40:30 2026
Duration:   900 seconds
Data recs:  2 (33.3%), average size 300 bytes
Hit rate:   50.0% (load hits / loads)

        Count Code Function (action)
            1  00  cache opened
            1  10  invalidate (miss)
            1  1c  invalidate (hit, kept as non-current)
            1  20  load (miss)
            1  22  load (hit)
            1  52  store (current)
";
    assert_eq!(text, expected);
}

#[test]
fn a_trace_that_is_cut_off_is_summed_up_to_there_and_fails() {
    let (text, done) = printed(&sample(), 5, &["-q"]);
    assert!(text.contains("Read 5 trace records (191 bytes)"), "{text}");
    assert!(
        done.unwrap_err().to_string().contains("ends inside a record at byte 162; the figures are of the 5")
    );
}

#[test]
fn histograms_are_printed_on_demand() {
    let (text, _) = printed(&sample(), 0, &["-q", "-S", "-h", "-s"]);
    assert!(text.contains("Unique oids: 1\nTotal loads: 2\n"), "{text}");
    assert!(text.contains("\n    2       1 100.0% 100.0% 100.0%\n"), "{text}");
    assert!(
        text.contains("Unique sizes loaded: 1\n      size   objs  loads\n       300      1      1\n"),
        "{text}"
    );
}

#[test]
fn a_clock_that_was_set_back_is_no_trouble() {
    let (text, done) = printed(&[(NOW, Traced::OPENED), (NOW - 5000, traced(Code::LoadMiss, 1, 0))], 0, &[]);
    done.unwrap();
    assert!(text.contains("Duration:   -5,000 seconds"), "{text}");
    assert!(text.contains("average size 0 bytes"), "{text}");
}
