//! A run in miniature: the real sequencer, risk gate (default limits), ledger and exchange, fed by hand.
//!
//! Prices and quantities are whole numbers: tick and lot are 1, so that "one tick worse" can be read off. A tap between
//! engine and exchange writes down every report that the engine is handed; a scripted strategy acts when the test says so.
//! What it deliberately does not do: reach into any of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use starling_core::event::{Command, CommandKind, StatusChange, Timer, TradingStatus};
use starling_core::instrument::InstrumentKind;
use starling_core::journal::RunId;
use starling_core::order::{Report, ReportKind};
use starling_core::time::{DAY, SECOND};
use starling_core::{
    AccountId, Bar, BarSeriesId, ClientOrderId, Currency, CurrencyTable, Event, Fill, Instrument, InstrumentId,
    InstrumentTable, Liquidity, Money, OrderKind, OrderRequest, PositionId, Price, Qty, Quote, Side, StrategyId, Trade,
    UnixNanos, VenueId,
};
use starling_engine::ledger::{AccountKind, AccountSpec, PositionMode};
use starling_engine::risk::{ApprovedCancel, ApprovedModify, ApprovedOrder};
use starling_engine::venue::MarketStep;
use starling_engine::{
    Context, Engine, FillUpdate, OrderUpdate, Participant, Plan, Setup, Strategy, StrategyError, Venue,
};
use starling_market::bar::BarSpec;
use starling_market::bar::path::Walk;
use starling_sim::model::VenueModel;
use starling_sim::{Exchange, Recorder};

/// Midnight of the day on which all runs begin: 2024-01-02.
pub(crate) const MIDNIGHT: u64 = 19_724 * DAY;
/// The stamp at which they begin, an hour into it.
pub(crate) const START: u64 = MIDNIGHT + 3_600 * SECOND;
/// Marks the timers that stand for [`Run::act`].
const ACT: u64 = u64::MAX;

pub(crate) const X: InstrumentId = InstrumentId(0);
pub(crate) const Y: InstrumentId = InstrumentId(1);

pub(crate) fn px(price: i64) -> Price {
    Price::from_int(price)
}

pub(crate) fn qty(qty: i64) -> Qty {
    Qty::from_int(qty)
}

pub(crate) fn buy(kind: OrderKind, quantity: i64) -> OrderRequest {
    OrderRequest::new(X, Side::Buy, kind, qty(quantity))
}

pub(crate) fn sell(kind: OrderKind, quantity: i64) -> OrderRequest {
    OrderRequest::new(X, Side::Sell, kind, qty(quantity))
}

pub(crate) fn limit(price: i64) -> OrderKind {
    OrderKind::Limit { price: px(price) }
}

pub(crate) fn stop(trigger: i64) -> OrderKind {
    OrderKind::Stop { trigger: px(trigger) }
}

pub(crate) fn stop_limit(trigger: i64, price: i64) -> OrderKind {
    OrderKind::StopLimit { trigger: px(trigger), price: px(price) }
}

pub(crate) fn mit(trigger: i64) -> OrderKind {
    OrderKind::MarketIfTouched { trigger: px(trigger) }
}

pub(crate) fn lit(trigger: i64, price: i64) -> OrderKind {
    OrderKind::LimitIfTouched { trigger: px(trigger), price: px(price) }
}

/// The n-th order of the first strategy.
pub(crate) fn id(n: u64) -> ClientOrderId {
    ClientOrderId::new(StrategyId(0), n)
}

