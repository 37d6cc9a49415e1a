//! Portfolios: several instruments with weights, each pursued by a target of its own.
//!
//! Invariant: all quantities of one decision are worked out before the first order is sent, and what sells is sent
//! before what buys; buys wait for the sells, whose proceeds pay for them. What it deliberately does not do: decide when.

use serde::{Deserialize, Serialize};
use starling_core::fixed::SCALE;
use starling_core::{BarSeriesId, InstrumentId, Qty, Rate};
use starling_market::bar::BarSpec;

use super::parameter::{Exact, Faults};
use super::sizing::{Sizing, SizingFeatures};
use super::target::{Execution, Stance, Target, TargetState};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, StrategyError};

/// An instrument and its part of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The instrument, as `SPY.SIM`.
    pub instrument: String,
    /// Its share of what `size` gives; negative is short.
    #[serde(default = "one")]
    pub weight: Exact<Rate>,
}

fn one() -> Exact<Rate> {
    Exact(Rate::ONE)
}

/// Checks a list of weights.
pub(super) fn check(weights: &[Weight], faults: &mut Faults) {
    faults.require(!weights.is_empty(), "weights", "empty", "at least one instrument with its weight");
    for (at, Weight { instrument, weight }) in weights.iter().enumerate() {
        faults.instrument(&format!("weights[{at}].instrument"), instrument);
        faults.require(!weight.0.is_zero(), &format!("weights[{at}].weight"), weight, "other than 0");
        let twice = weights[..at].iter().any(|before| before.instrument == *instrument);
        faults.require(!twice, &format!("weights[{at}].instrument"), instrument, "named once");
    }
}

/// One instrument of a portfolio.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) series: BarSeriesId,
    pub(super) target: Target,
    weight: Rate,
    sizing: SizingFeatures,
}

/// What of a portfolio changes in a run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PortfolioState {
    targets: Vec<TargetState>,
    /// By leg: where to go once all sells have ended.
    buys: Vec<Option<Qty>>,
}

/// Instruments with weights.
#[derive(Debug)]
pub(super) struct Portfolio {
    pub(super) legs: Vec<Leg>,
    size: Sizing,
    execution: Execution,
    buys: Vec<Option<Qty>>,
}

impl Portfolio {
    pub(super) fn setup(
        setup: &mut Setup<'_>,
        weights: &[Weight],
        bars: &str,
        size: &Sizing,
        execution: &Execution,
    ) -> Result<Self, StrategyError> {
        let leg = |Weight { instrument, weight }: &Weight| {
            let instrument = setup.instrument(instrument)?;
            let series = setup.bars(BarSpec::parse(instrument, bars)?)?;
            let target = Target::setup(setup, instrument, series, execution)?;
            Ok(Leg { series, target, weight: weight.0, sizing: size.setup(setup, series)? })
        };
        let legs = weights.iter().map(leg).collect::<Result<Vec<_>, StrategyError>>()?;
        let buys = vec![None; legs.len()];
        Ok(Self { legs, size: size.clone(), execution: execution.clone(), buys })
    }

    /// The leg of a series.
    pub(super) fn leg_of(&self, series: BarSeriesId) -> Option<usize> {
        self.legs.iter().position(|leg| leg.series == series)
    }

    pub(super) fn instrument(&self, leg: usize) -> InstrumentId {
        self.legs[leg].target.instrument()
    }

    /// True while the orders of a decision are on their way.
    pub(super) fn is_busy(&self, ctx: &Context<'_>) -> bool {
        self.buys.iter().any(Option::is_some) || self.legs.iter().any(|leg| leg.target.is_busy(ctx))
    }

    /// The position that a leg's weight asks for now, signed; `None` while it cannot be told.
    pub(super) fn wanted(&self, ctx: &Context<'_>, leg: usize) -> Option<Qty> {
        let Leg { target, weight, sizing, .. } = &self.legs[leg];
        let stance = if weight.is_negative() { Stance::Short } else { Stance::Long };
        let stance = self.execution.direction.allow(stance);
        if stance == Stance::Flat {
            return Some(Qty::ZERO);
        }
        let qty = self.size.quantity_of(ctx, target.instrument(), *sizing, stance, weight.abs());
        // All is known, and there is no quantity: less than a lot is wanted.
        let known = self.size.is_known(ctx, target.instrument(), *sizing);
        qty.or(known.then_some(Qty::ZERO)).map(|qty| stance.signed(qty))
    }

    /// Takes a stance in one leg, at a share of its weight.
    pub(super) fn take(&mut self, ctx: &mut Context<'_>, leg: usize, stance: Stance, share: Rate) {
        let Self { legs, size, .. } = self;
        let Leg { target, weight, sizing, .. } = &mut legs[leg];
        let (instrument, sizing) = (target.instrument(), *sizing);
        let weight = i128::from(weight.units()) * i128::from(share.units()) / i128::from(SCALE);
        let weight = Rate::from_units(i64::try_from(weight).expect("a share of a weight is no more than it"));
        target.take(ctx, stance, |ctx, stance| size.quantity_of(ctx, instrument, sizing, stance, weight));
    }

    /// Brings every leg to its weight, except those within the rebalance band. False while a leg cannot be told.
    pub(super) fn rebalance(&mut self, ctx: &mut Context<'_>) -> bool {
        for leg in 0..self.legs.len() {
            let Some(wanted) = self.wanted(ctx, leg) else {
                self.buys.fill(None);
                return false;
            };
            self.buys[leg] = Some(wanted);
        }
        for (leg, wanted) in self.legs.iter_mut().zip(&mut self.buys) {
            let (held, qty) = (ctx.position(leg.target.instrument()), wanted.expect("set above"));
            if qty == held || (self.execution.rebalance_band.is_some() && leg.target.is_within_band(held, qty)) {
                *wanted = None;
            } else if qty < held {
                leg.target.go(ctx, qty);
                *wanted = None;
            }
        }
        self.release_buys(ctx);
        true
    }

    fn release_buys(&mut self, ctx: &mut Context<'_>) {
        if self.legs.iter().any(|leg| leg.target.is_busy(ctx)) {
            return;
        }
        for (leg, wanted) in self.legs.iter_mut().zip(&mut self.buys) {
            if let Some(qty) = wanted.take() {
                leg.target.go(ctx, qty);
            }
        }
    }

    pub(super) fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        for leg in &mut self.legs {
            leg.target.on_order(ctx, update);
        }
        if update.is_final() {
            self.release_buys(ctx);
        }
    }

    pub(super) fn on_fill(&mut self, fill: &FillUpdate) {
        for leg in &mut self.legs {
            leg.target.on_fill(fill);
        }
    }

    pub(super) fn on_stop(&mut self, ctx: &mut Context<'_>) {
        self.buys.fill(None);
        for leg in &mut self.legs {
            leg.target.on_stop(ctx);
        }
    }

    pub(super) fn state(&self) -> PortfolioState {
        PortfolioState {
            targets: self.legs.iter().map(|leg| leg.target.state().clone()).collect(),
            buys: self.buys.clone(),
        }
    }

    pub(super) fn restore(&mut self, state: PortfolioState) -> Result<(), StrategyError> {
        if state.targets.len() != self.legs.len() || state.buys.len() != self.legs.len() {
            return Err(
                format!("saved with {} instruments, set up with {}", state.targets.len(), self.legs.len()).into()
            );
        }
        for (leg, target) in self.legs.iter_mut().zip(state.targets) {
            leg.target.restore(target);
        }
        self.buys = state.buys;
        Ok(())
    }
}
