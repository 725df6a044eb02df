//! A clock whose hands are set.

use std::cell::Cell;
use std::pin::Pin;
use tokio::sync::Notify;
use zeolith_core::time::{Instant, WallTime};
use zeolith_net::serve::Surroundings;

/// Time and chance of a server, as the tape has them.
#[derive(Debug, Default)]
pub struct Hands {
    now: Cell<Instant>,
    wall: Cell<WallTime>,
    seed: Cell<u64>,
    readings: Cell<usize>,
    moved: Notify,
}

impl Hands {
    /// Sets the time. Whoever waits for it is woken.
    pub fn set(&self, now: Instant) {
        self.now.set(now);
        self.moved.notify_waiters();
    }

    /// Sets the time of day.
    pub fn set_wall(&self, wall: WallTime) {
        self.wall.set(wall);
    }

    /// Sets what the next storage is given.
    pub fn set_seed(&self, seed: u64) {
        self.seed.set(seed);
    }

    /// How often the time was asked for: once for everything that a server is handed.
    pub fn readings(&self) -> usize {
        self.readings.get()
    }
}

impl Surroundings for Hands {
    fn now(&self) -> Instant {
        self.readings.set(self.readings.get() + 1);
        self.now.get()
    }

    fn wall(&self) -> WallTime {
        self.wall.get()
    }

    fn seed(&self) -> u64 {
        self.seed.get()
    }

    fn reached(&self, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            while self.now.get() < deadline {
                self.moved.notified().await;
            }
        })
    }
}
