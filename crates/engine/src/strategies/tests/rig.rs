//! A run in miniature: instruments with external bars, one strategy, and a venue that fills at the last price seen.

use std::sync::Arc;

use starling_core::event::Decision;
use starling_core::instrument::{Currency, InstrumentKind};
use starling_core::journal::RunId;
use starling_core::order::{Fill, RejectReason, Report, ReportKind, TrailOffset};
use starling_core::time::MINUTE;
use starling_core::{
    Bar, BarSeriesId, ClientOrderId, CurrencyId, CurrencyTable, Event, Instrument, InstrumentId, InstrumentTable,
    Liquidity, Money, OrderKind, OrderRequest, Price, Qty, Quote, Side, StrategyId, UnixNanos, VenueId,
};
use starling_market::bar::BarSpec;

use crate::ledger::{AccountKind, AccountSpec, PositionMode};
use crate::risk::{ApprovedCancel, ApprovedModify, ApprovedOrder};
use crate::venue::{MarketStep, Venue};
use crate::{Engine, EngineError, Participant, Plan, Strategy};

/// What the venue was sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sent {
    Order { ts: UnixNanos, id: ClientOrderId, request: OrderRequest },
    Modify { ts: UnixNanos, id: ClientOrderId, qty: Qty, kind: OrderKind },
    Cancel { ts: UnixNanos, id: ClientOrderId },
}

impl Sent {
    pub(super) fn ts(&self) -> UnixNanos {
        match self {
            Self::Order { ts, .. } | Self::Modify { ts, .. } | Self::Cancel { ts, .. } => *ts,
        }
    }
}

/// Market orders fill whole at the touch, at once or with the next step; others rest until the market meets them.
#[derive(Debug, Default)]
pub(super) struct TestVenue {
    /// Orders meet the market with the next step.
    pub(super) delayed: bool,
    /// Orders of this instrument are refused.
    refuses: Option<InstrumentId>,
    market: Vec<Option<(Price, Price)>>,
    resting: Vec<(ClientOrderId, OrderRequest, Option<Price>)>,
    trades: u64,
    pub(super) log: Vec<Sent>,
}

fn report(now: UnixNanos, order: ClientOrderId, kind: ReportKind) -> Report {
    Report { order, ts_event: now, ts_recv: now, kind }
}

impl TestVenue {
    fn fill(&mut self, now: UnixNanos, id: ClientOrderId, request: &OrderRequest, price: Price, out: &mut Vec<Report>) {
        self.trades += 1;
        let fill = Fill {
            order: id,
            trade_id: self.trades,
            instrument: request.instrument,
            side: request.side,
            qty: request.qty,
            price,
            fee: Money::ZERO,
            fee_currency: CurrencyId(0),
            liquidity: Liquidity::Taker,
            position: request.position,
            ts: now,
        };
        out.push(report(now, id, ReportKind::Filled { fill, leaves: Qty::ZERO }));
    }

    /// The price at which an order trades in this market; a trailing trigger is moved.
    fn price(request: &OrderRequest, trail: &mut Option<Price>, bid: Price, ask: Price) -> Option<Price> {
        let touch = if request.side == Side::Buy { ask } else { bid };
        let against = |trigger: Price| touch == trigger || request.side.is_worse(touch, trigger);
        let toward = |trigger: Price| !request.side.is_worse(touch, trigger);
        match request.kind {
            OrderKind::Market => Some(touch),
            OrderKind::Limit { price } => toward(price).then_some(price),
            OrderKind::Stop { trigger } => against(trigger).then_some(touch),
            OrderKind::StopLimit { trigger, price } => (against(trigger) && toward(price)).then_some(touch),
            OrderKind::MarketIfTouched { trigger } => toward(trigger).then_some(touch),
            OrderKind::LimitIfTouched { trigger, price } => (toward(trigger) && toward(price)).then_some(touch),
            OrderKind::TrailingStop { offset, .. } | OrderKind::TrailingStopLimit { offset, .. } => {
                let away = match offset {
                    TrailOffset::Price(away) => away,
                    TrailOffset::BasisPoints(n) => Price::from_units(touch.units() / 10_000 * i64::from(n)),
                    TrailOffset::Ticks(n) => Price::from_units(10_000_000 * i64::from(n)),
                };
                let fresh = request.side.worsen(touch, away);
                let trigger = trail.map_or(fresh, |t| if request.side.is_worse(t, fresh) { fresh } else { t });
                *trail = Some(trigger);
                against(trigger).then_some(touch)
            }
        }
    }

