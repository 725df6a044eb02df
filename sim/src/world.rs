//! The world: programs with their clients, servers with their disks, the connections between them, and the checkers that
//! watch them.

mod clients;
mod hearing;
mod servers;
mod strangers;
mod wires;

use crate::app::Notes;
use crate::checkers::{Checkers, Kind, Look, Seen, Violation};
use crate::coverage::State;
use crate::event::{ClientId, Event, ServerNo, Wire};
use crate::folder::Folder;
use crate::ledger::{Books, Ledger};
use crate::network::Network;
use crate::node::Node;
use crate::options::Setup;
use crate::oracle;
use crate::program::Program;
use crate::record::{Record, Sign};
use crate::settle;
use crate::tape::Turn;
use crate::trace::Trace;
use crate::waits;
pub(crate) use clients::{finish, rest};
use std::collections::BTreeSet;
use std::time::Duration;
use strangers::Stranger;
use zeolith_core::client::ConnId as Near;
use zeolith_core::time::{Instant, WallTime};

/// Wall-clock time at the start of every world: 2026-11-21 22:25:30 UTC.
const BEGINNING: u64 = 1_795_299_930_000_000;
/// Time that passes with every event.
const STEP: Duration = Duration::from_micros(100);
/// What a client's stages are called, in their order.
pub const STAGES: &[&str] =
    &["away", "connecting", "connected", "idle", "loading", "voting", "voted", "finishing"];

/// Everything there is.
#[derive(Debug)]
pub struct World {
    setup: Setup,
    now: Instant,
    nodes: Vec<Node>,
    programs: Vec<Program>,
    network: Network,
    /// Who else is connected to each server.
    strangers: Vec<Option<Stranger>>,
    notes: Notes,
    books: Books,
    checkers: Checkers,
    /// The last copy of the first server's storage: its log, which is empty while there is none, its blobs, and its history.
    backup: (Vec<u8>, Folder, Ledger),
    /// Clients that something happened to in the event at hand.
    touched: BTreeSet<ClientId>,
    /// What happened.
    pub trace: Trace,
    /// Events that did something, those included that others set off.
    moved: u64,
    record: Option<Box<Record>>,
}

