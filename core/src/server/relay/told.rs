//! What the clients of a relayed storage were told.

use crate::ids::{Oid, Tid};
use crate::server::fault::Fault;
use crate::server::names::{ConnId, ReplyTo};
use crate::server::output::Outputs;
use crate::server::queue::Queue;
use crate::store::Revision;
use crate::store::reach::Reach;
use crate::wire::Codec;
use crate::wire::reply::Notice;
use std::collections::BTreeMap;

/// The registered clients, and the transactions they know of.
#[derive(Debug)]
pub(super) struct Told {
    members: BTreeMap<ConnId, Codec>,
    last: Tid,
    queue: Queue,
    reach: Reach,
    /// Loads that were answered with what nobody here was told of yet: Python's server may answer so early.
    early: Vec<(Tid, ReplyTo, Revision)>,
}

impl Told {
    /// Nobody was told of anything; `last` is what the cache knows. Within `reach` it is remembered what transactions changed.
    pub(super) fn new(reach: Reach, last: Tid) -> Told {
        Told {
            members: BTreeMap::new(),
            last,
            queue: Queue::new(reach, last, Vec::new()),
            reach,
            early: Vec::new(),
        }
    }

    /// The last transaction that clients may know of.
    pub(super) fn last(&self) -> Tid {
        self.last
    }

    pub(super) fn join(&mut self, conn: ConnId, codec: Codec) -> Tid {
        self.members.insert(conn, codec);
        self.last
    }

    pub(super) fn leave(&mut self, conn: ConnId) {
        self.members.remove(&conn);
    }

    /// Whether this client may be answered: one that is to verify its cache anew must not see what it was not told of.
    pub(super) fn is_member(&self, conn: ConnId) -> bool {
        self.members.contains_key(&conn)
    }

    pub(super) fn check_invariants(&self, is_there: impl Fn(ConnId) -> bool) {
        assert!(self.members.keys().all(|&conn| is_there(conn)), "who has left is told of nothing");
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// What changed after `tid`, as far as it is known here.
    pub(super) fn since(&self, tid: Tid) -> Option<(Tid, Vec<Oid>)> {
        self.queue.since(tid)
    }

    /// One transaction, of `committer` if that is one of the clients: everybody else is told.
    pub(super) fn tell(&mut self, tid: Tid, oids: Vec<Oid>, committer: Option<ConnId>, out: &mut Outputs) {
        out.broadcast(&self.members, committer, &Notice::Invalidate(tid, &oids));
        self.push(tid, oids);
    }

    /// What was missed, up to `tid`: to a client that asks, it is one transaction. Those who are there could take it for
    /// one as well, and would know a wrong end of revisions that ended before: they have to ask.
    pub(super) fn catch_up(&mut self, tid: Tid, oids: Vec<Oid>, out: &mut Outputs) {
        self.dismiss(out);
        self.push(tid, oids);
    }

    /// Nobody knows what came before `tid`.
    pub(super) fn begin_at(&mut self, tid: Tid, out: &mut Outputs) {
        self.dismiss(out);
        self.last = tid;
        self.queue = Queue::new(self.reach, tid, Vec::new());
    }

    /// A revision is not to be shown before transaction `tid` was told.
    pub(super) fn hold_back(&mut self, tid: Tid, to: ReplyTo, revision: Revision) {
        self.early.push((tid, to, revision));
    }

    /// The revisions that may be shown now.
    pub(super) fn due(&mut self) -> Vec<(ReplyTo, Revision)> {
        let last = self.last;
        let due = self.early.extract_if(.., |(tid, ..)| *tid <= last);
        due.map(|(_, to, revision)| (to, revision)).collect()
    }

    /// How many are held back.
    pub(super) fn early(&self) -> usize {
        self.early.len()
    }

    /// Closes all connections, so that clients verify their caches when they come back.
    pub(super) fn dismiss(&mut self, out: &mut Outputs) {
        while let Some((conn, _)) = self.members.pop_first() {
            mark!("a client has to verify its cache, for the server above was lost");
            out.close(conn, Fault::Upstream);
        }
    }

    fn push(&mut self, tid: Tid, oids: Vec<Oid>) {
        self.queue.push(tid, oids);
        self.last = tid;
    }
}
