//! What can happen in the simulated world. An event holds everything that chance had to say about it, so that a list
//! of events plays the same history again without a generator.

use crate::disk::Fate;
use std::fmt;
use std::str::FromStr;

/// A client of the world, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// A server of the world, by number. The first is written to; the others serve copies of its storage to read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerNo(pub usize);

/// Stands for all bytes that are on their way.
pub const ALL: usize = usize::MAX;

/// One event. Any of them may come at any time: what cannot happen does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client opens a connection.
    Connect(ClientId),
    /// A client takes its next step, as the dice fall.
    Act(ClientId, u64),
    /// A client begins a transaction, whatever the dice would have it do.
    Begin(ClientId, u64),
    /// The server gets up to this many bytes of what a client sent.
    ToServer(ClientId, usize),
    /// A client gets up to this many bytes of what the server sent it.
    ToClient(ClientId, usize),
    /// The connection breaks: what was under way is lost.
    Cut(ClientId),
    /// The disk begins its next operation.
    BeginDisk,
    /// The disk ends one of the operations it has begun.
    EndDisk(usize),
    /// The disk does all that it is asked, in order.
    Disk,
    /// The server goes down.
    Crash(Fate),
    /// The server starts, or goes on starting.
    Start,
    /// Time passes, in milliseconds.
    Pass(u64),
    /// Faults are over: all that can move does until nothing can. Whoever still waits then waits for ever.
    Quiet,
}

impl Event {
    /// The client it is about.
    pub fn client(self) -> Option<ClientId> {
        match self {
            Event::Connect(client)
            | Event::Act(client, _)
            | Event::Begin(client, _)
            | Event::ToServer(client, _)
            | Event::ToClient(client, _)
            | Event::Cut(client) => Some(client),
            Event::BeginDisk
            | Event::EndDisk(_)
            | Event::Disk
            | Event::Crash(_)
            | Event::Start
            | Event::Pass(_)
            | Event::Quiet => None,
        }
    }

    /// The same of another client, if it is about one.
    pub fn of_client(self, other: impl FnOnce(ClientId) -> ClientId) -> Event {
        match self {
            Event::Connect(client) => Event::Connect(other(client)),
            Event::Act(client, dice) => Event::Act(other(client), dice),
            Event::Begin(client, dice) => Event::Begin(other(client), dice),
            Event::ToServer(client, bytes) => Event::ToServer(other(client), bytes),
            Event::ToClient(client, bytes) => Event::ToClient(other(client), bytes),
            Event::Cut(client) => Event::Cut(other(client)),
            event => event,
        }
    }
}

/// A number of bytes.
struct Piece(usize);

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ALL { f.write_str("all") } else { self.0.fmt(f) }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Event::Connect(client) => write!(f, "connect {}", client.0),
            Event::Act(client, dice) => write!(f, "act {} {dice:x}", client.0),
            Event::Begin(client, dice) => write!(f, "begin {} {dice:x}", client.0),
            Event::ToServer(client, bytes) => write!(f, "to-server {} {}", client.0, Piece(bytes)),
            Event::ToClient(client, bytes) => write!(f, "to-client {} {}", client.0, Piece(bytes)),
            Event::Cut(client) => write!(f, "cut {}", client.0),
            Event::BeginDisk => f.write_str("begin-disk"),
            Event::EndDisk(at) => write!(f, "end-disk {at}"),
            Event::Disk => f.write_str("disk"),
            Event::Crash(Fate::Process) => f.write_str("crash process"),
            Event::Crash(Fate::Power(dice)) => write!(f, "crash power {dice:x}"),
            Event::Start => f.write_str("start"),
            Event::Pass(milliseconds) => write!(f, "pass {milliseconds}"),
            Event::Quiet => f.write_str("quiet"),
        }
    }
}

/// Text that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// No event begins so.
    #[error("there is no event '{0}'")]
    Unknown(String),
    /// An event of which this is too little, too much or something else.
    #[error("expected '{0}'")]
    Arguments(&'static str),
}

impl FromStr for Event {
    type Err = EventError;

    /// Reads what `Display` writes; between the words there may be any white space.
    fn from_str(text: &str) -> Result<Event, EventError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, arguments) = words.split_first().ok_or(EventError::Unknown(String::new()))?;
        let (form, event) = match *name {
            "connect" => ("connect CLIENT", client(arguments).map(Event::Connect)),
            "act" => ("act CLIENT DICE", client_and(arguments, hex).map(|(id, dice)| Event::Act(id, dice))),
            "begin" => {
                ("begin CLIENT DICE", client_and(arguments, hex).map(|(id, dice)| Event::Begin(id, dice)))
            }
            "to-server" => {
                let parsed = client_and(arguments, piece);
                ("to-server CLIENT BYTES|all", parsed.map(|(id, bytes)| Event::ToServer(id, bytes)))
            }
            "to-client" => {
                let parsed = client_and(arguments, piece);
                ("to-client CLIENT BYTES|all", parsed.map(|(id, bytes)| Event::ToClient(id, bytes)))
            }
            "cut" => ("cut CLIENT", client(arguments).map(Event::Cut)),
            "begin-disk" => ("begin-disk", alone(arguments, Event::BeginDisk)),
            "end-disk" => ("end-disk PLACE", number(arguments).map(Event::EndDisk)),
            "disk" => ("disk", alone(arguments, Event::Disk)),
            "crash" => ("crash process|power DICE", fate(arguments).map(Event::Crash)),
            "start" => ("start", alone(arguments, Event::Start)),
            "pass" => ("pass MILLISECONDS", number(arguments).map(Event::Pass)),
            "quiet" => ("quiet", alone(arguments, Event::Quiet)),
            other => return Err(EventError::Unknown(other.to_owned())),
        };
        event.ok_or(EventError::Arguments(form))
    }
}

fn alone(arguments: &[&str], event: Event) -> Option<Event> {
    arguments.is_empty().then_some(event)
}

fn number<T: FromStr>(arguments: &[&str]) -> Option<T> {
    let [number] = arguments else { return None };
    number.parse().ok()
}

fn client(arguments: &[&str]) -> Option<ClientId> {
    number(arguments).map(ClientId)
}

fn client_and<T>(arguments: &[&str], parse: impl FnOnce(&str) -> Option<T>) -> Option<(ClientId, T)> {
    let [id, argument] = arguments else { return None };
    Some((client(&[id])?, parse(argument)?))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn piece(text: &str) -> Option<usize> {
    if text == "all" { Some(ALL) } else { text.parse().ok() }
}

fn fate(arguments: &[&str]) -> Option<Fate> {
    match arguments {
        ["process"] => Some(Fate::Process),
        ["power", dice] => hex(dice).map(Fate::Power),
        _ => None,
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
