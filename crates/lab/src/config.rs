//! The configuration of a run: one typed value, read from TOML, with every fault named at once.
//!
//! Invariant: a [`Config`] that [`Config::read`] returns can be assembled: every name in it resolves, every number can
//! work. What it deliberately does not do: open data files, or hold secrets.

mod account;
mod fault;
mod instrument;
mod reader;
mod swarm;
mod venue;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use starling_core::Rate;
use starling_engine::risk::RiskLimits;
use starling_engine::strategies::StrategyConfig;
use starling_engine::strategies::parameter::Exact;

use starling_market::bar::{CivilDay, Hours, SessionCalendar};

use crate::data::DataSpec;

pub use account::{AccountConfig, AccountKindConfig, CostConfig, FxConfig, PositionsConfig, ValuationConfig};
pub use fault::{ConfigFault, ConfigFaults};
pub use instrument::{InstrumentConfig, KindConfig, Template};
pub use swarm::{
    AgentConfig, AgentCostConfig, AutoscaleConfig, ConferConfig, ConsensusConfig, ProcessConfig, ProviderConfig,
    SwarmConfig, TopologyConfig, TransportConfig,
};
pub use venue::{
    ActivationConfig, FeeTierConfig, FeesConfig, LatencyConfig, PerUnitConfig, SlippageConfig, VenueConfig,
};

/// A currency whose decimals differ from the usual ones (ISO 4217 minor units; 8 for digital assets).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurrencyConfig {
    /// Its code, as in `USDT`.
    pub code: String,
    /// Decimals that amounts are rounded to, at most 9.
    pub digits: u8,
}

/// How bars are built, and how the market is taken to move within a bar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BarsConfig {
    /// In which order a bar visits its prices: `ohlc` (default), `olhc`, or `adaptive` (the extreme nearer to the open
    /// first).
    pub walk: WalkConfig,
    /// An interval without a tick: `emit` a flat bar at the last close (default), or `skip` it.
    pub empty: EmptyConfig,
    /// A tick from before the open bar: `into_open_bar` (default) or `drop`.
    pub late: LateConfig,
    /// Session calendars that series name, as in `1d@us`.
    pub sessions: BTreeMap<String, SessionConfig>,
}

/// In which order a bar visits its extremes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WalkConfig {
    /// Open, high, low, close.
    #[default]
    Ohlc,
    /// Open, low, high, close.
    Olhc,
    /// The extreme nearer to the open first.
    Adaptive,
}

/// What becomes of an interval without a tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyConfig {
    /// A bar at the last close.
    #[default]
    Emit,
    /// No bar.
    Skip,
}

/// What becomes of a tick from before the open bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LateConfig {
    /// It goes into the open bar.
    #[default]
    IntoOpenBar,
    /// It goes into none.
    Drop,
}

/// When a market is open, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// Minutes after midnight UTC at which a session opens and closes, as in `[870, 1260]`; an opening below zero is on
    /// the day before.
    pub hours: [i32; 2],
    /// Days with a session: 1 is Monday, 7 Sunday. Default: Monday to Friday.
    #[serde(default = "SessionConfig::weekdays")]
    pub days: Vec<u8>,
    /// Dates without a session, as `2013-12-25`.
    #[serde(default)]
    pub holidays: Vec<String>,
    /// Dates with other hours.
    #[serde(default)]
    pub special: BTreeMap<String, [i32; 2]>,
}

impl SessionConfig {
    fn weekdays() -> Vec<u8> {
        vec![1, 2, 3, 4, 5]
    }

    /// The calendar it describes, or what is wrong with it.
    pub(crate) fn calendar(&self) -> Result<SessionCalendar, String> {
        let hours = |[open, close]: [i32; 2]| Hours { open_s: open * 60, close_s: close * 60 };
        let day = |text: &String| text.parse::<CivilDay>().map_err(|e| e.to_string());
        let mut week = [None; 7];
        for number in &self.days {
            let slot = number.checked_sub(1).and_then(|i| week.get_mut(usize::from(i)));
            *slot.ok_or_else(|| format!("day {number} must be 1 (Monday) to 7 (Sunday)"))? = Some(hours(self.hours));
        }
        let holidays = self.holidays.iter().map(day).collect::<Result<Vec<_>, _>>()?;
        let special = self
            .special
            .iter()
            .map(|(text, h)| Ok((day(text)?, hours(*h))))
            .collect::<Result<BTreeMap<_, _>, String>>()?;
        SessionCalendar::new(week, holidays, special).map_err(|e| e.to_string())
    }
}

/// How statistics are annualised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatisticsConfig {
    /// Days of returns in a year: 252 for stocks (default), 365 for markets that never close.
    pub periods_per_year: f64,
    /// Risk-free rate a year.
    pub risk_free: f64,
}

impl Default for StatisticsConfig {
    fn default() -> Self {
        Self { periods_per_year: 252.0, risk_free: 0.0 }
    }
}

/// Somebody who trades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StrategyEntry {
    /// Its name in reports, unique.
    pub id: String,
    /// The accounts it trades on, needed where a venue has several.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Its kind and parameters.
    #[serde(flatten)]
    pub config: StrategyConfig,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name, the report's title.
    pub name: String,
    /// Seed of all that is drawn (latencies, slippage).
    #[serde(default)]
    pub seed: u64,
    /// The currency that the report is told in. Default: the base of the first account, or the currency of its largest
    /// opening balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting_currency: Option<String>,
    /// Currencies with unusual decimals.
    #[serde(default)]
    pub currencies: Vec<CurrencyConfig>,
    /// Where is traded.
    pub venues: Vec<VenueConfig>,
    /// What with.
    pub accounts: Vec<AccountConfig>,
    /// What is traded.
    pub instruments: Vec<InstrumentConfig>,
    /// Market data. Where stamps are equal, the table that stands first comes first.
    pub data: Vec<DataSpec>,
    /// How bars are built and walked.
    #[serde(default)]
    pub bars: BarsConfig,
    /// Limits before every order.
    #[serde(default)]
    pub risk: RiskLimits,
    /// Who trades.
    #[serde(default)]
    pub strategies: Vec<StrategyEntry>,
    /// How statistics are annualised.
    #[serde(default)]
    pub statistics: StatisticsConfig,
    /// Agents that confer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<SwarmConfig>,
}

impl Config {
    /// Reads and checks a configuration; all faults at once, with their lines.
    pub fn read(text: &str) -> Result<Self, ConfigFaults> {
        reader::read(text)
    }

    /// Reads and checks a single `[[data]]` table, its fields at the top level of `text`; all faults at once.
    pub fn read_table(text: &str) -> Result<DataSpec, ConfigFaults> {
        reader::read_table(text)
    }

    /// The line of a configuration's text that a place is said on, as `data[0].path`, or the nearest place that it lies in;
    /// none of a text without any part of it.
    #[must_use]
    pub fn line(text: &str, place: &str) -> Option<usize> {
        reader::line(text, place)
    }

    /// The JSON schema of the configuration, draft 2020-12.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    /// A configuration's text with values replaced: `[("data.path", "bars.csv")]`. A value is read as TOML where it is
    /// valid TOML, else as text. In a list, a number names the element; with only one element it may be left out.
    pub fn with_values(text: &str, values: &[(String, String)]) -> Result<String, ConfigFaults> {
        reader::with_values(text, values)
    }
}

/// A share told as a decimal.
pub(crate) fn rate(value: &Option<Exact<Rate>>, default: Rate) -> Rate {
    value.as_ref().map_or(default, |exact| exact.0)
}

#[cfg(test)]
mod tests;
