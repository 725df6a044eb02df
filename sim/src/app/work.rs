//! What transactions do: a few objects that everybody changes, and new ones.

use crate::history::State;
use crate::ledger::Attempt;
pub use crate::state::value;
use crate::state::{self, Class};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use zeolith_core::client::{Merge, Operation};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::limits::PACK_BEHIND;
use zeolith_core::rng::Rng;
use zeolith_core::store::Revision;

/// What a storage has that transactions can use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Storage {
    /// Blobs.
    pub blobs: bool,
    /// It is packed: what everybody changes is reached from a root.
    pub packs: bool,
}

/// Every object that everybody changes is made together with a reference from here.
const ROOT: Oid = Oid::ZERO;
/// Two objects that are kept in step: whoever sees one ahead of the other sees no state of the storage.
const PAIR: [Oid; 2] = [Oid(1), Oid(2)];
/// An object that counts; changes of it can be merged.
const COUNTER: Oid = Oid(3);
/// Objects whose changes depend on one another's revisions.
const GRAPH: std::ops::Range<u64> = 4..9;
/// Objects with blobs.
const BLOBS: std::ops::Range<u64> = 9..11;
/// The first of the objects that one transaction makes.
const OWN: u64 = 1_000_000;
/// How many it makes at most, and which of them is the first that has a blob.
const OWN_EACH: u64 = 100;
const OWN_BLOB: u64 = 90;
/// The one that a node of the graph refers to.
const OWN_NODE: u64 = 80;

/// The padding of a state that a pack does not wait for.
const MUCH: u64 = PACK_BEHIND + 1;

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Changes both objects of the pair.
    Pair,
    /// Counts.
    Counter,
    /// Reads some nodes of the graph, has them checked, and changes one.
    Graph,
    /// Writes one large state, or many small ones.
    Bulk,
    /// Stores blobs, and counts.
    Blob,
}

/// An object that everybody changes.
pub fn any(rng: &mut Rng) -> Oid {
    Oid(1 + rng.below(GRAPH.end - 1))
}

/// All of them.
pub fn all() -> Vec<Oid> {
    (1..GRAPH.end).map(Oid).collect()
}

impl Work {
    /// Chance's choice.
    pub fn any(storage: Storage, rng: &mut Rng) -> Work {
        if storage.blobs && rng.chance(1, 3) {
            return Work::Blob;
        }
        match rng.below(10) {
            0..3 => Work::Pair,
            3..6 => Work::Counter,
            6..9 => Work::Graph,
            _ => Work::Bulk,
        }
    }

    /// What it reads first.
    pub fn reads(self, storage: Storage, rng: &mut Rng) -> Vec<Oid> {
        let mut reads = self.bases(rng);
        reads.extend(storage.packs.then_some(ROOT));
        reads
    }

    fn bases(self, rng: &mut Rng) -> Vec<Oid> {
        match self {
            Work::Pair => PAIR.to_vec(),
            Work::Counter => vec![COUNTER],
            Work::Graph => (0..3).map(|_| Oid(GRAPH.start + rng.below(GRAPH.end - GRAPH.start))).collect(),
            Work::Bulk => vec![any(rng)],
            Work::Blob => vec![COUNTER, Oid(BLOBS.start + rng.below(BLOBS.end - BLOBS.start))],
        }
    }

    /// Whether its changes can be merged with others'.
    pub fn merges(self) -> bool {
        matches!(self, Work::Counter | Work::Blob)
    }

    /// What it does, having read this.
    ///
    /// # Errors
    /// What it read cannot be.
    pub fn changes(
        self,
        attempt: Attempt,
        read: &BTreeMap<Oid, Revision>,
        storage: Storage,
        rng: &mut Rng,
    ) -> Result<Vec<Operation>, String> {
        let mut operations = self.change(attempt, read, storage, rng)?;
        if storage.packs {
            operations.extend(link(attempt, read, &operations));
        }
        Ok(operations)
    }

