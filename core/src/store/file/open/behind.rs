//! What follows the place where a log's structure breaks: is it the rest of a crash, or damage in the middle?
//!
//! A crash leaves the end of a file cut off, or zeros where the file had grown and the data never came. Whole
//! transactions behind the break say that it is damage. They are searched for at every byte, since nobody knows where
//! the next one starts; what looks like one is looked at closely, one after the other.

use crate::ids::Tid;
use crate::limits;
use crate::store::file::format::{
    Broken, DATA_HEADER, Damaged, FIRST, INCOMPLETE, NUMBER, TXN_HEADER, TxnHeader, UNDONE, number,
};
use crate::store::file::open::Tail;
use crate::store::file::open::check::Check;
use crate::store::file::view::{Need, View, Walk};
use std::mem;

/// Bytes of the smallest transaction.
const SMALLEST: u64 = (TXN_HEADER + NUMBER) as u64;
/// Offset of the pointer to its transaction in a record.
const OWNER: u64 = 24;
/// Past every tid that a first transaction may have (the year 2921), and less than any text begins with.
const ABSURD_TID: u64 = 0x20 << 56;
/// Bytes that no transaction has.
const ABSURD_LENGTH: u64 = 1 << 48;

/// The look behind a break.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) check: Box<Check>,
    what: What,
    /// Where the transaction starts that is broken, and the one before it.
    start: u64,
    last: Tid,
    stage: Stage,
}

/// What is broken.
#[derive(Clone, Copy, Debug)]
enum What {
    /// The transaction does not end in the log, or cannot be one.
    Tail(Tail),
    /// It contradicts itself.
    Inside(Damaged),
}

#[derive(Debug)]
enum Stage {
    /// Nothing but zeros so far, up to there.
    Zeros(u64),
    /// Does the log end with the length of the broken transaction?
    End,
    /// No transaction starts before.
    Search(u64),
    /// The first may be one; none of the others starts behind `next`.
    Closely { candidates: Vec<Candidate>, next: u64 },
    /// No transaction follows. Is this the beginning of one?
    Beginning,
}

/// Something that may be a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    start: u64,
    header: TxnHeader,
}

#[derive(Debug)]
pub(super) enum Found {
    Zeros(usize),
    SomethingElse,
    Candidates { candidates: Vec<Candidate>, next: u64 },
    Refuted,
    NoneFollows,
    Over(Rest),
}

/// What a break is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Where the log ends.
    Tail(Tail),
    /// Damage.
    Damaged(Damaged),
    /// The start of a file that holds no transaction at all, and is no Data.fs.
    Foreign,
}

impl Behind {
    /// Looks behind what seems to be a tail.
    pub(super) fn tail(check: Box<Check>, tail: Tail) -> Behind {
        let start = check.boundary();
        Behind { last: check.last(), check, what: What::Tail(tail), start, stage: Stage::Zeros(start) }
    }

    /// Looks behind what contradicts itself.
    pub(super) fn damage(check: Box<Check>, damaged: Damaged) -> Behind {
        let stage = Stage::Zeros(first_zero(damaged));
        Behind { start: check.boundary(), last: check.last(), check, what: What::Inside(damaged), stage }
    }

    fn damaged(&self, what: Broken) -> Found {
        Found::Over(Rest::Damaged(Damaged { at: self.start, what }))
    }

    fn look_at_zeros(&self, at: u64, log: &View<'_>) -> Result<Found, Need> {
        if at >= log.end() {
            return Ok(match self.what {
                // Not one zero.
                What::Inside(damaged) if at == first_zero(damaged) => Found::Over(Rest::Damaged(damaged)),
                What::Inside(_) | What::Tail(_) => {
                    mark!("a log ends in zeros");
                    Found::Over(Rest::Tail(Tail::Zeros))
                }
            });
        }
        let bytes = chunk(at, log)?;
        Ok(match self.what {
            _ if bytes.iter().all(|&byte| byte == 0) => Found::Zeros(bytes.len()),
            What::Inside(damaged) => Found::Over(Rest::Damaged(damaged)),
            What::Tail(_) => Found::SomethingElse,
        })
    }

    /// A log that ends with the way back to the break ends with a whole transaction whose header is damaged. Where a part
    /// of the header is zero, that part may have been lost in a crash.
    fn look_at_the_end(&self, log: &View<'_>) -> Result<Found, Need> {
        let rest = log.end() - self.start;
        if rest < SMALLEST {
            return Ok(Found::NoneFollows);
        }
        let header = log.txn_header(self.start)?;
        let lost = header.tid == Tid::ZERO || header.status == 0;
        let leads_here = log.number(log.end() - NUMBER as u64)? == rest - NUMBER as u64;
        Ok(if leads_here && !lost { self.damaged(Broken::TxnHeader) } else { Found::SomethingElse })
    }

