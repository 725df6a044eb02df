//! The walk through all transactions with their records: what FileStorage's `iterator` gives.

use crate::ids::Tid;
use crate::store::CopiedTransaction;
use crate::store::file::heads::{self, Heads};
use crate::store::file::records::{self, Records};
use crate::store::file::view::{Need, View, Walk};

/// Bytes read at a time where they are needed one after the other.
const AHEAD: usize = 1 << 18;

/// A way through the transactions from some tid on, the oldest first. Its answer is the next one, or `None` at the end
/// of what was visible when it was asked; asked again later it tells what came since.
#[derive(Debug)]
pub struct Transactions {
    heads: Heads,
    /// The transaction whose records are being gathered.
    open: Option<(Records, CopiedTransaction)>,
}

/// What one step finds.
#[derive(Debug)]
pub enum Found {
    /// On the way to the next transaction.
    Head(heads::Found),
    /// Within it.
    Record(records::Found),
}

impl Transactions {
    /// From the first transaction on whose tid is not below `from`, in log `log`, which ends with `last` at `end`.
    pub(super) fn new(from: Tid, last: Tid, end: u64, log: u32) -> Transactions {
        Transactions { heads: Heads::new(from, last, end, log, AHEAD), open: None }
    }
}

impl Walk for Transactions {
    type Found = Found;
    type Answer = Option<CopiedTransaction>;

    fn look(&self, log: &View<'_>) -> Result<Found, Need> {
        match &self.open {
            None => self.heads.look(log).map(Found::Head),
            Some((records, _)) => records.look(log).map(Found::Record),
        }
    }

    fn take(&mut self, found: Found) -> Option<Option<CopiedTransaction>> {
        match (found, &mut self.open) {
            (Found::Head(found), open @ None) => {
                let Some(head) = self.heads.take(found)? else { return Some(None) };
                let transaction = CopiedTransaction {
                    tid: head.tid,
                    status: head.status,
                    user: head.user,
                    description: head.description,
                    extension: head.extension,
                    records: Vec::new(),
                };
                *open = Some((Records::new(head.records, AHEAD), transaction));
                None
            }
            (Found::Record(found), Some((records, transaction))) => match records.take(found)? {
                Some((record, _)) => {
                    transaction.records.push(record);
                    None
                }
                None => self.open.take().map(|(_, transaction)| Some(transaction)),
            },
            (found, open) => unreachable!("{found:?} with {open:?}"),
        }
    }
}
