//! What those who commit notice of a pack.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use zeolith_core::wire::Codec;
use zeolith_net::client::blocking::Client;
use zeolith_net::{ClientOptions, Tid};
use zeolith_tests::server::{Config, Home, Maker, Server};

/// For how long is committed without a pack.
const QUIET: Duration = Duration::from_secs(5);

/// Commits one object again and again, before a pack and while it goes on.
pub fn measure(made: &Path) {
    let home = Home::new();
    fs::copy(made, home.path("Data.fs")).expect("a disk with room");
    let server = Server::start_as(Maker::Zeolith, &home, &Config::new(Codec::Msgpack));
    let options = ClientOptions::new(server.address()).expect("an address");
    let committer = Client::connect(options.clone()).expect("a server");
    let oid = {
        let mut transaction = committer.begin();
        let oid = committer.new_oid().expect("a server");
        transaction.store_new(oid, Bytes::from(vec![b'x'; 300]));
        transaction.commit().expect("a disk with room");
        oid
    };
    let mut serial: Tid = committer.load(oid).expect("an object").serial;
    let mut commit = || {
        let mut transaction = committer.begin();
        transaction.store(oid, serial, Bytes::from(vec![b'y'; 300]));
        let begun = Instant::now();
        serial = transaction.commit().expect("a disk with room");
        begun.elapsed()
    };
    let begun = Instant::now();
    let quiet: Vec<Duration> = std::iter::from_fn(|| (begun.elapsed() < QUIET).then(&mut commit)).collect();
    let done = AtomicBool::new(false);
    let packer = Client::connect(options).expect("a server");
    let (beside, seconds) = thread::scope(|scope| {
        let pack = scope.spawn(|| {
            let begun = Instant::now();
            packer.pack(SystemTime::now()).expect("a sound file");
            done.store(true, Ordering::Release);
            begun.elapsed()
        });
        let beside: Vec<Duration> =
            std::iter::from_fn(|| (!done.load(Ordering::Acquire)).then(&mut commit)).collect();
        (beside, pack.join().expect("a pack"))
    });
    println!(
        "commits of one object, one after the other; the pack beside them took {:.2} s",
        seconds.as_secs_f64()
    );
    for (what, mut times) in [("without a pack", quiet), ("during a pack", beside)] {
        times.sort_unstable();
        let at = |part: usize| times[(times.len() * part / 1000).min(times.len() - 1)].as_micros();
        let longest = times.last().expect("a commit").as_micros();
        println!(
            "  {what:16} {:>6} commits, median {} µs, p99 {} µs, longest {longest} µs",
            times.len(),
            at(500),
            at(990)
        );
    }
    server.stop();
}
