use proptest::prelude::*;

use super::datatypes::{ValueError, boolean, byte_size, existing_dirpath, float, integer, integer_in};
use super::*;
use crate::testing::FakeHost;

fn read(text: &str) -> Result<Document, Located<Fault>> {
    parse(text, Path::new("zeo.conf"), &FakeHost::default())
}

fn message(text: &str) -> String {
    read(text).expect_err("the text is wrong").to_string()
}

fn values(section: &Section) -> Vec<(&str, &str)> {
    section.keys.iter().map(|key| (key.name.as_str(), key.value.as_str())).collect()
}

#[test]
fn sections_nest_and_keep_their_order_and_lines() {
    let root = read("# top\n<A>\n  x 1\n  <b Name>\n  </B >\n  y\n</a>\n<c/>\n<d E />\n").unwrap().root;
    let kinds: Vec<_> = root.sections.iter().map(|section| section.kind.as_str()).collect();
    assert_eq!(kinds, ["a", "c", "d"]);
    let [a, c, d] = &root.sections[..] else { unreachable!() };
    assert_eq!(values(a), [("x", "1"), ("y", "")]);
    assert_eq!((a.keys[1].at.to_string(), c.at.line), ("zeo.conf:6".to_owned(), 8));
    assert_eq!(a.sections[0].name.as_deref(), Some("name"));
    assert_eq!(d.name.as_deref(), Some("e"));
}

#[test]
fn a_value_runs_to_the_end_of_its_line() {
    let root = read("Key  a  b # no comment \r\nprogram(x) y\n").unwrap().root;
    assert_eq!(values(&root), [("key", "a  b # no comment"), ("program", "(x) y")]);
}

#[test]
fn a_byte_order_mark_is_no_text() {
    assert_eq!(values(&read("\u{feff}key value").unwrap().root), [("key", "value")]);
}

#[test]
fn definitions_are_case_insensitive_and_may_use_one_another() {
    let text = "%define Root /srv\n%define DB $ROOT/db\n%define db $root/db\npath ${db}x/$Db.fs\nprice 5$$\n";
    assert_eq!(values(&read(text).unwrap().root), [("path", "/srv/dbx//srv/db.fs"), ("price", "5$")]);
}

#[test]
fn what_was_put_in_is_not_looked_at_again() {
    let host = FakeHost::default().variable("SECRET", "$x$(y)");
    let root = parse("key $(SECRET)", Path::new("zeo.conf"), &host).unwrap().root;
    assert_eq!(values(&root), [("key", "$x$(y)")]);
}

#[test]
fn the_environment_is_case_sensitive() {
    let host = FakeHost::default().variable("PORT", "8100");
    assert_eq!(values(&parse("a h:$(PORT)", Path::new("z"), &host).unwrap().root), [("a", "h:8100")]);
    assert!(parse("a $(port)", Path::new("z"), &host).is_err());
}

#[test]
fn an_included_file_is_found_beside_the_one_that_includes_it_and_leaves_its_definitions() {
    let host = FakeHost::default()
        .file("/etc/zeo/zeo.conf", "%define dir sub\n<zeo>\n%include $dir/a.conf\n</zeo>\nport $port\n")
        .file("/etc/zeo/sub/a.conf", "%include b.conf\nx $port\n")
        .file("/etc/zeo/sub/b.conf", "%define port 8100\n<ssl/>\n");
    let root = load(Path::new("/etc/zeo/zeo.conf"), &host).unwrap().root;
    let zeo = &root.sections[0];
    assert_eq!((values(zeo), zeo.sections[0].kind.as_str()), (vec![("x", "8100")], "ssl"));
    assert_eq!(zeo.keys[0].at.to_string(), "/etc/zeo/sub/a.conf:2");
    assert_eq!(values(&root), [("port", "8100")]);
}

#[test]
fn one_file_may_be_included_twice() {
    let host = FakeHost::default().file("a.conf", "key value\n");
    let root = parse("<x>\n%include a.conf\n</x>\n%include file://a.conf\n", Path::new("zeo.conf"), &host);
    assert_eq!(root.unwrap().root.keys.len(), 1);
}

