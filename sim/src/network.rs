//! Connections: two streams of bytes each, which arrive in pieces of any size, and two ends that learn of a break at
//! different times.

use crate::checkers::ConnName;
use crate::event::{ClientId, ServerNo, Side, Way, Wire};
use crate::ledger::Attempt;
use crate::reader::Reader;
use crate::said::Said;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::ConnId as Near;
use zeolith_core::server::ConnId as Far;
use zeolith_core::wire::Codec;
use zeolith_core::wire::call::TxnId;

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
pub struct Stream {
    bytes: BytesMut,
}

impl Stream {
    /// Puts bytes on their way.
    pub fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next bytes, at most `limit`.
    pub fn take(&mut self, limit: usize) -> Bytes {
        self.bytes.split_to(limit.min(self.bytes.len())).freeze()
    }

    /// How many are on their way.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn lose(&mut self) {
        self.bytes.clear();
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Between whom.
    pub wire: Wire,
    /// What the client calls it; `None`: it has given it up, and what it sent before may still arrive.
    pub near: Option<Near>,
    /// Whether the server still has it; otherwise what it sent before may still arrive.
    pub far: bool,
    /// The server takes nothing from it at present.
    pub paused: bool,
    /// From the client to the server.
    pub up: Stream,
    /// From the server to the client.
    pub down: Stream,
    /// What was said on it.
    pub reader: Reader,
    /// What the server was handed and has not looked at yet.
    pub said: Said,
    /// The transaction that the server was told of last, and whose it is.
    pub txn: Option<(TxnId, Attempt)>,
}

impl Connection {
    /// What the checkers call it.
    pub fn name(&self, far: Far) -> ConnName {
        ConnName { server: self.wire.server, client: self.wire.client, number: far.0 }
    }
}

/// All connections, and those that clients ask for.
#[derive(Debug, Default)]
pub struct Network {
    /// By what servers call them; none has the same name on two servers.
    connections: BTreeMap<Far, Connection>,
    /// Connections that clients ask for.
    wanted: BTreeMap<Wire, Near>,
    held: BTreeSet<(Wire, Way)>,
    made: u64,
}

impl Network {
    /// A client asks for a connection.
    pub fn want(&mut self, wire: Wire, near: Near) {
        self.wanted.insert(wire, near);
    }

    /// Whether clients ask for connections on some wires.
    pub fn wants(&self, which: impl Fn(Wire) -> bool) -> bool {
        self.wanted.keys().any(|&wire| which(wire))
    }

    /// Whether a connection can be made that a client asks for.
    pub fn can_connect(&self, wire: Wire) -> bool {
        self.wanted.contains_key(&wire) && !self.is_held(wire, Way::Up) && !self.is_held(wire, Way::Down)
    }

    /// Whether clients have connections on some wires.
    pub fn has(&self, which: impl Fn(Wire) -> bool) -> bool {
        self.connections.values().any(|it| it.near.is_some() && which(it.wire))
    }

    /// The connection that a client asks for, unless the network does not let it through.
    pub fn take_wanted(&mut self, wire: Wire) -> Option<Near> {
        if self.can_connect(wire) { self.wanted.remove(&wire) } else { None }
    }

    /// A name for a connection that none had before.
    pub fn name(&mut self) -> Far {
        self.made += 1;
        Far(self.made)
    }

    /// Makes a connection, and names it.
    pub fn connect(&mut self, wire: Wire, near: Near, codec: Codec) -> Far {
        let far = self.name();
        let name = ConnName { server: wire.server, client: wire.client, number: far.0 };
        let connection = Connection {
            wire,
            near: Some(near),
            far: true,
            paused: false,
            up: Stream::default(),
            down: Stream::default(),
            reader: Reader::new(name, codec),
            said: Said::default(),
            txn: None,
        };
        self.connections.insert(far, connection);
        far
    }

    /// A connection by the server's name for it.
    pub fn far(&mut self, far: Far) -> Option<&mut Connection> {
        self.connections.get_mut(&far)
    }

    /// A connection by its client's name for it.
    pub fn near(&mut self, client: ClientId, near: Near) -> Option<(Far, &mut Connection)> {
        let found = self.connections.iter_mut();
        let mut found = found.filter(|(_, it)| it.wire.client == client && it.near == Some(near));
        found.next().map(|(&far, connection)| (far, connection))
    }

    /// The connection that the client knows of.
    pub fn live(&mut self, wire: Wire) -> Option<(Far, &mut Connection)> {
        let mut found = self.connections.iter_mut().filter(|(_, it)| it.wire == wire && it.near.is_some());
        found.next().map(|(&far, connection)| (far, connection))
    }

    /// The oldest connection whose client has given it up, while its server has not.
    pub fn ghost(&mut self, wire: Wire) -> Option<(Far, &mut Connection)> {
        let mut found = self.connections.iter_mut().filter(|(_, it)| it.wire == wire && it.near.is_none());
        found.next().map(|(&far, connection)| (far, connection))
    }