impl World {
    /// A world in which nothing happened yet.
    pub fn new(setup: Setup) -> World {
        let now = Instant::default();
        World {
            setup,
            now,
            nodes: (0..setup.servers).map(|n| Node::new(setup, ServerNo(n))).collect(),
            programs: (0..setup.clients).map(|n| Program::new(setup, ClientId(n), now)).collect(),
            network: Network::default(),
            strangers: (0..setup.servers).map(|_| None).collect(),
            notes: Notes::default(),
            books: Books::new(setup.servers),
            checkers: Checkers::default(),
            backup: Default::default(),
            touched: (0..setup.clients).map(ClientId).collect(),
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

    /// Keeps from now on what the first server is handed and what it puts out.
    pub fn listen(&mut self) {
        self.nodes[0].listen();
    }

    /// What was kept since this was asked last.
    pub fn take_turns(&mut self) -> Vec<Turn> {
        self.nodes[0].take_turns()
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
        if let Some(record) = &mut self.record {
            record.event(event, own);
        }
        let mut result = self.advance(STEP).and_then(|()| self.take(event));
        if result.is_ok()
            && let Err(violation) = self.look()
        {
            result = Err(violation);
        }
        self.moved += u64::from(result != Ok(false));
        if let Some(record) = &mut self.record {
            record.done(&result);
        }
        result
    }

    fn take(&mut self, event: Event) -> Result<bool, Violation> {
        let is_there = event.client().is_none_or(|client| client.0 < self.programs.len())
            && event.server().is_none_or(|server| server.0 < self.nodes.len());
        if !is_there {
            return Ok(false);
        }
        match event {
            Event::Connect(wire) => wires::connect(self, wire),
            Event::Act(client, dice) => clients::act(self, client, dice),
            Event::Admin(client, dice) => clients::administrate(self, client, dice),
            Event::Begin(client, dice) => clients::begin(self, client, dice),
            Event::ToServer(wire, bytes) => wires::arrive_up(self, wire, bytes),
            Event::ToClient(wire, bytes) => wires::arrive_down(self, wire, bytes),
            Event::Late(wire, bytes) => wires::arrive_late(self, wire, bytes),
            Event::Flow(wire) => settle::flow(self, wire),
            Event::Cut(wire, side) => wires::cut(self, wire, side),
            Event::Storm(server) => wires::storm(self, server),
            Event::Hold(wire, way) => Ok(self.network.hold(wire, way)),
            Event::Mend(wire) => Ok(self.network.mend(wire)),
            Event::Restart(client, loss) => clients::restart(self, client, loss),
            Event::BeginDisk(server) => servers::begin_disk(self, server),
            Event::EndDisk(server, at) => servers::end_disk(self, server, at),
            Event::Pack(server) => servers::pack(self, server, false),
            Event::Disk(server) => settle::drain_disk(self, server),
            Event::FailDisk(server, failure) => servers::fail_disk(self, server, failure),
            Event::Room(server, bytes) => Ok(servers::leave_room(self, server, bytes)),
            Event::Forget(server) => Ok(self.nodes[server.0].forget()),
            Event::Rot(server, dice) => Ok(servers::rot(self, server, dice)),
            Event::Backup => Ok(servers::backup(self)),
            Event::Restore(server) => servers::restore(self, server),
            Event::Crash(server, fate) => servers::crash(self, server, fate),
            Event::Stop(server) => servers::stop(self, server),
            Event::Stranger(server, dice) => strangers::act(self, server, dice),
            Event::Start(server) => servers::start(self, server),
            Event::Clock(server, micros) => Ok(servers::set_clock(self, server, micros)),
            Event::Pass(milliseconds) => self.advance(Duration::from_millis(milliseconds)).map(|()| true),
            Event::Quiet => settle::settle(self).and_then(|()| self.quiet()),
        }
    }

    /// Lets time pass, and everybody do what is due after that.
    fn advance(&mut self, time: Duration) -> Result<(), Violation> {
        self.now = self.now + time;
        for server in (0..self.nodes.len()).map(ServerNo) {
            servers::tick(self, server)?;
        }
        for client in (0..self.programs.len()).map(ClientId) {
            clients::tick(self, client)?;
        }
        Ok(())
    }

    /// What clocks show that are right.
    fn right_time(&self) -> WallTime {
        WallTime(BEGINNING + self.now.0 / 1000)
    }

    /// A server's wall clock.
    fn wall(&self, server: ServerNo) -> WallTime {
        WallTime(self.right_time().0.saturating_add_signed(self.nodes[server.0].clock))
    }

    fn sign(&mut self, sign: impl FnOnce() -> Sign) {
        if let Some(record) = &mut self.record {
            record.sign(sign());
        }
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        self.checkers.see(seen, &self.books)
    }

    /// Looks at the machines that something happened to.
    fn look(&mut self) -> Result<(), Violation> {
        if let Some(what) = self.notes.broken.take() {
            return Err(Violation { promise: 4, kind: Kind::Safety, what });
        }
        if self.touched.is_empty() {
            return Ok(());
        }
        let touched = std::mem::take(&mut self.touched);
        let clients: Vec<_> = touched.iter().map(|&id| (id, &self.programs[id.0].machine)).collect();
        self.checkers.see(&Seen::State { clients: &clients }, &self.books)
    }

    /// Tells the checkers that everybody had time.
    fn quiet(&mut self) -> Result<bool, Violation> {
        self.see(&Seen::Quiet(&waits::waiting(self)))?;
        for server in (0..self.nodes.len()).map(ServerNo) {
            servers::see_blobs(self, server, Look::Quiet)?;
        }
        self.look_for_what_is_left()?;
        self.programs.iter().for_each(|program| program.machine.cache().check_invariants());
        oracle::judge(&self.notes.history).map_err(|contradiction| Violation {
            promise: oracle::ORACLE,
            kind: Kind::Safety,
            what: contradiction.to_string(),
        })?;
        Ok(true)
    }

    /// All that can move did, though nobody looked after the disks that failed.
    pub(crate) fn sick(&mut self) -> Result<(), Violation> {
        self.see(&Seen::Sick(&waits::waiting_for_the_sick(self)))
    }

    /// How long clients put up with silence.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.setup.silence
    }

    /// These connections have been silent for longer than clients put up with.
    pub(crate) fn silent(&mut self, silent: &BTreeSet<(Wire, Near)>) -> Result<(), Violation> {
        self.see(&Seen::Silent(&waits::waiting_for_the_silent(self, silent)))
    }

    /// Nobody waits for anything: whoever keeps something for somebody has forgotten to let go of it.
    fn look_for_what_is_left(&mut self) -> Result<(), Violation> {
        let (mut locks, mut rest) = (Vec::new(), Vec::new());
        for (server, node) in self.nodes.iter().enumerate() {
            let Some(held) = node.server().map(|machine| machine.held()) else { continue };
            let named = |what: &String| format!("{what} at server {server}");
            locks.extend(held.transactions.iter().map(named));
            rest.extend(held.rest.iter().map(named));
        }
        for (client, program) in self.programs.iter().enumerate() {
            rest.extend(program.machine.held().iter().map(|what| format!("client {client} has {what}")));
        }
        self.see(&Seen::Left { locks: &locks, rest: &rest })
    }

    /// Where the record of what programs did stands.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// How far everything is together, as seen from the first server.
    pub fn state(&self) -> State {
        let node = &self.nodes[0];
        let disk = 2 * usize::from(node.disk.begun() > 0) + usize::from(node.disk.can_begin());
        let stages = self.programs.iter().enumerate().map(|(n, program)| {
            let on = |wire: Wire| wire.client == ClientId(n);
            match (program.machine.is_ready(), self.network.has(on), self.network.wants(on)) {
                (true, ..) => 3 + program.app.stage(),
                (_, true, _) => 2,
                (_, _, true) => 1,
                _ => 0,
            }
        });
        State::new(node.stage(), disk, stages)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The programs.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The servers and their disks.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What is between them.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Every wire there can be.
    pub fn wires(&self) -> impl Iterator<Item = Wire> + use<> {
        let (clients, servers) = (self.programs.len(), self.nodes.len());
        (0..clients).flat_map(move |client| {
            (0..servers).map(move |server| Wire { client: ClientId(client), server: ServerNo(server) })
        })
    }

    /// Somebody looks after a server's disk, and sets its clock.
    pub(crate) fn mend(&mut self, server: ServerNo) {
        let node = &mut self.nodes[server.0];
        node.disk.mend();
        node.clock = node.clock.max(0);
    }

    /// Faults are over.
    pub(crate) fn calm(&mut self) -> Result<(), Violation> {
        (0..self.nodes.len()).try_for_each(|server| strangers::leave(self, ServerNo(server)))?;
        self.see(&Seen::Calm)
    }

    /// Events that did something, those included that others set off.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Transactions in the first server's log.
    pub fn transactions(&self) -> usize {
        self.books.of(ServerNo(0)).logged.len()
    }
}
