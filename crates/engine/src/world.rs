//! What is known: marks, books, live orders, series and features, as strategies and risk read it.
//!
//! Invariant: only the sequencer changes it, one event at a time; everybody else holds a shared reference.

use std::sync::Arc;

use starling_core::event::TradingStatus;
use starling_core::{
    AccountId, Bar, BarSeriesId, CurrencyId, CurrencyTable, InstrumentId, InstrumentTable, Money, PositionId, Qty,
    StrategyId, UnixNanos,
};
use starling_market::bar::{Aggregator, BarSeriesTable, BarSource, BarSpec, BuildOptions, Sessions};
use starling_market::feature::FeatureSet;
use starling_market::indicator::Candle;

use crate::ledger::{AccountKind, Ledger, PositionMode};
use crate::marks::Marks;
use crate::orders::OrderStore;
use crate::risk::{self, AccountTerms, Reference, RiskView};
use crate::strategy::StrategyError;

/// A series of bars and what hangs on it.
#[derive(Debug)]
pub(crate) struct Series {
    /// Builds it, if it is not external.
    pub(crate) aggregator: Option<Box<Aggregator>>,
    pub(crate) features: FeatureSet,
    pub(crate) last: Option<Bar>,
    pub(crate) subscribers: Vec<StrategyId>,
    /// Its bars move the market that orders meet.
    pub(crate) executes: bool,
    /// Beside quotes that do: its closes are the last traded price, that sizes are told by.
    pub(crate) tells_last: bool,
}

/// Who listens to an instrument, and what is built from it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Listeners {
    pub(crate) quotes: Vec<StrategyId>,
    pub(crate) trades: Vec<StrategyId>,
    /// Series built from its quotes or trades.
    pub(crate) series: Vec<BarSeriesId>,
}

/// The state of a run that strategies and risk may read.
#[derive(Debug)]
pub struct World {
    pub(crate) now: UnixNanos,
    pub(crate) instruments: Arc<InstrumentTable>,
    pub(crate) currencies: Arc<CurrencyTable>,
    pub(crate) venues: Vec<String>,
    /// Names of the strategies, by id.
    pub(crate) strategies: Vec<String>,
    pub(crate) marks: Marks,
    pub(crate) ledger: Ledger,
    pub(crate) orders: OrderStore,
    pub(crate) status: Vec<TradingStatus>,
    pub(crate) table: BarSeriesTable,
    pub(crate) series: Vec<Series>,
    pub(crate) sessions: Sessions,
    pub(crate) build: BuildOptions,
    pub(crate) listeners: Vec<Listeners>,
    /// The currency that each account's limits and equity are told in.
    pub(crate) reporting: Vec<CurrencyId>,
}

impl World {
    /// The stamp of the event in hand.
    #[must_use]
    pub fn now(&self) -> UnixNanos {
        self.now
    }
    /// The instruments.
    #[must_use]
    pub fn instruments(&self) -> &InstrumentTable {
        &self.instruments
    }
    /// The currencies.
    #[must_use]
    pub fn currencies(&self) -> &CurrencyTable {
        &self.currencies
    }
    /// Last known prices.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }
    /// The books.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    /// The live orders.
    #[must_use]
    pub fn orders(&self) -> &OrderStore {
        &self.orders
    }
    /// Whether an instrument trades now.
    #[must_use]
    pub fn status(&self, instrument: InstrumentId) -> TradingStatus {
        self.status[instrument.index()]
    }
    /// Names of the venues, by id.
    #[must_use]
    pub fn venues(&self) -> &[String] {
        &self.venues
    }
    /// The strategy of a name.
    #[must_use]
    pub fn strategy_by_name(&self, name: &str) -> Option<StrategyId> {
        self.strategies.iter().position(|known| known == name).map(StrategyId::from)
    }
    /// An instrument's name: symbol, point, venue.
    #[must_use]
    pub fn name(&self, instrument: InstrumentId) -> String {
        let terms = self.instruments.get(instrument);
        format!("{}.{}", terms.symbol, self.venues[terms.venue.index()])
    }
    /// The instrument of a name; the venue may be left out where the symbol is unique.
    #[must_use]
    pub fn instrument_by_name(&self, name: &str) -> Option<InstrumentId> {
        let ids = || (0..self.instruments.len()).map(InstrumentId::from);
        ids().find(|id| self.name(*id) == name).or_else(|| {
            let mut alike = ids().filter(|id| self.instruments.get(*id).symbol == name);
            alike.next().filter(|_| alike.next().is_none())
        })
    }
    /// The currency that an account's equity is told in.
    #[must_use]
    pub fn reporting_currency(&self, account: AccountId) -> CurrencyId {
        self.reporting[account.index()]
    }
    /// Equity of an account in the currency that an instrument's profit lands in: the base, if it has one.
    #[must_use]
    pub fn equity_for(&self, account: AccountId, instrument: InstrumentId) -> Option<Money> {
        let base = self.ledger.account(account).base;
        let currency = base.unwrap_or_else(|| self.instruments.get(instrument).settlement());
        self.ledger.equity(account, currency, &self.marks)
    }
    /// The features of a series.
    #[must_use]
    pub fn features(&self, series: BarSeriesId) -> &FeatureSet {
        &self.series[series.index()].features
    }
    /// The latest bar of a series.
    #[must_use]
    pub fn last_bar(&self, series: BarSeriesId) -> Option<&Bar> {
        self.series[series.index()].last.as_ref()
    }
    /// All series with their specification and features, in id order.
    pub fn series(&self) -> impl Iterator<Item = (BarSeriesId, &BarSpec, &FeatureSet)> {
        self.series.iter().zip(self.table.iter()).map(|(s, (id, spec))| (id, spec, &s.features))
    }

