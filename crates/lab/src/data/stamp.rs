//! Stamps: from what a file writes to nanoseconds since 1970 in UTC, and from a bar's date or open to its close.
//!
//! Invariant: a stamp is read exactly or refused. Zones come from the database compiled into the program, so that the
//! same file gives the same events on every machine.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use starling_core::UnixNanos;
use starling_core::fixed::parse_units;
use starling_core::time::{DAY, HOUR, MINUTE, SECOND};
use starling_market::csv::integer;

use super::spec::{DataSpec, DateFrom, Kind, SpecFault, Stamp, TsUnit};

/// Why a stamp cannot be read, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StampFault {
    pub(super) problem: String,
    pub(super) remedy: &'static str,
}

const REMEDY: &str = "set ts_format to its pattern, as in ts_format = \"%m/%d/%Y %H:%M\"";

/// A stamp as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// An instant.
    Instant(UnixNanos),
    /// A local date, with the time of day in nanoseconds if one is written.
    Local { day: i64, time: Option<u64> },
}

/// Length of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interval {
    /// Nanoseconds.
    Nanos(u64),
    /// Calendar days of the zone.
    Days(u32),
}

impl Interval {
    /// From the first word of a text such as `1m last external`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let digits = word.find(|c: char| !c.is_ascii_digit())?;
        let n: u32 = word[..digits].parse().ok().filter(|n| *n > 0)?;
        let nanos = |unit: u64| u64::from(n).checked_mul(unit).map(Self::Nanos);
        match &word[digits..] {
            "ms" => nanos(1_000_000),
            "s" => nanos(SECOND),
            "m" | "min" => nanos(MINUTE),
            "h" => nanos(HOUR),
            "d" => Some(Self::Days(n)),
            "w" => n.checked_mul(7).map(Self::Days),
            _ => None,
        }
    }
}

/// Reads the stamps of one table.
#[derive(Debug)]
pub(super) struct Clock {
    zone: Option<TimeZone>,
    unit: Option<TsUnit>,
    pattern: Option<String>,
    dated: bool,
    is_bar: bool,
    opens: bool,
    interval: Option<Interval>,
    session_close: u64,
    /// Nanoseconds of the local day, from and to.
    hours: Option<(u64, u64)>,
    // Offset of the zone over the whole of one local day: (day, nanoseconds east of UTC).
    steady: Option<(i64, i64)>,
}

/// First day that a stamp can be on, and one past the last (2553-12-31).
const DAYS: std::ops::Range<i64> = 0..213_300;

impl Clock {
    pub(super) fn new(spec: &DataSpec) -> Result<Self, SpecFault> {
        let zone = match spec.timezone.as_deref() {
            None | Some("UTC") => None,
            Some(name) => Some(TimeZoneDatabase::bundled().get(name).map_err(|_| SpecFault {
                field: "timezone",
                problem: format!(
                    "is `{name}`, which the zone database does not have; use a name such as \"America/New_York\""
                ),
            })?),
        };
        let text = spec.interval.as_deref().or(spec.series.as_deref());
        let interval = text.and_then(Interval::parse);
        let opens = spec.stamp == Some(Stamp::Open);
        if interval.is_none() && (spec.interval.is_some() || opens) {
            let problem =
                format!("`{}` is no length of a bar; write it as in \"1m\", \"4h\" or \"1d\"", text.unwrap_or(""));
            return Err(SpecFault { field: "interval", problem });
        }
        let session_close = match spec.session_close.as_deref() {
            None | Some("24:00") => DAY,
            Some(text) => {
                time_of_day(text.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(t, _)| t).ok_or(SpecFault {
                    field: "session_close",
                    problem: format!("is `{text}`; write a time of day, as in \"16:00\""),
                })?
            }
        };
        let hours = spec.hours.as_ref().map(|[from, to]| {
            let time = |text: &str| match text {
                "24:00" => Some(DAY),
                _ => time_of_day(text.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time),
            };
            let problem = format!(
                "is [\"{from}\", \"{to}\"]; write two times of one day, the earlier first, as in [\"09:30\", \"16:00\"]"
            );
            let bounds = time(from).zip(time(to)).filter(|(from, to)| from < to);
            bounds.ok_or(SpecFault { field: "hours", problem })
        });
        Ok(Self {
            hours: hours.transpose()?,
            zone,
            unit: spec.ts_unit,
            pattern: spec.ts_format.clone(),
            dated: spec.date_from == Some(DateFrom::FileName),
            is_bar: matches!(spec.kind, Kind::Bars | Kind::QuoteBars),
            opens,
            interval,
            session_close,
            steady: None,
        })
    }