#[test]
fn a_cycle_of_includes_ends_at_the_line_that_closes_it() {
    let host = FakeHost::default().file("a.conf", "\n%include b.conf").file("b.conf", "%include a.conf");
    let error = load(Path::new("a.conf"), &host).unwrap_err();
    assert_eq!(error.to_string(), "b.conf:1: a.conf includes itself");
}

#[test]
fn a_cycle_under_ever_new_names_ends_too() {
    struct Dots;
    impl Host for Dots {
        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(b"%include x/../a.conf".to_vec())
        }
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
        fn is_directory(&self, _: &Path) -> bool {
            true
        }
    }
    assert_eq!(load(Path::new("a.conf"), &Dots).unwrap_err().what, Fault::TooManyIncludes);
}

#[test]
fn known_packages_are_imported_by_doing_nothing() {
    let document = read("%import ZODB\n%import ZConfig.components.logger\n").unwrap();
    assert_eq!(
        document.imports.iter().map(Located::to_string).collect::<Vec<_>>(),
        ["zeo.conf:1: ZODB", "zeo.conf:2: ZConfig.components.logger"]
    );
}

#[test]
fn every_fault_names_its_line() {
    for (text, expected) in [
        ("\n<zeo", "2: a section starts with <type> or <type name> on a line of its own"),
        ("<>", "1: a section starts with <type> or <type name> on a line of its own"),
        ("< zeo>", "1: a section starts with <type> or <type name> on a line of its own"),
        ("<zeo a b>", "1: a section starts with <type> or <type name> on a line of its own"),
        ("<zeo a(b)>", "1: a section starts with <type> or <type name> on a line of its own"),
        ("<zeo>\n</zeo", "2: a section ends with </type> on a line of its own"),
        ("</zeo>", "1: </zeo> ends a section that was not started"),
        ("a 1\n<zeo>\n</ssl>", "3: </ssl> ends <zeo>, started in line 2"),
        ("\n<zeo>\n", "2: <zeo> is never ended"),
        ("(x)", "1: expected a key and its value"),
        ("%", "1: expected %define, %include or %import"),
        ("%undefine x", "1: unknown directive '%undefine'; there are %define, %include and %import"),
        ("%define", "1: %define needs an argument"),
        ("%include", "1: %include needs an argument"),
        ("%import ", "1: %import needs an argument"),
        ("%define a-b x", "1: 'a-b' cannot be defined: a name has letters, digits and underscores only"),
        ("%define a x\n%define A y", "2: 'A' is defined already, with another value"),
        ("x $", "1: a lone '$' at the end; write '$$' for a dollar"),
        ("x $-", "1: '$' is not followed by a name; write '$$' for a dollar"),
        ("x ${}", "1: '${' is not followed by a name; write '$$' for a dollar"),
        ("x $(1)", "1: '$(' is not followed by a name; write '$$' for a dollar"),
        ("x ${a:b}", "1: '${a' is not followed by '}'"),
        ("x $(a:b)", "1: '$(a' is not followed by ')'"),
        ("x $Nope", "1: 'Nope' is not defined; put '%define Nope VALUE' above"),
        ("x $(Nope)", "1: the environment variable 'Nope' is not set"),
        ("%include nope.conf", "1: cannot include nope.conf: no such file"),
        ("%include http://x/y", "1: only files can be included, not http://x/y"),
        ("%import os", "1: cannot import 'os': its sections are not known to Zeolith"),
    ] {
        assert_eq!(message(text), format!("zeo.conf:{expected}"), "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let host = FakeHost::default().file("zeo.conf", b"a 1\nb \xff\n");
    let error = load(Path::new("zeo.conf"), &host).unwrap_err();
    assert_eq!(error.to_string(), "zeo.conf:2: this line is not UTF-8 text");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Path::new("/etc/zeo.conf"), &FakeHost::default()).unwrap_err();
    assert_eq!(error.to_string(), "/etc/zeo.conf: cannot be read: no such file");
}

#[test]
fn sections_nest_to_the_bound_and_no_deeper() {
    let nested = |depth: usize| "<a>\n".repeat(depth) + &"</a>\n".repeat(depth);
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH + 1)).unwrap_err().what, Fault::TooDeep);
}

