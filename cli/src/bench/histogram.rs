//! Durations, counted in buckets.
//!
//! Log-linear: each power of two is cut into 64 equal buckets, so that a figure read from it is at most 1/64 too high,
//! in 20 KB and one addition a sample. The `hdrhistogram` crate does the same with adjustable ranges and precision,
//! serialisation and a handful of dependencies; three figures of one kind of value need none of that.

use std::time::Duration;

/// Buckets for each power of two.
const STEPS: u64 = 64;
/// Powers of two beyond the first [`STEPS`] nanoseconds; the last ends beyond two hours.
const POWERS: u64 = 37;

/// A set of durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    /// Nanoseconds.
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: vec![0; (STEPS * (POWERS + 1)) as usize], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Adds a duration; one that no bucket is for counts as the longest.
    pub fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        self.buckets[bucket(nanos).min(last)] += 1;
        self.count += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly; zero when there is none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The mean, exactly; zero when there is none.
    pub fn mean(&self) -> Duration {
        let nanos = self.sum / u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// A duration that `share` of all (0.99 for the 99th percentile) do not exceed, at most 1/64 above the least such;
    /// zero when there is none.
    pub fn percentile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, number) in self.buckets.iter().enumerate() {
            seen += number;
            if seen >= wanted {
                return Duration::from_nanos(last_of(index as u64).min(self.max));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let index = match nanos.checked_ilog2().map(u64::from) {
        Some(power) if nanos >= STEPS => {
            let shift = power - STEPS.ilog2() as u64;
            (shift + 1) * STEPS + ((nanos >> shift) - STEPS)
        }
        _ => nanos,
    };
    index as usize
}

/// The longest duration of a bucket.
fn last_of(index: u64) -> u64 {
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((STEPS + index % STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(nanos: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        nanos.iter().for_each(|&nanos| histogram.add(Duration::from_nanos(nanos)));
        histogram
    }

    #[test]
    fn buckets_follow_one_another_without_gap_or_overlap() {
        for index in 0..STEPS * (POWERS + 1) {
            assert_eq!(bucket(last_of(index)) as u64, index);
            assert_eq!(bucket(last_of(index) + 1) as u64, index + 1);
        }
    }

    #[test]
    fn nothing_has_figures_of_zero() {
        let nothing = Histogram::default();
        assert_eq!(nothing.percentile(0.5), Duration::ZERO);
        assert_eq!((nothing.max(), nothing.mean(), nothing.count()), (Duration::ZERO, Duration::ZERO, 0));
    }

    #[test]
    fn what_is_longer_than_every_bucket_counts_as_the_longest() {
        let histogram = of(&[5, u64::MAX]);
        assert_eq!(histogram.max(), Duration::from_nanos(u64::MAX));
        assert_eq!(histogram.percentile(0.5), Duration::from_nanos(5));
        assert!(histogram.percentile(1.0) > Duration::from_secs(7200));
    }

    proptest! {
        #[test]
        fn percentiles_are_never_below_and_at_most_a_64th_above(
            mut nanos in prop::collection::vec(0..10_000_000_000u64, 1..200),
            share in 0.0..=1.0f64,
        ) {
            let told = of(&nanos).percentile(share).as_nanos() as u64;
            nanos.sort_unstable();
            let rank = ((nanos.len() as f64 * share).ceil() as usize).max(1);
            let exact = nanos[rank - 1];
            prop_assert!(told >= exact && told <= exact + exact / STEPS, "{told} for {exact}");
        }

        #[test]
        fn a_merged_histogram_is_that_of_all(
            one in prop::collection::vec(0..1u64 << 50, 0..50),
            two in prop::collection::vec(0..1u64 << 50, 0..50),
        ) {
            let mut merged = of(&one);
            merged.merge(&of(&two));
            prop_assert_eq!(merged, of(&[one, two].concat()));
        }
    }
}
