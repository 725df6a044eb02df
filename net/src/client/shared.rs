//! What a client's handles and tasks share: the machine with its cache, the sockets, and who waits for what.
//!
//! Whoever has something to tell the machine does so under the one lock, carries out what follows, and writes to the
//! sockets at once, on its own thread. Nothing waits, and nobody's code runs, while the lock is held.

use super::followers::Followers;
use super::link::{self, Link};
use super::spool::Feeder;
use crate::address::Address;
use crate::clock::{self, Clock};
use crate::stream::Stream;
use crate::tls::ClientSide;
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use zeolith_core::client::event::Event;
use zeolith_core::client::{
    Answer, Call, Client as Machine, ConnId, Error, Input, Merge, Output, ServerId, Ticket,
};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::server::event::Level;
use zeolith_core::store::Revision;
use zeolith_core::time::Instant;

/// What a caller of many steps is told.
#[derive(Debug)]
pub(super) enum Step {
    /// Two states are to be merged.
    Resolve(Box<Merge>),
    /// The blob of this operation is to be read on.
    ReadBlob(usize),
    /// The end.
    Answer(Result<Answer, Error>),
}

/// Whom an answer is for.
#[derive(Debug)]
pub(super) enum Waiter {
    /// The answer is all there is.
    Once(oneshot::Sender<Result<Answer, Error>>),
    /// Other things come before it.
    Steps(mpsc::UnboundedSender<Step>),
    /// The bytes of a blob come before it.
    Blob(Feeder),
}

/// The one place of a client.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the driver when the deadline or the end may have come nearer.
    attention: Notify,
    /// Whether the client has ended.
    ended: watch::Sender<bool>,
    runtime: Handle,
    servers: Vec<Address>,
    tls: Option<ClientSide>,
    clock: Clock,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) followers: Followers,
    /// The time of this turn: one reading of the clock for all that follows from one input.
    now: Instant,
    links: HashMap<ConnId, Link, FxBuildHasher>,
    waiters: HashMap<Ticket, Waiter, FxBuildHasher>,
    last_ticket: u64,
    /// Connections with something new to send.
    dirty: Vec<ConnId>,
    /// Blobs to be read on, once what was read before is sent: the questions and the places of the operations.
    reading: Vec<(Ticket, usize)>,
    closing: bool,
}

impl Shared {
    /// Starts a client's machine, and the task that watches its time.
    pub(super) fn start(
        machine: impl FnOnce(Instant) -> Machine,
        servers: Vec<Address>,
        tls: Option<ClientSide>,
        runtime: Handle,
    ) -> Arc<Shared> {
        let clock = Clock::start();
        let machine = machine(clock.now());
        let followers = Followers::new(machine.last_tid());
        let state = State {
            machine,
            followers,
            now: Instant::default(),
            links: HashMap::default(),
            waiters: HashMap::default(),
            last_ticket: 0,
            dirty: Vec::new(),
            reading: Vec::new(),
            closing: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            attention: Notify::new(),
            ended: watch::Sender::new(false),
            runtime,
            servers,
            tls,
            clock,
        });
        shared.turn(|_| ());
        shared.runtime.spawn(drive(Ending(shared.clone())));
        shared
    }

    /// Does something, and carries out what follows from it.
    ///
    /// # Panics
    /// When an earlier turn ended in a panic: what is broken answers nobody any more.
    pub(super) fn turn<R>(self: &Arc<Shared>, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().expect("a client none of whose invariants was found broken");
        let turn = Turn { broken: std::thread::panicking(), state: &mut state };
        let state = &mut *turn.state;
        let before = (state.machine.deadline(), state.closing);
        state.now = self.clock.now();
        let result = act(state);
        state.settle(self);
        if (state.machine.deadline(), state.closing) != before {
            self.attention.notify_one();
        }
        result
    }

    /// As [`turn`](Self::turn), where nobody is left to hear of a client that is broken.
    pub(super) fn last_turn(self: &Arc<Shared>, act: impl FnOnce(&mut State)) {
        if !self.state.is_poisoned() {
            self.turn(act);
        }
    }

    /// What the cache knows, on the caller's thread.
    pub(super) fn cached(&self, oid: Oid, before: Tid) -> Option<Revision> {
        let mut state = self.state.lock().expect("a client none of whose invariants was found broken");
        state.machine.cached(oid, before)
    }

    /// Asks the driver to end the client.
    pub(super) fn close(self: &Arc<Shared>) {
        self.last_turn(|state| state.closing = true);
    }

    /// Returns when the client has ended.
    pub(super) async fn closed(&self) {
        let ended = self.ended.subscribe().wait_for(|ended| *ended).await.map(drop);
        ended.expect("the sender is ours");
    }

    /// Ends the client: what is under way fails, and the cache is flushed, which may wait for the disk. Has no effect the
    /// second time.
    fn end(self: &Arc<Shared>) {
        self.last_turn(|state| {
            state.closing = true;
            state.feed(Input::Close);
            state.followers.wake();
        });
        self.ended.send_replace(true);
    }

    fn connect(self: &Arc<Shared>, conn: ConnId, server: ServerId) -> Link {
        let wake = Arc::new(Notify::new());
        let address = self.servers[server.0].clone();
        let run = link::run(self.clone(), conn, address, self.tls.clone(), wake.clone());
        let task = self.runtime.spawn(run);
        Link::new(wake, task.abort_handle())
    }
}