    /// Fills the first order that the market meets: its fill may cancel others, so the engine is heard before the next.
    fn match_first(&mut self, now: UnixNanos, out: &mut Vec<Report>) -> bool {
        let mut at = 0;
        while at < self.resting.len() {
            let (id, request, mut trail) = self.resting[at];
            let price = self.market[request.instrument.index()]
                .and_then(|(bid, ask)| Self::price(&request, &mut trail, bid, ask));
            self.resting[at].2 = trail;
            match price {
                Some(price) => {
                    self.resting.remove(at);
                    self.fill(now, id, &request, price, out);
                    return true;
                }
                None => at += 1,
            }
        }
        false
    }
}

impl Venue for TestVenue {
    fn submit(&mut self, now: UnixNanos, order: ApprovedOrder, out: &mut Vec<Report>) {
        let (id, request) = (order.id(), *order.request());
        self.log.push(Sent::Order { ts: now, id, request });
        if self.refuses == Some(request.instrument) {
            out.push(report(now, id, ReportKind::Rejected(RejectReason::InsufficientFunds)));
            return;
        }
        out.push(report(now, id, ReportKind::Accepted));
        self.resting.push((id, request, None));
        if !self.delayed && request.kind == OrderKind::Market {
            self.match_first(now, out);
        }
    }
    fn modify(&mut self, now: UnixNanos, change: ApprovedModify, out: &mut Vec<Report>) {
        let (id, qty, kind) = (change.id(), change.qty(), change.kind());
        self.log.push(Sent::Modify { ts: now, id, qty, kind });
        if let Some((_, request, _)) = self.resting.iter_mut().find(|r| r.0 == id) {
            (request.qty, request.kind) = (qty, kind);
            out.push(report(now, id, ReportKind::Modified { qty, kind }));
        }
    }
    fn cancel(&mut self, now: UnixNanos, cancel: ApprovedCancel, out: &mut Vec<Report>) {
        let id = cancel.id();
        self.log.push(Sent::Cancel { ts: now, id });
        let before = self.resting.len();
        self.resting.retain(|r| r.0 != id);
        let found = self.resting.len() < before;
        out.push(report(
            now,
            id,
            if found { ReportKind::Canceled } else { ReportKind::CancelRejected(RejectReason::UnknownOrder) },
        ));
    }
    fn on_step(&mut self, step: &MarketStep, out: &mut Vec<Report>) {
        self.market[step.instrument.index()] = Some((step.bid, step.ask));
        self.match_first(step.ts, out);
    }
    fn is_indifferent(&self, _: InstrumentId, _: Price, _: Price) -> bool {
        false
    }
    fn on_status(&mut self, _: InstrumentId, _: bool, _: UnixNanos, _: &mut Vec<Report>) {}
    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }
    fn on_due(&mut self, _: UnixNanos, _: &mut Vec<Report>) {}
    fn on_end(&mut self, now: UnixNanos, out: &mut Vec<Report>) {
        while self.match_first(now, out) {}
    }
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }
    fn load(&mut self, _: &[u8]) -> Result<(), postcard::Error> {
        Ok(())
    }
}

