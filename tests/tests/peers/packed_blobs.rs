//! The blobs that are left by a pack, beside those that Python's server leaves of the same.

use std::fs;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Maker, Server, Storage};

/// What lies there after the packs of a story.
fn left_by(maker: Maker, storage: &'static str, layout: &str, how: &str) -> String {
    let home = Home::new();
    let blobs = home.path("blobs");
    fs::create_dir(&blobs).expect("a folder");
    fs::write(blobs.join(".layout"), layout).expect("a folder");
    let config = Config { storages: vec![Storage::Lines(storage)], ..Config::new(Codec::Pickle) };
    let server = Server::start_as(maker, &home, &config);
    let script = Script::new("packed_blobs.py").arg(server.address()).arg(home.path("client")).arg(&blobs);
    let printed = script.arg(how).run();
    server.end();
    let mut lines: Vec<&str> = printed.lines().collect();
    // How long it took.
    lines.pop();
    lines.join("\n")
}

fn same(storage: &'static str, layout: &str, how: &str) -> String {
    let ours = left_by(Maker::Zeolith, storage, layout, how);
    assert_eq!(ours, left_by(Maker::Python, storage, layout, how), "{storage} in a {layout} folder");
    ours
}

#[test]
fn blobs_are_kept_beside_with_the_old_log_as_python_keeps_them() {
    let storage = "<filestorage>\npath HOME/Data.fs\nblob-dir HOME/blobs\n</filestorage>";
    for layout in ["bushy", "lawn"] {
        let left = same(storage, layout, "undo");
        assert!(left.contains("blobs.old") || left.contains(".old:"), "{left}");
    }
}

#[test]
fn blobs_are_removed_without_an_old_log_as_python_removes_them() {
    let storage =
        "<filestorage>\npath HOME/Data.fs\nblob-dir HOME/blobs\npack-keep-old false\n</filestorage>";
    for layout in ["bushy", "lawn"] {
        let left = same(storage, layout, "undo");
        assert!(left.contains("no blobs.old"), "{left}");
    }
}

#[test]
fn blobs_of_garbage_stay_where_none_is_collected_as_with_python() {
    let left = same(
        "<filestorage>\npath HOME/Data.fs\nblob-dir HOME/blobs\npack-gc false\n</filestorage>",
        "bushy",
        "undo",
    );
    assert!(left.contains("garbage of"), "{left}");
}

#[test]
fn a_start_removes_the_blobs_that_a_killed_pack_has_noted_and_the_log_does_not_name() {
    let home = Home::new();
    let storage = "<filestorage>\npath HOME/Data.fs\nblob-dir HOME/blobs\n</filestorage>";
    let config = Config { storages: vec![Storage::Lines(storage)], ..Config::new(Codec::Pickle) };
    let server = Server::start(&home, &config);
    let script = Script::new("packed_blobs.py").arg(server.address()).arg(home.path("client"));
    script.arg(home.path("blobs")).run();
    server.stop();
    let blobs = || {
        let mut found = Vec::new();
        let mut folders = vec![home.path("blobs")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.extension() {
                    _ if path.is_dir() => folders.push(path),
                    Some(extension) if extension == "blob" => found.push(path),
                    _ => {}
                }
            }
        }
        found.sort();
        found
    };
    let named = blobs();
    // As if the pack had not come to those two.
    let (stays, goes) = (named[0].clone(), named[0].with_file_name("0x0300000000000001.blob"));
    fs::write(&goes, "left").expect("a folder of our own");
    let oid: String = stays
        .parent()
        .expect("a folder")
        .strip_prefix(home.path("blobs"))
        .expect("below")
        .iter()
        .map(|byte| byte.to_str().expect("digits")[2..].to_owned())
        .collect();
    let tid = stays.file_stem().and_then(|stem| stem.to_str()).expect("digits")[2..].to_owned();
    let note = home.path("blobs/tmp/zeolith-packed");
    fs::write(&note, format!("drop\n{oid} {tid:0>16}\n{oid} 0300000000000001\n")).expect("a folder");
    let server = Server::start(&home, &config);
    server.stop();
    assert_eq!(blobs(), named);
    assert!(!note.exists());
}

#[test]
fn blobs_around_a_mapping_are_removed_as_python_removes_them() {
    let storage = "<blobstorage>\nblob-dir HOME/blobs\n<mappingstorage/>\n</blobstorage>";
    same(storage, "bushy", "");
}
