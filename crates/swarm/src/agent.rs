//! What is known of an agent that trades: what it is for, and how it has done.
//!
//! Invariant: a signal is judged by the next bar of its instrument, and by nothing its maker could have seen. Equal bars
//! give equal records. Deliberately not here: strategies. `starling-lab` puts the engine's into agents.

mod record;

use serde::{Deserialize, Serialize};

use crate::task::Capabilities;
pub use record::TrackRecord;

/// One, in basis points: the unit of confidence, target and weight.
pub const UNIT: u16 = 10_000;

/// What an agent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Goes with the past return.
    Momentum,
    /// Goes with a trend.
    Trend,
    /// Goes with a price that leaves its range.
    Breakout,
    /// Goes against what strayed.
    MeanReversion,
    /// Trades one instrument against another.
    Pairs,
    /// Offers both sides.
    MarketMaker,
    /// Divides equity among instruments.
    Portfolio,
    /// Forbids: while its strategy holds a position on paper, it vetoes. It has no other word.
    RiskManager,
    /// Predicts.
    Forecaster,
    /// Reads.
    News,
    /// Hands out work, and has no opinion.
    Coordinator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Momentum,
        Self::Trend,
        Self::Breakout,
        Self::MeanReversion,
        Self::Pairs,
        Self::MarketMaker,
        Self::Portfolio,
        Self::RiskManager,
        Self::Forecaster,
        Self::News,
        Self::Coordinator,
    ];

    /// Its name in configurations and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Momentum => "momentum",
            Self::Trend => "trend",
            Self::Breakout => "breakout",
            Self::MeanReversion => "mean_reversion",
            Self::Pairs => "pairs",
            Self::MarketMaker => "market_maker",
            Self::Portfolio => "portfolio",
            Self::RiskManager => "risk_manager",
            Self::Forecaster => "forecaster",
            Self::News => "news",
            Self::Coordinator => "coordinator",
        }
    }

    /// The ability that goes with it, one bit each; tasks for a role need it.
    #[must_use]
    pub const fn capability(self) -> Capabilities {
        Capabilities(1 << self as u64)
    }

    /// True if its no ends a decision.
    #[must_use]
    pub const fn has_veto(self) -> bool {
        matches!(self, Self::RiskManager)
    }

    /// True if it has opinions on trades.
    #[must_use]
    pub const fn votes(self) -> bool {
        !matches!(self, Self::Coordinator | Self::RiskManager)
    }
}

#[cfg(test)]
mod tests;
