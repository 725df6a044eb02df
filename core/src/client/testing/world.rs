//! Real clients and real servers in one process, with the network between them in the test's hand.

use super::super::config::Config;
use super::super::event::Event;
use super::super::{
    Answer, Call, Change, Changes, Client, ConnId, Error, Input, Merge, Operation, Output, ServerId, Ticket,
    TxnRef,
};
use super::names::{named, shown};
use crate::cache::Cache;
use crate::ids::{Oid, Tid};
use crate::rng::Seed;
use crate::server;
use crate::server::Server;
use crate::server::config::StorageBoot;
use crate::server::testing::{Script, plain};
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::delivery::{Delivery, decode_delivery};
use crate::wire::frame::Frames;
use crate::wire::tree::{Owned, Tree};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const START: WallTime = WallTime(1_795_299_930_500_000);

/// One connection: bytes under way in both directions.
#[derive(Debug)]
pub(in crate::client) struct Pipe {
    server: usize,
    far: server::ConnId,
    codec: Codec,
    pub(in crate::client) up: Vec<u8>,
    pub(in crate::client) down: Vec<u8>,
    up_frames: Frames,
    down_frames: Frames,
    /// What the server sends is not delivered.
    held: bool,
}

/// What a client told.
#[derive(Debug, Default)]
pub(in crate::client) struct Told {
    pub(in crate::client) answers: BTreeMap<Ticket, Result<Answer, Error>>,
    pub(in crate::client) changes: Vec<Change>,
    pub(in crate::client) merges: Vec<(TxnRef, Merge)>,
    pub(in crate::client) events: Vec<Event>,
}

/// Servers, clients, and what is between them.
#[derive(Debug)]
pub(in crate::client) struct World {
    pub(in crate::client) servers: Vec<Option<Server>>,
    pub(in crate::client) clients: Vec<Client>,
    pub(in crate::client) told: Vec<Told>,
    pub(in crate::client) pipes: BTreeMap<(usize, ConnId), Pipe>,
    pub(in crate::client) script: Script,
    /// Messages are delivered as soon as they are sent.
    pub(in crate::client) eager: bool,
    codec: Codec,
    now: Instant,
    wall: WallTime,
    conns: u64,
    tickets: u64,
}

/// A client of as many servers as the world has.
pub(in crate::client) fn client_config(servers: usize) -> Config {
    Config { servers: (0..servers).map(|at| format!("server-{at}")).collect(), ..Config::default() }
}

/// A transaction that stores objects and is finished at once.
pub(in crate::client) fn changes(operations: Vec<Operation>) -> Changes {
    Changes { operations, finish: true, ..Changes::default() }
}

/// A new state for an object.
pub(in crate::client) fn store(oid: u64, serial: Tid, data: &str) -> Operation {
    Operation::Store { oid: Oid(oid), serial, data: Bytes::copy_from_slice(data.as_bytes()) }
}

impl World {
    /// A world of as many servers, each empty and in memory.
    pub(in crate::client) fn new(codec: Codec, servers: usize) -> World {
        let mut world = World {
            servers: Vec::new(),
            clients: Vec::new(),
            told: Vec::new(),
            pipes: BTreeMap::new(),
            script: Script::default(),
            eager: true,
            codec,
            now: Instant(0),
            wall: START,
            conns: 0,
            tickets: 0,
        };
        for _ in 0..servers {
            let server = world.server(|_| {});
            world.servers.push(Some(server));
        }
        world
    }

    /// A server, empty and in memory.
    pub(in crate::client) fn server(&self, adjust: impl FnOnce(&mut server::config::Config)) -> Server {
        let mut config = server::config::Config { codec: self.codec, ..server::config::Config::default() };
        adjust(&mut config);
        Server::new(config, vec![StorageBoot::memory("1".to_owned())], self.wall)
    }

    /// A client that has done all it can do at once.
    pub(in crate::client) fn client(&mut self, config: Config) -> usize {
        self.client_with(config, Cache::in_memory(1 << 20))
    }

    pub(in crate::client) fn client_with(&mut self, config: Config, cache: Cache) -> usize {
        let at = self.clients.len();
        self.clients.push(Client::new(self.now, config, cache, Seed(at as u64)));
        self.told.push(Told::default());
        self.run();
        at
    }

    /// A client of the first server.
    pub(in crate::client) fn plain_client(&mut self) -> usize {
        self.client(client_config(1))
    }

    /// Carries out what is put out, and delivers what was sent, until all is quiet.
    pub(in crate::client) fn run(&mut self) {
        loop {
            self.carry_out();
            if !(self.eager && self.deliver_all()) {
                return;
            }
        }
    }

