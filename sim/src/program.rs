//! A program of the simulated world: a client machine with its cache, and an application above it. Programs end and are
//! started again; their cache files stay.

use crate::app::{App, Scene, Storage, Told};
use crate::bug;
use crate::event::{ClientId, Loss};
use crate::medium::SimMedium;
use crate::options::Setup;
use std::collections::VecDeque;
use std::time::Duration;
use zeolith_core::cache::{BootId, Cache};
use zeolith_core::client::Client;
use zeolith_core::client::config::{Access, Config};
use zeolith_core::rng::{Rng, Seed};
use zeolith_core::time::Instant;

/// More writes and syncs than a cache makes when it is closed.
const CLOSING: u64 = 4;

/// A program with its machine's disk.
#[derive(Debug)]
pub struct Program {
    setup: Setup,
    id: ClientId,
    /// The client.
    pub machine: Client,
    /// What works with it.
    pub app: App,
    /// What the machine put out for the application, which has not looked at it yet.
    pub told: VecDeque<Told>,
    /// The server that can be written to knows less than the cache.
    pub behind: bool,
    medium: Option<SimMedium>,
    boot: u8,
    lives: u64,
    due: Option<Instant>,
}

impl Program {
    /// A program that begins.
    pub fn new(setup: Setup, id: ClientId, now: Instant) -> Program {
        let medium = setup.files.has(id).then(SimMedium::default);
        let machine = machine(setup, id, 0, cache(setup, medium.as_ref(), 0), now);
        let storage = Storage { blobs: setup.blobs, packs: setup.pack.is_some() };
        let app = App::new(id, !setup.readers.has(id), storage);
        let told = VecDeque::new();
        Program { setup, id, machine, app, told, behind: false, medium, boot: 0, lives: 0, due: Some(now) }
    }

    /// It ends, and is started again.
    pub fn restart(&mut self, loss: Loss, now: Instant) {
        match (loss, &mut self.medium) {
            (Loss::Process | Loss::Nothing, _) | (_, None) => {}
            (Loss::Power(dice) | Loss::Closing(dice), Some(medium)) => {
                medium.lose_power(dice);
                self.boot = self.boot.wrapping_add(1);
            }
            (Loss::Cache, Some(medium)) => *medium = SimMedium::default(),
        }
        self.lives += 1;
        self.told.clear();
        self.behind = false;
        let cache = cache(self.setup, self.medium.as_ref(), self.boot);
        self.machine = machine(self.setup, self.id, self.lives, cache, now);
    }

    /// Its machine will stop within what it writes when it closes the client, as these dice fall.
    pub fn end_within(&self, dice: u64) {
        if let Some(medium) = &self.medium {
            medium.end_after(Rng::new(Seed(dice)).below(CLOSING));
        }
    }

    /// What the application works with.
    pub fn scene<'a>(
        &'a mut self,
        now: Instant,
        books: &'a mut crate::app::Notes,
    ) -> (&'a mut App, Scene<'a>) {
        (&mut self.app, Scene { now, machine: &mut self.machine, notes: books })
    }

    /// The machine was handed something: looks when it wants to be woken.
    pub fn look(&mut self) {
        self.due = self.machine.deadline();
        // A planted fault is for the checkers to find.
        if self.setup.bug.is_none() {
            self.machine.check_invariants();
        }
    }

    /// When the machine wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What it waits for: the kind of thing, and more. `None` when it has nothing under way.
    pub fn waits_for(&self) -> Option<(String, String)> {
        match (self.app.waits_for(), self.machine.is_ready()) {
            (app, true) => app,
            (app, false) => {
                let what = app.map_or("nothing else".to_owned(), |(kind, what)| format!("{kind}, {what}"));
                Some(("for a connection".to_owned(), what))
            }
        }
    }
}

fn cache(setup: Setup, medium: Option<&SimMedium>, boot: u8) -> Cache {
    match medium {
        None => Cache::in_memory(setup.cache),
        Some(medium) => {
            let opened = Cache::open(Box::new(medium.clone()), setup.cache, BootId([boot; 16]));
            opened.expect("nobody else writes the file").0
        }
    }
}

fn machine(setup: Setup, id: ClientId, life: u64, cache: Cache, now: Instant) -> Client {
    let access = match (setup.readers.has(id), setup.fallbacks.has(id)) {
        (true, _) => Access::Read,
        (false, true) => Access::WriteOrRead,
        (false, false) => Access::Write,
    };
    let config = Config {
        // Who only writes is told of the one server that can be written to.
        servers: (0..if access == Access::Write { 1 } else { setup.servers })
            .map(|at| format!("server {at}"))
            .collect(),
        access,
        reconnect_min: Duration::from_millis(1),
        reconnect_max: Duration::from_millis(500),
        silence_timeout: setup.silence,
        ..Config::default()
    };
    let mut machine = Client::new(now, config, cache, Seed(life << 8 | id.0 as u64));
    if let Some(bug) = setup.bug {
        bug::plant_in_client(bug, &mut machine);
    }
    machine
}
