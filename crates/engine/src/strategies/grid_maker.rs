//! Grid maker: quotes a ladder of limit orders on both sides of the mid, and moves it when the mid has moved away.
//!
//! Level `k` stands at `mid (1 -+ k step)` (arithmetic) or `mid (1 -+ step)^k` (geometric), rounded to the tick away from
//! the mid and never through the other side's quote. With a skew the ladder is centred on a reservation price
//! `mid - shift * position / max_position` instead, the linear inventory term of Avellaneda & Stoikov (2008, "High-
//! frequency trading in a limit order book", eq. 3.8) with `gamma sigma^2 (T - t)` told as one number. The rule earns
//! the step in a market that comes back, and carries the inventory of one that does not: adverse selection is not
//! modelled here.
//!
//! Invariant: position plus resting buys never exceeds `max_position`, and resting sells less position neither, whatever
//! fills in whatever order: a new ladder is placed only once every order of the old one has ended. What it deliberately
//! does not do: refill single levels; a ladder stands until the mid moves, its time runs out, or it has traded away.

use serde::{Deserialize, Serialize};
use starling_core::fixed::{SCALE, mul_div};
use starling_core::{InstrumentId, OrderRequest, Price, Qty, Quote, Rate, Rounding, Side, TimeInForce, UnixNanos};

use super::Configuration;
use super::parameter::{Exact, Faults, ParameterError, Span, preset};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Setup, Strategy, StrategyError};

/// Levels on one side, at most.
pub const LEVELS_MAX: u32 = 100;

/// Basis points in one.
const BASIS_POINTS: i128 = 10_000;

/// How the distance of a level grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// By the same amount each.
    #[default]
    Arithmetic,
    /// By the same factor each.
    Geometric,
}

/// Parameters of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GridMaker {
    /// The instrument, as `BTC/USDT.SIM`; it needs quotes.
    pub instrument: String,
    /// Orders on each side.
    #[serde(default = "preset::count::<3>")]
    pub levels: u32,
    /// From one level to the next, and from the mid to the first, in basis points.
    #[serde(default = "GridMaker::default_step_bps")]
    pub step_bps: Exact<Rate>,
    /// `arithmetic` or `geometric`.
    #[serde(default)]
    pub spacing: Spacing,
    /// The mid must have moved this far from where the ladder was centred before it is placed anew, in basis points.
    #[serde(default = "GridMaker::default_requote_threshold_bps")]
    pub requote_threshold_bps: Exact<Rate>,
    /// Quantity of each order, a multiple of the lot.
    pub size: Exact<Qty>,
    /// The most that may be held or be on order on one side, long or short.
    pub max_position: Exact<Qty>,
    /// How far the ladder is moved against a full position, in basis points; 0 leaves it around the mid.
    #[serde(default)]
    pub skew_bps: Exact<Rate>,
    /// Lets a ladder expire after this time; the next quote places it anew.
    #[serde(default)]
    pub expiry: Option<Span>,
    /// Orders that would take liquidity are refused by the venue.
    #[serde(default = "preset::flag::<true>")]
    pub post_only: bool,
    /// Closes what is open when the run ends.
    #[serde(default = "preset::flag::<true>")]
    pub close_on_stop: bool,
}

impl GridMaker {
    fn default_step_bps() -> Exact<Rate> {
        Exact(Rate::from_int(10))
    }
    fn default_requote_threshold_bps() -> Exact<Rate> {
        Exact(Rate::from_int(5))
    }

    /// The price of level `k`, from 1, around `centre`, unrounded; `None` where it is no price.
    fn level(&self, centre: Price, side: Side, k: u32) -> Option<Price> {
        let whole = BASIS_POINTS * i128::from(SCALE);
        let step = -i128::from(side.sign()) * i128::from(self.step_bps.0.units());
        let price = match self.spacing {
            Spacing::Arithmetic => {
                let factor = whole + step * i128::from(k);
                mul_div(centre.units().into(), factor, whole, Rounding::HalfAwayFromZero)?
            }
            Spacing::Geometric => (0..k).try_fold(i128::from(centre.units()), |price, _| {
                mul_div(price, whole + step, whole, Rounding::HalfAwayFromZero)
            })?,
        };
        i64::try_from(price).ok().filter(|price| *price > 0).map(Price::from_units)
    }

    /// Where the ladder is centred at a position.
    fn centre(&self, mid: Price, position: Qty) -> Option<Price> {
        let full = BASIS_POINTS * i128::from(SCALE) * i128::from(self.max_position.0.units());
        let shift = i128::from(self.skew_bps.0.units()) * i128::from(position.units());
        let shifted = mul_div(mid.units().into(), full - shift, full, Rounding::HalfAwayFromZero)?;
        i64::try_from(shifted).ok().filter(|price| *price > 0).map(Price::from_units)
    }

    /// True if the mid is this far from the anchor.
    fn has_moved(&self, anchor: Price, mid: Price) -> bool {
        let distance = i128::from((mid - anchor).units().abs()) * BASIS_POINTS * i128::from(SCALE);
        distance >= i128::from(anchor.units().abs()) * i128::from(self.requote_threshold_bps.0.units())
    }
}

impl Configuration for GridMaker {
    type Strategy = Maker;

    fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        faults.instrument("instrument", &self.instrument);
        let levels = format_args!("1 to {LEVELS_MAX}").to_string();
        faults.require((1..=LEVELS_MAX).contains(&self.levels), "levels", self.levels, levels);
        let reach = i128::from(self.step_bps.0.units()) * i128::from(self.levels);
        let within = self.step_bps.0.is_positive() && reach < BASIS_POINTS * i128::from(SCALE);
        faults.require(within, "step_bps", self.step_bps, "positive, and less than 10000 / levels");
        let threshold = self.requote_threshold_bps;
        faults.require(threshold.0.is_positive(), "requote_threshold_bps", threshold, "positive");
        faults.require(self.size.0.is_positive(), "size", self.size, "positive");
        let holds = self.max_position.0 >= self.size.0;
        faults.require(holds, "max_position", self.max_position, format_args!("at least size, which is {}", self.size));
        let skew = self.skew_bps.0;
        let holds = !skew.is_negative() && skew < Rate::from_int(10_000);
        faults.require(holds, "skew_bps", self.skew_bps, "at least 0 and below 10000");
        if let Some(expiry) = self.expiry {
            faults.require(expiry.nanos > 0, "expiry", expiry, "longer than nothing");
        }
        faults.into_vec()
    }

    fn build(&self) -> Maker {
        Maker { parameters: self.clone(), instrument: None, state: State::default() }
    }
}

/// Where a ladder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Anchor {
    mid: Price,
    placed: UnixNanos,
    /// Something of it traded.
    traded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct State {
    anchor: Option<Anchor>,
    /// The old ladder is being taken away, to be followed by a new one.
    moving: bool,
}

/// The rule at work.
#[derive(Debug)]
pub struct Maker {
    parameters: GridMaker,
    instrument: Option<InstrumentId>,
    state: State,
}

impl Maker {
    fn is_due(&self, ctx: &Context<'_>, instrument: InstrumentId, mid: Price) -> bool {
        let Some(anchor) = self.state.anchor else { return true };
        let expired = self.parameters.expiry.is_some_and(|span| ctx.now().since(anchor.placed) >= span.nanos);
        let sold_out = || anchor.traded && ctx.live_orders(instrument).next().is_none();
        self.parameters.has_moved(anchor.mid, mid) || expired || sold_out()
    }

    /// Takes the old ladder away; the new one is placed once nothing of it is left.
    fn replace(&mut self, ctx: &mut Context<'_>, instrument: InstrumentId) {
        self.state.moving = true;
        if ctx.live_orders(instrument).next().is_some() {
            ctx.cancel_all(instrument);
        } else {
            self.place(ctx, instrument);
        }
    }

    /// Places a ladder around the present mid. Nothing of an older one is live.
    fn place(&mut self, ctx: &mut Context<'_>, instrument: InstrumentId) {
        let Some(mark) = ctx.mark(instrument) else { return };
        let (mid, position) = (mark.mid(), ctx.position(instrument));
        let p = &self.parameters;
        self.state = State { anchor: Some(Anchor { mid, placed: ctx.now(), traded: false }), moving: false };
        let Some(centre) = p.centre(mid, position) else { return };
        let tif = match p.expiry {
            Some(span) => TimeInForce::Gtd(ctx.now().saturating_add(span.nanos)),
            None => TimeInForce::Gtc,
        };
        let tick = ctx.instrument(instrument).tick;
        for side in [Side::Buy, Side::Sell] {
            let mut exposure = if side == Side::Buy { position } else { -position };
            let mut last = None;
            for k in 1..=p.levels {
                exposure += p.size.0;
                if exposure > p.max_position.0 {
                    break;
                }
                let Some(price) = p.level(centre, side, k) else { break };
                let price = match side {
                    Side::Buy => price.round_to(tick, Rounding::Floor).min(mark.ask - tick),
                    Side::Sell => Ord::max(price.round_to(tick, Rounding::Ceil), mark.bid + tick),
                };
                // Levels that fall on one tick, or were held back at the touch, are one level.
                if last == Some(price) {
                    exposure -= p.size.0;
                    continue;
                }
                last = Some(price);
                let mut request = OrderRequest::limit(instrument, side, p.size.0, price).tif(tif);
                request.post_only = p.post_only;
                ctx.submit(request);
            }
        }
    }
}

impl Strategy for Maker {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        let instrument = setup.instrument(&self.parameters.instrument)?;
        let lot = setup.terms(instrument).lot;
        if !self.parameters.size.0.is_multiple_of(lot) {
            return Err(format!("`size` is {}, but must be a multiple of the lot {lot}", self.parameters.size).into());
        }
        setup.quotes(instrument);
        self.instrument = Some(instrument);
        Ok(())
    }

    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &Quote) {
        if Some(quote.instrument) != self.instrument || quote.bid > quote.ask || !quote.bid.is_positive() {
            return;
        }
        let mid = Price::midpoint(quote.bid, quote.ask);
        if self.state.moving || self.is_due(ctx, quote.instrument, mid) {
            self.replace(ctx, quote.instrument);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        let Some(instrument) = self.instrument else { return };
        if self.state.moving && update.is_final() && ctx.live_orders(instrument).next().is_none() {
            self.place(ctx, instrument);
        }
    }

    fn on_fill(&mut self, _ctx: &mut Context<'_>, _fill: &FillUpdate) {
        if let Some(anchor) = &mut self.state.anchor {
            anchor.traded = true;
        }
    }

    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        let Some(instrument) = self.instrument else { return };
        self.state.moving = false;
        ctx.cancel_all(instrument);
        if self.parameters.close_on_stop {
            ctx.close(instrument);
        }
    }

    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        Ok(postcard::to_allocvec(&self.state)?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        self.state = postcard::from_bytes(bytes)?;
        Ok(())
    }
}
