//! How a server ends, and what it leaves on the disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use zeolith_core::ids::{Oid, Tid};
use zeolith_tests::server::Home;

use crate::client::Client;
use crate::rig::{Process, names, until};

const WRITERS: u64 = 4;

/// Ends a server by a signal while clients commit; returns its exit code.
fn ended_during_commits(which: Signal) -> Option<i32> {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let acknowledged = AtomicUsize::new(0);
    let (code, last) = thread::scope(|scope| {
        let writers: Vec<_> = (1..=WRITERS)
            .map(|number| {
                let (mut client, acknowledged) = (Client::register(&address), &acknowledged);
                scope.spawn(move || {
                    let (mut count, mut serial) = (0u32, Tid(0));
                    // Until the server is gone.
                    while let Some(tid) = client.try_commit(Oid(number), serial, &count.to_be_bytes()) {
                        serial = tid.expect("no one else writes this object");
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                        count += 1;
                    }
                    (Oid(number), serial, count)
                })
            })
            .collect();
        until("there are commits", || acknowledged.load(Ordering::Relaxed) > 50);
        server.signal(which);
        let end = server.end();
        assert!(!end.err.contains("ERROR") && !end.err.contains("WARN"), "{}", end.err);
        (end.code, writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>())
    });
    assert_eq!(names(&home), ["Data.fs", "Data.fs.index", "Data.fs.lock", "Data.fs.sums"]);
    let log = fs::metadata(home.path("Data.fs")).unwrap();
    let blocks = log.size().div_ceil(log.blksize()) * log.blksize();
    assert!(log.blocks() * 512 <= blocks + log.blksize(), "{} blocks for {} bytes", log.blocks(), log.size());

    let (server, address) = Process::serving(&home, &[]);
    assert!(server.err().contains("index: used;"), "the saved index is used: {}", server.err());
    let mut client = Client::register(&address);
    for (oid, serial, count) in last {
        let (data, found) = client.load(oid).expect("every writer committed something");
        // One more may be there: its acknowledgement was cut off.
        assert!(found >= serial, "{oid} was acknowledged at {serial} and is at {found}");
        let stored = u32::from_be_bytes(data.try_into().unwrap());
        assert!(stored + 1 == count && found == serial || stored == count, "{stored} of {count}");
    }
    server.stop();
    code
}

#[test]
fn terminated_during_commits_a_server_ends_well_and_loses_nothing() {
    assert_eq!(ended_during_commits(Signal::TERM), Some(0));
}

#[test]
fn interrupted_during_commits_a_server_ends_well_and_loses_nothing() {
    assert_eq!(ended_during_commits(Signal::INT), Some(0));
}

#[test]
fn a_hung_up_server_asks_to_be_started_again_and_loses_nothing() {
    assert_eq!(ended_during_commits(Signal::HUP), Some(1));
}

#[test]
fn an_open_transaction_does_not_hold_up_the_end() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &[]);
    let mut voted = Client::register(&address);
    voted.send(true, &crate::client::BEGIN);
    voted.send(true, &crate::client::storea(Oid(0), Tid(0), b"never"));
    voted.ask(&crate::client::VOTE, |_| Some(())).unwrap();
    let mut waits = Client::register(&address);
    waits.send(true, &crate::client::BEGIN);
    waits.send(true, &crate::client::storea(Oid(0), Tid(0), b"never"));
    waits.send(false, &crate::client::VOTE);
    server.stop();
    voted.hear_out();
    waits.hear_out();
    let (server, address) = Process::serving(&home, &[]);
    assert_eq!(Client::register(&address).load(Oid(0)), None);
    server.stop();
}

#[test]
fn a_second_signal_ends_a_server_that_waits_for_its_disk() {
    let home = Home::new();
    let (server, address) = Process::serving(&home, &["--pid-file", "zeo.pid"]);
    let mut client = Client::register(&address);
    let tid = client.commit(Oid(0), Tid(0), b"root");
    // Whoever opens a pipe for writing waits for a reader: the index is never saved.
    mknodat(CWD, home.path("Data.fs.index.new"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    server.signal(Signal::TERM);
    client.hear_out();
    server.signal(Signal::TERM);
    let end = server.end();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(end.err.contains("not waiting any longer"), "{}", end.err);
    assert!(!home.path("zeo.pid").exists());
    fs::remove_file(home.path("Data.fs.index.new")).unwrap();
    let (server, address) = Process::serving(&home, &[]);
    assert_eq!(Client::register(&address).load(Oid(0)), Some((b"root".to_vec(), tid)));
    server.stop();
}

#[test]
fn usr2_reopens_a_log_file_that_was_renamed() {
    let home = Home::new();
    let (log, old) = (home.path("zeo.log"), home.path("zeo.log.1"));
    let text = format!(
        "<zeo>\n address 127.0.0.1:0\n</zeo>\n<mappingstorage 1>\n</mappingstorage>\n<eventlog>\n <logfile>\n  path \
         {}\n </logfile>\n</eventlog>\n",
        log.display()
    );
    let (server, address) = Process::configured(&home, &text);
    let before = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default();
    Client::register(&address).ping();
    until("the log tells of the client", || before(&log).contains("registered"));
    fs::rename(&log, &old).unwrap();
    server.signal(Signal::USR2);
    until("the log is opened anew", || before(&log).contains("reopened"));
    let rotated = before(&old);
    Client::register(&address).ping();
    until("the new log tells of the client", || before(&log).contains("registered"));
    assert_eq!(before(&old), rotated, "nothing more is written there");
    server.stop();
}
