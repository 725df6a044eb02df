//! What happens to servers and their disks, and what they put out.

use super::{World, hearing, strangers, wires};
use crate::checkers::{ConnName, Kind, Look, Seen, Violation};
use crate::disk::Fate;
use crate::event::{Failure, ServerNo, Way};
use crate::folder::Folder;
use crate::history::Restore;
use crate::log;
use crate::node::{Came, Packs};
use crate::record::Sign;
use zeolith_core::ids::Tid;
use zeolith_core::server::output::Output;
use zeolith_core::server::{ConnId, Context, Input};
use zeolith_core::store::disk::{DiskDone, FileId};

/// The pack that goes on beside a server takes a step, or fails at it.
pub(super) fn pack(world: &mut World, server: ServerNo, fails: bool) -> Result<bool, Violation> {
    let outputs = world.nodes[server.0].pack(world.now, fails);
    let moved = outputs.is_some();
    hearing::follow(world, server, outputs.unwrap_or_default())?;
    Ok(moved)
}

/// The disk begins its next operation.
pub(super) fn begin_disk(world: &mut World, server: ServerNo) -> Result<bool, Violation> {
    let node = &mut world.nodes[server.0];
    let begins = node.disk.can_begin();
    if world.record.is_some()
        && let Some(what) = node.disk.upcoming()
    {
        world.sign(|| Sign::Disk(server, what));
    }
    let done = world.nodes[server.0].disk.begin();
    look(world, server)?;
    if let Some(done) = done {
        on_disk(world, server, done)?;
    }
    Ok(begins)
}

/// The disk ends one of the operations it has begun.
pub(super) fn end_disk(world: &mut World, server: ServerNo, at: usize) -> Result<bool, Violation> {
    let disk = &world.nodes[server.0].disk;
    if at >= disk.begun() {
        return Ok(false);
    }
    if world.record.is_some()
        && let Some(what) = disk.ending(at)
    {
        world.sign(|| Sign::Disk(server, what));
    }
    let done = world.nodes[server.0].disk.end(at);
    look(world, server)?;
    on_disk(world, server, done)?;
    Ok(true)
}

/// The disk has little room left.
pub(super) fn leave_room(world: &mut World, server: ServerNo, bytes: u64) -> bool {
    world.nodes[server.0].disk.leave_room(bytes);
    true
}

/// The disk fails at an operation.
pub(super) fn fail_disk(world: &mut World, server: ServerNo, failure: Failure) -> Result<bool, Violation> {
    if failure == Failure::Pack {
        return pack(world, server, true);
    }
    if failure == Failure::Blob {
        world.nodes[server.0].disk.fail_blob();
        return Ok(world.setup.blobs);
    }
    let Some(done) = world.nodes[server.0].fail(failure) else { return Ok(false) };
    if let DiskDone::Read { .. } = done {
        world.see(&Seen::ReadFailed(server))?;
    }
    world.sign(|| Sign::Disk(server, "it fails".to_owned()));
    on_disk(world, server, done)?;
    Ok(true)
}

/// A bit turns on the disk of a server that is down.
pub(super) fn rot(world: &mut World, server: ServerNo, dice: u64) -> bool {
    let node = &mut world.nodes[server.0];
    node.is_down() && node.disk.turn_bit(dice)
}

/// Somebody copies the first server's storage while nothing is being written: what a copy has beyond what was acknowledged,
/// a recovery of the original may cut off, and the copy is another history then.
pub(super) fn backup(world: &mut World) -> bool {
    let node = &world.nodes[0];
    let image = node.disk.durable(FileId::Log);
    let (log, end) = log::read(image, 0);
    let is_quiet =
        node.is_up() && !node.disk.has_failed() && node.disk.begun() == 0 && !node.disk.can_begin();
    let is_there = is_quiet && image.len() >= end;
    if is_there {
        let folder = &node.disk.blobs;
        let blobs = log.iter().flat_map(|transaction| {
            let oids = transaction.records.iter().map(|(oid, _)| (*oid, transaction.tid));
            oids.filter_map(|(oid, tid)| Some(((oid, tid), folder.blob(oid, tid)?.to_vec())))
        });
        world.backup = (image[..end].to_vec(), Folder::of(blobs), world.books.of(ServerNo(0)).clone());
    }
    is_there
}

