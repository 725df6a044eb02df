//! The shell: it hands the server what happens, and carries out what the server puts out.

use crate::clock::Surroundings;
use crate::disk::Ran;
use crate::disk::files::Files;
use crate::packing;
use crate::send::SendQueue;
use crate::stream::Stream;
use crate::upstream::{Flushed, Links};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::mpsc::{self, Sender};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use zeolith_core::client;
use zeolith_core::limits;
use zeolith_core::server::event::{Event, Level};
use zeolith_core::server::output::Output;
use zeolith_core::server::packs::PackJob;
use zeolith_core::server::relay::{UpstreamEvent, UpstreamOp};
use zeolith_core::server::{ConnId, Context, Input, Served, Server, StorageId};
use zeolith_core::store::disk::{DiskDone, DiskError};
use zeolith_core::store::file::pack::{Begin, News, Order, PackError};
use zeolith_core::time::Instant;

/// Whose lines these are in the log of Python's server, and so what those who watch a log look for.
const LOGGER: &str = "ZEO.StorageServer";

/// A disk operation that was carried out.
type Finished = (StorageId, DiskDone<Context>);

/// What a helper thread tells.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "news are rare, and a box would cost every operation an allocation"
)]
pub(crate) enum Told {
    /// It has carried out a disk operation.
    Finished(Finished),
    /// The pack of a storage has news.
    News(StorageId, News),
}

/// A connection to a server above: of which storage, and by its client's name for it.
pub(crate) type Link = (StorageId, client::ConnId);

/// One connection.
#[derive(Debug)]
struct Conn {
    stream: Rc<Stream>,
    unsent: SendQueue,
    /// Wakes the connection's task when what it should wait for has changed.
    wake: Rc<Notify>,
    paused: bool,
    /// The server is done with it; it ends when everything is sent.
    closing: bool,
    dirty: bool,
    /// The socket took less than it was given; the connection's task waits until it takes more.
    blocked: bool,
}

/// What a connection's task should wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    Both,
    /// Nothing but being woken.
    Neither,
    /// The connection is over.
    End,
}

/// The one shell of a process. Shared by the tasks of its loop; never borrowed across a wait.
#[derive(Debug)]
pub(crate) struct Shell {
    server: Server,
    surroundings: Rc<dyn Surroundings>,
    files: Vec<Files>,
    /// The connections of storages that other servers have.
    links: Vec<Option<Links>>,
    /// Ourselves, for their tasks.
    me: Weak<RefCell<Shell>>,
    /// The time of this turn: one reading of the clock for all that follows from one input.
    now: Instant,
    conns: HashMap<ConnId, Conn, FxBuildHasher>,
    next_conn: u64,
    /// Connections with something new to send.
    dirty: Vec<ConnId>,
    /// Those to servers above.
    dirty_links: Vec<Link>,
    /// Disk operations carried out inline, to be told to the server.
    finished: VecDeque<Finished>,
    /// How many of these were told in this turn.
    told: usize,
    /// What was read when a turn had enough, in order: for turns to come, and before anything that is read in them.
    put_off: VecDeque<Finished>,
    helpers: UnboundedSender<Told>,
    /// Those who pack, by the storage: where their orders go.
    packers: BTreeMap<StorageId, Sender<Order>>,
    /// Disk operations on helper threads.
    helping: usize,
    /// Wakes the loop when the deadline or the end may have come nearer.
    attention: Rc<Notify>,
    /// The first connections to servers above are waited for.
    starting: bool,
    stopped: bool,
}

/// A shared shell.
pub(crate) type Shared = Rc<RefCell<Shell>>;

impl Shell {
    pub(crate) fn new(
        server: Server,
        surroundings: Rc<dyn Surroundings>,
        storages: Vec<(Files, Option<Links>)>,
        helpers: UnboundedSender<Told>,
        attention: Rc<Notify>,
    ) -> Shared {
        let (files, links) = storages.into_iter().unzip();
        Rc::new_cyclic(|me| {
            RefCell::new(Shell {
                server,
                surroundings,
                files,
                links,
                me: me.clone(),
                now: Instant::default(),
                conns: HashMap::default(),
                next_conn: 0,
                dirty: Vec::new(),
                dirty_links: Vec::new(),
                finished: VecDeque::new(),
                told: 0,
                put_off: VecDeque::new(),
                helpers,
                packers: BTreeMap::new(),
                helping: 0,
                attention,
                starting: true,
                stopped: false,
            })
        })
    }

