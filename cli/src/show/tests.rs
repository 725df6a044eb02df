use super::*;
use proptest::prelude::*;
use std::io::Write as _;

/// The text of a record of this class and state, both as pickles without their ends.
fn shown(class: &[u8], state: &[u8]) -> String {
    render(&[b"\x80\x03c", class, b"q\x00.\x80\x03", state, b"."].concat(), Options::default())
}

/// What is shown of a state.
fn state_of(class: &[u8], state: &[u8]) -> String {
    let text = shown(class, state);
    let (_, state) = text.split_once("\nstate       ").unwrap_or_else(|| panic!("{text}"));
    state.trim_end().to_owned()
}

fn plain(state: &[u8]) -> String {
    state_of(b"app\nA\n", state)
}

const REF: &[u8] = b"C\x08\0\0\0\0\0\0\0\x2acapp\nB\n\x86Q";

#[test]
fn a_record_is_shown_with_class_size_references_and_state() {
    let state = [b"}q\x01(X\x04\0\0\0nameX\x03\0\0\0AnnX\x06\0\0\0orders", REF, b"u"].concat();
    let expected = "class       app.A
size        67 bytes
references  1: 0x2a
state       {'name': 'Ann', 'orders': object 0x2a (app.B)}
";
    assert_eq!(shown(b"app\nA\n", &state), expected);
}

#[test]
fn scalars_are_written_as_in_python() {
    for (pickle, expected) in [
        (&b"N"[..], "None"),
        (b"\x88", "True"),
        (b"J\xff\xff\xff\xff", "-1"),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01", "18446744073709551616"),
        (b"\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", "0x0100000000000000000000000000000000"),
        (b"G\x3f\xf8\0\0\0\0\0\0", "1.5"),
        (b"C\x04a'\x00\xff", "b'a\\'\\x00\\xff'"),
        (b"X\x05\0\0\0a\x1b\xc3\xa4\n", "'a\\x1bä\\n'"),
        (b")", "()"),
        (b"K\x01\x85", "(1,)"),
        (b"](K\x01Ne", "[1, None]"),
        (b"\x8f(K\x01\x90", "{1}"),
        (b"\x8f", "set()"),
        (b"(K\x01\x91", "frozenset({1})"),
        (b"cbuiltins\nset\n](K\x01e\x85R", "{1}"),
        (b"cbuiltins\nfrozenset\n](K\x01e\x85R", "frozenset({1})"),
        (b"capp\nf\n", "app.f"),
        (b"\x82\x07", "<copyreg extension 7>"),
    ] {
        assert_eq!(plain(pickle), expected, "{pickle:?}");
    }
}

#[test]
fn calls_and_objects_are_shown_by_name() {
    for (pickle, expected) in [
        (&b"cdecimal\nDecimal\nX\x03\0\0\x001.5\x85R"[..], "decimal.Decimal('1.5')"),
        (
            b"cdatetime\ndatetime\nC\x0a\x07\xea\x0b\x16\x01\x22\x02\0\0\0\x85R",
            "datetime.datetime(2026, 11, 22, 1, 34, 2)",
        ),
        (b"cdatetime\ndate\nC\x04\x07\xea\x0b\x16\x85R", "datetime.date(2026, 11, 22)"),
        (b"cdatetime\ntime\nC\x06\x01\x22\0\0\0\x05\x85R", "datetime.time(1, 34, 0, 5)"),
        (b"cdatetime\ntimedelta\n(K\x01K\x02K\x03tR", "datetime.timedelta(1, 2, 3)"),
        (b"cdatetime\ndate\nC\x02no\x85R", "datetime.date(b'no')"),
        (b"capp\nP\n)\x81}X\x01\0\0\0xK\x01sb", "app.P() with {'x': 1}"),
        (b"ccopy_reg\n_reconstructor\n(capp\nP\nc__builtin__\nobject\nNtR", "app.P()"),
        (b"ccopy_reg\n__newobj__\n(capp\nP\nK\x01tR", "app.P(1)"),
        (b"capp\nL\n)\x81K\x01a", "app.L() with [1]"),
        (b"capp\nf\nNR", "app.f(*, None)"),
    ] {
        assert_eq!(plain(pickle), expected, "{pickle:?}");
    }
}

