//! Running worlds: a seed decides what the world is like and what happens in it.

use crate::chance;
use crate::checkers::Violation;
use crate::coverage::Reached;
use crate::event::{ClientId, Event};
use crate::options::{Asked, Options, Setup};
use crate::panics::watched;
use crate::record::Record;
use crate::world::World;
use std::fmt;
use zeolith_core::mark;
use zeolith_core::rng::{Rng, Seed};

/// Events of a run before faults stop.
const EVENTS: usize = 600;
/// Rounds after that in which administrators are at work too: what takes several transactions one after the other hardly
/// happens among faults.
const CALM: usize = 4;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the world was like.
    pub setup: Setup,
    /// The run's events, in order: they play the same run again.
    pub events: Vec<Event>,
    /// The trace's sums: see [`Trace::into_sums`](crate::trace::Trace::into_sums).
    pub sums: Vec<u64>,
    /// Events that did something, those included that others set off.
    pub moved: u64,
    /// Transactions in the log at the end.
    pub transactions: usize,
    /// What the run reached.
    pub reached: Reached,
    /// The broken promise, with the last lines of the trace.
    pub violation: Option<(Violation, String)>,
}

impl Outcome {
    /// The same for equal runs, in every process and build.
    pub fn hash(&self) -> u64 {
        self.sums.last().copied().unwrap_or_default()
    }

    /// The first event, counted from 0, in which another run went another way; `None` when they are the same.
    pub fn parts_from(&self, other: &Outcome) -> Option<usize> {
        if self.sums == other.sums && self.events == other.events {
            return None;
        }
        let ours = self.events.iter().zip(&self.sums[1..]);
        let same = ours.zip(other.events.iter().zip(&other.sums[1..])).take_while(|(one, two)| one == two);
        Some(same.count())
    }

    /// The broken promise.
    pub fn broken(&self) -> Option<&Violation> {
        self.violation.as_ref().map(|(violation, _)| violation)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.violation {
            Some((violation, tail)) => write!(f, "{tail}{violation} (event {})", self.events.len()),
            None => write!(f, "{} events, {} transactions", self.events.len(), self.transactions),
        }
    }
}

/// A world that is made to go on, event by event.
#[derive(Debug)]
pub struct Player {
    /// The world.
    pub world: World,
    setup: Setup,
    events: Vec<Event>,
    reached: Reached,
}

impl Player {
    /// A world in which nothing happened yet.
    pub fn new(setup: Setup) -> Player {
        // What another run left behind counts for nothing.
        mark::take();
        Player { world: World::new(setup), setup, events: Vec::new(), reached: Reached::default() }
    }

    /// Makes an event happen; whether it did anything. A panic is a violation.
    pub fn apply(&mut self, event: Event) -> Result<bool, Violation> {
        watched(|| self.go_on(event))
    }

    fn go_on(&mut self, event: Event) -> Result<bool, Violation> {
        self.events.push(event);
        let moved = self.world.apply(event)?;
        self.reached.states.insert(self.world.state());
        Ok(moved)
    }

    /// Chance has its way, then everybody gets to the end of what it does, and whoever keeps trying commits.
    fn live(&mut self, options: &Options, rng: &mut Rng) -> Result<(), Violation> {
        for _ in 0..EVENTS {
            let event = chance::choose(&self.world, options, rng);
            self.go_on(event)?;
        }
        self.go_on(Event::Quiet)?;
        let clients = || (0..self.setup.clients).map(ClientId);
        let mut rounds =
            vec![clients().map(|client| Event::Begin(client, rng.next_u64())).collect::<Vec<_>>()];
        for _ in 0..CALM {
            let mut dice = |event: fn(ClientId, u64) -> Event| {
                clients().map(|client| event(client, rng.next_u64())).collect::<Vec<_>>()
            };
            rounds.push([dice(Event::Admin), dice(Event::Act), dice(Event::Begin)].concat());
        }
        for round in rounds {
            round.into_iter().chain([Event::Quiet]).try_for_each(|event| self.go_on(event).map(drop))?;
        }
        Ok(())
    }

    /// How it ended.
    pub fn outcome(mut self, result: Result<(), Violation>) -> Outcome {
        self.reached.marks = mark::take();
        let violation = result.err().map(|violation| (violation, self.world.trace.tail()));
        Outcome {
            setup: self.setup,
            moved: self.world.moved(),
            transactions: self.world.transactions(),
            violation,
            events: self.events,
            reached: self.reached,
            sums: self.world.trace.into_sums(),
        }
    }
}

/// Runs a seed.
pub fn run(seed: Seed, asked: Asked) -> Outcome {
    let (options, mut rng) = Options::of(seed, asked);
    let mut player = Player::new(options.setup);
    let result = watched(|| player.live(&options, &mut rng));
    player.outcome(result)
}

/// Plays events without chance, up to the end or to a broken promise.
pub fn replay(setup: Setup, events: &[Event]) -> Outcome {
    let mut player = Player::new(setup);
    let result = play(&mut player, events);
    player.outcome(result)
}

/// Plays events, and notes who sent what to whom.
pub fn replay_recorded(setup: Setup, events: &[Event]) -> (Outcome, Record) {
    let mut player = Player::new(setup);
    player.world.record();
    let result = play(&mut player, events);
    if let Err(broken) = &result {
        player.world.broken(broken);
    }
    let record = player.world.take_record().expect("it was asked for");
    (player.outcome(result), record)
}

fn play(player: &mut Player, events: &[Event]) -> Result<(), Violation> {
    watched(|| events.iter().try_for_each(|&event| player.go_on(event).map(drop)))
}
