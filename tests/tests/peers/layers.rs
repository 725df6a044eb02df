//! Storages that lie over others: records in another form, and changes over a base that stays as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Maker, Server, Storage, zeolith};

/// One storage, as the lines of its section say.
fn config(codec: Codec, lines: &'static str) -> Config {
    Config { storages: vec![Storage::Lines(lines)], ..Config::new(codec) }
}

/// Both makers' servers take turns on one file; `wrapper` is what the client puts around records itself.
fn travels(lines: &'static str, wrapper: &str, form: &str) {
    let home = Home::new();
    let rounds = repetitions(4, 20);
    for round in 0..rounds {
        let (maker, codec) = match round % 4 {
            0 => (Maker::Zeolith, Codec::Pickle),
            2 => (Maker::Zeolith, Codec::Msgpack),
            _ => (Maker::Python, Codec::Pickle),
        };
        let server = Server::start_as(maker, &home, &config(codec, lines));
        let script = Script::new("coded.py").arg("served").arg(server.address());
        script.arg(wrapper).arg(round.to_string()).run();
        server.stop();
    }
    let file = home.path("Data.fs");
    Script::new("coded.py").arg("raw").arg(&file).arg(form).arg(rounds.to_string()).run();
    Script::module("ZODB.scripts.fstest").arg(&file).run();
    // The object that is shorter when it is compressed.
    let shown = Command::new(zeolith()).arg("show").arg(&file).arg("100").output().expect("the tool runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("class       ZODB.tests.MinPO.MinPO") && shown.contains(" uncoded"), "{shown}");
}

#[test]
fn what_the_server_writes_as_hex_python_reads_and_the_other_way_round() {
    let lines =
        "%import ZODB.tests\n<hexstorage>\n<filestorage>\npath HOME/Data.fs\n</filestorage>\n</hexstorage>";
    travels(lines, "none", "hex");
}

#[test]
fn what_clients_write_as_hex_is_served_as_it_stands() {
    travels(
        "%import ZODB.tests\n<serverhexstorage>\n<filestorage>\npath HOME/Data.fs\n</filestorage>\n</serverhexstorage>",
        "hex",
        "hex",
    );
}

#[test]
fn what_the_server_compresses_python_reads_and_the_other_way_round() {
    travels(
        "%import zc.zlibstorage\n<zlibstorage>\n<filestorage>\npath HOME/Data.fs\n</filestorage>\n</zlibstorage>",
        "none",
        "zlib",
    );
}

#[test]
fn what_clients_compress_is_served_as_it_stands() {
    travels(
        "%import zc.zlibstorage\n<serverzlibstorage>\n<filestorage>\npath HOME/Data.fs\n</filestorage>\n\
         </serverzlibstorage>",
        "zlib",
        "zlib",
    );
}

const BLOBS: &str = "%import zc.zlibstorage\n<zlibstorage>\n<filestorage>\npath HOME/Data.fs\n\
                     blob-dir HOME/Data.fs.blobs\n</filestorage>\n</zlibstorage>";

fn blobs(kind: &str, server: &Server, home: &Home) -> Script {
    let script = Script::new("blobs.py").arg(kind).arg(server.address()).arg("1");
    script.arg(home.path("clients")).arg(home.path("Data.fs.blobs"))
}

#[test]
fn blobs_lie_beside_compressed_records() {
    let home = Home::new();
    fs::create_dir(home.path("clients")).expect("a folder");
    let server = Server::start(&home, &config(Codec::Pickle, BLOBS));
    blobs("stories", &server, &home).run();
    server.stop();
}

#[test]
fn a_start_looks_into_compressed_records_for_which_blobs_were_committed() {
    let home = Home::new();
    fs::create_dir(home.path("clients")).expect("a folder");
    let notes = home.path("acknowledged");
    let server = Server::start(&home, &config(Codec::Pickle, BLOBS));
    let mut commits = blobs("endless", &server, &home).arg(&notes).spawn();
    while fs::read_to_string(&notes).unwrap_or_default().lines().count() < 5 {
        assert!(commits.goes_on(), "the commits ended by themselves\n{}", commits.finish());
        thread::sleep(Duration::from_millis(2));
    }
    server.kill();
    commits.finish();
    let server = Server::start(&home, &config(Codec::Pickle, BLOBS));
    blobs("survived", &server, &home).arg(&notes).arg("1").run();
    server.stop();
}

/// The files of a folder whose names begin so.
fn files(home: &Home, start: &str) -> BTreeMap<String, Vec<u8>> {
    let names =
        fs::read_dir(home.path(".")).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let names = names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with(start));
    names.map(|name| (name.clone(), fs::read(home.path(&name)).expect("a file"))).collect()
}

