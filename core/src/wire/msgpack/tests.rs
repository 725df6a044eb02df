use super::read;
use crate::limits;
use crate::wire::Malformed;
use crate::wire::tree::{Owned, Tree, Value};
use proptest::prelude::*;

fn owned(message: &[u8]) -> Result<Owned, Malformed> {
    read(message, &mut Tree::new()).and_then(Value::to_owned)
}

#[test]
fn every_marker_reads_as_the_specification_says() {
    for (message, printed) in [
        (&b"\x00"[..], "0"),
        (b"\x7f", "127"),
        (b"\xe0", "-32"),
        (b"\xff", "-1"),
        (b"\xc0", "None"),
        (b"\xc2", "False"),
        (b"\xc3", "True"),
        (b"\xcc\xff", "255"),
        (b"\xcd\x01\x00", "256"),
        (b"\xce\x00\x01\x00\x00", "65536"),
        (b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", "9223372036854775807"),
        (b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00", "0x008000000000000000"),
        (b"\xd0\x80", "-128"),
        (b"\xd1\x80\x00", "-32768"),
        (b"\xd2\x80\x00\x00\x00", "-2147483648"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        (b"\xca\x3f\xc0\x00\x00", "1.5"),
        (b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5"),
        (b"\xc4\x01a", "b'a'"),
        (b"\xc5\x00\x01a", "b'a'"),
        (b"\xc6\x00\x00\x00\x01a", "b'a'"),
        (b"\xa1a", "'a'"),
        (b"\xd9\x01a", "'a'"),
        (b"\xda\x00\x01a", "'a'"),
        (b"\xdb\x00\x00\x00\x01a", "'a'"),
        (b"\x92\x01\x91\x90", "(1, ((),))"),
        (b"\xdc\x00\x01\x01", "(1,)"),
        (b"\xdd\x00\x00\x00\x01\x01", "(1,)"),
        (b"\x81\xa1a\x80", "{'a': {}}"),
        (b"\xde\x00\x01\x01\x02", "{1: 2}"),
        (b"\xdf\x00\x00\x00\x01\x01\x02", "{1: 2}"),
    ] {
        assert_eq!(owned(message).map(|value| value.to_string()), Ok(printed.to_string()));
    }
}

#[test]
fn extension_types_and_the_unused_marker_are_refused() {
    for opcode in [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8] {
        let refused = Err(Malformed::Opcode { encoding: "msgpack", opcode, at: 1 });
        assert_eq!(owned(&[0x91, opcode, 0, 0, 0, 0]), refused);
    }
}

#[test]
fn text_must_be_utf_8() {
    assert_eq!(owned(b"\xa1\xe9"), Err(Malformed::Text(0)));
    assert_eq!(owned(b"\xa3\xed\xa0\x80"), Err(Malformed::Text(0)));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| [&b"\x91".repeat(depth)[..], b"\xc0"].concat();
    assert!(owned(&nested(limits::DEPTH)).is_ok());
    assert_eq!(owned(&nested(limits::DEPTH + 1)), Err(Malformed::Limit("depth")));
    assert_eq!(owned(&nested(1_000_000)), Err(Malformed::Limit("depth")));
}

#[test]
fn lengths_beyond_the_message_reserve_nothing() {
    for head in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"",
    ] {
        assert_eq!(owned(head), Err(Malformed::Truncated));
    }
}

#[test]
fn a_message_may_hold_so_many_values_and_no_more() {
    let n = limits::VALUES as u32 + 1;
    let message = [&[0xdd][..], &n.to_be_bytes(), &b"\xc0".repeat(n as usize)].concat();
    assert_eq!(owned(&message), Err(Malformed::Limit("values")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = owned(&bytes);
    }
}
