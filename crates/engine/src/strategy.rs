//! Strategies: the one trait that every trading rule implements, and the view of the world it decides from.
//!
//! Invariant: a strategy reads a [`Context`] and leaves intents in it; nothing else it does reaches the market. Its
//! answers depend on what it was shown and on nothing else, so that a replay of the journal asks it the same and gets
//! the same.

use std::collections::VecDeque;
use std::error::Error;

use starling_core::event::{Decision, Timer};
use starling_core::order::{Fill, OrderKind, OrderStatus, RejectReason, TrailOffset};
use starling_core::{
    AccountId, Bar, BarSeriesId, ClientOrderId, Instrument, InstrumentId, Money, OrderRequest, PositionId, Price, Qty,
    Quote, Rounding, Side, StrategyId, Trade, UnixNanos,
};
use starling_market::bar::BarSpec;
use starling_market::feature::{FeatureId, FeatureSpec};

use crate::ledger::FillOutcome;
use crate::marks::Mark;
use crate::risk::Denied;
use crate::world::World;

/// Intents one event may cause; more is a loop in a strategy.
pub const INTENTS_PER_EVENT_MAX: usize = 100_000;

/// Why a strategy cannot run or be restored.
pub type StrategyError = Box<dyn Error + Send + Sync>;

/// A trading rule.
///
/// All methods have empty defaults: a strategy implements those it needs. It declares what it reads in
/// [`Strategy::setup`], which runs once, before the first event.
pub trait Strategy {
    /// Declares series, features and subscriptions.
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError>;
    /// The run begins.
    fn on_start(&mut self, _ctx: &mut Context<'_>) {}
    /// A quote of a subscribed instrument.
    fn on_quote(&mut self, _ctx: &mut Context<'_>, _quote: &Quote) {}
    /// A trade print of a subscribed instrument.
    fn on_trade(&mut self, _ctx: &mut Context<'_>, _trade: &Trade) {}
    /// A bar of a subscribed series; its features are up to date.
    fn on_bar(&mut self, _ctx: &mut Context<'_>, _bar: &Bar) {}
    /// A timer that this strategy set.
    fn on_timer(&mut self, _ctx: &mut Context<'_>, _timer: &Timer) {}
    /// Agents outside the sequencer decided something that this strategy is to carry out.
    fn on_decision(&mut self, _ctx: &mut Context<'_>, _decision: &Decision) {}
    /// News of one of this strategy's orders.
    fn on_order(&mut self, _ctx: &mut Context<'_>, _update: &OrderUpdate) {}
    /// One of this strategy's orders traded; the ledger has it already.
    fn on_fill(&mut self, _ctx: &mut Context<'_>, _fill: &FillUpdate) {}
    /// The run ends: the last moment to send orders.
    fn on_stop(&mut self, _ctx: &mut Context<'_>) {}
    /// Its state as bytes, for a snapshot.
    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        Err("this strategy does not implement save, so its run cannot be snapshotted".into())
    }
    /// Back to a saved state.
    fn load(&mut self, _bytes: &[u8]) -> Result<(), StrategyError> {
        Err("this strategy does not implement load, so its run cannot be restored".into())
    }
}

impl<S: Strategy + ?Sized> Strategy for Box<S> {
    fn setup(&mut self, setup: &mut Setup<'_>) -> Result<(), StrategyError> {
        (**self).setup(setup)
    }
    fn on_start(&mut self, ctx: &mut Context<'_>) {
        (**self).on_start(ctx);
    }
    fn on_quote(&mut self, ctx: &mut Context<'_>, quote: &Quote) {
        (**self).on_quote(ctx, quote);
    }
    fn on_trade(&mut self, ctx: &mut Context<'_>, trade: &Trade) {
        (**self).on_trade(ctx, trade);
    }
    fn on_bar(&mut self, ctx: &mut Context<'_>, bar: &Bar) {
        (**self).on_bar(ctx, bar);
    }
    fn on_timer(&mut self, ctx: &mut Context<'_>, timer: &Timer) {
        (**self).on_timer(ctx, timer);
    }
    fn on_decision(&mut self, ctx: &mut Context<'_>, decision: &Decision) {
        (**self).on_decision(ctx, decision);
    }
    fn on_order(&mut self, ctx: &mut Context<'_>, update: &OrderUpdate) {
        (**self).on_order(ctx, update);
    }
    fn on_fill(&mut self, ctx: &mut Context<'_>, fill: &FillUpdate) {
        (**self).on_fill(ctx, fill);
    }
    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        (**self).on_stop(ctx);
    }
    fn save(&self) -> Result<Vec<u8>, StrategyError> {
        (**self).save()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), StrategyError> {
        (**self).load(bytes)
    }
}

/// News of an order.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum OrderUpdate {
    /// Risk refused it; it never left.
    Denied {
        /// The order.
        id: ClientOrderId,
        /// What risk said.
        denied: Denied,
    },
    /// Its status changed, or the venue confirmed a change.
    Status {
        /// The order.
        id: ClientOrderId,
        /// The new status.
        status: OrderStatus,
        /// Quantity traded so far.
        filled: Qty,
        /// Quantity still open.
        leaves: Qty,
    },
    /// The venue refused the order, a change or a cancel.
    Refused {
        /// The order.
        id: ClientOrderId,
        /// Its status now.
        status: OrderStatus,
        /// Why.
        reason: RejectReason,
    },
}

impl OrderUpdate {
    /// The order it is about.
    #[must_use]
    pub fn id(&self) -> ClientOrderId {
        match *self {
            Self::Denied { id, .. } | Self::Status { id, .. } | Self::Refused { id, .. } => id,
        }
    }
    /// True if the order will not change again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Denied { .. } => true,
            Self::Status { status, .. } | Self::Refused { status, .. } => status.is_terminal(),
        }
    }
}

/// An execution and what the ledger made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FillUpdate {
    /// The execution.
    pub fill: Fill,
    /// Its effect on the position.
    pub outcome: FillOutcome,
    /// Quantity of the order still open.
    pub leaves: Qty,
}

/// What a strategy wants done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Intent {
    Submit { id: ClientOrderId, request: OrderRequest },
    Modify { id: ClientOrderId, qty: Option<Qty>, kind: Option<OrderKind> },
    Cancel { id: ClientOrderId },
    Twap { id: ClientOrderId, request: OrderRequest, schedule: Schedule },
    Timer { token: u64, due: UnixNanos },
    CancelTimer { token: u64 },
}

/// How an order is sliced over time: `slices` equal parts (rounded down to the lot), the first at once, one each
/// `interval` after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Number of equal parts.
    pub slices: u32,
    /// Nanoseconds from one to the next.
    pub interval: u64,
    /// What does not divide: with the last part, or as one part more.
    pub remainder: Remainder,
}

/// Where the part of a sliced order goes that does not divide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remainder {
    /// With the last part.
    #[default]
    LastSlice,
    /// One interval after it.
    ExtraSlice,
}

