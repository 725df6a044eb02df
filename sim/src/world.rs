//! The world: clients, their connections, a server and its disk, and the checkers that watch them.

use crate::checkers::{Checkers, Seen, Violation};
use crate::client::Client;
use crate::event::{ClientId, Event};
use crate::ledger::Ledger;
use crate::log;
use crate::network::Link;
use crate::node::{Came, Node, NodeConfig};
use crate::reader::{Heard, Reader};
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::time::Duration;
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::server::output::Output;
use zeolith_core::server::{ConnId, Input};
use zeolith_core::store::disk::FileId;
use zeolith_core::time::{Instant, WallTime};

/// Wall-clock time at the start of every world: 2026-11-21 22:25:30 UTC.
const BEGINNING: u64 = 1_795_299_930_000_000;
/// Time that passes with every event.
const STEP: Duration = Duration::from_micros(100);

#[derive(Debug)]
struct Connection {
    id: ConnId,
    link: Link,
    reader: Reader,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    config: NodeConfig,
    now: Instant,
    node: Node,
    clients: Vec<Client>,
    connections: BTreeMap<ClientId, Connection>,
    next_conn: u64,
    ledger: Ledger,
    checkers: Checkers,
    /// What happened.
    pub trace: Trace,
}

impl World {
    /// A world in which nothing happened yet.
    pub fn new(config: NodeConfig, clients: usize) -> World {
        World {
            config,
            now: Instant::default(),
            node: Node::new(config),
            clients: (0..clients).map(|n| Client::new(ClientId(n), config.codec)).collect(),
            connections: BTreeMap::new(),
            next_conn: 0,
            ledger: Ledger::default(),
            checkers: Checkers::default(),
            trace: Trace::default(),
        }
    }

    /// Makes an event happen, with all that follows at once. An event that cannot happen does nothing.
    pub fn apply(&mut self, event: Event) -> Result<(), Violation> {
        self.trace.event(&event);
        self.now = self.now + STEP;
        match event {
            Event::Connect(client) => self.connect(client)?,
            Event::Act(client, dice) => self.act(client, &mut Rng::new(Seed(dice))),
            Event::Begin(client, dice) => self.begin(client, &mut Rng::new(Seed(dice))),
            Event::ToServer(client, bytes) => self.arrive_up(client, bytes)?,
            Event::ToClient(client, bytes) => self.arrive_down(client, bytes)?,
            Event::Cut(client) => self.cut(client)?,
            Event::BeginDisk => {
                if let Some(done) = self.node.disk.begin() {
                    self.on_disk(done)?;
                }
                self.look()?;
            }
            Event::EndDisk(at) => {
                if at < self.node.disk.begun() {
                    let done = self.node.disk.end(at);
                    self.look()?;
                    self.on_disk(done)?;
                }
            }
            Event::Crash(fate) => {
                self.node.crash(fate);
                for client in self.clients.iter_mut() {
                    client.on_disconnected();
                }
                for (client, _) in std::mem::take(&mut self.connections) {
                    self.checkers.see(&Seen::Gone(client), &self.ledger)?;
                }
            }
            Event::Start => {
                if self.node.is_down() {
                    let came = self.node.start(self.wall());
                    self.came(came)?;
                }
            }
            Event::Pass(milliseconds) => self.pass(milliseconds)?,
            Event::Quiet => self.quiet()?,
        }
        Ok(())
    }

    fn wall(&self) -> WallTime {
        WallTime(BEGINNING + self.now.0 / 1000)
    }

    fn connect(&mut self, client: ClientId) -> Result<(), Violation> {
        if !self.node.is_up() || self.connections.contains_key(&client) {
            return Ok(());
        }
        self.next_conn += 1;
        let id = ConnId(self.next_conn);
        self.connections.insert(client, Connection { id, link: Link::default(), reader: Reader::default() });
        self.clients[client.0].on_connected();
        self.input(Input::Opened { conn: id, address: format!("client {}", client.0) })
    }

    fn act(&mut self, id: ClientId, rng: &mut Rng) {
        let client = &mut self.clients[id.0];
        client.act(rng);
        self.put_on_the_way(id);
    }

    fn begin(&mut self, id: ClientId, rng: &mut Rng) {
        if self.clients[id.0].is_idle() {
            self.clients[id.0].begin(rng);
            self.put_on_the_way(id);
        }
    }

    fn put_on_the_way(&mut self, id: ClientId) {
        let client = &mut self.clients[id.0];
        let out = client.take_out();
        if client.is_finishing() {
            self.ledger.finish_sent.insert(client.attempt());
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.link.up.send(&out);
        }
    }

    fn arrive_up(&mut self, client: ClientId, limit: usize) -> Result<(), Violation> {
        let Some(connection) = self.connections.get_mut(&client) else { return Ok(()) };
        let (conn, bytes) = (connection.id, connection.link.up.take(limit));
        if bytes.is_empty() || connection.link.closing {
            return Ok(());
        }
        let wall = self.wall();
        self.input(Input::Received { conn, bytes: &bytes, wall })
    }

