//! Differences and rates of exponential averages: MACD (Appel) and TRIX (Hutson 1983).
//!
//! Invariant: histogram = line - signal, exactly. Does not offer other averages than the exponential one.

use serde::{Deserialize, Serialize};

use super::moving_average::Smoothing;
use super::rate_of_change::percent_change;
use super::{Indicator, IndicatorError, Seed, Track, check_period, output_of_fields};

/// The three lines of the MACD, in price units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MacdLines {
    /// Fast average minus slow average.
    pub line: f64,
    /// Average of `line`.
    pub signal: f64,
    /// `line - signal`.
    pub histogram: f64,
}
output_of_fields!(MacdLines { line, signal; histogram });

/// Moving average convergence/divergence; first value at index `slow + signal - 2`, for all lines and either seed.
///
/// With [`Seed::Sma`] (TA-Lib, the default) the fast average starts late, so that both averages give their first value
/// at index `slow - 1`. With [`Seed::FirstValue`] all three recursions run from the first input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Macd {
    fast: Smoothing,
    slow: Smoothing,
    signal: Smoothing,
    seed: Seed,
    /// Inputs the fast average leaves out.
    skip: u64,
    ready_at: usize,
    track: Track<MacdLines>,
}

impl Macd {
    /// TA-Lib's MACD.
    pub fn new(fast: usize, slow: usize, signal: usize) -> Result<Self, IndicatorError> {
        Self::seeded(fast, slow, signal, Seed::Sma)
    }

    /// MACD with the given start of its averages.
    pub fn seeded(fast: usize, slow: usize, signal: usize, seed: Seed) -> Result<Self, IndicatorError> {
        check_period("MACD", "fast", fast, 1)?;
        check_period("MACD", "slow", slow, 2)?;
        check_period("MACD", "signal", signal, 1)?;
        if fast >= slow {
            return Err(IndicatorError::FastNotBelowSlow { indicator: "MACD", fast, slow });
        }
        Ok(Self {
            fast: Smoothing::exponential(fast, seed),
            slow: Smoothing::exponential(slow, seed),
            signal: Smoothing::exponential(signal, seed),
            seed,
            skip: match seed {
                Seed::Sma => (slow - fast) as u64,
                Seed::FirstValue => 0,
            },
            ready_at: slow + signal - 1,
            track: Track::default(),
        })
    }

    #[inline]
    fn lines(&mut self, x: f64) -> Option<MacdLines> {
        let slow = self.slow.push(x);
        let fast = if self.track.count() >= self.skip { self.fast.push(x) } else { None };
        let (line, signal) = match self.seed {
            Seed::Sma => {
                let line = fast? - slow?;
                (line, self.signal.push(line)?)
            }
            Seed::FirstValue => {
                let line = self.fast.state() - self.slow.state();
                self.signal.push(line);
                (line, self.signal.state())
            }
        };
        self.track.fills(self.ready_at).then_some(MacdLines { line, signal, histogram: line - signal })
    }
}

impl Indicator for Macd {
    type Input = f64;
    type Output = MacdLines;

    #[inline]
    fn step(&mut self, x: f64) -> Option<MacdLines> {
        let lines = self.lines(x);
        self.track.record(lines)
    }

    #[inline]
    fn track(&self) -> &Track<MacdLines> {
        &self.track
    }

    fn reset(&mut self) {
        self.fast.clear();
        self.slow.clear();
        self.signal.clear();
        self.track = Track::default();
    }
}

/// One-step rate of change, in percent, of a triple exponential average (SMA seeds); first value at `3 period - 2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trix {
    averages: [Smoothing; 3],
    previous: Option<f64>,
    track: Track<f64>,
}

impl Trix {
    /// All three averages have the same period.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check_period("TRIX", "period", period, 1)?;
        Ok(Self {
            averages: std::array::from_fn(|_| Smoothing::exponential(period, Seed::Sma)),
            previous: None,
            track: Track::default(),
        })
    }

    #[inline]
    fn rate(&mut self, x: f64) -> Option<f64> {
        let [first, second, third] = &mut self.averages;
        let triple = third.push(second.push(first.push(x)?)?)?;
        Some(percent_change(self.previous.replace(triple)?, triple))
    }
}

impl Indicator for Trix {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let rate = self.rate(x);
        self.track.record(rate)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.averages.iter_mut().for_each(Smoothing::clear);
        self.previous = None;
        self.track = Track::default();
    }
}
