//! A token bucket over passed-in time, in integers.
//!
//! Invariant: in any interval of length T at most `burst + rate * T` tokens are spent. Time that steps back adds nothing.
//! It does not wait; [`Bucket::ready_at`] says when it would be worth asking again.

use starling_core::time::{SECOND, UnixNanos};

/// Tokens per second with a burst.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Nanoseconds that one token takes to grow.
    grow_ns: u64,
    burst: u64,
    /// When the bucket was (or will be) empty: tokens are `(now - empty_at) / grow_ns`, at most `burst`.
    empty_at: u64,
    latest: u64,
}

impl Bucket {
    /// `tokens` per `per_ns` nanoseconds, of which up to `burst` may be spent at once; full at the start.
    ///
    /// # Panics
    /// If `tokens`, `per_ns` or `burst` is zero: such a bucket would never open.
    #[must_use]
    pub const fn new(tokens: u64, per_ns: u64, burst: u64) -> Self {
        assert!(tokens > 0 && per_ns > 0 && burst > 0, "a bucket that never opens");
        let grow_ns = if per_ns / tokens == 0 { 1 } else { per_ns.div_ceil(tokens) };
        Self { grow_ns, burst, empty_at: 0, latest: 0 }
    }

    /// `tokens` a second.
    #[must_use]
    pub const fn per_second(tokens: u64, burst: u64) -> Self {
        Self::new(tokens, SECOND, burst)
    }

    /// Spends `n` tokens, or none and gives false. More than the burst never succeeds.
    pub const fn take(&mut self, n: u64, now: UnixNanos) -> bool {
        let now = self.time(now);
        let floor = now.saturating_sub(self.burst.saturating_mul(self.grow_ns));
        let from = if self.empty_at > floor { self.empty_at } else { floor };
        let then = from.saturating_add(n.saturating_mul(self.grow_ns));
        if n > self.burst || then > now {
            return false;
        }
        self.empty_at = then;
        true
    }

    /// When `n` tokens will be there, if nobody spends any before.
    #[must_use]
    pub const fn ready_at(&self, n: u64) -> UnixNanos {
        UnixNanos::new(self.empty_at.saturating_add(n.saturating_mul(self.grow_ns)))
    }

    const fn time(&mut self, now: UnixNanos) -> u64 {
        if now.get() > self.latest {
            self.latest = now.get();
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_723_161_253 * SECOND;

    #[test]
    fn five_messages_a_second() {
        let mut bucket = Bucket::per_second(5, 5);
        let at = |ms: u64| UnixNanos::new(START + ms * 1_000_000);
        assert_eq!((0..9).filter(|_| bucket.take(1, at(0))).count(), 5);
        assert!(!bucket.take(1, at(199)));
        assert_eq!(bucket.ready_at(1), at(200));
        assert!(bucket.take(1, at(200)) && !bucket.take(1, at(399)) && bucket.take(1, at(400)));
        assert!(!bucket.take(6, at(1_000_000)), "more than the burst");
    }

    proptest! {
        #[test]
        fn no_interval_holds_more_than_its_share(
            steps in prop::collection::vec((0u64..2_000_000_000, 1u64..4), 1..200),
            back in 0u64..5_000_000_000,
        ) {
            let mut bucket = Bucket::per_second(3, 4);
            let mut spent: Vec<(u64, u64)> = Vec::new();
            // A stamp that steps back counts as the latest one before it.
            let (mut now, mut latest) = (START, START);
            for (at, (step, n)) in steps.into_iter().enumerate() {
                now += step / 4;
                // Every seventh reading of the clock lies in the past.
                let read = if at % 7 == 6 { now - back } else { now };
                latest = latest.max(read);
                if bucket.take(n, UnixNanos::new(read)) {
                    spent.push((latest, n));
                }
            }
            for from in 0..spent.len() {
                let mut sum = 0;
                for (t, n) in &spent[from..] {
                    sum += n;
                    prop_assert!(sum * SECOND <= 4 * SECOND + 3 * (t - spent[from].0) + 3 * 4);
                }
            }
        }
    }
}
