//! Questions that wait for a connection.

use super::{Call, Ticket};
use crate::time::Instant;
use std::collections::BTreeMap;

/// A question that waits.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) ticket: Ticket,
    /// How long.
    pub(super) until: Instant,
    pub(super) call: Call,
}

/// Questions that wait, by the time they wait for, then in the order they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    questions: BTreeMap<(Instant, u64), (Ticket, Call)>,
    asked: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, Question { ticket, until, call }: Question) {
        self.asked += 1;
        self.questions.insert((until, self.asked), (ticket, call));
    }

    pub(super) fn len(&self) -> usize {
        self.questions.len()
    }

    /// When the first gives up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.questions.first_key_value().map(|((until, _), _)| *until)
    }

    /// The first, if it has waited long enough.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Question> {
        if self.deadline()? > now { None } else { self.pop() }
    }

    /// The first.
    pub(super) fn pop(&mut self) -> Option<Question> {
        let ((until, _), (ticket, call)) = self.questions.pop_first()?;
        Some(Question { ticket, until, call })
    }
}