    /// Carries out what is put out.
    pub(in crate::client) fn carry_out(&mut self) {
        for at in 0..self.clients.len() {
            while let Some(output) = self.clients[at].poll() {
                self.on_client_output(at, output);
            }
            self.clients[at].check_invariants();
        }
        for at in 0..self.servers.len() {
            while let Some(output) = self.servers[at].as_mut().and_then(Server::poll) {
                self.on_server_output(at, output);
            }
            self.servers[at].iter().for_each(Server::check_invariants);
        }
    }

    fn on_client_output(&mut self, at: usize, output: Output) {
        let told = &mut self.told[at];
        match output {
            Output::Connect { conn, server: ServerId(server) } => self.connect(at, conn, server),
            Output::Send { conn, packet } => {
                let pipe = self.pipes.get_mut(&(at, conn)).expect("a connection that stands");
                pipe.up.extend_from_slice(&packet.to_vec());
                let lines = upward(pipe, &packet.to_vec(), &mut self.script);
                lines.into_iter().for_each(|line| self.script.line(format!("{at}.{} > {line}", conn.0)));
            }
            Output::Close { conn } => {
                self.script.line(format!("{at}.{} closes", conn.0));
                if let Some(pipe) = self.pipes.remove(&(at, conn)) {
                    self.hang_up(pipe.server, pipe.far);
                }
            }
            Output::Answer { ticket, result } => {
                let line = match &result {
                    Ok(answer) => shown(&mut self.script, answer),
                    Err(error) => format!("an error: {}", named(&mut self.script, &error.to_string())),
                };
                self.script.line(format!("{at} answers {} with {line}", ticket.0));
                assert!(told.answers.insert(ticket, result).is_none(), "one answer a question");
            }
            Output::Resolve { txn, conflict } => {
                self.script.line(format!("{at} asks to merge object {}", conflict.conflict.oid.0));
                told.merges.push((txn, *conflict));
            }
            Output::Changed(change) => {
                let line = shown(&mut self.script, &change);
                self.script.line(format!("{at} tells {line}"));
                told.changes.push(change);
            }
            Output::Log(event) => {
                let line = named(&mut self.script, &event.to_string());
                self.script.line(format!("{at} logs {line}"));
                told.events.push(event);
            }
            Output::ReadBlob { .. } | Output::BlobPiece { .. } => panic!("these servers have no blobs"),
        }
    }

    fn connect(&mut self, at: usize, conn: ConnId, server: usize) {
        self.script.line(format!("{at}.{} connects to server-{server}", conn.0));
        if self.servers[server].is_none() {
            let why = "connection refused".to_owned();
            return self.clients[at].handle(self.now, Input::Lost { conn, why });
        }
        self.conns += 1;
        let far = server::ConnId(self.conns);
        self.pipes.insert(
            (at, conn),
            Pipe {
                server,
                far,
                codec: self.codec,
                up: Vec::new(),
                down: Vec::new(),
                up_frames: Frames::new(),
                down_frames: Frames::new(),
                held: false,
            },
        );
        self.clients[at].handle(self.now, Input::Connected { conn });
        let opened = server::Input::Opened { conn: far, address: format!("client-{at}") };
        self.serve(server, opened);
    }

    fn serve(&mut self, at: usize, input: server::Input<'_>) {
        let now = self.now;
        if let Some(server) = &mut self.servers[at] {
            server.handle(now, input);
        }
    }

    fn hang_up(&mut self, at: usize, conn: server::ConnId) {
        self.serve(at, server::Input::Closed { conn });
    }

    fn on_server_output(&mut self, at: usize, output: server::output::Output) {
        match output {
            server::output::Output::Send { conn, packet } => {
                let bytes = packet.to_vec();
                self.serve(at, server::Input::Sent { conn, bytes: bytes.len() });
                let found = self.pipes.iter_mut().find(|(_, pipe)| pipe.server == at && pipe.far == conn);
                if let Some(((client, near), pipe)) = found {
                    pipe.down.extend_from_slice(&bytes);
                    for line in downward(pipe, &bytes, &mut self.script) {
                        self.script.line(format!("{client}.{} < {line}", near.0));
                    }
                }
            }
            server::output::Output::Close { conn } => {
                let found = self.pipes.iter().find(|(_, pipe)| pipe.server == at && pipe.far == conn);
                if let Some((key, _)) = found {
                    let (client, near) = *key;
                    self.pipes.remove(&(client, near));
                    let why = "closed by the server".to_owned();
                    self.clients[client].handle(self.now, Input::Lost { conn: near, why });
                }
            }
            _ => {}
        }
    }

