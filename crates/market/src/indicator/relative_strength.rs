//! Oscillators of gains against losses: RSI, CMO and the stochastic of RSI.
//!
//! Invariant: RSI and StochRSI lie in [0, 100], CMO in [-100, 100]. Without any movement the Wilder variants say 0,
//! as TA-Lib does; Cutler's RSI, which TA-Lib lacks, says the neutral 50. Does not detect divergences.

use serde::{Deserialize, Serialize};

use super::moving_average::WilderSmoothing;
use super::stochastic::position;
use super::window::{WindowRange, WindowSum};
use super::{Indicator, IndicatorError, Oscillator, Sma, Track, check_period};

/// How gains and losses are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Averaging {
    /// Wilder's recursive average (Wilder 1978; TA-Lib).
    #[default]
    Wilder,
    /// The plain sum over the window (Cutler's RSI; Chande & Kroll 1994 for the CMO).
    Window,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Averages {
    Wilder { gain: WilderSmoothing, loss: WilderSmoothing },
    Window { gain: WindowSum, loss: WindowSum, period: u64, seen: u64 },
}

/// Average gains and losses (or their sums; only ratios are used) of a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct GainsAndLosses {
    averages: Averages,
    previous: Option<f64>,
}

impl GainsAndLosses {
    fn new(period: usize, averaging: Averaging) -> Self {
        let averages = match averaging {
            Averaging::Wilder => {
                Averages::Wilder { gain: WilderSmoothing::new(period), loss: WilderSmoothing::new(period) }
            }
            Averaging::Window => Averages::Window {
                gain: WindowSum::new(period),
                loss: WindowSum::new(period),
                period: period as u64,
                seen: 0,
            },
        };
        Self { averages, previous: None }
    }

    /// (gain, loss) once `period` changes are in.
    #[inline]
    fn push(&mut self, x: f64) -> Option<(f64, f64)> {
        let change = x - self.previous.replace(x)?;
        let (up, down) = if change > 0.0 { (change, 0.0) } else { (0.0, -change) };
        match &mut self.averages {
            Averages::Wilder { gain, loss } => {
                let (gain, loss) = (gain.push(up), loss.push(down));
                Some((gain?, loss?))
            }
            Averages::Window { gain, loss, period, seen } => {
                let sums = (gain.push(up), loss.push(down));
                *seen += 1;
                (*seen >= *period).then_some(sums)
            }
        }
    }

    fn clear(&mut self) {
        self.previous = None;
        match &mut self.averages {
            Averages::Wilder { gain, loss } => {
                gain.clear();
                loss.clear();
            }
            Averages::Window { gain, loss, seen, .. } => {
                gain.clear();
                loss.clear();
                *seen = 0;
            }
        }
    }
}

/// Relative strength index, `100 gain / (gain + loss)`; first value at index `period` (Wilder 1978).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rsi {
    movement: GainsAndLosses,
    at_rest: f64,
    track: Track<f64>,
}

impl Rsi {
    /// Wilder's RSI.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        Self::averaged(period, Averaging::Wilder)
    }

    /// Wilder's or Cutler's RSI.
    pub fn averaged(period: usize, averaging: Averaging) -> Result<Self, IndicatorError> {
        check_period("RSI", "period", period, 1)?;
        Ok(Self {
            movement: GainsAndLosses::new(period, averaging),
            at_rest: match averaging {
                Averaging::Wilder => 0.0,
                Averaging::Window => 50.0,
            },
            track: Track::default(),
        })
    }
}

impl Indicator for Rsi {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let rsi = self.movement.push(x).map(|(gain, loss)| {
            let total = gain + loss;
            if total > 0.0 { 100.0 * gain / total } else { self.at_rest }
        });
        self.track.record(rsi)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.movement.clear();
        self.track = Track::default();
    }
}

