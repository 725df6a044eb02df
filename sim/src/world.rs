//! The world: clients, their connections, a server and its disk, and the checkers that watch them.

use crate::checkers::{Checkers, ConnName, Kind, Seen, ServerNo, Violation};
use crate::client::Client;
use crate::coverage::State;
use crate::disk::Fate;
use crate::event::{ClientId, Event};
use crate::ledger::Books;
use crate::log;
use crate::network::Link;
use crate::node::{Came, Node};
use crate::options::Setup;
use crate::reader::Reader;
use crate::record::{self, Record, Sign};
use crate::settle;
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
/// The only server.
const SERVER: ServerNo = ServerNo(0);
/// Time that passes with every event.
const STEP: Duration = Duration::from_micros(100);

#[derive(Debug)]
struct Connection {
    id: ConnId,
    name: ConnName,
    link: Link,
    reader: Reader,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    setup: Setup,
    now: Instant,
    node: Node,
    clients: Vec<Client>,
    connections: BTreeMap<ClientId, Connection>,
    next_conn: u64,
    books: Books,
    checkers: Checkers,
    /// What happened.
    pub trace: Trace,
    /// Events that did something, those included that others set off.
    moved: u64,
    record: Option<Box<Record>>,
}

impl World {
    /// A world in which nothing happened yet.
    pub fn new(setup: Setup) -> World {
        World {
            setup,
            now: Instant::default(),
            node: Node::new(setup),
            clients: (0..setup.clients).map(|n| Client::new(ClientId(n), setup.codec)).collect(),
            connections: BTreeMap::new(),
            next_conn: 0,
            books: Books::new(1),
            checkers: Checkers::default(),
            trace: Trace::default(),
            moved: 0,
            record: None,
        }
    }

    /// Notes from now on who sends what to whom.
    pub fn record(&mut self) {
        self.record = Some(Box::new(Record::new(self.setup)));
    }

    /// What was noted; `None` unless it was asked for.
    pub fn take_record(&mut self) -> Option<Record> {
        self.record.take().map(|record| *record)
    }

    /// A machine panicked: the record ends here.
    pub fn broken(&mut self, broken: &Violation) {
        if let Some(record) = &mut self.record {
            record.broken(broken);
        }
    }

    /// Makes an event happen, with all that follows at once. An event that cannot happen does nothing; whether it did
    /// anything.
    pub fn apply(&mut self, event: Event) -> Result<bool, Violation> {
        self.trace.event(&event);
        self.happen(event, true)
    }

    /// Makes an event happen as part of another.
    pub(crate) fn step(&mut self, event: Event) -> Result<bool, Violation> {
        self.trace.step(&event);
        self.happen(event, false)
    }

    fn happen(&mut self, event: Event, own: bool) -> Result<bool, Violation> {
        self.now = self.now + STEP;
        if let Some(record) = &mut self.record {
            record.event(event, own);
        }
        let result = match event {
            Event::Connect(client) => self.connect(client),
            Event::Act(client, dice) => Ok(self.act(client, &mut Rng::new(Seed(dice)))),
            Event::Begin(client, dice) => Ok(self.begin(client, &mut Rng::new(Seed(dice)))),
            Event::ToServer(client, bytes) => self.arrive_up(client, bytes),
            Event::ToClient(client, bytes) => self.arrive_down(client, bytes),
            Event::Cut(client) => self.cut(client),
            Event::BeginDisk => self.begin_disk(),
            Event::EndDisk(at) => self.end_disk(at),
            Event::Disk => settle::drain_disk(self),
            Event::Crash(fate) => self.crash(fate),
            Event::Start => self.start(),
            Event::Pass(milliseconds) => self.pass(milliseconds),
            Event::Quiet => settle::settle(self).and_then(|()| self.quiet()),
        };
        self.moved += u64::from(result != Ok(false));
        if let Some(record) = &mut self.record {
            record.done(&result);
        }
        result
    }

    fn wall(&self) -> WallTime {
        WallTime(BEGINNING + self.now.0 / 1000)
    }

