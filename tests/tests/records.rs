//! Records that ZODB wrote, told without Python: class and references are what ZODB finds, and what is shown is what is
//! in them.

use serde_json::Value;
use std::collections::BTreeSet;
use zeolith_cli::show::{Options, render};
use zeolith_core::record::{BadRecord, Reference, State, class, references};
use zeolith_core::wire::tree::Tree;
use zeolith_tests::python::Script;

/// One line of the script.
struct Row {
    name: String,
    record: Vec<u8>,
    class: String,
    references: Vec<String>,
    weak: Vec<String>,
    foreign: Vec<String>,
    contains: Vec<String>,
}

fn rows() -> Vec<Row> {
    let printed = Script::new("records.py").run();
    let rows: Vec<Row> =
        printed.lines().map(|line| row(&serde_json::from_str(line).expect("JSON"))).collect();
    assert!(rows.len() > 500, "only {} records", rows.len());
    rows
}

fn row(value: &Value) -> Row {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let texts = |key: &str| value[key].as_array().expect("a list").iter().map(text).collect();
    let record = text(&value["record"]);
    let bytes = record.as_bytes().chunks(2);
    let record =
        bytes.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits"));
    Row {
        name: text(&value["name"]),
        record: record.collect(),
        class: text(&value["class"]),
        references: texts("references"),
        weak: texts("weak"),
        foreign: texts("foreign"),
        contains: texts("contains"),
    }
}

fn form(reference: &Reference) -> &'static str {
    match reference {
        Reference::Object(_) => "object",
        Reference::Weak(_) => "weak",
        Reference::Foreign { .. } => "foreign",
        Reference::ForeignWeak { .. } => "foreign and weak",
    }
}

#[test]
fn class_references_and_state_are_what_zodb_finds() {
    let mut forms = BTreeSet::new();
    for row in rows() {
        let name = &row.name;
        assert_eq!(class(&row.record).map(|class| class.to_string()), Ok(row.class), "class of {name}");
        let found = references(&row.record).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut strong = Vec::new();
        let (mut weak, mut foreign) = (Vec::new(), Vec::new());
        for reference in &found {
            let oid = reference.oid().to_string();
            match reference {
                Reference::Object(_) => strong.push(oid),
                Reference::Weak(_) => weak.push(oid),
                Reference::Foreign { database, .. } | Reference::ForeignWeak { database, .. } => {
                    assert_eq!(database, "other", "{name}");
                    foreign.push(oid);
                }
            }
            forms.insert(form(reference));
        }
        assert_eq!((strong, weak, foreign), (row.references, row.weak, row.foreign), "references of {name}");

        let text = render(&row.record, Options::default());
        // Wherever the lines are broken.
        let joined = |text: &str| text.split_whitespace().collect::<String>();
        for part in &row.contains {
            assert!(joined(&text).contains(&joined(part)), "{part} is not shown of {name}:\n{text}");
        }
        assert!(!text.contains("no record") && !text.contains("unknown"), "{name}:\n{text}");
        let full = render(&row.record, Options { full: true });
        for reference in &found {
            assert!(full.contains(&format!("object {:#x}", reference.oid().0)), "{name}:\n{full}");
        }
    }
    assert_eq!(forms.len(), 4, "every form of reference occurs");
}

#[test]
fn changed_records_are_refused_or_read_and_never_cost_more_than_they_should() {
    // A generator of its own: which changes are tried is the same every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut read, mut refused) = (0, 0);
    for row in rows() {
        for _ in 0..20 {
            let mut record = row.record.clone();
            for _ in 0..1 + random(3) {
                let at = random(record.len());
                match random(3) {
                    0 => record[at] = random(256) as u8,
                    1 => record.truncate(at.max(1)),
                    _ => record.insert(at, random(256) as u8),
                }
            }
            let mut tree = Tree::new();
            match (State::read(&record, &mut tree), references(&record)) {
                (Ok(_), Ok(_)) => read += 1,
                (Err(BadRecord::Pickle(_)), _) | (_, Err(_)) => refused += 1,
                (Err(error), Ok(_)) => panic!("{error}"),
            }
            let text = render(&record, Options { full: true });
            assert!(text.len() < 200 * record.len() + 10_000, "{} of {}", text.len(), record.len());
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
}
