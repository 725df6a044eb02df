//! What a step of the commit path works with: the store, the registered clients, and where replies go.

use crate::commit::txn::Txn;
use crate::ids::Oid;
#[cfg(feature = "planted-bugs")]
use crate::ids::Tid;
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::server::event::Event;
use crate::server::names::{ConnId, Context};
use crate::server::output::Outputs;
use crate::server::queue::Queue;
use crate::server::stats::Stats;
use crate::store::blob::BlobOp;
use crate::store::disk::{DiskDone, DiskOp};
use crate::store::file::pack::Packed;
use crate::store::{Outbox, Store, StoreDone, StoreOp, Transaction};
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Notice, Size};
use std::collections::BTreeMap;

/// A store with what it has put out.
#[derive(Debug)]
pub struct Desk {
    /// The store.
    pub store: Store<Context>,
    has_blobs: bool,
    outbox: Outbox<Context>,
}

impl Desk {
    /// A store that was just opened, with a folder for blobs or without.
    pub fn new(store: Store<Context>, has_blobs: bool) -> Desk {
        Desk { store, has_blobs, outbox: Outbox::default() }
    }

    /// Whether objects may have blobs.
    pub fn has_blobs(&self) -> bool {
        self.has_blobs
    }

    /// Has something done in the folder of the blobs.
    pub fn blob(&mut self, op: BlobOp) {
        self.outbox.disk.push_back(DiskOp::Blob(op));
    }

    /// Starts an operation of the store.
    pub fn ask(&mut self, op: StoreOp<Context>) {
        self.store.ask(op, &mut self.outbox);
    }

    /// Appends a batch.
    pub fn append(&mut self, batch: Vec<Transaction>) {
        self.store.append(batch, &mut self.outbox);
    }

    /// Puts a packed log in the place of the store's.
    ///
    /// # Panics
    /// When the store has none.
    pub fn swap(&mut self, packed: Box<Packed>, keep_old: bool) {
        self.store.swap(packed, keep_old, &mut self.outbox);
    }

    /// Removes a packed log that is not to take the place of the store's.
    ///
    /// # Panics
    /// When the store has none.
    pub fn discard(&mut self) {
        self.store.discard(&mut self.outbox);
    }

    /// Takes the outcome of a disk operation.
    pub fn on_disk(&mut self, done: DiskDone<Context>) {
        self.store.on_disk(done, &mut self.outbox);
    }

    /// Saves what makes the next start fast.
    pub fn close(&mut self) {
        self.store.close(&mut self.outbox);
    }

    /// The next operation the store wants carried out.
    pub fn pop_disk(&mut self) -> Option<DiskOp<Context>> {
        self.outbox.disk.pop_front()
    }

    /// The store's next answer.
    pub fn pop_done(&mut self) -> Option<StoreDone<Context>> {
        self.outbox.done.pop_front()
    }

    /// Objects and bytes.
    pub fn size(&self) -> Size {
        Size { length: self.store.len(), size: self.store.size() }
    }
}

/// Object ids that were never stored and never handed out.
#[derive(Debug)]
pub struct Oids {
    highest: Oid,
    #[cfg(feature = "planted-bugs")]
    given_twice: bool,
}

impl Oids {
    /// No id up to `highest` is given again.
    pub fn after(highest: Oid) -> Oids {
        Oids {
            highest,
            #[cfg(feature = "planted-bugs")]
            given_twice: false,
        }
    }

    /// An object with this id is stored.
    pub fn note(&mut self, oid: Oid) {
        self.highest = self.highest.max(oid);
    }

    /// The next `count` ids; `None` when there are not that many left.
    pub fn next(&mut self, count: u64) -> Option<Vec<Oid>> {
        let last = self.highest.0.checked_add(count)?;
        let fresh = (self.highest.0 + 1..=last).map(Oid).collect();
        #[cfg(feature = "planted-bugs")]
        if self.given_twice {
            return Some(fresh);
        }
        self.highest = Oid(last);
        Some(fresh)
    }
}

/// The registered clients and what they are told.
#[derive(Debug)]
pub struct Audience {
    /// Who is told, and in which encoding.
    pub members: BTreeMap<ConnId, Codec>,
    /// The last transactions, for clients that come back.
    pub queue: Queue,
    /// Figures since the start.
    pub stats: Stats,
    /// Ids for new objects.
    pub oids: Oids,
    /// What nobody was told of yet, and whose it is.
    #[cfg(feature = "planted-bugs")]
    pub untold: Vec<(ConnId, Tid, Vec<Oid>)>,
}

impl Audience {
    /// Nobody yet, with the last transactions and what is new behind them.
    pub fn new(queue: Queue, oids: Oids) -> Audience {
        Audience {
            members: BTreeMap::new(),
            queue,
            stats: Stats::default(),
            oids,
            #[cfg(feature = "planted-bugs")]
            untold: Vec::new(),
        }
    }

    /// Tells everybody.
    pub fn tell_all(&self, notice: &Notice<'_>, out: &mut Outputs) {
        for (&conn, &codec) in &self.members {
            let packet = out.notice(codec, notice);
            out.notify(conn, packet);
        }
    }

    /// Tells everybody but `committer`.
    pub fn broadcast(&self, committer: ConnId, notice: &Notice<'_>, out: &mut Outputs) {
        out.broadcast(&self.members, Some(committer), notice);
    }
}

#[cfg(feature = "planted-bugs")]
impl Audience {
    /// Switches a deliberate fault on.
    pub fn plant(&mut self, bug: Bug) {
        self.oids.given_twice = bug == Bug::OidsGivenTwice;
        if bug == Bug::Unsteady {
            self.oids.highest.0 += crate::planted::elsewhere();
        }
        self.queue.plant(bug);
    }

    /// Tells of the transactions that others were not told of.
    pub fn tell_late(&mut self, out: &mut Outputs) {
        for (committer, tid, oids) in std::mem::take(&mut self.untold) {
            self.broadcast(committer, &Notice::Invalidate(tid, &oids), out);
        }
    }
}

/// What a step of the commit path works with.
pub struct Scene<'a> {
    /// The storage's name.
    pub name: &'a str,
    /// The store.
    pub desk: &'a mut Desk,
    /// The registered clients.
    pub audience: &'a mut Audience,
    /// Where replies go.
    pub out: &'a mut Outputs,
    /// Monotonic time.
    pub now: Instant,
    /// Wall-clock time.
    pub wall: WallTime,
}

impl Scene<'_> {
    /// Notes that a vote ended in an error.
    pub fn note_failure(&mut self, conn: ConnId, error: &RemoteError) {
        match error {
            RemoteError::Conflict(conflict) | RemoteError::ReadConflict(conflict) => {
                mark!("a vote ends in a conflict");
                self.audience.stats.conflicts += 1;
                self.out.log(Event::Conflict { oid: conflict.oid });
            }
            RemoteError::PosKey(_) | RemoteError::NoOid => {}
            other => {
                mark!("a vote fails for another reason than a conflict");
                let (peer, error) = (format!("connection {}", conn.0), other.to_string());
                self.out.log(Event::CallFailed { peer, method: "vote", error });
            }
        }
    }

    /// Counts a transaction that its client gives up. If it could not resolve its conflicts, that is what ended it.
    pub fn count_abort(&mut self, txn: Option<&Txn>) {
        let stats = &mut self.audience.stats;
        stats.aborts += 1;
        stats.conflicts += u64::from(txn.is_some_and(Txn::in_conflict));
    }
}
