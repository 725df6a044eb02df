//! A storage that another server has, and this one hands on: fan-out.
//!
//! The client machine asks the server above and keeps the cache; what it puts out is told to the clients here in the same
//! order. What the server above decides is decided there alone: tids, conflicts, locks, what is current. Its connection has one
//! place for a transaction, so votes queue for it; everything else runs side by side.
//!
//! When that connection is made anew, all clients are closed, so that they verify their caches: what they
//! missed is known here in one piece, and what they were in the middle of is gone above.

mod blobs;
mod commits;
mod desk;
mod dispatch;
mod drafts;
mod errors;
mod iterations;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod told;
mod txn;
mod uplink;

pub(super) use dispatch::{Caller, dispatch};
pub use uplink::{UpstreamEvent, UpstreamOp};

use super::config::{Config, RelayBoot};
use super::event::Event;
use super::fault::Fault;
use super::held::Held;
use super::interfaces;
use super::names::{ConnId, Context, ReplyTo, StorageId};
use super::output::{Output, Outputs};
use super::stats::{Stats, ctime};
use crate::client::{
    self, Answer, Call, Change, Error, Finished, Input, Output as Said, StorageInfo, Ticket,
};
use crate::ids::{Oid, Tid};
use crate::store::Revision;
use crate::store::blob::DraftId;
use crate::store::disk::{DiskDone, DiskOp};
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::call::{IteratorId, Request};
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Info, Notice, Reply, Size, Status};
use crate::wire::tree::Owned;
use blobs::Blobs;
use commits::Commits;
use desk::{Desk, Pending, Scene, Then};
use drafts::News;
use errors::remote;
use iterations::Iterations;
use told::Told;
use uplink::Uplink;

/// A relayed storage.
#[derive(Debug)]
pub struct Relay {
    id: StorageId,
    name: String,
    description: String,
    read_only: bool,
    sync: bool,
    has_folder: bool,
    since: String,
    desk: Desk,
    /// How the first connection went, if it is waited for.
    start: Option<Result<(), Error>>,
    /// It was connected once.
    is_known: bool,
    /// The connection that answers questions.
    linked: Option<client::ConnId>,
    /// What was known of the storage above when it was last connected.
    info: StorageInfo,
    uplink: Uplink,
    told: Told,
    commits: Commits,
    iterations: Iterations,
    blobs: Blobs,
    stats: Stats,
    closed: bool,
}

impl Relay {
    /// A storage whose client was just made.
    pub fn new(id: StorageId, boot: RelayBoot, config: &Config, wall: WallTime, out: &mut Outputs) -> Relay {
        let RelayBoot { name, description, client, now, wait, read_only, sync, has_blobs } = boot;
        let known = client.last_tid().unwrap_or(Tid::ZERO);
        let mut relay = Relay {
            id,
            name,
            description,
            read_only,
            sync,
            has_folder: has_blobs,
            since: ctime(wall),
            desk: Desk::new(client, now),
            start: (!wait).then_some(Ok(())),
            is_known: false,
            linked: None,
            info: StorageInfo::default(),
            uplink: Uplink::default(),
            told: Told::new(config.invalidation_queue, known),
            commits: Commits::new(config.transaction_timeout, config.limits),
            iterations: Iterations::default(),
            blobs: Blobs::default(),
            stats: Stats::default(),
            closed: false,
        };
        relay.ask(Pending::Start, Call::Ready, out);
        relay
    }

    /// Its name in `register`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the first connection went; `None` while it is waited for, as long as the client's
    /// [wait timeout](crate::client::config::Config::wait_timeout).
    pub fn started(&self) -> Option<&Result<(), Error>> {
        self.start.as_ref()
    }

    /// Whether clients are let in: not before anything is known of the storage.
    ///
    /// # Errors
    /// ClientDisconnected.
    pub(super) fn door(&self) -> Result<(), RemoteError> {
        let closed = || RemoteError::Disconnected("the server above was not reached yet".into());
        self.is_known.then_some(()).ok_or_else(closed)
    }

    /// What was known of the storage when it was last connected.
    pub fn known(&self) -> &StorageInfo {
        &self.info
    }

    /// Whether nobody may write.
    pub fn read_only(&self) -> bool {
        self.read_only || self.info.read_only
    }

    /// The last transaction that clients may know of.
    pub fn last_tid(&self) -> Tid {
        self.told.last()
    }

