//! Events: everything the sequencer consumes, as fixed-size values.
//!
//! Invariant: an [`Event`] is `Copy`, holds ids instead of names, and carries both stamps: `ts_event` (when it happened
//! at its origin) and `ts_recv` (when this system could know it). The total order of a run is
//! (`ts_recv`, source priority, sequence).

use serde::{Deserialize, Serialize};

use crate::fixed::{Price, Qty, Rate};
use crate::id::{InstrumentId, StrategyId};
use crate::order::Side;
use crate::time::UnixNanos;

/// A series of bars (instrument, interval, price side, who builds it), by its place in the run's series table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct BarSeriesId(pub u32);

impl BarSeriesId {
    /// The place in its table.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<usize> for BarSeriesId {
    fn from(index: usize) -> Self {
        Self(u32::try_from(index).expect("BarSeriesId within its width"))
    }
}

/// Best bid and ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// What is quoted.
    pub instrument: InstrumentId,
    /// When the venue published it.
    pub ts_event: UnixNanos,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// Best price to sell at.
    pub bid: Price,
    /// Best price to buy at.
    pub ask: Price,
    /// Quantity at the bid.
    pub bid_size: Qty,
    /// Quantity at the ask.
    pub ask_size: Qty,
}

/// A trade print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// What traded.
    pub instrument: InstrumentId,
    /// When it traded.
    pub ts_event: UnixNanos,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub size: Qty,
    /// Which side took liquidity, where the venue tells.
    pub aggressor: Option<Side>,
    /// The venue's trade number; 0 where it gives none.
    pub trade_id: u64,
}

/// An open-high-low-close bar, stamped at its close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The series it belongs to.
    pub series: BarSeriesId,
    /// The close of its interval.
    pub ts_event: UnixNanos,
    /// When it was received, or completed here.
    pub ts_recv: UnixNanos,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Quantity traded (ticks of a quote series).
    pub volume: Qty,
}

impl Bar {
    /// True if all four prices are one: nothing moved, or nothing traded.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.open == self.close && self.high == self.low && self.open == self.high
    }
}

/// Whether an instrument can be traded now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TradingStatus {
    /// Continuous trading.
    Open,
    /// Orders may be cancelled, nothing matches.
    Halted,
    /// Outside the session.
    Closed,
}

/// A change of an instrument's trading status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// The instrument.
    pub instrument: InstrumentId,
    /// When it takes effect.
    pub ts_event: UnixNanos,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// The new status.
    pub status: TradingStatus,
}

/// A funding payment of a perpetual falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funding {
    /// The perpetual.
    pub instrument: InstrumentId,
    /// When it is settled.
    pub ts_event: UnixNanos,
    /// When it was received.
    pub ts_recv: UnixNanos,
    /// Share of notional that longs pay to shorts; negative the other way.
    pub rate: Rate,
    /// Price it is computed at; zero takes the last mark.
    pub mark: Price,
}

/// A timer that a strategy or the engine set has come due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Who set it.
    pub strategy: StrategyId,
    /// The name the setter gave it.
    pub token: u64,
    /// When it was due.
    pub due: UnixNanos,
}

/// What an operator orders the engine to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Cancel everything and send nothing more; latched until re-armed.
    Kill,
    /// Only orders that reduce a position.
    Reduce,
    /// Trade normally again. Only a person may say this.
    Arm,
    /// Cancel a strategy's orders and let it send nothing more.
    DisableStrategy(StrategyId),
    /// Let a strategy send orders again.
    EnableStrategy(StrategyId),
    /// Cancel all orders of an instrument and send no more for it.
    HaltInstrument(InstrumentId),
    /// Allow orders of an instrument again.
    ResumeInstrument(InstrumentId),
}

/// An operator command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// When it was given.
    pub ts_recv: UnixNanos,
    /// What is ordered.
    pub kind: CommandKind,
}

/// What agents outside the sequencer (a swarm, a model) decided about one instrument.
///
/// Its latency is `ts_recv - ts_event`. It holds what a replay needs to act the same; what it was made from lies with its
/// makers, under `evidence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The strategy that carries it out.
    pub strategy: StrategyId,
    /// What it is about.
    pub instrument: InstrumentId,
    /// Which way to stand; `None` for not at all.
    pub side: Option<Side>,
    /// How sure its makers are, in basis points: 0 to 10,000.
    pub confidence_bps: u16,
    /// What it cost to make, in millionths of a dollar.
    pub cost_micro_usd: u32,
    /// Its number among the decisions of its makers.
    pub id: u64,
    /// The stamp of the data that it was made from.
    pub ts_event: UnixNanos,
    /// When it was final, and known here.
    pub ts_recv: UnixNanos,
    /// Who made it: the first eight bytes of a hash of their configuration, or of a model.
    pub maker: u64,
    /// Hash of what justifies it: a certificate of votes, a rationale; BLAKE3, first 16 bytes.
    pub evidence: [u8; 16],
}

/// Everything that enters the sequencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// Best bid and ask.
    Quote(Quote),
    /// A trade print.
    Trade(Trade),
    /// A bar made elsewhere.
    Bar(Bar),
    /// A halt, a resumption, an open or a close.
    Status(StatusChange),
    /// A funding payment.
    Funding(Funding),
    /// A timer.
    Timer(Timer),
    /// An operator command.
    Command(Command),
    /// A decision of agents.
    Decision(Decision),
}

impl Event {
    /// The stamp that orders the run.
    #[must_use]
    #[inline]
    pub fn ts(&self) -> UnixNanos {
        match self {
            Self::Quote(e) => e.ts_recv,
            Self::Trade(e) => e.ts_recv,
            Self::Bar(e) => e.ts_recv,
            Self::Status(e) => e.ts_recv,
            Self::Funding(e) => e.ts_recv,
            Self::Timer(e) => e.due,
            Self::Command(e) => e.ts_recv,
            Self::Decision(e) => e.ts_recv,
        }
    }

    /// The instrument it is about, if it is about one.
    #[must_use]
    pub fn instrument(&self) -> Option<InstrumentId> {
        match self {
            Self::Quote(e) => Some(e.instrument),
            Self::Trade(e) => Some(e.instrument),
            Self::Bar(e) => Some(e.instrument),
            Self::Status(e) => Some(e.instrument),
            Self::Funding(e) => Some(e.instrument),
            Self::Decision(e) => Some(e.instrument),
            Self::Timer(_) | Self::Command(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stays_within_two_cache_lines() {
        assert!(size_of::<Event>() <= 80, "{}", size_of::<Event>());
    }
}