    /// Delivers everything that is under way and not held; false when there was nothing.
    fn deliver_all(&mut self) -> bool {
        let keys: Vec<_> = self.pipes.keys().copied().collect();
        let mut any = false;
        for key in keys {
            any |= self.deliver(key, true, usize::MAX) | self.deliver(key, false, usize::MAX);
        }
        any
    }

    /// Delivers so many bytes in one direction; false when there were none.
    pub(in crate::client) fn deliver(&mut self, key: (usize, ConnId), up: bool, most: usize) -> bool {
        let (now, wall) = (self.now, self.wall);
        let Some(pipe) = self.pipes.get_mut(&key) else { return false };
        let queue = if up { &mut pipe.up } else { &mut pipe.down };
        let count = most.min(queue.len());
        if count == 0 || (pipe.held && !up) {
            return false;
        }
        let bytes: Vec<u8> = queue.drain(..count).collect();
        let (server, conn) = (pipe.server, pipe.far);
        if up {
            self.serve(server, server::Input::Received { conn, bytes: &bytes, wall });
        } else {
            self.clients[key.0].handle(now, Input::Received { conn: key.1, bytes: &bytes });
        }
        true
    }

    /// What the server sends to a client stays under way, until its connection is cut.
    pub(in crate::client) fn hold(&mut self, client: usize) {
        self.pipes.iter_mut().filter(|(key, _)| key.0 == client).for_each(|(_, pipe)| pipe.held = true);
    }

    /// What was held so far is delivered, what comes then is held.
    pub(in crate::client) fn release_held(&mut self, client: usize) {
        let keys: Vec<_> = self.pipes.keys().copied().filter(|key| key.0 == client).collect();
        for key in keys {
            self.pipes.get_mut(&key).expect("just seen").held = false;
            self.deliver(key, false, usize::MAX);
            self.pipes.get_mut(&key).expect("still there").held = true;
        }
        self.run();
    }

    /// All connections of a client are cut: what is under way is lost.
    pub(in crate::client) fn cut(&mut self, client: usize) {
        let keys: Vec<_> = self.pipes.keys().copied().filter(|key| key.0 == client).collect();
        for key in keys {
            self.cut_one(key, true);
        }
        self.run();
    }

    /// One connection is cut; the server may not know yet.
    pub(in crate::client) fn cut_one(&mut self, key: (usize, ConnId), server_knows: bool) {
        let Some(pipe) = self.pipes.remove(&key) else { return };
        self.script.line(format!("{}.{} is cut", key.0, key.1.0));
        if server_knows {
            self.hang_up(pipe.server, pipe.far);
        }
        let why = "connection reset".to_owned();
        self.clients[key.0].handle(self.now, Input::Lost { conn: key.1, why });
    }

    /// A client's connection is lost on its side alone; gives what was on its way to the server.
    pub(in crate::client) fn lose_track(&mut self, client: usize) -> ((usize, server::ConnId), Vec<u8>) {
        let key = *self.pipes.keys().find(|key| key.0 == client).expect("a connection");
        let pipe = &self.pipes[&key];
        let lost = ((pipe.server, pipe.far), pipe.up.clone());
        self.cut_one(key, false);
        self.carry_out();
        lost
    }

    /// What was on its way to a server arrives late, or never; then it learns that the connection is over.
    pub(in crate::client) fn find_out(
        &mut self,
        (at, conn): (usize, server::ConnId),
        lost: Vec<u8>,
        arrives: bool,
    ) {
        if arrives {
            let wall = self.wall;
            self.serve(at, server::Input::Received { conn, bytes: &lost, wall });
            self.run();
        }
        self.hang_up(at, conn);
        self.run();
    }

    /// A server ends, and all its connections with it.
    pub(in crate::client) fn kill(&mut self, server: usize) -> Option<Server> {
        let ended = self.servers[server].take();
        let keys: Vec<_> =
            self.pipes.iter().filter(|(_, pipe)| pipe.server == server).map(|(key, _)| *key).collect();
        for key in keys {
            self.cut_one(key, false);
        }
        self.run();
        ended
    }

