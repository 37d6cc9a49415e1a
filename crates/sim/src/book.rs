//! The orders that rest at one instrument of a simulated venue, and the touch they wait for.
//!
//! Invariant: four thresholds say at which bid and ask the next order acts, so that a step of the market that reaches
//! none of them costs four comparisons, however many orders rest. What it does not do: fill. The exchange does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_core::order::Side;
use starling_core::{ClientOrderId, Price, Qty};

/// How a resting order wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Queue {
    /// A limit order: trades when the market comes to its price.
    Limit,
    /// A stop: triggered when the market moves against its owner.
    Stop,
    /// An if-touched order: triggered when the market moves in its owner's favour.
    Touch,
}

/// One side of the displayed market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Level {
    /// The price.
    pub(crate) price: Price,
    /// What the market showed.
    pub(crate) shown: Qty,
    /// What of it is left for us.
    pub(crate) left: Qty,
}

impl Level {
    /// A new display: what we took stays taken until price or size change.
    #[inline]
    pub(crate) fn refresh(&mut self, price: Price, size: Qty) {
        if self.price != price || self.shown != size {
            *self = Self { price, shown: size, left: size };
        }
    }
}

/// A queue in order of who acts first: price key, then arrival.
type Rank = BTreeMap<(i64, u64), ClientOrderId>;

/// The resting orders and the touch of one instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) bid: Level,
    pub(crate) ask: Level,
    /// The market has been seen.
    pub(crate) live: bool,
    /// Quotes have been seen: trade prints no longer move the touch.
    pub(crate) quoted: bool,
    /// Trading is open.
    pub(crate) open: bool,
    ranks: [Rank; 6],
    /// Trailing stops, moved with every step.
    pub(crate) trailing: Vec<ClientOrderId>,
    /// Orders that meet the market with its next step.
    pub(crate) waiting: Vec<ClientOrderId>,
    /// An order acts once the ask is at or under this.
    ask_falls_to: i64,
    /// An order acts once the bid is at or over this.
    bid_rises_to: i64,
    /// An order acts once the ask is at or over this.
    ask_rises_to: i64,
    /// An order acts once the bid is at or under this.
    bid_falls_to: i64,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            bid: Level::default(),
            ask: Level::default(),
            live: false,
            quoted: false,
            open: true,
            ranks: Default::default(),
            trailing: Vec::new(),
            waiting: Vec::new(),
            ask_falls_to: i64::MIN,
            bid_rises_to: i64::MAX,
            ask_rises_to: i64::MAX,
            bid_falls_to: i64::MIN,
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Queue operations of this thread: what an event costs, counted rather than timed.
    pub(crate) static OPERATIONS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[inline]
fn count_operation() {
    #[cfg(test)]
    OPERATIONS.with(|n| n.set(n.get() + 1));
}

fn slot(queue: Queue, side: Side) -> usize {
    let queue = match queue {
        Queue::Limit => 0,
        Queue::Stop => 2,
        Queue::Touch => 4,
    };
    queue + usize::from(side == Side::Sell)
}

/// True where a higher price acts first: a buyer waits below the market, a seller's stop too.
fn descends(queue: Queue, side: Side) -> bool {
    match queue {
        Queue::Limit | Queue::Touch => side == Side::Buy,
        Queue::Stop => side == Side::Sell,
    }
}

fn key(queue: Queue, side: Side, price: Price) -> i64 {
    if descends(queue, side) { -price.units() } else { price.units() }
}

impl Book {
    /// Puts an order into a queue.
    pub(crate) fn insert(&mut self, queue: Queue, side: Side, price: Price, arrival: u64, id: ClientOrderId) {
        count_operation();
        let before = self.ranks[slot(queue, side)].insert((key(queue, side, price), arrival), id);
        assert!(before.is_none(), "an arrival number is used once");
        self.update_thresholds();
    }

    /// Takes an order out of a queue.
    ///
    /// # Panics
    /// If it is not there: the exchange's own record says that it is.
    pub(crate) fn remove(&mut self, queue: Queue, side: Side, price: Price, arrival: u64) {
        count_operation();
        let found = self.ranks[slot(queue, side)].remove(&(key(queue, side, price), arrival));
        assert!(found.is_some(), "a resting order is in its queue");
        self.update_thresholds();
    }

    /// The first of a queue: its price and id.
    pub(crate) fn first(&self, queue: Queue, side: Side) -> Option<(Price, ClientOrderId)> {
        count_operation();
        let (&(key, _), &id) = self.ranks[slot(queue, side)].first_key_value()?;
        Some((Price::from_units(if descends(queue, side) { -key } else { key }), id))
    }

    fn update_thresholds(&mut self) {
        let at = |queue, side, none: i64| self.first(queue, side).map_or(none, |(price, _)| price.units());
        let ask_falls_to = at(Queue::Limit, Side::Buy, i64::MIN).max(at(Queue::Touch, Side::Buy, i64::MIN));
        let bid_rises_to = at(Queue::Limit, Side::Sell, i64::MAX).min(at(Queue::Touch, Side::Sell, i64::MAX));
        let ask_rises_to = at(Queue::Stop, Side::Buy, i64::MAX);
        let bid_falls_to = at(Queue::Stop, Side::Sell, i64::MIN);
        (self.ask_falls_to, self.bid_rises_to) = (ask_falls_to, bid_rises_to);
        (self.ask_rises_to, self.bid_falls_to) = (ask_rises_to, bid_falls_to);
    }

    /// True if a market between these two prices wakes nobody.
    #[inline]
    pub(crate) fn sleeps_through(
        &self,
        lowest_ask: Price,
        highest_bid: Price,
        highest_ask: Price,
        lowest_bid: Price,
    ) -> bool {
        lowest_ask.units() > self.ask_falls_to
            && highest_bid.units() < self.bid_rises_to
            && highest_ask.units() < self.ask_rises_to
            && lowest_bid.units() > self.bid_falls_to
            && self.trailing.is_empty()
            && self.waiting.is_empty()
    }

    /// The touch that an aggressive order of `side` trades against.
    pub(crate) fn opposite(&self, side: Side) -> &Level {
        match side {
            Side::Buy => &self.ask,
            Side::Sell => &self.bid,
        }
    }
    /// As [`Book::opposite`], to take from.
    pub(crate) fn opposite_mut(&mut self, side: Side) -> &mut Level {
        match side {
            Side::Buy => &mut self.ask,
            Side::Sell => &mut self.bid,
        }
    }
}
