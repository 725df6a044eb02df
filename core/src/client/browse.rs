//! Looking around in a storage: history, undo log, iterations, the server's state; and packing.

use super::desk::Desk;
use super::fault::Fault;
use super::link::Link;
use super::purpose::Purpose;
use super::{
    Answer, Call, CopiedRecord, CopiedTransaction, Error, IterationId, NextRecord, PastRevision,
    PastTransaction, Ticket,
};
use crate::limits;
use crate::wire::call::{IteratorId, Request};
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use crate::wire::results::{HistoryEntry, IteratedTransaction, UndoEntry};
use crate::wire::tree::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a caller looks for.
#[derive(Debug)]
enum Looking {
    History,
    UndoLog,
    Pack,
    Status,
    NextRecord,
    Passed,
    Iterate,
    /// The next transaction of this iteration.
    Transaction(IterationId),
    /// The name of the iteration over the transaction's records.
    Records(IterationId, Box<CopiedTransaction>),
    /// The next record.
    Record(IterationId, Box<CopiedTransaction>, Records),
}

/// The records of a transaction, as far as they came.
#[derive(Clone, Copy, Debug)]
struct Records {
    /// The server's name for the iteration over them.
    iterator: IteratorId,
    /// Bytes of their states.
    bytes: usize,
}

/// How a step ends.
enum Step {
    Done(Result<Answer, Error>),
    Next(Looking),
}

/// Callers that look around.
#[derive(Debug, Default)]
pub(super) struct Browse {
    under_way: BTreeMap<Ticket, Looking>,
    /// Iterations that the server keeps.
    iterations: BTreeSet<IterationId>,
}

impl Browse {
    /// Questions that are not answered.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Iterations that were not ended.
    pub(super) fn iterations(&self) -> usize {
        self.iterations.len()
    }

    /// Sends a question.
    pub(super) fn ask(&mut self, desk: &mut Desk, link: &mut Link, ticket: Ticket, call: Call) {
        let looking = match &call {
            Call::History { .. } => Looking::History,
            Call::UndoLog { .. } => Looking::UndoLog,
            Call::Pack { time } if !time.is_finite() => {
                let error = RemoteError::Value("the time of a pack is a finite number".to_owned());
                return desk.answer(ticket, Err(Error::Refused(error)));
            }
            Call::Pack { .. } => Looking::Pack,
            Call::Status => Looking::Status,
            Call::NextRecord { .. } => Looking::NextRecord,
            Call::Pass(_) => Looking::Passed,
            Call::Iterate { .. } if self.iterations.len() >= limits::ITERATIONS => {
                return desk.answer(ticket, Err(Error::Limit("iterations")));
            }
            Call::Iterate { .. } => Looking::Iterate,
            Call::IterateNext(iteration) => match self.find(link, *iteration) {
                Ok(()) => Looking::Transaction(*iteration),
                Err(error) => return desk.answer(ticket, Err(error)),
            },
            Call::IterateEnd(iteration) => {
                let found = self.find(link, *iteration);
                self.iterations.remove(iteration);
                let ended = match found {
                    Ok(()) => {
                        link.tell(&Request::IteratorGc(vec![IteratorId(iteration.number)]));
                        Ok(Answer::Done)
                    }
                    // Whoever asked before may not wait any more: it is ended when that is answered.
                    Err(Error::Limit(_)) => Ok(Answer::Done),
                    Err(error) => Err(error),
                };
                return desk.answer(ticket, ended);
            }
            _ => unreachable!("no question of this kind"),
        };
        let request = match call {
            Call::History { oid, count } => Request::History { oid: Some(oid), size: count.into() },
            Call::UndoLog { first, last } => Request::UndoLog { first: first.into(), last: last.into() },
            Call::Pack { time } => Request::Pack { time, wait: true },
            Call::Iterate { start, stop } => Request::IteratorStart { start, stop },
            Call::IterateNext(iteration) => Request::IteratorNext(IteratorId(iteration.number)),
            Call::NextRecord { oid } => Request::RecordIternext(oid),
            Call::Pass(request) => *request,
            _ => Request::ServerStatus,
        };
        link.call(desk, Purpose::Browse(ticket), &request);
        self.under_way.insert(ticket, looking);
    }

