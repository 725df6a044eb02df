//! A server with clients that speak bytes, over a disk that answers when the test wants.
//!
//! After every input the server's outputs are carried out until it is quiet, its invariants are checked, and what was
//! said is noted in a readable script.

mod peer;
mod script;
mod values;
mod waiting;

pub(super) use peer::Answer;
pub(crate) use script::Script;
pub(super) use values::Medium;
pub(crate) use values::{CODECS, plain, row};
pub(super) use waiting::Hold;

use super::config::{Config, StorageBoot};
use super::event::Event;
use super::fault::Fault;
use super::output::Output;
use super::packs::{PackJob, PackOptions};
use super::{ConnId, Context, Input, Server, StorageId};
use crate::ids::Tid;
use crate::store::Store;
use crate::store::blob_folder::Folder;
use crate::store::disk::{DiskDone, DiskError, DiskOp};
use crate::store::file::open::{OpenOptions, Opened};
use crate::store::file::pack::Packing;
use crate::store::file::testing::{Disk, options};
use crate::store::memory::MemoryStore;
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::call::MessageId;
use crate::wire::frame::put_frame;
use crate::wire::tree::Owned;
use crate::wire::writer::Writer;
use bytes::{Bytes, BytesMut};
use peer::Peer;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use waiting::Waiting;

const START: WallTime = WallTime(1_795_299_930_500_000);

/// A server, its disk and its clients.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) server: Server,
    pub(super) now: Instant,
    pub(super) wall: WallTime,
    pub(super) disk: Disk,
    /// What the server logged.
    pub(super) events: Vec<Event>,
    /// How often it said that it stopped.
    pub(super) stopped: usize,
    pub(super) script: Script,
    config: Config,
    waiting: Waiting,
    peers: BTreeMap<ConnId, Peer>,
    sent: VecDeque<(ConnId, usize)>,
    /// The pack that goes on, and whether it waits.
    packing: Option<Packing<Context>>,
    pub(super) pack_held: bool,
}

impl Rig {
    /// A server of storage "1" on `medium`, "other" in memory and the read-only "frozen".
    pub(super) fn new(medium: Medium, config: Config) -> Rig {
        Rig::on(Disk::default(), medium, config)
    }

    /// One whose storage "1" has a folder for blobs.
    pub(super) fn with_blobs(medium: Medium, config: Config) -> Rig {
        let mut disk = Disk::default();
        disk.has_blobs = true;
        Rig::on(disk, medium, config)
    }

    /// One that collects garbage when it packs.
    pub(super) fn collecting() -> Rig {
        let mut disk = Disk::default();
        disk.collects = true;
        Rig::on(disk, Medium::File, Config::default())
    }

    pub(super) fn memory() -> Rig {
        Rig::new(Medium::Memory, Config::default())
    }
    pub(super) fn file() -> Rig {
        Rig::new(Medium::File, Config::default())
    }

    /// Runs a test over both media in both encodings.
    pub(super) fn everywhere(config: Config, test: impl Fn(Rig)) {
        for medium in [Medium::Memory, Medium::File] {
            for codec in CODECS {
                test(Rig::new(medium, Config { codec, ..config.clone() }));
            }
        }
    }

    fn on(mut disk: Disk, medium: Medium, config: Config) -> Rig {
        let empty = |name: &str| StorageBoot {
            name: name.into(),
            description: name.into(),
            store: Store::Memory(MemoryStore::new()),
            read_only: name == "frozen",
            has_blobs: false,
            // The states of most tests are no records, and refer to nothing.
            pack: PackOptions { gc: false, ..PackOptions::default() },
            base: Tid::ZERO,
            recent: Vec::new(),
        };
        let mut first = empty("1");
        if medium == Medium::File {
            let queue = OpenOptions { queue: config.invalidation_queue, ..options() };
            let opened: Opened<Context> =
                disk.try_open_for(queue).expect("a disk that lives").expect("a storage");
            first.store = Store::File(Box::new(opened.store));
            (first.base, first.recent) = (opened.base, opened.recent);
        }
        first.has_blobs = disk.has_blobs;
        first.pack.gc = disk.collects;
        let boot = vec![first, empty("other"), empty("frozen")];
        Rig {
            server: Server::new(config.clone(), boot, START),
            now: Instant(0),
            wall: START,
            disk,
            events: Vec::new(),
            stopped: 0,
            script: Script::default(),
            config,
            waiting: Waiting::default(),
            peers: BTreeMap::new(),
            sent: VecDeque::new(),
            packing: None,
            pack_held: false,
        }
    }

