//! Sums over the last `period` values, plain and linearly weighted, and a delay line.
//!
//! Invariant: see [`super`]. Does not divide: averages are the indicator's business.

use serde::{Deserialize, Serialize};

/// Sum of the last `period` values.
///
/// The slots hold prefix sums of their lap; what is left of the previous lap is its total less one of its prefixes. That
/// is the one subtraction in this module: it needs no pass over the window, and the error stays within
/// `2 n u sum|x|` over the last two laps. For values >= 0 the sum is never negative, and exactly 0 when all are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowSum {
    slots: Box<[f64]>,
    head: usize,
    prefix: f64,
    previous_lap: f64,
}

impl WindowSum {
    /// An empty window of `period >= 1` slots.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a window needs a slot");
        Self { slots: vec![0.0; period].into(), head: 0, prefix: 0.0, previous_lap: 0.0 }
    }

    /// Appends `x` and returns the sum of the last `period` values.
    #[inline]
    pub fn push(&mut self, x: f64) -> f64 {
        self.prefix += x;
        let left = std::mem::replace(&mut self.slots[self.head], self.prefix);
        let sum = self.prefix + (self.previous_lap - left);
        self.head += 1;
        if self.head == self.slots.len() {
            self.head = 0;
            self.previous_lap = std::mem::take(&mut self.prefix);
        }
        sum
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.slots.fill(0.0);
        self.head = 0;
        self.prefix = 0.0;
        self.previous_lap = 0.0;
    }
}

/// Linearly weighted sum of the last `period` values: weight 1 for the oldest, `period` for the newest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowWeightedSum {
    slots: Box<[f64]>,
    head: usize,
    prefix: f64,
    prefix_weighted: f64,
}

impl WindowWeightedSum {
    /// An empty window of `period >= 1` slots.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a window needs a slot");
        Self { slots: vec![0.0; period].into(), head: 0, prefix: 0.0, prefix_weighted: 0.0 }
    }

    /// Appends `x` and returns the weighted sum of the last `period` values.
    #[inline]
    pub fn push(&mut self, x: f64) -> f64 {
        self.slots[self.head] = x;
        self.head += 1;
        self.prefix += x;
        self.prefix_weighted += self.head as f64 * x;
        if self.head == self.slots.len() {
            let (mut plain, mut weighted) = (0.0, 0.0);
            for slot in self.slots.iter_mut().rev() {
                // A value put before the suffix gets weight 1 and raises every other weight by 1.
                plain += *slot;
                weighted += plain;
                *slot = weighted;
            }
            self.head = 0;
            self.prefix = 0.0;
            self.prefix_weighted = 0.0;
        }
        let older = (self.slots.len() - self.head) as f64;
        self.slots[self.head] + older * self.prefix + self.prefix_weighted
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.slots.fill(0.0);
        self.head = 0;
        self.prefix = 0.0;
        self.prefix_weighted = 0.0;
    }
}

/// Gives back the value of `period` updates ago.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    slots: Box<[f64]>,
    head: usize,
}

impl Delay {
    /// A delay of `period >= 1` updates.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a delay needs a slot");
        Self { slots: vec![0.0; period].into(), head: 0 }
    }

    /// Stores `x` and returns the value stored `period` updates ago (0 before there is one).
    #[inline]
    pub fn push(&mut self, x: f64) -> f64 {
        let old = std::mem::replace(&mut self.slots[self.head], x);
        self.head += 1;
        if self.head == self.slots.len() {
            self.head = 0;
        }
        old
    }

    /// The stored values, in no particular order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.slots
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.slots.fill(0.0);
        self.head = 0;
    }
}
