//! `[[venues]]`: how a simulated venue behaves. The defaults flatter no strategy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use starling_core::{Money, Rate};
use starling_engine::strategies::parameter::{Exact, Span};
use starling_sim::model::{Activation, FeeModel, FeeTier, Latency, Slippage, VenueModel};

/// A venue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VenueConfig {
    /// Its name, the part after the last dot of its instruments' names.
    pub id: String,
    /// When an order meets the market: `next_event` (default), with the next event of its instrument, or `immediate`,
    /// against the market as the deciding event left it (optimistic).
    #[serde(default)]
    pub activation: ActivationConfig,
    /// How long orders, changes and cancels travel. Default: no time.
    #[serde(default)]
    pub order_latency: LatencyConfig,
    /// How long reports travel. Default: no time.
    #[serde(default)]
    pub report_latency: LatencyConfig,
    /// What trading costs. Default: `instrument`, its maker and taker rates.
    #[serde(default)]
    pub fees: FeesConfig,
    /// How much worse than the touch aggressive orders trade. Default: `none`.
    #[serde(default)]
    pub slippage: SlippageConfig,
    /// What one order takes from the displayed size is gone for the next, until the market shows another price or size.
    /// Default: true; false is optimistic.
    #[serde(default = "yes")]
    pub consume_liquidity: bool,
    /// Resting orders fill when the market trades at their price, not only through it. Default: false; true is
    /// optimistic.
    #[serde(default)]
    pub touch_fills: bool,
    /// Refuses stops and if-touched orders whose trigger the market has passed; otherwise they trigger at once. Default:
    /// true.
    #[serde(default = "yes")]
    pub refuse_passed_triggers: bool,
    /// Time of day, UTC, at which day orders end, as seconds after midnight. Default: 86400.
    #[serde(default = "midnight")]
    pub day_ends_s: u32,
}

fn yes() -> bool {
    true
}

fn midnight() -> u32 {
    86_400
}

/// When an order meets the market.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationConfig {
    /// With the next event of its instrument.
    #[default]
    NextEvent,
    /// At once.
    Immediate,
}

/// A latency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatencyConfig {
    /// No time.
    #[default]
    None,
    /// Always as long, as in `{ fixed = "20ms" }`.
    Fixed(Span),
    /// Anything between two bounds alike, as in `{ uniform = ["1ms", "5ms"] }`.
    Uniform(Span, Span),
    /// A floor, the median above it, and the standard deviation of the logarithm, as in
    /// `{ log_normal = ["1ms", "2ms", 0.5] }`.
    LogNormal(Span, Span, f64),
}

impl LatencyConfig {
    fn model(&self) -> Latency {
        match *self {
            Self::None => Latency::None,
            Self::Fixed(span) => Latency::Fixed { nanos: span.nanos },
            Self::Uniform(min, max) => Latency::Uniform { min_nanos: min.nanos, max_nanos: max.nanos },
            Self::LogNormal(floor, median, sigma) => {
                Latency::LogNormal { floor_nanos: floor.nanos, median_nanos: median.nanos, sigma }
            }
        }
    }

    fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Uniform(min, max) if min > max => Some("the first bound must not be longer than the second"),
            Self::LogNormal(_, _, sigma) if !(0.0..=5.0).contains(sigma) => Some("sigma must lie within 0 and 5"),
            _ => None,
        }
    }
}

/// A step of a tiered schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeeTierConfig {
    /// Notional traded in the run from which it holds, in the settlement currency.
    pub from: Exact<Money>,
    /// Rate of a passive fill.
    pub maker: Exact<Rate>,
    /// Rate of an aggressive fill.
    pub taker: Exact<Rate>,
}

/// A fee a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerUnitConfig {
    /// Amount a share or contract.
    pub amount: Exact<Money>,
    /// The least an order pays. Default: nothing.
    #[serde(default)]
    pub min: Exact<Money>,
    /// The most an order pays, as a share of its notional. Default: no cap.
    #[serde(default)]
    pub cap: Exact<Rate>,
}

