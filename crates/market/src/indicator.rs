//! Streaming indicators: one formula for live updates and for whole series.
//!
//! Invariant: [`Indicator::batch_into`] is a loop over [`Indicator::update`], so a backtest, a live run and a
//! restored snapshot see bit-identical values. The value after an input depends on that input and earlier ones
//! only. No update allocates; all but [`Cci`] (O(period)) and the robust normaliser cost amortised O(1).
//!
//! Rolling extremes, variances and regressions never subtract what has left the window, and rolling sums forget it
//! within one more window length (see [`window`] for the bounds): rounding errors do not grow with the stream.
//!
//! Warm-up (the first defined index) and conventions for 0/0 are those of TA-Lib where TA-Lib has the function;
//! `scripts/indicator_golden.py` makes the reference vectors. Prices stay f64 here on purpose: what an
//! indicator says never becomes an order price without going through the engine's checked conversion.
//!
//! Not here: resampling to bars, calendars (the caller says when a session starts), order books.

mod channel;
mod commodity_channel;
mod directional;
mod dispersion;
mod extremes;
mod linear_regression;
mod macd;
mod moving_average;
mod rate_of_change;
mod relative_strength;
mod stochastic;
mod true_range;
mod volume;
pub mod window;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use channel::{Bands, Bollinger, Donchian, Keltner};
pub use commodity_channel::Cci;
pub use directional::{Adx, DirectionalMovement};
pub use dispersion::{RealisedVolatility, StdDev, ZScore};
pub use extremes::{RollingMax, RollingMin};
pub use linear_regression::{LinearRegression, PairFit, PairRegression, TrendLine};
pub use macd::{Macd, MacdLines, Trix};
pub use moving_average::{Ema, Rma, Seed, Sma, Wma};
pub use rate_of_change::{Momentum, Roc};
pub use relative_strength::{Averaging, Cmo, Rsi, StochRsi};
pub use stochastic::{Oscillator, Stochastic, WilliamsR};
pub use true_range::{Atr, TrueRange};
pub use volume::{Mfi, Obv, RollingVwap, Vwap};

/// Inputs beyond this magnitude are refused like NaN: their fourth powers would leave the range of f64.
pub const MAGNITUDE_MAX: f64 = 1e60;

/// Longest window of any indicator (TA-Lib's own bound); it caps the memory one specification can ask for.
pub const PERIOD_MAX: usize = 100_000;

/// Why an indicator cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndicatorError {
    /// A window length outside its range.
    #[error("{indicator}: {parameter} = {value} is not in {min}..={max}")]
    Period {
        /// Which indicator was to be built.
        indicator: &'static str,
        /// Which of its parameters.
        parameter: &'static str,
        /// The value given.
        value: usize,
        /// Least allowed value.
        min: usize,
        /// Greatest allowed value.
        max: usize,
    },
    /// A multiplier or factor that is not a positive finite number.
    #[error("{indicator}: {parameter} = {value} must be a positive number, at most 1e60")]
    Factor {
        /// Which indicator was to be built.
        indicator: &'static str,
        /// Which of its parameters.
        parameter: &'static str,
        /// The value given.
        value: f64,
    },
    /// The fast average is not faster than the slow one.
    #[error("{indicator}: the fast period {fast} must be below the slow period {slow}; swap them")]
    FastNotBelowSlow {
        /// Which indicator was to be built.
        indicator: &'static str,
        /// Period of the fast average.
        fast: usize,
        /// Period of the slow average.
        slow: usize,
    },
}

/// Checks a window length; `min` is 1 for averages and 2 for what needs two points.
pub(crate) fn check_period(
    indicator: &'static str,
    parameter: &'static str,
    value: usize,
    min: usize,
) -> Result<usize, IndicatorError> {
    if (min..=PERIOD_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(IndicatorError::Period { indicator, parameter, value, min, max: PERIOD_MAX })
    }
}

/// Checks a multiplier.
pub(crate) fn check_factor(
    indicator: &'static str,
    parameter: &'static str,
    value: f64,
) -> Result<f64, IndicatorError> {
    if value > 0.0 && value <= MAGNITUDE_MAX {
        Ok(value)
    } else {
        Err(IndicatorError::Factor { indicator, parameter, value })
    }
}

/// One bar: prices in quote currency per unit, volume in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Candle {
    /// First price of the bar.
    pub open: f64,
    /// Highest price of the bar.
    pub high: f64,
    /// Lowest price of the bar.
    pub low: f64,
    /// Last price of the bar.
    pub close: f64,
    /// Quantity traded in the bar.
    pub volume: f64,
}

impl Candle {
    /// Median price, `(high + low) / 2`.
    #[inline]
    #[must_use]
    pub fn hl2(&self) -> f64 {
        (self.high + self.low) / 2.0
    }

    /// Typical price, `(high + low + close) / 3`.
    #[inline]
    #[must_use]
    pub fn hlc3(&self) -> f64 {
        (self.high + self.low + self.close) / 3.0
    }

    /// Average price, `(open + high + low + close) / 4`.
    #[inline]
    #[must_use]
    pub fn ohlc4(&self) -> f64 {
        (self.open + self.high + self.low + self.close) / 4.0
    }
}

/// What an indicator reads per step.
pub trait Input: Copy {
    /// Whether every number is finite and within [`MAGNITUDE_MAX`].
    fn is_admissible(&self) -> bool;
}

