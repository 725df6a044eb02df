//! Events as lines of text: a name, what it is about, and what chance had to say. `@N` names a server other than the
//! first.

use super::{ALL, ClientId, Event, Failure, Loss, ServerNo, Side, Way, Wire};
use crate::disk::Fate;
use std::fmt;
use std::str::FromStr;

/// A number of bytes.
struct Piece(usize);

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ALL { f.write_str("all") } else { self.0.fmt(f) }
    }
}

/// What follows the name of an event of a server.
struct At(ServerNo);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ServerNo(0) { Ok(()) } else { write!(f, " @{}", self.0.0) }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.client.0, At(self.server))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Up => "up",
            Way::Down => "down",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Event::Connect(wire) => write!(f, "connect {wire}"),
            Event::Act(client, dice) => write!(f, "act {} {dice:x}", client.0),
            Event::Admin(client, dice) => write!(f, "admin {} {dice:x}", client.0),
            Event::Begin(client, dice) => write!(f, "begin {} {dice:x}", client.0),
            Event::ToServer(wire, bytes) => write!(f, "to-server {wire} {}", Piece(bytes)),
            Event::ToClient(wire, bytes) => write!(f, "to-client {wire} {}", Piece(bytes)),
            Event::Late(wire, bytes) => write!(f, "late {wire} {}", Piece(bytes)),
            Event::Flow(wire) => write!(f, "flow {wire}"),
            Event::Cut(wire, Side::Both) => write!(f, "cut {wire}"),
            Event::Cut(wire, Side::Client) => write!(f, "cut {wire} client"),
            Event::Cut(wire, Side::Server) => write!(f, "cut {wire} server"),
            Event::Storm(server) => write!(f, "storm{}", At(server)),
            Event::Hold(wire, way) => write!(f, "hold {wire} {way}"),
            Event::Mend(wire) => write!(f, "mend {wire}"),
            Event::Restart(client, Loss::Process) => write!(f, "restart {} process", client.0),
            Event::Restart(client, Loss::Power(dice)) => write!(f, "restart {} power {dice:x}", client.0),
            Event::Restart(client, Loss::Cache) => write!(f, "restart {} cache", client.0),
            Event::Restart(client, Loss::Nothing) => write!(f, "restart {} closed", client.0),
            Event::Restart(client, Loss::Closing(dice)) => write!(f, "restart {} closing {dice:x}", client.0),
            Event::BeginDisk(server) => write!(f, "begin-disk{}", At(server)),
            Event::EndDisk(server, at) => write!(f, "end-disk{} {at}", At(server)),
            Event::Disk(server) => write!(f, "disk{}", At(server)),
            Event::Pack(server) => write!(f, "pack{}", At(server)),
            Event::FailDisk(server, Failure::Full) => write!(f, "fail-disk{} full", At(server)),
            Event::FailDisk(server, Failure::Write) => write!(f, "fail-disk{} write", At(server)),
            Event::FailDisk(server, Failure::End(at)) => write!(f, "fail-disk{} end {at}", At(server)),
            Event::FailDisk(server, Failure::Pack) => write!(f, "fail-disk{} pack", At(server)),
            Event::FailDisk(server, Failure::Blob) => write!(f, "fail-disk{} blob", At(server)),
            Event::Room(server, bytes) => write!(f, "room{} {bytes}", At(server)),
            Event::Forget(server) => write!(f, "forget{}", At(server)),
            Event::Rot(server, dice) => write!(f, "rot{} {dice:x}", At(server)),
            Event::Backup => f.write_str("backup"),
            Event::Restore(server) => write!(f, "restore{}", At(server)),
            Event::Crash(server, Fate::Process) => write!(f, "crash{} process", At(server)),
            Event::Crash(server, Fate::Power(dice)) => write!(f, "crash{} power {dice:x}", At(server)),
            Event::Stop(server) => write!(f, "stop{}", At(server)),
            Event::Stranger(server, dice) => write!(f, "stranger{} {dice:x}", At(server)),
            Event::Start(server) => write!(f, "start{}", At(server)),
            Event::Clock(server, micros) => write!(f, "clock{} {micros}", At(server)),
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

    fn from_str(text: &str) -> Result<Event, EventError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (&name, rest) = words.split_first().unwrap_or((&"", &[]));
        let (event, form) = Arguments::of(rest).event(name).ok_or(EventError::Unknown(name.to_owned()))?;
        event.ok_or(EventError::Arguments(form))
    }
}

