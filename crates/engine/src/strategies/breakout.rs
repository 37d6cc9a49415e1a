//! Breakout: long above the highest price of the last bars, short below the lowest.
//!
//! Long once the close is above the highest high of the `entry` bars before, until it is below the lowest low of the
//! `exit` bars before; short the other way round (Donchian's channel; 20 and 10, or 55 and 20, are the turtles' two
//! systems: Faith 2003, "The Original Turtle Trading Rules"). The channel leaves the bar in hand out: a close cannot be
//! above a range that it belongs to. It assumes that large moves begin at new extremes, and loses often and little. The
//! turtles' stop of two average true ranges is `execution.stop_loss = { atr = 2.0 }` with `atr_period = 20`.

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
pub struct Breakout {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// Bars of the channel that opens a position.
    #[serde(default = "preset::count::<20>")]
    pub entry: u32,
    /// Bars of the channel that closes it.
    #[serde(default = "preset::count::<10>")]
    pub exit: u32,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

/// The two channels.
#[derive(Debug)]
pub struct Features {
    entry: [FeatureId; 2],
    exit: [FeatureId; 2],
}

impl Rule for Breakout {
    type Features = Features;
    type State = ();

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        faults.period("entry", self.entry, 1);
        faults.period("exit", self.exit, 1);
        let requirement = format_args!("at most entry, which is {}", self.entry);
        faults.require(self.exit <= self.entry, "exit", self.exit, requirement);
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Features, StrategyError> {
        let mut channel = |bars: u32| {
            let mut side = |name| features.feature_with_history(&format!("DONCHIAN({bars}).{name}"), 2);
            Ok::<_, StrategyError>([side("upper")?, side("lower")?])
        };
        Ok(Features { entry: channel(self.entry)?, exit: channel(self.exit)? })
    }

    fn decide(&self, features: &Features, _state: &mut (), view: &View<'_>) -> Option<Stance> {
        let before = |[upper, lower]: [FeatureId; 2]| Some((view.feature_at(upper, 1)?, view.feature_at(lower, 1)?));
        let ((highest, lowest), (upper, lower)) = (before(features.entry)?, before(features.exit)?);
        let close = view.close();
        if close > highest {
            return Some(Stance::Long);
        }
        if close < lowest {
            return Some(Stance::Short);
        }
        match view.stance() {
            Stance::Long if close < lower => Some(Stance::Flat),
            Stance::Short if close > upper => Some(Stance::Flat),
            _ => None,
        }
    }
}
