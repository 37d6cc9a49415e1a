//! Delta neutral: holds a spot position and, against it, a perpetual or a future of the opposite delta.
//!
//! What the position gains by price the hedge loses, and what is left is funding (of a perpetual) or basis (of a future):
//! the cash-and-carry trade. Delta is told in units of the spot: `qty * multiplier` of a linear contract, `qty *
//! multiplier / price` of an inverse one, whose hedge therefore drifts with the price. The hedge is traded when the net
//! delta exceeds `band` of the spot's; a narrow band pays fees, a wide one carries price risk (Zakamouline 2006 on
//! no-trade bands). It assumes that both legs can be traded at all times; a basis that widens is a loss until it closes.
//!
//! Invariant: the hedge follows the spot that is really held, fill by fill, so an unfilled spot order is never hedged;
//! a hedge that is refused closes the spot, and nothing is opened again in that run. What it deliberately does not do:
//! forecast funding, or watch the margin of the hedge: risk limits do.

use serde::{Deserialize, Serialize};
use starling_core::fixed::{SCALE, mul_div};
use starling_core::{Bar, BarSeriesId, Instrument, Money, Price, Qty, Rate, Rounding};
use starling_market::bar::BarSpec;

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError, preset};
use super::sizing::{Sizing, SizingFeatures};
use super::target::{Execution, Flip, Stance, Target, TargetState};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeltaNeutral {
    /// What is held, as `BTC/USDT.SIM`.
    pub spot: String,
    /// What hedges it, as `BTCUSDT-PERP.SIM`.
    pub hedge: String,
    /// The series of bars of the spot at which delta is looked at, as `1h last internal`.
    pub bars: String,
    /// Part of the spot's delta that is hedged; 1 is all of it.
    #[serde(default = "DeltaNeutral::default_ratio")]
    pub ratio: Exact<Rate>,
    /// Net delta, as a share of the spot's, up to which the hedge is left alone.
    #[serde(default = "DeltaNeutral::default_band")]
    pub band: Exact<Rate>,
    /// Closes both legs for good once this much more funding was paid than received, in the currency it is booked in.
    #[serde(default)]
    pub funding_paid_max: Option<Exact<Money>>,
    /// How large the spot position is.
    pub size: Sizing,
    /// Resizes the spot once its wanted quantity differs by more than this share; without it the first size stays.
    #[serde(default)]
    pub rebalance_band: Option<Exact<Rate>>,
    /// Closes what is open when the run ends.
    #[serde(default = "preset::flag::<true>")]
    pub close_on_stop: bool,
}

impl DeltaNeutral {
    fn default_ratio() -> Exact<Rate> {
        Exact(Rate::ONE)
    }
    fn default_band() -> Exact<Rate> {
        Exact::basis_points(100)
    }
}

impl Configuration for DeltaNeutral {
    type Strategy = Carry;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        faults.instrument("spot", &self.spot);
        faults.instrument("hedge", &self.hedge);
        faults.require(self.hedge != self.spot, "hedge", &self.hedge, "another instrument than spot");
        faults.bars("bars", &self.bars);
        let ratio = self.ratio.0;
        faults.require(ratio.is_positive() && ratio <= Rate::from_int(2), "ratio", ratio, "above 0 and at most 2");
        let band = self.band.0;
        faults.require(!band.is_negative() && band < Rate::ONE, "band", band, "at least 0 and below 1");
        if let Some(limit) = self.funding_paid_max {
            faults.require(!limit.0.is_negative(), "funding_paid_max", limit, "at least 0");
        }
        if let Some(band) = self.rebalance_band {
            faults.require(!band.0.is_negative(), "rebalance_band", band, "at least 0");
        }
        faults.within("size", self.size.validate());
        faults.into_vec()
    }

    fn build(&self) -> Carry {
        Carry { parameters: self.clone(), state: State::default(), legs: None }
    }
}

/// Delta of a position in units of what it is written on, at 1e-9.
fn delta(terms: &Instrument, qty: Qty, price: Price) -> Option<i128> {
    let (qty, multiplier) = (i128::from(qty.units()), i128::from(terms.multiplier.units()));
    match (terms.inverse, i128::from(price.units())) {
        (false, _) => mul_div(qty, multiplier, SCALE.into(), Rounding::TowardZero),
        (true, price) if price > 0 => mul_div(qty, multiplier, price, Rounding::TowardZero),
        (true, _) => None,
    }
}

