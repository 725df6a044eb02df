//! What the commit path does for a pack: finishes wait while the logs change places, and before that everything that points
//! into the old one is given the state it points to.

use super::Commits;
use crate::commit::scene::Scene;
use crate::commit::txn::Phase;
use crate::ids::{Oid, Tid};
use crate::server::names::{ConnId, TxnKey};
use crate::store::{Place, StoreOp};
use bytes::Bytes;

/// From now on finishes wait.
pub fn hold_finishes(commits: &mut Commits) {
    commits.held.get_or_insert_default();
}

/// Those that waited go on, and others need not wait.
pub fn let_finishes_go(commits: &mut Commits, scene: &mut Scene<'_>) {
    for (to, id) in commits.held.take().unwrap_or_default() {
        // Its client may be gone by now, and its transaction with it.
        if let Err(error) = commits.finish(to.clone(), id, scene) {
            scene.out.error(&to, &error);
        }
    }
}

/// Asks for the states of all places that transactions hold; how many.
pub fn ask_states(commits: &mut Commits, scene: &mut Scene<'_>) -> usize {
    let places = commits.txns.places();
    let asked = places.len();
    for (context, oid, place) in places {
        scene.desk.ask(StoreOp::Origin { context, oid, place });
    }
    asked
}

/// Such a state, and the transaction that wrote it; `None`: the object does not exist there.
pub fn on_state(
    commits: &mut Commits,
    (conn, key, place): (ConnId, TxnKey, Place),
    oid: Oid,
    origin: Option<(Tid, Bytes)>,
) {
    if let Some(txn) = commits.txns.keyed(conn, key) {
        txn.reinstate(oid, place, origin);
    }
}

/// Whether a vote waits to be told, by their places, whose blobs its undone changes need.
pub fn asks_for_blobs(commits: &Commits) -> bool {
    commits.txns.iter().any(|txn| matches!(txn.phase, Phase::Copying { outstanding: 1.., .. }))
}
