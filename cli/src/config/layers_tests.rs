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
    let changes = Box::new(StorageKind::Memory);
    assert_eq!(demo, ("main".to_owned(), StorageKind::Demo { name: None, base: file("Data.fs"), changes }));
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
    let memory = || Box::new(StorageKind::Memory);
    assert_eq!(demo(""), (None, memory(), memory()));
    let base = "<filestorage>\npath base.fs\n</filestorage>";
    let changes = "<filestorage CHANGES>\npath changes.fs\n</filestorage>";
    let both = (None, file("base.fs"), file("changes.fs"));
    assert_eq!(
        (demo(&format!("{base}\n{changes}")), demo(&format!("{changes}\n{base}"))),
        (both.clone(), both)
    );
    assert_eq!(
        demo(&format!("name staging\n{changes}")),
        (Some("staging".into()), memory(), file("changes.fs"))
    );
    let deep = format!("<hexstorage base>\n<demostorage>\n{base}\n</demostorage>\n</hexstorage>\n{changes}");
    let inner = StorageKind::Demo { name: None, base: file("base.fs"), changes: memory() };
    assert_eq!(demo(&deep), (None, Box::new(hex(Box::new(inner))), file("changes.fs")));
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
            format!("<demostorage>\n{with_blobs}\n</demostorage>"),
            "5: a <demostorage> with blobs is not supported yet",
        ),
        (
            "<demostorage>\n<blobstorage changes>\nblob-dir a\n<mappingstorage/>\n</blobstorage>\n</demostorage>".into(),
            "5: a <demostorage> with blobs is not supported yet",
        ),
        (
            "<blobstorage>\nblob-dir a\n<hexstorage>\n<demostorage/>\n</hexstorage>\n</blobstorage>".into(),
            "6: a <demostorage> with blobs is not supported yet",
        ),
    ] {
        assert_eq!(read(&text).unwrap_err(), format!("zeo.conf:{expected}"), "{text}");
    }
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
