//! The models a simulated venue is made of: latency, fees, slippage, and what may fill against what.
//!
//! Invariant: the default of every choice is the one that flatters a strategy least; [`VenueModel::optimism`] names those
//! that were chosen otherwise, and the report prints them.

use serde::{Deserialize, Serialize};
use starling_core::fixed::{Rate, Rounding};
use starling_core::order::{Liquidity, Side};
use starling_core::{Instrument, Money, Price, Qty};

use crate::rng::SplitMix64;

/// When an order meets the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// With the next event of its instrument: nobody trades at a price that he has already seen.
    #[default]
    NextEvent,
    /// At once, against the market as the deciding event left it.
    Immediate,
}

/// How long a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// No time.
    #[default]
    None,
    /// Always as long.
    Fixed {
        /// Nanoseconds.
        nanos: u64,
    },
    /// Anything between two bounds alike.
    Uniform {
        /// Shortest, nanoseconds.
        min_nanos: u64,
        /// Longest, nanoseconds.
        max_nanos: u64,
    },
    /// A floor and a log-normal tail, as measured networks have.
    LogNormal {
        /// Shortest, nanoseconds.
        floor_nanos: u64,
        /// Median above the floor, nanoseconds.
        median_nanos: u64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

impl Latency {
    /// One draw, nanoseconds.
    pub fn sample(&self, rng: &mut SplitMix64) -> u64 {
        match *self {
            Self::None => 0,
            Self::Fixed { nanos } => nanos,
            Self::Uniform { min_nanos, max_nanos } => {
                let span = max_nanos.saturating_sub(min_nanos);
                min_nanos + (rng.next_f64() * (span as f64 + 1.0)) as u64
            }
            Self::LogNormal { floor_nanos, median_nanos, sigma } => {
                let tail = median_nanos as f64 * (sigma * rng.next_normal()).exp();
                floor_nanos.saturating_add(tail as u64)
            }
        }
    }
    /// True if messages take no time.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None | Self::Fixed { nanos: 0 })
    }
}

/// One step of a tiered schedule: the rates from a traded notional on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeTier {
    /// Notional traded so far in the run, in the settlement currency.
    pub from: Money,
    /// Rate of a passive fill.
    pub maker: Rate,
    /// Rate of an aggressive fill.
    pub taker: Rate,
}

/// What a venue charges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeModel {
    /// The instrument's own maker and taker rates, on notional.
    #[default]
    Instrument,
    /// Nothing.
    Free,
    /// A fixed amount an order, charged with its first fill.
    PerOrder {
        /// The amount.
        amount: Money,
    },
    /// An amount a unit, with a minimum an order and a cap as a share of notional (US brokers' fixed pricing).
    PerUnit {
        /// The amount a share or contract.
        amount: Money,
        /// The least an order pays.
        min: Money,
        /// The most an order pays, as a share of its notional; zero for no cap.
        cap: Rate,
    },
    /// Maker and taker rates that fall with the notional traded; tiers in rising order.
    Tiered(Vec<FeeTier>),
}

/// What an order has paid and traded so far: fees with a minimum are charged on the order, not on each of its fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeeBasis {
    /// Quantity traded before this fill.
    pub qty: Qty,
    /// Notional traded before this fill.
    pub notional: Money,
    /// Fees charged before this fill.
    pub charged: Money,
}

