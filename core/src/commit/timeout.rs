//! How long a transaction may hold its locks before it finishes.

use crate::server::names::TxnKey;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The deadlines of one storage's transactions.
#[derive(Debug)]
pub struct Timeouts {
    /// `None`: transactions may take as long as they like.
    after: Option<Duration>,
    by_time: BTreeSet<(Instant, TxnKey)>,
    by_txn: BTreeMap<TxnKey, Instant>,
}

impl Timeouts {
    /// No transaction runs yet; each may hold its locks for `after`.
    pub fn new(after: Option<Duration>) -> Timeouts {
        Timeouts { after, by_time: BTreeSet::new(), by_txn: BTreeMap::new() }
    }

    /// The time a transaction has, if it is limited.
    pub fn after(&self) -> Option<Duration> {
        self.after
    }

    /// `txn` got its locks.
    pub fn start(&mut self, txn: TxnKey, now: Instant) {
        let Some(after) = self.after else { return };
        let deadline = now + after;
        self.by_time.insert((deadline, txn));
        self.by_txn.insert(txn, deadline);
    }

    /// `txn` ended, or its end is no longer in its client's hands.
    pub fn stop(&mut self, txn: TxnKey) {
        if let Some(deadline) = self.by_txn.remove(&txn) {
            self.by_time.remove(&(deadline, txn));
        }
    }

    /// When the next transaction will have had its time; `None` while none runs.
    pub fn deadline(&self) -> Option<Instant> {
        self.by_time.first().map(|&(deadline, _)| deadline)
    }

    /// A transaction whose time is over, if there is one. It is forgotten.
    pub fn expired(&mut self, now: Instant) -> Option<TxnKey> {
        let &(deadline, txn) = self.by_time.first()?;
        if deadline > now {
            mark!("a transaction still has time");
            return None;
        }
        self.stop(txn);
        Some(txn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_transaction_expires_when_its_time_is_over_and_once() {
        let mut timeouts = Timeouts::new(Some(SECOND));
        timeouts.start(TxnKey(1), Instant(0));
        timeouts.start(TxnKey(2), Instant(5));
        assert_eq!(timeouts.deadline(), Some(Instant(1_000_000_000)));
        assert_eq!(timeouts.expired(Instant(999_999_999)), None);
        assert_eq!(timeouts.expired(Instant(1_000_000_000)), Some(TxnKey(1)));
        assert_eq!(timeouts.expired(Instant(1_000_000_000)), None);
    }

    #[test]
    fn a_stopped_transaction_never_expires() {
        let mut timeouts = Timeouts::new(Some(SECOND));
        timeouts.start(TxnKey(1), Instant(0));
        timeouts.stop(TxnKey(1));
        assert_eq!(timeouts.deadline(), None);
        assert_eq!(timeouts.expired(Instant(u64::MAX)), None);
    }

    #[test]
    fn without_a_timeout_nothing_expires() {
        let mut timeouts = Timeouts::new(None);
        timeouts.start(TxnKey(1), Instant(0));
        assert_eq!(timeouts.deadline(), None);
    }
}
