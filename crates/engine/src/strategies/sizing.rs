//! Sizing: how large a position a rule takes, told as a quantity rounded down to the instrument's lot.
//!
//! Invariant: the value of the answer never exceeds what the rule allows: every quotient is formed in fixed point and
//! rounded toward nothing. Floats appear where a formula is statistical (volatility, Kelly's share), as a weight that is
//! rounded down to 1e-9 before it meets money. What it deliberately does not do: know the direction, or send orders.

use serde::{Deserialize, Serialize};
use starling_core::fixed::{SCALE, mul_div};
use starling_core::{BarSeriesId, Instrument, InstrumentId, Money, Price, Qty, Rate, Rounding};
use starling_market::feature::FeatureId;

use super::parameter::{Exact, Faults, ParameterError, preset};
use super::target::Stance;
use crate::strategy::{Context, Setup, StrategyError};

/// How large a position is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sizing {
    /// Always this quantity, in the instrument's unit.
    Fixed(Exact<Qty>),
    /// What this amount of the settlement currency (the quote currency, unless the contract is inverse) buys.
    Notional(Exact<Money>),
    /// A share of the account's equity.
    EquityFraction(EquityFraction),
    /// The share of equity whose volatility is the target.
    VolatilityTarget(VolatilityTarget),
    /// A fraction of Kelly's share of equity.
    Kelly(Kelly),
}

/// Quantity whose value is `fraction * equity * (1 - buffer)`, less the fee of getting there.
///
/// As the LEAN platform computes target percentages: the fee of the order from the position held to the new one is
/// taken off the equity, and what remains is divided by the price and rounded down to the lot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EquityFraction {
    /// Share of equity, 1 is all of it; more needs margin.
    pub fraction: Exact<Rate>,
    /// Share of equity that is never spent.
    #[serde(default)]
    pub buffer: Exact<Rate>,
    /// What the order will cost, set aside.
    #[serde(default)]
    pub reserve_fees: Option<FeeReserve>,
}

/// A commission to set aside.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeeReserve {
    /// A share of the order's value.
    Rate(Exact<Rate>),
    /// An amount a unit, with a least amount an order.
    PerUnit(PerUnit),
}

/// A commission by quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PerUnit {
    /// Settlement currency a share or contract.
    pub amount: Exact<Money>,
    /// The least an order pays, settlement currency.
    #[serde(default)]
    pub min: Exact<Money>,
}

/// `equity * min(annual / realised, cap)`, where `realised` is the annualised deviation of log returns
/// (Moskowitz, Ooi & Pedersen 2012; Moreira & Muir 2017).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VolatilityTarget {
    /// Wanted volatility of the position's value as a share of equity, a year.
    pub annual: f64,
    /// Bars that volatility is measured over.
    #[serde(default = "preset::count::<60>")]
    pub period: u32,
    /// Bars in a year: 252 for daily bars of shares.
    #[serde(default = "preset::ratio::<252, 1>")]
    pub bars_per_year: f64,
    /// Most of the equity to hold, as a share; 1 is no leverage.
    #[serde(default = "whole")]
    pub cap: Exact<Rate>,
}

/// `equity * fraction * max(p - (1 - p) / payoff, 0)`, at most `cap` (Kelly 1956; half of it: Thorp 2006).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Kelly {
    /// Probability of a winning trade, within 0 and 1.
    pub p: f64,
    /// Average win over average loss.
    pub payoff: f64,
    /// Part of Kelly's share to take.
    #[serde(default = "preset::ratio::<1, 2>")]
    pub fraction: f64,
    /// Most of the equity to hold, as a share.
    #[serde(default = "whole")]
    pub cap: Exact<Rate>,
}

fn whole() -> Exact<Rate> {
    Exact(Rate::ONE)
}

impl Kelly {
    /// The share of equity.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.fraction * (self.p - (1.0 - self.p) / self.payoff).max(0.0)
    }
}

/// The volatility a sizing reads, where it reads one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizingFeatures(Option<(BarSeriesId, FeatureId)>);

/// What a share of equity buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Budget {
    fraction: Rate,
    buffer: Rate,
}

