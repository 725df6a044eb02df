//! The memo of a pickle: values kept under numbers.

use crate::limits;
use crate::wire::Malformed;
use std::collections::BTreeMap;

/// How far beyond the last number the next may lie to stay in the row. Pickles number without gaps; what does not is
/// kept in a tree, so that no number costs more than its entry.
const GAP: usize = 64;

/// Values by number, at most so many.
#[derive(Debug)]
pub(crate) struct Memo<T> {
    row: Vec<Option<T>>,
    far: BTreeMap<u32, T>,
    count: usize,
    limit: usize,
}

impl<T> Default for Memo<T> {
    /// A memo of at most [`limits::MEMO`] values.
    fn default() -> Memo<T> {
        Memo::bounded(limits::MEMO)
    }
}

impl<T> Memo<T> {
    /// A memo of at most `limit` values.
    pub(crate) fn bounded(limit: usize) -> Memo<T> {
        Memo { row: Vec::new(), far: BTreeMap::new(), count: 0, limit }
    }
}

impl<T: Copy> Memo<T> {
    /// Forgets everything.
    pub(in crate::wire) fn clear(&mut self) {
        self.row.clear();
        self.row.shrink_to(1 << 14);
        self.far.clear();
        self.count = 0;
    }

    /// Keeps a value under a number, in place of any other.
    pub(crate) fn put(&mut self, number: u32, value: T) -> Result<(), Malformed> {
        let at = number as usize;
        let before = if at < self.limit && at < self.row.len() + GAP {
            if at >= self.row.len() {
                self.row.resize(at + 1, None);
            }
            self.row[at].replace(value).or_else(|| self.far.remove(&number))
        } else {
            self.far.insert(number, value)
        };
        if before.is_none() {
            self.count += 1;
            if self.count > self.limit {
                return Err(Malformed::Limit("memo entries"));
            }
        }
        Ok(())
    }

    /// Keeps a value under the number of entries, as protocol 4 does.
    pub(crate) fn put_next(&mut self, value: T) -> Result<(), Malformed> {
        self.put(self.count as u32, value)
    }

    /// The value under a number.
    pub(crate) fn find(&self, number: u32) -> Option<T> {
        match self.row.get(number as usize) {
            Some(Some(value)) => Some(*value),
            _ => self.far.get(&number).copied(),
        }
    }
}
