//! The walk to one record of a transaction, and down its back pointers to its state.

use crate::ids::{Oid, Tid};
use crate::store::file::format::{Broken, DATA_HEADER, DataHeader};
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{CopiedRecord, RecordsLeft};
use bytes::Bytes;

/// A way along the records of one transaction. Its answer is the next one with what is left behind it, or `None` at the
/// end of the transaction.
#[derive(Debug)]
pub struct Records {
    left: RecordsLeft,
    /// Bytes read at a time where they are needed one after the other.
    ahead: usize,
    chase: Option<Chase>,
}

/// On the way down the back pointers of a record.
#[derive(Clone, Copy, Debug)]
struct Chase {
    oid: Oid,
    /// The record to look at next.
    at: u64,
    /// The transaction of the first one.
    first: Option<Tid>,
}

/// What one step finds.
#[derive(Debug)]
pub enum Found {
    /// A record; `None` where the object does not exist from here on.
    Record(DataHeader, Option<Bytes>),
    /// A record that points to another one.
    Pointer(DataHeader, u64),
    /// Where a pointer leads: a record of that transaction, and to a state,
    State(Tid, Option<Bytes>),
    /// or further on.
    Further(Tid, u64),
    /// The end of the transaction.
    Over,
}

impl Records {
    /// A way along what is `left`.
    pub(super) fn new(left: RecordsLeft, ahead: usize) -> Records {
        Records { left, ahead, chase: None }
    }

    fn look_at_record(&self, log: &View<'_>) -> Result<Found, Need> {
        let RecordsLeft { tid, txn, at, end, .. } = self.left;
        if at == end {
            return match log.number(end)? == end - txn {
                true => Ok(Found::Over),
                false => damaged(end, Broken::RepeatedLength),
            };
        }
        if at + DATA_HEADER as u64 > end {
            return damaged(at, Broken::RecordLength);
        }
        let header = log.data_header(at, self.ahead)?;
        if header.txn != txn || header.tid != tid {
            return damaged(at, Broken::OtherTransaction);
        }
        if at.saturating_add(header.record_len()) > end {
            return damaged(at, Broken::RecordLength);
        }
        if header.data > 0 {
            return Ok(Found::Record(header, Some(data(log, at, &header, self.ahead)?)));
        }
        match log.number(at + DATA_HEADER as u64)? {
            0 => Ok(Found::Record(header, None)),
            back if back >= at => damaged(at, Broken::Pointer),
            back => Ok(Found::Pointer(header, back)),
        }
    }

    /// The record that ends here.
    fn told(&mut self, oid: Oid, data: Option<Bytes>, same_as: Option<Tid>) -> (CopiedRecord, RecordsLeft) {
        self.left.given += 1;
        (CopiedRecord { oid, serial: self.left.tid, data, same_as }, self.left)
    }
}

impl Chase {
    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        let header = log.data_header(self.at, DATA_HEADER)?;
        if header.oid != self.oid {
            return damaged(self.at, Broken::OtherObject);
        }
        if header.data > 0 {
            return Ok(Found::State(header.tid, Some(data(log, self.at, &header, 0)?)));
        }
        match log.number(self.at + DATA_HEADER as u64)? {
            0 => Ok(Found::State(header.tid, None)),
            back if back >= self.at => damaged(self.at, Broken::Pointer),
            back => Ok(Found::Further(header.tid, back)),
        }
    }
}

/// The data of the record at `at`.
fn data(log: &View<'_>, at: u64, header: &DataHeader, ahead: usize) -> Result<Bytes, Need> {
    let Ok(len) = usize::try_from(header.data) else { return damaged(at, Broken::Ends) };
    log.bytes_or(at + DATA_HEADER as u64, len, ahead)
}

impl Walk for Records {
    type Found = Found;
    type Answer = Option<(CopiedRecord, RecordsLeft)>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.chase {
            Some(chase) => chase.look(log),
            None => self.look_at_record(log),
        }
    }

    fn take(&mut self, found: Found) -> Option<Self::Answer> {
        match (found, &mut self.chase) {
            (Found::Over, None) => return Some(None),
            (Found::Record(header, data), None) => {
                self.left.at += header.record_len();
                return Some(Some(self.told(header.oid, data, None)));
            }
            (Found::Pointer(header, back), chase @ None) => {
                *chase = Some(Chase { oid: header.oid, at: back, first: None });
                self.left.at += header.record_len();
            }
            (Found::Further(tid, back), Some(chase)) => {
                chase.first = chase.first.or(Some(tid));
                chase.at = back;
            }
            (Found::State(tid, data), Some(chase)) => {
                let (oid, same_as) = (chase.oid, chase.first.or(Some(tid)));
                self.chase = None;
                return Some(Some(self.told(oid, data, same_as)));
            }
            (found, chase) => unreachable!("{found:?} with {chase:?}"),
        }
        None
    }
}
