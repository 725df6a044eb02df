//! What is counted.

use std::collections::BTreeMap;
use zeolith_core::cache::trace::{Code, Traced};
use zeolith_core::ids::Oid;

/// Records by code.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes(BTreeMap<Code, u64>);

impl Codes {
    fn add(&mut self, code: Code) {
        *self.0.entry(code).or_default() += 1;
    }

    /// Those that occur, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Code, u64)> {
        self.0.iter().map(|(code, count)| (*code, *count))
    }

    fn sum(&self, which: impl Fn(Code) -> bool) -> u64 {
        self.iter().filter(|(code, _)| which(*code)).map(|(_, count)| count).sum()
    }

    pub(super) fn loads(&self) -> u64 {
        self.sum(Code::is_load)
    }

    pub(super) fn hits(&self) -> u64 {
        self.sum(Code::is_hit)
    }

    /// Invalidations of something that was in the cache.
    pub(super) fn invalidated(&self) -> u64 {
        self.sum(|code| code.is_invalidation() && code != Code::InvalidateMiss)
    }

    pub(super) fn stores(&self) -> u64 {
        self.sum(Code::is_store)
    }
}

/// The records of some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Interval {
    /// Seconds since 1970 at the first record and at the last.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) codes: Codes,
}

/// How often each object was loaded or stored, by the size it had then.
pub(super) type Sizes = BTreeMap<u32, BTreeMap<Oid, u64>>;

/// All that is known of a trace so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) codes: Codes,
    /// Seconds since 1970 at the first record and at the last.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) interval: Interval,
    /// Records with a size, and the sum of these.
    pub(super) sized: u64,
    pub(super) bytes: u64,
    pub(super) loaded: Sizes,
    pub(super) stored: Sizes,
    pub(super) loads: BTreeMap<Oid, u64>,
}

impl Tally {
    /// Takes a record. Gives the interval that it ends, if it does.
    pub(super) fn add(&mut self, seconds: u32, traced: &Traced, length: u32) -> Option<Interval> {
        if self.records == 0 {
            self.first = seconds;
            self.interval = Interval { first: seconds, last: seconds, codes: Codes::default() };
        }
        self.records += 1;
        // Intervals begin at multiples of their length.
        let ended = seconds / length != self.interval.first / length;
        let finished = ended.then(|| self.begin(seconds));
        (self.last, self.interval.last) = (seconds, seconds);
        self.codes.add(traced.code);
        self.interval.codes.add(traced.code);
        if traced.size > 0 {
            self.sized += 1;
            self.bytes += u64::from(traced.size);
            if traced.code.is_load() {
                *self.loaded.entry(traced.size).or_default().entry(traced.oid).or_default() += 1;
            } else if traced.code.is_store() {
                *self.stored.entry(traced.size).or_default().entry(traced.oid).or_default() += 1;
            }
        }
        if traced.code.is_load() {
            *self.loads.entry(traced.oid).or_default() += 1;
        }
        finished
    }

    /// The cache was opened anew: ends the interval, and gives it.
    pub(super) fn restart(&mut self, seconds: u32) -> Interval {
        self.begin(seconds)
    }

    fn begin(&mut self, seconds: u32) -> Interval {
        let next = Interval { first: seconds, last: seconds, codes: Codes::default() };
        std::mem::replace(&mut self.interval, next)
    }
}
