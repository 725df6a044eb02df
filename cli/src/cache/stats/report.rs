//! What is printed, in the columns of ZEO's `cache_stats`.

use super::StatsArgs;
use super::tally::{Interval, Sizes, Tally};
use crate::cache::text::{hit_rate, percent};
use crate::calendar::ctime;
use crate::figures::commas;
use std::collections::BTreeMap;
use std::io::{Result, Write};
use std::time::Duration;
use zeolith_core::cache::trace::Code;

/// How much was read in which time.
pub(super) struct Read {
    pub(super) bytes: u64,
    pub(super) took: Duration,
}

pub(super) fn header(out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{:16} {:>7} {:>7} {:>7} {:>7} hitrate", "", "loads", "hits", "inv(h)", "writes")
}

pub(super) fn interval(interval: &Interval, out: &mut dyn Write) -> Result<()> {
    let codes = &interval.codes;
    let (loads, hits) = (codes.loads(), codes.hits());
    writeln!(
        out,
        "{}-{} {loads:>7} {hits:>7} {:>7} {:>7} {:>7}",
        &ctime(interval.first)[4..16],
        &ctime(interval.last)[14..16],
        codes.invalidated(),
        codes.stores(),
        hit_rate(hits, loads),
    )
}

/// Everything after the last record.
pub(super) fn end(arguments: &StatsArgs, tally: &Tally, read: &Read, out: &mut dyn Write) -> Result<()> {
    if !arguments.quiet {
        interval(&tally.interval, out)?;
    }
    if !arguments.no_stats {
        sums(tally, read, out)?;
    }
    if arguments.load_histogram {
        loads(&tally.loads, out)?;
    }
    if arguments.sizes {
        writeln!(out, "\nHistograms of object sizes\n")?;
        sizes(&tally.stored, "written", "writes", out)?;
        sizes(&tally.loaded, "loaded", "loads", out)?;
    }
    Ok(())
}

fn sums(tally: &Tally, read: &Read, out: &mut dyn Write) -> Result<()> {
    let (records, bytes) = (commas(tally.records), commas(read.bytes));
    writeln!(
        out,
        "\nRead {records} trace records ({bytes} bytes) in {:.1} seconds",
        read.took.as_secs_f64()
    )?;
    // A line of the original; databases have had no versions for long, and a record that names one is refused.
    writeln!(out, "Versions:   0 records used a version")?;
    writeln!(out, "First time: {}", ctime(tally.first))?;
    writeln!(out, "Last time:  {}", ctime(tally.last))?;
    let duration = i64::from(tally.last) - i64::from(tally.first);
    // A clock that was set back leaves a trace that ends before it begins.
    let sign = if duration < 0 { "-" } else { "" };
    writeln!(out, "Duration:   {sign}{} seconds", commas(duration.unsigned_abs()))?;
    writeln!(
        out,
        "Data recs:  {} ({:.1}%), average size {} bytes",
        commas(tally.sized),
        percent(tally.sized, tally.records),
        tally.bytes / tally.sized.max(1),
    )?;
    let rate = percent(tally.codes.hits(), tally.codes.loads());
    writeln!(out, "Hit rate:   {rate:.1}% (load hits / loads)\n")?;
    writeln!(out, "{:>13} {:>4} Function (action)", "Count", "Code")?;
    for (code, count) in tally.codes.iter() {
        writeln!(out, "{:>13}  {:02x}  {}", commas(count), code.number(), meaning(code))?;
    }
    Ok(())
}

fn meaning(code: Code) -> &'static str {
    match code {
        Code::Opened => "cache opened",
        Code::InvalidateMiss => "invalidate (miss)",
        Code::InvalidateVersion => "invalidate (hit, in a version)",
        Code::InvalidateKeep => "invalidate (hit, kept as non-current)",
        Code::InvalidateDrop => "invalidate (hit, dropped)",
        Code::LoadMiss => "load (miss)",
        Code::LoadHit => "load (hit)",
        Code::LoadBeforeMiss => "load before (miss)",
        Code::LoadBeforeHit => "load before (hit)",
        Code::StoreVersion => "store (in a version)",
        Code::Store => "store (current)",
        Code::StoreOld => "store (non-current)",
    }
}

/// How many objects were loaded how often.
fn loads<K>(loads: &BTreeMap<K, u64>, out: &mut dyn Write) -> Result<()> {
    let objects = loads.len() as u64;
    let total: u64 = loads.values().sum();
    let mut bins: BTreeMap<u64, u64> = BTreeMap::new();
    loads.values().for_each(|times| *bins.entry(*times).or_default() += 1);
    let width = commas(objects).len().max("objects".len());
    writeln!(out, "\nHistogram of object load frequency")?;
    writeln!(out, "Unique oids: {}", commas(objects))?;
    writeln!(out, "Total loads: {}", commas(total))?;
    writeln!(out, "{:>5} {:>width$} {:>6} {:>6} {:>6}", "loads", "objects", "%obj", "%load", "%cum")?;
    let mut cumulated = 0.0;
    for (times, count) in bins {
        let share = percent(count * times, total);
        cumulated += share;
        let count_text = commas(count);
        let of_objects = percent(count, objects);
        writeln!(out, "{times:5} {count_text:>width$} {of_objects:5.1}% {share:5.1}% {cumulated:5.1}%")?;
    }
    Ok(())
}

fn sizes(sizes: &Sizes, how: &str, what: &str, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\nUnique sizes {how}: {}", commas(sizes.len() as u64))?;
    writeln!(out, "{:>10} {:>6} {what:>6}", "size", "objs")?;
    for (size, objects) in sizes {
        let times: u64 = objects.values().sum();
        writeln!(out, "{:>10} {:>6} {times:>6}", commas(u64::from(*size)), objects.len())?;
    }
    Ok(())
}
