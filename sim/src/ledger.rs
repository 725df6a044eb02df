//! What really happened, as far as the world can know it without believing the server: which transactions clients
//! asked for, which stand in the log, which are safe on the disk, and which were shown to anybody.

use crate::disk::SimDisk;
use crate::event::ClientId;
use crate::log::{self, Logged};
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::disk::FileId;

/// One transaction of a client, by client and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// Whose.
    pub client: ClientId,
    /// Counted by the client.
    pub number: u64,
}

impl Attempt {
    /// The attempt that wrote a record, which every record's data begins with.
    pub fn of(data: &[u8]) -> Option<Attempt> {
        let text = std::str::from_utf8(data).ok()?;
        let mut parts = text.split('.');
        let client = ClientId(parts.next()?.parse().ok()?);
        Some(Attempt { client, number: parts.next()?.parse().ok()? })
    }

    /// The data this attempt stores for an object, `padding` bytes longer than it needs to be.
    pub fn data(&self, oid: Oid, padding: usize) -> Vec<u8> {
        let mut data = format!("{}.{}.{}.", self.client.0, self.number, oid.0).into_bytes();
        data.resize(data.len() + padding, b'x');
        data
    }
}

/// The world's own books.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every transaction in the log, in its order.
    pub logged: Vec<Logged>,
    /// Where the log was read up to.
    read_to: usize,
    /// Transactions that a power loss now would leave.
    pub durable: BTreeSet<Tid>,
    durable_to: usize,
    /// Transactions that any message to a client has shown.
    pub shown: BTreeSet<Tid>,
    /// Attempts whose `tpc_finish` was sent.
    pub finish_sent: BTreeSet<Attempt>,
    /// Which transactions changed which object.
    pub changes: BTreeMap<Tid, BTreeSet<Oid>>,
}

impl Ledger {
    /// Looks at the disk; returns the transactions that are new in the log.
    pub fn look(&mut self, disk: &SimDisk) -> &[Logged] {
        let (durable, to) = log::read(disk.durable(FileId::Log), self.durable_to);
        self.durable.extend(durable.iter().map(|transaction| transaction.tid));
        self.durable_to = to;
        let known = self.logged.len();
        let (logged, to) = log::read(disk.contents(FileId::Log), self.read_to);
        self.read_to = to;
        for transaction in &logged {
            let oids = transaction.records.iter().map(|(oid, _)| *oid).collect();
            self.changes.insert(transaction.tid, oids);
        }
        self.logged.extend(logged);
        &self.logged[known..]
    }

    /// The server came up again: what is in the log now is all there is.
    pub fn reopened(&mut self, disk: &SimDisk) {
        let (durable, durable_to) = log::read(disk.durable(FileId::Log), 0);
        self.durable = durable.into_iter().map(|transaction| transaction.tid).collect();
        self.durable_to = durable_to;
        let (logged, read_to) = log::read(disk.contents(FileId::Log), 0);
        (self.logged, self.read_to) = (logged, read_to);
        let there: BTreeSet<Tid> = self.logged.iter().map(|transaction| transaction.tid).collect();
        self.changes.retain(|tid, _| there.contains(tid));
    }

    /// The last transaction in the log.
    pub fn last(&self) -> Tid {
        self.logged.last().map_or(Tid::ZERO, |transaction| transaction.tid)
    }
}
