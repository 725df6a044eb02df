//! ZConfig's standard datatypes, as far as `zeo.conf` uses them.

use std::path::{Path, PathBuf};

use super::Host;
use crate::options::AddressError;

/// Why a value does not fit its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No boolean.
    #[error("expected yes, no, true, false, on or off")]
    NotBoolean,
    /// No integer.
    #[error("expected an integer")]
    NotInteger,
    /// No number.
    #[error("expected a number")]
    NotNumber,
    /// No size.
    #[error("expected a size such as 512, 64KB, 10MB or 2GB")]
    NotSize,
    /// Outside the bounds of the key.
    #[error("expected {least} to {most}")]
    OutOfRange {
        /// The least value allowed.
        least: i64,
        /// The greatest value allowed.
        most: i64,
    },
    /// A timeout that would strike at once.
    #[error("expected a positive number of seconds; leave it out for no timeout")]
    NotPositive,
    /// No level of Python's `logging`.
    #[error("expected critical, error, warn, info, debug, trace, all, or a number from 0 to 50")]
    NotLevel,
    /// An empty path.
    #[error("expected a path")]
    NoPath,
    /// No place of certificates.
    #[error("expected a file or a folder with the certificates of the clients, or of those who sign them")]
    NoCertificates,
    /// A path in a directory that does not exist.
    #[error("the directory {} does not exist", .0.display())]
    NoDirectory(PathBuf),
    /// No address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

type Result<T> = std::result::Result<T, ValueError>;

/// `boolean`: yes, true, on; no, false, off; in any case.
pub fn boolean(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => Ok(true),
        "no" | "false" | "off" => Ok(false),
        _ => Err(ValueError::NotBoolean),
    }
}

/// `integer`: what Python's `int` takes, within 64 bits: a sign, digits, single underscores between digits.
pub fn integer(text: &str) -> Result<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.split('_').any(|group| group.is_empty() || !group.bytes().all(|b| b.is_ascii_digit())) {
        return Err(ValueError::NotInteger);
    }
    text.replace('_', "").parse().map_err(|_| ValueError::NotInteger)
}

/// `integer` within bounds.
pub fn integer_in(least: i64, most: i64) -> impl Fn(&str) -> Result<i64> {
    move |text| match integer(text)? {
        value if (least..=most).contains(&value) => Ok(value),
        _ => Err(ValueError::OutOfRange { least, most }),
    }
}

/// `float`: a number, infinities and NaN among them, as in Python.
pub fn float(text: &str) -> Result<f64> {
    text.trim().parse().map_err(|_| ValueError::NotNumber)
}

/// `byte-size`: an integer with KB, MB or GB (of 1024) behind it, in any case, or with nothing.
pub fn byte_size(text: &str) -> Result<i64> {
    let text = text.to_ascii_lowercase();
    let unit = |suffix, bytes: i64| text.strip_suffix(suffix).map(|number| (number, bytes));
    let (number, bytes) = unit("kb", 1 << 10)
        .or_else(|| unit("mb", 1 << 20))
        .or_else(|| unit("gb", 1 << 30))
        .unwrap_or((&text, 1));
    integer(number).ok().and_then(|number| number.checked_mul(bytes)).ok_or(ValueError::NotSize)
}

/// `existing-dirpath`: a path whose directory exists; the file itself need not. A leading `~/` is the home directory.
pub fn existing_dirpath(text: &str, host: &dyn Host) -> Result<PathBuf> {
    if text.is_empty() {
        return Err(ValueError::NoPath);
    }
    let path = match (text.strip_prefix("~/"), host.variable("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(text),
    };
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !host.is_directory(directory) => {
            Err(ValueError::NoDirectory(directory.to_owned()))
        }
        _ => Ok(path),
    }
}