#[test]
fn an_include_does_not_reset_the_depth() {
    let deep = "<a>\n".repeat(MAX_DEPTH - 1) + "%include b.conf\n" + &"</a>\n".repeat(MAX_DEPTH - 1);
    let read = |inner: &str| parse(&deep, Path::new("a.conf"), &FakeHost::default().file("b.conf", inner));
    assert!(read("<b/>").is_ok());
    assert_eq!(read("<b>\n<c/>\n</b>").unwrap_err().what, Fault::TooDeep);
}

#[test]
fn text_is_read_to_the_bound_and_no_further() {
    assert!(read(&"#".repeat(MAX_BYTES)).is_ok());
    assert_eq!(read(&"#".repeat(MAX_BYTES + 1)).unwrap_err().what, Fault::TooLarge);
}

#[test]
fn definitions_that_double_one_another_do_not_fill_the_memory() {
    let mut text = "%define a0 xxxxxxxx\n".to_owned();
    for step in 1..60 {
        text += &format!("%define a{step} $a{0}$a{0}\n", step - 1);
    }
    assert!(matches!(
        read(&text).unwrap_err().what,
        Fault::TooLarge | Fault::Substitution(Substitution::TooLong)
    ));
}

#[test]
fn one_line_of_many_references_does_not_fill_the_memory() {
    let text = format!("%define a {}\nx {}\n", "x".repeat(MAX_BYTES / 2), "$a".repeat(MAX_BYTES / 8));
    assert_eq!(read(&text).unwrap_err().what, Fault::Substitution(Substitution::TooLong));
}

#[test]
fn datatypes_read_what_python_reads() {
    assert_eq!([boolean("Yes"), boolean("ON"), boolean("true")], [Ok(true), Ok(true), Ok(true)]);
    assert_eq!([boolean("no"), boolean("Off"), boolean("FALSE")], [Ok(false), Ok(false), Ok(false)]);
    assert_eq!([boolean("1"), boolean("")], [Err(ValueError::NotBoolean), Err(ValueError::NotBoolean)]);
    assert_eq!([integer("1_000"), integer("-3"), integer("+7")], [Ok(1000), Ok(-3), Ok(7)]);
    for text in ["", "-", "1__0", "_1", "1_", "1.5", "x", "99999999999999999999"] {
        assert_eq!(integer(text), Err(ValueError::NotInteger), "{text}");
    }
    assert_eq!((integer_in(0, 9)("9"), integer_in(0, 9)("10").is_err()), (Ok(9), true));
    assert_eq!((float("1.5"), float("x")), (Ok(1.5), Err(ValueError::NotNumber)));
    assert_eq!([byte_size("5"), byte_size("2kb"), byte_size("10MB")], [Ok(5), Ok(2048), Ok(10 << 20)]);
    assert_eq!(
        [byte_size("1TB"), byte_size("9999999999GB")],
        [Err(ValueError::NotSize), Err(ValueError::NotSize)]
    );
}

#[test]
fn a_path_needs_its_directory_but_not_itself() {
    let host = FakeHost::default().variable("HOME", "/home/ann");
    assert_eq!(existing_dirpath("Data.fs", &host), Ok("Data.fs".into()));
    assert_eq!(existing_dirpath("~/Data.fs", &host), Ok("/home/ann/Data.fs".into()));
    assert_eq!(
        existing_dirpath("/missing/Data.fs", &host).unwrap_err().to_string(),
        "the directory /missing does not exist"
    );
    assert_eq!(existing_dirpath("", &host), Err(ValueError::NoPath));
}

/// Lines that get far into the parser, and noise.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<a>".to_owned()),
        Just("</a>".to_owned()),
        Just("<a b/>".to_owned()),
        Just("%include zeo.conf".to_owned()),
        Just("%include other.conf".to_owned()),
        "%define [ab] [$a-c(){}]{0,6}",
        "[a-c] [$a-c(){}:]{0,8}",
        "[<>/% $#a-z()]{0,12}",
        ".{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(lines in prop::collection::vec(line(), 0..20), other in line()) {
        let host = FakeHost::default().file("other.conf", other);
        let _ = parse(&lines.join("\n"), Path::new("zeo.conf"), &host);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load(Path::new("zeo.conf"), &FakeHost::default().file("zeo.conf", bytes));
    }

    #[test]
    fn text_without_a_dollar_is_its_own_substitution(text in "[^$]*") {
        prop_assert_eq!(substitute(&text, 0, |_| None, |_| None), Ok(text));
    }
}