impl FeeModel {
    /// Fee of the next fill, rounded to `digits` of the settlement currency; `basis` is brought up to date.
    pub fn charge(
        &self,
        instrument: &Instrument,
        (qty, price, liquidity): (Qty, Price, Liquidity),
        traded: Money,
        digits: u8,
        basis: &mut FeeBasis,
    ) -> Money {
        let rounding = Rounding::HalfAwayFromZero;
        let rated = |maker: Rate, taker: Rate| {
            let rate = match liquidity {
                Liquidity::Maker => maker,
                Liquidity::Taker => taker,
            };
            instrument.rated_notional(qty, price.abs(), rate, digits, rounding)
        };
        basis.qty += qty;
        // At a negative price, too, trading costs.
        basis.notional += instrument.notional(qty, price.abs(), 9, rounding);
        let fee = match self {
            Self::Instrument => rated(instrument.maker_fee, instrument.taker_fee),
            Self::Free => Money::ZERO,
            Self::PerOrder { amount } => amount.round_digits(digits, rounding) - basis.charged,
            Self::PerUnit { amount, min, cap } => {
                let scale = i128::from(starling_core::fixed::SCALE);
                let share = |part: Money, n: i128| part.scaled(n, scale, 9, rounding).expect("a fee in range");
                let mut total = share(*amount, basis.qty.units().into()).max(*min);
                if cap.is_positive() {
                    total = total.min(share(basis.notional, cap.units().into()));
                }
                total.round_digits(digits, rounding) - basis.charged
            }
            Self::Tiered(tiers) => match tiers.iter().rev().find(|tier| tier.from <= traded) {
                Some(tier) => rated(tier.maker, tier.taker),
                None => Money::ZERO,
            },
        };
        basis.charged += fee;
        fee
    }
}

/// How much worse than the touch an aggressive order trades, beyond what the displayed size makes it pay.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slippage {
    /// No worse.
    #[default]
    None,
    /// A number of ticks.
    Ticks {
        /// How many.
        ticks: u32,
    },
    /// Hundredths of a percent of the price, rounded up to the tick.
    BasisPoints {
        /// How many.
        bps: Rate,
    },
    /// One tick, with a probability.
    Chance {
        /// From 0 to 1.
        probability: f64,
    },
}

impl Slippage {
    /// The price after slippage.
    pub fn worsen(&self, side: Side, price: Price, tick: Price, rng: &mut SplitMix64) -> Price {
        let ticks = |n: i64| Price::from_units(tick.units() * n);
        match *self {
            Self::None => price,
            Self::Ticks { ticks: n } => side.worsen(price, ticks(n.into())),
            Self::BasisPoints { bps } => {
                let distance = i128::from(price.units().abs()) * i128::from(bps.units());
                let units = starling_core::fixed::div_round(distance, 10_000 * 1_000_000_000, Rounding::Ceil);
                let distance = Price::from_units(i64::try_from(units).expect("slippage in range"));
                side.worsen(price, distance.round_to(tick, Rounding::Ceil))
            }
            Self::Chance { probability } if rng.next_f64() < probability => side.worsen(price, tick),
            Self::Chance { .. } => price,
        }
    }
}

/// How one venue behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VenueModel {
    /// When an order meets the market.
    pub activation: Activation,
    /// From here to the venue.
    pub order_latency: Latency,
    /// From the venue to here.
    pub report_latency: Latency,
    /// What trading costs.
    pub fees: FeeModel,
    /// How aggressive orders slip.
    pub slippage: Slippage,
    /// What one order takes is gone for the next until the market shows a new price or size.
    pub consume_liquidity: bool,
    /// A resting order fills when the market trades at its price; otherwise only when it trades through it.
    pub touch_fills: bool,
    /// A conditional order whose trigger the market has passed is refused; otherwise it triggers at once, as a
    /// reduce-only one always does.
    pub refuse_passed_triggers: bool,
    /// Seconds after midnight UTC at which day orders end.
    pub day_ends_s: u32,
}

impl Default for VenueModel {
    fn default() -> Self {
        Self {
            activation: Activation::NextEvent,
            order_latency: Latency::None,
            report_latency: Latency::None,
            fees: FeeModel::Instrument,
            slippage: Slippage::None,
            consume_liquidity: true,
            touch_fills: false,
            refuse_passed_triggers: true,
            day_ends_s: 86_400,
        }
    }
}

