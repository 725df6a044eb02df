//! Packing what is in memory, as ZODB's MappingStorage does it: at once, and with what is committed later as well in view.

use crate::ids::{Oid, Tid};
use crate::record::{BadRecord, Reference, references};
use crate::store::blob::{BlobId, is_blob};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The revisions of every object, the oldest first; `None` is a deletion.
pub(super) type Objects = BTreeMap<Oid, Vec<(Tid, Option<Bytes>)>>;

/// What a pack has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Bytes before it.
    pub before: u64,
    /// Bytes now.
    pub after: u64,
    /// The blobs whose records are gone, and those of which a later revision is there.
    pub gone: Vec<BlobId>,
}

/// Why a store in memory cannot be packed. Nothing of it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// What it would show at that time is gone.
    #[error("Already packed to a later time")]
    Later,
    /// The root object is not there.
    #[error("there is no root object, so what can be reached is not certain")]
    NoRoot,
    /// An object that is reached refers to one that is not there.
    #[error("object {by} refers to object {oid}, which does not exist: what can be reached is not certain")]
    Missing {
        /// What is missing.
        oid: Oid,
        /// What refers to it.
        by: Oid,
    },
    /// The references in a record that is reached cannot be read.
    #[error("the references in object {oid} cannot be read: {why}")]
    Unreadable {
        /// The object.
        oid: Oid,
        /// What is wrong with its record.
        why: BadRecord,
    },
}

/// The revisions that go when of all up to `stop` only the last of each object stays, and with `gc` only what the root
/// reaches.
pub(super) fn leaving(
    objects: &Objects,
    stop: Tid,
    gc: bool,
) -> Result<BTreeMap<Oid, BTreeSet<Tid>>, PackError> {
    let reached = if gc { Some(reached(objects, stop)?) } else { None };
    let mut leaving = BTreeMap::new();
    for (&oid, revisions) in objects {
        let is_reached = reached.as_ref().is_none_or(|reached| reached.contains(&oid));
        let stays = if is_reached { staying(revisions, stop) } else { &[] };
        let goes = &revisions[..revisions.len() - stays.len()];
        if !goes.is_empty() {
            leaving.insert(oid, goes.iter().map(|(tid, _)| *tid).collect());
        }
    }
    Ok(leaving)
}

/// The revisions of an object that are reached with it. A deletion has nothing that could be read later.
fn staying(revisions: &[(Tid, Option<Bytes>)], stop: Tid) -> &[(Tid, Option<Bytes>)] {
    let behind = revisions.partition_point(|(tid, _)| *tid <= stop);
    let current = behind.checked_sub(1).filter(|&at| revisions[at].1.is_some());
    &revisions[current.unwrap_or(behind)..]
}

fn reached(objects: &Objects, stop: Tid) -> Result<BTreeSet<Oid>, PackError> {
    let stays = |oid: &Oid| objects.get(oid).map(|it| staying(it, stop)).filter(|it| !it.is_empty());
    if stays(&Oid::ZERO).is_none() {
        return Err(PackError::NoRoot);
    }
    let mut reached = BTreeSet::from([Oid::ZERO]);
    let mut waiting = vec![Oid::ZERO];
    while let Some(by) = waiting.pop() {
        let states = stays(&by).into_iter().flatten().filter_map(|(_, state)| state.as_ref());
        for state in states {
            for reference in references(state).map_err(|why| PackError::Unreadable { oid: by, why })? {
                let Reference::Object(oid) = reference else { continue };
                stays(&oid).ok_or(PackError::Missing { oid, by })?;
                if reached.insert(oid) {
                    waiting.push(oid);
                }
            }
        }
    }
    Ok(reached)
}

/// The revisions with a blob that have a later one, and those of deleted objects. As in ZODB's BlobStorage over a storage
/// without undo, their bytes go at any pack: only those of an object's newest blob stay, whatever the time.
pub(super) fn superseded(objects: &Objects) -> impl Iterator<Item = BlobId> {
    let with_blob = |state: &Option<Bytes>| state.as_ref().is_some_and(|state| is_blob(state) == Some(true));
    objects.iter().flat_map(move |(&oid, revisions)| {
        let is_there = revisions.last().is_some_and(|(_, state)| state.is_some());
        let blobs = revisions.iter().rev().filter(move |(_, state)| with_blob(state));
        blobs.skip(usize::from(is_there)).map(move |&(tid, _)| BlobId { oid, tid })
    })
}

/// Takes revisions out; gives those that were blobs.
pub(super) fn remove(objects: &mut Objects, leaving: &BTreeMap<Oid, BTreeSet<Tid>>) -> Vec<BlobId> {
    let mut gone = Vec::new();
    for (&oid, tids) in leaving {
        let revisions = objects.get_mut(&oid).expect("an object that has revisions");
        for (tid, state) in revisions.drain(..tids.len()) {
            if state.is_some_and(|state| is_blob(&state) == Some(true)) {
                gone.push(BlobId { oid, tid });
            }
        }
        if revisions.is_empty() {
            objects.remove(&oid);
        }
    }
    gone
}
