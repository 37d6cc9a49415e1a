//! Watching a feed: is what arrives believable, and does anything arrive at all?
//!
//! [`Guard`] judges one instrument's updates before anybody sees them; [`Staleness`] knows since when a feed is silent;
//! [`Skew`] estimates how far the venue's clock and ours are apart, so that "too old" means something. Invariant: what a
//! guard refuses changes no reference, so one wild print cannot make the next good one look wild; but what keeps coming
//! is believed in the end ([`GuardLimits::confirm`]), because markets do move and venues do renumber. It decides
//! nothing about orders: the risk gate blocks on the stamps of what was delivered (`stale_data_max`).

use starling_core::fixed::Price;
use starling_core::time::{SECOND, UnixNanos};

use crate::quarantine::Reason;

/// How the venue's clock relates to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkewRule {
    /// Receive stamps lie this many nanoseconds after event stamps when nothing is late (negative: our clock is behind).
    Fixed(i64),
    /// The smallest difference among the first so many stamped updates, and any smaller one after that.
    Learned {
        /// Updates before anything is judged.
        samples: u32,
    },
    /// Stamps are not compared: a recording is replayed at another pace.
    Ignore,
}

/// The running estimate of receive clock minus venue clock, latency included.
#[derive(Debug, Clone, Copy)]
pub struct Skew {
    rule: SkewRule,
    seen: u32,
    least: i64,
}

impl Skew {
    /// By a rule.
    #[must_use]
    pub const fn new(rule: SkewRule) -> Self {
        Self { rule, seen: 0, least: i64::MAX }
    }

    /// Takes in a pair of stamps and gives how late the update is, negative if early; none while nothing is judged.
    pub fn late_ns(&mut self, ts_event: UnixNanos, ts_recv: UnixNanos) -> Option<i64> {
        if ts_event == UnixNanos::EPOCH {
            return None;
        }
        let apart = i128::from(ts_recv.get()) - i128::from(ts_event.get());
        let apart = i64::try_from(apart).unwrap_or(if apart < 0 { i64::MIN } else { i64::MAX });
        match self.rule {
            SkewRule::Ignore => None,
            SkewRule::Fixed(skew) => Some(apart.saturating_sub(skew)),
            SkewRule::Learned { samples } => {
                let least = self.least;
                self.seen = self.seen.saturating_add(1);
                if self.seen <= samples {
                    self.least = least.min(apart);
                    return None;
                }
                let late = apart.saturating_sub(least);
                // A little early: the line was slow while learning. Far early is the future, and judged as such.
                if late < 0 && late > -(SECOND as i64) {
                    self.least = apart;
                }
                Some(late)
            }
        }
    }

    /// The estimate, nanoseconds.
    #[must_use]
    pub const fn estimate_ns(&self) -> Option<i64> {
        match self.rule {
            SkewRule::Fixed(skew) => Some(skew),
            SkewRule::Learned { samples } if self.seen >= samples => Some(self.least),
            SkewRule::Learned { .. } | SkewRule::Ignore => None,
        }
    }
}

/// Limits of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimits {
    /// Furthest an update may be stamped in the future, nanoseconds. SEMANTICS: 5 s.
    pub future_max_ns: u64,
    /// Furthest in the past. SEMANTICS: 30 s.
    pub stale_max_ns: u64,
    /// Furthest a price may be from the reference, parts per million. SEMANTICS: 10 %.
    pub jump_max_ppm: u64,
    /// Furthest a trade number may be from the one before.
    pub sequence_span_max: u64,
    /// So many agreeing updates in a row make a refused level the new reference.
    pub confirm: u32,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            future_max_ns: 5 * SECOND,
            stale_max_ns: 30 * SECOND,
            jump_max_ppm: 100_000,
            sequence_span_max: 100_000,
            confirm: 3,
        }
    }
}

/// A value that was refused, and how often one near it came since.
#[derive(Debug, Clone, Copy, Default)]
struct Suspect<T> {
    value: T,
    times: u32,
}

/// What to make of a trade's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// It fits.
    Fits,
    /// The numbering starts anew here.
    Restarts,
}

/// The judge of one instrument.
#[derive(Debug, Clone)]
pub struct Guard {
    limits: GuardLimits,
    reference: Price,
    wild_price: Suspect<Price>,
    number: Option<u64>,
    wild_number: Suspect<u64>,
}

/// How far a price is from a reference, parts per million rounded down; zero without a reference.
fn apart_ppm(price: Price, reference: Price) -> u64 {
    let Ok(r) = u64::try_from(reference.units()) else { return 0 };
    let scaled = u128::from(price.units().abs_diff(reference.units())) * 1_000_000;
    scaled.checked_div(r.into()).map_or(0, |ppm| u64::try_from(ppm).unwrap_or(u64::MAX))
}

/// Whether [`apart_ppm`] is above `max`, without its division, which would be the dearest step of taking a price in.
#[inline]
fn is_beyond(price: Price, reference: Price, max: u64) -> bool {
    let Ok(r) = u64::try_from(reference.units()) else { return false };
    let scaled = u128::from(price.units().abs_diff(reference.units())) * 1_000_000;
    r > 0 && scaled >= u128::from(r) * (u128::from(max) + 1)
}

