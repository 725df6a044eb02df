//! What machines cannot have by themselves: monotonic and wall-clock time as they count them, and seeds.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeolith_core::time::{Instant, WallTime};

/// What a server is given of time and chance. With these, everything it sends and writes follows from what it is sent.
pub trait Surroundings: Debug {
    /// Time since any moment; it never goes back.
    fn now(&self) -> Instant;

    /// The time of day. It may jump.
    fn wall(&self) -> WallTime;

    /// A seed that nobody else has: of it comes what tells the files of one storage from those of others.
    fn seed(&self) -> u64;

    /// Comes when [`now`](Self::now) has reached the deadline, at once where it has.
    fn reached(&self, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

/// The shell's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Clock {
        Clock { start: std::time::Instant::now() }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::default() + self.start.elapsed()
    }

    /// The moment a machine's deadline stands for.
    pub(crate) fn moment(&self, deadline: Instant) -> std::time::Instant {
        self.start + Duration::from_nanos(deadline.0)
    }
}

impl Surroundings for Clock {
    fn now(&self) -> Instant {
        Clock::now(self)
    }

    fn wall(&self) -> WallTime {
        wall()
    }

    fn seed(&self) -> u64 {
        seed()
    }

    fn reached(&self, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(at(Some(self.moment(deadline))))
    }
}

/// The time of day; 1970 when the system's clock stands before that.
pub(crate) fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_micros() as u64)
}

/// Comes at a moment; never without one.
pub(crate) async fn at(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// A seed nobody else has: the standard library's hasher keys are random.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
