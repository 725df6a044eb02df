//! The hit rate over the cache's size.

use super::policy::{CURVES, Policy, hits};
use super::stream::Stream;
use crate::cache::text::hit_rate;
use crate::figures::commas;
use std::io::{Result, Write};

/// Sizes that are tried unless told otherwise.
const STEPS: usize = 9;

/// Hits of every policy at every size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curves {
    pub(super) loads: u64,
    pub(super) revisions: u32,
    /// Bytes that all revisions take together.
    pub(super) footprint: u64,
    /// In rising order.
    pub(super) sizes: Vec<u64>,
    /// Name, and hits at each of the sizes.
    pub(super) rows: Vec<(&'static str, Vec<u64>)>,
}

impl Curves {
    /// Tries every policy at these sizes, or at some that fit the stream if there are none.
    pub(super) fn of(stream: &Stream, sizes: &[u64]) -> Curves {
        let mut sizes = if sizes.is_empty() { ladder(stream.footprint) } else { sizes.to_vec() };
        sizes.sort_unstable();
        sizes.dedup();
        let at = |make: fn(u64) -> Box<dyn Policy>, size: &u64| hits(&mut *make(*size), stream);
        let rows =
            CURVES.iter().map(|curve| (curve.name, sizes.iter().map(|size| at(curve.make, size)).collect()));
        Curves {
            loads: stream.loads,
            revisions: stream.revisions,
            footprint: stream.footprint,
            rows: rows.collect(),
            sizes,
        }
    }

    /// One line a size.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(
            out,
            "{} loads; {} revisions of objects take {} in a cache\n",
            commas(self.loads),
            commas(self.revisions.into()),
            size_text(self.footprint),
        )?;
        write!(out, "{:>10}", "cache size")?;
        for (name, _) in &self.rows {
            write!(out, "  {name:>10}")?;
        }
        writeln!(out)?;
        for (at, size) in self.sizes.iter().enumerate() {
            write!(out, "{:>10}", size_text(*size))?;
            for (_, hits) in &self.rows {
                write!(out, "  {:>10}", hit_rate(hits[at], self.loads))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Sizes in steps of 1, 2, 5, 10 and so on, the last with room for everything.
fn ladder(footprint: u64) -> Vec<u64> {
    let tens = std::iter::successors(Some(1u64 << 10), |ten| ten.checked_mul(10)).take(12);
    let all: Vec<u64> = tens.flat_map(|ten| [ten, 2 * ten, 5 * ten]).collect();
    // A ring that is full keeps some room free at its end.
    let enough = all.iter().position(|size| *size > footprint + footprint / 10).unwrap_or(all.len() - 1);
    all[(enough + 1).saturating_sub(STEPS)..=enough].to_vec()
}

/// A size as people write it: `1.5 MB`.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [("GB", 1u64 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let Some((unit, scale)) = units.into_iter().find(|(_, scale)| bytes >= *scale) else {
        return format!("{bytes} bytes");
    };
    let number = bytes as f64 / scale as f64;
    // As many digits as tell sizes apart.
    let text = if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") };
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_people_do() {
        let told = [500, 1024, 1536, 20 << 20, (5 << 30) / 2].map(size_text);
        assert_eq!(told, ["500 bytes", "1 KB", "1.5 KB", "20 MB", "2.5 GB"]);
    }

    #[test]
    fn the_usual_sizes_end_where_everything_fits() {
        for footprint in [0, 100, 10_000, 3 << 20, 40 << 30] {
            let sizes = ladder(footprint);
            assert!(sizes.is_sorted() && sizes.len() <= STEPS, "{sizes:?}");
            assert!(*sizes.last().unwrap() > footprint, "{sizes:?}");
        }
        assert_eq!(ladder(3 << 20).len(), STEPS);
    }
}
