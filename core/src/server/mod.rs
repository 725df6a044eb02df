//! The server machine.
//!
//! It speaks the ZEO protocol with any number of connections over any number of storages. The shell hands it what
//! arrives with [`Server::handle`] and carries out what [`Server::poll`] gives back, in order, until there is nothing
//! more; then it may wait until something arrives or [`Server::deadline`] comes.

mod blob_streams;
pub mod config;
mod dispatch;
pub mod event;
pub mod fault;
mod flow;
pub mod held;
mod interfaces;
mod iterating;
mod iterations;
pub mod names;
pub mod output;
pub mod packs;
pub mod queue;
pub mod relay;
mod served;
pub mod session;
pub mod stats;
pub mod storage;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod told;
pub mod undo_log;

use crate::client;
use crate::limits;
use crate::store::disk::DiskDone;
use crate::store::file::pack::News;
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::call::{self, BadCall, Call, Incoming, Request};
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Reply, status_json};
use crate::wire::tree::Tree;
use config::{Boot, Config};
use dispatch::Caller;
use event::Event;
use fault::{Fault, PeerFault};
use names::ReplyTo;
pub use names::{ConnId, Context, StorageId};
use output::{Output, Outputs};
use relay::UpstreamEvent;
pub use served::Served;
use session::{Phase, Session};
use std::collections::BTreeMap;

/// Something that happened.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost every read of an object an allocation")]
pub enum Input<'a> {
    /// A connection was accepted.
    Opened {
        /// Its name from now on.
        conn: ConnId,
        /// Where it comes from, for the log.
        address: String,
    },
    /// Bytes arrived.
    Received {
        /// On which connection.
        conn: ConnId,
        /// The bytes, split anywhere.
        bytes: &'a [u8],
        /// The time of day, for the tids of transactions that finish now.
        wall: WallTime,
    },
    /// The peer took bytes that were put out.
    Sent {
        /// Which peer.
        conn: ConnId,
        /// How many.
        bytes: usize,
    },
    /// A connection ended from the other side. Not given for those the server closed.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// A disk operation was carried out.
    Disk {
        /// Of which storage.
        storage: StorageId,
        /// Its outcome.
        done: DiskDone<Context>,
    },
    /// Something happened on a connection to a server above.
    Upstream {
        /// Of which storage.
        storage: StorageId,
        /// What.
        event: UpstreamEvent<'a>,
    },
    /// A pack has something to tell.
    Packed {
        /// Of which storage.
        storage: StorageId,
        /// What.
        news: News,
    },
    /// The deadline came.
    Tick,
    /// The server is to stop: finish what is being written, save the indexes, put out `Stopped`.
    Stop,
}

/// How far a server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Serving,
    /// No more calls are taken; what is on its way to the disk gets there.
    Finishing,
    /// The indexes are being saved.
    Saving,
    Stopped,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    codec: Codec,
    read_only: bool,
    sessions: BTreeMap<ConnId, Session>,
    storages: Vec<Served>,
    max_connections: usize,
    out: Outputs,
    tree: Tree,
    wall: WallTime,
    life: Life,
}

impl Server {
    /// A server over opened storages.
    pub fn new<B: Into<Boot>>(config: Config, boot: Vec<B>, wall: WallTime) -> Server {
        let mut out = Outputs::new(config.limits);
        let storages = boot.into_iter().enumerate();
        let storages = storages
            .map(|(at, boot)| Served::new(StorageId(at), boot.into(), &config, wall, &mut out))
            .collect();
        Server {
            codec: config.codec,
            read_only: config.read_only,
            sessions: BTreeMap::new(),
            storages,
            max_connections: config.limits.connections,
            out,
            tree: Tree::default(),
            wall,
            life: Life::Serving,
        }
    }

