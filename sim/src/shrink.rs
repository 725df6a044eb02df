//! Making a history that breaks a promise short and plain, while it breaks the same promise.
//!
//! Events are dropped in ever smaller parts, and those that stay are made plainer: messages arrive whole, the disk does
//! all it is asked, dice are small. Since an event that cannot happen does nothing, every shorter list is a history.

use crate::checkers::Violation;
use crate::disk::Fate;
use crate::event::{ALL, ClientId, Event, Loss, Side, Wire};
use crate::options::Setup;
use crate::run::{Outcome, Player, replay};
use std::collections::BTreeSet;

/// Histories longer than this are not searched for pairs: there are too many.
const PAIRS: usize = 100;
/// Dice tried in place of others.
const DICE: u64 = 24;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The world, with no more clients than it needs.
    pub setup: Setup,
    /// The shortest history found; its last event breaks the promise.
    pub outcome: Outcome,
    /// Histories played to find it.
    pub tried: usize,
}

/// Shrinks a history. `None` when it breaks no promise, or not the one of `broken`.
pub fn shrink(setup: Setup, events: &[Event], broken: &Violation) -> Option<Shrunk> {
    let outcome = replay(setup, events);
    let same = outcome.broken().is_some_and(|violation| violation.is_like(broken));
    let mut shrinker = Shrinker { setup, broken: broken.clone(), best: outcome, tried: 1 };
    same.then(|| {
        shrinker.shrink();
        Shrunk { setup: shrinker.setup, outcome: shrinker.best, tried: shrinker.tried }
    })
}

struct Shrinker {
    setup: Setup,
    broken: Violation,
    best: Outcome,
    tried: usize,
}

impl Shrinker {
    fn events(&self) -> &[Event] {
        &self.best.events
    }

    /// Takes another history instead, if it breaks the same promise. Whether it does.
    fn accept(&mut self, events: &[Event]) -> bool {
        self.tried += 1;
        let outcome = replay(self.setup, events);
        let same = outcome.broken().is_some_and(|violation| violation.is_like(&self.broken));
        if same {
            // What comes after the break was never played.
            self.best = outcome;
        }
        same
    }

    fn shrink(&mut self) {
        self.drop_idle();
        loop {
            let before = self.events().to_vec();
            self.drop_clients();
            self.drop_parts();
            self.drop_middle();
            self.join_flows();
            self.join_disk();
            self.join_pieces();
            self.make_plain();
            self.drop_parts();
            self.drop_pairs();
            if self.events() == before {
                break;
            }
        }
        self.make_world_plain();
        self.drop_unused_clients();
    }

    /// Drops the events that did nothing, all at once.
    fn drop_idle(&mut self) {
        let mut player = Player::new(self.setup);
        // The last event breaks the promise; it is an error, and stays.
        let moved: Vec<Event> = self.events().to_vec();
        let moved: Vec<Event> =
            moved.into_iter().filter(|&event| player.apply(event).unwrap_or(true)).collect();
        self.accept(&moved);
    }

    /// Drops all that a client does.
    fn drop_clients(&mut self) {
        for client in (0..self.setup.clients).map(ClientId) {
            let rest: Vec<Event> =
                self.events().iter().copied().filter(|event| event.client() != Some(client)).collect();
            if rest.len() < self.events().len() {
                self.accept(&rest);
            }
        }
    }

