use super::owned;
use crate::wire::Malformed;
use crate::wire::pickle::read;
use crate::wire::testing::{VALUES, lines};
use crate::wire::tree::{Kind, Owned, Tree, Value};

#[test]
fn every_protocol_of_both_pickle_modules_reads_as_the_same_value() {
    let pickles = || lines(VALUES).filter(|(_, encoding, _)| encoding.contains("pickle"));
    for (name, encoding, bytes) in pickles() {
        let (_, _, reference) = pickles().find(|(n, e, _)| *n == name && *e == "pickle5").expect(name);
        assert_eq!(owned(&bytes), owned(&reference), "{name} by {encoding}");
        owned(&bytes).expect(name);
    }
}

#[test]
fn recorded_values_are_the_ones_they_are_named_for() {
    let written =
        |name| lines(VALUES).find(|(n, _, _)| *n == name).map(|(_, _, bytes)| owned(&bytes).unwrap());
    let ints = |ints: &[i64]| Owned::Tuple(ints.iter().copied().map(Owned::Int).collect());
    assert_eq!(
        written("constants"),
        Some(Owned::Tuple(vec![Owned::None, Owned::Bool(true), Owned::Bool(false)]))
    );
    assert_eq!(
        written("small_negatives"),
        Some(ints(&[-1, -31, -32, -33, -127, -128, -129, -255, -256, -257]))
    );
    assert_eq!(
        written("lists").map(|lists| lists.to_string()),
        Some("([], [1], [1, 2], [[]], [[1, 2], [3]])".into())
    );
    assert_eq!(
        written("dicts").map(|dicts| dicts.to_string()),
        Some("({}, {'a': 1}, {'a': 1, 'b': {'c': b'd'}})".into())
    );
    assert_eq!(
        written("bytearrays"),
        Some(Owned::Tuple(vec![Owned::Bytes(vec![]), Owned::Bytes(b"a\xe9\xff".into())]))
    );
}

/// A pickle, and what it reads as, printed.
#[track_caller]
fn reads(pickle: &[u8], as_what: &str) {
    match owned(pickle) {
        Ok(value) => assert_eq!(value.to_string(), as_what),
        Err(error) => panic!("{error} instead of {as_what}"),
    }
}

