//! The best bid and ask of one instrument across the venues that trade it.
//!
//! Invariant: a venue takes part while its last word is younger than the age the caller allows, judged by the stamp the
//! caller passes in; a stale price never wins. Equal prices go to the venue named first. A locked or crossed market is
//! reported as it is: across venues it is ordinary, and sometimes the point. Fees and latency are for the caller: this
//! compares prices as quoted.

use starling_core::fixed::{Price, Qty};
use starling_core::time::UnixNanos;

use crate::wire::Level;

/// Most venues of one instrument: the scan over them stays in a few cache lines.
pub const VENUES_MAX: usize = 64;

/// A venue's best bid and ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touch {
    /// Best bid; `None` where there is none.
    pub bid: Option<Level>,
    /// Best ask; `None` where there is none.
    pub ask: Option<Level>,
    /// When it was known.
    pub ts: UnixNanos,
}

/// One side of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BestSide {
    /// The venue that quotes it, of equals the first.
    pub venue: usize,
    /// Its price, and its quantity at that venue.
    pub level: Level,
    /// The quantity at that price over all venues; saturates at the range of a [`Qty`].
    pub total: Qty,
}

/// The market across venues at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Best {
    /// The highest bid.
    pub bid: Option<BestSide>,
    /// The lowest ask.
    pub ask: Option<BestSide>,
    /// Venues left out because they have been silent for too long, or have not spoken yet.
    pub stale: usize,
}

impl Best {
    /// True where best bid and best ask are the same price.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.prices().is_some_and(|(bid, ask)| bid == ask)
    }

    /// True where one venue bids more than another (or the same) asks.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        self.prices().is_some_and(|(bid, ask)| bid > ask)
    }

    fn prices(&self) -> Option<(Price, Price)> {
        Some((self.bid?.level.price, self.ask?.level.price))
    }
}

/// The touches of all venues of one instrument.
#[derive(Debug, Clone)]
pub struct Consolidated {
    touches: Vec<Option<Touch>>,
}

impl Consolidated {
    /// For so many venues, at most [`VENUES_MAX`]; they are spoken of by their place.
    #[must_use]
    pub fn new(venues: usize) -> Self {
        assert!(venues <= VENUES_MAX, "an instrument trades on at most 64 venues");
        Self { touches: vec![None; venues] }
    }

    /// A venue's touch is now this one. An older stamp than the venue's last is a late message and is left out; the
    /// answer says whether it was taken. A venue the book was not made for is a broken invariant.
    pub fn update(&mut self, venue: usize, touch: Touch) -> bool {
        let slot = &mut self.touches[venue];
        let taken = slot.is_none_or(|last| last.ts <= touch.ts);
        if taken {
            *slot = Some(touch);
        }
        taken
    }

    /// A venue's book is no longer known: it takes no part until its next update.
    pub fn forget(&mut self, venue: usize) {
        self.touches[venue] = None;
    }

    /// A venue's last touch.
    #[must_use]
    pub fn touch(&self, venue: usize) -> Option<Touch> {
        self.touches[venue]
    }

    /// The market at `now`, of the venues heard within `age_ns_max`; one whose stamp lies ahead of `now` is young.
    #[must_use]
    pub fn best(&self, now: UnixNanos, age_ns_max: u64) -> Best {
        let mut best = Best::default();
        for (venue, touch) in self.touches.iter().enumerate() {
            let Some(touch) = touch.filter(|t| now.since(t.ts) <= age_ns_max) else {
                best.stale += 1;
                continue;
            };
            better(&mut best.bid, venue, touch.bid, |new, old| new > old);
            better(&mut best.ask, venue, touch.ask, |new, old| new < old);
        }
        best
    }
}

fn better(best: &mut Option<BestSide>, venue: usize, level: Option<Level>, wins: impl Fn(Price, Price) -> bool) {
    let Some(level) = level.filter(|l| l.size.is_positive()) else { return };
    match best {
        Some(old) if old.level.price == level.price => {
            old.total = old.total.checked_add(level.size).unwrap_or(Qty::MAX);
        }
        Some(old) if !wins(level.price, old.level.price) => {}
        _ => *best = Some(BestSide { venue, level, total: level.size }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: i64, size: i64) -> Option<Level> {
        Some(Level { price: Price::from_int(price), size: Qty::from_int(size) })
    }
    fn touch(bid: i64, ask: i64, ts: u64) -> Touch {
        Touch { bid: level(bid, 2), ask: level(ask, 3), ts: UnixNanos::new(ts) }
    }

    #[test]
    fn the_best_of_three_venues_and_ties_by_their_order() {
        let mut market = Consolidated::new(3);
        assert_eq!(market.best(UnixNanos::new(0), u64::MAX), Best { stale: 3, ..Best::default() });
        market.update(2, touch(100, 103, 10));
        market.update(1, touch(101, 103, 11));
        market.update(0, touch(99, 104, 12));
        let best = market.best(UnixNanos::new(12), 5);
        let (bid, ask) = (best.bid.unwrap(), best.ask.unwrap());
        assert_eq!((bid.venue, bid.level.price, bid.total), (1, Price::from_int(101), Qty::from_int(2)));
        assert_eq!((ask.venue, ask.level.price, ask.total), (1, Price::from_int(103), Qty::from_int(6)));
        assert!(!best.is_locked() && !best.is_crossed());
    }

    #[test]
    fn a_stale_venue_does_not_win_and_comes_back_with_its_next_word() {
        let mut market = Consolidated::new(2);
        market.update(0, touch(105, 106, 10));
        market.update(1, touch(100, 103, 20));
        assert_eq!(market.best(UnixNanos::new(15), 5).bid.unwrap().venue, 0, "five old is within five");
        let best = market.best(UnixNanos::new(16), 5);
        assert_eq!((best.bid.unwrap().venue, best.stale), (1, 1), "a stamp ahead of now is young");
        market.update(0, touch(105, 106, 16));
        assert_eq!(market.best(UnixNanos::new(16), 5).bid.unwrap().venue, 0);
        market.forget(0);
        assert_eq!(market.best(UnixNanos::new(16), 5).bid.unwrap().venue, 1);
    }

    #[test]
    fn locked_and_crossed_markets_are_told_apart() {
        let mut market = Consolidated::new(2);
        market.update(0, touch(100, 102, 1));
        market.update(1, touch(102, 104, 1));
        assert!(market.best(UnixNanos::new(1), 0).is_locked());
        market.update(1, touch(103, 104, 2));
        assert!(market.best(UnixNanos::new(2), 1).is_crossed());
        assert!(!market.best(UnixNanos::new(2), 1).is_locked());
    }

    #[test]
    fn a_late_message_is_left_out_and_an_empty_side_is_no_price() {
        let mut market = Consolidated::new(1);
        assert!(market.update(0, touch(100, 102, 5)));
        assert!(!market.update(0, touch(90, 92, 4)));
        assert_eq!(market.touch(0), Some(touch(100, 102, 5)));
        assert!(market.update(0, Touch { bid: None, ask: level(102, 0), ts: UnixNanos::new(5) }));
        let best = market.best(UnixNanos::new(5), 0);
        assert_eq!((best.bid, best.ask, best.stale), (None, None, 0));
        assert!(!best.is_crossed());
    }
}