    fn sign(&mut self, sign: impl FnOnce() -> Sign) {
        if let Some(record) = &mut self.record {
            record.sign(sign());
        }
    }

    fn connect(&mut self, client: ClientId) -> Result<bool, Violation> {
        if !self.node.is_up() || self.connections.contains_key(&client) {
            return Ok(false);
        }
        self.next_conn += 1;
        let id = ConnId(self.next_conn);
        let name = ConnName { server: SERVER, client, number: self.next_conn };
        let reader = Reader::new(name, self.setup.codec);
        self.connections.insert(client, Connection { id, name, link: Link::default(), reader });
        self.clients[client.0].on_connected();
        self.sign(|| Sign::Connected(client));
        self.input(Input::Opened { conn: id, address: format!("client {}", client.0) })?;
        Ok(true)
    }

    fn act(&mut self, id: ClientId, rng: &mut Rng) -> bool {
        self.clients[id.0].act(rng);
        self.put_on_the_way(id)
    }

    fn begin(&mut self, id: ClientId, rng: &mut Rng) -> bool {
        let idle = self.clients[id.0].is_idle();
        if idle {
            self.clients[id.0].begin(rng);
            self.put_on_the_way(id);
        }
        idle
    }

    /// Sends what a client has to say; whether that is anything.
    fn put_on_the_way(&mut self, id: ClientId) -> bool {
        let client = &mut self.clients[id.0];
        let out = client.take_out();
        if client.is_finishing() {
            self.books.finish_sent.insert(client.attempt());
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.link.up.send(&out);
            if let Some(record) = &mut self.record {
                record.sent(id, record::Way::Up, &out);
            }
        }
        !out.is_empty()
    }

    fn arrive_up(&mut self, client: ClientId, limit: usize) -> Result<bool, Violation> {
        let Some(connection) = self.connections.get_mut(&client) else { return Ok(false) };
        let (conn, bytes) = (connection.id, connection.link.up.take(limit));
        if bytes.is_empty() || connection.link.closing {
            return Ok(false);
        }
        if let Some(record) = &mut self.record {
            record.arrived(client, record::Way::Up, bytes.len());
        }
        let (checkers, books) = (&mut self.checkers, &self.books);
        connection.reader.on_up(&bytes, &mut |seen| checkers.see(&seen, books))?;
        let wall = self.wall();
        self.input(Input::Received { conn, bytes: &bytes, wall })?;
        Ok(true)
    }

