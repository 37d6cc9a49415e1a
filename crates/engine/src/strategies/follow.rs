//! Follow: carries out what agents outside the sequencer decide.
//!
//! A decision says long, short or flat in one instrument, and how sure its makers are. Quantity: what `size` gives, times
//! the instrument's weight, times the confidence where `scale_by_confidence` says so. Decisions about instruments that
//! are not listed, and those less sure than `min_confidence`, are left alone: what is held stays.
//!
//! Invariant: it acts on decisions only, and these are in the journal by value; so a replay, or a run from the journal,
//! trades the same without the agents. What it deliberately does not do: decide.

use serde::{Deserialize, Serialize};
use starling_core::event::Decision;
use starling_core::fixed::SCALE;
use starling_core::{Rate, Side};

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError};
use super::portfolio::{self, Portfolio, PortfolioState, Weight};
use super::sizing::Sizing;
use super::target::{Execution, Stance};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The instruments, as `[{ instrument = "SPY.SIM", weight = "0.2" }]`; a weight left out is 1.
    pub weights: Vec<Weight>,
    /// The series of bars that sizes are measured by, as `1d last external`.
    pub bars: String,
    /// How large the whole is.
    pub size: Sizing,
    /// The least confidence that is acted on, 0 to 1.
    #[serde(default)]
    pub min_confidence: Exact<Rate>,
    /// Whether half the confidence means half the quantity; a position held is resized within
    /// `execution.rebalance_band` only.
    #[serde(default)]
    pub scale_by_confidence: bool,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

impl Configuration for Follow {
    type Strategy = Follower;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        portfolio::check(&self.weights, &mut faults);
        for (at, Weight { weight, .. }) in self.weights.iter().enumerate() {
            let requirement = "positive: the decision says which way to stand";
            faults.require(!weight.0.is_negative(), &format!("weights[{at}].weight"), weight, requirement);
        }
        faults.bars("bars", &self.bars);
        let least = self.min_confidence.0;
        faults.require(!least.is_negative() && least <= Rate::ONE, "min_confidence", least, "within 0 and 1");
        faults.within("size", self.size.validate());
        faults.within("execution", self.execution.validate());
        faults.into_vec()
    }

    fn build(&self) -> Follower {
        Follower { parameters: self.clone(), portfolio: None }
    }
}

/// The rule at work.
#[derive(Debug)]
pub struct Follower {
    parameters: Follow,
    portfolio: Option<Portfolio>,
}

impl Strategy for Follower {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let Follow { weights, bars, size, execution, .. } = &self.parameters;
        self.portfolio = Some(Portfolio::setup(setup, weights, bars, size, execution)?);
        Ok(())
    }

    fn on_decision(&mut self, ctx: &mut Context<'_>, decision: &Decision) {
        let Some(portfolio) = &mut self.portfolio else { return };
        let mut legs = 0..portfolio.legs.len();
        let Some(leg) = legs.find(|leg| portfolio.instrument(*leg) == decision.instrument) else { return };
        let confidence = Rate::from_units(i64::from(decision.confidence_bps.min(10_000)) * (SCALE / 10_000));
        if confidence < self.parameters.min_confidence.0 {
            return;
        }
        let stance = match decision.side {
            Some(Side::Buy) => Stance::Long,
            Some(Side::Sell) => Stance::Short,
            None => Stance::Flat,
        };
        let share = if self.parameters.scale_by_confidence { confidence } else { Rate::ONE };
        portfolio.take(ctx, leg, stance, share);
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        if let Some(portfolio) = &mut self.portfolio {
            portfolio.on_order(ctx, update);
        }
    }

    fn on_fill(&mut self, _ctx: &mut Context<'_>, fill: &FillUpdate) {
        if let Some(portfolio) = &mut self.portfolio {
            portfolio.on_fill(fill);
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        if let Some(portfolio) = &mut self.portfolio {
            portfolio.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let portfolio = self.portfolio.as_ref().ok_or("a strategy is saved after its set-up")?;
        Ok(postcard::to_allocvec(&portfolio.state())?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let portfolio = self.portfolio.as_mut().ok_or("a strategy is restored after its set-up")?;
        let saved: PortfolioState = postcard::from_bytes(bytes)?;
        portfolio.restore(saved)
    }
}
