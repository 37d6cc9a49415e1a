//! The walk of a finished bar: the four prices at which it is executed, or the four quotes it stands for.
//!
//! Invariant: the sizes of a walk sum to the bar's volume. A bar does not tell in which order its extremes came; the
//! order is an assumption, and named.

use serde::{Deserialize, Serialize};
use starling_core::time::MILLISECOND;
use starling_core::{Bar, Price, Qty, Quote};

use super::spec::BarError;

/// In which order a bar visits its extremes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkOrder {
    /// Open, high, low, close.
    #[default]
    Ohlc,
    /// Open, low, high, close.
    Olhc,
    /// The extreme nearer to the open first; the high on a tie.
    Adaptive,
}

impl WalkOrder {
    fn prices(self, bar: &Bar) -> [Price; 4] {
        let high_first = match self {
            Self::Ohlc => true,
            Self::Olhc => false,
            Self::Adaptive => bar.high.units().abs_diff(bar.open.units()) <= bar.open.units().abs_diff(bar.low.units()),
        };
        if high_first { [bar.open, bar.high, bar.low, bar.close] } else { [bar.open, bar.low, bar.high, bar.close] }
    }
}

/// How a bar is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Walk {
    /// Which extreme comes first.
    pub order: WalkOrder,
    /// Volume of a bar that has none.
    pub default_volume: Qty,
    /// Sizes but the last are rounded down to multiples of this; zero takes 1e-9.
    pub lot: Qty,
}

impl Default for Walk {
    /// Open, high, low, close with 1,000,000 where a bar has no volume.
    fn default() -> Self {
        Self { order: WalkOrder::Ohlc, default_volume: Qty::from_int(1_000_000), lot: Qty::ZERO }
    }
}

/// One step of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathTick {
    /// The price.
    pub price: Price,
    /// What can be traded there.
    pub size: Qty,
}

impl Walk {
    /// The four steps: a quarter of the volume each, the last with what the division leaves.
    #[must_use]
    pub fn ticks(&self, bar: &Bar) -> [PathTick; 4] {
        let volume = if bar.volume.is_positive() { bar.volume } else { self.default_volume };
        let lot = self.lot.units().max(1);
        let quarter = volume.units() / 4 / lot * lot;
        let rest = volume.units() - 3 * quarter;
        let mut steps = self.order.prices(bar).map(|price| PathTick { price, size: Qty::from_units(quarter) });
        steps[3].size = Qty::from_units(rest);
        steps
    }
}

/// How a bar becomes quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BarQuotes {
    /// Order, default volume and lot, as in a walk.
    pub walk: Walk,
    /// How long before the bar's stamp each quote is stamped, in nanoseconds, falling.
    pub before_ns: [u64; 4],
}

impl Default for BarQuotes {
    /// 300, 200, 100 and 0 ms before the stamp, and 4,000,000 (1,000,000 a quote) where a bar has no volume.
    fn default() -> Self {
        Self {
            walk: Walk { default_volume: Qty::from_int(4_000_000), ..Walk::default() },
            before_ns: [300 * MILLISECOND, 200 * MILLISECOND, 100 * MILLISECOND, 0],
        }
    }
}