type Act = Box<dyn FnOnce(&mut Context<'_>)>;
type OnFill = Box<dyn FnMut(&mut Context<'_>, &FillUpdate)>;

/// What test and strategy share.
#[derive(Default)]
pub(crate) struct Desk {
    act: Option<Act>,
    on_fill: Option<OnFill>,
    on_stop: Option<Act>,
    /// What the strategy was told, venue reports left out: denials, and orders dropped before they left.
    told: Vec<String>,
}

/// A strategy that does what the test says.
#[derive(Clone, Default)]
pub(crate) struct Scripted(Rc<RefCell<Desk>>);

impl Strategy for Scripted {
    fn setup(&mut self, _: &mut Setup<'_>) -> Result<(), StrategyError> {
        Ok(())
    }
    fn on_timer(&mut self, ctx: &mut Context<'_>, timer: &Timer) {
        if timer.token == ACT {
            let act = self.0.borrow_mut().act.take().unwrap();
            act(ctx);
        }
    }
    fn on_fill(&mut self, ctx: &mut Context<'_>, fill: &FillUpdate) {
        let script = self.0.borrow_mut().on_fill.take();
        if let Some(mut script) = script {
            script(ctx, fill);
            self.0.borrow_mut().on_fill = Some(script);
        }
    }
    fn on_order(&mut self, _: &mut Context<'_>, update: &OrderUpdate) {
        let line = match update {
            OrderUpdate::Denied { id, denied } => format!("{} denied {}", name(*id), denied.code),
            OrderUpdate::Status { id, status, .. } => format!("{} {status:?}", name(*id)),
            OrderUpdate::Refused { id, reason, .. } => format!("{} {reason:?}", name(*id)),
            _ => unreachable!(),
        };
        self.0.borrow_mut().told.push(line);
    }
    fn on_stop(&mut self, ctx: &mut Context<'_>) {
        let act = self.0.borrow_mut().on_stop.take();
        if let Some(act) = act {
            act(ctx);
        }
    }
}

/// Orders of the first strategy go by their number, others by their full id.
fn name(id: ClientOrderId) -> String {
    if id.strategy() == StrategyId(0) { id.counter().to_string() } else { id.to_string() }
}

/// A report in words.
pub(crate) fn words(report: &Report) -> String {
    let id = name(report.order);
    match report.kind {
        ReportKind::Accepted => format!("{id} accepted"),
        ReportKind::Rejected(why) => format!("{id} rejected {why:?}"),
        ReportKind::Triggered => format!("{id} triggered"),
        ReportKind::Filled { fill, leaves } => {
            let verb = if fill.side == Side::Buy { "buys" } else { "sells" };
            let role = if fill.liquidity == Liquidity::Maker { "maker" } else { "taker" };
            format!("{id} {verb} {} at {} {role}, {leaves} left", fill.qty, fill.price)
        }
        ReportKind::Modified { qty, .. } => format!("{id} modified to {qty}"),
        ReportKind::ModifyRejected(why) => format!("{id} keeps its terms {why:?}"),
        ReportKind::Canceled => format!("{id} canceled"),
        ReportKind::CancelRejected(why) => format!("{id} cannot cancel {why:?}"),
        ReportKind::Expired => format!("{id} expired"),
        _ => format!("{id} unknown"),
    }
}

/// An exchange that is listened to, in hands that the test shares.
pub(crate) struct Tap {
    exchange: Rc<RefCell<Exchange>>,
    /// Every report the engine was handed.
    reports: Rc<RefCell<Vec<Report>>>,
    /// Never skip the walk of a bar.
    walks_all: bool,
    /// Steps of the market.
    steps: Rc<RefCell<usize>>,
}

impl Tap {
    fn tap(&mut self, out: &mut Vec<Report>, call: impl FnOnce(&mut Exchange, &mut Vec<Report>)) {
        let before = out.len();
        call(&mut self.exchange.borrow_mut(), out);
        self.reports.borrow_mut().extend_from_slice(&out[before..]);
    }
}

impl Venue for Tap {
    fn submit(&mut self, now: UnixNanos, order: ApprovedOrder, out: &mut Vec<Report>) {
        self.tap(out, |exchange, out| exchange.submit(now, order, out));
    }
    fn modify(&mut self, now: UnixNanos, change: ApprovedModify, out: &mut Vec<Report>) {
        self.tap(out, |exchange, out| exchange.modify(now, change, out));
    }
    fn cancel(&mut self, now: UnixNanos, cancel: ApprovedCancel, out: &mut Vec<Report>) {
        self.tap(out, |exchange, out| exchange.cancel(now, cancel, out));
    }
    fn on_step(&mut self, step: &MarketStep, out: &mut Vec<Report>) {
        *self.steps.borrow_mut() += 1;
        self.tap(out, |exchange, out| exchange.on_step(step, out));
    }
    fn is_indifferent(&self, instrument: InstrumentId, low: Price, high: Price) -> bool {
        !self.walks_all && self.exchange.borrow().is_indifferent(instrument, low, high)
    }
    fn on_status(&mut self, instrument: InstrumentId, open: bool, now: UnixNanos, out: &mut Vec<Report>) {
        self.tap(out, |exchange, out| exchange.on_status(instrument, open, now, out));
    }
    fn next_due(&self) -> UnixNanos {
        self.exchange.borrow().next_due()
    }
    fn on_due(&mut self, now: UnixNanos, out: &mut Vec<Report>) {
        self.tap(out, |exchange, out| exchange.on_due(now, out));
    }
    fn on_booked(&mut self, account: AccountId, fill: &Fill, position: PositionId, hedging: bool) {
        self.exchange.borrow_mut().on_booked(account, fill, position, hedging);
    }
    fn on_end(&mut self, now: UnixNanos, out: &mut Vec<Report>) {
        self.tap(out, |exchange, out| exchange.on_end(now, out));
    }
    fn save(&self) -> Vec<u8> {
        self.exchange.borrow().save()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        self.exchange.borrow_mut().load(bytes)
    }
}

/// How a run is set up.
#[derive(Clone)]
pub(crate) struct Setting {
    /// One venue each, named V0, V1, with one instrument each, X and Y.
    pub(crate) models: Vec<VenueModel>,
    /// Names of the strategies; each has an account of its own at every venue if there are several.
    pub(crate) strategies: usize,
    pub(crate) hedging: bool,
    pub(crate) seed: u64,
    pub(crate) walk: Walk,
    pub(crate) maker_fee: &'static str,
    pub(crate) taker_fee: &'static str,
    pub(crate) lot: i64,
    pub(crate) walks_all: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            models: vec![VenueModel::default()],
            strategies: 1,
            hedging: false,
            seed: 1,
            walk: Walk::default(),
            maker_fee: "0",
            taker_fee: "0",
            lot: 1,
            walks_all: false,
        }
    }
}

