//! A desk to trade at: an engine's view with every number settable, and a gate over it.

mod cases;
mod document;
mod reference;
mod reservations;
mod state;

use std::collections::BTreeMap;

use starling_core::event::{CommandKind, TradingStatus};
use starling_core::instrument::{Currency, InstrumentKind};
use starling_core::time::{DAY, HOUR, SECOND};
use starling_core::{
    AccountId, ClientOrderId, CurrencyId, CurrencyTable, Fill, Instrument, InstrumentId, InstrumentTable, Liquidity,
    Money, OrderKind, OrderRequest, PositionId, Price, Qty, Rate, Side, StrategyId, TimeInForce, UnixNanos, VenueId,
};

use super::*;

const BTC: CurrencyId = CurrencyId(0);
const USD: CurrencyId = CurrencyId(1);
/// A share: tick 0.01, lot 1.
const SHARE: InstrumentId = InstrumentId(0);
/// A coin pair in dollars: tick 0.01, lot 0.001, taker fee 0.1 %.
const COIN: InstrumentId = InstrumentId(1);
/// A future of 50 dollars a point, 10 % initial margin.
const FUTURE: InstrumentId = InstrumentId(2);
/// An inverse perpetual of 1 dollar a contract that settles in bitcoin, 1 % initial margin, at the second venue.
const INVERSE: InstrumentId = InstrumentId(3);
const ACCOUNT: AccountId = AccountId(0);
const STRATEGY: StrategyId = StrategyId(1);
/// Monday, 2024-01-01, noon.
const NOON: UnixNanos = UnixNanos::new(19_723 * DAY + 12 * HOUR);

fn price(text: &str) -> Price {
    text.parse().unwrap()
}
fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}
fn money(text: &str) -> Money {
    text.parse().unwrap()
}
fn buy(instrument: InstrumentId, q: &str, p: &str) -> OrderRequest {
    OrderRequest::limit(instrument, Side::Buy, qty(q), price(p))
}
fn sell(instrument: InstrumentId, q: &str, p: &str) -> OrderRequest {
    OrderRequest::limit(instrument, Side::Sell, qty(q), price(p))
}

/// What the engine would know.
#[derive(Debug, Clone)]
struct Desk {
    instruments: InstrumentTable,
    currencies: CurrencyTable,
    reference: Option<Reference>,
    status: TradingStatus,
    skew: Option<u64>,
    terms: AccountTerms,
    net: BTreeMap<InstrumentId, Qty>,
    positions: BTreeMap<PositionId, Qty>,
    balances: BTreeMap<CurrencyId, Money>,
    equity: Option<Money>,
    margin_used: Money,
    gross: Option<Money>,
    /// Dollars for a bitcoin.
    rate: Option<i64>,
}

impl Desk {
    fn new(kind: AccountKind) -> Self {
        let currencies =
            ["USD", "BTC"].map(|code| Currency { code: code.into(), digits: CurrencyTable::default_digits(code) });
        let mut share = Instrument::new("ACME", VenueId(0), InstrumentKind::Equity, USD, 2, 0);
        share.margin_init = "0.5".parse().unwrap();
        let mut coin = Instrument::new("BTC/USD", VenueId(0), InstrumentKind::Pair, USD, 2, 3);
        coin.base = Some(BTC);
        coin.taker_fee = "0.001".parse().unwrap();
        coin.margin_init = "0.2".parse().unwrap();
        let mut future = Instrument::new("ES", VenueId(0), InstrumentKind::Future, USD, 2, 0);
        future.multiplier = Qty::from_int(50);
        future.margin_init = "0.1".parse().unwrap();
        let mut inverse = Instrument::new("XBTUSD", VenueId(1), InstrumentKind::Perpetual, USD, 1, 0);
        inverse.base = Some(BTC);
        inverse.inverse = true;
        inverse.margin_init = "0.01".parse().unwrap();
        Self {
            instruments: InstrumentTable::freeze(vec![share, coin, future, inverse]).unwrap(),
            currencies: CurrencyTable::freeze(currencies.to_vec()).unwrap(),
            reference: Some(Reference {
                bid: Some(price("99.99")),
                ask: Some(price("100.01")),
                last: Some(price("100")),
                ts: NOON,
            }),
            status: TradingStatus::Open,
            skew: None,
            terms: AccountTerms { kind, hedging: false },
            net: BTreeMap::new(),
            positions: BTreeMap::new(),
            balances: BTreeMap::from([(USD, Money::from_int(1_000_000)), (BTC, Money::from_int(10))]),
            equity: Some(Money::from_int(1_000_000)),
            margin_used: Money::ZERO,
            gross: Some(Money::ZERO),
            rate: Some(100),
        }
    }
}

