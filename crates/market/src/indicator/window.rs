//! Sliding-window aggregates without drift.
//!
//! All of them share one layout: a ring of `period` slots and a `head` that runs through it in laps. Slots before the
//! head belong to the current lap, slots from the head on to the previous one, and the window is what remains of the
//! previous lap (a suffix) joined with the current one (a running prefix). Suffixes are made in one backward pass when
//! the head reaches the end, O(period) once per `period` updates. This is the two-stack queue of the functional-
//! programming folklore, and for extremes the algorithm of van Herk (1992) and Gil & Werman (1993).
//!
//! Invariant: an update has no memory beyond its window (extremes, weighted sums, moments) or its window and the rest of
//! the previous lap (plain sums), so errors do not grow with the stream. Bounds, with u = 2^-53 and n = period: a sum is
//! within `2 n u sum|x|` of exact over at most `2 n` values, a weighted sum within `2 n u` relative to its absolute
//! terms, and a sum of squared deviations within a relative error of about `2 n^2 u`, because each half is centred on a
//! value that belongs to it. Extremes are exact.
//!
//! Not here: readiness. Until `period` values are in, results describe the values so far; indicators count.

mod extreme;
mod moments;
mod sum;

pub use extreme::{WindowMax, WindowMin, WindowRange};
pub use moments::{Moments, PairMoments, PairWindow, WindowMoments};
pub use sum::{Delay, WindowSum, WindowWeightedSum};
