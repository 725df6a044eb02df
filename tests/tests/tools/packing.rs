//! `zeolith pack`, of servers and of files.

use zeolith_core::wire::Codec;
use zeolith_tests::server::{Config, Home, Maker, Server};

use super::rig::{CODECS, done, end, path, python, refused, run, serve};

/// The bytes before and after, as the tool tells them.
fn figures(told: &str) -> (u64, u64) {
    let (_, told) = told.trim_end().rsplit_once(": ").expect("a place and figures");
    let numbers: Vec<u64> = told.split(' ').filter_map(|word| word.replace(',', "").parse().ok()).collect();
    match numbers[..] {
        [before, after] => (before, after),
        _ => panic!("no two figures in {told:?}"),
    }
}

#[test]
fn a_server_of_either_maker_is_packed_and_then_has_nothing_to_pack() {
    for maker in [Maker::Zeolith, Maker::Python] {
        for codec in CODECS {
            let home = Home::new();
            python("make", &[&path(&home, "Data.fs"), "0", "sound"]);
            let server = serve(maker, &home, codec);
            let size = || std::fs::metadata(home.path("Data.fs")).expect("a file").len();
            let was = size();
            let told = done(&["pack", server.address()]);
            assert_eq!(figures(&told), (was, size()), "{told}");
            assert!(size() < was);
            let told = done(&["pack", server.address()]);
            assert!(told.contains(": nothing to pack; "), "{told}");
            end(maker, server);
        }
    }
}

#[test]
fn days_and_files_are_understood() {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&file]);
    let told = done(&["pack", &file, "--days", "100000"]);
    assert!(told.contains(": nothing to pack; "), "nothing is that old: {told}");
    let told = done(&["pack", &file, "--no-gc"]);
    let (before, after) = figures(&told);
    assert!(after < before && home.path("Data.fs.old").exists(), "{told}");
    for days in ["-1", "many", "100001", "NaN"] {
        let did = run(&["pack", &file, &format!("--days={days}")]);
        assert_eq!(did.code, Some(2), "{did:?}");
        assert!(did.err.contains("expected a number of days from 0 to 100000"), "{did:?}");
    }
    assert!(done(&["pack", "--help"]).contains("--days"));
}

#[test]
fn what_cannot_be_packed_is_told_in_one_line() {
    let home = Home::new();
    python("make", &[&path(&home, "Data.fs")]);
    let server = serve(Maker::Zeolith, &home, Codec::Pickle);
    let address = server.address().to_owned();
    let told = refused(&["pack", &path(&home, "Data.fs")]);
    assert!(told.contains("is in use by process"), "{told}");
    let told = refused(&["pack", &address]);
    assert!(told.contains("refers to object") && told.contains("pack without pack-gc"), "{told}");
    let told = refused(&["pack", &address, "--no-gc"]);
    assert!(told.contains("pack-gc in the server's configuration"), "{told}");
    let told = refused(&["pack", &format!("zeo://{address}/other")]);
    assert!(told.contains("other"), "{told}");
    server.stop();
    let told = refused(&["pack", &address]);
    assert!(told.contains("no connection"), "{told}");
    let told = refused(&["pack", &path(&home, "missing.fs")]);
    assert!(told.contains("does not exist"), "{told}");
    let config = Config { read_only: true, ..Config::new(Codec::Pickle) };
    let server = Server::start(&home, &config);
    let told = refused(&["pack", server.address()]);
    assert!(told.to_lowercase().contains("read"), "{told}");
    server.stop();
}
