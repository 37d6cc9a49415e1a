//! Mean, squared deviations and cross products over the last `period` values.
//!
//! Invariant: each half of the window is centred on a value that belongs to it (the prefix on the first value of the
//! lap, every suffix on the last), so the centred sums cancel by at most a factor of 2 n; the halves are joined with
//! the pairwise formula of Chan, Golub & LeVeque (1983). A window of equal values has deviations of exactly 0.
//! Does not divide by n or n - 1: population or sample is the indicator's choice.

use serde::{Deserialize, Serialize};

/// First two moments of a full window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    base: f64,
    offset: f64,
    /// Sum of squared deviations from the mean; never negative.
    pub squares: f64,
}

impl Moments {
    /// The mean.
    #[inline]
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.base + self.offset
    }

    /// `x - mean`, more exact than subtracting the rounded mean.
    #[inline]
    #[must_use]
    pub fn deviation(&self, x: f64) -> f64 {
        (x - self.base) - self.offset
    }
}

/// Before the head: `mean` is the raw value. From the head on: mean (relative to the lap's last value) and squared
/// deviations of the suffix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    mean: f64,
    squares: f64,
}

/// 1, 1/2, ..., 1/period: a multiplication takes a quarter of a division's time.
fn inverses(period: usize) -> Box<[f64]> {
    (1..=period).map(|n| 1.0 / n as f64).collect()
}

/// Mean and squared deviations of the last `period` values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowMoments {
    slots: Box<[Slot]>,
    head: usize,
    inverses: Box<[f64]>,
    /// First value of the current lap, and sums of the lap's distances from it.
    anchor: f64,
    sum: f64,
    squares: f64,
    /// Last value of the previous lap.
    suffix_anchor: f64,
}

impl WindowMoments {
    /// An empty window of `period >= 1` slots.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a window needs a slot");
        Self {
            slots: vec![Slot::default(); period].into(),
            head: 0,
            inverses: inverses(period),
            anchor: 0.0,
            sum: 0.0,
            squares: 0.0,
            suffix_anchor: 0.0,
        }
    }

    /// Appends `x`; the result is meaningful once `period` values are in.
    #[inline]
    pub fn push(&mut self, x: f64) -> Moments {
        if self.head == 0 {
            self.anchor = x;
            self.sum = 0.0;
            self.squares = 0.0;
        }
        let distance = x - self.anchor;
        self.sum += distance;
        self.squares += distance * distance;
        self.slots[self.head].mean = x;
        let inverse = self.inverses[self.head];
        self.head += 1;
        if self.head == self.slots.len() {
            return self.turn(x);
        }
        let share = self.head as f64 * self.inverses[self.slots.len() - 1];
        let offset = self.sum * inverse;
        let inner = (self.squares - self.sum * offset).max(0.0);
        let suffix = self.slots[self.head];
        let gap = (self.anchor - self.suffix_anchor) + (offset - suffix.mean);
        let older = (self.slots.len() - self.head) as f64;
        Moments {
            base: self.suffix_anchor,
            offset: suffix.mean + gap * share,
            squares: suffix.squares + inner + gap * gap * (older * share),
        }
    }

    /// Turns the finished lap into suffixes; `last` is its newest value.
    fn turn(&mut self, last: f64) -> Moments {
        let (mut sum, mut squares) = (0.0, 0.0);
        for (slot, inverse) in self.slots.iter_mut().rev().zip(&self.inverses) {
            let distance = slot.mean - last;
            sum += distance;
            squares += distance * distance;
            slot.mean = sum * inverse;
            slot.squares = f64::max(squares - sum * slot.mean, 0.0);
        }
        self.head = 0;
        self.suffix_anchor = last;
        Moments { base: last, offset: self.slots[0].mean, squares: self.slots[0].squares }
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        *self = Self::new(self.slots.len());
    }
}

/// Moments of a full window of pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairMoments {
    /// Mean of x.
    pub mean_x: f64,
    /// Mean of y.
    pub mean_y: f64,
    /// Sum of squared deviations of x.
    pub squares_x: f64,
    /// Sum of products of deviations.
    pub products: f64,
    /// Sum of squared deviations of y.
    pub squares_y: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct PairSlot {
    mean_x: f64,
    mean_y: f64,
    squares_x: f64,
    products: f64,
    squares_y: f64,
}