/// Intents in the order they were expressed.
pub(crate) type Outbox = VecDeque<(StrategyId, Intent)>;

/// What a strategy may declare before the run.
pub struct Setup<'a> {
    pub(crate) strategy: StrategyId,
    pub(crate) world: &'a mut World,
}

impl Setup<'_> {
    /// This strategy's id.
    #[must_use]
    pub fn strategy(&self) -> StrategyId {
        self.strategy
    }
    /// An instrument by its text, e.g. `BTC/USDT.BINANCE`.
    pub fn instrument(&self, name: &str) -> Result<InstrumentId, StrategyError> {
        self.world.instrument_by_name(name).ok_or_else(|| {
            let known: Vec<String> =
                (0..self.world.instruments().len()).map(|i| self.world.name(InstrumentId::from(i))).collect();
            format!("no instrument `{name}` is declared; there are: {}", known.join(", ")).into()
        })
    }
    /// Another strategy of the run by its name.
    pub fn strategy_named(&self, name: &str) -> Result<StrategyId, StrategyError> {
        self.world.strategy_by_name(name).ok_or_else(|| {
            format!("no strategy `{name}` runs here; there are: {}", self.world.strategies.join(", ")).into()
        })
    }
    /// The account of a name.
    pub fn account_named(&self, name: &str) -> Result<AccountId, StrategyError> {
        self.world.ledger.account_id(name).ok_or_else(|| {
            let known: Vec<&str> = self.world.ledger.accounts().map(|(_, spec)| spec.name.as_str()).collect();
            format!("no account `{name}` is declared; there are: {}", known.join(", ")).into()
        })
    }
    /// The terms of an instrument.
    #[must_use]
    pub fn terms(&self, instrument: InstrumentId) -> &Instrument {
        self.world.instruments().get(instrument)
    }
    /// Subscribes to a series of bars; a series that does not exist yet is built here from quotes, trades or smaller
    /// bars.
    pub fn bars(&mut self, spec: BarSpec) -> Result<BarSeriesId, StrategyError> {
        let id = self.world.series_or_new(spec)?;
        self.world.subscribe_bars(id, self.strategy);
        Ok(id)
    }
    /// A feature of a series, computed once per bar for all who ask.
    pub fn feature(&mut self, series: BarSeriesId, spec: &str) -> Result<FeatureId, StrategyError> {
        let spec: FeatureSpec = spec.parse()?;
        Ok(self.world.features_mut(series).register(&spec)?)
    }
    /// A feature of a series that also remembers its last `depth` values.
    pub fn feature_with_history(
        &mut self,
        series: BarSeriesId,
        spec: &str,
        depth: usize,
    ) -> Result<FeatureId, StrategyError> {
        let spec: FeatureSpec = spec.parse()?;
        Ok(self.world.features_mut(series).register_with_history(&spec, depth)?)
    }
    /// Subscribes to the quotes of an instrument.
    pub fn quotes(&mut self, instrument: InstrumentId) {
        self.world.subscribe_quotes(instrument, self.strategy);
    }
    /// Subscribes to the trade prints of an instrument.
    pub fn trades(&mut self, instrument: InstrumentId) {
        self.world.subscribe_trades(instrument, self.strategy);
    }
}