    /// True if stamps count from the midnight of a date in the file's name.
    pub(super) fn needs_date(&self) -> bool {
        self.dated
    }

    /// A whole-number stamp that every row of the table keeps: the instant a row may be seen. None says nothing yet.
    #[inline]
    pub(super) fn instant(&self, text: &[u8], unit: Option<TsUnit>) -> Option<UnixNanos> {
        let unit = match self.unit.or(unit) {
            Some(unit) => unit,
            None if text.len() == 19 => TsUnit::Ns,
            None if text.len() == 13 => TsUnit::Ms,
            None => return None,
        };
        if self.dated || self.hours.is_some() || self.pattern.is_some() {
            return None;
        }
        let later = match (self.is_bar && self.opens, self.interval) {
            (false, _) => 0,
            (true, Some(Interval::Nanos(length))) => length,
            (true, _) => return None,
        };
        let nanos = u64::try_from(integer(text)?).ok()?.checked_mul(unit.nanos())?;
        nanos.checked_add(later).map(UnixNanos::new)
    }

    /// A stamp as a text file writes it. `unit` is what the column's name says, `day` what the file's name says.
    #[inline]
    pub(super) fn read(&self, text: &[u8], unit: Option<TsUnit>, day: Option<i64>) -> Result<Moment, StampFault> {
        if let Some(pattern) = &self.pattern {
            return self.read_pattern(text, pattern);
        }
        if let Some(day) = day {
            let unit = self.unit.unwrap_or(TsUnit::Ms);
            let time = match integer(text) {
                Some(n) => u64::try_from(n).ok().and_then(|n| n.checked_mul(unit.nanos())),
                None => fraction(text, unit),
            };
            let time = time.filter(|t| *t <= DAY);
            return match time {
                Some(time) => Ok(Moment::Local { day, time: Some(time) }),
                None => Err(StampFault {
                    problem: format!("`{}` is no time since midnight", String::from_utf8_lossy(text)),
                    remedy: "set ts_unit to its unit",
                }),
            };
        }
        match integer(text) {
            Some(n) => self.whole(n, text.len(), unit),
            None => self.iso(text, unit),
        }
    }

    /// A whole-number stamp, written with `digits` digits.
    #[inline]
    pub(super) fn whole(&self, n: i64, digits: usize, unit: Option<TsUnit>) -> Result<Moment, StampFault> {
        let unit = match self.unit.or(unit) {
            Some(unit) => unit,
            None => match digits {
                8 => return date_digits(n).map(|day| Moment::Local { day, time: None }).ok_or_else(|| not_a_stamp(n)),
                9..=11 => TsUnit::S,
                12..=14 => TsUnit::Ms,
                15..=17 => TsUnit::Us,
                18.. => TsUnit::Ns,
                _ => return Err(not_a_stamp(n)),
            },
        };
        let nanos = u64::try_from(n).ok().and_then(|n| n.checked_mul(unit.nanos()));
        nanos.map(|n| Moment::Instant(UnixNanos::new(n))).ok_or_else(|| not_a_stamp(n))
    }

