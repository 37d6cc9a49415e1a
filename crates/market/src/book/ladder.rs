//! One side of a level-2 book: a dense window of ticks around the touch, a tree for the rest.
//!
//! Prices are turned into ranks, higher is better on either side, so that the code is written once. Invariants: a level
//! whose price is a whole number of ticks and lies in the window rests in the window; no such level rests in the tree
//! above the window; the count never passes the limit. The best level is known at any time without a search. A price off
//! the tick is not refused but rests in the tree: venues change ticks in mid-session, and some (Bitfinex) have none.
//! A ladder knows nothing of the other side: whether the two cross is for
//! [`LevelBook`](super::LevelBook) to see.

use std::collections::{BTreeMap, btree_map};
use std::iter::Rev;

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;

use super::BookError;
use super::bitmap::{Bitmap, CAPACITY_MAX};
use crate::wire::Level;

/// The sizes a book is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Ticks in the window of one side, eight bytes each: a power of two from 64 to 262,144. Levels within a quarter of
    /// it before the touch and three quarters behind are reached without a search.
    pub window: usize,
    /// Most levels on one side; an update that would pass it is refused.
    pub levels_max: usize,
    /// The depth subscribed to, where the venue leaves it to the reader to drop what falls out of it (Kraken).
    pub depth: Option<usize>,
}

impl Default for Shape {
    /// 65,536 ticks (512 KiB a side), 131,072 levels, no depth. Of the levels that Binance's spot changes of 2024-08-08
    /// set, one in thirteen lies beyond half of that, where each costs a search.
    fn default() -> Self {
        Self { window: 1 << 16, levels_max: 1 << 17, depth: None }
    }
}

/// Divides by the tick where that leaves no remainder.
///
/// `n` is a multiple of an odd `d` exactly if `n * d⁻¹ mod 2^64` lies in the range of quotients; a power of two in the
/// tick is looked at first (Warren, *Hacker's Delight*, 2nd ed., 10-17). A multiplication where a division would be the
/// most expensive step of an update.
#[derive(Debug, Clone, Copy)]
struct Tick {
    units: i64,
    zeros: u32,
    inverse: i64,
    quotient_max: i64,
}

impl Tick {
    fn new(units: i64) -> Self {
        let zeros = units.trailing_zeros();
        let odd = units >> zeros;
        // Newton's iteration doubles the bits that are right: 3, 6, 12, 24, 48, 96.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2i64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Self { units, zeros, inverse, quotient_max: i64::MAX / odd }
    }

    #[inline]
    fn index(self, units: i64) -> Option<i64> {
        let whole = units & ((1 << self.zeros) - 1) == 0;
        let quotient = (units >> self.zeros).wrapping_mul(self.inverse);
        (whole && quotient <= self.quotient_max && quotient >= -self.quotient_max - i64::from(self.inverse == 1))
            .then_some(quotient)
    }
}

/// One side of a level-2 book.
#[derive(Debug, Clone)]
pub struct Ladder {
    side: Side,
    /// All ones for asks: flipping a number's bits reverses its order, and overflows nowhere.
    flip: i64,
    tick: Tick,
    levels_max: usize,
    /// Index of the window's worst tick.
    base: i64,
    /// The window: a ring, the slot of an index is its low bits.
    sizes: Vec<Qty>,
    occupied: Bitmap,
    in_window: usize,
    /// Best index in the window, while there is any.
    best: i64,
    /// Levels outside the window, and those off the tick, by rank.
    outer: BTreeMap<i64, Qty>,
    outer_best: Option<(i64, Qty)>,
}

impl Ladder {
    /// An empty side; `tick` must be positive, and the window as [`Shape::window`] says.
    #[must_use]
    pub fn new(side: Side, tick: Price, shape: Shape) -> Self {
        assert!(tick.is_positive(), "a tick is positive");
        let fits = shape.window.is_power_of_two() && (64..=CAPACITY_MAX).contains(&shape.window);
        assert!(fits, "a window is a power of two from 64 to 262,144 ticks");
        Self {
            side,
            flip: if side == Side::Buy { 0 } else { -1 },
            tick: Tick::new(tick.units()),
            levels_max: shape.levels_max,
            base: 0,
            sizes: vec![Qty::ZERO; shape.window],
            occupied: Bitmap::new(shape.window),
            in_window: 0,
            best: 0,
            outer: BTreeMap::new(),
            outer_best: None,
        }
    }

