//! Writing again what stands in the log and may not be on the disk.
//!
//! After a failed sync a system may take what it could not write for written: reads give it, another sync of it succeeds,
//! and a power loss takes it away. Only what is written anew is safe after the next sync. In doubt is what lies behind all
//! that something tells to be durable: one batch after a crash, nothing after a clean end.

use crate::limits;
use crate::store::disk::{DiskError, DiskOp, FileId, Span};
use crate::store::file::lockfile::Nonce;
use crate::store::file::open::sums;
use crate::store::file::read::{Pending, Purpose};
use crate::store::file::sidecar::Entry;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use xxhash_rust::xxh3::Xxh3;

/// The end of a log that may not be on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Where it starts.
    pub(super) from: u64,
    /// Where it, and the log, ends.
    pub(super) upto: u64,
    /// The checksums of its transactions, which are as much in doubt; none where there are no checksums.
    pub(super) entries: Vec<Entry>,
}

impl Doubt {
    /// The end of the sidecar that holds its checksums, of which there are `number` in all: where it starts, and its bytes.
    pub(super) fn sums(&self, nonce: Nonce, number: u64) -> (u64, Bytes) {
        let mut bytes = BytesMut::new();
        self.entries.iter().for_each(|entry| entry.put(nonce, &mut bytes));
        (sums::offset_of(number - self.entries.len() as u64), bytes.freeze())
    }
}

/// The writing, piece by piece.
///
/// The system may let go of what it could not write at any time: what is read again is compared with the checksums once
/// more, lest something else is written than was found good.
pub(super) struct Rewrite {
    at: u64,
    upto: u64,
    entries: VecDeque<Entry>,
    /// Of the first of them, up to `at`.
    sum: Xxh3,
}

impl std::fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewrite").field("at", &self.at).field("upto", &self.upto).finish_non_exhaustive()
    }
}

impl Rewrite {
    pub(super) fn new(doubt: Doubt) -> Rewrite {
        let Doubt { from, upto, entries } = doubt;
        Rewrite { at: from, upto, entries: entries.into(), sum: Xxh3::new() }
    }

    /// Asks for the next piece; false when there is none.
    pub(super) fn go<C>(&self, out: &mut VecDeque<DiskOp<C>>) -> bool {
        if self.at >= self.upto {
            return false;
        }
        // A piece belongs to one checksum at most.
        let end = self.entries.front().map_or(self.upto, |entry| match self.at < entry.offset {
            true => entry.offset,
            false => entry.end(),
        });
        let len = (end - self.at).min(limits::CHECK_CHUNK as u64) as usize;
        let span = Span { at: self.at, len };
        out.push_back(DiskOp::Read { file: FileId::Log, span, pending: Pending(Purpose::Opening) });
        true
    }

    /// Writes a piece where it was read.
    ///
    /// # Errors
    /// The disk's, or that it gives other bytes than before.
    pub(super) fn on_read<C>(
        &mut self,
        result: Result<Bytes, DiskError>,
        out: &mut VecDeque<DiskOp<C>>,
    ) -> Result<(), DiskError> {
        let bytes = result?;
        let changed = || DiskError::Io("what was just read from it is not there any more".into());
        if bytes.is_empty() {
            return Err(changed());
        }
        let at = self.at;
        self.at += bytes.len() as u64;
        if let Some(entry) = self.entries.front().filter(|entry| at >= entry.offset) {
            self.sum.update(&bytes);
            if self.at == entry.end() {
                if self.sum.digest() != entry.sum {
                    mark!("what was to be written again is not there any more");
                    return Err(changed());
                }
                self.sum.reset();
                self.entries.pop_front();
            }
        }
        out.push_back(DiskOp::Write { file: FileId::Log, at, chunks: vec![bytes] });
        Ok(())
    }
}
