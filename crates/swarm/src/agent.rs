//! An agent that trades: its role, what it can do, how it has done, and the brain that says what it wants.
//!
//! Invariant: a signal is judged by the next bar of its instrument, and by nothing the brain could have seen: the track
//! record at a bar holds what was said before it. Equal bars give equal signals and equal records.
//!
//! It does not trade: a [`Signal`] is an opinion, which votes and risk turn into orders, or do not. Nor is there a strategy
//! here; a [`Brain`] brings one.

mod record;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_core::event::Bar;
use starling_core::fixed::Price;
use starling_core::id::InstrumentId;
use starling_core::{Side, UnixNanos};

use crate::id::AgentId;
use crate::task::Capabilities;
pub use record::{MOVE_MAX_PPM, PRIOR_PPM, TrackRecord};

/// One, in basis points: the unit of confidence, target and weight.
pub const UNIT: u16 = 10_000;
/// Bytes of a reason that are kept.
pub const REASON_MAX: usize = 256;
/// Instruments whose signals await judgement; of more, the one whose signal is oldest is not judged.
pub const AWAITING_MAX: usize = 4096;

/// What an agent is for, and its parameters. Windows and horizons in bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Role {
    /// Goes with the trend.
    Momentum {
        /// The quick mean.
        fast: u32,
        /// The slow one.
        slow: u32,
    },
    /// Goes against what strayed.
    MeanReversion {
        /// Over which bars mean and deviation are taken.
        window: u32,
        /// At how many thousandths of a deviation it enters.
        entry_milli: u32,
    },
    /// Trades one instrument against another.
    Pairs {
        /// The other.
        partner: InstrumentId,
        /// Over which bars the spread is taken.
        window: u32,
        /// At how many thousandths of a deviation it enters.
        entry_milli: u32,
    },
    /// Offers both sides.
    MarketMaker {
        /// From its bid to its offer, basis points.
        spread_bp: u32,
        /// Its largest position, basis points of equity.
        position_max_bp: u32,
    },
    /// Divides equity among instruments.
    Portfolio {
        /// From one division to the next.
        rebalance: u32,
        /// The volatility it aims at, basis points a year.
        volatility_bp: u32,
    },
    /// May say no.
    RiskManager {
        /// The largest sum of absolute positions it lets pass, basis points of equity.
        exposure_max_bp: u32,
        /// The loss from the peak at which it lets nothing pass but what reduces, basis points.
        drawdown_max_bp: u32,
    },
    /// Predicts.
    Forecaster {
        /// How far.
        horizon: u32,
        /// From how much.
        window: u32,
    },
    /// Reads.
    News {
        /// After how many nanoseconds a report counts half.
        half_life: u64,
    },
    /// Hands out work, and has no opinion.
    Coordinator,
}

/// Why a role's parameters make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRole {
    /// A window, horizon, spread or bound of nothing.
    #[error("{role}: {parameter} is 0: set at least 1")]
    Zero {
        /// Whose.
        role: &'static str,
        /// Which.
        parameter: &'static str,
    },
    /// A quick mean that is not quicker.
    #[error("momentum: fast {fast} is not below slow {slow}")]
    Order {
        /// The quick mean.
        fast: u32,
        /// The slow one.
        slow: u32,
    },
}

impl Role {
    /// Its name in configurations and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Momentum { .. } => "momentum",
            Self::MeanReversion { .. } => "mean_reversion",
            Self::Pairs { .. } => "pairs",
            Self::MarketMaker { .. } => "market_maker",
            Self::Portfolio { .. } => "portfolio",
            Self::RiskManager { .. } => "risk_manager",
            Self::Forecaster { .. } => "forecaster",
            Self::News { .. } => "news",
            Self::Coordinator => "coordinator",
        }
    }

    /// The ability that goes with it, one bit each; tasks for a role need it.
    #[must_use]
    pub const fn capability(&self) -> Capabilities {
        Capabilities(match self {
            Self::Momentum { .. } => 1 << 0,
            Self::MeanReversion { .. } => 1 << 1,
            Self::Pairs { .. } => 1 << 2,
            Self::MarketMaker { .. } => 1 << 3,
            Self::Portfolio { .. } => 1 << 4,
            Self::RiskManager { .. } => 1 << 5,
            Self::Forecaster { .. } => 1 << 6,
            Self::News { .. } => 1 << 7,
            Self::Coordinator => 1 << 8,
        })
    }

    /// True if its no ends a decision.
    #[must_use]
    pub const fn has_veto(&self) -> bool {
        matches!(self, Self::RiskManager { .. })
    }

    /// True if it has opinions on trades.
    #[must_use]
    pub const fn votes(&self) -> bool {
        !matches!(self, Self::Coordinator)
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub const fn check(&self) -> Result<(), BadRole> {
        let (first, second) = match *self {
            Self::Momentum { fast, slow } => {
                if fast >= slow {
                    return Err(BadRole::Order { fast, slow });
                }
                ((fast as u64, "fast"), (slow as u64, "slow"))
            }
            Self::MeanReversion { window, entry_milli } | Self::Pairs { window, entry_milli, .. } => {
                ((window as u64, "window"), (entry_milli as u64, "entry_milli"))
            }
            Self::MarketMaker { spread_bp, position_max_bp } => {
                ((spread_bp as u64, "spread_bp"), (position_max_bp as u64, "position_max_bp"))
            }
            Self::Portfolio { rebalance, volatility_bp } => {
                ((rebalance as u64, "rebalance"), (volatility_bp as u64, "volatility_bp"))
            }
            Self::RiskManager { exposure_max_bp, drawdown_max_bp } => {
                ((exposure_max_bp as u64, "exposure_max_bp"), (drawdown_max_bp as u64, "drawdown_max_bp"))
            }
            Self::Forecaster { horizon, window } => ((horizon as u64, "horizon"), (window as u64, "window")),
            Self::News { half_life } => ((half_life, "half_life"), (1, "")),
            Self::Coordinator => return Ok(()),
        };
        if first.0 == 0 {
            return Err(BadRole::Zero { role: self.name(), parameter: first.1 });
        }
        if second.0 == 0 {
            return Err(BadRole::Zero { role: self.name(), parameter: second.1 });
        }
        Ok(())
    }
}