    /// The id of a series.
    #[must_use]
    pub fn series_id(&self, spec: &BarSpec) -> Option<BarSeriesId> {
        self.table.id(spec)
    }

    pub(crate) fn features_mut(&mut self, series: BarSeriesId) -> &mut FeatureSet {
        &mut self.series[series.index()].features
    }

    /// Registers a series, and below it what it is composed of.
    pub(crate) fn series_or_new(&mut self, spec: BarSpec) -> Result<BarSeriesId, StrategyError> {
        let id = self.table.insert(spec)?;
        while self.series.len() < self.table.len() {
            let new = BarSeriesId::from(self.series.len());
            let spec = self.table.get(new);
            let aggregator = match spec.shape.source {
                BarSource::External => None,
                _ => Some(Box::new(Aggregator::new(&self.table, new, &self.sessions, self.build)?)),
            };
            if spec.shape.source == BarSource::Internal {
                self.listeners[spec.instrument.index()].series.push(new);
            }
            self.series.push(Series {
                aggregator,
                features: FeatureSet::new(),
                last: None,
                subscribers: Vec::new(),
                executes: false,
                tells_last: false,
            });
        }
        Ok(id)
    }

    pub(crate) fn subscribe_bars(&mut self, series: BarSeriesId, strategy: StrategyId) {
        subscribe(&mut self.series[series.index()].subscribers, strategy);
    }
    pub(crate) fn subscribe_quotes(&mut self, instrument: InstrumentId, strategy: StrategyId) {
        subscribe(&mut self.listeners[instrument.index()].quotes, strategy);
    }
    pub(crate) fn subscribe_trades(&mut self, instrument: InstrumentId, strategy: StrategyId) {
        subscribe(&mut self.listeners[instrument.index()].trades, strategy);
    }
}

fn subscribe(list: &mut Vec<StrategyId>, strategy: StrategyId) {
    if let Err(at) = list.binary_search(&strategy) {
        list.insert(at, strategy);
    }
}

/// A bar as indicators read it.
#[must_use]
#[inline]
pub fn candle(bar: &Bar) -> Candle {
    Candle {
        open: bar.open.to_f64(),
        high: bar.high.to_f64(),
        low: bar.low.to_f64(),
        close: bar.close.to_f64(),
        volume: bar.volume.to_f64(),
    }
}

impl RiskView for World {
    fn instrument(&self, instrument: InstrumentId) -> &starling_core::Instrument {
        self.instruments.get(instrument)
    }
    fn reference(&self, instrument: InstrumentId) -> Option<Reference> {
        let mark = self.marks.get(instrument)?;
        Some(Reference { bid: Some(mark.bid), ask: Some(mark.ask), last: Some(mark.last), ts: mark.ts })
    }
    fn status(&self, instrument: InstrumentId) -> TradingStatus {
        self.status[instrument.index()]
    }
    fn account(&self, account: AccountId) -> AccountTerms {
        let spec = self.ledger.account(account);
        AccountTerms {
            kind: match spec.kind {
                AccountKind::Cash => risk::AccountKind::Cash,
                AccountKind::Margin => risk::AccountKind::Margin,
            },
            hedging: spec.mode == PositionMode::Hedging,
        }
    }
    fn net_position(&self, account: AccountId, instrument: InstrumentId) -> Qty {
        self.ledger.net_position(account, instrument)
    }
    fn position(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
        position: PositionId,
    ) -> Qty {
        match self.ledger.account(account).mode {
            PositionMode::Netting => self.ledger.strategy_position(account, instrument, strategy),
            PositionMode::Hedging => self.ledger.position(position).map_or(Qty::ZERO, |p| p.qty),
        }
    }
    fn free_balance(&self, account: AccountId, currency: CurrencyId) -> Money {
        self.ledger.balance(account, currency)
    }
    fn equity(&self, account: AccountId) -> Option<Money> {
        self.ledger.equity(account, self.reporting_currency(account), &self.marks)
    }
    fn margin_used(&self, account: AccountId) -> Money {
        let currency = self.reporting_currency(account);
        self.ledger.margin_used(account, currency, &self.marks).unwrap_or(Money::MAX)
    }
    fn gross_notional(&self, account: AccountId) -> Option<Money> {
        self.ledger.gross_notional(account, self.reporting_currency(account), &self.marks)
    }
    fn convert(&self, amount: Money, from: CurrencyId, account: AccountId) -> Option<Money> {
        self.ledger.convert(account, amount, from, self.reporting_currency(account), &self.marks)
    }
}
