//! The client machine: connections to one of several servers of one storage, and the cache that is kept in step with it.
//!
//! The shell hands it what happens with [`Client::handle`] and carries out what [`Client::poll`] gives back, in order,
//! until there is nothing more. Callers' questions are inputs like everything else; only what the cache knows is
//! answered at once, by [`Client::cached`], on whatever thread asks.

mod blob;
mod browse;
pub mod config;
mod connect;
mod desk;
pub mod event;
pub mod fault;
mod held;
mod link;
mod loads;
mod mark;
mod oids;
mod purpose;
mod replies;
mod resolve;
mod settle;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transaction;
mod txn;
mod verify;
mod vocabulary;
mod waiting;

pub use vocabulary::*;

use crate::cache::Cache;
use crate::ids::{Oid, Tid};
use crate::limits;
use crate::rng::{Rng, Seed};
use crate::store::Revision;
use crate::time::Instant;
use crate::wire::call::{MessageId, Request};
use crate::wire::delivery::{Delivery, decode_delivery};
use crate::wire::frame::Frame;
use crate::wire::remote::RemoteError;
use crate::wire::tree::{Tree, Value};
use blob::Blobs;
use browse::Browse;
use config::Config;
use connect::{Connector, Registered};
use desk::Desk;
use event::Event;
use fault::{Fault, ServerFault};
use link::{Link, Stage};
use loads::{Loads, Waiter};
use oids::Oids;
use purpose::Purpose;
use transaction::Commits;
use verify::Verification;
use waiting::{Question, Waiting};

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

/// The client.
#[derive(Debug)]
pub struct Client {
    desk: Desk,
    connector: Connector,
    verification: Verification,
    waiting: Waiting,
    loads: Loads,
    commits: Commits,
    oids: Oids,
    blobs: Blobs,
    browse: Browse,
    tree: Tree,
    /// What was not found in the cache last: whoever asks for it next need not look again.
    missed: Option<(Oid, Tid)>,
    closed: bool,
}

impl Client {
    /// A client that connects at once, as [`poll`](Self::poll) tells.
    ///
    /// Its transactions' marks come from the seed: two clients of one storage must not have the same.
    pub fn new(now: Instant, config: Config, cache: Cache, seed: Seed) -> Client {
        let mut desk = Desk::new(now, config, cache, Rng::new(seed));
        let mut connector = Connector::new(&desk);
        connector.seek(&mut desk);
        Client {
            desk,
            connector,
            verification: Verification::default(),
            waiting: Waiting::default(),
            loads: Loads::default(),
            commits: Commits::default(),
            oids: Oids::default(),
            blobs: Blobs::default(),
            browse: Browse::default(),
            tree: Tree::default(),
            missed: None,
            closed: false,
        }
    }

