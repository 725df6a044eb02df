//! Running worlds: a seed decides what the world is like and what happens in it.

use crate::checkers::{INVARIANT, Violation};
use crate::disk::Fate;
use crate::event::{ClientId, Event};
use crate::node::NodeConfig;
use crate::world::World;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use zeolith_core::planted::Bug;
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::wire::Codec;

/// Events of a run before faults stop.
const EVENTS: usize = 600;
/// Rounds in which everything that can move does, after faults stopped.
const ROUNDS: usize = 2_000;

/// What chance may do in a run. Each kind of fault is on or off for the whole run: what never happens in one run gives
/// room to what happens in another.
#[derive(Clone, Debug)]
pub struct Options {
    /// The world.
    pub node: NodeConfig,
    /// Clients.
    pub clients: usize,
    /// Connections break.
    pub cuts: bool,
    /// The server's process dies.
    pub crashes: bool,
    /// The power fails.
    pub power_losses: bool,
    /// Messages arrive in small pieces.
    pub splits: bool,
    /// The disk takes its time.
    pub slow_disk: bool,
    /// Time jumps ahead.
    pub pauses: bool,
}

impl Options {
    /// What a seed stands for.
    pub fn of(seed: Seed, bug: Option<Bug>) -> (Options, Rng) {
        let mut rng = Rng::new(seed);
        let mut coin = || rng.chance(1, 2);
        let codec = if coin() { Codec::Pickle } else { Codec::Msgpack };
        let timeout = coin().then_some(Duration::from_secs(5));
        let options = Options {
            node: NodeConfig { codec, timeout, bug },
            clients: 2,
            cuts: coin(),
            crashes: coin(),
            power_losses: coin(),
            splits: coin(),
            slow_disk: coin(),
            pauses: coin(),
        };
        (options, rng)
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run's events, in order: they play the same run again.
    pub events: Vec<Event>,
    /// The trace's hash.
    pub hash: u64,
    /// Transactions in the log at the end.
    pub transactions: usize,
    /// The broken promise, with the last lines of the trace.
    pub violation: Option<(Violation, String)>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.violation {
            Some((violation, tail)) => write!(f, "{tail}{violation} (event {})", self.events.len()),
            None => write!(f, "{} events, {} transactions", self.events.len(), self.transactions),
        }
    }
}

/// A run in progress.
struct Run {
    world: World,
    events: Vec<Event>,
}

impl Run {
    fn apply(&mut self, event: Event) -> Result<(), Violation> {
        self.events.push(event);
        self.world.apply(event)
    }

    /// Lets chance decide what happens next.
    fn choose(&self, options: &Options, rng: &mut Rng) -> Event {
        let world = &self.world;
        let client = ClientId(rng.below(options.clients as u64) as usize);
        let piece = |rng: &mut Rng| if options.splits { 1 + rng.below(80) as usize } else { usize::MAX };
        if world.node().is_down() {
            return Event::Start;
        }
        loop {
            let disk = if options.slow_disk { 15 } else { 60 };
            match rng.below(100 + disk) {
                0..30 if world.under_way(client).is_none() => return Event::Connect(client),
                0..30 if world.clients()[client.0].can_act() => return Event::Act(client, rng.next_u64()),
                30..60 => return Event::ToServer(client, piece(rng)),
                60..94 => return Event::ToClient(client, piece(rng)),
                94 | 95 if options.pauses => return Event::Pass(rng.below(4_000)),
                96 if options.cuts => return Event::Cut(client),
                97 if options.crashes && rng.chance(1, 2) => return Event::Crash(Fate::Process),
                98 if options.power_losses && rng.chance(1, 2) => {
                    return Event::Crash(Fate::Power(rng.next_u64()));
                }
                99.. if world.node().disk.begun() > 0 && rng.chance(1, 2) => {
                    return Event::EndDisk(rng.below(world.node().disk.begun() as u64) as usize);
                }
                99.. if world.node().disk.can_begin() => return Event::BeginDisk,
                _ => {}
            }
        }
    }

    /// Faults are over: everything moves until nothing does.
    fn calm_down(&mut self) -> Result<(), Violation> {
        for _ in 0..ROUNDS {
            if self.world.node().is_down() {
                self.apply(Event::Start)?;
            }
            let mut moved = false;
            while self.world.node().disk.can_begin() || self.world.node().disk.begun() > 0 {
                moved = true;
                let event =
                    if self.world.node().disk.begun() > 0 { Event::EndDisk(0) } else { Event::BeginDisk };
                self.apply(event)?;
            }
            for client in (0..self.world.clients().len()).map(ClientId) {
                match self.world.under_way(client) {
                    None if self.world.node().is_up() => self.apply(Event::Connect(client))?,
                    Some((up, _)) if up > 0 => self.apply(Event::ToServer(client, usize::MAX))?,
                    Some((_, down)) if down > 0 => self.apply(Event::ToClient(client, usize::MAX))?,
                    _ if self.world.clients()[client.0].is_voted() => self.apply(Event::Act(client, 1))?,
                    _ => continue,
                }
                moved = true;
            }
            if !moved {
                break;
            }
        }
        self.apply(Event::Quiet)
    }

    /// Chance has its way, then everybody gets to the end of what it does, and can commit again.
    fn run(&mut self, options: &Options, rng: &mut Rng) -> Result<(), Violation> {
        for _ in 0..EVENTS {
            let event = self.choose(options, rng);
            self.apply(event)?;
        }
        self.calm_down()?;
        for client in (0..options.clients).map(ClientId) {
            self.apply(Event::Begin(client, rng.next_u64()))?;
        }
        self.calm_down()
    }

    fn outcome(self, result: Result<(), Violation>) -> Outcome {
        Outcome {
            hash: self.world.trace.hash(),
            transactions: self.world.transactions(),
            violation: result.err().map(|violation| (violation, self.world.trace.tail())),
            events: self.events,
        }
    }
}

/// Runs a seed.
pub fn run(seed: Seed, bug: Option<Bug>) -> Outcome {
    let (options, mut rng) = Options::of(seed, bug);
    let mut run = Run { world: World::new(options.node, options.clients), events: Vec::new() };
    let result = watched(|| run.run(&options, &mut rng));
    run.outcome(result)
}

/// Does something that may panic: a broken invariant is a violation as well, and must not lose its seed.
fn watched(act: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        Err(Violation { promise: INVARIANT, what: what.to_owned() })
    })
}

/// Plays the events of a seed's run again, without its chances.
pub fn replay(seed: Seed, bug: Option<Bug>, events: &[Event]) -> Outcome {
    let (options, _) = Options::of(seed, bug);
    let mut run = Run { world: World::new(options.node, options.clients), events: Vec::new() };
    let result = watched(|| events.iter().try_for_each(|&event| run.apply(event)));
    run.outcome(result)
}
