//! Compares the log with its checksums.
//!
//! What lies before the last batch was durable and may have been acknowledged: a mismatch there is damage, and stays.
//! In the last batch the first mismatch is where a crash cut the writing off: nothing from there on was acknowledged.

use crate::limits;
use crate::store::file::format::{Broken, Damaged};
use crate::store::file::lockfile::Nonce;
use crate::store::file::open::sums::Located;
use crate::store::file::sidecar::Entry;
use crate::store::file::view::{Need, View, Walk};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// A log that was compared with its sidecar.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) nonce: Nonce,
    /// Where the acknowledged part of the log ends.
    pub(super) end: u64,
    /// Entries of the sidecar that belong to it.
    pub(super) entries: u64,
    /// What of it differs from what was written.
    pub(super) damaged: Vec<Range<u64>>,
}

/// The comparison.
pub(super) struct Verify {
    nonce: Nonce,
    /// Where the next transaction starts; everything before is as it was written, or listed as damaged.
    at: u64,
    last_batch: u64,
    entries: VecDeque<Option<Entry>>,
    summing: Option<Summing>,
    /// Number of the sidecar's entry for the transaction at `at`.
    number: u64,
    /// Entries in the sidecar.
    total: u64,
    damaged: Vec<Range<u64>>,
}

struct Summing {
    entry: Entry,
    at: u64,
    sum: Xxh3,
}

#[derive(Debug)]
pub(super) enum Found {
    /// The transaction that an entry speaks of stands where it should.
    Same(Entry),
    /// Some of its bytes.
    Piece(Bytes),
    /// The entry is lost, but the transaction was durable: on to the next.
    Unknown {
        /// Where that starts.
        next: u64,
    },
    /// It goes no further.
    Over(Verdict),
}

/// How the comparison goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With more entries of the sidecar.
    More,
    /// Nothing of what follows was acknowledged.
    End,
    /// Not at all: durable transactions of the sidecar are not those of the log.
    Foreign(Damaged),
}

impl fmt::Debug for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Verify {
    /// Compares from a place in the sidecar on.
    pub(super) fn new(located: &Located) -> Verify {
        Verify {
            nonce: located.nonce,
            at: located.start,
            last_batch: located.last_batch,
            entries: VecDeque::new(),
            summing: None,
            number: located.first,
            total: located.entries,
            damaged: Vec::new(),
        }
    }

    /// Goes on with these entries.
    pub(super) fn feed(&mut self, entries: Vec<Option<Entry>>) {
        assert!(self.entries.is_empty(), "entries are read when there are none left");
        self.entries = entries.into();
    }

    /// The result so far.
    pub(super) fn finish(self) -> Verified {
        Verified { nonce: self.nonce, end: self.at, entries: self.number, damaged: self.damaged }
    }

    /// The numbers of the entries that were not looked at yet.
    pub(super) fn unread(&self) -> Range<u64> {
        self.number..self.total
    }

    /// Of the sidecar.
    pub(super) fn nonce(&self) -> Nonce {
        self.nonce
    }

    fn acknowledged(&self) -> bool {
        self.at < self.last_batch
    }

    fn mismatch(&self) -> Found {
        mark!("a checksum is not for what stands there");
        let foreign = Verdict::Foreign(Damaged { at: self.at, what: Broken::OtherLog });
        Found::Over(if self.acknowledged() { foreign } else { Verdict::End })
    }

    fn go_to(&mut self, at: u64) {
        self.at = at;
        self.number += 1;
        self.entries.pop_front();
    }

    fn compare(&mut self, entry: Entry, sum: u64) -> Option<Verdict> {
        if sum != entry.sum {
            if !self.acknowledged() {
                mark!("a transaction was never acknowledged");
                return Some(Verdict::End);
            }
            mark!("an acknowledged transaction is damaged");
            self.damaged.push(entry.offset..entry.end());
        }
        self.go_to(entry.end());
        None
    }
}

impl Walk for Verify {
    type Found = Found;
    type Answer = Verdict;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        if let Some(summing) = &self.summing {
            let rest = usize::try_from(summing.entry.end() - summing.at).unwrap_or(usize::MAX);
            return Ok(Found::Piece(log.some_bytes(summing.at, rest.min(limits::SCAN_CHUNK))?));
        }
        let entry = match self.entries.front() {
            Some(entry) => *entry,
            None => return Ok(Found::Over(Verdict::More)),
        };
        let header = match log.txn_header(self.at) {
            Ok(header) => header,
            Err(Need::Damaged(_)) => return Ok(self.mismatch()),
            Err(need) => return Err(need),
        };
        let next = self.at.saturating_add(header.stride());
        if next > log.end() {
            return Ok(self.mismatch());
        }
        Ok(match entry {
            Some(entry) if entry.offset == self.at && entry.end() == next && entry.tid == header.tid => {
                Found::Same(entry)
            }
            None if self.acknowledged() => Found::Unknown { next },
            Some(_) | None => self.mismatch(),
        })
    }

    fn take(&mut self, found: Found) -> Option<Verdict> {
        match found {
            Found::Same(entry) => self.summing = Some(Summing { entry, at: entry.offset, sum: Xxh3::new() }),
            Found::Piece(bytes) => {
                let summing = self.summing.as_mut().expect("a piece was looked for");
                summing.sum.update(&bytes);
                summing.at += bytes.len() as u64;
                if summing.at == summing.entry.end() {
                    let (entry, sum) = (summing.entry, summing.sum.digest());
                    self.summing = None;
                    return self.compare(entry, sum);
                }
            }
            Found::Unknown { next } => self.go_to(next),
            Found::Over(verdict) => return Some(verdict),
        }
        None
    }
}
