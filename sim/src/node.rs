//! A server's machine room: one server over one disk, up, down, or coming up.

use crate::bug;
use crate::disk::{Fate, SimDisk};
use crate::event::{Failure, ServerNo};
use crate::log;
use crate::options::Setup;
use crate::tape::{Handed, Turn, What};
use zeolith_core::ids::Tid;
use zeolith_core::limits;
use zeolith_core::rng::Seed;
use zeolith_core::server::config::{Config, StorageBoot};
use zeolith_core::server::output::Output;
use zeolith_core::server::packs::PackJob;
use zeolith_core::server::{Context, Input, Server, StorageId};
use zeolith_core::store::disk::{DiskDone, FileId};
use zeolith_core::store::file::open::{Found, OpenOptions, Opening};
use zeolith_core::store::file::pack::Packing;
use zeolith_core::time::{Instant, WallTime};

#[derive(Debug)]
enum Life {
    Down,
    Opening(Box<Opening<Context>>),
    Up(Box<Server>),
}

/// What a pack is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packs {
    /// The last transaction of which only what is still current stays.
    pub stop: Tid,
    /// Whether what the root does not reach goes.
    pub gc: bool,
}

/// A server with its disk and its clock.
#[derive(Debug)]
pub struct Node {
    setup: Setup,
    number: ServerNo,
    /// How far its wall clock is off, in microseconds.
    pub clock: i64,
    /// The disk.
    pub disk: SimDisk,
    packing: Option<Packing<Context>>,
    packs: Option<Packs>,
    life: Life,
    starts: u64,
    /// When the server wants to be woken.
    due: Option<Instant>,
    /// The disk failed while the server was coming up, or gave other bytes than were written.
    excused: bool,
    /// It was asked to end, and looks at nothing more that peers send.
    stopping: bool,
    /// What it was handed and put out, where somebody listens.
    turns: Option<Vec<Turn>>,
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// Nothing to speak of.
    Nothing,
    /// The server is up: its log was recovered.
    Up,
    /// It does not come up: the log cannot be opened, and it should.
    Refused(String),
    /// It does not come up, and the disk is to blame.
    Failed(String),
}

impl Node {
    /// A server that is down over an empty disk.
    pub fn new(setup: Setup, number: ServerNo) -> Node {
        let (disk, life) = (SimDisk::default(), Life::Down);
        Node {
            setup,
            number,
            clock: 0,
            disk,
            packing: None,
            packs: None,
            life,
            starts: 0,
            due: None,
            excused: false,
            stopping: false,
            turns: None,
        }
    }

    /// Keeps from now on what it is handed and what it puts out.
    pub fn listen(&mut self) {
        self.turns = Some(Vec::new());
    }

    /// What was kept since this was asked last.
    pub fn take_turns(&mut self) -> Vec<Turn> {
        self.turns.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn keep(&mut self, turn: impl FnOnce(&SimDisk) -> Turn) {
        if let Some(turns) = &mut self.turns {
            turns.push(turn(&self.disk));
        }
    }

    /// Whether it takes connections.
    pub fn is_up(&self) -> bool {
        matches!(self.life, Life::Up(_))
    }

    /// Whether it neither serves nor comes up.
    pub fn is_down(&self) -> bool {
        matches!(self.life, Life::Down)
    }

    /// Whether it looks at what peers send.
    pub fn listens(&self) -> bool {
        self.is_up() && !self.stopping
    }

    /// Begins to come up.
    pub fn start(&mut self, wall: WallTime) -> Came {
        self.starts += 1;
        self.stopping = false;
        let seed = Seed(self.starts);
        self.keep(|disk| Turn::new(What::Started(seed, disk.files()), disk));
        self.excused = self.disk.is_rotten();
        let found = Found {
            log_len: self.disk.length(FileId::Log),
            sidecar_len: self.disk.length(FileId::Sidecar),
            index_len: self.disk.length(FileId::Index),
            lock: self.disk.contents(FileId::Lock).to_vec(),
            leftovers: self.disk.beside(),
            pid: 1,
        };
        // As a server is started that nobody has told otherwise: a log that is damaged is not served.
        let options = OpenOptions {
            path: "Data.fs".into(),
            create: true,
            read_only: false,
            queue: self.setup.queue.into(),
            check_upto: limits::CHECKED_AT_OPEN,
            serve_damaged: false,
        };
        let mut opening = Opening::new(found, options, seed);
        if let Some(bug) = self.setup.bug {
            bug::plant_in_opening(bug, &mut opening);
        }
        self.life = Life::Opening(Box::new(opening));
        self.go_on(wall)
    }

    /// Goes down.
    pub fn crash(&mut self, fate: Fate) {
        if self.is_up() {
            self.keep(|disk| Turn::new(What::Crashed(disk.files()), disk));
        }
        self.life = Life::Down;
        self.packing = None;
        self.due = None;
        self.disk.crash(fate);
    }

    /// Fails at an operation of the disk; what became of it, `None` when there is no such operation.
    pub fn fail(&mut self, failure: Failure) -> Option<DiskDone<Context>> {
        let done = self.disk.fail(failure)?;
        self.excused |= matches!(self.life, Life::Opening(_));
        Some(done)
    }

    /// Memory gets short; whether anything is read otherwise from now on.
    pub fn forget(&mut self) -> bool {
        let forgot = self.disk.forget();
        self.excused |= forgot && matches!(self.life, Life::Opening(_));
        forgot
    }

    /// Hands the server an input; its outputs are for the caller, except for the disk's.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Vec<Output> {
        let Life::Up(server) = &mut self.life else { return Vec::new() };
        self.stopping |= matches!(input, Input::Stop);
        if let Some(turns) = &mut self.turns {
            turns.push(Turn::new(What::Handed(now, Handed::of(&input)), &self.disk));
        }
        server.handle(now, input);
        let mut outputs = Vec::new();
        while let Some(output) = server.poll() {
            match output {
                Output::Disk { op, .. } => self.disk.submit(op),
                Output::Pack { job: PackJob::Begin(begin), .. } => {
                    let covered = &self.disk.durable(FileId::Log)[..begin.upto as usize];
                    let last = log::read(covered, 0).0.last().map_or(Tid::ZERO, |last| last.tid);
                    self.packs = Some(Packs { stop: begin.stop.min(last), gc: begin.gc });
                    let packing = self.packing.insert(Packing::new(begin));
                    if let Some(bug) = self.setup.bug {
                        bug::plant_in_pack(bug, packing);
                    }
                }
                Output::Pack { job: PackJob::Order(order), .. } => {
                    self.packing.as_mut().expect("a pack that has begun").order(order);
                }
                other => outputs.push(other),
            }
        }
        if let Some(turn) = self.turns.as_mut().and_then(|turns| turns.last_mut()) {
            turn.put_out(&outputs);
        }
        self.due = server.deadline();
        // A planted fault is for the checkers to find.
        if self.setup.bug.is_none() {
            server.check_invariants();
        }
        outputs
    }

