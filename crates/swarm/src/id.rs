//! The names of agents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An agent of a swarm. Numbers are given once and never reused, so that a replacement is nobody's former self.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub u32);

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent {}", self.0)
    }
}
