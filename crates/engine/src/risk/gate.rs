//! The gate: judges a request against every configured limit, reserves its worst case, and keeps the state of trading.
//!
//! Invariant: the struct literals of [`ApprovedOrder`], [`ApprovedModify`] and [`ApprovedCancel`] stand once each, at
//! the end of the function that judged them. A denial changes nothing but the refill of token buckets.
//!
//! Orders held by a parent (one-triggers-other) are approved at submission. If such an order can only unwind what its
//! parent makes (other side, not larger, same account and instrument, parent open), it claims nothing until
//! [`RiskGate::release`], which reserves without refusing: a stop-loss must not be lost to a limit. Any other child
//! claims its worst case at submission, as a plain order does.
//!
//! What it deliberately does not do: see a conditional order as resting in the market before its trigger (self-trade is
//! judged when it is sent and from [`RiskGate::on_triggered`] on), or trim a reduce-only order (the venue does).

use std::fmt;

use serde::{Deserialize, Serialize};
use starling_core::event::{CommandKind, TradingStatus};
use starling_core::fixed::{SCALE, div_round};
use starling_core::order::{Report, ReportKind, TrailOffset};
use starling_core::{
    AccountId, ClientOrderId, CurrencyId, CurrencyTable, Fill, Instrument, InstrumentId, InstrumentTable, Money,
    OrderKind, OrderRequest, PositionId, Price, Qty, Rate, Side, StrategyId, TimeInForce, UnixNanos, VenueId,
};

use super::denied::{Amount, Denied};
use super::exposure::{
    AccountRecord, Claim, Currencies, EquityRecord, OpenOrders, OrderRecord, SideSum, Standing, Terms,
};
use super::limits::{EngineRules, InstrumentRules, LimitFaults, SelfTrade, resolve};
use super::table::{DenyCode, RiskLimits};
use super::throttle::{Bucket, ExecutionWindow, OrderShape, PriceDrift, RecentOrders};
use super::valuation::{VALUE_MAX, bounded, limit_price, rated, value, worst_price};
use super::view::{AccountKind, AccountTerms, Reference, RiskView};

/// Most resting orders that one verdict asks to cancel first; with more in its way an order is denied.
pub const CANCEL_FIRST_MAX: usize = 8;

mod judge;

/// An order that passed every check. Only [`RiskGate::approve`] makes one.
#[must_use = "an approved order holds a reservation until it is sent and ends"]
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ApprovedOrder {
    id: ClientOrderId,
    account: AccountId,
    request: OrderRequest,
    approved_at: UnixNanos,
}

impl ApprovedOrder {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ClientOrderId {
        self.id
    }
    /// Whose order.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }
    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> &OrderRequest {
        &self.request
    }
    /// When.
    #[must_use]
    pub fn approved_at(&self) -> UnixNanos {
        self.approved_at
    }
}

/// A change of an open order that passed every check. Only [`RiskGate::approve_modify`] makes one.
#[must_use = "an approved change holds a reservation until the venue answers it"]
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ApprovedModify {
    id: ClientOrderId,
    account: AccountId,
    instrument: InstrumentId,
    qty: Qty,
    kind: OrderKind,
    approved_at: UnixNanos,
}

impl ApprovedModify {
    /// The order to change.
    #[must_use]
    pub fn id(&self) -> ClientOrderId {
        self.id
    }
    /// Whose order.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }
    /// Where it trades.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }
    /// Its total quantity, filled part included.
    #[must_use]
    pub fn qty(&self) -> Qty {
        self.qty
    }
    /// Its kind and prices.
    #[must_use]
    pub fn kind(&self) -> OrderKind {
        self.kind
    }
    /// When.
    #[must_use]
    pub fn approved_at(&self) -> UnixNanos {
        self.approved_at
    }
}

/// A cancel that may be sent. Only [`RiskGate::approve_cancel`] makes one.
#[must_use = "a cancel that is not sent leaves its order in the market"]
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ApprovedCancel {
    id: ClientOrderId,
    instrument: InstrumentId,
    approved_at: UnixNanos,
}

impl ApprovedCancel {
    /// The order to cancel.
    #[must_use]
    pub fn id(&self) -> ClientOrderId {
        self.id
    }
    /// Where it trades.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }
    /// When.
    #[must_use]
    pub fn approved_at(&self) -> UnixNanos {
        self.approved_at
    }
}

