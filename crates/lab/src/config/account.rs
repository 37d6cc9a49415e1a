//! `[[accounts]]`: what is traded with.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use starling_core::{Money, Rate};
use starling_engine::strategies::parameter::Exact;

/// An account at a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Its name in reports. Default: the venue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it is.
    pub venue: String,
    /// `cash`: what is bought is paid for. `margin`: only profit, fees and funding move cash.
    pub kind: AccountKindConfig,
    /// `netting` (default): one position per instrument and strategy. `hedging`: each opening order has its own.
    #[serde(default)]
    pub positions: PositionsConfig,
    /// The currency that profit and fees are converted into as they arise. Default: each stays in its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Opening balances, as in `{ USD = "1000000" }`.
    pub balances: BTreeMap<String, Exact<Money>>,
    /// Divides margin requirements. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leverage: Option<Exact<Rate>>,
    /// Leverage of single instruments, as in `{ "BTCUSDT-PERP.BINANCE" = "50" }`.
    #[serde(default)]
    pub leverage_by: BTreeMap<String, Exact<Rate>>,
    /// Which cost leaves first when a position shrinks: `average` (default) or `fifo`.
    #[serde(default)]
    pub cost: CostConfig,
    /// At which price fills are converted into `base`: `fill_side` (default; a buy at the pair's bid, a sell at its
    /// ask), `opposite`, `mid` or `last`.
    #[serde(default)]
    pub fx: FxConfig,
    /// At which price what is open is valued: `exit` (default; longs at the bid, shorts at the ask), `mid` or `last`.
    #[serde(default)]
    pub valuation: ValuationConfig,
}

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident -> $target:path { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }
        impl From<$name> for $target {
            fn from(choice: $name) -> Self {
                match choice { $($name::$variant => Self::$variant,)+ }
            }
        }
    };
}

choice!(
    /// What changes hands in a trade.
    AccountKindConfig -> starling_engine::ledger::AccountKind {
        /// What is bought is paid for.
        #[default]
        Cash,
        /// Only profit, fees and funding move cash.
        Margin,
    }
);
choice!(
    /// How fills become positions.
    PositionsConfig -> starling_engine::ledger::PositionMode {
        /// One position per instrument and strategy.
        #[default]
        Netting,
        /// One position per opening order.
        Hedging,
    }
);
choice!(
    /// Which cost leaves first.
    CostConfig -> starling_engine::ledger::CostMethod {
        /// The same share of the whole.
        #[default]
        Average,
        /// The oldest.
        Fifo,
    }
);
choice!(
    /// At which price fills are converted.
    FxConfig -> starling_engine::ledger::FxSide {
        /// A buy at the pair's bid, a sell at its ask.
        #[default]
        FillSide,
        /// A buy at the pair's ask, a sell at its bid.
        Opposite,
        /// At the midpoint.
        Mid,
        /// At the last price.
        Last,
    }
);
choice!(
    /// At which price what is open is valued.
    ValuationConfig -> starling_engine::ledger::Valuation {
        /// Where it could be closed.
        #[default]
        Exit,
        /// At the midpoint.
        Mid,
        /// At the last price.
        Last,
    }
);

impl AccountConfig {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.venue)
    }
}
