//! Mean reversion: against a price far from its average, until it is back.
//!
//! `z = (x - mean) / deviation` of the last closes (population deviation). Long once `z <= -entry`, until `z >= -exit`;
//! short once `z >= entry`, until `z <= exit`. Entry is where Bollinger's bands of that width stand (Bollinger 2001), an
//! exit of 0 is their middle line. It assumes that the average holds while one waits for it: `stop` gives up at a larger
//! distance, `bars_max` after a time; then nothing is entered until the price was back within `entry` (Chan 2013, "Algorithmic Trading", ch. 3).

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
pub struct MeanReversion {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// Bars of the average and the deviation.
    #[serde(default = "preset::count::<20>")]
    pub period: u32,
    /// Deviations from the average at which a position is entered.
    #[serde(default = "preset::ratio::<2, 1>")]
    pub entry: f64,
    /// Deviations from the average at which it is left; below 0 beyond the average.
    #[serde(default)]
    pub exit: f64,
    /// Deviations at which it is given up, and none is entered.
    #[serde(default)]
    pub stop: Option<f64>,
    /// Bars after which it is given up.
    #[serde(default)]
    pub bars_max: Option<u32>,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

/// The distance from the average.
#[derive(Debug)]
pub struct Features {
    z: FeatureId,
}

impl Rule for MeanReversion {
    type Features = Features;
    /// A position was given up, and the price has not been near its average since.
    type State = bool;

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        faults.period("period", self.period, 2);
        faults.number("entry", self.entry, self.entry > 0.0, "positive");
        faults.number("exit", self.exit, self.exit < self.entry, "less than entry");
        if let Some(stop) = self.stop {
            faults.number("stop", stop, stop > self.entry, "more than entry");
        }
        if let Some(bars) = self.bars_max {
            faults.require(bars > 0, "bars_max", bars, "at least 1 bar");
        }
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Features, StrategyError> {
        Ok(Features { z: features.feature(&format!("ZSCORE({})", self.period))? })
    }

    fn decide(&self, features: &Features, gave_up: &mut bool, view: &View<'_>) -> Option<Stance> {
        let z = view.feature(features.z)?;
        let far = self.stop.is_some_and(|stop| z.abs() >= stop);
        let late = self.bars_max.is_some_and(|bars| view.bars_in_position >= bars.into());
        let held = view.stance();
        if held != Stance::Flat && (far || late) {
            *gave_up = true;
        } else if z.abs() < self.entry {
            *gave_up = false;
        }
        Some(match held {
            _ if *gave_up || far => Stance::Flat,
            Stance::Long if z < -self.exit => held,
            Stance::Short if z > self.exit => held,
            _ if z <= -self.entry => Stance::Long,
            _ if z >= self.entry => Stance::Short,
            _ => Stance::Flat,
        })
    }
}