/// Own resting orders to cancel before an order is sent, best price first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CancelFirst {
    ids: [ClientOrderId; CANCEL_FIRST_MAX],
    len: usize,
}

impl CancelFirst {
    /// The orders.
    #[must_use]
    pub fn ids(&self) -> &[ClientOrderId] {
        &self.ids[..self.len]
    }
}

/// A favourable verdict.
#[must_use = "an approved order holds a reservation until it is sent and ends"]
#[derive(Debug, PartialEq, Eq)]
pub struct Approval<A = ApprovedOrder> {
    /// What may be sent.
    pub order: A,
    /// What must be cancelled before ([`SelfTrade::CancelOldest`]); mostly empty.
    pub cancel_first: CancelFirst,
}

/// Whether the engine trades. Only a command moves it up; limits and commands move it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TradingState {
    /// Nothing but cancels.
    Halted,
    /// Only orders that reduce a position.
    Reducing,
    /// Everything within limits.
    #[default]
    Active,
}

impl fmt::Display for TradingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Halted => "halted",
            Self::Reducing => "reducing",
            Self::Active => "active",
        })
    }
}

/// What a fill or a fall of equity brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateChange {
    /// The engine went down to this state.
    Engine(TradingState, Denied),
    /// The strategy may send nothing more until a command enables it. Its open orders are for the engine to cancel.
    StrategyDisabled(StrategyId, Denied),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct StrategyRecord {
    disabled: Option<Denied>,
    /// The counter of its youngest approved order; ids rise.
    counter_last: u64,
    bucket: Option<Bucket>,
    executions: ExecutionWindow,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct InstrumentRecord {
    /// By command.
    halted: bool,
    /// Own purchases and sales.
    drift: [PriceDrift; 2],
    /// Own resting purchases and sales, best last. Kept only where self-trade is watched.
    #[serde(skip)]
    resting: [Vec<(Price, ClientOrderId)>; 2],
}

impl InstrumentRecord {
    /// Where an order stands or would stand among those of its side: worse prices come before.
    fn place(&self, side: Side, price: Price, id: ClientOrderId) -> usize {
        self.resting[side as usize].partition_point(|(other, other_id)| match side {
            _ if *other == price => *other_id > id,
            Side::Buy => *other < price,
            Side::Sell => *other > price,
        })
    }
}

/// All that the gate remembers, kill latch included. Write it into a snapshot with any serde format; give it back to
/// [`RiskGate::restore`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskState {
    trading: TradingState,
    /// Why it is not active.
    cause: Option<Denied>,
    strategies: Vec<StrategyRecord>,
    venues: Vec<Option<Bucket>>,
    accounts: Vec<Option<AccountRecord>>,
    instruments: Vec<InstrumentRecord>,
    pub(super) orders: OpenOrders,
    pub(super) recent: RecentOrders,
    unknown_orders: u32,
}

/// The risk gate.
#[derive(Debug)]
pub struct RiskGate {
    rules: Vec<InstrumentRules>,
    engine: EngineRules,
    currencies: usize,
    /// The longest window in which an instrument looks for duplicates.
    duplicate_window_ns_max: u64,
    state: RiskState,
}

/// A request on its way through the checks.
struct Candidate<'a> {
    now: UnixNanos,
    id: ClientOrderId,
    account: AccountId,
    terms: AccountTerms,
    instrument: &'a Instrument,
    reference: Option<Reference>,
    status: TradingStatus,
    /// With the kind and the total quantity asked for.
    request: OrderRequest,
    /// What of it would be open.
    leaves: Qty,
    net: Qty,
    /// The position it would change.
    position: Qty,
    /// Unwinds an open parent.
    covered: bool,
    /// Can only bring its position toward flat, whatever else fills.
    reduces: bool,
    /// Claims nothing but what it closes of a named position.
    closing: bool,
}

/// What a candidate would claim.
struct Assessment {
    claim: Claim,
    increase: Money,
    margin: Money,
}

