//! The log: one line an event, with the time in UTC, the level, a name and the message, to any number of places.
//!
//! Files can be opened anew ([`LogFiles::reopen`]) after an operator renamed them. A server writes its log on threads of
//! its own: whoever reads a log must not be able to hold it up. What does not fit into their queues is lost, and counted.

mod behind;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use zeolith_core::time::WallTime;

use crate::calendar::utc;
use crate::options::{LogOptions, LogTarget};
use behind::Behind;

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
    /// No thread can be had to write it.
    #[error("cannot write the log: {0}")]
    Thread(io::Error),
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

/// The threads that write a server's log.
#[derive(Clone, Debug, Default)]
pub struct LogThreads(Arc<Mutex<Vec<Behind>>>);

impl LogThreads {
    /// Returns when everything is written that was logged so far, or after a second or so where a reader stands still.
    pub fn drain(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Behind::drain);
    }
}

/// Makes `options` the log of this process, which waits for every line to be written. To be called once.
pub fn start(options: &LogOptions) -> Result<LogFiles, LogError> {
    let (subscriber, files) = subscriber(options, &|sink| Ok(BoxMakeWriter::new(sink)))?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    Ok(files)
}

/// The same for a server, which waits for no line.
pub fn start_behind(options: &LogOptions) -> Result<(LogFiles, LogThreads), LogError> {
    let (subscriber, files, threads) = subscriber_behind(options)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    Ok((files, threads))
}

fn subscriber_behind(
    options: &LogOptions,
) -> Result<(impl Subscriber + Send + Sync + use<>, LogFiles, LogThreads), LogError> {
    let threads = LogThreads::default();
    let (subscriber, files) = subscriber(options, &|sink| {
        let behind = Behind::new(sink).map_err(LogError::Thread)?;
        threads.0.lock().unwrap_or_else(PoisonError::into_inner).push(behind.clone());
        Ok(BoxMakeWriter::new(behind))
    })?;
    Ok((subscriber, files, threads))
}

/// The log that `options` describe, and its files.
fn subscriber(
    options: &LogOptions,
    writer: &dyn Fn(Sink) -> Result<BoxMakeWriter, LogError>,
) -> Result<(impl Subscriber + Send + Sync + use<>, LogFiles), LogError> {
    let mut files = LogFiles::default();
    let mut layers = Vec::new();
    for place in &options.sinks {
        let sink = Sink::open(&place.target)?;
        files.sinks.push(sink.clone());
        layers.push(
            tracing_subscriber::fmt::layer()
                .event_format(OneLine)
                .with_writer(writer(sink)?)
                .with_filter(place.level),
        );
    }
    Ok((Registry::default().with(layers), files))
}

/// One place of the log, shared between the log and who reopens it.
#[derive(Clone, Debug)]
struct Sink {
    /// `None`: it cannot be opened anew.
    path: Option<PathBuf>,
    output: Arc<Mutex<Output>>,
}

#[derive(Debug)]
enum Output {
    Stderr,
    Stdout,
    File(File),
}

impl Sink {
    fn open(target: &LogTarget) -> Result<Sink, LogError> {
        let output = match target {
            LogTarget::Stderr => Output::Stderr,
            LogTarget::Stdout => Output::Stdout,
            LogTarget::File(path) => Output::File(append_to(path)?),
        };
        let path = if let LogTarget::File(path) = target { Some(path.clone()) } else { None };
        Ok(Sink { path, output: Arc::new(Mutex::new(output)) })
    }

    fn reopen(&self) -> Result<(), LogError> {
        // A terminal's output is not waited for: its thread may stand still in it.
        if let Some(path) = &self.path {
            let file = append_to(path)?;
            *self.lock() = Output::File(file);
        }
        Ok(())
    }

    /// A thread that died while it logged leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stderr => io::stderr().write(bytes),
            Output::Stdout => io::stdout().write(bytes),
            Output::File(file) => file.write(bytes),
        }
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
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *self.lock() {
            Output::Stderr => io::stderr().flush(),
            Output::Stdout => io::stdout().flush(),
            Output::File(file) => file.flush(),
        }
    }
}

/// For the thread that owns it.
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

/// `2026-11-21T22:25:30Z INFO ZEO.StorageServer message field=value`, with the levels and names of Python's `logging`.
/// Control characters are escaped: a message may quote what a client sent, and a client must not be able to forge a line.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let level = match *event.metadata().level() {
            Level::ERROR if said.critical => "CRITICAL",
            Level::WARN => "WARNING",
            ref level => level.as_str(),
        };
        write!(to, "{}Z {level} {} ", utc(now(), 'T'), logger(event.metadata().target()))?;
        for character in said.message.chars().chain(said.fields.chars()) {
            if character.is_control() {
                write!(to, "{}", character.escape_default())?;
            } else {
                to.write_char(character)?;
            }
        }
        writeln!(to)
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
    critical: bool,
}

impl Visit for Said {
    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "critical" => self.critical = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message.push_str(&format!("{value:?}")),
            name => self.fields.push_str(&format!(" {name}={value:?}")),
        }
    }
}

/// A name as Python's loggers have them: of `zeolith_net::boot` it is `zeolith.net.boot`.
fn logger(target: &str) -> String {
    target.replacen("zeolith_", "zeolith.", 1).replace("::", ".")
}

/// The wall clock's time; 1970 on a machine whose clock stands before.
fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_micros() as u64)
}

#[cfg(test)]
mod tests;