    fn iso(&self, text: &[u8], unit: Option<TsUnit>) -> Result<Moment, StampFault> {
        let fault =
            || StampFault { problem: format!("`{}` is no stamp", String::from_utf8_lossy(text)), remedy: REMEDY };
        if let Some(unit) = self.unit.or(unit)
            && let Some(nanos) = fraction(text, unit)
        {
            return Ok(Moment::Instant(UnixNanos::new(nanos)));
        }
        let (day, rest) = date(text).ok_or_else(fault)?;
        let rest = match rest {
            [] => return Ok(Moment::Local { day, time: None }),
            [b' ' | b'T' | b't', rest @ ..] => rest,
            _ => return Err(fault()),
        };
        let (time, rest) = time_of_day(rest).ok_or_else(fault)?;
        match rest {
            [] => Ok(Moment::Local { day, time: Some(time) }),
            _ => {
                let east = offset(rest).ok_or_else(fault)?;
                instant(day, time, east).map(Moment::Instant).ok_or_else(fault)
            }
        }
    }

    fn read_pattern(&self, text: &[u8], pattern: &str) -> Result<Moment, StampFault> {
        let fault = |cause: String| StampFault {
            problem: format!("`{}` does not fit ts_format = \"{pattern}\" ({cause})", String::from_utf8_lossy(text)),
            remedy: "correct the pattern",
        };
        let broken = jiff::fmt::strtime::parse(pattern, text).map_err(|e| fault(e.to_string()))?;
        if let Ok(stamp) = broken.to_timestamp() {
            let nanos = u64::try_from(stamp.as_nanosecond()).map_err(|_| fault("before 1970".into()))?;
            return Ok(Moment::Instant(UnixNanos::new(nanos)));
        }
        let date = broken.to_date().map_err(|e| fault(e.to_string()))?;
        let day = i64::from(date.since(jiff::civil::date(1970, 1, 1)).map_err(|e| fault(e.to_string()))?.get_days());
        if !DAYS.contains(&day) {
            return Err(fault("not between 1970 and 2553".into()));
        }
        let time = broken.to_time().ok().filter(|_| broken.hour().is_some()).map(nanos_of_day);
        Ok(Moment::Local { day, time })
    }

    /// When a row stamped so may be seen: bars at their close. `earliest` tells a repeated local hour from its twin.
    #[inline]
    pub(super) fn settle(&mut self, moment: Moment, earliest: UnixNanos) -> Result<UnixNanos, StampFault> {
        let out_of_range = StampFault { problem: "the stamp is not between 1970 and 2553".into(), remedy: REMEDY };
        let stamp = match (moment, self.is_bar, self.opens, self.interval) {
            (Moment::Instant(stamp), true, true, Some(Interval::Nanos(length))) => {
                stamp.get().checked_add(length).map(UnixNanos::new)
            }
            (Moment::Instant(stamp), true, true, Some(Interval::Days(n))) => {
                self.local(self.day_of(stamp) + i64::from(n) - 1, self.session_close, earliest)
            }
            (Moment::Instant(stamp), ..) => Some(stamp),
            (Moment::Local { day, .. }, true, true, Some(Interval::Days(n))) => {
                self.local(day + i64::from(n) - 1, self.session_close, earliest)
            }
            (Moment::Local { day, time }, true, true, Some(Interval::Nanos(length))) => {
                // The open decides which of two repeated hours is meant.
                let open = self.local(day, time.unwrap_or(0), earliest.saturating_sub(length));
                open.and_then(|open| open.get().checked_add(length)).map(UnixNanos::new)
            }
            (Moment::Local { day, time: None }, true, ..) => self.local(day, self.session_close, earliest),
            (Moment::Local { day, time }, ..) => self.local(day, time.unwrap_or(0), earliest),
        };
        stamp.ok_or(out_of_range)
    }

    /// False for a row outside the hours that are wanted. A bar counts where it ends.
    #[inline]
    pub(super) fn is_wanted(&self, stamp: UnixNanos) -> bool {
        let Some((from, to)) = self.hours else { return true };
        let within = stamp.saturating_sub(u64::from(self.is_bar));
        let nanos = i128::from(within.get()) + i128::from(self.east(within)) * i128::from(SECOND);
        (i128::from(from)..i128::from(to)).contains(&nanos.rem_euclid(i128::from(DAY)))
    }

