//! What the Rust client costs: loads that its cache answers, and many objects read cold, beside Python's client.
//!
//! `cargo bench -p zeolith-tests --bench client -- [OBJECTS]`. Both clients read the same objects from the same server, once
//! Python's and once ours; every figure is a median.

use std::time::{Duration, Instant};

use bytes::Bytes;
use zeolith_core::wire::Codec;
use zeolith_net::client::blocking;
use zeolith_net::{Client, ClientOptions, Oid, Tid};
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Maker, Server};

/// Bytes of an object.
const DATA: usize = 300;
/// Objects in a transaction.
const TOGETHER: u64 = 1_000;
/// Runs of which the median is told.
const TIMES: usize = 5;
/// Stretches of loads that the cache answers, short enough that most of them are not interrupted on a busy machine.
const STRETCHES: usize = 1_000;
/// Loads in such a stretch.
const LOADS: usize = 1_000;

fn main() {
    // cargo hands --bench to every bench.
    let objects = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(20_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!(
        "{objects} objects of {DATA} bytes: medians of {TIMES} runs, of {STRETCHES} stretches where the cache answers"
    );
    for maker in [Maker::Zeolith, Maker::Python] {
        for codec in [Codec::Pickle, Codec::Msgpack] {
            let home = Home::new();
            let server = Server::start_as(maker, &home, &Config::new(codec));
            let options = ClientOptions::new(server.address()).expect("an address");
            let oids = runtime.block_on(fill(&options, objects));
            if maker == Maker::Zeolith && codec == Codec::Msgpack {
                println!("\nanswered by the cache");
                row("load, in memory", runtime.block_on(cached(options.clone(), &oids)));
                let file = options.clone().cache_file(home.path("cache.zeolith"));
                row("load, from a warm file", runtime.block_on(cached(file, &oids)));
                row("load, in memory, blocking", blocking_cached(options.clone(), &oids));
            }
            println!("\nread cold from {maker:?}'s server, {codec:?}");
            let ours = cold(&oids, objects, || runtime.block_on(prefetch(&options, &oids)));
            let single = cold(&oids, objects, || runtime.block_on(one_by_one(&options, &oids)));
            let script =
                |how| Script::new("client_times.py").arg(server.address()).arg(objects.to_string()).arg(how);
            let python = |how| cold(&oids, objects, || seconds(&script(how).run()));
            let (theirs, plain) = (python("prefetch"), python("load"));
            println!("  {:28} {:>9.0} ns an object", "Rust, prefetch", ours);
            println!("  {:28} {:>9.0} ns an object", "Rust, one by one", single);
            println!(
                "  {:28} {:>9.0} ns an object, {:.1} times Rust's",
                "Python, prefetch",
                theirs,
                theirs / ours
            );
            println!(
                "  {:28} {:>9.0} ns an object, {:.1} times Rust's",
                "Python, one by one",
                plain,
                plain / single
            );
            server.end();
        }
    }
}

fn row(what: &str, nanos: f64) {
    println!("  {what:28} {nanos:>9.0} ns a load");
}

/// The median of several runs, in nanoseconds for each of `objects`.
fn cold(oids: &[Oid], objects: u64, mut run: impl FnMut() -> Duration) -> f64 {
    assert_eq!(oids.len() as u64, objects);
    median((0..TIMES).map(|_| run().as_nanos() as f64 / objects as f64).collect())
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

/// Stores the objects, and returns their oids: 1 and so on, as a new storage gives them out.
async fn fill(options: &ClientOptions, objects: u64) -> Vec<Oid> {
    let client = Client::connect(options.clone()).await.expect("a server");
    let oids: Vec<Oid> = (1..=objects).map(Oid).collect();
    for together in oids.chunks(TOGETHER as usize) {
        let mut transaction = client.begin();
        for &oid in together {
            transaction.store_new(oid, Bytes::from(vec![b'x'; DATA]));
        }
        transaction.commit().await.expect("a disk with room");
    }
    oids
}

/// A place in a row of places that are all visited, in no order that a cache could like.
fn scattered(number: usize, len: usize) -> usize {
    number.wrapping_mul(7_919) % len
}

/// Nanoseconds of a load that the cache answers.
async fn cached(options: ClientOptions, oids: &[Oid]) -> f64 {
    let client = Client::connect(options).await.expect("a server");
    client.prefetch(oids.iter().copied()).await.expect("a server");
    let mut runs = Vec::new();
    for stretch in 0..STRETCHES {
        let begun = Instant::now();
        for number in stretch * LOADS..(stretch + 1) * LOADS {
            let revision = client.load(oids[scattered(number, oids.len())]).await.expect("an object");
            assert_eq!(std::hint::black_box(revision.data).len(), DATA);
        }
        runs.push(begun.elapsed().as_nanos() as f64 / LOADS as f64);
    }
    assert!(
        oids.iter().all(|&oid| client.cached(oid, Tid::MAX).is_some()),
        "a load that the cache did not answer"
    );
    client.close().await;
    median(runs)
}

fn blocking_cached(options: ClientOptions, oids: &[Oid]) -> f64 {
    let client = blocking::Client::connect(options).expect("a server");
    client.prefetch(oids.iter().copied()).expect("a server");
    let runs = (0..STRETCHES).map(|stretch| {
        let begun = Instant::now();
        for number in stretch * LOADS..(stretch + 1) * LOADS {
            let revision = client.load(oids[scattered(number, oids.len())]).expect("an object");
            assert_eq!(std::hint::black_box(revision.data).len(), DATA);
        }
        begun.elapsed().as_nanos() as f64 / LOADS as f64
    });
    median(runs.collect())
}

/// How long a new client takes to have all of them.
async fn prefetch(options: &ClientOptions, oids: &[Oid]) -> Duration {
    let client = Client::connect(options.clone()).await.expect("a server");
    let begun = Instant::now();
    let snapshot = client.snapshot().await.expect("a server");
    snapshot.prefetch(oids.iter().copied()).await.expect("a server");
    for &oid in oids {
        assert_eq!(snapshot.load(oid).await.expect("an object").data.len(), DATA);
    }
    begun.elapsed()
}

async fn one_by_one(options: &ClientOptions, oids: &[Oid]) -> Duration {
    let client = Client::connect(options.clone()).await.expect("a server");
    let begun = Instant::now();
    let snapshot = client.snapshot().await.expect("a server");
    for &oid in oids {
        assert_eq!(snapshot.load(oid).await.expect("an object").data.len(), DATA);
    }
    begun.elapsed()
}

/// What the script measured.
fn seconds(printed: &str) -> Duration {
    let seconds = printed.split_whitespace().find_map(|word| word.strip_prefix("seconds="));
    Duration::from_secs_f64(seconds.and_then(|seconds| seconds.parse().ok()).expect("a number of seconds"))
}