    /// Takes an input. What follows from it is given by [`poll`](Self::poll).
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if let Input::Received { wall, .. } = input {
            self.wall = wall;
        }
        for storage in &mut self.storages {
            storage.set_time(now, self.wall);
        }
        match input {
            Input::Opened { conn, address } => self.on_opened(conn, address),
            Input::Received { conn, bytes, .. } => self.on_received(conn, bytes),
            Input::Sent { conn, bytes } => self.out.on_sent(conn, bytes),
            Input::Closed { conn } => self.on_closed(conn),
            Input::Disk { storage, done } => self.storages[storage.0].on_disk(done, &mut self.out),
            Input::Upstream { storage, event } => match &mut self.storages[storage.0] {
                Served::Relayed(relay) => relay.on_upstream(event, &mut self.out),
                Served::Own(_) => unreachable!("nobody is above a storage of its own"),
            },
            Input::Packed { storage, news } => self.storages[storage.0].on_packed(news, &mut self.out),
            Input::Tick => self.on_tick(),
            Input::Stop => self.on_stop(),
        }
        self.follow_up();
    }

    /// The next thing to do, in order; `None` when everything follows from inputs still to come.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When the server wants a [`Input::Tick`]; changes with every input.
    pub fn deadline(&self) -> Option<Instant> {
        self.storages.iter().filter_map(Served::deadline).min()
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    /// Bytes that arrived on a connection and belong to no message that was looked at: one that is not whole yet, or those
    /// that wait while too much waits for their sender. `None`: there is no such connection.
    pub fn buffered(&self, conn: ConnId) -> Option<usize> {
        self.sessions.get(&conn).map(Session::buffered)
    }

    /// The served storages, in their order.
    pub fn storages(&self) -> &[Served] {
        &self.storages
    }

    /// How the first connections to servers above went; `None` while one is waited for.
    pub fn started(&self) -> Option<Result<(), (&str, &client::Error)>> {
        for storage in &self.storages {
            let Served::Relayed(relay) = storage else { continue };
            if let Err(error) = relay.started()? {
                return Some(Err((relay.name(), error)));
            }
        }
        Some(Ok(()))
    }

    fn on_opened(&mut self, conn: ConnId, address: String) {
        let session = Session::new(address);
        self.out.log(Event::Connected { peer: session.peer() });
        self.out.open(conn);
        let previous = self.sessions.insert(conn, session);
        assert!(previous.is_none(), "a connection's name is used once");
        if self.sessions.len() > self.max_connections {
            self.close(conn, Fault::Crowded);
        } else if self.life != Life::Serving {
            self.close(conn, Fault::Stopping);
        } else {
            self.out.raw(conn, self.codec.handshake());
        }
    }

    fn on_received(&mut self, conn: ConnId, mut chunk: &[u8]) {
        let mut tree = std::mem::take(&mut self.tree);
        while let Some(session) = self.sessions.get_mut(&conn) {
            if self.life != Life::Serving {
                break;
            }
            let unsent = self.out.unsent(conn);
            if unsent > limits::UNSENT_BEFORE_REGISTER && !session.is_registered() {
                mark!("a peer does not read before it registers");
                self.close(conn, PeerFault::NotReading(unsent).into());
                break;
            }
            if self.out.congested(conn) {
                mark!("a message waits since too much waits for its sender");
                session.keep(chunk);
                break;
            }
            match session.next_frame(&mut chunk) {
                Ok(Some(frame)) => {
                    if let Err(fault) = self.on_frame(conn, &frame, &mut tree) {
                        self.close(conn, fault);
                    }
                }
                Ok(None) => break,
                Err(error) => self.close(conn, PeerFault::Frame(error).into()),
            }
        }
        self.tree = tree;
    }

    fn on_frame(&mut self, conn: ConnId, frame: &Frame<'_>, tree: &mut Tree) -> Result<(), Fault> {
        let session = self.sessions.get_mut(&conn).expect("the connection the frame came on");
        let codec = match session.phase {
            Phase::Handshake => return self.on_handshake(conn, frame.bytes()),
            Phase::Negotiated(codec) | Phase::Registered { codec, .. } => codec,
        };
        let message = frame.bytes();
        match call::decode(codec, message, tree).map_err(PeerFault::Malformed)? {
            Incoming::KeepAlive => Ok(()),
            Incoming::Call(call) => self.on_call(conn, codec, call, frame),
        }
    }

    fn on_handshake(&mut self, conn: ConnId, message: &[u8]) -> Result<(), Fault> {
        if message == b"ruok" {
            let statuses = self.storages.iter().map(|storage| (storage.name(), storage.status()));
            let json = status_json(&statuses.collect::<Vec<_>>());
            self.out.raw(conn, &json);
            return Err(Fault::StatusSent);
        }
        let Some(codec) = Codec::from_handshake(message) else {
            let shown = String::from_utf8_lossy(&message[..message.len().min(20)]).into_owned();
            return Err(PeerFault::Handshake(shown).into());
        };
        self.sessions.get_mut(&conn).expect("the connection that shakes hands").phase =
            Phase::Negotiated(codec);
        Ok(())
    }

    /// Answers a call, or says why its connection is closed.
    fn on_call(
        &mut self,
        conn: ConnId,
        codec: Codec,
        call: Call<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let to = ReplyTo { conn, codec, id: call.id, one_way: call.oneway };
        let session = self.sessions.get_mut(&conn).expect("the connection the call came on");
        let method = match &call.request {
            Ok(request) => request.method(),
            Err(BadCall::Arguments { method, .. } | BadCall::Unsupported(method)) => method,
            Err(BadCall::UnknownMethod(name)) => return Err(PeerFault::UnknownMethod(name.clone()).into()),
        };
        let result = match (call.request, session.phase) {
            (Err(BadCall::Arguments { expected, .. }), Phase::Registered { .. })
            | (Err(BadCall::Arguments { method: "register", expected }), _) => {
                Err(RemoteError::Type(format!("{method}() takes {expected}")))
            }
            (Err(BadCall::Unsupported(_)), Phase::Registered { .. }) => Err(RemoteError::unsupported(method)),
            (Ok(Request::Register { storage, read_only }), _) => self.on_register(&to, storage, read_only),
            (Ok(request), Phase::Registered { storage, read_only, .. }) => {
                let (to, out) = (&to, &mut self.out);
                match &mut self.storages[storage.0] {
                    Served::Own(storage) => {
                        dispatch::dispatch(request, Caller { to, session, storage, read_only, frame, out })
                    }
                    Served::Relayed(relay) => {
                        let caller = relay::Caller { to, session, relay, read_only, frame, out };
                        relay::dispatch(request, caller)
                    }
                }
            }
            (_, Phase::Handshake | Phase::Negotiated(_)) => {
                return Err(PeerFault::Unregistered(method).into());
            }
            (Err(BadCall::UnknownMethod(_)), _) => unreachable!("answered above"),
        };
        match result {
            Ok(Some(reply)) => {
                self.out.reply(&to, &reply);
            }
            Ok(None) => {}
            Err(error) if call.oneway => return Err(PeerFault::OneWay(format!("{method}: {error}")).into()),
            Err(error) => {
                // Missing objects are part of ordinary work; a refused registration is logged as such.
                if !matches!(error, RemoteError::PosKey(_) | RemoteError::NoOid) && method != "register" {
                    let peer = self.sessions[&conn].peer();
                    self.out.log(Event::CallFailed { peer, method, error: error.to_string() });
                }
                self.out.error(&to, &error);
            }
        }
        Ok(())
    }

    fn on_register(
        &mut self,
        to: &ReplyTo,
        name: &str,
        read_only: bool,
    ) -> Result<Option<Reply>, RemoteError> {
        let session = self.sessions.get_mut(&to.conn).expect("the connection the call came on");
        let result = if matches!(session.phase, Phase::Registered { .. }) {
            Err(RemoteError::Value("duplicate register() call".into()))
        } else if let Some(at) = self.storages.iter().position(|storage| storage.name() == name) {
            let read_only_here = self.read_only || self.storages[at].read_only();
            let door = self.storages[at].door();
            door.and(if read_only_here && !read_only { Err(RemoteError::ReadOnly) } else { Ok(at) })
        } else {
            Err(RemoteError::Value(format!("unknown storage: {name}")))
        };
        match result {
            Ok(at) => {
                mark!("a client registers");
                let last = self.storages[at].join(to.conn, to.codec);
                session.phase = Phase::Registered { codec: to.codec, storage: StorageId(at), read_only };
                let storage = name.to_owned();
                self.out.log(Event::Registered { peer: session.peer(), storage, read_only, last });
                Ok(Some(Reply::Tid(last)))
            }
            Err(error) => {
                self.out.log(Event::Refused { peer: session.peer(), why: error.to_string() });
                Err(error)
            }
        }
    }

    fn on_closed(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.remove(&conn) {
            self.out.forget(conn);
            mark!("a peer closes its connection");
            let in_transaction = self.leave(conn, &session);
            self.out.log(Event::Disconnected { peer: session.peer(), in_transaction });
        }
    }

    /// Closes a connection from this side.
    fn close(&mut self, conn: ConnId, fault: Fault) {
        if let Some(session) = self.sessions.remove(&conn) {
            self.out.forget(conn);
            mark!("the server closes a connection");
            self.out.log(Event::Closed { peer: session.peer(), fault });
            // Its end comes before what it sets free: locks are never with two at a time.
            self.out.push(Output::Close { conn });
            self.leave(conn, &session);
        }
    }

    fn leave(&mut self, conn: ConnId, session: &Session) -> bool {
        match session.phase {
            Phase::Registered { storage, .. } => self.storages[storage.0].leave(conn, &mut self.out),
            Phase::Handshake | Phase::Negotiated(_) => false,
        }
    }

    fn on_tick(&mut self) {
        for storage in &mut self.storages {
            storage.on_tick(&mut self.out);
        }
    }

    fn on_stop(&mut self) {
        if self.life == Life::Serving {
            self.life = Life::Finishing;
            for storage in &mut self.storages {
                storage.stop(&mut self.out);
            }
        }
    }

    /// What an input has set off on other connections.
    fn follow_up(&mut self) {
        loop {
            if let Some((conn, fault)) = self.out.pop_closing() {
                self.close(conn, fault);
            } else if let Some(conn) = self.out.pop_roomy() {
                if let Some(&Session { phase: Phase::Registered { storage, .. }, .. }) =
                    self.sessions.get(&conn)
                {
                    self.storages[storage.0].on_room(conn, &mut self.out);
                }
            } else if let Some(conn) = self.out.pop_revived() {
                self.on_received(conn, &[]);
                if self.sessions.contains_key(&conn) && !self.out.congested(conn) {
                    mark!("a connection is read again");
                    self.out.push(Output::Resume { conn });
                }
            } else {
                break;
            }
        }
        self.wind_down();
    }

    /// Takes the next step towards the end, if the server is to stop.
    fn wind_down(&mut self) {
        if self.life == Life::Finishing && self.storages.iter().all(Served::is_idle) {
            mark!("a stopping server has nothing on its way");
            self.life = Life::Saving;
            let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
            for conn in conns {
                self.close(conn, Fault::Stopping);
            }
            for storage in &mut self.storages {
                storage.close(&mut self.out);
            }
        }
        if self.life == Life::Saving && self.storages.iter().all(Served::is_closed) {
            self.life = Life::Stopped;
            self.out.push(Output::Stopped);
        }
    }

    /// Switches a deliberate fault on in every storage.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        self.storages.iter_mut().for_each(|storage| storage.plant(bug));
    }

    /// What it keeps for its clients at the moment: nothing, when none of them waits for anything.
    pub fn held(&self) -> held::Held {
        held::held(self)
    }

    /// Checks what must always hold between two inputs.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self) {
        let is_there = |conn| self.sessions.contains_key(&conn);
        self.storages.iter().for_each(|storage| storage.check_invariants(is_there));
    }
}
