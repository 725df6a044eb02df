//! The log: one line an event, with the time in UTC, the level and the message, to any number of places.
//!
//! Files can be opened anew ([`LogFiles::reopen`]) after an operator renamed them.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use zeolith_core::time::WallTime;

use crate::calendar::utc;
use crate::options::{LogOptions, LogTarget};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file cannot be opened for appending.
    #[error("cannot open the log file {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The process logs elsewhere already.
    #[error("a log is set up already")]
    Taken,
}

/// The files behind the log, to be opened anew.
#[derive(Clone, Debug, Default)]
pub struct LogFiles {
    sinks: Vec<Sink>,
}

impl LogFiles {
    /// Opens every log file under its name again, as after its rotation. One that cannot be opened is written to as
    /// before; the first such failure is returned when all were tried.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.sinks.iter().map(Sink::reopen).fold(Ok(()), Result::and)
    }
}

/// Makes `options` the log of this process. To be called once.
pub fn start(options: &LogOptions) -> Result<LogFiles, LogError> {
    let (subscriber, files) = subscriber(options)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    Ok(files)
}

/// The log that `options` describe, and its files.
pub fn subscriber(options: &LogOptions) -> Result<(impl Subscriber + Send + Sync, LogFiles), LogError> {
    let mut files = LogFiles::default();
    let mut layers = Vec::new();
    for place in &options.sinks {
        let sink = Sink::open(&place.target)?;
        files.sinks.push(sink.clone());
        layers.push(
            tracing_subscriber::fmt::layer().event_format(OneLine).with_writer(sink).with_filter(place.level),
        );
    }
    Ok((Registry::default().with(layers), files))
}

/// One place of the log, shared between the log and who reopens it.
#[derive(Clone, Debug)]
struct Sink(Arc<Mutex<Output>>);

#[derive(Debug)]
enum Output {
    Stderr,
    Stdout,
    File { path: PathBuf, file: File },
}

impl Sink {
    fn open(target: &LogTarget) -> Result<Sink, LogError> {
        let output = match target {
            LogTarget::Stderr => Output::Stderr,
            LogTarget::Stdout => Output::Stdout,
            LogTarget::File(path) => Output::File { path: path.clone(), file: append_to(path)? },
        };
        Ok(Sink(Arc::new(Mutex::new(output))))
    }

    fn reopen(&self) -> Result<(), LogError> {
        if let Output::File { path, file } = &mut *self.lock() {
            *file = append_to(path)?;
        }
        Ok(())
    }

    /// A thread that died while it logged leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append_to(path: &Path) -> Result<File, LogError> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|source| LogError::Open { path: path.to_owned(), source })
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Sink;

    fn make_writer(&'a self) -> &'a Sink {
        self
    }
}

impl Write for &Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.lock() {
            Output::Stderr => io::stderr().write(bytes),
            Output::Stdout => io::stdout().write(bytes),
            Output::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *self.lock() {
            Output::Stderr => io::stderr().flush(),
            Output::Stdout => io::stdout().flush(),
            Output::File { file, .. } => file.flush(),
        }
    }
}

/// `2026-11-21T22:25:30Z INFO message field=value`. Control characters are escaped: a message may quote what a client
/// sent, and a client must not be able to forge a line.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        write!(to, "{}Z {} ", utc(now(), 'T'), event.metadata().level())?;
        for character in message.chars() {
            if character.is_control() {
                write!(to, "{}", character.escape_default())?;
            } else {
                to.write_char(character)?;
            }
        }
        writeln!(to)
    }
}

/// The wall clock's time; 1970 on a machine whose clock stands before.
fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_micros() as u64)
}

#[cfg(test)]
mod tests;
