use std::path::Path;

use super::*;
use crate::config::{FileConfig, parse};
use crate::options::PackOptions;
use crate::testing::FakeHost;

const ZEO: &str = "<zeo>\naddress 8100\n</zeo>\n";

fn read(storages: &str) -> Result<FileConfig, String> {
    let text = format!("{ZEO}{storages}");
    parse(&text, Path::new("zeo.conf"), &FakeHost::default()).map_err(|error| error.to_string())
}

/// The only storage: its name and what it is.
fn only(storages: &str) -> (String, StorageKind) {
    let mut config = read(storages).unwrap();
    assert_eq!(config.storages.len(), 1, "{storages}");
    let storage = config.storages.remove(0);
    (storage.name, storage.kind)
}

fn file(path: &str) -> Box<StorageKind> {
    Box::new(StorageKind::File {
        path: path.into(),
        create: true,
        read_only: false,
        pack: PackOptions::default(),
    })
}

/// Without blobs.
fn bare(kind: StorageKind) -> Box<Layer> {
    Box::new(Layer { kind, blobs: None })
}

fn hex(base: Box<StorageKind>) -> StorageKind {
    StorageKind::Coded { form: Transformation::both(Coding::Hex), base }
}

#[test]
fn the_wrappers_of_zeos_own_tests_are_understood() {
    let inner = "<filestorage 1>\npath Data.fs\n</filestorage>";
    let wrapped = |kind: &str| only(&format!("%import ZODB.tests\n<{kind}>\n{inner}\n</{kind}>"));
    // The name of what is inside is not the storage's.
    assert_eq!(wrapped("hexstorage"), ("1".to_owned(), hex(file("Data.fs"))));
    let form = Transformation::default();
    assert_eq!(wrapped("serverhexstorage").1, StorageKind::Coded { form, base: file("Data.fs") });
    let demo = only(&format!("<demostorage main>\n{inner}\n</demostorage>"));
    let expected = StorageKind::Demo { name: None, base: bare(*file("Data.fs")), changes: None };
    assert_eq!(demo, ("main".to_owned(), expected));
}

#[test]
fn compression_is_the_servers_unless_it_is_the_clients() {
    let zlib = |kind: &str, key: &str| match only(&format!(
        "%import zc.zlibstorage\n<{kind}>\n{key}\n<mappingstorage/>\n</{kind}>"
    ))
    .1
    {
        StorageKind::Coded { form, base } if *base == StorageKind::Memory => (form.write, form.read),
        other => panic!("{other:?}"),
    };
    let both = (Some(Coding::Zlib), Some(Coding::Zlib));
    assert_eq!((zlib("zlibstorage", ""), zlib("zlibstorage", "compress yes")), (both, both));
    assert_eq!(zlib("zlibstorage", "compress no"), (None, Some(Coding::Zlib)));
    assert_eq!(zlib("serverzlibstorage", ""), (None, None));
    assert_eq!(zlib("serverzlibstorage", "compress yes"), (None, None));
    let config = read("<serverzlibstorage>\ncompress yes\n<mappingstorage/>\n</serverzlibstorage>").unwrap();
    let told = "zeo.conf:5: compress has no effect: it is the clients who compress";
    assert_eq!(config.notices, [Notice::Info(told.to_owned())]);
}

#[test]
fn a_demo_storage_takes_its_changes_where_they_are_named() {
    let demo = |inside: &str| match only(&format!("<demostorage>\n{inside}\n</demostorage>")).1 {
        StorageKind::Demo { name, base, changes } => (name, base, changes),
        other => panic!("{other:?}"),
    };
    let memory = || Box::new(Layer::MEMORY);
    assert_eq!(demo(""), (None, memory(), None));
    assert_eq!(demo("<mappingstorage changes/>"), (None, memory(), Some(memory())));
    let base = "<filestorage>\npath base.fs\n</filestorage>";
    let changes = "<filestorage CHANGES>\npath changes.fs\n</filestorage>";
    let over = || Some(bare(*file("changes.fs")));
    let both = (None, bare(*file("base.fs")), over());
    assert_eq!(
        (demo(&format!("{base}\n{changes}")), demo(&format!("{changes}\n{base}"))),
        (both.clone(), both)
    );
    assert_eq!(demo(&format!("name staging\n{changes}")), (Some("staging".into()), memory(), over()));
    let deep = format!("<hexstorage base>\n<demostorage>\n{base}\n</demostorage>\n</hexstorage>\n{changes}");
    let inner = StorageKind::Demo { name: None, base: bare(*file("base.fs")), changes: None };
    assert_eq!(demo(&deep), (None, bare(hex(Box::new(inner))), over()));
}

#[test]
fn blobs_belong_to_the_storage_that_lies_outermost() {
    let with_blobs = "<filestorage>\npath Data.fs\nblob-dir blobs\n</filestorage>";
    let blobs = |text: &str| {
        let storage = read(text).unwrap().storages.remove(0);
        (storage.kind, storage.blobs)
    };
    let expected = (hex(file("Data.fs")), Some("blobs".into()));
    assert_eq!(blobs(&format!("<hexstorage>\n{with_blobs}\n</hexstorage>")), expected);
    let inside = "<hexstorage>\n<filestorage>\npath Data.fs\n</filestorage>\n</hexstorage>";
    assert_eq!(blobs(&format!("<blobstorage>\nblob-dir blobs\n{inside}\n</blobstorage>")), expected);
    for (text, expected) in [
        (
            format!("<blobstorage>\nblob-dir a\n<hexstorage>\n{with_blobs}\n</hexstorage>\n</blobstorage>"),
            "6: the storage in this <blobstorage> has blobs already",
        ),
        (
            format!(
                "<blobstorage>\nblob-dir a\n<demostorage>\n{}\n</demostorage>\n</blobstorage>",
                with_blobs.replace("<filestorage>", "<filestorage changes>")
            ),
            "6: the storage in this <blobstorage> has blobs already",
        ),
    ] {
        assert_eq!(read(&text).unwrap_err(), format!("zeo.conf:{expected}"), "{text}");
    }
}

