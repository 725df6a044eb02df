//! What the root reaches: in waves, each sorted by position, so that the log is read forwards.

use super::job::PackError;
use super::objects::Objects;
use crate::ids::Oid;
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::record::{Reference, references};
use crate::store::disk::Span;
use crate::store::file::format::{Broken, DATA_HEADER};
use crate::store::file::view::{Need, View, Walk, damaged};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Positions in a wave, at least.
const WAVE: usize = 1 << 16;
/// Bytes that are read of a record whose length nobody looked up.
const GUESS: u64 = 1 << 12;
/// Bytes between two records of a wave that are read rather than passed over.
const GAP: u64 = 16 << 10;
/// Bytes read at a time.
const READ: u64 = 256 << 10;

/// The search. It holds no edges: what is reached and was not looked at is a bit of its object.
///
/// It goes from the root through what is there at the time of the pack, then from what later records point back to.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) objects: Objects,
    /// Where the time of the pack is in the log.
    pub(super) split: u64,
    /// Objects of later records that point back, and where to, until these are gone through.
    back: Option<Vec<(Oid, u64)>>,
    pub(super) targets: Targets,
    /// Positions to look at, sorted; those before `next` were.
    wave: Vec<u64>,
    next: usize,
    /// Some of those that were reached since.
    fresh: Vec<u64>,
    most: usize,
    /// Where the search for others goes on.
    cursor: Oid,
    seen: u64,
    #[cfg(feature = "planted-bugs")]
    pub(super) bug: Option<Bug>,
}

#[derive(Debug)]
pub(super) enum Found {
    /// The object of the record at the next position, and its state; `None`: it has none.
    State(Oid, Option<Bytes>),
    /// The wave is over.
    Over,
}

impl Mark {
    /// A search from the root.
    pub(super) fn new(objects: Objects, split: u64, back: Vec<(Oid, u64)>) -> Result<Mark, PackError> {
        let most = WAVE.max(objects.len() as usize / 16);
        let mut mark = Mark {
            objects,
            split,
            back: Some(back),
            targets: Targets::default(),
            wave: Vec::new(),
            next: 0,
            fresh: Vec::new(),
            most,
            cursor: Oid::ZERO,
            seen: 0,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        };
        match mark.objects.reach(Oid::ZERO) {
            Ok(at) => mark.fresh.extend(at),
            // Before anything was there.
            Err(_) if mark.objects.is_empty() => {}
            Err(_) => return Err(PackError::NoRoot),
        }
        Ok(mark)
    }

    /// Once the root's objects are marked: goes on from what later records point back to. False when that was done.
    pub(super) fn look_behind(&mut self) -> bool {
        let Some(back) = self.back.take() else { return false };
        (self.targets, self.fresh) = Targets::keep(&back, self.split, &mut self.objects);
        true
    }

    /// Objects that were looked at.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// How much to read for the next records of the wave.
    pub(super) fn widen(&self, miss: Span) -> Span {
        if self.wave.get(self.next) != Some(&miss.at) {
            return miss;
        }
        let mut end = miss.at + (miss.len as u64).max(GUESS);
        for &at in &self.wave[self.next..] {
            if at > end + GAP || at + GUESS > miss.at + READ {
                break;
            }
            end = end.max(at + GUESS);
        }
        Span { at: miss.at, len: (end - miss.at) as usize }
    }

    /// The next wave; false when everything was looked at.
    fn swell(&mut self) -> bool {
        self.wave.clear();
        self.next = 0;
        if !self.fresh.is_empty() {
            std::mem::swap(&mut self.wave, &mut self.fresh);
        } else if self.objects.pending() > 0 {
            mark!("a wave of a pack is longer than its room");
            while self.wave.is_empty() {
                (self.wave, self.cursor) = self.objects.some_pending(self.cursor, self.most);
            }
        }
        self.wave.sort_unstable();
        !self.wave.is_empty()
    }

    /// What a state refers to stays. What an older state refers to that an undo has brought back need not be there any more.
    fn follow(&mut self, by: Oid, state: &[u8]) -> Result<(), PackError> {
        let found = references(state).map_err(|why| PackError::Unreadable { oid: by, why })?;
        #[cfg(feature = "planted-bugs")]
        let followed = found.len() - usize::from(self.bug == Some(Bug::ReachableDropped)).min(found.len());
        #[cfg(feature = "planted-bugs")]
        let found = found.into_iter().take(followed);
        for reference in found {
            let Reference::Object(oid) = reference else { continue };
            let reached = match self.objects.reach(oid) {
                Err(_) if self.back.is_none() => {
                    mark!("an undo has brought back a reference to what is not there");
                    continue;
                }
                reached => reached.map_err(|oid| PackError::Missing { oid, by })?,
            };
            // Of what does not fit here, the objects know.
            self.fresh.extend(reached.filter(|_| self.fresh.len() < self.most));
        }
        Ok(())
    }
}

