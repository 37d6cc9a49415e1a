//! The built-in strategies: a table of kinds, from which the configuration, the dispatch and the documentation are made.
//!
//! Invariant: a strategy is one file and one line in `builtins!`'s table: a name, the type of its parameters, and a
//! line of documentation. Whatever holds for all of them (parameters that report all their faults, snapshots, no
//! allocation per bar, decisions from the past only) is tested over the table. What it deliberately does not hold:
//! strategies of users, which implement [`Strategy`] themselves.

pub mod breakout;
pub mod buy_and_hold;
pub mod delta_neutral;
pub mod ema_cross;
pub mod ensemble;
pub mod follow;
pub mod grid_maker;
pub mod mean_reversion;
pub mod mirror;
pub mod momentum;
pub mod pairs;
pub mod parameter;
pub mod portfolio;
pub mod rebalance;
pub mod rules;
pub mod scripted;
pub mod signal;
pub mod sizing;
pub mod statistical_arbitrage;
pub mod target;
pub mod trend;

#[cfg(test)]
mod tests;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use starling_core::event::{Decision, Timer};
use starling_core::{Bar, Quote, Trade};

use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

pub use breakout::Breakout;
pub use buy_and_hold::BuyAndHold;
pub use delta_neutral::DeltaNeutral;
pub use ema_cross::EmaCross;
pub use ensemble::{Ensemble, Member, MemberRule, Weighting};
pub use follow::Follow;
pub use grid_maker::{GridMaker, Spacing};
pub use mean_reversion::MeanReversion;
pub use mirror::{Leader, ListedFill, ListedSide, Mirror};
pub use momentum::{Momentum, Otherwise};
pub use pairs::{Cointegration, Hedge, Neutrality, Pairs};
pub use parameter::{Exact, ParameterError, Span, Stamp};
pub use portfolio::Weight;
pub use rebalance::{Rebalance, Schedule};
pub use rules::Rules;
pub use scripted::Scripted;
pub use sizing::Sizing;
pub use statistical_arbitrage::{Reversion, StatisticalArbitrage};
pub use target::{Direction, Execution, Flip, Stance, Target};
pub use trend::{DirectionBy, Trend};

/// Parameters of a built-in strategy.
pub trait Configuration {
    /// What they configure.
    type Strategy: Strategy;
    /// All faults.
    fn validate(&self) -> Vec<ParameterError>;
    /// The strategy, to be set up.
    fn build(&self) -> Self::Strategy;
}

/// A kind of strategy, for listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name in configurations.
    pub name: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
}

