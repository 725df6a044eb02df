//! `zeolith pack`: removes what a storage does not need any more.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeolith_core::ids::Tid;
use zeolith_net::client::blocking::Client;
use zeolith_net::offline::{Offline, Pack};

use crate::figures::commas;
use crate::source::{Place, SourceError, exit};

/// The longest time back: more days than there are since 1970 say the same.
const DAYS_MAX: f64 = 100_000.0;

/// The options of `zeolith pack`.
#[derive(Clone, Debug, clap::Args)]
pub struct PackArgs {
    /// The storage: the address of the server that serves it, or the path of a Data.fs that nobody is serving
    #[arg(value_name = "STORAGE")]
    pub place: Place,

    /// Keep all that was current within the last so many days
    #[arg(short, long, default_value = "0", value_parser = days)]
    pub days: f64,

    /// Leave objects alone that nobody can reach; a server does as its configuration says
    #[arg(long)]
    pub no_gc: bool,
}

fn days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days: &f64| (0.0..=DAYS_MAX).contains(days));
    days.ok_or_else(|| format!("expected a number of days from 0 to {DAYS_MAX}"))
}

/// Packs a storage and tells how large it was and is.
pub fn pack(arguments: &PackArgs) -> ExitCode {
    exit(run(arguments, &mut io::stdout().lock()))
}

fn run(arguments: &PackArgs, out: &mut dyn Write) -> Result<(), SourceError> {
    let PackArgs { place, days, no_gc } = arguments;
    let time = SystemTime::now().checked_sub(Duration::from_secs_f64(days * 86_400.0)).unwrap_or(UNIX_EPOCH);
    let (before, after) = match (place.server("pack"), place.file()) {
        (Some(_), _) if *no_gc => return Err(SourceError::NeedsFile(place.to_string())),
        (Some(options), _) => {
            let client = Client::connect(options)?;
            let refused = |error| SourceError::Client { place: place.to_string(), error };
            let before = client.info().map_err(refused)?.bytes;
            client.pack(time).map_err(refused)?;
            let after = client.info().map_err(refused)?.bytes;
            client.close();
            (before, after)
        }
        (None, Some(path)) => {
            let mut storage = Offline::open(path, false)?;
            let before = storage.size();
            let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            let stop = Tid::of_time(seconds).unwrap_or(Tid::LAST);
            let packed = storage.pack(stop, !no_gc, true);
            let failed = |error| SourceError::Pack { place: place.to_string(), error };
            let (after, gone) = match packed.map_err(failed)? {
                Pack::Done { after, gone, .. } => (after, gone.len()),
                Pack::Nothing(_) => (before, 0),
            };
            if gone > 0 {
                eprintln!(
                    "{place}: the files of {gone} blobs are not needed any more, and stay where they are"
                );
            }
            let closed = storage.close();
            closed.map_err(|error| SourceError::Store { place: place.to_string(), error })?;
            (before, after)
        }
        (None, None) => unreachable!("a storage is a server's or a file"),
    };
    if after == before {
        writeln!(out, "{place}: nothing to pack; {} bytes", commas(after))?;
    } else {
        writeln!(out, "{place}: {} bytes before, {} now", commas(before), commas(after))?;
    }
    Ok(out.flush()?)
}
