//! Rates and windows on event time: token bucket, execution window, price drift, recently sent orders.
//!
//! Invariant: each holds bounded state, works in integers, and is asked first and told after approval, so that a refused
//! order leaves no trace. Time that runs backwards refills nothing. What it deliberately does not do: read a clock.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use starling_core::fixed_map::FixedMap;
use starling_core::time::SECOND;
use starling_core::{InstrumentId, OrderKind, OrderRequest, Price, Side, StrategyId, UnixNanos};

use super::limits::{PriceCollarWindow, TokenRate};
use starling_core::order::TrailOffset;

/// A token bucket in billionths of a token, so that every nanosecond refills a whole number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    units: u64,
    filled_at: UnixNanos,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(rate: TokenRate) -> Self {
        Self { units: u64::from(rate.burst) * SECOND, filled_at: UnixNanos::EPOCH }
    }
    /// Whole tokens there are now.
    pub(super) fn tokens(&mut self, now: UnixNanos, rate: TokenRate) -> u64 {
        let elapsed = now.since(self.filled_at);
        if elapsed > 0 {
            let refill = elapsed.saturating_mul(rate.per_second.into());
            self.units = self.units.saturating_add(refill).min(u64::from(rate.burst) * SECOND);
            self.filled_at = now;
        }
        self.units / SECOND
    }
    /// Takes one, or what is left of one.
    pub(super) fn take(&mut self) {
        self.units = self.units.saturating_sub(SECOND);
    }
}

/// The instants of a strategy's last executions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ExecutionWindow(VecDeque<UnixNanos>);

impl ExecutionWindow {
    /// Counts one more; returns how many lie within `window_ns`, this one included.
    pub(super) fn count(&mut self, now: UnixNanos, executions_max: u32, window_ns: u64) -> u64 {
        while self.0.front().is_some_and(|first| now.since(*first) >= window_ns) {
            self.0.pop_front();
        }
        if self.0.capacity() < executions_max as usize {
            self.0.reserve_exact(executions_max as usize - self.0.len());
        }
        self.0.push_back(now);
        self.0.len() as u64
    }
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Lowest and highest own price in one quarter of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Quarter {
    start: UnixNanos,
    low: Price,
    high: Price,
}

/// The range of own prices of one side over a sliding window, in five quarters: never less than the window, and at most
/// a quarter more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct PriceDrift([Option<Quarter>; 5]);

impl PriceDrift {
    /// Highest over lowest price with `price` among them, in basis points of the lowest, rounded up; `None` if that is
    /// no number. Exactly the limit passes.
    pub(super) fn with(&self, price: Price, now: UnixNanos, rule: PriceCollarWindow) -> Option<u64> {
        let quarter = rule.window_ns.div_ceil(4);
        let current = now.floor_to(quarter);
        let (mut low, mut high) = (price, price);
        for seen in self.0.iter().flatten() {
            if current.since(seen.start) / quarter <= 4 {
                low = low.min(seen.low);
                high = high.max(seen.high);
            }
        }
        let range = i128::from(high.units()) - i128::from(low.units());
        if range == 0 {
            return Some(0);
        }
        let base = i128::from(low.units()).unsigned_abs();
        if base == 0 {
            return None;
        }
        u64::try_from((range.unsigned_abs() * 10_000).div_ceil(base)).ok()
    }
    /// Takes the price of an approved order in.
    pub(super) fn record(&mut self, price: Price, now: UnixNanos, rule: PriceCollarWindow) {
        let quarter = rule.window_ns.div_ceil(4);
        let start = now.floor_to(quarter);
        let place = &mut self.0[(now.get() / quarter % 5) as usize];
        match place {
            Some(seen) if seen.start == start => {
                seen.low = seen.low.min(price);
                seen.high = seen.high.max(price);
            }
            _ => *place = Some(Quarter { start, low: price, high: price }),
        }
    }
}

/// What makes two orders the same order sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct OrderShape {
    strategy: StrategyId,
    instrument: InstrumentId,
    side: Side,
    kind: u8,
    prices: [i64; 3],
    qty: i64,
}

impl OrderShape {
    pub(super) fn new(strategy: StrategyId, request: &OrderRequest) -> Self {
        let first = |price: Option<Price>| price.map_or(i64::MIN, Price::units);
        let distance = |offset: TrailOffset| match offset {
            TrailOffset::Price(price) => (0, price.units()),
            TrailOffset::BasisPoints(n) => (1, n.into()),
            TrailOffset::Ticks(n) => (2, n.into()),
        };
        let (kind, prices) = match request.kind {
            OrderKind::Market => (0, [0; 3]),
            OrderKind::Limit { price } => (1, [price.units(), 0, 0]),
            OrderKind::Stop { trigger } => (2, [trigger.units(), 0, 0]),
            OrderKind::StopLimit { trigger, price } => (3, [trigger.units(), price.units(), 0]),
            OrderKind::MarketIfTouched { trigger } => (4, [trigger.units(), 0, 0]),
            OrderKind::LimitIfTouched { trigger, price } => (5, [trigger.units(), price.units(), 0]),
            OrderKind::TrailingStop { offset, trigger } => {
                let (unit, length) = distance(offset);
                (6 + unit, [first(trigger), length, 0])
            }
            OrderKind::TrailingStopLimit { offset, limit_offset, trigger } => {
                let (unit, length) = distance(offset);
                (9 + unit, [first(trigger), length, limit_offset.units()])
            }
        };
        let (instrument, side, qty) = (request.instrument, request.side, request.qty.units());
        Self { strategy, instrument, side, kind, prices, qty }
    }
}

/// Orders sent within the longest window of any instrument, oldest first. Bounded by the message rate times the window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct RecentOrders {
    sent: VecDeque<(UnixNanos, OrderShape)>,
    #[serde(skip)]
    last: FixedMap<OrderShape, UnixNanos>,
}

impl RecentOrders {
    /// When an equal order was last sent.
    pub(super) fn last(&self, shape: &OrderShape) -> Option<UnixNanos> {
        self.last.get(shape).copied()
    }
    /// Takes an approved order in, and forgets those older than `window_ns`.
    pub(super) fn record(&mut self, shape: OrderShape, now: UnixNanos, window_ns: u64) {
        while let Some((ts, old)) = self.sent.front().copied().filter(|(ts, _)| now.since(*ts) >= window_ns) {
            self.sent.pop_front();
            if self.last.get(&old) == Some(&ts) {
                self.last.remove(&old);
            }
        }
        self.sent.push_back((now, shape));
        self.last.insert(shape, now);
    }
    /// Makes the index again after a restore.
    pub(super) fn reindex(&mut self) {
        self.last = self.sent.iter().map(|(ts, shape)| (*shape, *ts)).collect();
    }
}
