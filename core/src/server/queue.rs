//! The invalidation queue: which objects the last transactions changed.

use crate::ids::{Oid, Tid};
use std::collections::{BTreeSet, VecDeque};

/// The last transactions of one storage with their objects.
#[derive(Debug)]
pub struct Queue {
    bound: usize,
    /// The transaction before the first one queued; zero when there is none.
    base: Tid,
    recent: VecDeque<(Tid, Vec<Oid>)>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<crate::planted::Bug>,
}

impl Queue {
    /// Holds at most `bound` transactions; `recent` are the log's last ones, oldest first, and `base` is the one
    /// before them.
    ///
    /// Python lets a copied transaction carry a tid that is not later than the one before. What came before such a step
    /// back is forgotten: "after that tid" would have two meanings.
    pub fn new(bound: usize, base: Tid, recent: Vec<(Tid, Vec<Oid>)>) -> Queue {
        let empty = |base| Queue {
            bound,
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
        self.recent.push_back((tid, oids));
        if self.recent.len() > self.bound
            && let Some((oldest, _)) = self.recent.pop_front()
        {
            mark!("the queue forgets its oldest transaction");
            self.base = oldest;
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

    fn queue(bound: usize) -> Queue {
        let recent = vec![(Tid(10), vec![Oid(1), Oid(2)]), (Tid(20), vec![Oid(2)]), (Tid(30), vec![Oid(3)])];
        Queue::new(bound, Tid(5), recent)
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
        assert_eq!(Queue::new(9, Tid::ZERO, vec![]).since(Tid::ZERO), None);
    }

    #[test]
    fn what_came_before_a_step_back_in_time_is_not_answered() {
        let recent = vec![(Tid(10), vec![Oid(1)]), (Tid(5), vec![Oid(2)]), (Tid(7), vec![Oid(3)])];
        let queue = Queue::new(9, Tid(4), recent);
        assert_eq!((queue.since(Tid(10)), queue.since(Tid(4))), (None, None));
        assert_eq!(queue.since(Tid(5)), Some((Tid(7), vec![Oid(3)])));
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