/// Centred sums of one half, relative to an anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct PairSums {
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl PairSums {
    #[inline]
    fn add(&mut self, x: f64, y: f64) {
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.yy += y * y;
    }

    #[inline]
    fn centred(&self, inverse: f64) -> PairSlot {
        let (mean_x, mean_y) = (self.x * inverse, self.y * inverse);
        PairSlot {
            mean_x,
            mean_y,
            squares_x: (self.xx - self.x * mean_x).max(0.0),
            products: self.xy - self.x * mean_y,
            squares_y: (self.yy - self.y * mean_y).max(0.0),
        }
    }
}

/// Means, squares and products of the last `period` pairs `(x, y)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairWindow {
    slots: Box<[PairSlot]>,
    head: usize,
    inverses: Box<[f64]>,
    anchor: (f64, f64),
    sums: PairSums,
    suffix_anchor: (f64, f64),
    /// What x loses when a lap ends: `period` when x is the position within the lap, else 0.
    lap_shift: f64,
}

impl PairWindow {
    /// An empty window of `period >= 1` slots for pairs given by the caller.
    #[must_use]
    pub fn new(period: usize) -> Self {
        assert!(period > 0, "a window needs a slot");
        Self {
            slots: vec![PairSlot::default(); period].into(),
            head: 0,
            inverses: inverses(period),
            anchor: (0.0, 0.0),
            sums: PairSums::default(),
            suffix_anchor: (0.0, 0.0),
            lap_shift: 0.0,
        }
    }

    /// An empty window for [`PairWindow::push_in_time`].
    #[must_use]
    pub fn over_time(period: usize) -> Self {
        Self { lap_shift: period as f64, ..Self::new(period) }
    }

    /// Appends `y` with its time in updates as x. Only meaningful on a window made by [`PairWindow::over_time`].
    #[inline]
    pub fn push_in_time(&mut self, y: f64) -> PairMoments {
        // The position within the lap keeps x small and exact however long the stream is.
        self.push(self.head as f64, y)
    }

    /// Appends a pair; the result is meaningful once `period` pairs are in.
    #[inline]
    pub fn push(&mut self, x: f64, y: f64) -> PairMoments {
        if self.head == 0 {
            self.anchor = (x, y);
            self.sums = PairSums::default();
        }
        self.sums.add(x - self.anchor.0, y - self.anchor.1);
        let slot = &mut self.slots[self.head];
        (slot.mean_x, slot.mean_y) = (x, y);
        let inverse = self.inverses[self.head];
        self.head += 1;
        if self.head == self.slots.len() {
            return self.turn(x, y);
        }
        let share = self.head as f64 * self.inverses[self.slots.len() - 1];
        let prefix = self.sums.centred(inverse);
        let suffix = self.slots[self.head];
        let gap_x = (self.anchor.0 - self.suffix_anchor.0) + (prefix.mean_x - suffix.mean_x);
        let gap_y = (self.anchor.1 - self.suffix_anchor.1) + (prefix.mean_y - suffix.mean_y);
        let weight = (self.slots.len() - self.head) as f64 * share;
        PairMoments {
            mean_x: self.suffix_anchor.0 + (suffix.mean_x + gap_x * share),
            mean_y: self.suffix_anchor.1 + (suffix.mean_y + gap_y * share),
            squares_x: suffix.squares_x + prefix.squares_x + gap_x * gap_x * weight,
            products: suffix.products + prefix.products + gap_x * gap_y * weight,
            squares_y: suffix.squares_y + prefix.squares_y + gap_y * gap_y * weight,
        }
    }

    /// Turns the finished lap into suffixes; `(x, y)` is its newest pair.
    fn turn(&mut self, x: f64, y: f64) -> PairMoments {
        let mut sums = PairSums::default();
        for (slot, inverse) in self.slots.iter_mut().rev().zip(&self.inverses) {
            sums.add(slot.mean_x - x, slot.mean_y - y);
            *slot = sums.centred(*inverse);
        }
        self.head = 0;
        self.suffix_anchor = (x - self.lap_shift, y);
        let whole = self.slots[0];
        PairMoments {
            mean_x: x + whole.mean_x,
            mean_y: y + whole.mean_y,
            squares_x: whole.squares_x,
            products: whole.products,
            squares_y: whole.squares_y,
        }
    }

    /// Forgets every pair.
    pub fn clear(&mut self) {
        let lap_shift = self.lap_shift;
        *self = Self { lap_shift, ..Self::new(self.slots.len()) };
    }
}
