use super::*;
use crate::ids::{Oid, Tid};
use crate::wire::Codec;

#[test]
fn a_tree_is_read_into_again_without_growing() {
    let message =
        b"\x80\x03(K\x01\x89X\x0a\0\0\0loadBeforeC\x08\0\0\0\0\0\0\0\x05C\x08\x03\0\0\0\0\0\0\0\x86t.";
    let mut tree = Tree::new();
    for _ in 0..3 {
        Codec::Pickle.read(message, &mut tree).unwrap();
    }
    let before = tree.room();
    for _ in 0..1000 {
        let [_, _, method, arguments] = Codec::Pickle.read(message, &mut tree).unwrap().array().unwrap();
        assert_eq!(method.as_str(), Some("loadBefore"));
        let [oid, tid] = arguments.array().unwrap();
        assert_eq!((oid.as_oid(), tid.as_tid()), (Some(Oid(5)), Some(Tid(3 << 56))));
    }
    assert_eq!(before, tree.room());
}

#[test]
fn the_room_of_a_large_message_is_given_back() {
    let large = [&b"("[..], &b"N".repeat(1_000_000), b"t."].concat();
    let mut tree = Tree::new();
    Codec::Pickle.read(&large, &mut tree).unwrap();
    assert!(tree.room() > 1_000_000);
    Codec::Pickle.read(b"N.", &mut tree).unwrap();
    assert!(tree.room() < 100_000);
}

#[test]
fn readers_take_their_own_kind_only() {
    let mut tree = Tree::new();
    let value = Codec::Pickle.read(b"(NK\x01\x88C\x01bX\x01\0\0\0s]}t.", &mut tree).unwrap();
    let [none, int, truth, bytes, text, list, dict] = value.array().unwrap();
    assert!(none.is_none() && !int.is_none());
    assert_eq!([none, int, truth, bytes].map(Value::as_int), [None, Some(1), Some(1), None]);
    assert_eq!([int, truth, text].map(Value::as_flag), [Some(true), Some(true), None]);
    assert_eq!([bytes, text, int].map(Value::as_bytes), [Some(&b"b"[..]), None, None]);
    assert_eq!([bytes, text, int].map(Value::as_str), [None, Some("s"), None]);
    assert_eq!([bytes, text, int].map(Value::as_octets), [Some(&b"b"[..]), Some(&b"s"[..]), None]);
    assert_eq!(
        [value, list, dict, text].map(|v| v.items().map(|items| items.len())),
        [Some(7), Some(0), None, None]
    );
    assert_eq!([dict, list].map(|v| v.pairs().map(|pairs| pairs.len())), [Some(0), None]);
    assert!(value.array::<6>().is_none() && bytes.as_oid().is_none());
}

#[test]
fn the_last_of_repeated_keys_counts() {
    let mut tree = Tree::new();
    let value = Codec::Pickle.read(b"}(X\x01\0\0\0aK\x01X\x01\0\0\0aK\x02u.", &mut tree).unwrap();
    assert_eq!(value.field("a").and_then(Value::as_int), Some(2));
    assert!(value.field("b").is_none());
}
