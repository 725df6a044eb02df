//! Loads on their way to the disk and back, and what other walks share with them.
//!
//! A load is planned with the index of one moment. When a commit became visible before its bytes arrived, the object
//! is looked up again: after T is visible, no answer may say that a revision before T is current.

use crate::ids::Oid;
use crate::store::disk::{DiskError, DiskOp, FileId, Span};
use crate::store::file::asked::Asked;
use crate::store::file::book::Book;
use crate::store::file::find::Find;
use crate::store::file::format::{Broken, Damaged};
use crate::store::file::heads::Heads;
use crate::store::file::history::History;
use crate::store::file::load::{Answer, Load, Question};
use crate::store::file::onward::Onward;
use crate::store::file::origin::Origin;
use crate::store::file::targets::Targets;
use crate::store::file::undo::Undo;
use crate::store::file::view::{self, Need, Spans, Walk};
use crate::store::{Current, Outbox, StoreDone, StoreError};
use bytes::Bytes;

/// What a read of the disk is for; travels with it.
#[derive(Debug)]
pub struct Pending<C>(pub(super) Purpose<C>);

impl<C> Pending<C> {
    /// Whether a pack asked.
    pub fn is_for_pack(&self) -> bool {
        matches!(self.0, Purpose::Packing)
    }
}

#[derive(Debug)]
pub(super) enum Purpose<C> {
    Load(Lookup<C>),
    History(Asked<C, History>),
    Head(Box<Asked<C, Heads>>),
    Record(Box<Asked<C, Onward>>),
    Find(Box<Asked<C, Find>>),
    Targets(Box<Asked<C, Targets>>),
    Undo(Box<Asked<C, Undo>>),
    Origin(Box<Asked<C, Origin>>),
    /// The opening of the store, which has one read at a time.
    Opening,
    /// A pack, which has one too.
    Packing,
}

/// The bytes of a walk so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    spans: Spans,
    /// What is being read.
    asked: Span,
}

/// How far a walk came.
pub(super) enum Step<A> {
    /// To its answer.
    Over(A),
    /// To bytes that have to be read.
    Read(Span),
}

impl Reading {
    /// Takes what was read.
    pub(super) fn take(&mut self, result: Result<Bytes, DiskError>) -> Result<(), StoreError> {
        let bytes = result?;
        if bytes.len() != self.asked.len {
            mark!("a read is cut short");
            let at = self.asked.at + bytes.len() as u64;
            return Err(damage(Damaged { at, what: Broken::Ends }));
        }
        self.spans.add(self.asked.at, bytes);
        Ok(())
    }

    /// Walks as far as the bytes at hand reach.
    pub(super) fn walk<W: Walk>(&mut self, walk: &mut W, book: &Book) -> Result<Step<W::Answer>, StoreError> {
        match view::run(walk, &mut self.spans, book.end, &book.damaged) {
            Ok(answer) => Ok(Step::Over(answer)),
            Err(Need::Bytes(span)) => {
                self.asked = span;
                Ok(Step::Read(span))
            }
            Err(Need::Damaged(damaged)) => Err(damage(damaged)),
        }
    }
}

/// A load and its bytes so far.
#[derive(Debug)]
pub(super) struct Lookup<C> {
    context: C,
    load: Load,
    reading: Reading,
    /// The visible end of the log when the index was last asked, and which log that was.
    planned: u64,
    log: u32,
}

impl<C> Lookup<C> {
    /// Starts a load.
    pub(super) fn start(context: C, oid: Oid, question: Question, book: &mut Book, out: &mut Outbox<C>) {
        let Some(origin) = book.index.get(oid) else {
            let absent = match question {
                Question::Current => Answer::Current(Current::Absent),
                Question::Before(_) | Question::Serial(_) | Question::First => Answer::NoObject,
            };
            mark!("an object is unknown");
            return out.done.push_back(done(context, oid, question, Ok(absent)));
        };
        let load = Load::new(oid, question, origin);
        let (planned, log) = (book.end, book.log);
        Lookup { context, load, reading: Reading::default(), planned, log }.pursue(book, out);
    }