    /// Takes an input. What follows from it is given by [`poll`](Self::poll).
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.desk.now = now;
        let missed = self.missed.take();
        match input {
            Input::Connected { conn } => self.on_connected(conn),
            Input::Lost { conn, why } => self.lose(conn, &Fault::Network(why)),
            Input::Received { conn, bytes } => self.on_received(conn, bytes),
            Input::Ask { ticket, call } => self.on_ask(ticket, call, missed),
            Input::Forget { ticket } => self.on_forget(ticket),
            Input::Resolved { txn, oid, state } => {
                if let Some(link) = self.connector.ready() {
                    self.commits.on_resolved(&mut self.desk, link, txn, oid, state);
                }
            }
            Input::BlobRead { txn, piece } => {
                if let Some(link) = self.connector.ready() {
                    self.commits.on_blob(&mut self.desk, link, txn, piece);
                }
            }
            Input::Tick => self.on_tick(),
            Input::Close => self.on_close(),
        }
        if !self.closed {
            self.connector.seek(&mut self.desk);
        }
        self.connector.flush(&mut self.desk);
    }

    /// The next thing to do, in order; `None` when everything follows from inputs still to come.
    pub fn poll(&mut self) -> Option<Output> {
        self.desk.pop()
    }

    /// When the client wants an [`Input::Tick`]; changes with every input. `None` once it is closed.
    pub fn deadline(&self) -> Option<Instant> {
        let own = [self.connector.deadline(&self.desk), self.waiting.deadline(), self.commits.deadline()];
        if self.closed { None } else { own.into_iter().flatten().min() }
    }

    /// The revision current before a tid, if the cache knows it.
    ///
    /// What was current before a tid up to the one after the last transaction stays right whatever happens, and is
    /// answered with and without a connection. [`Tid::MAX`], whatever is current, is answered only while the client is
    /// ready: else nobody knows what is. Others are not answered.
    pub fn cached(&mut self, oid: Oid, before: Tid) -> Option<Revision> {
        let found = match before {
            Tid::MAX if self.is_ready() => self.desk.cache.load(oid),
            #[cfg(feature = "planted-bugs")]
            Tid::MAX if self.desk.bug == Some(Bug::CachedWhileAway) => self.desk.cache.load(oid),
            Tid::MAX => return None,
            before => self.desk.cache.load_before(oid, before),
        };
        self.missed = found.is_none().then_some((oid, before));
        found
    }

    /// The last transaction whose changes were applied and told; `None` before the first connection with an empty
    /// cache. It never falls, unless a server that is behind is put up with.
    pub fn last_tid(&self) -> Option<Tid> {
        self.desk.seen()
    }

    /// Whether there is a connection and the cache is verified: questions are sent at once.
    pub fn is_ready(&self) -> bool {
        self.connector.is_ready()
    }

    /// The connection that is worked with, though its server may not answer questions yet.
    pub fn connection(&self) -> Option<ConnId> {
        self.connector.chosen_link().map(|link| link.conn)
    }

    /// What is known of the storage; `None` while the client is not ready.
    pub fn info(&self) -> Option<StorageInfo> {
        self.connector.chosen_link().filter(|link| link.is_ready()).map(Link::info)
    }

    /// The server that questions are sent to; `None` while there is none.
    pub fn server(&self) -> Option<ServerId> {
        self.connector.server()
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.desk.cache
    }

    fn on_connected(&mut self, conn: ConnId) {
        if let Some(link) = self.connector.link(conn) {
            link.stage = Stage::Greeting;
        }
    }

    fn on_received(&mut self, conn: ConnId, mut chunk: &[u8]) {
        let mut tree = std::mem::take(&mut self.tree);
        let now = self.desk.now;
        while let Some(link) = self.connector.link(conn) {
            link.on_heard(now);
            let result = match link.next_frame(&mut chunk) {
                Ok(None) => break,
                Ok(Some(frame)) => self.on_frame(conn, &frame, &mut tree),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = result {
                self.give_up(conn, &fault);
            }
        }
        self.tree = tree;
        #[cfg(feature = "planted-bugs")]
        if self.desk.bug == Some(Bug::AppliedLate) && self.connector.is_chosen(conn) {
            self.apply_late(conn);
        }
    }

    fn on_frame(&mut self, conn: ConnId, frame: &Frame<'_>, tree: &mut Tree) -> Result<(), Fault> {
        let link = self.connector.link(conn).expect("the connection the frame came on");
        if matches!(link.stage, Stage::Connecting | Stage::Greeting) {
            return link.on_greeting(frame.bytes(), &self.desk);
        }
        match decode_delivery(link.codec(), frame.bytes(), tree)? {
            Delivery::Reply { id: MessageId::Int(id), result } => self.on_reply(conn, id, result, frame),
            Delivery::Reply { id: MessageId::Load(oid, before), result } => match self.connector.ready() {
                Some(link) if link.conn == conn => {
                    self.loads.on_loaded(&mut self.desk, link, (oid, before), result, frame)
                }
                _ => Err(ServerFault::Reply(format!("the load of {oid} before {before}")).into()),
            },
            Delivery::Reply { id: MessageId::Other(id), .. } => {
                Err(ServerFault::Reply(id.to_string()).into())
            }
            Delivery::Invalidate { tid, oids } => self.on_invalidate(conn, tid, oids),
            Delivery::Info(size) => {
                if let Some(abilities) = &mut link.abilities {
                    (abilities.objects, abilities.bytes) = (size.length, size.size);
                }
                Ok(())
            }
            Delivery::Blob { oid, serial, part } => match self.connector.ready() {
                Some(link) if link.conn == conn => {
                    self.blobs.on_part(&mut self.desk, link, (oid, serial), part, frame)
                }
                _ => Err(ServerFault::Call("receiveBlob".to_owned()).into()),
            },
            Delivery::Other { method, .. } => Err(ServerFault::Call(method.to_owned()).into()),
        }
    }

    fn on_invalidate(&mut self, conn: ConnId, tid: Tid, oids: Vec<Oid>) -> Result<(), Fault> {
        let is_chosen = self.connector.is_chosen(conn);
        let link = self.connector.link(conn).expect("the connection the invalidation came on");
        #[cfg(feature = "planted-bugs")]
        if self.desk.bug == Some(Bug::AppliedLate) && link.keep(tid, oids.clone()) {
            return Ok(());
        }
        if is_chosen && self.verification.outcome().is_some() {
            if !link.in_order() && self.verification.has_told(tid) {
                mark!("an invalidation was overtaken by the answer that verified the cache");
                return Ok(());
            }
            // What comes after a transaction of ours says that nothing before it is under way.
            self.commits.before(&mut self.desk, link, &mut self.loads, tid)?;
            for oid in &oids {
                self.loads.on_changed(*oid, tid);
            }
            return verify::apply(&mut self.desk, tid, oids);
        }
        if !link.keep(tid, oids) {
            if !is_chosen {
                return Err(ServerFault::Call("invalidateTransaction".to_owned()).into());
            }
            self.verification.on_flood(&mut self.desk, link);
        }
        Ok(())
    }

    /// The answer to a call. What it was for is lost with the connection if it makes no sense.
    fn on_reply(
        &mut self,
        conn: ConnId,
        id: i64,
        result: Result<Value<'_>, RemoteError>,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        let link = self.connector.link(conn).expect("the connection the reply came on");
        let purpose = link.answered(id).ok_or_else(|| ServerFault::Reply(format!("call {id}")))?;
        let desk = &mut self.desk;
        match purpose {
            Purpose::Register => self.on_registered(conn, result),
            Purpose::LastTransaction => {
                self.verification.on_last(desk, link, result)?;
                self.check_ready()
            }
            Purpose::Invalidations => {
                self.verification.on_invalidations(desk, link, result)?;
                self.check_ready()
            }
            Purpose::Info => {
                link.abilities = Some(replies::abilities(result.map_err(Fault::Refused)?)?);
                self.check_ready()
            }
            Purpose::LoadSerial(oid, serial) => {
                for state in self.loads.on_serial(desk, (oid, serial), result, frame)? {
                    self.commits.on_state(desk, link, state);
                }
                Ok(())
            }
            Purpose::Oids => self.oids.on_reply(desk, link, result),
            Purpose::Sync(ticket) if result.is_ok() && !link.in_order() => {
                link.call(desk, Purpose::SyncAgain(ticket), &Request::Ping);
                Ok(())
            }
            Purpose::Sync(ticket) | Purpose::SyncAgain(ticket) => {
                desk.answer(ticket, result.map(|_| Answer::Done).map_err(Error::of));
                Ok(())
            }
            Purpose::Vote(txn) => self.commits.on_vote(desk, link, &mut self.loads, txn, result),
            Purpose::Finish(txn) => self.commits.on_finish(desk, link, &mut self.loads, txn, result),
            Purpose::Overtaken(txn) => self.commits.on_overtaken(desk, link, &mut self.loads, txn),
            Purpose::Abort(txn, ticket) => {
                self.commits.on_abort(desk, link, txn, ticket);
                Ok(())
            }
            Purpose::Fence(_) | Purpose::Settle(_) | Purpose::Settled(_) => {
                self.commits.on_settling(desk, link, purpose, result)
            }
            Purpose::Browse(ticket) => self.browse.on_reply(desk, link, ticket, result, frame),
            Purpose::Blob(oid, serial) => {
                self.blobs.on_answer(desk, link, (oid, serial), result.map(drop));
                Ok(())
            }
        }
    }

    fn on_registered(&mut self, conn: ConnId, result: Result<Value<'_>, RemoteError>) -> Result<(), Fault> {
        let result = match result {
            Ok(value) => Ok(replies::last_tid(value, "register")?),
            Err(error) => Err(error),
        };
        let last = result.as_ref().ok().copied().flatten();
        match self.connector.on_registered(&self.desk, conn, result) {
            Registered::Again => return Ok(()),
            Registered::Useless(fault) => return Err(fault),
            Registered::Chosen { before } => {
                if let Some(before) = before {
                    self.give_up(before, &Fault::Switched);
                }
            }
        }
        self.connector.settle_on_chosen(&mut self.desk);
        let link = self.connector.chosen().expect("just chosen");
        if let Some(label) = &self.desk.config.label {
            link.tell(&Request::SetClientLabel(label));
        }
        link.call(&self.desk, Purpose::Info, &Request::GetInfo);
        self.verification.start(&mut self.desk, link, last)?;
        self.check_ready()
    }

    /// Questions are answered once the cache is verified and the server is known.
    fn check_ready(&mut self) -> Result<(), Fault> {
        let (Some(verified), Some(link)) = (self.verification.outcome(), self.connector.chosen()) else {
            return Ok(());
        };
        if link.is_ready() || link.abilities.is_none() {
            return Ok(());
        }
        link.stage = Stage::Ready;
        let last = self.desk.seen().expect("a verified cache has a last transaction");
        let server = self.desk.config.servers[link.server.0].clone();
        let read_only = link.read_only;
        self.desk.log(Event::Connected { server, read_only, last, verified });
        self.commits.pump(&mut self.desk, link);
        self.connector.on_ready();
        while let Some(Question { ticket, until, call }) = self.waiting.pop() {
            #[cfg(feature = "planted-bugs")]
            if self.desk.bug == Some(Bug::QuestionForgotten) {
                continue;
            }
            if self.verification.is_anew()
                && let Call::Vote(changes) = &call
                && changes.is_based()
            {
                // A server takes any change of an object that it does not have, whatever the change is based on.
                mark!("what a transaction is based on may be of another history");
                let why = "the server could not say what changed meanwhile".to_owned();
                self.desk.answer(ticket, Err(Error::Lost(why)));
            } else if self.desk.is_open(ticket) && !self.answer_from_cache(ticket, &call) {
                self.ask(ticket, call, Some(until));
            }
        }
        Ok(())
    }

    fn on_ask(&mut self, ticket: Ticket, call: Call, missed: Option<(Oid, Tid)>) {
        self.desk.open(ticket);
        if self.closed {
            return self.desk.answer(ticket, Err(Error::Closed));
        }
        if self.desk.questions() > limits::QUESTIONS {
            return self.desk.answer(ticket, Err(Error::Limit("questions")));
        }
        let known = matches!(call, Call::Load { oid, before } if missed == Some((oid, before)));
        if known || !self.answer_from_cache(ticket, &call) {
            self.ask(ticket, call, None);
        }
    }

    /// Answers a load that the cache can answer.
    fn answer_from_cache(&mut self, ticket: Ticket, call: &Call) -> bool {
        let found = match call {
            Call::Load { oid, before } => self.cached(*oid, *before),
            _ => None,
        };
        self.missed = None;
        let is_found = found.is_some();
        if is_found {
            self.desk.answer(ticket, Ok(Answer::Loaded(found)));
        }
        is_found
    }

    /// Sends a question, or lets it wait for a connection.
    fn ask(&mut self, ticket: Ticket, call: Call, until: Option<Instant>) {
        let desk = &mut self.desk;
        let link = match (&call, self.connector.ready()) {
            (Call::Abort(txn), link) => return self.commits.abort(desk, link, *txn, ticket),
            (_, Some(link)) => link,
            (Call::Finish(txn) | Call::VoteAgain { txn, .. }, None) => {
                return self.commits.finish_nothing(desk, *txn, ticket);
            }
            (_, None) => {
                let until = until.unwrap_or(desk.now + desk.config.wait_timeout);
                return self.waiting.push(Question { ticket, until, call });
            }
        };
        match call {
            Call::Ready => desk.answer(ticket, Ok(Answer::Done)),
            Call::Load { oid, before } => {
                self.loads.load(desk, link, oid, before, Waiter::Caller(ticket, until));
            }
            Call::LoadSerial { oid, serial } => match desk.cache.load_serial(oid, serial) {
                Some(state) => desk.answer(ticket, Ok(Answer::State(state))),
                None => self.loads.load_serial(desk, link, oid, serial, Waiter::Caller(ticket, until)),
            },
            Call::Prefetch { oids, before } => self.loads.prefetch(desk, link, ticket, &oids, before, until),
            Call::LoadBlob { oid, serial } => self.blobs.load(desk, link, (oid, serial), ticket),
            Call::NewOid => self.oids.ask(desk, link, ticket),
            Call::Sync => link.call(desk, Purpose::Sync(ticket), &Request::Ping),
            Call::Vote(changes) => self.commits.vote(desk, link, ticket, changes, until),
            Call::VoteAgain { txn, operations } => {
                self.commits.vote_again(desk, link, txn, operations, ticket)
            }
            Call::Finish(txn) => self.commits.finish(desk, link, txn, ticket),
            Call::Abort(_) => unreachable!("answered above"),
            Call::Info => desk.answer(ticket, Ok(Answer::Info(link.info()))),
            Call::History { .. }
            | Call::UndoLog { .. }
            | Call::Pack { .. }
            | Call::Status
            | Call::Iterate { .. }
            | Call::IterateNext(_)
            | Call::IterateEnd(_)
            | Call::NextRecord { .. }
            | Call::Pass(_) => self.browse.ask(desk, link, ticket, call),
        }
    }

    fn on_forget(&mut self, ticket: Ticket) {
        self.desk.forget(ticket);
        self.commits.forget(&mut self.desk, self.connector.ready(), TxnRef(ticket));
    }

    fn on_tick(&mut self) {
        for conn in self.connector.conns() {
            if let Some(link) = self.connector.link(conn)
                && let Err(fault) = link.on_tick(&self.desk)
            {
                self.give_up(conn, &fault);
            }
        }
        self.commits.on_tick(&mut self.desk, self.connector.ready());
        let now = self.desk.now;
        while let Some(question) = self.waiting.pop_expired(now) {
            self.desk.answer(question.ticket, Err(self.connector.trouble().disconnected()));
        }
    }

    /// Closes a connection from this side.
    fn give_up(&mut self, conn: ConnId, fault: &Fault) {
        self.connector.flush(&mut self.desk);
        self.desk.push(Output::Close { conn });
        self.lose(conn, fault);
    }

    /// A connection is over: what was under way on it ends, or waits for the next.
    fn lose(&mut self, conn: ConnId, fault: &Fault) {
        let Some(link) = self.connector.remove(&mut self.desk, conn, fault) else { return };
        if matches!(link.stage, Stage::Verifying | Stage::Ready) {
            self.end(link, fault);
        }
        // Whoever waits for a server that is not behind waits in vain when there is no other.
        if matches!(fault, Fault::Behind { .. }) && !self.connector.is_trying() {
            while let Some(question) = self.waiting.pop() {
                self.desk.answer(question.ticket, Err(fault.disconnected()));
            }
        }
    }

    fn end(&mut self, mut link: Link, fault: &Fault) {
        let desk = &mut self.desk;
        self.verification = Verification::default();
        for purpose in link.take_calls() {
            match purpose {
                Purpose::Sync(ticket) | Purpose::SyncAgain(ticket) => desk.answer(ticket, Err(fault.lost())),
                // The transaction is gone with the connection.
                Purpose::Abort(_, Some(ticket)) => desk.answer(ticket, Ok(Answer::Done)),
                // The others are known to those who asked.
                _ => {}
            }
        }
        let mut questions = self.loads.on_lost(desk, fault);
        questions.extend(self.commits.on_lost(desk, link.server, fault));
        self.oids.on_lost(desk, fault);
        self.blobs.on_lost(desk, fault);
        self.browse.on_lost(desk, fault);
        questions.into_iter().for_each(|question| self.waiting.push(question));
    }

    fn on_close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.commits.close(&mut self.desk);
        self.desk.close();
        for conn in self.connector.conns() {
            self.give_up(conn, &Fault::Closed);
        }
        self.waiting = Waiting::default();
        // The medium is somebody else's from now on.
        self.desk.cache.flush();
        self.desk.cache = Cache::in_memory(0);
    }

    /// Applies what came with the last chunk, unless the cache is being verified.
    #[cfg(feature = "planted-bugs")]
    fn apply_late(&mut self, conn: ConnId) {
        let Some(link) = self.connector.link(conn).filter(|_| self.verification.outcome().is_some()) else {
            return;
        };
        let result = link.take_kept().into_iter().try_for_each(|(tid, oids)| {
            oids.iter().for_each(|oid| self.loads.on_changed(*oid, tid));
            verify::apply(&mut self.desk, tid, oids)
        });
        if let Err(fault) = result {
            self.give_up(conn, &fault);
        }
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.desk.bug = Some(bug);
    }

    /// What it keeps for its callers and its server at the moment: nothing, when nobody waits for anything.
    pub fn held(&self) -> Vec<String> {
        held::held(self)
    }

    /// Checks what must always hold between two inputs.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self) {
        self.desk.check_invariants();
        self.connector.check_invariants();
        self.loads.check_invariants();
        self.commits.check_invariants(self.is_ready());
        assert!(!self.is_ready() || self.waiting.deadline().is_none(), "nobody waits for what is there");
    }
}
