//! The simulated exchange: matching at the touch, for any number of venues and instruments.
//!
//! Invariant: one order is filled at most to its quantity, never better than the market stood, and never twice against
//! the same displayed size (unless the model says so); a reduce-only order never turns its position. Messages of one
//! direction keep their order. The same steps and orders give the same reports. The rules stand in `docs/matching.md`.
//! What it deliberately does not model yet: depth beyond the touch, and the queue ahead of a resting order; both need
//! order-book data. What lies behind the touch is taken to be one tick worse and deep enough.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_core::order::{
    Fill, Liquidity, OrderKind, RejectReason, Report, ReportKind, Side, TimeInForce, TrailOffset,
};
use starling_core::time::{DAY, SECOND};
use starling_core::{
    AccountId, ClientOrderId, CurrencyTable, InstrumentId, InstrumentTable, Money, OrderRequest, PositionId, Price,
    Qty, Rounding, StrategyId, UnixNanos,
};
use starling_engine::risk::{ApprovedCancel, ApprovedModify, ApprovedOrder};
use starling_engine::venue::{MarketStep, StepSource, Venue};

use crate::book::{Book, Level, Queue};
use crate::model::{Activation, FeeBasis, Slippage, VenueModel};
use crate::rng::SplitMix64;

/// Messages that may be in flight at once.
pub const IN_FLIGHT_MAX: usize = 1_000_000;

/// Where a resting order is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    /// With the orders that wait for the next step.
    Waiting,
    /// In a price queue, at this price.
    Queue(Queue, Price),
    /// With the trailing stops, triggering at this price (none until the market is seen).
    Trailing(Option<Price>),
}

/// An order at the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Resting {
    account: AccountId,
    request: OrderRequest,
    leaves: Qty,
    strategy: StrategyId,
    arrival: u64,
    /// When it reached the venue.
    since: UnixNanos,
    place: Place,
    expires: UnixNanos,
    fees: FeeBasis,
    accepted: bool,
}

/// What travels between engine and venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Message {
    Submit(ClientOrderId, AccountId, OrderRequest),
    Modify(InstrumentId, ClientOrderId, Qty, OrderKind),
    Cancel(InstrumentId, ClientOrderId),
    Report(Report),
}

/// When the last message of each direction arrives: none overtakes another on the same line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Line {
    orders: UnixNanos,
    reports: UnixNanos,
}

/// Whose quantity a reduce-only order may reduce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Holder {
    /// Netting: the strategy's sum in the instrument.
    Strategy(StrategyId),
    /// Hedging: the position that the order names.
    Position(PositionId),
}

/// Everything of the exchange that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    books: Vec<Book>,
    /// Boxed: a map keeps the room of a whole leaf, and most engines of many have one order or none.
    orders: BTreeMap<ClientOrderId, Box<Resting>>,
    in_flight: BTreeMap<(UnixNanos, u64), Message>,
    expiries: BTreeSet<(UnixNanos, ClientOrderId)>,
    /// By venue.
    lines: Vec<Line>,
    /// What is held, by our own fills; without entries of zero.
    held: BTreeMap<(AccountId, InstrumentId, Holder), Qty>,
    /// Accounts in which orders name positions.
    hedging: BTreeSet<AccountId>,
    /// Notional traded per account and venue, for tiers.
    traded: BTreeMap<(AccountId, u16), Money>,
    arrivals: u64,
    messages: u64,
    trades: u64,
    rng: SplitMix64,
    next_due: UnixNanos,
}

/// All simulated venues of a run.
#[derive(Debug, Clone)]
pub struct Exchange {
    instruments: Arc<InstrumentTable>,
    currencies: Arc<CurrencyTable>,
    models: Vec<VenueModel>,
    state: State,
    /// Looks through its queues at every step, whatever the thresholds say: the twin of a test.
    #[cfg(test)]
    never_sleeps: bool,
}

/// What an aggressive order may trade against.
#[derive(Debug, Clone, Copy)]
enum Against {
    /// The touch as displayed.
    Touch,
    /// A price that the market passed through on its way.
    Price(Price),
}

impl Exchange {
    /// One model per venue, by venue id.
    ///
    /// # Panics
    /// If an instrument names a venue without a model.
    #[must_use]
    pub fn new(
        instruments: Arc<InstrumentTable>,
        currencies: Arc<CurrencyTable>,
        models: Vec<VenueModel>,
        seed: u64,
    ) -> Self {
        assert!(instruments.iter().all(|(_, i)| i.venue.index() < models.len()), "every venue has a model");
        let state = State {
            books: vec![Book::default(); instruments.len()],
            orders: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            expiries: BTreeSet::new(),
            lines: vec![Line::default(); models.len()],
            held: BTreeMap::new(),
            hedging: BTreeSet::new(),
            traded: BTreeMap::new(),
            arrivals: 0,
            messages: 0,
            trades: 0,
            rng: SplitMix64::new(seed),
            next_due: UnixNanos::MAX,
        };
        Self {
            instruments,
            currencies,
            models,
            state,
            #[cfg(test)]
            never_sleeps: false,
        }
    }

