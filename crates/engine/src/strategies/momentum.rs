//! Momentum: long after a rise, short after a fall.
//!
//! `r = x[t - skip] / x[t - skip - lookback] - 1` of the close; long if `r > threshold`, short if `r < -threshold`, between
//! the two flat or as before; judged every so many bars. With a lookback of a year, judged monthly, threshold 0 and a
//! volatility target as size, this is time-series momentum (Moskowitz, Ooi & Pedersen 2012, who use excess returns; the
//! difference is the risk-free rate). It assumes that what rose over months goes on rising; `skip` leaves out the latest
//! bars, which tend to reverse (Jegadeesh 1990).

use serde::{Deserialize, Serialize};
use starling_market::feature::{FeatureId, HISTORY_BARS_MAX};

use super::parameter::{Faults, preset};
use super::signal::{FeatureSetup, Market, Rule, View};
use super::sizing::Sizing;
use super::target::{Execution, Stance};
use crate::strategy::StrategyError;

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Momentum {
    /// The instrument, as `USD/JPY.SIM`.
    pub instrument: String,
    /// The series of bars, as `15m bid internal`.
    pub bars: String,
    /// Bars that the return is taken over.
    #[serde(default = "preset::count::<252>")]
    pub lookback: u32,
    /// Latest bars that are left out.
    #[serde(default)]
    pub skip: u32,
    /// Return to exceed, as a share: 0.05 is 5 %.
    #[serde(default)]
    pub threshold: f64,
    /// What is held while the return is within the threshold.
    #[serde(default)]
    pub otherwise: Otherwise,
    /// Bars from one decision to the next.
    #[serde(default = "preset::count::<1>")]
    pub every: u32,
    /// How large a position is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

/// What is held between two thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Nothing.
    #[default]
    Flat,
    /// What was held before.
    Hold,
}

/// The return in percent.
#[derive(Debug)]
pub struct Features {
    roc: FeatureId,
}

impl Rule for Momentum {
    type Features = Features;
    type State = u32;

    fn market(&self) -> Market<'_> {
        Market { instrument: &self.instrument, bars: &self.bars, size: &self.size, execution: &self.execution }
    }

    fn check(&self, faults: &mut Faults) {
        faults.period("lookback", self.lookback, 1);
        faults.require(
            self.skip < HISTORY_BARS_MAX as u32,
            "skip",
            self.skip,
            format_args!("below {HISTORY_BARS_MAX} bars"),
        );
        faults.number("threshold", self.threshold, self.threshold >= 0.0, "at least 0");
        faults.require(self.every > 0, "every", self.every, "at least 1 bar");
    }

    fn features(&self, features: &mut FeatureSetup<'_, '_>) -> Result<Features, StrategyError> {
        Ok(Features { roc: features.feature_with_history(&format!("ROC({})", self.lookback), self.skip as usize + 1)? })
    }

    fn decide(&self, features: &Features, state: &mut u32, view: &View<'_>) -> Option<Stance> {
        let percent = view.feature_at(features.roc, self.skip as usize)?;
        let turn = *state == 0;
        *state = (*state + 1) % self.every;
        if !turn {
            return None;
        }
        let gain = percent / 100.0;
        match self.otherwise {
            _ if gain > self.threshold => Some(Stance::Long),
            _ if gain < -self.threshold => Some(Stance::Short),
            Otherwise::Flat => Some(Stance::Flat),
            Otherwise::Hold => None,
        }
    }
}
