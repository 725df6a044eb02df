//! What happens to programs, and what their clients put out.

use super::World;
use crate::app::{Cached, Iterated, Told};
use crate::checkers::{Seen, Violation};
use crate::event::{ClientId, Loss, ServerNo, Way, Wire};
use crate::record::Sign;
use zeolith_core::client::event::Event as Said;
use zeolith_core::client::fault::Fault;
use zeolith_core::client::{Change, Input, Output};
use zeolith_core::ids::Tid;
use zeolith_core::rng::{Rng, Seed};

/// A program takes its next step.
pub(super) fn act(world: &mut World, id: ClientId, dice: u64) -> Result<bool, Violation> {
    world.notes.guess = world.nodes[0].disk.blobs.newest();
    let (app, mut scene) = world.programs[id.0].scene(world.now, &mut world.notes);
    let moved = app.act(&mut scene, &mut Rng::new(Seed(dice)));
    drain(world, id)?;
    Ok(moved)
}

/// A program does what administrators do.
pub(super) fn administrate(world: &mut World, id: ClientId, dice: u64) -> Result<bool, Violation> {
    let now = Tid::at(world.right_time());
    let (app, mut scene) = world.programs[id.0].scene(world.now, &mut world.notes);
    let moved = app.administrate(&mut scene, now, &mut Rng::new(Seed(dice)));
    drain(world, id)?;
    Ok(moved)
}

/// A program gives up what it has open and does not wait for.
pub(crate) fn rest(world: &mut World, id: ClientId) -> Result<bool, Violation> {
    let (app, mut scene) = world.programs[id.0].scene(world.now, &mut world.notes);
    let moved = app.rest(&mut scene);
    drain(world, id)?;
    Ok(moved)
}

/// A program begins a transaction.
pub(super) fn begin(world: &mut World, id: ClientId, dice: u64) -> Result<bool, Violation> {
    let (app, mut scene) = world.programs[id.0].scene(world.now, &mut world.notes);
    let moved = app.begin(&mut scene, &mut Rng::new(Seed(dice)));
    drain(world, id)?;
    Ok(moved)
}

/// A program finishes what was voted.
pub(crate) fn finish(world: &mut World, id: ClientId) -> Result<bool, Violation> {
    let (app, mut scene) = world.programs[id.0].scene(world.now, &mut world.notes);
    let moved = app.decide(&mut scene, false);
    drain(world, id)?;
    Ok(moved)
}

/// A program ends, and is started again, with all its clients. Its servers find out when they do.
pub(super) fn restart(world: &mut World, id: ClientId, loss: Loss) -> Result<bool, Violation> {
    let together = world.setup.together;
    let others = (0..world.programs.len()).map(ClientId);
    let others = others.filter(|&other| other != id && together.has(id) && together.has(other));
    // A cache file may get lost alone.
    let others_lose = if loss == Loss::Cache { Loss::Process } else { loss };
    for other in others {
        restart_one(world, other, others_lose)?;
    }
    restart_one(world, id, loss)?;
    Ok(true)
}

fn restart_one(world: &mut World, id: ClientId, loss: Loss) -> Result<(), Violation> {
    match loss {
        Loss::Nothing => handle(world, id, Input::Close)?,
        Loss::Closing(dice) => {
            world.programs[id.0].end_within(dice);
            handle(world, id, Input::Close)?;
        }
        Loss::Process | Loss::Power(_) | Loss::Cache => {}
    }
    let now = world.now;
    let program = &mut world.programs[id.0];
    program.app.on_end(&mut world.notes);
    let at = world.notes.place();
    world.notes.history.restarts.push((id, at));
    world.programs[id.0].restart(loss, now);
    for far in world.network.all(|wire| wire.client == id) {
        super::wires::hang_up(world, far);
    }
    world.network.leave(id);
    let kept = world.programs[id.0].machine.last_tid();
    world.see(&Seen::Reset { client: id, kept })?;
    drain(world, id)
}

/// What is due is done.
pub(super) fn tick(world: &mut World, id: ClientId) -> Result<(), Violation> {
    if world.programs[id.0].deadline().is_some_and(|deadline| deadline <= world.now) {
        handle(world, id, Input::Tick)?;
    }
    Ok(())
}

