//! Blobs on their way through the folder: those that clients upload, until their transactions are over, and those that
//! come from above, until they have their places.

use crate::commit::txn::remote;
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::server::names::{ConnId, TxnKey};
use crate::server::output::Outputs;
use crate::store::StoreError;
use crate::store::blob::{BlobDone, BlobOp, DraftId, Source};
use crate::store::disk::DiskError;
use crate::wire::remote::RemoteError;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::mem;

/// Whose a draft is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A transaction's.
    Upload(ConnId, TxnKey),
    /// It is to be the blob of this revision.
    Fetch(Oid, Tid),
}

/// What became of a draft.
#[derive(Debug)]
pub(super) enum News {
    /// All that came so far of an upload is written.
    Written(ConnId, TxnKey),
    /// Something of an upload could not be written.
    Failed(ConnId, TxnKey, RemoteError),
    /// A part of an upload; none at its end.
    Part(Result<Bytes, DiskError>),
    /// A blob from above is in its place, or never will be.
    Fetched(Oid, Tid, Result<(), RemoteError>),
}

/// How far a draft from above is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It is being written.
    Coming,
    /// All of it came.
    Complete,
    /// It lies beside its place.
    Placed,
    /// It has its name.
    Published,
}

#[derive(Debug)]
struct Draft {
    owner: Owner,
    /// An operation is under way.
    busy: bool,
    /// What came while the one before was under way.
    chunks: Vec<Bytes>,
    /// Bytes of what is being written.
    writing: usize,
    /// Bytes written or being written.
    len: u64,
    /// How far it was read back.
    read: u64,
    stage: Stage,
    /// It is not needed any more.
    over: bool,
}

/// All drafts of one storage, and what is to be done in its folder.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    drafts: BTreeMap<DraftId, Draft>,
    given: u64,
    ops: VecDeque<BlobOp>,
}

impl Drafts {
    pub(super) fn start(&mut self, owner: Owner) -> DraftId {
        self.given += 1;
        let id = DraftId(self.given);
        let draft = Draft {
            owner,
            busy: false,
            chunks: Vec::new(),
            writing: 0,
            len: 0,
            read: 0,
            stage: Stage::Coming,
            over: false,
        };
        self.drafts.insert(id, draft);
        id
    }

    /// The next thing to do in the folder.
    pub(super) fn pop(&mut self) -> Option<BlobOp> {
        self.ops.pop_front()
    }

