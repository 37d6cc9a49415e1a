//! Swarms that trade: agents with the engine's strategies in them, a council, and decisions as a feed of events.
//!
//! ```text
//!  data ─► feed ─► conference: hall ─► delegate ── seat ── brain (an engine with the agent's strategies, on paper)
//!                    │                    ├────── board (how every agent has done: the weights)
//!                    │                    └────── node ── consensus        (starling-swarm)
//!                    │         or: chair ═ line ═ outpost ─► delegate, each in a process of its own
//!                    └─► decisions ─► the sequencer ─► journal ─► the strategy that follows
//! ```
//!
//! Invariant: the sequencer sees a swarm as one more source of events. A replay reads the decisions from the journal and
//! opens no hall; the run is the same to the byte.

pub mod brain;
pub mod conference;
pub mod delegate;
pub mod feed;
pub mod hall;
pub mod remote;
pub mod seat;
pub mod stamps;

use starling_core::UnixNanos;
use starling_core::journal::JournalError;
use starling_engine::EngineError;
use starling_swarm::consensus::council::BadCouncil;
use starling_swarm::consensus::statement::BadCertificate;
use starling_swarm::cost::Spent;
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
    /// Agents in processes of their own did not answer.
    #[error(
        "the agents did not agree about the bar at {stamp} within {waited_s} s: {missing}; raise swarm.process.patience if they need longer"
    )]
    Silent {
        /// The bar.
        stamp: UnixNanos,
        /// How long they were waited for.
        waited_s: u64,
        /// Who is missing what.
        missing: String,
    },
    /// Two members hold different votes for final.
    #[error(
        "agent `{agent}` holds another decision about the bar at {stamp} than the others: this is a fault in Starling, report it"
    )]
    Diverged {
        /// Who.
        agent: String,
        /// The bar.
        stamp: UnixNanos,
    },
    /// A certificate that does not hold.
    #[error("agent `{agent}` sent a decision that is not signed as it must be: {cause}")]
    Forged {
        /// Who.
        agent: String,
        /// Why.
        cause: BadCertificate,
    },
    /// What an agent says cannot be read, or is out of place.
    #[error("agent `{agent}` says what nobody understands ({what}): parent and agents must be of one release")]
    Language {
        /// Who.
        agent: String,
        /// What is wrong.
        what: String,
    },
    /// An agent was shown a bar again.
    #[error(
        "shown the bar at {stamp} after that at {seen}: an agent's parent mixes up its children, report it as a fault in Starling"
    )]
    Twice {
        /// The bar.
        stamp: UnixNanos,
        /// The last it had seen.
        seen: UnixNanos,
    },
    /// An agent stopped and said why.
    #[error("agent `{agent}`: {why}")]
    Stopped {
        /// Who.
        agent: String,
        /// Its own words.
        why: String,
    },
    /// An agent died too often.
    #[error(
        "agent `{agent}` died more often than swarm.process.deaths_max allows, the last time by {how}: the swarm waits for every vote and cannot go on without it"
    )]
    GivenUp {
        /// Who.
        agent: String,
        /// How it died last, or why it could not be started.
        how: String,
    },
    /// A budget is spent.
    #[error("the budget is spent: {0}")]
    Spent(#[from] Spent),
    /// Somebody wants it to end.
    #[error("interrupted at the bar of {stamp}")]
    Interrupted {
        /// The bar.
        stamp: UnixNanos,
    },
    /// The processes, or the links between them.
    #[error("{0}")]
    Line(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The data cannot be read.
    #[error(transparent)]
    Feed(starling_market::feed::FeedError),
    /// A provider that this program has not.
    #[error("swarm.provider = \"process\" needs a program that can start processes: run it with `starling`")]
    NoProvider,
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
