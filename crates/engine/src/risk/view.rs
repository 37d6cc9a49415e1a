//! What the gate must know of the engine, as a trait: positions, balances, marks, status.
//!
//! Invariant: the gate reads the view and never keeps what it read beyond one call. What it deliberately does not hold:
//! anything the gate counts itself (open orders, reservations, rates).

use starling_core::event::TradingStatus;
use starling_core::{
    AccountId, CurrencyId, Instrument, InstrumentId, Money, PositionId, Price, Qty, Side, StrategyId, UnixNanos,
    VenueId,
};

/// The market of an instrument as last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Best bid, where quotes are seen.
    pub bid: Option<Price>,
    /// Best ask, where quotes are seen.
    pub ask: Option<Price>,
    /// Last trade, or close of the last bar.
    pub last: Option<Price>,
    /// When the youngest of them was received.
    pub ts: UnixNanos,
}

impl Reference {
    /// Where an order of this side would trade now: the other side's quote, else the last trade, else the own side's.
    #[must_use]
    pub fn price(&self, side: Side) -> Option<Price> {
        match side {
            Side::Buy => self.ask.or(self.last).or(self.bid),
            Side::Sell => self.bid.or(self.last).or(self.ask),
        }
    }
}

/// How an account pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// What is bought is paid in full, what is sold was held.
    Cash,
    /// Positions are carried against margin.
    Margin,
}

/// The terms of an account that bear on risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountTerms {
    /// How it pays.
    pub kind: AccountKind,
    /// True if an instrument may be held in several positions at once, long and short.
    pub hedging: bool,
}

/// The engine as the gate sees it. All amounts are as of now, before any open order.
pub trait RiskView {
    /// The terms of an instrument.
    fn instrument(&self, instrument: InstrumentId) -> &Instrument;
    /// Its market as last seen; `None` before anything was seen.
    fn reference(&self, instrument: InstrumentId) -> Option<Reference>;
    /// Whether it trades now.
    fn status(&self, instrument: InstrumentId) -> TradingStatus;
    /// How far our clock and the venue's were last found apart, in nanoseconds; `None` where nobody measures it (as in
    /// a backtest), which passes.
    fn clock_skew(&self, venue: VenueId) -> Option<u64> {
        let _ = venue;
        None
    }
    /// The terms of an account.
    fn account(&self, account: AccountId) -> AccountTerms;
    /// Signed sum of the account's positions in an instrument.
    fn net_position(&self, account: AccountId, instrument: InstrumentId) -> Qty;
    /// Signed quantity of the position that an order of `strategy` naming `position` would change. With
    /// [`PositionId::NONE`]: the net position when netting, zero when hedging (it opens a new one).
    fn position(&self, account: AccountId, instrument: InstrumentId, strategy: StrategyId, position: PositionId)
    -> Qty;
    /// Settled balance of a currency that nothing but open orders may lay claim to (the gate knows those).
    fn free_balance(&self, account: AccountId, currency: CurrencyId) -> Money;
    /// Equity in the account's reporting currency; `None` if something held cannot be valued.
    fn equity(&self, account: AccountId) -> Option<Money>;
    /// Initial margin that open positions tie up, in the reporting currency.
    fn margin_used(&self, account: AccountId) -> Money;
    /// Sum of the values of all open positions without their signs, in the reporting currency; `None` if one cannot be
    /// valued.
    fn gross_notional(&self, account: AccountId) -> Option<Money>;
    /// An amount in the account's reporting currency; `None` without a rate.
    fn convert(&self, amount: Money, from: CurrencyId, account: AccountId) -> Option<Money>;
    /// The largest fee an order can cost, in the settlement currency; `None` leaves it to the instrument's rates. For
    /// venues whose commissions are not proportional.
    fn fee_worst(&self, account: AccountId, instrument: InstrumentId, qty: Qty, price: Price) -> Option<Money> {
        let _ = (account, instrument, qty, price);
        None
    }
}
