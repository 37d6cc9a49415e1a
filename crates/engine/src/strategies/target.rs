//! Targets: from the position held to the position wanted, by as few orders as the account allows.
//!
//! Invariant: while orders toward one target are in flight, no other order of this strategy is sent for that
//! instrument; a target that changes meanwhile cancels them, and is pursued once they have ended. An order that was
//! denied or died is not repeated by itself: the next decision is the next attempt. What it deliberately does not do:
//! decide what to hold, or how much.

use serde::{Deserialize, Serialize};
use starling_core::fixed::{SCALE, div_round};
use starling_core::order::TrailOffset;
use starling_core::{
    BarSeriesId, ClientOrderId, InstrumentId, OrderKind, OrderRequest, PositionId, Price, Qty, Rate, Rounding, Side,
    UnixNanos,
};
use starling_market::feature::FeatureId;

use super::parameter::{Exact, Faults, ParameterError, Span};
use crate::strategy::{Context, FillUpdate, OrderUpdate, Remainder, Schedule, Setup, StrategyError};

/// Which way a rule wants to stand in the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stance {
    /// Hold nothing.
    Flat,
    /// Gain when the price rises.
    Long,
    /// Gain when the price falls.
    Short,
}

impl Stance {
    /// The stance of a position.
    #[must_use]
    pub fn of(position: Qty) -> Self {
        match position.units().signum() {
            1 => Self::Long,
            -1 => Self::Short,
            _ => Self::Flat,
        }
    }
    /// `qty` with this stance's sign.
    #[must_use]
    pub fn signed(self, qty: Qty) -> Qty {
        match self {
            Self::Flat => Qty::ZERO,
            Self::Long => qty,
            Self::Short => -qty,
        }
    }
}

/// Which stances are taken; the others become flat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both.
    #[default]
    LongShort,
    /// Long or flat.
    LongOnly,
    /// Short or flat.
    ShortOnly,
}

impl Direction {
    /// The stance that this direction leaves of one wanted.
    #[must_use]
    pub fn allow(self, stance: Stance) -> Stance {
        match (self, stance) {
            (Self::LongOnly, Stance::Short) | (Self::ShortOnly, Stance::Long) => Stance::Flat,
            _ => stance,
        }
    }
}

/// How a position turns around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// An order that closes, then one that opens, in the same moment.
    #[default]
    TwoOrders,
    /// One order through zero.
    OneOrder,
}

/// A distance from the price of entry.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// A share of the price, as `"0.02"`; whole basis points.
    Fraction(Exact<Rate>),
    /// A multiple of the average true range.
    Atr(f64),
}

/// An order cut into equal parts over time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Twap {
    /// From the first part to the end of the last interval.
    pub horizon: Span,
    /// From one part to the next.
    pub interval: Span,
    /// Where the quantity goes that does not divide into lots.
    #[serde(default)]
    pub remainder: TwapRemainder,
    /// Only orders that open a position are cut; what closes one goes out whole.
    #[serde(default)]
    pub only_opening: bool,
}

/// Where the quantity of a sliced order goes that does not divide into lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TwapRemainder {
    /// With the last part.
    #[default]
    LastSlice,
    /// One interval after it.
    ExtraSlice,
}

impl Twap {
    pub(super) fn schedule(&self) -> Schedule {
        Schedule {
            slices: u32::try_from(self.horizon.nanos / self.interval.nanos.max(1)).unwrap_or(u32::MAX).max(1),
            interval: self.interval.nanos,
            remainder: match self.remainder {
                TwapRemainder::LastSlice => Remainder::LastSlice,
                TwapRemainder::ExtraSlice => Remainder::ExtraSlice,
            },
        }
    }
}