impl RiskGate {
    /// Gives back room beyond what is there now.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.state.strategies.shrink_to_fit();
        self.state.accounts.shrink_to_fit();
        self.state.orders.shrink_to_fit();
    }

    /// A gate in state [`TradingState::Active`] with nothing open. All faults of the limits come at once.
    pub fn new(
        limits: &RiskLimits,
        instruments: &InstrumentTable,
        currencies: &CurrencyTable,
    ) -> Result<Self, LimitFaults> {
        let (rules, engine) = resolve(limits, instruments, currencies)?;
        let state = RiskState {
            trading: TradingState::Active,
            cause: None,
            strategies: Vec::new(),
            venues: Vec::new(),
            accounts: Vec::new(),
            instruments: vec![InstrumentRecord::default(); instruments.len()],
            orders: OpenOrders::default(),
            recent: RecentOrders::default(),
            unknown_orders: 0,
        };
        Ok(Self {
            duplicate_window_ns_max: rules.iter().filter_map(|r| r.duplicate_window_ns).max().unwrap_or(0),
            rules,
            engine,
            currencies: currencies.len(),
            state,
        })
    }

    /// Goes on from a state, which another gate may have been in, under limits that may have been others.
    ///
    /// # Panics
    /// If the state was written with another instrument table.
    pub fn restore(&mut self, mut state: RiskState) {
        let known = self.rules.len();
        assert_eq!(state.instruments.len(), known, "a snapshot goes with the instrument table it was made with");
        state.orders.reindex();
        state.recent.reindex();
        self.state = state;
        let places: Vec<u32> = self.state.orders.iter().map(|(place, _)| place).collect();
        for record in &mut self.state.instruments {
            record.resting = <[Vec<_>; 2]>::default();
        }
        for place in places {
            let order = self.state.orders.get(place);
            let (Standing { instrument, side, .. }, id, resting) = (order.standing(), order.id, order.resting);
            self.enlist(instrument, side, id, None, resting);
        }
    }

    /// All that the gate remembers.
    #[must_use]
    pub fn state(&self) -> &RiskState {
        &self.state
    }
    /// Whether the engine trades.
    #[must_use]
    pub fn trading(&self) -> TradingState {
        self.state.trading
    }
    /// Whether a strategy may send.
    #[must_use]
    pub fn strategy_enabled(&self, strategy: StrategyId) -> bool {
        self.state.strategies.get(strategy.index()).is_none_or(|s| s.disabled.is_none())
    }
    /// Orders approved and not yet terminal.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.state.orders.len()
    }
    /// Cash and coins that open orders of a cash account tie up.
    #[must_use]
    pub fn reserved(&self, account: AccountId, currency: CurrencyId) -> Money {
        self.account(account).map_or(Money::ZERO, |a| a.reserved(currency))
    }
    /// Initial margin that open orders of an account could need, in the reporting currency.
    #[must_use]
    pub fn reserved_margin(&self, account: AccountId) -> Money {
        self.account(account).map_or(Money::ZERO, |a| a.margin)
    }
    /// True if nothing is reserved anywhere: so it is when no order is open.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state.accounts.iter().flatten().all(AccountRecord::is_idle)
    }

    /// Judges an order; if it passes, its worst case is reserved until it is terminal.
    ///
    /// Client order ids of a strategy must rise. Call it for children of one-triggers-other orders too, at submission.
    pub fn approve<V: RiskView>(
        &mut self,
        view: &V,
        now: UnixNanos,
        id: ClientOrderId,
        account: AccountId,
        request: &OrderRequest,
    ) -> Result<Approval, Denied> {
        let venue = view.instrument(request.instrument).venue;
        self.prepare(account, id.strategy(), venue);
        let strategy = &self.state.strategies[id.strategy().index()];
        if id.counter() <= strategy.counter_last {
            let last = ClientOrderId::new(id.strategy(), strategy.counter_last);
            return deny(DenyCode::DuplicateOrder, Amount::Order(last), Amount::Order(id));
        }
        let shared = self.state.orders.shared(account, request);
        let candidate = self.candidate(view, now, id, account, request, request.qty, &shared, None);
        self.judge_state(&candidate, None)?;
        self.judge_order(&candidate)?;
        self.judge_recent(&candidate)?;
        self.judge_market(view, &candidate)?;
        let open = self.account(account).expect("prepared").open_orders;
        if let Some(max) = self.engine.open_orders_max
            && open >= max
        {
            return deny(DenyCode::OpenOrdersMax, Amount::Count(max.into()), Amount::Count(u64::from(open) + 1));
        }
        let assessment = self.judge_exposure(view, &candidate, &shared)?;
        let cancel_first = self.judge_self_trade(&candidate, false)?;
        self.judge_rate(id.strategy(), venue, now)?;

        self.record_price(&candidate);
        self.state.strategies[id.strategy().index()].counter_last = id.counter();
        if self.rules[request.instrument.index()].duplicate_window_ns.is_some() {
            let shape = OrderShape::new(id.strategy(), request);
            self.state.recent.record(shape, now, self.duplicate_window_ns_max);
        }
        let resting = resting_price(request);
        let record = OrderRecord {
            id,
            account,
            request: *request,
            filled: Qty::ZERO,
            terms: terms_of(request, request.qty, assessment.claim),
            pending: None,
            counted: Claim::default(),
            held: candidate.covered,
            parked: request.links.parent.is_some_and(|parent| self.state.orders.find(parent).is_some()),
            unknown: false,
            resting,
            next: 0,
        };
        let counts = self.state.orders.insert(record);
        self.enlist(request.instrument, request.side, id, None, resting);
        self.known_mut(account).open_orders += 1;
        self.commit(view, Standing::of(account, request), counts, &assessment);
        let order = ApprovedOrder { id, account, request: *request, approved_at: now };
        Ok(Approval { order, cancel_first })
    }

    /// Judges a change of an open order to a total quantity (filled part included) and a kind. If it passes, the larger
    /// of old and new is reserved until [`RiskGate::on_modified`] or [`RiskGate::on_modify_rejected`].
    ///
    /// A change that adds no risk is not refused by the exposure checks.
    pub fn approve_modify<V: RiskView>(
        &mut self,
        view: &V,
        now: UnixNanos,
        id: ClientOrderId,
        qty: Qty,
        kind: OrderKind,
    ) -> Result<Approval<ApprovedModify>, Denied> {
        let Some(place) = self.state.orders.find(id) else {
            return deny(DenyCode::OrderOpen, Amount::Enabled(true), Amount::Order(id));
        };
        let order = *self.state.orders.get(place);
        if order.pending.is_some() {
            return deny(DenyCode::OrderOpen, Amount::Enabled(true), Amount::Order(id));
        }
        let leaves = Qty::from_units(qty.units().saturating_sub(order.filled.units()));
        if !leaves.is_positive() {
            return deny(DenyCode::OrderQtyMin, Amount::Qty(order.filled), Amount::Qty(qty));
        }
        let request = OrderRequest { qty, kind, ..order.request };
        let venue = view.instrument(request.instrument).venue;
        self.prepare(order.account, id.strategy(), venue);
        let shared = self.state.orders.group_claim(place);
        let candidate = self.candidate(view, now, id, order.account, &request, leaves, &shared, Some(&order));
        self.judge_state(&candidate, Some(&order))?;
        self.judge_order(&candidate)?;
        self.judge_market(view, &candidate)?;
        let assessment = self.judge_exposure(view, &candidate, &shared)?;
        let cancel_first = self.judge_self_trade(&candidate, true)?;
        self.judge_rate(id.strategy(), venue, now)?;

        let pending = terms_of(&request, leaves, assessment.claim);
        self.record_price(&candidate);
        self.state.orders.get_mut(place).pending = Some(pending);
        // Until the venue answers, it may stand at either price: the one that is nearer the market counts.
        let nearer = match (order.resting, resting_price(&request)) {
            (Some(old), Some(new)) => Some(if request.side.is_worse(old, new) { old } else { new }),
            (old, new) => old.or(new),
        };
        self.rest(place, nearer);
        let counts = self.state.orders.recount(place);
        self.commit(view, Standing::of(order.account, &request), counts, &assessment);
        let order =
            ApprovedModify { id, account: order.account, instrument: request.instrument, qty, kind, approved_at: now };
        Ok(Approval { order, cancel_first })
    }

    /// Lets a cancel through, in every state, also of an order that the gate does not know; it is refused only for its
    /// rate, and only where the limits say so.
    pub fn approve_cancel<V: RiskView>(
        &mut self,
        view: &V,
        now: UnixNanos,
        id: ClientOrderId,
        instrument: InstrumentId,
    ) -> Result<ApprovedCancel, Denied> {
        if let Some(limit) = self.engine.message_rate {
            let venue = view.instrument(instrument).venue;
            self.grow(id.strategy(), venue);
            let by_strategy =
                self.state.strategies[id.strategy().index()].bucket.get_or_insert(Bucket::full(limit.strategy));
            let by_venue = self.state.venues[venue.index()].get_or_insert(Bucket::full(limit.venue));
            let left = by_strategy.tokens(now, limit.strategy).min(by_venue.tokens(now, limit.venue));
            if left == 0 && limit.refuse_cancels {
                return deny(DenyCode::MessageRateMax, Amount::Count(0), Amount::Count(0));
            }
            by_strategy.take();
            by_venue.take();
        }
        Ok(ApprovedCancel { id, instrument, approved_at: now })
    }

    /// Obeys an operator. The engine cancels what the command says; the gate only refuses from now on.
    ///
    /// Arming also takes the present equity as the new start of day and peak: who arms after a loss grants a new
    /// allowance (or the next mark would undo it).
    pub fn command(&mut self, command: &CommandKind) {
        let by_command = |actual| {
            Some(Denied {
                code: DenyCode::Kill,
                limit: Amount::State(TradingState::Active),
                actual: Amount::State(actual),
            })
        };
        match *command {
            CommandKind::Kill => {
                self.state.trading = TradingState::Halted;
                self.state.cause = by_command(TradingState::Halted);
            }
            CommandKind::Reduce if self.state.trading == TradingState::Active => {
                self.state.trading = TradingState::Reducing;
                self.state.cause = by_command(TradingState::Reducing);
            }
            CommandKind::Reduce => {}
            CommandKind::Arm => {
                self.state.trading = TradingState::Active;
                self.state.cause = None;
                for record in self.state.accounts.iter_mut().flatten().filter_map(|a| a.equity.as_mut()) {
                    (record.day_start, record.peak) = (record.last, record.last);
                }
            }
            CommandKind::DisableStrategy(strategy) => {
                let (limit, actual) = (Amount::Enabled(true), Amount::Enabled(false));
                self.strategy_mut(strategy).disabled = Some(Denied { code: DenyCode::Kill, limit, actual });
            }
            CommandKind::EnableStrategy(strategy) => {
                let record = self.strategy_mut(strategy);
                record.disabled = None;
                record.executions.clear();
            }
            CommandKind::HaltInstrument(instrument) => self.state.instruments[instrument.index()].halted = true,
            CommandKind::ResumeInstrument(instrument) => self.state.instruments[instrument.index()].halted = false,
        }
    }

    /// Takes the equity of an account, in its reporting currency; beyond a loss limit the engine goes to
    /// [`TradingState::Reducing`].
    pub fn on_equity(&mut self, account: AccountId, ts: UnixNanos, equity: Money) -> Option<StateChange> {
        let (daily_loss_max, drawdown_max) = (self.engine.daily_loss_max, self.engine.drawdown_bps_max);
        let day = ts.unix_day();
        let record = self.account_mut(account).equity.get_or_insert(EquityRecord {
            day,
            day_start: equity,
            peak: equity,
            last: equity,
        });
        if day > record.day {
            // A day starts with what the one before ended with.
            (record.day, record.day_start) = (day, record.last);
        }
        record.last = equity;
        record.peak = record.peak.max(equity);
        let (day_start, peak) = (record.day_start, record.peak);
        if self.state.trading != TradingState::Active {
            return None;
        }
        let loss = Money::from_units(day_start.units().saturating_sub(equity.units()));
        let breach = match (daily_loss_max, drawdown_max) {
            (Some(max), _) if loss > max => {
                Some(Denied { code: DenyCode::DailyLossMax, limit: Amount::Money(max), actual: Amount::Money(loss) })
            }
            (_, Some(max)) => drawdown_breach(peak, equity, max),
            _ => None,
        }?;
        self.state.trading = TradingState::Reducing;
        self.state.cause = Some(breach);
        Some(StateChange::Engine(TradingState::Reducing, breach))
    }

    /// Takes a report of the venue, after the ledger has posted it.
    pub fn on_report<V: RiskView>(&mut self, view: &V, report: &Report) -> Option<StateChange> {
        if !matches!(report.kind, ReportKind::Unknown) {
            self.on_known(report.order);
        }
        match report.kind {
            ReportKind::Filled { fill, leaves } => return self.on_fill(view, report.ts_recv, &fill, leaves),
            ReportKind::Rejected(_) | ReportKind::Canceled | ReportKind::Expired => {
                self.on_closed(view, report.order);
            }
            ReportKind::Modified { qty, kind } => self.on_modified(view, report.order, qty, kind),
            ReportKind::ModifyRejected(_) => self.on_modify_rejected(view, report.order),
            ReportKind::Triggered => self.on_triggered(view, report.order),
            ReportKind::Unknown => self.on_unknown(report.order),
            _ => {}
        }
        None
    }

    /// An execution, after the ledger has posted it; `leaves` is what is left of the order. Counts toward the credit of
    /// the day and the strategy's throttle even if the order is not known here.
    pub fn on_fill<V: RiskView>(&mut self, view: &V, now: UnixNanos, fill: &Fill, leaves: Qty) -> Option<StateChange> {
        let place = self.state.orders.find(fill.order);
        if let Some(place) = place {
            let order = *self.state.orders.get(place);
            let instrument = view.instrument(fill.instrument);
            let step = self.rules[fill.instrument.index()].money_step;
            let executed = value(instrument, fill.qty, fill.price, step)
                .ok()
                .and_then(|value| view.convert(value, instrument.settlement(), order.account))
                // Without a rate the share of the reservation stands in.
                .unwrap_or_else(|| {
                    let share = fill.qty.min(order.leaves());
                    let claim = order.claim();
                    match claim.qty.is_positive() {
                        true => claim.value.scaled(share.units().into(), claim.qty.units().into(), 9, CEIL),
                        false => None,
                    }
                    .unwrap_or(Money::ZERO)
                });
            self.account_mut(order.account).execute(now, executed.min(VALUE_MAX));
            let record = self.state.orders.get_mut(place);
            record.held = false;
            record.filled = record.filled.max(Qty::from_units(record.terms.qty.units().saturating_sub(leaves.units())));
            if leaves.is_positive() {
                self.recount(view, place);
            } else {
                self.close(view, place);
            }
        }
        let throttle = self.engine.repeat_execution?;
        let strategy = self.strategy_mut(fill.order.strategy());
        let count = strategy.executions.count(now, throttle.executions, throttle.window_ns);
        if count < throttle.executions.into() || strategy.disabled.is_some() {
            return None;
        }
        let (limit, actual) = (Amount::Count(throttle.executions.into()), Amount::Count(count));
        let cause = Denied { code: DenyCode::RepeatExecutionThrottle, limit, actual };
        strategy.disabled = Some(cause);
        Some(StateChange::StrategyDisabled(fill.order.strategy(), cause))
    }

    /// The order can do nothing more: filled, cancelled, expired, rejected, or never sent. All it reserved is free.
    pub fn on_closed<V: RiskView>(&mut self, view: &V, id: ClientOrderId) {
        if let Some(place) = self.state.orders.find(id) {
            self.close(view, place);
        }
    }

    /// The venue changed the order to this total quantity and kind.
    pub fn on_modified<V: RiskView>(&mut self, view: &V, id: ClientOrderId, qty: Qty, kind: OrderKind) {
        let Some(place) = self.state.orders.find(id) else { return };
        let order = self.state.orders.get_mut(place);
        let asked = order.pending.take().unwrap_or(order.terms);
        // What the venue made of it may differ from what was asked (a venue that counts quantity otherwise, say).
        order.terms = Terms { kind, qty, ..asked };
        order.request = OrderRequest { kind, qty, ..order.request };
        let (request, leaves) = (order.request, order.leaves());
        if (qty, kind) != (asked.qty, asked.kind) {
            let order = *order;
            let claim = self.claim_of(view, &order);
            self.state.orders.get_mut(place).terms = terms_of(&request, leaves, claim);
        }
        self.rest(place, resting_price(&request));
        self.recount(view, place);
    }

    /// The venue refused a change: the order stands as it was.
    pub fn on_modify_rejected<V: RiskView>(&mut self, view: &V, id: ClientOrderId) {
        let Some(place) = self.state.orders.find(id) else { return };
        let order = self.state.orders.get_mut(place);
        order.pending = None;
        let resting = resting_price(&order.request);
        self.rest(place, resting);
        self.recount(view, place);
    }

    /// The order's trigger was reached: if it has a limit, it rests there from now on.
    pub fn on_triggered<V: RiskView>(&mut self, view: &V, id: ClientOrderId) {
        let Some(place) = self.state.orders.find(id) else { return };
        let request = self.state.orders.get(place).request;
        let market = view.reference(request.instrument).and_then(|r| r.price(request.side));
        self.rest(place, limit_price(request.side, &request.kind, market));
    }

    /// The order's parent filled: the child that was approved with it may be sent, at most as large as it was approved,
    /// and on the position that the parent opened if that is what it unwinds. Reserves without refusing; `None` if the
    /// order waits for no parent.
    pub fn release<V: RiskView>(
        &mut self,
        view: &V,
        now: UnixNanos,
        id: ClientOrderId,
        qty: Qty,
        position: PositionId,
    ) -> Option<ApprovedOrder> {
        let place = self.state.orders.find(id)?;
        let order = self.state.orders.get_mut(place);
        if !std::mem::take(&mut order.parked) {
            return None;
        }
        order.request.qty = order.request.qty.min(qty);
        // What claims already, because it does more than unwind its parent, claims where it was approved.
        if std::mem::take(&mut order.held) {
            self.state.orders.rename(place, position);
        }
        let order = self.state.orders.get_mut(place);
        let (request, account) = (order.request, order.account);
        order.terms.qty = request.qty;
        let order = *order;
        let claim = self.claim_of(view, &order);
        self.state.orders.get_mut(place).terms = terms_of(&request, order.leaves(), claim);
        self.recount(view, place);
        Some(ApprovedOrder { id, account, request, approved_at: now })
    }

    /// Nobody can tell what became of the order. It stays reserved.
    pub fn on_unknown(&mut self, id: ClientOrderId) {
        let Some(place) = self.state.orders.find(id) else { return };
        let order = self.state.orders.get_mut(place);
        self.state.unknown_orders += u32::from(!std::mem::replace(&mut order.unknown, true));
    }

    /// The order's state is known again.
    pub fn on_known(&mut self, id: ClientOrderId) {
        let Some(place) = self.state.orders.find(id) else { return };
        let order = self.state.orders.get_mut(place);
        self.state.unknown_orders -= u32::from(std::mem::take(&mut order.unknown));
    }
}