    /// One side learns that a connection is over: its name there. What was on the way to it is lost.
    pub fn end(&mut self, far: Far, side: Side) -> (Option<Near>, bool) {
        let Some(connection) = self.connections.get_mut(&far) else { return (None, false) };
        let (mut near, mut server) = (None, false);
        if side != Side::Server {
            near = connection.near.take();
            connection.down.lose();
        }
        if side != Side::Client {
            server = std::mem::replace(&mut connection.far, false);
            connection.up.lose();
            connection.said = Said::default();
        }
        if connection.near.is_none() && !connection.far {
            self.connections.remove(&far);
        }
        (near, server)
    }

    /// The client gives up a connection, or the wish for one.
    pub fn close(&mut self, client: ClientId, near: Near) {
        self.wanted.retain(|wire, wanted| (wire.client, *wanted) != (client, near));
        if let Some(far) = self.near(client, near).map(|(far, _)| far) {
            self.end(far, Side::Client);
        }
    }

    /// The client's program ends: the network gives up its connections.
    pub fn leave(&mut self, client: ClientId) {
        self.wanted.retain(|wire, _| wire.client != client);
        for far in self.all(|wire| wire.client == client) {
            self.end(far, Side::Client);
        }
    }

    /// The connections on which a server was handed something that it has not looked at yet.
    pub fn unheard(&mut self, server: ServerNo) -> impl Iterator<Item = (Far, &mut Connection)> {
        let all = self.connections.iter_mut().map(|(&far, connection)| (far, connection));
        all.filter(move |(_, it)| it.wire.server == server && !it.said.is_empty())
    }

    /// The connections on some wires.
    pub fn all(&self, which: impl Fn(Wire) -> bool) -> Vec<Far> {
        self.connections.iter().filter(|(_, it)| which(it.wire)).map(|(&far, _)| far).collect()
    }

    /// Lets nothing through in one direction; false when nothing was let through before.
    pub fn hold(&mut self, wire: Wire, way: Way) -> bool {
        self.held.insert((wire, way))
    }

    /// Lets everything through; false when nothing was held.
    pub fn mend(&mut self, wire: Wire) -> bool {
        self.held.remove(&(wire, Way::Up)) | self.held.remove(&(wire, Way::Down))
    }

    /// What a person would call the connections of a client, and what is on its way on them.
    pub fn describe(&self, client: ClientId) -> String {
        let wanted = self.wanted.keys().filter(|wire| wire.client == client);
        let wanted = wanted.map(|wire| format!("asks for a connection to server {}", wire.server.0));
        let live = self.connections.iter().filter(|(_, it)| it.wire.client == client && it.near.is_some());
        let live = live.map(|(far, it)| {
            let (server, up, down) = (it.wire.server.0, it.up.len(), it.down.len());
            let stop = |is_so: bool, what: &'static str| if is_so { what } else { "" };
            format!(
                "connection {} to server {server} has {up} bytes on their way up and {down} down{}{}{}{}",
                far.0,
                stop(self.is_held(it.wire, Way::Up), ", nothing goes up"),
                stop(self.is_held(it.wire, Way::Down), ", nothing goes down"),
                stop(it.paused, ", the server takes nothing"),
                stop(!it.far, ", the server has ended it"),
            )
        });
        let all: Vec<String> = wanted.chain(live).collect();
        if all.is_empty() { "has no connection, and asks for none".to_owned() } else { all.join(", ") }
    }

    /// A wire on which something is held.
    pub fn first_held(&self) -> Option<Wire> {
        self.held.first().map(|(wire, _)| *wire)
    }

    /// The connections that clients know of, on which nothing is let through in one direction or both.
    pub fn silent(&self) -> BTreeSet<(Wire, Near)> {
        let is_silent = |wire| self.is_held(wire, Way::Up) || self.is_held(wire, Way::Down);
        let all = self.connections.values().filter(|it| is_silent(it.wire));
        all.filter_map(|it| Some((it.wire, it.near?))).collect()
    }

    /// Whether whatever clients say arrives, on every wire, and all that this one is told.
    pub fn all_goes_up_and_down_to(&self, client: ClientId) -> bool {
        self.held.iter().all(|(wire, way)| *way == Way::Down && wire.client != client)
    }

    /// Whether nothing is let through.
    pub fn is_held(&self, wire: Wire, way: Way) -> bool {
        self.held.contains(&(wire, way))
    }

    /// Whether something would arrive at the server of the connection that the client knows of.
    pub fn goes_up(&self, wire: Wire) -> bool {
        !self.is_held(wire, Way::Up)
            && self.on(wire).any(|it| it.near.is_some() && it.far && !it.paused && !it.up.is_empty())
    }

    /// Whether something would arrive at the client, be it the end.
    pub fn goes_down(&self, wire: Wire) -> bool {
        !self.is_held(wire, Way::Down)
            && self.on(wire).any(|it| it.near.is_some() && (!it.down.is_empty() || !it.far))
    }

    /// Whether something would arrive late.
    pub fn goes_late(&self, wire: Wire) -> bool {
        !self.is_held(wire, Way::Up) && self.on(wire).any(|it| it.near.is_none())
    }

    /// How many bytes are left on the oldest connection that its client has given up.
    pub fn late(&self, wire: Wire) -> usize {
        self.on(wire).find(|it| it.near.is_none()).map_or(0, |it| it.up.len())
    }

    fn on(&self, wire: Wire) -> impl Iterator<Item = &Connection> {
        self.connections.values().filter(move |connection| connection.wire == wire)
    }
}
