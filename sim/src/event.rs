//! What can happen in the simulated world. An event holds everything that chance had to say about it, so that a list
//! of events plays the same history again without a generator.

use crate::disk::Fate;
use std::fmt;

/// A client of the world, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// One event.
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
    /// The server goes down.
    Crash(Fate),
    /// The server starts, or goes on starting.
    Start,
    /// Time passes, in milliseconds.
    Pass(u64),
    /// Everybody has had time: whoever still waits waits for ever.
    Quiet,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Connect(client) => write!(f, "connect {}", client.0),
            Event::Act(client, dice) => write!(f, "act {} {dice:x}", client.0),
            Event::Begin(client, dice) => write!(f, "begin {} {dice:x}", client.0),
            Event::ToServer(client, bytes) => write!(f, "to-server {} {bytes}", client.0),
            Event::ToClient(client, bytes) => write!(f, "to-client {} {bytes}", client.0),
            Event::Cut(client) => write!(f, "cut {}", client.0),
            Event::BeginDisk => write!(f, "begin-disk"),
            Event::EndDisk(at) => write!(f, "end-disk {at}"),
            Event::Crash(Fate::Process) => write!(f, "crash process"),
            Event::Crash(Fate::Power(dice)) => write!(f, "crash power {dice:x}"),
            Event::Start => write!(f, "start"),
            Event::Quiet => write!(f, "quiet"),
            Event::Pass(milliseconds) => write!(f, "pass {milliseconds}"),
        }
    }
}
