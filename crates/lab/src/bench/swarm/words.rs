//! What a conductor tells agents, and what they answer: the control line, apart from the bus between agents.
//!
//! Invariant: a word is self-contained (postcard), and answers carry what their agent's own clock said. A role is
//! what is particular to an agent, before what is common to all, so that the common part is encoded once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_core::{Event, UnixNanos};
use starling_swarm::consensus::ballot::Choice;
use starling_swarm::consensus::council::Mode;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::id::AgentId;
use starling_swarm::identity::PublicKey;
use starling_swarm::state::Hash;
use starling_swarm::task::{Outcome, Strategy as Distribution, Task};
use starling_swarm::topology::Shape;

use crate::swarm::delegate::Seed;

/// What all agents of a swarm are told alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Charter {
    /// How many there are: places 0 and on.
    pub agents: u32,
    /// Along which edges they talk.
    pub shape: Shape,
    /// Everybody's public key, in order of their places.
    pub keys: Vec<PublicKey>,
    /// The configuration their strategies are set up in.
    pub config: String,
    /// The bars they have seen when they are ready, and execute strategies on.
    pub events: Vec<Event>,
    /// When votes are a decision.
    pub mode: Mode,
    /// How long votes are waited for, nanoseconds.
    pub patience: u64,
    /// How tasks are handled; without it the protocol of tasks is asleep.
    pub tasks: Option<Distributing>,
    /// Whether silence means death. Where nobody is killed nobody is held for dead, however slow the machine.
    pub mortal: bool,
}

impl Charter {
    /// As bytes, once for all roles.
    #[must_use]
    pub fn encode(&self) -> Arc<[u8]> {
        encode(self).into()
    }
}

/// How a swarm handles tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distributing {
    /// To whom they go.
    pub strategy: Distribution,
    /// How long a worker may be silent, nanoseconds.
    pub lease: u64,
}

/// What an agent is told when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Own {
    /// Its place.
    pub at: u32,
    /// Its secret.
    pub seed: Seed,
}

/// An agent's role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its own.
    pub own: Own,
    /// Everybody's: a [`Charter`], encoded.
    pub charter: Arc<[u8]>,
}

impl Role {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = encode(&self.own);
        bytes.extend_from_slice(&self.charter);
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// They are no role: of another release.
    pub fn decode(bytes: &[u8]) -> Result<(Own, Charter), postcard::Error> {
        let (own, charter) = postcard::take_from_bytes(bytes)?;
        Ok((own, postcard::from_bytes(charter)?))
    }
}

/// How an agent behaves when votes are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conduct {
    /// It votes this.
    Honest(Choice),
    /// It says nothing.
    Silent,
    /// It signs two votes and sends both.
    Lying(Choice, Choice),
}

/// An execution of a strategy, asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The instrument, by its place in the configuration.
    pub instrument: u16,
    /// On its last so many bars.
    pub bars: u16,
    /// So many times over, for work that takes a while; 0 is once.
    pub again: u16,
}

/// To an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Shake hands along every edge.
    Greet,
    /// What is your time?
    Time,
    /// Execute your strategy so often, on one instrument after the other.
    Execute {
        /// How often.
        executions: u32,
        /// The first instrument, and how many bars.
        first: Assignment,
        /// Nanoseconds from one to the next; 0 for as fast as it goes.
        pace: u64,
        /// Tell the others what came of each.
        tell: bool,
    },
    /// Decide about this bar.
    Vote {
        /// The bar.
        stamp: UnixNanos,
        /// What to do about it.
        conduct: Conduct,
    },
    /// Ping another so often, one after the other.
    Ping {
        /// Whom.
        to: AgentId,
        /// How often.
        count: u32,
    },
    /// Send a message to the next on the ring of numbers, who sends it on, until it has arrived so often.
    Pass {
        /// How often.
        count: u32,
        /// Bytes it carries.
        bytes: u32,
    },
    /// Send messages to the next on the ring of numbers, so many, one every so many nanoseconds.
    Offer {
        /// Which offer of the swarm, counted from 1.
        offer: u32,
        /// Nanoseconds from one to the next.
        every: u64,
        /// How many.
        count: u32,
        /// Bytes each carries.
        bytes: u32,
    },
    /// How many messages of an offer have come?
    Count,
    /// Write a value for all, then so many small ones, each when all have the one before.
    Write {
        /// Which run, so that keys differ.
        run: u32,
        /// Bytes of the first.
        bytes: u32,
        /// How many follow.
        deltas: u32,
    },
    /// What is your state?
    State,
    /// Have these done.
    Submit(Vec<Task>),
    /// What have you sent and heard so far?
    Report,
}