/// How a decision becomes orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Execution {
    /// `long_short`, `long_only` or `short_only`; a stance not taken is flat.
    pub direction: Direction,
    /// `two_orders` closes and then opens, `one_order` trades through zero (not with protective orders).
    pub flip: Flip,
    /// Closes what is open when the run ends.
    pub close_on_stop: bool,
    /// Resizes a position held once its wanted quantity differs by more than this share of it; without it a position
    /// keeps its size until it is closed.
    pub rebalance_band: Option<Exact<Rate>>,
    /// A stop order this far from the entry, e.g. `{ fraction = "0.02" }` or `{ atr = 2.0 }`. After a protective exit
    /// the same stance is not taken again before another was wanted.
    pub stop_loss: Option<Distance>,
    /// A limit order this far from the entry; it and the stop cancel each other.
    pub take_profit: Option<Distance>,
    /// A stop order that follows the market at this distance.
    pub trailing_stop: Option<Distance>,
    /// Bars of the average true range that distances are told in.
    pub atr_period: u32,
    /// Cuts orders into parts over time; not together with protective orders.
    pub twap: Option<Twap>,
}

impl Default for Execution {
    fn default() -> Self {
        Self {
            direction: Direction::default(),
            flip: Flip::default(),
            close_on_stop: true,
            rebalance_band: None,
            stop_loss: None,
            take_profit: None,
            trailing_stop: None,
            atr_period: 14,
            twap: None,
        }
    }
}

impl Execution {
    /// All faults.
    #[must_use]
    pub fn validate(&self) -> Vec<ParameterError> {
        let mut faults = Faults::new();
        if let Some(band) = self.rebalance_band {
            faults.require(!band.0.is_negative(), "rebalance_band", band, "at least 0");
        }
        for (name, distance) in
            [("stop_loss", self.stop_loss), ("take_profit", self.take_profit), ("trailing_stop", self.trailing_stop)]
        {
            match distance {
                Some(Distance::Fraction(share)) => {
                    let basis_point = Exact::basis_points(1).0;
                    let holds = share.0.is_positive() && share.0 < Rate::ONE && share.0.is_multiple_of(basis_point);
                    let wanted = "between 0 and 1 in whole steps of 0.0001";
                    faults.require(holds, &format!("{name}.fraction"), share, wanted);
                }
                Some(Distance::Atr(factor)) => {
                    faults.number(&format!("{name}.atr"), factor, factor > 0.0, "positive");
                }
                None => {}
            }
        }
        faults.period("atr_period", self.atr_period, 1);
        if let Some(twap) = self.twap {
            let (interval, horizon) = (twap.interval.nanos, twap.horizon.nanos);
            faults.require(interval > 0, "twap.interval", twap.interval, "longer than nothing");
            let whole = interval > 0 && horizon >= interval && horizon.is_multiple_of(interval);
            faults.require(whole, "twap.horizon", twap.horizon, "a whole number of intervals, at least one");
            let protected = self.protective().next().is_some();
            let requirement = "left out with stop_loss, take_profit or trailing_stop, which need one entry order";
            faults.require(!protected, "twap", format_args!("{horizon} ns long"), requirement);
        }
        faults.into_vec()
    }

    fn protective(&self) -> impl Iterator<Item = Distance> {
        [self.stop_loss, self.take_profit, self.trailing_stop].into_iter().flatten()
    }

    /// The feature that its distances need.
    #[must_use]
    pub fn atr_feature(&self) -> Option<String> {
        let told_in_atr = self.protective().any(|d| matches!(d, Distance::Atr(_)));
        told_in_atr.then(|| format!("ATR({})", self.atr_period))
    }
}

/// What of a target changes in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetState {
    /// Where the orders in flight lead.
    goal: Qty,
    /// The orders in flight.
    working: Vec<ClientOrderId>,
    /// Until when slices of the order in flight are sent.
    slicing_until: Option<UnixNanos>,
    /// Where to go once they have ended, if not to the goal.
    next: Option<Qty>,
    /// The protective orders of what is held.
    protective: Vec<ClientOrderId>,
    /// The stance that a protective order ended: not to be taken again before another was wanted.
    barred: Option<Stance>,
}

/// Pursues positions in one instrument.
#[derive(Debug)]
pub struct Target {
    instrument: InstrumentId,
    execution: Execution,
    atr: Option<(BarSeriesId, FeatureId)>,
    state: TargetState,
}

