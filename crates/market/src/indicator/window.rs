//! Sliding-window aggregates without subtraction.
//!
//! All of them share one layout: a ring of `period` slots and a `head`. Slots before the head hold the raw values of
//! the current lap; slots from the head on hold, for the previous lap, the aggregate of that slot and all later
//! ones. The window is therefore `suffix(head) + running prefix`. When the head reaches the end, the raw values
//! are turned into suffixes in place, O(period) once per `period` updates. This is the two-stack queue of the
//! functional-programming folklore, and for extremes the algorithm of van Herk (1992) and Gil & Werman (1993).
//!
//! Invariant: nothing is ever subtracted from an aggregate, so an update has no memory beyond its window and no
//! drift. Error bounds (u = 2^-53, n = period): a sum is within `n u sum|x|` of exact; a sum of squared deviations
//! within a relative error of about `2 n^2 u`, because each half is centred on a value that belongs to it.
//!
//! Not here: readiness. Until `period` values are in, results describe the values so far; indicators count.

mod extreme;
mod moments;
mod sum;

pub use extreme::{WindowMax, WindowMin};
pub use moments::{Moments, PairMoments, PairWindow, WindowMoments};
pub use sum::{Delay, WindowSum, WindowWeightedSum};