    /// The same disk with a new server, as after a crash of the process.
    pub(super) fn reopen(self) -> Rig {
        Rig::on(self.disk, Medium::File, self.config)
    }

    /// Hands the server an input and carries out what follows.
    pub(super) fn input(&mut self, input: Input<'_>) {
        self.server.handle(self.now, input);
        loop {
            while let Some(output) = self.server.poll() {
                self.carry_out(output);
            }
            self.server.check_invariants();
            if let Some((conn, bytes)) = self.sent.pop_front() {
                self.server.handle(self.now, Input::Sent { conn, bytes });
            } else if let Some(op) = self.waiting.next_free() {
                if let Some(done) = self.disk.carry_out(op) {
                    self.server.handle(self.now, Input::Disk { storage: StorageId(0), done });
                }
            } else if self.pack_held || !self.pack() {
                return;
            }
        }
    }

    /// Takes a pack one operation further; false when it waits for orders, or there is none.
    fn pack(&mut self) -> bool {
        let Some(packing) = &mut self.packing else { return false };
        if let Some(news) = packing.news() {
            self.server.handle(self.now, Input::Packed { storage: StorageId(0), news });
            return true;
        }
        let Some(op) = packing.poll() else { return false };
        if let Some(done) = self.disk.carry_out(op) {
            packing.handle(done);
        }
        true
    }

    /// Takes a pack that is held back so many operations further.
    pub(super) fn pack_on(&mut self, operations: usize) {
        for _ in 0..operations {
            self.pack();
        }
    }

