//! Where in the sidecar the checksums of what is to be checked start.

use crate::store::file::format::{Broken, Damaged};
use crate::store::file::lockfile::Nonce;
use crate::store::file::open::check::Check;
use crate::store::file::sidecar::{ENTRY, Entry, Header};
use crate::store::file::view::{Need, View, Walk, damaged};
use std::ops::Range;

/// Entries read at a time: the log is read again from where it was left.
const ENTRIES: u64 = 8 << 10;

/// The search for the first entry at or behind a position of the log, from the sidecar's end backwards.
#[derive(Debug)]
pub(super) struct Locate {
    nonce: Nonce,
    /// The position.
    from: u64,
    header: Option<Header>,
    /// Entries in front of the search.
    left: u64,
    entries: u64,
    /// Where the last batch starts, once an entry was found.
    last_batch: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Found {
    Header {
        header: Header,
        entries: u64,
    },
    Entry(Option<Entry>),
    /// No entries are left.
    Nothing,
}

/// A place in the sidecar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub(super) nonce: Nonce,
    /// Number of the first entry.
    pub(super) first: u64,
    /// Entries in the sidecar, whole or not.
    pub(super) entries: u64,
    /// Where the transaction of that first entry starts in the log.
    pub(super) start: u64,
    /// Where the last batch that is known of starts: what lies before it was durable.
    pub(super) last_batch: u64,
}

/// Offset of entry `number`.
pub(super) fn offset_of(number: u64) -> u64 {
    (number + 1) * ENTRY as u64
}

impl Locate {
    pub(super) fn new(nonce: Nonce, from: u64) -> Locate {
        Locate { nonce, from, header: None, left: 0, entries: 0, last_batch: None }
    }

    fn located(&self, header: Header, first: u64) -> Located {
        Located {
            nonce: header.nonce,
            first,
            entries: self.entries,
            start: self.from.max(header.base),
            last_batch: self.last_batch.unwrap_or(header.base),
        }
    }

    /// `Err`: the sidecar says nothing about a transaction that starts at `from`.
    fn judge(&mut self, header: Header, entry: Option<Entry>) -> Option<Result<Located, Damaged>> {
        self.left -= 1;
        let entry = entry?;
        self.last_batch.get_or_insert(entry.batch);
        if self.from <= header.base {
            Some(Ok(self.located(header, 0)))
        } else if entry.offset == self.from {
            Some(Ok(self.located(header, self.left)))
        } else if entry.end() == self.from {
            Some(Ok(self.located(header, self.left + 1)))
        } else if entry.offset < self.from {
            Some(Err(Damaged { at: self.from, what: Broken::OtherLog }))
        } else {
            None
        }
    }
}

impl Walk for Locate {
    type Found = Found;
    type Answer = Result<Located, Damaged>;

    fn look(&self, sidecar: &View<'_>) -> Result<Found, Need> {
        let Some(header) = self.header else {
            let bytes = sidecar.slice(0, ENTRY)?.try_into().expect("as many bytes as asked for");
            let Some(header) = Header::parse(bytes) else { return damaged(0, Broken::SumsHeader) };
            if header.nonce != self.nonce {
                return damaged(0, Broken::Nonce);
            }
            return Ok(Found::Header { header, entries: sidecar.end() / ENTRY as u64 - 1 });
        };
        let Some(number) = self.left.checked_sub(1) else { return Ok(Found::Nothing) };
        let bytes = sidecar.slice(offset_of(number), ENTRY)?.try_into().expect("as many bytes as asked for");
        Ok(Found::Entry(Entry::parse(bytes, header.nonce)))
    }

    fn take(&mut self, found: Found) -> Option<Result<Located, Damaged>> {
        match (found, self.header) {
            (Found::Header { header, entries }, _) => {
                self.header = Some(header);
                self.left = entries;
                self.entries = entries;
                None
            }
            (Found::Entry(entry), Some(header)) => self.judge(header, entry),
            (Found::Nothing, Some(header)) if self.from <= header.base => Some(Ok(self.located(header, 0))),
            (Found::Nothing, Some(_)) => Some(Err(Damaged { at: self.from, what: Broken::OtherLog })),
            (Found::Entry(_) | Found::Nothing, None) => unreachable!("the header is read first"),
        }
    }
}

/// Reads the next entries for a check; `None` for those that are not whole.
#[derive(Debug)]
pub(super) struct ReadEntries {
    pub(super) check: Box<Check>,
    nonce: Nonce,
    first: u64,
    count: usize,
}

impl ReadEntries {
    /// Reads `numbers`, or as many of them as are read at a time.
    pub(super) fn new(check: Box<Check>, nonce: Nonce, numbers: Range<u64>) -> ReadEntries {
        let count = (numbers.end - numbers.start).min(ENTRIES) as usize;
        ReadEntries { check, nonce, first: numbers.start, count }
    }
}

impl Walk for ReadEntries {
    type Found = Vec<Option<Entry>>;
    type Answer = Vec<Option<Entry>>;

    fn look(&self, sidecar: &View<'_>) -> Result<Vec<Option<Entry>>, Need> {
        let bytes = sidecar.slice(offset_of(self.first), self.count * ENTRY)?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        Ok(entries.iter().map(|entry| Entry::parse(entry, self.nonce)).collect())
    }

    fn take(&mut self, found: Vec<Option<Entry>>) -> Option<Vec<Option<Entry>>> {
        Some(found)
    }
}
