//! A level-3 book: every resting order, first come first served at its price.
//!
//! Invariants: each order stands in exactly one queue; a level's total is the sum of its orders and positive; a level
//! without orders does not exist. Priority follows the common rule of price-time venues (Nasdaq TotalView-ITCH 5.0,
//! CME MDP 3.0): a change of price or a larger quantity goes to the back of the queue, a smaller quantity keeps its place.
//! Nothing is matched here: trades arrive as reductions and deletes, like everything else.

use std::collections::BTreeMap;

use starling_core::fixed::{Price, Qty};
use starling_core::fixed_map::FixedMap;
use starling_core::order::Side;

use super::BookError;
use crate::wire::{BookOrder, Coverage, Level, OrderAction};

/// Most orders a book holds.
pub const ORDERS_MAX: usize = 1 << 20;

/// What a change of an order means that the book does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownChange {
    /// A message was lost: an error (Databento MBO, Kraken level 3).
    #[default]
    Refused,
    /// The order enters: the venue has one message for both (Bitfinex R0).
    Adds,
}

/// An order in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestingOrder {
    /// The venue's number.
    pub order_id: u64,
    /// Bid or ask.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// Its quantity.
    pub size: Qty,
}

/// What has to trade before an order does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ahead {
    /// Orders before it in its queue.
    pub orders: usize,
    /// Their quantity.
    pub size: Qty,
}

/// A price level with the number of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLevel {
    /// Price and total quantity.
    pub level: Level,
    /// Orders in the queue.
    pub orders: usize,
}

/// Marks the end of a queue.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    order: RestingOrder,
    before: u32,
    after: u32,
}

#[derive(Debug, Clone, Copy)]
struct Queue {
    first: u32,
    last: u32,
    total: i64,
    orders: usize,
}

/// Every order of one instrument, by number and by queue.
#[derive(Debug, Clone, Default)]
pub struct OrderBook {
    unknown_change: UnknownChange,
    nodes: Vec<Node>,
    free: Vec<u32>,
    by_id: FixedMap<u64, u32>,
    bids: BTreeMap<i64, Queue>,
    asks: BTreeMap<i64, Queue>,
}

impl OrderBook {
    /// An empty book.
    #[must_use]
    pub fn new(unknown_change: UnknownChange) -> Self {
        Self { unknown_change, ..Self::default() }
    }