    /// Orders at the exchange now, resting or waiting.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.state.orders.len()
    }

    fn model(&self, instrument: InstrumentId) -> &VenueModel {
        &self.models[self.instruments.get(instrument).venue.index()]
    }

    fn post(&mut self, due: UnixNanos, message: Message) {
        assert!(self.state.in_flight.len() < IN_FLIGHT_MAX, "more than {IN_FLIGHT_MAX} messages in flight");
        self.state.messages += 1;
        self.state.in_flight.insert((due, self.state.messages), message);
        self.update_due();
    }

    fn update_due(&mut self) {
        let message = self.state.in_flight.first_key_value().map_or(UnixNanos::MAX, |((due, _), _)| *due);
        let expiry = self.state.expiries.first().map_or(UnixNanos::MAX, |(due, _)| *due);
        self.state.next_due = message.min(expiry);
    }

    /// Hands a report over, at once or after the venue's latency.
    fn emit(
        &mut self,
        instrument: InstrumentId,
        id: ClientOrderId,
        now: UnixNanos,
        kind: ReportKind,
        out: &mut Vec<Report>,
    ) {
        let latency = self.model(instrument).report_latency;
        let mut report = Report { order: id, ts_event: now, ts_recv: now, kind };
        if latency.is_none() {
            out.push(report);
        } else {
            let sampled = now + latency.sample(&mut self.state.rng);
            let last = &mut self.state.lines[self.instruments.get(instrument).venue.index()].reports;
            *last = sampled.max(*last);
            report.ts_recv = *last;
            self.post(report.ts_recv, Message::Report(report));
        }
    }

    fn reject(
        &mut self,
        request: &OrderRequest,
        id: ClientOrderId,
        now: UnixNanos,
        why: RejectReason,
        out: &mut Vec<Report>,
    ) {
        self.emit(request.instrument, id, now, ReportKind::Rejected(why), out);
    }

    /// A message for the venue leaves the engine.
    fn send(&mut self, now: UnixNanos, instrument: InstrumentId, message: Message, out: &mut Vec<Report>) {
        let latency = self.model(instrument).order_latency;
        if latency.is_none() {
            self.deliver(now, message, out);
        } else {
            let sampled = now + latency.sample(&mut self.state.rng);
            let last = &mut self.state.lines[self.instruments.get(instrument).venue.index()].orders;
            *last = sampled.max(*last);
            let due = *last;
            self.post(due, message);
        }
    }

    fn deliver(&mut self, now: UnixNanos, message: Message, out: &mut Vec<Report>) {
        match message {
            Message::Submit(id, account, request) => self.receive(now, id, account, request, out),
            Message::Modify(instrument, id, qty, kind) => self.change(now, instrument, id, qty, kind, out),
            Message::Cancel(instrument, id) => self.withdraw(now, instrument, id, out),
            Message::Report(report) => out.push(report),
        }
    }

    /// An order has reached the venue.
    fn receive(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        account: AccountId,
        request: OrderRequest,
        out: &mut Vec<Report>,
    ) {
        let expires = match request.tif {
            TimeInForce::Gtd(until) => until,
            TimeInForce::Day => {
                let ends = u64::from(self.model(request.instrument).day_ends_s) * SECOND;
                let today = now.floor_to(DAY) + ends;
                if today > now { today } else { today + DAY }
            }
            _ => UnixNanos::MAX,
        };
        if expires <= now {
            return self.reject(&request, id, now, RejectReason::Expired, out);
        }
        let book = &self.state.books[request.instrument.index()];
        if !book.open {
            return self.reject(&request, id, now, RejectReason::NotTrading, out);
        }
        self.state.arrivals += 1;
        let resting = Box::new(Resting {
            account,
            leaves: request.qty,
            strategy: id.strategy(),
            arrival: self.state.arrivals,
            since: now,
            place: Place::Waiting,
            expires,
            fees: FeeBasis::default(),
            accepted: false,
            request,
        });
        if self.model(request.instrument).activation == Activation::NextEvent || !book.live {
            self.wait(id, resting);
        } else {
            self.enter(now, id, resting, out);
        }
    }

    /// Lets an order wait for the next step, behind those that arrived before it.
    fn wait(&mut self, id: ClientOrderId, resting: Box<Resting>) {
        let index = resting.request.instrument.index();
        let orders = &self.state.orders;
        let at = self.state.books[index].waiting.partition_point(|before| orders[before].arrival < resting.arrival);
        self.state.books[index].waiting.insert(at, id);
        self.file(id, resting);
    }

    /// Keeps an order at the exchange; its place in the book is the caller's doing.
    fn file(&mut self, id: ClientOrderId, resting: Box<Resting>) {
        if resting.expires < UnixNanos::MAX {
            self.state.expiries.insert((resting.expires, id));
            self.update_due();
        }
        self.state.orders.insert(id, resting);
    }

    /// Takes an order from the exchange and out of its queue.
    fn unfile(&mut self, id: ClientOrderId) -> Option<Box<Resting>> {
        let resting = self.state.orders.remove(&id)?;
        let book = &mut self.state.books[resting.request.instrument.index()];
        match resting.place {
            Place::Waiting => book.waiting.retain(|waiting| *waiting != id),
            Place::Queue(queue, price) => book.remove(queue, resting.request.side, price, resting.arrival),
            Place::Trailing(_) => book.trailing.retain(|trailing| *trailing != id),
        }
        if resting.expires < UnixNanos::MAX {
            self.state.expiries.remove(&(resting.expires, id));
            self.update_due();
        }
        Some(resting)
    }

    /// An order meets the market for the first time.
    fn enter(&mut self, now: UnixNanos, id: ClientOrderId, mut resting: Box<Resting>, out: &mut Vec<Report>) {
        let request = resting.request;
        let (side, instrument) = (request.side, request.instrument);
        let touch = self.touch(instrument, side);
        let passed = request.kind.trigger().is_some_and(|trigger| has_passed(side, &request.kind, trigger, touch));
        let limit = match request.kind {
            OrderKind::Limit { price } => Some(price),
            _ => None,
        };
        let takes = !request.kind.is_conditional() && limit.is_none_or(|limit| !side.is_worse(touch, limit));
        let refused = if request.reduce_only && self.reducible(&resting).is_zero() {
            Some(RejectReason::WouldIncrease)
        } else if request.post_only && takes {
            Some(RejectReason::WouldTake)
        // Refusing an order that can only reduce would leave its position without the stop.
        } else if passed && !request.reduce_only && self.model(instrument).refuse_passed_triggers {
            Some(RejectReason::TriggerPassed)
        } else if request.tif == TimeInForce::Fok
            && !request.kind.is_conditional()
            && self.available(&resting, limit, touch) < resting.leaves
        {
            Some(RejectReason::NotWhole)
        } else {
            None
        };
        match refused {
            // An order that was changed while it waited is accepted already.
            Some(_) if resting.accepted => return self.emit(instrument, id, now, ReportKind::Canceled, out),
            Some(why) => return self.reject(&request, id, now, why, out),
            None if !resting.accepted => self.emit(instrument, id, now, ReportKind::Accepted, out),
            None => {}
        }
        resting.accepted = true;
        match request.kind {
            OrderKind::Market => self.take(now, id, resting, None, Against::Touch, out),
            OrderKind::Limit { price } => self.work(now, id, resting, price, Against::Touch, out),
            OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. } => {
                if passed {
                    self.trigger(now, id, resting, Against::Touch, out);
                } else {
                    self.rest(id, resting, Queue::Stop, trigger);
                }
            }
            OrderKind::MarketIfTouched { trigger } | OrderKind::LimitIfTouched { trigger, .. } => {
                if passed {
                    self.trigger(now, id, resting, Against::Touch, out);
                } else {
                    self.rest(id, resting, Queue::Touch, trigger);
                }
            }
            OrderKind::TrailingStop { offset, trigger } | OrderKind::TrailingStopLimit { offset, trigger, .. } => {
                let from = trigger.unwrap_or_else(|| self.trail(instrument, side, touch, offset));
                resting.place = Place::Trailing(Some(from));
                if passed {
                    self.trigger(now, id, resting, Against::Touch, out);
                } else {
                    self.follow(id, resting);
                }
            }
        }
    }

    /// The price of the touch that an order of `side` trades against.
    fn touch(&self, instrument: InstrumentId, side: Side) -> Price {
        self.state.books[instrument.index()].opposite(side).price
    }

    /// What an order could trade at once in a market at `market`: behind the touch there is whatever it needs.
    fn available(&self, resting: &Resting, limit: Option<Price>, market: Price) -> Qty {
        let OrderRequest { instrument, side, .. } = resting.request;
        let next = side.worsen(market, self.instruments.get(instrument).tick);
        let there = match limit {
            Some(limit) if side.is_worse(market, limit) => Qty::ZERO,
            Some(limit) if side.is_worse(next, limit) => {
                self.usable(instrument, *self.state.books[instrument.index()].opposite(side))
            }
            _ => Qty::MAX,
        };
        there.min(self.reducible(resting))
    }

    /// The most that an order may trade for its position's sake; without reduce-only, anything.
    fn reducible(&self, resting: &Resting) -> Qty {
        let OrderRequest { instrument, side, position, reduce_only, .. } = resting.request;
        if !reduce_only {
            return Qty::MAX;
        }
        let holder = match self.state.hedging.contains(&resting.account) {
            true => Holder::Position(position),
            false => Holder::Strategy(resting.strategy),
        };
        let held = self.state.held.get(&(resting.account, instrument, holder)).copied().unwrap_or_default();
        match side {
            Side::Buy if held.is_negative() => held.abs(),
            Side::Sell if held.is_positive() => held,
            _ => Qty::ZERO,
        }
    }

    fn hold(&mut self, account: AccountId, instrument: InstrumentId, holder: Holder, change: Qty) {
        let key = (account, instrument, holder);
        let held = self.state.held.entry(key).or_default();
        *held += change;
        if held.is_zero() {
            self.state.held.remove(&key);
        }
    }

    fn usable(&self, instrument: InstrumentId, level: Level) -> Qty {
        self.whole(instrument, if self.model(instrument).consume_liquidity { level.left } else { level.shown })
    }

    /// What of a size can be traded in whole lots: a quarter of a bar's volume may be none, and a fill that is none
    /// would leave a position that no order can close.
    fn whole(&self, instrument: InstrumentId, size: Qty) -> Qty {
        size.round_to(self.instruments.get(instrument).lot, Rounding::Floor)
    }

    fn trail(&self, instrument: InstrumentId, side: Side, market: Price, offset: TrailOffset) -> Price {
        let tick = self.instruments.get(instrument).tick;
        let distance = match offset {
            TrailOffset::Price(distance) => distance,
            TrailOffset::Ticks(n) => Price::from_units(tick.units() * i64::from(n)),
            TrailOffset::BasisPoints(bps) => {
                let units = i128::from(market.units().abs()) * i128::from(bps) / 10_000;
                Price::from_units(i64::try_from(units).expect("a share of a price in range"))
            }
        };
        // A sell stop trails below, a buy stop above; rounded away from the market so that it does not creep closer.
        let rounding = match side {
            Side::Buy => Rounding::Ceil,
            Side::Sell => Rounding::Floor,
        };
        side.worsen(market, distance).round_to(tick, rounding)
    }

    fn rest(&mut self, id: ClientOrderId, mut resting: Box<Resting>, queue: Queue, price: Price) {
        resting.place = Place::Queue(queue, price);
        let (instrument, side, arrival) = (resting.request.instrument, resting.request.side, resting.arrival);
        self.state.books[instrument.index()].insert(queue, side, price, arrival, id);
        self.file(id, resting);
    }

    /// Keeps a trailing stop.
    fn follow(&mut self, id: ClientOrderId, resting: Box<Resting>) {
        self.state.books[resting.request.instrument.index()].trailing.push(id);
        self.file(id, resting);
    }

    /// A trigger was reached: the order becomes what it sleeps as.
    fn trigger(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        resting: Box<Resting>,
        against: Against,
        out: &mut Vec<Report>,
    ) {
        let OrderRequest { instrument, side, kind, tif, post_only, .. } = resting.request;
        self.emit(instrument, id, now, ReportKind::Triggered, out);
        let limit = match (kind, resting.place) {
            (OrderKind::TrailingStopLimit { limit_offset, .. }, Place::Trailing(Some(trigger))) => {
                Some(side.worsen(trigger, limit_offset))
            }
            _ => kind.limit(),
        };
        let market = match against {
            Against::Touch => self.touch(instrument, side),
            Against::Price(price) => price,
        };
        let takes = limit.is_none_or(|limit| !side.is_worse(market, limit));
        // What would have been refused of a plain order ends one that was accepted before.
        if (post_only && takes) || (tif == TimeInForce::Fok && self.available(&resting, limit, market) < resting.leaves)
        {
            return self.emit(instrument, id, now, ReportKind::Canceled, out);
        }
        match limit {
            Some(price) => self.work(now, id, resting, price, against, out),
            None => self.take(now, id, resting, None, against, out),
        }
    }

    /// A limit order trades what it can at once and rests with what is left.
    fn work(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        resting: Box<Resting>,
        price: Price,
        against: Against,
        out: &mut Vec<Report>,
    ) {
        let side = resting.request.side;
        let market = match against {
            Against::Price(market) => market,
            Against::Touch => self.touch(resting.request.instrument, side),
        };
        if side.is_worse(market, price) {
            if resting.request.tif == TimeInForce::Ioc {
                self.emit(resting.request.instrument, id, now, ReportKind::Canceled, out);
            } else {
                self.rest(id, resting, Queue::Limit, price);
            }
        } else {
            self.take(now, id, resting, Some(price), against, out);
        }
    }

    /// An aggressive order trades: what the level holds at its price, the rest one tick worse, no worse than `limit`.
    fn take(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        mut resting: Box<Resting>,
        limit: Option<Price>,
        against: Against,
        out: &mut Vec<Report>,
    ) {
        let OrderRequest { instrument, side, tif, .. } = resting.request;
        let tick = self.instruments.get(instrument).tick;
        let slippage = self.model(instrument).slippage;
        let consume = self.model(instrument).consume_liquidity;
        let level = *self.state.books[instrument.index()].opposite(side);
        let price = match against {
            Against::Touch => level.price,
            Against::Price(price) => price,
        };
        let held = |price: Price| limit.map_or(price, |l| if side.is_worse(price, l) { l } else { price });
        let first = resting.leaves.min(self.usable(instrument, level)).min(self.reducible(&resting));
        if first.is_positive() {
            if consume {
                self.state.books[instrument.index()].opposite_mut(side).left -= first;
            }
            let at = held(self.slip(slippage, side, price, tick));
            self.fill(now, id, &mut resting, first, at, Liquidity::Taker, out);
        }
        let next = side.worsen(price, tick);
        let reaches = limit.is_none_or(|l| !side.is_worse(next, l)) && tif != TimeInForce::Ioc;
        let rest = resting.leaves.min(self.reducible(&resting));
        if rest.is_positive() && reaches {
            let at = held(self.slip(slippage, side, next, tick));
            self.fill(now, id, &mut resting, rest, at, Liquidity::Taker, out);
        }
        if resting.leaves.is_positive() {
            match limit {
                Some(price) if tif != TimeInForce::Ioc => self.rest_or_end(now, id, resting, price, out),
                _ => self.emit(instrument, id, now, ReportKind::Canceled, out),
            }
        }
    }

    /// What is left of a limit order after a fill rests, or ends where nothing is left to reduce.
    fn rest_or_end(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        resting: Box<Resting>,
        price: Price,
        out: &mut Vec<Report>,
    ) {
        if self.reducible(&resting).is_zero() {
            self.emit(resting.request.instrument, id, now, ReportKind::Canceled, out);
        } else {
            self.rest(id, resting, Queue::Limit, price);
        }
    }

    fn slip(&mut self, slippage: Slippage, side: Side, price: Price, tick: Price) -> Price {
        slippage.worsen(side, price, tick, &mut self.state.rng)
    }

    fn fill(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        resting: &mut Resting,
        qty: Qty,
        price: Price,
        liquidity: Liquidity,
        out: &mut Vec<Report>,
    ) {
        let request = resting.request;
        let instrument = self.instruments.get(request.instrument);
        let settlement = instrument.settlement();
        let digits = self.currencies.digits(settlement);
        let model = &self.models[instrument.venue.index()];
        let traded = self.state.traded.entry((resting.account, instrument.venue.0)).or_default();
        let before = resting.fees.notional;
        let fee = model.fees.charge(instrument, (qty, price, liquidity), *traded, digits, &mut resting.fees);
        *traded += resting.fees.notional - before;
        resting.leaves -= qty;
        let (account, signed) = (resting.account, request.side.signed(qty));
        self.hold(account, request.instrument, Holder::Strategy(resting.strategy), signed);
        if request.position != PositionId::NONE && self.state.hedging.contains(&account) {
            self.hold(account, request.instrument, Holder::Position(request.position), signed);
        }
        self.state.trades += 1;
        let fill = Fill {
            order: id,
            trade_id: self.state.trades,
            instrument: request.instrument,
            side: request.side,
            qty,
            price,
            fee,
            fee_currency: settlement,
            liquidity,
            position: request.position,
            ts: now,
        };
        self.emit(request.instrument, id, now, ReportKind::Filled { fill, leaves: resting.leaves }, out);
    }

    fn change(
        &mut self,
        now: UnixNanos,
        instrument: InstrumentId,
        id: ClientOrderId,
        qty: Qty,
        kind: OrderKind,
        out: &mut Vec<Report>,
    ) {
        let refused = match self.state.orders.get(&id) {
            None => Some(RejectReason::UnknownOrder),
            Some(resting) => self.change_refused(resting, qty, kind),
        };
        if let Some(why) = refused {
            return self.emit(instrument, id, now, ReportKind::ModifyRejected(why), out);
        }
        let mut resting = self.unfile(id).expect("found above");
        let (before, leaves, place) = (resting.request.kind, resting.leaves, resting.place);
        resting.leaves = qty - (resting.request.qty - leaves);
        resting.request.qty = qty;
        resting.request.kind = kind;
        // Only a smaller quantity at the same price keeps its place in the queue.
        if kind != before || resting.leaves > leaves {
            self.state.arrivals += 1;
            resting.arrival = self.state.arrivals;
        }
        if !resting.accepted {
            resting.accepted = true;
            self.emit(instrument, id, now, ReportKind::Accepted, out);
        }
        self.emit(instrument, id, now, ReportKind::Modified { qty, kind }, out);
        let side = resting.request.side;
        let touch = self.touch(instrument, side);
        match place {
            Place::Waiting => self.wait(id, resting),
            Place::Queue(Queue::Limit, price) => {
                let new = changed_limit(side, price, &before, &kind);
                if new == price {
                    self.rest(id, resting, Queue::Limit, price);
                } else {
                    self.work(now, id, resting, new, Against::Touch, out);
                }
            }
            Place::Queue(queue, _) => {
                let trigger = kind.trigger().expect("an order in a trigger queue has a trigger");
                if kind != before && has_passed(side, &kind, trigger, touch) {
                    self.trigger(now, id, resting, Against::Touch, out);
                } else {
                    self.rest(id, resting, queue, trigger);
                }
            }
            Place::Trailing(at) => {
                // A trigger that the market has moved stays where it is, unless the change names another.
                let named = kind.trigger().filter(|new| before.trigger() != Some(*new));
                resting.place = Place::Trailing(named.or(at));
                if named.is_some_and(|trigger| has_passed(side, &kind, trigger, touch)) {
                    self.trigger(now, id, resting, Against::Touch, out);
                } else {
                    self.follow(id, resting);
                }
            }
        }
    }

    /// Why a change is impossible, if it is.
    fn change_refused(&self, resting: &Resting, qty: Qty, kind: OrderKind) -> Option<RejectReason> {
        let OrderRequest { instrument, side, kind: before, qty: total, post_only, .. } = resting.request;
        let book = &self.state.books[instrument.index()];
        if std::mem::discriminant(&kind) != std::mem::discriminant(&before) || qty <= total - resting.leaves {
            return Some(RejectReason::Increment);
        }
        if !book.open && (kind != before || qty > total) {
            return Some(RejectReason::NotTrading);
        }
        let touch = book.opposite(side).price;
        match resting.place {
            Place::Waiting => None,
            Place::Queue(Queue::Limit, price) => {
                let new = changed_limit(side, price, &before, &kind);
                if waking(&kind) != waking(&before) {
                    Some(RejectReason::TriggerPassed)
                } else if post_only && new != price && !side.is_worse(touch, new) {
                    Some(RejectReason::WouldTake)
                } else {
                    None
                }
            }
            Place::Queue(..) | Place::Trailing(_) => {
                let named = kind.trigger().filter(|new| before.trigger() != Some(*new));
                let passed = named.is_some_and(|trigger| has_passed(side, &kind, trigger, touch));
                (passed && self.model(instrument).refuse_passed_triggers).then_some(RejectReason::TriggerPassed)
            }
        }
    }

    fn withdraw(&mut self, now: UnixNanos, instrument: InstrumentId, id: ClientOrderId, out: &mut Vec<Report>) {
        match self.unfile(id) {
            Some(resting) => self.end(now, id, &resting, ReportKind::Canceled, out),
            None => self.emit(instrument, id, now, ReportKind::CancelRejected(RejectReason::UnknownOrder), out),
        }
    }

    /// An order ends unfilled: it was live first.
    fn end(&mut self, now: UnixNanos, id: ClientOrderId, resting: &Resting, kind: ReportKind, out: &mut Vec<Report>) {
        if !resting.accepted {
            self.emit(resting.request.instrument, id, now, ReportKind::Accepted, out);
        }
        self.emit(resting.request.instrument, id, now, kind, out);
    }

    /// Waiting orders meet the market, in order of arrival. A bar that ended when an order came is the past for it: its
    /// prices are not to be had any more.
    fn admit_waiting(&mut self, now: UnixNanos, instrument: InstrumentId, is_bar: bool, out: &mut Vec<Report>) {
        let waiting = std::mem::take(&mut self.state.books[instrument.index()].waiting);
        for id in waiting {
            if is_bar && self.state.orders.get(&id).is_some_and(|resting| resting.since == now) {
                self.state.books[instrument.index()].waiting.push(id);
                continue;
            }
            let Some(resting) = self.state.orders.remove(&id) else { continue };
            if resting.expires < UnixNanos::MAX {
                self.state.expiries.remove(&(resting.expires, id));
                self.update_due();
            }
            self.enter(now, id, resting, out);
        }
    }

    /// The market has moved from `before` to where the book stands now: everybody it reached acts, nearest first.
    fn walk(&mut self, step: &MarketStep, before: (Price, Price), out: &mut Vec<Report>) {
        let index = step.instrument.index();
        let touch_fills = self.model(step.instrument).touch_fills;
        let mut exhausted = [false; 2];
        let print = step.source == StepSource::Trade && self.state.books[index].quoted;
        let mut print_left = self.whole(step.instrument, step.ask_size);
        while let Some((queue, side, price, id)) = self.nearest(step, before, touch_fills, exhausted) {
            let Some(mut resting) = self.unfile(id) else { unreachable!("a queued order is known") };
            if queue == Queue::Limit {
                let level = *self.state.books[index].opposite(side);
                // A print can only have filled as much as it printed.
                let usable = if print { print_left } else { self.usable(step.instrument, level) };
                let reducible = self.reducible(&resting);
                if reducible.is_zero() {
                    self.emit(step.instrument, id, step.ts, ReportKind::Canceled, out);
                    continue;
                }
                let qty = resting.leaves.min(usable).min(reducible);
                if !qty.is_positive() {
                    self.rest(id, resting, Queue::Limit, price);
                    exhausted[usize::from(side == Side::Sell)] = true;
                    continue;
                }
                if print {
                    print_left -= qty;
                } else if self.model(step.instrument).consume_liquidity {
                    self.state.books[index].opposite_mut(side).left -= qty;
                }
                self.fill(step.ts, id, &mut resting, qty, price, Liquidity::Maker, out);
                if resting.leaves.is_positive() {
                    exhausted[usize::from(side == Side::Sell)] |= qty == usable;
                    self.rest_or_end(step.ts, id, resting, price, out);
                }
            } else {
                let from = if side == Side::Buy { before.1 } else { before.0 };
                let passed = step.source == StepSource::BarWithin
                    && is_between(price, from, self.state.books[index].opposite(side).price);
                let against = if passed { Against::Price(price) } else { Against::Touch };
                self.trigger(step.ts, id, resting, against, out);
            }
        }
    }

    /// The first order that the market reaches on its way from `before` to the touch.
    fn nearest(
        &self,
        step: &MarketStep,
        before: (Price, Price),
        touch_fills: bool,
        exhausted: [bool; 2],
    ) -> Option<(Queue, Side, Price, ClientOrderId)> {
        let book = &self.state.books[step.instrument.index()];
        let print = step.source == StepSource::Trade && book.quoted;
        let (bid, ask) = if print { (step.bid, step.ask) } else { (book.bid.price, book.ask.price) };
        let mut best: Option<(u64, u64, Queue, Side, Price, ClientOrderId)> = None;
        for queue in [Queue::Limit, Queue::Stop, Queue::Touch] {
            for side in [Side::Buy, Side::Sell] {
                let Some((price, id)) = book.first(queue, side) else { continue };
                let (market, from) = if side == Side::Buy { (ask, before.1) } else { (bid, before.0) };
                let reached = match queue {
                    Queue::Limit => {
                        let at_price = market == price && (touch_fills || step.source == StepSource::Quote);
                        !exhausted[usize::from(side == Side::Sell)]
                            && (side.opposite().is_worse(market, price) || at_price)
                    }
                    // A print beside a quoted market does not move the touch that triggers look at.
                    Queue::Stop => !print && !side.opposite().is_worse(market, price),
                    Queue::Touch => !print && !side.is_worse(market, price),
                };
                if !reached {
                    continue;
                }
                let distance = price.units().abs_diff(from.units());
                let arrival = self.state.orders[&id].arrival;
                if best.is_none_or(|(d, a, ..)| (distance, arrival) < (d, a)) {
                    best = Some((distance, arrival, queue, side, price, id));
                }
            }
        }
        best.map(|(_, _, queue, side, price, id)| (queue, side, price, id))
    }

    /// Trailing stops trigger where they stand, and otherwise follow.
    fn trail_all(&mut self, step: &MarketStep, before: (Price, Price), out: &mut Vec<Report>) {
        let index = step.instrument.index();
        let ids = self.state.books[index].trailing.clone();
        for id in ids {
            let Some(resting) = self.state.orders.get(&id) else { continue };
            let (side, kind) = (resting.request.side, resting.request.kind);
            let Place::Trailing(Some(trigger)) = resting.place else { continue };
            let market = self.state.books[index].opposite(side).price;
            if !side.opposite().is_worse(market, trigger) {
                let Some(resting) = self.unfile(id) else { continue };
                let from = if side == Side::Buy { before.1 } else { before.0 };
                let passed = step.source == StepSource::BarWithin && is_between(trigger, from, market);
                let against = if passed { Against::Price(trigger) } else { Against::Touch };
                self.trigger(step.ts, id, resting, against, out);
                continue;
            }
            let (OrderKind::TrailingStop { offset, .. } | OrderKind::TrailingStopLimit { offset, .. }) = kind else {
                continue;
            };
            let moved = self.trail(step.instrument, side, market, offset);
            if side.is_worse(trigger, moved) {
                let resting = self.state.orders.get_mut(&id).expect("found above");
                resting.place = Place::Trailing(Some(moved));
            }
        }
    }
}