fn demo(codec: Codec, lines: &'static str, keeps: bool) {
    let home = Home::new();
    let script = |what: &str| Script::new("demo.py").arg(what);
    script("base").arg(home.path("base.fs")).run();
    let before = files(&home, "base.fs");
    let server = Server::start(&home, &config(codec, lines));
    script("story").arg(server.address()).arg(if keeps { "undo" } else { "" }).run();
    server.stop();
    let server = Server::start(&home, &config(codec, lines));
    script(if keeps { "again" } else { "fresh" }).arg(server.address()).run();
    server.stop();
    if Maker::under_test() == Maker::Zeolith {
        assert!(
            files(&home, "base.fs") == before,
            "the base is not what it was: {:?}",
            files(&home, "base.fs").keys()
        );
    }
    let after = fs::read(home.path("base.fs")).expect("the base");
    assert!(after == before["base.fs"], "the base was written");
}

const IN_MEMORY: &str = "<demostorage>\n<filestorage>\npath HOME/base.fs\n</filestorage>\n</demostorage>";
const IN_A_FILE: &str = "<demostorage>\n<filestorage changes>\npath HOME/changes.fs\n</filestorage>\n<filestorage>\n\
                         path HOME/base.fs\n</filestorage>\n</demostorage>";

#[test]
fn changes_in_memory_leave_their_base_as_it_is_in_pickle() {
    demo(Codec::Pickle, IN_MEMORY, false);
}

#[test]
fn changes_in_memory_leave_their_base_as_it_is_in_msgpack() {
    demo(Codec::Msgpack, IN_MEMORY, false);
}

#[test]
fn changes_in_a_file_are_there_after_a_restart() {
    demo(Codec::Pickle, IN_A_FILE, true);
}

/// Everything below a folder.
fn below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(below(&path));
        } else {
            files.insert(path.clone(), fs::read(path).expect("a file"));
        }
    }
    files
}

fn demo_with_blobs(lines: &'static str, keeps: bool) {
    let home = Home::new();
    fs::create_dir(home.path("clients")).expect("a folder");
    let script = |what: &str| Script::new("demo_blobs.py").arg(what);
    script("base").arg(home.path("base.fs")).arg(home.path("below")).run();
    let before = below(&home.path("below"));
    let server = Server::start(&home, &config(Codec::Pickle, lines));
    let story = script("story").arg(server.address()).arg(home.path("clients"));
    if keeps { story.arg("undo") } else { story }.run();
    server.stop();
    let server = Server::start(&home, &config(Codec::Pickle, lines));
    let later = script(if keeps { "again" } else { "fresh" });
    later.arg(server.address()).arg(home.path("clients")).run();
    server.stop();
    assert!(below(&home.path("below")) == before, "the blobs of the base are not what they were");
}

const BASE_WITH_BLOBS: &str = "<demostorage>\n<filestorage>\npath HOME/base.fs\nblob-dir HOME/below\n\
                               </filestorage>\n</demostorage>";
const BOTH_WITH_BLOBS: &str = "<demostorage>\n<filestorage changes>\npath HOME/changes.fs\nblob-dir HOME/over\n\
                               </filestorage>\n<filestorage>\npath HOME/base.fs\nblob-dir HOME/below\n\
                               </filestorage>\n</demostorage>";

