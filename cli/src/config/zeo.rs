//! `<zeo>`: the server itself.

use std::path::PathBuf;
use std::time::Duration;

use zeolith_net::tls::ServerTls;

use super::error::{ConfigError, Problem};
use super::keys::{self, Keys};
use super::ssl;
use crate::options::{Address, Notice};
use crate::zconfig::datatypes::{ValueError, boolean, existing_dirpath, float, integer, integer_in};
use crate::zconfig::{Host, Located, Section};

/// Transactions that a queue may remember: at some hundred bytes each, a few gigabytes.
const MAX_QUEUE: i64 = 10_000_000;

const KEYS: [&str; 8] = [
    "address",
    "read-only",
    "invalidation-queue-size",
    "invalidation-age",
    "transaction-timeout",
    "msgpack",
    "pid-filename",
    "client-conflict-resolution",
];

/// Keys that older servers had and generated files still carry, with what became of them.
const RETIRED: [(&str, &str); 4] = [
    ("monitor-address", "the monitor server was dropped; ask the server's own port with 'ruok' instead"),
    ("authentication-protocol", AUTHENTICATION),
    ("authentication-database", AUTHENTICATION),
    ("authentication-realm", AUTHENTICATION),
];
const AUTHENTICATION: &str =
    "password authentication was dropped; remove the line and guard the port otherwise";

/// What `<zeo>` says.
pub(super) struct Zeo {
    pub(super) address: Address,
    pub(super) tls: Option<ServerTls>,
    pub(super) read_only: bool,
    pub(super) msgpack: Option<bool>,
    pub(super) invalidation_queue: Option<usize>,
    pub(super) invalidation_age: Duration,
    pub(super) transaction_timeout: Option<Duration>,
    pub(super) pid_file: Option<PathBuf>,
}

pub(super) fn understand(
    section: &Section,
    key_password: Option<Located<PathBuf>>,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Zeo, ConfigError> {
    for key in &section.keys {
        if let Some((_, why)) = RETIRED.iter().find(|(name, _)| *name == key.name) {
            return Err(key.at.says(Problem::Retired { key: key.name.clone(), why }).into());
        }
    }
    if let Some(other) = section.sections.iter().find(|inner| inner.kind != "ssl") {
        return Err(keys::unknown_section(other, &["ssl"]));
    }
    let tls = match super::only(section, "ssl")? {
        Some(ssl) => Some(ssl::understand(ssl, key_password, host, notices)?),
        None => {
            notices.extend(key_password.map(|file| {
                Notice::Warning(format!("{}: the password has no effect: there is no <ssl>", file.at))
            }));
            None
        }
    };

    let keys = Keys::of(section, &KEYS)?;
    if keys.read("client-conflict-resolution", boolean)? == Some(false) {
        notices.extend(keys.find("client-conflict-resolution").map(|key| {
            Notice::Info(format!(
                "{}: conflicts are resolved by the clients all the same, since they have the classes",
                key.at
            ))
        }));
    }
    let pid_file = |text: &str| match text {
        // As with runzeo: an empty value is as none at all.
        "" => Ok(None),
        text => existing_dirpath(text, host).map(Some),
    };
    Ok(Zeo {
        tls,
        address: keys.need("address", |text| text.parse().map_err(ValueError::Address))?,
        read_only: keys.read("read-only", boolean)?.unwrap_or(false),
        msgpack: keys.read("msgpack", boolean)?,
        invalidation_queue: keys
            .read("invalidation-queue-size", integer_in(0, MAX_QUEUE))?
            .map(|size| size as usize),
        invalidation_age: keys.read("invalidation-age", age)?.unwrap_or_default(),
        transaction_timeout: keys.read("transaction-timeout", timeout)?,
        pid_file: keys.read("pid-filename", pid_file)?.flatten(),
    })
}

/// Seconds. As for Python's server nothing is that young where they are not positive, and everything where they go on for
/// ever.
fn age(text: &str) -> Result<Duration, ValueError> {
    let seconds = float(text)?;
    if seconds.is_nan() {
        return Err(ValueError::NotNumber);
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

fn timeout(text: &str) -> Result<Duration, ValueError> {
    match u64::try_from(integer(text)?) {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        // Python's server would abort every transaction.
        _ => Err(ValueError::NotPositive),
    }
}
