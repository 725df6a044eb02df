//! What the commit path does for a pack: finishes wait while the logs change places, and before that everything that points
//! into the old one is given the state it points to.

use super::{Commits, blobs};
use crate::commit::phase::Phase;
use crate::commit::scene::Scene;
use crate::ids::{Oid, Tid};
use crate::record::{Reference, references};
use crate::server::names::{ConnId, Context, TxnKey};
use crate::store::file::FileStore;
use crate::store::file::pack::{PackError, Packed};
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
    let mut asked = 0;
    for (conn, txn) in commits.txns.iter_mut() {
        let key = txn.key;
        for (oid, place) in txn.places() {
            let context = Context::State { conn, key, place };
            scene.desk.ask(StoreOp::Origin { context, oid, place });
            asked += 1;
        }
    }
    asked
}

/// What became of a transaction that was to have a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// It has it, or is gone.
    Done,
    /// It has it, and asks for the room that it takes more than the place.
    NeedsRoom,
}

/// The old log stays: transactions point into it again. A state without a pointer would be nothing to a later pack, which may
/// collect what it refers to.
pub fn point_again(commits: &mut Commits, log: &FileStore<Context>) {
    for (_, txn) in commits.txns.iter_mut() {
        txn.point_again(|place| log.has_place(place));
    }
}

/// Such a state, and the transaction that wrote it; `None`: the object does not exist there.
pub fn on_state(
    commits: &mut Commits,
    (conn, key, place): (ConnId, TxnKey, Place),
    oid: Oid,
    origin: Option<(Tid, Bytes)>,
    scene: &mut Scene<'_>,
) -> Stated {
    let Some(txn) = commits.txns.keyed(conn, key) else { return Stated::Done };
    let before = txn.footprint();
    txn.reinstate(oid, place, origin);
    blobs::copy_early(conn, oid, txn, &mut commits.drafts, scene);
    let bytes = txn.footprint().saturating_sub(before);
    if bytes == 0 || !matches!(txn.phase, Phase::Reserving(_) | Phase::Voted) {
        return Stated::Done;
    }
    mark!("a transaction needs more room for a state than for its place");
    scene.desk.ask(StoreOp::Reserve { context: Context::Room { conn, key, bytes }, bytes });
    Stated::NeedsRoom
}

/// That room is there.
pub fn on_room(
    commits: &mut Commits,
    (conn, key, bytes): (ConnId, TxnKey, u64),
    scene: &mut Scene<'_>,
) -> Stated {
    match commits.txns.keyed(conn, key) {
        Some(txn) => txn.reserved += bytes,
        None => scene.desk.store.release(bytes),
    }
    Stated::Done
}

/// Whether all is in a packed log that transactions are going to refer to by the states they were given: what went was
/// collected before somebody undid that.
///
/// # Errors
/// [`PackError::BroughtBack`], or [`PackError::Unreadable`].
pub fn check_states(commits: &Commits, packed: &Packed) -> Result<(), PackError> {
    let states =
        commits.txns.iter().flat_map(|(_, txn)| txn.states_again().map(move |(by, state)| (txn, by, state)));
    for (txn, by, state) in states {
        for reference in references(state).map_err(|why| PackError::Unreadable { oid: by, why })? {
            if let Reference::Object(oid) = reference
                && packed.index.get(oid).is_none()
                && !txn.gives_state(oid)
            {
                mark!("an undo that is voted on brings back what a pack has collected");
                return Err(PackError::BroughtBack { oid, by });
            }
        }
    }
    Ok(())
}

/// Whether a vote waits to be told, by their places, whose blobs its undone changes need.
pub fn asks_for_blobs(commits: &Commits) -> bool {
    commits.txns.iter().any(|(_, txn)| matches!(txn.phase, Phase::Copying { outstanding: 1.., .. }))
}

/// Whether blobs are being copied that may have been packed away.
pub fn copies_packed_blobs(commits: &Commits) -> bool {
    commits.drafts.copy_revisions()
}
