//! Rolling normalisation of a feature without look-ahead.
//!
//! Invariant: the value at t is a function of the last `period` inputs up to t, the present one included; running on a
//! prefix of a series gives the prefix of the results. Does not fit on a whole sample and apply to it.

use serde::{Deserialize, Serialize};

use crate::indicator::window::WindowRange;
use crate::indicator::{Indicator, IndicatorError, PERIOD_MAX, Track, ZScore};

/// How a feature is brought to a common scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Normalisation {
    /// Distance from the mean in population standard deviations; 0 for a flat window.
    ZScore,
    /// Position between least and greatest value, 0 to 1; 0.5 for a flat window.
    MinMax,
    /// Distance from the median in scaled median absolute deviations.
    Robust,
}

/// One normaliser of any kind, dispatched by enum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Normaliser {
    /// See [`ZScore`].
    ZScore(ZScore),
    /// See [`MinMaxScale`].
    MinMax(MinMaxScale),
    /// See [`RobustScale`].
    Robust(RobustScale),
}

impl Normaliser {
    /// A normaliser over the last `period` values, `period >= 2`.
    pub fn new(kind: Normalisation, period: usize) -> Result<Self, IndicatorError> {
        Ok(match kind {
            Normalisation::ZScore => Self::ZScore(ZScore::new(period)?),
            Normalisation::MinMax => Self::MinMax(MinMaxScale::new(period)?),
            Normalisation::Robust => Self::Robust(RobustScale::new(period)?),
        })
    }
}

impl Indicator for Normaliser {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        match self {
            Self::ZScore(scale) => scale.step(x),
            Self::MinMax(scale) => scale.step(x),
            Self::Robust(scale) => scale.step(x),
        }
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        match self {
            Self::ZScore(scale) => scale.track(),
            Self::MinMax(scale) => scale.track(),
            Self::Robust(scale) => scale.track(),
        }
    }

    fn reset(&mut self) {
        match self {
            Self::ZScore(scale) => scale.reset(),
            Self::MinMax(scale) => scale.reset(),
            Self::Robust(scale) => scale.reset(),
        }
    }
}

fn check(indicator: &'static str, period: usize) -> Result<usize, IndicatorError> {
    if (2..=PERIOD_MAX).contains(&period) {
        Ok(period)
    } else {
        Err(IndicatorError::Period { indicator, parameter: "period", value: period, min: 2, max: PERIOD_MAX })
    }
}

/// `(x - least) / (greatest - least)` of the last `period` values, 0.5 when they are all equal; first value at index
/// `period - 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinMaxScale {
    extent: WindowRange,
    period: usize,
    track: Track<f64>,
}

impl MinMaxScale {
    /// Looks at the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check("min-max scale", period)?;
        Ok(Self { extent: WindowRange::new(period), period, track: Track::default() })
    }
}

impl Indicator for MinMaxScale {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn step(&mut self, x: f64) -> Option<f64> {
        let (greatest, least) = self.extent.push(x, x);
        let range = greatest - least;
        let position = if range > 0.0 { (x - least) / range } else { 0.5 };
        let ready = self.track.count() + 1 >= self.period as u64;
        self.track.record(ready.then_some(position))
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.extent.clear();
        self.track = Track::default();
    }
}

/// `(x - median) / (1.4826 MAD)` of the last `period` values; first value at index `period - 1`.
///
/// The factor makes the median absolute deviation estimate a normal standard deviation (Hampel 1974). Where more than
/// half of the window is one value the MAD is 0 and the result 0: a scale cannot be told. Medians of an even number are
/// means of the two middle values. An update costs O(log period) comparisons and one move of at most `period` numbers
/// in a sorted array, which for windows in the hundreds is faster than any tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustScale {
    /// The window in order of arrival, `head` the oldest once full.
    arrivals: Vec<f64>,
    head: usize,
    sorted: Vec<f64>,
    period: usize,
    track: Track<f64>,
}

impl RobustScale {
    /// 1 / (0.75 quantile of the standard normal distribution).
    const NORMAL: f64 = 1.482_602_218_505_602;

    /// Looks at the last `period` values.
    pub fn new(period: usize) -> Result<Self, IndicatorError> {
        check("robust scale", period)?;
        Ok(Self {
            arrivals: Vec::with_capacity(period),
            head: 0,
            sorted: Vec::with_capacity(period),
            period,
            track: Track::default(),
        })
    }

    fn insert(&mut self, x: f64) {
        if self.arrivals.len() < self.period {
            self.arrivals.push(x);
            let place = self.sorted.partition_point(|known| *known < x);
            self.sorted.insert(place, x);
            return;
        }
        let old = std::mem::replace(&mut self.arrivals[self.head], x);
        self.head = (self.head + 1) % self.period;
        let from = self.sorted.partition_point(|known| *known < old);
        let to = self.sorted.partition_point(|known| *known < x);
        // Only what lies between the two places moves.
        if to > from {
            self.sorted.copy_within(from + 1..to, from);
            self.sorted[to - 1] = x;
        } else {
            self.sorted.copy_within(to..from, to + 1);
            self.sorted[to] = x;
        }
    }

    fn median(&self) -> f64 {
        let n = self.sorted.len();
        let upper = self.sorted[n / 2];
        if n % 2 == 1 { upper } else { midpoint(self.sorted[n / 2 - 1], upper) }
    }

    /// Median of |x - centre|.
    fn median_deviation(&self, centre: f64) -> f64 {
        let n = self.sorted.len();
        let upper = self.deviation_of_rank(centre, n / 2);
        if n % 2 == 1 { upper } else { midpoint(self.deviation_of_rank(centre, n / 2 - 1), upper) }
    }

    /// The deviation of that rank (0 = least). Left and right of the centre deviations are sorted already, so this is the
    /// selection from two sorted sequences, by bisection.
    fn deviation_of_rank(&self, centre: f64, rank: usize) -> f64 {
        let split = self.sorted.partition_point(|x| *x < centre);
        let left = |i: usize| centre - self.sorted[split - 1 - i];
        let right = |i: usize| self.sorted[split + i] - centre;
        let (left_len, right_len) = (split, self.sorted.len() - split);
        // `taken` of the `rank + 1` least deviations come from the left, the others from the right.
        let wanted = rank + 1;
        let (mut low, mut high) = (wanted.saturating_sub(right_len), wanted.min(left_len));
        while low < high {
            let taken = low + (high - low) / 2;
            if left(taken) < right(wanted - taken - 1) {
                low = taken + 1;
            } else {
                high = taken;
            }
        }
        let from_left = if low > 0 { left(low - 1) } else { 0.0 };
        let from_right = if wanted > low { right(wanted - low - 1) } else { 0.0 };
        f64::max(from_left, from_right)
    }
}

fn midpoint(a: f64, b: f64) -> f64 {
    a + (b - a) / 2.0
}

impl Indicator for RobustScale {
    type Input = f64;
    type Output = f64;

    fn step(&mut self, x: f64) -> Option<f64> {
        // -0.0 and 0.0 compare equal, so either may be found when the other leaves; make them one.
        self.insert(x + 0.0);
        let ready = self.sorted.len() == self.period;
        let score = ready.then(|| {
            let median = self.median();
            let scale = Self::NORMAL * self.median_deviation(median);
            if scale > 0.0 { (x - median) / scale } else { 0.0 }
        });
        self.track.record(score)
    }

    #[inline]
    fn track(&self) -> &Track<f64> {
        &self.track
    }

    fn reset(&mut self) {
        self.arrivals.clear();
        self.sorted.clear();
        self.head = 0;
        self.track = Track::default();
    }
}