/// What follows the name.
struct Arguments<'a> {
    /// The server named; `None` when there was something else behind an `@`.
    server: Option<ServerNo>,
    others: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    fn of(words: &[&'a str]) -> Arguments<'a> {
        let (servers, others): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with('@'));
        let server = match servers[..] {
            [] => Some(ServerNo(0)),
            // The first one's name is not written.
            [name] => name[1..].parse().ok().filter(|&number| number > 0).map(ServerNo),
            _ => None,
        };
        Arguments { server, others }
    }

    /// The event of a name, with what it looks like.
    fn event(&self, name: &str) -> Option<(Option<Event>, &'static str)> {
        Some(match name {
            "connect" => (self.wire().map(Event::Connect), "connect CLIENT [@SERVER]"),
            "act" => (self.client_and(hex, Event::Act), "act CLIENT DICE"),
            "admin" => (self.client_and(hex, Event::Admin), "admin CLIENT DICE"),
            "begin" => (self.client_and(hex, Event::Begin), "begin CLIENT DICE"),
            "to-server" => (self.wire_and(piece, Event::ToServer), "to-server CLIENT [@SERVER] BYTES|all"),
            "to-client" => (self.wire_and(piece, Event::ToClient), "to-client CLIENT [@SERVER] BYTES|all"),
            "late" => (self.wire_and(piece, Event::Late), "late CLIENT [@SERVER] BYTES|all"),
            "flow" => (self.wire().map(Event::Flow), "flow CLIENT [@SERVER]"),
            "cut" => {
                let both = self.wire().map(|wire| Event::Cut(wire, Side::Both));
                (both.or_else(|| self.wire_and(side, Event::Cut)), "cut CLIENT [@SERVER] [client|server]")
            }
            "storm" => (self.alone(Event::Storm), "storm [@SERVER]"),
            "hold" => (self.wire_and(way, Event::Hold), "hold CLIENT [@SERVER] up|down"),
            "mend" => (self.wire().map(Event::Mend), "mend CLIENT [@SERVER]"),
            "restart" => (self.restart(), "restart CLIENT process|power DICE|cache|closed|closing DICE"),
            "begin-disk" => (self.alone(Event::BeginDisk), "begin-disk [@SERVER]"),
            "end-disk" => (self.server_and(number, Event::EndDisk), "end-disk [@SERVER] PLACE"),
            "disk" => (self.alone(Event::Disk), "disk [@SERVER]"),
            "pack" => (self.alone(Event::Pack), "pack [@SERVER]"),
            "fail-disk" => (self.fail_disk(), "fail-disk [@SERVER] full|write|blob|pack|end PLACE"),
            "room" => (self.server_and(number, Event::Room), "room [@SERVER] BYTES"),
            "forget" => (self.alone(Event::Forget), "forget [@SERVER]"),
            "rot" => (self.server_and(hex, Event::Rot), "rot [@SERVER] DICE"),
            "backup" => (self.plain(Event::Backup), "backup"),
            "restore" => (self.alone(Event::Restore), "restore [@SERVER]"),
            "crash" => (self.crash(), "crash [@SERVER] process|power DICE"),
            "stop" => (self.alone(Event::Stop), "stop [@SERVER]"),
            "stranger" => (self.server_and(hex, Event::Stranger), "stranger [@SERVER] DICE"),
            "start" => (self.alone(Event::Start), "start [@SERVER]"),
            "clock" => (self.server_and(number, Event::Clock), "clock [@SERVER] MICROSECONDS"),
            "pass" => (self.pass(), "pass MILLISECONDS"),
            "quiet" => (self.plain(Event::Quiet), "quiet"),
            _ => return None,
        })
    }

    /// Nothing may follow.
    fn plain(&self, event: Event) -> Option<Event> {
        (self.is_without_server() && self.others.is_empty()).then_some(event)
    }

    fn is_without_server(&self) -> bool {
        self.server == Some(ServerNo(0))
    }

    /// Nothing but a server may follow.
    fn alone(&self, event: impl FnOnce(ServerNo) -> Event) -> Option<Event> {
        self.server.filter(|_| self.others.is_empty()).map(event)
    }

    fn server_and<T>(
        &self,
        parse: impl FnOnce(&str) -> Option<T>,
        event: impl FnOnce(ServerNo, T) -> Event,
    ) -> Option<Event> {
        let [argument] = self.others[..] else { return None };
        Some(event(self.server?, parse(argument)?))
    }

    fn client_and<T>(
        &self,
        parse: impl FnOnce(&str) -> Option<T>,
        event: impl FnOnce(ClientId, T) -> Event,
    ) -> Option<Event> {
        let [id, argument] = self.others[..] else { return None };
        self.is_without_server().then_some(())?;
        Some(event(ClientId(number(id)?), parse(argument)?))
    }

    fn wire(&self) -> Option<Wire> {
        let [id] = self.others[..] else { return None };
        Some(Wire { client: ClientId(number(id)?), server: self.server? })
    }

    fn wire_and<T>(
        &self,
        parse: impl FnOnce(&str) -> Option<T>,
        event: impl FnOnce(Wire, T) -> Event,
    ) -> Option<Event> {
        let [id, argument] = self.others[..] else { return None };
        let wire = Wire { client: ClientId(number(id)?), server: self.server? };
        Some(event(wire, parse(argument)?))
    }

    fn restart(&self) -> Option<Event> {
        let (&id, loss) = self.others.split_first()?;
        let loss = match *loss {
            ["process"] => Loss::Process,
            ["power", dice] => Loss::Power(hex(dice)?),
            ["cache"] => Loss::Cache,
            ["closed"] => Loss::Nothing,
            ["closing", dice] => Loss::Closing(hex(dice)?),
            _ => return None,
        };
        self.is_without_server().then_some(Event::Restart(ClientId(number(id)?), loss))
    }

    fn fail_disk(&self) -> Option<Event> {
        let failure = match self.others[..] {
            ["full"] => Failure::Full,
            ["write"] => Failure::Write,
            ["blob"] => Failure::Blob,
            ["pack"] => Failure::Pack,
            ["end", at] => Failure::End(number(at)?),
            _ => return None,
        };
        Some(Event::FailDisk(self.server?, failure))
    }

    fn crash(&self) -> Option<Event> {
        let fate = match self.others[..] {
            ["process"] => Fate::Process,
            ["power", dice] => Fate::Power(hex(dice)?),
            _ => return None,
        };
        Some(Event::Crash(self.server?, fate))
    }

    fn pass(&self) -> Option<Event> {
        let [milliseconds] = self.others[..] else { return None };
        self.is_without_server().then_some(Event::Pass(number(milliseconds)?))
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn piece(text: &str) -> Option<usize> {
    if text == "all" { Some(ALL) } else { text.parse().ok() }
}

fn side(text: &str) -> Option<Side> {
    match text {
        "client" => Some(Side::Client),
        "server" => Some(Side::Server),
        _ => None,
    }
}

fn way(text: &str) -> Option<Way> {
    match text {
        "up" => Some(Way::Up),
        "down" => Some(Way::Down),
        _ => None,
    }
}