#[test]
fn numbers_are_read_in_all_their_forms() {
    reads(b"I01\n.", "True");
    reads(b"I00\n.", "False");
    reads(b"I-12\n.", "-12");
    reads(b"L12L\n.", "12");
    reads(b"L12\n.", "12");
    reads(b"I9223372036854775807\n.", "9223372036854775807");
    reads(b"L9223372036854775808L\n.", "0x008000000000000000");
    reads(b"L-9223372036854775808L\n.", "-9223372036854775808");
    reads(b"L-9223372036854775809L\n.", "0xff7fffffffffffffff");
    reads(b"\x8a\x00.", "0");
    reads(b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff.", "-1");
    reads(b"\x8b\x02\x00\x00\x00\x00\x80.", "-32768");
    reads(b"F1e3\n.", "1000.0");
    reads(b"G\xbf\xf8\0\0\0\0\0\0.", "-1.5");
    reads(b"L340282366920938463463374607431768211456L\n.", "0x0100000000000000000000000000000000");
    reads(b"L-340282366920938463463374607431768211456L\n.", "0xff00000000000000000000000000000000");
    assert_eq!(owned(b"I12x\n."), Err(Malformed::Text(0)));
    assert_eq!(owned(b"I\n."), Err(Malformed::Text(0)));
    assert_eq!(owned(b"\x8b\xff\xff\xff\xff."), Err(Malformed::Truncated));
}

#[test]
fn python_2_strings_are_text_when_ascii_and_bytes_otherwise() {
    reads(b"U\x02ab.", "'ab'");
    reads(b"U\x02a\xe9.", "b'a\\xe9'");
    reads(b"T\x02\0\0\0ab.", "'ab'");
    reads(b"S'a\\x62\\n\\101\\'\\\\'\n.", "'ab\nA'\\'");
    reads(b"S\"\\xff\"\n.", "b'\\xff'");
    assert_eq!(owned(b"S'a\n."), Err(Malformed::Text(0)));
    assert_eq!(owned(b"S'\\x4'\n."), Err(Malformed::Text(0)));
    assert_eq!(owned(b"S'\n."), Err(Malformed::Text(0)));
}

#[test]
fn escaped_text_is_unescaped() {
    reads(b"Va\\u20ac\\U0001f600\xe9\n.", "'a\u{20ac}\u{1f600}\u{e9}'");
    reads(b"V\\n\\\\u20ac\n.", "'\\n\\\\u20ac'");
    assert_eq!(owned(b"V\\u20a\n."), Err(Malformed::Text(0)));
    assert_eq!(owned(b"V\\U00110000\n."), Err(Malformed::Text(0)));
    assert_eq!(owned(b"V\\ud800\n."), Ok(Owned::Surrogates(b"\xed\xa0\x80".into())));
    assert_eq!(owned(b"\x8c\x03\xed\xa0\x80."), Ok(Owned::Surrogates(b"\xed\xa0\x80".into())));
    assert_eq!(owned(b"\x8c\x03\xed\xa0a."), Err(Malformed::Text(0)));
}

#[test]
fn the_stack_is_moved_as_told() {
    reads(b"K\x01K\x020.", "1");
    reads(b"K\x01(K\x02K\x031.", "1");
    reads(b"K\x01(0.", "1");
    reads(b"K\x012\x86.", "(1, 1)");
    reads(b"(K\x01K\x02l.", "[1, 2]");
    reads(b"(K\x01K\x02d.", "{1: 2}");
    reads(b"](e.", "[]");
    reads(b"}(u.", "{}");
    reads(b"\x8f(K\x01\x90.", "{1}");
    reads(b"(K\x01\x91.", "{1}");
    for bad in [&b"."[..], b"0.", b"2.", b"(.", b"K\x01(.", b"K\x01K\x02.", b"t.", b"1.", b"K\x01\x86."] {
        assert!(matches!(owned(bad), Err(Malformed::Unbalanced(_))), "{}", bad.escape_ascii());
    }
    // What a mark interrupted is out of reach until it is closed.
    for bad in [&b"](K\x01a."[..], b"K\x01(\x85t.", b"K\x01(0" as &[u8], b"K\x01(2t.", b"K\x01(q\x00t."] {
        assert!(owned(bad).is_err(), "{}", bad.escape_ascii());
    }
    for bad in
        [&b"(K\x01d."[..], b"}(K\x01u.", b"K\x01K\x02a.", b"]K\x01K\x02s.", b")(K\x01e.", b"a.", b"K\x01a."]
    {
        assert!(matches!(owned(bad), Err(Malformed::Unbalanced(_))), "{}", bad.escape_ascii());
    }
}

#[test]
fn the_memo_gives_back_what_was_put() {
    reads(b"K\x01p7\nK\x02\x86g7\n\x86." as &[u8], "((1, 2), 1)");
    reads(b"K\x01q\xffh\xff\x86.", "(1, 1)");
    reads(b"K\x01r\xff\xff\xff\xffj\xff\xff\xff\xff\x86.", "(1, 1)");
    reads(b"K\x01\x94K\x02\x94\x86h\x00h\x01\x87.", "((1, 2), 1, 2)");
    reads(b"K\x01q\x00K\x02q\x00\x86h\x00\x86.", "((1, 2), 2)");
    reads(b"]q\x00K\x01ah\x00K\x02a\x86.", "([1, 2], [1, 2])");
    assert_eq!(owned(b"h\x00."), Err(Malformed::Unbalanced(0)));
    assert_eq!(owned(b"K\x01q\x05h\x04."), Err(Malformed::Unbalanced(4)));
    assert_eq!(owned(b"K\x01p-1\n."), Err(Malformed::Text(2)));
    assert_eq!(owned(b"K\x01p4294967296\n."), Err(Malformed::Text(2)));
    assert_eq!(owned(b"q\x00."), Err(Malformed::Unbalanced(0)));
}

#[test]
fn lists_that_grow_by_turns_keep_their_items_apart() {
    reads(b"]q\x00]q\x01\x86h\x00K\x01a0h\x01K\x02a0h\x00K\x03a0h\x01(K\x04K\x05e0.", "([1, 3], [2, 4, 5])");
}

#[test]
fn classes_calls_and_references_are_told_and_never_followed() {
    let shape = |pickle: &[u8]| {
        let mut tree = Tree::new();
        describe(read(pickle, &mut tree).unwrap())
    };
    assert_eq!(shape(b"cos\nsystem\n."), "os.system");
    assert_eq!(shape(b"\x8c\x02os\x8c\x06system\x93."), "os.system");
    assert_eq!(shape(b"cos\nsystem\nX\x02\0\0\0ls\x85R."), "os.system('ls')");
    assert_eq!(shape(b"(S'ls'\nios\nsystem\n."), "os.system('ls')");
    assert_eq!(shape(b"(cos\nsystem\nU\x02lso."), "os.system('ls')");
    assert_eq!(shape(b"cm\nC\n)\x81}b."), "m.C() with {}");
    assert_eq!(shape(b"cm\nC\nK\x01\x85}\x92."), "m.C((1,), {})");
    assert_eq!(shape(b"cm\nL\n)\x81(K\x01K\x02eK\x03a."), "m.L() with [1, 2, 3]");
    assert_eq!(shape(b"cm\nD\n)\x81K\x01K\x02s."), "m.D() with {1: 2}");
    assert_eq!(shape(b"Pname\n."), "-> 'name'");
    assert_eq!(shape(b"K\x01Q."), "-> 1");
    assert_eq!(shape(b"\x82\x05."), "extension 5");
    assert_eq!(shape(b"\x83\x05\x01."), "extension 261");
    assert_eq!(shape(b"\x84\x05\0\0\x01."), "extension 16777221");
    assert_eq!(owned(b"cos\nsystem\n."), Err(Malformed::Global("os.system".into())));
    assert_eq!(owned(b"(cos\nsystem\nU\x02lso\x85."), Err(Malformed::Global("os.system".into())));
    assert_eq!(owned(b"K\x01K\x02\x93."), Err(Malformed::Unbalanced(4)));
}

fn describe(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Global { module, name } => format!("{module}.{name}"),
        Kind::Reduce { callable, args } => {
            let args: Vec<_> = args.items().unwrap().map(describe).collect();
            format!("{}({})", describe(callable), args.join(", "))
        }
        Kind::Build { object, state } => format!("{} with {}", describe(object), describe(state)),
        Kind::Persid(id) => format!("-> {}", describe(id)),
        Kind::Extension(code) => format!("extension {code}"),
        _ => value.to_owned().unwrap().to_string(),
    }
}

