//! The simulated exchange: matching at the touch, for any number of venues and instruments.
//!
//! Invariant: one order is filled at most to its quantity, never better than the market stood, and never twice against
//! the same displayed size (unless the model says so). The same steps and orders give the same reports.
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
    AccountId, ClientOrderId, CurrencyTable, InstrumentId, InstrumentTable, Money, OrderRequest, Price, Qty, UnixNanos,
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

/// Everything of the exchange that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    books: Vec<Book>,
    orders: BTreeMap<ClientOrderId, Resting>,
    in_flight: BTreeMap<(UnixNanos, u64), Message>,
    expiries: BTreeSet<(UnixNanos, ClientOrderId)>,
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
            traded: BTreeMap::new(),
            arrivals: 0,
            messages: 0,
            trades: 0,
            rng: SplitMix64::new(seed),
            next_due: UnixNanos::MAX,
        };
        Self { instruments, currencies, models, state }
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
            report.ts_recv = now + latency.sample(&mut self.state.rng);
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
            let due = now + latency.sample(&mut self.state.rng);
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
        let resting = Resting {
            account,
            leaves: request.qty,
            arrival: self.state.arrivals,
            since: now,
            place: Place::Waiting,
            expires,
            fees: FeeBasis::default(),
            accepted: false,
            request,
        };
        if self.model(request.instrument).activation == Activation::NextEvent || !book.live {
            self.state.books[request.instrument.index()].waiting.push(id);
            self.file(id, resting);
        } else {
            self.enter(now, id, resting, out);
        }
    }

    /// Keeps an order at the exchange; its place in the book is the caller's doing.
    fn file(&mut self, id: ClientOrderId, resting: Resting) {
        if resting.expires < UnixNanos::MAX {
            self.state.expiries.insert((resting.expires, id));
            self.update_due();
        }
        self.state.orders.insert(id, resting);
    }

    /// Takes an order from the exchange and out of its queue.
    fn unfile(&mut self, id: ClientOrderId) -> Option<Resting> {
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
    fn enter(&mut self, now: UnixNanos, id: ClientOrderId, mut resting: Resting, out: &mut Vec<Report>) {
        let request = resting.request;
        let (side, instrument) = (request.side, request.instrument);
        let touch = self.state.books[instrument.index()].opposite(side).price;
        let refused = match request.kind {
            OrderKind::Limit { price } if request.post_only && !side.is_worse(touch, price) => {
                Some(RejectReason::WouldTake)
            }
            OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. }
                if self.model(instrument).refuse_passed_triggers && !side.opposite().is_worse(touch, trigger) =>
            {
                Some(RejectReason::TriggerPassed)
            }
            OrderKind::MarketIfTouched { trigger } | OrderKind::LimitIfTouched { trigger, .. }
                if self.model(instrument).refuse_passed_triggers && !side.is_worse(touch, trigger) =>
            {
                Some(RejectReason::TriggerPassed)
            }
            _ => None,
        };
        if let Some(why) = refused {
            return self.reject(&request, id, now, why, out);
        }
        if request.tif == TimeInForce::Fok && self.available(&request, touch) < request.qty {
            return self.reject(&request, id, now, RejectReason::NotWhole, out);
        }
        resting.accepted = true;
        self.emit(instrument, id, now, ReportKind::Accepted, out);
        match request.kind {
            OrderKind::Market => self.take(now, id, resting, None, Against::Touch, out),
            OrderKind::Limit { price } => self.work(now, id, resting, price, Against::Touch, out),
            OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. } => {
                if side.opposite().is_worse(touch, trigger) {
                    self.rest(id, resting, Queue::Stop, trigger);
                } else {
                    self.trigger(now, id, resting, Against::Touch, out);
                }
            }
            OrderKind::MarketIfTouched { trigger } | OrderKind::LimitIfTouched { trigger, .. } => {
                if side.is_worse(touch, trigger) {
                    self.rest(id, resting, Queue::Touch, trigger);
                } else {
                    self.trigger(now, id, resting, Against::Touch, out);
                }
            }
            OrderKind::TrailingStop { offset, trigger } | OrderKind::TrailingStopLimit { offset, trigger, .. } => {
                let from = trigger.unwrap_or_else(|| self.trail(instrument, side, touch, offset));
                resting.place = Place::Trailing(Some(from));
                self.state.books[instrument.index()].trailing.push(id);
                self.file(id, resting);
            }
        }
    }

    /// What a limit order could trade at once: a market order takes what it needs behind the touch.
    fn available(&self, request: &OrderRequest, touch: Price) -> Qty {
        let book = &self.state.books[request.instrument.index()];
        let level = if request.side == Side::Buy { book.ask } else { book.bid };
        match request.kind {
            OrderKind::Limit { price } if request.side.is_worse(touch, price) => Qty::ZERO,
            OrderKind::Limit { price } => {
                let next = request.side.worsen(touch, self.instruments.get(request.instrument).tick);
                if request.side.is_worse(next, price) { self.usable(request.instrument, level) } else { Qty::MAX }
            }
            _ => Qty::MAX,
        }
    }

    fn usable(&self, instrument: InstrumentId, level: Level) -> Qty {
        if self.model(instrument).consume_liquidity { level.left } else { level.shown }
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
            Side::Buy => starling_core::Rounding::Ceil,
            Side::Sell => starling_core::Rounding::Floor,
        };
        side.worsen(market, distance).round_to(tick, rounding)
    }

    fn rest(&mut self, id: ClientOrderId, mut resting: Resting, queue: Queue, price: Price) {
        resting.place = Place::Queue(queue, price);
        let (instrument, side, arrival) = (resting.request.instrument, resting.request.side, resting.arrival);
        self.state.books[instrument.index()].insert(queue, side, price, arrival, id);
        self.file(id, resting);
    }

    /// A trigger was reached: the order becomes what it sleeps as.
    fn trigger(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        resting: Resting,
        against: Against,
        out: &mut Vec<Report>,
    ) {
        self.emit(resting.request.instrument, id, now, ReportKind::Triggered, out);
        match resting.request.kind {
            OrderKind::StopLimit { price, .. } | OrderKind::LimitIfTouched { price, .. } => {
                self.work(now, id, resting, price, against, out);
            }
            OrderKind::TrailingStopLimit { limit_offset, .. } => {
                let Place::Trailing(Some(trigger)) = resting.place else {
                    unreachable!("a trailing stop has a trigger")
                };
                let price = resting.request.side.worsen(trigger, limit_offset);
                self.work(now, id, resting, price, against, out);
            }
            _ => self.take(now, id, resting, None, against, out),
        }
    }

    /// A limit order trades what it can at once and rests with what is left.
    fn work(
        &mut self,
        now: UnixNanos,
        id: ClientOrderId,
        resting: Resting,
        price: Price,
        against: Against,
        out: &mut Vec<Report>,
    ) {
        let side = resting.request.side;
        let market = match against {
            Against::Price(market) => market,
            Against::Touch => self.state.books[resting.request.instrument.index()].opposite(side).price,
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
        mut resting: Resting,
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
        let first = resting.leaves.min(self.usable(instrument, level));
        if first.is_positive() {
            if consume {
                self.state.books[instrument.index()].opposite(side).left -= first;
            }
            let at = held(self.slip(slippage, side, price, tick));
            self.fill(now, id, &mut resting, first, at, Liquidity::Taker, out);
        }
        let next = side.worsen(price, tick);
        let reaches = limit.is_none_or(|l| !side.is_worse(next, l)) && tif != TimeInForce::Ioc;
        if resting.leaves.is_positive() && reaches {
            let (rest, at) = (resting.leaves, held(self.slip(slippage, side, next, tick)));
            self.fill(now, id, &mut resting, rest, at, Liquidity::Taker, out);
        }
        if resting.leaves.is_positive() {
            match limit {
                Some(price) if tif != TimeInForce::Ioc => self.rest(id, resting, Queue::Limit, price),
                _ => self.emit(instrument, id, now, ReportKind::Canceled, out),
            }
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
        let known = self.state.orders.get(&id).map(|r| (r.request, r.leaves, r.arrival, r.place));
        let Some((request, leaves, arrival, place)) = known else {
            return self.emit(instrument, id, now, ReportKind::ModifyRejected(RejectReason::UnknownOrder), out);
        };
        let traded = request.qty - leaves;
        if std::mem::discriminant(&kind) != std::mem::discriminant(&request.kind) || qty <= traded {
            return self.emit(instrument, id, now, ReportKind::ModifyRejected(RejectReason::Increment), out);
        }
        let Some(mut resting) = self.unfile(id) else { return };
        resting.request.qty = qty;
        resting.request.kind = kind;
        resting.leaves = qty - traded;
        // Only a smaller quantity at the same price keeps its place in the queue.
        if kind != request.kind || resting.leaves > leaves {
            self.state.arrivals += 1;
            resting.arrival = self.state.arrivals;
        } else {
            resting.arrival = arrival;
        }
        if matches!(place, Place::Waiting) {
            // It has not met the market yet: it is accepted, and changed, when it does.
            self.state.books[instrument.index()].waiting.push(id);
            if !resting.accepted {
                resting.accepted = true;
                self.emit(instrument, id, now, ReportKind::Accepted, out);
            }
            self.emit(instrument, id, now, ReportKind::Modified { qty, kind }, out);
            return self.file(id, resting);
        }
        self.emit(instrument, id, now, ReportKind::Modified { qty, kind }, out);
        match (place, kind) {
            (Place::Queue(Queue::Limit, price), OrderKind::Limit { price: new }) => {
                if new == price {
                    self.rest(id, resting, Queue::Limit, price);
                } else {
                    self.work(now, id, resting, new, Against::Touch, out);
                }
            }
            (Place::Queue(Queue::Limit, _), _) => {
                let price = kind.limit().unwrap_or_default();
                self.work(now, id, resting, price, Against::Touch, out);
            }
            (Place::Queue(queue, _), _) => {
                let trigger = kind.trigger().expect("an order in a trigger queue has a trigger");
                self.rest(id, resting, queue, trigger);
            }
            (Place::Trailing(at), _) => {
                resting.place = Place::Trailing(kind.trigger().or(at));
                self.state.books[instrument.index()].trailing.push(id);
                self.file(id, resting);
            }
            (Place::Waiting, _) => unreachable!("handled above"),
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
            if resting.accepted {
                self.enter_accepted(now, id, resting, out);
            } else {
                self.enter(now, id, resting, out);
            }
        }
    }

    /// As [`Exchange::enter`], for an order that was changed while it waited and so is accepted already: what would have
    /// been a refusal is a cancellation.
    fn enter_accepted(&mut self, now: UnixNanos, id: ClientOrderId, resting: Resting, out: &mut Vec<Report>) {
        let mut reports = Vec::new();
        self.enter(now, id, resting, &mut reports);
        for mut report in reports {
            match report.kind {
                ReportKind::Accepted if report.order == id => continue,
                ReportKind::Rejected(_) if report.order == id => report.kind = ReportKind::Canceled,
                _ => {}
            }
            out.push(report);
        }
    }

    /// The market has moved from `before` to where the book stands now: everybody it reached acts, nearest first.
    fn walk(&mut self, step: &MarketStep, before: (Price, Price), out: &mut Vec<Report>) {
        let index = step.instrument.index();
        let touch_fills = self.model(step.instrument).touch_fills;
        let mut exhausted = [false; 2];
        let print = step.source == StepSource::Trade && self.state.books[index].quoted;
        let mut print_left = step.ask_size;
        while let Some((queue, side, price, id)) = self.nearest(step, before, touch_fills, exhausted) {
            let Some(mut resting) = self.unfile(id) else { unreachable!("a queued order is known") };
            if queue == Queue::Limit {
                let level = *self.state.books[index].opposite(side);
                // A print can only have filled as much as it printed.
                let usable = if print { print_left } else { self.usable(step.instrument, level) };
                let qty = resting.leaves.min(usable);
                if !qty.is_positive() {
                    self.rest(id, resting, Queue::Limit, price);
                    exhausted[usize::from(side == Side::Sell)] = true;
                    continue;
                }
                if print {
                    print_left -= qty;
                } else if self.model(step.instrument).consume_liquidity {
                    let level = self.state.books[index].opposite(side);
                    level.left -= qty;
                }
                self.fill(step.ts, id, &mut resting, qty, price, Liquidity::Maker, out);
                if resting.leaves.is_positive() {
                    self.rest(id, resting, Queue::Limit, price);
                    exhausted[usize::from(side == Side::Sell)] = true;
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
        if !book.open || book.sleeps_through(step.ask, step.bid, step.ask, step.bid) {
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

    fn on_end(&mut self, now: UnixNanos, out: &mut Vec<Report>) {
        for index in 0..self.state.books.len() {
            if self.state.books[index].live && !self.state.books[index].waiting.is_empty() {
                self.admit_waiting(now, InstrumentId::from(index), false, out);
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_allocvec(&self.state).expect("plain state always encodes")
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        self.state = postcard::from_bytes(bytes)?;
        Ok(())
    }
}
