//! Disk operations that were asked for and not carried out.

use super::super::Context;
use crate::store::disk::DiskOp;
use std::collections::{BTreeSet, VecDeque};

/// Disk operations a test may hold back. Writes are always carried out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum Hold {
    Reads,
    Syncs,
    Reserves,
    Replaces,
    /// All that is done with blobs.
    Blobs,
    Names,
}

impl Hold {
    fn of<C>(op: &DiskOp<C>) -> Option<Hold> {
        match op {
            DiskOp::Read { .. } => Some(Hold::Reads),
            DiskOp::Sync { .. } => Some(Hold::Syncs),
            DiskOp::Reserve { .. } => Some(Hold::Reserves),
            DiskOp::Replace { .. } => Some(Hold::Replaces),
            DiskOp::Blob(_) => Some(Hold::Blobs),
            DiskOp::Name(_) => Some(Hold::Names),
            DiskOp::Write { .. } | DiskOp::SetLen { .. } | DiskOp::KeepTail { .. } | DiskOp::Free => None,
            DiskOp::Of { .. } => unreachable!("a storage of one file"),
        }
    }
}

/// The operations, in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: BTreeSet<Hold>,
    ops: VecDeque<DiskOp<Context>>,
}

impl Waiting {
    pub(super) fn push(&mut self, op: DiskOp<Context>) {
        self.ops.push_back(op);
    }

    pub(super) fn hold(&mut self, hold: Hold) {
        self.held.insert(hold);
    }

    pub(super) fn let_go(&mut self, hold: Hold) {
        self.held.remove(&hold);
    }

    /// The first operation that nobody holds back.
    pub(super) fn next_free(&mut self) -> Option<DiskOp<Context>> {
        let free = |op: &DiskOp<Context>| Hold::of(op).is_none_or(|hold| !self.held.contains(&hold));
        let at = self.ops.iter().position(free)?;
        self.ops.remove(at)
    }

    pub(super) fn count(&self, hold: Hold) -> usize {
        self.ops.iter().filter(|op| Hold::of(op) == Some(hold)).count()
    }

    /// All operations of a kind.
    pub(super) fn take(&mut self, hold: Hold) -> Vec<DiskOp<Context>> {
        let (taken, rest): (Vec<_>, Vec<_>) = self.ops.drain(..).partition(|op| Hold::of(op) == Some(hold));
        self.ops = rest.into();
        taken
    }
}