/// Chande momentum oscillator, `100 (gain - loss) / (gain + loss)`; first value at index `period`.
///
/// Chande's own definition uses plain sums; TA-Lib smooths as Wilder does, and that is the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cmo {
    movement: GainsAndLosses,
    track: Track<f64>,
}

impl Cmo {
    /// TA-Lib's CMO.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        Self::averaged(period, Averaging::Wilder)
    }

    /// TA-Lib's or Chande's CMO.
    pub fn averaged(period: usize, averaging: Averaging) -> Result<Self, IndicatorError> {
        check_period("CMO", "period", period, 1)?;
        Ok(Self { movement: GainsAndLosses::new(period, averaging), track: Track::default() })
    }
}

impl Indicator for Cmo {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let cmo = self.movement.push(x).map(|(gain, loss)| {
            let total = gain + loss;
            if total > 0.0 { 100.0 * (gain - loss) / total } else { 0.0 }
        });
        self.track.record(cmo)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.movement.clear();
        self.track = Track::default();
    }
}

/// Stochastic oscillator of Wilder's RSI (Chande & Kroll 1994).
///
/// `smooth_k = 1` is TA-Lib's STOCHRSI (fast %K, and %D its simple average); charting packages use
/// (14, 14, 3, 3). While the price rests Wilder's RSI is constant but for rounding; unlike TA-Lib, which stretches that
/// noise to 0 or 100, a range below [`StochRsi::RANGE_MIN`] counts as none and gives 0. First value at index `rsi + range + smooth_k + smooth_d - 3`, for both lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StochRsi {
    rsi: Rsi,
    extent: WindowRange,
    /// RSI values still missing to a full range.
    missing: usize,
    range: usize,
    /// %K's and %D's, out of line: the largest indicator is what each of a feature set takes.
    averages: Box<[Sma; 2]>,
    track: Track<Oscillator>,
}

impl StochRsi {
    /// A smaller range of the RSI, in points, is rounding noise.
    pub const RANGE_MIN: f64 = 1e-9;

    /// RSI over `rsi`, its range over `range`, then two simple averages.
    pub fn new(rsi: usize, range: usize, smooth_k: usize, smooth_d: usize) -> Result<Self, IndicatorError> {
        check_period("STOCHRSI", "rsi", rsi, 1)?;
        check_period("STOCHRSI", "range", range, 1)?;
        check_period("STOCHRSI", "smooth_k", smooth_k, 1)?;
        check_period("STOCHRSI", "smooth_d", smooth_d, 1)?;
        Ok(Self {
            rsi: Rsi::new(rsi)?,
            extent: WindowRange::new(range),
            missing: range,
            range,
            averages: Box::new([Sma::new(smooth_k)?, Sma::new(smooth_d)?]),
            track: Track::default(),
        })
    }

    #[inline]
    fn lines(&mut self, x: f64) -> Option<Oscillator> {
        let rsi = self.rsi.step(x)?;
        let (highest, lowest) = self.extent.push(rsi, rsi);
        self.missing = self.missing.saturating_sub(1);
        if self.missing > 0 {
            return None;
        }
        let raw = if highest - lowest < Self::RANGE_MIN { 0.0 } else { position(rsi, lowest, highest) };
        let [k_average, d_average] = &mut *self.averages;
        let k = k_average.step(raw)?;
        let d = d_average.step(k)?;
        Some(Oscillator { k, d })
    }
}

impl Indicator for StochRsi {
    type Input = f64;
    type Output = Oscillator;

    #[inline]
    fn step(&mut self, x: f64) -> Option<Oscillator> {
        let lines = self.lines(x);
        self.track.record(lines)
    }

    #[inline]
    fn track(&self) -> &Track<Oscillator> {
        &self.track
    }

    fn reset(&mut self) {
        self.rsi.reset();
        self.extent.clear();
        self.missing = self.range;
        self.averages.iter_mut().for_each(Sma::reset);
        self.track = Track::default();
    }
}