/// True if a market at `touch` has reached the trigger of an order of this kind.
fn has_passed(side: Side, kind: &OrderKind, trigger: Price, touch: Price) -> bool {
    match kind {
        OrderKind::MarketIfTouched { .. } | OrderKind::LimitIfTouched { .. } => !side.is_worse(touch, trigger),
        _ => !side.opposite().is_worse(touch, trigger),
    }
}

/// What of a kind says when it wakes.
fn waking(kind: &OrderKind) -> (Option<Price>, Option<TrailOffset>) {
    let offset = match *kind {
        OrderKind::TrailingStop { offset, .. } | OrderKind::TrailingStopLimit { offset, .. } => Some(offset),
        _ => None,
    };
    (kind.trigger(), offset)
}

/// Where an order that rests at `price` will rest after a change of its kind.
fn changed_limit(side: Side, price: Price, before: &OrderKind, kind: &OrderKind) -> Price {
    match (*before, *kind) {
        (
            OrderKind::TrailingStopLimit { limit_offset: old, .. },
            OrderKind::TrailingStopLimit { limit_offset: new, .. },
        ) => side.worsen(price, new - old),
        _ => kind.limit().unwrap_or(price),
    }
}

fn is_between(price: Price, a: Price, b: Price) -> bool {
    (a.min(b)..=Ord::max(a, b)).contains(&price)
}

