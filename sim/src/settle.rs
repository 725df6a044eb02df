//! When faults are over: everything that can move does, until nothing can, for a bounded time of the world.

use crate::checkers::Violation;
use crate::disk::Fate;
use crate::event::{ALL, ClientId, Event, Loss, ServerNo, Wire};
use crate::world::World;
use crate::world::{finish, rest};
use std::time::Duration;
use zeolith_core::time::Instant;

/// Rounds after which a world that still moves is taken to move for ever.
const ROUNDS: usize = 2_000;
/// Time in which everybody who keeps trying must have come to an end.
const TIME: Duration = Duration::from_secs(120);
/// How long a program waits before it tries again, in milliseconds.
const PAUSE: u64 = 100;
/// The longest that [`Event::Flow`] waits for a client to want a connection.
const WANT: Duration = Duration::from_secs(1);

/// The disk does all it was asked, and for a pack.
pub(crate) fn drain_disk(world: &mut World, server: ServerNo) -> Result<bool, Violation> {
    let mut moved = false;
    loop {
        let disk = &world.nodes()[server.0].disk;
        let event = match (disk.begun(), disk.can_begin()) {
            (0, false) if world.nodes()[server.0].can_pack() => Event::Pack(server),
            (0, false) => return Ok(moved),
            (0, true) => Event::BeginDisk(server),
            _ => Event::EndDisk(server, 0),
        };
        moved |= world.step(event)?;
    }
}

/// A client is connected, and everything said on the connection arrives.
pub(crate) fn flow(world: &mut World, wire: Wire) -> Result<bool, Violation> {
    let on = |other: Wire| other == wire;
    if !world.network().has(on) && !world.network().wants(on) {
        let program = &world.programs()[wire.client.0];
        let wait = program.deadline().map_or(WANT, |deadline| deadline.since(world.now()));
        if wait < WANT {
            world.step(Event::Pass(wait.as_millis() as u64 + 1))?;
        }
    }
    let mut moved = world.network().wants(on) && world.step(Event::Connect(wire))?;
    for _ in 0..ROUNDS {
        let event = match () {
            () if world.network().goes_up(wire) => Event::ToServer(wire, ALL),
            () if world.network().goes_down(wire) => Event::ToClient(wire, ALL),
            () => break,
        };
        moved |= world.step(event)?;
    }
    Ok(moved)
}

/// Servers, disks, connections and clients come to rest.
pub(crate) fn settle(world: &mut World) -> Result<(), Violation> {
    world.calm()?;
    sit_out_silence(world)?;
    answer_over_failed_disks(world)?;
    let end = world.now() + TIME;
    for _ in 0..ROUNDS {
        let mut moved = servers(world)?;
        moved |= network(world)?;
        moved |= programs(world)?;
        if moved || (world.now() < end && retry(world)?) {
            continue;
        }
        let is_done = world.programs().iter().all(|program| program.waits_for().is_none());
        match next_due(world).filter(|&due| !is_done && due < end) {
            Some(due) => world.step(Event::Pass(due.since(world.now()).as_millis() as u64 + 1))?,
            None => break,
        };
    }
    Ok(())
}

/// Before connections are mended on which nothing arrives, their clients give them up, where they are told to put up with so
/// much silence and no more; then their locks come free.
fn sit_out_silence(world: &mut World) -> Result<(), Violation> {
    let silent = world.network().silent();
    let has_failed = world.nodes().iter().any(|node| node.disk.has_failed());
    let Some(silence) = world.silence().filter(|_| !silent.is_empty() && !has_failed) else { return Ok(()) };
    // As long as others are at work, a client may hear of that.
    let end = world.now() + 2 * silence + WANT;
    for _ in 0..ROUNDS {
        let mut moved = servers(world)?;
        moved |= travel(world)?;
        moved |= programs(world)?;
        if moved {
            continue;
        }
        match next_due(world).filter(|&due| due < end) {
            Some(due) => world.step(Event::Pass(due.since(world.now()).as_millis() as u64 + 1))?,
            None if world.now() < end => {
                world.step(Event::Pass(end.since(world.now()).as_millis() as u64 + 1))?
            }
            None => break,
        };
    }
    world.silent(&silent)
}

/// Before anybody looks after disks that failed, their servers answer or hang up: nobody waits until they are started again.
fn answer_over_failed_disks(world: &mut World) -> Result<(), Violation> {
    if !world.nodes().iter().any(|node| node.disk.has_failed()) {
        return Ok(());
    }
    for _ in 0..ROUNDS {
        let mut moved = false;
        for server in (0..world.nodes().len()).map(ServerNo) {
            moved |= drain_disk(world, server)?;
        }
        moved |= network(world)?;
        moved |= programs(world)?;
        if !moved {
            break;
        }
    }
    world.sick()
}

/// When somebody wants to be woken.
fn next_due(world: &World) -> Option<Instant> {
    let programs = world.programs().iter().filter_map(|program| program.deadline());
    programs.chain(world.nodes().iter().filter_map(|node| node.deadline())).min()
}

fn servers(world: &mut World) -> Result<bool, Violation> {
    let mut moved = false;
    for server in (0..world.nodes().len()).map(ServerNo) {
        world.mend(server);
        if world.nodes()[server.0].disk.has_failed() {
            moved |= world.step(Event::Crash(server, Fate::Process))?;
        }
        if world.nodes()[server.0].is_down() {
            moved |= world.step(Event::Start(server))?;
        }
        moved |= drain_disk(world, server)?;
    }
    Ok(moved)
}

fn network(world: &mut World) -> Result<bool, Violation> {
    let mut moved = false;
    while let Some(wire) = world.network().first_held() {
        moved |= world.step(Event::Mend(wire))?;
    }
    Ok(moved | travel(world)?)
}

/// What is let through arrives.
fn travel(world: &mut World) -> Result<bool, Violation> {
    let mut moved = false;
    for wire in world.wires() {
        while world.network().goes_late(wire) {
            moved |= world.step(Event::Late(wire, ALL))?;
        }
        let network = world.network();
        if network.goes_up(wire) || network.goes_down(wire) || network.can_connect(wire) {
            moved |= world.step(Event::Flow(wire))?;
        }
    }
    Ok(moved)
}

fn programs(world: &mut World) -> Result<bool, Violation> {
    let mut moved = false;
    for client in (0..world.programs().len()).map(ClientId) {
        moved |= rest(world, client)?;
        let program = &world.programs()[client.0];
        if program.app.is_voted() {
            moved |= finish(world, client)?;
        } else if program.behind && !program.machine.is_ready() {
            // As the server's operator says: drop the cache.
            moved |= world.step(Event::Restart(client, Loss::Cache))?;
        }
    }
    Ok(moved)
}

/// Whoever keeps trying tries again after a pause.
fn retry(world: &mut World) -> Result<bool, Violation> {
    let tries = |world: &World, client: ClientId| {
        let program = &world.programs()[client.0];
        program.app.is_idle() && program.app.wants() && program.machine.is_ready()
    };
    let clients: Vec<ClientId> = (0..world.programs().len()).map(ClientId).collect();
    if !clients.iter().any(|&client| tries(world, client)) {
        return Ok(false);
    }
    world.step(Event::Pass(PAUSE))?;
    for client in clients {
        if tries(world, client) {
            let dice = world.programs()[client.0].app.number();
            world.step(Event::Begin(client, dice))?;
        }
    }
    Ok(true)
}