    /// A connection was accepted.
    pub(crate) fn open(&mut self, stream: Rc<Stream>, address: String) -> (ConnId, Rc<Notify>) {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        let wake = Rc::new(Notify::new());
        self.conns.insert(
            conn,
            Conn {
                stream,
                unsent: SendQueue::default(),
                wake: wake.clone(),
                paused: false,
                closing: false,
                dirty: false,
                blocked: false,
            },
        );
        self.feed(Input::Opened { conn, address });
        (conn, wake)
    }

    /// A connection to a server above stands. `false`: it is not wanted any more.
    pub(crate) fn upstream_connected(&mut self, link: Link, stream: Rc<Stream>) -> bool {
        let wanted = self.links_of(link.0).connected(link.1, stream);
        if wanted {
            self.upstream(link.0, UpstreamEvent::Connected { conn: link.1 });
        }
        wanted
    }

    /// Bytes arrived from a server above.
    pub(crate) fn upstream_received(&mut self, (storage, conn): Link, bytes: &[u8]) {
        if self.links_of(storage).has(conn) {
            self.upstream(storage, UpstreamEvent::Received { conn, bytes });
        }
    }

    /// A connection to a server above could not be made, or it ended.
    pub(crate) fn upstream_lost(&mut self, (storage, conn): Link, why: String) {
        if self.links_of(storage).remove(conn) {
            self.upstream(storage, UpstreamEvent::Lost { conn, why });
        }
    }

    /// The socket to a server above takes bytes again.
    pub(crate) fn upstream_writable(&mut self, link: Link) {
        self.watched(|shell| shell.dirty_links.push(link));
    }

    /// What the task of a connection to a server above should wait for, if anything; the outer `None`: it is over.
    pub(crate) fn upstream_interest(&self, (storage, conn): Link) -> Option<Option<tokio::io::Interest>> {
        self.links[storage.0].as_ref()?.interest(conn)
    }

    fn upstream(&mut self, storage: StorageId, event: UpstreamEvent<'_>) {
        self.feed(Input::Upstream { storage, event });
    }

    fn links_of(&mut self, storage: StorageId) -> &mut Links {
        self.links[storage.0].as_mut().expect("connections of a storage that another server has")
    }

    /// Begins: carries out what the server wants before anything has happened.
    pub(crate) fn begin(&mut self) {
        self.watched(|_| ());
    }

    /// How the first connections to servers above went; `None` while one is waited for.
    pub(crate) fn started(&mut self) -> Option<Result<(), (String, client::Error)>> {
        let started = self.server.started()?.map_err(|(name, error)| (name.to_owned(), error.clone()));
        self.starting = false;
        Some(started)
    }

    /// The served storages.
    pub(crate) fn storages(&self) -> &[Served] {
        self.server.storages()
    }