#[test]
fn the_blobs_of_a_demo_storage_are_those_of_its_changes() {
    let demo = |text: &str| {
        let storage = read(text).unwrap().storages.remove(0);
        assert_eq!(storage.blobs, None, "{text}");
        storage.kind
    };
    let file = |path: &str, blobs: &str| Layer { kind: *file(path), blobs: Some(blobs.into()) };
    let section = |name: &str, path: &str, blobs: &str| {
        format!("<filestorage {name}>\npath {path}\nblob-dir {blobs}\n</filestorage>\n")
    };
    let (base, changes) = (section("base", "base.fs", "below"), section("changes", "changes.fs", "over"));
    let both = |changes: Option<Layer>| StorageKind::Demo {
        name: None,
        base: Box::new(file("base.fs", "below")),
        changes: changes.map(Box::new),
    };
    let inside = both(Some(file("changes.fs", "over")));
    assert_eq!(demo(&format!("<demostorage>\n{base}{changes}</demostorage>")), inside);
    assert_eq!(demo(&format!("<demostorage>\n{base}</demostorage>")), both(None));
    // A folder around a demo storage is for what is changed.
    let around = |inner: &str| {
        demo(&format!("<blobstorage>\nblob-dir over\n<hexstorage>\n{inner}</hexstorage>\n</blobstorage>"))
    };
    let over = Layer { kind: StorageKind::Memory, blobs: Some("over".into()) };
    let inner = format!("<demostorage>\n{base}</demostorage>\n");
    assert_eq!(around(&inner), hex(Box::new(both(Some(over)))));
    let plain = changes.replace("blob-dir over\n", "");
    let inner = format!("<demostorage>\n{base}{plain}</demostorage>\n");
    assert_eq!(around(&inner), hex(Box::new(both(Some(file("changes.fs", "over"))))));
}

#[test]
fn several_storages_of_every_kind_have_names_of_their_own() {
    let config = read(
        "<filestorage a>\npath Data.fs\n</filestorage>\n<hexstorage b>\n<mappingstorage a/>\n</hexstorage>\n\
         <demostorage>\n</demostorage>\n<mappingstorage d/>",
    );
    let names: Vec<_> = config.unwrap().storages.into_iter().map(|storage| storage.name).collect();
    assert_eq!(names, ["a", "b", "1", "d"]);
}

#[test]
fn every_problem_inside_names_its_line() {
    for (text, expected) in [
        ("<hexstorage/>", "4: <hexstorage> needs a storage section inside it"),
        (
            "<zlibstorage>\n<mappingstorage/>\n<mappingstorage/>\n</zlibstorage>",
            "6: a second storage inside this <zlibstorage>; the first is in line 5",
        ),
        (
            "<demostorage>\n<mappingstorage a/>\n<mappingstorage changes/>\n<mappingstorage b/>\n</demostorage>",
            "7: a second base of this <demostorage>, where the first is in line 5; what takes the changes is named \
             'changes'",
        ),
        (
            "<demostorage>\n<mappingstorage changes/>\n<filestorage changes>\n</filestorage>\n</demostorage>",
            "6: the name 'changes' is taken by the section in line 5",
        ),
        ("<demostorage>\n<mappingstorage */>\n</demostorage>", "5: a section cannot be named '*'"),
        (
            "<demostorage>\n<filestorge>\n</filestorge>\n</demostorage>",
            "5: unknown section <filestorge>; did you mean 'filestorage'?",
        ),
        ("<hexstorage>\n<zeo/>\n</hexstorage>", "5: unknown section <zeo>"),
        (
            "<hexstorage>\ncompress yes\n<mappingstorage/>\n</hexstorage>",
            "5: unknown key 'compress' in <hexstorage>",
        ),
        (
            "<zlibstorage>\ncompress maybe\n<mappingstorage/>\n</zlibstorage>",
            "5: 'maybe' is no value for 'compress': expected yes, no, true, false, on or off",
        ),
        (
            "<hexstorage>\n<filestorage>\n</filestorage>\n</hexstorage>",
            "5: <filestorage> needs the key 'path'",
        ),
        (
            "<demostorage>\n<zeoclient>\n</zeoclient>\n</demostorage>",
            "5: a <zeoclient> inside a <demostorage> is not supported yet: it stands alone; wrap the storage on its own server",
        ),
        ("<zlibstorag/>", "4: unknown section <zlibstorag>; did you mean 'zlibstorage'?"),
        ("<mappingstorage>\n<filestorage/>\n</mappingstorage>", "5: unknown section <filestorage>"),
    ] {
        assert_eq!(read(text).unwrap_err(), format!("zeo.conf:{expected}"), "{text}");
    }
}
