//! Monotonic and wall-clock time, both handed in from outside.

use std::ops::Add;
use std::time::Duration;

/// A point of monotonic time: nanoseconds since a start that the shell (or the simulated world) chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// Time passed since `earlier`; zero when `earlier` is later than `self`.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of representable time (584 years).
    fn add(self, by: Duration) -> Instant {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

/// Wall-clock time: microseconds since 1970-01-01 00:00 UTC. It may jump in either direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub u64);

/// A calendar date and time of day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, 1900 or later in a transaction id.
    pub year: u32,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
    /// Minutes since midnight, below 1440.
    pub minute_of_day: u32,
    /// Microseconds since the minute began, below 60 000 000.
    pub micros_of_minute: u32,
    /// Day of the week, 0 is Monday.
    pub weekday: u32,
}

const MICROS_PER_MINUTE: u64 = 60_000_000;
const MINUTES_PER_DAY: u64 = 1440;

impl WallTime {
    /// The calendar reading of this time (proleptic Gregorian, UTC, no leap seconds).
    pub fn civil(self) -> Civil {
        let minutes = self.0 / MICROS_PER_MINUTE;
        let days = minutes / MINUTES_PER_DAY;
        // Days-to-date after Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
        let z = days + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Civil {
            year: year as u32,
            month: month as u32,
            day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32,
            minute_of_day: (minutes % MINUTES_PER_DAY) as u32,
            micros_of_minute: (self.0 % MICROS_PER_MINUTE) as u32,
            weekday: ((days + 3) % 7) as u32,
        }
    }

    /// The time a calendar reading stands for; `None` when it is before 1970 or no date.
    pub fn of(civil: Civil) -> Option<WallTime> {
        let (year, month) = (u64::from(civil.year), u64::from(civil.month));
        if year < 1970 || !(1..=12).contains(&month) || civil.day == 0 {
            return None;
        }
        // Date-to-days, the inverse of the above.
        let year = if month <= 2 { year - 1 } else { year };
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + u64::from(civil.day) - 1;
        let year_of_era = year % 400;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = year / 400 * 146_097 + day_of_era - 719_468;
        let minutes = days * MINUTES_PER_DAY + u64::from(civil.minute_of_day);
        let wall = WallTime(minutes * MICROS_PER_MINUTE + u64::from(civil.micros_of_minute));
        let reading = wall.civil();
        (Civil { weekday: reading.weekday, ..civil } == reading).then_some(wall)
    }

    /// Seconds since the epoch with a fraction, as Python's `time.time()` gives them.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_was_a_thursday() {
        let epoch = WallTime(0).civil();
        assert_eq!((epoch.year, epoch.month, epoch.day, epoch.weekday), (1970, 1, 1, 3));
    }

    #[test]
    fn a_leap_day_is_read_as_the_29th() {
        // 2024-02-29 23:59:59.5 UTC
        let civil = WallTime(1_709_251_199_500_000).civil();
        assert_eq!((civil.year, civil.month, civil.day), (2024, 2, 29));
        assert_eq!(civil.minute_of_day, 1439);
        assert_eq!(civil.micros_of_minute, 59_500_000);
    }

    #[test]
    fn a_calendar_reading_gives_the_time_back() {
        for wall in [0, 951_782_400_000_000, 1_709_251_199_500_000, 1_795_299_930_500_000].map(WallTime) {
            assert_eq!(WallTime::of(wall.civil()), Some(wall));
        }
        let february_30 = Civil { month: 2, day: 30, ..WallTime(1_709_251_199_500_000).civil() };
        assert_eq!(WallTime::of(february_30), None);
    }

    #[test]
    fn adding_saturates_at_the_end_of_time() {
        assert_eq!(Instant(u64::MAX) + Duration::from_secs(1), Instant(u64::MAX));
    }
}
