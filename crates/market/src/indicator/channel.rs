//! Bands around a price: Bollinger, Donchian and Keltner.
//!
//! Invariant: lower <= middle <= upper. Does not emit breakouts; that is a strategy's reading.

use serde::{Deserialize, Serialize};

use super::moving_average::Smoothing;
use super::window::{WindowMoments, WindowRange};
use super::{Atr, Candle, Indicator, IndicatorError, Seed, Track, check_factor, check_period, output_of_fields};

/// Three prices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bands {
    /// Upper band.
    pub upper: f64,
    /// Centre line.
    pub middle: f64,
    /// Lower band.
    pub lower: f64,
}
output_of_fields!(Bands { upper, middle; lower });

/// Bollinger bands: simple average and multiples of the population standard deviation (Bollinger 2001; TA-Lib BBANDS);
/// first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bollinger {
    window: WindowMoments,
    period: usize,
    inverse_period: f64,
    width: f64,
    track: Track<Bands>,
}

impl Bollinger {
    /// Bands `width` standard deviations away.
    pub fn new(period: usize, width: f64) -> Result<Self, IndicatorError> {
        check_period("BB", "period", period, 1)?;
        check_factor("BB", "width", width)?;
        Ok(Self {
            window: WindowMoments::new(period),
            period,
            inverse_period: 1.0 / period as f64,
            width,
            track: Track::default(),
        })
    }
}

impl Indicator for Bollinger {
    type Input = f64;
    type Output = Bands;

    #[inline]
    fn step(&mut self, x: f64) -> Option<Bands> {
        let moments = self.window.push(x);
        let middle = moments.mean();
        let reach = self.width * (moments.squares * self.inverse_period).sqrt();
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(Bands { upper: middle + reach, middle, lower: middle - reach }))
    }

    #[inline]
    fn track(&self) -> &Track<Bands> {
        &self.track
    }

    fn reset(&mut self) {
        self.window.clear();
        self.track = Track::default();
    }
}

/// Donchian channel: highest high and lowest low, and their mean; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Donchian {
    extent: WindowRange,
    period: usize,
    track: Track<Bands>,
}

impl Donchian {
    /// The channel of the last `period` bars, the present one included.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("DONCHIAN", "period", period, 1)?;
        Ok(Self { extent: WindowRange::new(period), period, track: Track::default() })
    }
}

impl Indicator for Donchian {
    type Input = Candle;
    type Output = Bands;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<Bands> {
        let (upper, lower) = self.extent.push(candle.high, candle.low);
        let ready = self.track.fills(self.period);
        // Before the windows hold anything their extremes would overflow the sum.
        self.track.record(ready.then(|| Bands { upper, middle: (upper + lower) / 2.0, lower }))
    }

    #[inline]
    fn track(&self) -> &Track<Bands> {
        &self.track
    }

    fn reset(&mut self) {
        self.extent.clear();
        self.track = Track::default();
    }
}

/// Keltner channel after Raschke: EMA of the close (SMA seed) and multiples of the ATR; first value at index
/// `max(period - 1, atr)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keltner {
    average: Smoothing,
    range: Atr,
    width: f64,
    track: Track<Bands>,
}

impl Keltner {
    /// EMA over `period`, ATR over `atr`, bands `width` ATRs away.
    pub fn new(period: usize, atr: usize, width: f64) -> Result<Self, IndicatorError> {
        check_period("KELTNER", "period", period, 1)?;
        check_period("KELTNER", "atr", atr, 1)?;
        check_factor("KELTNER", "width", width)?;
        Ok(Self {
            average: Smoothing::exponential(period, Seed::Sma),
            range: Atr::new(atr)?,
            width,
            track: Track::default(),
        })
    }

    #[inline]
    fn bands(&mut self, candle: Candle) -> Option<Bands> {
        let (middle, range) = (self.average.push(candle.close), self.range.step(candle));
        let (middle, reach) = (middle?, self.width * range?);
        Some(Bands { upper: middle + reach, middle, lower: middle - reach })
    }
}

impl Indicator for Keltner {
    type Input = Candle;
    type Output = Bands;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<Bands> {
        let bands = self.bands(candle);
        self.track.record(bands)
    }

    #[inline]
    fn track(&self) -> &Track<Bands> {
        &self.track
    }

    fn reset(&mut self) {
        self.average.clear();
        self.range.reset();
        self.track = Track::default();
    }
}
