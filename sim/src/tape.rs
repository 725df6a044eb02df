//! What the first server of a world was handed, and what it put out: what a server on real sockets and files is held
//! against that is handed the same.
//!
//! A tape is cut into [moves](Move): a real server carries out all of one before the driver goes on to the next. Inside of
//! one, a real disk answers at once whatever needs no sync, as a page cache does, so only worlds in which the simulated
//! disk does so too can be taped: [`steady`](crate::steady) makes them.

use crate::checkers::Violation;
use crate::disk::SimDisk;
use crate::event::{Event, ServerNo};
use crate::run::Player;
use crate::schedule::Schedule;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::rng::Seed;
use zeolith_core::server::output::Output;
use zeolith_core::server::{ConnId, Input};
use zeolith_core::store::disk::{DiskDone, FileId};
use zeolith_core::time::{Instant, WallTime};

/// The files of a storage; those that are not there are missing.
pub type Files = BTreeMap<FileId, Vec<u8>>;

/// What a server is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handed {
    /// A connection.
    Opened(ConnId),
    /// Bytes.
    Received(ConnId, Vec<u8>, WallTime),
    /// The end of a connection.
    Closed(ConnId),
    /// Word that a peer took bytes. A real server hears of it as soon as the system has taken them.
    Sent,
    /// The outcome of an operation that needs no sync.
    Done,
    /// The outcome of a sync.
    Synced,
    /// Something that a real disk cannot be made to do.
    Failed,
    /// The deadline.
    Tick,
    /// Word that it is to end.
    Stop,
}

impl Handed {
    pub(crate) fn of(input: &Input<'_>) -> Handed {
        match input {
            Input::Opened { conn, .. } => Handed::Opened(*conn),
            Input::Received { conn, bytes, wall } => Handed::Received(*conn, bytes.to_vec(), *wall),
            Input::Closed { conn } => Handed::Closed(*conn),
            Input::Sent { .. } => Handed::Sent,
            Input::Disk { done, .. } => match done {
                DiskDone::Synced { result: Ok(()), .. } => Handed::Synced,
                DiskDone::Read { result: Ok(_), .. } | DiskDone::Reserved { result: Ok(()), .. } => {
                    Handed::Done
                }
                _ => Handed::Failed,
            },
            Input::Tick => Handed::Tick,
            Input::Upstream { .. } => unreachable!("no storage here is another server's"),
            Input::Packed { .. } => unreachable!("no simulated server is asked to pack"),
            Input::Stop => Handed::Stop,
        }
    }
}

/// What happens to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It begins to come up, over these files.
    Started(Seed, Files),
    /// It is up.
    Up(WallTime),
    /// It is handed something.
    Handed(Instant, Handed),
    /// It goes down, and leaves these files.
    Crashed(Files),
}

/// One step of a server, with what it put out.
#[derive(Clone, Debug)]
pub struct Turn {
    what: What,
    put_out: PutOut,
    /// Operations that need no sync were not answered when it began.
    waiting: bool,
    /// Syncs that were under way when it began.
    syncs: usize,
    /// The connections from which it takes nothing more, or again.
    paused: Vec<(ConnId, bool)>,
}

impl Turn {
    pub(crate) fn new(what: What, disk: &SimDisk) -> Turn {
        // What is done now may be followed by what was asked for after it.
        let follows = matches!(what, What::Handed(_, Handed::Done));
        let waiting = disk.first_read().is_some() || (disk.can_begin() && !follows);
        Turn { what, put_out: PutOut::default(), waiting, syncs: disk.syncs(), paused: Vec::new() }
    }

    pub(crate) fn put_out(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Send { conn, packet } => {
                    self.put_out.sent.entry(*conn).or_default().extend(packet.to_vec());
                }
                Output::Close { conn } => drop(self.put_out.closed.insert(*conn)),
                Output::Pause { conn } => self.paused.push((*conn, true)),
                Output::Resume { conn } => self.paused.push((*conn, false)),
                Output::Disk { .. } | Output::Pack { .. } | Output::Log(_) | Output::Stopped => {}
                Output::Upstream { .. } => unreachable!("no storage here is another server's"),
            }
        }
    }
}