impl Setting {
    /// One venue of this model.
    pub(crate) fn of(model: VenueModel) -> Self {
        Self { models: vec![model], ..Self::default() }
    }
}

/// A run.
pub(crate) struct Run {
    pub(crate) engine: Engine<Scripted, Tap, Vec<u8>, Recorder>,
    pub(crate) desks: Vec<Rc<RefCell<Desk>>>,
    pub(crate) exchange: Rc<RefCell<Exchange>>,
    reports: Rc<RefCell<Vec<Report>>>,
    steps: Rc<RefCell<usize>>,
    fresh: Box<dyn Fn() -> Exchange>,
    series: Vec<BarSeriesId>,
    /// Nanoseconds.
    clock: u64,
    told: usize,
    expected: usize,
}

impl Run {
    pub(crate) fn new(setting: &Setting) -> Self {
        let currencies = Arc::new(CurrencyTable::freeze(vec![Currency { code: "USD".into(), digits: 2 }]).unwrap());
        let usd = currencies.id("USD").unwrap();
        let venues = 0..setting.models.len();
        let of = |venue: usize| {
            let venue_id = VenueId::from(venue);
            let mut terms = Instrument::new(["X", "Y"][venue], venue_id, InstrumentKind::Cfd, usd, 0, 0);
            terms.maker_fee = setting.maker_fee.parse().unwrap();
            terms.taker_fee = setting.taker_fee.parse().unwrap();
            (terms.lot, terms.qty_min) = (qty(setting.lot), qty(setting.lot));
            terms
        };
        let instruments = Arc::new(InstrumentTable::freeze(venues.clone().map(of).collect()).unwrap());
        let mut accounts = Vec::new();
        for venue in venues.clone() {
            for strategy in 0..setting.strategies {
                let mut spec =
                    AccountSpec::new(format!("{strategy}@V{venue}"), VenueId::from(venue), AccountKind::Margin);
                spec.base = Some(usd);
                spec.opening = vec![(usd, Money::from_int(1_000_000_000))];
                spec.mode = if setting.hedging { PositionMode::Hedging } else { PositionMode::Netting };
                accounts.push(spec);
            }
        }
        let scripts: Vec<Scripted> = (0..setting.strategies).map(|_| Scripted::default()).collect();
        let participant = |(n, strategy): (usize, &Scripted)| Participant {
            name: format!("script {n}"),
            strategy: strategy.clone(),
            accounts: venues.clone().map(|venue| format!("{n}@V{venue}")).collect(),
        };
        let external: Vec<(BarSpec, bool)> =
            instruments.iter().map(|(id, _)| (BarSpec::parse(id, "1m last external").unwrap(), true)).collect();
        let plan = Plan {
            venues: venues.clone().map(|venue| format!("V{venue}")).collect(),
            instruments: Arc::clone(&instruments),
            currencies: Arc::clone(&currencies),
            accounts,
            reporting: usd,
            limits: Default::default(),
            participants: scripts.iter().enumerate().map(participant).collect(),
            external,
            walk: setting.walk,
            build: Default::default(),
            sessions: Default::default(),
            run_id: RunId([0; 16]),
            header: Vec::new(),
            recorded: true,
        };
        let (models, table) = (setting.models.clone(), Arc::clone(&instruments));
        let make = move |seed| Exchange::new(Arc::clone(&table), Arc::clone(&currencies), models.clone(), seed);
        let exchange = Rc::new(RefCell::new(make(setting.seed)));
        let fresh = Box::new(move || make(u64::MAX));
        let (reports, steps) = (Rc::default(), Rc::default());
        let tap = Tap {
            exchange: Rc::clone(&exchange),
            reports: Rc::clone(&reports),
            walks_all: setting.walks_all,
            steps: Rc::clone(&steps),
        };
        let recorder = Recorder::new(instruments.len(), setting.strategies, usd);
        let mut engine = Engine::new(plan, tap, Vec::new(), recorder).unwrap();
        engine.start().unwrap();
        let series = engine.world().series().map(|(id, _, _)| id).collect();
        Self {
            engine,
            desks: scripts.into_iter().map(|s| s.0).collect(),
            exchange,
            reports,
            steps,
            fresh,
            series,
            clock: START,
            told: 0,
            expected: 0,
        }
    }

