//! How fast the client's cache is, and how often it has what is wanted: ours and Python's.
//!
//! `cargo bench -p zeolith-tests --bench cache`; docs/performance.md has the figures. With `-- hits` only the second.

mod rivals;
mod times;
mod traces;

use rivals::{Fifo, Lru, Rival};
use traces::{Event, Trace};
use zeolith_core::cache::Cache;

/// Sizes of the caches, in percent of all bytes that a trace touches.
const SHARES: [u64; 4] = [1, 5, 10, 25];

fn main() {
    if !std::env::args().any(|argument| argument == "hits") {
        times::tell();
    }
    println!("\nHit rates, in percent, the second half of each trace");
    println!("{:28} {:>6} {:>8} {:>8} {:>8}", "", "size", "Zeolith", "ZEO", "LRU");
    let mut worse = 0;
    for trace in traces::all() {
        for share in SHARES {
            let size = trace.bytes * share / 100;
            let ours = hit_rate(&trace, &mut Cache::in_memory(size));
            let zeo = hit_rate(&trace, &mut Fifo::new(size));
            let lru = hit_rate(&trace, &mut Lru::new(size));
            // Two standard errors of the difference: what lies within is chance.
            let loads = trace.events.len() as f64 / 2.0;
            let chance = 2.0 * (2.0 * zeo * (100.0 - zeo) / loads).sqrt();
            let mark = if ours < zeo - chance { "worse" } else { "" };
            worse += usize::from(ours < zeo - chance);
            println!("{:28} {share:>4} % {ours:>8.2} {zeo:>8.2} {lru:>8.2} {mark}", trace.name);
        }
    }
    println!("worse than ZEO's, by more than chance, in {worse} rows");
}

/// Percent of the loads in the second half that were hits.
fn hit_rate(trace: &Trace, cache: &mut dyn Rival) -> f64 {
    let (mut hits, mut loads) = (0_u64, 0_u64);
    let half = trace.events.len() / 2;
    // The serials of all objects, as the server knows them.
    let mut serials = vec![1; trace.objects];
    for (nth, event) in trace.events.iter().enumerate() {
        match *event {
            Event::Load { oid, size } => {
                let hit = cache.load(oid);
                if !hit {
                    cache.store(oid, serials[oid as usize], size);
                }
                loads += u64::from(nth >= half);
                hits += u64::from(hit && nth >= half);
            }
            Event::Write { oid, size } => {
                let tid = nth as u64 + 2;
                cache.invalidate(oid, tid);
                serials[oid as usize] = tid;
                cache.store(oid, tid, size);
            }
        }
    }
    100.0 * hits as f64 / loads as f64
}
