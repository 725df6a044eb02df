//! The walk through all transactions with their records: what FileStorage's `iterator` gives.

use crate::ids::{Oid, Tid};
use crate::store::file::format::{
    Broken, DATA_HEADER, DataHeader, FIRST, INCOMPLETE, TXN_HEADER, TxnHeader, UNDONE,
};
use crate::store::file::view::{Need, View, Walk, damaged};
use crate::store::{CopiedRecord, CopiedTransaction};
use bytes::Bytes;

/// Bytes read at a time where they are needed one after the other.
const AHEAD: usize = 1 << 18;
/// Bytes read of a transaction that is passed over: a few small ones.
const PASSING: usize = 1 << 12;

/// A way through the transactions from some tid on, the oldest first. Its answer is the next one, or `None` at the end
/// of what was visible when it was asked; asked again later it tells what came since.
#[derive(Debug)]
pub struct Transactions {
    from: Tid,
    /// What comes next.
    at: u64,
    /// The transaction that `at` is in.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    start: u64,
    header: TxnHeader,
    found: CopiedTransaction,
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
    /// A transaction before the first that is wanted.
    Earlier(TxnHeader),
    /// A transaction, with user, description and extension.
    Txn(TxnHeader, Bytes),
    /// A record; `None` where the object does not exist from here on.
    Record(DataHeader, Option<Bytes>),
    /// A record that points to another one.
    Pointer(DataHeader, u64),
    /// Where a pointer leads: a record of that transaction, and to a state,
    State(Tid, Option<Bytes>),
    /// or further on.
    Further(Tid, u64),
    /// The end of the transaction.
    Closed,
    /// The end of the log.
    Over,
}

impl Transactions {
    /// From the first transaction on whose tid is not below `from`.
    pub(super) fn new(from: Tid) -> Transactions {
        Transactions { from, at: FIRST, open: None }
    }

    fn look_at_txn(&self, log: &View<'_>) -> Result<Found, Need> {
        if self.at >= log.end() {
            return Ok(Found::Over);
        }
        let header = log.txn_header_or(self.at, PASSING)?;
        if header.status == INCOMPLETE {
            return damaged(self.at, Broken::Status);
        }
        if header.length < header.records_at() {
            return damaged(self.at, Broken::TxnHeader);
        }
        if self.at.saturating_add(header.stride()) > log.end() {
            return damaged(self.at, Broken::Ends);
        }
        if header.tid < self.from {
            return Ok(Found::Earlier(header));
        }
        let strings = header.records_at() as usize - TXN_HEADER;
        let strings = match strings {
            0 => Bytes::new(),
            len => log.bytes_or(self.at + TXN_HEADER as u64, len, AHEAD)?,
        };
        Ok(Found::Txn(header, strings))
    }

    fn look_inside(&self, open: &Open, log: &View<'_>) -> Result<Found, Need> {
        let end = open.start + open.header.length;
        if self.at == end {
            return match log.number(end)? == open.header.length {
                true => Ok(Found::Closed),
                false => damaged(end, Broken::RepeatedLength),
            };
        }
        if self.at + DATA_HEADER as u64 > end {
            return damaged(self.at, Broken::RecordLength);
        }
        let header = log.data_header(self.at, AHEAD)?;
        if header.txn != open.start || header.tid != open.header.tid {
            return damaged(self.at, Broken::OtherTransaction);
        }
        if self.at.saturating_add(header.record_len()) > end {
            return damaged(self.at, Broken::RecordLength);
        }
        if header.data > 0 {
            return Ok(Found::Record(header, Some(data(log, self.at, &header, AHEAD)?)));
        }
        match log.number(self.at + DATA_HEADER as u64)? {
            0 => Ok(Found::Record(header, None)),
            back if back >= self.at => damaged(self.at, Broken::Pointer),
            back => Ok(Found::Pointer(header, back)),
        }
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

impl Walk for Transactions {
    type Found = Found;
    type Answer = Option<CopiedTransaction>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.open {
            None => self.look_at_txn(log),
            Some(Open { chase: Some(chase), .. }) => chase.look(log),
            Some(open) => self.look_inside(open, log),
        }
    }

    fn take(&mut self, found: Found) -> Option<Option<CopiedTransaction>> {
        match (found, &mut self.open) {
            (Found::Over, _) => return Some(None),
            (Found::Earlier(header), _) => self.at += header.stride(),
            (Found::Txn(header, mut strings), open) => {
                let found = CopiedTransaction {
                    tid: header.tid,
                    status: header.status,
                    user: strings.split_to(header.user.into()),
                    description: strings.split_to(header.description.into()),
                    extension: strings,
                    records: Vec::new(),
                };
                *open = Some(Open { start: self.at, header, found, chase: None });
                // What an undone transaction holds counts for nothing.
                self.at += if header.status == UNDONE { header.length } else { header.records_at() };
            }
            (Found::Record(header, data), Some(open)) => {
                open.found.records.push(CopiedRecord {
                    oid: header.oid,
                    serial: header.tid,
                    data,
                    same_as: None,
                });
                self.at += header.record_len();
            }
            (Found::Pointer(header, back), Some(open)) => {
                open.chase = Some(Chase { oid: header.oid, at: back, first: None });
                self.at += header.record_len();
            }
            (Found::Further(tid, back), Some(Open { chase: Some(chase), .. })) => {
                chase.first = chase.first.or(Some(tid));
                chase.at = back;
            }
            (Found::State(tid, data), Some(open)) => {
                let chase = open.chase.take().expect("a pointer was followed");
                let same_as = chase.first.or(Some(tid));
                let record = CopiedRecord { oid: chase.oid, serial: open.header.tid, data, same_as };
                open.found.records.push(record);
            }
            (Found::Closed, open) => {
                let open = open.take().expect("a transaction was closed");
                self.at = open.start + open.header.stride();
                return Some(Some(open.found));
            }
            (found, None) | (found @ Found::Further(..), Some(_)) => {
                unreachable!("{found:?} outside of a transaction or a pointer")
            }
        }
        None
    }
}
