//! The checksums of a log, entry by entry, while the log is read.

use crate::store::file::format::{NUMBER, TxnHeader};
use crate::store::file::lockfile::Nonce;
use crate::store::file::open::sums::Located;
use crate::store::file::sidecar::Entry;
use crate::store::file::view::{Need, View};
use std::collections::VecDeque;
use std::ops::Range;

/// What the sidecar says of the transactions to come.
#[derive(Debug)]
pub(super) struct Vouch {
    pub(super) nonce: Nonce,
    /// Where the first transaction starts that it speaks of.
    pub(super) start: u64,
    /// What lies before was durable.
    pub(super) durable: u64,
    /// `None` for an entry that is not whole.
    entries: VecDeque<Option<Entry>>,
    /// Number of the next entry.
    pub(super) number: u64,
    total: u64,
}

/// What the sidecar says of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// Not read yet.
    Unread,
    /// Nothing: it ends before.
    Nothing,
    /// That it stood there; the entry itself is lost.
    Lost,
    /// This.
    Entry(Entry),
}

impl Vouch {
    pub(super) fn new(located: &Located) -> Vouch {
        Vouch {
            nonce: located.nonce,
            start: located.start,
            durable: located.last_batch.max(located.start),
            entries: VecDeque::new(),
            number: located.first,
            total: located.entries,
        }
    }

    /// The numbers of the entries that were not read yet.
    pub(super) fn unread(&self) -> Range<u64> {
        self.number + self.entries.len() as u64..self.total
    }

    /// Takes the next entries.
    pub(super) fn feed(&mut self, entries: Vec<Option<Entry>>) {
        self.entries.extend(entries);
    }

    /// What is said of the next transaction. The entry behind it is at hand too, if there is one.
    pub(super) fn next(&self) -> Said {
        if self.entries.len() < 2 && !self.unread().is_empty() {
            return Said::Unread;
        }
        match self.entries.front() {
            None => Said::Nothing,
            Some(None) => Said::Lost,
            Some(Some(entry)) => Said::Entry(*entry),
        }
    }

    /// On to the transaction behind.
    pub(super) fn advance(&mut self) {
        self.entries.pop_front();
        self.number += 1;
    }

    /// Whether what stands at `entry`, and does not begin as it should, is the transaction that was written there,
    /// damaged: then the next one stands where it should. Of the last one, its id or both lengths are left. Else the
    /// sidecar is of another log.
    pub(super) fn is_ours(&self, entry: &Entry, at: u64, log: &View<'_>) -> Result<bool, Need> {
        if entry.offset != at || entry.end() > log.end() {
            return Ok(false);
        }
        let is_at =
            |entry: &Entry, header: &TxnHeader| (header.tid == entry.tid, header.stride() == entry.length);
        let next = self.entries.get(1).copied().flatten();
        if let Some(next) = next.filter(|next| next.offset == entry.end() && next.end() <= log.end()) {
            return Ok(is_at(&next, &log.txn_header(next.offset)?) == (true, true));
        }
        let header = log.txn_header(at)?;
        let repeated = log.number(entry.end() - NUMBER as u64)?;
        let (tid, length) = is_at(entry, &header);
        Ok(tid || length && repeated == header.length && entry.end() == log.end())
    }
}
