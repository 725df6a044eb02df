//! What a storage knows of an object.

use super::StoreError;
use crate::ids::Tid;
use crate::limits;
use bytes::Bytes;

/// The newest state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Current {
    /// The object was never stored.
    Absent,
    /// It is as transaction `Tid` left it.
    At(Tid),
    /// Its deletion, or the undoing of its creation, by transaction `Tid` is the last that happened to it.
    Deleted(Tid),
}

/// The first revision of an object, which may be a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// The transaction that wrote it.
    pub serial: Tid,
    /// Whether a pack may have removed earlier ones.
    pub packed: bool,
}

/// A revision with the time it was current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The state.
    pub data: Bytes,
    /// The transaction that wrote it.
    pub serial: Tid,
    /// The next transaction that changed the object; `None` while it is current.
    pub until: Option<Tid>,
}

/// A revision in an object's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The transaction that wrote it.
    pub tid: Tid,
    /// Bytes of its state; zero where it has none of its own: a deletion, or the state of an earlier revision.
    pub size: u64,
    /// The transaction's user name.
    pub user: Bytes,
    /// Its description.
    pub description: Bytes,
    /// Its extension dictionary as a pickle, or empty. Nobody has looked at it.
    pub extension: Bytes,
}

/// A history being gathered.
#[derive(Debug)]
pub(super) struct Pasts {
    pub(super) found: Vec<Past>,
    pub(super) count: usize,
    bytes: usize,
}

impl Pasts {
    /// For as many revisions as are asked for.
    pub(super) fn new(count: usize) -> Pasts {
        Pasts { found: Vec::new(), count, bytes: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= self.count
    }

    pub(super) fn add(&mut self, past: Past) -> Result<(), StoreError> {
        let strings = past.user.len() + past.description.len() + past.extension.len();
        self.bytes += size_of::<Past>() + strings;
        if self.bytes > limits::HISTORY {
            return Err(StoreError::TooLarge(
                "the history is too long for one answer: ask for fewer revisions",
            ));
        }
        self.found.push(past);
        Ok(())
    }
}
