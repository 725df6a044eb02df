//! What really happened, as far as the world can know it without believing the server: which transactions clients
//! asked for, which stand in the log, which are safe on the disk, and which were shown to anybody.

use crate::disk::SimDisk;
use crate::event::{ClientId, ServerNo};
use crate::log::{self, Logged};
use crate::state;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
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
    /// The attempt that a record, or a description, begins its text with.
    pub fn of(data: &[u8]) -> Option<Attempt> {
        let text = state::text(data).unwrap_or(data);
        let mut parts = text.split(|&byte| byte == b'.').map(std::str::from_utf8);
        let client = ClientId(parts.next()?.ok()?.parse().ok()?);
        Some(Attempt { client, number: parts.next()?.ok()?.parse().ok()? })
    }

    /// The data this attempt stores for an object, `padding` bytes longer than it needs to be.
    pub fn data(&self, oid: Oid, padding: usize) -> Vec<u8> {
        let mut data = format!("{}.{}.{}.", self.client.0, self.number, oid.0).into_bytes();
        data.resize(data.len() + padding, b'x');
        data
    }
}

/// As every record's data begins.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.client.0, self.number)
    }
}

/// What stands in one server's log: its history, as far as the world can read it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Every transaction of the history in its order, with all its records, whatever a pack has taken out of the log.
    pub logged: Vec<Logged>,
    /// Revisions that are not in the log, since a pack took them out.
    gone: BTreeSet<(Oid, Tid)>,
    /// Those that were not there at some time.
    ever_gone: BTreeSet<(Oid, Tid)>,
    /// From where on the revisions of objects are found, in a packed log: what is left before is there for what points back to it.
    begin: BTreeMap<Oid, Tid>,
    /// The latest that these ever were.
    latest_begin: BTreeMap<Oid, Tid>,
    /// Which file of the disk was read.
    file: Option<usize>,
    /// Where the log was read up to.
    read_to: usize,
    /// Transactions that a power loss now would leave.
    pub durable: BTreeSet<Tid>,
    durable_to: usize,
    /// Transactions that any message to a client has shown.
    pub shown: BTreeSet<Tid>,
    /// Which transactions changed which object.
    pub changes: BTreeMap<Tid, BTreeSet<Oid>>,
    /// The transactions that changed an object.
    touched: BTreeMap<Oid, BTreeSet<Tid>>,
}

impl Ledger {
    /// Looks at the disk; returns the transactions that are new in the log.
    pub fn look(&mut self, disk: &SimDisk) -> &[Logged] {
        self.file = disk.log_file();
        let (durable, to) = log::read(disk.durable(FileId::Log), self.durable_to);
        self.durable.extend(durable.iter().map(|transaction| transaction.tid));
        self.durable_to = to;
        let known = self.logged.len();
        let (logged, to) = log::read(disk.contents(FileId::Log), self.read_to);
        self.read_to = to;
        logged.into_iter().for_each(|transaction| self.enter(transaction));
        &self.logged[known..]
    }

    /// The next transaction of the log.
    pub(crate) fn enter(&mut self, transaction: Logged) {
        let oids: BTreeSet<Oid> = transaction.records.iter().map(|(oid, _)| *oid).collect();
        for &oid in &oids {
            self.touched.entry(oid).or_default().insert(transaction.tid);
        }
        self.changes.insert(transaction.tid, oids);
        self.logged.push(transaction);
    }

    /// Whether the log is not the file that was read before.
    pub fn is_other(&self, disk: &SimDisk) -> bool {
        self.file.is_some() && self.file != disk.log_file()
    }

    /// A packed log is in the place of the one that was read.
    pub fn repacked(&mut self, disk: &SimDisk) {
        let (log, to) = log::read(disk.contents(FileId::Log), 0);
        (self.file, self.read_to, self.durable_to) = (disk.log_file(), to, to);
        self.miss(&log);
    }