impl VenueModel {
    /// The optimistic choices of this model, in words for the report.
    #[must_use]
    pub fn optimism(&self) -> Vec<&'static str> {
        let mut named = Vec::new();
        if self.activation == Activation::Immediate && self.order_latency.is_none() {
            named.push("orders trade at once, against the very event that they were decided on (activation = immediate, no latency)");
        }
        if !self.consume_liquidity {
            named.push("displayed size is not used up by our own orders (consume_liquidity = false)");
        }
        if self.touch_fills {
            named.push("resting orders fill when their price is only touched (touch_fills = true)");
        }
        if self.fees == FeeModel::Free {
            named.push("trading is free of charge (fees = free)");
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use starling_core::instrument::InstrumentKind;
    use starling_core::{CurrencyId, VenueId};

    use super::*;

    fn share() -> Instrument {
        Instrument::new("SPY", VenueId(0), InstrumentKind::Equity, CurrencyId(0), 2, 0)
    }

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn a_per_share_fee_has_its_minimum_once_an_order() {
        let model = FeeModel::PerUnit { amount: money("0.005"), min: money("1"), cap: "0.005".parse().unwrap() };
        let mut basis = FeeBasis::default();
        let mut charge = |qty, price: i64| {
            let fill = (Qty::from_int(qty), Price::from_int(price), Liquidity::Taker);
            model.charge(&share(), fill, Money::ZERO, 2, &mut basis)
        };
        assert_eq!(charge(100, 144), money("1"), "0.50 is under the minimum");
        assert_eq!(charge(100, 144), money("0"), "1.00 for 200 shares is paid already");
        assert_eq!(charge(488, 144), money("2.44"), "688 shares are 3.44");
        let mut penny = FeeBasis::default();
        let fill = (Qty::from_int(100), "0.10".parse().unwrap(), Liquidity::Taker);
        assert_eq!(model.charge(&share(), fill, Money::ZERO, 2, &mut penny), money("0.05"), "capped at 0.5 %");
    }

    #[test]
    fn tiers_follow_the_notional_traded() {
        let tier = |from, taker: &str| FeeTier { from: money(from), maker: Rate::ZERO, taker: taker.parse().unwrap() };
        let model = FeeModel::Tiered(vec![tier("0", "0.001"), tier("1000000", "0.0008")]);
        let fill = (Qty::from_int(10), Price::from_int(100), Liquidity::Taker);
        let charge = |traded| model.charge(&share(), fill, money(traded), 2, &mut FeeBasis::default());
        assert_eq!((charge("999999"), charge("1000000")), (money("1"), money("0.8")));
    }

    #[test]
    fn slippage_is_never_in_our_favour() {
        let mut rng = SplitMix64::new(1);
        let (price, tick) = ("100.00".parse().unwrap(), "0.01".parse().unwrap());
        for slippage in [
            Slippage::Ticks { ticks: 2 },
            Slippage::BasisPoints { bps: "1.5".parse().unwrap() },
            Slippage::Chance { probability: 0.5 },
        ] {
            for _ in 0..100 {
                assert!(slippage.worsen(Side::Buy, price, tick, &mut rng) >= price);
                assert!(slippage.worsen(Side::Sell, price, tick, &mut rng) <= price);
            }
        }
        let bps = Slippage::BasisPoints { bps: "1.5".parse().unwrap() };
        assert_eq!(
            bps.worsen(Side::Buy, price, tick, &mut rng),
            "100.02".parse().unwrap(),
            "0.015 goes up to the tick"
        );
    }

    #[test]
    fn latency_stays_in_its_bounds() {
        let mut rng = SplitMix64::new(3);
        let uniform = Latency::Uniform { min_nanos: 10, max_nanos: 12 };
        let mut seen = [0; 3];
        for _ in 0..3_000 {
            seen[usize::try_from(uniform.sample(&mut rng) - 10).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| (800..1_200).contains(n)), "{seen:?}");
        let tail = Latency::LogNormal { floor_nanos: 100, median_nanos: 50, sigma: 0.5 };
        let mut draws: Vec<u64> = (0..1_001).map(|_| tail.sample(&mut rng)).collect();
        draws.sort_unstable();
        assert!(draws[0] >= 100 && (145..156).contains(&draws[500]), "{}", draws[500]);
    }
}
