//! A Data.fs that cannot be served: said in one line, and left as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use zeolith_core::ids::{Oid, Tid};
use zeolith_tests::server::{Home, zeolith};

use crate::client::Client;
use crate::rig::{Process, Snapshot};

const SERVE: [&str; 4] = ["-a", "127.0.0.1:0", "-f", "Data.fs"];

/// Holds that a server refuses its Data.fs and leaves it alone; returns what it says.
fn refusal(home: &Home, run: impl FnOnce() -> Process) -> String {
    let path = home.path("Data.fs");
    let before = Snapshot::of(&path);
    let end = run().end();
    assert_eq!(end.code, Some(1), "{}", end.err);
    assert_eq!(Snapshot::of(&path), before, "the file is untouched");
    assert_eq!(end.out, "", "nothing is served");
    let told: Vec<&str> = end.err.lines().filter(|line| line.starts_with("Error: ")).collect();
    assert_eq!(told.len(), 1, "one line says it: {}", end.err);
    assert!(!end.err.contains("panicked"), "{}", end.err);
    told[0].to_owned()
}

fn refused(home: &Home) -> String {
    refusal(home, || Process::spawn(home, &SERVE))
}

fn holds(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let home = Home::new();
    for contents in ["this is no storage at all", "\0\0\0\0\0\0\0\0", "FS31"] {
        fs::write(home.path("Data.fs"), contents).unwrap();
        holds(&refused(&home), &["Data.fs", "is not a Data.fs"]);
    }
}

#[test]
fn a_file_of_python_2_is_refused_with_the_way_to_convert_it() {
    let home = Home::new();
    fs::write(home.path("Data.fs"), b"FS21\x03\x7f\x00\x00\x00\x00\x00\x00").unwrap();
    holds(&refused(&home), &["Python 2", "zodbupdate"]);
}

#[test]
fn an_empty_file_or_one_whose_creation_was_cut_off_is_as_good_as_none() {
    for contents in ["", "FS", "\0\0\0\0"] {
        let home = Home::new();
        fs::write(home.path("Data.fs"), contents).unwrap();
        let (server, address) = Process::serving(&home, &[]);
        Client::register(&address).commit(Oid(0), Tid(0), b"root");
        server.stop();
        assert!(fs::read(home.path("Data.fs")).unwrap().starts_with(b"FS30"));
    }
}

#[test]
fn a_file_that_is_not_to_be_created_is_missed() {
    let home = Home::new();
    fs::write(home.path("Data.fs"), b"").unwrap();
    let text = "<zeo>\n address 127.0.0.1:0\n</zeo>\n<filestorage 1>\n path Data.fs\n create false\n read-only true\n\
                </filestorage>\n";
    fs::write(home.path("zeo.conf"), text).unwrap();
    let told = refusal(&home, || Process::spawn(&home, &["-C", "zeo.conf"]));
    holds(&told, &["Data.fs does not exist or is empty"]);
}

#[test]
fn a_file_damaged_in_the_middle_is_refused() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let mut serial = Tid(0);
    for _ in 0..10 {
        serial = client.commit(Oid(0), serial, &[7; 1000]);
    }
    server.stop();
    // What would tell that the end is sound goes, so that all of it is looked at.
    fs::remove_file(home.path("Data.fs.index")).unwrap();
    fs::remove_file(home.path("Data.fs.sums")).unwrap();
    let mut log = fs::read(home.path("Data.fs")).unwrap();
    let middle = log.len() / 2;
    log[middle - 1000..middle + 1000].fill(0x55);
    fs::write(home.path("Data.fs"), log).unwrap();
    holds(&refused(&home), &["is damaged", "Restore a backup"]);
    assert!(!home.path("Data.fs.tr0").exists(), "nothing was cut off");
}