    /// Notes which revisions are not in the log, or not found, and which point back.
    fn miss(&mut self, log: &[Logged]) {
        for it in log {
            if let Ok(at) = self.logged.binary_search_by_key(&it.tid, |transaction| transaction.tid) {
                self.logged[at].back.clone_from(&it.back);
            }
        }
        let begins = |it: &Logged| it.begins.iter().map(|&oid| (oid, it.tid)).collect::<Vec<_>>();
        self.begin = log.iter().flat_map(begins).collect();
        for (&oid, &begin) in &self.begin {
            let latest = self.latest_begin.entry(oid).or_default();
            *latest = begin.max(*latest);
        }
        let revisions = |log: &[Logged]| -> BTreeSet<(Oid, Tid)> {
            log.iter().flat_map(|it| it.records.iter().map(|(oid, _)| (*oid, it.tid))).collect()
        };
        self.gone = revisions(&self.logged);
        let left = revisions(log);
        self.gone.retain(|revision| !left.contains(revision));
        self.ever_gone.extend(&self.gone);
    }

    /// The server came up again: what is in the log now is all there is, but for what a pack took out.
    pub fn reopened(&mut self, disk: &SimDisk) {
        let (log, _) = log::read(disk.contents(FileId::Log), 0);
        let last = log.last().map_or(Tid::ZERO, |transaction| transaction.tid);
        let Ledger { shown, logged, ever_gone, latest_begin, .. } = std::mem::take(self);
        let mut fresh = Ledger { shown, ever_gone, latest_begin, ..Ledger::default() };
        fresh.look(disk);
        if fresh.ever_gone.is_empty() {
            *self = fresh;
            self.miss(&log);
            return;
        }
        (self.file, self.read_to, self.durable_to) = (fresh.file, fresh.read_to, fresh.durable_to);
        (self.shown, self.ever_gone, self.durable) = (fresh.shown, fresh.ever_gone, fresh.durable);
        self.latest_begin = fresh.latest_begin;
        let is_there = |tid: Tid| log.binary_search_by_key(&tid, |transaction| transaction.tid).is_ok();
        for transaction in logged.into_iter().filter(|transaction| transaction.tid <= last) {
            // What is not there is packed, and what was packed was durable.
            self.durable.extend(Some(transaction.tid).filter(|tid| !is_there(*tid)));
            self.enter(transaction);
        }
        self.miss(&log);
    }

    /// A pack took a revision out of a forged history.
    #[cfg(test)]
    pub fn forge_gone(&mut self, oid: Oid, serial: Tid) {
        self.gone.insert((oid, serial));
        self.ever_gone.insert((oid, serial));
    }

    /// Whether a revision is not in the log any more.
    pub fn is_gone(&self, oid: Oid, serial: Tid) -> bool {
        self.gone.contains(&(oid, serial))
    }

    /// Whether it was not in the log at some time.
    pub fn was_gone(&self, oid: Oid, serial: Tid) -> bool {
        self.ever_gone.contains(&(oid, serial))
    }

    /// Whether it was not in the log at some time, or not found there.
    pub fn was_hidden(&self, oid: Oid, serial: Tid) -> bool {
        self.was_gone(oid, serial) || self.latest_begin.get(&oid).is_some_and(|begin| serial < *begin)
    }

    /// Whether a pack has taken anything out of the log.
    pub fn is_packed(&self) -> bool {
        !self.ever_gone.is_empty()
    }

    /// The last transaction in the log.
    pub fn last(&self) -> Tid {
        self.logged.last().map_or(Tid::ZERO, |transaction| transaction.tid)
    }

    /// Whether a client can have this as its last transaction; zero stands for an empty storage.
    pub fn knows(&self, tid: Tid) -> bool {
        tid == Tid::ZERO || self.changes.contains_key(&tid)
    }

    /// The last transaction before `before` that changed an object; `None` when there was none.
    pub fn serial_before(&self, oid: Oid, before: Tid) -> Option<Tid> {
        self.touched.get(&oid)?.range(..before).next_back().copied()
    }

