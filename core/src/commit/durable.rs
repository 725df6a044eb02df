//! From `tpc_finish` to visibility: the only place where durability becomes visible.
//!
//! Finishes that arrive while a batch syncs are in the next. When the store says that a batch is durable (and in its
//! index), each of its transactions is made known in this order: the invalidation queue, invalidations on every other
//! connection, the committer's `info` and finish reply; then its locks are released.

use crate::commit::scene::Scene;
use crate::ids::{Oid, Tid};
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::server::names::{ReplyTo, TxnKey};
use crate::store::Transaction;
use crate::store::blob::DraftId;
use crate::time::WallTime;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Notice, Reply};
use std::collections::VecDeque;

/// A transaction on its way to the disk. It no longer depends on its client.
#[derive(Debug)]
pub struct Finishing {
    /// The transaction's key, under which its locks are held.
    pub key: TxnKey,
    /// Its tid.
    pub tid: Tid,
    /// The objects it changes.
    pub oids: Vec<Oid>,
    /// Who waits for the reply.
    pub finish: ReplyTo,
    /// When its locks were granted.
    pub locked_at: Option<WallTime>,
    /// Room reserved for it in the log.
    pub reserved: u64,
    /// Its blobs.
    pub drafts: Vec<DraftId>,
}

impl Finishing {
    /// Makes the transaction visible, for it is durable and in the index.
    pub(super) fn show(self, #[cfg(feature = "planted-bugs")] bug: Option<Bug>, scene: &mut Scene<'_>) {
        let Finishing { tid, oids, finish, .. } = self;
        scene.audience.stats.commits += 1;
        let told = oids.as_slice();
        #[cfg(feature = "planted-bugs")]
        let told = if bug == Some(Bug::InvalidationCutShort) { &told[..1.min(told.len())] } else { told };
        #[cfg(feature = "planted-bugs")]
        let left = bug.filter(|_| !scene.audience.members.contains_key(&finish.conn));
        #[cfg(feature = "planted-bugs")]
        if left == Some(Bug::MissedWhenCommitterLeft) {
            return scene.audience.queue.push(tid, oids);
        }
        #[cfg(feature = "planted-bugs")]
        if bug == Some(Bug::ToldBehindLoad) {
            scene.audience.untold.push((finish.conn, tid, told.to_vec()));
            scene.audience.queue.push(tid, oids);
            scene.out.reply(&finish, &Reply::Tid(tid));
            return;
        }
        scene.audience.broadcast(finish.conn, &Notice::Invalidate(tid, told), scene.out);
        #[cfg(feature = "planted-bugs")]
        let oids = if left == Some(Bug::QueuedWithoutObjects) { Vec::new() } else { oids };
        scene.audience.queue.push(tid, oids);
        let info = scene.out.notice(finish.codec, &Notice::Info(scene.desk.size()));
        scene.out.send(finish.conn, info);
        scene.out.reply(&finish, &Reply::Tid(tid));
    }
}

/// One that is not being appended yet.
#[derive(Debug)]
struct Waiting {
    finishing: Finishing,
    transaction: Transaction,
    /// Blobs that do not have their names yet. What is in the log has its blobs, after any crash.
    unpublished: usize,
}

/// The finished transactions of one storage that are not durable yet.
#[derive(Debug)]
pub struct Durable {
    /// The highest tid given so far.
    last: Tid,
    syncing: VecDeque<Finishing>,
    waiting: VecDeque<Waiting>,
    failed: bool,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

impl Durable {
    /// Nothing is on its way; tids will exceed `last`.
    pub fn new(last: Tid) -> Durable {
        Durable {
            last,
            syncing: VecDeque::new(),
            waiting: VecDeque::new(),
            failed: false,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn plant(&mut self, bug: Bug) {
        self.bug = Some(bug);
    }

    /// The highest tid given so far, durable or not.
    pub fn last(&self) -> Tid {
        self.last
    }

    /// The tid of a transaction that finishes now: the clock's, but later than all before.
    pub fn next_tid(&self, wall: WallTime) -> Tid {
        let next = self.last.next();
        if Tid::at(wall) < next {
            mark!("the clock is behind the last transaction");
        }
        Tid::at(wall).max(next)
    }

    /// Whether a transaction can get the tid it brings along, or one of the clock's if it brings none.
    pub fn admit(&self, explicit: Option<Tid>) -> Result<(), RemoteError> {
        let last = self.last;
        let refused = |what| Err(RemoteError::StorageTransaction(what));
        match explicit {
            Some(tid) if tid <= last => refused(format!("tid {tid} does not exceed the last one, {last}")),
            Some(tid) if tid > Tid::LAST => {
                refused(format!("tid {tid} exceeds {}, the last of all", Tid::LAST))
            }
            None if last >= Tid::LAST => {
                Err(RemoteError::StorageSystem("no transaction ids are left".into()))
            }
            _ => Ok(()),
        }
    }

    /// Takes a transaction that finished.
    ///
    /// # Panics
    /// When its tid does not exceed the last one.
    pub fn add(&mut self, finishing: Finishing, transaction: Transaction) {
        assert!(finishing.tid > self.last, "tids rise");
        self.last = finishing.tid;
        if !self.syncing.is_empty() {
            mark!("a finish waits for the batch before it");
        }
        let unpublished = finishing.drafts.len();
        self.waiting.push_back(Waiting { finishing, transaction, unpublished });
    }

    /// A blob of a transaction that waits has its name.
    pub fn published(&mut self, key: TxnKey) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.finishing.key == key) {
            waiting.unpublished -= 1;
        }
    }

    /// Takes a transaction that waits out: it will not be. `None`: it was taken out before.
    pub fn withdraw(&mut self, key: TxnKey) -> Option<Finishing> {
        let at = self.waiting.iter().position(|waiting| waiting.finishing.key == key)?;
        self.waiting.remove(at).map(|waiting| waiting.finishing)
    }

    /// The next batch to append; `None` while one is on its way, when nothing can be appended, or after a failure.
    pub fn next_batch(&mut self) -> Option<Vec<Transaction>> {
        let ready = self.waiting.iter().take_while(|waiting| waiting.unpublished == 0).count();
        #[cfg(feature = "planted-bugs")]
        let ready = if self.bug == Some(Bug::BlobNotAwaited) { self.waiting.len() } else { ready };
        if !self.syncing.is_empty() || ready == 0 || self.failed {
            return None;
        }
        if ready > 1 {
            mark!("a batch has several transactions");
        }
        let batch = self.waiting.drain(..ready).map(|waiting| (waiting.finishing, waiting.transaction));
        let (finishing, batch): (Vec<_>, Vec<_>) = batch.unzip();
        self.syncing = finishing.into();
        Some(batch)
    }

    /// The next transaction that is durable when everything up to `upto` is, in order.
    pub fn pop_durable(&mut self, upto: Tid) -> Option<Finishing> {
        self.syncing.pop_front_if(|first| first.tid <= upto)
    }

    /// The store refused: everything on its way has an unknown outcome, and nothing more is taken.
    pub fn refuse(&mut self) -> Vec<Finishing> {
        self.failed = true;
        let waiting = self.waiting.drain(..).map(|waiting| waiting.finishing);
        self.syncing.drain(..).chain(waiting).collect()
    }

    /// Whether the store refused an append.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.syncing.is_empty() && self.waiting.is_empty()
    }

    /// The transactions on their way, in order of their tids.
    pub fn on_their_way(&self) -> impl Iterator<Item = &Finishing> {
        self.syncing.iter().chain(self.waiting.iter().map(|waiting| &waiting.finishing))
    }
}