    /// Levels that rest here.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.in_window + self.outer.len()
    }

    /// True without any.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Levels outside the window: the part of the book that costs a search.
    #[must_use]
    pub fn outside(&self) -> usize {
        self.outer.len()
    }

    /// The best level.
    #[must_use]
    #[inline]
    pub fn best(&self) -> Option<Level> {
        if self.in_window == 0 {
            return self.outer_best.map(|(rank, size)| self.level(rank, size));
        }
        let rank = self.rank_of(self.best);
        match self.outer_best {
            Some((outer, size)) if outer > rank => Some(self.level(outer, size)),
            _ => Some(self.level(rank, self.sizes[self.slot(self.best)])),
        }
    }

    /// The quantity at a price; zero for none.
    #[must_use]
    pub fn size_at(&self, price: Price) -> Qty {
        match self.tick.index(price.units()).map(|i| i ^ self.flip) {
            Some(index) if self.in_window_range(index) => self.sizes[self.slot(index)],
            _ => self.outer.get(&(price.units() ^ self.flip)).copied().unwrap_or_default(),
        }
    }

    /// Sets the quantity at a price; zero deletes, and deleting nothing is no fault (venues send it).
    #[inline]
    pub fn set(&mut self, level: Level) -> Result<(), BookError> {
        if level.size.is_negative() {
            return Err(BookError::NegativeSize { price: level.price, size: level.size });
        }
        match self.tick.index(level.price.units()) {
            Some(index) => {
                let index = index ^ self.flip;
                if self.in_window_range(index) {
                    self.set_in_window(index, level.size)
                } else {
                    self.set_outside(index, level)
                }
            }
            None => self.set_outer(level.price.units() ^ self.flip, level.size),
        }
    }

    /// Removes all levels, keeps the memory of the window.
    pub fn clear(&mut self) {
        let mut next = self.occupied.at_least(0);
        while let Some(slot) = next {
            self.sizes[slot] = Qty::ZERO;
            next = if slot + 1 < self.sizes.len() { self.occupied.at_least(slot + 1) } else { None };
        }
        self.occupied.clear();
        self.in_window = 0;
        self.outer.clear();
        self.outer_best = None;
    }

    /// Drops the worst levels until `depth` remain.
    pub fn truncate(&mut self, depth: usize) {
        while self.len() > depth {
            let inner = self.worst_in_window();
            let outer = self.outer.first_key_value().map(|(rank, _)| *rank);
            match (inner, outer) {
                (Some(index), outer) if outer.is_none_or(|o| o > self.rank_of(index)) => self.delete_in_window(index),
                (_, Some(rank)) => self.delete_outer(rank),
                (_, None) => unreachable!("a ladder that holds levels holds them in its window or its tree"),
            }
        }
    }

    /// All levels, best first.
    #[must_use]
    pub fn levels(&self) -> Levels<'_> {
        Levels {
            ladder: self,
            inner: (self.in_window > 0).then_some(self.best),
            outer: self.outer.iter().rev().peekable(),
        }
    }

    #[inline]
    fn set_in_window(&mut self, index: i64, size: Qty) -> Result<(), BookError> {
        let slot = self.slot(index);
        if size.is_zero() {
            if !self.sizes[slot].is_zero() {
                self.delete_in_window(index);
            }
            return Ok(());
        }
        if self.sizes[slot].is_zero() {
            self.check_room()?;
            self.occupied.insert(slot);
            if self.in_window == 0 || index > self.best {
                self.best = index;
            }
            self.in_window += 1;
        }
        self.sizes[slot] = size;
        Ok(())
    }

    #[inline]
    fn delete_in_window(&mut self, index: i64) {
        let slot = self.slot(index);
        self.sizes[slot] = Qty::ZERO;
        self.occupied.remove(slot);
        self.in_window -= 1;
        if index == self.best {
            self.follow_best();
        }
    }

    /// After the best level of the window went: the next one, and the window after it where it went far.
    fn follow_best(&mut self) {
        if self.in_window > 0 {
            self.best = self.at_most(self.best).expect("a window that counts levels has one below its former best");
            if self.best - self.base < self.sizes.len() as i64 / 4 {
                self.recentre(self.best);
            }
        } else if let Some((rank, _)) = self.outer_best {
            let floor = (rank ^ self.flip).div_euclid(self.tick.units);
            self.recentre(floor ^ self.flip);
        }
    }

    /// A whole number of ticks, but not in the window.
    #[cold]
    fn set_outside(&mut self, index: i64, level: Level) -> Result<(), BookError> {
        let better = index > self.base;
        if !(better || self.is_empty()) {
            return self.set_outer(level.price.units() ^ self.flip, level.size);
        }
        if level.size.is_zero() {
            return Ok(());
        }
        self.check_room()?;
        self.recentre(index);
        self.set_in_window(index, level.size)
    }

    fn set_outer(&mut self, rank: i64, size: Qty) -> Result<(), BookError> {
        if size.is_zero() {
            self.delete_outer(rank);
            return Ok(());
        }
        match self.outer.get_mut(&rank) {
            Some(resting) => *resting = size,
            None => {
                self.check_room()?;
                self.outer.insert(rank, size);
            }
        }
        if self.outer_best.is_none_or(|(best, _)| rank >= best) {
            self.outer_best = Some((rank, size));
        }
        Ok(())
    }

    fn delete_outer(&mut self, rank: i64) {
        if self.outer.remove(&rank).is_some() && self.outer_best.is_some_and(|(best, _)| best == rank) {
            self.find_outer_best();
        }
    }

    fn find_outer_best(&mut self) {
        self.outer_best = self.outer.last_key_value().map(|(rank, size)| (*rank, *size));
    }

    /// Moves the window so that `index` lies a quarter from its better end; levels move between window and tree.
    #[cold]
    fn recentre(&mut self, index: i64) {
        let width = self.sizes.len() as i64;
        let old = self.base;
        let new = index.saturating_sub(width - width / 4).min(i64::MAX - (width - 1));
        // What is in the old window but not in the new one goes to the tree.
        while let Some(best) = self.in_window_beyond(new.saturating_add(width - 1)) {
            self.spill(best);
        }
        while let Some(worst) = self.worst_in_window().filter(|i| *i < new) {
            self.spill(worst);
        }
        self.base = new;
        // Above the old window the tree holds no whole tick, so nothing enters where the window moves up.
        let entering = if new < old { self.entering(new, (old - 1).min(new + (width - 1))) } else { Vec::new() };
        for (rank, index) in entering {
            let size = self.outer.remove(&rank).expect("a level just listed is in the tree");
            let slot = self.slot(index);
            self.sizes[slot] = size;
            self.occupied.insert(slot);
            if self.in_window == 0 || index > self.best {
                self.best = index;
            }
            self.in_window += 1;
        }
        self.find_outer_best();
    }

    fn entering(&self, low: i64, high: i64) -> Vec<(i64, i64)> {
        // Indices near the ends of the range stand for no price; saturation keeps the order.
        let (low, high) = (self.rank_saturating(low), self.rank_saturating(high));
        let on_tick = |rank: i64| Some((rank, self.tick.index(rank ^ self.flip)? ^ self.flip));
        self.outer.range(low..=high).filter_map(|(rank, _)| on_tick(*rank)).collect()
    }

    fn spill(&mut self, index: i64) {
        let slot = self.slot(index);
        let rank = self.rank_of(index);
        self.outer.insert(rank, self.sizes[slot]);
        self.sizes[slot] = Qty::ZERO;
        self.occupied.remove(slot);
        self.in_window -= 1;
        if index == self.best && self.in_window > 0 {
            self.best = self.at_most(index).expect("a window that counts levels has one below its former best");
        }
    }

    fn in_window_beyond(&self, last: i64) -> Option<i64> {
        (self.in_window > 0 && self.best > last).then_some(self.best)
    }

    fn check_room(&self) -> Result<(), BookError> {
        if self.len() >= self.levels_max {
            return Err(BookError::Full { side: self.side, limit: self.levels_max });
        }
        Ok(())
    }

    #[inline]
    fn slot(&self, index: i64) -> usize {
        // Two's complement: the low bits count through zero without a seam.
        index as usize & (self.sizes.len() - 1)
    }

    #[inline]
    fn in_window_range(&self, index: i64) -> bool {
        (index.wrapping_sub(self.base) as u64) < self.sizes.len() as u64
    }

    #[inline]
    fn rank_of(&self, index: i64) -> i64 {
        ((index ^ self.flip) * self.tick.units) ^ self.flip
    }

    fn rank_saturating(&self, index: i64) -> i64 {
        (index ^ self.flip).saturating_mul(self.tick.units) ^ self.flip
    }

    #[inline]
    fn level(&self, rank: i64, size: Qty) -> Level {
        Level { price: Price::from_units(rank ^ self.flip), size }
    }

    /// The best occupied index of the window that is at most `index`.
    fn at_most(&self, index: i64) -> Option<i64> {
        let (slot, first) = (self.slot(index), self.slot(self.base));
        let found = match self.occupied.at_most(slot) {
            Some(found) if slot < first || found >= first => found,
            _ if slot < first => self.occupied.at_most(self.sizes.len() - 1).filter(|found| *found >= first)?,
            _ => return None,
        };
        Some(index - (slot.wrapping_sub(found) & (self.sizes.len() - 1)) as i64)
    }

    fn worst_in_window(&self) -> Option<i64> {
        let first = self.slot(self.base);
        let found = self.occupied.at_least(first).or_else(|| self.occupied.at_least(0))?;
        Some(self.base + (found.wrapping_sub(first) & (self.sizes.len() - 1)) as i64)
    }
}

/// The levels of a side, best first: window and tree merged.
#[derive(Debug, Clone)]
pub struct Levels<'a> {
    ladder: &'a Ladder,
    inner: Option<i64>,
    outer: std::iter::Peekable<Rev<btree_map::Iter<'a, i64, Qty>>>,
}

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        let inner = self.inner.map(|index| (self.ladder.rank_of(index), index));
        match (inner, self.outer.peek()) {
            (Some((rank, index)), outer) if outer.is_none_or(|(o, _)| **o < rank) => {
                self.inner = if index > self.ladder.base { self.ladder.at_most(index - 1) } else { None };
                Some(self.ladder.level(rank, self.ladder.sizes[self.ladder.slot(index)]))
            }
            _ => self.outer.next().map(|(rank, size)| self.ladder.level(*rank, *size)),
        }
    }
}

#[cfg(test)]
mod tests;
