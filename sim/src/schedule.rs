//! A history in a text file: what the world is like, and its events, one a line. It needs no seed, so it says the same
//! after the generator has changed.
//!
//! ```text
//! # promise 2: client 0 is shown 040d2c… of 01 before it is told of it
//! # cause: the index was asked before the commit became visible
//! option codec pickle
//! option clients 2
//! start
//! disk
//! connect 0
//! ```
//!
//! The first line names the promise that the history broke; it is missing when it broke none. What follows in lines
//! beginning with `#` is for people: the cause, as whoever found it understood it.

use crate::checkers::Violation;
use crate::event::{Event, EventError};
use crate::options::{OptionError, Setup};
use std::fmt;
use std::str::FromStr;

/// A history to be played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The promise it broke when it was found, with how; 0 is a machine's broken invariant.
    pub broken: Option<(u32, String)>,
    /// Why, in as many lines as it takes; empty while nobody knows.
    pub cause: String,
    /// The world.
    pub setup: Setup,
    /// What happens in it.
    pub events: Vec<Event>,
}

/// Text that is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScheduleError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: LineError,
}

/// What can be wrong in a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Its option says nothing.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// An option without a value, or with several.
    #[error("expected 'option NAME VALUE'")]
    OptionForm,
    /// An option behind an event.
    #[error("options come before all events")]
    OptionLate,
    /// An event of a client that is not there.
    #[error("there is no client {client}: they are numbered from 0, and option clients is {clients}")]
    NoClient {
        /// Its number.
        client: usize,
        /// How many there are.
        clients: usize,
    },
    /// An event of a server that is not there.
    #[error("there is no server {server}: they are numbered from 0, and option servers is {servers}")]
    NoServer {
        /// Its number.
        server: usize,
        /// How many there are.
        servers: usize,
    },
    /// More time passes than a world has.
    #[error("so far {passed} milliseconds are to pass, and at most {PASS_MAX} may in a schedule")]
    TooLong {
        /// The milliseconds of this event and those before.
        passed: u64,
    },
}

/// The most milliseconds that the `pass` events of a schedule come to: a year. Clocks and timeouts are made for a life and not
/// for geological ages.
pub const PASS_MAX: u64 = 366 * 86_400_000;

impl Schedule {
    /// The schedule of a history that broke a promise, or none.
    pub fn of(setup: Setup, events: Vec<Event>, violation: Option<&Violation>) -> Schedule {
        // A panic may have many lines; the header has one.
        let broken = violation.map(|broken| (broken.promise, broken.what.replace('\n', " ")));
        Schedule { broken, cause: String::new(), setup, events }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((promise, what)) = &self.broken {
            writeln!(f, "# promise {promise}: {what}")?;
        }
        let mut lines = self.cause.lines();
        writeln!(f, "{}", format!("# cause: {}", lines.next().unwrap_or_default()).trim_end())?;
        for line in lines {
            writeln!(f, "{}", format!("# {line}").trim_end())?;
        }
        write!(f, "{}", self.setup)?;
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// Reads what `Display` writes. Empty lines mean nothing.
    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        let mut schedule = Schedule::default();
        let mut remarks: Vec<&str> = Vec::new();
        let mut passed = 0_u64;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let fault = |what| ScheduleError { line: at + 1, what };
            if let Some(remark) = line.strip_prefix('#') {
                let remark = remark.trim();
                match promise(remark) {
                    Some(broken) if schedule.broken.is_none() => schedule.broken = Some(broken),
                    _ => remarks.push(remark.strip_prefix("cause:").map_or(remark, str::trim)),
                }
            } else if let Some(option) = line.strip_prefix("option ") {
                if !schedule.events.is_empty() {
                    return Err(fault(LineError::OptionLate));
                }
                let words: Vec<&str> = option.split_whitespace().collect();
                let &[name, value] = &words[..] else { return Err(fault(LineError::OptionForm)) };
                schedule.setup.set(name, value).map_err(|error| fault(error.into()))?;
            } else if !line.is_empty() {
                let event: Event = line.parse().map_err(|error: EventError| fault(error.into()))?;
                let clients = schedule.setup.clients;
                if let Some(client) = event.client().map(|id| id.0).filter(|&client| client >= clients) {
                    return Err(fault(LineError::NoClient { client, clients }));
                }
                let servers = schedule.setup.servers;
                if let Some(server) = event.server().map(|id| id.0).filter(|&server| server >= servers) {
                    return Err(fault(LineError::NoServer { server, servers }));
                }
                if let Event::Pass(milliseconds) = event {
                    passed = passed.saturating_add(milliseconds);
                }
                if passed > PASS_MAX {
                    return Err(fault(LineError::TooLong { passed }));
                }
                schedule.events.push(event);
            }
        }
        schedule.cause = remarks.join("\n").trim_end().to_owned();
        Ok(schedule)
    }
}

/// The promise in a remark `promise 7: …`.
fn promise(remark: &str) -> Option<(u32, String)> {
    let (number, what) = remark.strip_prefix("promise ")?.split_once(':')?;
    Some((number.parse().ok()?, what.trim().to_owned()))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
