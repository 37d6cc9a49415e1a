//! Where the close stands within the recent range: stochastic oscillator and Williams %R.
//!
//! Invariant: %K and %D in [0, 100], %R in [-100, 0]. A range of zero height gives 0, as in TA-Lib.
//! Does not smooth with other averages than the simple one.

use serde::{Deserialize, Serialize};

use super::window::WindowRange;
use super::{Candle, Indicator, IndicatorError, Sma, Track, check_period, output_of_fields};

/// `100 (x - lowest) / (highest - lowest)`, 0 for an empty range.
#[inline]
pub(crate) fn position(x: f64, lowest: f64, highest: f64) -> f64 {
    let range = highest - lowest;
    if range > 0.0 { 100.0 * (x - lowest) / range } else { 0.0 }
}

/// The two lines of a stochastic oscillator, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Oscillator {
    /// Position within the range, smoothed.
    pub k: f64,
    /// Average of `k`.
    pub d: f64,
}
output_of_fields!(Oscillator { k; d });

/// Lane's stochastic oscillator; first value at index `range + smooth_k + smooth_d - 3`, for both lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stochastic {
    extent: WindowRange,
    range: usize,
    k: Sma,
    d: Sma,
    track: Track<Oscillator>,
}

impl Stochastic {
    /// Slow stochastic: %K averaged over `smooth_k`, %D over `smooth_d` (TA-Lib STOCH with simple averages).
    pub fn slow(range: usize, smooth_k: usize, smooth_d: usize) -> Result<Self, IndicatorError> {
        check_period("STOCH", "range", range, 1)?;
        check_period("STOCH", "smooth_k", smooth_k, 1)?;
        check_period("STOCH", "smooth_d", smooth_d, 1)?;
        Ok(Self {
            extent: WindowRange::new(range),
            range,
            k: Sma::new(smooth_k)?,
            d: Sma::new(smooth_d)?,
            track: Track::default(),
        })
    }

    /// Fast stochastic: raw %K (TA-Lib STOCHF).
    pub fn fast(range: usize, smooth_d: usize) -> Result<Self, IndicatorError> {
        Self::slow(range, 1, smooth_d)
    }

    #[inline]
    fn lines(&mut self, candle: &Candle) -> Option<Oscillator> {
        let (highest, lowest) = self.extent.push(candle.high, candle.low);
        if !self.track.fills(self.range) {
            return None;
        }
        let k = self.k.step(position(candle.close, lowest, highest))?;
        let d = self.d.step(k)?;
        Some(Oscillator { k, d })
    }
}

impl Indicator for Stochastic {
    type Input = Candle;
    type Output = Oscillator;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<Oscillator> {
        let lines = self.lines(&candle);
        self.track.record(lines)
    }

    #[inline]
    fn track(&self) -> &Track<Oscillator> {
        &self.track
    }

    fn reset(&mut self) {
        self.extent.clear();
        self.k.reset();
        self.d.reset();
        self.track = Track::default();
    }
}

/// Williams %R, `-100 (highest - close) / (highest - lowest)`; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WilliamsR {
    extent: WindowRange,
    period: usize,
    track: Track<f64>,
}

impl WilliamsR {
    /// The range is that of the last `period` bars.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("WILLR", "period", period, 1)?;
        Ok(Self { extent: WindowRange::new(period), period, track: Track::default() })
    }
}

impl Indicator for WilliamsR {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        let (highest, lowest) = self.extent.push(candle.high, candle.low);
        let range = highest - lowest;
        let depth = if range > 0.0 { -100.0 * (highest - candle.close) / range } else { 0.0 };
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(depth))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.extent.clear();
        self.track = Track::default();
    }
}