impl Venue for Exchange {
    fn submit(&mut self, now: UnixNanos, order: ApprovedOrder, out: &mut Vec<Report>) {
        let request = *order.request();
        self.send(now, request.instrument, Message::Submit(order.id(), order.account(), request), out);
    }

    fn modify(&mut self, now: UnixNanos, change: ApprovedModify, out: &mut Vec<Report>) {
        let message = Message::Modify(change.instrument(), change.id(), change.qty(), change.kind());
        self.send(now, change.instrument(), message, out);
    }

    fn cancel(&mut self, now: UnixNanos, cancel: ApprovedCancel, out: &mut Vec<Report>) {
        let instrument = cancel.instrument();
        self.send(now, instrument, Message::Cancel(instrument, cancel.id()), out);
    }

    #[inline]
    fn on_step(&mut self, step: &MarketStep, out: &mut Vec<Report>) {
        let book = &mut self.state.books[step.instrument.index()];
        let before = (book.bid.price, book.ask.price);
        let print = step.source == StepSource::Trade && book.quoted;
        if !print {
            book.quoted |= step.source == StepSource::Quote;
            match step.source {
                // A quote repeats what is displayed; a print or a bar's price is new trading at its price.
                StepSource::Quote => {
                    book.bid.refresh(step.bid, step.bid_size);
                    book.ask.refresh(step.ask, step.ask_size);
                }
                _ => {
                    book.bid = Level { price: step.bid, shown: step.bid_size, left: step.bid_size };
                    book.ask = Level { price: step.ask, shown: step.ask_size, left: step.ask_size };
                }
            }
        }
        let first = !book.live;
        book.live = true;
        let asleep = book.sleeps_through(step.ask, step.bid, step.ask, step.bid);
        #[cfg(test)]
        let asleep = asleep && !self.never_sleeps;
        if !self.state.books[step.instrument.index()].open || asleep {
            return;
        }
        let before = if first { (step.bid, step.ask) } else { before };
        self.walk(step, before, out);
        if !print {
            self.trail_all(step, before, out);
        }
        // A waiting order meets what the step brought, after those that rested before it.
        let is_bar = matches!(step.source, StepSource::BarOpen | StepSource::BarWithin);
        self.admit_waiting(step.ts, step.instrument, is_bar, out);
    }

