//! What a world is like.

use crate::bug::{self, Bug};
use crate::event::ClientId;
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;
use zeolith_core::limits::Limits;
use zeolith_core::server::config::Config;
use zeolith_core::server::packs::PackOptions;
use zeolith_core::wire::Codec;

/// The most clients a world has.
pub const CLIENTS_MAX: usize = 64;

/// The most servers a world has.
pub const SERVERS_MAX: usize = 4;

/// The shortest and the longest timeouts, in milliseconds: in less than that no message needs to have come through a world in
/// which nothing is wrong, and more than that never passes.
const TIMEOUTS: RangeInclusive<u64> = 1_000..=86_400_000;

/// Some of the clients; written as their numbers with commas between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clients(u64);

impl Clients {
    /// Whether this client is one of them.
    pub fn has(self, client: ClientId) -> bool {
        client.0 < CLIENTS_MAX && self.0 >> client.0 & 1 == 1
    }

    fn numbers(self) -> impl Iterator<Item = usize> {
        (0..CLIENTS_MAX).filter(move |&number| self.has(ClientId(number)))
    }
}

impl FromIterator<usize> for Clients {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Clients {
        Clients(numbers.into_iter().filter(|&number| number < CLIENTS_MAX).fold(0, |set, n| set | 1 << n))
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.numbers().map(|number| number.to_string()).collect();
        f.write_str(&numbers.join(","))
    }
}

/// What a world is like from its beginning to its end. With the events it is all that a run depends on.
///
/// It is written as lines `option NAME VALUE`, and read line by line with [`Setup::set`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The encoding the server announces.
    pub codec: Codec,
    /// The server's transaction timeout.
    pub timeout: Option<Duration>,
    /// How long clients put up with a server that owes an answer and says nothing; `None` for ever.
    pub silence: Option<Duration>,
    /// Clients, at most [`CLIENTS_MAX`].
    pub clients: usize,
    /// Servers, at most [`SERVERS_MAX`]: one that is written to, and others that serve copies of its storage.
    pub servers: usize,
    /// Transactions that servers remember for clients that come back.
    pub queue: usize,
    /// Clients that only read, from any server.
    pub readers: Clients,
    /// Clients that read from a copy while there is no server to write to.
    pub fallbacks: Clients,
    /// Clients of one program: when one of them ends, all do. Each of the others has a program to itself.
    pub together: Clients,
    /// Clients whose caches are in files; the others' are in memory.
    pub files: Clients,
    /// The size of every cache, in bytes.
    pub cache: u64,
    /// Whether the storage has blobs.
    pub blobs: bool,
    /// How the storage is packed when somebody asks for it; `None`: nobody does.
    pub pack: Option<PackOptions>,
    /// What servers take at most.
    pub limits: Limits,
    /// A deliberate fault.
    pub bug: Option<Bug>,
}

impl Default for Setup {
    fn default() -> Setup {
        let none = Clients::default();
        Setup {
            codec: Codec::Msgpack,
            timeout: None,
            silence: None,
            clients: 2,
            servers: 1,
            queue: 100,
            readers: none,
            fallbacks: none,
            together: none,
            files: none,
            cache: 65_536,
            blobs: false,
            pack: None,
            limits: Limits::default(),
            bug: None,
        }
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
        expected: Cow<'static, str>,
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
        let wrong = |name, expected: &'static str| OptionError::Value {
            name,
            expected: expected.into(),
            value: value.to_owned(),
        };
        match name {
            "codec" => {
                self.codec = match value {
                    "pickle" => Codec::Pickle,
                    "msgpack" => Codec::Msgpack,
                    _ => return Err(wrong("codec", "'pickle' or 'msgpack'")),
                }
            }
            "timeout" => self.timeout = Some(timeout(value).ok_or_else(|| wrong("timeout", TIMEOUT))?),
            "silence" => self.silence = Some(timeout(value).ok_or_else(|| wrong("silence", TIMEOUT))?),
            "clients" => {
                let clients = value.parse().ok().filter(|clients| (1..=CLIENTS_MAX).contains(clients));
                self.clients = clients.ok_or_else(|| wrong("clients", "a number from 1 to 64"))?;
            }
            "servers" => {
                let servers = value.parse().ok().filter(|servers| (1..=SERVERS_MAX).contains(servers));
                self.servers = servers.ok_or_else(|| wrong("servers", "a number from 1 to 4"))?;
            }
            "queue" => {
                let queue = value.parse().ok().filter(|queue| (1..=10_000).contains(queue));
                self.queue = queue.ok_or_else(|| wrong("queue", "a number from 1 to 10000"))?;
            }
            "readers" => self.readers = clients(value).ok_or_else(|| wrong("readers", CLIENTS))?,
            "fallbacks" => self.fallbacks = clients(value).ok_or_else(|| wrong("fallbacks", CLIENTS))?,
            "together" => self.together = clients(value).ok_or_else(|| wrong("together", CLIENTS))?,
            "files" => self.files = clients(value).ok_or_else(|| wrong("files", CLIENTS))?,
            "cache" => {
                let cache = value.parse().ok().filter(|cache| (0..=1 << 24).contains(cache));
                self.cache = cache.ok_or_else(|| wrong("cache", "a number of bytes up to 16777216"))?;
            }
            "blobs" if value == "yes" => self.blobs = true,
            "blobs" => return Err(wrong("blobs", "'yes'")),
            "pack" => {
                let manner = PACKS.iter().find(|(name, ..)| *name == value);
                let &(_, gc, keep_old) =
                    manner.ok_or_else(|| wrong("pack", "'gc', 'gc-old', 'all' or 'all-old'"))?;
                self.pack = Some(PackOptions { gc, keep_old });
            }
            "unsent-pause" => self.limits.unsent_pause = bound("unsent-pause", value, 200)?,
            "unsent-max" => self.limits.unsent_max = bound("unsent-max", value, 500)?,
            "operations" => self.limits.operations = bound("operations", value, 2)?,
            "transaction-bytes" => self.limits.transaction_bytes = bound("transaction-bytes", value, 4_000)?,
            "transaction-objects" => {
                self.limits.transaction_objects = bound("transaction-objects", value, 4)?
            }
            "bug" => {
                self.bug = Some(bug::named(value).ok_or_else(|| OptionError::Bug(value.to_owned()))?);
            }
            _ => return Err(OptionError::Unknown(name.to_owned())),
        }
        Ok(())
    }

    /// How the server that is written to behaves.
    pub fn server(&self) -> Config {
        Config {
            codec: self.codec,
            transaction_timeout: self.timeout,
            invalidation_queue: self.queue.into(),
            limits: self.limits,
            ..Config::default()
        }
    }

    /// The same for the clients that are used, which are counted anew.
    pub fn with_clients(self, used: &[ClientId]) -> Setup {
        let only = |clients: Clients| {
            let kept = used.iter().enumerate().filter(|&(_, &client)| clients.has(client));
            kept.map(|(number, _)| number).collect()
        };
        let (readers, fallbacks, files) = (only(self.readers), only(self.fallbacks), only(self.files));
        let together = only(self.together);
        Setup { clients: used.len().max(1), readers, fallbacks, files, together, ..self }
    }
}

