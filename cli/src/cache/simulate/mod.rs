//! `zeolith cache simulate`: what a cache of another size would have done with the same loads.

mod curves;
pub mod policy;
mod ring;
pub mod stream;
mod svg;
mod zeo;

use super::text::interval;
use super::{CacheError, Event, TraceError, TraceReader};
use crate::zconfig::datatypes::byte_size;
use curves::Curves;
use ring::Ring;
use std::io::Write;
use std::path::PathBuf;
use stream::Streamer;

/// The options of `zeolith cache simulate`: those of ZEO's `cache_simul`, and those for a curve.
#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArgs {
    /// The cache's size in MB
    #[arg(long, short, value_name = "MB", default_value = "20", value_parser = megabytes)]
    pub size: u64,

    /// Minutes that each line sums up, 60 at most
    #[arg(long, short, value_name = "MINUTES", default_value = "15", value_parser = interval)]
    pub interval: u32,

    /// The share of the cache behind which ZEO's ring writes anew what is used
    #[arg(long, short, value_name = "SHARE", default_value = "0.8", value_parser = share)]
    pub rearrange: f64,

    /// Print the hit rate over these sizes instead, such as 500K,5M,1G; without a list, over sizes that fit the trace
    #[arg(
        long, value_name = "SIZE[,SIZE]", value_delimiter = ',', num_args = 0..=1, require_equals = false,
        value_parser = bytes, conflicts_with_all = ["size", "interval", "rearrange"]
    )]
    pub sizes: Option<Vec<u64>>,

    /// The same, and draw it into this file
    #[arg(long, value_name = "OUT", conflicts_with_all = ["size", "interval", "rearrange"])]
    pub svg: Option<PathBuf>,

    /// The trace; compressed if its name ends in .gz
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,
}

/// Reads a trace and prints what would have been.
pub fn run(arguments: &SimulateArgs, out: &mut dyn Write) -> Result<(), CacheError> {
    let mut reader = TraceReader::open(&arguments.trace)?;
    if arguments.sizes.is_none() && arguments.svg.is_none() {
        let setup = zeo::Setup {
            limit: arguments.size,
            rearrange: arguments.rearrange,
            interval: arguments.interval,
        };
        return zeo::run(&mut reader, &setup, out);
    }
    let mut streamer = Streamer::default();
    let end = loop {
        match reader.read() {
            Ok(Some(Event::Record(_, traced))) => streamer.add(&traced),
            Ok(Some(Event::Skipped(_))) => {}
            Ok(None) => break Ok(()),
            Err(error @ TraceError::Truncated { records: 1.., .. }) => break Err(error),
            Err(error) => return Err(error.into()),
        }
    };
    let curves = Curves::of(&streamer.finish(), arguments.sizes.as_deref().unwrap_or_default());
    curves.print(out).map_err(CacheError::output)?;
    if let Some(path) = &arguments.svg {
        let written = std::fs::write(path, svg::draw(&curves));
        written.map_err(|error| CacheError::Write { path: path.clone(), error })?;
    }
    Ok(end?)
}

fn megabytes(text: &str) -> Result<u64, &'static str> {
    let megabytes: f64 = text.parse().map_err(|_| "expected megabytes")?;
    enough((megabytes * f64::from(1 << 20)) as u64)
}

fn bytes(text: &str) -> Result<u64, &'static str> {
    let short = text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']);
    let size = if short.is_some() { byte_size(&format!("{text}B")) } else { byte_size(text) };
    let size = size.ok().and_then(|size| u64::try_from(size).ok());
    enough(size.ok_or("expected bytes, or such as 500K, 20M, 1G")?)
}

fn enough(size: u64) -> Result<u64, &'static str> {
    if (Ring::<u32>::SMALLEST..=1 << 50).contains(&size) { Ok(size) } else { Err("no cache is of that size") }
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|share: &f64| share.is_finite() && *share >= 0.0);
    share.ok_or("expected a share such as 0.8")
}

#[cfg(test)]
mod tests;