/// The quantity of that delta, to the nearest lot.
fn quantity(terms: &Instrument, delta: i128, price: Price) -> Option<Qty> {
    let multiplier = i128::from(terms.multiplier.units());
    let numerator = if terms.inverse { i128::from(price.units()) } else { i128::from(SCALE) };
    let units = mul_div(delta, numerator, multiplier, Rounding::HalfAwayFromZero)?;
    Some(Qty::from_units(i64::try_from(units).ok()?).round_to(terms.lot, Rounding::HalfAwayFromZero))
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct State {
    /// Both legs are closed, or being closed, for good.
    ended: bool,
    /// The position that the hedge was last sent to.
    hedge: Qty,
    /// The run has ended.
    stopped: bool,
}

#[derive(Debug)]
struct Legs {
    series: BarSeriesId,
    spot: Target,
    hedge: Target,
    sizing: SizingFeatures,
}

/// The rule at work.
#[derive(Debug)]
pub struct Carry {
    parameters: DeltaNeutral,
    state: State,
    legs: Option<Legs>,
}

impl Carry {
    /// The hedge that the spot really held asks for; `None` where the one on its way is near enough or the price is not
    /// known.
    fn hedge_wanted(&self, ctx: &Context<'_>, legs: &Legs) -> Option<Qty> {
        let [spot, hedge] = [legs.spot.instrument(), legs.hedge.instrument()];
        let price = ctx.mark(hedge)?.mid();
        let held = ctx.position(spot);
        if held.is_zero() {
            return Some(Qty::ZERO);
        }
        let long = delta(ctx.instrument(spot), held, price)?;
        let owed = mul_div(long, self.parameters.ratio.0.units().into(), SCALE.into(), Rounding::HalfAwayFromZero)?;
        let short = delta(ctx.instrument(hedge), legs.hedge.expected(ctx), price)?;
        let slack = mul_div(long.abs(), self.parameters.band.0.units().into(), SCALE.into(), Rounding::TowardZero)?;
        if (owed + short).abs() <= slack {
            return None;
        }
        quantity(ctx.instrument(hedge), -owed, price)
    }

    fn rehedge(&mut self, ctx: &mut Context<'_>) {
        let Some(mut legs) = self.legs.take() else { return };
        if let Some(wanted) = self.hedge_wanted(ctx, &legs) {
            self.state.hedge = wanted;
            legs.hedge.go(ctx, wanted);
        }
        self.legs = Some(legs);
    }

    /// Funding received by both legs less what they paid, in the currency it is booked in.
    fn funding(&self, ctx: &Context<'_>, legs: &Legs) -> Money {
        let hedge = legs.hedge.instrument();
        let (ledger, account) = (ctx.world.ledger(), ctx.account(hedge));
        let currency = ledger.account(account).base.unwrap_or_else(|| ctx.instrument(hedge).settlement());
        ledger.strategy_totals(account, currency, ctx.strategy()).funding
    }

    fn end(&mut self, ctx: &mut Context<'_>) {
        self.state.ended = true;
        if let Some(legs) = &mut self.legs {
            legs.spot.go(ctx, Qty::ZERO);
        }
    }
}

impl Strategy for Carry {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let p = &self.parameters;
        let (spot, hedge) = (setup.instrument(&p.spot)?, setup.instrument(&p.hedge)?);
        if setup.terms(spot).inverse {
            return Err(format!("`{}` is inverse; hold a linear instrument, and hedge it with this one", p.spot).into());
        }
        let series = setup.bars(BarSpec::parse(spot, &p.bars)?)?;
        let execution = Execution {
            flip: Flip::OneOrder,
            close_on_stop: p.close_on_stop,
            rebalance_band: p.rebalance_band,
            ..Execution::default()
        };
        let sizing = p.size.setup(setup, series)?;
        let [spot, hedge] = [spot, hedge].map(|id| Target::new(id, &execution));
        self.legs = Some(Legs { series, spot, hedge, sizing });
        Ok(())
    }

    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        let Some(legs) = self.legs.as_mut().filter(|legs| legs.series == bar.series) else { return };
        let (spot, sizing, size) = (legs.spot.instrument(), legs.sizing, &self.parameters.size);
        // Nothing is bought that cannot be hedged.
        if ctx.mark(legs.hedge.instrument()).is_none() {
            return;
        }
        if self.state.ended {
            legs.spot.go(ctx, Qty::ZERO);
        } else {
            legs.spot.take(ctx, Stance::Long, |ctx, stance| size.quantity(ctx, spot, sizing, stance));
        }
        self.rehedge(ctx);
        if let (Some(limit), Some(legs)) = (self.parameters.funding_paid_max, &self.legs)
            && !self.state.ended
            && -self.funding(ctx, legs) > limit.0
        {
            self.end(ctx);
        }
    }

    fn on_fill(&mut self, ctx: &mut Context<'_>, fill: &FillUpdate) {
        let Some(legs) = &mut self.legs else { return };
        legs.spot.on_fill(fill);
        legs.hedge.on_fill(fill);
        if fill.fill.instrument == legs.spot.instrument() && !self.state.stopped {
            self.rehedge(ctx);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        let Some(legs) = &mut self.legs else { return };
        legs.spot.on_order(ctx, update);
        legs.hedge.on_order(ctx, update);
        let idle = update.is_final() && !legs.hedge.is_busy(ctx);
        if idle && !self.state.ended && ctx.position(legs.hedge.instrument()) != self.state.hedge {
            self.end(ctx);
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        // Both legs are closed here, so the fills of one ask for nothing more of the other.
        (self.state.ended, self.state.stopped) = (true, true);
        if let Some(legs) = &mut self.legs {
            legs.spot.on_stop(ctx);
            legs.hedge.on_stop(ctx);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        let legs = self.legs.as_ref().ok_or("a strategy is saved after its set-up")?;
        Ok(postcard::to_allocvec(&(&self.state, legs.spot.state(), legs.hedge.state()))?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        let legs = self.legs.as_mut().ok_or("a strategy is restored after its set-up")?;
        let (state, spot, hedge): (State, TargetState, TargetState) = postcard::from_bytes(bytes)?;
        self.state = state;
        legs.spot.restore(spot);
        legs.hedge.restore(hedge);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use starling_core::instrument::InstrumentKind;
    use starling_core::{CurrencyId, VenueId};

    use super::*;

    #[test]
    fn an_inverse_contract_hedges_its_face_over_the_price() {
        let mut coin = Instrument::new("BTCUSD_PERP", VenueId(0), InstrumentKind::Perpetual, CurrencyId(1), 1, 0);
        (coin.inverse, coin.base, coin.multiplier) = (true, Some(CurrencyId(0)), Qty::from_int(100));
        let two_coins = i128::from(2 * SCALE);
        for (price, contracts) in [(40_000, 800), (44_000, 880), (39_980, 800)] {
            let price = Price::from_int(price);
            // 2 * 39,980 / 100 = 799.6, to the nearest lot.
            assert_eq!(quantity(&coin, two_coins, price), Some(Qty::from_int(contracts)));
        }
        // 800 * 100 / 44,000 = 1.818 coins
        assert_eq!(delta(&coin, Qty::from_int(-800), Price::from_int(44_000)), Some(-1_818_181_818));
        assert_eq!(delta(&coin, Qty::ONE, Price::ZERO), None);
    }

    #[test]
    fn a_linear_contract_hedges_its_multiplier() {
        let mut future = Instrument::new("BTCF", VenueId(0), InstrumentKind::Future, CurrencyId(0), 1, 0);
        future.multiplier = Qty::from_int(5);
        assert_eq!(delta(&future, Qty::from_int(-3), Price::ZERO), Some(i128::from(-15 * SCALE)));
        assert_eq!(quantity(&future, i128::from(-12 * SCALE), Price::ZERO), Some(Qty::from_int(-2)), "-2.4 lots");
        assert_eq!(quantity(&future, i128::from(-13 * SCALE), Price::ZERO), Some(Qty::from_int(-3)), "-2.6 lots");
    }
}
