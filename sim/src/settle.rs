//! When faults are over: everything that can move does, until nothing can.

use crate::checkers::Violation;
use crate::event::{ALL, ClientId, Event};
use crate::world::World;

/// Rounds after which a world that still moves is taken to move for ever.
const ROUNDS: usize = 2_000;

/// The disk does all it was asked.
pub(crate) fn drain_disk(world: &mut World) -> Result<bool, Violation> {
    let mut moved = false;
    loop {
        let disk = &world.node().disk;
        let event = match (disk.begun(), disk.can_begin()) {
            (0, false) => return Ok(moved),
            (0, true) => Event::BeginDisk,
            _ => Event::EndDisk(0),
        };
        moved |= world.step(event)?;
    }
}

/// Server, disk, connections and clients come to rest.
pub(crate) fn settle(world: &mut World) -> Result<(), Violation> {
    for _ in 0..ROUNDS {
        let mut moved = world.node().is_down() && world.step(Event::Start)?;
        moved |= drain_disk(world)?;
        for client in (0..world.clients().len()).map(ClientId) {
            let event = match world.under_way(client) {
                None if world.node().is_up() => Event::Connect(client),
                Some((up, _)) if up > 0 => Event::ToServer(client, ALL),
                Some((_, down)) if down > 0 => Event::ToClient(client, ALL),
                // The dice of 1 finish.
                _ if world.clients()[client.0].is_voted() => Event::Act(client, 1),
                _ => continue,
            };
            world.step(event)?;
            moved = true;
        }
        if !moved {
            break;
        }
    }
    Ok(())
}