impl State {
    /// Tells the machine.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
    }

    /// Asks the machine, for whoever holds the other end of the waiter.
    pub(super) fn ask(&mut self, call: Call, waiter: Waiter) -> Ticket {
        let ticket = self.ticket();
        self.waiters.insert(ticket, waiter);
        if self.closing {
            self.answer(ticket, Err(Error::Closed));
        } else {
            self.feed(Input::Ask { ticket, call });
        }
        ticket
    }

    /// Asks the machine for something whose answer nobody waits for.
    pub(super) fn tell(&mut self, call: Call) {
        let ticket = self.ticket();
        self.feed(Input::Ask { ticket, call });
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.waiters.remove(&ticket);
        self.feed(Input::Forget { ticket });
    }

    /// Whether nothing will come any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// A connection stands. `false`: it is not wanted any more.
    pub(super) fn connected(&mut self, conn: ConnId, stream: Arc<Stream>) -> bool {
        let Some(link) = self.links.get_mut(&conn) else { return false };
        link.stream = Some(stream);
        self.feed(Input::Connected { conn });
        true
    }

    /// Bytes arrived.
    pub(super) fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        if self.links.contains_key(&conn) {
            self.feed(Input::Received { conn, bytes });
        }
    }

    /// A connection could not be made, or it ended.
    pub(super) fn lost(&mut self, conn: ConnId, why: String) {
        if self.links.remove(&conn).is_some() {
            self.feed(Input::Lost { conn, why });
        }
    }

    /// The socket takes bytes again.
    pub(super) fn writable(&mut self, conn: ConnId) {
        self.mark_dirty(conn);
    }

    /// Whether a connection waits for its socket to take more; `None`: it is over.
    pub(super) fn is_blocked(&self, conn: ConnId) -> Option<bool> {
        self.links.get(&conn).map(|link| link.blocked)
    }

    /// Carries out what the machine puts out, and writes to every socket that has something new, until it is quiet.
    fn settle(&mut self, shared: &Arc<Shared>) {
        loop {
            while let Some(output) = self.machine.poll() {
                self.carry_out(output, shared);
            }
            match self.dirty.pop() {
                Some(conn) => self.flush(conn),
                None => break,
            }
        }
        if self.links.values().all(|link| link.unsent.is_empty()) {
            for (ticket, at) in std::mem::take(&mut self.reading) {
                self.step(ticket, Step::ReadBlob(at));
            }
        }
        self.followers.arrive(self.machine.last_tid());
    }

    fn carry_out(&mut self, output: Output, shared: &Arc<Shared>) {
        match output {
            Output::Connect { conn, server } => {
                self.links.insert(conn, shared.connect(conn, server));
            }
            Output::Send { conn, packet } => {
                if let Some(link) = self.links.get_mut(&conn) {
                    link.unsent.push(packet);
                    self.mark_dirty(conn);
                }
            }
            Output::Close { conn } => drop(self.links.remove(&conn)),
            Output::Answer { ticket, result } => self.answer(ticket, result),
            Output::Resolve { txn, conflict } => self.step(txn.0, Step::Resolve(conflict)),
            Output::ReadBlob { txn, at } => self.reading.push((txn.0, at)),
            Output::BlobPiece { ticket, bytes } => {
                if let Some(Waiter::Blob(feeder)) = self.waiters.get(&ticket) {
                    feeder.push(bytes);
                }
            }
            Output::Changed(change) => self.followers.push(change),
            Output::Log(event) => log(&event),
        }
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Answer, Error>) {
        match self.waiters.remove(&ticket) {
            // Who dropped the other end has told us, or is about to.
            Some(Waiter::Once(sender)) => drop(sender.send(result)),
            Some(Waiter::Steps(sender)) => drop(sender.send(Step::Answer(result))),
            Some(Waiter::Blob(feeder)) => feeder.end(result),
            None => {}
        }
    }

    fn step(&mut self, ticket: Ticket, step: Step) {
        if let Some(Waiter::Steps(sender)) = self.waiters.get(&ticket) {
            // As with answers.
            let _ = sender.send(step);
        }
    }

    fn mark_dirty(&mut self, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&conn)
            && !std::mem::replace(&mut link.dirty, true)
        {
            self.dirty.push(conn);
        }
    }

    fn flush(&mut self, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&conn)
            && let Err(error) = link.flush()
        {
            self.lost(conn, error.to_string());
        }
    }
}

/// One holder of the lock. Should it panic, everybody who waits for the machine hears of it.
struct Turn<'a> {
    state: &'a mut State,
    /// It panicked before already, which is no matter of ours.
    broken: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.broken {
            self.state.waiters.clear();
            self.state.links.clear();
            self.state.followers.wake();
        }
    }
}

/// Ends the client when its driver ends, also because the runtime does: nobody waits for what cannot come.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Tells the machine when its time has come, until the client is to end.
async fn drive(ending: Ending) {
    let shared = &ending.0;
    while let Some(deadline) = shared.turn(|state| (!state.closing).then(|| state.machine.deadline())) {
        let deadline = deadline.map(|deadline| shared.clock.moment(deadline));
        tokio::select! {
            () = shared.attention.notified() => {}
            () = clock::at(deadline) => shared.turn(|state| state.feed(Input::Tick)),
        }
    }
    // The cache may have much to flush.
    tokio::task::spawn_blocking(move || drop(ending));
}

fn log(event: &Event) {
    match event.level() {
        Level::Debug => tracing::debug!("{event}"),
        Level::Info => tracing::info!("{event}"),
        Level::Warning => tracing::warn!("{event}"),
        Level::Error | Level::Critical => tracing::error!("{event}"),
    }
}
