//! The walk of a load: along an object's revisions, newest first, and down the back pointers to its data.
//!
//! What is found, and what is an error, is what FileStorage's `loadBefore`, `loadSerial` and `getTid` say.

use crate::ids::{Oid, Tid};
use crate::limits;
use crate::store::file::format::{Broken, DATA_HEADER, DataHeader, NUMBER};
use crate::store::file::index::Entry;
use crate::store::file::pack::PACKED;
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{Current, First, Revision};

/// What a load wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The revision current just before a tid.
    Before(Tid),
    /// The state a transaction gave the object.
    Serial(Tid),
    /// The serial of the current revision.
    Current,
    /// The first revision.
    First,
}

impl Question {
    /// Whether no more than a serial is asked for.
    fn is_of_serial(self) -> bool {
        matches!(self, Question::Current | Question::First)
    }
}

/// What a load learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `Before` and `Serial`.
    Revision(Revision),
    /// To `Before`: there was none yet.
    Nothing,
    /// To `Before` and `Serial`: no such revision, or it is a deletion.
    NoObject,
    /// To `Current`.
    Current(Current),
    /// To `First`.
    First(First),
}

/// The search for one revision of one object.
#[derive(Debug)]
pub struct Load {
    oid: Oid,
    question: Question,
    /// Where the index said the object is.
    origin: Entry,
    /// The record to look at next.
    at: u64,
    /// The serial of the revision after that at `at`.
    until: Option<Tid>,
    /// The revision that was found, when `at` is only where its data is.
    serial: Option<Tid>,
    /// Length of the record at `origin`, once seen.
    origin_len: u64,
}

/// What one record says.
#[derive(Debug)]
pub enum Found {
    /// The revision is an older one.
    Older {
        /// Where the one before this is.
        prev: u64,
        /// Serial of this one.
        serial: Tid,
        /// Length of its record.
        len: u64,
    },
    /// This is the revision, but its data is elsewhere.
    Elsewhere {
        /// Where.
        data: u64,
        /// Serial of the revision.
        serial: Tid,
        /// Length of its record.
        len: u64,
    },
    /// The search is over.
    Over {
        /// Its answer.
        answer: Answer,
        /// Length of the record.
        len: u64,
    },
}

impl Load {
    /// A search from the record the index names.
    pub fn new(oid: Oid, question: Question, origin: Entry) -> Load {
        Load { oid, question, origin, at: origin.at, until: None, serial: None, origin_len: 0 }
    }

    /// The object.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// What is asked about it.
    pub fn question(&self) -> Question {
        self.question
    }

    /// Where the index said the object is.
    pub fn origin(&self) -> Entry {
        self.origin
    }

    /// The length of the record there; zero until it was seen.
    pub fn origin_len(&self) -> u64 {
        self.origin_len
    }

    /// Starts over from where the index says the object is by now.
    pub fn restart(&mut self, origin: Entry) {
        *self = Load::new(self.oid, self.question, origin);
    }

    /// How much to read of a record whose header is not there yet.
    fn guess(&self) -> usize {
        if self.question.is_of_serial() {
            return DATA_HEADER + NUMBER;
        }
        let known = if self.at == self.origin.at { self.origin.size.bytes() } else { None };
        known.unwrap_or(limits::FIRST_READ)
    }

    /// Whether the revision with this header is the one; `Err` when it is known to be none.
    fn matches(&self, header: &DataHeader) -> Result<bool, Answer> {
        match self.question {
            Question::Current => Ok(true),
            Question::Before(tid) if header.tid < tid => Ok(true),
            Question::Before(_) if header.prev == 0 => Err(Answer::Nothing),
            Question::Serial(serial) if header.tid == serial => Ok(true),
            Question::Serial(serial) if header.tid < serial || header.prev == 0 => Err(Answer::NoObject),
            Question::First if header.prev == 0 => Ok(true),
            Question::Before(_) | Question::Serial(_) | Question::First => Ok(false),
        }
    }

    /// Looks at the transaction of the first revision.
    fn look_at_first(&self, log: &View<'_>, header: &DataHeader) -> Result<Found, Need> {
        if header.txn >= self.at {
            return damaged(self.at, Broken::OtherTransaction);
        }
        let txn = log.txn_header(header.txn)?;
        if txn.tid != header.tid {
            return damaged(self.at, Broken::OtherTransaction);
        }
        let first = First { serial: header.tid, packed: txn.status == PACKED };
        Ok(Found::Over { answer: Answer::First(first), len: header.record_len() })
    }

    /// Looks at the record at `self.at`, which belongs to the revision of `serial`.
    fn look_at_data(&self, log: &View<'_>, header: &DataHeader, serial: Tid) -> Result<Found, Need> {
        let len = header.record_len();
        let answer = |answer| Ok(Found::Over { answer, len });
        if header.data == 0 {
            return match (log.number(self.at + DATA_HEADER as u64)?, self.question) {
                (0, Question::Current) => answer(Answer::Current(Current::Deleted(serial))),
                (0, _) => answer(Answer::NoObject),
                (_, Question::Current) => answer(Answer::Current(Current::At(serial))),
                (data, _) if data >= self.at => damaged(self.at, Broken::Pointer),
                (data, _) => Ok(Found::Elsewhere { data, serial, len }),
            };
        }
        if self.question == Question::Current {
            return answer(Answer::Current(Current::At(serial)));
        }
        let Ok(whole) = usize::try_from(len) else { return damaged(self.at, Broken::Ends) };
        // Header and data are fetched as one span, so that the data is one piece of what was read.
        let data = log.bytes(self.at, whole)?.slice(DATA_HEADER..);
        answer(Answer::Revision(Revision { data, serial, until: self.until }))
    }
}

impl Walk for Load {
    type Found = Found;
    type Answer = Answer;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let header = log.data_header(self.at, self.guess())?;
        if header.oid != self.oid {
            return damaged(self.at, Broken::OtherObject);
        }
        if let Some(serial) = self.serial {
            return self.look_at_data(log, &header, serial);
        }
        let len = header.record_len();
        match self.matches(&header) {
            Ok(true) if self.question == Question::First => self.look_at_first(log, &header),
            Ok(true) => self.look_at_data(log, &header, header.tid),
            Ok(false) if header.prev >= self.at => damaged(self.at, Broken::Pointer),
            Ok(false) => Ok(Found::Older { prev: header.prev, serial: header.tid, len }),
            Err(answer) => Ok(Found::Over { answer, len }),
        }
    }

    fn take(&mut self, found: Found) -> Option<Answer> {
        let (Found::Older { len, .. } | Found::Elsewhere { len, .. } | Found::Over { len, .. }) = found;
        if self.at == self.origin.at {
            self.origin_len = len;
        }
        match found {
            Found::Older { prev, serial, .. } => {
                mark!("a load goes on to an older revision");
                self.at = prev;
                self.until = Some(serial);
                None
            }
            Found::Elsewhere { data, serial, .. } => {
                self.at = data;
                self.serial = Some(serial);
                None
            }
            Found::Over { answer, .. } => Some(answer),
        }
    }
}