    /// What may be a transaction in the next bytes.
    fn search(&self, at: u64, log: &View<'_>) -> Result<Found, Need> {
        if log.end().saturating_sub(at) < SMALLEST {
            return Ok(Found::NoneFollows);
        }
        let bytes = chunk(at, log)?;
        let room = log.end() - at - NUMBER as u64;
        let lengths = bytes[NUMBER..].windows(NUMBER).take(bytes.len() - TXN_HEADER + 1);
        let mut candidates = Vec::new();
        for (offset, length) in lengths.enumerate() {
            // Few bytes get any further than this.
            let length = number(length, 0);
            if length.wrapping_sub(TXN_HEADER as u64) >= room {
                continue;
            }
            let header = bytes[offset..offset + TXN_HEADER].try_into().expect("a slice of that length");
            let candidate = Candidate { start: at + offset as u64, header: TxnHeader::parse(header) };
            if candidate.is_sane(self.last, log.end()) && candidate.is_not_refuted_by(at, bytes) {
                candidates.push(candidate);
            }
        }
        Ok(Found::Candidates { candidates, next: at + (bytes.len() - TXN_HEADER + 1) as u64 })
    }

    fn look_closely(&self, candidate: &Candidate, log: &View<'_>) -> Result<Found, Need> {
        for (at, expected) in candidate.numbers() {
            if log.number(at)? != expected {
                return Ok(Found::Refuted);
            }
        }
        Ok(self.damaged(Broken::Followed))
    }

    /// Whether the first transaction, of which there is no whole one, may be what a crash left. Zeros may.
    fn look_at_the_beginning(&self, tail: Tail, log: &View<'_>) -> Result<Found, Need> {
        let there = (log.end() - self.start).min(TXN_HEADER as u64) as usize;
        let mut bytes = [0; TXN_HEADER];
        bytes[..there].copy_from_slice(log.slice(self.start, there)?);
        let header = TxnHeader::parse(&bytes);
        let whole = there == TXN_HEADER;
        let plausible = header.tid.0 < ABSURD_TID
            && header.length < ABSURD_LENGTH
            && (!whole || has_status(&header) && header.length >= header.records_at());
        Ok(Found::Over(if plausible || bytes == [0; TXN_HEADER] { Rest::Tail(tail) } else { Rest::Foreign }))
    }
}

/// From where on there has to be nothing but zeros for a contradiction to be the rest of a crash.
fn first_zero(damaged: Damaged) -> u64 {
    damaged.what.last_number(damaged.at)
}

fn has_status(header: &TxnHeader) -> bool {
    matches!(header.status, b' ' | b'p' | UNDONE | INCOMPLETE)
}

/// The next bytes of a log, in one piece.
fn chunk<'a>(at: u64, log: &View<'a>) -> Result<&'a [u8], Need> {
    log.slice(at, (log.end() - at).min(limits::CHECK_CHUNK as u64) as usize)
}

impl Candidate {
    fn is_sane(&self, last: Tid, end: u64) -> bool {
        let header = &self.header;
        let fits = self.start.saturating_add(header.stride()) <= end;
        let records = header.length.checked_sub(header.records_at());
        let room = records.is_some_and(|records| records == 0 || records >= (DATA_HEADER + NUMBER) as u64);
        fits && room && has_status(header) && header.tid > last && header.tid.0 <= i64::MAX as u64
    }

    /// Where a transaction holds which numbers: its length again, and, in its first record, where it starts. The copy of
    /// another log within an object does not hold the latter.
    fn numbers(&self) -> impl Iterator<Item = (u64, u64)> {
        let records = self.header.records_at();
        let owner = (self.header.length > records).then_some((self.start + records + OWNER, self.start));
        owner.into_iter().chain([(self.start + self.header.length, self.header.length)])
    }

    /// By what lies in the bytes at `at`.
    fn is_not_refuted_by(&self, at: u64, bytes: &[u8]) -> bool {
        self.numbers().all(|(place, expected)| {
            let offset = (place - at) as usize;
            offset + NUMBER > bytes.len() || number(bytes, offset) == expected
        })
    }
}

impl Walk for Behind {
    type Found = Found;
    type Answer = Rest;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.stage {
            Stage::Zeros(at) => self.look_at_zeros(*at, log),
            Stage::End => self.look_at_the_end(log),
            Stage::Search(at) => self.search(*at, log),
            Stage::Closely { candidates, next } => match candidates.last() {
                Some(candidate) => self.look_closely(candidate, log),
                None => Ok(Found::Candidates { candidates: Vec::new(), next: *next }),
            },
            Stage::Beginning => match self.what {
                What::Tail(tail) if self.start == FIRST => self.look_at_the_beginning(tail, log),
                What::Tail(tail) => Ok(Found::Over(Rest::Tail(tail))),
                What::Inside(damaged) => Ok(Found::Over(Rest::Damaged(damaged))),
            },
        }
    }

    fn take(&mut self, found: Found) -> Option<Rest> {
        self.stage = match (found, mem::replace(&mut self.stage, Stage::End)) {
            (Found::Over(rest), _) => return Some(rest),
            (Found::Zeros(zeros), Stage::Zeros(at)) => Stage::Zeros(at + zeros as u64),
            (Found::SomethingElse, Stage::Zeros(_)) => Stage::End,
            (Found::SomethingElse, _) => Stage::Search(self.start + 1),
            (Found::Candidates { candidates, next }, _) if candidates.is_empty() => Stage::Search(next),
            (Found::Candidates { candidates, next }, _) => Stage::Closely { candidates, next },
            (Found::Refuted, Stage::Closely { mut candidates, next }) => {
                candidates.pop();
                Stage::Closely { candidates, next }
            }
            (Found::NoneFollows, _) => Stage::Beginning,
            (Found::Zeros(_) | Found::Refuted, stage) => unreachable!("not looked for in {stage:?}"),
        };
        None
    }
}
