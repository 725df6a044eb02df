//! A server with a storage of another server, that other server, and clients of both, in one process.

use crate::cache::Cache;
use crate::client::config::Config as ClientConfig;
use crate::client::{self, Answer, Call, Change, Changes, Client, Error, Merge, Operation, ServerId, Ticket};
use crate::ids::{Oid, Tid};
use crate::rng::Seed;
use crate::server::config::{Config, RelayBoot, StorageBoot};
use crate::server::event::Event;
use crate::server::output::Output;
use crate::server::relay::{UpstreamEvent, UpstreamOp};
use crate::server::{ConnId, Input, Server, StorageId};
use crate::time::{Instant, WallTime};
use crate::wire::reply::Conflict;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const START: WallTime = WallTime(1_795_299_930_500_000);

/// Who made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Client(usize),
    /// The server below.
    Below,
}

/// A server of the tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    Above,
    Below,
}

#[derive(Debug)]
struct Pipe {
    to: Floor,
    far: ConnId,
    up: Vec<u8>,
    down: Vec<u8>,
}

/// A client, and what it told.
#[derive(Debug)]
struct Caller {
    client: Client,
    floor: Floor,
    answers: BTreeMap<Ticket, Result<Answer, Error>>,
    changes: Vec<Change>,
    /// Of which kind all of this was, in order.
    order: Vec<What>,
}

/// What a client tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Answer,
    Change,
}

/// Both servers and their clients.
#[derive(Debug)]
pub(super) struct Tower {
    above: Option<Server>,
    pub(super) below: Server,
    callers: Vec<Caller>,
    pipes: BTreeMap<(End, client::ConnId), Pipe>,
    /// What the server above sends to the one below is not delivered.
    pub(super) held: bool,
    /// On the same way replies overtake invalidations, as those of Python's server do.
    pub(super) overtaking: bool,
    /// What the server below logged.
    pub(super) events: Vec<Event>,
    now: Instant,
    wall: WallTime,
    conns: u64,
    tickets: u64,
}

/// A transaction that is finished at once.
pub(super) fn changes(operations: Vec<Operation>) -> Changes {
    Changes { operations, finish: true, ..Changes::default() }
}

/// A new state for an object.
pub(super) fn store(oid: u64, serial: Tid, data: &str) -> Operation {
    Operation::Store { oid: Oid(oid), serial, data: Bytes::copy_from_slice(data.as_bytes()) }
}

impl Tower {
    /// Both servers, connected; the one below is configured so.
    pub(super) fn with(config: Config) -> Tower {
        let mut tower = Tower::unconnected(config);
        tower.run();
        tower
    }

    /// Both servers, that have not exchanged a word.
    pub(super) fn unconnected(config: Config) -> Tower {
        let client_config = ClientConfig {
            servers: vec!["above".to_owned()],
            wait_timeout: Duration::from_secs(5),
            marks: false,
            ..ClientConfig::default()
        };
        let now = Instant(0);
        let boot = RelayBoot {
            name: "1".to_owned(),
            description: "relayed".to_owned(),
            client: Client::new(now, client_config, Cache::in_memory(1 << 20), Seed(7)),
            now,
            wait: true,
            read_only: false,
            sync: false,
            has_blobs: false,
        };
        Tower {
            above: Some(Server::new(Config::default(), vec![StorageBoot::memory("1".to_owned())], START)),
            below: Server::new(config, vec![boot], START),
            callers: Vec::new(),
            pipes: BTreeMap::new(),
            held: false,
            overtaking: false,
            events: Vec::new(),
            now,
            wall: START,
            conns: 0,
            tickets: 0,
        }
    }

