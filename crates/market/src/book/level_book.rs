//! A level-2 book: two ladders, the messages that change them, and what is read off them.
//!
//! Invariant: after a message without an error, each side holds what the venue's messages add up to, cut to the depth
//! subscribed to. Whether the messages were complete is not known here: that is the business of
//! [`SyncedBook`](super::SyncedBook). A book may cross (within a message, or because the venue says so); it is reported,
//! never repaired.

use starling_core::fixed::{Price, Qty, Rounding, div_round};
use starling_core::order::Side;

use super::ladder::{Ladder, Levels, Shape};
use super::{BookError, Checksum};
use crate::wire::{Batch, BookUpdate, Coverage, Level};

/// What a market order would get out of a book, fees apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sweep {
    /// How much of it the book fills.
    pub filled: Qty,
    /// The average price of that, rounded against the taker to 1e-9; `None` where nothing is filled.
    pub average: Option<Price>,
    /// The price of its last fill; `None` where nothing is filled.
    pub worst: Option<Price>,
    /// How many levels it touches.
    pub levels: usize,
}

/// Both sides of a level-2 book.
#[derive(Debug, Clone)]
pub struct LevelBook {
    bids: Ladder,
    asks: Ladder,
    depth: Option<usize>,
}

impl LevelBook {
    /// An empty book of the default [`Shape`]; the tick must be positive.
    #[must_use]
    pub fn new(tick: Price) -> Self {
        Self::with_shape(tick, Shape::default())
    }

    /// An empty book; the tick must be positive, and the shape's window as [`Shape::window`] says.
    #[must_use]
    pub fn with_shape(tick: Price, shape: Shape) -> Self {
        Self {
            bids: Ladder::new(Side::Buy, tick, shape),
            asks: Ladder::new(Side::Sell, tick, shape),
            depth: shape.depth,
        }
    }

    /// One side: bids under [`Side::Buy`], asks under [`Side::Sell`].
    #[must_use]
    #[inline]
    pub fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Sets one level of one side; zero deletes it. The depth is not enforced before the message is complete.
    #[inline]
    pub fn apply(&mut self, side: Side, level: Level) -> Result<(), BookError> {
        match side {
            Side::Buy => self.bids.set(level),
            Side::Sell => self.asks.set(level),
        }
    }

    /// A whole message, its levels in the batch it was decoded to.
    pub fn apply_update(&mut self, update: &BookUpdate, batch: &Batch) -> Result<(), BookError> {
        self.apply_levels(update.coverage, batch.levels_of(update.bids), batch.levels_of(update.asks))
    }

    /// A whole message, by its levels. After an error the book holds a part of it.
    pub fn apply_levels(&mut self, coverage: Coverage, bids: &[Level], asks: &[Level]) -> Result<(), BookError> {
        if coverage == Coverage::Snapshot {
            self.clear();
        }
        for level in bids {
            self.bids.set(*level)?;
        }
        for level in asks {
            self.asks.set(*level)?;
        }
        if let Some(depth) = self.depth {
            self.bids.truncate(depth);
            self.asks.truncate(depth);
        }
        Ok(())
    }

    /// Removes all levels.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// The highest bid.
    #[must_use]
    #[inline]
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.best()
    }

    /// The lowest ask.
    #[must_use]
    #[inline]
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.best()
    }

    /// The best levels of a side, best first, at most `count`.
    pub fn levels(&self, side: Side, count: usize) -> std::iter::Take<Levels<'_>> {
        self.side(side).levels().take(count)
    }

    /// The quantity that rests at `price` or better; saturates at the range of a [`Qty`].
    #[must_use]
    pub fn depth(&self, side: Side, price: Price) -> Qty {
        let within = |level: &Level| match side {
            Side::Buy => level.price >= price,
            Side::Sell => level.price <= price,
        };
        let total: i128 = self.side(side).levels().take_while(within).map(|l| i128::from(l.size.units())).sum();
        Qty::from_units(i64::try_from(total).unwrap_or(i64::MAX))
    }

    /// The midpoint of bid and ask; `None` where a side is empty.
    #[must_use]
    pub fn mid(&self) -> Option<Price> {
        Some(Price::midpoint(self.best_bid()?.price, self.best_ask()?.price))
    }

    /// Ask less bid, negative in a crossed book; `None` where a side is empty.
    #[must_use]
    pub fn spread(&self) -> Option<Price> {
        let (bid, ask) = (self.best_bid()?.price, self.best_ask()?.price);
        ask.units().checked_sub(bid.units()).map(Price::from_units)
    }

    /// The mid weighted by the quantity on the opposite side, for features (the weighted mid of Stoikov 2018, "The
    /// micro-price: a high-frequency estimator of future prices"); `None` where a side is empty.
    #[must_use]
    pub fn microprice(&self) -> Option<f64> {
        let (bid, ask) = (self.best_bid()?, self.best_ask()?);
        let (bid_size, ask_size) = (bid.size.to_f64(), ask.size.to_f64());
        let share = bid_size / (bid_size + ask_size);
        Some(ask.price.to_f64() * share + bid.price.to_f64() * (1.0 - share))
    }

    /// `(bids - asks) / (bids + asks)` over the quantities of the best `count` levels a side, in [-1, 1]; `None` where
    /// both sides are empty.
    #[must_use]
    pub fn imbalance(&self, count: usize) -> Option<f64> {
        let total = |side| self.levels(side, count).map(|l| i128::from(l.size.units())).sum::<i128>();
        let (bids, asks) = (total(Side::Buy), total(Side::Sell));
        (bids + asks > 0).then(|| (bids - asks) as f64 / (bids + asks) as f64)
    }

    /// What a market order of `taker`'s side and this quantity would get: a purchase sweeps the asks.
    #[must_use]
    pub fn sweep(&self, taker: Side, qty: Qty) -> Sweep {
        let (mut sweep, mut cost) = (Sweep::default(), 0i128);
        for level in self.side(taker.opposite()).levels() {
            let left = qty.units() - sweep.filled.units();
            if left <= 0 {
                break;
            }
            let taken = level.size.units().min(left);
            sweep.filled = Qty::from_units(sweep.filled.units() + taken);
            sweep.worst = Some(level.price);
            sweep.levels += 1;
            // At most 2^63 units in all, at prices below 2^63: no sum can pass 2^126.
            cost += i128::from(level.price.units()) * i128::from(taken);
        }
        if sweep.filled.is_positive() {
            let against = if taker == Side::Buy { Rounding::Ceil } else { Rounding::Floor };
            let average = div_round(cost, sweep.filled.units().into(), against);
            sweep.average = Some(Price::from_units(i64::try_from(average).expect("an average lies among the prices")));
        }
        sweep
    }

    /// True where a buyer bids more than a seller asks: a fault of the book, unless the venue is in an auction.
    #[must_use]
    #[inline]
    pub fn is_crossed(&self) -> bool {
        matches!((self.best_bid(), self.best_ask()), (Some(bid), Some(ask)) if bid.price > ask.price)
    }

    /// True where best bid and best ask are the same price.
    #[must_use]
    #[inline]
    pub fn is_locked(&self) -> bool {
        matches!((self.best_bid(), self.best_ask()), (Some(bid), Some(ask)) if bid.price == ask.price)
    }

    /// The checksum the venue would send for this book.
    #[must_use]
    pub fn checksum(&self, rule: Checksum) -> u32 {
        rule.of(self)
    }
}

#[cfg(test)]
mod tests;
