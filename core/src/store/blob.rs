//! What is asked of the folder that holds a storage's blobs: one file for each revision of an object that has one.
//!
//! A blob that is not committed is a *draft*: a file that readers of the folder do not take for a blob. A draft is
//! written, placed, published; then it is settled. Whatever is left of it before the log says that its transaction is
//! committed is removed at the next start.
//!
//! There is one operation at a time for a draft; those for different drafts, and reads, may be carried out and answered in
//! any order.

use crate::ids::{Oid, Tid};
use crate::record;
use crate::store::disk::DiskError;
use bytes::Bytes;

/// A draft's name, used once in the life of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DraftId(pub u64);

/// A blob: that of one revision of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobId {
    /// The object.
    pub oid: Oid,
    /// The revision.
    pub tid: Tid,
}

/// Where a draft's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// They were written; none at all make an empty blob.
    Written,
    /// A client has put a file of this name into the folder of the object.
    Shared(String),
    /// They are those of an earlier revision of the object.
    Revision(Tid),
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobOp {
    /// Writes `chunks`, one after the other, at `at`. Answered by `Written`.
    Write {
        /// The draft; its file is created when it is missing.
        draft: DraftId,
        /// Offset of the first byte.
        at: u64,
        /// The bytes.
        chunks: Vec<Bytes>,
    },
    /// Puts the draft's bytes into the folder of its object, where they survive a power loss. Nothing of the draft is left
    /// when that fails. Answered by `Placed`.
    Place {
        /// The draft.
        draft: DraftId,
        /// The object.
        oid: Oid,
        /// Where the bytes are.
        source: Source,
    },
    /// Gives a placed draft its name as a blob, which survives a power loss. Answered by `Published`.
    Publish {
        /// The draft.
        draft: DraftId,
        /// The object.
        oid: Oid,
        /// The revision.
        tid: Tid,
    },
    /// Forgets that a published blob was a draft, for its transaction is durable. Answered by `Gone`.
    Settle {
        /// The draft.
        draft: DraftId,
        /// The object.
        oid: Oid,
    },
    /// Removes what there is of a draft. Answered by `Gone`.
    Discard {
        /// The draft.
        draft: DraftId,
        /// The object in whose folder it was placed; `None`: it was not.
        oid: Option<Oid>,
        /// The revision as which it may have been published.
        published: Option<Tid>,
    },
    /// Notes, so that it survives a power loss, that these blobs are to go once the log does not name them. Nothing is
    /// done to them yet; a note that was there before counts no more. Answered by `Condemned`.
    Condemn {
        /// The blobs.
        gone: Vec<BlobId>,
        /// Whether they stay with links to all others in a folder beside.
        keep_old: bool,
    },
    /// Removes the blobs that are noted, and the note. The log does not name them any more. Answered by `Swept`.
    Sweep,
    /// Reads a part of a draft that is still being written, or was. Answered by `ReadBack`.
    ReadBack {
        /// The draft.
        draft: DraftId,
        /// Offset of the first byte.
        at: u64,
        /// Bytes; fewer come back only at the end of the draft.
        len: usize,
    },
    /// Reads a part of a blob. Answered by `Read`.
    Read {
        /// Given back with the answer.
        reader: u64,
        /// The object.
        oid: Oid,
        /// The revision.
        tid: Tid,
        /// Offset of the first byte.
        at: u64,
        /// Bytes; fewer come back only at the end of the blob.
        len: usize,
    },
}

/// An outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobDone {
    /// To [`BlobOp::Write`].
    Written {
        /// The draft.
        draft: DraftId,
        /// Whether all of it was written.
        result: Result<(), DiskError>,
    },
    /// To [`BlobOp::Place`].
    Placed {
        /// The draft.
        draft: DraftId,
        /// False when the source is not there.
        result: Result<bool, DiskError>,
    },
    /// To [`BlobOp::Publish`].
    Published {
        /// The draft.
        draft: DraftId,
        /// Whether it is safe.
        result: Result<(), DiskError>,
    },
    /// To [`BlobOp::Settle`] and [`BlobOp::Discard`].
    Gone {
        /// The draft.
        draft: DraftId,
    },
    /// To [`BlobOp::Condemn`].
    Condemned {
        /// Whether it is noted, and can be done.
        result: Result<(), DiskError>,
    },
    /// To [`BlobOp::Sweep`].
    Swept {
        /// Whether they are gone. If not, some may be, and the next start removes the others.
        result: Result<(), DiskError>,
    },
    /// To [`BlobOp::ReadBack`].
    ReadBack {
        /// The draft.
        draft: DraftId,
        /// The bytes; none where nothing was ever written.
        result: Result<Bytes, DiskError>,
    },
    /// To [`BlobOp::Read`].
    Read {
        /// From the operation.
        reader: u64,
        /// The bytes; `None`: there is no such blob.
        result: Result<Option<Bytes>, DiskError>,
    },
}

/// Whether a record is that of a blob; `None` when its class cannot be told.
pub fn is_blob(record: &[u8]) -> Option<bool> {
    let class = record::class(record).ok()?;
    Some(class.module == "ZODB.blob" && class.name == "Blob")
}

/// Whether a client may name a file of a shared folder so: `storeBlobShared` takes nothing but temporary files of the
/// object's own folder, as in Python's server.
pub fn is_shared_name(name: &str) -> bool {
    let temporary = |name: &str| name.ends_with(".tmp");
    let mut but_last = name.chars();
    but_last.next_back();
    !name.contains(['/', '\0']) && (temporary(name) || temporary(but_last.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_files_of_the_folder_itself_are_taken() {
        for good in ["0x03d.tmp", "0x03d.tmp-", ".tmp", "..tmp"] {
            assert!(is_shared_name(good), "{good}");
        }
        for bad in
            ["", "-", "../0x02/a.tmp", "/etc/a.tmp", "a.tmp/", "a.tmp--", "a.blob", "a\0.tmp", "..", "tmp"]
        {
            assert!(!is_shared_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_record_of_a_blob_is_known_by_its_class() {
        assert_eq!(is_blob(b"\x80\x03cZODB.blob\nBlob\nq\x01.\x80\x03N."), Some(true));
        for other in [&b"cZODB.blob\nBlobFile\nq\x01.N."[..], b"cmy.blob\nBlob\nq\x01.N."] {
            assert_eq!(is_blob(other), Some(false), "{other:?}");
        }
        assert_eq!(is_blob(b".zcompressed"), None);
    }
}