    /// Whether an iteration can be asked for its next transaction: it is of this connection, and not busy.
    fn find(&self, link: &Link, iteration: IterationId) -> Result<(), Error> {
        if iteration.conn != link.conn {
            return Err(Error::Lost("an iteration ends with its connection".to_owned()));
        }
        if !self.iterations.contains(&iteration) {
            return Err(Error::NoIteration);
        }
        let busy = |looking: &Looking| match looking {
            Looking::Transaction(other) | Looking::Records(other, _) | Looking::Record(other, ..) => {
                *other == iteration
            }
            _ => false,
        };
        if self.under_way.values().any(busy) {
            return Err(Error::Limit("questions to one iteration"));
        }
        Ok(())
    }

    /// The answer to a question, or to a step of it.
    ///
    /// # Errors
    /// When it has another shape than the method has.
    pub(super) fn on_reply(
        &mut self,
        desk: &mut Desk,
        link: &mut Link,
        ticket: Ticket,
        result: Result<Value<'_>, RemoteError>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let looking = self.under_way.get_mut(&ticket).expect("a question under way");
        let step = match result {
            Ok(value) => looking.take(link, value, frame)?,
            Err(error) => Step::Done(Err(Error::of(error))),
        };
        match step {
            Step::Done(answer) => {
                let looking = self.under_way.remove(&ticket).expect("just seen");
                match &answer {
                    Ok(Answer::Iteration(iteration)) if desk.is_open(ticket) => {
                        self.iterations.insert(*iteration);
                    }
                    Ok(Answer::Iteration(iteration)) => {
                        mark!("nobody waits any more for an iteration that began");
                        link.tell(&Request::IteratorGc(vec![IteratorId(iteration.number)]));
                    }
                    // At its end the server has forgotten it.
                    Ok(Answer::Transaction(None)) => {
                        looking.iteration().map(|iteration| self.iterations.remove(&iteration));
                    }
                    Ok(Answer::Transaction(Some(_))) => {
                        let ended = looking.iteration().filter(|it| !self.iterations.contains(it));
                        if let Some(iteration) = ended {
                            mark!("an iteration is ended after the question that was under way");
                            link.tell(&Request::IteratorGc(vec![IteratorId(iteration.number)]));
                        }
                    }
                    // Nobody knows where it stands.
                    Err(_) => {
                        looking.iteration().map(|iteration| self.iterations.remove(&iteration));
                        let open = looking.open();
                        if !open.is_empty() {
                            link.tell(&Request::IteratorGc(open));
                        }
                    }
                    Ok(_) => {}
                }
                desk.answer(ticket, answer);
            }
            Step::Next(next) => {
                let request = match &next {
                    Looking::Records(iteration, txn) => {
                        Request::IteratorRecordStart { iterator: IteratorId(iteration.number), tid: txn.tid }
                    }
                    Looking::Record(_, _, records) => Request::IteratorRecordNext(records.iterator),
                    _ => unreachable!("only a transaction takes several steps"),
                };
                link.call(desk, Purpose::Browse(ticket), &request);
                self.under_way.insert(ticket, next);
            }
        }
        Ok(())
    }

    /// The connection is over, and all iterations with it.
    pub(super) fn on_lost(&mut self, desk: &mut Desk, fault: &Fault) {
        self.iterations.clear();
        for ticket in std::mem::take(&mut self.under_way).into_keys() {
            desk.answer(ticket, Err(fault.lost()));
        }
    }
}

impl Looking {
    /// What the server keeps for it.
    fn open(&self) -> Vec<IteratorId> {
        let records = if let Looking::Record(_, _, records) = self { Some(records.iterator) } else { None };
        self.iteration().map(|iteration| IteratorId(iteration.number)).into_iter().chain(records).collect()
    }

    fn iteration(&self) -> Option<IterationId> {
        match self {
            Looking::Transaction(iteration)
            | Looking::Records(iteration, _)
            | Looking::Record(iteration, ..) => Some(*iteration),
            _ => None,
        }
    }

