use crate::wire::pickle::{class_name, read_prefix};
use crate::wire::tree::{Kind, Tree};

#[test]
fn a_stream_of_pickles_is_read_one_by_one() {
    let stream = b"\x80\x03K\x01.\x80\x03K\x02.N.";
    let mut tree = Tree::new();
    let mut at = 0;
    let mut seen = Vec::new();
    while at < stream.len() {
        let (value, len) = read_prefix(&stream[at..], &mut tree).unwrap();
        seen.push(value.as_int());
        at += len;
    }
    assert_eq!(seen, [Some(1), Some(2), None]);
}

#[test]
fn a_second_pickle_does_not_see_the_memo_of_the_first() {
    let stream = b"K\x01q\x00.h\x00.";
    let mut tree = Tree::new();
    let (_, len) = read_prefix(stream, &mut tree).unwrap();
    assert!(read_prefix(&stream[len..], &mut tree).is_err());
}

#[test]
fn the_class_of_a_record_is_told_as_zodb_tells_it() {
    let class = |record: &[u8]| class_name(record);
    let counter = Some("app.Counter".to_string());
    // The class itself, as ZODB writes it today.
    assert_eq!(class(b"\x80\x03capp\nCounter\nq\x00.\x80\x03}q\x01."), counter);
    assert_eq!(class(b"capp\nCounter\nq\x00.}q\x01."), counter);
    // With arguments for __new__.
    assert_eq!(class(b"\x80\x03capp\nCounter\nq\x00)\x86q\x01.}."), counter);
    assert_eq!(class(b"(capp\nCounter\nq\x01Nt.}."), counter);
    // By name.
    assert_eq!(class(b"\x80\x03X\x03\0\0\0appX\x07\0\0\0Counter\x86)\x86.}."), counter);
    assert_eq!(class(b"((U\x03appU\x07CountertNt.}."), counter);
    assert_eq!(class(b"\x80\x03X\x03\0\0\0appX\x07\0\0\0Counter\x86.}."), counter);
    assert_eq!(class(b"\x80\x04\x8c\x03app\x8c\x07Counter\x93."), counter);
    // Not records.
    for other in [&b""[..], b"K\x01.", b").", b"garbage", b"X\x01\0\0\0a\x85."] {
        assert_eq!(class(other), None);
    }
}

#[test]
fn references_of_a_record_can_be_found_in_its_state() {
    // A state that refers to object 7 as (oid, class), as ZODB writes persistent references.
    let record = b"\x80\x03capp\nA\n.\x80\x03}X\x01\0\0\0bC\x08\0\0\0\0\0\0\0\x07capp\nB\n\x86Qs.";
    let mut tree = Tree::new();
    let (_, len) = read_prefix(record, &mut tree).unwrap();
    let (state, _) = read_prefix(&record[len..], &mut tree).unwrap();
    let Some(Kind::Persid(reference)) = state.field("b").map(|value| value.kind()) else {
        panic!("{state:?}")
    };
    assert_eq!(reference.items().and_then(|mut items| items.next()?.as_oid()), Some(crate::ids::Oid(7)));
}