    /// Seconds that local clocks are ahead of UTC.
    fn east(&self, stamp: UnixNanos) -> i64 {
        match &self.zone {
            None => 0,
            Some(zone) => jiff::Timestamp::from_nanosecond(i128::from(stamp.get()))
                .map_or(0, |t| i64::from(zone.to_offset(t).seconds())),
        }
    }

    fn day_of(&self, stamp: UnixNanos) -> i64 {
        let east = self.east(stamp);
        (i64::try_from(stamp.get() / SECOND).unwrap_or(i64::MAX).saturating_add(east)).div_euclid(86_400)
    }

    // A local date and time as an instant; a time that the clock skips is moved on by the gap.
    #[inline]
    fn local(&mut self, day: i64, time: u64, earliest: UnixNanos) -> Option<UnixNanos> {
        let (day, time) = if time >= DAY { (day + 1, time - DAY) } else { (day, time) };
        let Some(zone) = &self.zone else { return instant(day, time, 0) };
        if let Some((_, east)) = self.steady.filter(|(steady, _)| *steady == day) {
            return instant(day, time, east);
        }
        let offset_at = |day: i64, time: u64| {
            let ambiguous = zone.to_ambiguous_timestamp(civil(day, time)?);
            Some(ambiguous.offset())
        };
        let east = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * SECOND as i64;
        if let (AmbiguousOffset::Unambiguous { offset: a }, AmbiguousOffset::Unambiguous { offset: b }) =
            (offset_at(day, 0)?, offset_at(day + 1, 0)?)
            && a == b
        {
            self.steady = Some((day, east(a)));
            return instant(day, time, east(a));
        }
        match offset_at(day, time)? {
            AmbiguousOffset::Unambiguous { offset } => instant(day, time, east(offset)),
            AmbiguousOffset::Gap { before, .. } => instant(day, time, east(before)),
            AmbiguousOffset::Fold { before, after } => {
                let first = instant(day, time, east(before))?;
                if first >= earliest { Some(first) } else { instant(day, time, east(after)) }
            }
        }
    }

    /// A bound such as `from`: a date or time, in the zone unless it names an offset.
    pub(super) fn bound(&mut self, text: &str, field: &'static str) -> Result<UnixNanos, SpecFault> {
        let fault =
            || SpecFault { field, problem: format!("is `{text}`; write a date or time, as in \"2013-02-01 09:30\"") };
        match self.iso(text.as_bytes(), None).map_err(|_| fault())? {
            Moment::Instant(stamp) => Ok(stamp),
            Moment::Local { day, time } => self.local(day, time.unwrap_or(0), UnixNanos::EPOCH).ok_or_else(fault),
        }
    }
}

fn not_a_stamp(n: i64) -> StampFault {
    StampFault { problem: format!("`{n}` is no stamp"), remedy: "set ts_unit to its unit, or ts_format to its pattern" }
}

fn civil(day: i64, time: u64) -> Option<DateTime> {
    let (y, m, d) = UnixNanos::new(u64::try_from(day).ok()?.checked_mul(DAY)?).civil();
    let date = jiff::civil::Date::new(i16::try_from(y).ok()?, m as i8, d as i8).ok()?;
    let s = time / SECOND;
    let time = Time::new((s / 3600) as i8, (s / 60 % 60) as i8, (s % 60) as i8, (time % SECOND) as i32).ok()?;
    Some(DateTime::from_parts(date, time))
}

fn nanos_of_day(t: Time) -> u64 {
    let s = (t.hour() as u64 * 60 + t.minute() as u64) * 60 + t.second() as u64;
    s * SECOND + t.subsec_nanosecond() as u64
}

// `east` in nanoseconds.
fn instant(day: i64, time: u64, east: i64) -> Option<UnixNanos> {
    if !(DAYS.start - 1..DAYS.end).contains(&day) {
        return None;
    }
    let nanos = i128::from(day) * i128::from(DAY) + i128::from(time) - i128::from(east);
    u64::try_from(nanos).ok().map(UnixNanos::new)
}

