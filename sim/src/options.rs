//! What a seed stands for: what the world is like, and what chance may do in it.

use crate::bug::{self, Bug};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::wire::Codec;

/// The most clients a world has.
pub const CLIENTS_MAX: usize = 64;

/// What a world is like from its beginning to its end. With the events it is all that a run depends on.
///
/// It is written as lines `option NAME VALUE`, and read line by line with [`Setup::set`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The encoding the server announces.
    pub codec: Codec,
    /// The server's transaction timeout.
    pub timeout: Option<Duration>,
    /// Clients, at most [`CLIENTS_MAX`].
    pub clients: usize,
    /// A deliberate fault of the server.
    pub bug: Option<Bug>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { codec: Codec::Msgpack, timeout: None, clients: 2, bug: None }
    }
}

/// An option that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("there is no option '{0}'")]
    Unknown(String),
    /// A value the option cannot have.
    #[error("option {name} is {expected}, not '{value}'")]
    Value {
        /// The option.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
        /// What it should have been.
        value: String,
    },
    /// A deliberate fault that this build does not have.
    #[error("this build has no bug '{0}' (planted bugs need the feature planted-bugs)")]
    Bug(String),
}

impl Setup {
    /// Sets one option.
    ///
    /// # Errors
    /// [`OptionError`]; nothing has changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        let wrong = |name, expected| OptionError::Value { name, expected, value: value.to_owned() };
        match name {
            "codec" => {
                self.codec = match value {
                    "pickle" => Codec::Pickle,
                    "msgpack" => Codec::Msgpack,
                    _ => return Err(wrong("codec", "'pickle' or 'msgpack'")),
                }
            }
            "timeout" => {
                let milliseconds = value.parse().map_err(|_| wrong("timeout", "a number of milliseconds"))?;
                self.timeout = Some(Duration::from_millis(milliseconds));
            }
            "clients" => {
                let clients = value.parse().ok().filter(|clients| (1..=CLIENTS_MAX).contains(clients));
                self.clients = clients.ok_or_else(|| wrong("clients", "a number from 1 to 64"))?;
            }
            "bug" => {
                self.bug = Some(bug::named(value).ok_or_else(|| OptionError::Bug(value.to_owned()))?);
            }
            _ => return Err(OptionError::Unknown(name.to_owned())),
        }
        Ok(())
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = match self.codec {
            Codec::Pickle => "pickle",
            Codec::Msgpack => "msgpack",
        };
        writeln!(f, "option codec {codec}")?;
        if let Some(timeout) = self.timeout {
            writeln!(f, "option timeout {}", timeout.as_millis())?;
        }
        writeln!(f, "option clients {}", self.clients)?;
        match self.bug {
            Some(bug) => writeln!(f, "option bug {}", bug.name()),
            None => Ok(()),
        }
    }
}

/// A kind of event that is on or off for a whole run: what never happens in one run gives room to what happens in
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Connections break.
    Cuts,
    /// The server's process dies.
    Crashes,
    /// The power fails.
    PowerLosses,
    /// Messages arrive in small pieces.
    Splits,
    /// The disk takes its time.
    SlowDisk,
    /// Time jumps ahead.
    Pauses,
}

impl Fault {
    /// Every one of them, in the order in which a seed decides.
    pub const ALL: &[Fault] =
        &[Fault::Cuts, Fault::Crashes, Fault::PowerLosses, Fault::Splits, Fault::SlowDisk, Fault::Pauses];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Cuts => "cuts",
            Fault::Crashes => "crashes",
            Fault::PowerLosses => "power-losses",
            Fault::Splits => "splits",
            Fault::SlowDisk => "slow-disk",
            Fault::Pauses => "pauses",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        Fault::ALL.iter().copied().find(|fault| fault.name() == text).ok_or_else(|| {
            let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
            format!("faults are none, {}", names.join(", "))
        })
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Whether this one can happen.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u32 != 0
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Faults {
        Faults(faults.into_iter().fold(0, |set, fault| set | 1 << fault as u32))
    }
}

/// What is asked of every seed, whatever it stands for otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Exactly these faults; `None` leaves them to the seed.
    pub faults: Option<Faults>,
    /// A deliberate fault.
    pub bug: Option<Bug>,
}

/// What chance may do in which world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The world.
    pub setup: Setup,
    /// The faults.
    pub faults: Faults,
}

impl Options {
    /// What a seed stands for, with the generator that goes on to choose the events.
    pub fn of(seed: Seed, asked: Asked) -> (Options, Rng) {
        let mut rng = Rng::new(seed);
        let mut coin = || rng.chance(1, 2);
        let codec = if coin() { Codec::Pickle } else { Codec::Msgpack };
        let timeout = coin().then_some(Duration::from_secs(5));
        // Asked first and replaced afterwards: the events of a seed stay as alike as they can.
        let faults: Faults = Fault::ALL.iter().copied().filter(|_| coin()).collect();
        let setup = Setup { codec, timeout, clients: 2, bug: asked.bug };
        (Options { setup, faults: asked.faults.unwrap_or(faults) }, rng)
    }
}
