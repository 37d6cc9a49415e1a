//! How fast a swarm is shown recorded bars.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use starling_core::UnixNanos;

/// How long to wait at a time, so that an end is soon noticed.
const NAP: Duration = Duration::from_millis(50);

/// The pace.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Pace {
    /// As fast as the agents confer.
    #[default]
    Free,
    /// So many stamps a second, at most.
    Stamps(f64),
    /// So many times the recorded time.
    Times(f64),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("max"),
            Self::Stamps(rate) => write!(f, "{rate}/s"),
            Self::Times(times) => write!(f, "{times}x"),
        }
    }
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || {
            format!("`{text}` is no pace: `max`, bars a second as in `20/s`, or times the recorded time as in `3600x`")
        };
        if text == "max" {
            return Ok(Self::Free);
        }
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0).ok_or_else(fail);
        match (text.strip_suffix("/s"), text.strip_suffix('x')) {
            (Some(stamps), _) => Ok(Self::Stamps(number(stamps)?)),
            (_, Some(times)) => Ok(Self::Times(number(times)?)),
            _ => Err(fail()),
        }
    }
}

/// Waits a moment, or less: for what has to be asked again.
pub(crate) fn nap(at_most: Duration) {
    std::thread::park_timeout(at_most);
}

/// Waits until a stamp may be shown.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    /// When the last stamp was shown, and which.
    last: Option<(Instant, UnixNanos)>,
}

impl Pacer {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, last: None }
    }

    /// How long after the last stamp this one is due.
    fn pause(&self, stamp: UnixNanos) -> Duration {
        let Some((_, last)) = self.last else { return Duration::ZERO };
        let seconds = match self.pace {
            Pace::Free => 0.0,
            Pace::Stamps(rate) => 1.0 / rate,
            Pace::Times(times) => stamp.since(last) as f64 / 1e9 / times,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Waits by `idle`, which is told for how long at most; not longer than until `stop` is raised.
    pub(crate) fn wait<E>(
        &mut self,
        stamp: UnixNanos,
        stop: &AtomicBool,
        mut idle: impl FnMut(Duration) -> Result<(), E>,
    ) -> Result<(), E> {
        let pause = self.pause(stamp);
        let due = self.last.and_then(|(shown, _)| shown.checked_add(pause));
        let left = || match due {
            Some(due) => due.saturating_duration_since(Instant::now()),
            None if pause == Duration::ZERO => Duration::ZERO,
            None => NAP,
        };
        while !left().is_zero() && !stop.load(Ordering::Relaxed) {
            idle(left().min(NAP))?;
        }
        // From when it was due, so that naps do not add up; a swarm that is slower than that is not chased.
        let now = Instant::now();
        let shown = due.filter(|due| now.duration_since(*due) < pause).unwrap_or(now);
        self.last = Some((shown, stamp));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_read_as_they_are_told() {
        assert_eq!("max".parse(), Ok(Pace::Free));
        assert_eq!("20/s".parse(), Ok(Pace::Stamps(20.0)));
        assert_eq!("3600x".parse(), Ok(Pace::Times(3600.0)));
        for pace in ["max", "20/s", "0.5x"] {
            assert_eq!(pace.parse::<Pace>().unwrap().to_string(), pace);
        }
        for wrong in ["", "20", "0/s", "-1x", "nanx", "x"] {
            assert!(wrong.parse::<Pace>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stamp_is_due_by_the_pace() {
        let at = |pace, seconds: u64| {
            let last = Some((Instant::now(), UnixNanos::new(5_000_000_000)));
            Pacer { pace, last }.pause(UnixNanos::new((5 + seconds) * 1_000_000_000))
        };
        assert_eq!(at(Pace::Free, 60), Duration::ZERO);
        assert_eq!(at(Pace::Stamps(4.0), 60), Duration::from_millis(250));
        assert_eq!(at(Pace::Times(120.0), 60), Duration::from_millis(500));
        assert_eq!(Pacer::new(Pace::Stamps(0.001)).pause(UnixNanos::EPOCH), Duration::ZERO, "the first is due at once");
    }

    #[test]
    fn a_wait_ends_when_it_is_stopped() {
        let mut pacer = Pacer { pace: Pace::Stamps(1e-6), last: Some((Instant::now(), UnixNanos::EPOCH)) };
        let idle = |_| Err("nobody waits");
        assert_eq!(pacer.wait(UnixNanos::new(1), &AtomicBool::new(true), idle), Ok(()));
        assert_eq!(pacer.wait(UnixNanos::new(2), &AtomicBool::new(false), idle), Err("nobody waits"));
    }
}
