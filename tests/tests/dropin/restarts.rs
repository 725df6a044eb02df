//! Connected clients whose server is restarted, killed, changed behind their backs, and restored from a backup.

use std::fs;
use std::path::PathBuf;

use zeolith_core::wire::Codec;
use zeolith_tests::python::{Running, Script};
use zeolith_tests::server::{Config, Home, Maker, Server};

use crate::{printed, run};

/// Transactions in the invalidation queue.
const QUEUE: u32 = 10;

/// A server whose clients wait for what is done to it.
struct Play {
    home: Home,
    config: Config,
    file: PathBuf,
    server: Option<Server>,
    clients: Running,
}

impl Play {
    fn begin(codec: Codec) -> Play {
        let home = Home::new();
        let mut config = Config::new(codec);
        // A socket has the same address after a restart.
        config.unix = true;
        config.invalidation_queue_size = Some(QUEUE);
        let server = Server::start(&home, &config);
        let clients = Script::new("restarts.py")
            .arg("clients")
            .arg(server.address())
            .arg(home.path(""))
            .arg(QUEUE.to_string())
            .spawn();
        Play { file: home.path("Data.fs"), home, config, server: Some(server), clients }
    }

    /// Waits until the clients are ready for it; stops the server, does it, and starts the server again.
    fn at(&mut self, what: &str, act: impl FnOnce(&Play)) {
        self.clients.wait_for(&format!("at {what}\n"));
        let server = self.server.take().expect("a server runs");
        if what == "kill" {
            server.kill()
        } else {
            server.stop()
        }
        act(self);
        self.server = Some(Server::start(&self.home, &self.config));
        fs::write(self.home.path(what), "").expect("the folder is writable");
    }

    /// Commits behind the clients' backs.
    fn commit(&self, times: u32) {
        Script::new("restarts.py").arg("commit").arg(&self.file).arg(times.to_string()).run();
    }

    /// Puts the backup in the file's place and leaves beside it what stands there, as operators do.
    fn restore(&self) {
        fs::copy(self.home.path("backup.fs"), &self.file).expect("a backup");
    }

    fn heal(&self) {
        let output = run(&["heal"], &self.file);
        assert!(output.status.success(), "{}", printed(&output));
        let told = printed(&output);
        assert!(told.contains("Clients that knew a later one"), "{told}");
        Script::module("ZODB.scripts.fstest").arg(&self.file).run();
    }
}

fn restarts(codec: Codec) {
    let mut play = Play::begin(codec);
    play.at("restart", |_| ());
    play.at("kill", |_| ());
    play.at("three", |play| play.commit(3));
    play.at("many", |play| play.commit(2 * QUEUE));
    if Maker::under_test() == Maker::Zeolith {
        play.at("backup", |play| {
            fs::copy(&play.file, play.home.path("backup.fs")).expect("a disk with room");
        });
        play.at("restore 0", Play::restore);
        play.at("heal", Play::heal);
        play.at("restore 1", Play::restore);
        // Another client, that knew nothing, may commit before anybody heals: the same must come of it.
        play.at("diverge", |play| play.commit(1));
    }
    play.clients.finish();
    play.server.take().expect("a server runs").stop();
}

#[test]
fn clients_come_back_after_every_kind_of_restart_in_pickle() {
    restarts(Codec::Pickle);
}

#[test]
fn clients_come_back_after_every_kind_of_restart_in_msgpack() {
    restarts(Codec::Msgpack);
}
