//! What machines cannot have by themselves: monotonic and wall-clock time as they count them, and seeds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeolith_core::time::{Instant, WallTime};

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
