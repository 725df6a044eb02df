//! `zeolith copy`: byte for byte what Python's `copyTransactionsFrom` makes of the same source.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use zeolith_core::wire::Codec;
use zeolith_tests::process::wait_for;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Home, Maker, Server, zeolith};

use crate::rig::{CODECS, assert_same, done, end, path, python, refused, serve};

/// A folder with the source `Data.fs`.
fn made(options: &[&str]) -> (Home, String) {
    let home = Home::new();
    let file = path(&home, "Data.fs");
    python("make", &[&[&*file], options].concat());
    (home, file)
}

/// A folder with an empty `Data.fs` for a server.
fn empty(codec: Codec) -> (Home, Server) {
    let home = Home::new();
    let server = serve(Maker::Python, &home, codec);
    (home, server)
}

#[test]
fn a_file_becomes_the_file_that_python_makes_of_it() {
    for options in [&["0"][..], &["20", "pack"]] {
        let (home, source) = made(options);
        let [copy, pythons] = ["Copy.fs", "Python.fs"].map(|name| path(&home, name));
        let told = done(&["copy", &source, &copy]);
        assert!(told.starts_with("Copied ") && told.contains("The last transaction is "), "{told}");
        python("copy", &[&source, &pythons]);
        assert_same(&copy, &pythons);
        Script::module("ZODB.scripts.fstest").arg(&copy).run();
        assert!(done(&["check", &copy]).contains("is sound"));
        python("compare", &[&source, &copy]);
    }
}

#[test]
fn a_python_server_becomes_the_file_that_python_makes_of_it() {
    // Extension data is pickled anew on the way through a server: the same values, but not always the same bytes.
    for (options, same) in [(&["0"][..], false), (&["0", "bare"], true)] {
        let (home, _) = made(options);
        for codec in CODECS {
            let server = serve(Maker::Python, &home, codec);
            let [copy, pythons] =
                ["Copy.fs", "Python.fs"].map(|name| path(&home, &format!("{codec:?}{name}")));
            done(&["copy", server.address(), &copy]);
            python("copy", &[server.address(), &pythons]);
            python("compare", &[server.address(), &copy]);
            python("compare", &[&pythons, &copy]);
            if same {
                assert_same(&copy, &pythons);
            }
            server.kill();
        }
    }
}

#[test]
fn a_file_goes_into_a_python_server_as_python_would_bring_it_there() {
    for (options, same) in [(&["0"][..], false), (&["0", "bare"], true)] {
        let (home, source) = made(options);
        let pythons = path(&home, "Python.fs");
        python("copy", &[&source, &pythons]);
        for codec in CODECS {
            let (other, server) = empty(codec);
            let url = format!("zeo://{}/1", server.address());
            done(&["copy", &source, &url]);
            python("compare", &[&source, server.address()]);
            assert!(done(&["copy", &source, &url]).contains("Copied 0 transactions"));
            server.kill();
            if same {
                assert_same(other.path("Data.fs"), &pythons);
            }
        }
    }
}

#[test]
fn the_file_of_a_running_server_can_be_copied() {
    let (home, source) = made(&[]);
    let [copy, pythons] = ["Copy.fs", "Python.fs"].map(|name| path(&home, name));
    for maker in [Maker::Python, Maker::Zeolith] {
        let server = serve(maker, &home, Codec::Msgpack);
        python("change", &[server.address(), &format!("{maker:?}")]);
        // The second time it goes on behind the first.
        done(&["copy", &source, &copy]);
        end(maker, server);
        let _ = fs::remove_file(&pythons);
        python("copy", &[&source, &pythons]);
        assert_same(&copy, &pythons);
    }
}

#[test]
fn a_copy_goes_on_where_another_one_ended() {
    let (home, source) = made(&["20"]);
    let pythons = path(&home, "Python.fs");
    python("copy", &[&source, &pythons]);
    for transactions in ["1", "14", "17", "30"] {
        let copy = path(&home, &format!("{transactions}.fs"));
        python("copy", &[&source, &copy, transactions]);
        let told = done(&["copy", &source, &copy]);
        assert!(told.starts_with("Went on behind transaction "), "{told}");
        assert_same(&copy, &pythons);
        assert!(done(&["copy", &source, &copy]).contains("Copied 0 transactions with 0 records"));
        assert_same(&copy, &pythons);
    }
}

#[test]
fn a_copy_that_was_killed_goes_on() {
    let (home, source) = made(&["3000"]);
    let [copy, pythons] = ["Copy.fs", "Python.fs"].map(|name| path(&home, name));
    python("copy", &[&source, &pythons]);
    let mut killed = 0;
    for wanted in [1, 2_000_000, 3_000_000] {
        let mut child = Command::new(zeolith())
            .args(["copy", &source, &copy])
            .stdout(Stdio::null())
            .spawn()
            .expect("the tool runs");
        let end = Instant::now() + Duration::from_secs(60);
        while fs::metadata(&copy).map_or(0, |file| file.len()) < wanted
            && child.try_wait().expect("a child").is_none()
        {
            assert!(Instant::now() < end, "a copy that comes to {wanted} bytes");
            thread::sleep(Duration::from_micros(200));
        }
        killed += usize::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("a child can be killed");
        wait_for(&mut child, Duration::from_secs(10)).expect("a killed child ends");
    }
    assert!(killed > 0, "no copy was slow enough to be killed");
    done(&["copy", &source, &copy]);
    assert_same(&copy, &pythons);
}

#[test]
fn a_destination_that_is_no_beginning_of_the_source_is_left_as_it_is() {
    let (home, source) = made(&[]);
    let (_other_home, other) = made(&[]);
    let before = fs::read(&other).expect("a file");
    let why = refused(&["copy", &source, &other]);
    assert!(why.contains("which") && why.contains("does not have: it is no copy"), "{why}");
    assert_eq!(fs::read(&other).expect("a file"), before);
    let server = serve(Maker::Python, &home, Codec::Pickle);
    assert!(refused(&["copy", &other, server.address()]).contains("does not have"));
    server.kill();
}

#[test]
fn what_cannot_be_copied_is_refused_and_leaves_no_file() {
    let (home, source) = made(&[]);
    let copy = path(&home, "Copy.fs");
    assert!(refused(&["copy", &path(&home, "Missing.fs"), &copy]).contains("does not exist or is empty"));
    let link = path(&home, "Link.fs");
    std::os::unix::fs::symlink(&source, &link).expect("a link");
    assert!(refused(&["copy", &source, &link]).contains("are the same file"));
    let server = serve(Maker::Zeolith, &home, Codec::Msgpack);
    let (_other_home, other) = made(&[]);
    assert!(refused(&["copy", &other, &source]).contains("in use by process"));
    assert!(!fs::exists(&copy).expect("a folder"));
    server.stop();
}

#[test]
fn a_copy_ends_before_the_first_blob() {
    let home = Home::new();
    let [source, copy] = ["Blobs.fs", "Copy.fs"].map(|name| path(&home, name));
    python("blob", &[&source]);
    for _ in 0..2 {
        let why = refused(&["copy", &source, &copy]);
        assert!(why.contains("is a blob in transaction "), "{why}");
    }
    // The root with its plain object came before.
    assert!(done(&["show", &copy, "0"]).contains("'plain': object 0x1"));
}