/// A server goes down, and the last copy takes the place of its storage.
pub(super) fn restore(world: &mut World, server: ServerNo) -> Result<bool, Violation> {
    if world.backup.0.is_empty() {
        return Ok(false);
    }
    crash(world, server, Fate::Process)?;
    let (image, blobs, ledger) = world.backup.clone();
    let (log, _) = log::read(&image, 0);
    world.nodes[server.0].disk.restore(image, blobs);
    if server == ServerNo(0) {
        let (at, last) = (world.notes.place(), log.last());
        let kept = last.map_or(Tid::ZERO, |transaction| transaction.tid);
        let time = Tid::at(world.wall(server));
        world.notes.history.restores.push(Restore { at, kept, time });
    }
    world.see(&Seen::Restored(server, &log))?;
    world.books.restored(server, ledger, &world.nodes[server.0].disk);
    Ok(true)
}

/// A server is asked to end; one that is coming up is not there to be asked.
pub(super) fn stop(world: &mut World, server: ServerNo) -> Result<bool, Violation> {
    let is_up = world.nodes[server.0].is_up();
    if is_up {
        handle(world, server, Input::Stop)?;
    }
    Ok(is_up)
}

/// A server has ended as it was asked to, and its process ends.
fn stopped(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    let disk = &world.nodes[server.0].disk;
    assert!(disk.has_failed() || disk.is_written(), "a server that has ended waits for what it writes");
    world.nodes[server.0].crash(Fate::Process);
    world.sign(|| Sign::Stopped(server));
    abandon(world, server)
}

/// A server is not there any more.
fn abandon(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    strangers::abandon(world, server);
    world.network.all(|wire| wire.server == server).into_iter().try_for_each(|far| wires::leave(world, far))
}

/// A server goes down.
pub(super) fn crash(world: &mut World, server: ServerNo, fate: Fate) -> Result<bool, Violation> {
    let was_down = world.nodes[server.0].is_down();
    world.nodes[server.0].crash(fate);
    world.sign(|| Sign::Crashed(server, fate));
    abandon(world, server)?;
    Ok(!was_down)
}

/// A server starts.
pub(super) fn start(world: &mut World, server: ServerNo) -> Result<bool, Violation> {
    let is_down = world.nodes[server.0].is_down();
    if is_down {
        let wall = world.wall(server);
        let became = world.nodes[server.0].start(wall);
        came(world, server, became)?;
    }
    Ok(is_down)
}

/// A server's wall clock jumps.
pub(super) fn set_clock(world: &mut World, server: ServerNo, micros: i64) -> bool {
    let clock = &mut world.nodes[server.0].clock;
    *clock = clock.saturating_add(micros).clamp(-CLOCK, CLOCK);
    micros != 0
}

/// How far a clock is off at most: ten days, in microseconds.
const CLOCK: i64 = 864_000_000_000;

/// What is due is done.
pub(super) fn tick(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    while world.nodes[server.0].deadline().is_some_and(|deadline| deadline <= world.now) {
        handle(world, server, Input::Tick)?;
    }
    Ok(())
}

/// Hands a server an input.
pub(super) fn handle(world: &mut World, server: ServerNo, input: Input<'_>) -> Result<(), Violation> {
    let outputs = world.nodes[server.0].handle(world.now, input);
    hearing::follow(world, server, outputs)
}

fn on_disk(world: &mut World, server: ServerNo, done: DiskDone<Context>) -> Result<(), Violation> {
    let (now, wall) = (world.now, world.wall(server));
    let (became, outputs) = world.nodes[server.0].on_disk(now, wall, done);
    came(world, server, became)?;
    hearing::follow(world, server, outputs)
}

fn came(world: &mut World, server: ServerNo, came: Came) -> Result<(), Violation> {
    match came {
        Came::Nothing => {}
        Came::Refused(why) => {
            let what = format!("what a crash left is not opened any more: {why}");
            return Err(Violation { promise: 19, kind: Kind::Safety, what });
        }
        // Somebody looks after the disk, and the server is started again.
        Came::Failed(why) => {
            world.trace.note(&format_args!("not opened: {why}"));
            world.nodes[server.0].disk.mend();
        }
        Came::Up => {
            let (log, _) = log::read(world.nodes[server.0].disk.contents(FileId::Log), 0);
            world.see(&Seen::Reopened(server, &log))?;
            if world.nodes[server.0].disk.is_rotten() {
                world.see(&Seen::Rotten(server))?;
            }
            world.books.of_mut(server).reopened(&world.nodes[server.0].disk);
            see_blobs(world, server, Look::Reopened)?;
            world.sign(|| Sign::Up(server));
        }
    }
    Ok(())
}