impl BarQuotes {
    /// Four quotes from a bar of bids and a bar of asks with one stamp (the same bar twice: no spread). An adaptive
    /// order is taken from the bid, for both. Sizes are those of each bar's own walk.
    pub fn quotes(&self, bid: &Bar, ask: &Bar) -> Result<[Quote; 4], BarError> {
        if bid.instrument != ask.instrument || bid.ts_event != ask.ts_event {
            return Err(BarError::Pair { bid: bid.ts_event, ask: ask.ts_event });
        }
        let order = match self.walk.order {
            WalkOrder::Adaptive if self.walk.order.prices(bid)[1] == bid.high => WalkOrder::Ohlc,
            WalkOrder::Adaptive => WalkOrder::Olhc,
            fixed => fixed,
        };
        let walk = Walk { order, ..self.walk };
        let (bids, asks) = (walk.ticks(bid), walk.ticks(ask));
        let recv = bid.ts_recv.max(ask.ts_recv);
        Ok(std::array::from_fn(|at| Quote {
            instrument: bid.instrument,
            ts_event: bid.ts_event.saturating_sub(self.before_ns[at]),
            ts_recv: recv.saturating_sub(self.before_ns[at]),
            bid: bids[at].price,
            ask: asks[at].price,
            bid_size: bids[at].size,
            ask_size: asks[at].size,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use starling_core::{BarSeriesId, InstrumentId, UnixNanos};

    fn bar(prices: [&str; 4], volume: &str) -> Bar {
        let [open, high, low, close] = prices.map(|p| p.parse().unwrap());
        Bar {
            instrument: InstrumentId(0),
            series: BarSeriesId(0),
            ts_event: UnixNanos::new(1_359_676_800_000_000_000),
            ts_recv: UnixNanos::new(1_359_676_800_000_000_000),
            open,
            high,
            low,
            close,
            volume: volume.parse().unwrap(),
        }
    }

    fn shown(steps: [PathTick; 4]) -> String {
        steps.map(|s| format!("{}x{}", s.price, s.size)).join(" ")
    }

    #[test]
    fn a_walk_takes_the_extremes_in_the_order_asked_for() {
        // First row of the FXCM USD/JPY bids of February 2013: the open is the high.
        let falling = bar(["91.715", "91.715", "91.653", "91.653"], "0");
        let walk = |order| Walk { order, ..Walk::default() };
        let down = "91.715x250000 91.715x250000 91.653x250000 91.653x250000";
        assert_eq!(shown(walk(WalkOrder::Ohlc).ticks(&falling)), down);
        assert_eq!(shown(walk(WalkOrder::Adaptive).ticks(&falling)), down);
        let up = "91.715x250000 91.653x250000 91.715x250000 91.653x250000";
        assert_eq!(shown(walk(WalkOrder::Olhc).ticks(&falling)), up);
        let near_low = bar(["10", "15", "9", "12"], "0");
        assert_eq!(walk(WalkOrder::Adaptive).ticks(&near_low)[1].price, near_low.low);
        let tie = bar(["10", "11", "9", "10"], "0");
        assert_eq!(walk(WalkOrder::Adaptive).ticks(&tie)[1].price, tie.high);
    }

    #[test]
    fn the_last_step_takes_what_division_leaves() {
        let odd = bar(["1", "2", "0.5", "1.5"], "10");
        assert_eq!(shown(Walk::default().ticks(&odd)), "1x2.5 2x2.5 0.5x2.5 1.5x2.5");
        let lots = Walk { lot: Qty::ONE, ..Walk::default() };
        assert_eq!(shown(lots.ticks(&odd)), "1x2 2x2 0.5x2 1.5x4");
        let dust = bar(["1", "1", "1", "1"], "0.000000003");
        assert_eq!(shown(Walk::default().ticks(&dust)), "1x0 1x0 1x0 1x0.000000003");
    }

    #[test]
    fn a_bar_becomes_the_quotes_of_the_conformance_rule() {
        let bid = bar(["91.715", "91.715", "91.653", "91.653"], "0");
        let ask = bar(["91.720", "91.721", "91.660", "91.661"], "0");
        let quotes = BarQuotes::default().quotes(&bid, &ask).unwrap();
        let told = quotes.map(|q| format!("{} {} {} {} {}", q.ts_event, q.bid, q.ask, q.bid_size, q.ask_size));
        assert_eq!(
            told,
            [
                "2013-01-31T23:59:59.700Z 91.715 91.72 1000000 1000000",
                "2013-01-31T23:59:59.800Z 91.715 91.721 1000000 1000000",
                "2013-01-31T23:59:59.900Z 91.653 91.66 1000000 1000000",
                "2013-02-01T00:00:00Z 91.653 91.661 1000000 1000000",
            ]
        );
        assert!(quotes.windows(2).all(|w| w[0].ts_recv < w[1].ts_recv));
    }

    #[test]
    fn bars_of_two_stamps_are_no_pair() {
        let bid = bar(["1", "1", "1", "1"], "0");
        let ask = Bar { ts_event: bid.ts_event + 1, ..bid };
        assert!(matches!(BarQuotes::default().quotes(&bid, &ask), Err(BarError::Pair { .. })));
    }

    #[test]
    fn an_adaptive_pair_moves_both_sides_together() {
        let bid = bar(["10", "15", "9", "12"], "0");
        let ask = bar(["11", "11.5", "9.5", "11"], "0");
        let adaptive =
            BarQuotes { walk: Walk { order: WalkOrder::Adaptive, ..Walk::default() }, ..BarQuotes::default() };
        let quotes = adaptive.quotes(&bid, &ask).unwrap();
        assert_eq!((quotes[1].bid, quotes[1].ask), (bid.low, ask.low));
    }
}
