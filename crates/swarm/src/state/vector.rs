//! Version vectors: of each writer, how many of its writes are known (Parker et al. 1983).
//!
//! Invariant: vectors are a join-semilattice under [`Versions::merge`]; equal knowledge is equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::AgentId;

/// How many writes of each agent; agents of which there is none are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions(BTreeMap<AgentId, u64>);

impl Versions {
    /// So many of one agent.
    #[must_use]
    pub fn one(agent: AgentId, sequence: u64) -> Self {
        let mut one = Self::default();
        one.raise(agent, sequence);
        one
    }

    /// How many of that agent.
    #[must_use]
    pub fn of(&self, agent: AgentId) -> u64 {
        self.0.get(&agent).copied().unwrap_or(0)
    }

    /// True if nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At least so many of that agent.
    pub fn raise(&mut self, agent: AgentId, sequence: u64) {
        if sequence > 0 {
            let own = self.0.entry(agent).or_default();
            *own = sequence.max(*own);
        }
    }

    /// The higher of each.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(agent, sequence)| self.raise(*agent, *sequence));
    }

    /// True if none of the other's is higher.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|(agent, sequence)| self.of(*agent) >= *sequence)
    }
}