const CEIL: starling_core::Rounding = starling_core::Rounding::Ceil;

fn deny<T>(code: DenyCode, limit: Amount, actual: Amount) -> Result<T, Denied> {
    Err(Denied { code, limit, actual })
}

fn terms_of(request: &OrderRequest, leaves: Qty, claim: Claim) -> Terms {
    Terms { kind: request.kind, qty: request.qty, claim, basis: leaves }
}

/// The price at which an order will rest, if it rests at once.
fn resting_price(request: &OrderRequest) -> Option<Price> {
    match (request.kind, request.tif) {
        (_, TimeInForce::Ioc | TimeInForce::Fok) => None,
        (OrderKind::Limit { price }, _) => Some(price),
        _ => None,
    }
}

fn drawdown_breach(peak: Money, equity: Money, max_bps: u32) -> Option<Denied> {
    let fall = peak.units().saturating_sub(equity.units());
    if fall <= 0 {
        return None;
    }
    let within = match (fall.checked_mul(10_000), peak.units().checked_mul(max_bps.into())) {
        (Some(fall), Some(allowed)) if peak.is_positive() => fall <= allowed,
        // Too large to tell, or no peak to measure against: the careful answer.
        _ => false,
    };
    let actual = match fall.checked_mul(10_000) {
        Some(fall) if peak.is_positive() => u64::try_from(fall.unsigned_abs().div_ceil(peak.units().unsigned_abs()))
            .map_or(Amount::Overflow, Amount::Bps),
        _ => Amount::Overflow,
    };
    (!within).then_some(Denied { code: DenyCode::DrawdownMax, limit: Amount::Bps(max_bps.into()), actual })
}
