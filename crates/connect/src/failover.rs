//! One instrument, several providers: which of them is listened to.
//!
//! Health is how long ago a provider said something, never a timer of its own. Silence alone proves nothing: a quiet
//! instrument is quiet everywhere. So a provider is left only when it has said nothing for [`FailoverLimits::stale_ns`]
//! *while another has spoken for as long*, or when its connection is known to be lost. Invariants: exactly one provider is
//! listened to, and it is left only for a fresh one; a better one is returned to only after it has been
//! fresh without a break for [`FailoverLimits::settle_ns`], so that a flapping line does not flap the feed. With all stale
//! nothing changes: the alarm is the staleness itself. It merges no data: after a switch books and sequences start anew.

use starling_core::time::{SECOND, UnixNanos};

/// Limits of a failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailoverLimits {
    /// A provider silent for longer is stale, nanoseconds.
    pub stale_ns: u64,
    /// How long a better provider must be fresh without a break before it is returned to, nanoseconds.
    pub settle_ns: u64,
}

impl Default for FailoverLimits {
    fn default() -> Self {
        Self { stale_ns: 5 * SECOND, settle_ns: 30 * SECOND }
    }
}

#[derive(Debug, Clone, Copy)]
struct Provider {
    last: UnixNanos,
    /// Since when it has been fresh without a break.
    fresh_since: Option<UnixNanos>,
}

/// A switch from one provider to another, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// The one that was listened to.
    pub from: usize,
    /// The one that is now.
    pub to: usize,
}

/// Chooses among providers; the first is the primary, the others follow in order of preference.
#[derive(Debug, Clone)]
pub struct Failover {
    limits: FailoverLimits,
    providers: Vec<Provider>,
    active: usize,
    /// Since when another has spoken of what the active one is silent about.
    outspoken: Option<UnixNanos>,
}

/// Lines tell the same thing a little apart: what another says within this share of `stale_ns` after the active one is no
/// sign that the active one is silent.
const APART: u64 = 10;

impl Failover {
    /// # Panics
    /// Without any provider.
    #[must_use]
    pub fn new(providers: usize, limits: FailoverLimits, now: UnixNanos) -> Self {
        assert!(providers > 0, "a failover needs a provider");
        let provider = Provider { last: now, fresh_since: None };
        Self { limits, providers: vec![provider; providers], active: 0, outspoken: None }
    }

    /// The place of the one listened to.
    #[must_use]
    pub const fn active(&self) -> usize {
        self.active
    }

    /// A provider delivered something.
    pub fn seen(&mut self, place: usize, now: UnixNanos) {
        let provider = &mut self.providers[place];
        if now.since(provider.last) > self.limits.stale_ns {
            provider.fresh_since = None;
        }
        provider.last = provider.last.max(now);
        provider.fresh_since.get_or_insert(now);
        if place == self.active {
            self.outspoken = None;
        } else if now.since(self.providers[self.active].last) > self.limits.stale_ns / APART {
            self.outspoken.get_or_insert(now);
        }
    }

    /// A provider's connection is known to be lost.
    pub fn lost(&mut self, place: usize) {
        self.providers[place] = Provider { last: UnixNanos::EPOCH, fresh_since: None };
    }

    /// True while nothing fresh is to be had: new risk must wait.
    #[must_use]
    pub fn is_stale(&self, now: UnixNanos) -> bool {
        !self.is_fresh(self.active, now)
    }

    fn is_fresh(&self, place: usize, now: UnixNanos) -> bool {
        let provider = &self.providers[place];
        provider.fresh_since.is_some() && now.since(provider.last) <= self.limits.stale_ns
    }

    /// Looks at the time, and switches if that is due.
    pub fn check(&mut self, now: UnixNanos) -> Option<Switch> {
        let from = self.active;
        for place in 0..self.providers.len() {
            if !self.is_fresh(place, now) {
                self.providers[place].fresh_since = None;
            }
        }
        let settled = |p: &Provider| p.fresh_since.is_some_and(|since| now.since(since) >= self.limits.settle_ns);
        let better = (0..from).find(|place| settled(&self.providers[*place]));
        let fresh = || (0..self.providers.len()).find(|place| self.is_fresh(*place, now));
        let lost = self.providers[from].last == UnixNanos::EPOCH;
        let outspoken = self.outspoken.is_some_and(|since| now.since(since) >= self.limits.stale_ns);
        // One that has just come back is better than nothing at all.
        self.active = match better {
            Some(place) => place,
            None if self.is_fresh(from, now) || !(lost || outspoken) => from,
            None => fresh().unwrap_or(from),
        };
        if self.active != from {
            self.outspoken = None;
        }
        (self.active != from).then_some(Switch { from, to: self.active })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> UnixNanos {
        UnixNanos::new((1_000_000 + s) * SECOND)
    }

    #[test]
    fn leaves_a_stale_primary_and_returns_when_it_has_settled() {
        let mut failover = Failover::new(3, FailoverLimits::default(), at(0));
        for s in 0..=10 {
            failover.seen(0, at(s));
            failover.seen(2, at(s));
            assert_eq!(failover.check(at(s)), None);
        }
        // The primary falls silent at 10; the second never spoke, so the third takes over after 5 s.
        for s in 11..=15 {
            failover.seen(2, at(s));
            assert_eq!(failover.check(at(s)), None, "{s}");
        }
        failover.seen(2, at(16));
        assert_eq!(failover.check(at(16)), Some(Switch { from: 0, to: 2 }));
        // It is back at 20, breaks off from 30 to 40, and is trusted again 30 s after that.
        let mut back = None;
        for s in 20..120 {
            if !(30..40).contains(&s) {
                failover.seen(0, at(s));
            }
            failover.seen(2, at(s));
            if let Some(switch) = failover.check(at(s)) {
                assert_eq!(back.replace((s, switch)), None);
            }
        }
        assert_eq!(back, Some((70, Switch { from: 2, to: 0 })));
    }

    #[test]
    fn with_all_stale_nothing_changes_and_who_speaks_alone_is_taken() {
        let mut failover = Failover::new(2, FailoverLimits::default(), at(0));
        failover.seen(0, at(0));
        failover.seen(1, at(0));
        assert_eq!(failover.check(at(60)), None);
        assert!(failover.is_stale(at(60)));
        for s in 61..=65 {
            failover.seen(1, at(s));
            assert_eq!(failover.check(at(s)), None, "the first may be only a little later");
        }
        failover.seen(1, at(66));
        assert_eq!(failover.check(at(66)), Some(Switch { from: 0, to: 1 }));
        assert!(!failover.is_stale(at(66)));
        // A line that is known to be lost is left at once.
        failover.lost(1);
        failover.seen(0, at(67));
        assert_eq!(failover.check(at(67)), Some(Switch { from: 1, to: 0 }));
    }

    #[test]
    fn a_quiet_instrument_does_not_flap() {
        let mut failover = Failover::new(2, FailoverLimits::default(), at(0));
        // A word every 20 s on both lines, now this one first, now that one, a millisecond apart.
        for n in 0..50 {
            let (first, second) = if n % 2 == 0 { (0, 1) } else { (1, 0) };
            let now = at(20 * n);
            failover.seen(first, now);
            assert_eq!(failover.check(now), None);
            failover.seen(second, now.saturating_add(1_000_000));
            for s in 1..20 {
                assert_eq!(failover.check(at(20 * n + s)), None);
            }
        }
        assert_eq!(failover.active(), 0);
    }
}