impl Sizing {
    /// All faults.
    #[must_use]
    pub fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        match self {
            Self::Fixed(qty) => faults.require(qty.0.is_positive(), "fixed", qty, "positive"),
            Self::Notional(value) => faults.require(value.0.is_positive(), "notional", value, "positive"),
            Self::EquityFraction(EquityFraction { fraction, buffer, reserve_fees }) => {
                faults.require(fraction.0.is_positive(), "equity_fraction.fraction", fraction, "positive");
                let share = !buffer.0.is_negative() && buffer.0 < Rate::ONE;
                faults.require(share, "equity_fraction.buffer", buffer, "at least 0 and below 1");
                match reserve_fees {
                    Some(FeeReserve::Rate(rate)) => {
                        let share = !rate.0.is_negative() && rate.0 < Rate::ONE;
                        faults.require(share, "equity_fraction.reserve_fees.rate", rate, "at least 0 and below 1");
                    }
                    Some(FeeReserve::PerUnit(PerUnit { amount, min })) => {
                        for (name, money) in [("amount", amount), ("min", min)] {
                            let name = format!("equity_fraction.reserve_fees.per_unit.{name}");
                            faults.require(!money.0.is_negative(), &name, money, "at least 0");
                        }
                    }
                    None => {}
                }
            }
            Self::VolatilityTarget(target) => {
                faults.require(target.cap.0.is_positive(), "volatility_target.cap", target.cap, "positive");
                faults.number("volatility_target.annual", target.annual, target.annual > 0.0, "positive");
                faults.period("volatility_target.period", target.period, 2);
                let year = target.bars_per_year;
                faults.number("volatility_target.bars_per_year", year, year > 0.0, "positive");
            }
            Self::Kelly(kelly) => {
                faults.require(kelly.cap.0.is_positive(), "kelly.cap", kelly.cap, "positive");
                faults.number("kelly.p", kelly.p, kelly.p > 0.0 && kelly.p < 1.0, "between 0 and 1");
                faults.number("kelly.payoff", kelly.payoff, kelly.payoff > 0.0, "positive");
                let fraction = kelly.fraction;
                faults.number("kelly.fraction", fraction, fraction > 0.0 && fraction <= 1.0, "above 0 and at most 1");
            }
        }
        faults.into_vec()
    }

    /// Declares what it reads.
    pub fn setup(&self, setup: &mut Setup<'_>, series: BarSeriesId) -> Result<SizingFeatures, StrategyError> {
        let Self::VolatilityTarget(target) = self else { return Ok(SizingFeatures(None)) };
        let feature = setup.feature(series, &format!("RVOL({},{})", target.period, target.bars_per_year))?;
        Ok(SizingFeatures(Some((series, feature))))
    }

    /// True once all that the quantity depends on is known.
    #[must_use]
    pub fn is_known(&self, ctx: &Context<'_>, instrument: InstrumentId, features: SizingFeatures) -> bool {
        ctx.mark(instrument).is_some()
            && equity_in_settlement(ctx, instrument).is_some()
            && features.0.is_none_or(|(series, feature)| ctx.feature(series, feature).is_some())
    }

    /// The quantity, positive and a whole number of lots; `None` if it is nothing, or not yet known: no price, an
    /// equity that cannot be valued, a volatility still warming up. The stance matters to the fee of getting there alone.
    #[must_use]
    pub fn quantity(
        &self,
        ctx: &Context<'_>,
        instrument: InstrumentId,
        features: SizingFeatures,
        stance: Stance,
    ) -> Option<Qty> {
        self.quantity_of(ctx, instrument, features, stance, Rate::ONE)
    }

    /// As [`Sizing::quantity`], of this share of the whole (a weight in a portfolio).
    #[must_use]
    pub fn quantity_of(
        &self,
        ctx: &Context<'_>,
        instrument: InstrumentId,
        features: SizingFeatures,
        stance: Stance,
        weight: Rate,
    ) -> Option<Qty> {
        let terms = ctx.instrument(instrument);
        let price = || ctx.mark(instrument).map(|mark| mark.last);
        let whole = |fraction: Rate| Budget { fraction, buffer: Rate::ZERO };
        let (budget, fees) = match self {
            Self::Fixed(qty) => {
                let qty = qty.0.scaled(weight.units(), SCALE, Rounding::TowardZero);
                return Some(qty.round_to(terms.lot, Rounding::TowardZero)).filter(|q| q.is_positive());
            }
            Self::Notional(value) => {
                let value = value.0.scaled(weight.units().into(), SCALE.into(), 9, Rounding::TowardZero)?;
                return affordable(terms, price()?, value);
            }
            Self::EquityFraction(EquityFraction { fraction, buffer, reserve_fees }) => {
                (Budget { fraction: fraction.0, buffer: buffer.0 }, *reserve_fees)
            }
            Self::VolatilityTarget(target) => {
                let (series, feature) = features.0.expect("set up before the run");
                let realised = ctx.feature(series, feature)?;
                // A market that does not move at all gives no finite share: then the cap decides.
                let share = Rate::from_f64(target.annual / realised, Rate::from_units(1), Rounding::TowardZero);
                (whole(share.unwrap_or(Rate::MAX).min(target.cap.0)), None)
            }
            Self::Kelly(kelly) => {
                let share = Rate::from_f64(kelly.share(), Rate::from_units(1), Rounding::TowardZero)?;
                (whole(share.min(kelly.cap.0)), None)
            }
        };
        let budget = Budget {
            fraction: Rate::from_units(share(budget.fraction.units().into(), weight)?.try_into().ok()?),
            ..budget
        };
        // Against the other stance the order is longer by what it has to close.
        let held = stance.signed(ctx.position(instrument));
        budget.quantity(terms, price()?, equity_in_settlement(ctx, instrument)?, held, fees)
    }
}

