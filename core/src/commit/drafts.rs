//! The blobs of transactions that are not committed: what is done to each of them, one thing after the other.

use crate::commit::scene::Scene;
use crate::commit::txn::remote;
use crate::ids::{Oid, Tid};
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::server::names::{ConnId, TxnKey};
use crate::store::StoreError;
use crate::store::blob::{BlobDone, BlobOp, DraftId, Source};
use crate::wire::remote::RemoteError;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::mem;

/// The drafts of one storage.
#[derive(Debug, Default)]
pub struct Drafts {
    drafts: BTreeMap<DraftId, Draft>,
    given: u64,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

/// Whose a draft is.
pub(super) type Owner = (ConnId, TxnKey);

#[derive(Debug)]
struct Draft {
    owner: Owner,
    /// An operation is under way.
    busy: bool,
    /// What came while the write before it was under way.
    chunks: Vec<Bytes>,
    /// Bytes of what is being written.
    writing: usize,
    /// Bytes written or being written.
    len: u64,
    /// Where it goes once all is written.
    place: Option<(Oid, Source)>,
    placed: bool,
    /// Nothing is wrong when its source is not there.
    may_miss: bool,
    published: Option<Tid>,
    /// Its name as a blob is still to be asked for.
    unnamed: bool,
    end: Option<End>,
}

/// How a draft ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Settled,
    Discarded,
}

/// What became of a draft.
#[derive(Debug)]
pub(super) enum News {
    /// It is in its place.
    Placed,
    /// There was nothing to put there.
    Nothing,
    /// It could not be written or placed: its transaction cannot be committed.
    Failed(RemoteError),
    /// It has its name, or could not get it.
    Published(Result<(), RemoteError>),
}

impl Drafts {
    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn plant(&mut self, bug: Bug) {
        self.bug = Some(bug);
    }

    /// A new draft of a transaction.
    pub(super) fn start(&mut self, owner: Owner) -> DraftId {
        self.given += 1;
        let id = DraftId(self.given);
        let draft = Draft {
            owner,
            busy: false,
            chunks: Vec::new(),
            writing: 0,
            len: 0,
            place: None,
            placed: false,
            may_miss: false,
            published: None,
            unnamed: false,
            end: None,
        };
        self.drafts.insert(id, draft);
        id
    }

    /// Adds bytes to a draft. Those of one that could not be written are dropped.
    pub(super) fn write(&mut self, id: DraftId, chunk: Bytes, scene: &mut Scene<'_>) {
        #[cfg(feature = "planted-bugs")]
        let id = match self.drafts.iter().rfind(|(_, draft)| draft.place.is_none()) {
            Some((last, _)) if self.bug == Some(Bug::UploadsMixed) => *last,
            _ => id,
        };
        let Some(draft) = self.drafts.get_mut(&id).filter(|draft| draft.end.is_none()) else { return };
        scene.out.begin_intake(draft.owner.0, chunk.len());
        draft.chunks.push(chunk);
        self.step(id, scene);
    }

    /// A draft has all its bytes, and is for this object. Unless `may_miss`, a source that is not there is an error.
    pub(super) fn place(
        &mut self,
        id: DraftId,
        oid: Oid,
        source: Source,
        may_miss: bool,
        scene: &mut Scene<'_>,
    ) {
        let Some(draft) = self.drafts.get_mut(&id).filter(|draft| draft.end.is_none()) else { return };
        draft.place = Some((oid, source));
        draft.may_miss = may_miss;
        self.step(id, scene);
    }

    /// Makes a placed draft the blob of a revision.
    pub(super) fn publish(&mut self, id: DraftId, tid: Tid, scene: &mut Scene<'_>) {
        let draft = self.drafts.get_mut(&id).expect("the draft of a transaction that finishes");
        assert!(draft.placed && draft.published.is_none(), "a draft is placed before it is published, once");
        (draft.published, draft.unnamed) = (Some(tid), true);
        self.step(id, scene);
    }

    /// The transaction of a published draft is durable.
    pub(super) fn settle(&mut self, id: DraftId, scene: &mut Scene<'_>) {
        self.end(id, End::Settled, scene);
    }

    /// The transaction of a draft will not be, or has no use for it.
    pub(super) fn discard(&mut self, id: DraftId, scene: &mut Scene<'_>) {
        self.end(id, End::Discarded, scene);
    }

    fn end(&mut self, id: DraftId, end: End, scene: &mut Scene<'_>) {
        let Some(draft) = self.drafts.get_mut(&id) else { return };
        let unwritten: usize = mem::take(&mut draft.chunks).iter().map(Bytes::len).sum();
        scene.out.end_intake(draft.owner.0, unwritten);
        draft.end = Some(end);
        self.step(id, scene);
    }

    /// Nobody knows whether the transaction of a draft is in the log: the next start will see.
    pub(super) fn leave(&mut self, id: DraftId) {
        self.drafts.remove(&id);
    }