    /// Goes on with the bytes that were waited for.
    pub(super) fn resume(
        mut self,
        result: Result<Bytes, DiskError>,
        relook: bool,
        book: &mut Book,
        out: &mut Outbox<C>,
    ) {
        if self.log != book.log {
            mark!("a load starts over since the log was packed");
            return Lookup::start(self.context, self.load.oid(), self.load.question(), book, out);
        }
        match self.reading.take(result) {
            Ok(()) => {
                if relook && self.planned != book.end {
                    mark!("a commit became visible during a load");
                    self.look_up_again(book);
                }
                self.pursue(book, out);
            }
            Err(error) => self.answer(Err(error), out),
        }
    }

    /// Starts the walk over when the object was changed by a commit that became visible meanwhile.
    fn look_up_again(&mut self, book: &Book) {
        self.planned = book.end;
        let entry = book.index.get(self.load.oid()).expect("objects leave the index by a pack only");
        if entry.at != self.load.origin().at {
            mark!("a load starts over since its object was changed");
            self.load.restart(entry);
        }
    }

    /// Walks as far as the bytes at hand reach, then answers or reads on.
    fn pursue(mut self, book: &mut Book, out: &mut Outbox<C>) {
        let result = match self.reading.walk(&mut self.load, book) {
            Ok(Step::Over(answer)) => Ok(answer),
            Ok(Step::Read(span)) => {
                let pending = Pending(Purpose::Load(self));
                return out.disk.push_back(DiskOp::Read { file: FileId::Log, span, pending });
            }
            Err(error) => Err(error),
        };
        let origin = self.load.origin();
        if origin.size.bytes().is_none() && self.load.origin_len() > 0 {
            // From now on the object takes one read.
            mark!("an object takes one read from now on");
            book.index.learn(self.load.oid(), origin.at, self.load.origin_len());
        }
        self.answer(result, out);
    }

    fn answer(self, result: Result<Answer, StoreError>, out: &mut Outbox<C>) {
        out.done.push_back(done(self.context, self.load.oid(), self.load.question(), result));
    }
}

/// The damage of a log as its readers hear of it.
fn damage(damaged: Damaged) -> StoreError {
    StoreError::Damaged { file: "Data.fs", at: damaged.at, what: damaged.what.text() }
}

fn done<C>(context: C, oid: Oid, question: Question, result: Result<Answer, StoreError>) -> StoreDone<C> {
    match question {
        Question::Before(_) => {
            let result = result.and_then(|answer| match answer {
                Answer::Revision(revision) => Ok(Some(revision)),
                Answer::Nothing => Ok(None),
                Answer::NoObject => Err(StoreError::NoObject(oid)),
                Answer::Current(_) | Answer::First(_) => unreachable!("nobody asked for a serial"),
            });
            StoreDone::Loaded { context, oid, result }
        }
        Question::Serial(_) => {
            let result = result.and_then(|answer| match answer {
                Answer::Revision(revision) => Ok(revision.data),
                Answer::Nothing | Answer::NoObject => Err(StoreError::NoObject(oid)),
                Answer::Current(_) | Answer::First(_) => unreachable!("nobody asked for a serial"),
            });
            StoreDone::Data { context, oid, result }
        }
        Question::Current => {
            let result = result.map(|answer| match answer {
                Answer::Current(current) => current,
                other => unreachable!("nobody asked for a revision: {other:?}"),
            });
            StoreDone::Serial { context, oid, result }
        }
        Question::First => {
            let result = result.map(|answer| match answer {
                Answer::First(first) => Some(first),
                Answer::NoObject => None,
                other => unreachable!("nobody asked for another revision: {other:?}"),
            });
            StoreDone::First { context, oid, result }
        }
    }
}
