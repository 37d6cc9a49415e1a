//! EMA cross: long while a fast exponential average is at or above a slow one, else short.
//!
//! `long if EMA(fast) >= EMA(slow) else short`, with `EMA_t = EMA_{t-1} + 2 / (n + 1) (x_t - EMA_{t-1})` of the close,
//! started from the first value, and nothing before both averages have seen as many bars as they are long. The oldest
//! of the moving-average rules (Brock, Lakonishok & LeBaron 1992, "Simple technical trading rules"); it assumes trends
//! that last longer than the slow average, and pays the spread in every market that goes sideways.

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
pub struct EmaCross {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// Length of the fast average, in bars.
    #[serde(default = "preset::count::<10>")]
    pub fast: u32,
    /// Length of the slow average, in bars.
    #[serde(default = "preset::count::<20>")]
    pub slow: u32,
    /// Passes over bars whose four prices are one: nothing happened in them.
    #[serde(default = "preset::flag::<true>")]
    pub skip_flat_bars: bool,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

/// The two averages.
#[derive(Debug)]
pub struct Averages {
    fast: FeatureId,
    slow: FeatureId,
}

impl Rule for EmaCross {
    type Features = Averages;
    type State = ();

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        faults.period("fast", self.fast, 1);
        faults.period("slow", self.slow, 2);
        faults.require(
            self.fast < self.slow,
            "fast",
            self.fast,
            format_args!("less than slow, which is {}", self.slow),
        );
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Averages, StrategyError> {
        Ok(Averages {
            fast: features.feature(&format!("EMA({})", self.fast))?,
            slow: features.feature(&format!("EMA({})", self.slow))?,
        })
    }

    fn decide(&self, features: &Averages, _state: &mut (), view: &View<'_>) -> Option<Stance> {
        let (fast, slow) = (view.feature(features.fast)?, view.feature(features.slow)?);
        if self.skip_flat_bars && view.bar.is_flat() {
            return None;
        }
        Some(if fast >= slow { Stance::Long } else { Stance::Short })
    }
}
