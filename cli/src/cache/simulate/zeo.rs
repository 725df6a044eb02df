//! The simulation of ZEO's `cache_simul`, with its figures, its peculiarities included.
//!
//! It replays what the traced cache was asked and told on a cache of its own. Where the original ends in a Python error
//! (an object larger than the cache, an invalidation older than what it invalidates) this one goes on.

use super::ring::{OVERHEAD, Ring};
use crate::cache::text::hit_rate;
use crate::cache::{CacheError, Event, TraceError, TraceReader};
use crate::calendar::ctime;
use crate::figures::commas;
use std::collections::HashMap;
use std::io::{Result, Write};
use zeolith_core::cache::trace::{Code, Traced};
use zeolith_core::ids::{Oid, Tid};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Bytes of the cache.
    pub(super) limit: u64,
    /// The share of the cache behind which an object that is used is written anew, so that it stays.
    pub(super) rearrange: f64,
    /// Seconds that each line sums up.
    pub(super) interval: u32,
}

/// Prints a line an interval, and one for all.
pub(super) fn run(
    reader: &mut TraceReader,
    setup: &Setup,
    out: &mut dyn Write,
) -> std::result::Result<(), CacheError> {
    header(setup, out).map_err(CacheError::output)?;
    let mut whole = Simulation::new(setup);
    let mut part = Simulation::new(setup);
    let mut interval = None;
    let end = loop {
        let (seconds, traced) = match reader.read() {
            Ok(Some(Event::Record(seconds, traced))) => (seconds, traced),
            Ok(Some(Event::Skipped(_))) => continue,
            Ok(None) => break Ok(()),
            Err(error @ TraceError::Truncated { records: 1.., .. }) => break Err(error),
            Err(error) => return Err(error.into()),
        };
        let this = Some(seconds / setup.interval);
        if this != interval && interval.is_some() {
            part.report(out).map_err(CacheError::output)?;
            part.restart();
            // Counting begins when the cache has been full once.
            if !part.warm {
                whole.restart();
            }
        }
        interval = this;
        whole.event(seconds, &traced);
        part.event(seconds, &traced);
    };
    let mut finish = || {
        part.report(out)?;
        writeln!(out, "{}", "-".repeat(74))?;
        whole.report(out)
    };
    finish().map_err(CacheError::output)?;
    Ok(end?)
}

fn header(setup: &Setup, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "CircularCacheSimulation, cache size {} bytes", commas(setup.limit))?;
    let names = ["START TIME", "DUR.", "LOADS", "HITS", "INVALS", "WRITES", "HITRATE", "EVICTS", "INUSE"];
    columns(names.map(str::to_owned), out)
}

fn columns(row: [String; 9], out: &mut dyn Write) -> Result<()> {
    let [start, duration, loads, hits, invalidations, writes, rate, evictions, in_use] = row;
    writeln!(
        out,
        "{start:>12} {duration:>6} {loads:>7} {hits:>7} {invalidations:>6} {writes:>6} {rate:>7} {evictions:>7} {in_use:>7}"
    )
}

fn duration(seconds: u32) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}"),
        (0, _) => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A revision: an object and the transaction that wrote it.
type Revision = (Oid, Tid);

/// What is counted between two restarts.
#[derive(Debug, Default)]
struct Counts {
    loads: u64,
    hits: u64,
    invalidations: u64,
    writes: u64,
    evictions: u64,
    /// The time of the first record.
    first: Option<u32>,
}

#[derive(Debug)]
struct Simulation {
    ring: Ring<Revision>,
    /// The age from which an object that is used is written anew.
    old: f64,
    current: HashMap<Oid, Tid>,
    /// Where older revisions begin and end, in order.
    older: HashMap<Oid, Vec<(Tid, Tid)>>,
    /// Size and begin of current revisions that had to go: what a server would send again.
    evicted: HashMap<Oid, (u64, Tid)>,
    counts: Counts,
    /// The time of the last record. `None` before the first.
    last: Option<u32>,
    warm: bool,
}

impl Simulation {
    fn new(setup: &Setup) -> Simulation {
        Simulation {
            ring: Ring::new(setup.limit),
            old: setup.rearrange * setup.limit as f64,
            current: HashMap::new(),
            older: HashMap::new(),
            evicted: HashMap::new(),
            counts: Counts::default(),
            last: None,
            warm: false,
        }
    }

