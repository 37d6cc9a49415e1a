//! Where timed bars end: steps of time, months, sessions.
//!
//! Invariant: [`Boundaries::after`] gives the first boundary strictly after an instant and the start of the bar that
//! ends there, with `start <= ts < due` unless a session pause lies between. It is called once per bar, never per tick.

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_core::time::DAY;

use super::session::{CivilDay, SessionCalendar, Sessions};
use super::spec::{Aggregation, BarError, BarShape, CalendarPeriod};

/// 1970-01-05, the first Monday.
const FIRST_MONDAY: u64 = 4 * DAY;

/// The interval of one bar: ticks with `start < ts <= due` (and `ts == start` where no bar ended there).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) due: u64,
}

/// After the last session of a calendar, or after the year 2554: a bar that no timer closes.
const NEVER: Span = Span { start: u64::MAX, due: u64::MAX };

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Boundaries {
    Step { interval: u64, origin: u64 },
    Month,
    Sessions { period: SessionPeriod, calendar: SessionCalendar },
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum SessionPeriod {
    Day,
    Week,
    Month,
}

impl Boundaries {
    /// Of a timed aggregation; `None` for the others.
    pub(super) fn of(shape: &BarShape, sessions: &Sessions) -> Result<Option<Self>, BarError> {
        let period = match &shape.aggregation {
            Aggregation::Time { interval_ns, origin_ns } => {
                return Ok(Some(Self::Step { interval: *interval_ns, origin: *origin_ns }));
            }
            Aggregation::Calendar(period) => period,
            _ => return Ok(None),
        };
        let Some(name) = period.session() else {
            return Ok(Some(match period {
                CalendarPeriod::Month { .. } => Self::Month,
                _ => Self::Step { interval: 7 * DAY, origin: FIRST_MONDAY },
            }));
        };
        let Some(calendar) = sessions.0.get(name) else {
            let known: Vec<String> = sessions.0.keys().map(ToString::to_string).collect();
            return Err(BarError::UnknownSession {
                shape: shape.to_string(),
                name: name.to_string(),
                known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
            });
        };
        let period = match period {
            CalendarPeriod::Day { .. } => SessionPeriod::Day,
            CalendarPeriod::Week { .. } => SessionPeriod::Week,
            CalendarPeriod::Month { .. } => SessionPeriod::Month,
        };
        Ok(Some(Self::Sessions { period, calendar: calendar.clone() }))
    }

    pub(super) fn has_sessions(&self) -> bool {
        matches!(self, Self::Sessions { .. })
    }

    pub(super) fn after(&self, ts: u64) -> Span {
        match self {
            &Self::Step { interval, origin } => {
                if ts < origin {
                    return Span { start: origin.saturating_sub(interval), due: origin };
                }
                let start = ts - (ts - origin) % interval;
                start.checked_add(interval).map_or(NEVER, |due| Span { start, due })
            }
            Self::Month => {
                let (year, month, _) = UnixNanos::new(ts).civil();
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                match (UnixNanos::from_civil(year, month, 1), UnixNanos::from_civil(next_year, next_month, 1)) {
                    (Some(start), Some(due)) => Span { start: start.get(), due: due.get() },
                    _ => NEVER,
                }
            }
            Self::Sessions { period, calendar } => {
                let Some((day, open, close)) = calendar.next_session(UnixNanos::new(ts)) else { return NEVER };
                let (first, last) = match period {
                    SessionPeriod::Day => return Span { start: open.get(), due: close.get() },
                    SessionPeriod::Week => {
                        let monday = i64::from(day.number()) - i64::from(day.weekday());
                        (monday.max(0), monday + 6)
                    }
                    SessionPeriod::Month => {
                        let month = Self::Month.after(UnixNanos::new(u64::from(day.number()) * DAY).get());
                        ((month.start / DAY) as i64, (month.due / DAY) as i64 - 1)
                    }
                };
                let epoch = CivilDay::of(UnixNanos::EPOCH);
                let days = (first..=last).filter_map(|n| u32::try_from(n).ok());
                days.filter_map(|n| calendar.session(epoch.plus(n)))
                    .map(|(open, close)| Span { start: open.get(), due: close.get() })
                    .reduce(|all, one| Span { start: all.start, due: one.due })
                    .expect("the period of a session holds that session")
            }
        }
    }

    /// Open and close (both included) of the session that `ts` lies in, or else of the next.
    pub(super) fn window(&self, ts: u64) -> (u64, u64) {
        let Self::Sessions { calendar, .. } = self else { return (0, u64::MAX) };
        match calendar.next_session(UnixNanos::new(ts.saturating_sub(1))) {
            Some((_, open, close)) => (open.get(), close.get()),
            None => (u64::MAX, u64::MAX),
        }
    }
}
