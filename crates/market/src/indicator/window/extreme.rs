//! Greatest and least of the last `period` values.
//!
//! Invariant: see [`super`]; comparisons only, so results are exact. The empty window holds the extreme finite number
//! rather than an infinity, because JSON snapshots have none. Does not say where the extreme stood.

use serde::{Deserialize, Serialize};

/// Greatest of the last `period` values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowMax {
    slots: Box<[f64]>,
    head: usize,
    prefix: f64,
}

/// `if a > b` compiles to one instruction; `f64::max` has to honour NaN, which never gets here.
#[inline]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

impl WindowMax {
    /// An empty window of `period >= 1` slots.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a window needs a slot");
        Self { slots: vec![f64::MIN; period].into(), head: 0, prefix: f64::MIN }
    }

    /// Appends `x` and returns the greatest of the last `period` values.
    #[inline]
    pub fn push(&mut self, x: f64) -> f64 {
        self.prefix = greater(self.prefix, x);
        self.slots[self.head] = x;
        self.head += 1;
        if self.head == self.slots.len() {
            let mut suffix = f64::MIN;
            for slot in self.slots.iter_mut().rev() {
                suffix = greater(suffix, *slot);
                *slot = suffix;
            }
            self.head = 0;
            self.prefix = f64::MIN;
        }
        greater(self.prefix, self.slots[self.head])
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.slots.fill(f64::MIN);
        self.head = 0;
        self.prefix = f64::MIN;
    }
}

/// Least of the last `period` values: the greatest of the negated ones, which negation leaves exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowMin(WindowMax);

impl WindowMin {
    /// An empty window of `period >= 1` slots.
    #[must_use]
    pub fn new(period: usize) -> Self {
        Self(WindowMax::new(period))
    }

    /// Appends `x` and returns the least of the last `period` values.
    #[inline]
    pub fn push(&mut self, x: f64) -> f64 {
        -self.0.push(-x)
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Greatest and least of a pair of series, in one pass: the highest high and the lowest low.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowRange {
    highs: Box<[f64]>,
    lows: Box<[f64]>,
    head: usize,
    highest: f64,
    lowest: f64,
}

#[inline]
fn less(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

impl WindowRange {
    /// An empty window of `period >= 1` slots.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a window needs a slot");
        Self {
            highs: vec![f64::MIN; period].into(),
            lows: vec![f64::MAX; period].into(),
            head: 0,
            highest: f64::MIN,
            lowest: f64::MAX,
        }
    }

    /// Appends `high` and `low` and returns (highest, lowest) of the last `period` ones.
    #[inline]
    pub fn push(&mut self, high: f64, low: f64) -> (f64, f64) {
        self.highest = greater(self.highest, high);
        self.lowest = less(self.lowest, low);
        self.highs[self.head] = high;
        self.lows[self.head] = low;
        self.head += 1;
        if self.head == self.highs.len() {
            (self.highest, self.lowest) = (f64::MIN, f64::MAX);
            for (high, low) in self.highs.iter_mut().zip(&mut self.lows).rev() {
                self.highest = greater(self.highest, *high);
                self.lowest = less(self.lowest, *low);
                *high = self.highest;
                *low = self.lowest;
            }
            self.head = 0;
            (self.highest, self.lowest) = (f64::MIN, f64::MAX);
        }
        (greater(self.highest, self.highs[self.head]), less(self.lowest, self.lows[self.head]))
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        *self = Self::new(self.highs.len());
    }
}
