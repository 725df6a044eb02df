use super::*;
use crate::store::file::format::Damaged;
use crate::store::file::view::{Spans, run};

/// Reads an index whose bytes come as they are asked for.
fn read(bytes: &[u8]) -> Result<(Index, u64), Damaged> {
    let mut walk = IndexWalk::default();
    let mut spans = Spans::default();
    loop {
        match run(&mut walk, &mut spans, bytes.len() as u64, &[]) {
            Ok(answer) => return Ok(answer),
            Err(Need::Damaged(damaged)) => return Err(damaged),
            Err(Need::Bytes(span)) => {
                let from = span.at as usize;
                spans.add(span.at, Bytes::copy_from_slice(&bytes[from..from + span.len]));
            }
        }
    }
}

fn written(objects: impl IntoIterator<Item = (u64, u64)>, end: u64) -> Vec<u8> {
    let mut index = Index::new();
    for (oid, at) in objects {
        index.set(Oid(oid), at, SizeClass::of(100));
    }
    encode(&index, end).concat()
}

#[test]
fn an_index_is_written_as_python_writes_it() {
    // i = fsIndex(); for k in (0, 1, 5, 70000): i[p64(k)] = 1000 + k
    // i.save(200, name)
    let expected = b"\x80\x03K\xc8.\
        \x80\x03C\x06\0\0\0\0\0\0C\x18\0\0\0\x01\0\x05\0\0\0\0\x03\xe8\0\0\0\0\x03\xe9\0\0\0\0\x03\xed\x86.\
        \x80\x03C\x06\0\0\0\0\0\x01C\x08\x11p\0\0\0\x01\x15X\x86.\x80\x03N.";
    assert_eq!(written([0, 1, 5, 70_000].map(|k| (k, 1000 + k)), 200), expected);
}

#[test]
fn positions_of_every_size_are_written_as_python_writes_them() {
    let start = |end| encode_position(end).to_vec();
    assert_eq!(start(256), b"\x80\x03M\0\x01.");
    assert_eq!(start(70_000), b"\x80\x03Jp\x11\x01\0.");
    assert_eq!(start(1 << 31), b"\x80\x03\x8a\x05\0\0\0\x80\0.");
    assert_eq!(start(1 << 33), b"\x80\x03\x8a\x05\0\0\0\0\x02.");
    for end in [4, 255, 256, 65_535, 65_536, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 48) - 1] {
        assert_eq!(read(&written([], end)).unwrap().1, end);
    }
}

#[test]
fn a_large_index_is_read_back_in_chunks() {
    let objects = || (0..200_000u64).map(|k| (k * 3, 1000 + k)).chain([(u64::MAX, 5)]);
    let (index, end) = read(&written(objects(), 1 << 20)).unwrap();
    assert_eq!(end, 1 << 20);
    assert!(index.iter().map(|(oid, entry)| (oid.0, entry.at)).eq(objects()));
}

#[test]
fn an_index_of_python_2_is_read() {
    let bytes = b"\x80\x01J\xc8\0\0\0.\x80\x01U\x06\0\0\0\0\0\0q\x01U\x08\0\x07\0\0\0\0\0\x08q\x02\x86q\x03.\x80\x01N.";
    let (index, end) = read(bytes).unwrap();
    assert_eq!((end, index.get(Oid(7)).unwrap().at, index.len()), (200, 8, 1));
}

#[test]
fn half_an_index_is_none() {
    let whole = written([(1, 10), (70_000, 20)], 100);
    assert!(read(&whole).is_ok());
    for len in 1..whole.len() {
        let error = read(&whole[..len]).unwrap_err();
        assert!(matches!(error.what, Broken::Pickle | Broken::Ends), "{len}: {error}");
    }
}

#[test]
fn what_python_would_not_have_written_is_refused() {
    let what = |bytes: &[u8]| read(bytes).unwrap_err().what;
    assert_eq!(what(&written([(1, 100)], 100)), Broken::Position);
    assert_eq!(what(&written([(1, 3)], 100)), Broken::Position);
    assert_eq!(what(b"\x80\x03N."), Broken::Pickle, "no position");
    assert_eq!(what(b"\x80\x03J\xff\xff\xff\xff."), Broken::Pickle, "a negative position");
    assert_eq!(what(b"\x80\x03KdKd."), Broken::Pickle, "two values");
    assert_eq!(what(b"\x80\x03Kd.\x80\x03Kd."), Broken::Pickle, "two positions");
    assert_eq!(what(b"\x80\x03}q\x01."), Broken::Pickle, "a dictionary, as ZODB 3.9 wrote");
    let twice =
        b"\x80\x03Kd.\x80\x03C\x06\0\0\0\0\0\0C\x10\0\x01\0\x01\0\0\0\0\0\x08\0\0\0\0\0\x09\x86.\x80\x03N.";
    assert_eq!(what(twice), Broken::Pickle, "an oid twice");
}
