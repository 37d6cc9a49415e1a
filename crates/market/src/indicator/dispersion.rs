//! Spread of a window: standard deviation, z-score, realised volatility.
//!
//! Invariant: never negative (deviation, volatility); exactly 0 for a window of equal values, and the z-score is then 0
//! by convention. Does not model volatility (no GARCH, no range estimators).

use serde::{Deserialize, Serialize};

use super::window::WindowMoments;
use super::{Indicator, IndicatorError, Input, Track, check_factor, check_period};

/// Population standard deviation of the last `period` values (TA-Lib STDDEV); first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StdDev {
    window: WindowMoments,
    period: usize,
    track: Track<f64>,
}

impl StdDev {
    /// Looks at the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("STDDEV", "period", period, 1)?;
        Ok(Self { window: WindowMoments::new(period), period, track: Track::default() })
    }
}

impl Indicator for StdDev {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let deviation = (self.window.push(x).squares / self.period as f64).sqrt();
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(deviation))
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

/// Distance of the newest value from the window's mean in population standard deviations, 0 when they are all equal;
/// first value at index `period - 1`. The newest value belongs to the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZScore {
    window: WindowMoments,
    period: usize,
    track: Track<f64>,
}

impl ZScore {
    /// Looks at the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("ZSCORE", "period", period, 2)?;
        Ok(Self { window: WindowMoments::new(period), period, track: Track::default() })
    }
}

impl Indicator for ZScore {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let moments = self.window.push(x);
        let deviation = (moments.squares / self.period as f64).sqrt();
        let score = if deviation > 0.0 { moments.deviation(x) / deviation } else { 0.0 };
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(score))
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

/// Realised volatility: sample standard deviation of the last `period` log returns times the square root of the number
/// of such returns in a year (a fraction: 0.2 is 20 %); first value at index `period`.
///
/// Refuses prices that are not positive. The logarithm is that of the `libm` crate, since the system's may differ in the
/// last bit between machines and a replay must not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RealisedVolatility {
    window: WindowMoments,
    period: usize,
    annualisation: f64,
    previous: Option<f64>,
    track: Track<f64>,
}

impl RealisedVolatility {
    /// `annual` is the number of updates in a year: 252 for daily stock prices, 525,600 for minutes around the clock,
    /// 1 to leave the figure per update.
    pub fn new(period: usize, annual: f64) -> Result<Self, IndicatorError> {
        check_period("RVOL", "period", period, 2)?;
        check_factor("RVOL", "annual", annual)?;
        Ok(Self {
            window: WindowMoments::new(period),
            period,
            annualisation: annual.sqrt(),
            previous: None,
            track: Track::default(),
        })
    }

    #[inline]
    fn volatility(&mut self, x: f64) -> Option<f64> {
        let previous = self.previous.replace(x)?;
        let squares = self.window.push(libm::log(x / previous)).squares;
        let deviation = (squares / (self.period - 1) as f64).sqrt();
        self.track.fills(self.period + 1).then_some(deviation * self.annualisation)
    }
}

impl Indicator for RealisedVolatility {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn admits(&self, input: &f64) -> bool {
        input.is_admissible() && *input > 0.0
    }

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let volatility = self.volatility(x);
        self.track.record(volatility)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.window.clear();
        self.previous = None;
        self.track = Track::default();
    }
}