    /// Any operation.
    pub(super) fn push(&mut self, op: BlobOp) {
        self.ops.push_back(op);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Adds bytes to a draft; those of one that is over are dropped.
    pub(super) fn write(&mut self, id: DraftId, chunk: Bytes, out: &mut Outputs) {
        let Some(draft) = self.drafts.get_mut(&id).filter(|draft| !draft.over) else { return };
        if let Owner::Upload(conn, _) = draft.owner {
            out.begin_intake(conn, chunk.len());
        }
        draft.chunks.push(chunk);
        self.step(id);
    }

    /// Whether all of an upload is written.
    pub(super) fn is_written(&self, id: DraftId) -> bool {
        self.drafts.get(&id).is_none_or(|draft| !draft.busy && draft.chunks.is_empty())
    }

    /// Bytes from above that wait to be written.
    pub(super) fn coming(&self) -> usize {
        let fetched = self.drafts.values().filter(|draft| matches!(draft.owner, Owner::Fetch(..)));
        fetched.map(|draft| draft.writing + draft.chunks.iter().map(Bytes::len).sum::<usize>()).sum()
    }

    /// Reads on in an upload that is written.
    pub(super) fn read_back(&mut self, id: DraftId) {
        let at = self.drafts.get(&id).expect("the blob of an open transaction").read;
        self.push(BlobOp::ReadBack { draft: id, at, len: limits::BLOB_READ });
    }

    /// All of a blob came from above.
    pub(super) fn complete(&mut self, id: DraftId) {
        if let Some(draft) = self.drafts.get_mut(&id) {
            draft.stage = Stage::Complete;
            self.step(id);
        }
    }

    /// A draft is not needed any more.
    pub(super) fn discard(&mut self, id: DraftId, out: &mut Outputs) {
        let Some(draft) = self.drafts.get_mut(&id) else { return };
        draft.over = true;
        let unwritten: usize = mem::take(&mut draft.chunks).iter().map(Bytes::len).sum();
        if let Owner::Upload(conn, _) = draft.owner {
            out.end_intake(conn, unwritten);
        }
        self.step(id);
    }

    /// Takes an outcome.
    pub(super) fn on_done(&mut self, done: BlobDone, out: &mut Outputs) -> Option<News> {
        match done {
            BlobDone::Written { draft, result } => self.on_written(draft, result, out),
            BlobDone::ReadBack { draft, result } => {
                let read = self.drafts.get_mut(&draft)?;
                read.read += result.as_ref().map_or(0, |bytes| bytes.len() as u64);
                (!read.over).then_some(News::Part(result))
            }
            BlobDone::Placed { draft, result } => {
                self.on_stage(draft, Stage::Placed, result.map(|found| assert!(found, "it was written")), out)
            }
            BlobDone::Published { draft, result } => self.on_stage(draft, Stage::Published, result, out),
            BlobDone::Gone { draft } => {
                let gone = self.drafts.remove(&draft)?;
                match gone.owner {
                    Owner::Fetch(oid, tid) if !gone.over => Some(News::Fetched(oid, tid, Ok(()))),
                    _ => None,
                }
            }
            BlobDone::Read { .. } | BlobDone::Condemned { .. } | BlobDone::Swept { .. } => {
                unreachable!("that is about no draft")
            }
        }
    }

    fn on_written(&mut self, id: DraftId, result: Result<(), DiskError>, out: &mut Outputs) -> Option<News> {
        let draft = self.drafts.get_mut(&id)?;
        draft.busy = false;
        let written = mem::take(&mut draft.writing);
        let (owner, over) = (draft.owner, draft.over);
        if let Owner::Upload(conn, _) = owner {
            out.end_intake(conn, written);
        }
        match result {
            Err(error) if !over => Some(self.fail(id, error, out)),
            _ => {
                self.step(id);
                match owner {
                    Owner::Upload(conn, key) if !over && self.is_written(id) => {
                        Some(News::Written(conn, key))
                    }
                    _ => None,
                }
            }
        }
    }

    fn on_stage(
        &mut self,
        id: DraftId,
        stage: Stage,
        result: Result<(), DiskError>,
        out: &mut Outputs,
    ) -> Option<News> {
        let draft = self.drafts.get_mut(&id)?;
        draft.busy = false;
        match result {
            Err(error) if !draft.over => return Some(self.fail(id, error, out)),
            Err(_) => {}
            Ok(()) => draft.stage = stage,
        }
        self.step(id);
        None
    }

    /// A draft cannot be written, or get its place.
    fn fail(&mut self, id: DraftId, error: DiskError, out: &mut Outputs) -> News {
        let owner = self.drafts[&id].owner;
        self.discard(id, out);
        let error = remote(StoreError::Disk(error));
        match owner {
            Owner::Upload(conn, key) => News::Failed(conn, key, error),
            Owner::Fetch(oid, tid) => News::Fetched(oid, tid, Err(error)),
        }
    }

    /// Goes on with a draft unless something is under way.
    fn step(&mut self, id: DraftId) {
        let Some(draft) = self.drafts.get_mut(&id).filter(|draft| !draft.busy) else { return };
        let place = match draft.owner {
            Owner::Upload(..) => None,
            Owner::Fetch(oid, tid) => Some((oid, tid)),
        };
        let op = match (draft.over, draft.stage, place) {
            // Nothing was ever made of it.
            (true, Stage::Coming, _) if draft.len == 0 => return drop(self.drafts.remove(&id)),
            (true, stage, _) => {
                let beside = place.filter(|_| stage != Stage::Coming);
                let published = beside.filter(|_| stage >= Stage::Placed).map(|(_, tid)| tid);
                BlobOp::Discard { draft: id, oid: beside.map(|(oid, _)| oid), published }
            }
            (false, ..) if !draft.chunks.is_empty() => {
                let chunks = mem::take(&mut draft.chunks);
                draft.writing = chunks.iter().map(Bytes::len).sum();
                let at = draft.len;
                draft.len += draft.writing as u64;
                BlobOp::Write { draft: id, at, chunks }
            }
            (false, Stage::Complete, Some((oid, _))) => {
                BlobOp::Place { draft: id, oid, source: Source::Written }
            }
            (false, Stage::Placed, Some((oid, tid))) => BlobOp::Publish { draft: id, oid, tid },
            (false, Stage::Published, Some((oid, _))) => BlobOp::Settle { draft: id, oid },
            (false, ..) => return,
        };
        draft.busy = true;
        self.push(op);
    }
}