    fn arrive_down(&mut self, id: ClientId, limit: usize) -> Result<bool, Violation> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(false) };
        let conn = connection.id;
        let bytes = connection.link.down.take(limit);
        let over = connection.link.closing && connection.link.down.is_empty();
        if let Some(record) = &mut self.record {
            record.arrived(id, record::Way::Down, bytes.len());
        }
        self.clients[id.0].receive(&bytes);
        self.put_on_the_way(id);
        if over {
            self.forget(id);
            return Ok(true);
        }
        if !bytes.is_empty() {
            self.input(Input::Sent { conn, bytes: bytes.len() })?;
        }
        Ok(!bytes.is_empty())
    }

    /// A client's connection is no more.
    fn forget(&mut self, client: ClientId) -> Option<Connection> {
        let connection = self.connections.remove(&client)?;
        self.clients[client.0].on_disconnected();
        self.sign(|| Sign::Gone(client));
        Some(connection)
    }

    fn cut(&mut self, client: ClientId) -> Result<bool, Violation> {
        let Some(connection) = self.forget(client) else { return Ok(false) };
        if !connection.link.closing {
            self.checkers.see(&Seen::Gone(connection.name), &self.books)?;
            self.input(Input::Closed { conn: connection.id })?;
        }
        Ok(true)
    }

    fn begin_disk(&mut self) -> Result<bool, Violation> {
        let begins = self.node.disk.can_begin();
        if self.record.is_some()
            && let Some(what) = self.node.disk.upcoming()
        {
            self.sign(|| Sign::Disk(what));
        }
        if let Some(done) = self.node.disk.begin() {
            self.on_disk(done)?;
        }
        self.look()?;
        Ok(begins)
    }

    fn end_disk(&mut self, at: usize) -> Result<bool, Violation> {
        if at >= self.node.disk.begun() {
            return Ok(false);
        }
        if self.record.is_some()
            && let Some(what) = self.node.disk.ending(at)
        {
            self.sign(|| Sign::Disk(what));
        }
        let done = self.node.disk.end(at);
        self.look()?;
        self.on_disk(done)?;
        Ok(true)
    }

    fn crash(&mut self, fate: Fate) -> Result<bool, Violation> {
        let was_down = self.node.is_down();
        self.node.crash(fate);
        self.sign(|| Sign::Crashed(fate));
        for client in self.connections.keys().copied().collect::<Vec<_>>() {
            if let Some(connection) = self.forget(client) {
                self.checkers.see(&Seen::Gone(connection.name), &self.books)?;
            }
        }
        Ok(!was_down)
    }

    fn start(&mut self) -> Result<bool, Violation> {
        let is_down = self.node.is_down();
        if is_down {
            let came = self.node.start(self.wall());
            self.came(came)?;
        }
        Ok(is_down)
    }

    fn pass(&mut self, milliseconds: u64) -> Result<bool, Violation> {
        self.now = self.now + Duration::from_millis(milliseconds);
        while self.node.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.input(Input::Tick)?;
        }
        Ok(true)
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
            return Err(Violation { promise: 19, kind: Kind::Safety, what });
        }
        if came == Came::Up {
            let (log, _) = log::read(self.node.disk.contents(FileId::Log), 0);
            self.checkers.see(&Seen::Reopened(SERVER, &log), &self.books)?;
            self.books.of_mut(SERVER).reopened(&self.node.disk);
            self.sign(|| Sign::Up);
        }
        Ok(())
    }

    /// Reads the log again, unless it is being recovered.
    fn look(&mut self) -> Result<(), Violation> {
        if self.node.is_up() {
            let ledger = self.books.of_mut(SERVER);
            let known = ledger.logged.len();
            ledger.look(&self.node.disk);
            let logged = ledger.logged.len();
            for at in known..logged {
                let logged = &self.books.of(SERVER).logged[at];
                let tid = logged.tid;
                self.checkers.see(&Seen::Logged(SERVER, logged), &self.books)?;
                self.sign(|| Sign::Logged(tid));
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
                    if let Some((_, connection)) = owner {
                        connection.link.closing = true;
                        self.checkers.see(&Seen::Gone(connection.name), &self.books)?;
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
        if let Some(record) = &mut self.record {
            record.sent(client, record::Way::Down, bytes);
        }
        let (checkers, books, trace) = (&mut self.checkers, &mut self.books, &mut self.trace);
        connection.reader.on_down(bytes, &mut |seen| {
            trace.note(&format_args!("{seen:?}"));
            checkers.see(&seen, books)?;
            if let Some((_, shown)) = seen.shown() {
                books.of_mut(SERVER).shown.extend(shown.into_iter().flatten());
            }
            Ok(())
        })
    }

    /// Tells the checkers that everybody had time.
    fn quiet(&mut self) -> Result<bool, Violation> {
        let waiting: Vec<(ClientId, String)> = (0..self.clients.len())
            .map(ClientId)
            .filter(|&id| !self.clients[id.0].is_idle())
            .map(|id| (id, self.clients[id.0].waits_for()))
            .collect();
        self.checkers.see(&Seen::Quiet(&waiting), &self.books)?;
        Ok(true)
    }

    /// How far everything is together.
    pub fn state(&self) -> State {
        let disk = &self.node.disk;
        let disk = 2 * usize::from(disk.begun() > 0) + usize::from(disk.can_begin());
        State::new(self.node.stage(), disk, self.clients.iter().map(Client::stage))
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

    /// Events that did something, those included that others set off.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Transactions in the log.
    pub fn transactions(&self) -> usize {
        self.books.of(SERVER).logged.len()
    }
}