    /// A client of one of the servers.
    pub(super) fn client(&mut self, floor: Floor) -> usize {
        let config = ClientConfig {
            servers: vec!["server".to_owned()],
            wait_timeout: Duration::from_secs(60),
            ..ClientConfig::default()
        };
        let at = self.callers.len();
        let client = Client::new(self.now, config, Cache::in_memory(1 << 20), Seed(at as u64));
        self.callers.push(Caller {
            client,
            floor,
            answers: BTreeMap::new(),
            changes: Vec::new(),
            order: Vec::new(),
        });
        self.run();
        at
    }

    /// Carries out what is put out, and delivers what was sent, until all is quiet.
    pub(super) fn run(&mut self) {
        while self.carry_out() | self.deliver() {}
    }

    /// Whether there was anything.
    fn carry_out(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.callers.len() {
            while let Some(output) = self.callers[at].client.poll() {
                any = true;
                self.on_client(at, output);
            }
            self.callers[at].client.check_invariants();
        }
        while let Some(output) = self.above.as_mut().and_then(Server::poll) {
            any = true;
            self.on_server(Floor::Above, output);
        }
        while let Some(output) = self.below.poll() {
            any = true;
            self.on_server(Floor::Below, output);
        }
        self.below.check_invariants();
        any
    }

    fn on_client(&mut self, at: usize, output: client::Output) {
        let caller = &mut self.callers[at];
        match output {
            client::Output::Connect { conn, server } => {
                assert_eq!(server, ServerId(0));
                let floor = caller.floor;
                self.connect(End::Client(at), conn, floor);
            }
            client::Output::Send { conn, packet } => self.send(End::Client(at), conn, &packet.to_vec()),
            client::Output::Close { conn } => self.hang_up(End::Client(at), conn),
            client::Output::Answer { ticket, result } => {
                assert!(caller.answers.insert(ticket, result).is_none(), "one answer a question");
                caller.order.push(What::Answer);
            }
            client::Output::Changed(change) => {
                caller.changes.push(change);
                caller.order.push(What::Change);
            }
            client::Output::Resolve { txn, conflict } => {
                let Merge { conflict: Conflict { oid, data, .. }, committed, .. } = *conflict;
                let state = Some([&committed[..], b"+", &data[..]].concat().into());
                caller.client.handle(self.now, client::Input::Resolved { txn, oid, state });
            }
            client::Output::Log(_) => {}
            other => panic!("no blobs here: {other:?}"),
        }
    }

    fn on_server(&mut self, floor: Floor, output: Output) {
        match output {
            Output::Send { conn, packet } => {
                self.serve(floor, Input::Sent { conn, bytes: packet.len() });
                if let Some(pipe) = self.pipes.values_mut().find(|pipe| (pipe.to, pipe.far) == (floor, conn))
                {
                    pipe.down.extend(packet.to_vec());
                }
            }
            Output::Close { conn } => {
                let found = self.pipes.iter().find(|(_, pipe)| (pipe.to, pipe.far) == (floor, conn));
                if let Some((&(end, near), _)) = found {
                    self.pipes.remove(&(end, near));
                    self.lost(end, near);
                }
            }
            Output::Upstream { op, .. } => match op {
                UpstreamOp::Connect { conn, .. } => self.connect(End::Below, conn, Floor::Above),
                UpstreamOp::Send { conn, packet } => {
                    self.send(End::Below, conn, &packet.to_vec());
                    self.upstream(UpstreamEvent::Sent { conn, bytes: packet.len() });
                }
                UpstreamOp::Close { conn } => self.hang_up(End::Below, conn),
                other => panic!("no blobs here: {other:?}"),
            },
            Output::Log(event) if floor == Floor::Below => self.events.push(event),
            Output::Pause { .. } | Output::Resume { .. } | Output::Log(_) | Output::Stopped => {}
            Output::Disk { .. } | Output::Pack { .. } => panic!("no disk here"),
        }
    }

    fn serve(&mut self, floor: Floor, input: Input<'_>) {
        match (floor, &mut self.above) {
            (Floor::Below, _) => self.below.handle(self.now, input),
            (Floor::Above, Some(above)) => above.handle(self.now, input),
            (Floor::Above, None) => {}
        }
    }

