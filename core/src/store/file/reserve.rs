//! Room on the disk for what was voted.
//!
//! A vote that was granted must not fail for lack of space, so the blocks are allocated before it is. Allocation runs
//! ahead of the need: most votes find room and ask nobody.

use crate::limits;
use crate::store::disk::{DiskError, DiskOp};
use crate::store::{Outbox, StoreDone, StoreError};
use std::collections::VecDeque;

/// The room that is there, and who has a claim on it.
#[derive(Debug)]
pub(super) struct Reservations<C> {
    /// Where the log ends, batches on their way to the disk included.
    end: u64,
    /// Bytes granted and neither appended nor released yet.
    promised: u64,
    /// The length the log can grow to.
    room: u64,
    /// Votes that wait for the disk, in order.
    waiting: VecDeque<(C, u64)>,
    asked: Option<Asked>,
    /// That was for a log that is not there any more.
    void: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// For all that wait and some more.
    Ahead,
    /// For the first that waits, since there was no room for more.
    Exactly,
    /// For what was promised in another log.
    Again,
}

impl<C> Reservations<C> {
    /// No promises yet, in a log of `end` bytes.
    pub(super) fn new(end: u64) -> Reservations<C> {
        Reservations { end, promised: 0, room: end, waiting: VecDeque::new(), asked: None, void: false }
    }

    /// Promises `bytes` more, at once or when the disk has answered.
    pub(super) fn ask(&mut self, context: C, bytes: u64, out: &mut Outbox<C>) {
        self.waiting.push_back((context, bytes));
        if self.asked.is_some() {
            mark!("a vote waits behind another that waits for room");
            return;
        }
        self.grant(out);
    }

    /// Bytes that were promised, or that somebody waits for.
    pub(super) fn reserved(&self) -> u64 {
        self.waiting.iter().fold(self.promised, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Gives back a promise.
    pub(super) fn release(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// A promise is kept: `bytes` were appended.
    pub(super) fn appended(&mut self, bytes: u64) {
        self.release(bytes);
        self.end += bytes;
    }

    /// Another log takes the place of this one, and ends at `end`: the room for what was promised is asked for there.
    pub(super) fn move_to(&mut self, end: u64, out: &mut Outbox<C>) {
        (self.end, self.room) = (end, end);
        self.void = self.asked.is_some();
        if !self.void && self.promised > 0 {
            self.ask_disk(Asked::Again, out);
        }
    }

    /// Takes the disk's answer.
    pub(super) fn on_reserved(&mut self, upto: u64, result: Result<(), DiskError>, out: &mut Outbox<C>) {
        // None: the store failed meanwhile, and everybody has been told.
        let Some(asked) = self.asked.take() else { return };
        if std::mem::take(&mut self.void) {
            mark!("room was found in a log that was packed since");
            return self.ask_disk(Asked::Again, out);
        }
        match result {
            Ok(()) => self.room = self.room.max(upto),
            // A full disk shows at the append.
            Err(_) if asked == Asked::Again => {}
            Err(DiskError::Full) if asked == Asked::Ahead => return self.ask_disk(Asked::Exactly, out),
            Err(error) => {
                mark!("a vote finds no room on the disk");
                let (context, _) = self.waiting.pop_front().expect("the disk was asked for somebody");
                out.done.push_back(StoreDone::Reserved { context, result: Err(StoreError::Disk(error)) });
                if !self.waiting.is_empty() && !self.first_fits() {
                    // The next may be smaller, but there is no room to run ahead.
                    return self.ask_disk(Asked::Exactly, out);
                }
            }
        }
        self.grant(out);
    }

    /// Refuses all that wait: the store takes no more.
    pub(super) fn fail(&mut self, out: &mut Outbox<C>) {
        self.asked = None;
        for (context, _) in self.waiting.drain(..) {
            out.done.push_back(StoreDone::Reserved { context, result: Err(StoreError::Failed) });
        }
    }

    fn first_fits(&self) -> bool {
        self.waiting.front().is_some_and(|(_, bytes)| self.taken().saturating_add(*bytes) <= self.room)
    }

    fn taken(&self) -> u64 {
        self.end + self.promised
    }

    /// Promises what there is room for, then asks for more if somebody still waits.
    fn grant(&mut self, out: &mut Outbox<C>) {
        while self.first_fits() {
            let (context, bytes) = self.waiting.pop_front().expect("the first one fits");
            self.promised += bytes;
            out.done.push_back(StoreDone::Reserved { context, result: Ok(()) });
        }
        if !self.waiting.is_empty() {
            self.ask_disk(Asked::Ahead, out);
        }
    }

    fn ask_disk(&mut self, asked: Asked, out: &mut Outbox<C>) {
        let first = self.waiting.front().map_or(0, |(_, bytes)| *bytes);
        let more = match asked {
            Asked::Exactly => first,
            Asked::Ahead | Asked::Again => {
                let all = self.waiting.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
                all.saturating_add(limits::RESERVE_AHEAD)
            }
        };
        mark!("the disk is asked for room");
        self.asked = Some(asked);
        out.disk.push_back(DiskOp::Reserve { upto: self.taken().saturating_add(more) });
    }
}

#[cfg(test)]
#[path = "reserve_tests.rs"]
mod tests;