/// Reads the log again, unless it is being recovered.
fn look(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    if !world.nodes[server.0].is_up() {
        return Ok(());
    }
    if world.books.of(server).is_other(&world.nodes[server.0].disk) {
        take_up(world, server)?;
    }
    if world.nodes[server.0].disk.take_swapped() {
        let disk = &world.nodes[server.0].disk;
        if let Some(last) = log::read(disk.durable(FileId::Log), 0).0.last() {
            let (tid, vouched) = (last.tid, disk.vouches_for(last.tid));
            world.see(&Seen::Safe { server, tid, vouched })?;
        }
    }
    let ledger = world.books.of_mut(server);
    let known = ledger.logged.len();
    ledger.look(&world.nodes[server.0].disk);
    for at in known..ledger.logged.len() {
        let logged = &world.books.of(server).logged[at];
        let tid = logged.tid;
        world.checkers.see(&Seen::Logged(server, logged), &world.books)?;
        see_blobs(world, server, Look::Logged(tid))?;
        world.sign(|| Sign::Logged(server, tid));
    }
    Ok(())
}

/// A packed log is in the place of the old one.
fn take_up(world: &mut World, server: ServerNo) -> Result<(), Violation> {
    let node = &world.nodes[server.0];
    let Packs { stop, gc } = node.packs().expect("another log is that of a pack");
    let (log, _) = log::read(node.disk.contents(FileId::Log), 0);
    world.see(&Seen::Packed { server, log: &log, stop, gc })?;
    world.books.of_mut(server).repacked(&world.nodes[server.0].disk);
    Ok(())
}

/// Shows the folder of a server's blobs.
pub(super) fn see_blobs(world: &mut World, server: ServerNo, look: Look) -> Result<(), Violation> {
    let folder = &world.nodes[server.0].disk.blobs;
    world.checkers.see(&Seen::Folder { server, folder, look }, &world.books)
}

/// Does what a server put out.
pub(super) fn carry_out(world: &mut World, server: ServerNo, output: Output) -> Result<(), Violation> {
    if strangers::take(world, server, &output) {
        return Ok(());
    }
    match output {
        Output::Send { conn, packet } => send(world, conn, &packet.to_vec())?,
        Output::Close { conn } => wires::leave(world, conn)?,
        Output::Pause { conn } => set_paused(world, conn, true),
        Output::Resume { conn } => set_paused(world, conn, false),
        Output::Log(event) => world.trace.note(&event),
        Output::Stopped => stopped(world, server)?,
        Output::Pack { .. } => {}
        Output::Disk { .. } => unreachable!("the node has it"),
        Output::Upstream { .. } => unreachable!("no storage here is another server's"),
    }
    Ok(())
}

fn set_paused(world: &mut World, conn: ConnId, paused: bool) {
    if let Some(connection) = world.network.far(conn) {
        connection.paused = paused;
    }
}

fn send(world: &mut World, far: ConnId, bytes: &[u8]) -> Result<(), Violation> {
    let Some(connection) = world.network.far(far) else { return Ok(()) };
    let wire = connection.wire;
    if connection.near.is_some() {
        connection.down.send(bytes);
    }
    if let Some(record) = &mut world.record {
        record.sent(far, wire, Way::Down, bytes);
    }
    let (checkers, books, trace) = (&mut world.checkers, &mut world.books, &mut world.trace);
    let disk = &world.nodes[wire.server.0].disk;
    connection.reader.on_down(bytes, &mut |seen| {
        trace.note(&format_args!("{seen:?}"));
        checkers.see(&seen, books)?;
        if let Seen::Finished(ConnName { server, .. }, tid) = seen {
            checkers.see(&Seen::Safe { server, tid, vouched: disk.vouches_for(tid) }, books)?;
        }
        if let Some((_, shown)) = seen.shown() {
            books.of_mut(wire.server).shown.extend(shown.into_iter().flatten());
        }
        Ok(())
    })
}