/// Equity of the account that trades an instrument, in the currency that the instrument settles in.
pub(crate) fn equity_in_settlement(ctx: &Context<'_>, instrument: InstrumentId) -> Option<Money> {
    let (account, equity) = (ctx.account(instrument), ctx.equity(instrument)?);
    let (ledger, settlement) = (ctx.world.ledger(), ctx.instrument(instrument).settlement());
    match ledger.account(account).base {
        Some(base) if base != settlement => ledger.convert(account, equity, base, settlement, ctx.world.marks()),
        _ => Some(equity),
    }
}

/// `amount * rate`, rounded toward zero to the unit.
fn share(amount: i128, rate: Rate) -> Option<i128> {
    mul_div(amount, rate.units().into(), SCALE.into(), Rounding::TowardZero)
}

/// The most lots whose value does not exceed `value`.
fn affordable(terms: &Instrument, price: Price, value: Money) -> Option<Qty> {
    let (price, multiplier, scale) = (price.units(), i128::from(terms.multiplier.units()), i128::from(SCALE));
    if price <= 0 {
        return None;
    }
    // Linear: value = qty * price * multiplier; inverse: value = qty * multiplier / price.
    let units = if terms.inverse {
        mul_div(value.units(), price.into(), multiplier, Rounding::Floor)?
    } else {
        mul_div(value.units(), scale * scale, i128::from(price) * multiplier, Rounding::Floor)?
    };
    let lots = units / i128::from(terms.lot.units());
    let qty = Qty::from_units(i64::try_from(lots * i128::from(terms.lot.units())).ok()?);
    Some(qty).filter(|q| q.is_positive())
}

impl Budget {
    fn quantity(
        self,
        terms: &Instrument,
        price: Price,
        equity: Money,
        held: Qty,
        fees: Option<FeeReserve>,
    ) -> Option<Qty> {
        let free = share(equity.units(), self.buffer)?;
        let value = |fee: Money| {
            let base = equity.units().checked_sub(free)?.checked_sub(fee.units())?;
            share(base, self.fraction).map(Money::from_units)
        };
        let qty = affordable(terms, price, value(Money::ZERO)?)?;
        let Some(reserve) = fees else { return Some(qty) };
        // The fee of the larger order bounds the fee of the smaller one that is left after paying it.
        let fee = reserve.fee(terms, price, (qty - held).abs())?;
        affordable(terms, price, value(fee)?)
    }
}

