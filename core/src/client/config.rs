//! How a client behaves: ZEO's options, with ZEO's names and defaults.

use std::time::Duration;

/// What servers a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only those it can write to.
    Write,
    /// Those it can write to; while there is none, one that can only be read, and another is looked for meanwhile
    /// (`read_only_fallback`).
    WriteOrRead,
    /// Any; nothing is ever written (`read_only`).
    Read,
}

/// What to do when a server knows less than the cache: it was restored from a backup, or is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBehind {
    /// Nothing is answered from that server; questions end with
    /// [`Error::ServerBehind`](super::Error::ServerBehind). As ZEO's client does.
    Refuse,
    /// The cache is dropped.
    DropCache,
}

/// How a client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The servers' names for the log, in the order they are tried. Their addresses are the shell's business.
    pub servers: Vec<String>,
    /// The storage's name on the server.
    pub storage: String,
    /// What servers it takes.
    pub access: Access,
    /// Questions asked while there is no connection wait for one so long.
    pub wait_timeout: Duration,
    /// The pause between two attempts to connect, to which up to as much again is added at random; it doubles with
    /// every failure up to the next bound.
    pub reconnect_min: Duration,
    /// The longest such pause, without what is added.
    pub reconnect_max: Duration,
    /// How long a server may take to introduce itself and to register the client.
    pub greeting_timeout: Duration,
    /// A sign of life is sent so often.
    pub heartbeat: Duration,
    /// A server that owes an answer and has been silent so long is given up; `None` waits for ever, as ZEO does.
    pub silence_timeout: Option<Duration>,
    /// Sent to the server for its log.
    pub label: Option<String>,
    /// What to do when a server knows less than the cache.
    pub when_behind: WhenBehind,
    /// Whether a mark is stored with each transaction by which a lost answer to its finish can be settled.
    pub marks: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            servers: Vec::new(),
            storage: "1".to_owned(),
            access: Access::Write,
            wait_timeout: Duration::from_secs(30),
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(10),
            greeting_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(60),
            silence_timeout: None,
            label: None,
            when_behind: WhenBehind::Refuse,
            marks: true,
        }
    }
}