#[test]
fn calls_that_only_look_like_data_stay_calls() {
    for call in [
        &b"cbuiltins\nset\nK\x01\x85R."[..],
        b"cbuiltins\neval\n]\x85R.",
        b"cother\nset\n]\x85R.",
        b"c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R.",
        b"c_codecs\nencode\nK\x01K\x02\x86R.",
        b"cbuiltins\nbytearray\nK\x05\x85R.",
    ] {
        assert!(matches!(owned(call), Err(Malformed::Global(_))), "{}", call.escape_ascii());
    }
    assert_eq!(
        owned(b"c_codecs\nencode\nX\x03\0\0\0\xe2\x82\xacX\x06\0\0\0latin1\x86R."),
        Err(Malformed::Text(36))
    );
}

#[test]
fn unknown_opcodes_and_protocols_are_refused() {
    let refused = |opcode, at| Err(Malformed::Opcode { encoding: "pickle", opcode, at });
    assert_eq!(owned(b"\x80\x06N."), refused(0x80, 0));
    assert_eq!(owned(b"N\x97."), refused(0x97, 1));
    assert_eq!(owned(b"\x98."), refused(0x98, 0));
    assert_eq!(owned(b"\x00."), refused(0, 0));
    assert_eq!(owned(b"\x80\x04\x95\x03\0\0\0\0\0\0\0N."), Err(Malformed::Truncated));
}
