//! What happens next, as chance would have it.

use crate::disk::Fate;
use crate::event::{ALL, ClientId, Event, Failure, Loss, ServerNo, Side, Way, Wire};
use crate::options::{Fault, Options};
use crate::world::World;
use zeolith_core::rng::Rng;

/// Bytes that are left on a disk that is nearly full, at most.
const ROOM: u64 = 20_000;

/// Picks an event.
pub(crate) fn choose(world: &World, options: &Options, rng: &mut Rng) -> Event {
    let setup = &options.setup;
    let faults = options.faults;
    if world.nodes()[0].is_down() {
        if faults.has(Fault::Rot) && rng.chance(1, 6) {
            return Event::Rot(ServerNo(0), rng.next_u64());
        }
        if rng.chance(1, 3) {
            return Event::Start(ServerNo(0));
        }
    }
    if faults.has(Fault::Strangers) && rng.chance(1, 10) {
        return Event::Stranger(ServerNo(0), rng.next_u64());
    }
    // What comes so seldom hardly ever meets with a fault by chance alone.
    if faults.has(Fault::DiskFailures)
        && let Some(at) = world.nodes()[0].disk.decisive()
        && rng.chance(1, 8)
    {
        return Event::FailDisk(ServerNo(0), Failure::End(at));
    }
    // A pack has many steps.
    if world.nodes()[0].can_pack() && rng.chance(1, 4) {
        return Event::Pack(ServerNo(0));
    }
    loop {
        let client = ClientId(rng.below(setup.clients as u64) as usize);
        // Most of what goes on is between the clients and the first server.
        let server = ServerNo(if rng.chance(3, 4) { 0 } else { rng.below(setup.servers as u64) as usize });
        let wire = Wire { client, server };
        let disk = if options.faults.has(Fault::SlowDisk) { 15 } else { 60 };
        let event = match rng.below(114 + disk) {
            0..19 => Some(Event::Act(client, rng.next_u64())),
            19..24 => Some(Event::Admin(client, rng.next_u64())),
            24..95 => travel(world, options, wire, rng),
            95..114 => fault(world, options, wire, rng),
            _ => storage(world, server, rng),
        };
        if let Some(event) = event {
            return event;
        }
    }
}

/// Something arrives.
fn travel(world: &World, options: &Options, wire: Wire, rng: &mut Rng) -> Option<Event> {
    let splits = options.faults.has(Fault::Splits);
    let piece = |rng: &mut Rng| if splits { 1 + rng.below(80) as usize } else { ALL };
    let network = world.network();
    if network.wants(|other| other == wire) && rng.chance(1, 2) {
        return Some(Event::Connect(wire));
    }
    if network.goes_late(wire) && rng.chance(1, 4) {
        return Some(Event::Late(wire, piece(rng)));
    }
    match (network.goes_up(wire), network.goes_down(wire)) {
        (true, true) if rng.chance(1, 3) => Some(Event::ToServer(wire, piece(rng))),
        (_, true) => Some(Event::ToClient(wire, piece(rng))),
        (true, false) => Some(Event::ToServer(wire, piece(rng))),
        (false, false) => None,
    }
}

/// A server's disk does something.
fn storage(world: &World, server: ServerNo, rng: &mut Rng) -> Option<Event> {
    let node = &world.nodes()[server.0];
    if node.is_down() {
        return Some(Event::Start(server)).filter(|_| rng.chance(1, 8));
    }
    let begun = node.disk.begun() as u64;
    if begun > 0 && rng.chance(1, 2) {
        return Some(Event::EndDisk(server, rng.below(begun) as usize));
    }
    node.disk.can_begin().then_some(Event::BeginDisk(server))
}

/// Something goes wrong, of the kinds that this run has.
fn fault(world: &World, options: &Options, wire: Wire, rng: &mut Rng) -> Option<Event> {
    let Wire { client, server } = wire;
    let fault = Fault::ALL[rng.below(Fault::ALL.len() as u64) as usize];
    if !options.faults.has(fault) {
        return None;
    }
    match fault {
        // These say how other things happen, or happen elsewhere.
        Fault::Splits | Fault::SlowDisk | Fault::Strangers => None,
        Fault::Pauses => {
            // Up to what is due, and no further: something else may be due a little later.
            let due = world.nodes()[server.0].deadline().filter(|_| rng.chance(1, 2));
            let due = due.map(|due| due.since(world.now()).as_millis() as u64 + 1);
            Some(Event::Pass(due.unwrap_or_else(|| rng.below(4_000))))
        }
        Fault::Cuts => Some(Event::Cut(wire, Side::Both)),
        Fault::HalfCuts => {
            let side = if rng.chance(2, 3) { Side::Client } else { Side::Server };
            Some(Event::Cut(wire, side))
        }
        Fault::Partitions if rng.chance(1, 2) => Some(Event::Mend(world.network().first_held()?)),
        Fault::Partitions => {
            let way = if rng.chance(1, 2) { Way::Up } else { Way::Down };
            Some(Event::Hold(wire, way))
        }
        Fault::Storms => Some(Event::Storm(server)).filter(|_| rng.chance(1, 3)),
        Fault::Restarts => match rng.below(6) {
            0..3 => Some(Event::Restart(client, Loss::Process)),
            3 | 4 => Some(Event::Restart(client, Loss::Power(rng.next_u64()))),
            _ => Some(Event::Restart(client, Loss::Cache)),
        },
        _ if !rng.chance(1, 2) => None,
        Fault::Crashes => Some(Event::Crash(server, Fate::Process)),
        Fault::PowerLosses => Some(Event::Crash(server, Fate::Power(rng.next_u64()))),
        Fault::DiskFailures => Some(match rng.below(8) {
            _ if world.nodes()[server.0].can_pack() && rng.chance(1, 4) => {
                Event::FailDisk(server, Failure::Pack)
            }
            _ if options.setup.blobs && rng.chance(1, 3) => Event::FailDisk(server, Failure::Blob),
            0 | 1 => Event::FailDisk(server, Failure::Full),
            2 | 3 => Event::FailDisk(server, Failure::Write),
            4 => Event::Forget(server),
            _ => {
                let begun = world.nodes()[server.0].disk.begun() as u64;
                Event::FailDisk(server, Failure::End(rng.below(begun.max(1)) as usize))
            }
        }),
        Fault::FullDisks if rng.chance(1, 4) => Some(Event::Room(server, u64::MAX)),
        Fault::FullDisks => Some(Event::Room(server, rng.below(ROOM))),
        Fault::Stops => Some(match rng.below(4) {
            0 | 1 => Event::Stop(server),
            2 => Event::Restart(client, Loss::Nothing),
            _ => Event::Restart(client, Loss::Closing(rng.next_u64())),
        }),
        Fault::Rot if world.nodes()[server.0].is_down() => Some(Event::Rot(server, rng.next_u64())),
        Fault::Rot => Some(Event::Crash(server, Fate::Process)),
        Fault::Restores if rng.chance(2, 3) => Some(Event::Backup),
        // Copies are put in place of other copies more often than of the original.
        Fault::Restores if server == ServerNo(0) && rng.chance(1, 2) => None,
        Fault::Restores => Some(Event::Restore(server)),
        Fault::Clocks => {
            let far = 1 << rng.below(35);
            let micros = rng.below(far) as i64;
            Some(Event::Clock(server, if rng.chance(1, 2) { micros } else { -micros }))
        }
    }
}
