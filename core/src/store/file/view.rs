//! Walks: looks over the bytes at hand that name the bytes they miss.
//!
//! Finding something in a log takes dependent reads: where the next one goes is known only from the one before. A
//! [`Walk`] is written as if all bytes were there. Where they are not, `?` leaves it with the span that is missing,
//! somebody fetches that, and the same look runs again.

use crate::store::disk::Span;
use crate::store::file::format::{
    Broken, DATA_HEADER, Damaged, DataHeader, FIRST, NUMBER, TXN_HEADER, TxnHeader, number,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

/// A search in a file, step by step. A step that found something is settled: its bytes may be dropped.
pub trait Walk {
    /// What one step finds.
    type Found;
    /// What the steps are for.
    type Answer;

    /// One step over the bytes at hand. It changes nothing, so it can be run again once what it needs is there.
    fn look(&self, file: &View<'_>) -> Result<Self::Found, Need>;

    /// Moves on by what was found; the only mutation. `None`: look again.
    fn take(&mut self, found: Self::Found) -> Option<Self::Answer>;
}

impl<W: Walk> Walk for Box<W> {
    type Found = W::Found;
    type Answer = W::Answer;

    fn look(&self, file: &View<'_>) -> Result<W::Found, Need> {
        (**self).look(file)
    }

    fn take(&mut self, found: W::Found) -> Option<W::Answer> {
        (**self).take(found)
    }
}

/// Why a look found nothing yet, or never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// These bytes have to be fetched. The span lies within the file, and is not empty.
    Bytes(Span),
    /// What stands there cannot be.
    Damaged(Damaged),
}

impl From<Damaged> for Need {
    fn from(damaged: Damaged) -> Need {
        Need::Damaged(damaged)
    }
}

/// Shorthand for the damage a look ends with.
pub fn damaged<T>(at: u64, what: Broken) -> Result<T, Need> {
    Err(Need::Damaged(Damaged { at, what }))
}

/// Runs `walk` over the `spans` of a file that ends at `end` until it has its answer or misses something.
pub fn run<W: Walk>(
    walk: &mut W,
    spans: &mut Spans,
    end: u64,
    closed: &[Range<u64>],
) -> Result<W::Answer, Need> {
    loop {
        let found = walk.look(&View { spans: &spans.held, end, closed })?;
        spans.settled = true;
        if let Some(answer) = walk.take(found) {
            return Ok(answer);
        }
    }
}

/// The bytes fetched for a walk.
#[derive(Debug, Default)]
pub struct Spans {
    held: SmallVec<[Fetched; 1]>,
    /// A step was made since the last bytes came: what it stood on is not needed by the next.
    settled: bool,
}

#[derive(Debug)]
struct Fetched {
    at: u64,
    bytes: Bytes,
}

impl Spans {
    /// Takes the bytes at `at`, and lets go of what earlier steps needed.
    pub fn add(&mut self, at: u64, bytes: Bytes) {
        if self.settled {
            self.held.clear();
            self.settled = false;
        }
        self.held.push(Fetched { at, bytes });
    }
}

/// A file as far as it was fetched.
#[derive(Debug)]
pub struct View<'a> {
    spans: &'a [Fetched],
    /// Where the file ends for this reader.
    end: u64,
    /// Ranges that are known to be damaged: a look into one ends with the damage.
    closed: &'a [Range<u64>],
}