/// What came of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// Bars seen.
    pub bars: u32,
    /// Bars after which it wanted to stand otherwise than before.
    pub changes: u32,
    /// BLAKE3 over the side after each bar, its first half.
    pub digest: [u8; 16],
    /// Its account's equity at the end, the bits of an f64.
    pub equity: u64,
}

/// An agent's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReport {
    /// Of the whole map.
    pub hash: Hash,
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// What an agent has sent and heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Frames with messages of its own, sent, repetitions included.
    pub sent: u64,
    /// Of those, repetitions.
    pub repeated: u64,
    /// Messages delivered to it.
    pub delivered: u64,
    /// Edges those came along.
    pub hops: u64,
    /// Messages that go round, arrived here.
    pub passed: u64,
    /// Messages of others about what they executed.
    pub news: u64,
    /// Bytes of those.
    pub news_bytes: u64,
    /// Messages of its own that were not taken.
    pub refused: u64,
}

/// A message of an offer that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// When it should have left.
    pub due: UnixNanos,
    /// Nanoseconds from then to its arrival.
    pub delay: u64,
}

/// From an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It has learnt the past and is there.
    Ready {
        /// Bars it has seen.
        bars: u64,
        /// Cash it opened with, in units of 1e-9.
        cash: i128,
    },
    /// It cannot go on.
    Failed(String),
    /// Everybody it has an edge to has answered its greeting.
    Settled(Vec<AgentId>),
    /// Its clock.
    Time(UnixNanos),
    /// All executions that were asked for.
    Executed {
        /// Nanoseconds of each.
        took: Vec<u64>,
        /// What came of each.
        signals: Vec<Signals>,
    },
    /// A decision is final here.
    Decided {
        /// When it was asked to vote.
        called: UnixNanos,
        /// When it held the certificate.
        decided: UnixNanos,
        /// The certificate.
        certificate: Box<Certificate>,
    },
    /// Another was caught with two votes.
    Caught(AgentId),
    /// Round trips, nanoseconds.
    Pinged(Vec<u64>),
    /// A message that goes round has arrived so often; told by where it ended.
    Passed {
        /// When the first was sent, told by its sender's clock.
        began: UnixNanos,
        /// When the last arrived.
        ended: UnixNanos,
    },
    /// What came of an offer.
    Counted {
        /// Different messages that came, in their order.
        arrivals: Vec<Arrival>,
        /// Messages that came again.
        doubled: u64,
    },
    /// All have everything that was written.
    Written {
        /// Nanoseconds until all had the first.
        first: u64,
        /// Nanoseconds from then until all had the last.
        deltas: u64,
    },
    /// Its state.
    State(StateReport),
    /// It begins an attempt at a task, and says so before it does anything for it.
    Began {
        /// The task.
        key: u64,
    },
    /// It ran an attempt at a task.
    Ran {
        /// The task.
        key: u64,
    },
    /// A task of its submission ended.
    Done {
        /// The task.
        key: u64,
        /// How.
        outcome: Outcome,
    },
    /// A submission was refused.
    Refused(String),
    /// What it has sent and heard.
    Report(Told),
}

/// Bytes of a word.
#[must_use]
pub(super) fn encode(word: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(word).expect("words are plain data")
}
