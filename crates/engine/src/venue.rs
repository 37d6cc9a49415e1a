//! What the engine needs of a venue, simulated or real.
//!
//! Invariant: a venue takes only what risk approved, and answers with [`Report`]s; everything it says comes back through
//! the sequencer. What it deliberately does not know: strategies, balances of the ledger, the journal.

use starling_core::order::{Fill, Report};
use starling_core::{AccountId, InstrumentId, PositionId, Price, Qty, UnixNanos};

use crate::risk::{ApprovedCancel, ApprovedModify, ApprovedOrder};

/// Where a step of the market comes from: it decides what may fill against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepSource {
    /// A quote: both sides are real offers.
    Quote,
    /// A trade print: somebody traded here, so both sides stand at its price.
    Trade,
    /// The first price of a bar: the market may have jumped to it.
    BarOpen,
    /// A later price of a bar: the market passed through every price between.
    BarWithin,
}

/// One step of the market of one instrument, as a matching engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketStep {
    /// The instrument.
    pub instrument: InstrumentId,
    /// When.
    pub ts: UnixNanos,
    /// Best bid.
    pub bid: Price,
    /// Best ask.
    pub ask: Price,
    /// Quantity at the bid.
    pub bid_size: Qty,
    /// Quantity at the ask.
    pub ask_size: Qty,
    /// Where it comes from.
    pub source: StepSource,
}

/// A venue. Reports are appended to `out` in the order they happened.
pub trait Venue {
    /// An approved order arrives.
    fn submit(&mut self, now: UnixNanos, order: ApprovedOrder, out: &mut Vec<Report>);
    /// An approved change arrives.
    fn modify(&mut self, now: UnixNanos, change: ApprovedModify, out: &mut Vec<Report>);
    /// A cancel arrives; for an order that has ended it is refused.
    fn cancel(&mut self, now: UnixNanos, cancel: ApprovedCancel, out: &mut Vec<Report>);
    /// The market moves.
    fn on_step(&mut self, step: &MarketStep, out: &mut Vec<Report>);
    /// True if no price between `low` and `high` of this instrument can change any order: the walk of a bar may be
    /// skipped.
    fn is_indifferent(&self, instrument: InstrumentId, low: Price, high: Price) -> bool;
    /// Trading of an instrument stops or resumes.
    fn on_status(&mut self, instrument: InstrumentId, open: bool, now: UnixNanos, out: &mut Vec<Report>);
    /// When the venue next acts by itself (messages in flight, expiries); [`UnixNanos::MAX`] for never.
    fn next_due(&self) -> UnixNanos;
    /// That moment has come.
    fn on_due(&mut self, now: UnixNanos, out: &mut Vec<Report>);
    /// A fill of this venue was booked, on `position`: the name by which orders of a hedging account will call it. A
    /// venue that numbers positions itself, or keeps no reduce-only orders, need not listen.
    fn on_booked(&mut self, _account: AccountId, _fill: &Fill, _position: PositionId, _hedging: bool) {}
    /// Gives back memory that messages and orders took, as far as none are there now.
    fn shrink_to_fit(&mut self) {}
    /// The data has ended: orders that wait for a market meet the last one.
    fn on_end(&mut self, now: UnixNanos, out: &mut Vec<Report>);
    /// Its state as bytes, for a snapshot.
    fn save(&self) -> Vec<u8>;
    /// Back to a saved state.
    fn load(&mut self, bytes: &[u8]) -> Result<(), postcard::Error>;
}
