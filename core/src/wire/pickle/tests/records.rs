use crate::wire::pickle::{read_pair, read_prefix};
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
fn the_second_of_a_pair_recalls_what_the_first_memoized() {
    let record = b"\x80\x03capp\nA\nq\x00.\x80\x03h\x00\x85q\x01.rest";
    let mut tree = Tree::new();
    let (class, state, len) = read_pair(record, &mut tree).unwrap();
    assert_eq!(len, record.len() - 4);
    let [again] = state.array().unwrap();
    assert_eq!(again.place(), class.place());
    assert!(matches!(again.kind(), Kind::Global { module: "app", name: "A" }));
}
