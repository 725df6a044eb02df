//! Servers over a server: clients of both see one database, whoever made the server above.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use zeolith_core::wire::Codec;
use zeolith_tests::python::Script;
use zeolith_tests::repetitions;
use zeolith_tests::server::{Config, Home, Maker, Server, Storage};

/// A server above and two below it, which speak different encodings.
struct Tower {
    above: Server,
    below: [Server; 2],
    _homes: [Home; 3],
}

/// A storage of the server at this address.
fn of(address: &str, more: &str) -> Storage {
    let lines = format!("<clientstorage>\n  server {address}\n{more}</clientstorage>");
    // The configurations of tests live as long as they do.
    Storage::Lines(Box::leak(lines.into_boxed_str()))
}

fn over(home: &Home, codec: Codec, address: &str, more: &str) -> Server {
    let config = Config { storages: vec![of(address, more)], ..Config::new(codec) };
    Server::start_as(Maker::Zeolith, home, &config)
}

impl Tower {
    fn new(maker: Maker, codec: Codec) -> Tower {
        let homes = [Home::new(), Home::new(), Home::new()];
        let config = Config { storages: vec![Storage::Blobs("1", "Data.fs")], ..Config::new(codec) };
        let above = Server::start_as(maker, &homes[0], &config);
        let below = [(1, Codec::Pickle), (2, Codec::Msgpack)]
            .map(|(at, codec)| over(&homes[at], codec, above.address(), "  blob-dir blobs\n"));
        Tower { above, below, _homes: homes }
    }

    fn check(&self, name: &str) -> Script {
        let [one, two] = &self.below;
        Script::new("fanout.py").arg(name).arg(self.above.address()).arg(one.address()).arg(two.address())
    }

    fn stop(self) {
        self.below.into_iter().for_each(Server::stop);
        self.above.stop();
    }
}

fn says_the_same(maker: Maker, codec: Codec) {
    let tower = Tower::new(maker, codec);
    tower.check("api").run();
    tower.stop();
}

#[test]
fn a_server_below_says_what_the_one_above_says() {
    says_the_same(Maker::Zeolith, Codec::Pickle);
    says_the_same(Maker::Zeolith, Codec::Msgpack);
}

#[test]
fn a_server_below_says_what_pythons_server_above_says() {
    says_the_same(Maker::Python, Codec::Pickle);
    says_the_same(Maker::PythonOnUvloop, Codec::Msgpack);
}

#[test]
fn blobs_go_up_and_come_down() {
    for maker in [Maker::Zeolith, Maker::Python] {
        let tower = Tower::new(maker, Codec::Pickle);
        tower.check("blobs").run();
        tower.stop();
    }
}

#[test]
fn a_database_is_copied_through_a_server_below() {
    let tower = Tower::new(Maker::Zeolith, Codec::Msgpack);
    let (above, below) = (tower.above.address(), tower.below[0].address());
    Script::new("fanout.py").arg("copy").arg(above).arg(below).run();
    tower.stop();
}

#[test]
fn counters_above_and_below_lose_nothing() {
    for maker in [Maker::Zeolith, Maker::Python] {
        let tower = Tower::new(maker, Codec::Pickle);
        let [one, two] = &tower.below;
        let addresses = [tower.above.address(), one.address(), two.address(), one.address()];
        let script = Script::new("fanout.py").arg("totals").arg(repetitions(40, 1000).to_string());
        addresses.into_iter().fold(script, Script::arg).limit(Duration::from_secs(600)).run();
        tower.stop();
    }
}

#[test]
fn clients_below_never_race() {
    for check in
        ["loadopen_vs_local_invalidate", "load_vs_external_invalidate", "external_invalidate_vs_disconnect"]
    {
        let tower = Tower::new(Maker::Zeolith, Codec::Pickle);
        let script = Script::new("race.py").arg(tower.below[0].address()).arg(check).arg("1");
        script.limit(Duration::from_secs(150)).run();
        tower.stop();
    }
}

#[test]
fn nothing_is_lost_while_the_server_above_is_killed_and_started_again() {
    let (home, home_below) = (Home::new(), Home::new());
    // On a socket, where it is found again.
    let config = Config { unix: true, ..Config::new(Codec::Pickle) };
    let mut above = Server::start_as(Maker::Zeolith, &home, &config);
    let below = over(&home_below, Codec::Msgpack, above.address(), "  wait-timeout 2\n");
    let (enough, told) = (home.path("enough"), home.path("told"));
    let script = Script::new("fanout.py").arg("endure").arg(&enough).arg(below.address()).arg(&told);
    let client = thread::spawn(move || script.run());
    let acknowledged = |path: &Path| fs::read_to_string(path).ok().and_then(|told| told.parse().ok());
    let end = Instant::now() + Duration::from_secs(100);
    for _ in 0..repetitions(3, 20) {
        let before: u64 = acknowledged(&told).unwrap_or(0);
        while acknowledged(&told).unwrap_or(0) <= before + 5 && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        above.kill();
        above = Server::start_as(Maker::Zeolith, &home, &config);
    }
    fs::write(&enough, "").expect("the folder is writable");
    client.join().expect("the client finds what was acknowledged");
    below.stop();
    above.stop();
}

#[test]
fn nothing_is_written_below_where_nothing_may_be_written() {
    let (home, home_below) = (Home::new(), Home::new());
    let above = Server::start_as(Maker::Zeolith, &home, &Config::new(Codec::Pickle));
    let below = over(&home_below, Codec::Pickle, above.address(), "  read-only yes\n");
    Script::new("fanout.py").arg("reading").arg(above.address()).arg(below.address()).run();
    below.stop();
    above.stop();
}

#[test]
fn a_cache_file_spares_the_next_server_below_its_loads() {
    let (home, home_below) = (Home::new(), Home::new());
    let above = Server::start_as(Maker::Zeolith, &home, &Config::new(Codec::Pickle));
    for times in 0..2 {
        let below = over(&home_below, Codec::Pickle, above.address(), "  cache-path fan.cache\n");
        Script::new("fanout.py")
            .arg("warm")
            .arg(below.address())
            .arg(above.address())
            .arg(times.to_string())
            .run();
        below.stop();
    }
    above.stop();
}