impl Guard {
    /// Without a reference: the first believable price is taken.
    #[must_use]
    pub const fn new(limits: GuardLimits) -> Self {
        Self {
            limits,
            reference: Price::ZERO,
            wild_price: Suspect { value: Price::ZERO, times: 0 },
            number: None,
            wild_number: Suspect { value: 0, times: 0 },
        }
    }

    /// Judges how late an update is, as [`Skew::late_ns`] gives it.
    pub fn time(&self, late_ns: Option<i64>) -> Result<(), Reason> {
        match late_ns {
            Some(late) if late < 0 && late.unsigned_abs() > self.limits.future_max_ns => {
                Err(Reason::Future(late.unsigned_abs()))
            }
            Some(late) if late > 0 && late.unsigned_abs() > self.limits.stale_max_ns => {
                Err(Reason::Stale(late.unsigned_abs()))
            }
            _ => Ok(()),
        }
    }

    /// Judges a price against the last one believed, and makes it the reference if it is.
    pub fn price(&mut self, price: Price) -> Result<(), Reason> {
        if !price.is_positive() {
            return Err(Reason::NotPositive);
        }
        if is_beyond(price, self.reference, self.limits.jump_max_ppm) {
            let near = !is_beyond(price, self.wild_price.value, self.limits.jump_max_ppm);
            let times = if self.wild_price.times > 0 && near { self.wild_price.times + 1 } else { 1 };
            self.wild_price = Suspect { value: price, times };
            if times < self.limits.confirm {
                return Err(Reason::Jump(apart_ppm(price, self.reference)));
            }
        }
        self.wild_price.times = 0;
        self.reference = price;
        Ok(())
    }

    /// Judges a quote: positive prices, bid not above ask, middle near the reference.
    pub fn quote(&mut self, bid: Price, ask: Price) -> Result<(), Reason> {
        if !bid.is_positive() || !ask.is_positive() {
            return Err(Reason::NotPositive);
        }
        if bid > ask {
            return Err(Reason::Crossed);
        }
        self.price(Price::midpoint(bid, ask))
    }

    /// Judges a trade's number where the venue numbers trades without holes.
    pub fn number(&mut self, id: u64) -> Result<Numbering, Reason> {
        let Some(last) = self.number else {
            self.number = Some(id);
            return Ok(Numbering::Fits);
        };
        let span = self.limits.sequence_span_max;
        if id.abs_diff(last) <= span {
            self.number = Some(last.max(id));
            self.wild_number.times = 0;
            return Ok(Numbering::Fits);
        }
        let near = self.wild_number.times > 0 && id.abs_diff(self.wild_number.value) <= span;
        self.wild_number = Suspect { value: id, times: if near { self.wild_number.times + 1 } else { 1 } };
        if self.wild_number.times < self.limits.confirm {
            return Err(Reason::Sequence(id));
        }
        self.wild_number.times = 0;
        self.number = Some(id);
        Ok(Numbering::Restarts)
    }
}

/// Whether a feed says something, by receive stamps.
#[derive(Debug, Clone, Copy)]
pub struct Staleness {
    max_ns: u64,
    last: UnixNanos,
    stale: bool,
}

/// A feed changed between alive and stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing came for too long.
    WentStale,
    /// Something came again.
    CameBack,
}

impl Staleness {
    /// Stale after `max_ns` without an update; alive from `now`.
    #[must_use]
    pub const fn new(max_ns: u64, now: UnixNanos) -> Self {
        Self { max_ns, last: now, stale: false }
    }

    /// An update came.
    #[inline]
    pub fn seen(&mut self, now: UnixNanos) -> Option<Turn> {
        self.last = self.last.max(now);
        std::mem::take(&mut self.stale).then_some(Turn::CameBack)
    }

    /// Looks at the time.
    pub fn check(&mut self, now: UnixNanos) -> Option<Turn> {
        if self.stale || now.since(self.last) <= self.max_ns {
            return None;
        }
        self.stale = true;
        Some(Turn::WentStale)
    }

