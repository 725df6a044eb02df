//! `zeolith heal`: gives a restored storage a transaction later than any its clients know.
//!
//! A client whose cache knows a later transaction than the server has refuses that server, and says "Cache newer than
//! server". Once the server has a later one, the client asks what it missed since its own last transaction; the server
//! does not know that one and says so, and the client drops its cache by itself.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use zeolith_core::ids::Tid;
use zeolith_core::store::{StoreError, Transaction};
use zeolith_core::time::WallTime;
use zeolith_net::boot::BootError;
use zeolith_net::offline::Offline;

use crate::calendar::utc;
use crate::ids;
use crate::logging;
use crate::options::{LogOptions, LogSink, LogTarget};
use crate::serve::{EXIT_FAILURE, EXIT_USAGE};

/// How far ahead of the clock a transaction may be asked for without `--force`. Until the clock is there, every
/// transaction bears a time that has not come yet.
const AHEAD: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the transaction says of itself.
const USER: &str = "zeolith";
const DESCRIPTION: &str = "heal: later than what clients of this storage may know";

/// The options of `zeolith heal`.
#[derive(Clone, Debug, clap::Args)]
pub struct HealArgs {
    /// The file to heal; nobody may be serving it
    #[arg(value_name = "DATA.FS")]
    pub path: PathBuf,

    /// The last transaction that a client may know, as 16 hexadecimal digits; the clock is enough unless theirs ran ahead
    #[arg(long, value_name = "TID|now", value_parser = after, default_value = "now")]
    pub after: After,

    /// Accept a transaction that is more than a year ahead of the clock
    #[arg(long)]
    pub force: bool,
}

/// What the new transaction is to be later than, besides the storage's last one and the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing else.
    Now,
    /// This transaction.
    Tid(Tid),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healed {
    /// The storage's last transaction before; zero when there was none.
    pub before: Tid,
    /// Its last transaction now.
    pub tid: Tid,
    /// Why the index could not be saved. The next start takes longer.
    pub index_unsaved: Option<StoreError>,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum HealError {
    /// The operator said so, with the file's permissions.
    #[error("{} is read-only, and healing writes to it", .0.display())]
    ReadOnly(PathBuf),
    /// The storage cannot be opened.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// Nobody's clock is that wrong.
    #[error(
        "{after} is {}, more than a year from now: was it mistyped? Every transaction would bear a later time than \
         that until the clock is there. If a client really knows it, add --force", moment(*after)
    )]
    FarAhead {
        /// What was asked for.
        after: Tid,
    },
    /// ZODB reads tids as signed numbers.
    #[error("there is no transaction id after {0}")]
    NoneLater(Tid),
    /// The disk did not take it. Whether the transaction is there shows at the next start.
    #[error("the transaction could not be written: {0}")]
    Append(StoreError),
}

impl Display for Healed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The last transaction was {} ({}).", self.before, moment(self.before))?;
        writeln!(f, "It is {} ({}) now, one that changes no object.", self.tid, moment(self.tid))?;
        write!(
            f,
            "Clients that knew a later one than this storage had will drop their caches when the server is back, and go \
             on;\nno cache file has to be removed. A client that still says \"Cache newer than server\" knows a later \
             one\nthan this: run heal again with --after and the transaction that it names."
        )
    }
}

/// Heals a storage, and says what was done.
pub fn heal(arguments: &HealArgs) -> ExitCode {
    // What recovery has to say is said as a server says it; what was done is said on standard output.
    let sink = LogSink { target: LogTarget::Stderr, level: tracing::level_filters::LevelFilter::INFO };
    if let Err(error) = logging::start(&LogOptions { sinks: vec![sink] }) {
        eprintln!("Error: {error}");
        return ExitCode::from(EXIT_FAILURE);
    }
    match run(&arguments.path, arguments.after, arguments.force, now()) {
        Ok(healed) => {
            println!("{healed}");
            if let Some(error) = &healed.index_unsaved {
                tracing::warn!("the index could not be saved, and the next start takes longer: {error}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error}");
            let usage = matches!(error, HealError::FarAhead { .. } | HealError::NoneLater(_));
            ExitCode::from(if usage { EXIT_USAGE } else { EXIT_FAILURE })
        }
    }
}

/// Opens the storage as a server does, recovery included, and appends an empty transaction.
///
/// Its tid is later than the last one, than `now`, and than `after`.
///
/// # Errors
/// What was asked for is judged before anything is opened. When the storage is held or damaged it stays as it was.
pub fn run(path: &Path, after: After, force: bool, now: WallTime) -> Result<Healed, HealError> {
    let wanted = wanted(after, force, now)?;
    // The permissions are asked, not the system: root may write everything.
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().readonly()) {
        return Err(HealError::ReadOnly(path.to_owned()));
    }
    let mut storage = Offline::open(path, false)?;
    let before = storage.last_tid();
    let tid = wanted.max(later(before)?);
    let transaction = Transaction {
        tid,
        status: b' ',
        user: USER.into(),
        description: DESCRIPTION.into(),
        extension: Default::default(),
        records: Vec::new(),
        copied: false,
    };
    storage.append(vec![transaction]).map_err(HealError::Append)?;
    Ok(Healed { before, tid, index_unsaved: storage.close().err() })
}

/// The earliest tid that the clock and the operator allow.
fn wanted(after: After, force: bool, now: WallTime) -> Result<Tid, HealError> {
    let clock = Tid::at(now);
    let After::Tid(after) = after else { return Ok(clock) };
    let limit = Tid::at(WallTime(now.0.saturating_add(AHEAD.as_micros() as u64)));
    if after > limit && !force {
        return Err(HealError::FarAhead { after });
    }
    Ok(clock.max(later(after)?))
}

/// The tid after `tid`, with room for all that will be committed.
fn later(tid: Tid) -> Result<Tid, HealError> {
    // A minute's worth of ids below the last one is as good as none.
    if tid.0 >= Tid::MAX.0 - u64::from(u32::MAX) { Err(HealError::NoneLater(tid)) } else { Ok(tid.next()) }
}

fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_micros() as u64)
}

/// A transaction's time as operators read it.
fn moment(tid: Tid) -> String {
    match tid.wall() {
        Some(time) => format!("{} UTC", utc(time, ' ')),
        None if tid == Tid::ZERO => "none at all".into(),
        None => "no time".into(),
    }
}

/// Reads what logs and tools print: 16 hexadecimal digits, with or without `0x`.
fn after(text: &str) -> Result<After, &'static str> {
    if text == "now" {
        return Ok(After::Now);
    }
    ids::tid(text).map(After::Tid).map_err(|_| "expected 16 hexadecimal digits, or now")
}

#[cfg(test)]
mod tests;
