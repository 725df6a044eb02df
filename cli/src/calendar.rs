//! Wall-clock time as operators read it.

use zeolith_core::time::WallTime;

/// `time` in UTC to the second, with `between` between date and time of day: `2026-11-21T22:25:30` for `T`.
pub(crate) fn utc(time: WallTime, between: char) -> String {
    let at = time.civil();
    let (hour, minute, second) =
        (at.minute_of_day / 60, at.minute_of_day % 60, at.micros_of_minute / 1_000_000);
    format!("{:04}-{:02}-{:02}{between}{hour:02}:{minute:02}:{second:02}", at.year, at.month, at.day)
}
