use super::*;
use std::io::Write;
use zeolith_core::cache::trace::Code;
use zeolith_core::ids::{Oid, Tid};

fn stored(oid: u64) -> Traced {
    Traced { code: Code::Store, size: 300, oid: Oid(oid), start: Tid(5), end: Tid::ZERO }
}

fn trace(records: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Traced::OPENED.put(1_000, &mut bytes);
    (0..records).for_each(|oid| stored(oid).put(1_001, &mut bytes));
    bytes
}

/// All events of a file with this content, and how it ends.
fn read(name: &str, bytes: &[u8]) -> (Vec<Event>, Result<(), TraceError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut reader = TraceReader::open(&path).unwrap();
    let mut events = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, Ok(())),
            Err(error) => return (events, Err(error)),
        }
    }
}

#[test]
fn a_trace_of_many_chunks_is_read_whole_compressed_or_not() {
    let bytes = trace(10_000);
    let mut expected = vec![Event::Record(1_000, Traced::OPENED)];
    expected.extend((0..10_000).map(|oid| Event::Record(1_001, stored(oid))));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    let packed = packed.finish().unwrap();
    for (name, bytes) in [("c.trace", &bytes), ("c.trace.gz", &packed)] {
        let (events, end) = read(name, bytes);
        assert!(end.is_ok() && events == expected, "{name}: {end:?}, {} events", events.len());
    }
    // Compressed in two pieces, as when one trace was appended to another.
    let (events, end) = read("c.gz", &[&packed[..], &packed].concat());
    assert!(end.is_ok() && events.len() == 2 * expected.len());
}

#[test]
fn a_trace_that_is_cut_off_is_read_up_to_there() {
    let bytes = trace(3);
    for cut in 1..34 {
        let (events, end) = read("c.trace", &bytes[..bytes.len() - cut]);
        assert_eq!(events.len(), 3);
        let error = end.unwrap_err();
        assert!(matches!(error, TraceError::Truncated { at: 94, records: 3, .. }), "{error}");
    }
}

#[test]
fn what_a_crash_left_is_passed_over() {
    let zeros = [0; 16];
    let (events, end) = read("c.trace", &[&trace(1)[..], &zeros, &trace(1)].concat());
    assert!(end.is_ok());
    assert_eq!(events[2..4], [Event::Skipped(60), Event::Skipped(68)]);
    assert_eq!(events.len(), 6);
}

#[test]
fn other_files_are_refused() {
    let (_, end) =
        read("zeo.conf", b"<zeo>\n  address 8100\n</zeo>\n<filestorage>\n path Data.fs\n</filestorage>\n");
    assert!(end.unwrap_err().to_string().contains("is no cache trace: at byte 0, "));
    let (_, end) = read("c.trace", b"");
    assert!(matches!(end, Err(TraceError::Empty(_))));
    let (_, end) = read("c.trace.gz", &trace(3));
    assert!(matches!(end, Err(TraceError::Io { .. })));
    let (_, end) = read("c.trace", &[0; 1000]);
    assert!(matches!(end, Err(TraceError::Truncated { records: 0, .. })), "{end:?}");
    assert!(matches!(TraceReader::open(Path::new("/missing")), Err(TraceError::Io { .. })));
}