#[test]
fn references_are_shown_with_what_they_say() {
    let oid = b"C\x08\0\0\0\0\0\0\0\x2a";
    for (parts, expected) in [
        (vec![&oid[..], b"Q"], "object 0x2a"),
        (vec![b"](U\x01w", oid, b"\x85eQ"], "object 0x2a (weak)"),
        (vec![b"](U\x01mU\x05other", oid, b"capp\nB\n\x87eQ"], "object 0x2a in 'other' (app.B)"),
        (vec![b"](U\x01w", oid, b"U\x05other\x86eQ"], "object 0x2a in 'other' (weak)"),
        (vec![b"K\x07Q"], "unknown reference 7"),
    ] {
        assert_eq!(plain(&parts.concat()), expected);
    }
}

#[test]
fn what_occurs_twice_is_shown_once_and_named() {
    assert_eq!(plain(b"]q\x01(h\x01h\x01e"), "&1 [*1, *1]");
    assert_eq!(plain(b"]q\x01K\x01ah\x01\x86"), "(&1 [1], *1)");
    assert_eq!(plain(b"capp\nP\n)\x81q\x01}X\x01\0\0\0xh\x01sb"), "&1 app.P() with {'x': *1}");
    // Text is named only when it is long.
    assert_eq!(plain(b"X\x01\0\0\0aq\x01h\x01\x86"), "('a', 'a')");
}

#[test]
fn well_known_classes_are_shown_by_what_they_hold() {
    let mapping = b"}X\x04\0\0\0data}X\x01\0\0\0aK\x01ss";
    assert_eq!(state_of(b"persistent.mapping\nPersistentMapping\n", mapping), "{'a': 1}");
    assert_eq!(state_of(b"persistent.list\nPersistentList\n", b"}X\x04\0\0\0data](K\x01K\x02es"), "[1, 2]");
    assert_eq!(state_of(b"BTrees.Length\nLength\n", b"K\x07"), "7");
    let tree = b"BTrees.OOBTree\nOOBTree\n";
    assert_eq!(state_of(tree, b"N"), "empty");
    assert_eq!(state_of(tree, b"(K\x01K\x02K\x03K\x04t\x85\x85\x85"), "{1: 2, 3: 4}");
    let node = [b"(", REF, b"K\x05", REF, b"t", REF, b"\x86"].concat();
    let expected = "node (below all keys: object 0x2a (app.B), from 5: object 0x2a (app.B), first bucket: object 0x2a (app.B))";
    assert_eq!(state_of(tree, &node).split_whitespace().collect::<Vec<_>>().join(" "), {
        expected.replace("node (", "node ( ").replace("(app.B))", "(app.B), )")
    });
    assert_eq!(state_of(b"BTrees.IIBTree\nIIBucket\n", b"(K\x01K\x02t\x85"), "{1: 2}");
    let chained = [b"(K\x01K\x02t", REF, b"\x86"].concat();
    assert_eq!(state_of(b"BTrees.OOBTree\nOOSet\n", &chained), "{1, 2} next bucket: object 0x2a (app.B)");
    assert_eq!(state_of(b"BTrees.OOBTree\nOOTreeSet\n", b"(K\x01K\x02t\x85\x85\x85"), "{1, 2}");
    // Of another shape than the class has, it is shown as it is.
    assert_eq!(state_of(tree, b"K\x01"), "1");
    assert_eq!(state_of(tree, b"(K\x01K\x02K\x03t\x85\x85\x85"), "((((1, 2, 3),),),)");
}

