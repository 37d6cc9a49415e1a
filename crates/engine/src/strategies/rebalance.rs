//! Rebalance: several instruments brought back to fixed weights, on a schedule or when they have drifted.
//!
//! Wanted value of each instrument: its weight times what `size` gives (all of the equity, for weights of a whole
//! portfolio), rounded down to the lot. Decided after all data of a stamp, so that every instrument's bar of that moment
//! is seen; sells are sent before buys, and buys once the sells have ended. A day, week (from Monday) or month begins, in
//! UTC, with the first bar whose interval ends in it: nobody knows at the last bar of a month that it is the last.
//! Constant-mix rebalancing (Perold & Sharpe 1988) sells what rose: it assumes that prices revert, or that risk should
//! stay as it was.

use serde::{Deserialize, Serialize};
use starling_core::event::Timer;
use starling_core::{Bar, Rounding, UnixNanos};

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError};
use super::portfolio::{self, Portfolio, PortfolioState, Weight};
use super::sizing::{Sizing, equity_in_settlement};
use super::target::Execution;
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// When weights are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Every so many stamps at which bars close.
    Bars(u32),
    /// With the first bar of a day.
    Day,
    /// With the first bar of a week.
    Week,
    /// With the first bar of a month.
    Month,
    /// Once, and then only when they drift.
    Once,
}

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rebalance {
    /// The instruments, as `[{ instrument = "SPY.SIM", weight = "0.6" }]`; negative weights are short.
    pub weights: Vec<Weight>,
    /// The series of bars of each, as `1d last external`.
    pub bars: String,
    /// `day`, `week`, `month`, `once` or `{ bars = 5 }`.
    pub schedule: Schedule,
    /// Restores all weights between two dates once one is off by more than this, in shares of equity.
    #[serde(default)]
    pub drift: Option<Exact<starling_core::Rate>>,
    /// How large the whole is.
    pub size: Sizing,
    /// How a decision becomes orders.
    #[serde(default)]
    pub execution: Execution,
}

impl Configuration for Rebalance {
    type Strategy = Rebalancer;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        portfolio::check(&self.weights, &mut faults);
        faults.bars("bars", &self.bars);
        if let Schedule::Bars(bars) = self.schedule {
            faults.require(bars > 0, "schedule.bars", bars, "at least 1 bar");
        }
        if let Some(drift) = self.drift {
            faults.require(drift.0.is_positive(), "drift", drift, "positive");
        }
        faults.within("size", self.size.validate());
        faults.within("execution", self.execution.validate());
        faults.into_vec()
    }

    fn build(&self) -> Rebalancer {
        Rebalancer { parameters: self.clone(), state: State::default(), portfolio: None }
    }
}

/// What changes from bar to bar.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// The stamp whose bars are being collected.
    collecting: Option<UnixNanos>,
    /// Stamps seen since the weights were restored.
    stamps: u32,
    /// The day, week or month in which they were restored; `None` before the first time.
    period: Option<u64>,
}

/// The rule at work.
#[derive(Debug)]
pub struct Rebalancer {
    parameters: Rebalance,
    state: State,
    portfolio: Option<Portfolio>,
}

impl Schedule {
    /// The period that a bar belongs to which closes at `ts`.
    fn period(self, ts: UnixNanos) -> u64 {
        let inside = ts.saturating_sub(1);
        match self {
            Self::Day => inside.unix_day(),
            // 1970-01-01 was a Thursday; weeks begin on Monday.
            Self::Week => (inside.unix_day() + 3) / 7,
            Self::Month => {
                let (year, month, _) = inside.civil();
                u64::from(year.unsigned_abs()) * 12 + u64::from(month)
            }
            Self::Bars(_) | Self::Once => 0,
        }
    }
}

impl Rebalancer {
    fn is_due(&self, ctx: &Context<'_>, portfolio: &Portfolio) -> bool {
        let Some(period) = self.state.period else { return true };
        let scheduled = match self.parameters.schedule {
            Schedule::Bars(bars) => self.state.stamps >= bars,
            schedule => schedule.period(ctx.now()) != period,
        };
        scheduled || self.parameters.drift.is_some_and(|drift| has_drifted(ctx, portfolio, drift))
    }
}

/// One leg's value differs from the wanted one by more than `drift` of equity.
fn has_drifted(ctx: &Context<'_>, portfolio: &Portfolio, drift: Exact<starling_core::Rate>) -> bool {
    (0..portfolio.legs.len()).any(|leg| {
        let instrument = portfolio.instrument(leg);
        let (Some(wanted), Some(mark)) = (portfolio.wanted(ctx, leg), ctx.mark(instrument)) else { return false };
        let Some(equity) = equity_in_settlement(ctx, instrument) else { return false };
        let terms = ctx.instrument(instrument);
        let off = terms.notional((wanted - ctx.position(instrument)).abs(), mark.last, 9, Rounding::Floor);
        let scale = starling_core::fixed::SCALE;
        let slack = equity.scaled(drift.0.units().into(), scale.into(), 9, Rounding::Ceil);
        slack.is_some_and(|slack| off > slack)
    })
}

impl Strategy for Rebalancer {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let Rebalance { weights, bars, size, execution, .. } = &self.parameters;
        self.portfolio = Some(Portfolio::setup(setup, weights, bars, size, execution)?);
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, _bar: &Bar) {
        let now = ctx.now();
        if self.state.collecting != Some(now) {
            self.state.collecting = Some(now);
            ctx.set_timer(0, now);
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<'_>, _timer: &Timer) {
        self.state.stamps = self.state.stamps.saturating_add(1);
        let Some(portfolio) = &self.portfolio else { return };
        if portfolio.is_busy(ctx) || !self.is_due(ctx, portfolio) {
            return;
        }
        let Some(portfolio) = &mut self.portfolio else { return };
        if portfolio.rebalance(ctx) {
            self.state.stamps = 0;
            self.state.period = Some(self.parameters.schedule.period(ctx.now()));
        }
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
        Ok(postcard::to_allocvec(&(&self.state, portfolio.state()))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let portfolio = self.portfolio.as_mut().ok_or("a strategy is restored after its set-up")?;
        let (state, saved): (State, PortfolioState) = postcard::from_bytes(bytes)?;
        portfolio.restore(saved)?;
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_belongs_to_the_period_that_it_ends_in() {
        let midnight = |month, day| UnixNanos::from_civil(2024, month, day).unwrap();
        // 2024-01-29 and 2024-02-05 are Mondays; a bar that closes at midnight is the last of the day before.
        for (schedule, first, next) in [
            (Schedule::Day, midnight(2, 1), midnight(2, 2)),
            (Schedule::Week, midnight(1, 29), midnight(2, 5)),
            (Schedule::Month, midnight(2, 1), midnight(3, 1)),
        ] {
            let period = schedule.period(next);
            assert_eq!(schedule.period(first + 1), period, "{schedule:?}");
            assert_ne!(schedule.period(first), period, "{schedule:?}");
            assert_ne!(schedule.period(next + 1), period, "{schedule:?}");
        }
    }
}