/// What a strategy sees, and where it leaves its intents.
pub struct Context<'a> {
    pub(crate) strategy: StrategyId,
    pub(crate) world: &'a World,
    pub(crate) accounts: &'a [Option<AccountId>],
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) counter: &'a mut u64,
}

impl Context<'_> {
    /// The stamp of the event in hand.
    #[must_use]
    pub fn now(&self) -> UnixNanos {
        self.world.now()
    }
    /// This strategy's id.
    #[must_use]
    pub fn strategy(&self) -> StrategyId {
        self.strategy
    }
    /// The terms of an instrument.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> &Instrument {
        self.world.instruments().get(id)
    }
    /// The account that this strategy trades an instrument on.
    ///
    /// # Panics
    /// If it has none at that venue: the builder checked that it has.
    #[must_use]
    #[inline]
    pub fn account(&self, instrument: InstrumentId) -> AccountId {
        let venue = self.instrument(instrument).venue;
        self.accounts[venue.index()].expect("a strategy has an account where it trades")
    }
    /// Last known bid, ask and trade price.
    #[must_use]
    pub fn mark(&self, instrument: InstrumentId) -> Option<Mark> {
        self.world.marks().get(instrument)
    }
    /// This strategy's net position, all its hedged positions summed.
    #[must_use]
    #[inline]
    pub fn position(&self, instrument: InstrumentId) -> Qty {
        self.world.ledger().strategy_position(self.account(instrument), instrument, self.strategy)
    }
    /// This strategy's open positions, as (id, signed quantity): at most one when netting.
    pub fn open_positions(&self, instrument: InstrumentId) -> impl Iterator<Item = (PositionId, Qty)> + '_ {
        let account = self.account(instrument);
        self.world
            .ledger()
            .open_positions(account, instrument)
            .filter(|p| p.strategy == self.strategy)
            .map(|p| (p.id, p.qty))
    }
    /// Average entry price of this strategy's netting position, or of the first open one when hedging.
    #[must_use]
    pub fn entry(&self, instrument: InstrumentId) -> Option<Price> {
        let account = self.account(instrument);
        let mut open = self.world.ledger().open_positions(account, instrument).filter(|p| p.strategy == self.strategy);
        open.next().and_then(|p| p.entry(self.instrument(instrument)))
    }
    /// Equity of the account that trades an instrument, in the currency of that instrument's profit (or the account's
    /// base). `None` while a price for it is missing.
    #[must_use]
    pub fn equity(&self, instrument: InstrumentId) -> Option<Money> {
        self.world.equity_for(self.account(instrument), instrument)
    }
    /// Latest value of a feature; `None` until it is ready.
    #[must_use]
    #[inline]
    pub fn feature(&self, series: BarSeriesId, id: FeatureId) -> Option<f64> {
        self.world.features(series).value(id)
    }
    /// Value of a feature some bars ago (0 is the latest), if it was asked to remember that many.
    #[must_use]
    pub fn feature_at(&self, series: BarSeriesId, id: FeatureId, bars_ago: usize) -> Option<f64> {
        self.world.features(series).value_at(id, bars_ago)
    }
    /// The latest bar of a series.
    #[must_use]
    pub fn last_bar(&self, series: BarSeriesId) -> Option<&Bar> {
        self.world.last_bar(series)
    }
    /// A live order; `None` once it has ended.
    #[must_use]
    pub fn order(&self, id: ClientOrderId) -> Option<&crate::orders::Order> {
        self.world.orders().get(id)
    }
    /// This strategy's live orders of an instrument.
    pub fn live_orders(&self, instrument: InstrumentId) -> impl Iterator<Item = &crate::orders::Order> {
        let strategy = self.strategy;
        self.world.orders().of_instrument(instrument).filter(move |o| o.id.strategy() == strategy)
    }

    fn next_id(&mut self) -> ClientOrderId {
        *self.counter += 1;
        ClientOrderId::new(self.strategy, *self.counter)
    }
    fn push(&mut self, intent: Intent) {
        assert!(self.outbox.len() < INTENTS_PER_EVENT_MAX, "more than {INTENTS_PER_EVENT_MAX} intents in one event");
        self.outbox.push_back((self.strategy, intent));
    }
    /// Sends an order through risk to its venue.
    pub fn submit(&mut self, request: OrderRequest) -> ClientOrderId {
        let id = self.next_id();
        self.push(Intent::Submit { id, request });
        id
    }
    /// Sends an order in slices over time; each slice is an order of its own. Returns the id of the first.
    pub fn submit_sliced(&mut self, request: OrderRequest, schedule: Schedule) -> ClientOrderId {
        let id = self.next_id();
        self.push(Intent::Twap { id, request, schedule });
        id
    }
    /// An entry with a stop and a target: both wait for the entry to fill, and one cancels the other.
    pub fn submit_bracket(&mut self, entry: OrderRequest, stop: OrderKind, target: OrderKind) -> [ClientOrderId; 3] {
        let parent = self.submit(entry);
        let exit = |kind| {
            let mut request = OrderRequest::new(entry.instrument, entry.side.opposite(), kind, entry.qty);
            request.reduce_only = true;
            request.position = entry.position;
            request.after(parent).oco(parent.get())
        };
        [parent, self.submit(exit(stop)), self.submit(exit(target))]
    }
    /// A trailing stop for a position held.
    pub fn submit_trailing_stop(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        qty: Qty,
        offset: TrailOffset,
    ) -> ClientOrderId {
        let kind = OrderKind::TrailingStop { offset, trigger: None };
        self.submit(OrderRequest::new(instrument, side, kind, qty).reduce_only())
    }
    /// Changes quantity or prices of a live order.
    pub fn modify(&mut self, id: ClientOrderId, qty: Option<Qty>, kind: Option<OrderKind>) {
        self.push(Intent::Modify { id, qty, kind });
    }
    /// Cancels a live order; one that has ended already is left in peace.
    pub fn cancel(&mut self, id: ClientOrderId) {
        self.push(Intent::Cancel { id });
    }
    /// Cancels all live orders of this strategy for an instrument.
    pub fn cancel_all(&mut self, instrument: InstrumentId) {
        let ids: Vec<ClientOrderId> = self.live_orders(instrument).map(|o| o.id).collect();
        for id in ids {
            self.cancel(id);
        }
    }
    /// Closes this strategy's open positions of an instrument at the market.
    pub fn close(&mut self, instrument: InstrumentId) {
        let open: Vec<(PositionId, Qty)> = self.open_positions(instrument).collect();
        for (position, qty) in open {
            let Some(side) = Side::toward(qty, Qty::ZERO) else { continue };
            self.submit(OrderRequest::market(instrument, side, qty.abs()).reduce_only().on_position(position));
        }
    }
    /// Calls [`Strategy::on_timer`] at `due`, after all data of that stamp.
    pub fn set_timer(&mut self, token: u64, due: UnixNanos) {
        self.push(Intent::Timer { token, due });
    }
    /// Forgets the timers set with a token.
    pub fn cancel_timer(&mut self, token: u64) {
        self.push(Intent::CancelTimer { token });
    }
    /// A quantity from a float, rounded down to the instrument's lot; `None` if it is not finite or rounds to nothing.
    #[must_use]
    pub fn lots(&self, instrument: InstrumentId, qty: f64) -> Option<Qty> {
        Qty::from_f64(qty, self.instrument(instrument).lot, Rounding::TowardZero).filter(|q| q.is_positive())
    }
    /// A price from a float, rounded to the instrument's tick toward the passive side of an order.
    #[must_use]
    pub fn passive_price(&self, instrument: InstrumentId, side: Side, price: f64) -> Option<Price> {
        let rounding = match side {
            Side::Buy => Rounding::Floor,
            Side::Sell => Rounding::Ceil,
        };
        Price::from_f64(price, self.instrument(instrument).tick, rounding)
    }
}
