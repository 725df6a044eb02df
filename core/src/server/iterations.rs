//! The iterations that one client has open.
//!
//! An iteration remembers the tid it is at, and where the store said that it goes on. It tells what was there when it
//! began. Python's clients leave iterations open and say so late, so one too many ends the one that was longest unused.

use super::names::ReplyTo;
use crate::ids::Tid;
use crate::limits;
use crate::store::{Place, RecordsLeft, TransactionHead};
use crate::wire::call::IteratorId;
use crate::wire::remote::RemoteError;
use std::collections::{BTreeMap, VecDeque};

/// All iterations of one client, over transactions and over records.
#[derive(Debug, Default)]
pub(super) struct Iterations {
    open: BTreeMap<IteratorId, Iteration>,
    next: i64,
    /// Counts every use.
    uses: u64,
}

/// What an iteration asks next of the store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Question {
    Transaction { from: Tid, near: Option<Place> },
    Record(RecordsLeft),
}

#[derive(Debug)]
struct Iteration {
    way: Way,
    used: u64,
    /// The store was asked.
    busy: bool,
    /// Calls behind that which the store was asked for.
    waiting: VecDeque<ReplyTo>,
}

#[derive(Debug)]
enum Way {
    Transactions {
        from: Tid,
        upto: Tid,
        near: Option<Place>,
        /// The records of the one that was given last.
        last: Option<RecordsLeft>,
    },
    Records(RecordsLeft),
}

/// What may be done with a call for the next element.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// The store is to be asked.
    Ask(ReplyTo, Question),
    /// An earlier call of the same iteration is not answered yet.
    Wait,
    /// There is no such iteration.
    Unknown(ReplyTo),
}

/// Which kind of element is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Transaction,
    Record,
}

impl Iterations {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Starts on the transactions from `from` up to `upto`.
    pub(super) fn start(&mut self, from: Tid, upto: Tid) -> Result<IteratorId, RemoteError> {
        self.open(Way::Transactions { from, upto, near: None, last: None })
    }

    /// Starts on the records of transaction `tid`, which iteration `id` gave last.
    pub(super) fn start_records(&mut self, id: IteratorId, tid: Tid) -> Result<IteratorId, RemoteError> {
        self.uses += 1;
        let used = self.uses;
        let iteration = self.open.get_mut(&id).ok_or(RemoteError::Key(id.0))?;
        iteration.used = used;
        match iteration.way {
            Way::Transactions { last: Some(left), .. } if left.tid() == tid => self.open(Way::Records(left)),
            Way::Transactions { last: Some(left), .. } => {
                let what = format!("transaction {tid} is not the one that was given last, {}", left.tid());
                Err(RemoteError::Value(what))
            }
            Way::Transactions { last: None, .. } | Way::Records(_) => Err(RemoteError::Key(id.0)),
        }
    }

    fn open(&mut self, way: Way) -> Result<IteratorId, RemoteError> {
        if self.open.len() >= limits::ITERATIONS {
            let idle = self.open.iter().filter(|(_, iteration)| !iteration.busy);
            let Some((&oldest, _)) = idle.min_by_key(|(_, iteration)| iteration.used) else {
                return Err(RemoteError::Storage("too many iterations go on at the same time".into()));
            };
            mark!("an iteration ends since a client has too many");
            self.open.remove(&oldest);
        }
        let id = IteratorId(self.next);
        self.next += 1;
        self.uses += 1;
        let iteration = Iteration { way, used: self.uses, busy: false, waiting: VecDeque::new() };
        self.open.insert(id, iteration);
        Ok(id)
    }

    /// Ends an iteration; gives the calls that waited for it. Does nothing for an unknown one.
    pub(super) fn end(&mut self, id: IteratorId) -> Vec<Next> {
        let waiting = self.open.remove(&id).map(|iteration| iteration.waiting).unwrap_or_default();
        waiting.into_iter().map(Next::Unknown).collect()
    }

    /// Takes a call for the next element.
    pub(super) fn next(&mut self, id: IteratorId, element: Element, to: ReplyTo) -> Next {
        self.uses += 1;
        let Some(iteration) = self.open.get_mut(&id).filter(|iteration| iteration.element() == element)
        else {
            return Next::Unknown(to);
        };
        iteration.used = self.uses;
        if iteration.busy {
            mark!("an iteration is called again before it answered");
            iteration.waiting.push_back(to);
            return Next::Wait;
        }
        iteration.busy = true;
        Next::Ask(to, iteration.question())
    }

    /// Takes the transaction that the store found; gives what of it belongs to the iteration, and the call that waits
    /// behind.
    pub(super) fn on_transaction(
        &mut self,
        id: IteratorId,
        found: Option<TransactionHead>,
    ) -> (Option<TransactionHead>, Vec<Next>) {
        let Some(iteration) = self.open.get_mut(&id) else { return (found, Vec::new()) };
        let Way::Transactions { from, upto, near, last } = &mut iteration.way else {
            unreachable!("an iteration over transactions")
        };
        match found.filter(|head| head.tid <= *upto) {
            None => (None, self.end(id)),
            Some(head) => {
                (*from, *near, *last) =
                    (Tid(head.tid.0.saturating_add(1)), Some(head.behind), Some(head.records));
                (Some(head), self.go_on(id))
            }
        }
    }

    /// Takes what is left behind the record that the store found; gives the call that waits behind.
    pub(super) fn on_record(&mut self, id: IteratorId, left: Option<RecordsLeft>) -> Vec<Next> {
        let Some(iteration) = self.open.get_mut(&id) else { return Vec::new() };
        match left {
            None => self.end(id),
            Some(left) => {
                iteration.way = Way::Records(left);
                self.go_on(id)
            }
        }
    }

    /// The store could not answer: the iteration stays where it is.
    pub(super) fn go_on(&mut self, id: IteratorId) -> Vec<Next> {
        let Some(iteration) = self.open.get_mut(&id) else { return Vec::new() };
        let next = iteration.waiting.pop_front();
        iteration.busy = next.is_some();
        next.map(|to| Next::Ask(to, iteration.question())).into_iter().collect()
    }
}

impl Iteration {
    fn element(&self) -> Element {
        match self.way {
            Way::Transactions { .. } => Element::Transaction,
            Way::Records(_) => Element::Record,
        }
    }

    fn question(&self) -> Question {
        match self.way {
            Way::Transactions { from, near, .. } => Question::Transaction { from, near },
            Way::Records(left) => Question::Record(left),
        }
    }
}
