//! Change against the price of `period` updates ago, absolute and in percent.
//!
//! Invariant: exact up to one rounding each. Does not take logarithms (see realised volatility).

use serde::{Deserialize, Serialize};

use super::window::Delay;
use super::{Indicator, IndicatorError, Track, check_period};

/// Momentum, `x - x[period ago]`; first value at index `period`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Momentum {
    delay: Delay,
    period: usize,
    track: Track<f64>,
}

impl Momentum {
    /// Compares with `period` updates ago.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("MOM", "period", period, 1)?;
        Ok(Self { delay: Delay::new(period), period, track: Track::default() })
    }
}

impl Indicator for Momentum {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let change = x - self.delay.push(x);
        let ready = self.track.fills(self.period + 1);
        self.track.record(ready.then_some(change))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.delay.clear();
        self.track = Track::default();
    }
}

/// Rate of change in percent, `100 (x / x[period ago] - 1)`, 0 where the old price is 0; first value at index
/// `period`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roc {
    delay: Delay,
    period: usize,
    track: Track<f64>,
}

impl Roc {
    /// Compares with `period` updates ago.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("ROC", "period", period, 1)?;
        Ok(Self { delay: Delay::new(period), period, track: Track::default() })
    }
}

/// Percentage change from `old` to `new`, 0 where there is no base to compare with.
#[inline]
pub(crate) fn percent_change(old: f64, new: f64) -> f64 {
    if old == 0.0 { 0.0 } else { (new / old - 1.0) * 100.0 }
}

impl Indicator for Roc {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let change = percent_change(self.delay.push(x), x);
        let ready = self.track.fills(self.period + 1);
        self.track.record(ready.then_some(change))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.delay.clear();
        self.track = Track::default();
    }
}
