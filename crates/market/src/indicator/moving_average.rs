//! Simple, exponential, Wilder and linearly weighted averages of a price.
//!
//! Invariant: each value is a convex combination of the inputs seen. Does not adjust the weights of a short history
//! (pandas' `adjust=True`); an average is silent until it has its period.

use serde::{Deserialize, Serialize};

use super::window::{WindowSum, WindowWeightedSum};
use super::{Indicator, IndicatorError, Track, check_period};

/// Simple moving average; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sma {
    window: WindowSum,
    period: usize,
    track: Track<f64>,
}

impl Sma {
    /// Averages the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("SMA", "period", period, 1)?;
        Ok(Self { window: WindowSum::new(period), period, track: Track::default() })
    }
}

impl Indicator for Sma {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let mean = self.window.push(x) / self.period as f64;
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(mean))
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

/// How a recursive average starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seed {
    /// The first value is the state, and the recursion is applied to it as well; ready after `period` inputs.
    #[default]
    FirstValue,
    /// The mean of the first `period` values is the first output (TA-Lib).
    Sma,
}

/// The exponential recursion `y = alpha x + (1 - alpha) y` with its start; shared by EMA, MACD, TRIX and Keltner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Smoothing {
    alpha: f64,
    beta: f64,
    period: u64,
    seed: Seed,
    seen: u64,
    /// The average; before the period is full and with [`Seed::Sma`], the sum so far.
    state: f64,
}

impl Smoothing {
    /// alpha = 2 / (period + 1).
    pub(crate) fn exponential(period: usize, seed: Seed) -> Self {
        let alpha = 2.0 / (period as f64 + 1.0);
        Self { alpha, beta: 1.0 - alpha, period: period as u64, seed, seen: 0, state: 0.0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, x: f64) -> Option<f64> {
        self.seen += 1;
        if self.seen > self.period {
            self.state = self.alpha * x + self.beta * self.state;
            return Some(self.state);
        }
        self.start(x)
    }

    /// One of the first `period` inputs.
    fn start(&mut self, x: f64) -> Option<f64> {
        match self.seed {
            Seed::FirstValue => {
                if self.seen == 1 {
                    self.state = x;
                }
                self.state = self.alpha * x + self.beta * self.state;
            }
            Seed::Sma => {
                self.state += x;
                if self.seen == self.period {
                    self.state /= self.period as f64;
                }
            }
        }
        (self.seen == self.period).then_some(self.state)
    }

    /// The state whether ready or not; with [`Seed::FirstValue`] it is an average from the first input on.
    #[inline]
    pub(crate) fn state(&self) -> f64 {
        self.state
    }

    pub(crate) fn clear(&mut self) {
        self.seen = 0;
        self.state = 0.0;
    }
}

/// Wilder's recursion, alpha = 1 / period, started with the mean of `period` values (Wilder 1978); shared by RSI, CMO
/// and ATR.
///
/// One fused multiply-add per step: its result is defined to the last bit on every machine, and the chain from value to
/// value is a third shorter than with a product and a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WilderSmoothing {
    alpha: f64,
    beta: f64,
    period: u64,
    seen: u64,
    /// The average; before the period is full the sum so far.
    state: f64,
}

impl WilderSmoothing {
    pub(crate) fn new(period: usize) -> Self {
        let alpha = 1.0 / period as f64;
        Self { alpha, beta: 1.0 - alpha, period: period as u64, seen: 0, state: 0.0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, x: f64) -> Option<f64> {
        self.seen += 1;
        if self.seen > self.period {
            self.state = self.beta.mul_add(self.state, self.alpha * x);
            return Some(self.state);
        }
        self.state += x;
        if self.seen < self.period {
            return None;
        }
        self.state /= self.period as f64;
        Some(self.state)
    }

    pub(crate) fn clear(&mut self) {
        self.seen = 0;
        self.state = 0.0;
    }
}

/// Exponential moving average, alpha = 2 / (period + 1); first value at index `period - 1` with either seed.
///
/// The recursion is evaluated as `alpha * x + (1 - alpha) * y`, in this order and without fused multiply-add.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    smoothing: Smoothing,
    track: Track<f64>,
}

impl Ema {
    /// Averages with a span of `period`, started from the first value.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        Self::seeded(period, Seed::FirstValue)
    }

    /// Averages with a span of `period`, started as told.
    pub fn seeded(period: usize, seed: Seed) -> Result<Self, IndicatorError> {
        check_period("EMA", "period", period, 1)?;
        Ok(Self { smoothing: Smoothing::exponential(period, seed), track: Track::default() })
    }
}

impl Indicator for Ema {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let mean = self.smoothing.push(x);
        self.track.record(mean)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.smoothing.clear();
        self.track = Track::default();
    }
}

/// Wilder's smoothed average (also SMMA), alpha = 1 / period, started with the mean; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rma {
    smoothing: WilderSmoothing,
    track: Track<f64>,
}

impl Rma {
    /// Averages over `period` as Wilder counts it: as slow as an EMA over `2 period - 1`.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("RMA", "period", period, 1)?;
        Ok(Self { smoothing: WilderSmoothing::new(period), track: Track::default() })
    }
}

impl Indicator for Rma {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let mean = self.smoothing.push(x);
        self.track.record(mean)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.smoothing.clear();
        self.track = Track::default();
    }
}

/// Linearly weighted moving average: weight `period` for the newest, 1 for the oldest; first value at `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wma {
    window: WindowWeightedSum,
    period: usize,
    weights: f64,
    track: Track<f64>,
}

impl Wma {
    /// Averages the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("WMA", "period", period, 1)?;
        Ok(Self {
            window: WindowWeightedSum::new(period),
            period,
            weights: (period * (period + 1) / 2) as f64,
            track: Track::default(),
        })
    }
}

impl Indicator for Wma {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let mean = self.window.push(x) / self.weights;
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(mean))
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