impl FeeReserve {
    /// The commission of an order.
    fn fee(self, terms: &Instrument, price: Price, qty: Qty) -> Option<Money> {
        if qty.is_zero() {
            return Some(Money::ZERO);
        }
        match self {
            Self::Rate(rate) => Some(terms.rated_notional(qty, price, rate.0, 9, Rounding::Ceil)),
            Self::PerUnit(PerUnit { amount, min }) => {
                let fee = amount.0.scaled(qty.units().into(), SCALE.into(), 9, Rounding::Ceil)?;
                Some(Ord::max(fee, min.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use starling_core::instrument::InstrumentKind;
    use starling_core::{CurrencyId, VenueId};

    use super::*;

    fn share_of_stock() -> Instrument {
        Instrument::new("AAPL", VenueId(0), InstrumentKind::Equity, CurrencyId(0), 4, 0)
    }

    fn qty(price: &str, held: i64, fees: bool) -> i64 {
        let budget = Budget { fraction: Rate::ONE, buffer: Exact::basis_points(25).0 };
        let reserve = FeeReserve::PerUnit(PerUnit { amount: Exact("0.005".parse().unwrap()), min: Exact(Money::ONE) });
        let equity = Money::from_int(100_000);
        let fees = fees.then_some(reserve);
        let qty = budget.quantity(&share_of_stock(), price.parse().unwrap(), equity, Qty::from_int(held), fees);
        qty.unwrap().units() / SCALE
    }

    #[test]
    fn a_share_of_equity_as_lean_computes_it() {
        // 100,000 * (1 - 0.0025) = 99,750; 686 * 145.3435 = 99,705.641, 687 * 145.3435 = 99,850.9845. The fee of 686
        // shares, 3.43, leaves 99,746.57, which still buys 686.
        assert_eq!(qty("145.3435", 0, true), 686);
        // 686 * 145.405 = 99,747.83 is within 99,750, but not within 99,746.57.
        assert_eq!(qty("145.405", 0, false), 686);
        assert_eq!(qty("145.405", 0, true), 685);
        // Held already, only the difference is bought: 6 shares cost the minimum of 1, and 99,749 buys 686.
        assert_eq!(qty("145.405", 680, true), 686);
        // Coming from 680 short, 1,366 shares cost 6.83, and 99,743.17 buys 685.
        assert_eq!(qty("145.405", -680, true), 685);
    }

    #[test]
    fn a_notional_buys_by_the_contract() {
        let mut future = share_of_stock();
        future.multiplier = Qty::from_int(50);
        // 1,000,000 / (4,500.25 * 50) = 4.44
        let qty = affordable(&future, "4500.25".parse().unwrap(), Money::from_int(1_000_000));
        assert_eq!(qty, Some(Qty::from_int(4)));
        assert_eq!(
            affordable(&future, "4500.25".parse().unwrap(), Money::from_int(225_012)),
            None,
            "one is 225,012.50"
        );
        assert_eq!(affordable(&future, Price::ZERO, Money::from_int(1)), None);
        let mut coin = share_of_stock();
        (coin.inverse, coin.multiplier) = (true, Qty::from_int(100));
        // Half a coin at 40,000 is 20,000 dollars, or 200 contracts of 100.
        let half = Money::from_units(500_000_000);
        assert_eq!(affordable(&coin, Price::from_int(40_000), half), Some(Qty::from_int(200)));
    }

    #[test]
    fn kelly_takes_a_part_of_the_edge() {
        // 0.6 - 0.4 / 1 = 0.2 (Kelly's coin), and half of it.
        let kelly = Kelly { p: 0.6, payoff: 1.0, fraction: 0.5, cap: Exact(Rate::ONE) };
        assert!((kelly.share() - 0.1).abs() < 1e-12);
        assert!(Kelly { p: 0.3, ..kelly }.share() == 0.0, "no edge, no position");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let sizing: Sizing = toml::from_str::<toml::Table>(
            "equity_fraction = { fraction = 0, buffer = 1, reserve_fees = { per_unit = { amount = -1, min = \"-0.5\" } } }",
        )
        .unwrap()
        .try_into()
        .unwrap();
        let names: Vec<String> = sizing.validate().into_iter().map(|f| f.parameter).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        let kelly = Sizing::Kelly(Kelly { p: f64::NAN, payoff: 0.0, fraction: 2.0, cap: Exact(Rate::ZERO) });
        assert_eq!(kelly.validate().len(), 4);
    }

    proptest! {
        #[test]
        fn the_value_bought_is_the_most_that_fits(value in 0i64..1_000_000_000, price in 1i64..100_000_000_000, digits in 0u8..4) {
            let mut terms = share_of_stock();
            terms.lot = Qty::from_units(starling_core::fixed::pow10(9 - digits));
            let (value, price) = (Money::from_units(i128::from(value) * 1_000_000), Price::from_units(price * 100));
            let qty = affordable(&terms, price, value).unwrap_or(Qty::ZERO);
            prop_assert!(qty.is_multiple_of(terms.lot));
            prop_assert!(terms.notional(qty, price, 9, Rounding::Floor) <= value);
            prop_assert!(terms.notional(qty + terms.lot, price, 9, Rounding::Ceil) > value);
        }
    }
}
