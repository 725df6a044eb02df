//! How the blobs of a transaction come in, and what their ways to the disk mean for it.

use crate::commit::drafts::{Drafts, News};
use crate::commit::next::Next;
use crate::commit::phase::Phase;
use crate::commit::scene::Scene;
use crate::commit::table::Table;
use crate::commit::txn::{self, Txn};
use crate::ids::{Oid, Tid};
use crate::server::names::{ConnId, Context, ReplyTo, TxnKey};
use crate::store::blob::{BlobDone, DraftId, Source, is_blob, is_shared_name};
use crate::store::{StoreError, StoreOp};
use crate::wire::remote::RemoteError;
use bytes::Bytes;

/// A step of an upload.
#[derive(Debug)]
pub enum Upload<'a> {
    /// `storeBlobStart`.
    Start,
    /// `storeBlobChunk`.
    Chunk(Bytes),
    /// `storeBlobEnd`: the blob of this object, which is stored along with it.
    End(Oid, Tid, Bytes),
    /// `storeBlobShared`: the client has put a file of this name into the folder of the object.
    Shared(Oid, Tid, Bytes, &'a str),
}

/// Takes a step of an upload of `conn`, whose transaction this is.
///
/// # Errors
/// A StorageTransactionError for a step that does not follow from the one before, a ValueError for a name of a shared
/// file that is none. What the disk cannot take is told by the vote.
pub(super) fn take(
    step: Upload<'_>,
    conn: ConnId,
    txn: &mut Txn,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) -> Result<(), RemoteError> {
    let refused = |what: &str| Err(RemoteError::StorageTransaction(what.into()));
    match step {
        Upload::Start if txn.blobs.coming().is_some() => {
            refused("a blob starts before the one before it ended")
        }
        Upload::Start => {
            txn.blobs.begin(drafts.start((conn, txn.key)));
            Ok(())
        }
        Upload::Chunk(chunk) => match txn.blobs.coming() {
            Some(draft) => {
                drafts.write(draft, chunk, scene);
                Ok(())
            }
            None => refused("a chunk of a blob that did not start"),
        },
        Upload::End(oid, serial, data) => match txn.blobs.complete() {
            Some(draft) => {
                txn.store(oid, serial, data);
                attach(oid, (draft, Source::Written, false), txn, drafts, scene);
                Ok(())
            }
            None => refused("the end of a blob that did not start"),
        },
        Upload::Shared(_, _, _, name) if !is_shared_name(name) => {
            mark!("a shared blob is named by a path");
            Err(RemoteError::Value(name.into()))
        }
        Upload::Shared(oid, serial, data, name) => {
            txn.store(oid, serial, data);
            let draft = drafts.start((conn, txn.key));
            attach(oid, (draft, Source::Shared(name.into()), false), txn, drafts, scene);
            Ok(())
        }
    }
}

/// A draft becomes the blob of an object. If it `may_miss`, there is no blob when its source is not there.
fn attach(
    oid: Oid,
    (draft, source, may_miss): (DraftId, Source, bool),
    txn: &mut Txn,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) {
    if let Some(before) = txn.blobs.attach(oid, draft) {
        mark!("a blob replaces an earlier one of its transaction");
        drafts.discard(before, scene);
    }
    drafts.place(draft, oid, source, may_miss, scene);
}

/// Takes the outcome of something that was done with a draft.
pub(super) fn on_done(
    done: BlobDone,
    txns: &mut Table<Txn>,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) -> Next {
    let Some((draft, (conn, key), news)) = drafts.on_done(done, scene) else { return Next::Nothing };
    match news {
        News::Published(Ok(())) => return Next::Append(key),
        News::Published(Err(error)) => {
            mark!("a blob cannot be published");
            return Next::Withdraw(key, error);
        }
        News::Placed => {}
        News::Nothing | News::Failed(_) => drafts.discard(draft, scene),
    }
    let Some(txn) = txns.keyed(conn, key) else { return Next::Nothing };
    if matches!(news, News::Placed) {
        txn.blobs.placed(draft);
    } else {
        txn.blobs.remove(draft);
    }
    match (txn.phase.vote(), news) {
        (Some(vote), News::Failed(error)) => Next::Fail(conn, vote.clone(), error),
        (Some(_), _) if matches!(txn.phase, Phase::Reading(_) | Phase::Copying { .. }) => Next::Vote(conn),
        (None, News::Failed(error)) => {
            mark!("a blob cannot be written before its transaction votes");
            txn.spoil_by(error);
            Next::Nothing
        }
        (_, _) => Next::Nothing,
    }
}

/// The transaction is free of conflicts: the blobs of objects that are set back are to be those of new revisions, too.
pub(super) fn copy(vote: ReplyTo, txn: &mut Txn, drafts: &mut Drafts, scene: &mut Scene<'_>) {
    for draft in txn.blobs_without_state() {
        drafts.discard(draft, scene);
    }
    let (conn, key) = (vote.conn, txn.key);
    if !scene.desk.has_blobs() {
        txn.phase = Phase::Copying { vote, outstanding: 0 };
        return;
    }
    let places = txn.set_back_to();
    txn.phase = Phase::Copying { vote, outstanding: places.len() };
    for (oid, place) in places {
        scene.desk.ask(StoreOp::Origin { context: Context::Undo { conn, key }, oid, place });
    }
}

/// An object that is to be set back was given its state, which is underneath, or in a log that is to go: if that is a blob's, it
/// is copied while it is there. Later steps of a vote have seen to it already.
pub(super) fn copy_early(conn: ConnId, oid: Oid, txn: &mut Txn, drafts: &mut Drafts, scene: &mut Scene<'_>) {
    if !scene.desk.has_blobs()
        || matches!(txn.phase, Phase::Copying { .. } | Phase::Reserving(_) | Phase::Voted)
    {
        return;
    }
    if let Some((tid, state)) = txn.set_back_with(oid) {
        copy_one(conn, oid, (tid, &state), txn, drafts, scene);
    }
}

/// An object is set back to this state, which this transaction wrote: if it is a blob's, that is copied.
fn copy_one(
    conn: ConnId,
    oid: Oid,
    (tid, state): (Tid, &[u8]),
    txn: &mut Txn,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) {
    let is_blob = is_blob(state);
    if is_blob != Some(false) {
        mark!("the blob of an undone change is copied");
        let draft = drafts.start((conn, txn.key));
        attach(oid, (draft, Source::Revision(tid), is_blob.is_none()), txn, drafts, scene);
    }
}

/// The state to which an object is set back, and the transaction that wrote it. If it is a blob's, that is copied.
pub(super) fn on_origin(
    (conn, key): (ConnId, TxnKey),
    oid: Oid,
    result: Result<Option<(Tid, Bytes)>, StoreError>,
    txns: &mut Table<Txn>,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) -> Next {
    let Some(txn) = txns.keyed(conn, key) else { return Next::Nothing };
    let Phase::Copying { vote, outstanding } = &mut txn.phase else { return Next::Nothing };
    *outstanding -= 1;
    match result {
        Err(error) => return Next::Fail(conn, vote.clone(), txn::remote(error)),
        Ok(None) => {}
        Ok(Some((tid, state))) => copy_one(conn, oid, (tid, &state), txn, drafts, scene),
    }
    Next::Vote(conn)
}
