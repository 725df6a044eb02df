//! Schedules that a server on real sockets and files can follow.
//!
//! A real disk answers at once whatever needs no sync: writes go to the page cache, and reads come from it. Its syncs are held
//! back and let go all together. So these worlds do the same after every event, and never have a disk that fails.
//! Whatever else can happen, happens by chance as in any seed.

use crate::chance;
use crate::checkers::Violation;
use crate::event::{Event, ServerNo, Side, Wire};
use crate::options::{Asked, Fault, Options};
use crate::run::Player;
use crate::schedule::Schedule;
use crate::setup::Setup;
use std::time::Duration;
use zeolith_core::limits::Limits;
use zeolith_core::rng::{Rng, Seed};

/// The server that is followed.
const FIRST: ServerNo = ServerNo(0);
/// What no disk can be made to do.
const UNREAL: [Fault; 3] = [Fault::DiskFailures, Fault::Rot, Fault::FullDisks];
/// What is not played on the real server: peers that take what they are sent when they like.
const UNTAPED: [Fault; 2] = [Fault::Stops, Fault::Strangers];
/// No deadline comes within an event and what the disk does for it: so far ahead, it is waited for first.
const NEAR: Duration = Duration::from_millis(50);

/// A schedule of `events` events by chance, and those of the disk between them.
///
/// # Errors
/// The promise that is broken on the way.
pub fn schedule(seed: Seed, events: usize) -> Result<Schedule, Violation> {
    let (mut options, mut rng) = Options::of(seed, Asked::default());
    let real =
        |fault: &Fault| options.faults.has(*fault) && !UNREAL.contains(fault) && !UNTAPED.contains(fault);
    options.faults = Fault::ALL.iter().copied().filter(real).collect();
    // What is done with them is done on other threads, in any order.
    (options.setup.blobs, options.setup.pack) = (false, None);
    options.setup.limits = Limits::default();
    let (setup, player) = (options.setup, Player::new(options.setup));
    let mut steady = Steady { setup, player, schedule: Vec::new() };
    for _ in 0..events {
        steady.step(&options, &mut rng)?;
    }
    Ok(Schedule::of(options.setup, steady.schedule, None))
}

struct Steady {
    setup: Setup,
    player: Player,
    schedule: Vec<Event>,
}

impl Steady {
    fn step(&mut self, options: &Options, rng: &mut Rng) -> Result<(), Violation> {
        // Chance alone hardly ever lets so much time pass.
        let mut patient = rng.chance(1, 20);
        // Behind a deadline may be another one.
        while let Some(left) = self.left().filter(|left| *left < NEAR || patient) {
            patient = false;
            self.apply(Event::Pass(left.as_millis() as u64 + 1))?;
        }
        match chance::choose(&self.player.world, options, rng) {
            Event::EndDisk(FIRST, _) => self.end_syncs(),
            Event::Start(FIRST) => {
                self.apply(Event::Start(FIRST))?;
                self.apply(Event::Disk(FIRST))
            }
            Event::Storm(FIRST) => self.cut_all(),
            Event::Late(wire, bytes) if wire.server == FIRST => self.arrive_late(wire, bytes),
            event => self.apply(event),
        }
    }

    /// The time to the server's next deadline.
    fn left(&self) -> Option<Duration> {
        let world = &self.player.world;
        world.nodes()[0].deadline().map(|deadline| deadline.since(world.now()))
    }

    /// All connections break, one after the other, with what the disk does for each.
    fn cut_all(&mut self) -> Result<(), Violation> {
        let mut wires = self.player.world.wires().filter(|wire| wire.server == FIRST);
        wires.try_for_each(|wire| self.apply(Event::Cut(wire, Side::Both)))
    }

    /// With the last byte comes the end of the connection, and a real disk is quicker than that. So this byte is lost, in
    /// a storm that leaves nobody else alone.
    fn arrive_late(&mut self, wire: Wire, bytes: usize) -> Result<(), Violation> {
        let left = self.player.world.network().late(wire);
        match left {
            0 => self.apply(Event::Late(wire, bytes)),
            1 => {
                self.cut_all()?;
                let ghosts = self.player.world.network().all(|wire| wire.server == FIRST).len();
                if ghosts == 1 { self.apply(Event::Storm(FIRST)) } else { Ok(()) }
            }
            _ => self.apply(Event::Late(wire, bytes.min(left - 1))),
        }
    }

    /// The syncs that are under way end, and with them no other.
    fn end_syncs(&mut self) -> Result<(), Violation> {
        for _ in 0..self.player.world.nodes()[0].disk.begun() {
            self.apply(Event::EndDisk(FIRST, 0))?;
        }
        Ok(())
    }

    /// An event, and what the disk does at once.
    fn apply(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Pass(milliseconds) => self.pass(milliseconds)?,
            event => self.play(event)?,
        }
        while let Some(event) = self.owed() {
            self.play(event)?;
        }
        Ok(())
    }

    /// What the disk does before anything else happens.
    fn owed(&self) -> Option<Event> {
        let disk = &self.player.world.nodes()[0].disk;
        match (disk.first_read(), disk.can_begin()) {
            (Some(at), _) => Some(Event::EndDisk(FIRST, at)),
            (None, true) => Some(Event::BeginDisk(FIRST)),
            (None, false) => None,
        }
    }

    /// Time passes: so much, or more. The next deadline is not to come while the disk does what the last one asked for; where it
    /// would, all is played again, and time passes beyond both.
    fn pass(&mut self, mut milliseconds: u64) -> Result<(), Violation> {
        loop {
            self.play(Event::Pass(milliseconds))?;
            let Some(left) = self.left().filter(|left| *left < NEAR && self.owed().is_some()) else {
                return Ok(());
            };
            milliseconds += left.as_millis() as u64 + 1;
            self.schedule.pop();
            self.player = Player::new(self.setup);
            self.schedule.iter().try_for_each(|&event| self.player.apply(event).map(drop))?;
        }
    }

    fn play(&mut self, event: Event) -> Result<(), Violation> {
        self.schedule.push(event);
        self.player.apply(event).map(drop)
    }
}
