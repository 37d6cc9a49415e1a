//! Least squares over a window: of a price on time, and of one series on another (hedge ratio of a pair).
//!
//! Invariant: r2 and |correlation| never exceed 1. Without variation of x (or of y) slopes, r2 and correlation are 0.
//! Does not test for cointegration.

use serde::{Deserialize, Serialize};

use super::window::{PairMoments, PairWindow};
use super::{Indicator, IndicatorError, Track, check_period, output_of_fields};

/// Correlation of a window, clamped against rounding; 0 when either side does not vary.
#[inline]
fn correlation(moments: &PairMoments) -> f64 {
    let scale = moments.squares_x.sqrt() * moments.squares_y.sqrt();
    if scale > 0.0 { (moments.products / scale).clamp(-1.0, 1.0) } else { 0.0 }
}

#[inline]
fn slope(moments: &PairMoments) -> f64 {
    if moments.squares_x > 0.0 { moments.products / moments.squares_x } else { 0.0 }
}

/// The least-squares line through the last `period` prices at times 0 (oldest) to `period - 1` (newest).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendLine {
    /// The line at the newest point (TA-Lib LINEARREG).
    pub value: f64,
    /// Price units per update (TA-Lib LINEARREG_SLOPE).
    pub slope: f64,
    /// The line at the oldest point (TA-Lib LINEARREG_INTERCEPT).
    pub intercept: f64,
    /// Coefficient of determination; 0 for a flat window.
    pub r2: f64,
}
output_of_fields!(TrendLine { value, slope, intercept; r2 });

/// Linear regression of a price on time; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearRegression {
    window: PairWindow,
    period: usize,
    track: Track<TrendLine>,
}

impl LinearRegression {
    /// Fits the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("LINREG", "period", period, 2)?;
        Ok(Self { window: PairWindow::over_time(period), period, track: Track::default() })
    }
}

impl Indicator for LinearRegression {
    type Input = f64;
    type Output = TrendLine;

    #[inline]
    fn step(&mut self, y: f64) -> Option<TrendLine> {
        let moments = self.window.push_in_time(y);
        let slope = slope(&moments);
        let half = slope * ((self.period - 1) as f64 / 2.0);
        let correlation = correlation(&moments);
        let ready = self.track.fills(self.period);
        self.track.record(ready.then_some(TrendLine {
            value: moments.mean_y + half,
            slope,
            intercept: moments.mean_y - half,
            r2: correlation * correlation,
        }))
    }

    #[inline]
    fn track(&self) -> &Track<TrendLine> {
        &self.track
    }

    fn reset(&mut self) {
        self.window.clear();
        self.track = Track::default();
    }
}

/// Ordinary least squares of y on x over a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairFit {
    /// Slope: units of x that hedge one unit of y.
    pub beta: f64,
    /// Constant term: `mean(y) - beta mean(x)`.
    pub alpha: f64,
    /// Pearson's correlation (TA-Lib CORREL).
    pub correlation: f64,
    /// Residual of the newest pair, `y - alpha - beta x`.
    pub residual: f64,
}
output_of_fields!(PairFit { beta, alpha, correlation; residual });

/// Rolling regression and correlation of pairs `(x, y)`; first value at index `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRegression {
    window: PairWindow,
    period: usize,
    track: Track<PairFit>,
}

impl PairRegression {
    /// Fits the last `period` pairs.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("pair regression", "period", period, 2)?;
        Ok(Self { window: PairWindow::new(period), period, track: Track::default() })
    }
}

impl Indicator for PairRegression {
    type Input = (f64, f64);
    type Output = PairFit;

    #[inline]
    fn step(&mut self, (x, y): (f64, f64)) -> Option<PairFit> {
        let moments = self.window.push(x, y);
        let beta = slope(&moments);
        let ready = self.track.fills(self.period);
        self.track.record(ready.then(|| PairFit {
            beta,
            alpha: moments.mean_y - beta * moments.mean_x,
            correlation: correlation(&moments),
            residual: (y - moments.mean_y) - beta * (x - moments.mean_x),
        }))
    }

    #[inline]
    fn track(&self) -> &Track<PairFit> {
        &self.track
    }

    fn reset(&mut self) {
        self.window.clear();
        self.track = Track::default();
    }
}