    /// Bytes arrived.
    pub(crate) fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        tracing::trace!(conn = conn.0, bytes = bytes.len(), "received");
        let wall = self.surroundings.wall();
        self.feed(Input::Received { conn, bytes, wall });
    }

    /// The peer sends nothing more. The server is done with it; what is on its way to the peer is still sent.
    pub(crate) fn ended(&mut self, conn: ConnId) {
        if let Some(open) = self.conns.get_mut(&conn)
            && !open.closing
        {
            open.closing = true;
            self.feed(Input::Closed { conn });
        }
    }

    /// The peer is gone.
    pub(crate) fn lost(&mut self, conn: ConnId) {
        if let Some(gone) = self.conns.remove(&conn)
            && !gone.closing
        {
            self.feed(Input::Closed { conn });
        }
    }

    /// A helper thread has something to tell.
    pub(crate) fn helped(&mut self, told: Told) {
        match told {
            Told::Finished((storage, done)) => {
                self.helping -= 1;
                self.feed(Input::Disk { storage, done });
            }
            Told::News(storage, news) => self.feed(Input::Packed { storage, news }),
        }
    }

    /// Tells some of what was put off. Whether there was any.
    pub(crate) fn go_on(&mut self) -> bool {
        let some = self.put_off.len().min(limits::ANSWERS_PER_TURN);
        if some > 0 {
            self.watched(|shell| shell.finished.extend(shell.put_off.drain(..some)));
        }
        some > 0
    }

    /// The deadline came.
    pub(crate) fn tick(&mut self) {
        self.feed(Input::Tick);
    }

    /// The process is to end.
    pub(crate) fn stop(&mut self) {
        self.feed(Input::Stop);
    }

    /// When to [`tick`](Self::tick).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.server.deadline()
    }

    /// Whether the server has ended and everything was written.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped && self.helping == 0 && self.put_off.is_empty()
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn all_sent(&self) -> bool {
        self.conns.values().all(|conn| conn.unsent.is_empty())
    }

    /// What a connection's task should wait for.
    pub(crate) fn interest(&self, conn: ConnId) -> Interest {
        let Some(conn) = self.conns.get(&conn) else { return Interest::End };
        match (conn.paused || conn.closing, conn.blocked) {
            (false, false) => Interest::Read,
            (false, true) => Interest::Both,
            (true, true) => Interest::Write,
            (true, false) if conn.closing => Interest::End,
            (true, false) => Interest::Neither,
        }
    }

    /// Whether the server is done with a connection.
    pub(crate) fn is_closing(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_none_or(|conn| conn.closing)
    }

    /// The socket takes bytes again.
    pub(crate) fn writable(&mut self, conn: ConnId) {
        self.watched(|shell| shell.mark_dirty(conn));
    }

    /// Gives back the blocks reserved beyond the logs' ends.
    pub(crate) fn trim(&mut self) {
        for files in &mut self.files {
            if let Err(error) = files.trim() {
                tracing::warn!("cannot give back reserved disk space: {error}");
            }
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        self.watched(|shell| shell.server.handle(shell.now, input));
    }

    /// Does something, carries out what follows from it, and wakes the loop if that changed what it waits for.
    fn watched(&mut self, act: impl FnOnce(&mut Shell)) {
        let before = self.server.deadline();
        self.now = self.surroundings.now();
        self.told = 0;
        act(self);
        self.settle();
        let started = self.starting && self.server.started().is_some();
        if self.server.deadline() != before || self.stopped || started || !self.put_off.is_empty() {
            self.attention.notify_one();
        }
    }

    /// Carries out what the server puts out, writes to every socket that has something new, and tells the server,
    /// until it is quiet.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.server.poll() {
                self.carry_out(output);
            }
            if let Some((storage, done)) = self.finished.pop_front() {
                self.told += 1;
                self.server.handle(self.now, Input::Disk { storage, done });
            } else if let Some(conn) = self.dirty.pop() {
                self.flush(conn);
            } else if let Some(link) = self.dirty_links.pop() {
                self.flush_link(link);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { conn, packet } => {
                if let Some(open) = self.conns.get_mut(&conn) {
                    open.unsent.push(packet);
                    self.mark_dirty(conn);
                }
            }
            Output::Pause { conn } => self.set_paused(conn, true),
            Output::Resume { conn } => self.set_paused(conn, false),
            Output::Close { conn } => {
                if let Some(open) = self.conns.get_mut(&conn) {
                    open.closing = true;
                    open.wake.notify_one();
                    self.mark_dirty(conn);
                }
            }
            Output::Disk { storage, op } => {
                match self.files[storage.0].run(op) {
                    Ran::Quiet => {}
                    // One peer's walk over a whole log must not keep the others waiting. Of a failed write the server hears
                    // before anything else, as it has to.
                    Ran::Done(done @ DiskDone::Read { .. })
                        if self.told > limits::ANSWERS_PER_TURN || !self.put_off.is_empty() =>
                    {
                        self.put_off.push_back((storage, done));
                    }
                    Ran::Done(done) => self.finished.push_back((storage, done)),
                    Ran::Later(job) => {
                        self.helping += 1;
                        let helpers = self.helpers.clone();
                        tokio::task::spawn_blocking(move || {
                            // The receiver outlives every helper but in a process that is being torn down.
                            let _ = helpers.send(Told::Finished((storage, job())));
                        });
                    }
                }
            }
            Output::Upstream { storage, op } => self.carry_up(storage, op),
            Output::Pack { storage, job: PackJob::Begin(begin) } => self.start_pack(storage, begin),
            Output::Pack { storage, job: PackJob::Order(order) } => {
                // One that has ended since needs no orders.
                let _ = self.packers.get(&storage).map(|packer| packer.send(order));
            }
            Output::Log(event) => log(&event),
            Output::Stopped => self.stopped = true,
        }
    }

    fn carry_up(&mut self, storage: StorageId, op: UpstreamOp) {
        match op {
            UpstreamOp::Connect { conn, server } => {
                let shell = self.me.upgrade().expect("the shell that is at work");
                self.links_of(storage).connect(shell, storage, conn, server);
            }
            UpstreamOp::Send { conn, packet } => {
                if self.links_of(storage).push(conn, packet) {
                    self.dirty_links.push((storage, conn));
                }
            }
            UpstreamOp::Pause { conn } => self.links_of(storage).set_paused(conn, true),
            UpstreamOp::Resume { conn } => self.links_of(storage).set_paused(conn, false),
            UpstreamOp::Close { conn } => drop(self.links_of(storage).remove(conn)),
        }
    }

    /// Writes as much to a server above as the socket takes.
    fn flush_link(&mut self, (storage, conn): Link) {
        let event = match self.links_of(storage).flush(conn) {
            Flushed::Sent(0) => return,
            Flushed::Sent(bytes) => UpstreamEvent::Sent { conn, bytes },
            Flushed::Lost(why) => {
                self.links_of(storage).remove(conn);
                UpstreamEvent::Lost { conn, why }
            }
        };
        self.server.handle(self.now, Input::Upstream { storage, event });
    }

    fn start_pack(&mut self, storage: StorageId, begin: Begin) {
        let (base, helpers) = (self.files[storage.0].logs.packed().base().to_owned(), self.helpers.clone());
        let (packer, orders) = mpsc::channel();
        self.packers.insert(storage, packer);
        let tell = move |news| {
            // As above.
            let _ = helpers.send(Told::News(storage, news));
        };
        let failed = tell.clone();
        let thread = std::thread::Builder::new().name(format!("pack {}", base.display()));
        if let Err(error) = thread.spawn(move || packing::run(base, begin, &orders, tell)) {
            failed(News::Failed(PackError::Disk(DiskError::Io(error.to_string()))));
        }
    }

    fn set_paused(&mut self, conn: ConnId, paused: bool) {
        if let Some(open) = self.conns.get_mut(&conn) {
            open.paused = paused;
            open.wake.notify_one();
        }
    }

    fn mark_dirty(&mut self, conn: ConnId) {
        if let Some(open) = self.conns.get_mut(&conn)
            && !open.dirty
        {
            open.dirty = true;
            self.dirty.push(conn);
        }
    }

    /// Writes as much as the socket takes.
    fn flush(&mut self, conn: ConnId) {
        let Some(open) = self.conns.get_mut(&conn) else { return };
        open.dirty = false;
        let was_blocked = std::mem::take(&mut open.blocked);
        let mut sent = 0;
        let result = loop {
            if open.unsent.is_empty() {
                break Ok(());
            }
            match open.unsent.write_with(|pieces| open.stream.try_write_vectored(pieces)) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    open.blocked = true;
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        if open.blocked != was_blocked || (open.closing && !open.blocked) {
            open.wake.notify_one();
        }
        let closing = open.closing;
        match result {
            Ok(()) if sent > 0 && !closing => {
                self.server.handle(self.now, Input::Sent { conn, bytes: sent });
            }
            Ok(()) => {}
            Err(error) => {
                tracing::debug!("connection {}: {error}", conn.0);
                open.wake.notify_one();
                self.conns.remove(&conn);
                if !closing {
                    self.server.handle(self.now, Input::Closed { conn });
                }
            }
        }
    }
}

fn log(event: &Event) {
    match event.level() {
        Level::Debug => tracing::debug!(target: LOGGER, "{event}"),
        Level::Info => tracing::info!(target: LOGGER, "{event}"),
        Level::Warning => tracing::warn!(target: LOGGER, "{event}"),
        Level::Error => tracing::error!(target: LOGGER, "{event}"),
        Level::Critical => tracing::error!(target: LOGGER, critical = true, "{event}"),
    }
}