    /// Lets a pack go on that was held back.
    pub(super) fn let_pack_go(&mut self) {
        self.pack_held = false;
        self.input(Input::Tick);
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { conn, packet } => {
                let Rig { peers, script, sent, .. } = self;
                let peer = peers.get_mut(&conn).expect("a peer for every connection");
                for line in peer.deliver(&packet.to_vec(), script) {
                    script.line(format!("{} < {line}", conn.0));
                }
                if peer.reads {
                    sent.push_back((conn, packet.len()));
                } else {
                    peer.unsent += packet.len();
                }
            }
            Output::Pause { conn } => self.pause(conn, true),
            Output::Resume { conn } => self.pause(conn, false),
            Output::Close { conn } => {
                self.script.line(format!("{} closed", conn.0));
                self.peer(conn).closed = true;
            }
            Output::Disk { storage, op } => {
                assert_eq!(storage, StorageId(0), "the only one with a disk");
                self.script.disk(&op);
                self.waiting.push(op);
            }
            Output::Upstream { .. } => unreachable!("no storage is another server's"),
            Output::Pack { job: PackJob::Begin(begin), .. } => self.packing = Some(Packing::new(begin)),
            Output::Pack { job: PackJob::Order(order), .. } => {
                self.packing.as_mut().expect("a pack that has begun").order(order);
            }
            Output::Log(event) => self.events.push(event),
            Output::Stopped => {
                self.script.line("stopped".into());
                self.stopped += 1;
            }
        }
    }

    fn peer(&mut self, conn: ConnId) -> &mut Peer {
        self.peers.get_mut(&conn).expect("a peer for every connection")
    }

    fn pause(&mut self, conn: ConnId, paused: bool) {
        self.script.line(format!("{} {}", conn.0, if paused { "paused" } else { "resumed" }));
        self.peer(conn).paused = paused;
    }

    /// A new connection that says nothing yet but will speak `codec`.
    pub(super) fn open(&mut self, codec: Codec) -> ConnId {
        let conn = ConnId(self.peers.len() as u64 + 1);
        self.peers.insert(conn, Peer::new(codec));
        self.input(Input::Opened { conn, address: format!("peer-{}", conn.0) });
        conn
    }

    /// A connection that has shaken hands in the server's encoding.
    pub(super) fn negotiate(&mut self) -> ConnId {
        let codec = self.config.codec;
        let conn = self.open(codec);
        self.frame(conn, codec.handshake());
        conn
    }

    /// A client registered for storage "1".
    pub(super) fn client(&mut self) -> ConnId {
        let conn = self.negotiate();
        self.call(conn, "register", row!["1", false]).expect("a registered client");
        conn
    }

    /// Bytes from a peer.
    pub(super) fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.input(Input::Received { conn, bytes, wall: self.wall });
    }

    /// A message from a peer.
    pub(super) fn frame(&mut self, conn: ConnId, message: &[u8]) {
        self.script.line(format!("{} > {}", conn.0, String::from_utf8_lossy(message)));
        let mut out = BytesMut::new();
        put_frame(&mut out, |out| {
            out.extend_from_slice(message);
            0
        });
        self.bytes(conn, &out);
    }

    /// The bytes of a call.
    pub(super) fn encode(
        &self,
        conn: ConnId,
        id: &MessageId,
        one_way: bool,
        method: &str,
        args: &Owned,
    ) -> Bytes {
        let mut out = BytesMut::new();
        put_frame(&mut out, |out| {
            Writer::message(self.peers[&conn].codec, out, |writer| {
                writer.tuple(4, |w| {
                    id.write(w);
                    w.bool(one_way);
                    w.str(method);
                    w.value(args);
                });
            });
            0
        });
        out.freeze()
    }

    /// Sends a call under an id of the test's choice.
    pub(super) fn send_as(&mut self, conn: ConnId, id: MessageId, method: &str, args: Owned) -> MessageId {
        let line = self.script.call(method, &args);
        let shown = self.script.id(&id);
        self.script.line(format!("{} > {shown} {line}", conn.0));
        let bytes = self.encode(conn, &id, false, method, &args);
        self.bytes(conn, &bytes);
        id
    }

    /// Sends a call whose answer may take its time.
    pub(super) fn send(&mut self, conn: ConnId, method: &str, args: Owned) -> MessageId {
        self.peer(conn).next_id += 1;
        let id = MessageId::Int(self.peers[&conn].next_id);
        self.send_as(conn, id, method, args)
    }

    /// Sends a call that has no answer.
    pub(super) fn one_way(&mut self, conn: ConnId, method: &str, args: Owned) {
        let line = self.script.call(method, &args);
        self.script.line(format!("{} > {line}", conn.0));
        let bytes = self.encode(conn, &MessageId::Int(0), true, method, &args);
        self.bytes(conn, &bytes);
    }

    /// The answer to a call, once; `None` while there is none.
    pub(super) fn answer(&mut self, conn: ConnId, id: &MessageId) -> Option<Answer> {
        let answers = &mut self.peer(conn).answers;
        let at = answers.iter().position(|(answered, _)| answered == id)?;
        Some(answers.remove(at).1)
    }

    /// A call that is answered at once.
    pub(super) fn call(&mut self, conn: ConnId, method: &str, args: Owned) -> Answer {
        let id = self.send(conn, method, args);
        self.answer(conn, &id).expect("an answer at once")
    }

    /// What a peer got since the last time, as lines.
    pub(super) fn inbox(&mut self, conn: ConnId) -> Vec<String> {
        std::mem::take(&mut self.peer(conn).inbox)
    }

    /// The parts of blobs that a peer got since the last time.
    pub(super) fn chunks(&mut self, conn: ConnId) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.peer(conn).chunks)
    }

    /// Messages that were neither replies nor notices: the handshake, the answer to `ruok`.
    pub(super) fn raw(&self, conn: ConnId) -> &[Vec<u8>] {
        &self.peers[&conn].raw
    }

    /// Whether the server closed the connection.
    pub(super) fn is_closed(&self, conn: ConnId) -> bool {
        self.peers[&conn].closed
    }

    /// Why the server closed a connection; `None` if it did not.
    pub(super) fn fault(&self, conn: ConnId) -> Option<Fault> {
        let name = format!("peer-{}", conn.0);
        self.events.iter().find_map(|event| match event {
            Event::Closed { peer, fault } if peer.ends_with(&name) => Some(fault.clone()),
            _ => None,
        })
    }

    /// Whether the server wants no more bytes of this connection.
    pub(super) fn is_paused(&self, conn: ConnId) -> bool {
        self.peers[&conn].paused
    }

    /// The peer stops taking what is put out.
    pub(super) fn stop_reading(&mut self, conn: ConnId) {
        self.peer(conn).reads = false;
    }

    /// Bytes that wait for the peer.
    pub(super) fn unsent(&self, conn: ConnId) -> usize {
        self.peers[&conn].unsent
    }

    /// The peer takes up to so many of the bytes that wait for it.
    pub(super) fn take(&mut self, conn: ConnId, bytes: usize) {
        let peer = self.peer(conn);
        let bytes = bytes.min(peer.unsent);
        peer.unsent -= bytes;
        self.input(Input::Sent { conn, bytes });
    }

    /// The peer goes away.
    pub(super) fn hang_up(&mut self, conn: ConnId) {
        self.script.line(format!("{} hangs up", conn.0));
        self.peer(conn).closed = true;
        self.input(Input::Closed { conn });
    }

    /// Time passes; the server gets its tick if it wants one by then.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.wall.0 += time.as_micros() as u64;
        if self.server.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.input(Input::Tick);
        }
    }

    pub(super) fn stop(&mut self) {
        self.script.line("stop".into());
        self.input(Input::Stop);
    }

    /// Operations of this kind wait until they are released.
    pub(super) fn hold(&mut self, hold: Hold) {
        self.waiting.hold(hold);
    }

    /// How many operations of a kind wait.
    pub(super) fn on_hold(&self, hold: Hold) -> usize {
        self.waiting.count(hold)
    }

    /// Carries out what waits of a kind; later ones wait again.
    pub(super) fn release(&mut self, hold: Hold) {
        for op in self.waiting.take(hold) {
            self.script.done(&op, true);
            if let Some(done) = self.disk.carry_out(op) {
                self.input(Input::Disk { storage: StorageId(0), done });
            }
        }
    }

    /// Lets what waits of a kind fail; later ones wait again.
    pub(super) fn fail(&mut self, hold: Hold, error: DiskError) {
        for op in self.waiting.take(hold) {
            self.script.done(&op, false);
            let done = match op {
                DiskOp::Read { pending, .. } => DiskDone::Read { pending, result: Err(error.clone()) },
                DiskOp::Sync { file } | DiskOp::Replace { file, .. } => {
                    DiskDone::Synced { file, result: Err(error.clone()) }
                }
                DiskOp::Reserve { upto } => DiskDone::Reserved { upto, result: Err(error.clone()) },
                DiskOp::Blob(op) => DiskDone::Blob(Folder::failed(op, error.clone())),
                DiskOp::Name(_) => DiskDone::Named { result: Err(error.clone()) },
                DiskOp::Free => DiskDone::Free { result: Err(error.clone()) },
                DiskOp::Write { .. } | DiskOp::SetLen { .. } | DiskOp::KeepTail { .. } => continue,
                DiskOp::Of { .. } => unreachable!("a storage of one file"),
            };
            self.input(Input::Disk { storage: StorageId(0), done });
        }
    }

    /// From now on operations of this kind are carried out at once, those that wait included.
    pub(super) fn let_go(&mut self, hold: Hold) {
        self.waiting.let_go(hold);
        self.release(hold);
    }
}
