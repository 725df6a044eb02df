//! The blobs of one transaction.

use crate::ids::Oid;
use crate::store::blob::DraftId;
use std::collections::{BTreeMap, BTreeSet};

/// Which drafts belong to a transaction, and to which of its objects.
#[derive(Debug, Default)]
pub struct Attached {
    /// The upload under way: a connection has one at a time, since its chunks name none.
    coming: Option<DraftId>,
    blobs: BTreeMap<Oid, DraftId>,
    /// Those that are not in their places yet.
    unplaced: BTreeSet<DraftId>,
}

impl Attached {
    /// The upload under way.
    pub(super) fn coming(&self) -> Option<DraftId> {
        self.coming
    }

    /// An upload begins.
    pub(super) fn begin(&mut self, draft: DraftId) {
        let before = self.coming.replace(draft);
        assert!(before.is_none(), "one upload at a time");
    }

    /// The upload under way is complete.
    pub(super) fn complete(&mut self) -> Option<DraftId> {
        self.coming.take()
    }

    /// A draft is to be the blob of this object; gives back the one that was.
    pub(super) fn attach(&mut self, oid: Oid, draft: DraftId) -> Option<DraftId> {
        self.unplaced.insert(draft);
        let before = self.blobs.insert(oid, draft);
        before.inspect(|before| {
            self.unplaced.remove(before);
        })
    }

    /// The object has no blob any more; gives back the one it had.
    pub(super) fn detach(&mut self, oid: Oid) -> Option<DraftId> {
        let draft = self.blobs.remove(&oid)?;
        self.unplaced.remove(&draft);
        Some(draft)
    }

    /// A draft is in its place.
    pub(super) fn placed(&mut self, draft: DraftId) {
        self.unplaced.remove(&draft);
    }

    /// A draft came to nothing.
    pub(super) fn remove(&mut self, draft: DraftId) {
        self.unplaced.remove(&draft);
        self.blobs.retain(|_, attached| *attached != draft);
    }

    /// Whether all are in their places.
    pub(super) fn are_placed(&self) -> bool {
        self.unplaced.is_empty()
    }

    /// All of them, the upload under way included.
    pub(super) fn into_drafts(self) -> impl Iterator<Item = DraftId> {
        self.blobs.into_values().chain(self.coming)
    }
}