    #[inline]
    fn is_indifferent(&self, instrument: InstrumentId, low: Price, high: Price) -> bool {
        self.state.books[instrument.index()].sleeps_through(low, high, high, low)
    }

    fn on_status(&mut self, instrument: InstrumentId, open: bool, now: UnixNanos, out: &mut Vec<Report>) {
        let book = &mut self.state.books[instrument.index()];
        book.open = open;
        if !open {
            // Orders that had not met the market are handed back: the halt came first.
            let waiting = std::mem::take(&mut book.waiting);
            for id in waiting {
                if let Some(resting) = self.state.orders.remove(&id) {
                    self.state.expiries.remove(&(resting.expires, id));
                    self.update_due();
                    if resting.accepted {
                        self.emit(instrument, id, now, ReportKind::Canceled, out);
                    } else {
                        self.reject(&resting.request, id, now, RejectReason::NotTrading, out);
                    }
                }
            }
        }
    }

    #[inline]
    fn next_due(&self) -> UnixNanos {
        self.state.next_due
    }

    fn on_due(&mut self, now: UnixNanos, out: &mut Vec<Report>) {
        while self.state.next_due <= now {
            let expiry = self.state.expiries.first().copied().filter(|(due, _)| *due <= now);
            let message = self.state.in_flight.first_key_value().map(|(key, _)| *key).filter(|(due, _)| *due <= now);
            match (message, expiry) {
                // What arrives at the very moment of expiry arrives first.
                (Some(key), expiry) if expiry.is_none_or(|(due, _)| key.0 <= due) => {
                    let message = self.state.in_flight.remove(&key).expect("the first key is there");
                    self.update_due();
                    self.deliver(key.0, message, out);
                }
                (_, Some((due, id))) => {
                    let resting = self.unfile(id).expect("an order with an expiry is known");
                    self.end(due, id, &resting, ReportKind::Expired, out);
                }
                _ => break,
            }
        }
    }