    /// One venue of this model.
    pub(crate) fn of(model: VenueModel) -> Self {
        Self::new(&Setting::of(model))
    }

    fn feed(&mut self, event: Event) {
        self.engine.on_event(&event).unwrap();
    }

    /// Sets the clock to so many nanoseconds after the start.
    pub(crate) fn at(&mut self, nanos: u64) -> &mut Self {
        assert!(START + nanos >= self.clock, "time runs forward");
        self.clock = START + nanos;
        self
    }

    fn tick(&mut self) -> UnixNanos {
        self.clock += SECOND;
        UnixNanos::new(self.clock)
    }

    fn stamp(&self) -> UnixNanos {
        UnixNanos::new(self.clock)
    }

    /// A quote of X a second later: bid, its size, ask, its size.
    pub(crate) fn quote(&mut self, bid: i64, bid_size: i64, ask: i64, ask_size: i64) -> &mut Self {
        self.tick();
        self.quote_now(X, bid, bid_size, ask, ask_size)
    }

    /// A quote at the clock.
    pub(crate) fn quote_now(
        &mut self,
        instrument: InstrumentId,
        bid: i64,
        bid_size: i64,
        ask: i64,
        ask_size: i64,
    ) -> &mut Self {
        let (ts_event, ts_recv) = (self.stamp(), self.stamp());
        let (bid, ask, bid_size, ask_size) = (px(bid), px(ask), qty(bid_size), qty(ask_size));
        self.feed(Event::Quote(Quote { instrument, ts_event, ts_recv, bid, ask, bid_size, ask_size }));
        self
    }

    /// A print of X a second later.
    pub(crate) fn trade(&mut self, price: i64, size: i64) -> &mut Self {
        let ts = self.tick();
        let (price, size) = (px(price), qty(size));
        let trade = Trade { instrument: X, ts_event: ts, ts_recv: ts, price, size, aggressor: None, trade_id: 0 };
        self.feed(Event::Trade(trade));
        self
    }

    /// A bar of X a second later: open, high, low, close.
    pub(crate) fn bar(&mut self, prices: [i64; 4], volume: i64) -> &mut Self {
        self.tick();
        self.bar_now(X, prices, volume)
    }

    /// A bar at the clock.
    pub(crate) fn bar_now(&mut self, instrument: InstrumentId, prices: [i64; 4], volume: i64) -> &mut Self {
        let (ts, series) = (self.stamp(), self.series[instrument.index()]);
        let [open, high, low, close] = prices.map(px);
        let volume = qty(volume);
        self.feed(Event::Bar(Bar { instrument, series, ts_event: ts, ts_recv: ts, open, high, low, close, volume }));
        self
    }

    /// Trading of X stops or resumes, a second later.
    pub(crate) fn status(&mut self, status: TradingStatus) -> &mut Self {
        let ts = self.tick();
        self.feed(Event::Status(StatusChange { instrument: X, ts_event: ts, ts_recv: ts, status }));
        self
    }

    /// An operator speaks at the clock.
    pub(crate) fn command(&mut self, kind: CommandKind) -> &mut Self {
        let ts_recv = self.stamp();
        self.feed(Event::Command(Command { ts_recv, kind }));
        self
    }

