//! What the store says of the transactions that one undoes.

use crate::commit::blobs;
use crate::commit::drafts::Drafts;
use crate::commit::merged::Merged;
use crate::commit::next::Next;
use crate::commit::phase::Phase;
use crate::commit::scene::Scene;
use crate::commit::table::Table;
use crate::commit::txn::{self, Txn};
use crate::server::names::{ConnId, TxnKey};
use crate::store::{StoreError, UndoRefusal, UndoTarget, Undone};
use crate::wire::remote::RemoteError;

/// The records of a transaction that is to be undone.
pub(super) fn on_targets(
    (conn, key): (ConnId, TxnKey),
    result: Result<Result<Vec<UndoTarget>, UndoRefusal>, StoreError>,
    txns: &mut Table<Txn>,
) -> Next {
    let Some(txn) = txns.keyed(conn, key) else { return Next::Nothing };
    let Phase::Reading(vote) = &txn.phase else { return Next::Nothing };
    let vote = vote.clone();
    match result {
        Ok(Ok(targets)) => {
            txn.aim(targets);
            match txn.spoiled().cloned() {
                Some(spoiled) => Next::Fail(conn, vote, spoiled),
                None => Next::Vote(conn),
            }
        }
        Ok(Err(refusal)) => Next::Fail(conn, vote, RemoteError::Undo(refusal.to_string())),
        Err(error) => Next::Fail(conn, vote, txn::remote(error)),
    }
}

/// What becomes of one record that is undone.
pub(super) fn on_undone(
    (conn, key): (ConnId, TxnKey),
    result: Result<Result<Undone, UndoRefusal>, StoreError>,
    merged: &Merged,
    txns: &mut Table<Txn>,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) -> Next {
    let Some(txn) = txns.keyed(conn, key) else { return Next::Nothing };
    let Phase::Undoing(vote) = &txn.phase else { return Next::Nothing };
    match result {
        Ok(outcome) => {
            let oid = txn.next_target().expect("the record that this is about").0.oid;
            txn.set_back(match outcome {
                Ok(Undone::Merge { earlier, .. }) if !merged.has(&earlier) => Err(UndoRefusal::Modified),
                outcome => outcome,
            });
            blobs::copy_early(conn, oid, txn, drafts, scene);
            Next::Vote(conn)
        }
        // What was undone before has its state by now: the question is put once more.
        Err(StoreError::Repacked) => Next::Vote(conn),
        Err(error) => Next::Fail(conn, vote.clone(), txn::remote(error)),
    }
}
