//! What people call what a disk is asked to do.

use super::ONE_FILE;
use bytes::Bytes;
use zeolith_core::server::Context;
use zeolith_core::store::blob::BlobOp;
use zeolith_core::store::disk::DiskOp;

/// An operation.
pub(super) fn operation(op: &DiskOp<Context>) -> String {
    match op {
        DiskOp::Read { file, .. } => format!("read {file:?}"),
        DiskOp::Write { file, at, chunks } => {
            let bytes: usize = chunks.iter().map(Bytes::len).sum();
            format!("write {file:?} {at}+{bytes}")
        }
        DiskOp::SetLen { file, len } => format!("set length {file:?} {len}"),
        DiskOp::Replace { file, .. } => format!("replace {file:?}"),
        DiskOp::Sync { file } => format!("sync {file:?}"),
        DiskOp::Reserve { upto } => format!("reserve {upto}"),
        DiskOp::Of { .. } => unreachable!("{ONE_FILE}"),
        DiskOp::KeepTail { from } => format!("keep the tail from {from}"),
        DiskOp::Blob(op) => blob(op),
        DiskOp::Free => "look for room".to_owned(),
        DiskOp::Name(naming) => format!("change names: {naming:?}"),
    }
}

/// Something that is done in the folder of the blobs.
pub(super) fn blob(op: &BlobOp) -> String {
    match op {
        BlobOp::Write { draft, at, chunks } => {
            let bytes: usize = chunks.iter().map(Bytes::len).sum();
            format!("write draft {} {at}+{bytes}", draft.0)
        }
        BlobOp::Place { draft, oid, .. } => format!("place draft {} for {}", draft.0, oid.0),
        BlobOp::Publish { draft, oid, .. } => format!("publish draft {} of {}", draft.0, oid.0),
        BlobOp::Settle { draft, .. } => format!("settle draft {}", draft.0),
        BlobOp::Discard { draft, .. } => format!("discard draft {}", draft.0),
        BlobOp::Condemn { gone, .. } => format!("condemn {} blobs", gone.len()),
        BlobOp::Sweep => "remove what is condemned".to_owned(),
        BlobOp::ReadBack { draft, at, .. } => format!("read draft {} {at}", draft.0),
        BlobOp::Read { oid, at, .. } => format!("read blob {} {at}", oid.0),
    }
}
