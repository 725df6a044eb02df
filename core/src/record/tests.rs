use super::*;
use crate::ids::Oid;
use crate::wire::tree::{Kind, Tree};
use proptest::prelude::*;

fn class_named(record: &[u8]) -> Result<String, BadRecord> {
    class(record).map(|class| class.to_string())
}

/// A record with this state.
fn with_state(state: &[u8]) -> Vec<u8> {
    [&b"\x80\x03capp\nA\nq\x00.\x80\x03"[..], state, b"."].concat()
}

/// The references of a state.
fn found(state: &[u8]) -> Result<Vec<Reference>, BadRecord> {
    references(&with_state(state))
}

const OID: &[u8] = b"C\x08\0\0\0\0\0\0\0\x07";

fn foreign(weak: bool) -> Reference {
    let (database, oid) = ("other".to_owned(), Oid(7));
    if weak { Reference::ForeignWeak { database, oid } } else { Reference::Foreign { database, oid } }
}

#[test]
fn the_class_of_a_record_is_told_in_every_form_that_zodb_ever_wrote() {
    for record in [
        // The class itself, as ZODB writes it today.
        &b"\x80\x03capp\nCounter\nq\x00."[..],
        b"capp\nCounter\nq\x00.}q\x01.",
        b"\x80\x04\x8c\x03app\x8c\x07Counter\x93.",
        // With arguments for __new__.
        b"\x80\x03capp\nCounter\nq\x00)\x86q\x01.}.",
        b"(capp\nCounter\nq\x01Nt.}.",
        // By name.
        b"\x80\x03X\x03\0\0\0appX\x07\0\0\0Counter\x86)\x86.}.",
        b"((U\x03appU\x07CountertNt.}.",
        b"((S'app'\nS'Counter'\ntNt.}.",
        b"\x80\x03X\x03\0\0\0appX\x07\0\0\0Counter\x86.}.",
        // By what would make it.
        b"\x80\x02ccopy_reg\n_reconstructor\n(capp\nCounter\nc__builtin__\nobject\nNtR.}.",
        b"\x80\x02ccopy_reg\n__newobj__\n(capp\nCounter\ntR.}.",
        b"\x80\x03capp\nCounter\n)R}b.}.",
    ] {
        assert_eq!(class_named(record).as_deref(), Ok("app.Counter"), "{record:?}");
    }
    let inner = b"\x80\x03cbuiltins\ngetattr\ncapp\nOuter\nX\x05\0\0\0Inner\x86R.}.";
    assert_eq!(class_named(inner).as_deref(), Ok("app.Outer.Inner"));
}

#[test]
fn what_tells_no_class_is_an_error() {
    for other in [&b"K\x01."[..], b").", b"X\x01\0\0\0a\x85.", b"C\x08\0\0\0\0\0\0\0\x07Q.}."] {
        assert_eq!(class_named(other), Err(BadRecord::Class), "{other:?}");
    }
    for broken in [&b""[..], b"garbage", b"capp\nCounter\n", b"h\x00."] {
        assert!(matches!(class_named(broken), Err(BadRecord::Pickle(_))), "{broken:?}");
    }
}

#[test]
fn calls_within_calls_in_the_place_of_a_class_end_somewhere() {
    let deep = [&b"capp\nA\n"[..], &b")R".repeat(100_000), b".}."].concat();
    assert_eq!(class_named(&deep), Err(BadRecord::Class));
}

