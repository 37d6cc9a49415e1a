//! What all protocols of a swarm are: state machines between messages and time.
//!
//! Invariant: a component's answer depends on its state, the message and the time it is told, on nothing else. It never
//! waits; it says when it wants to be woken.

pub mod pair;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

use crate::id::AgentId;

/// In which order waiting messages leave. A lower class is never starved: transports give each its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Priority {
    /// Risk vetoes, kills, leader changes.
    Critical,
    /// Proposals, votes, assignments.
    High,
    /// Results, heartbeats.
    Normal,
    /// State and statistics.
    Bulk,
}

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum To {
    /// One agent, over as many edges as it takes.
    One(AgentId),
    /// Every member, each once.
    All,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<M> {
    /// To whom.
    pub to: To,
    /// How urgent.
    pub priority: Priority,
    /// What.
    pub message: M,
}

/// What a component wants sent, in the order it wants it.
#[derive(Debug, Clone)]
pub struct Outbox<M> {
    waiting: Vec<Outgoing<M>>,
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self { waiting: Vec::new() }
    }
}

impl Priority {
    /// Every class, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Bulk];
}

impl<M> Outbox<M> {
    /// Nothing to send yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends to one agent.
    pub fn send(&mut self, to: AgentId, priority: Priority, message: M) {
        self.waiting.push(Outgoing { to: To::One(to), priority, message });
    }

    /// Sends to every member but the sender.
    pub fn send_all(&mut self, priority: Priority, message: M) {
        self.waiting.push(Outgoing { to: To::All, priority, message });
    }

    /// Takes what waits.
    pub fn drain(&mut self) -> impl Iterator<Item = Outgoing<M>> + '_ {
        self.waiting.drain(..)
    }

    /// Takes over what waits in another, each message in a wrapper.
    pub fn absorb<N>(&mut self, other: Outbox<N>, wrap: impl Fn(N) -> M) {
        let wrapped = |Outgoing { to, priority, message }| Outgoing { to, priority, message: wrap(message) };
        self.waiting.extend(other.waiting.into_iter().map(wrapped));
    }

    /// How much waits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A protocol of a swarm, as one agent runs it. Several live in one node as a [`pair::Pair`].
pub trait Component {
    /// What its instances say to each other.
    type Message: Serialize + DeserializeOwned + fmt::Debug + Clone;
    /// What it tells its agent.
    type Event: fmt::Debug;

    /// A message of another agent's instance. `from` is the agent that wrote it (transports prove it), however many
    /// edges it came along.
    fn on_message(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        message: Self::Message,
        out: &mut Outbox<Self::Message>,
        events: &mut Vec<Self::Event>,
    );

    /// The time it asked for has come. Being woken early, late or twice does no harm.
    fn on_time(&mut self, now: UnixNanos, out: &mut Outbox<Self::Message>, events: &mut Vec<Self::Event>);

    /// When it wants to be woken; [`UnixNanos::MAX`] for not at all.
    fn next_due(&self) -> UnixNanos;

    /// The members changed: who is alive now, in order of their numbers, its own agent among them.
    fn on_members(
        &mut self,
        now: UnixNanos,
        members: &[AgentId],
        out: &mut Outbox<Self::Message>,
        events: &mut Vec<Self::Event>,
    );

    /// An agent is gone for good: it left, or was removed after a long silence. Its number never comes back. Told once,
    /// of agents that were never met, too.
    fn on_gone(
        &mut self,
        _now: UnixNanos,
        _agent: AgentId,
        _out: &mut Outbox<Self::Message>,
        _events: &mut Vec<Self::Event>,
    ) {
    }
}
