//! The search for transactions that can be undone, the newest first, as FileStorage's `undoLog` and `undoInfo` go.

use super::names::ReplyTo;
use crate::limits;
use crate::store::{StoreError, TransactionHead};
use crate::wire::call::Specification;
use crate::wire::reply::{Extensions, Room, UndoableTransaction};

/// A transaction that a pack went through; what is before it cannot be undone.
const PACKED: u8 = b'p';

/// What somebody wants to know of them, and what was found so far.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoSearch {
    /// Who asked.
    pub(super) to: ReplyTo,
    /// Places that are passed over.
    first: i64,
    /// Behind the last place that is wanted.
    last: i64,
    /// What a description must have.
    wanted: Specification,
    /// Transactions that have them, so far.
    place: i64,
    found: Vec<UndoableTransaction>,
    bytes: usize,
    room: Room,
}

impl UndoSearch {
    /// From place `first` to before `last`; a negative `last` asks for so many places.
    pub fn new(to: ReplyTo, first: i64, last: i64, wanted: Specification) -> UndoSearch {
        let last = if last < 0 { first.saturating_sub(last) } else { last };
        UndoSearch { to, first, last, wanted, place: 0, found: Vec::new(), bytes: 0, room: Room::default() }
    }

    /// Whether all places are filled.
    pub fn is_full(&self) -> bool {
        self.place >= self.last
    }

    /// Takes the next transaction. Whether the search goes on behind it.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when those that were found take more than [`limits::HISTORY`].
    pub fn take(&mut self, head: TransactionHead) -> Result<bool, StoreError> {
        if head.status == PACKED {
            return Ok(false);
        }
        if head.status == b' ' {
            let strings = head.user.len() + head.description.len() + head.extension.len();
            let mut extensions = Extensions::within(self.to.codec, self.room.clone());
            let (extension, _) = extensions.read(&head.extension);
            let transaction = UndoableTransaction {
                tid: head.tid,
                size: head.size,
                user: head.user,
                description: head.description,
                extension,
            };
            if self.wanted.iter().all(|(key, value)| transaction.has(key, value)) {
                if self.place >= self.first {
                    self.bytes += size_of::<UndoableTransaction>() + strings;
                    if self.bytes > limits::HISTORY {
                        let what = "the undo log is too long for one answer: ask for fewer transactions";
                        return Err(StoreError::TooLarge(what));
                    }
                    self.room = extensions.into_room();
                    self.found.push(transaction);
                }
                self.place += 1;
            }
        }
        Ok(!self.is_full())
    }

    /// What was found, the newest first.
    pub fn into_found(self) -> Vec<UndoableTransaction> {
        self.found
    }
}