/// What trading costs, in the settlement currency of the instrument.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeesConfig {
    /// The instrument's maker and taker rates on notional.
    #[default]
    Instrument,
    /// Nothing (optimistic).
    Free,
    /// A fixed amount an order, as in `{ per_order = "1.00" }`.
    PerOrder(Exact<Money>),
    /// An amount a share or contract, as in `{ per_unit = { amount = "0.005", min = "1", cap = "0.005" } }`.
    PerUnit(PerUnitConfig),
    /// Rates that fall with the notional traded, tiers in rising order.
    Tiered(Vec<FeeTierConfig>),
}

/// Slippage of aggressive orders.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlippageConfig {
    /// None.
    #[default]
    None,
    /// So many ticks.
    Ticks(u32),
    /// So many hundredths of a percent, rounded up to the tick.
    BasisPoints(Exact<Rate>),
    /// One tick, with this probability.
    Chance(f64),
}

impl VenueConfig {
    /// The model it describes.
    #[must_use]
    pub fn model(&self) -> VenueModel {
        VenueModel {
            activation: match self.activation {
                ActivationConfig::NextEvent => Activation::NextEvent,
                ActivationConfig::Immediate => Activation::Immediate,
            },
            order_latency: self.order_latency.model(),
            report_latency: self.report_latency.model(),
            fees: match &self.fees {
                FeesConfig::Instrument => FeeModel::Instrument,
                FeesConfig::Free => FeeModel::Free,
                FeesConfig::PerOrder(amount) => FeeModel::PerOrder { amount: amount.0 },
                FeesConfig::PerUnit(fee) => FeeModel::PerUnit { amount: fee.amount.0, min: fee.min.0, cap: fee.cap.0 },
                FeesConfig::Tiered(tiers) => {
                    let tier = |t: &FeeTierConfig| FeeTier { from: t.from.0, maker: t.maker.0, taker: t.taker.0 };
                    FeeModel::Tiered(tiers.iter().map(tier).collect())
                }
            },
            slippage: match &self.slippage {
                SlippageConfig::None => Slippage::None,
                SlippageConfig::Ticks(ticks) => Slippage::Ticks { ticks: *ticks },
                SlippageConfig::BasisPoints(bps) => Slippage::BasisPoints { bps: bps.0 },
                SlippageConfig::Chance(probability) => Slippage::Chance { probability: *probability },
            },
            consume_liquidity: self.consume_liquidity,
            touch_fills: self.touch_fills,
            refuse_passed_triggers: self.refuse_passed_triggers,
            day_ends_s: self.day_ends_s,
        }
    }

    /// Faults, as (field, what would be right).
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.id.is_empty() || self.id.contains('.') {
            faults.push(("id", "a venue's name is not empty and has no dot in it".to_owned()));
        }
        for (field, latency) in [("order_latency", &self.order_latency), ("report_latency", &self.report_latency)] {
            faults.extend(latency.fault().map(|why| (field, why.to_owned())));
        }
        if let SlippageConfig::Chance(p) = self.slippage
            && !(0.0..=1.0).contains(&p)
        {
            faults.push(("slippage", format!("a chance lies within 0 and 1, not at {p}")));
        }
        if let SlippageConfig::BasisPoints(bps) = &self.slippage
            && bps.0.is_negative()
        {
            faults.push(("slippage", format!("slippage is against us: {bps} must not be negative")));
        }
        if let FeesConfig::Tiered(tiers) = &self.fees {
            let rising = tiers.windows(2).all(|w| w[0].from.0 < w[1].from.0);
            if tiers.first().is_none_or(|t| !t.from.0.is_zero()) || !rising {
                faults.push(("fees", "tiers start with from = 0 and rise".to_owned()));
            }
        }
        if !(1..=86_400).contains(&self.day_ends_s) {
            faults.push(("day_ends_s", format!("{} must lie within 1 and 86400", self.day_ends_s)));
        }
        faults
    }
}