    /// Counts anew. What is in the cache stays.
    fn restart(&mut self) {
        self.warm |= self.counts.evictions > 0;
        self.counts = Counts::default();
    }

    fn event(&mut self, seconds: u32, traced: &Traced) {
        self.counts.first.get_or_insert(seconds);
        self.last = Some(seconds);
        let Traced { code, size, oid, start, end } = *traced;
        if code.is_load() {
            self.counts.loads += 1;
            let hit = match code {
                Code::LoadMiss | Code::LoadHit => self.load(oid),
                _ => self.load_older(oid, start),
            };
            self.counts.hits += u64::from(hit);
        } else if code.is_store() {
            self.write(oid, u64::from(size), start, end);
        } else if code.is_invalidation() {
            self.invalidate(oid, start);
        } else {
            self.restart();
        }
    }

    fn load(&mut self, oid: Oid) -> bool {
        let Some(&start) = self.current.get(&oid) else {
            if let Some(&(size, start)) = self.evicted.get(&oid) {
                self.write(oid, size, start, Tid::ZERO);
            }
            return false;
        };
        let age = self.ring.age((oid, start)).expect("a current revision is in the file");
        if age as f64 > self.old {
            let size = self.ring.remove((oid, start)).expect("it was just there");
            // The original counts the overhead once more with every move.
            if !self.add(oid, size, start) {
                self.current.remove(&oid);
            }
        }
        true
    }

    fn load_older(&self, oid: Oid, tid: Tid) -> bool {
        if self.current.get(&oid) == Some(&tid) {
            return true;
        }
        let Some(older) = self.older.get(&oid) else { return false };
        let before = older.partition_point(|(start, _)| *start < tid);
        before > 0 && tid <= older[before - 1].1
    }

    fn write(&mut self, oid: Oid, size: u64, start: Tid, end: Tid) {
        if self.ring.contains((oid, start)) || (end == Tid::ZERO && self.current.contains_key(&oid)) {
            return;
        }
        if !self.add(oid, size, start) {
            return;
        }
        self.counts.writes += 1;
        if end == Tid::ZERO {
            self.current.insert(oid, start);
        } else {
            self.keep(oid, start, end);
        }
    }

    fn invalidate(&mut self, oid: Oid, tid: Tid) {
        let forget = tid == Tid::ZERO;
        if forget {
            for (start, _) in self.older.remove(&oid).unwrap_or_default() {
                self.counts.invalidations += 1;
                self.ring.remove((oid, start));
            }
        }
        self.evicted.remove(&oid);
        let Some(start) = self.current.remove(&oid) else { return };
        self.counts.invalidations += 1;
        if forget || start >= tid {
            self.ring.remove((oid, start));
        } else {
            self.keep(oid, start, tid);
        }
    }

    fn keep(&mut self, oid: Oid, start: Tid, end: Tid) {
        let older = self.older.entry(oid).or_default();
        let at = older.partition_point(|range| *range < (start, end));
        older.insert(at, (start, end));
    }

    /// Writes a revision, and forgets what had to go. Returns whether there was room at all.
    fn add(&mut self, oid: Oid, size: u64, start: Tid) -> bool {
        let Some(evicted) = self.ring.add((oid, start), size + OVERHEAD) else { return false };
        for ((oid, start), size) in evicted {
            self.counts.evictions += 1;
            if self.current.get(&oid) == Some(&start) {
                self.current.remove(&oid);
                self.evicted.insert(oid, (size - OVERHEAD, start));
            } else if let Some(older) = self.older.get_mut(&oid) {
                older.retain(|(begin, _)| *begin != start);
            }
        }
        true
    }

    /// Prints what was counted since the last restart. Nothing before the first record.
    fn report(&self, out: &mut dyn Write) -> Result<()> {
        let Some(last) = self.last else { return Ok(()) };
        let counts = &self.counts;
        let first = counts.first.unwrap_or(last);
        columns(
            [
                ctime(first)[4..16].to_owned(),
                duration(last.saturating_sub(first)),
                counts.loads.to_string(),
                counts.hits.to_string(),
                counts.invalidations.to_string(),
                counts.writes.to_string(),
                hit_rate(counts.hits, counts.loads),
                counts.evictions.to_string(),
                format!("{:.1}", self.ring.in_use()),
            ],
            out,
        )
    }
}
