//! What a swarm did in a run: votes, decisions, what it cost to confer, and what each agent would have earned alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_swarm::agent::Role;
use starling_swarm::consensus::ballot::Choice;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::tally::{Outcome, Reason};

use super::EquityPoint;
use crate::config::{AgentConfig, SwarmConfig};
use crate::swarm::conference::Closing;

/// An agent's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// Its name.
    pub id: String,
    /// What it is for.
    pub role: String,
    /// The kind of its strategy.
    pub strategy: String,
    /// Votes for an action.
    pub votes: u64,
    /// Of those, votes for what was done.
    pub agreed: u64,
    /// Of those, votes for something else than what was done.
    pub dissented: u64,
    /// Votes without an opinion.
    pub abstained: u64,
    /// Vetoes.
    pub vetoes: u64,
    /// Times a bar judged its last vote.
    pub judged: u64,
    /// Of those with a side, times the price moved its way, as a share; `None` before the first.
    pub hit_rate: Option<f64>,
    /// The weight of its vote at the end, 0 to 1.
    pub weight: f64,
    /// Its equity, had it traded its own account alone.
    pub alone: Vec<EquityPoint>,
}

/// An agent's process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Its agent.
    pub agent: String,
    /// Frames it sent to others, and those before it in its place.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Most memory that was in use, bytes.
    pub memory_peak: u64,
    /// CPU time, nanoseconds.
    pub cpu_ns: u64,
    /// Every layer of the sandbox is in force.
    pub sandboxed: bool,
}

/// A time without one of the agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbsenceRecord {
    /// Which.
    pub agent: String,
    /// How its process ended.
    pub how: String,
    /// When that was noticed, by the wall's clock.
    pub noticed: UnixNanos,
    /// The bar that was conferred about; none between two.
    pub stamp: Option<UnixNanos>,
    /// Nanoseconds from then to another process being ready.
    pub replaced_ns: Option<u64>,
    /// Nanoseconds from then to the conference going on with all its members, the past shown to the new one.
    pub seated_ns: Option<u64>,
}

/// What became of agents in processes of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessesRecord {
    /// What carried the messages between them.
    pub transport: String,
    /// How often they sat down anew: once, and once after each time that somebody was missing.
    pub sessions: u32,
    /// When somebody was missing.
    pub absences: Vec<AbsenceRecord>,
    /// The processes at the end, in order of the configuration.
    pub agents: Vec<ProcessRecord>,
    /// What they cost, millionths of a dollar.
    pub cost_micro_usd: u64,
}

/// A swarm's part in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwarmRecord {
    /// Along which edges the agents talked.
    pub topology: String,
    /// When votes were a decision.
    pub consensus: String,
    /// The share of weight that a weighted decision needed.
    pub threshold: f64,
    /// The strategy that carried decisions out.
    pub follower: String,
    /// The agents, in order of the configuration.
    pub agents: Vec<AgentRecord>,
    /// Times they conferred about an instrument.
    pub conferences: u64,
    /// What came of it: `long`, `short`, `flat`, or why nothing was done.
    pub outcomes: BTreeMap<String, u64>,
    /// Conferences in which the most votes, counted by heads, wanted something else than what was done.
    pub overruled: u64,
    /// From a bar to the first certificate, in nanoseconds of the run's own clock: median, 99 in 100, longest.
    pub latency_ns: [u64; 3],
    /// Frames sent along edges.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where agents were processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<ProcessesRecord>,
}

impl SwarmRecord {
    /// Conferences that ended in a way to stand.
    #[must_use]
    pub fn decided(&self) -> u64 {
        ["long", "short", "flat"].iter().filter_map(|name| self.outcomes.get(*name)).sum()
    }

    /// The capital divided equally among the agents, each trading alone: what the council is measured against.
    #[must_use]
    pub fn equal_weights(&self) -> Vec<EquityPoint> {
        let voices: Vec<&AgentRecord> = self.agents.iter().filter(|agent| agent.vetoes_nothing()).collect();
        let Some(first) = voices.first() else { return Vec::new() };
        let share = 1.0 / voices.len() as f64;
        let mean =
            |at: usize, of: fn(&EquityPoint) -> f64| voices.iter().map(|a| of(&a.alone[at]) * share).sum::<f64>();
        (0..first.alone.len())
            .map(|at| EquityPoint {
                ts: first.alone[at].ts,
                equity: mean(at, |p| p.equity),
                gross_exposure: mean(at, |p| p.gross_exposure),
                net_exposure: mean(at, |p| p.net_exposure),
                cash: mean(at, |p| p.cash),
            })
            .collect()
    }
}