    /// Whether the blob of an earlier revision is being copied.
    pub(super) fn copy_revisions(&self) -> bool {
        let copies = |draft: &Draft| matches!(draft.place, Some((_, Source::Revision(_)))) && !draft.placed;
        self.drafts.values().any(copies)
    }

    /// Whose drafts there are.
    pub(super) fn owners(&self) -> impl Iterator<Item = Owner> + '_ {
        self.drafts.values().map(|draft| draft.owner)
    }

    /// Takes the outcome of an operation; gives what its transaction should know.
    pub(super) fn on_done(
        &mut self,
        done: BlobDone,
        scene: &mut Scene<'_>,
    ) -> Option<(DraftId, Owner, News)> {
        let is_intake = matches!(done, BlobDone::Written { .. } | BlobDone::Placed { .. });
        let failed = |error| News::Failed(remote(StoreError::Disk(error)));
        let (id, news) = match done {
            BlobDone::Written { draft, result } => (draft, result.err().map(failed)),
            BlobDone::Placed { draft, result: Ok(found) } => (draft, self.on_placed(draft, found)),
            BlobDone::Placed { draft, result: Err(error) } => {
                let placing = self.drafts.get_mut(&draft)?;
                // Nothing is left of it.
                (placing.place, placing.len) = (None, 0);
                (draft, Some(failed(error)))
            }
            BlobDone::Published { draft, result } => {
                (draft, Some(News::Published(result.map_err(|error| remote(StoreError::Disk(error))))))
            }
            BlobDone::Gone { draft } => {
                self.drafts.remove(&draft);
                return None;
            }
            BlobDone::Read { .. }
            | BlobDone::ReadBack { .. }
            | BlobDone::Condemned { .. }
            | BlobDone::Swept { .. } => unreachable!("that is about no draft"),
        };
        let draft = self.drafts.get_mut(&id)?;
        draft.busy = false;
        scene.out.end_intake(draft.owner.0, mem::take(&mut draft.writing));
        let (owner, ended) = (draft.owner, draft.end.is_some());
        if is_intake {
            scene.out.end_operation(owner.0, 0);
        }
        // Nothing more is done with a draft that failed; its transaction has it discarded.
        if ended || !matches!(news, Some(News::Failed(_))) {
            self.step(id, scene);
        }
        news.filter(|_| !ended).map(|news| (id, owner, news))
    }

    fn on_placed(&mut self, id: DraftId, found: bool) -> Option<News> {
        let draft = self.drafts.get_mut(&id)?;
        if found {
            draft.placed = true;
            return Some(News::Placed);
        }
        let (oid, source) = draft.place.take().expect("a draft that was being placed");
        Some(match source {
            _ if draft.may_miss => News::Nothing,
            Source::Revision(_) => News::Failed(RemoteError::PosKey(oid)),
            Source::Shared(name) => {
                let what = format!("the folder of object {oid} has no file {name:?} that could be its blob");
                News::Failed(RemoteError::Storage(what))
            }
            Source::Written => unreachable!("a draft that was written is there"),
        })
    }

    /// Goes on with a draft unless something is under way.
    fn step(&mut self, id: DraftId, scene: &mut Scene<'_>) {
        let Some(draft) = self.drafts.get_mut(&id).filter(|draft| !draft.busy) else { return };
        match draft.next(id) {
            Some(op) => {
                draft.busy = true;
                if matches!(op, BlobOp::Write { .. } | BlobOp::Place { .. }) {
                    scene.out.begin_operation(draft.owner.0);
                }
                scene.desk.blob(op);
            }
            // Nothing was ever made of it.
            None if draft.end.is_some() => drop(self.drafts.remove(&id)),
            None => {}
        }
    }
}

impl Draft {
    /// What is to be done with it now; `None`: nothing, or nothing any more if it ends.
    fn next(&mut self, draft: DraftId) -> Option<BlobOp> {
        let oid = self.place.as_ref().map(|(oid, _)| *oid);
        match (self.end, oid) {
            (Some(End::Settled), Some(oid)) => return Some(BlobOp::Settle { draft, oid }),
            (Some(_), oid) => {
                let published = self.published;
                return (self.len > 0 || oid.is_some()).then_some(BlobOp::Discard { draft, oid, published });
            }
            (None, _) => {}
        }
        if !self.chunks.is_empty() {
            let chunks = mem::take(&mut self.chunks);
            self.writing = chunks.iter().map(Bytes::len).sum();
            let at = self.len;
            self.len += self.writing as u64;
            return Some(BlobOp::Write { draft, at, chunks });
        }
        match (&self.place, self.published) {
            (Some((oid, source)), _) if !self.placed => {
                Some(BlobOp::Place { draft, oid: *oid, source: source.clone() })
            }
            (Some((oid, _)), Some(tid)) if mem::take(&mut self.unnamed) => {
                Some(BlobOp::Publish { draft, oid: *oid, tid })
            }
            _ => None,
        }
    }
}