// Whole or fractional units as nanoseconds, exact to the nanosecond.
fn fraction(text: &[u8], unit: TsUnit) -> Option<u64> {
    let units = parse_units(text).ok()?;
    u64::try_from(units.checked_mul(i128::from(unit.nanos()))? / i128::from(SECOND)).ok()
}

fn two(text: &[u8]) -> Option<u64> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(u64::from(a - b'0') * 10 + u64::from(b - b'0')),
        _ => None,
    }
}

fn day_number(year: u64, month: u64, day: u64) -> Option<i64> {
    let stamp = UnixNanos::from_civil(i32::try_from(year).ok()?, month as u32, day as u32)?;
    i64::try_from(stamp.unix_day()).ok()
}

/// The day that a number such as 20131007 names.
pub(super) fn date_digits(n: i64) -> Option<i64> {
    let n = u64::try_from(n).ok()?;
    day_number(n / 10_000, n / 100 % 100, n % 100)
}

// `2013-02-01`, `2013/02/01` or `20130201` at the start.
fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    let year = two(text)? * 100 + two(text.get(2..)?)?;
    match text.get(4)? {
        sign @ (b'-' | b'/') => {
            let (month, day) = (two(text.get(5..)?)?, two(text.get(8..)?)?);
            (text[7] == *sign).then_some(())?;
            Some((day_number(year, month, day)?, &text[10..]))
        }
        _ => Some((day_number(year, two(&text[4..])?, two(text.get(6..)?)?)?, &text[8..])),
    }
}

// `09:30`, `09:30:15`, `09:30:15.123456789` or `093015`, and what follows.
fn time_of_day(text: &[u8]) -> Option<(u64, &[u8])> {
    let hour = two(text)?;
    let (minute, second, mut rest) = if text.get(2) == Some(&b':') {
        let minute = two(text.get(3..)?)?;
        match text.get(5) {
            Some(b':') => (minute, two(text.get(6..)?)?, &text[8..]),
            _ => (minute, 0, &text[5..]),
        }
    } else {
        (two(text.get(2..)?)?, two(text.get(4..)?)?, &text[6..])
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut nanos = 0;
    if let [b'.' | b',', digits @ ..] = rest {
        let n = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        if n == 0 || n > 9 {
            return None;
        }
        nanos = digits[..n].iter().fold(0, |v, b| v * 10 + u64::from(b - b'0')) * 10u64.pow(9 - n as u32);
        rest = &digits[n..];
    }
    Some((((hour * 60 + minute) * 60 + second) * SECOND + nanos, rest))
}

// `Z`, `+05`, `-0530`, `+05:30`, in nanoseconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'Z' | b'z'] | [b' ', b'U', b'T', b'C'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = two(digits)?;
    let minutes = match &digits[2..] {
        [] => 0,
        [b':', rest @ ..] | rest if rest.len() == 2 => two(rest)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * ((hours * 60 + minutes) * MINUTE) as i64)
}

/// The unit that a column's name ends in.
pub(super) fn unit_of_name(name: &str) -> Option<TsUnit> {
    [("_ns", TsUnit::Ns), ("_us", TsUnit::Us), ("_ms", TsUnit::Ms), ("_s", TsUnit::S)]
        .into_iter()
        .find_map(|(ending, unit)| name.ends_with(ending).then_some(unit))
}

/// The date in a file's name, innermost member first: eight digits, or `2013-10-07`.
pub(super) fn date_in_name(chain: &str) -> Option<i64> {
    chain.rsplit([' ', '/']).find_map(|name| {
        let bytes = name.as_bytes();
        (0..bytes.len()).find_map(|i| {
            let starts = i == 0 || !bytes[i - 1].is_ascii_digit();
            let (day, rest) = date(&bytes[i..]).filter(|_| starts)?;
            (!rest.first().is_some_and(u8::is_ascii_digit)).then_some(day)
        })
    })
}

#[cfg(test)]
mod tests;
