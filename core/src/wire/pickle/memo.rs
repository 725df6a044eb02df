//! The memo of a pickle: values kept under numbers.

use crate::limits;
use crate::wire::Malformed;
use crate::wire::tree::Id;
use std::collections::BTreeMap;

/// How far beyond the last number the next may lie to stay in the row. Pickles number without gaps; what does not is
/// kept in a tree, so that no number costs more than its entry.
const GAP: usize = 64;

/// Values by number, at most [`limits::MEMO`] of them.
#[derive(Debug, Default)]
pub(in crate::wire) struct Memo {
    row: Vec<Option<Id>>,
    far: BTreeMap<u32, Id>,
    count: usize,
}

impl Memo {
    /// Forgets everything.
    pub(in crate::wire) fn clear(&mut self) {
        self.row.clear();
        self.row.shrink_to(1 << 14);
        self.far.clear();
        self.count = 0;
    }

    /// Keeps a value under a number, in place of any other.
    pub(super) fn put(&mut self, number: u32, id: Id) -> Result<(), Malformed> {
        let at = number as usize;
        let before = if at < limits::MEMO && at < self.row.len() + GAP {
            if at >= self.row.len() {
                self.row.resize(at + 1, None);
            }
            self.row[at].replace(id).or_else(|| self.far.remove(&number))
        } else {
            self.far.insert(number, id)
        };
        if before.is_none() {
            self.count += 1;
            if self.count > limits::MEMO {
                return Err(Malformed::Limit("memo entries"));
            }
        }
        Ok(())
    }

    /// Keeps a value under the number of entries, as protocol 4 does.
    pub(super) fn put_next(&mut self, id: Id) -> Result<(), Malformed> {
        self.put(self.count as u32, id)
    }

    /// The value under a number.
    pub(super) fn find(&self, number: u32) -> Option<Id> {
        match self.row.get(number as usize) {
            Some(Some(id)) => Some(*id),
            _ => self.far.get(&number).copied(),
        }
    }
}
