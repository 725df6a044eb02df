//! The figures of one storage since the start, as `server_status` and `ruok` tell them.

use crate::time::WallTime;

/// Counters.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// `loadBefore` calls.
    pub loads: u64,
    /// `storea` calls.
    pub stores: u64,
    /// Finished transactions.
    pub commits: u64,
    /// Aborted transactions.
    pub aborts: u64,
    /// Transactions that ended in a conflict.
    pub conflicts: u64,
    /// Conflicts that clients resolved and committed.
    pub conflicts_resolved: u64,
}

/// The time as C's `ctime` writes it, in UTC.
pub fn ctime(wall: WallTime) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let civil = wall.civil();
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        DAYS[civil.weekday as usize],
        MONTHS[civil.month as usize - 1],
        civil.day,
        civil.minute_of_day / 60,
        civil.minute_of_day % 60,
        civil.micros_of_minute / 1_000_000,
        civil.year
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_ctime_writes_it() {
        assert_eq!(ctime(WallTime(1_795_299_930_500_000)), "Sat Nov 21 22:25:30 2026");
        assert_eq!(ctime(WallTime(0)), "Thu Jan  1 00:00:00 1970");
    }
}