    /// Drops parts, from half of all events down to single ones.
    fn drop_parts(&mut self) {
        let mut size = (self.events().len() / 2).max(1);
        loop {
            let mut from = 0;
            while from < self.events().len() {
                let to = (from + size).min(self.events().len());
                let rest = [&self.events()[..from], &self.events()[to..]].concat();
                if !self.accept(&rest) {
                    from = to;
                }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
    }

    /// Drops all between a beginning, as short as it can be, and the last events: what waits for ever often does so early.
    fn drop_middle(&mut self) {
        for tail in 1..=3 {
            let mut head = 0;
            while head + tail < self.events().len() {
                let (events, end) = (self.events(), self.events().len() - tail);
                let rest = [&events[..head], &events[end..]].concat();
                if self.accept(&rest) {
                    break;
                }
                head += 1;
            }
        }
    }

    /// Drops two events that only make sense together, such as a crash and the start after it.
    fn drop_pairs(&mut self) {
        let mut one = 0;
        while one < self.events().len() && self.events().len() <= PAIRS {
            let mut two = one + 1;
            let mut dropped = false;
            while two < self.events().len() && !dropped {
                let mut rest = self.events().to_vec();
                rest.remove(two);
                rest.remove(one);
                dropped = self.accept(&rest);
                two += 1;
            }
            one += usize::from(!dropped);
        }
    }

    /// Lets the disk do all it is asked in place of each row of its steps, or of one of them.
    fn join_disk(&mut self) {
        self.join_rows(|event| match *event {
            Event::BeginDisk(server)
            | Event::EndDisk(server, _)
            | Event::Pack(server)
            | Event::Disk(server) => Some(Event::Disk(server)),
            _ => None,
        });
    }

    /// Lets everything on a wire arrive in place of each row of messages, or of one of them.
    fn join_flows(&mut self) {
        self.join_rows(|event| match *event {
            Event::Connect(wire)
            | Event::ToServer(wire, _)
            | Event::ToClient(wire, _)
            | Event::Flow(wire) => Some(Event::Flow(wire)),
            _ => None,
        });
    }

    /// Puts one event in the place of each row of which `whole` says that it does all of them, or of one of them.
    fn join_rows(&mut self, whole: impl Fn(&Event) -> Option<Event>) {
        let mut at = 0;
        while at < self.events().len() {
            let one = whole(&self.events()[at]);
            let rest = self.events()[at..].iter();
            let row = rest.take_while(|event| one.is_some() && whole(event) == one).count();
            if let Some(one) = one
                && (row > 1 || self.events()[at] != one)
            {
                let joined = [&self.events()[..at], &[one], &self.events()[at + row..]].concat();
                if !self.accept(&joined) && row > 1 && self.events()[at] != one {
                    self.replace(at, one);
                }
            }
            at += 1;
        }
    }

    /// Lets a message arrive whole where its first piece does, without the pieces after it.
    fn join_pieces(&mut self) {
        let mut at = 0;
        while at < self.events().len() {
            let whole = match self.events()[at] {
                Event::ToServer(client, bytes) if bytes != ALL => Event::ToServer(client, ALL),
                Event::ToClient(client, bytes) if bytes != ALL => Event::ToClient(client, ALL),
                _ => {
                    at += 1;
                    continue;
                }
            };
            let is_piece = |event: &Event| match (whole, *event) {
                (Event::ToServer(one, _), Event::ToServer(two, _))
                | (Event::ToClient(one, _), Event::ToClient(two, _)) => one == two,
                _ => false,
            };
            let mut rest: Vec<Event> = self.events()[at + 1..].to_vec();
            // Up to what may depend on it having come in pieces: the client's next word.
            let next = rest
                .iter()
                .position(|event| matches!(event, Event::Act(..) | Event::Admin(..) | Event::Begin(..)));
            let after = rest.split_off(next.unwrap_or(rest.len()));
            rest.retain(|event| !is_piece(event));
            let joined = [&self.events()[..at], &[whole], &rest, &after].concat();
            if !self.accept(&joined) {
                self.replace(at, whole);
            }
            at += 1;
        }
    }

    fn replace(&mut self, at: usize, event: Event) -> bool {
        let mut events = self.events().to_vec();
        events[at] = event;
        self.accept(&events)
    }

    /// Makes the arguments of each event as plain as they can be.
    fn make_plain(&mut self) {
        let mut at = 0;
        while at < self.events().len() {
            for plain in plainer(self.events()[at]) {
                if self.replace(at, plain) {
                    break;
                }
            }
            at += 1;
        }
    }

    /// Counts only the clients that do something, from 0.
    fn drop_unused_clients(&mut self) {
        let used: BTreeSet<ClientId> = self.events().iter().filter_map(|event| event.client()).collect();
        let number = |client| ClientId(used.range(..client).count());
        let events: Vec<Event> = self.events().iter().map(|event| event.of_client(number)).collect();
        let before = self.setup;
        self.setup = self.setup.with_clients(&used.iter().copied().collect::<Vec<_>>());
        if !self.accept(&events) {
            self.setup = before;
        }
    }

    /// Makes the world as plain as it can be.
    fn make_world_plain(&mut self) {
        let usual = Setup::default();
        let servers = self.events().iter().filter_map(|event| event.server()).max();
        let plainer: [&dyn Fn(Setup) -> Setup; 12] = [
            &|setup| Setup { silence: None, ..setup },
            &|setup| Setup { servers: servers.map_or(1, |server| server.0 + 1), ..setup },
            &|setup| Setup { timeout: None, ..setup },
            &|setup| Setup { queue: usual.queue, ..setup },
            &|setup| Setup { cache: usual.cache, ..setup },
            &|setup| Setup { limits: usual.limits, ..setup },
            &|setup| Setup { readers: usual.readers, ..setup },
            &|setup| Setup { fallbacks: usual.fallbacks, ..setup },
            &|setup| Setup { files: usual.files, ..setup },
            &|setup| Setup { together: usual.together, ..setup },
            &|setup| Setup { blobs: usual.blobs, ..setup },
            &|setup| Setup { pack: usual.pack, ..setup },
        ];
        for plainer in plainer {
            let plainer = plainer(self.setup);
            let before = std::mem::replace(&mut self.setup, plainer);
            let events = self.events().to_vec();
            if before == plainer || !self.accept(&events) {
                self.setup = before;
            }
        }
    }
}

/// What an event might be instead, plainest first; nothing that is less plain than the event.
fn plainer(event: Event) -> Vec<Event> {
    let dice = |dice: u64| 0..DICE.min(dice);
    match event {
        Event::Act(client, old) => dice(old).map(|new| Event::Act(client, new)).collect(),
        Event::Admin(client, old) => dice(old).map(|new| Event::Admin(client, new)).collect(),
        Event::Begin(client, old) => dice(old).map(|new| Event::Begin(client, new)).collect(),
        Event::ToServer(client, bytes) if bytes != ALL => vec![Event::ToServer(client, ALL)],
        Event::ToClient(client, bytes) if bytes != ALL => vec![Event::ToClient(client, ALL)],
        Event::Late(wire, bytes) if bytes != ALL => vec![Event::Late(wire, ALL)],
        Event::Cut(wire, Side::Client | Side::Server) => vec![Event::Cut(wire, Side::Both)],
        Event::Storm(server) => vec![Event::Cut(Wire { client: ClientId(0), server }, Side::Both)],
        Event::EndDisk(server, at) => (0..at).map(|at| Event::EndDisk(server, at)).collect(),
        Event::Crash(server, Fate::Power(old)) => {
            let power = dice(old).map(|new| Event::Crash(server, Fate::Power(new)));
            std::iter::once(Event::Crash(server, Fate::Process)).chain(power).collect()
        }
        Event::Restart(client, Loss::Power(old)) => {
            let power = dice(old).map(|new| Event::Restart(client, Loss::Power(new)));
            std::iter::once(Event::Restart(client, Loss::Process)).chain(power).collect()
        }
        Event::Restart(client, Loss::Closing(old)) => {
            let closing = dice(old).map(|new| Event::Restart(client, Loss::Closing(new)));
            [Loss::Process, Loss::Nothing]
                .map(|loss| Event::Restart(client, loss))
                .into_iter()
                .chain(closing)
                .collect()
        }
        Event::Restart(client, Loss::Nothing) => vec![Event::Restart(client, Loss::Process)],
        Event::Stop(server) => vec![Event::Crash(server, Fate::Process)],
        Event::Room(server, old) if old > 0 => vec![Event::Room(server, 0)],
        Event::Stranger(server, old) => dice(old).map(|new| Event::Stranger(server, new)).collect(),
        Event::Rot(server, old) => dice(old).map(|new| Event::Rot(server, new)).collect(),
        Event::Clock(server, old) => {
            let plain = [-1_000_000, -1, 1_000_000, 1].into_iter();
            let plain = plain.filter(|new: &i64| new.signum() == old.signum() && new.abs() < old.abs());
            plain.map(|new| Event::Clock(server, new)).collect()
        }
        Event::Pass(old) => {
            [1, 10, 100, 1_000, 5_000].into_iter().filter(|&new| new < old).map(Event::Pass).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "shrink_tests.rs"]
mod tests;
