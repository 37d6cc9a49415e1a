//! How long to wait before the next attempt: exponential with full jitter, without end.
//!
//! The n-th wait is uniform in [0, min(cap, base * 2^n)] (M. Brooker, "Exponential Backoff And Jitter", AWS
//! Architecture Blog, 2015: "full jitter"), so that a thousand clients of one venue do not come back as one. Invariant:
//! no wait exceeds the cap, and there is no last attempt. It does not sleep; the caller does.

use starling_core::time::{MILLISECOND, SECOND};
use starling_sim::rng::SplitMix64;

/// Longest wait between two attempts, nanoseconds.
pub const BACKOFF_CAP_NS: u64 = 60 * SECOND;
/// Bound of the first wait, nanoseconds.
pub const BACKOFF_BASE_NS: u64 = 250 * MILLISECOND;

/// Waits of one connection.
#[derive(Debug, Clone)]
pub struct Backoff {
    base_ns: u64,
    cap_ns: u64,
    attempt: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(BACKOFF_BASE_NS, BACKOFF_CAP_NS)
    }
}

impl Backoff {
    /// With the bound of the first wait, and of all.
    #[must_use]
    pub const fn new(base_ns: u64, cap_ns: u64) -> Self {
        Self { base_ns, cap_ns, attempt: 0 }
    }

    /// The next wait in nanoseconds.
    pub fn next_ns(&mut self, rng: &mut SplitMix64) -> u64 {
        let doubled = 1u64.checked_shl(self.attempt).unwrap_or(u64::MAX);
        let bound = self.base_ns.saturating_mul(doubled).min(self.cap_ns);
        self.attempt = self.attempt.saturating_add(1);
        // Multiply-shift maps 64 random bits to [0, bound] without a division.
        ((u128::from(rng.next_u64()) * (u128::from(bound) + 1)) >> 64) as u64
    }

    /// Attempts since the last success.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempt
    }

    /// The connection proved itself: start over.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_fill_their_bounds_and_stop_growing_at_the_cap() {
        // Of 4,000 uniform draws the mean lies within 3 % of bound / 2, and the extremes near 0 and the bound.
        for attempt in [0u32, 3, 8, 40, 200, u32::MAX] {
            let bound = (250u128 << attempt.min(60)).min(60_000) * 1_000_000;
            let mut rng = SplitMix64::new(u64::from(attempt) + 1);
            let draws: Vec<u64> = (0..4_000)
                .map(|_| Backoff { base_ns: BACKOFF_BASE_NS, cap_ns: BACKOFF_CAP_NS, attempt }.next_ns(&mut rng))
                .collect();
            let mean = draws.iter().map(|d| u128::from(*d)).sum::<u128>() / 4_000;
            assert!(draws.iter().all(|d| u128::from(*d) <= bound), "attempt {attempt}");
            assert!(mean > bound * 47 / 100 && mean < bound * 53 / 100, "attempt {attempt}: {mean} of {bound}");
            assert!(u128::from(*draws.iter().max().unwrap()) > bound * 99 / 100);
            assert!(u128::from(*draws.iter().min().unwrap()) < bound / 100);
        }
    }

    #[test]
    fn success_starts_over() {
        let (mut rng, mut backoff) = (SplitMix64::new(9), Backoff::default());
        for _ in 0..20 {
            backoff.next_ns(&mut rng);
        }
        backoff.reset();
        assert!(backoff.next_ns(&mut rng) <= BACKOFF_BASE_NS);
        assert_eq!(backoff.attempts(), 1);
    }
}
