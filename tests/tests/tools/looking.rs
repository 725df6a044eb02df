//! `zeolith show` and `zeolith history`: what they tell is what Python knows.

use serde_json::Value;
use zeolith_tests::server::{Home, Maker};

use crate::rig::{CODECS, done, end, path, python, refused, run, serve};

/// What Python says of each object of a file: its oid and its history.
fn described(file: &str) -> Vec<(String, Vec<Value>)> {
    let lines = python("describe", &[file]);
    let objects: Vec<_> = lines
        .lines()
        .map(|line| {
            let object: Value = serde_json::from_str(line).expect("JSON");
            let oid = object["oid"].as_str().expect("an oid").to_owned();
            (oid, object["history"].as_array().expect("a list").clone())
        })
        .collect();
    assert!(objects.len() > 10, "{lines}");
    objects
}

fn told(place: &str, oid: &str) -> Vec<Value> {
    let lines = done(&["history", place, oid, "--json", "-n", "1000"]);
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn assert_history(place: &str, oid: &str, expected: &[Value]) {
    let told = told(place, oid);
    assert_eq!(told.len(), expected.len(), "revisions of {oid} at {place}");
    for (told, expected) in told.iter().zip(expected) {
        for (ours, pythons) in
            [("tid", "tid"), ("size", "size"), ("user", "user_name"), ("description", "description")]
        {
            assert_eq!(told[ours], expected[pythons], "{ours} of {oid} at {place}");
        }
        let time = told["time"].as_str().expect("a time").replace('T', " ");
        assert_eq!(&time[..19], expected["time"].as_str().expect("a time"));
    }
}

#[test]
fn a_file_tells_the_history_that_python_tells() {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&file]);
    for (oid, history) in described(&file) {
        assert_history(&file, &oid, &history);
    }
    let newest = done(&["history", &file, "1", "-n", "2"]);
    assert_eq!(newest.lines().count(), 3, "{newest}");
    assert!(newest.starts_with("tid               time (UTC)"), "{newest}");
}

#[test]
fn servers_tell_the_history_that_python_tells() {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&file]);
    let objects = described(&file);
    for maker in [Maker::Python, Maker::Zeolith] {
        for codec in CODECS {
            let server = serve(maker, &home, codec);
            for (oid, history) in objects.iter().take(3) {
                assert_history(server.address(), oid, history);
            }
            end(maker, server);
        }
    }
}

#[test]
fn an_object_is_shown_the_same_wherever_it_is() {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&file]);
    let shown = done(&["show", &file, "0x0"]);
    for part in [
        "object      0x0\nrevision    0",
        "until       now\nclass       persistent.mapping.PersistentMapping\n",
        "'item 0': object 0x1 (persistent.mapping.PersistentMapping)",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    // As it was when there was one item.
    let history = told(&file, "0");
    let second = history[history.len() - 2]["tid"].as_str().expect("a tid");
    let then = done(&["show", &file, "0", "--at", second]);
    assert!(then.contains("references  1: 0x1\n") && then.contains("until       0"), "{then}");
    let full = done(&["show", &file, "0xc", "--full"]);
    assert!(full.len() > 1_000_000 && done(&["show", &file, "0xc"]).len() < 10_000);
    for maker in [Maker::Python, Maker::Zeolith] {
        for codec in CODECS {
            let server = serve(maker, &home, codec);
            let url = format!("zeo://{}/1", server.address());
            assert_eq!(done(&["show", &url, "0000000000000000"]), shown);
            assert_eq!(done(&["show", server.address(), "0", "--at", second]), then);
            // Beside the server that writes to it.
            assert_eq!(done(&["show", &file, "0"]), shown);
            end(maker, server);
        }
    }
}

#[test]
fn what_is_not_there_is_said() {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&file]);
    assert!(refused(&["show", &file, "0x99"]).contains("Data.fs has no object 0x99"));
    assert!(refused(&["history", &file, "0x99"]).contains("Data.fs has no object 0x99"));
    let then = refused(&["show", &file, "1", "--at", "0000000000000001"]);
    assert!(then.contains("had no object 0x1 at transaction 0000000000000001"), "{then}");
    // Its creation was undone; it was deleted.
    for oid in ["0xb", "0xa"] {
        assert!(refused(&["show", &file, oid]).contains(&format!("has no object {oid}")));
    }
    let missing = path(&home, "Missing.fs");
    assert!(refused(&["show", &missing, "0"]).contains("Missing.fs does not exist or is empty"));
    for maker in [Maker::Python, Maker::Zeolith] {
        let server = serve(maker, &home, CODECS[0]);
        assert!(refused(&["show", server.address(), "0x99"]).contains("has no object 0x99"));
        let other = format!("zeo://{}/other", server.address());
        assert!(refused(&["show", &other, "0"]).contains("no connection to a server"));
        server.kill();
    }
    for arguments in [["show", &file, "2a"], ["history", &file, "-5"], ["show", "http://localhost:1", "0"]] {
        assert_eq!(run(&arguments).code, Some(2), "{arguments:?}");
    }
}
