//! Packs that do not come to their end: on a disk without room, and of a server that is killed.

use std::process::Command;

use rustix::process::Signal;
use zeolith_core::ids::{Oid, Tid};
use zeolith_tests::process::{signal, wait_for};
use zeolith_tests::server::{Home, zeolith};

use crate::client::Client;
use crate::rig::{PATIENCE, Process, names, until};

/// The records of these tests are none, so nobody can tell what is garbage.
const CONFIG: &str =
    "<zeo>\naddress 127.0.0.1:0\n</zeo>\n<filestorage>\npath Data.fs\npack-gc false\n</filestorage>\n";

const OBJECTS: u64 = 24;

fn state(oid: u64, round: u8) -> Vec<u8> {
    vec![oid as u8 ^ round; 1 << 20]
}

/// Objects of a megabyte each, of which a few were changed: that much a pack leaves, and that much it removes.
fn filled(home: &Home) -> Vec<Tid> {
    let (server, address) = Process::configured(home, CONFIG);
    let mut client = Client::register(&address);
    let mut serials: Vec<Tid> =
        (0..OBJECTS).map(|oid| client.commit(Oid(oid), Tid(0), &state(oid, 0))).collect();
    for oid in 0..3 {
        serials[oid as usize] = client.commit(Oid(oid), serials[oid as usize], &state(oid, 1));
    }
    server.stop();
    serials
}

fn check(address: &str, serials: &[Tid]) {
    let mut client = Client::register(address);
    for (oid, serial) in (0..).zip(serials) {
        let expected = (state(oid, u8::from(oid < 3)), *serial);
        assert!(client.load(Oid(oid)) == Some(expected), "object {oid}");
    }
}

fn pack(home: &Home, address: &str) -> Command {
    let mut command = Command::new(zeolith());
    command.args(["pack", address]).current_dir(home.path(""));
    command
}

#[test]
fn a_pack_that_does_not_fit_on_the_disk_is_refused_and_leaves_nothing_behind() {
    let home = Home::new();
    let serials = filled(&home);
    let mut command = Command::new("sh");
    // In units of 512 or 1024 bytes, as the shell has it: 8 or 16 megabytes, less than a pack leaves.
    command.arg("-c").arg("ulimit -f 16384; exec \"$0\" serve -C zeo.conf").arg(zeolith());
    let (server, address) = Process::run(&home, command).ready();
    let before = names(&home);
    let did = pack(&home, &address).output().expect("the tool runs");
    let told = String::from_utf8_lossy(&did.stderr);
    assert_eq!(did.status.code(), Some(1), "{told}");
    assert!(told.starts_with("Error: ") && told.contains("no space left on the disk"), "{told}");
    assert_eq!(names(&home), before);
    assert!(server.err().contains("not packed: no space left"), "{}", server.err());
    check(&address, &serials);
    server.stop();
    let (server, address) = Process::configured(&home, CONFIG);
    assert!(pack(&home, &address).status().expect("the tool runs").success(), "there is room again");
    check(&address, &serials);
    server.stop();
}

#[test]
fn a_server_that_is_killed_during_a_pack_goes_on_with_one_whole_log_and_nothing_else() {
    let home = Home::new();
    let serials = filled(&home);
    let at = |name: &str| home.path(name).metadata().map_or(0, |file| file.len());
    for megabytes in [0, 1, 5, 10, 20] {
        let (server, address) = Process::configured(&home, CONFIG);
        // So that there is something to pack.
        let mut client = Client::register(&address);
        let first = client.commit(Oid(100 + megabytes), Tid(0), &state(1, 2));
        client.commit(Oid(100 + megabytes), first, &state(1, 3));
        let mut tool = pack(&home, &address).spawn().expect("the tool runs");
        until("the pack has come so far", || {
            at("Data.fs.pack") >= megabytes << 20 && home.path("Data.fs.pack").exists()
                || tool.try_wait().expect("a child").is_some()
        });
        server.signal(Signal::KILL);
        server.end();
        signal(&tool, Signal::TERM);
        wait_for(&mut tool, PATIENCE).expect("it ends");
        let (server, address) = Process::configured(&home, CONFIG);
        let left = names(&home);
        let stays = ["Data.fs", "Data.fs.index", "Data.fs.lock", "Data.fs.old", "Data.fs.sums"];
        assert!(left.iter().all(|name| stays.contains(&name.as_str())), "{left:?}");
        check(&address, &serials);
        let mut client = Client::register(&address);
        assert_eq!(client.load(Oid(100 + megabytes)).map(|(state, _)| state), Some(state(1, 3)));
        server.stop();
    }
    let (server, address) = Process::configured(&home, CONFIG);
    assert!(pack(&home, &address).status().expect("the tool runs").success());
    check(&address, &serials);
    server.stop();
}