#[test]
fn references_are_found_in_every_form() {
    let row = |parts: &[&[u8]]| found(&parts.concat());
    let plain = Ok(vec![Reference::Object(Oid(7))]);
    assert_eq!(row(&[OID, b"Q"]), plain);
    assert_eq!(row(&[OID, b"capp\nB\n\x86Q"]), plain);
    assert_eq!(row(&[b"(", OID, b"capp\nB\ntQ"]), plain);
    // Of a class told by name.
    assert_eq!(row(&[OID, b"X\x03\0\0\0appX\x01\0\0\0B\x86\x86Q"]), plain);
    // Weak, today and long ago.
    let weak = Ok(vec![Reference::Weak(Oid(7))]);
    assert_eq!(row(&[b"]q\x01(X\x01\0\0\0w", OID, b"\x85eQ"]), weak);
    assert_eq!(row(&[b"]q\x01X\x01\0\0\0wa", OID, b"\x85aQ"]), weak);
    assert_eq!(row(&[b"]", OID, b"aQ"]), weak);
    assert_eq!(row(&[b"(", OID, b"lQ"]), weak);
    // Other databases.
    assert_eq!(row(&[b"](U\x01w", OID, b"U\x05other\x86eQ"]), Ok(vec![foreign(true)]));
    assert_eq!(row(&[b"](U\x01nU\x05other", OID, b"\x86eQ"]), Ok(vec![foreign(false)]));
    assert_eq!(row(&[b"](X\x01\0\0\0mU\x05other", OID, b"capp\nB\n\x87eQ"]), Ok(vec![foreign(false)]));
}

#[test]
fn oids_are_read_however_they_are_written() {
    let plain = Ok(vec![Reference::Object(Oid(0x7f07))]);
    for oid in [
        &b"U\x08\0\0\0\0\0\0\x7f\x07"[..],
        b"T\x08\0\0\0\0\0\0\0\0\0\x7f\x07",
        b"B\x08\0\0\0\0\0\0\0\0\0\x7f\x07",
        b"\x8c\x08\0\0\0\0\0\0\x7f\x07",
        b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\x07'\n",
        b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\x07'\np5\n0g5\n",
        b"V\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\x7f\x07\n",
        b"P\0\0\0\0\0\0\x7f\x07\n0U\x08\0\0\0\0\0\0\x7f\x07",
    ] {
        let found = found(&[oid, b"Q"].concat());
        let one = found.map(|all| all.into_iter().take(1).collect::<Vec<_>>());
        assert_eq!(one, plain, "{oid:?}");
    }
    // Bytes above 127 in protocols that have no bytes.
    let encoded = b"c_codecs\nencode\n(X\x09\0\0\0\0\0\0\0\0\0\0\xc3\xbfX\x06\0\0\0latin1tRQ";
    assert_eq!(found(encoded), Ok(vec![Reference::Object(Oid(0xff))]));
}

#[test]
fn references_are_found_in_every_place() {
    let reference = [OID, b"capp\nB\n\x86Q"].concat();
    for (before, after) in [
        (&b"}K\x01"[..], &b"s"[..]),
        (b"}(K\x01", b"u"),
        (b"}", b"K\x01s"),
        (b"](", b"K\x01e"),
        (b"]", b"a"),
        (b"\x8f(", b"\x90"),
        (b"(", b"\x91"),
        (b"(", b"K\x01d"),
        (b"capp\nC\n", b"\x85R"),
        (b"capp\nC\n", b"\x85\x81"),
        (b"capp\nC\n)", b"\x92"),
        (b"capp\nC\n)\x81", b"b"),
        (b"(capp\nC\n", b"o"),
        (b"(", b"iapp\nC\n"),
        (b"N0", b""),
        (b"K\x01", b"0"),
        (b"(", b"1N"),
    ] {
        let state = [before, &reference, after].concat();
        assert_eq!(found(&state), Ok(vec![Reference::Object(Oid(7))]), "{before:?} {after:?}");
    }
}

#[test]
fn a_class_that_is_an_object_is_a_reference_too() {
    let record = [b"\x80\x03", OID, b"capp\nMeta\n\x86Q.\x80\x03}."].concat();
    assert_eq!(references(&record), Ok(vec![Reference::Object(Oid(7))]));
    assert_eq!(class(&record), Err(BadRecord::Class));
}

#[test]
fn the_state_may_recall_what_the_class_memoized() {
    assert_eq!(found(&[OID, b"h\x00\x86Q"].concat()), Ok(vec![Reference::Object(Oid(7))]));
    let mut tree = Tree::new();
    let record = with_state(b"h\x00");
    let state = State::read(&record, &mut tree).unwrap();
    assert!(matches!(state.state().kind(), Kind::Global { name: "A", .. }));
}