/// How a run is set up.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) symbols: Vec<String>,
    pub(super) bars: Vec<String>,
    pub(super) hedging: bool,
    pub(super) delayed: bool,
    pub(super) cash: i64,
    pub(super) qty_digits: u8,
    /// The venue refuses orders of this one.
    pub(super) refuses: Option<&'static str>,
}

impl Setting {
    pub(super) fn new(symbols: &[&str]) -> Self {
        Self {
            symbols: symbols.iter().map(|s| (*s).to_owned()).collect(),
            bars: vec!["1m last external".to_owned()],
            hedging: false,
            delayed: false,
            cash: 100_000_000,
            qty_digits: 0,
            refuses: None,
        }
    }
}

/// A run.
pub(super) struct Run<S> {
    pub(super) engine: Engine<S, TestVenue, Vec<u8>>,
    /// Series of the market, by instrument and shape.
    series: Vec<Vec<BarSeriesId>>,
}

/// The stamp of the n-th bar, counted from 1.
pub(super) fn stamp(n: u64) -> UnixNanos {
    UnixNanos::new(n * MINUTE)
}

impl<S: Strategy> Run<S> {
    /// Why a strategy cannot be set up here.
    pub(super) fn fault(setting: &Setting, strategy: S) -> String {
        match Self::begin(setting, vec![("test", strategy)]) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it is set up without fault"),
        }
    }

    pub(super) fn new(setting: &Setting, strategy: S) -> Self {
        Self::of(setting, vec![("test", strategy)])
    }

    /// With several strategies, by name.
    pub(super) fn of(setting: &Setting, strategies: Vec<(&str, S)>) -> Self {
        Self::begin(setting, strategies).unwrap()
    }

    fn begin(setting: &Setting, strategies: Vec<(&str, S)>) -> Result<Self, EngineError> {
        let participant =
            |(name, strategy): (&str, S)| Participant { name: name.into(), strategy, accounts: Vec::new() };
        let currencies = Arc::new(CurrencyTable::freeze(vec![Currency { code: "USD".into(), digits: 2 }]).unwrap());
        let usd = currencies.id("USD").unwrap();
        let of = |symbol: &String| {
            let mut terms = Instrument::new(symbol, VenueId(0), InstrumentKind::Cfd, usd, 2, setting.qty_digits);
            terms.margin_init = "0.01".parse().unwrap();
            terms
        };
        let instruments = Arc::new(InstrumentTable::freeze(setting.symbols.iter().map(of).collect()).unwrap());
        let mut account = AccountSpec::new("SIM", VenueId(0), AccountKind::Margin);
        account.base = Some(usd);
        account.opening = vec![(usd, Money::from_int(setting.cash))];
        if setting.hedging {
            account.mode = PositionMode::Hedging;
        }
        let mut external = Vec::new();
        for (id, _) in instruments.iter() {
            for bars in &setting.bars {
                external.push((BarSpec::parse(id, bars).unwrap(), bars == &setting.bars[0]));
            }
        }
        let specs = external.clone();
        let plan = Plan {
            venues: vec!["SIM".into()],
            accounts: vec![account],
            reporting: usd,
            limits: Default::default(),
            participants: strategies.into_iter().map(participant).collect(),
            external,
            walk: Default::default(),
            build: Default::default(),
            sessions: Default::default(),
            run_id: RunId([0; 16]),
            header: Vec::new(),
            recorded: true,
            currencies,
            instruments: Arc::clone(&instruments),
        };
        let venue = TestVenue {
            delayed: setting.delayed,
            refuses: setting.refuses.and_then(|symbol| instruments.id(VenueId(0), symbol)),
            market: vec![None; instruments.len()],
            ..TestVenue::default()
        };
        let mut engine = Engine::new(plan, venue, Vec::new(), ())?;
        let mut series = vec![Vec::new(); instruments.len()];
        for (spec, _) in specs {
            let found = engine.world().series().find(|(_, known, _)| **known == spec).unwrap().0;
            series[spec.instrument.index()].push(found);
        }
        engine.start()?;
        Ok(Self { engine, series })
    }

    pub(super) fn id(&self, symbol: &str) -> InstrumentId {
        self.engine.world().instrument_by_name(symbol).unwrap()
    }

    /// A bar of prices in hundredths: open, high, low, close.
    pub(super) fn bar(&mut self, symbol: &str, ts: UnixNanos, prices: [i64; 4]) {
        let instrument = self.id(symbol);
        for at in 0..self.series[instrument.index()].len() {
            self.bar_of(self.series[instrument.index()][at], instrument, ts, prices);
        }
    }

    fn bar_of(&mut self, series: BarSeriesId, instrument: InstrumentId, ts: UnixNanos, prices: [i64; 4]) {
        let [open, high, low, close] = prices.map(|p| Price::from_units(p * 10_000_000));
        let volume = Qty::from_int(1_000);
        let bar = Bar { instrument, series, ts_event: ts, ts_recv: ts, open, high, low, close, volume };
        self.engine.on_event(&Event::Bar(bar)).unwrap();
    }

    /// A bar of the last series alone.
    pub(super) fn decide(&mut self, symbol: &str, ts: UnixNanos, prices: [i64; 4]) {
        let instrument = self.id(symbol);
        let series = *self.series[instrument.index()].last().unwrap();
        self.bar_of(series, instrument, ts, prices);
    }

    pub(super) fn quote(&mut self, symbol: &str, ts: UnixNanos, bid: i64, ask: i64) {
        let instrument = self.id(symbol);
        let (bid, ask) = (Price::from_units(bid * 10_000_000), Price::from_units(ask * 10_000_000));
        let size = Qty::from_int(1_000_000);
        let quote = Quote { instrument, ts_event: ts, ts_recv: ts, bid, ask, bid_size: size, ask_size: size };
        self.engine.on_event(&Event::Quote(quote)).unwrap();
    }

    /// What agents decided, for the strategy there is.
    pub(super) fn decision(&mut self, symbol: &str, ts: UnixNanos, side: Option<Side>, confidence_bps: u16) {
        let instrument = self.id(symbol);
        let decision = Decision {
            strategy: StrategyId(0),
            instrument,
            side,
            confidence_bps,
            cost_micro_usd: 0,
            id: 1,
            ts_event: ts,
            ts_recv: ts,
            maker: 7,
            evidence: [9; 16],
        };
        self.engine.on_event(&Event::Decision(decision)).unwrap();
    }

    /// A minute bar for each close in hundredths, opening at the close before.
    pub(super) fn closes(&mut self, symbol: &str, closes: &[i64]) {
        let mut before = closes[0];
        for (n, close) in (1..).zip(closes) {
            let [low, high] = [before.min(*close), before.max(*close)];
            self.bar(symbol, stamp(n), [before, high + 1, low - 1, *close]);
            before = *close;
        }
    }

    pub(super) fn position(&self, symbol: &str) -> Qty {
        let world = self.engine.world();
        world.ledger().net_position(starling_core::AccountId(0), self.id(symbol))
    }

    /// What the venue was sent, without stopping.
    pub(super) fn sent(self) -> Vec<Sent> {
        self.engine.finish().unwrap().venue.log
    }

    /// Stops, and what the venue was sent.
    pub(super) fn stop(mut self) -> Vec<Sent> {
        self.engine.stop().unwrap();
        self.sent()
    }
}

/// Orders as (minute, side, whole quantity), other messages left out.
pub(super) fn orders(sent: &[Sent]) -> Vec<(u64, Side, i64)> {
    let order = |sent: &Sent| match sent {
        Sent::Order { ts, request, .. } => Some((ts.get() / MINUTE, request.side, request.qty.units() / 1_000_000_000)),
        _ => None,
    };
    sent.iter().filter_map(order).collect()
}
