//! Commodity channel index (Lambert 1980).
//!
//! Invariant: a window of equal typical prices gives exactly 0. Unlike the others an update costs O(period): the mean
//! absolute deviation from a moving mean has no known O(1) update.

use serde::{Deserialize, Serialize};

use super::window::Delay;
use super::{Candle, Indicator, IndicatorError, Track, check_period};

/// `(typical - mean) / (0.015 mean absolute deviation)` of the typical price; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cci {
    window: Delay,
    period: usize,
    track: Track<f64>,
}

impl Cci {
    /// Lambert's constant is 0.015.
    const SCALE: f64 = 0.015;

    /// Looks at the last `period` bars.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("CCI", "period", period, 2)?;
        Ok(Self { window: Delay::new(period), period, track: Track::default() })
    }

    fn index(&self, typical: f64) -> f64 {
        let n = self.period as f64;
        // Distances from the newest value, so that a flat window sums to exactly 0.
        let mean = self.window.values().iter().map(|x| x - typical).sum::<f64>() / n;
        let deviation = self.window.values().iter().map(|x| (x - typical - mean).abs()).sum::<f64>() / n;
        if deviation > 0.0 { -mean / (Self::SCALE * deviation) } else { 0.0 }
    }
}

impl Indicator for Cci {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        let typical = candle.hlc3();
        self.window.push(typical);
        let ready = self.track.fills(self.period);
        let index = ready.then(|| self.index(typical));
        self.track.record(index)
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