#[test]
fn a_reference_that_is_not_understood_is_an_error() {
    for state in [
        &b"K\x01Q"[..],
        b"NQ",
        b")Q",
        b"]Q",
        b"}Q",
        b"C\x07\0\0\0\0\0\0\0Q",
        b"](X\x01\0\0\0xC\x08\0\0\0\0\0\0\0\x07\x85eQ",
        b"](X\x01\0\0\0nC\x08\0\0\0\0\0\0\0\x07\x85eQ",
    ] {
        assert!(matches!(found(state), Err(BadRecord::Reference(_))), "{state:?}: {:?}", found(state));
    }
}

#[test]
fn records_that_end_early_are_refused_everywhere() {
    let record = with_state(&[b"}(K\x01", OID, b"h\x00\x86QU\x03abcK\x02u"].concat());
    assert_eq!(references(&record), Ok(vec![Reference::Object(Oid(7))]));
    for len in 0..record.len() {
        assert!(references(&record[..len]).is_err(), "{len} bytes");
        assert!(State::read(&record[..len], &mut Tree::new()).is_err(), "{len} bytes");
    }
    let longer = [&record[..], b"more"].concat();
    assert_eq!(references(&longer), references(&record));
    assert_eq!(State::read(&longer, &mut Tree::new()).unwrap().trailing(), 4);
}

/// All persistent ids below a value.
fn referred(value: crate::wire::tree::Value<'_>, depth: usize, out: &mut Vec<Oid>) {
    if depth > 40 || out.len() > 1000 {
        return;
    }
    let mut all = |values: &mut dyn Iterator<Item = crate::wire::tree::Value<'_>>| {
        values.for_each(|value| referred(value, depth + 1, out));
    };
    match value.kind() {
        Kind::Persid(id) => out.extend(Reference::of(id).map(|(reference, _)| reference.oid())),
        Kind::Tuple(mut items)
        | Kind::List(mut items)
        | Kind::Set(mut items)
        | Kind::FrozenSet(mut items) => all(&mut items),
        Kind::Dict(pairs) => all(&mut pairs.flat_map(|(key, value)| [key, value])),
        Kind::Reduce { callable, args } => all(&mut [callable, args].into_iter()),
        Kind::Build { object, state } => all(&mut [object, state].into_iter()),
        _ => {}
    }
}

/// Opcodes with operands, so that random rows of them get somewhere.
const OPERATIONS: &[&[u8]] = &[
    b"(",
    b"0",
    b"1",
    b"2",
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
    b"b",
    b"R",
    b"o",
    b"Q",
    b"Q",
    b"N",
    b"K\x01",
    b"\x81",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x8f",
    b"\x90",
    b"\x91",
    b"\x93",
    b"\x94",
    b"q\x00",
    b"q\x01",
    b"h\x00",
    b"h\x01",
    b"C\x08\0\0\0\0\0\0\0\x07",
    b"U\x08\0\0\0\0\0\0\0\x08",
    b"X\x01\0\0\0w",
    b"U\x05other",
    b"capp\nB\n",
    b"c_codecs\nencode\n",
    b"X\x06\0\0\0latin1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (class(&bytes), references(&bytes), State::read(&bytes, &mut Tree::new()).is_ok());
    }

    #[test]
    fn what_can_be_read_as_a_tree_has_the_references_that_are_found(
        ops in prop::collection::vec(prop::sample::select(OPERATIONS), 0..60),
    ) {
        let record = with_state(&ops.concat());
        let mut tree = Tree::new();
        if let (Ok(state), Ok(references)) = (State::read(&record, &mut tree), references(&record)) {
            let mut below = Vec::new();
            referred(state.state(), 0, &mut below);
            let found: Vec<Oid> = references.iter().map(Reference::oid).collect();
            prop_assert!(below.iter().all(|oid| found.contains(oid)), "{:?} {:?}", below, found);
        }
    }
}