/// What peers are to see of a move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOut {
    /// Bytes, by connection.
    pub sent: BTreeMap<ConnId, Vec<u8>>,
    /// Connections that the server closed after that.
    pub closed: BTreeSet<ConnId>,
}

impl PutOut {
    fn add(&mut self, more: PutOut) {
        more.sent.into_iter().for_each(|(conn, bytes)| self.sent.entry(conn).or_default().extend(bytes));
        self.closed.extend(more.closed);
    }
}

/// What is to be done to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is started over these files, with this seed, at this time of day.
    Start(Seed, WallTime, Files),
    /// Somebody connects.
    Open(ConnId),
    /// Somebody sends bytes, all at once, at this time of day.
    Send(ConnId, Vec<u8>, WallTime),
    /// Somebody hangs up.
    Close(ConnId),
    /// The clock comes to a deadline, so many times.
    Tick(usize),
    /// The syncs that are under way end, so many, in the order in which they were asked for.
    Sync(usize),
    /// It is killed, and leaves these files.
    Kill(Files),
}

/// A deed, and what peers see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The event of the schedule it belongs to, counted from 1.
    pub event: usize,
    /// When it happens. While a server is being started, nobody looks at this clock.
    pub now: Instant,
    /// It.
    pub deed: Deed,
    /// What peers see.
    pub put_out: PutOut,
}

/// A world's first server on tape.
#[derive(Clone, Debug)]
pub struct Tape {
    /// The moves, in order. Each server's are from its start to its kill; the last one, if it still runs when the schedule is
    /// over, is killed then.
    pub moves: Vec<Move>,
}

/// Why there is no tape of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untaped {
    /// It breaks a promise.
    #[error("{0}")]
    Broken(Violation),
    /// A real server cannot be made to do this.
    #[error("event {event}: {why}")]
    Unreal {
        /// The event, counted from 1.
        event: usize,
        /// What it is.
        why: &'static str,
    },
}

impl Tape {
    /// Plays a schedule, and listens to its first server.
    ///
    /// # Errors
    /// [`Untaped`]: what a real server cannot be made to do is refused, so that a tape never promises too much.
    pub fn of(schedule: &Schedule) -> Result<Tape, Untaped> {
        let mut player = Player::new(schedule.setup);
        player.world.listen();
        let mut cutter = Cutter::default();
        for (at, &event) in schedule.events.iter().enumerate() {
            cutter.event = at + 1;
            if let Event::Stranger(ServerNo(0), _) = event {
                return Err(Untaped::Unreal { event: at + 1, why: "a stranger does not read" });
            }
            player.apply(event).map_err(Untaped::Broken)?;
            for turn in player.world.take_turns() {
                cutter.add(turn)?;
            }
        }
        let node = &player.world.nodes()[0];
        if node.is_up() {
            cutter.event = schedule.events.len() + 1;
            cutter.add(Turn::new(What::Crashed(node.disk.files()), &node.disk))?;
        }
        Ok(Tape { moves: cutter.moves })
    }
}

/// Cuts turns into moves.
#[derive(Debug, Default)]
struct Cutter {
    moves: Vec<Move>,
    event: usize,
    /// What a server that is coming up was started with.
    start: Option<(Seed, Files)>,
    /// Syncs that are to end with those that have ended.
    ending: usize,
    /// The connections from which nothing is taken at present.
    paused: BTreeSet<ConnId>,
}

impl Cutter {
    fn add(&mut self, turn: Turn) -> Result<(), Untaped> {
        let event = self.event;
        self.cut(turn).map_err(|why| Untaped::Unreal { event, why })
    }

