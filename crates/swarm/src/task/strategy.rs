//! To whom a task goes: five strategies over what is known of the workers.
//!
//! Invariant: no strategy picks a worker that lacks the task's capability or has no room. Equal candidates are told apart
//! by number, so equal facts give equal choices.

use serde::{Deserialize, Serialize};

use super::Capabilities;
use crate::id::AgentId;

/// How the coordinator distributes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// One after the other, in order of their numbers.
    RoundRobin,
    /// To the one with the fewest tasks.
    LeastLoaded,
    /// To the one with the fewest capabilities among those who can, so that generalists stay free; then as least loaded.
    Specialised,
    /// Agents bid how well it suits them ([`Facts::score`]); the best of a majority's bids wins.
    Consensus,
    /// To the one with the highest [`Facts::score`].
    Adaptive,
}

impl Strategy {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 5] =
        [Self::RoundRobin, Self::LeastLoaded, Self::Specialised, Self::Consensus, Self::Adaptive];
}

/// What a worker says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What it can do.
    pub capabilities: Capabilities,
    /// Tasks it runs at once.
    pub slots: u32,
    /// Tasks it takes, those that run included.
    pub room: u32,
    /// Share of errors among its attempts, smoothed over about 8, in 1/10,000.
    pub errors_bp: u16,
    /// From start to end of an attempt, smoothed over about 8, nanoseconds; 0 before the first.
    pub latency_ns: u64,
}

/// One in basis points.
const ONE: u64 = 10_000;
/// The latency that halves its part of the score: the P50 a strategy execution may take (100 ms, requirement 000).
const LATENCY_HALF_NS: u64 = 100_000_000;

impl Facts {
    /// How well a task suits a worker that has `held` tasks, in 1/10,000:
    ///
    /// `0.40 (1 - held/room) + 0.25 (1 - errors) + 0.20 / (1 + latency / 100 ms) + 0.15 / capabilities`
    ///
    /// None if it lacks the capability or has no room. A load of one task in a room of ten costs 400, an error rate of
    /// 16 % the same.
    #[must_use]
    pub fn score(&self, needs: Capabilities, held: u64) -> Option<u16> {
        let room = u64::from(self.room);
        if !self.capabilities.cover(needs) || held >= room {
            return None;
        }
        let idle = ONE - ONE * held / room;
        let right = ONE - u64::from(self.errors_bp).min(ONE);
        let quick = (u128::from(ONE) * u128::from(LATENCY_HALF_NS)
            / (u128::from(LATENCY_HALF_NS) + u128::from(self.latency_ns))) as u64;
        let special = ONE / u64::from(self.capabilities.count().max(1));
        Some(((40 * idle + 25 * right + 20 * quick + 15 * special) / 100) as u16)
    }
}

/// A worker, and how many tasks it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentId,
    /// What it says of itself.
    pub facts: Facts,
    /// How many tasks it has.
    pub held: u64,
}

/// Picks the worker of a task among candidates in order of their numbers. `last` is whom the previous task went to.
/// None if nobody can now; always for [`Strategy::Consensus`], where bids decide.
#[must_use]
pub fn choose(
    strategy: Strategy,
    needs: Capabilities,
    candidates: &[Candidate],
    last: Option<AgentId>,
) -> Option<AgentId> {
    let able = || candidates.iter().filter(|one| one.facts.score(needs, one.held).is_some());
    let chosen = match strategy {
        Strategy::RoundRobin => able().find(|one| Some(one.agent) > last).or_else(|| able().next()),
        Strategy::LeastLoaded => able().min_by_key(|one| one.held),
        Strategy::Specialised => able().min_by_key(|one| (one.facts.capabilities.count(), one.held)),
        Strategy::Consensus => None,
        Strategy::Adaptive => able().max_by_key(|one| (one.facts.score(needs, one.held), std::cmp::Reverse(one.agent))),
    };
    chosen.map(|one| one.agent)
}