    /// True while it is.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Nanoseconds since the last update.
    #[must_use]
    pub const fn age_ns(&self, now: UnixNanos) -> u64 {
        now.since(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(n: i64) -> Price {
        Price::from_int(n)
    }

    #[test]
    fn ten_per_cent_is_believed_and_a_little_more_only_when_it_stays() {
        let mut guard = Guard::new(GuardLimits::default());
        assert_eq!(guard.price(p(1_000)), Ok(()));
        assert_eq!(guard.price(p(1_100)), Ok(()), "the boundary");
        assert_eq!(guard.price(p(989)), Err(Reason::Jump(100_909)));
        assert_eq!(guard.price(p(1_100)), Ok(()));
        // A wild print between good ones never counts up.
        for _ in 0..5 {
            assert!(guard.price(p(2_000)).is_err());
            assert_eq!(guard.price(p(1_100)), Ok(()));
        }
        assert!(guard.price(p(2_000)).is_err() && guard.price(p(2_010)).is_err());
        assert_eq!(guard.price(p(2_020)), Ok(()));
        assert_eq!(guard.price(p(0)), Err(Reason::NotPositive));
    }

    #[test]
    fn quotes_cross_only_when_the_bid_is_above() {
        let mut guard = Guard::new(GuardLimits::default());
        assert_eq!(guard.quote(p(100), p(100)), Ok(()));
        assert_eq!(guard.quote(p(101), p(100)), Err(Reason::Crossed));
        assert_eq!(guard.quote(p(0), p(100)), Err(Reason::NotPositive));
    }

    #[test]
    fn beyond_is_what_the_division_says() {
        let mut rng = starling_sim::rng::SplitMix64::new(7);
        let units = [1, 2, 999_999, 1_000_000, 1_000_001, 61_837_630_000_000, i64::MAX - 1, i64::MAX];
        for n in 0..200_000u64 {
            let reference = units[(rng.next_u64() % 8) as usize];
            // Near the limits, anywhere, and at the edges.
            let price = match n % 3 {
                0 => {
                    i64::try_from(i128::from(reference) * (899_990 + i128::from(rng.next_u64() % 200_020)) / 1_000_000)
                        .unwrap_or(i64::MAX)
                }
                1 => (rng.next_u64() >> 1) as i64,
                _ => units[(rng.next_u64() % 8) as usize],
            };
            let (price, reference) = (Price::from_units(price), Price::from_units(reference));
            for max in [0, 1, 99_999, 100_000, u64::MAX - 1] {
                assert_eq!(is_beyond(price, reference, max), apart_ppm(price, reference) > max, "{price} {reference}");
            }
        }
        assert!(!is_beyond(Price::ONE, Price::ZERO, 0) && !is_beyond(Price::ONE, Price::from_units(-1), 0));
    }

    #[test]
    fn five_seconds_ahead_and_thirty_behind() {
        let guard = Guard::new(GuardLimits::default());
        let s = SECOND as i64;
        assert_eq!(guard.time(Some(-5 * s)), Ok(()));
        assert_eq!(guard.time(Some(-5 * s - 1)), Err(Reason::Future(5 * SECOND + 1)));
        assert_eq!(guard.time(Some(30 * s)), Ok(()));
        assert_eq!(guard.time(Some(30 * s + 1)), Err(Reason::Stale(30 * SECOND + 1)));
        assert_eq!(guard.time(None), Ok(()));
    }

    #[test]
    fn a_receive_clock_1272_ms_behind_is_learned() {
        // As in the captures of 2024-08-08: receive stamps lie 1.272 s before event stamps.
        let mut skew = Skew::new(SkewRule::Learned { samples: 3 });
        let recv = |ms: u64| UnixNanos::new(1_723_161_253_000_000_000 + ms * 1_000_000);
        let event = |ms: u64| recv(ms + 1_272);
        for late in [40, 0, 9] {
            assert_eq!(skew.late_ns(event(0), recv(late)), None);
        }
        assert_eq!(skew.estimate_ns(), Some(-1_272_000_000));
        assert_eq!(skew.late_ns(event(100), recv(131)), Some(31_000_000));
        assert_eq!(skew.late_ns(event(7_000), recv(0)), Some(-7_000_000_000));
        assert_eq!(skew.estimate_ns(), Some(-1_272_000_000), "the future teaches nothing");
        assert_eq!(skew.late_ns(UnixNanos::EPOCH, recv(0)), None);
        let mut fixed = Skew::new(SkewRule::Fixed(-1_272_000_000));
        assert_eq!(fixed.late_ns(event(0), recv(1)), Some(1_000_000));
    }

    #[test]
    fn a_lone_wild_number_is_refused_and_three_renumber() {
        let mut guard = Guard::new(GuardLimits::default());
        assert_eq!(guard.number(3_735_683_259), Ok(Numbering::Fits));
        assert_eq!(guard.number(3_735_683_261), Ok(Numbering::Fits));
        assert_eq!(guard.number(999_999_999_999), Err(Reason::Sequence(999_999_999_999)));
        assert_eq!(guard.number(3_735_683_262), Ok(Numbering::Fits));
        assert!(guard.number(1).is_err() && guard.number(2).is_err());
        assert_eq!(guard.number(3), Ok(Numbering::Restarts));
        assert_eq!(guard.number(4), Ok(Numbering::Fits));
    }

    #[test]
    fn staleness_turns_once_each_way() {
        let at = |s: u64| UnixNanos::new(1_000 * SECOND + s * SECOND);
        let mut feed = Staleness::new(30 * SECOND, at(0));
        assert_eq!(feed.check(at(30)), None);
        assert_eq!(feed.check(at(31)), Some(Turn::WentStale));
        assert_eq!(feed.check(at(32)), None);
        assert_eq!((feed.seen(at(33)), feed.seen(at(34))), (Some(Turn::CameBack), None));
        assert_eq!(feed.age_ns(at(40)), 6 * SECOND);
    }
}