#[test]
fn blobs_over_those_of_a_base_go_with_the_server_where_changes_are_in_memory() {
    demo_with_blobs(BASE_WITH_BLOBS, false);
}

#[test]
fn blobs_over_those_of_a_base_are_there_after_a_restart() {
    demo_with_blobs(BOTH_WITH_BLOBS, true);
}

#[test]
fn changes_are_packed_and_their_base_is_not() {
    for lines in [IN_MEMORY, IN_A_FILE] {
        let home = Home::new();
        Script::new("demo.py").arg("base").arg(home.path("base.fs")).run();
        let before = files(&home, "base.fs");
        let server = Server::start(&home, &config(Codec::Pickle, lines));
        Script::new("demo.py").arg("packed").arg(server.address()).run();
        server.end();
        if lines == IN_A_FILE {
            let server = Server::start(&home, &config(Codec::Pickle, lines));
            Script::new("demo.py").arg("known").arg(server.address()).run();
            server.end();
        }
        assert_eq!(
            fs::read(home.path("base.fs")).expect("the base"),
            before["base.fs"],
            "the base was written"
        );
        assert_eq!(home.path("changes.fs.old").exists(), lines == IN_A_FILE);
    }
}

#[test]
fn totals_over_a_base_are_right() {
    let home = Home::new();
    let server = Server::start(&home, &Config::new(Codec::Pickle));
    Script::new("visible.py").arg(server.address()).run();
    server.stop();
    let before = files(&home, "Data.fs");
    let lines = "<demostorage>\n<filestorage>\npath HOME/Data.fs\n</filestorage>\n</demostorage>";
    let server = Server::start(&home, &config(Codec::Pickle, lines));
    Script::new("hammer.py").arg(server.address()).arg(repetitions(100, 2000).to_string()).run();
    server.stop();
    assert_eq!(fs::read(home.path("Data.fs")).expect("the base"), before["Data.fs"], "the base was written");
}

/// ZODB's own tests, each through a client of an empty storage of one kind.
fn suite(of: impl Fn(usize) -> String, how: &[&str]) {
    const STORAGES: usize = 140;
    let home = Home::new();
    let storages = (1..=STORAGES).map(|at| Storage::Lines(of(at).leak()));
    let config = Config { storages: storages.collect(), ..Config::new(Codec::Pickle) };
    let server = Server::start(&home, &config);
    let script = Script::new("zodb_suite.py").arg(server.address()).arg(STORAGES.to_string());
    how.iter().fold(script, |script, how| script.arg(how)).run();
    server.end();
}

fn file(at: usize) -> String {
    format!("<filestorage>\npath HOME/{at}.fs\n</filestorage>")
}

#[test]
fn the_tests_of_zodb_pass_on_a_mapping() {
    suite(|at| format!("<mappingstorage {at}/>"), &["noundo"]);
}

#[test]
fn the_tests_of_zodb_pass_on_changes_in_memory() {
    suite(|at| format!("<demostorage {at}>\n{}\n</demostorage>", file(at)), &["noundo"]);
}

#[test]
fn the_tests_of_zodb_pass_on_changes_in_a_file() {
    let changes = |at| format!("<filestorage changes>\npath HOME/changes{at}.fs\n</filestorage>");
    suite(|at| format!("<demostorage {at}>\n{}\n{}\n</demostorage>", file(at), changes(at)), &[]);
}

#[test]
fn the_tests_of_zodb_pass_on_records_as_hex() {
    suite(|at| format!("<hexstorage {at}>\n{}\n</hexstorage>", file(at)), &[]);
    suite(|at| format!("<serverhexstorage {at}>\n{}\n</serverhexstorage>", file(at)), &["hex"]);
}

#[test]
fn the_tests_of_zodb_pass_on_compressed_records() {
    suite(|at| format!("<zlibstorage {at}>\n{}\n</zlibstorage>", file(at)), &[]);
    suite(|at| format!("<serverzlibstorage {at}>\n{}\n</serverzlibstorage>", file(at)), &["zlib"]);
}
