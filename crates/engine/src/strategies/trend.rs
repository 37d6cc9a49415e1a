//! Trend: with a moving average or the MACD, but only in a market that trends, and with a stop that follows.
//!
//! Direction: the close above its average (`moving_average`), or the MACD line above its signal (`macd`; Appel 1979).
//! A position is taken while the ADX is at least `adx_min` (Wilder 1978 reads 25 as a trend) and kept while the direction
//! holds. It ends with the direction, or where the close is `atr_stop` average true ranges from the best close since
//! entry (the chandelier exit: LeBeau & Lucas 1992); after such an end the same direction is taken again only once the
//! other was seen. It assumes trends long enough to be confirmed late.

use serde::{Deserialize, Serialize};
use starling_market::feature::FeatureId;

use super::parameter::{Faults, preset};
use super::signal::{FeatureSetup, Market, Rule, View};
use super::sizing::Sizing;
use super::target::{Execution, Stance};
use crate::strategy::StrategyError;

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// What tells the direction: `moving_average` or `macd`.
    #[serde(default)]
    pub direction_by: DirectionBy,
    /// Bars of the moving average (exponential).
    #[serde(default = "preset::count::<50>")]
    pub period: u32,
    /// Bars of the MACD's fast average.
    #[serde(default = "preset::count::<12>")]
    pub fast: u32,
    /// Bars of the MACD's slow average.
    #[serde(default = "preset::count::<26>")]
    pub slow: u32,
    /// Bars of the MACD's signal line.
    #[serde(default = "preset::count::<9>")]
    pub signal: u32,
    /// Bars of the ADX.
    #[serde(default = "preset::count::<14>")]
    pub adx_period: u32,
    /// Least ADX at which a position is taken, 0 to 100; 0 takes all.
    #[serde(default = "preset::ratio::<25, 1>")]
    pub adx_min: f64,
    /// Average true ranges from the best close at which a position ends; left out, none.
    #[serde(default)]
    pub atr_stop: Option<f64>,
    /// Bars of the average true range.
    #[serde(default = "preset::count::<22>")]
    pub atr_period: u32,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

/// What tells the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DirectionBy {
    /// The close against its moving average.
    #[default]
    MovingAverage,
    /// The MACD line against its signal.
    Macd,
}

/// What it remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The best close since the position was entered.
    best: f64,
    /// The direction whose position the stop ended.
    stopped: Option<Stance>,
}

/// What tells direction, strength and noise.
#[derive(Debug)]
pub struct Features {
    /// Above zero is up: its two ends, of which the first is taken less the second; `None` is the close.
    over: Option<FeatureId>,
    under: FeatureId,
    adx: FeatureId,
    atr: FeatureId,
}

impl Rule for Trend {
    type Features = Features;
    type State = Memory;

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        faults.period("period", self.period, 1);
        faults.period("fast", self.fast, 1);
        faults.period("slow", self.slow, 2);
        faults.require(
            self.fast < self.slow,
            "fast",
            self.fast,
            format_args!("less than slow, which is {}", self.slow),
        );
        faults.period("signal", self.signal, 1);
        faults.period("adx_period", self.adx_period, 2);
        faults.number("adx_min", self.adx_min, (0.0..=100.0).contains(&self.adx_min), "0 to 100");
        if let Some(factor) = self.atr_stop {
            faults.number("atr_stop", factor, factor > 0.0, "positive");
        }
        faults.period("atr_period", self.atr_period, 1);
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Features, StrategyError> {
        let macd = format!("MACD({},{},{})", self.fast, self.slow, self.signal);
        let (over, under) = match self.direction_by {
            DirectionBy::MovingAverage => (None, features.feature(&format!("EMA({})", self.period))?),
            DirectionBy::Macd => {
                (Some(features.feature(&format!("{macd}.line"))?), features.feature(&format!("{macd}.signal"))?)
            }
        };
        Ok(Features {
            over,
            under,
            adx: features.feature(&format!("ADX({})", self.adx_period))?,
            atr: features.feature(&format!("ATR({})", self.atr_period))?,
        })
    }

    fn decide(&self, features: &Features, state: &mut Memory, view: &View<'_>) -> Option<Stance> {
        let over = match features.over {
            Some(id) => view.feature(id)?,
            None => view.close(),
        };
        let (under, adx, atr) =
            (view.feature(features.under)?, view.feature(features.adx)?, view.feature(features.atr)?);
        let direction = if over > under {
            Stance::Long
        } else if over < under {
            Stance::Short
        } else {
            return None;
        };
        if state.stopped.is_some_and(|stopped| stopped != direction) {
            state.stopped = None;
        }
        let close = view.close();
        let held = view.stance();
        if held != direction {
            state.best = close;
            let taken = adx >= self.adx_min && state.stopped.is_none();
            return Some(if taken { direction } else { Stance::Flat });
        }
        let (best, lost) = match held {
            Stance::Short => (state.best.min(close), close - state.best.min(close)),
            _ => (state.best.max(close), state.best.max(close) - close),
        };
        state.best = best;
        if self.atr_stop.is_some_and(|factor| lost >= factor * atr) {
            state.stopped = Some(held);
            return Some(Stance::Flat);
        }
        Some(held)
    }
}
