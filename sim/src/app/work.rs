//! What transactions do: a few objects that everybody changes, and new ones.
//!
//! A state is `client.number.oid.value.` and padding: whoever reads it knows whose transaction wrote it.

use crate::history::State;
use crate::ledger::Attempt;
use bytes::Bytes;
use std::collections::BTreeMap;
use zeolith_core::client::{Merge, Operation};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::Rng;
use zeolith_core::store::Revision;

/// Two objects that are kept in step: whoever sees one ahead of the other sees no state of the storage.
const PAIR: [Oid; 2] = [Oid(1), Oid(2)];
/// An object that counts; changes of it can be merged.
const COUNTER: Oid = Oid(3);
/// Objects whose changes depend on one another's revisions.
const GRAPH: std::ops::Range<u64> = 4..9;
/// The first of the objects that one transaction makes.
const OWN: u64 = 1_000_000;

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
    pub fn any(rng: &mut Rng) -> Work {
        match rng.below(10) {
            0..4 => Work::Pair,
            4..7 => Work::Counter,
            7..9 => Work::Graph,
            _ => Work::Bulk,
        }
    }

    /// What it reads first.
    pub fn reads(self, rng: &mut Rng) -> Vec<Oid> {
        match self {
            Work::Pair => PAIR.to_vec(),
            Work::Counter => vec![COUNTER],
            Work::Graph => (0..3).map(|_| Oid(GRAPH.start + rng.below(GRAPH.end - GRAPH.start))).collect(),
            Work::Bulk => vec![any(rng)],
        }
    }

    /// Whether its changes can be merged with others'.
    pub fn merges(self) -> bool {
        self == Work::Counter
    }

    /// What it does, having read this.
    ///
    /// # Errors
    /// What it read cannot be.
    pub fn changes(
        self,
        attempt: Attempt,
        read: &BTreeMap<Oid, Revision>,
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
                checked.map(check).chain([store(changed, value(changed) + 1, padding)]).collect()
            }
            Work::Bulk => {
                if rng.chance(1, 2) {
                    (0..1 + rng.below(20)).map(|n| store(own(attempt, n), n, 0)).collect()
                } else {
                    vec![store(own(attempt, 0), 0, 5_000 + rng.below(15_000))]
                }
            }
        })
    }
}

/// An object that only this transaction makes.
pub fn own(attempt: Attempt, n: u64) -> Oid {
    Oid(OWN * (attempt.client.0 as u64 + 1) + 100 * attempt.number + n)
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
    let mut data = format!("{attempt}.{}.{value}.", oid.0).into_bytes();
    data.resize(data.len() + padding, b'x');
    data.into()
}

/// What a state says of itself; `None` in what is none.
pub fn seen(data: &[u8]) -> Option<State> {
    Attempt::of(data).map(|writer| State { writer, value: value(data) })
}

/// The value in a state; 0 in what is none.
pub fn value(data: &[u8]) -> u64 {
    let part = data.split(|&byte| byte == b'.').nth(3).and_then(|part| std::str::from_utf8(part).ok());
    part.and_then(|part| part.parse().ok()).unwrap_or_default()
}

/// Both counted.
pub fn merged(attempt: Attempt, merge: &Merge) -> Bytes {
    let counted = value(&merge.conflict.data).wrapping_sub(value(&merge.old));
    state(attempt, merge.conflict.oid, value(&merge.committed).wrapping_add(counted), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ClientId;

    #[test]
    fn a_state_tells_its_value_and_who_wrote_it() {
        let attempt = Attempt { client: ClientId(2), number: 7 };
        let state = state(attempt, Oid(3), 41, 5);
        assert_eq!((value(&state), Attempt::of(&state)), (41, Some(attempt)));
        assert_eq!(value(b"something else"), 0);
    }
}
