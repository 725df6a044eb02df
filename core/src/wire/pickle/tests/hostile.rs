use super::owned;
use crate::limits;
use crate::wire::Malformed;
use crate::wire::pickle::read;
use crate::wire::tree::{Owned, Tree};
use proptest::prelude::*;

#[test]
fn nesting_is_read_at_any_depth_and_walked_to_the_limit() {
    let nested = |depth: usize| [&b"]".repeat(depth)[..], &b"a".repeat(depth - 1), b"."].concat();
    assert!(owned(&nested(limits::DEPTH)).is_ok());
    assert_eq!(owned(&nested(limits::DEPTH + 1)), Err(Malformed::Limit("depth")));
    let deep = nested(1_000_000);
    assert!(read(&deep, &mut Tree::new()).is_ok());
    assert_eq!(owned(&deep), Err(Malformed::Limit("depth")));
    let tuples = [&b")"[..], &b"\x85".repeat(1_000_000), b"."].concat();
    assert_eq!(owned(&tuples), Err(Malformed::Limit("depth")));
}

#[test]
fn a_list_that_contains_itself_is_walked_to_the_limit() {
    // A small message reaches the bound on its values before the one on their nesting.
    for cycle in [&b"]q\x00h\x00a."[..], b"}q\x00Nh\x00s.", b"cbuiltins\nset\n]q\x00h\x00a\x85R."] {
        assert!(matches!(owned(cycle), Err(Malformed::Limit("values" | "depth"))));
    }
    let mut tree = Tree::new();
    let value = read(b"]q\x00h\x00a.", &mut tree).unwrap();
    assert!(format!("{value:?}").contains("limit"));
}

#[test]
fn a_memo_that_doubles_with_every_step_is_walked_to_the_limit() {
    let mut laughs = b"]q\x00".to_vec();
    for _ in 0..60 {
        laughs.extend_from_slice(b"2\x86");
    }
    laughs.push(b'.');
    assert_eq!(owned(&laughs), Err(Malformed::Limit("values")));
}

#[test]
fn text_repeated_through_the_memo_is_copied_to_the_limit() {
    let mut pickle = b"(X\x00\x00\x10\x00".to_vec();
    pickle.extend_from_slice(&vec![b'x'; 1 << 20]);
    pickle.extend_from_slice(b"q\x00");
    pickle.extend_from_slice(&b"h\x00".repeat(100));
    pickle.extend_from_slice(b"t.");
    assert_eq!(owned(&pickle), Err(Malformed::Limit("bytes")));
}

#[test]
fn text_turned_into_bytes_over_and_over_is_refused() {
    let mut pickle = b"(X\x00\x00\x10\x00".to_vec();
    pickle.extend_from_slice(&vec![b'x'; 1 << 20]);
    pickle.extend_from_slice(b"q\x00X\x06\0\0\0latin1q\x01c_codecs\nencode\nq\x02");
    pickle.extend_from_slice(&b"h\x02h\x00h\x01\x86R".repeat(100));
    pickle.extend_from_slice(b"t.");
    assert_eq!(read(&pickle, &mut Tree::new()).map(drop), Err(Malformed::Limit("rewritten text")));
}

#[test]
fn many_calls_with_one_long_text_cost_no_more_than_their_opcodes() {
    // If each call looked at its text, this would read terabytes.
    let text = vec![b'x'; 4 << 20];
    let long = |before: &[u8], after: &[u8]| [before, &text, after].concat();
    let calls = [
        (long(b"X\0\0\x40\0", b"q\x00c_codecs\nencode\nq\x01(0"), &b"h\x01h\x00h\x00\x86R0"[..]),
        (long(b"c", b"\nname\nq\x00]\x85q\x01(0"), b"h\x00h\x01R0"),
    ];
    for (setup, call) in calls {
        let pickle = [&setup[..], &call.repeat(1_000_000)].concat();
        assert_eq!(read(&pickle, &mut Tree::new()).map(drop), Err(Malformed::Truncated));
    }
}

#[test]
fn lengths_beyond_the_message_reserve_nothing() {
    for head in [
        &b"B\xff\xff\xff\xff"[..],
        b"X\xff\xff\xff\xff",
        b"T\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\x7f",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x96\x00\x00\x00\x00\x01\x00\x00\x00",
        b"\x95\xff\xff\xff\xff\xff\xff\xff\xff",
        b"S'no newline'",
        b"cno newline",
    ] {
        assert_eq!(owned(head), Err(Malformed::Truncated), "{}", head.escape_ascii());
    }
}

#[test]
fn a_pickle_may_hold_so_many_values_and_no_more() {
    let list = |n: usize| [&b"(N"[..], &b"2".repeat(n - 1), b"l."].concat();
    assert!(read(&list(1000), &mut Tree::new()).is_ok());
    let too_many = [&b"("[..], &b"N".repeat(limits::VALUES + 1), b"l."].concat();
    assert_eq!(read(&too_many, &mut Tree::new()).map(drop), Err(Malformed::Limit("values")));
    let copies = list(2 * limits::VALUES + 1);
    assert_eq!(read(&copies, &mut Tree::new()).map(drop), Err(Malformed::Limit("values")));
    let marks = [&b"(".repeat(limits::VALUES + 1)[..], b"l."].concat();
    assert_eq!(read(&marks, &mut Tree::new()).map(drop), Err(Malformed::Limit("marks")));
}

#[test]
fn a_memo_may_hold_so_many_entries_and_no_more() {
    let memoize = |n: usize| [&b"N"[..], &b"\x94".repeat(n), b"."].concat();
    assert_eq!(owned(&memoize(limits::MEMO)), Ok(Owned::None));
    assert_eq!(owned(&memoize(limits::MEMO + 1)), Err(Malformed::Limit("memo entries")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = owned(&bytes);
    }

    #[test]
    fn random_opcodes_never_panic(
        ops in prop::collection::vec(prop::sample::select(OPERATIONS), 0..100),
    ) {
        let mut pickle = ops.concat();
        pickle.push(b'.');
        let mut tree = Tree::new();
        if let Ok(value) = read(&pickle, &mut tree) {
            let _ = format!("{value:?}");
        }
    }
}

/// Opcodes with operands, so that random rows of them get somewhere.
const OPERATIONS: &[&[u8]] = &[
    b"(",
    b"0",
    b"1",
    b"2",
    b"N",
    b"K\x01",
    b"\x88",
    b")",
    b"]",
    b"}",
    b"t",
    b"l",
    b"d",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x85",
    b"\x86",
    b"\x87",
    b"q\x00",
    b"q\x01",
    b"h\x00",
    b"h\x01",
    b"\x94",
    b"\x8f",
    b"\x90",
    b"\x91",
    b"R",
    b"b",
    b"Q",
    b"o",
    b"\x81",
    b"\x92",
    b"\x93",
    b"C\x02ab",
    b"U\x02ab",
    b"U\x01\xe9",
    b"X\x02\0\0\0ab",
    b"V\\u20ac\n",
    b"S'a'\n",
    b"cbuiltins\nset\n",
    b"cbuiltins\nbytearray\n",
    b"c_codecs\nencode\n",
    b"X\x06\0\0\0latin1",
    b"cm\nC\n",
    b"im\nC\n",
    b"Px\n",
    b"\x82\x01",
    b"L123456789012345678901L\n",
    b"I1\n",
    b"F1\n",
    b"\x8a\x01\x01",
    b"r\x00\x00\x00\x80",
    b"j\x00\x00\x00\x80",
];