    /// The same, of those that are in the log.
    pub fn left_before(&self, oid: Oid, before: Tid) -> Option<Tid> {
        let mut earlier = self.touched.get(&oid)?.range(..before).rev();
        earlier.find(|&&serial| !self.is_gone(oid, serial)).copied()
    }

    /// The first transaction that changed an object, of those that are found in the log.
    pub fn first_left(&self, oid: Oid) -> Option<Tid> {
        let begin = self.begin.get(&oid).copied().unwrap_or(Tid::ZERO);
        self.touched.get(&oid)?.range(begin..).find(|&&serial| !self.is_gone(oid, serial)).copied()
    }

    /// The first transaction after `after` that changed an object; `None` when there is none yet.
    pub fn next_change(&self, oid: Oid, after: Tid) -> Option<Tid> {
        self.touched.get(&oid)?.range((Bound::Excluded(after), Bound::Unbounded)).next().copied()
    }

    /// The objects changed in the transactions behind `after`, up to and including `upto`.
    pub fn changed_within(&self, after: Tid, upto: Tid) -> BTreeSet<Oid> {
        if after >= upto {
            return BTreeSet::new();
        }
        let range = self.changes.range((Bound::Excluded(after), Bound::Included(upto)));
        range.flat_map(|(_, oids)| oids.iter().copied()).collect()
    }

    /// The state that a transaction gave an object; `None`: it gave it none.
    pub fn state(&self, oid: Oid, serial: Tid) -> Option<&[u8]> {
        let at = self.logged.binary_search_by_key(&serial, |transaction| transaction.tid).ok()?;
        let record = self.logged[at].records.iter().find(|(other, _)| *other == oid)?;
        Some(&record.1)
    }

    /// Whether a transaction deleted an object, or undid its creation.
    pub fn is_deleted(&self, oid: Oid, serial: Tid) -> bool {
        self.state(oid, serial).is_some_and(<[u8]>::is_empty)
    }

    /// The transaction of an attempt, if it is in the log.
    pub fn committed(&self, attempt: Attempt) -> Option<&Logged> {
        self.logged.iter().rev().find(|transaction| transaction.attempt() == Some(attempt))
    }
}

/// The books of the whole world: one ledger a history.
///
/// A history begins with an empty storage or with a backup that was put back, and goes on through crashes. Each server
/// has one at a time; what was shown of those that a backup ended may still be in a client's hands.
#[derive(Debug, Default)]
pub struct Books {
    servers: Vec<Ledger>,
    past: Vec<Ledger>,
    /// Attempts whose `tpc_finish` was sent.
    pub finish_sent: BTreeSet<Attempt>,
}

impl Books {
    /// Books of that many servers, with empty storages.
    pub fn new(servers: usize) -> Books {
        Books { servers: vec![Ledger::default(); servers], ..Books::default() }
    }

    /// The history that a server is at.
    pub fn of(&self, server: ServerNo) -> &Ledger {
        &self.servers[server.0]
    }

    /// The same, to be written.
    pub fn of_mut(&mut self, server: ServerNo) -> &mut Ledger {
        &mut self.servers[server.0]
    }

    /// An older backup of this history was put in place of a server's log: another history begins, of which nobody was shown
    /// anything.
    pub fn restored(&mut self, server: ServerNo, mut ledger: Ledger, disk: &SimDisk) {
        ledger.shown.clear();
        ledger.reopened(disk);
        self.past.push(std::mem::replace(&mut self.servers[server.0], ledger));
    }

    /// Every history there is or was, those that servers are at first.
    pub fn histories(&self) -> impl Iterator<Item = &Ledger> {
        self.servers.iter().chain(&self.past)
    }

    /// Books of one server with this ledger, for forged histories.
    #[cfg(test)]
    pub fn forged(ledger: Ledger) -> Books {
        Books { servers: vec![ledger], ..Books::default() }
    }

    /// This ledger is the past of a forged history.
    #[cfg(test)]
    pub fn forge_past(&mut self, ledger: Ledger) {
        self.past.push(ledger);
    }
}
