//! Trading sessions as data: hours per weekday, holidays, special days, all in UTC.
//!
//! Invariant: sessions of one calendar do not overlap and come in order of their dates. What it deliberately does not
//! do: know time zones or daylight saving. A market whose UTC hours move twice a year hands in the moved days as
//! special hours.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_core::UnixNanos;
use starling_core::time::{DAY, SECOND};

use super::spec::BarError;

/// How many days ahead the next session is looked for; a longer pause counts as the end of the calendar.
pub const SESSION_SEARCH_DAYS: u32 = 400;

/// The name of a session calendar: 1 to 32 of `a-z`, `0-9`, `_`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName(String);

impl FromStr for SessionName {
    type Err = BarError;
    fn from_str(text: &str) -> Result<Self, BarError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(fits) {
            return Err(BarError::SessionName { name: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A date, as days since 1970-01-01. Text: `2013-12-25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDay(u32);

impl CivilDay {
    /// The UTC date of an instant.
    #[must_use]
    pub fn of(ts: UnixNanos) -> Self {
        Self(u32::try_from(ts.unix_day()).expect("u64 nanoseconds hold 213,503 days"))
    }
    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
    /// The date this many days later.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0 + days)
    }
    /// Its midnight UTC, in nanoseconds.
    pub(super) const fn midnight(self) -> u64 {
        (self.0 as u64).saturating_mul(DAY)
    }
    /// 0 is Monday. (1970-01-01 was a Thursday.)
    #[must_use]
    pub const fn weekday(self) -> u32 {
        (self.0 + 3) % 7
    }
}

impl FromStr for CivilDay {
    type Err = BarError;
    fn from_str(text: &str) -> Result<Self, BarError> {
        let part = |from: usize, to: usize| {
            let digits = text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse::<u32>().ok()
        };
        let date = || {
            let shaped = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
            let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
            if shaped { UnixNanos::from_civil(i32::try_from(year).ok()?, month, day) } else { None }
        };
        date().map(Self::of).ok_or_else(|| BarError::Date { input: text.to_owned() })
    }
}

impl fmt::Display for CivilDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = UnixNanos::new(self.midnight()).civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
as_text!(SessionName);
as_text!(CivilDay);

/// Open and close of a session, in seconds from the midnight UTC that begins its date. A session that opens the evening
/// before has a negative open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// From -86,400 to 86,399.
    pub open_s: i32,
    /// After the open, by at most a day; at most 172,800.
    pub close_s: i32,
}

impl Hours {
    /// Midnight to midnight.
    pub const AROUND_THE_CLOCK: Self = Self { open_s: 0, close_s: 86_400 };

    fn check(self, what: impl Fn() -> String) -> Result<(), BarError> {
        let ordered = self.open_s < self.close_s && i64::from(self.close_s) - i64::from(self.open_s) <= 86_400;
        if (-86_400..86_400).contains(&self.open_s) && self.close_s <= 172_800 && ordered {
            return Ok(());
        }
        Err(BarError::Session {
            what: what(),
            value: format!("{} to {} s", self.open_s, self.close_s),
            requirement: "an open from -86400 to 86399 and a later close, at most 86400 s apart",
        })
    }
}

/// When a market is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Declared", into = "Declared")]
pub struct SessionCalendar {
    week: [Option<Hours>; 7],
    holidays: Vec<CivilDay>,
    special: BTreeMap<CivilDay, Hours>,
}

/// The form in which a calendar is handed in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    week: [Option<Hours>; 7],
    #[serde(default)]
    holidays: Vec<CivilDay>,
    #[serde(default)]
    special: BTreeMap<CivilDay, Hours>,
}

impl TryFrom<Declared> for SessionCalendar {
    type Error = BarError;
    fn try_from(d: Declared) -> Result<Self, BarError> {
        Self::new(d.week, d.holidays, d.special)
    }
}

impl From<SessionCalendar> for Declared {
    fn from(c: SessionCalendar) -> Self {
        Self { week: c.week, holidays: c.holidays, special: c.special }
    }
}

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl SessionCalendar {
    /// From the hours of Monday to Sunday (`None`: closed), the days without session, and the days with other hours
    /// than their weekday's (early closes, late opens, days of the other half-year). A holiday outranks special hours.
    pub fn new(
        week: [Option<Hours>; 7],
        mut holidays: Vec<CivilDay>,
        special: BTreeMap<CivilDay, Hours>,
    ) -> Result<Self, BarError> {
        for (hours, name) in week.iter().zip(WEEKDAYS) {
            if let Some(hours) = hours {
                hours.check(|| name.to_owned())?;
            }
        }
        for (day, hours) in &special {
            hours.check(|| day.to_string())?;
        }
        if week.iter().all(Option::is_none) {
            return Err(BarError::Session {
                what: "the week".to_owned(),
                value: "closed on all days".to_owned(),
                requirement: "open on one weekday at least",
            });
        }
        holidays.sort_unstable();
        holidays.dedup();
        let calendar = Self { week, holidays, special };
        calendar.check_overlaps()?;
        Ok(calendar)
    }

    /// Open every day from midnight to midnight.
    #[must_use]
    pub fn around_the_clock() -> Self {
        Self { week: [Some(Hours::AROUND_THE_CLOCK); 7], holidays: Vec::new(), special: BTreeMap::new() }
    }

    /// Sessions last a day at most and open within a day of their date, so only neighbours can overlap: any two
    /// weekdays in a row (the pattern of a plain week), and each special day with both its neighbours.
    fn check_overlaps(&self) -> Result<(), BarError> {
        let pair = |first: Option<Hours>, second: Option<Hours>, distance: i64| match (first, second) {
            (Some(a), Some(b)) => i64::from(a.close_s) <= i64::from(b.open_s) + 86_400 * distance,
            _ => true,
        };
        let overlap = |what: String| BarError::Session {
            what,
            value: "still open when the next session opens".to_owned(),
            requirement: "closed by then",
        };
        for (day, name) in WEEKDAYS.iter().enumerate() {
            for distance in 1..=2 {
                if !pair(self.week[day], self.week[(day + distance) % 7], distance as i64) {
                    return Err(overlap((*name).to_owned()));
                }
            }
        }
        for &day in self.special.keys() {
            for distance in 1..=2u32 {
                let before = CivilDay(day.0.saturating_sub(distance));
                let reach = i64::from(day.0 - before.0);
                if before < day && !pair(self.hours(before), self.hours(day), reach) {
                    return Err(overlap(before.to_string()));
                }
                if !pair(self.hours(day), self.hours(day.plus(distance)), i64::from(distance)) {
                    return Err(overlap(day.to_string()));
                }
            }
        }
        Ok(())
    }

    /// The hours of a date, `None` if closed.
    #[must_use]
    pub fn hours(&self, day: CivilDay) -> Option<Hours> {
        if self.holidays.binary_search(&day).is_ok() {
            return None;
        }
        self.special.get(&day).copied().or(self.week[day.weekday() as usize])
    }

    /// Open and close of a date's session. The open is the first instant that belongs to it, the close the last.
    #[must_use]
    pub fn session(&self, day: CivilDay) -> Option<(UnixNanos, UnixNanos)> {
        let hours = self.hours(day)?;
        let at = |seconds: i32| {
            let offset = u64::from(seconds.unsigned_abs()) * SECOND;
            let midnight = day.midnight();
            UnixNanos::new(if seconds < 0 { midnight.saturating_sub(offset) } else { midnight.saturating_add(offset) })
        };
        Some((at(hours.open_s), at(hours.close_s)))
    }

    /// The first session whose close lies after `ts`: the one `ts` is in, or else the next; with its date. `None` if
    /// there is none within [`SESSION_SEARCH_DAYS`].
    #[must_use]
    pub fn next_session(&self, ts: UnixNanos) -> Option<(CivilDay, UnixNanos, UnixNanos)> {
        // A session may close up to two days after the midnight of its date.
        let first = CivilDay(CivilDay::of(ts).0.saturating_sub(2));
        (0..SESSION_SEARCH_DAYS).find_map(|n| {
            let day = first.plus(n);
            self.session(day).filter(|(_, close)| *close > ts).map(|(open, close)| (day, open, close))
        })
    }
}

/// The session calendars of a run, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sessions(pub BTreeMap<SessionName, SessionCalendar>);
