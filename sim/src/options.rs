//! What a seed stands for: what the world is like, and what chance may do in it.

use crate::bug::Bug;
use crate::event::ClientId;
use crate::setup::Clients;
pub use crate::setup::{CLIENTS_MAX, OptionError, SERVERS_MAX, Setup};
use std::str::FromStr;
use std::time::Duration;
use zeolith_core::limits::Limits;
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::server::packs::PackOptions;
use zeolith_core::wire::Codec;

/// A kind of event that is on or off for a whole run: what never happens in one run gives room to what happens in
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Connections break.
    Cuts,
    /// Servers' processes die.
    Crashes,
    /// Servers' power fails.
    PowerLosses,
    /// Messages arrive in small pieces.
    Splits,
    /// Disks take their time.
    SlowDisk,
    /// Time jumps ahead.
    Pauses,
    /// Connections break for one side first, and what was sent on them arrives late.
    HalfCuts,
    /// Nothing arrives on some connections for a time, in one direction or both.
    Partitions,
    /// All connections of a server break at once.
    Storms,
    /// Programs end, some with their machines.
    Restarts,
    /// Disks are full, and fail to read, write and sync.
    DiskFailures,
    /// Bits turn on the disks of servers that are down.
    Rot,
    /// Older copies of the storage are put in its place.
    Restores,
    /// Wall clocks jump.
    Clocks,
    /// Disks have room for a little more, and then for nothing.
    FullDisks,
    /// Servers and programs end as they should, with what is written then.
    Stops,
    /// Peers of another make connect, and do what no client of ours does.
    Strangers,
}

impl Fault {
    /// Every one of them, in the order in which a seed decides.
    pub const ALL: &[Fault] = &[
        Fault::Cuts,
        Fault::Crashes,
        Fault::PowerLosses,
        Fault::Splits,
        Fault::SlowDisk,
        Fault::Pauses,
        Fault::HalfCuts,
        Fault::Partitions,
        Fault::Storms,
        Fault::Restarts,
        Fault::DiskFailures,
        Fault::Rot,
        Fault::Restores,
        Fault::Clocks,
        Fault::FullDisks,
        Fault::Stops,
        Fault::Strangers,
    ];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Cuts => "cuts",
            Fault::Crashes => "crashes",
            Fault::PowerLosses => "power-losses",
            Fault::Splits => "splits",
            Fault::SlowDisk => "slow-disk",
            Fault::Pauses => "pauses",
            Fault::HalfCuts => "half-cuts",
            Fault::Partitions => "partitions",
            Fault::Storms => "storms",
            Fault::Restarts => "restarts",
            Fault::DiskFailures => "disk-failures",
            Fault::Rot => "rot",
            Fault::Restores => "restores",
            Fault::Clocks => "clocks",
            Fault::FullDisks => "full-disks",
            Fault::Stops => "stops",
            Fault::Strangers => "strangers",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        Fault::ALL.iter().copied().find(|fault| fault.name() == text).ok_or_else(|| {
            let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
            format!("faults are none, {}", names.join(", "))
        })
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Whether this one can happen.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u32 != 0
    }

    /// Those of them that can be together: when an older copy is put in place while the clock is behind, two histories may
    /// have transactions of one name, which no client of the protocol can tell apart.
    fn possible(self) -> Faults {
        let both = self.has(Fault::Restores) && self.has(Fault::Clocks);
        if both { Faults(self.0 & !(1 << Fault::Clocks as u32)) } else { self }
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Faults {
        Faults(faults.into_iter().fold(0, |set, fault| set | 1 << fault as u32))
    }
}

/// Limits that press: peers wait for room, transactions are too large, and who does not read is closed.
fn small(rng: &mut Rng) -> Limits {
    let mut one_of = |all: &[usize]| all[rng.below(all.len() as u64) as usize];
    let usual = Limits::default();
    Limits {
        unsent_pause: one_of(&[200, 2_000, 10_000, usual.unsent_pause]),
        unsent_max: one_of(&[500, 5_000, usual.unsent_max]),
        operations: one_of(&[2, 4, 10, usual.operations]),
        transaction_bytes: one_of(&[4_000, 12_000, usual.transaction_bytes]),
        transaction_objects: one_of(&[4, 10, usual.transaction_objects]),
        ..usual
    }
}

/// What is asked of every seed, whatever it stands for otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Exactly these faults; `None` leaves them to the seed.
    pub faults: Option<Faults>,
    /// A deliberate fault.
    pub bug: Option<Bug>,
}

/// What chance may do in which world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The world.
    pub setup: Setup,
    /// The faults.
    pub faults: Faults,
}

impl Options {
    /// What a seed stands for, with the generator that goes on to choose the events.
    pub fn of(seed: Seed, asked: Asked) -> (Options, Rng) {
        let mut rng = Rng::new(seed);
        let mut coin = || rng.chance(1, 2);
        let codec = if coin() { Codec::Pickle } else { Codec::Msgpack };
        let timeout = coin().then_some(Duration::from_secs(5));
        // Asked first and replaced afterwards: the events of a seed stay as alike as they can.
        let faults: Faults = Fault::ALL.iter().copied().filter(|_| coin()).collect();
        let faults = asked.faults.unwrap_or(faults).possible();
        let silence = rng.chance(1, 4).then_some(Duration::from_secs(5));
        let clients = 2 + rng.below(3) as usize;
        let servers = if rng.chance(1, 4) { 2 } else { 1 };
        let queue = if rng.chance(1, 4) { 1 + rng.below(5) as usize } else { 100 };
        let cache = [0, 2_048, 16_384, 65_536][rng.below(4) as usize];
        let mut some = |of: u64| -> Clients { (0..clients).filter(|_| rng.chance(1, of)).collect() };
        let (files, mut readers, fallbacks) = (some(2), some(8), some(2));
        if (0..clients).all(|client| readers.has(ClientId(client))) {
            readers = Clients::default();
        }
        let together = if rng.chance(1, 4) { (0..2).collect() } else { Clients::default() };
        let limits = if rng.chance(1, 3) { small(&mut rng) } else { Limits::default() };
        let blobs = rng.chance(1, 2);
        let pack = rng.chance(1, 2).then(|| PackOptions { gc: rng.chance(2, 3), keep_old: rng.chance(1, 2) });
        let bug = asked.bug;
        let setup = Setup {
            codec,
            timeout,
            silence,
            clients,
            servers,
            queue,
            readers,
            fallbacks,
            together,
            files,
            cache,
            blobs,
            pack,
            limits,
            bug,
        };
        (Options { setup, faults }, rng)
    }
}
