//! What happens on connections.

use super::{World, clients, servers};
use crate::checkers::{Seen, Violation};
use crate::event::{ServerNo, Side, Way, Wire};
use crate::record::Sign;
use zeolith_core::client::Input as ToClient;
use zeolith_core::server::{ConnId, Input as ToServer};

/// The connection that a client asks for is made, or refused.
pub(super) fn connect(world: &mut World, wire: Wire) -> Result<bool, Violation> {
    let Some(near) = world.network.take_wanted(wire) else { return Ok(false) };
    if !world.nodes[wire.server.0].is_up() {
        let why = "connection refused".to_owned();
        clients::handle(world, wire.client, ToClient::Lost { conn: near, why })?;
        return Ok(true);
    }
    let far = world.network.connect(wire, near, world.setup.codec);
    world.sign(|| Sign::Connected(wire));
    let opened = ToServer::Opened { conn: far, address: format!("client {}", wire.client.0) };
    servers::handle(world, wire.server, opened)?;
    clients::handle(world, wire.client, ToClient::Connected { conn: near })?;
    Ok(true)
}

/// Bytes arrive at a server.
pub(super) fn arrive_up(world: &mut World, wire: Wire, limit: usize) -> Result<bool, Violation> {
    if !world.network.goes_up(wire) {
        return Ok(false);
    }
    let (far, connection) = world.network.live(wire).expect("what goes up goes on a connection");
    let bytes = connection.up.take(limit);
    receive(world, far, &bytes)?;
    Ok(!bytes.is_empty())
}

/// Bytes, and then the end, of a connection that its client has given up arrive at a server.
pub(super) fn arrive_late(world: &mut World, wire: Wire, limit: usize) -> Result<bool, Violation> {
    if !world.network.goes_late(wire) {
        return Ok(false);
    }
    let (far, connection) = world.network.ghost(wire).expect("what goes late goes on a connection");
    let bytes = connection.up.take(limit);
    let is_over = connection.up.is_empty();
    receive(world, far, &bytes)?;
    if is_over {
        end_at_server(world, far)?;
    }
    Ok(is_over || !bytes.is_empty())
}

/// A server gets bytes, however many messages they are or end in.
fn receive(world: &mut World, far: ConnId, bytes: &[u8]) -> Result<(), Violation> {
    if let Some(record) = &mut world.record {
        record.arrived(far, Way::Up, bytes.len());
    }
    let connection = world.network.far(far).filter(|connection| connection.far && !bytes.is_empty());
    let Some(connection) = connection else { return Ok(()) };
    let server = connection.wire.server;
    if world.nodes[server.0].listens() {
        connection.said.add(bytes);
    }
    let wall = world.wall(server);
    servers::handle(world, server, ToServer::Received { conn: far, bytes, wall })
}

/// Bytes, and then the end of the connection, arrive at a client.
pub(super) fn arrive_down(world: &mut World, wire: Wire, limit: usize) -> Result<bool, Violation> {
    if !world.network.goes_down(wire) {
        return Ok(false);
    }
    let (far, connection) = world.network.live(wire).expect("what goes down goes on a connection");
    let near = connection.near.expect("the client knows it");
    let bytes = connection.down.take(limit);
    let is_over = !connection.far && connection.down.is_empty();
    if let Some(record) = &mut world.record {
        record.arrived(far, Way::Down, bytes.len());
    }
    if !bytes.is_empty() {
        clients::handle(world, wire.client, ToClient::Received { conn: near, bytes: &bytes })?;
        if world.network.far(far).is_some_and(|connection| connection.far) {
            servers::handle(world, wire.server, ToServer::Sent { conn: far, bytes: bytes.len() })?;
        }
    }
    if is_over {
        end_at_client(world, far, "closed by the server")?;
    }
    Ok(is_over || !bytes.is_empty())
}

/// A connection breaks.
pub(super) fn cut(world: &mut World, wire: Wire, side: Side) -> Result<bool, Violation> {
    let Some((far, _)) = world.network.live(wire) else { return Ok(false) };
    if side != Side::Client {
        end_at_server(world, far)?;
    }
    if side != Side::Server {
        end_at_client(world, far, "connection reset")?;
    }
    Ok(true)
}

/// All connections of a server break.
pub(super) fn storm(world: &mut World, server: ServerNo) -> Result<bool, Violation> {
    let all = world.network.all(|wire| wire.server == server);
    for &far in &all {
        end_at_server(world, far)?;
        end_at_client(world, far, "connection reset")?;
    }
    Ok(!all.is_empty())
}

/// The server learns that a connection is over.
fn end_at_server(world: &mut World, far: ConnId) -> Result<(), Violation> {
    let Some(connection) = world.network.far(far) else { return Ok(()) };
    let (name, server) = (connection.name(far), connection.wire.server);
    let (_, had) = world.network.end(far, Side::Server);
    if had {
        world.see(&Seen::Gone(name))?;
        servers::handle(world, server, ToServer::Closed { conn: far })?;
    }
    Ok(())
}

/// A server gives up a connection: what it sent before may still arrive.
pub(super) fn leave(world: &mut World, far: ConnId) -> Result<(), Violation> {
    let Some(connection) = world.network.far(far) else { return Ok(()) };
    let name = connection.name(far);
    let (_, had) = world.network.end(far, Side::Server);
    if had { world.see(&Seen::Gone(name)) } else { Ok(()) }
}

/// The client learns that a connection is over.
fn end_at_client(world: &mut World, far: ConnId, why: &str) -> Result<(), Violation> {
    let Some(connection) = world.network.far(far) else { return Ok(()) };
    let wire = connection.wire;
    hang_up(world, far);
    if let (Some(conn), _) = world.network.end(far, Side::Client) {
        clients::handle(world, wire.client, ToClient::Lost { conn, why: why.to_owned() })?;
    }
    Ok(())
}

/// For the record: the client has no such connection any more.
pub(super) fn hang_up(world: &mut World, far: ConnId) {
    let Some(connection) = world.network.far(far).filter(|connection| connection.near.is_some()) else {
        return;
    };
    let wire = connection.wire;
    if let Some(record) = &mut world.record {
        record.gone(far);
    }
    clients::on_gone(world, wire);
}