    /// Sets the time of the steps that follow.
    pub fn set_time(&mut self, now: Instant) {
        self.desk.now = now;
    }

    /// Registers a client: from now on it is told of every transaction of others.
    pub fn join(&mut self, conn: ConnId, codec: Codec) -> Tid {
        self.told.join(conn, codec)
    }

    /// A client is gone. Whether it had a transaction open.
    pub fn leave(&mut self, conn: ConnId, out: &mut Outputs) -> bool {
        self.told.leave(conn);
        self.blobs.leave(conn);
        let ended = self.iterations.take(conn, None);
        self.collect(ended);
        self.commit(out, |commits, scene| commits.disconnect(conn, scene))
    }

    /// `get_info`.
    fn info(&self) -> Reply {
        let info = self.desk.client.info().unwrap_or_else(|| self.info.clone());
        let has = |name: &str| info.interfaces.iter().any(|known| known == name);
        Reply::Info(Info {
            size: Size { length: info.objects, size: info.bytes },
            name: self.description.clone(),
            supports_undo: info.supports_undo,
            supports_record_iternext: info.supports_record_iternext,
            in_order: info.in_order,
            interfaces: interfaces::above(has, self.has_blobs()),
        })
    }

    /// Whether objects may have blobs.
    fn has_blobs(&self) -> bool {
        self.has_folder && self.info.supports_blobs
    }

    /// `server_status`.
    pub fn status(&self) -> Status {
        let stats = &self.stats;
        Status {
            loads: stats.loads,
            stores: stats.stores,
            commits: stats.commits,
            aborts: stats.aborts,
            conflicts: stats.conflicts,
            conflicts_resolved: stats.conflicts_resolved,
            active_txns: (self.commits.open() + self.desk.finishing()) as u64,
            connections: self.told.members() as u64,
            waiting: self.commits.voting() as u64,
            lock_time: None,
            start: self.since.clone(),
            last_transaction: self.last_tid(),
            timeout: self.commits.is_limited(),
            pack: None,
        }
    }

    /// Starts a load; the cache answers at once.
    fn load(&mut self, to: ReplyTo, oid: Oid, before: Tid, out: &mut Outputs) {
        self.stats.loads += 1;
        out.begin_operation(to.conn);
        match self.desk.client.cached(oid, before) {
            Some(revision) => self.answer(&to, Ok(revised(revision)), "loadBefore", out),
            None => self.ask(Pending::Load(to), Call::Load { oid, before }, out),
        }
    }

    /// Starts `loadSerial`.
    fn load_serial(&mut self, to: ReplyTo, oid: Oid, serial: Tid, out: &mut Outputs) {
        out.begin_operation(to.conn);
        self.ask(Pending::Data(to), Call::LoadSerial { oid, serial }, out);
    }

    /// Hands a question on.
    fn pass(&mut self, to: ReplyTo, request: Request<'static>, then: Then, out: &mut Outputs) {
        out.begin_operation(to.conn);
        let pending = Pending::Pass(to, request.method(), then);
        self.ask(pending, Call::Pass(Box::new(request)), out);
    }

    /// Starts `getInvalidations`: the server above may know more than is known here.
    fn invalidations(&mut self, to: ReplyTo, since: Tid, out: &mut Outputs) -> Option<Reply> {
        if let Some((upto, oids)) = self.told.since(since) {
            return Some(Reply::Invalidations { upto, oids });
        }
        if self.linked.is_none() || !self.info.in_order {
            return Some(Reply::None);
        }
        mark!("the server above is asked what a client missed");
        self.pass(to, Request::GetInvalidations(since), Then::Invalidations, out);
        None
    }

    /// Starts `ping`. Where replies of the server above overtake invalidations, clients learn of that by asking it again.
    fn ping(&mut self, to: ReplyTo, out: &mut Outputs) -> Option<Reply> {
        if !self.sync && self.info.in_order {
            return Some(Reply::None);
        }
        out.begin_operation(to.conn);
        self.ask(Pending::Sync(to), Call::Sync, out);
        None
    }

    /// Starts `iterator_next` and its like, on an iteration that is the client's.
    ///
    /// # Errors
    /// A KeyError when it is not.
    fn iterate(
        &mut self,
        to: ReplyTo,
        id: IteratorId,
        request: Request<'static>,
        then: Then,
        out: &mut Outputs,
    ) -> Result<(), RemoteError> {
        if !self.iterations.is_of(id, to.conn) {
            return Err(RemoteError::Key(id.0));
        }
        self.pass(to, request, then, out);
        Ok(())
    }