    fn shrink_to_fit(&mut self) {
        let State { orders, in_flight, expiries, .. } = &mut self.state;
        if orders.is_empty() {
            *orders = BTreeMap::new();
        }
        if in_flight.is_empty() {
            *in_flight = BTreeMap::new();
        }
        if expiries.is_empty() {
            *expiries = BTreeSet::new();
        }
    }

    fn on_booked(&mut self, account: AccountId, fill: &Fill, position: PositionId, hedging: bool) {
        if hedging {
            self.state.hedging.insert(account);
            if fill.position == PositionId::NONE {
                self.hold(account, fill.instrument, Holder::Position(position), fill.side.signed(fill.qty));
            }
        }
    }

    fn on_end(&mut self, now: UnixNanos, out: &mut Vec<Report>) {
        // What is on its way arrives, though later than the data lasts; then what waits meets the last market.
        loop {
            while let Some((_, message)) = self.state.in_flight.pop_first() {
                self.deliver(now, message, out);
            }
            for index in 0..self.state.books.len() {
                if self.state.books[index].live && !self.state.books[index].waiting.is_empty() {
                    self.admit_waiting(now, InstrumentId::from(index), false, out);
                }
            }
            if self.state.in_flight.is_empty() {
                break;
            }
        }
        self.update_due();
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_allocvec(&self.state).expect("plain state always encodes")
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        self.state = postcard::from_bytes(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
