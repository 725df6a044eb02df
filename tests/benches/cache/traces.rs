//! What is asked of a cache.

use std::fs;

use zeolith_core::rng::{Rng, Seed};

/// Objects of the made-up traces.
const OBJECTS: u32 = 20_000;
/// Their loads.
const LOADS: usize = 600_000;
/// Loads of the uniform one, in which caches of the same size differ by so little that it takes more to see.
const UNIFORM_LOADS: usize = 6_000_000;

/// A row of events.
pub struct Trace {
    pub name: &'static str,
    pub events: Vec<Event>,
    pub objects: usize,
    /// Bytes of all its objects.
    pub bytes: u64,
}

/// What a client does with an object.
#[derive(Clone, Copy)]
pub enum Event {
    Load { oid: u32, size: u32 },
    Write { oid: u32, size: u32 },
}

pub fn all() -> Vec<Trace> {
    let rng = || Rng::new(Seed(7));
    vec![
        trace("uniform", uniform(&mut rng())),
        trace("Zipf", zipf(&mut rng())),
        trace("Zipf with scans", with_scans(zipf(&mut rng()))),
        trace("Zipf with one write in 20", with_writes(zipf(&mut rng()))),
        trace("BTree application", recorded()),
    ]
}

fn trace(name: &'static str, events: Vec<Event>) -> Trace {
    let mut sizes = Vec::new();
    for event in &events {
        let (Event::Load { oid, size } | Event::Write { oid, size }) = *event;
        sizes.resize(sizes.len().max(oid as usize + 1), 0);
        sizes[oid as usize] = size;
    }
    Trace { name, events, objects: sizes.len(), bytes: sizes.iter().map(|&size| u64::from(size)).sum() }
}

/// 30 to 8000 bytes, most of them near 300.
fn size(oid: u32) -> u32 {
    let mut rng = Rng::new(Seed(oid.into()));
    match rng.below(100) {
        0..70 => 150 + rng.below(300) as u32,
        70..95 => 30 + rng.below(900) as u32,
        _ => 1000 + rng.below(7000) as u32,
    }
}

fn load(oid: u32) -> Event {
    Event::Load { oid, size: size(oid) }
}

fn uniform(rng: &mut Rng) -> Vec<Event> {
    (0..UNIFORM_LOADS).map(|_| load(rng.below(OBJECTS.into()) as u32)).collect()
}

/// The nth most popular object is loaded in proportion to 1/n.
fn zipf(rng: &mut Rng) -> Vec<Event> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=OBJECTS)
        .map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        })
        .collect();
    (0..LOADS)
        .map(|_| {
            let wanted = rng.next_u64() as f64 / 2.0_f64.powi(64) * sum;
            let rank = sums.partition_point(|&sum| sum <= wanted) as u32;
            // Popularity has nothing to do with the order of oids; 7919 has no factor in common with their number.
            load(rank.min(OBJECTS - 1) * 7919 % OBJECTS)
        })
        .collect()
}

/// Every 20 000 loads, a quarter of all objects once, in order.
fn with_scans(events: Vec<Event>) -> Vec<Event> {
    let mut all = Vec::new();
    for (nth, part) in events.chunks(20_000).enumerate() {
        all.extend_from_slice(part);
        let first = nth as u32 * (OBJECTS / 4) % OBJECTS;
        all.extend((first..first + OBJECTS / 4).map(load));
    }
    all
}

fn with_writes(mut events: Vec<Event>) -> Vec<Event> {
    for event in events.iter_mut().step_by(20) {
        if let Event::Load { oid, size } = *event {
            *event = Event::Write { oid, size };
        }
    }
    events
}

/// `corpus/traces/record.py` tells how it was made, and in which form.
fn recorded() -> Vec<Event> {
    let path = zeolith_tests::workspace().join("corpus/traces/btrees.trace");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut numbers = bytes
        .chunk_by(|byte, _| byte & 128 != 0)
        .map(|groups| groups.iter().rev().fold(0_u32, |number, byte| number << 7 | u32::from(byte & 127)));
    let mut sizes = Vec::new();
    let mut events = Vec::new();
    while let Some(number) = numbers.next() {
        let (oid, what) = (number >> 2, number & 3);
        sizes.resize(sizes.len().max(oid as usize + 1), 0);
        if what > 0 {
            sizes[oid as usize] = numbers.next().expect("a size follows");
        }
        let size = sizes[oid as usize];
        events.push(if what == 2 { Event::Write { oid, size } } else { Event::Load { oid, size } });
    }
    events
}
