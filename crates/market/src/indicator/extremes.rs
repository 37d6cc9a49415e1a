//! Greatest and least value of a window.
//!
//! Invariant: exact, comparisons only. Does not report positions (Aroon is not here).

use serde::{Deserialize, Serialize};

use super::window::{WindowMax, WindowMin};
use super::{Indicator, IndicatorError, Track, check_period};

/// Greatest of the last `period` values; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingMax {
    window: WindowMax,
    period: usize,
    track: Track<f64>,
}

impl RollingMax {
    /// Watches the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("MAX", "period", period, 1)?;
        Ok(Self { window: WindowMax::new(period), period, track: Track::default() })
    }
}

impl Indicator for RollingMax {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let greatest = self.window.push(x);
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(greatest))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.window.clear();
        self.track = Track::default();
    }
}

/// Least of the last `period` values; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingMin {
    window: WindowMin,
    period: usize,
    track: Track<f64>,
}

impl RollingMin {
    /// Watches the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("MIN", "period", period, 1)?;
        Ok(Self { window: WindowMin::new(period), period, track: Track::default() })
    }
}

impl Indicator for RollingMin {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let least = self.window.push(x);
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(least))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.window.clear();
        self.track = Track::default();
    }
}