    /// The strategy acts at the clock; the market does not move.
    pub(crate) fn act(&mut self, act: impl FnOnce(&mut Context<'_>) + 'static) -> &mut Self {
        self.act_as(0, act)
    }

    /// The n-th strategy acts.
    pub(crate) fn act_as(&mut self, strategy: usize, act: impl FnOnce(&mut Context<'_>) + 'static) -> &mut Self {
        self.desks[strategy].borrow_mut().act = Some(Box::new(act));
        let due = self.stamp();
        self.feed(Event::Timer(Timer { strategy: StrategyId::from(strategy), token: ACT, due }));
        self
    }

    /// The strategy sends an order.
    pub(crate) fn send(&mut self, request: OrderRequest) -> &mut Self {
        self.act(move |ctx| {
            ctx.submit(request);
        })
    }

    /// The strategy changes an order.
    pub(crate) fn modify(&mut self, order: u64, quantity: Option<i64>, kind: Option<OrderKind>) -> &mut Self {
        self.act(move |ctx| ctx.modify(id(order), quantity.map(qty), kind))
    }

    /// The strategy cancels an order.
    pub(crate) fn cancel(&mut self, order: u64) -> &mut Self {
        self.act(move |ctx| ctx.cancel(id(order)))
    }

    /// What the strategy does at each fill.
    pub(crate) fn on_fill(&mut self, script: impl FnMut(&mut Context<'_>, &FillUpdate) + 'static) -> &mut Self {
        self.desks[0].borrow_mut().on_fill = Some(Box::new(script));
        self
    }

    /// What the strategy does when the run ends.
    pub(crate) fn on_stop(&mut self, act: impl FnOnce(&mut Context<'_>) + 'static) -> &mut Self {
        self.desks[0].borrow_mut().on_stop = Some(Box::new(act));
        self
    }

    /// The data ends.
    pub(crate) fn stop(&mut self) -> &mut Self {
        self.engine.stop().unwrap();
        self
    }

    /// All reports so far.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reports.borrow().clone()
    }

    /// Steps of the market that the exchange was shown.
    pub(crate) fn steps(&self) -> usize {
        *self.steps.borrow()
    }

    /// Exactly these reports came since the last call.
    #[track_caller]
    pub(crate) fn expect(&mut self, lines: &[&str]) -> &mut Self {
        let found: Vec<String> = self.reports()[self.expected..].iter().map(words).collect();
        assert_eq!(found, lines);
        self.expected += found.len();
        self
    }

    /// As [`Run::expect`], each with the milliseconds from the start to its reception.
    #[track_caller]
    pub(crate) fn expect_timed(&mut self, lines: &[(u64, &str)]) -> &mut Self {
        let timed = |r: &Report| ((r.ts_recv.get() - START) / 1_000_000, words(r));
        let found: Vec<(u64, String)> = self.reports()[self.expected..].iter().map(timed).collect();
        let wanted: Vec<(u64, String)> = lines.iter().map(|(ms, text)| (*ms, (*text).to_owned())).collect();
        assert_eq!(found, wanted);
        self.expected += found.len();
        self
    }

    /// The strategy was told exactly this since the last call.
    #[track_caller]
    pub(crate) fn expect_told(&mut self, lines: &[&str]) -> &mut Self {
        let told = self.desks[0].borrow().told[self.told..].to_vec();
        assert_eq!(told, lines);
        self.told += told.len();
        self
    }

    /// The first strategy's position in X.
    pub(crate) fn position(&self) -> i64 {
        self.engine.world().ledger().strategy_position(AccountId(0), X, StrategyId(0)).units() / 1_000_000_000
    }

    #[track_caller]
    pub(crate) fn expect_position(&mut self, quantity: i64) -> &mut Self {
        assert_eq!(self.position(), quantity);
        self
    }

    /// Live orders of the engine and of the exchange.
    pub(crate) fn open(&self) -> (usize, usize) {
        (self.engine.world().orders().len(), self.exchange.borrow().orders())
    }

    /// The state of the exchange.
    pub(crate) fn saved(&self) -> Vec<u8> {
        self.exchange.borrow().save()
    }

    /// Puts an exchange in place of this one that was made anew, with another seed, and loaded with its state.
    pub(crate) fn reload(&mut self) {
        let bytes = self.saved();
        let mut fresh = (self.fresh)();
        fresh.load(&bytes).unwrap();
        *self.exchange.borrow_mut() = fresh;
    }

    /// Fees of all fills so far, by order.
    pub(crate) fn fees(&self) -> Vec<(u64, String)> {
        let fee = |r: &Report| match r.kind {
            ReportKind::Filled { fill, .. } => Some((r.order.counter(), fill.fee.to_string())),
            _ => None,
        };
        self.reports().iter().filter_map(fee).collect()
    }
}
