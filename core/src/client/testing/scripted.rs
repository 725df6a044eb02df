//! A client in front of a server that says what the test wants.

use super::super::config::Config;
use super::super::event::Event;
use super::super::fault::Fault;
use super::super::{Answer, Call, Change, Client, ConnId, Error, Input, Output, ServerId, Ticket};
use super::client_config;
use crate::cache::Cache;
use crate::ids::{Oid, Tid};
use crate::rng::Seed;
use crate::server::testing::{CODECS, plain, row};
use crate::time::Instant;
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::frame::{Frames, put_frame};
use crate::wire::tree::{Owned, Tree};
use crate::wire::writer::Writer;
use bytes::BytesMut;
use std::collections::BTreeMap;
use std::time::Duration;

/// A call that the client made and the test has not looked at.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::client) struct Called {
    pub(in crate::client) id: MessageId,
    pub(in crate::client) method: String,
    pub(in crate::client) args: Owned,
}

/// A client of servers that the test plays.
#[derive(Debug)]
pub(in crate::client) struct Scripted {
    pub(in crate::client) client: Client,
    pub(in crate::client) now: Instant,
    codec: Codec,
    /// The connections that stand or are being made, by server.
    pub(in crate::client) conns: BTreeMap<ServerId, ConnId>,
    frames: BTreeMap<ConnId, Frames>,
    /// What was called, in order.
    pub(in crate::client) calls: Vec<Called>,
    pub(in crate::client) heartbeats: usize,
    pub(in crate::client) answers: BTreeMap<Ticket, Result<Answer, Error>>,
    pub(in crate::client) changes: Vec<Change>,
    pub(in crate::client) events: Vec<Event>,
    /// Everything else it put out.
    pub(in crate::client) others: Vec<Output>,
    tickets: u64,
}

/// `None`.
pub(in crate::client) fn none() -> Owned {
    Owned::None
}

/// The result of a load.
pub(in crate::client) fn revision(data: &str, serial: u64, until: Option<u64>) -> Owned {
    row![data.as_bytes(), Tid(serial), until.map_or(Owned::None, |until| Tid(until).into())]
}

impl Scripted {
    /// Runs a test in both encodings.
    pub(in crate::client) fn everywhere(test: impl Fn(Scripted)) {
        CODECS.into_iter().for_each(|codec| test(Scripted::new(codec, client_config(1))));
    }

    /// Runs a test in both encodings, with a client that is ready at transaction 100.
    pub(in crate::client) fn ready(test: impl Fn(Scripted)) {
        Scripted::everywhere(|mut rig| {
            rig.connect(100);
            test(rig);
        });
    }

    pub(in crate::client) fn new(codec: Codec, config: Config) -> Scripted {
        Scripted::with(codec, config, Cache::in_memory(1 << 20))
    }

    pub(in crate::client) fn with(codec: Codec, config: Config, cache: Cache) -> Scripted {
        let mut rig = Scripted {
            client: Client::new(Instant(0), config, cache, Seed(1)),
            now: Instant(0),
            codec,
            conns: BTreeMap::new(),
            frames: BTreeMap::new(),
            calls: Vec::new(),
            heartbeats: 0,
            answers: BTreeMap::new(),
            changes: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
            tickets: 0,
        };
        rig.carry_out();
        rig
    }