/// The state that the record at `at` leads to, and the object; `None`: none.
pub(super) fn state(log: &View<'_>, mut at: u64) -> Result<(Oid, Option<Bytes>), Need> {
    let mut header = log.data_header(at, DATA_HEADER)?;
    let oid = header.oid;
    while header.data == 0 {
        let back = log.number(at + DATA_HEADER as u64)?;
        if back == 0 {
            return Ok((oid, None));
        }
        if back >= at {
            return damaged(at, Broken::Pointer);
        }
        at = back;
        header = log.data_header(at, DATA_HEADER)?;
        if header.oid != oid {
            return damaged(at, Broken::OtherObject);
        }
    }
    let Ok(len) = usize::try_from(header.data) else { return damaged(at, Broken::Ends) };
    Ok((oid, Some(log.bytes(at + DATA_HEADER as u64, len)?)))
}

impl Walk for Mark {
    type Found = Found;
    type Answer = Result<(), PackError>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let Some(&at) = self.wave.get(self.next) else { return Ok(Found::Over) };
        let (oid, state) = state(log, at)?;
        Ok(Found::State(oid, state))
    }

    fn take(&mut self, found: Found) -> Option<Result<(), PackError>> {
        match found {
            Found::Over => (!self.swell()).then_some(Ok(())),
            Found::State(oid, state) => {
                let at = self.wave[self.next];
                self.next += 1;
                self.seen += 1;
                self.objects.seen(oid, at);
                let followed = state.map_or(Ok(()), |state| self.follow(oid, &state));
                followed.err().map(Err)
            }
        }
    }
}

/// What later records point back to, and where that is in the new log.
#[derive(Debug, Default)]
pub(super) struct Targets {
    by_place: BTreeMap<u64, Target>,
    /// Objects that stay for that alone.
    alone: BTreeMap<Oid, Alone>,
}

/// An object that stays only since later records point back to it.
#[derive(Debug)]
struct Alone {
    /// Where it was at the time of the pack, if it existed.
    then: Option<u64>,
    /// The last of its records that stay.
    last: u64,
}

#[derive(Debug, Default)]
struct Target {
    /// It stays for that alone.
    kept: bool,
    /// Zero until it is copied.
    copied: u64,
}

impl Targets {
    /// Of a pack that collects: what later records point back to stays, and is to be looked at. Gives where that is.
    pub(super) fn keep(back: &[(Oid, u64)], split: u64, objects: &mut Objects) -> (Targets, Vec<u64>) {
        let (mut targets, mut roots) = (Targets::default(), Vec::new());
        for &(oid, at) in back.iter().filter(|(_, at)| *at < split) {
            let target = targets.by_place.entry(at).or_default();
            if !objects.is_reached(oid) {
                mark!("a pack keeps a revision for a later pointer alone");
                let then = objects.get(oid).map(|entry| entry.at);
                targets.alone.insert(oid, Alone { then, last: at });
                objects.keep_at(oid, at);
                roots.push(at);
                continue;
            }
            if !target.kept {
                target.kept = true;
                roots.push(at);
            }
            if let Some(alone) = targets.alone.get_mut(&oid) {
                alone.last = at.max(alone.last);
            }
        }
        (targets, roots)
    }

    /// Of a pack that does not: nothing stays for it.
    pub(super) fn watch(back: &[(Oid, u64)], split: u64) -> Targets {
        let before = back.iter().filter(|(_, at)| *at < split);
        let by_place = before.map(|&(_, at)| (at, Target::default())).collect();
        Targets { by_place, alone: BTreeMap::new() }
    }

    /// Whether the record at `at` stays since a later one points to it.
    pub(super) fn keeps(&self, at: u64) -> bool {
        self.by_place.get(&at).is_some_and(|target| target.kept)
    }

    /// The record at `at` was copied.
    pub(super) fn copied(&mut self, at: u64, to: u64) {
        if let Some(target) = self.by_place.get_mut(&at) {
            target.copied = to;
        }
    }

    /// Whether the object was otherwise at the time of the pack than its last record has it that stays: nobody may find that
    /// as what it was between that time and a later record.
    pub(super) fn is_outdated(&self, oid: Oid) -> bool {
        self.alone.get(&oid).is_some_and(|alone| alone.then != Some(alone.last))
    }

    /// The object has a later record, before which it is not looked for any more.
    pub(super) fn followed(&mut self, oid: Oid) {
        self.alone.remove(&oid);
    }

    /// Where the record at `at` is in the new log; `None` when it is not there.
    pub(super) fn place(&self, at: u64) -> Option<u64> {
        self.by_place.get(&at).map(|target| target.copied).filter(|&copied| copied != 0)
    }
}
