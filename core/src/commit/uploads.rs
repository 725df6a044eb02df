//! How the blobs of a transaction come in.

use crate::commit::drafts::Drafts;
use crate::commit::scene::Scene;
use crate::commit::txn::Txn;
use crate::ids::{Oid, Tid};
use crate::server::names::ConnId;
use crate::store::blob::{Source, is_shared_name};
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
        Upload::Start if txn.blobs.coming().is_some() => refused("a blob starts before the one before it ended"),
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
                attach(oid, draft, Source::Written, txn, drafts, scene);
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
            attach(oid, draft, Source::Shared(name.into()), txn, drafts, scene);
            Ok(())
        }
    }
}

fn attach(
    oid: Oid,
    draft: crate::store::blob::DraftId,
    source: Source,
    txn: &mut Txn,
    drafts: &mut Drafts,
    scene: &mut Scene<'_>,
) {
    if let Some(before) = txn.blobs.attach(oid, draft) {
        mark!("a blob replaces an earlier one of its transaction");
        drafts.discard(before, scene);
    }
    drafts.place(draft, oid, source, false, scene);
}