#[test]
fn what_only_begins_as_a_data_fs_is_refused() {
    let home = Home::new();
    let noise: Vec<u8> = (0u32..3000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for rest in [b"and this is how a text goes on, cup of tea or not".repeat(5), noise] {
        fs::write(home.path("Data.fs"), [b"FS30", &rest[..]].concat()).unwrap();
        holds(&refused(&home), &["Data.fs", "is not a Data.fs", "check the path"]);
        assert!(!home.path("Data.fs.tr0").exists(), "nothing was cut off");
    }
}

#[test]
fn a_bit_that_changed_before_a_clean_end_is_refused_and_the_rest_served_when_wanted() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let mut serial = Tid(0);
    for _ in 0..10 {
        serial = client.commit(Oid(0), serial, &[7; 1000]);
    }
    client.commit(Oid(1), Tid(0), b"in the last transaction");
    server.stop();
    let sound = fs::read(home.path("Data.fs")).unwrap();
    for at in [100, sound.len() / 2, sound.len() - 20] {
        let mut log = sound.clone();
        log[at] ^= 1;
        fs::write(home.path("Data.fs"), log).unwrap();
        let files = ["Data.fs.index", "Data.fs.sums", "Data.fs.lock"].map(|name| home.path(name));
        let before = files.clone().map(|file| fs::read(file).unwrap());
        let told = refused(&home);
        holds(&told, &["is damaged: bytes ", "Restore a backup", "zeolith serve --serve-damaged"]);
        assert_eq!(files.map(|file| fs::read(file).unwrap()), before);
    }
    let (server, address) = Process::serving(&home, &["--serve-damaged"]);
    Client::register(&address).commit(Oid(2), Tid(0), b"life goes on");
    server.signal(rustix::process::Signal::TERM);
    let end = server.end();
    assert_eq!(end.code, Some(0), "{}", end.err);
    holds(&end.err, &["are damaged; reads of them are refused"]);
    holds(&refused(&home), &["zeolith serve --serve-damaged"]);
}

#[test]
fn a_directory_is_refused() {
    let home = Home::new();
    fs::create_dir(home.path("Data.fs")).unwrap();
    holds(&refused(&home), &["Data.fs", "directory"]);
}

#[test]
fn a_folder_that_does_not_exist_is_refused() {
    let home = Home::new();
    let end = Process::spawn(&home, &["-a", "127.0.0.1:0", "-f", "missing/Data.fs"]).end();
    assert_eq!(end.code, Some(1));
    holds(&end.err, &["Error: missing/Data.fs", "No such file or directory"]);
    assert!(!home.path("missing").exists());
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let home = Home::new();
    fs::write(home.path("Data.fs"), b"FS30").unwrap();
    let mut command = Command::new(zeolith());
    command.arg("serve").args(SERVE);
    if rustix::process::geteuid().is_root() {
        // Root may read everything: the server runs as nobody then, in a folder where it may write.
        fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(home.path("Data.fs"), fs::Permissions::from_mode(0o600)).unwrap();
        command.uid(65534).gid(65534);
        let binary = Command::new(zeolith()).arg("--version").uid(65534).gid(65534).output();
        if !binary.is_ok_and(|output| output.status.success()) {
            // The sources are where nobody else may look.
            return;
        }
        holds(&refusal(&home, || Process::run(&home, command)), &["Data.fs", "Permission denied"]);
    } else {
        fs::set_permissions(home.path("Data.fs"), fs::Permissions::from_mode(0o000)).unwrap();
        let end = Process::run(&home, command).end();
        assert_eq!(end.code, Some(1));
        holds(&end.err, &["Data.fs", "Permission denied"]);
    }
}

#[test]
fn a_file_that_another_server_has_is_refused_with_its_process() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut client = Client::register(&address);
    let tid = client.commit(Oid(0), Tid(0), b"root");
    let holder = format!("process {}", server.id());
    holds(&refused(&home), &["Data.fs is in use by", &holder, "Data.fs.lock", "Stop it first"]);
    // The one that has it did not notice.
    client.commit(Oid(0), tid, b"root again");
    server.stop();
}

#[test]
fn a_file_that_python_has_is_refused_with_its_process() {
    const HOLD: &str = "import fcntl, os, sys\n\
        lock = open('Data.fs.lock', 'w')\n\
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n\
        lock.write(' %d\\n' % os.getpid()); lock.flush()\n\
        open('held', 'w').close()\n\
        sys.stdin.read()\n";
    let home = Home::new();
    fs::write(home.path("Data.fs"), b"FS30").unwrap();
    let mut python = Command::new("python3")
        .args(["-c", HOLD])
        .current_dir(home.path(""))
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    crate::rig::until("Python holds the lock", || home.path("held").exists());
    let lock = fs::read(home.path("Data.fs.lock")).unwrap();
    holds(&refused(&home), &["Data.fs is in use by", &format!("process {}", python.id())]);
    assert_eq!(fs::read(home.path("Data.fs.lock")).unwrap(), lock, "it is the holder's");
    drop(python.stdin.take());
    python.wait().unwrap();
    let (server, _) = Process::serving(&home, &[]);
    server.stop();
}
