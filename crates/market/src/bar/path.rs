//! The walk of a finished bar: the four prices at which it is executed.
//!
//! Invariant: the sizes of a walk sum to the bar's volume. A bar does not tell in which order its extremes came; the
//! order is an assumption, and named.

use serde::{Deserialize, Serialize};
use starling_core::{Bar, Price, Qty};

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
}

impl Default for Walk {
    /// Open, high, low, close with 1,000,000 where a bar has no volume.
    fn default() -> Self {
        Self { order: WalkOrder::Ohlc, default_volume: Qty::from_int(1_000_000) }
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
    /// The four steps: a quarter of the volume each, the last with what the division leaves. The venue trades of them
    /// what is whole lots.
    #[must_use]
    pub fn ticks(&self, bar: &Bar) -> [PathTick; 4] {
        let volume = if bar.volume.is_positive() { bar.volume } else { self.default_volume };
        let quarter = volume.units() / 4;
        let rest = volume.units() - 3 * quarter;
        let mut steps = self.order.prices(bar).map(|price| PathTick { price, size: Qty::from_units(quarter) });
        steps[3].size = Qty::from_units(rest);
        steps
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
        let dust = bar(["1", "1", "1", "1"], "0.000000003");
        assert_eq!(shown(Walk::default().ticks(&dust)), "1x0 1x0 1x0 1x0.000000003");
    }
}