impl AgentRecord {
    fn vetoes_nothing(&self) -> bool {
        self.role != Role::RiskManager.name()
    }
}

/// Counts while a run goes on.
#[derive(Debug)]
pub struct SwarmTally {
    record: SwarmRecord,
    latencies: Vec<u64>,
}

/// Latencies kept for the percentiles; of more, the first.
const LATENCIES_MAX: usize = 1_000_000;

impl SwarmTally {
    /// Of a swarm that has not conferred yet.
    #[must_use]
    pub fn new(swarm: &SwarmConfig) -> Self {
        let agent = |agent: &AgentConfig| AgentRecord {
            id: agent.id.clone(),
            role: agent.role.name().to_owned(),
            strategy: agent.strategy["kind"].as_str().unwrap_or_default().to_owned(),
            votes: 0,
            agreed: 0,
            dissented: 0,
            abstained: 0,
            vetoes: 0,
            judged: 0,
            hit_rate: None,
            weight: 0.0,
            alone: Vec::new(),
        };
        let record = SwarmRecord {
            topology: swarm.topology.name().to_owned(),
            consensus: swarm.consensus.name().to_owned(),
            threshold: f64::from(swarm.threshold_bps()) / 1e4,
            follower: swarm.follower.clone(),
            agents: swarm.agents.iter().map(agent).collect(),
            conferences: 0,
            outcomes: BTreeMap::new(),
            overruled: 0,
            latency_ns: [0; 3],
            messages: 0,
            bytes: 0,
            processes: None,
        };
        Self { record, latencies: Vec::new() }
    }

    /// A decision, final `latency_ns` after its bar.
    pub fn count(&mut self, certificate: &Certificate, outcome: Outcome, latency_ns: u64) {
        let record = &mut self.record;
        record.conferences += 1;
        *record.outcomes.entry(name(outcome).to_owned()).or_default() += 1;
        if self.latencies.len() < LATENCIES_MAX {
            self.latencies.push(latency_ns);
        }
        let done = match outcome {
            Outcome::Act { action, .. } => Some(action),
            Outcome::NoTrade(_) => None,
        };
        let mut heads = [0_u32; 3];
        for ballot in &certificate.dossier.ballots {
            let agent = &mut record.agents[ballot.agent.0 as usize];
            match ballot.choice {
                Choice::Act { action, .. } => {
                    agent.votes += 1;
                    heads[action as usize] += 1;
                    if let Some(done) = done {
                        agent.agreed += u64::from(action == done);
                        agent.dissented += u64::from(action != done);
                    }
                }
                Choice::Abstain => agent.abstained += 1,
                Choice::Veto => agent.vetoes += 1,
            }
        }
        let most = heads.iter().copied().max().unwrap_or_default();
        let is_clear = heads.iter().filter(|n| **n == most).count() == 1;
        record.overruled += u64::from(is_clear && done.is_none_or(|action| heads[action as usize] != most));
    }

    /// The whole, once the data has ended.
    #[must_use]
    pub fn record(mut self, closing: Closing) -> SwarmRecord {
        let Closing { records, alone, traffic, processes } = closing;
        self.latencies.sort_unstable();
        let at = |share: usize| self.latencies.get((self.latencies.len().max(1) - 1) * share / 100).copied();
        self.record.latency_ns = [50, 99, 100].map(|share| at(share).unwrap_or_default());
        (self.record.messages, self.record.bytes) = (traffic.messages, traffic.bytes);
        self.record.processes = processes;
        for ((agent, record), alone) in self.record.agents.iter_mut().zip(&records).zip(alone) {
            agent.judged = record.decisions;
            agent.hit_rate = record.hit_rate().map(|bps| f64::from(bps) / 1e4);
            agent.weight = f64::from(record.weight()) / 1e4;
            agent.alone = alone;
        }
        self.record
    }
}

fn name(outcome: Outcome) -> &'static str {
    use starling_swarm::consensus::ballot::Action;
    match outcome {
        Outcome::Act { action: Action::Buy, .. } => "long",
        Outcome::Act { action: Action::Sell, .. } => "short",
        Outcome::Act { action: Action::Hold, .. } => "flat",
        Outcome::NoTrade(Reason::Alone) => "one vote",
        Outcome::NoTrade(Reason::Vetoed(_)) => "vetoed",
        Outcome::NoTrade(Reason::VetoSilent(_)) => "veto holder silent",
        Outcome::NoTrade(Reason::Silence) => "too few answers",
        Outcome::NoTrade(Reason::Tie) => "tie",
        Outcome::NoTrade(_) => "no agreement",
    }
}
