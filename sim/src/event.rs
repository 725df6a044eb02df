//! What can happen in the simulated world. An event holds everything that chance had to say about it, so that a list
//! of events plays the same history again without a generator.

mod text;

use crate::disk::Fate;

pub use text::EventError;

/// A client of the world, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// A server of the world, by number. The first is written to; the others serve copies of its storage to read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerNo(pub usize);

/// What is between a client and a server: at most one connection that the client knows of, and any number of earlier
/// ones whose end the server has not noticed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wire {
    /// One end.
    pub client: ClientId,
    /// The other.
    pub server: ServerNo,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From a client to a server.
    Up,
    /// From a server to a client.
    Down,
}

/// Who learns at once that a connection broke. The other end gets what is under way to it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Both: what was under way is lost.
    Both,
    /// The client.
    Client,
    /// The server.
    Server,
}

/// What a program loses when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its memory.
    Process,
    /// What its machine's disk had not synced, as the dice fall.
    Power(u64),
    /// Its cache files: somebody removed them.
    Cache,
    /// Nothing: it closes its client first.
    Nothing,
    /// What it had not written and synced yet when the power failed, while it closed its client.
    Closing(u64),
}

/// What a disk cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Begin its next operation: no room is left.
    Full,
    /// Begin its next operation.
    Write,
    /// End the operation in this place of those begun.
    End(usize),
    /// End the next operation in the folder of the blobs.
    Blob,
    /// Do what the pack asks for next, or find room for it.
    Pack,
}

/// Stands for all bytes that are on their way.
pub const ALL: usize = usize::MAX;

/// One event. Any of them may come at any time: what cannot happen does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection that a client asked for is made, or refused.
    Connect(Wire),
    /// A client's program takes its next step, as the dice fall.
    Act(ClientId, u64),
    /// A client's program begins a transaction, and once faults are over tries again until one is committed.
    Begin(ClientId, u64),
    /// The server gets up to this many bytes of what a client sent.
    ToServer(Wire, usize),
    /// A client gets up to this many bytes of what the server sent it, and then the connection's end.
    ToClient(Wire, usize),
    /// The server gets up to this many bytes of a connection that its client has given up, and then its end.
    Late(Wire, usize),
    /// A client's program does what administrators do, as these dice fall: undo, delete, restore, iterate.
    Admin(ClientId, u64),
    /// The connection is made once the client asks for one, and everything under way arrives, both ways and with what
    /// is answered, until there is nothing more.
    Flow(Wire),
    /// The connection breaks.
    Cut(Wire, Side),
    /// All connections of a server break.
    Storm(ServerNo),
    /// Nothing arrives any more in one direction; no connection is made.
    Hold(Wire, Way),
    /// What was held arrives again.
    Mend(Wire),
    /// A client's program ends, and is started again.
    Restart(ClientId, Loss),
    /// The disk begins its next operation.
    BeginDisk(ServerNo),
    /// The disk ends one of the operations it has begun.
    EndDisk(ServerNo, usize),
    /// The disk does all that it is asked, in order, and for a pack.
    Disk(ServerNo),
    /// The pack that goes on beside a server takes its next step.
    Pack(ServerNo),
    /// The disk fails at an operation.
    FailDisk(ServerNo, Failure),
    /// A server's disk has room for so many bytes more of the log.
    Room(ServerNo, u64),
    /// A server's memory gets short: what its disk failed to write is not read any more.
    Forget(ServerNo),
    /// A bit of the log turns, in what a server that is down has on its disk.
    Rot(ServerNo, u64),
    /// Somebody copies the storage of the first server.
    Backup,
    /// A server goes down, and the last copy is put in the place of its storage.
    Restore(ServerNo),
    /// A server goes down.
    Crash(ServerNo, Fate),
    /// A server is asked to end.
    Stop(ServerNo),
    /// A peer of another make connects to a server, or goes on with what it does there, as these dice fall.
    Stranger(ServerNo, u64),
    /// A server starts.
    Start(ServerNo),
    /// A server's wall clock jumps, by so many microseconds.
    Clock(ServerNo, i64),
    /// Time passes, in milliseconds, while nobody gets to do anything.
    Pass(u64),
    /// Faults are over: all that can move does until nothing can. Whoever still waits then waits for ever.
    Quiet,
}

impl Event {
    /// The client it is about.
    pub fn client(self) -> Option<ClientId> {
        match self {
            Event::Act(client, _)
            | Event::Admin(client, _)
            | Event::Begin(client, _)
            | Event::Restart(client, _) => Some(client),
            event => event.wire().map(|wire| wire.client),
        }
    }

    /// The server it is about.
    pub fn server(self) -> Option<ServerNo> {
        match self {
            Event::Storm(server)
            | Event::BeginDisk(server)
            | Event::EndDisk(server, _)
            | Event::Disk(server)
            | Event::Pack(server)
            | Event::FailDisk(server, _)
            | Event::Room(server, _)
            | Event::Forget(server)
            | Event::Rot(server, _)
            | Event::Restore(server)
            | Event::Crash(server, _)
            | Event::Stop(server)
            | Event::Stranger(server, _)
            | Event::Start(server)
            | Event::Clock(server, _) => Some(server),
            event => event.wire().map(|wire| wire.server),
        }
    }

    fn wire(self) -> Option<Wire> {
        match self {
            Event::Connect(wire)
            | Event::ToServer(wire, _)
            | Event::ToClient(wire, _)
            | Event::Late(wire, _)
            | Event::Flow(wire)
            | Event::Cut(wire, _)
            | Event::Hold(wire, _)
            | Event::Mend(wire) => Some(wire),
            _ => None,
        }
    }

    /// The same of another client, if it is about one.
    pub fn of_client(self, other: impl Fn(ClientId) -> ClientId) -> Event {
        let over = |wire: Wire| Wire { client: other(wire.client), ..wire };
        match self {
            Event::Act(client, dice) => Event::Act(other(client), dice),
            Event::Admin(client, dice) => Event::Admin(other(client), dice),
            Event::Begin(client, dice) => Event::Begin(other(client), dice),
            Event::Restart(client, loss) => Event::Restart(other(client), loss),
            Event::Connect(wire) => Event::Connect(over(wire)),
            Event::ToServer(wire, bytes) => Event::ToServer(over(wire), bytes),
            Event::ToClient(wire, bytes) => Event::ToClient(over(wire), bytes),
            Event::Late(wire, bytes) => Event::Late(over(wire), bytes),
            Event::Flow(wire) => Event::Flow(over(wire)),
            Event::Cut(wire, side) => Event::Cut(over(wire), side),
            Event::Hold(wire, way) => Event::Hold(over(wire), way),
            Event::Mend(wire) => Event::Mend(over(wire)),
            event => event,
        }
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