impl RiskView for Desk {
    fn instrument(&self, instrument: InstrumentId) -> &Instrument {
        self.instruments.get(instrument)
    }
    fn reference(&self, _: InstrumentId) -> Option<Reference> {
        self.reference
    }
    fn status(&self, _: InstrumentId) -> TradingStatus {
        self.status
    }
    fn clock_skew(&self, _: VenueId) -> Option<u64> {
        self.skew
    }
    fn account(&self, _: AccountId) -> AccountTerms {
        self.terms
    }
    fn net_position(&self, _: AccountId, instrument: InstrumentId) -> Qty {
        self.net.get(&instrument).copied().unwrap_or_default()
    }
    fn position(&self, account: AccountId, instrument: InstrumentId, _: StrategyId, position: PositionId) -> Qty {
        match self.terms.hedging {
            true => self.positions.get(&position).copied().unwrap_or_default(),
            false => self.net_position(account, instrument),
        }
    }
    fn free_balance(&self, _: AccountId, currency: CurrencyId) -> Money {
        self.balances.get(&currency).copied().unwrap_or_default()
    }
    fn equity(&self, _: AccountId) -> Option<Money> {
        self.equity
    }
    fn margin_used(&self, _: AccountId) -> Money {
        self.margin_used
    }
    fn gross_notional(&self, _: AccountId) -> Option<Money> {
        self.gross
    }
    fn convert(&self, amount: Money, from: CurrencyId, _: AccountId) -> Option<Money> {
        match from {
            USD => Some(amount),
            _ => amount.units().checked_mul(self.rate?.into()).map(Money::from_units),
        }
    }
}

/// A desk, a gate, a strategy that counts its orders, and the time.
struct Rig {
    desk: Desk,
    gate: RiskGate,
    counter: u64,
    now: UnixNanos,
}

impl Rig {
    fn of(desk: Desk, set: impl FnOnce(&mut RiskLimits)) -> Self {
        let mut limits = RiskLimits::default();
        set(&mut limits);
        let gate = RiskGate::new(&limits, &desk.instruments, &desk.currencies).unwrap();
        Self { desk, gate, counter: 0, now: NOON }
    }
    fn cash(set: impl FnOnce(&mut RiskLimits)) -> Self {
        Self::of(Desk::new(AccountKind::Cash), set)
    }
    fn margin(set: impl FnOnce(&mut RiskLimits)) -> Self {
        Self::of(Desk::new(AccountKind::Margin), set)
    }
    fn next_id(&mut self) -> ClientOrderId {
        self.counter += 1;
        ClientOrderId::new(STRATEGY, self.counter)
    }
    fn send(&mut self, request: &OrderRequest) -> Result<ClientOrderId, Denied> {
        let id = self.next_id();
        self.verdict(id, request).map(|approval| approval.order.id())
    }
    fn verdict(&mut self, id: ClientOrderId, request: &OrderRequest) -> Result<Approval, Denied> {
        let state = self.gate.state().clone();
        let verdict = self.gate.approve(&self.desk, self.now, id, ACCOUNT, request);
        if verdict.is_err() {
            let after = self.gate.state();
            assert_eq!(state.orders, after.orders, "a denial reserves nothing");
            assert_eq!(state.recent, after.recent, "a denial is no sent order");
        }
        verdict
    }
    fn pass(&mut self, request: &OrderRequest) -> ClientOrderId {
        self.send(request).unwrap()
    }
    fn fail(&mut self, code: DenyCode, request: &OrderRequest) -> Denied {
        let denied = self.send(request).unwrap_err();
        assert_eq!(denied.code, code, "{denied}");
        assert!(denied.to_string().starts_with(code.as_str()), "{denied}");
        denied
    }
    fn modify(&mut self, id: ClientOrderId, q: &str, p: &str) -> Result<Approval<ApprovedModify>, Denied> {
        self.gate.approve_modify(&self.desk, self.now, id, qty(q), OrderKind::Limit { price: price(p) })
    }
    /// Fills part of an order, without any effect on the desk.
    fn fill(&mut self, id: ClientOrderId, request: &OrderRequest, q: &str, leaves: &str) -> Option<StateChange> {
        let fill = Fill {
            order: id,
            trade_id: 1,
            instrument: request.instrument,
            side: request.side,
            qty: qty(q),
            price: request.kind.limit().unwrap_or(price("100")),
            fee: Money::ZERO,
            fee_currency: USD,
            liquidity: Liquidity::Taker,
            position: request.position,
            ts: self.now,
        };
        self.gate.on_fill(&self.desk, self.now, &fill, qty(leaves))
    }
    fn close(&mut self, id: ClientOrderId) {
        self.gate.on_closed(&self.desk, id);
    }
    fn later(&mut self, nanos: u64) {
        self.now = self.now.saturating_add(nanos);
    }
}