    fn cut(&mut self, turn: Turn) -> Result<(), &'static str> {
        let Turn { what, put_out, waiting, syncs, paused } = turn;
        let goes_on = self.goes_on(&what);
        let same_move = goes_on || matches!(what, What::Handed(_, Handed::Done | Handed::Sent));
        // While reads are on their way a real server does the same, which answers them before it looks at anything else.
        if !self.paused.is_empty() && !same_move {
            return Err("a peer has more waiting for it than the simulated network holds");
        }
        for (conn, paused) in paused {
            if paused {
                self.paused.insert(conn)
            } else {
                self.paused.remove(&conn)
            };
        }
        let (now, deed) = match what {
            What::Started(seed, files) => {
                self.start = Some((seed, files));
                return Ok(());
            }
            _ if waiting && !goes_on => return Err("the disk owes an answer that a real one has given"),
            What::Handed(_, Handed::Sent) if put_out != PutOut::default() => {
                return Err("what is sent depends on how much a peer has taken");
            }
            What::Handed(now, handed) => match self.handed(now, handed, syncs, goes_on)? {
                Some(deed) => (now, deed),
                None => {
                    self.moves.last_mut().expect(STARTED).put_out.add(put_out);
                    return Ok(());
                }
            },
            What::Up(wall) => {
                let (seed, files) = self.start.take().expect("what comes up was started");
                (Instant::default(), Deed::Start(seed, wall, files))
            }
            What::Crashed(_) if self.ending > 0 => return Err(TOGETHER),
            What::Crashed(files) => (Instant::default(), Deed::Kill(files)),
        };
        self.moves.push(Move { event: self.event, now, deed, put_out });
        Ok(())
    }

    /// Whether this is one more piece of the bytes that arrived last.
    fn goes_on(&self, what: &What) -> bool {
        let Some(Move { event, now, deed: Deed::Send(conn, ..), .. }) = self.moves.last() else {
            return false;
        };
        matches!(what, What::Handed(at, Handed::Received(same, ..)) if same == conn && at == now)
            && *event == self.event
    }

    /// What is to be done to hand this to a real server; `None`: it belongs to the last move.
    fn handed(
        &mut self,
        now: Instant,
        handed: Handed,
        syncs: usize,
        goes_on: bool,
    ) -> Result<Option<Deed>, &'static str> {
        let last = self.moves.last_mut().expect(STARTED);
        if self.ending > 0 && !matches!(handed, Handed::Synced | Handed::Done | Handed::Sent) {
            return Err(TOGETHER);
        }
        let deed = match (handed, &mut last.deed) {
            (Handed::Received(_, bytes, _), Deed::Send(_, before, _)) if goes_on => {
                before.extend(bytes);
                return Ok(None);
            }
            (Handed::Tick, Deed::Tick(times)) if now == last.now => {
                *times += 1;
                return Ok(None);
            }
            (Handed::Synced, Deed::Sync(ended)) if self.ending > 0 => {
                *ended += 1;
                self.ending -= 1;
                return Ok(None);
            }
            (Handed::Synced, _) => {
                self.ending = syncs;
                Deed::Sync(1)
            }
            (Handed::Done | Handed::Sent, _) => return Ok(None),
            (Handed::Failed, _) => return Err("the disk fails"),
            (Handed::Stop, _) => return Err("the server is asked to end"),
            (Handed::Opened(conn), _) => Deed::Open(conn),
            (Handed::Received(conn, bytes, wall), _) => Deed::Send(conn, bytes, wall),
            (Handed::Closed(conn), _) => Deed::Close(conn),
            (Handed::Tick, _) => Deed::Tick(1),
        };
        Ok(Some(deed))
    }
}

/// The helper thread cannot be stopped between two syncs.
const TOGETHER: &str = "of syncs that are under way together only some end";

/// Why there is a move before any other.
const STARTED: &str = "a server is started before it is handed anything";

#[cfg(test)]
#[path = "tape_tests.rs"]
mod tests;
