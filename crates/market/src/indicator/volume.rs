//! Indicators of price and volume: OBV, VWAP (session and rolling), MFI.
//!
//! Invariant: running totals are compensated, so their error does not grow with the length of the stream. An average
//! weighted by no volume at all is undefined (`None`), not 0. Does not know sessions: the caller resets.

use serde::{Deserialize, Serialize};

use super::window::WindowSum;
use super::{Candle, Indicator, IndicatorError, Track, check_period};

/// A running total with Neumaier's (1974) compensation: within about 2 u of the exact total of the magnitudes seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Total {
    sum: f64,
    lost: f64,
}

impl Total {
    #[inline]
    fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        self.lost += if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        self.sum = sum;
    }

    #[inline]
    fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// On-balance volume (Granville 1963): volume added on a rise of the close, subtracted on a fall; starts with the first
/// bar's volume at index 0, as TA-Lib does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Obv {
    total: Total,
    previous_close: Option<f64>,
    track: Track<f64>,
}

impl Obv {
    /// Has no parameter.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Indicator for Obv {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        match self.previous_close.replace(candle.close) {
            Some(previous) if candle.close < previous => self.total.add(-candle.volume),
            Some(previous) if candle.close == previous => {}
            _ => self.total.add(candle.volume),
        }
        self.track.record(Some(self.total.value()))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Volume-weighted average of the typical price since the session began; first value with the first volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vwap {
    turnover: Total,
    volume: Total,
    track: Track<f64>,
}

impl Vwap {
    /// Has no parameter.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a new session: the average begins afresh with the next bar, the count goes on.
    pub fn start_session(&mut self) {
        self.turnover = Total::default();
        self.volume = Total::default();
    }
}

impl Indicator for Vwap {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        self.turnover.add(candle.hlc3() * candle.volume);
        self.volume.add(candle.volume);
        let volume = self.volume.value();
        self.track.record((volume > 0.0).then(|| self.turnover.value() / volume))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Volume-weighted average of the typical price over the last `period` bars; from index `period - 1` on, and only while
/// the window holds volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingVwap {
    turnover: WindowSum,
    volume: WindowSum,
    period: usize,
    track: Track<f64>,
}

impl RollingVwap {
    /// Looks at the last `period` bars.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("RVWAP", "period", period, 1)?;
        Ok(Self { turnover: WindowSum::new(period), volume: WindowSum::new(period), period, track: Track::default() })
    }
}

impl Indicator for RollingVwap {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        let turnover = self.turnover.push(candle.hlc3() * candle.volume);
        let volume = self.volume.push(candle.volume);
        let ready = self.track.fills(self.period) && volume > 0.0;
        self.track.record(ready.then(|| turnover / volume))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.turnover.clear();
        self.volume.clear();
        self.track = Track::default();
    }
}

/// Money flow index (Quong & Soudack 1989): share of turnover on rising typical prices, in percent; 0 when nothing
/// flowed; first value at index `period`.
///
/// TA-Lib also gives 0 when the window's turnover is below 1 unit of currency; this does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mfi {
    inflow: WindowSum,
    outflow: WindowSum,
    period: usize,
    previous: Option<f64>,
    track: Track<f64>,
}

impl Mfi {
    /// Looks at the last `period` changes.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("MFI", "period", period, 2)?;
        Ok(Self {
            inflow: WindowSum::new(period),
            outflow: WindowSum::new(period),
            period,
            previous: None,
            track: Track::default(),
        })
    }

    #[inline]
    fn index(&mut self, candle: &Candle) -> Option<f64> {
        let typical = candle.hlc3();
        let previous = self.previous.replace(typical)?;
        let flow = typical * candle.volume;
        let inflow = self.inflow.push(if typical > previous { flow } else { 0.0 });
        let outflow = self.outflow.push(if typical < previous { flow } else { 0.0 });
        let total = inflow + outflow;
        let index = if total > 0.0 { 100.0 * inflow / total } else { 0.0 };
        self.track.fills(self.period + 1).then_some(index)
    }
}

impl Indicator for Mfi {
    type Input = Candle;
    type Output = f64;

    #[inline]
    fn step(&mut self, candle: Candle) -> Option<f64> {
        let index = self.index(&candle);
        self.track.record(index)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.inflow.clear();
        self.outflow.clear();
        self.previous = None;
        self.track = Track::default();
    }
}