#[test]
fn long_values_are_cut_short_unless_all_is_wanted() {
    let record = |state: &[u8]| [b"\x80\x03capp\nA\n.\x80\x03", state, b"."].concat();
    let text = record(&[&b"X\xe8\x03\0\0"[..], &b"a".repeat(1000)].concat());
    assert!(render(&text, Options::default()).contains(&format!("'{}'… (1000 characters)", "a".repeat(60))));
    assert!(render(&text, Options { full: true }).contains(&"a".repeat(1000)));
    let bytes = record(&[&b"B\xe8\x03\0\0"[..], &b"a".repeat(1000)].concat());
    assert!(render(&bytes, Options::default()).contains("… (1000 bytes)"));
    let list = record(&[&b"]("[..], &b"K\x01".repeat(1000), b"e"].concat());
    assert!(render(&list, Options::default()).contains("… (and 900 more)"));
    assert_eq!(render(&list, Options { full: true }).matches("\n              1,").count(), 1000);
}

#[test]
fn what_does_not_fit_a_line_is_indented() {
    let long = [&b"X\x28\0\0\0"[..], &b"a".repeat(40)].concat();
    let state = [b"](", &long[..], &long, &long, b"e"].concat();
    let line = format!("              '{}',\n", "a".repeat(40));
    assert_eq!(plain(&state), format!("[\n{line}{line}{line}            ]"));
}

#[test]
fn a_compressed_record_is_shown_as_what_was_compressed() {
    let mut packed = flate2::write::ZlibEncoder::new(b".z".to_vec(), flate2::Compression::best());
    packed.write_all(b"\x80\x03capp\nA\n.\x80\x03K\x07.").unwrap();
    let packed = packed.finish().unwrap();
    let text = render(&packed, Options::default());
    assert!(text.contains(&format!("size        {} bytes, 15 uncoded", packed.len())), "{text}");
    assert!(text.contains("state       7"), "{text}");
    let hex = render(b".h8003636170700a410a2e80034b072e", Options::default());
    assert!(hex.contains("size        32 bytes, 15 uncoded\n") && hex.contains("state       7"), "{hex}");
    let broken = render(b".zabc", Options::default());
    assert!(broken.starts_with("size        5 bytes; it is marked as compressed"), "{broken}");
}

#[test]
fn what_cannot_be_read_is_said_in_its_place() {
    let text = render(b"", Options::default());
    assert!(text.contains("class       unknown") && text.contains("no record of an object"), "{text}");
    let text = render(b"\x80\x03capp\nA\n.\x80\x03](", Options::default());
    assert!(
        text.contains("class       app.A") && text.contains("state       no record of an object"),
        "{text}"
    );
    let text = shown(b"app\nA\n", b"K\x07Q");
    assert!(text.contains("references  a reference of an unknown form at byte "), "{text}");
    let text = render(b"\x80\x03C\x08\0\0\0\0\0\0\0\x2aQ.N.more", Options::default());
    assert!(text.contains("class       object 0x2a") && text.contains("and 4 bytes after it"), "{text}");
}

#[test]
fn hostile_records_are_shown_within_bounds() {
    // Nested without end, doubled with every step, and long text repeated.
    let deep = plain(&[&b"]".repeat(100_000)[..], &b"a".repeat(99_999)].concat());
    assert!(deep.contains("nested deeper") && deep.len() < 20_000);
    let doubled = [&b"]"[..], &b"2\x86".repeat(1000)].concat();
    assert!(render(&[b"N.", &doubled[..], b"."].concat(), Options { full: true }).len() < 100_000);
    let text = [&b"X\x10\x27\0\0"[..], &b"a".repeat(10_000), b"q\x01", &b"h\x01".repeat(1000)].concat();
    let repeated = [b"N.(", &text[..], b"t."].concat();
    assert!(render(&repeated, Options { full: true }).len() < 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), full: bool) {
        let text = render(&bytes, Options { full });
        prop_assert!(text.ends_with('\n'), "{}", text);
    }

    #[test]
    fn changed_records_never_panic_and_hide_nothing_from_a_terminal(
        at in 0usize..60, byte: u8, cut in 0usize..60, full: bool,
    ) {
        let mut record = [b"\x80\x03cBTrees.OOBTree\nOOBucket\nq\x00.\x80\x03(K\x01", REF, b"h\x00]q\x01h\x01at\x85."].concat();
        if let Some(place) = record.get_mut(at) {
            *place = byte;
        }
        record.truncate(record.len().saturating_sub(cut / 4));
        let text = render(&record, Options { full });
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", text);
    }
}
