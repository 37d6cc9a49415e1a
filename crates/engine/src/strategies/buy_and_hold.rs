//! Buy and hold: each instrument is bought once, at the first bar that it can be sized at, and kept.
//!
//! The yardstick of every other strategy. Quantity: what `size` gives, times the instrument's weight (negative weights
//! are sold short). An order that is denied is tried again at the next bar; a position that has been held is never
//! entered again. It assumes nothing but a drift.

use serde::{Deserialize, Serialize};
use starling_core::Bar;

use super::Configuration;
use super::parameter::{Faults, ParameterError};
use super::portfolio::{self, Portfolio, PortfolioState, Weight};
use super::sizing::Sizing;
use super::target::Execution;
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuyAndHold {
    /// The instruments, as `[{ instrument = "SPY.SIM", weight = "0.6" }]`; a weight left out is 1.
    pub weights: Vec<Weight>,
    /// The series of bars of each, as `1d last external`.
    pub bars: String,
    /// How large the whole is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

impl Configuration for BuyAndHold {
    type Strategy = Holder;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        portfolio::check(&self.weights, &mut faults);
        faults.bars("bars", &self.bars);
        faults.within("size", self.size.validate());
        faults.within("execution", self.execution.validate());
        faults.into_vec()
    }

    fn build(&self) -> Holder {
        Holder { parameters: self.clone(), held: vec![false; self.weights.len()], portfolio: None }
    }
}

/// The rule at work.
#[derive(Debug)]
pub struct Holder {
    parameters: BuyAndHold,
    /// By leg: the position has been there.
    held: Vec<bool>,
    portfolio: Option<Portfolio>,
}

impl Strategy for Holder {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let BuyAndHold { weights, bars, size, execution } = &self.parameters;
        self.portfolio = Some(Portfolio::setup(setup, weights, bars, size, execution)?);
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        let Some(portfolio) = &mut self.portfolio else { return };
        let Some(leg) = portfolio.leg_of(bar.series).filter(|leg| !self.held[*leg]) else { return };
        if !portfolio.legs[leg].target.expected(ctx).is_zero() {
            self.held[leg] = true;
        } else if let Some(wanted) = portfolio.wanted(ctx, leg) {
            portfolio.legs[leg].target.go(ctx, wanted);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        if let Some(portfolio) = &mut self.portfolio {
            portfolio.on_order(ctx, update);
        }
    }

    fn on_fill(&mut self, _ctx: &mut Context<'_>, fill: &FillUpdate) {
        let Some(portfolio) = &mut self.portfolio else { return };
        portfolio.on_fill(fill);
        for (leg, held) in portfolio.legs.iter().zip(&mut self.held) {
            *held |= leg.target.instrument() == fill.fill.instrument;
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        if let Some(portfolio) = &mut self.portfolio {
            portfolio.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let portfolio = self.portfolio.as_ref().ok_or("a strategy is saved after its set-up")?;
        Ok(postcard::to_allocvec(&(&self.held, portfolio.state()))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let portfolio = self.portfolio.as_mut().ok_or("a strategy is restored after its set-up")?;
        let (held, state): (Vec<bool>, PortfolioState) = postcard::from_bytes(bytes)?;
        portfolio.restore(state)?;
        self.held = held;
        Ok(())
    }
}
