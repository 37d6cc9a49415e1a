//! Bars by what happened: ticks, volume, value, and their imbalances and runs.
//!
//! Invariant: a bar closes with the first tick at which its total reaches the threshold, and holds that tick whole. What
//! it is measured in is defined at [`Aggregation`](super::Aggregation).

use serde::{Deserialize, Serialize};
use starling_core::Side;
use starling_core::fixed::SCALE;

use super::aggregator::LateTicks;
use super::open::{Context, OpenBar, Piece};
use super::spec::Aggregation;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Measure {
    /// Ticks.
    Ticks,
    /// Units of quantity, 1e-9.
    Volume,
    /// |price| x size, in units of 1e-18: exact, and never divided.
    Value,
}

/// How buys and sells make a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Rule {
    /// Together.
    Sum,
    /// Against each other.
    Imbalance,
    /// The larger of the two.
    Runs,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Amount {
    measure: Measure,
    rule: Rule,
    threshold: i128,
    bought: i128,
    sold: i128,
    /// Of the last tick: 1 bought, -1 sold, 0 not known yet.
    sign: i8,
    last_price: Option<i64>,
    /// `ts_event` of the last bar: the next one's is larger.
    stamp: u64,
    /// The latest `ts_event` among the ticks of closed bars: an earlier tick is late.
    closed_until: u64,
    newest: u64,
    open: OpenBar,
}

impl Amount {
    /// `None` for an aggregation that counts nothing.
    pub(super) fn of(aggregation: &Aggregation) -> Option<Self> {
        use Aggregation as A;
        let scale = i128::from(SCALE);
        let (rule, measure, threshold) = match aggregation {
            A::Tick(n) => (Rule::Sum, Measure::Ticks, i128::from(*n)),
            A::TickImbalance(n) => (Rule::Imbalance, Measure::Ticks, i128::from(*n)),
            A::TickRuns(n) => (Rule::Runs, Measure::Ticks, i128::from(*n)),
            A::Volume(qty) => (Rule::Sum, Measure::Volume, i128::from(qty.units())),
            A::VolumeImbalance(qty) => (Rule::Imbalance, Measure::Volume, i128::from(qty.units())),
            A::VolumeRuns(qty) => (Rule::Runs, Measure::Volume, i128::from(qty.units())),
            A::Value(money) => (Rule::Sum, Measure::Value, money.units().saturating_mul(scale)),
            A::ValueImbalance(money) => (Rule::Imbalance, Measure::Value, money.units().saturating_mul(scale)),
            A::ValueRuns(money) => (Rule::Runs, Measure::Value, money.units().saturating_mul(scale)),
            A::Time { .. } | A::Calendar(_) | A::Renko { .. } => return None,
        };
        Some(Self {
            measure,
            rule,
            threshold,
            bought: 0,
            sold: 0,
            sign: 0,
            last_price: None,
            stamp: 0,
            closed_until: 0,
            newest: 0,
            open: OpenBar::default(),
        })
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
        let amount = match self.measure {
            Measure::Ticks => 1,
            Measure::Volume => i128::from(p.volume),
            Measure::Value => i128::from(p.close).abs() * i128::from(p.volume),
        };
        let total = if self.rule == Rule::Sum {
            self.bought = self.bought.saturating_add(amount);
            self.bought
        } else {
            self.read_sign(p);
            match self.sign {
                1 => self.bought = self.bought.saturating_add(amount),
                -1 => self.sold = self.sold.saturating_add(amount),
                _ => {}
            }
            match self.rule {
                Rule::Imbalance => self.bought.saturating_sub(self.sold).abs(),
                _ => self.bought.max(self.sold),
            }
        };
        if total >= self.threshold {
            self.stamp = p.at.max(self.stamp.saturating_add(1));
            cx.emit(&self.open, self.stamp, p.known);
            self.open = OpenBar::default();
            (self.bought, self.sold) = (0, 0);
            self.closed_until = self.newest;
        }
    }

    fn read_sign(&mut self, p: &Piece) {
        let change = self.last_price.map_or(std::cmp::Ordering::Equal, |last| p.close.cmp(&last));
        self.last_price = Some(p.close);
        self.sign = match (p.aggressor, change) {
            (Some(side), _) => {
                if side == Side::Buy {
                    1
                } else {
                    -1
                }
            }
            (None, std::cmp::Ordering::Greater) => 1,
            (None, std::cmp::Ordering::Less) => -1,
            (None, std::cmp::Ordering::Equal) => self.sign,
        };
    }
}