    /// `iterator_gc`.
    fn end_iterations(&mut self, conn: ConnId, ids: &[IteratorId], out: &mut Outputs) {
        let ended = self.iterations.take(conn, Some(ids));
        self.collect(ended);
        self.settle(out);
    }

    /// Ends iterations above.
    fn collect(&mut self, ended: Vec<IteratorId>) {
        if !ended.is_empty() && self.linked.is_some() {
            let request = Request::IteratorGc(ended);
            self.desk.ask(Pending::Nothing, Call::Pass(Box::new(request)));
        }
    }

    /// Takes a step of the commit path, and all that follows from it.
    fn commit<R>(&mut self, out: &mut Outputs, step: impl FnOnce(&mut Commits, &mut Scene<'_>) -> R) -> R {
        let result = self.step(out, step);
        self.settle(out);
        result
    }

    /// A step of the commit path alone.
    fn step<R>(&mut self, out: &mut Outputs, step: impl FnOnce(&mut Commits, &mut Scene<'_>) -> R) -> R {
        let Relay { commits, desk, blobs, stats, .. } = self;
        step(commits, &mut Scene { desk, drafts: &mut blobs.drafts, stats, out })
    }

    /// Starts `sendBlob`.
    fn send_blob(&mut self, to: ReplyTo, oid: Oid, tid: Tid, out: &mut Outputs) {
        out.begin_operation(to.conn);
        self.blobs.send(to, (oid, tid), tid <= self.last_tid(), out);
        self.settle(out);
    }

    /// A peer took enough for more of a blob to be read for it.
    pub fn on_room(&mut self, conn: ConnId, out: &mut Outputs) {
        self.blobs.on_room(conn);
        self.settle(out);
    }

    /// Something happened on a connection to a server above.
    pub fn on_upstream(&mut self, event: UpstreamEvent<'_>, out: &mut Outputs) {
        match event {
            UpstreamEvent::Connected { conn } => self.desk.input(Input::Connected { conn }),
            UpstreamEvent::Received { conn, bytes } => self.desk.input(Input::Received { conn, bytes }),
            UpstreamEvent::Lost { conn, why } => {
                self.uplink.lose(conn);
                self.desk.input(Input::Lost { conn, why });
            }
            UpstreamEvent::Sent { conn, bytes } => self.uplink.sent(conn, bytes),
        }
        self.settle(out);
    }

    /// Takes the outcome of something that was done in the folder of the blobs.
    pub fn on_disk(&mut self, done: DiskDone<Context>, out: &mut Outputs) {
        let DiskDone::Blob(done) = done else { unreachable!("a relayed storage has no files of its own") };
        match self.blobs.on_done(done, &mut self.desk, out) {
            Some(News::Written(conn, key)) => {
                self.step(out, |commits, scene| commits.hand_up(conn, key, scene));
            }
            Some(News::Failed(conn, key, error)) => {
                self.step(out, |commits, scene| commits.on_unwritten((conn, key), error, scene));
            }
            _ => {}
        }
        self.settle(out);
    }

    /// The deadline came.
    pub fn on_tick(&mut self, out: &mut Outputs) {
        self.step(out, Commits::expire);
        self.desk.input(Input::Tick);
        self.settle(out);
    }

    /// When the next transaction will have had its time, or the client wants to be asked.
    pub fn deadline(&self) -> Option<Instant> {
        [self.commits.deadline(), self.desk.client.deadline()].into_iter().flatten().min()
    }

    fn ask(&mut self, pending: Pending, call: Call, out: &mut Outputs) {
        self.desk.ask(pending, call);
        self.settle(out);
    }

    /// Passes on what the client put out, until it is quiet.
    fn settle(&mut self, out: &mut Outputs) {
        let mut next = None;
        while let Some(said) = next.take().or_else(|| self.desk.client.poll()) {
            match said {
                Said::Changed(change) => {
                    // The answer to a finish follows what it changed at once.
                    next = self.desk.client.poll();
                    let committer = next.as_ref().and_then(|next| self.desk.finished(next));
                    self.on_changed(change, committer, out);
                }
                Said::Answer { ticket, result } => self.on_answer(ticket, result, out),
                Said::BlobPiece { ticket, bytes } => {
                    if let Some(Pending::Fetch(draft, ..)) = self.desk.pending(ticket) {
                        self.blobs.drafts.write(*draft, bytes, out);
                    }
                }
                Said::Log(event) => out.log(Event::Upstream { storage: self.name.clone(), event }),
                Said::Resolve { .. } => unreachable!("conflicts are told, not merged"),
                said => {
                    if let Some(op) = self.uplink.take(said) {
                        out.push(Output::Upstream { storage: self.id, op });
                    }
                }
            }
        }
        self.follow(out);
    }

    /// What follows from all that the client has put out.
    fn follow(&mut self, out: &mut Outputs) {
        let client = &self.desk.client;
        let conn = client.connection().filter(|_| client.is_ready());
        if self.linked != conn {
            self.linked = conn;
            self.iterations.clear();
            if let (Some(info), Some(last)) = (client.info(), client.last_tid()) {
                (self.info, self.is_known) = (info, true);
                if self.told.last() == last { self.told.dismiss(out) } else { self.told.begin_at(last, out) }
            }
        }
        if let Some((txn, place)) = self.uplink.wanted(conn)
            && let Some(draft) = self.commits.blob(txn, place)
        {
            self.blobs.read_back(txn, draft);
        }
        if let Some(op) = self.uplink.balance(conn, self.blobs.drafts.coming()) {
            out.push(Output::Upstream { storage: self.id, op });
        }
        while let Some(op) = self.blobs.drafts.pop() {
            out.push(Output::Disk { storage: self.id, op: DiskOp::Blob(op) });
        }
    }

    fn on_changed(&mut self, change: Change, finished: Option<(ConnId, Tid)>, out: &mut Outputs) {
        let steady = self.linked.is_some() && self.linked == self.desk.client.connection();
        match change {
            Change::Everything { tid } => self.told.begin_at(tid, out),
            Change::Objects { tid, oids } if steady => {
                let committer = finished.filter(|(_, finished)| *finished == tid).map(|(conn, _)| conn);
                self.told.tell(tid, oids, committer, out);
            }
            Change::Objects { tid, oids } => self.told.catch_up(tid, oids, out),
        }
        for (to, revision) in self.told.due() {
            mark!("a load is answered after the invalidation it overtook");
            self.answer(&to, Ok(revised(revision)), "loadBefore", out);
        }
    }

    fn on_answer(&mut self, ticket: Ticket, result: Result<Answer, Error>, out: &mut Outputs) {
        let Some(pending) = self.desk.take(ticket) else { return };
        match (pending, result) {
            (Pending::Nothing, _) => {}
            (Pending::Start, result) => drop(self.start.get_or_insert(result.map(drop))),
            (Pending::Load(to), Ok(Answer::Loaded(Some(revision)))) => {
                let needs = revision.until.unwrap_or(revision.serial);
                if needs > self.told.last() {
                    mark!("a load overtakes an invalidation");
                    return self.told.hold_back(needs, to, revision);
                }
                self.answer(&to, Ok(revised(revision)), "loadBefore", out);
            }
            (Pending::Load(to), result) => {
                self.answer(&to, result.map(|_| Reply::None), "loadBefore", out);
            }
            (Pending::Data(to), Ok(Answer::State(data))) => {
                self.answer(&to, Ok(Reply::Data(data)), "loadSerial", out);
            }
            (Pending::Data(to), result) => self.answer(&to, result.map(|_| Reply::None), "loadSerial", out),
            (Pending::Sync(to), result) => self.answer(&to, result.map(|_| Reply::None), "ping", out),
            (Pending::Pass(to, method, then), Ok(Answer::Passed(value))) => {
                let reply = self.passed(&to, value, then);
                self.answer(&to, Ok(reply), method, out);
            }
            (Pending::Pass(to, method, _), result) => {
                self.answer(&to, result.map(|_| Reply::None), method, out);
            }
            (Pending::Vote(conn, key), result) => {
                self.step(out, |commits, scene| commits.on_judged((conn, key), result, scene));
            }
            (Pending::Finish(to, drafts), result) => self.on_finished(&to, drafts, result, out),
            (Pending::Fetch(draft, oid, tid), result) => {
                self.blobs.on_answer(draft, (oid, tid), result.map(drop), out);
            }
        }
    }

    /// The reply for what the server above answered.
    fn passed(&mut self, to: &ReplyTo, value: Owned, then: Then) -> Reply {
        match (then, value) {
            (Then::List, Owned::Tuple(items)) => Reply::Passed(Owned::List(items)),
            (Then::Begin, Owned::Int(id)) => {
                let id = IteratorId(id);
                // Whoever is not there any more ends it with its other iterations: at once.
                let oldest = self.iterations.begin(id, to.conn);
                let gone = (!self.told.is_member(to.conn)).then(|| self.iterations.take(to.conn, None));
                self.collect(oldest.into_iter().chain(gone.into_iter().flatten()).collect());
                Reply::Iterator(id)
            }
            (Then::Next(id), Owned::None) => {
                self.iterations.end(id);
                Reply::None
            }
            (Then::Invalidations, Owned::Tuple(parts)) => {
                let last = Owned::Bytes(self.told.last().bytes().to_vec());
                if parts.first() == Some(&last) { Reply::Passed(Owned::Tuple(parts)) } else { Reply::None }
            }
            (Then::Invalidations, _) => Reply::None,
            (_, value) => Reply::Passed(value),
        }
    }

    /// A finish was answered. One that is not what everybody was told of last was lost in between: its client learns what came
    /// of it as after any lost connection.
    fn on_finished(
        &mut self,
        to: &ReplyTo,
        drafts: Vec<DraftId>,
        result: Result<Answer, Error>,
        out: &mut Outputs,
    ) {
        drafts.into_iter().for_each(|draft| self.blobs.drafts.discard(draft, out));
        match result {
            Ok(Answer::Finished(Finished { tid, .. })) if tid == self.told.last() => {
                self.stats.commits += 1;
                let info = self.desk.client.info().unwrap_or_default();
                let size = Size { length: info.objects, size: info.bytes };
                let info = out.notice(to.codec, &Notice::Info(size));
                out.send(to.conn, info);
                out.reply(to, &Reply::Tid(tid));
            }
            Ok(_) | Err(Error::OutcomeUnknown(_)) => {
                mark!("a finish is lost above");
                out.close(to.conn, Fault::Upstream);
            }
            // Before it was asked for above: a client that hears this knows that nothing was committed.
            Err(error @ (Error::Lost(_) | Error::Disconnected(_))) => {
                out.error(to, &RemoteError::StorageTransaction(error.to_string()));
            }
            Err(error) => out.error(to, &remote(error)),
        }
    }

    /// Replies to a client, unless it has to verify its cache first.
    fn answer(
        &mut self,
        to: &ReplyTo,
        result: Result<Reply, Error>,
        method: &'static str,
        out: &mut Outputs,
    ) {
        let bytes = match result.map_err(remote) {
            _ if !self.told.is_member(to.conn) => 0,
            Ok(reply) => out.reply(to, &reply),
            Err(error) => {
                if !matches!(error, RemoteError::PosKey(_)) {
                    let peer = format!("connection {}", to.conn.0);
                    out.log(Event::CallFailed { peer, method, error: error.to_string() });
                }
                out.error(to, &error);
                0
            }
        };
        out.end_operation(to.conn, bytes);
    }

    /// Whether no transaction is being made durable.
    pub fn is_idle(&self) -> bool {
        self.desk.finishing() == 0
    }

    /// Ends the client, and lets go of its cache.
    pub fn close(&mut self, out: &mut Outputs) {
        self.desk.input(Input::Close);
        self.settle(out);
        self.closed = true;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Tells what it keeps for its clients.
    pub(super) fn hold(&self, held: &mut Held) {
        held.transactions
            .extend(self.commits.owners().map(|conn| format!("connection {} has a transaction", conn.0)));
        for (number, what) in [
            (self.desk.questions(), "questions to the server above"),
            (self.iterations.len(), "iterations above"),
            (self.told.early(), "loads that came early"),
        ] {
            if number > 0 {
                held.rest.push(format!("storage {}: {number} {what}", self.name));
            }
        }
        held.rest.extend(self.blobs.held().into_iter().map(|what| format!("storage {}: {what}", self.name)));
    }

    /// Checks what must always hold between two inputs; `is_there` says which connections there are.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self, is_there: impl Fn(ConnId) -> bool) {
        self.told.check_invariants(is_there);
        self.desk.client.check_invariants();
        let known = self.desk.client.last_tid().unwrap_or(Tid::ZERO);
        assert!(self.linked.is_none() || self.told.last() == known, "clients are told what the cache knows");
    }
}

fn revised(Revision { data, serial, until }: Revision) -> Reply {
    Reply::Revision { data, serial, until }
}