    /// Hands the client an input, and takes what follows.
    pub(in crate::client) fn input(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        self.carry_out();
        self.client.check_invariants();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                Output::Connect { conn, server } => {
                    assert_eq!(self.conns.insert(server, conn), None, "one connection a server");
                }
                Output::Send { conn, packet } => self.take(conn, &packet.to_vec()),
                Output::Close { conn } => self.conns.retain(|_, other| *other != conn),
                Output::Answer { ticket, result } => {
                    assert!(self.answers.insert(ticket, result).is_none(), "one answer a question");
                }
                Output::Changed(change) => self.changes.push(change),
                Output::Log(event) => self.events.push(event),
                other => self.others.push(other),
            }
        }
    }

    fn take(&mut self, conn: ConnId, mut bytes: &[u8]) {
        let mut tree = Tree::default();
        let frames = self.frames.entry(conn).or_default();
        while let Some(frame) = frames.next(&mut bytes, usize::MAX).expect("frames") {
            if frame.bytes() == self.codec.handshake() {
                continue;
            }
            let value = self.codec.read(frame.bytes(), &mut tree).expect("a message");
            let [id, _, method, args] = value.array().expect("a tuple of four");
            let id = match id.array() {
                Some([oid, tid]) => {
                    MessageId::Load(oid.as_oid().expect("an oid"), tid.as_tid().expect("a tid"))
                }
                None => MessageId::Int(id.as_int().expect("a number")),
            };
            if id == MessageId::Int(-1) {
                self.heartbeats += 1;
                continue;
            }
            let method = method.as_str().expect("a method").to_owned();
            self.calls.push(Called { id, method, args: plain(args.to_owned().expect("arguments")) });
        }
    }

    /// The connection to the first server.
    pub(in crate::client) fn conn(&self) -> ConnId {
        self.conns[&ServerId(0)]
    }

    /// Whether the client has, or makes, a connection to the first server.
    pub(in crate::client) fn is_linked(&self) -> bool {
        self.conns.contains_key(&ServerId(0))
    }

    /// The connection stands, and the server introduces itself.
    pub(in crate::client) fn greet(&mut self, server: usize) {
        let conn = self.conns[&ServerId(server)];
        self.input(Input::Connected { conn });
        self.frame_on(conn, self.codec.handshake());
    }

    /// The whole way to a client that is ready, its cache being empty or up to date.
    pub(in crate::client) fn connect(&mut self, last: u64) {
        self.greet(0);
        self.reply("register", Tid(last).into());
        self.reply("get_info", info());
        assert!(self.client.is_ready());
    }

    /// The next connection, after whatever pause the client makes, becomes ready in the same way.
    pub(in crate::client) fn reconnect(&mut self, last: u64) {
        self.wait_for_attempt();
        self.connect(last);
    }

    /// Time passes until the client tries again.
    pub(in crate::client) fn wait_for_attempt(&mut self) {
        while !self.is_linked() {
            let next = self.client.deadline().expect("something to wait for");
            self.pass(next.since(self.now));
        }
    }

    /// Time passes.
    pub(in crate::client) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.client.deadline().filter(|next| *next <= end) {
            assert!(next >= self.now || self.now == end, "a deadline that came is done with");
            self.now = next.max(self.now);
            self.input(Input::Tick);
            assert!(self.client.deadline() > Some(self.now) || self.client.deadline().is_none());
        }
        self.now = end;
    }

    /// Bytes from the first server.
    pub(in crate::client) fn bytes(&mut self, bytes: &[u8]) {
        let conn = self.conn();
        self.input(Input::Received { conn, bytes });
    }

    fn frame_on(&mut self, conn: ConnId, message: &[u8]) {
        let mut out = BytesMut::new();
        put_frame(&mut out, |out| {
            out.extend_from_slice(message);
            0
        });
        self.input(Input::Received { conn, bytes: &out });
    }

    /// How the server introduces itself.
    pub(in crate::client) fn greeting(&self) -> &'static [u8; 2] {
        self.codec.handshake()
    }

    /// A frame from the first server.
    pub(in crate::client) fn frame(&mut self, message: &[u8]) {
        self.frame_on(self.conn(), message);
    }

    /// A message from the first server.
    pub(in crate::client) fn message(&mut self, id: &MessageId, flag: i64, method: &str, args: &Owned) {
        self.message_on(self.conn(), id, flag, method, args);
    }

    fn message_on(&mut self, conn: ConnId, id: &MessageId, flag: i64, method: &str, args: &Owned) {
        let mut out = BytesMut::new();
        put_frame(&mut out, |out| {
            Writer::message(self.codec, out, |writer| {
                writer.tuple(4, |w| {
                    id.write(w);
                    w.int(flag);
                    w.str(method);
                    w.value(args);
                });
            });
            0
        });
        self.input(Input::Received { conn, bytes: &out });
    }

    /// The first call of a method that the test has not looked at.
    pub(in crate::client) fn called(&mut self, method: &str) -> Called {
        let at = self.calls.iter().position(|call| call.method == method);
        self.calls.remove(at.unwrap_or_else(|| panic!("no {method} among {:?}", self.calls)))
    }

    /// How many calls of a method the test has not looked at.
    pub(in crate::client) fn count(&self, method: &str) -> usize {
        self.calls.iter().filter(|call| call.method == method).count()
    }

    /// Answers the first call of a method.
    pub(in crate::client) fn reply(&mut self, method: &str, result: Owned) {
        self.reply_on(0, method, result);
    }

    /// The same from another server.
    pub(in crate::client) fn reply_on(&mut self, server: usize, method: &str, result: Owned) {
        let id = self.called(method).id;
        self.message_on(self.conns[&ServerId(server)], &id, 0, ".reply", &result);
    }

    /// Answers the first call of a method with an error.
    pub(in crate::client) fn fail(&mut self, method: &str, class: &str, args: Owned) {
        self.fail_on(0, method, class, args);
    }

    /// The same from another server.
    pub(in crate::client) fn fail_on(&mut self, server: usize, method: &str, class: &str, args: Owned) {
        let id = self.called(method).id;
        self.message_on(self.conns[&ServerId(server)], &id, 2, ".reply", &row![class, args]);
    }

    /// Another client's transaction.
    pub(in crate::client) fn invalidate(&mut self, tid: u64, oids: &[u64]) {
        let oids = Owned::Tuple(oids.iter().map(|oid| Oid(*oid).into()).collect());
        self.message(&MessageId::Int(0), 1, "invalidateTransaction", &row![Tid(tid), oids]);
    }

    /// The network loses the connection.
    pub(in crate::client) fn cut(&mut self) {
        let conn = self.conn();
        self.conns.remove(&ServerId(0));
        self.calls.clear();
        self.input(Input::Lost { conn, why: "connection reset".to_owned() });
    }

    /// The name of another question.
    pub(in crate::client) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// A caller asks.
    pub(in crate::client) fn ask(&mut self, call: Call) -> Ticket {
        let ticket = self.ticket();
        self.input(Input::Ask { ticket, call });
        ticket
    }

    /// A caller asks for the revision current before a tid; zero for whatever is current.
    pub(in crate::client) fn load(&mut self, oid: u64, before: u64) -> Ticket {
        let before = if before == 0 { Tid::MAX } else { Tid(before) };
        self.ask(Call::Load { oid: Oid(oid), before })
    }

    /// The answer to a question, once.
    pub(in crate::client) fn answer(&mut self, ticket: Ticket) -> Option<Result<Answer, Error>> {
        self.answers.remove(&ticket)
    }

    /// The error that a question ended with.
    pub(in crate::client) fn error(&mut self, ticket: Ticket) -> Error {
        self.answer(ticket).expect("an answer").expect_err("an error")
    }

    /// What a load found, as text with its serial.
    pub(in crate::client) fn loaded(&mut self, ticket: Ticket) -> (String, u64) {
        match self.answer(ticket) {
            Some(Ok(Answer::Loaded(Some(found)))) => {
                (String::from_utf8_lossy(&found.data).into_owned(), found.serial.0)
            }
            other => panic!("not loaded: {other:?}"),
        }
    }

    /// Why connections were given up, the last first.
    pub(in crate::client) fn faults(&self) -> Vec<Fault> {
        let fault = |event: &Event| match event {
            Event::Failed { fault, .. } | Event::Disconnected { fault, .. } => Some(fault.clone()),
            _ => None,
        };
        self.events.iter().rev().filter_map(fault).collect()
    }
}

/// What a server says of itself that can do everything, and lets no reply overtake an invalidation.
pub(in crate::client) fn info() -> Owned {
    described(true)
}

/// What Python's server says of itself.
pub(in crate::client) fn python_info() -> Owned {
    described(false)
}

fn described(in_order: bool) -> Owned {
    let interfaces = ["IBlobStorage", "IExternalGC", "IStorageRestoreable"];
    let interfaces = interfaces.map(|name| row!["ZODB.interfaces", name]);
    let pairs: [(&str, Owned); 6] = [
        ("length", 0.into()),
        ("size", 4.into()),
        ("name", "scripted".into()),
        ("supportsUndo", true.into()),
        ("zeolith.in_order", in_order.into()),
        ("interfaces", Owned::Tuple(interfaces.into())),
    ];
    Owned::Dict(pairs.map(|(key, value)| (key.into(), value)).into())
}
