//! Wall-clock time as operators read it.

use zeolith_core::ids::Tid;
use zeolith_core::time::WallTime;

/// `time` in UTC to the second, with `between` between date and time of day: `2026-11-21T22:25:30` for `T`.
pub(crate) fn utc(time: WallTime, between: char) -> String {
    let at = time.civil();
    let (hour, minute, second) =
        (at.minute_of_day / 60, at.minute_of_day % 60, at.micros_of_minute / 1_000_000);
    format!("{:04}-{:02}-{:02}{between}{hour:02}:{minute:02}:{second:02}", at.year, at.month, at.day)
}

/// When a transaction was, in UTC to the second; `-` where its id is no time.
pub(crate) fn moment(tid: Tid) -> String {
    nearest(tid).map_or_else(|| "-".to_owned(), |time| utc(time, ' '))
}

/// The same as programs read it, to the microsecond: `2026-11-21T22:25:30.500000Z`.
pub(crate) fn stamp(tid: Tid) -> Option<String> {
    let time = nearest(tid)?;
    Some(format!("{}.{:06}Z", utc(time, 'T'), time.0 % 1_000_000))
}

/// The microsecond that the clock showed: a tid is rounded down, by less than half of one.
fn nearest(tid: Tid) -> Option<WallTime> {
    let below = ((tid.0 & 0xffff_ffff) * 60_000_000) & 0xffff_ffff;
    tid.wall().map(|time| WallTime(time.0 + (below >> 31)))
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 as C's `ctime` writes them, in UTC: `Sat Nov 21 22:25:30 2026`. Always 24 bytes of ASCII, so that
/// parts may be cut out by their place.
pub(crate) fn ctime(seconds: u32) -> String {
    let at = WallTime(u64::from(seconds) * 1_000_000).civil();
    let (hour, minute, second) =
        (at.minute_of_day / 60, at.minute_of_day % 60, at.micros_of_minute / 1_000_000);
    let (weekday, month) = (WEEKDAYS[at.weekday as usize], MONTHS[at.month as usize - 1]);
    format!("{weekday} {month} {:2} {hour:02}:{minute:02}:{second:02} {}", at.day, at.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_tells_its_time() {
        let tid = Tid(0x40d2c8182222222);
        assert_eq!(moment(tid), "2026-11-21 22:25:30");
        assert_eq!(stamp(tid).as_deref(), Some("2026-11-21T22:25:30.500000Z"));
        assert_eq!((moment(Tid(5)), stamp(Tid(5))), ("-".to_owned(), None));
    }

    #[test]
    fn a_moment_is_written_as_c_writes_it() {
        assert_eq!(ctime(1_795_299_930), "Sat Nov 21 22:25:30 2026");
        assert_eq!(ctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(ctime(u32::MAX), "Sun Feb  7 06:28:15 2106");
    }
}
