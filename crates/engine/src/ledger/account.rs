//! What an account is: its venue, its kind, and the conventions its books are kept by.

use serde::{Deserialize, Serialize};
use starling_core::instrument::InstrumentKind;
use starling_core::{CurrencyId, Instrument, InstrumentId, Money, PositionId, Rate, Rounding, StrategyId, VenueId};

use super::fx::{FxSide, Valuation};
use super::posting::TrialBalance;

/// What changes hands in a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Pairs exchange two currencies, shares are paid for; derivatives settle their profit, as in a margin account.
    Cash,
    /// Only profit, commission and funding move cash.
    Margin,
}

/// How fills become positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionMode {
    /// One position per (account, instrument, strategy), for the whole run.
    Netting,
    /// Each fill that names no position opens one.
    Hedging,
}

/// Which cost leaves first when a position is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostMethod {
    /// The same share of the whole cost as of the quantity.
    #[default]
    Average,
    /// The oldest lot's.
    Fifo,
}

/// An account as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSpec {
    /// Its name, unique per run.
    pub name: String,
    /// Where it is.
    pub venue: VenueId,
    /// What changes hands.
    pub kind: AccountKind,
    /// How fills become positions.
    pub mode: PositionMode,
    /// The currency into which profit, commission and funding are converted as they arise; `None` keeps each in its
    /// own.
    pub base: Option<CurrencyId>,
    /// Opening balances.
    pub opening: Vec<(CurrencyId, Money)>,
    /// Which cost leaves first.
    pub cost: CostMethod,
    /// Divides the margin requirements.
    pub leverage: Rate,
    /// Leverage of single instruments, in place of `leverage`.
    pub leverage_by: Vec<(InstrumentId, Rate)>,
    /// The side at which fills are converted into `base`.
    pub fx: FxSide,
    /// The price at which what is open is valued.
    pub valuation: Valuation,
    /// How amounts become whole smallest units of their currency.
    pub rounding: Rounding,
}

impl AccountSpec {
    /// An account with the plainest terms: netting, no base, average cost, leverage 1, defaults else.
    #[must_use]
    pub fn new(name: impl Into<String>, venue: VenueId, kind: AccountKind) -> Self {
        Self {
            name: name.into(),
            venue,
            kind,
            mode: PositionMode::Netting,
            base: None,
            opening: Vec::new(),
            cost: CostMethod::default(),
            leverage: Rate::ONE,
            leverage_by: Vec::new(),
            fx: FxSide::default(),
            valuation: Valuation::default(),
            rounding: Rounding::default(),
        }
    }

    /// The leverage that an instrument is traded at.
    #[must_use]
    pub fn leverage_of(&self, instrument: InstrumentId) -> Rate {
        self.leverage_by.iter().find(|(id, _)| *id == instrument).map_or(self.leverage, |(_, rate)| *rate)
    }

    /// How a trade of this instrument settles here.
    #[must_use]
    pub fn settling(&self, instrument: &Instrument) -> Settling {
        match (self.kind, instrument.kind) {
            _ if instrument.inverse => Settling::Profit,
            (AccountKind::Margin, _) => Settling::Profit,
            (AccountKind::Cash, InstrumentKind::Pair) => Settling::Exchange,
            (AccountKind::Cash, InstrumentKind::Equity) => Settling::Holding,
            (AccountKind::Cash, _) => Settling::Profit,
        }
    }
}

/// How a trade settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settling {
    /// Two currencies change hands.
    Exchange,
    /// Shares against cash.
    Holding,
    /// Nothing but profit moves.
    Profit,
}

/// Sums of an account or a strategy in one currency: the account's base, if it has one, else the currency in which
/// each amount arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Realised profit before commission and funding.
    pub realised: Money,
    /// Commission paid.
    pub commission: Money,
    /// Funding received.
    pub funding: Money,
}

impl Totals {
    pub(super) fn add(&mut self, other: Self) {
        self.realised += other.realised;
        self.commission += other.commission;
        self.funding += other.funding;
    }
}

/// An open position's place: ordered so that one currency's, and one instrument's, stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct OpenPosition {
    pub(super) settlement: CurrencyId,
    pub(super) instrument: InstrumentId,
    pub(super) position: PositionId,
}

/// The books of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountState {
    /// By currency.
    pub(super) books: Vec<TrialBalance>,
    /// By currency.
    pub(super) totals: Vec<Totals>,
    /// Sorted by strategy, then currency.
    pub(super) strategies: Vec<((StrategyId, CurrencyId), Totals)>,
    /// Sorted.
    pub(super) open: Vec<OpenPosition>,
    /// Changes of state, the opening one included.
    pub(super) events: u64,
}

impl AccountState {
    pub(super) fn record(&mut self, strategy: StrategyId, currency: CurrencyId, what: Totals) {
        if what == Totals::default() {
            return;
        }
        self.totals[currency.index()].add(what);
        let key = (strategy, currency);
        match self.strategies.binary_search_by_key(&key, |(k, _)| *k) {
            Ok(at) => self.strategies[at].1.add(what),
            Err(at) => self.strategies.insert(at, (key, what)),
        }
    }

    /// The open positions of an instrument.
    pub(super) fn open_of(&self, settlement: CurrencyId, instrument: InstrumentId) -> &[OpenPosition] {
        let from = self.open.partition_point(|o| (o.settlement, o.instrument) < (settlement, instrument));
        let len = self.open[from..].iter().take_while(|o| o.instrument == instrument).count();
        &self.open[from..from + len]
    }
}