/// Makes of each row (name, type of parameters, line of documentation) a variant of the configuration and of the
/// strategy, and dispatches both.
macro_rules! builtins {
    ($($name:literal $variant:ident($parameters:ty): $doc:literal;)+) => {
        /// The configuration of a built-in strategy; `kind` names it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum StrategyConfig {
            $(#[doc = $doc] #[serde(rename = $name)] $variant($parameters),)+
        }

        /// Any built-in strategy, dispatched without a virtual call.
        #[non_exhaustive]
        pub enum Builtin {
            $(#[doc = $doc] $variant(Box<<$parameters as Configuration>::Strategy>),)+
            /// A user's own, the one that is dispatched by a virtual call.
            Own(Box<dyn Strategy>),
        }

        impl StrategyConfig {
            /// All kinds there are, in the order of documentation.
            pub const KINDS: &[Kind] = &[$(Kind { name: $name, doc: $doc },)+];

            /// The configuration of a kind, from its parameters alone.
            pub fn of_kind<'de, D: Deserializer<'de>>(kind: &str, parameters: D) -> Result<Self, D::Error> {
                match kind {
                    $($name => <$parameters>::deserialize(parameters).map(Self::$variant),)+
                    other => Err(D::Error::unknown_variant(other, &[$($name,)+])),
                }
            }
            /// The name of its kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }
            /// All faults of its parameters.
            #[must_use]
            pub fn validate(&self) -> Vec<ParameterError> {
                match self { $(Self::$variant(parameters) => Configuration::validate(parameters),)+ }
            }
            fn assemble(&self) -> Builtin {
                match self { $(Self::$variant(parameters) => Builtin::$variant(Box::new(parameters.build())),)+ }
            }
        }

        impl std::fmt::Debug for Builtin {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant(_) => $name,)+ Self::Own(_) => "own" })
            }
        }

        impl Strategy for Builtin {
            fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
                match self {
                    $(Self::$variant(strategy) => strategy.setup(setup),)+
                    Self::Own(strategy) => strategy.setup(setup),
                }
            }
            fn on_start(&mut self, ctx: &mut Context<'_>) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_start(ctx),)+
                    Self::Own(strategy) => strategy.on_start(ctx),
                }
            }
            fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &Quote) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_quote(ctx, quote),)+
                    Self::Own(strategy) => strategy.on_quote(ctx, quote),
                }
            }
            fn on_trade(&mut self, ctx: &mut Context<'_>, trade: &Trade) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_trade(ctx, trade),)+
                    Self::Own(strategy) => strategy.on_trade(ctx, trade),
                }
            }
            fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_bar(ctx, bar),)+
                    Self::Own(strategy) => strategy.on_bar(ctx, bar),
                }
            }
            fn on_timer(&mut self, ctx: &mut Context<'_>, timer: &Timer) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_timer(ctx, timer),)+
                    Self::Own(strategy) => strategy.on_timer(ctx, timer),
                }
            }
            fn on_decision(&mut self, ctx: &mut Context<'_>, decision: &Decision) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_decision(ctx, decision),)+
                    Self::Own(strategy) => strategy.on_decision(ctx, decision),
                }
            }
            fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_order(ctx, update),)+
                    Self::Own(strategy) => strategy.on_order(ctx, update),
                }
            }
            fn on_fill(&mut self, ctx: &mut Context<'_>, fill: &FillUpdate) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_fill(ctx, fill),)+
                    Self::Own(strategy) => strategy.on_fill(ctx, fill),
                }
            }
            fn on_stop(&mut self, ctx: &mut Context<'_>) {
                match self {
                    $(Self::$variant(strategy) => strategy.on_stop(ctx),)+
                    Self::Own(strategy) => strategy.on_stop(ctx),
                }
            }
            fn save(&self) -> Result<Vec<u8>, StrategyError> {
                match self {
                    $(Self::$variant(strategy) => strategy.save(),)+
                    Self::Own(strategy) => strategy.save(),
                }
            }
            fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
                match self {
                    $(Self::$variant(strategy) => strategy.load(bytes),)+
                    Self::Own(strategy) => strategy.load(bytes),
                }
            }
        }
    };
}

builtins! {
    "ema_cross" EmaCross(ema_cross::EmaCross): "Long while a fast exponential average is at or above a slow one, else short.";
    "momentum" Momentum(momentum::Momentum): "Long after a rise over the lookback, short after a fall.";
    "mean_reversion" MeanReversion(mean_reversion::MeanReversion): "Against a price far from its average, until it is back.";
    "breakout" Breakout(breakout::Breakout): "Long above the highest price of the last bars, short below the lowest.";
    "trend" Trend(trend::Trend): "With a moving average or the MACD while the ADX shows a trend, under a stop that follows.";
    "buy_and_hold" BuyAndHold(buy_and_hold::BuyAndHold): "Buys once and keeps: the yardstick of all others.";
    "rebalance" Rebalance(rebalance::Rebalance): "Brings several instruments back to fixed weights, by the calendar or on drift.";
    "scripted" Scripted(scripted::Scripted): "Orders, changes and cancels at given stamps or after given events.";
    "pairs" Pairs(pairs::Pairs): "Trades the spread of two instruments back to its mean.";
    "statistical_arbitrage" StatisticalArbitrage(statistical_arbitrage::StatisticalArbitrage): "Buys the losers and sells the winners of a basket, for as much long as short.";
    "grid_maker" GridMaker(grid_maker::GridMaker): "Quotes a ladder of limit orders on both sides of the mid.";
    "ensemble" Ensemble(ensemble::Ensemble): "Several rules vote on one instrument, and one position follows the vote.";
    "follow" Follow(follow::Follow): "Carries out what agents decide: a swarm, or a journal that kept its decisions.";
    "mirror" Mirror(mirror::Mirror): "Holds what another strategy, another account or a list of fills holds, times a factor.";
    "delta_neutral" DeltaNeutral(delta_neutral::DeltaNeutral): "Holds a spot position hedged by a perpetual or a future.";
    "rules" Rules(rules::Rules): "Conditions over features, written in the configuration.";
}

/// The parameters of a strategy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("strategy kind `{kind}`: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigurationError {
    /// The strategy's kind.
    pub kind: &'static str,
    /// All that is wrong.
    pub faults: Vec<ParameterError>,
}

impl StrategyConfig {
    /// The strategy, unless its parameters have faults.
    pub fn build(&self) -> Result<Builtin, ConfigurationError> {
        match self.validate() {
            faults if faults.is_empty() => Ok(self.assemble()),
            faults => Err(ConfigurationError { kind: self.kind(), faults }),
        }
    }
}