impl<'a> View<'a> {
    /// Where the file ends.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The `len` bytes at `at`.
    pub fn slice(&self, at: u64, len: usize) -> Result<&'a [u8], Need> {
        self.slice_or(at, len, len)
    }

    /// The `len` bytes at `at`; when they are missing, `guess` bytes are asked for, as far as there are as many.
    pub fn slice_or(&self, at: u64, len: usize, guess: usize) -> Result<&'a [u8], Need> {
        let fetched = self.find(at, len, guess)?;
        let from = (at - fetched.at) as usize;
        Ok(&fetched.bytes[from..from + len])
    }

    /// The `len` bytes at `at`, shared with whoever fetched them.
    pub fn bytes(&self, at: u64, len: usize) -> Result<Bytes, Need> {
        self.bytes_or(at, len, len)
    }

    /// As [`View::bytes`]; when they are missing, `guess` bytes are asked for if that is more.
    pub fn bytes_or(&self, at: u64, len: usize, guess: usize) -> Result<Bytes, Need> {
        let fetched = self.find(at, len, guess.max(len))?;
        let from = (at - fetched.at) as usize;
        Ok(fetched.bytes.slice(from..from + len))
    }

    /// Whatever is there from `at` on, up to `most` bytes and at least one.
    pub fn some(&self, at: u64, most: usize) -> Result<&'a [u8], Need> {
        let (fetched, from) = self.find_longest(at, most)?;
        let rest = &fetched.bytes[from..];
        Ok(&rest[..rest.len().min(most)])
    }

    /// As [`View::some`], shared with whoever fetched the bytes.
    pub fn some_bytes(&self, at: u64, most: usize) -> Result<Bytes, Need> {
        let (fetched, from) = self.find_longest(at, most)?;
        Ok(fetched.bytes.slice(from..fetched.bytes.len().min(from + most)))
    }

    /// The number at `at`.
    pub fn number(&self, at: u64) -> Result<u64, Need> {
        Ok(number(self.slice(at, NUMBER)?, 0))
    }

    /// The transaction header at `at`.
    pub fn txn_header(&self, at: u64) -> Result<TxnHeader, Need> {
        self.txn_header_or(at, TXN_HEADER)
    }

    /// The transaction header at `at`; when it is missing, `guess` bytes are asked for.
    pub fn txn_header_or(&self, at: u64, guess: usize) -> Result<TxnHeader, Need> {
        let bytes = self.slice_or(at, TXN_HEADER, guess)?;
        Ok(TxnHeader::parse(bytes.try_into().expect("as many bytes as asked for")))
    }

    /// The transaction that ends at `end`, and where it starts; found by its repeated length.
    pub fn txn_before(&self, end: u64) -> Result<(u64, TxnHeader), Need> {
        let Some(repeated) = end.checked_sub(NUMBER as u64) else { return damaged(end, Broken::Boundary) };
        let length = self.number(repeated)?;
        let at = repeated.checked_sub(length).filter(|&at| at >= FIRST);
        let Some(at) = at else { return damaged(end, Broken::Boundary) };
        let header = self.txn_header(at)?;
        if header.length != length {
            return damaged(at, Broken::RepeatedLength);
        }
        if header.length < header.records_at() {
            return damaged(at, Broken::TxnHeader);
        }
        Ok((at, header))
    }

    /// The record header at `at`; when it is missing, `guess` bytes are asked for.
    pub fn data_header(&self, at: u64, guess: usize) -> Result<DataHeader, Need> {
        let bytes = self.slice_or(at, DATA_HEADER, guess.max(DATA_HEADER))?;
        DataHeader::parse(bytes.try_into().expect("as many bytes as asked for"))
            .or_else(|what| damaged(at, what))
    }

    /// The span with most of the bytes from `at` on, so that fetching more of them always helps.
    fn find_longest(&self, at: u64, most: usize) -> Result<(&'a Fetched, usize), Need> {
        let first = self.find(at, 1, most)?;
        let covering = self.spans.iter().filter(|fetched| fetched.at <= at);
        let longest = covering.max_by_key(|fetched| fetched.at + fetched.bytes.len() as u64).unwrap_or(first);
        Ok((longest, (at - longest.at) as usize))
    }

    fn find(&self, at: u64, len: usize, guess: usize) -> Result<&'a Fetched, Need> {
        if !self.closed.is_empty() && self.closed.iter().any(|range| range.contains(&at)) {
            return damaged(at, Broken::Checksum);
        }
        let covers = |fetched: &&Fetched| {
            at >= fetched.at
                && (fetched.bytes.len() as u64)
                    .checked_sub(at - fetched.at)
                    .is_some_and(|rest| rest >= len as u64)
        };
        if let Some(fetched) = self.spans.iter().find(covers) {
            return Ok(fetched);
        }
        match self.end.checked_sub(at) {
            Some(rest) if rest >= len as u64 => {
                Err(Need::Bytes(Span { at, len: guess.min(usize::try_from(rest).unwrap_or(usize::MAX)) }))
            }
            _ => damaged(at, Broken::Ends),
        }
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