    /// Takes a result, and what was collected so far.
    fn take(&mut self, link: &Link, value: Value<'_>, frame: &Frame<'_>) -> Result<Step, Fault> {
        let wrong = Fault::result;
        let answer = match self {
            Looking::History => {
                let entries = value.history().ok_or_else(|| wrong("history", "list of revisions"))?;
                Answer::History(entries.into_iter().map(past_revision).collect())
            }
            Looking::UndoLog => {
                let entries = value.undo_log().ok_or_else(|| wrong("undoLog", "list of transactions"))?;
                Answer::UndoLog(entries.into_iter().map(past_transaction).collect())
            }
            Looking::Pack => Answer::Done,
            Looking::Passed => {
                let owned = value.to_owned().map_err(|why| {
                    Error::Refused(RemoteError::Storage(format!("the answer cannot be handed on: {why}")))
                });
                return Ok(Step::Done(owned.map(Answer::Passed)));
            }
            Looking::Status => {
                Answer::Status(value.status().ok_or_else(|| wrong("server_status", "dictionary"))?)
            }
            Looking::NextRecord => {
                let record = value.record().ok_or_else(|| wrong("record_iternext", "record"))?;
                Answer::Record(NextRecord {
                    oid: record.oid,
                    serial: record.tid,
                    data: frame.share(record.data),
                    next: record.next,
                })
            }
            Looking::Iterate => {
                let number = value.as_int().ok_or_else(|| wrong("iterator_start", "number"))?;
                Answer::Iteration(IterationId { conn: link.conn, number })
            }
            Looking::Transaction(_) if value.is_none() => Answer::Transaction(None),
            Looking::Transaction(iteration) => {
                let txn = value.iterated_transaction();
                let txn = txn.ok_or_else(|| wrong("iterator_next", "transaction"))?;
                return Ok(Step::Next(Looking::Records(
                    *iteration,
                    Box::new(copied_transaction(txn, frame)),
                )));
            }
            Looking::Records(iteration, txn) => {
                let number = value.as_int().ok_or_else(|| wrong("iterator_record_start", "number"))?;
                let txn = std::mem::take(txn);
                return Ok(Step::Next(Looking::Record(
                    *iteration,
                    txn,
                    Records { iterator: IteratorId(number), bytes: 0 },
                )));
            }
            Looking::Record(_, txn, _) if value.is_none() => Answer::Transaction(Some(std::mem::take(txn))),
            Looking::Record(iteration, txn, records) => {
                let record = value.iterated_record();
                let record = record.ok_or_else(|| wrong("iterator_record_next", "record"))?;
                let mut txn = std::mem::take(txn);
                txn.records.push(CopiedRecord {
                    oid: record.oid,
                    serial: record.tid,
                    data: record.data.map(|data| frame.share(data)),
                    same_as: record.data_txn,
                });
                let bytes = records.bytes + record.data.map_or(0, <[u8]>::len);
                if txn.records.len() > limits::TRANSACTION_OBJECTS || bytes > limits::TRANSACTION {
                    return Ok(Step::Done(Err(Error::Limit("bytes in one transaction"))));
                }
                return Ok(Step::Next(Looking::Record(*iteration, txn, Records { bytes, ..*records })));
            }
        };
        Ok(Step::Done(Ok(answer)))
    }
}

fn past_revision(entry: HistoryEntry<'_>) -> PastRevision {
    PastRevision {
        tid: entry.tid,
        size: entry.size,
        user: entry.user.to_vec(),
        description: entry.description.to_vec(),
        extension: entry.extension,
    }
}

fn past_transaction(entry: UndoEntry<'_>) -> PastTransaction {
    PastTransaction {
        tid: entry.tid,
        time: entry.time,
        user: entry.user.to_vec(),
        description: entry.description.to_vec(),
        extension: entry.extension,
    }
}

fn copied_transaction(entry: IteratedTransaction<'_>, frame: &Frame<'_>) -> CopiedTransaction {
    CopiedTransaction {
        tid: entry.tid,
        status: entry.status,
        user: frame.share(entry.user),
        description: frame.share(entry.description),
        extension: entry.extension.into(),
        records: Vec::new(),
    }
}
