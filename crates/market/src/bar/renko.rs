//! Renko bricks on the tick price.
//!
//! Invariant: every brick is one brick high and begins where the brick before it ends, or, at a reversal, where that one
//! began: up by one brick over the last brick's top, down by one below its bottom. The first tick is the first level.
//! Bricks have no wicks. The volume since the last brick is in the first brick that a tick completes.

use serde::{Deserialize, Serialize};

use super::aggregator::LateTicks;
use super::open::{Context, OpenBar, Piece};

/// Bricks that one tick may complete. A tick farther away completes these, and the level then moves to within a brick
/// of its price; what was left out is counted. It takes a wrong price, or a brick far too small, to get here.
pub const BRICKS_PER_TICK_MAX: u32 = 10_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Renko {
    brick: i64,
    /// Bottom and top of the last brick; both the first price before there is one.
    last: Option<(i64, i64)>,
    stamp: u64,
    closed_until: u64,
    newest: u64,
    open: OpenBar,
}

impl Renko {
    pub(super) fn new(brick: i64) -> Self {
        Self { brick, last: None, stamp: 0, closed_until: 0, newest: 0, open: OpenBar::default() }
    }

    pub(super) fn open(&self) -> &OpenBar {
        &self.open
    }

    #[inline]
    pub(super) fn take(&mut self, p: &Piece, cx: &mut Context<'_>) {
        if p.event < self.closed_until {
            cx.counts.late += 1;
            if cx.options.late == LateTicks::Drop {
                return;
            }
        }
        self.newest = self.newest.max(p.event);
        self.open.add(p);
        let (bottom, top) = *self.last.get_or_insert((p.close, p.close));
        // Distances are taken in i128: a price near the end of its range must not wrap.
        let (price, brick) = (i128::from(p.close), i128::from(self.brick));
        let (above, below) = (price - i128::from(top), i128::from(bottom) - price);
        if above >= brick || below >= brick {
            self.lay(p, above.max(below) / brick, above > below, cx);
        }
    }

    #[cold]
    fn lay(&mut self, p: &Piece, bricks: i128, rising: bool, cx: &mut Context<'_>) {
        let (bottom, top) = self.last.expect("the level is set before a brick");
        let laid = bricks.min(i128::from(BRICKS_PER_TICK_MAX)) as i64;
        let step = if rising { self.brick } else { -self.brick };
        let mut from = if rising { top } else { bottom };
        let mut volume = self.open.volume;
        for _ in 0..laid {
            let to = from + step;
            let bar =
                OpenBar { pieces: 1, open: from, high: from.max(to), low: from.min(to), close: to, volume, last: p.at };
            self.stamp = p.at.max(self.stamp.saturating_add(1));
            cx.emit(&bar, self.stamp, p.known);
            (from, volume) = (to, 0);
        }
        let skipped = bricks - i128::from(laid);
        if skipped > 0 {
            cx.counts.skipped_bricks += u64::try_from(skipped).unwrap_or(u64::MAX);
            let level = i128::from(from) + skipped * i128::from(step);
            from = i64::try_from(level).expect("a level between two prices");
        }
        // Where the level jumped, the last brick is the one that would end there.
        let began = from - step;
        self.last = Some((from.min(began), from.max(began)));
        self.open = OpenBar::default();
        self.closed_until = self.newest;
    }
}