    fn arrive_down(&mut self, id: ClientId, limit: usize) -> Result<(), Violation> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let conn = connection.id;
        let bytes = connection.link.down.take(limit);
        let over = connection.link.closing && connection.link.down.is_empty();
        self.clients[id.0].receive(&bytes);
        self.put_on_the_way(id);
        if over {
            self.connections.remove(&id);
            self.clients[id.0].on_disconnected();
            return Ok(());
        }
        if bytes.is_empty() { Ok(()) } else { self.input(Input::Sent { conn, bytes: bytes.len() }) }
    }

    fn cut(&mut self, client: ClientId) -> Result<(), Violation> {
        let Some(connection) = self.connections.remove(&client) else { return Ok(()) };
        self.clients[client.0].on_disconnected();
        if connection.link.closing {
            return Ok(());
        }
        self.checkers.see(&Seen::Gone(client), &self.ledger)?;
        self.input(Input::Closed { conn: connection.id })
    }

    fn pass(&mut self, milliseconds: u64) -> Result<(), Violation> {
        self.now = self.now + Duration::from_millis(milliseconds);
        while self.node.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.input(Input::Tick)?;
        }
        Ok(())
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), Violation> {
        let outputs = self.node.handle(self.now, input);
        self.carry_out(outputs)
    }

    fn on_disk(
        &mut self,
        done: zeolith_core::store::disk::DiskDone<zeolith_core::server::Context>,
    ) -> Result<(), Violation> {
        let (came, outputs) = self.node.on_disk(self.now, self.wall(), done);
        self.came(came)?;
        self.carry_out(outputs)
    }

    fn came(&mut self, came: Came) -> Result<(), Violation> {
        if let Came::Refused(why) = came {
            let what = format!("what a crash left is not opened any more: {why}");
            return Err(Violation { promise: 19, what });
        }
        if came == Came::Up {
            let (log, _) = log::read(self.node.disk.contents(FileId::Log), 0);
            self.checkers.see(&Seen::Reopened(&log), &self.ledger)?;
            self.ledger.reopened(&self.node.disk);
        }
        Ok(())
    }

    /// Reads the log again, unless it is being recovered.
    fn look(&mut self) -> Result<(), Violation> {
        if self.node.is_up() {
            let known = self.ledger.logged.len();
            self.ledger.look(&self.node.disk);
            for at in known..self.ledger.logged.len() {
                self.checkers.see(&Seen::Logged(&self.ledger.logged[at]), &self.ledger)?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in outputs {
            match output {
                Output::Send { conn, packet } => self.send(conn, &packet.to_vec())?,
                Output::Close { conn } => {
                    let owner = self.connections.iter_mut().find(|(_, connection)| connection.id == conn);
                    if let Some((&client, connection)) = owner {
                        connection.link.closing = true;
                        self.checkers.see(&Seen::Gone(client), &self.ledger)?;
                    }
                }
                Output::Log(event) => self.trace.note(&event),
                Output::Pause { .. } | Output::Resume { .. } | Output::Disk { .. } | Output::Stopped => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), Violation> {
        let owner = self.connections.iter_mut().find(|(_, connection)| connection.id == conn);
        let Some((&client, connection)) = owner else { return Ok(()) };
        connection.link.down.send(bytes);
        let finish = self.clients[client.0].finish_id();
        for heard in connection.reader.read(self.config.codec, bytes, finish) {
            let seen = match &heard {
                Heard::Registered(tid) => Seen::Registered(client, *tid),
                Heard::Finished(tid) => Seen::Finished(client, *tid),
                Heard::Invalidated(tid, oids) => Seen::Invalidated(client, *tid, oids),
                &Heard::Loaded(oid, serial, until) => Seen::Loaded { client, oid, serial, until },
                Heard::Other => continue,
            };
            self.trace.note(&format_args!("{seen:?}"));
            self.checkers.see(&seen, &self.ledger)?;
            if let Some((_, shown)) = seen.shown() {
                self.ledger.shown.extend(shown.into_iter().flatten());
            }
        }
        Ok(())
    }

    /// Tells the checkers that everybody had time.
    fn quiet(&mut self) -> Result<(), Violation> {
        let waiting: Vec<(ClientId, String)> = (0..self.clients.len())
            .map(ClientId)
            .filter(|&id| !self.clients[id.0].is_idle())
            .map(|id| (id, self.clients[id.0].waits_for()))
            .collect();
        self.checkers.see(&Seen::Quiet(&waiting), &self.ledger)
    }

    /// The clients.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// The server and its disk.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Bytes on their way to and from a client; `None` when it has no connection.
    pub fn under_way(&self, client: ClientId) -> Option<(usize, usize)> {
        let link = &self.connections.get(&client)?.link;
        // A closed connection still has its end to deliver.
        Some((link.up.len(), link.down.len() + usize::from(link.closing)))
    }

    /// Transactions in the log.
    pub fn transactions(&self) -> usize {
        self.ledger.logged.len()
    }
}