    /// Orders that rest.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Removes all orders.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.free.clear();
        self.by_id.clear();
        self.bids.clear();
        self.asks.clear();
    }

    /// A whole message. After an error the book holds a part of it.
    pub fn apply_all(&mut self, coverage: Coverage, orders: &[BookOrder]) -> Result<(), BookError> {
        if coverage == Coverage::Snapshot {
            self.clear();
        }
        orders.iter().try_for_each(|order| self.apply(order))
    }

    /// One row of a message.
    pub fn apply(&mut self, row: &BookOrder) -> Result<(), BookError> {
        let order_id = row.order_id;
        match row.action {
            OrderAction::Add => self.add(order_id, row.side, row.price, row.size),
            OrderAction::Delete => self.delete(order_id).map(drop),
            OrderAction::Change => match self.by_id.get(&order_id).copied() {
                Some(at) => self.change_node(at, row.side, row.price, row.size),
                None if self.unknown_change == UnknownChange::Adds => self.add(order_id, row.side, row.price, row.size),
                None => Err(BookError::UnknownOrder { order_id }),
            },
        }
    }

    /// An order enters at the back of its queue. The side is needed, and a quantity above zero.
    pub fn add(&mut self, order_id: u64, side: Option<Side>, price: Price, size: Qty) -> Result<(), BookError> {
        let Some(side) = side.filter(|_| size.is_positive()) else {
            return Err(BookError::Incomplete { order_id, side, size });
        };
        if self.by_id.contains_key(&order_id) {
            return Err(BookError::DuplicateOrder { order_id });
        }
        if self.len() >= ORDERS_MAX {
            return Err(BookError::Full { side, limit: ORDERS_MAX });
        }
        self.check_total(side, price, size)?;
        let order = RestingOrder { order_id, side, price, size };
        let node = Node { order, before: NONE, after: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer orders than the limit")
            }
        };
        self.by_id.insert(order_id, at);
        self.link(at);
        Ok(())
    }

    /// An order's price or quantity is now another one; a quantity of zero deletes it.
    pub fn change(&mut self, order_id: u64, price: Price, size: Qty) -> Result<(), BookError> {
        self.change_node(self.at(order_id)?, None, price, size)
    }

    /// An order shrinks by a fill or a partial cancel and keeps its place; by all it has, it leaves.
    pub fn reduce(&mut self, order_id: u64, by: Qty) -> Result<(), BookError> {
        let at = self.at(order_id)?;
        let RestingOrder { price, size, .. } = self.nodes[at as usize].order;
        if by.is_negative() || by > size {
            return Err(BookError::TooMuch { order_id, resting: size, by });
        }
        self.change_node(at, None, price, Qty::from_units(size.units() - by.units()))
    }

    /// An order leaves; it is returned as it rested.
    pub fn delete(&mut self, order_id: u64) -> Result<RestingOrder, BookError> {
        let at = self.at(order_id)?;
        self.unlink(at);
        self.by_id.remove(&order_id);
        self.free.push(at);
        Ok(self.nodes[at as usize].order)
    }

    /// An order by its number.
    #[must_use]
    pub fn get(&self, order_id: u64) -> Option<RestingOrder> {
        self.by_id.get(&order_id).map(|at| self.nodes[*at as usize].order)
    }

    /// What stands before an order in its queue; `None` where it does not rest. Walks the queue from the order forward.
    #[must_use]
    pub fn ahead(&self, order_id: u64) -> Option<Ahead> {
        let mut ahead = Ahead::default();
        let mut at = self.nodes[*self.by_id.get(&order_id)? as usize].before;
        while at != NONE {
            let node = &self.nodes[at as usize];
            ahead.orders += 1;
            ahead.size = Qty::from_units(ahead.size.units() + node.order.size.units());
            at = node.before;
        }
        Some(ahead)
    }

    /// The highest bid and all that rests there.
    #[must_use]
    pub fn best_bid(&self) -> Option<Level> {
        self.levels(Side::Buy).next().map(|l| l.level)
    }

    /// The lowest ask and all that rests there.
    #[must_use]
    pub fn best_ask(&self) -> Option<Level> {
        self.levels(Side::Sell).next().map(|l| l.level)
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = QueueLevel> {
        self.queues(side).iter().rev().map(move |(rank, queue)| QueueLevel {
            level: Level { price: Price::from_units(rank ^ flip(side)), size: Qty::from_units(queue.total) },
            orders: queue.orders,
        })
    }

    /// The quantity and the number of orders at a price; `None` where nothing rests.
    #[must_use]
    pub fn level_at(&self, side: Side, price: Price) -> Option<QueueLevel> {
        let queue = self.queues(side).get(&(price.units() ^ flip(side)))?;
        Some(QueueLevel { level: Level { price, size: Qty::from_units(queue.total) }, orders: queue.orders })
    }

    /// The orders of a side, best price first, and first come first at a price.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = RestingOrder> {
        self.queues(side).values().rev().flat_map(|queue| {
            let step = |at: &u32| Some(self.nodes[*at as usize].after).filter(|at| *at != NONE);
            std::iter::successors(Some(queue.first), step).map(|at| self.nodes[at as usize].order)
        })
    }

    fn at(&self, order_id: u64) -> Result<u32, BookError> {
        self.by_id.get(&order_id).copied().ok_or(BookError::UnknownOrder { order_id })
    }

    fn change_node(&mut self, at: u32, side: Option<Side>, price: Price, size: Qty) -> Result<(), BookError> {
        let old = self.nodes[at as usize].order;
        let side = side.unwrap_or(old.side);
        if size.is_negative() {
            return Err(BookError::NegativeSize { price, size });
        }
        if size.is_zero() {
            return self.delete(old.order_id).map(drop);
        }
        if (side, price) == (old.side, old.price) && size <= old.size {
            let queue =
                self.queues_mut(side).get_mut(&(price.units() ^ flip(side))).expect("an order stands in a queue");
            queue.total -= old.size.units() - size.units();
            self.nodes[at as usize].order.size = size;
            return Ok(());
        }
        self.unlink(at);
        if let Err(error) = self.check_total(side, price, size) {
            self.by_id.remove(&old.order_id);
            self.free.push(at);
            return Err(error);
        }
        self.nodes[at as usize].order = RestingOrder { order_id: old.order_id, side, price, size };
        self.link(at);
        Ok(())
    }

    fn check_total(&self, side: Side, price: Price, size: Qty) -> Result<(), BookError> {
        let total = self.level_at(side, price).map_or(0, |l| l.level.size.units());
        total.checked_add(size.units()).map(drop).ok_or(BookError::Overflow { price, size })
    }

    /// Puts a node at the back of its queue.
    fn link(&mut self, at: u32) {
        let RestingOrder { side, price, size, .. } = self.nodes[at as usize].order;
        let empty = Queue { first: at, last: NONE, total: 0, orders: 0 };
        let queue = self.queues_mut(side).entry(price.units() ^ flip(side)).or_insert(empty);
        let last = queue.last;
        queue.last = at;
        queue.total += size.units();
        queue.orders += 1;
        if last != NONE {
            self.nodes[last as usize].after = at;
        }
        let node = &mut self.nodes[at as usize];
        (node.before, node.after) = (last, NONE);
    }

    fn unlink(&mut self, at: u32) {
        let Node { order, before, after } = self.nodes[at as usize];
        if before != NONE {
            self.nodes[before as usize].after = after;
        }
        if after != NONE {
            self.nodes[after as usize].before = before;
        }
        let rank = order.price.units() ^ flip(order.side);
        let queues = self.queues_mut(order.side);
        let queue = queues.get_mut(&rank).expect("an order stands in a queue");
        queue.total -= order.size.units();
        queue.orders -= 1;
        if queue.first == at {
            queue.first = after;
        }
        if queue.last == at {
            queue.last = before;
        }
        if queue.orders == 0 {
            assert_eq!(queue.total, 0, "a queue without orders holds nothing");
            queues.remove(&rank);
        }
    }

    fn queues(&self, side: Side) -> &BTreeMap<i64, Queue> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn queues_mut(&mut self, side: Side) -> &mut BTreeMap<i64, Queue> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Flipping all bits reverses the order of prices, so that the better one is the greater on either side.
const fn flip(side: Side) -> i64 {
    match side {
        Side::Buy => 0,
        Side::Sell => -1,
    }
}

#[cfg(test)]
mod tests;