/// What an agent wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Of what.
    pub instrument: InstrumentId,
    /// Which way from here; none to hold.
    pub side: Option<Side>,
    /// How sure it is, 0 to [`UNIT`].
    pub confidence_bp: u16,
    /// The position it wants, as a share of equity, -[`UNIT`] to [`UNIT`].
    pub target_bp: i16,
    /// Why, for the report.
    pub reason: String,
}

impl Signal {
    fn is_valid(&self) -> bool {
        self.confidence_bp <= UNIT && self.target_bp.unsigned_abs() <= UNIT
    }
}

/// What thinks in an agent.
pub trait Brain {
    /// A bar is complete; what does it want now? None for no opinion.
    fn on_bar(&mut self, bar: &Bar) -> Option<Signal>;
}

impl<B: Brain + ?Sized> Brain for Box<B> {
    fn on_bar(&mut self, bar: &Bar) -> Option<Signal> {
        (**self).on_bar(bar)
    }
}

/// What an agent tells of itself with its heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// Who.
    pub agent: AgentId,
    /// What for.
    pub role: Role,
    /// Bars seen.
    pub bars: u64,
    /// The close of the last; [`UnixNanos::EPOCH`] before the first.
    pub last_bar: UnixNanos,
    /// How it has done.
    pub record: TrackRecord,
    /// Signals of its brain that were none, and dropped.
    pub malformed: u64,
}

/// A signal, and the price at which it was given.
#[derive(Debug, Clone, Copy)]
struct Awaiting {
    side: Option<Side>,
    target_bp: i16,
    close: Price,
    at: UnixNanos,
}

/// An agent.
#[derive(Debug)]
pub struct Agent<B> {
    id: AgentId,
    role: Role,
    brain: B,
    record: TrackRecord,
    awaiting: BTreeMap<InstrumentId, Awaiting>,
    bars: u64,
    last_bar: UnixNanos,
    malformed: u64,
}

impl<B: Brain> Agent<B> {
    /// An agent without a past.
    ///
    /// # Errors
    /// Parameters of its role that make no sense.
    pub fn new(id: AgentId, role: Role, brain: B) -> Result<Self, BadRole> {
        role.check()?;
        Ok(Self {
            id,
            role,
            brain,
            record: TrackRecord::default(),
            awaiting: BTreeMap::new(),
            bars: 0,
            last_bar: UnixNanos::EPOCH,
            malformed: 0,
        })
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> AgentId {
        self.id
    }

    /// Its role.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// How it has done.
    #[must_use]
    pub const fn record(&self) -> &TrackRecord {
        &self.record
    }

    /// What thinks in it.
    #[must_use]
    pub const fn brain(&self) -> &B {
        &self.brain
    }

    /// What it tells with its heartbeat.
    #[must_use]
    pub const fn pulse(&self) -> Pulse {
        let Self { id: agent, role, bars, last_bar, record, malformed, .. } = *self;
        Pulse { agent, role, bars, last_bar, record, malformed }
    }

    /// Judges the last signal on the bar's instrument by the bar, then asks the brain.
    pub fn on_bar(&mut self, bar: &Bar) -> Option<Signal> {
        self.bars += 1;
        self.last_bar = bar.ts_event;
        if let Some(said) = self.awaiting.remove(&bar.instrument) {
            self.record.judge(said.side, said.target_bp, said.close, bar.close);
        }
        let mut signal = self.brain.on_bar(bar)?;
        if !signal.is_valid() {
            self.malformed += 1;
            return None;
        }
        let end = signal.reason.floor_char_boundary(REASON_MAX);
        signal.reason.truncate(end);
        if signal.instrument == bar.instrument {
            let Signal { side, target_bp, .. } = signal;
            self.awaiting.insert(bar.instrument, Awaiting { side, target_bp, close: bar.close, at: bar.ts_event });
            if self.awaiting.len() > AWAITING_MAX
                && let Some(oldest) = self.awaiting.iter().min_by_key(|(_, said)| said.at).map(|(id, _)| *id)
            {
                self.awaiting.remove(&oldest);
            }
        }
        Some(signal)
    }
}

#[cfg(test)]
mod tests;