impl Input for f64 {
    #[inline]
    fn is_admissible(&self) -> bool {
        // One comparison refuses NaN, both infinities and absurd sizes.
        self.abs() <= MAGNITUDE_MAX
    }
}

impl Input for (f64, f64) {
    #[inline]
    fn is_admissible(&self) -> bool {
        self.0.is_admissible() && self.1.is_admissible()
    }
}

impl Input for Candle {
    #[inline]
    fn is_admissible(&self) -> bool {
        // `&` rather than `&&`: five comparisons and one branch.
        self.open.is_admissible()
            & self.high.is_admissible()
            & self.low.is_admissible()
            & self.close.is_admissible()
            & self.volume.is_admissible()
    }
}

/// What an indicator says: one number, or a struct of named numbers.
pub trait Output: Copy {
    /// What [`Indicator::batch_into`] writes before the first defined index: NaN in every component.
    const UNDEFINED: Self;
    /// Names of the components, in the order of [`Output::component`].
    const COMPONENTS: &'static [&'static str];
    /// The component of that index. Indices past the end give the last component.
    fn component(&self, index: usize) -> f64;
}

impl Output for f64 {
    const UNDEFINED: Self = f64::NAN;
    const COMPONENTS: &'static [&'static str] = &["value"];

    #[inline]
    fn component(&self, _index: usize) -> f64 {
        *self
    }
}

/// Implements [`Output`] for a struct of f64 fields, listed in order.
macro_rules! output_of_fields {
    ($name:ident { $($field:ident),+ ; $last:ident }) => {
        impl $crate::indicator::Output for $name {
            const UNDEFINED: Self = $name { $($field: f64::NAN,)+ $last: f64::NAN };
            const COMPONENTS: &'static [&'static str] = &[$(stringify!($field),)+ stringify!($last)];

            #[inline]
            fn component(&self, index: usize) -> f64 {
                let fields = [$(self.$field,)+ self.$last];
                fields[index.min(fields.len() - 1)]
            }
        }
    };
}
pub(crate) use output_of_fields;

/// Inputs seen and the latest output; every indicator holds one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track<T> {
    count: u64,
    last: Option<T>,
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self { count: 0, last: None }
    }
}

impl<T: Copy> Track<T> {
    /// Inputs taken in so far; never capped at the period.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The output for the latest input.
    #[inline]
    #[must_use]
    pub fn last(&self) -> Option<T> {
        self.last
    }

    /// Counts one input and keeps what it led to.
    #[inline]
    pub(crate) fn record(&mut self, output: Option<T>) -> Option<T> {
        self.count += 1;
        self.last = output;
        output
    }

    /// Whether the input now being taken in is at least the `period`-th.
    #[inline]
    pub(crate) fn fills(&self, period: usize) -> bool {
        self.count + 1 >= period as u64
    }
}

/// A streaming indicator.
///
/// Every implementor is `Serialize + Deserialize`; a restored copy continues bit for bit (with a format that keeps
/// f64 exactly: `serde_json` needs its `float_roundtrip` feature).
pub trait Indicator: Clone {
    /// One observation: f64, [`Candle`], or an `(x, y)` pair.
    type Input: Input;
    /// One result.
    type Output: Output;

    /// Takes one admissible input. Call [`Indicator::update`] unless the input is known to be admissible.
    fn step(&mut self, input: Self::Input) -> Option<Self::Output>;

    /// Count and latest output.
    fn track(&self) -> &Track<Self::Output>;

    /// Returns to the state after construction.
    fn reset(&mut self);

    /// Whether `update` will take this input; logarithmic indicators also refuse prices that are not positive.
    #[inline]
    fn admits(&self, input: &Self::Input) -> bool {
        input.is_admissible()
    }

    /// Takes one input and returns the value for it, `None` while warming up.
    ///
    /// The one place where bad numbers are refused: an input that [`Indicator::admits`] rejects (NaN, infinity,
    /// magnitude above [`MAGNITUDE_MAX`]) returns `None`, is not counted and leaves the state as it was, so
    /// [`Indicator::value`] still gives the value for the last good input.
    #[inline]
    fn update(&mut self, input: Self::Input) -> Option<Self::Output> {
        if self.admits(&input) { self.step(input) } else { None }
    }

    /// The value for the latest input taken in.
    #[inline]
    fn value(&self) -> Option<Self::Output> {
        self.track().last()
    }

    /// Inputs taken in; refused ones are not counted, and the count is not capped.
    #[inline]
    fn count(&self) -> u64 {
        self.track().count()
    }

    /// Whether there is a value.
    #[inline]
    fn is_ready(&self) -> bool {
        self.value().is_some()
    }

    /// Feeds `inputs` and writes one output for each, [`Output::UNDEFINED`] where there is none. Works on
    /// `min(inputs.len(), out.len())` elements and continues from the present state.
    fn batch_into(&mut self, inputs: &[Self::Input], out: &mut [Self::Output]) {
        // On a local copy: its scalars provably alias neither buffer, so they stay in registers.
        let mut state = self.clone();
        for (input, slot) in inputs.iter().zip(out) {
            *slot = state.update(*input).unwrap_or(Self::Output::UNDEFINED);
        }
        *self = state;
    }

    /// Feeds `inputs` and returns one result for each.
    fn batch(&mut self, inputs: &[Self::Input]) -> Vec<Option<Self::Output>> {
        inputs.iter().map(|input| self.update(*input)).collect()
    }
}
