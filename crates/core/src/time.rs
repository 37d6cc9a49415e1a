//! Time as data: nanoseconds since 1970-01-01 UTC, passed in, never read from a clock.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Nanoseconds in a microsecond.
pub const MICROSECOND: u64 = 1_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: u64 = 60 * SECOND;
/// Nanoseconds in an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Nanoseconds in a day of 86,400 seconds.
pub const DAY: u64 = 24 * HOUR;

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds ignored; good until the year 2554.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct UnixNanos(u64);

impl UnixNanos {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than every event.
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }
    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The start of the interval of `step` nanoseconds (UTC-aligned) that holds this instant.
    #[must_use]
    pub const fn floor_to(self, step: u64) -> Self {
        Self(self.0 - self.0 % step)
    }
    /// Days since 1970-01-01.
    #[must_use]
    pub const fn unix_day(self) -> u64 {
        self.0 / DAY
    }
    /// Nanoseconds from `earlier`, zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
    /// Later by `nanos`, held at [`UnixNanos::MAX`].
    #[must_use]
    pub const fn saturating_add(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
    /// Earlier by `nanos`, held at the epoch.
    #[must_use]
    pub const fn saturating_sub(self, nanos: u64) -> Self {
        Self(self.0.saturating_sub(nanos))
    }
    /// Year, month (1-12) and day (1-31) in UTC, by the proleptic Gregorian calendar (Hinnant's `civil_from_days`).
    #[must_use]
    pub const fn civil(self) -> (i32, u32, u32) {
        let z = self.unix_day() as i64 + 719_468;
        let era = z / 146_097;
        let doe = z - era * 146_097;
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + (month <= 2) as i64;
        (year as i32, month as u32, day as u32)
    }
    /// Midnight UTC of a civil date; `None` before 1970 or for a date that does not exist.
    #[must_use]
    pub const fn from_civil(year: i32, month: u32, day: u32) -> Option<Self> {
        if year < 1970 || year > 2553 || month < 1 || month > 12 || day < 1 || day > 31 {
            return None;
        }
        let y = year as i64 - (month <= 2) as i64;
        let era = y / 400;
        let yoe = y - era * 400;
        let mp = (month as i64 + 9) % 12;
        let doy = (153 * mp + 2) / 5 + day as i64 - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        let days = era * 146_097 + doe - 719_468;
        let stamp = Self(days as u64 * DAY);
        let (_, m, d) = stamp.civil();
        if m == month && d == day { Some(stamp) } else { None }
    }
}

impl Add<u64> for UnixNanos {
    type Output = Self;
    fn add(self, nanos: u64) -> Self {
        Self(self.0.checked_add(nanos).expect("a stamp before the year 2554"))
    }
}

impl Sub<u64> for UnixNanos {
    type Output = Self;
    fn sub(self, nanos: u64) -> Self {
        Self(self.0.checked_sub(nanos).expect("a stamp after 1970"))
    }
}

impl fmt::Display for UnixNanos {
    /// RFC 3339 in UTC, with as many of milli-, micro- and nanoseconds as the stamp needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        let s = self.0 / SECOND % 86_400;
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)?;
        match self.0 % SECOND {
            0 => {}
            n if n % MILLISECOND == 0 => write!(f, ".{:03}", n / MILLISECOND)?,
            n if n % MICROSECOND == 0 => write!(f, ".{:06}", n / MICROSECOND)?,
            n => write!(f, ".{n:09}")?,
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_agree_with_the_calendar() {
        // Values from Python's datetime.
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400 * SECOND, "2000-02-29T00:00:00Z"),
            (1_359_676_800 * SECOND + 1, "2013-02-01T00:00:00.000000001Z"),
            (1_723_161_599 * SECOND + 700 * MILLISECOND, "2024-08-08T23:59:59.700Z"),
            (4_107_542_400 * SECOND, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(UnixNanos::new(nanos).to_string(), text);
        }
        assert_eq!(UnixNanos::from_civil(2023, 2, 29), None);
        assert_eq!(UnixNanos::from_civil(1969, 12, 31), None);
    }

    #[test]
    fn every_day_to_2554_survives_the_round_trip() {
        for day in 0..213_000 {
            let stamp = UnixNanos::new(day * DAY);
            let (y, m, d) = stamp.civil();
            assert_eq!(UnixNanos::from_civil(y, m, d), Some(stamp));
        }
    }
}