    fn upstream(&mut self, event: UpstreamEvent<'_>) {
        self.below.handle(self.now, Input::Upstream { storage: StorageId(0), event });
    }

    fn connect(&mut self, end: End, conn: client::ConnId, to: Floor) {
        if to == Floor::Above && self.above.is_none() {
            return self.lost(end, conn);
        }
        self.conns += 1;
        let far = ConnId(self.conns);
        self.pipes.insert((end, conn), Pipe { to, far, up: Vec::new(), down: Vec::new() });
        match end {
            End::Client(at) => {
                self.callers[at].client.handle(self.now, client::Input::Connected { conn });
            }
            End::Below => self.upstream(UpstreamEvent::Connected { conn }),
        }
        self.serve(to, Input::Opened { conn: far, address: format!("{end:?}") });
    }

    fn send(&mut self, end: End, conn: client::ConnId, bytes: &[u8]) {
        if let Some(pipe) = self.pipes.get_mut(&(end, conn)) {
            pipe.up.extend_from_slice(bytes);
        }
    }

    fn hang_up(&mut self, end: End, conn: client::ConnId) {
        if let Some(pipe) = self.pipes.remove(&(end, conn)) {
            self.serve(pipe.to, Input::Closed { conn: pipe.far });
        }
    }

    fn lost(&mut self, end: End, conn: client::ConnId) {
        let why = "connection lost".to_owned();
        match end {
            End::Client(at) => {
                self.callers[at].client.handle(self.now, client::Input::Lost { conn, why });
            }
            End::Below => self.upstream(UpstreamEvent::Lost { conn, why }),
        }
    }

    fn deliver(&mut self) -> bool {
        let mut any = false;
        for key in self.pipes.keys().copied().collect::<Vec<_>>() {
            let Some(pipe) = self.pipes.get_mut(&key) else { continue };
            let (to, conn, bytes) = (pipe.to, pipe.far, std::mem::take(&mut pipe.up));
            if !bytes.is_empty() {
                any = true;
                let wall = self.wall;
                self.serve(to, Input::Received { conn, bytes: &bytes, wall });
            }
            let held = self.held && key.0 == End::Below;
            let Some(pipe) = self.pipes.get_mut(&key).filter(|_| !held) else { continue };
            let mut bytes = std::mem::take(&mut pipe.down);
            if self.overtaking && key.0 == End::Below {
                bytes = replies_first(&bytes);
            }
            if !bytes.is_empty() {
                any = true;
                match key.0 {
                    End::Client(at) => {
                        let input = client::Input::Received { conn: key.1, bytes: &bytes };
                        self.callers[at].client.handle(self.now, input);
                    }
                    End::Below => self.upstream(UpstreamEvent::Received { conn: key.1, bytes: &bytes }),
                }
            }
        }
        any
    }

    /// The connection between the servers is cut, and what is on its way there lost.
    pub(super) fn cut(&mut self) {
        let keys: Vec<_> = self.pipes.keys().copied().filter(|key| key.0 == End::Below).collect();
        for (end, conn) in keys {
            self.hang_up(end, conn);
            self.lost(end, conn);
        }
        self.held = false;
        self.carry_out();
    }

    /// A client's connection is cut.
    pub(super) fn cut_client(&mut self, at: usize) {
        let keys: Vec<_> = self.pipes.keys().copied().filter(|key| key.0 == End::Client(at)).collect();
        for (end, conn) in keys {
            self.hang_up(end, conn);
            self.lost(end, conn);
        }
        self.carry_out();
    }

