//! `<eventlog>`: where the log goes.

use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use super::error::ConfigError;
use super::keys::{Keys, no_sections, unknown_section};
use crate::options::{LogOptions, LogSink, LogTarget, Notice};
use crate::zconfig::Section;
use crate::zconfig::datatypes::{ValueError, boolean, byte_size, integer};

const LOGFILE_KEYS: [&str; 13] = [
    "path",
    "level",
    "format",
    "dateformat",
    "formatter",
    "style",
    "arbitrary-fields",
    "max-size",
    "old-files",
    "when",
    "interval",
    "delay",
    "encoding",
];

/// Handlers of Python's `logging` that Zeolith has none for.
const OTHER_HANDLERS: [&str; 4] = ["syslog", "win32-eventlog", "http-logger", "email-notifier"];

/// The log that `<eventlog>` describes. Without a `<logfile>` it goes to standard error, where Python's server would
/// log nowhere.
pub(super) fn understand(section: &Section, notices: &mut Vec<Notice>) -> Result<LogOptions, ConfigError> {
    let level = Keys::of(section, &["level"])?.read("level", level)?.unwrap_or(LevelFilter::INFO);
    let mut sinks = Vec::new();
    for inner in &section.sections {
        match inner.kind.as_str() {
            "logfile" => sinks.push(logfile(inner, level, notices)?),
            kind if OTHER_HANDLERS.contains(&kind) => {
                notices.push(Notice::Warning(format!(
                    "{}: <{kind}> is not supported and gets no log",
                    inner.at
                )));
            }
            _ => return Err(unknown_section(inner, &["logfile"])),
        }
    }
    if sinks.is_empty() {
        sinks.push(LogSink { target: LogTarget::Stderr, level });
    }
    Ok(LogOptions { sinks })
}

fn logfile(section: &Section, outer: LevelFilter, notices: &mut Vec<Notice>) -> Result<LogSink, ConfigError> {
    no_sections(section)?;
    let keys = Keys::of(section, &LOGFILE_KEYS)?;
    for name in ["arbitrary-fields", "delay"] {
        keys.read(name, boolean)?;
    }
    keys.read("max-size", byte_size)?;
    for name in ["old-files", "interval"] {
        keys.read(name, integer)?;
    }
    if let Some(key) = keys.find("max-size").or_else(|| keys.find("when")) {
        notices.push(Notice::Warning(format!(
            "{}: {} has no effect: the log does not rotate by itself; rename it and send SIGUSR2",
            key.at, key.name
        )));
    }
    for name in ["format", "dateformat", "style", "formatter", "arbitrary-fields", "delay", "encoding"] {
        if let Some(key) = keys.find(name) {
            notices.push(Notice::Info(format!(
                "{}: {} has no effect: a line is time, level, name and message",
                key.at, key.name
            )));
        }
    }
    let target = keys.need("path", |path| match path {
        "" => Err(ValueError::NoPath),
        "STDERR" => Ok(LogTarget::Stderr),
        "STDOUT" => Ok(LogTarget::Stdout),
        path => Ok(LogTarget::File(PathBuf::from(path))),
    })?;
    // An event has to pass both the log's level and the file's.
    let level = keys.read("level", level)?.map_or(outer, |inner| inner.min(outer));
    Ok(LogSink { target, level })
}

/// A level of Python's `logging`, by name or by number from 0 to 50: what Zeolith logs from there up.
fn level(text: &str) -> Result<LevelFilter, ValueError> {
    let number = match text.to_ascii_lowercase().as_str() {
        "critical" | "fatal" => 50,
        "error" => 40,
        "warn" | "warning" => 30,
        "info" => 20,
        "blather" => 15,
        "debug" => 10,
        "trace" => 5,
        "all" => 1,
        "notset" => 0,
        number => integer(number).map_err(|_| ValueError::NotLevel)?,
    };
    match number {
        0..=5 => Ok(LevelFilter::TRACE),
        6..=10 => Ok(LevelFilter::DEBUG),
        11..=20 => Ok(LevelFilter::INFO),
        21..=30 => Ok(LevelFilter::WARN),
        // A log that asks for what is above an error gets errors too: it is not to fall silent about a disk.
        31..=50 => Ok(LevelFilter::ERROR),
        _ => Err(ValueError::NotLevel),
    }
}
