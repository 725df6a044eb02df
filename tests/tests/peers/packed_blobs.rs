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