impl Target {
    /// For an instrument; distances in average true ranges are those of `series`.
    pub fn setup(
        setup: &mut Setup<'_>,
        instrument: InstrumentId,
        series: BarSeriesId,
        execution: &Execution,
    ) -> Result<Self, StrategyError> {
        let atr = match execution.atr_feature() {
            Some(text) => Some((series, setup.feature(series, &text)?)),
            None => None,
        };
        Ok(Self { atr, ..Self::new(instrument, execution) })
    }

    /// For an instrument, without distances in average true ranges.
    #[must_use]
    pub fn new(instrument: InstrumentId, execution: &Execution) -> Self {
        Self { instrument, execution: execution.clone(), atr: None, state: TargetState::default() }
    }

    /// The instrument.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }

    /// What changes, for a snapshot.
    #[must_use]
    pub fn state(&self) -> &TargetState {
        &self.state
    }

    /// Back to a saved state.
    pub fn restore(&mut self, state: TargetState) {
        self.state = state;
    }

    /// True while orders are on their way.
    #[must_use]
    pub fn is_busy(&self, ctx: &Context<'_>) -> bool {
        let slicing = self.state.slicing_until.is_some_and(|until| {
            ctx.now() <= until || ctx.live_orders(self.instrument).any(|o| !self.state.protective.contains(&o.id))
        });
        slicing || !self.state.working.is_empty()
    }

    /// The position that is held, or that the orders in flight and those waiting for them lead to.
    #[must_use]
    pub fn expected(&self, ctx: &Context<'_>) -> Qty {
        if self.is_busy(ctx) { self.state.next.unwrap_or(self.state.goal) } else { ctx.position(self.instrument) }
    }

