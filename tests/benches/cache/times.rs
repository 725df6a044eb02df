//! How long a cached load and an opening take.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeolith_core::cache::Cache;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::store::Revision;
use zeolith_net::client::medium::{FileMedium, boot_id};
use zeolith_tests::python::Script;

const SIZE: u64 = 200_000_000;
/// More of them than fit.
const OBJECTS: u64 = 600_000;
const DATA: usize = 300;
const LOADS: u64 = 500_000;
/// Loads that are measured together.
const STRETCH: usize = 5_000;
/// Repetitions, of which the best counts: what disturbs only adds.
const TIMES: usize = 5;

pub fn tell() {
    println!("A cache of {} MB full of objects of {DATA} bytes, the best of many runs", SIZE / 1_000_000);
    let folder = tempfile::tempdir_in(zeolith_tests::workspace().join("target")).expect("a folder");
    let python = Script::new("cache_times.py")
        .arg(folder.path().join("python.zec"))
        .arg(SIZE.to_string())
        .arg(OBJECTS.to_string())
        .arg("200000")
        .limit(Duration::from_secs(300))
        .run();
    let python: Vec<u64> = python.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let mut memory = Cache::in_memory(SIZE);
    fill(&mut memory);
    let in_memory = load(&mut memory);
    let bytes = memory.stats();
    drop(memory);
    let path = folder.path().join("ours.cache");
    let mut file = open(&path);
    fill(&mut file);
    let in_file = load(&mut file);
    file.flush();
    drop(file);
    let opened = best(|| {
        let begun = Instant::now();
        let cache = open(&path);
        let took = begun.elapsed();
        assert_eq!(cache.stats().objects, bytes.objects);
        took
    });
    println!("a cached load in memory          {:>8} ns", in_memory.as_nanos());
    println!("a cached load from a warm file   {:>8} ns", in_file.as_nanos());
    println!("  Python's, from a warm file     {:>8} ns", python[0]);
    println!("opening, {} objects          {opened:>10.1?}", bytes.objects);
    println!("  Python's, {} objects       {:>10.1?}", python[2], Duration::from_nanos(python[1]));
    println!("  so many times as fast          {:>10.1}", python[1] as f64 / opened.as_nanos() as f64);
}

fn open(path: &Path) -> Cache {
    let medium = FileMedium::open(path).expect("a file of our own");
    Cache::open(Box::new(medium), SIZE, boot_id().expect("Linux")).expect("a cache of our own").0
}

fn fill(cache: &mut Cache) {
    for oid in 0..OBJECTS {
        let mut data = vec![b'x'; DATA];
        data[..8].copy_from_slice(&oid.to_be_bytes());
        cache.store(Oid(oid), &Revision { data: data.into(), serial: Tid(oid + 1), until: None });
    }
    cache.set_last_tid(Tid(OBJECTS + 1));
}

/// One load of something that is there.
fn load(cache: &mut Cache) -> Duration {
    let present: Vec<Oid> = cache.current().map(|(oid, _)| oid).collect();
    let mut rng = Rng::new(Seed(1));
    let wanted: Vec<Oid> = (0..LOADS).map(|_| present[rng.below(present.len() as u64) as usize]).collect();
    // Short stretches, each of other objects: in the best of them nothing else ran.
    let stretch = |wanted: &[Oid]| {
        let begun = Instant::now();
        for &oid in wanted {
            black_box(cache.load(oid).map(|revision| Bytes::len(&revision.data))).expect("it is there");
        }
        begun.elapsed()
    };
    let best = wanted.chunks_exact(STRETCH).map(stretch).min().expect("some stretches");
    best / STRETCH as u32
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..TIMES).map(|_| run()).min().expect("some")
}
