//! The objects that a measurement loads and changes.

use std::ops::Range;

use zeolith_core::ids::{Oid, Tid};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::wire::call::{Begin, Request, TxnId};

use super::error::Fault;
use super::link::{Link, nonsense};

/// Objects added by one transaction.
const A_TRANSACTION: usize = 100;

/// Everything of a state but its padding: two pickles, as in every record of ZODB, so that whatever reads the records
/// (a pack, fsrefs, an upgrade tool) finds a `PersistentMapping` with one entry.
const HEAD: &[u8] = b"\x80\x03cpersistent.mapping\nPersistentMapping\n.\
    \x80\x03}X\x04\0\0\0data}X\x05\0\0\0benchB";
const TAIL: &[u8] = b"ss.";

/// The smallest state that can be made.
pub const SMALLEST: usize = HEAD.len() + 4 + TAIL.len();

/// A state of exactly `size` bytes. Its padding cannot be compressed: some storages do.
///
/// # Panics
/// When `size` is below [`SMALLEST`].
pub fn state(size: usize) -> Vec<u8> {
    let padding = size - SMALLEST;
    let mut state = Vec::with_capacity(size);
    state.extend_from_slice(HEAD);
    state.extend_from_slice(&u32::try_from(padding).expect("objects below 4 GiB").to_le_bytes());
    let mut rng = Rng::new(Seed(size as u64));
    while state.len() < size - TAIL.len() {
        let left = size - TAIL.len() - state.len();
        state.extend_from_slice(&rng.next_u64().to_le_bytes()[..left.min(8)]);
    }
    state.extend_from_slice(TAIL);
    state
}

/// The objects of one server.
#[derive(Debug)]
pub struct Objects {
    /// What every store writes.
    pub state: Vec<u8>,
    oids: Vec<Oid>,
    /// The last transaction of ours that changed each.
    serials: Vec<Tid>,
}

impl Objects {
    /// Adds `count` objects of `size` bytes at new oids, and reads the first one back.
    ///
    /// # Errors
    /// [`Fault`], also when the server gives back something else.
    pub fn add(link: &mut Link, count: usize, size: usize) -> Result<Objects, Fault> {
        let mut objects = Objects { state: state(size), oids: Vec::new(), serials: Vec::new() };
        while objects.oids.len() < count {
            let wanted = (count - objects.oids.len()).min(A_TRANSACTION);
            let mut oids = link.call(&Request::NewOids(A_TRANSACTION as i64), |oids| oids.oids())?;
            if oids.is_empty() {
                return Err(nonsense("new_oids returns none"));
            }
            oids.truncate(wanted);
            let txn = TxnId(objects.oids.len() as i64 + 1);
            link.tell(&begin(txn));
            for &oid in &oids {
                link.tell(&Request::Storea { oid, serial: Tid::ZERO, data: &objects.state, txn });
            }
            let clean = link.call(&Request::Vote(txn), |vote| {
                Some(vote.conflicts().is_none_or(|found| found.is_empty()))
            })?;
            if !clean {
                return Err(nonsense("new objects conflict"));
            }
            let tid = link.call(&Request::TpcFinish(txn), |tid| tid.as_tid())?;
            objects.serials.resize(objects.oids.len() + oids.len(), tid);
            objects.oids.append(&mut oids);
        }
        let first = Request::LoadBefore(objects.oids[0], Tid::MAX);
        let same = link.call(&first, |revision| Some(revision.revision()?.0 == objects.state))?;
        if !same {
            return Err(nonsense("an object is not loaded as it was stored"));
        }
        Ok(objects)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.oids.len()
    }

    /// The lowest and the highest oid.
    pub fn span(&self) -> (Oid, Oid) {
        let lowest = self.oids.iter().min().expect("there is an object");
        (*lowest, *self.oids.iter().max().expect("there is an object"))
    }

    /// The object at a place.
    pub fn oid(&self, at: usize) -> Oid {
        self.oids[at]
    }

    /// The last known serial of the object at a place.
    pub fn serial(&self, at: usize) -> Tid {
        self.serials[at]
    }

    /// A transaction changed the objects at these places.
    pub fn committed(&mut self, places: Range<usize>, tid: Tid) {
        // With contended objects an older finish may be heard of after a newer conflict.
        self.serials[places].iter_mut().for_each(|serial| *serial = tid.max(*serial));
    }

    /// The share of one of `among` connections.
    pub fn share(&self, index: usize, among: usize) -> Range<usize> {
        index * self.len() / among..(index + 1) * self.len() / among
    }
}

/// The begin of a transaction.
pub fn begin(txn: TxnId) -> Request<'static> {
    let extension = Vec::new();
    Request::TpcBegin(Begin {
        txn,
        user: b"",
        description: b"zeolith bench",
        extension,
        tid: None,
        status: b' ',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_the_size_that_was_asked_for() {
        for size in [SMALLEST, SMALLEST + 1, 300, 5000] {
            let state = state(size);
            assert_eq!(state.len(), size);
            assert!(state.starts_with(HEAD) && state.ends_with(TAIL));
        }
    }

    #[test]
    fn shares_are_apart_and_together_everything() {
        let objects = Objects { state: Vec::new(), oids: vec![Oid(1); 100], serials: vec![Tid::ZERO; 100] };
        for among in [1, 3, 32, 100] {
            let all: Vec<usize> = (0..among).flat_map(|index| objects.share(index, among)).collect();
            assert_eq!(all, (0..100).collect::<Vec<_>>());
            assert!((0..among).all(|index| objects.share(index, among).len() >= 100 / among));
        }
    }
}
