//! Object and transaction ids, as ZODB defines them: 64-bit numbers, big-endian on the wire and on disk.

use crate::time::{Civil, WallTime};
use std::fmt;

/// An object id. Zero is the root object.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub u64);

/// A transaction id, also the serial of every revision the transaction wrote.
///
/// It is a time stamp: the upper 32 bits count minutes in a calendar of 31-day months from 1900, the lower 32 bits
/// are the fraction of the minute (`persistent.TimeStamp`). Zero stands for "before any transaction".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(pub u64);

macro_rules! eight_bytes {
    ($name:ident) => {
        impl $name {
            /// The id before all others.
            pub const ZERO: $name = $name(0);

            /// Reads the eight big-endian bytes ZODB writes; `None` for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<$name> {
                Some($name(u64::from_be_bytes(bytes.try_into().ok()?)))
            }

            /// The eight big-endian bytes ZODB writes.
            pub fn bytes(self) -> [u8; 8] {
                self.0.to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

eight_bytes!(Oid);
eight_bytes!(Tid);

impl Tid {
    /// The highest tid a signed 64-bit reader accepts; ZODB uses it for "current" in `loadBefore`.
    pub const MAX: Tid = Tid(i64::MAX as u64);

    /// The last tid a transaction may bring along. Those of the minute between it and [`MAX`](Self::MAX) are for the
    /// transactions that were voted before it was reached.
    pub const LAST: Tid = Tid(Tid::MAX.0 - (1 << 32));

    /// The time stamp for a moment, rounded down to what 32 bits of a minute hold (about 14 ns).
    pub fn at(wall: WallTime) -> Tid {
        let civil = wall.civil();
        let months = (u64::from(civil.year) - 1900) * 12 + u64::from(civil.month) - 1;
        let days = months * 31 + u64::from(civil.day) - 1;
        let minutes = days * 1440 + u64::from(civil.minute_of_day);
        let fraction = (u64::from(civil.micros_of_minute) << 32) / 60_000_000;
        Tid(minutes << 32 | fraction)
    }

    /// The moment the time stamp stands for, to the microsecond; `None` when it is before 1970 or no date, as in tids
    /// that were made by counting.
    pub fn wall(self) -> Option<WallTime> {
        let (minutes, fraction) = (self.0 >> 32, self.0 & 0xffff_ffff);
        let (days, minute_of_day) = (minutes / 1440, (minutes % 1440) as u32);
        let (months, day) = (days / 31, (days % 31) as u32 + 1);
        let (year, month) = ((months / 12) as u32 + 1900, (months % 12) as u32 + 1);
        let micros_of_minute = ((fraction * 60_000_000) >> 32) as u32;
        WallTime::of(Civil { year, month, day, minute_of_day, micros_of_minute, weekday: 0 })
    }

    /// Seconds since 1970 as Python computes them (`TimeStamp.timeTime`), to the last digit; of any number, also where it
    /// is no date.
    pub fn time(self) -> f64 {
        let (minutes, fraction) = (self.0 >> 32, self.0 & 0xffff_ffff);
        let (months, day) = (minutes / 44_640, minutes % 44_640 / 1440);
        // Days of a calendar whose years begin in March; 694,266 of them lie before 1901.
        let year = 1900 + months / 12 - u64::from(months % 12 < 2);
        let shifted_month = (months + 10) % 12;
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * shifted_month + 2) / 5 + day;
        let whole = (days as i64 - 694_266) * 86_400 + (minutes % 1440 * 60) as i64;
        // Python counts from 1901 first, and rounds there.
        (whole as f64 + fraction as f64 * (60.0 / 4_294_967_296.0)) - 2_177_452_800.0
    }

    /// The time stamp of a time in seconds since 1970, as Python makes it for a pack; zero before 1970, and `None` behind
    /// the year 9999 or where it is no number.
    pub fn of_time(seconds: f64) -> Option<Tid> {
        const YEAR_10000: f64 = 253_402_300_800.0;
        if seconds.is_nan() || seconds >= YEAR_10000 {
            return None;
        }
        if seconds < 0.0 {
            return Some(Tid::ZERO);
        }
        let minute = Tid::at(WallTime((seconds / 60.0) as u64 * 60_000_000));
        let fraction = seconds % 60.0 / (60.0 / 65_536.0 / 65_536.0);
        Some(Tid(minute.0 | fraction as u64))
    }

    /// The tid right after this one.
    ///
    /// # Panics
    /// At `u64::MAX`, which no clock before the year 9900 produces and which stores refuse.
    pub fn next(self) -> Tid {
        Tid(self.0.checked_add(1).expect("a tid below the last one representable"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tid_is_pythons_time_stamp_of_the_moment() {
        // persistent.TimeStamp.TimeStamp(2026, 11, 21, 22, 25, 30.5).raw()
        assert_eq!(Tid::at(WallTime(1_795_299_930_500_000)).to_string(), "040d2c8182222222");
    }

    #[test]
    fn a_tid_gives_its_moment_back() {
        let wall = WallTime(1_795_299_930_500_000);
        let read = Tid::at(wall).wall().unwrap();
        assert!(wall.0.abs_diff(read.0) <= 1, "{read:?}");
        assert_eq!(Tid(5).wall(), None);
    }

    #[test]
    fn a_tid_is_a_time_as_python_computes_it() {
        // persistent.TimeStamp.TimeStamp(tid).timeTime()
        let times = [
            (0x0, -2208988800.0),
            (0x5, -2208988800.0),
            (0x3ff112233445566, 1740952452.015686),
            (0x40d2c8182222222, 1795299930.5),
            (0x409999999999999, 1781419776.0),
            (0x7fffffffffffffff, 124299454080.0),
            (0xffffffffffffffff, 250807810560.0),
            (0x106c87ae147ae, -2204952451.2),
            (0x3ff5d3c8c9b3a11, 1741862192.9546142),
        ];
        for (tid, time) in times {
            assert_eq!(Tid(tid).time(), time, "{tid:#x}");
        }
    }

    #[test]
    fn a_time_is_a_tid_as_python_makes_it() {
        // persistent.TimeStamp.TimeStamp(*time.gmtime(t)[:5] + (t % 60,)).raw()
        for (time, tid) in [
            (1795299930.5, 0x40d2c8182222222),
            (1740952452.015686, 0x3ff220233445555),
            (0.0, 0x23c_2b00_0000_0000),
        ] {
            assert_eq!(Tid::of_time(time), Some(Tid(tid)), "{time}");
        }
        assert_eq!(
            (Tid::of_time(-1.0), Tid::of_time(1e12), Tid::of_time(f64::NAN)),
            (Some(Tid::ZERO), None, None)
        );
    }

    #[test]
    fn ids_of_another_length_than_eight_are_none() {
        assert_eq!(Oid::from_slice(b"1234567"), None);
        assert_eq!(Tid::from_slice(b"\0\0\0\0\0\0\0\x01"), Some(Tid(1)));
    }
}
