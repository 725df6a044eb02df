//! The invalidation queue: which objects the last transactions changed.

use crate::ids::{Oid, Tid};
use crate::store::reach::{Reach, remembered};
use std::collections::{BTreeSet, VecDeque};

/// The last transactions of one storage with their objects.
#[derive(Debug)]
pub struct Queue {
    reach: Reach,
    /// What those queued take.
    bytes: usize,
    /// The transaction before the first one queued; zero when there is none.
    base: Tid,
    recent: VecDeque<(Tid, Vec<Oid>)>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<crate::planted::Bug>,
}

impl Queue {
    /// Holds the transactions within `reach`; `recent` are the log's last ones, oldest first, and `base` is the one
    /// before them.
    ///
    /// Python lets a copied transaction carry a tid that is not later than the one before. What came before such a step
    /// back is forgotten: "after that tid" would have two meanings.
    pub fn new(reach: Reach, base: Tid, recent: Vec<(Tid, Vec<Oid>)>) -> Queue {
        let empty = |base| Queue {
            reach,
            bytes: 0,
            base,
            recent: VecDeque::new(),
            #[cfg(feature = "planted-bugs")]
            bug: None,
        };
        let mut queue = empty(base);
        for (tid, oids) in recent {
            if tid <= queue.last() {
                queue = empty(Tid::ZERO);
            }
            queue.push(tid, oids);
        }
        queue
    }

    /// The next transaction.
    ///
    /// # Panics
    /// When it is not later than all before.
    pub fn push(&mut self, tid: Tid, oids: Vec<Oid>) {
        #[cfg(feature = "planted-bugs")]
        let tid = if self.bug == Some(crate::planted::Bug::QueuedTwice) { self.last() } else { tid };
        assert!(tid > self.last(), "tids rise");
        self.bytes += remembered(oids.len());
        self.recent.push_back((tid, oids));
        while let Some((oldest, oids)) = self.recent.front() {
            let (oldest, others) = (*oldest, self.bytes - remembered(oids.len()));
            if self.reach.covers(oldest, self.recent.len() - 1, others, tid) {
                break;
            }
            mark!("the queue forgets its oldest transaction");
            self.recent.pop_front();
            (self.base, self.bytes) = (oldest, others);
        }
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: crate::planted::Bug) {
        self.bug = Some(bug);
    }

    fn last(&self) -> Tid {
        self.recent.back().map_or(self.base, |(tid, _)| *tid)
    }

    /// The last transaction and every object changed after `tid`, each once, in order of oid.
    ///
    /// `None` when `tid` is not a transaction of this very history within the queue's reach: a client that saw it
    /// saw another history, or one too long ago, and must not trust its cache.
    pub fn since(&self, tid: Tid) -> Option<(Tid, Vec<Oid>)> {
        let start = match self.recent.binary_search_by_key(&tid, |(queued, _)| *queued) {
            Ok(at) => at + 1,
            Err(0) if tid == self.base && tid > Tid::ZERO => 0,
            #[cfg(feature = "planted-bugs")]
            Err(at) if self.bug == Some(crate::planted::Bug::DivergedAnswered) => at,
            Err(_) => return None,
        };
        let oids: BTreeSet<Oid> =
            self.recent.range(start..).flat_map(|(_, oids)| oids.iter().copied()).collect();
        Some((self.last(), oids.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::time::WallTime;
    use std::time::Duration;

    fn queue(transactions: usize) -> Queue {
        let recent = vec![(Tid(10), vec![Oid(1), Oid(2)]), (Tid(20), vec![Oid(2)]), (Tid(30), vec![Oid(3)])];
        Queue::new(transactions.into(), Tid(5), recent)
    }

    #[test]
    fn everything_after_a_transaction_is_named_once() {
        assert_eq!(queue(9).since(Tid(5)), Some((Tid(30), vec![Oid(1), Oid(2), Oid(3)])));
        assert_eq!(queue(9).since(Tid(10)), Some((Tid(30), vec![Oid(2), Oid(3)])));
        assert_eq!(queue(9).since(Tid(30)), Some((Tid(30), vec![])));
    }

    #[test]
    fn a_tid_of_another_history_is_not_answered() {
        assert_eq!(queue(9).since(Tid(15)), None, "between two of ours");
        assert_eq!(queue(9).since(Tid(31)), None, "later than ours");
        assert_eq!(queue(9).since(Tid(4)), None, "too old");
        assert_eq!(Queue::new(9.into(), Tid::ZERO, vec![]).since(Tid::ZERO), None);
    }

    #[test]
    fn what_came_before_a_step_back_in_time_is_not_answered() {
        let recent = vec![(Tid(10), vec![Oid(1)]), (Tid(5), vec![Oid(2)]), (Tid(7), vec![Oid(3)])];
        let queue = Queue::new(9.into(), Tid(4), recent);
        assert_eq!((queue.since(Tid(10)), queue.since(Tid(4))), (None, None));
        assert_eq!(queue.since(Tid(5)), Some((Tid(7), vec![Oid(3)])));
    }

    #[test]
    fn what_is_young_enough_is_answered_beyond_the_bound() {
        let at = |seconds: u64| Tid::at(WallTime((1_700_000_000 + seconds) * 1_000_000));
        let recent = [0, 50, 90, 100].map(|seconds| (at(seconds), vec![Oid(seconds)])).to_vec();
        let mut queue =
            Queue::new(Reach { transactions: 1, age: Duration::from_secs(60) }, Tid::ZERO, recent);
        assert_eq!(
            queue.since(at(0)).map(|(_, oids)| oids.len()),
            Some(3),
            "the base: all after it are known"
        );
        queue.push(at(120), vec![Oid(7)]);
        assert_eq!((queue.since(at(0)), queue.since(at(50)).map(|(_, oids)| oids.len())), (None, Some(3)));
        queue.push(at(500), vec![Oid(8)]);
        assert_eq!((queue.since(at(90)), queue.since(at(120))), (None, Some((at(500), vec![Oid(8)]))));
    }

    #[test]
    fn what_is_young_is_forgotten_all_the_same_where_it_takes_too_much() {
        let an_eighth = vec![Oid(1); limits::REMEMBERED / 8 / size_of::<Oid>()];
        let mut queue = Queue::new(Reach { transactions: 2, age: Duration::MAX }, Tid::ZERO, Vec::new());
        for (tid, expected) in (1..).zip([1, 2, 3, 4, 5, 6, 7, 8, 8, 8]) {
            queue.push(Tid(tid), an_eighth.clone());
            assert_eq!(queue.recent.len(), expected);
        }
        queue.push(Tid(11), vec![Oid(1); limits::REMEMBERED / size_of::<Oid>()]);
        assert_eq!(queue.recent.len(), 2, "so many are asked for by number");
    }

    #[test]
    fn at_the_bound_the_oldest_transaction_becomes_the_base() {
        assert_eq!(queue(2).since(Tid(5)), None);
        assert_eq!(queue(2).since(Tid(10)), Some((Tid(30), vec![Oid(2), Oid(3)])));
        assert_eq!(
            queue(0).since(Tid(30)),
            Some((Tid(30), vec![])),
            "an empty queue still knows the last one"
        );
        assert_eq!(queue(0).since(Tid(20)), None);
    }
}
