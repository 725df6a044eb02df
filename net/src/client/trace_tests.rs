use super::*;
use zeolith_core::cache::trace::Code;
use zeolith_core::ids::{Oid, Tid};

fn stored() -> Traced {
    Traced { code: Code::Store, size: 300, oid: Oid(7), start: Tid(5), end: Tid::ZERO }
}

fn read(path: &Path) -> Vec<Traced> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut all = Vec::new();
    while let Some((seconds, traced, len)) = Traced::read(rest).unwrap() {
        assert!(seconds > 1_700_000_000, "{seconds} is not today");
        all.push(traced);
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    all
}

#[test]
fn a_trace_stands_beside_its_cache_and_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("main.zec");
    for _ in 0..2 {
        TraceFile::beside(&cache).unwrap().record(stored());
    }
    let expected = [stored(), stored()];
    assert_eq!(read(&folder.path().join("main.zec.trace")), expected);
}

#[test]
fn what_was_flushed_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("c");
    let mut trace = TraceFile::beside(&cache).unwrap();
    trace.record(stored());
    trace.flush();
    assert_eq!(read(&folder.path().join("c.trace")), [stored()]);
}

#[test]
fn a_trace_that_cannot_be_opened_is_none() {
    let folder = tempfile::tempdir().unwrap();
    assert!(TraceFile::beside(&folder.path().join("missing/c")).is_none());
}

#[test]
fn a_full_disk_ends_the_tracing_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("c");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("c.trace")).unwrap();
    let mut trace = TraceFile::beside(&cache).unwrap();
    for _ in 0..10_000 {
        trace.record(stored());
    }
    assert!(trace.file.is_none(), "more was written than any buffer holds");
    trace.flush();
}