    /// Takes a stance, at the size that `size` gives when it is asked for. A position that has the stance already is
    /// resized only where there is a rebalance band. If the size is not known, an opposite position is closed all the
    /// same.
    pub fn take(
        &mut self,
        ctx: &mut Context<'_>,
        stance: Stance,
        size: impl FnOnce(&Context<'_>, Stance) -> Option<Qty>,
    ) {
        let expected = self.expected(ctx);
        self.take_from(ctx, expected, stance, size);
    }

    /// As [`Target::take`], for a caller that has just asked for the expected position.
    pub(super) fn take_from(
        &mut self,
        ctx: &mut Context<'_>,
        expected: Qty,
        stance: Stance,
        size: impl FnOnce(&Context<'_>, Stance) -> Option<Qty>,
    ) {
        let stance = self.execution.direction.allow(stance);
        if self.state.barred == Some(stance) {
            return;
        }
        self.state.barred = None;
        let kept = Stance::of(expected) == stance;
        if kept && (stance == Stance::Flat || self.execution.rebalance_band.is_none() || self.is_busy(ctx)) {
            return;
        }
        let wanted = match stance {
            Stance::Flat => Qty::ZERO,
            _ => size(ctx, stance).map_or(Qty::ZERO, |qty| stance.signed(qty)),
        };
        if kept && (wanted.is_zero() || self.is_within_band(expected, wanted)) {
            return;
        }
        self.go(ctx, wanted);
    }

    pub(super) fn is_within_band(&self, held: Qty, wanted: Qty) -> bool {
        let Some(band) = self.execution.rebalance_band else { return true };
        let slack = i128::from(held.units().abs()) * i128::from(band.0.units());
        i128::from((wanted - held).units().abs()) * i128::from(SCALE) <= slack
    }

    /// Goes to a position, signed.
    pub fn go(&mut self, ctx: &mut Context<'_>, wanted: Qty) {
        if !self.is_busy(ctx) {
            self.state.slicing_until = None;
            self.state.next = None;
            self.send(ctx, wanted);
        } else if self.state.goal == wanted {
            self.state.next = None;
        } else if self.state.next != Some(wanted) {
            self.state.next = Some(wanted);
            for id in &self.state.working {
                ctx.cancel(*id);
            }
        }
    }

    fn send(&mut self, ctx: &mut Context<'_>, wanted: Qty) {
        let [long, short] = [Side::Sell, Side::Buy].map(|against| self.held(ctx, against));
        let (side, same, opposite) = match Stance::of(wanted) {
            Stance::Long => (Side::Buy, long, short),
            Stance::Short => (Side::Sell, short, long),
            Stance::Flat => (if long.is_positive() { Side::Sell } else { Side::Buy }, Qty::ZERO, Ord::max(long, short)),
        };
        let size = wanted.abs();
        if (same, opposite) == (size, Qty::ZERO) {
            return;
        }
        self.state.goal = wanted;
        if !opposite.is_zero() {
            for id in self.state.protective.drain(..) {
                ctx.cancel(id);
            }
            // A protective order must be as large as what its parent opens, so then two orders are sent all the same.
            let protected = self.execution.protective().next().is_some();
            if self.execution.flip == Flip::OneOrder && !size.is_zero() && same.is_zero() && !protected {
                self.turn(ctx, side, opposite + size);
                return;
            }
            self.reduce(ctx, side, opposite);
            if size.is_zero() {
                // A hedging account may be long and short at once, after an order of a pair was refused.
                self.reduce(ctx, side.opposite(), long.min(short));
                return;
            }
        }
        if same < size {
            self.open(ctx, side, size - same);
        } else {
            self.reduce(ctx, side.opposite(), same - size);
        }
    }

    /// What an order of this side could reduce.
    fn held(&self, ctx: &Context<'_>, side: Side) -> Qty {
        let against = |(_, qty): &(PositionId, Qty)| Side::toward(*qty, Qty::ZERO) == Some(side);
        ctx.open_positions(self.instrument).filter(against).map(|(_, qty)| qty.abs()).sum()
    }

    /// The `n`-th open position that an order of this side reduces.
    fn reducible(&self, ctx: &Context<'_>, side: Side, n: usize) -> Option<(PositionId, Qty)> {
        let against = |(_, qty): &(PositionId, Qty)| Side::toward(*qty, Qty::ZERO) == Some(side);
        ctx.open_positions(self.instrument).filter(against).nth(n)
    }

    /// Takes this much off the open positions, the oldest first.
    fn reduce(&mut self, ctx: &mut Context<'_>, side: Side, qty: Qty) {
        let (mut left, mut n) = (qty, 0);
        while let Some((position, held)) = self.reducible(ctx, side, n).filter(|_| left.is_positive()) {
            let part = left.min(held.abs());
            left -= part;
            n += 1;
            let request = OrderRequest::market(self.instrument, side, part).on_position(position);
            // Slices of the close run beside those of the open, so the position passes zero before they end.
            let sliced = self.execution.twap.is_some_and(|twap| !twap.only_opening);
            self.submit(ctx, if sliced { request } else { request.reduce_only() });
        }
    }

    /// One order of this quantity, through zero; in a hedging account any further positions are closed apart.
    fn turn(&mut self, ctx: &mut Context<'_>, side: Side, qty: Qty) {
        let Some((first, _)) = self.reducible(ctx, side, 0) else { return };
        let (mut others, mut n) = (Qty::ZERO, 1);
        while let Some((position, held)) = self.reducible(ctx, side, n) {
            self.submit(
                ctx,
                OrderRequest::market(self.instrument, side, held.abs()).on_position(position).reduce_only(),
            );
            others += held.abs();
            n += 1;
        }
        let request = OrderRequest::market(self.instrument, side, qty - others).on_position(first);
        self.enter(ctx, request);
    }

    fn open(&mut self, ctx: &mut Context<'_>, side: Side, qty: Qty) {
        if qty.is_positive() {
            self.enter(ctx, OrderRequest::market(self.instrument, side, qty));
        }
    }

    /// Sends what opens, with what protects it; nothing while the protective prices are not known.
    fn enter(&mut self, ctx: &mut Context<'_>, request: OrderRequest) {
        let mut exits = [None; 3];
        for (exit, kind) in exits.iter_mut().zip([Exit::Stop, Exit::Target, Exit::Trail]) {
            let Some(distance) = kind.distance(&self.execution) else { continue };
            let Some(kind) = self.exit(ctx, request.side, kind, distance) else { return };
            *exit = Some(kind);
        }
        let Some(parent) = self.submit(ctx, request) else { return };
        let several = exits.iter().flatten().count() > 1;
        for kind in exits.into_iter().flatten() {
            let mut exit = OrderRequest::new(self.instrument, request.side.opposite(), kind, request.qty)
                .reduce_only()
                .on_position(request.position)
                .after(parent);
            if several {
                exit = exit.oco(parent.get());
            }
            self.state.protective.push(ctx.submit(exit));
        }
    }

    /// The kind of a protective order, priced from where an order of `side` would fill now.
    fn exit(&self, ctx: &Context<'_>, side: Side, exit: Exit, distance: Distance) -> Option<OrderKind> {
        let (mark, tick) = (ctx.mark(self.instrument)?, ctx.instrument(self.instrument).tick);
        let entry = if side == Side::Buy { mark.ask } else { mark.bid };
        let away = match distance {
            Distance::Fraction(share) => {
                let units = i128::from(entry.units()) * i128::from(share.0.units());
                Price::from_units(div_round(units.abs(), SCALE.into(), Rounding::default()).try_into().ok()?)
            }
            Distance::Atr(factor) => {
                let (series, feature) = self.atr?;
                Price::from_f64(factor * ctx.feature(series, feature)?, Price::from_units(1), Rounding::default())?
            }
        };
        // Outward to the tick: no exit is nearer than asked for.
        let outward = |up: bool, price: Price| price.round_to(tick, if up { Rounding::Ceil } else { Rounding::Floor });
        let up = side == Side::Buy;
        Some(match exit {
            Exit::Stop => OrderKind::Stop { trigger: outward(!up, side.opposite().worsen(entry, away)) },
            Exit::Target => OrderKind::Limit { price: outward(up, side.worsen(entry, away)) },
            Exit::Trail => OrderKind::TrailingStop {
                offset: match distance {
                    Distance::Fraction(share) => {
                        TrailOffset::BasisPoints(u32::try_from(share.0.units() / 100_000).ok()?)
                    }
                    Distance::Atr(_) => TrailOffset::Price(away.round_to(tick, Rounding::Ceil)),
                },
                trigger: None,
            },
        })
    }

    /// Sends an order, sliced if that is asked for. The id of an order sent whole.
    fn submit(&mut self, ctx: &mut Context<'_>, request: OrderRequest) -> Option<ClientOrderId> {
        if let Some(twap) = &self.execution.twap
            && !request.reduce_only
        {
            let schedule = twap.schedule();
            ctx.submit_sliced(request, schedule);
            let after_first = u64::from(schedule.slices) - u64::from(schedule.remainder == Remainder::LastSlice);
            self.state.slicing_until = Some(ctx.now().saturating_add(schedule.interval.saturating_mul(after_first)));
            return None;
        }
        let id = ctx.submit(request);
        self.state.working.push(id);
        Some(id)
    }

    /// News of an order: hand in all of them.
    pub fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        if !update.is_final() {
            return;
        }
        let id = update.id();
        self.state.protective.retain(|known| *known != id);
        let before = self.state.working.len();
        self.state.working.retain(|known| *known != id);
        if self.state.working.len() < before
            && !self.is_busy(ctx)
            && let Some(next) = self.state.next.take()
        {
            self.go(ctx, next);
        }
    }

    /// An execution: hand in all of them.
    pub fn on_fill(&mut self, fill: &FillUpdate) {
        if fill.outcome.closed && self.state.protective.contains(&fill.fill.order) {
            self.state.barred = Some(Stance::of(fill.outcome.qty_before));
        }
    }

    /// The run ends: closes what is open, unless told to keep it.
    pub fn on_stop(&mut self, ctx: &mut Context<'_>) {
        if self.execution.close_on_stop {
            ctx.cancel_all(self.instrument);
            ctx.close(self.instrument);
        }
    }
}

/// The protective orders there are.
#[derive(Debug, Clone, Copy)]
enum Exit {
    Stop,
    Target,
    Trail,
}

impl Exit {
    fn distance(self, execution: &Execution) -> Option<Distance> {
        match self {
            Self::Stop => execution.stop_loss,
            Self::Target => execution.take_profit,
            Self::Trail => execution.trailing_stop,
        }
    }
}