    /// Time passes, with every tick in it.
    pub(in crate::client) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.clients.iter().filter_map(Client::deadline).min();
            let next = next.map_or(end, |next| next.max(self.now)).min(end);
            self.wall.0 += next.since(self.now).as_micros() as u64;
            self.now = next;
            for client in &mut self.clients {
                if client.deadline().is_some_and(|deadline| deadline <= self.now) {
                    client.handle(self.now, Input::Tick);
                }
            }
            self.run();
            if self.now == end {
                return;
            }
        }
    }

    /// Hands a client an input.
    pub(in crate::client) fn input(&mut self, client: usize, input: Input<'_>) {
        self.clients[client].handle(self.now, input);
        self.run();
    }

    /// A caller asks.
    pub(in crate::client) fn ask(&mut self, client: usize, call: Call) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let line = shown(&mut self.script, &call);
        self.script.line(format!("{client} is asked {}: {line}", ticket.0));
        self.input(client, Input::Ask { ticket, call });
        ticket
    }

    /// The answer to a question, once; `None` while there is none.
    pub(in crate::client) fn answer(
        &mut self,
        client: usize,
        ticket: Ticket,
    ) -> Option<Result<Answer, Error>> {
        self.told[client].answers.remove(&ticket)
    }

    /// A question that is answered at once.
    pub(in crate::client) fn call(&mut self, client: usize, call: Call) -> Result<Answer, Error> {
        let ticket = self.ask(client, call);
        self.answer(client, ticket).expect("an answer at once")
    }

    /// A transaction that nothing stands in the way of.
    pub(in crate::client) fn commit(&mut self, client: usize, operations: Vec<Operation>) -> Tid {
        match self.call(client, Call::Vote(Box::new(changes(operations)))) {
            Ok(Answer::Finished(finished)) => finished.tid,
            other => panic!("no commit: {other:?}"),
        }
    }

    /// What a client says is current.
    pub(in crate::client) fn current(&mut self, client: usize, oid: u64) -> Result<(String, Tid), Error> {
        match self.call(client, Call::Load { oid: Oid(oid), before: Tid::MAX }) {
            Ok(Answer::Loaded(Some(revision))) => {
                Ok((String::from_utf8_lossy(&revision.data).into_owned(), revision.serial))
            }
            Ok(other) => panic!("no revision: {other:?}"),
            Err(error) => Err(error),
        }
    }
}

/// What a client sends, as lines.
fn upward(pipe: &mut Pipe, mut bytes: &[u8], script: &mut Script) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tree = Tree::default();
    while let Some(frame) = pipe.up_frames.next(&mut bytes, usize::MAX).expect("frames") {
        let message = pipe.codec.read(frame.bytes(), &mut tree).map(|value| value.to_owned());
        lines.push(match message.map(|owned| owned.map(plain)) {
            Ok(Ok(Owned::Tuple(items))) => match &items[..] {
                [Owned::Int(-1), ..] => "heartbeat".to_owned(),
                [id, Owned::Bool(oneway), Owned::Str(method), args] => {
                    let call = script.call(method, &tame(args.clone()));
                    let id = if *oneway { String::new() } else { format!("{} ", script.value(id)) };
                    format!("{id}{call}")
                }
                other => panic!("no call: {other:?}"),
            },
            _ => String::from_utf8_lossy(frame.bytes()).into_owned(),
        });
    }
    lines
}

/// What a server sends, as lines.
fn downward(pipe: &mut Pipe, mut bytes: &[u8], script: &mut Script) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tree = Tree::default();
    while let Some(frame) = pipe.down_frames.next(&mut bytes, usize::MAX).expect("frames") {
        lines.push(match decode_delivery(pipe.codec, frame.bytes(), &mut tree) {
            Ok(Delivery::Reply { id, result }) => {
                let result = result.map(|value| tame(plain(value.to_owned().expect("plain data"))));
                match (&id, &result) {
                    (MessageId::Int(_), Ok(Owned::Dict(pairs))) if pairs.len() == 7 => {
                        format!("reply {} = a description of the storage", script.id(&id))
                    }
                    _ => script.reply(&id, &result),
                }
            }
            Ok(Delivery::Invalidate { tid, oids }) => {
                let oids = Owned::Tuple(oids.into_iter().map(Owned::from).collect());
                script.call("invalidateTransaction", &Owned::Tuple(vec![tid.into(), oids]))
            }
            Ok(Delivery::Info(size)) => format!("info({} objects, {} bytes)", size.length, size.size),
            Ok(other) => panic!("the server has no other messages: {other:?}"),
            Err(_) => String::from_utf8_lossy(frame.bytes()).into_owned(),
        });
    }
    lines
}

/// Random marks have no place in a script.
fn tame(value: Owned) -> Owned {
    match value {
        Owned::Bytes(bytes) if bytes.windows(12).any(|part| part == b"zeolith.mark") => {
            Owned::Str("marked".into())
        }
        Owned::Bytes(bytes) if bytes.len() == 16 => Owned::Str("mark".into()),
        Owned::Tuple(items) => Owned::Tuple(items.into_iter().map(tame).collect()),
        Owned::Dict(pairs) => Owned::Dict(pairs.into_iter().map(|(key, value)| (key, tame(value))).collect()),
        other => other,
    }
}