    /// Hands the outcome of a disk operation to whoever asked for it.
    pub fn on_disk(&mut self, now: Instant, wall: WallTime, done: DiskDone<Context>) -> (Came, Vec<Output>) {
        match &mut self.life {
            Life::Down => unreachable!("the operations of a server that went down are forgotten"),
            Life::Opening(opening) => {
                opening.handle(done);
                // It may be full.
                self.excused |= self.disk.has_failed();
                (self.go_on(wall), Vec::new())
            }
            Life::Up(_) => (Came::Nothing, self.handle(now, Input::Disk { storage: StorageId(0), done })),
        }
    }

    /// Whether a pack has something to do.
    pub fn can_pack(&self) -> bool {
        self.packing.as_ref().is_some_and(Packing::has_work)
    }

    /// What the last pack that began was to do.
    pub fn packs(&self) -> Option<Packs> {
        self.packs
    }

    /// Takes a pack a step further, and tells the server what it tells; `None` when it has nothing to do.
    pub fn pack(&mut self, now: Instant, fails: bool) -> Option<Vec<Output>> {
        let packing = self.packing.as_mut()?;
        let op = packing.poll()?;
        if let Some(done) = self.disk.run(op, fails) {
            packing.handle(done);
        }
        let mut outputs = Vec::new();
        while let Some(news) = self.packing.as_mut().and_then(Packing::news) {
            outputs.extend(self.handle(now, Input::Packed { storage: StorageId(0), news }));
        }
        Some(outputs)
    }

    /// Passes on what the opening wants, and becomes a server when it is through.
    fn go_on(&mut self, wall: WallTime) -> Came {
        let Life::Opening(opening) = &mut self.life else { return Came::Nothing };
        while let Some(op) = opening.poll() {
            self.disk.submit(op);
        }
        let Some(result) = opening.finished() else { return Came::Nothing };
        let opened = match result {
            Ok(opened) => opened,
            Err(error) => {
                self.life = Life::Down;
                self.disk.crash(Fate::Process);
                let why = error.to_string();
                return if self.excused { Came::Failed(why) } else { Came::Refused(why) };
            }
        };
        let mut boot = StorageBoot::file("1".into(), "Data.fs".into(), false, opened);
        boot.has_blobs = self.setup.blobs;
        boot.pack = self.setup.pack.unwrap_or_default();
        self.disk.remove_packed();
        self.clean();
        // The others have copies, which nobody may change.
        let config = Config { read_only: self.number != ServerNo(0), ..self.setup.server() };
        let mut server = Server::new(config, vec![boot], wall);
        if let Some(bug) = self.setup.bug {
            bug::plant_in_server(bug, &mut server);
        }
        self.life = Life::Up(Box::new(server));
        self.keep(|disk| Turn::new(What::Up(wall), disk));
        Came::Up
    }

    /// Removes from the folder of the blobs what the server before left there.
    fn clean(&mut self) {
        let (log, _) = log::read(self.disk.contents(FileId::Log), 0);
        self.disk.blobs.clean(|oid, tid| {
            let at = log.binary_search_by_key(&tid, |transaction| transaction.tid);
            at.is_ok_and(|at| log[at].records.iter().any(|(other, data)| *other == oid && !data.is_empty()))
        });
    }

    /// What the server is doing: down, opening, up, or up with finishes on their way to the disk.
    pub fn stage(&self) -> usize {
        match &self.life {
            Life::Down => 0,
            Life::Opening(_) => 1,
            Life::Up(server) => 2 + usize::from(!server.storages().iter().all(|it| it.is_idle())),
        }
    }

    /// The server; `None` while it is not up.
    pub fn server(&self) -> Option<&Server> {
        match &self.life {
            Life::Up(server) => Some(server),
            Life::Down | Life::Opening(_) => None,
        }
    }

    /// When the server wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
