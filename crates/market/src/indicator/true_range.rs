//! True range and its Wilder average (Wilder 1978).
//!
//! Invariant: never negative when high >= low. Does not define the first bar: without a previous close there is none.

use serde::{Deserialize, Serialize};

use super::moving_average::WilderSmoothing;
use super::{Candle, Indicator, IndicatorError, Track, check_period};

/// Greatest of high - low and the distances of high and low from the previous close.
#[inline]
pub(crate) fn true_range(candle: &Candle, previous_close: f64) -> f64 {
    // The range of the bar once it is stretched to the previous close.
    let top = if candle.high > previous_close { candle.high } else { previous_close };
    let bottom = if candle.low < previous_close { candle.low } else { previous_close };
    top - bottom
}

/// True range in price units; first value at index 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrueRange {
    previous_close: Option<f64>,
    track: Track<f64>,
}

impl TrueRange {
    /// Has no parameter.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Indicator for TrueRange {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        let range = self.previous_close.replace(candle.close).map(|previous| true_range(&candle, previous));
        self.track.record(range)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Average true range in price units, smoothed as Wilder does; first value at index `period`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Atr {
    average: WilderSmoothing,
    previous_close: Option<f64>,
    track: Track<f64>,
}

impl Atr {
    /// Averages over `period` bars.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("ATR", "period", period, 1)?;
        Ok(Self { average: WilderSmoothing::new(period), previous_close: None, track: Track::default() })
    }

    #[inline]
    fn mean(&mut self, candle: &Candle) -> Option<f64> {
        let previous = self.previous_close.replace(candle.close)?;
        self.average.push(true_range(candle, previous))
    }
}

impl Indicator for Atr {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        let mean = self.mean(&candle);
        self.track.record(mean)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.average.clear();
        self.previous_close = None;
        self.track = Track::default();
    }
}
