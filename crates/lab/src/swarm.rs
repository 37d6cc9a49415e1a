//! Swarms that trade: agents with the engine's strategies in them, a council, and decisions as a feed of events.
//!
//! ```text
//!  data ─► feed ─► hall ─► delegate ── seat ── brain (an engine with the agent's strategies, on paper)
//!                    │         ├────── board (how every agent has done: the weights)
//!                    │         └────── node ── consensus        (starling-swarm)
//!                    └─► decisions ─► the sequencer ─► journal ─► the strategy that follows
//! ```
//!
//! Invariant: the sequencer sees a swarm as one more source of events. A replay reads the decisions from the journal and
//! opens no hall; the run is the same to the byte.

pub mod brain;
pub mod delegate;
pub mod feed;
pub mod hall;
pub mod seat;

use starling_core::UnixNanos;
use starling_core::journal::JournalError;
use starling_engine::EngineError;
use starling_swarm::consensus::council::BadCouncil;
use starling_swarm::identity::IdentityError;
use starling_swarm::transport::SendError;

use crate::run::RunError;

/// Why a swarm cannot confer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwarmError {
    /// An agent's strategies cannot be set up.
    #[error("an agent: {0}")]
    Agent(#[source] Box<RunError>),
    /// An agent's strategies stopped.
    #[error("an agent: {0}")]
    Strategy(#[from] EngineError),
    /// The council is not possible.
    #[error(transparent)]
    Council(#[from] BadCouncil),
    /// A key is not possible.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A message to nobody.
    #[error(transparent)]
    Transport(#[from] SendError),
    /// The agents never agree.
    #[error(
        "the agents did not agree about the bar at {stamp}, and never will: this is a fault in Starling, report it"
    )]
    Endless {
        /// The bar.
        stamp: UnixNanos,
    },
    /// The journal that decisions are read from is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A decision of the journal is not readable.
    #[error("record {record} of the journal is no decision: {cause}; it was written by another version")]
    Decision {
        /// The record.
        record: u64,
        /// What is wrong.
        cause: postcard::Error,
    },
}

impl From<RunError> for SwarmError {
    fn from(error: RunError) -> Self {
        Self::Agent(Box::new(error))
    }
}
