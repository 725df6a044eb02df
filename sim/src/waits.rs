//! Who waits for what, and who has it: for people who are told that somebody waits for ever.

use crate::checkers::Waiting;
use crate::event::{ClientId, ServerNo, Wire};
use crate::node::Node;
use crate::world::World;
use std::collections::BTreeSet;
use zeolith_core::client::ConnId;

/// The clients that wait for something; the last of them tells of the servers too.
pub(crate) fn waiting(world: &World) -> Vec<Waiting> {
    waiting_where(world, |_| true)
}

/// The same of the clients that work with a server whose disk has failed.
pub(crate) fn waiting_for_the_sick(world: &World) -> Vec<Waiting> {
    waiting_where(world, |client| {
        let server = world.programs()[client.0].machine.server();
        server.is_some_and(|server| world.nodes()[server.0].disk.has_failed())
    })
}

/// The clients that still wait for an answer on one of these connections, which have been silent for longer than they put up
/// with; and those that wait for others to let go, though their servers have been told all that is said to them.
pub(crate) fn waiting_for_the_silent(world: &World, silent: &BTreeSet<(Wire, ConnId)>) -> Vec<Waiting> {
    let still: BTreeSet<(Wire, ConnId)> = &world.network().silent() & silent;
    waiting_where(world, |client| {
        let is_silent = still.iter().any(|(wire, _)| wire.client == client);
        let waits = !world.programs()[client.0].app.is_idle();
        waits && (is_silent || world.network().all_goes_up_and_down_to(client))
    })
}

fn waiting_where(world: &World, which: impl Fn(ClientId) -> bool) -> Vec<Waiting> {
    let clients = (0..world.programs().len()).map(ClientId).filter(|&client| which(client));
    let mut all: Vec<Waiting> = clients
        .filter_map(|client| {
            let (kind, what) = world.programs()[client.0].waits_for()?;
            let what = format!("{what}; {}", world.network().describe(client));
            Some(Waiting { client, kind, what })
        })
        .collect();
    if let Some(last) = all.last_mut() {
        for (server, node) in world.nodes().iter().enumerate() {
            last.what += &describe(ServerNo(server), node);
        }
    }
    all
}

/// What a server has, and what its disk owes it.
fn describe(server: ServerNo, node: &Node) -> String {
    let disk = &node.disk;
    let ending =
        (0..disk.begun()).filter_map(|at| disk.ending(at)).map(|what| format!("its disk owes that {what}"));
    let upcoming = disk.upcoming().map(|what| format!("its disk is to {what}"));
    let mut all: Vec<String> = ending.chain(upcoming).collect();
    match node.server() {
        Some(machine) => {
            let held = machine.held();
            all.extend(held.transactions.into_iter().chain(held.rest));
        }
        None if node.is_down() => all.push("is down".to_owned()),
        None => all.push("is coming up".to_owned()),
    }
    let all = if all.is_empty() { "has nothing of anybody".to_owned() } else { all.join(", ") };
    format!("; server {}: {all}", server.0)
}
