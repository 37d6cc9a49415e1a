//! From origin to receipt: how long events took, as the two clocks have it.
//!
//! Invariant: least, most and the share below zero are exact; the median is exact up to 63 ns and within 1/64 beyond,
//! as it is counted in buckets. Memory is fixed.

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

/// Receipt minus origin over all events, in nanoseconds. Below zero a clock is wrong: something cannot be received
/// before it happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Skew {
    /// Events.
    pub events: u64,
    /// The least.
    pub min_ns: i64,
    /// The median.
    pub median_ns: i64,
    /// The most.
    pub max_ns: i64,
    /// Events received before they happened.
    pub negative: u64,
    /// How fast the difference grows, in nanoseconds a second: the slope of its least-squares line over the time of
    /// receipt. A clock that is only set wrongly has none.
    pub drift_ns_per_s: f64,
}

impl Eq for Skew {}

/// Buckets of a power of two.
const PARTS: u64 = 64;
/// Buckets of one sign: 64 exact ones and 64 for each power of two from 2^6 to 2^62.
const BUCKETS: usize = 64 + 57 * 64;

/// Counts differences.
#[derive(Debug, Clone)]
pub(super) struct SkewMeter {
    /// Of the differences from zero up, and of those below.
    buckets: [Box<[u64]>; 2],
    events: u64,
    negative: u64,
    min: i64,
    max: i64,
    /// The first event, which the sums are about, so that they stay small.
    origin: Option<(UnixNanos, i64)>,
    /// Sums of x, y, x*x, x*y: x in seconds, y in nanoseconds.
    sums: [f64; 4],
}

fn bucket(size: u64) -> usize {
    if size < PARTS {
        return size as usize;
    }
    let power = size.ilog2();
    let part = (size >> (power - 6)) - PARTS;
    (u64::from(power - 6) * PARTS + PARTS + part) as usize
}

/// The middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let (power, part) = ((bucket - PARTS) / PARTS, (bucket - PARTS) % PARTS);
    let width = 1 << power;
    ((PARTS + part) << power) + width / 2
}

impl SkewMeter {
    pub(super) fn new() -> Self {
        let buckets = || vec![0; BUCKETS].into_boxed_slice();
        Self {
            buckets: [buckets(), buckets()],
            events: 0,
            negative: 0,
            min: i64::MAX,
            max: i64::MIN,
            origin: None,
            sums: [0.0; 4],
        }
    }

    #[inline]
    pub(super) fn add(&mut self, origin: UnixNanos, receipt: UnixNanos) {
        let wide = i128::from(receipt.get()) - i128::from(origin.get());
        let skew = wide.clamp(i128::from(-i64::MAX), i128::from(i64::MAX)) as i64;
        self.events += 1;
        let below = skew < 0;
        self.negative += u64::from(below);
        self.buckets[usize::from(below)][bucket(skew.unsigned_abs())] += 1;
        self.min = self.min.min(skew);
        self.max = self.max.max(skew);
        let (first, base) = *self.origin.get_or_insert((receipt, skew));
        let x = (receipt.get() as f64 - first.get() as f64) / 1e9;
        let y = skew as f64 - base as f64;
        for (sum, value) in self.sums.iter_mut().zip([x, y, x * x, x * y]) {
            *sum += value;
        }
    }

    pub(super) fn skew(&self) -> Option<Skew> {
        if self.events == 0 {
            return None;
        }
        let n = self.events as f64;
        let [x, y, xx, xy] = self.sums;
        let spread = n * xx - x * x;
        let drift_ns_per_s = if spread > 0.0 { (n * xy - x * y) / spread } else { 0.0 };
        Some(Skew {
            events: self.events,
            min_ns: self.min,
            median_ns: self.median().clamp(self.min, self.max),
            max_ns: self.max,
            negative: self.negative,
            drift_ns_per_s,
        })
    }

    /// The lower of the two in the middle, from the least up.
    fn median(&self) -> i64 {
        let mut left = (self.events - 1) / 2;
        let [above, below] = &self.buckets;
        let down = below.iter().enumerate().rev().map(|(at, n)| (-(middle(at) as i64), *n));
        let up = above.iter().enumerate().map(|(at, n)| (middle(at) as i64, *n));
        for (value, n) in down.chain(up) {
            if left < n {
                return value;
            }
            left -= n;
        }
        unreachable!("the buckets hold all events")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meter(skews: &[i64], step_ns: u64) -> Skew {
        let mut meter = SkewMeter::new();
        for (n, skew) in skews.iter().enumerate() {
            let receipt = UnixNanos::new((1 << 60) + n as u64 * step_ns);
            meter.add(UnixNanos::new(receipt.get().wrapping_sub(skew.cast_unsigned())), receipt);
        }
        meter.skew().unwrap()
    }

    #[test]
    fn buckets_are_in_order_and_hold_their_middle() {
        for size in (0..100_000).chain((6..63).flat_map(|p| [(1_u64 << p) - 1, 1 << p, (1 << p) + 1])) {
            let at = bucket(size);
            assert!(at < BUCKETS && bucket(middle(at)) == at, "{size}");
            assert!(bucket(size + 1) >= at);
            assert!(middle(at).abs_diff(size) <= size / 64, "{size}: {}", middle(at));
        }
        assert!(bucket(i64::MAX.unsigned_abs()) < BUCKETS);
    }

    #[test]
    fn a_clock_set_wrongly_has_no_drift_and_one_that_runs_wrongly_has() {
        let steady = meter(&[-1_270_000_000; 100], 1_000_000_000);
        assert_eq!((steady.min_ns, steady.max_ns, steady.negative), (-1_270_000_000, -1_270_000_000, 100));
        assert_eq!((steady.median_ns, steady.drift_ns_per_s), (-1_270_000_000, 0.0));
        // 250 ns more each second.
        let skews: Vec<i64> = (0..1_000).map(|n| 5_000 + n * 250).collect();
        let growing = meter(&skews, 1_000_000_000);
        assert!((growing.drift_ns_per_s - 250.0).abs() < 1e-6, "{growing:?}");
        assert_eq!((growing.min_ns, growing.max_ns, growing.negative), (5_000, 254_750, 0));
        assert_eq!(meter(&[7], 0).drift_ns_per_s, 0.0);
        assert_eq!(SkewMeter::new().skew(), None);
    }

    proptest! {
        #[test]
        fn the_median_is_within_its_bucket(skews in prop::collection::vec(-1_000_000_i64..1_000_000, 1..200)) {
            let found = meter(&skews, 1_000);
            let mut sorted = skews.clone();
            sorted.sort_unstable();
            let exact = sorted[(sorted.len() - 1) / 2];
            prop_assert!(found.median_ns.abs_diff(exact) <= exact.unsigned_abs() / 64, "{} for {exact}", found.median_ns);
            prop_assert_eq!((found.min_ns, found.max_ns), (sorted[0], sorted[sorted.len() - 1]));
        }
    }
}
