//! Wilder's directional movement system: +DI, -DI and ADX (Wilder 1978), with TA-Lib's start.
//!
//! Invariant: all three lie in [0, 100] when high >= low. A bar without any directional index (no range, or both
//! indices 0) leaves the ADX as it was. Does not compute ADXR.

use serde::{Deserialize, Serialize};

use super::true_range::true_range;
use super::{Candle, Indicator, IndicatorError, Track, check_period, output_of_fields};

/// Strength and direction of a trend, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DirectionalMovement {
    /// Average directional index: strength whatever the direction.
    pub adx: f64,
    /// Upward directional indicator, +DI.
    pub plus_di: f64,
    /// Downward directional indicator, -DI.
    pub minus_di: f64,
}
output_of_fields!(DirectionalMovement { adx, plus_di; minus_di });

/// ADX with +DI and -DI. The two indicators are known from index `period` on ([`Adx::indicators`]), the whole output
/// from index `2 period - 1` on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adx {
    period: usize,
    decay: f64,
    plus: f64,
    minus: f64,
    range: f64,
    /// Sum of the first `period` directional indices, then their Wilder average.
    adx: f64,
    previous: Option<Candle>,
    indicators: Option<(f64, f64)>,
    track: Track<DirectionalMovement>,
}

impl Adx {
    /// Smooths over `period` bars.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("ADX", "period", period, 2)?;
        Ok(Self {
            period,
            decay: 1.0 - 1.0 / period as f64,
            plus: 0.0,
            minus: 0.0,
            range: 0.0,
            adx: 0.0,
            previous: None,
            indicators: None,
            track: Track::default(),
        })
    }

    /// (+DI, -DI), from index `period` on.
    #[inline]
    #[must_use]
    pub fn indicators(&self) -> Option<(f64, f64)> {
        self.indicators
    }

    #[inline]
    fn movement(&mut self, candle: Candle) -> Option<DirectionalMovement> {
        let previous = self.previous.replace(candle)?;
        let period = self.period as u64;
        let changes = self.track.count();
        // Wilder's sums: the first period - 1 changes are added up, from then on the sums decay.
        let decay = if changes < period { 1.0 } else { self.decay };
        let (up, down) = (candle.high - previous.high, previous.low - candle.low);
        let plus = if up > 0.0 && up > down { up } else { 0.0 };
        let minus = if down > 0.0 && down > up { down } else { 0.0 };
        self.plus = self.plus * decay + plus;
        self.minus = self.minus * decay + minus;
        self.range = self.range * decay + true_range(&candle, previous.close);
        if changes < period {
            return None;
        }
        let (plus_di, minus_di) = if self.range > 0.0 {
            (100.0 * self.plus / self.range, 100.0 * self.minus / self.range)
        } else {
            (0.0, 0.0)
        };
        self.indicators = Some((plus_di, minus_di));
        let total = plus_di + minus_di;
        let index = (total > 0.0).then(|| 100.0 * (plus_di - minus_di).abs() / total);
        if changes < 2 * period {
            self.adx += index.unwrap_or(0.0);
            if changes + 1 < 2 * period {
                return None;
            }
            self.adx /= self.period as f64;
        } else if let Some(index) = index {
            self.adx = self.adx * self.decay + index / self.period as f64;
        }
        Some(DirectionalMovement { adx: self.adx, plus_di, minus_di })
    }
}

impl Indicator for Adx {
    type Input = Candle;
    type Output = DirectionalMovement;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<DirectionalMovement> {
        let movement = self.movement(candle);
        self.track.record(movement)
    }

    #[inline]
    fn track(&self) -> &Track<DirectionalMovement> {
        &self.track
    }

    fn reset(&mut self) {
        (self.plus, self.minus, self.range, self.adx) = (0.0, 0.0, 0.0, 0.0);
        self.previous = None;
        self.indicators = None;
        self.track = Track::default();
    }
}