    fn change(
        self,
        attempt: Attempt,
        read: &BTreeMap<Oid, Revision>,
        storage: Storage,
        rng: &mut Rng,
    ) -> Result<Vec<Operation>, String> {
        let value = |oid: Oid| read.get(&oid).map_or(0, |revision| value(&revision.data));
        let store = |oid: Oid, value: u64, padding: u64| Operation::Store {
            oid,
            serial: read.get(&oid).map_or(Tid::ZERO, |revision| revision.serial),
            data: state(attempt, oid, value, padding as usize),
        };
        let padding = if rng.chance(1, 8) { rng.below(3_000) } else { 0 };
        Ok(match self {
            Work::Pair => {
                let values = PAIR.map(value);
                if storage.packs && PAIR.iter().filter(|oid| read.contains_key(oid)).count() == 1 {
                    // A pack took the other away, for it is not what is current any more: so nothing can be done.
                    return Ok(Vec::new());
                }
                if values[0] != values[1] {
                    return Err(format!("the pair is out of step: {values:?}"));
                }
                PAIR.map(|oid| store(oid, values[0] + 1, padding)).into()
            }
            Work::Counter => vec![store(COUNTER, value(COUNTER) + 1, padding)],
            Work::Graph => {
                let nodes: Vec<Oid> =
                    (GRAPH.start..GRAPH.end).map(Oid).filter(|oid| read.contains_key(oid)).collect();
                let fresh = Oid(GRAPH.start + rng.below(GRAPH.end - GRAPH.start));
                let changed = nodes.first().copied().filter(|_| rng.chance(4, 5)).unwrap_or(fresh);
                let checked = nodes.iter().filter(|&&oid| oid != changed);
                let check = |&oid: &Oid| Operation::ReadCheck { oid, serial: read[&oid].serial };
                let new = own(attempt, OWN_NODE);
                let refers = (storage.packs && rng.chance(1, 2)).then_some(new);
                let made = refers.map(|new| store(new, 1, 0));
                let node = Operation::Store {
                    oid: changed,
                    serial: read.get(&changed).map_or(Tid::ZERO, |revision| revision.serial),
                    data: state::record(
                        Class::Thing,
                        (attempt, changed),
                        value(changed) + 1,
                        padding as usize,
                        refers.as_slice(),
                    ),
                };
                checked.map(check).chain(made).chain([node]).collect()
            }
            Work::Bulk => {
                if rng.chance(1, 2) {
                    (0..1 + rng.below(20)).map(|n| store(own(attempt, n), n, 0)).collect()
                } else {
                    // A pack that falls far behind catches up before it makes others wait.
                    let much = storage.packs && rng.chance(1, 3);
                    vec![store(own(attempt, 0), 0, if much { MUCH } else { 5_000 + rng.below(15_000) })]
                }
            }
            Work::Blob => {
                let blob = |oid: Oid| Operation::StoreBlob {
                    oid,
                    serial: read.get(&oid).map_or(Tid::ZERO, |revision| revision.serial),
                    data: state::record(Class::Blob, (attempt, oid), value(oid) + 1, 0, &[]),
                };
                let known = read.keys().copied().find(|oid| has_blob(*oid));
                let fresh = known.unwrap_or(Oid(BLOBS.start + rng.below(BLOBS.end - BLOBS.start)));
                let mut all = vec![blob(fresh)];
                if rng.chance(1, 3) {
                    all.push(blob(own(attempt, OWN_BLOB)));
                }
                if rng.chance(1, 2) {
                    all.push(store(COUNTER, value(COUNTER) + 1, 0));
                }
                all
            }
        })
    }
}

/// The root with references to the objects that these operations make, if they are for everybody.
fn link(attempt: Attempt, read: &BTreeMap<Oid, Revision>, operations: &[Operation]) -> Option<Operation> {
    let made = operations.iter().filter_map(|operation| match *operation {
        Operation::Store { oid, serial: Tid::ZERO, .. }
        | Operation::StoreBlob { oid, serial: Tid::ZERO, .. } => Some(oid).filter(|oid| !is_own(*oid)),
        _ => None,
    });
    let (serial, root) =
        read.get(&ROOT).map_or((Tid::ZERO, &[][..]), |revision| (revision.serial, &revision.data[..]));
    let mut to = state::references(root);
    let new: Vec<Oid> = made.filter(|oid| !to.contains(oid)).collect();
    to.extend(&new);
    let data = state::record(Class::Thing, (attempt, ROOT), value(root) + 1, 0, &to);
    (!new.is_empty()).then_some(Operation::Store { oid: ROOT, serial, data })
}

/// Bytes of a blob, piece by piece; or something that went wrong with it.
pub type Pieces = VecDeque<Result<Bytes, String>>;

/// The blob that a transaction stores, as it is read from wherever its program has it.
pub fn pieces(attempt: Attempt, oid: Oid, rng: &mut Rng) -> Pieces {
    let len = match rng.below(40) {
        0..6 => 0,
        6 | 7 => 50_000 << (1 + rng.below(5)),
        _ => 1 + rng.below(3_000),
    };
    let mut blob = state::blob(attempt, oid, len as usize);
    let mut pieces = Pieces::new();
    while !blob.is_empty() {
        let piece = if rng.chance(1, 2) { blob.len() as u64 } else { 1 + rng.below(blob.len() as u64) };
        pieces.push_back(Ok(blob.split_to(piece as usize)));
    }
    if rng.chance(1, 20) {
        pieces.push_back(Err("the file is gone".to_owned()));
    }
    pieces
}

/// An object that only this transaction makes.
pub fn own(attempt: Attempt, n: u64) -> Oid {
    Oid(OWN * (attempt.client.0 as u64 + 1) + OWN_EACH * attempt.number + n)
}

/// Whether an object has a blob in all its revisions.
pub fn has_blob(oid: Oid) -> bool {
    BLOBS.contains(&oid.0) || (is_own(oid) && oid.0 % OWN_EACH >= OWN_BLOB)
}

/// Whether its changes can be merged with others', as the counter's can.
pub fn can_merge(oid: Oid) -> bool {
    oid != ROOT && !has_blob(oid)
}

/// Whether nothing refers to an object that is one's own.
pub fn is_loose(oid: Oid) -> bool {
    is_own(oid) && oid.0 % OWN_EACH != OWN_NODE
}

/// Whether it is such an object.
pub fn is_own(oid: Oid) -> bool {
    oid >= Oid(OWN)
}

/// Whether it is one of the objects whose changes depend on one another's revisions.
pub fn is_node(oid: Oid) -> bool {
    GRAPH.contains(&oid.0)
}

/// Whether the state before can come back: there was one.
pub fn has_past(data: &[u8]) -> bool {
    value(data) > 1
}

/// A state that a transaction gives an object.
pub fn state(attempt: Attempt, oid: Oid, value: u64, padding: usize) -> Bytes {
    state::record(Class::Thing, (attempt, oid), value, padding, &[])
}

/// What a state says of itself; `None` in what is none.
pub fn seen(data: &[u8]) -> Option<State> {
    Attempt::of(data).map(|writer| State { writer, value: value(data) })
}

/// Both counted.
pub fn merged(attempt: Attempt, merge: &Merge) -> Bytes {
    let counted = value(&merge.conflict.data).wrapping_sub(value(&merge.old));
    state(attempt, merge.conflict.oid, value(&merge.committed).wrapping_add(counted), 0)
}