    /// The server above ends, and gives itself to whoever starts it again.
    pub(super) fn kill(&mut self) -> Server {
        let keys: Vec<_> =
            self.pipes.iter().filter(|(_, pipe)| pipe.to == Floor::Above).map(|(key, _)| *key).collect();
        keys.iter().for_each(|(end, conn)| self.hang_up(*end, *conn));
        let ended = self.above.take().expect("a server above");
        keys.into_iter().for_each(|(end, conn)| self.lost(end, conn));
        self.run();
        ended
    }

    /// There is a server above again.
    pub(super) fn revive(&mut self, server: Server) {
        self.above = Some(server);
    }

    /// Time passes, with every tick in it.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let deadlines = self.callers.iter().filter_map(|caller| caller.client.deadline());
            let next = deadlines.chain(self.below.deadline()).min().map_or(end, |next| next.max(self.now));
            let next = next.min(end);
            self.wall.0 += next.since(self.now).as_micros() as u64;
            self.now = next;
            for caller in &mut self.callers {
                if caller.client.deadline().is_some_and(|deadline| deadline <= self.now) {
                    caller.client.handle(self.now, client::Input::Tick);
                }
            }
            if self.below.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.below.handle(self.now, Input::Tick);
            }
            self.run();
        }
    }

    /// A caller asks.
    pub(super) fn ask(&mut self, at: usize, call: Call) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.callers[at].client.handle(self.now, client::Input::Ask { ticket, call });
        self.run();
        ticket
    }

    /// The answer to a question, once; `None` while there is none.
    pub(super) fn answer(&mut self, at: usize, ticket: Ticket) -> Option<Result<Answer, Error>> {
        self.callers[at].answers.remove(&ticket)
    }

    /// A question that is answered at once.
    pub(super) fn call(&mut self, at: usize, call: Call) -> Result<Answer, Error> {
        let ticket = self.ask(at, call);
        self.answer(at, ticket).expect("an answer at once")
    }

    /// A transaction that nothing stands in the way of.
    pub(super) fn commit(&mut self, at: usize, operations: Vec<Operation>) -> Tid {
        match self.call(at, Call::Vote(Box::new(changes(operations)))) {
            Ok(Answer::Finished(finished)) => finished.tid,
            other => panic!("no commit: {other:?}"),
        }
    }

    /// What a client says is current.
    pub(super) fn current(&mut self, at: usize, oid: u64) -> Result<(String, Tid), Error> {
        match self.call(at, Call::Load { oid: Oid(oid), before: Tid::MAX })? {
            Answer::Loaded(Some(revision)) => {
                Ok((String::from_utf8_lossy(&revision.data).into_owned(), revision.serial))
            }
            other => panic!("no revision: {other:?}"),
        }
    }

    /// What a client was told since the last time.
    pub(super) fn changes(&mut self, at: usize) -> Vec<Change> {
        std::mem::take(&mut self.callers[at].changes)
    }

    /// Of which kind all was that a client told since the last time, in order.
    pub(super) fn order(&mut self, at: usize) -> Vec<What> {
        std::mem::take(&mut self.callers[at].order)
    }

    /// Whether a client is connected.
    pub(super) fn is_ready(&self, at: usize) -> bool {
        self.callers[at].client.is_ready()
    }

    /// Loads that the server above has answered.
    pub(super) fn loads_above(&self) -> u64 {
        let above = self.above.as_ref().expect("a server above");
        above.storages()[0].status().loads
    }
}

/// The messages of a chunk, invalidations behind all others.
fn replies_first(mut bytes: &[u8]) -> Vec<u8> {
    let (mut replies, mut invalidations) = (Vec::new(), Vec::new());
    while let Some((len, _)) = bytes.split_first_chunk::<4>() {
        let (frame, rest) = bytes.split_at(4 + u32::from_be_bytes(*len) as usize);
        let is_invalidation = frame.windows(10).any(|part| part == b"invalidate");
        if is_invalidation {
            invalidations.extend(frame)
        } else {
            replies.extend(frame)
        }
        bytes = rest;
    }
    [replies, invalidations].concat()
}