/// Hands a client's machine an input.
pub(super) fn handle(world: &mut World, id: ClientId, input: Input<'_>) -> Result<(), Violation> {
    world.programs[id.0].machine.handle(world.now, input);
    drain(world, id)
}

/// Carries out what a machine puts out; then its application looks at what it was told, and so on.
fn drain(world: &mut World, id: ClientId) -> Result<(), Violation> {
    loop {
        while let Some(output) = world.programs[id.0].machine.poll() {
            carry_out(world, id, output)?;
        }
        let program = &mut world.programs[id.0];
        let told = program.told.pop_front();
        let is_over = told.is_none();
        if let Some(told) = told {
            let (app, mut scene) = program.scene(world.now, &mut world.notes);
            app.hear(&mut scene, told);
        }
        for Iterated { behind, known, tid } in std::mem::take(&mut world.notes.iterated) {
            world.see(&Seen::Iterated { client: id, behind, known, tid })?;
        }
        for Cached { oid, before, ready, revision } in std::mem::take(&mut world.notes.cached) {
            world.see(&Seen::Cached { client: id, oid, before, ready, revision: &revision })?;
        }
        if is_over {
            break;
        }
    }
    world.programs[id.0].look();
    world.touched.insert(id);
    Ok(())
}

fn carry_out(world: &mut World, client: ClientId, output: Output) -> Result<(), Violation> {
    match output {
        Output::Connect { conn, server } => {
            world.network.want(Wire { client, server: ServerNo(server.0) }, conn);
        }
        Output::Send { conn, packet } => {
            let bytes = packet.to_vec();
            if let Some((far, connection)) = world.network.near(client, conn)
                && connection.far
            {
                connection.up.send(&bytes);
                if let Some(record) = &mut world.record {
                    record.sent(far, connection.wire, Way::Up, &bytes);
                }
            }
        }
        Output::Close { conn } => {
            if let Some(far) = world.network.near(client, conn).map(|(far, _)| far) {
                super::wires::hang_up(world, far);
            }
            world.network.close(client, conn);
        }
        Output::Answer { ticket, result } => {
            let program = &mut world.programs[client.0];
            if let Some(call) = program.app.asked(ticket) {
                world.trace.note(&format_args!("client {} is told {}", client.0, told(&result)));
                world.checkers.see(&Seen::Answered { client, call, result: &result }, &world.books)?;
            }
            program.told.push_back(Told::Answer(ticket, result));
        }
        Output::Resolve { txn, conflict } => {
            world.programs[client.0].told.push_back(Told::Resolve(txn, conflict));
        }
        Output::Changed(change) => {
            world.trace.note(&format_args!("client {} knows {change:?}", client.0));
            world.see(&Seen::Changed { client, change: &change })?;
            if let Change::Everything { .. } = change {
                // Before any answer that follows.
                world.programs[client.0].told.push_front(Told::Everything);
            }
        }
        Output::Log(event) => {
            world.trace.note(&format_args!("client {}: {event}", client.0));
            let program = &mut world.programs[client.0];
            match &event {
                Said::Connected { .. } => program.behind = false,
                Said::Failed { server, fault: Fault::Behind { .. }, .. } => {
                    program.behind |= server == "server 0";
                }
                _ => {}
            }
        }
        Output::ReadBlob { txn, at } => {
            world.programs[client.0].told.push_back(Told::ReadBlob(txn, at));
        }
        Output::BlobPiece { ticket, bytes } => world.programs[client.0].app.on_piece(ticket, &bytes),
    }
    Ok(())
}

fn told(result: &Result<zeolith_core::client::Answer, zeolith_core::client::Error>) -> String {
    use zeolith_core::client::Answer;
    match result {
        Ok(Answer::Loaded(Some(revision))) => {
            format!("revision {} until {:?}", revision.serial, revision.until)
        }
        Ok(Answer::State(state)) => format!("a state of {} bytes", state.len()),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

/// A client has no connection any more.
pub(super) fn on_gone(world: &mut World, wire: Wire) {
    world.sign(|| Sign::Gone(wire));
}