/// Manners to pack: what they are called, whether objects that the root does not reach go, and whether the log stays beside
/// the packed one.
const PACKS: [(&str, bool, bool); 4] =
    [("gc", true, false), ("gc-old", true, true), ("all", false, false), ("all-old", false, true)];
/// What a timeout is.
const TIMEOUT: &str = "a number of milliseconds from 1000 to 86400000";

fn timeout(text: &str) -> Option<Duration> {
    let milliseconds = text.parse().ok().filter(|milliseconds| TIMEOUTS.contains(milliseconds))?;
    Some(Duration::from_millis(milliseconds))
}

/// One of the bounds of a server, which is `least` at least: with less nobody could register, or commit anything.
fn bound(name: &'static str, text: &str, least: usize) -> Result<usize, OptionError> {
    let number = text.parse().ok().filter(|number| (least..=BOUND_MAX).contains(number));
    let expected = || format!("a number from {least} to {BOUND_MAX}");
    number.ok_or_else(|| OptionError::Value { name, expected: expected().into(), value: text.to_owned() })
}

/// The largest bound.
const BOUND_MAX: usize = 1 << 32;

/// What names clients.
const CLIENTS: &str = "numbers of clients with commas between";

fn clients(text: &str) -> Option<Clients> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    numbers
        .ok()
        .filter(|numbers| numbers.iter().all(|&n| n < CLIENTS_MAX))?
        .into_iter()
        .collect::<Clients>()
        .into()
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
        if let Some(silence) = self.silence {
            writeln!(f, "option silence {}", silence.as_millis())?;
        }
        writeln!(f, "option clients {}", self.clients)?;
        let usual = Setup::default();
        for (name, value, usual) in [
            ("servers", self.servers as u64, usual.servers as u64),
            ("queue", self.queue as u64, usual.queue as u64),
            ("cache", self.cache, usual.cache),
            ("unsent-pause", self.limits.unsent_pause as u64, usual.limits.unsent_pause as u64),
            ("unsent-max", self.limits.unsent_max as u64, usual.limits.unsent_max as u64),
            ("operations", self.limits.operations as u64, usual.limits.operations as u64),
            (
                "transaction-bytes",
                self.limits.transaction_bytes as u64,
                usual.limits.transaction_bytes as u64,
            ),
            (
                "transaction-objects",
                self.limits.transaction_objects as u64,
                usual.limits.transaction_objects as u64,
            ),
        ] {
            if value != usual {
                writeln!(f, "option {name} {value}")?;
            }
        }
        for (name, clients) in [
            ("readers", self.readers),
            ("fallbacks", self.fallbacks),
            ("together", self.together),
            ("files", self.files),
        ] {
            if clients != Clients::default() {
                writeln!(f, "option {name} {clients}")?;
            }
        }
        if self.blobs {
            writeln!(f, "option blobs yes")?;
        }
        for (name, gc, keep_old) in PACKS {
            if self.pack == Some(PackOptions { gc, keep_old }) {
                writeln!(f, "option pack {name}")?;
            }
        }
        match self.bug {
            Some(bug) => writeln!(f, "option bug {}", bug.name()),
            None => Ok(()),
        }
    }
}
