//! What is known of a swarm while it runs: for the table in the terminal, and for who asks over the control socket.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_lab::config::{Config, ProviderConfig, TransportConfig};
use starling_lab::swarm::conference::Verdict;
use starling_swarm::consensus::ballot::Choice;

use crate::command::output::grouped;

/// Agents that a process may hold: their seats' numbers end with eight bits for which of them it is.
const SHARE_MAX: usize = 256;

/// Among how many processes agents are divided, if so many are wanted.
pub(crate) fn among(wanted: usize, agents: usize) -> usize {
    wanted.clamp(agents.div_ceil(SHARE_MAX), agents)
}

/// Where a swarm is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Agents are being started.
    #[default]
    Starting,
    /// It confers.
    Running,
    /// The data has ended.
    Done,
    /// It did not come to its end.
    Failed,
}

/// An agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentView {
    /// Its name.
    pub(crate) id: String,
    /// What it is for.
    pub(crate) role: String,
    /// Its process.
    pub(crate) pid: Option<u32>,
    /// `starting`, `ready`, `gone`; `here` in the run's own process.
    pub(crate) state: String,
    /// Memory in use, bytes.
    pub(crate) memory: u64,
    /// CPU time, nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Frames it sent to others.
    pub(crate) messages: u64,
    /// Votes with an opinion.
    pub(crate) votes: u64,
    /// Vetoes.
    pub(crate) vetoes: u64,
    /// Times it was replaced.
    pub(crate) replaced: u64,
    /// What it has cost, millionths of a dollar.
    pub(crate) cost_micro_usd: u64,
}

/// A swarm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overview {
    /// The run's name.
    pub(crate) name: String,
    /// The process that runs it.
    pub(crate) pid: u32,
    /// Where it is.
    pub(crate) phase: Phase,
    /// Where the agents are: `in_process`, `process`.
    pub(crate) provider: String,
    /// How many processes the agents are divided among; 0 in the run's own.
    pub(crate) processes: u32,
    /// The autoscaler's score, 1/10,000.
    pub(crate) score_bp: Option<u32>,
    /// What carries their messages, between processes.
    pub(crate) transport: Option<String>,
    /// The last bar that was conferred about.
    pub(crate) bar: Option<String>,
    /// Stamps so far.
    pub(crate) stamps: u64,
    /// Decisions so far, those to do nothing included.
    pub(crate) decisions: u64,
    /// How often agents sat down.
    pub(crate) session: u32,
    /// Nanoseconds from the bar to the last decision.
    pub(crate) latency_ns: u64,
    /// What it has cost, millionths of a dollar.
    pub(crate) cost_micro_usd: u64,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// The agents, in order of the configuration.
    pub(crate) agents: Vec<AgentView>,
}

impl Overview {
    /// As a table.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let phase = match self.phase {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Done => "done",
            Phase::Failed => "failed",
        };
        let place = match &self.transport {
            Some(transport) => format!("{} agents in {} processes over {transport}", self.agents.len(), self.processes),
            None => format!("{} agents in its own process", self.agents.len()),
        };
        let _ = writeln!(text, "{}: {phase}, pid {}, {place}", self.name, self.pid);
        if let Some(failure) = &self.failure {
            let _ = writeln!(text, "{failure}");
        }
        let bar = self.bar.as_deref().unwrap_or("none");
        let _ = writeln!(
            text,
            "bar {bar}   {} stamps, {} decisions, the last after {:.1} ms   session {}   ${:.6}",
            grouped(self.stamps),
            grouped(self.decisions),
            self.latency_ns as f64 / 1e6,
            self.session,
            self.cost_micro_usd as f64 / 1e6,
        );
        let width = self.agents.iter().map(|agent| agent.id.chars().count()).max().unwrap_or(0).max(5);
        let _ = write!(
            text,
            "{:<width$}  {:<14} {:>8} {:<9} {:>8} {:>8} {:>9} {:>7} {:>6} {:>8} {:>10}",
            "agent", "role", "pid", "state", "memory", "cpu s", "messages", "votes", "vetoes", "replaced", "cost"
        );
        for agent in &self.agents {
            let _ = write!(
                text,
                "\n{:<width$}  {:<14} {:>8} {:<9} {:>8} {:>8.2} {:>9} {:>7} {:>6} {:>8} {:>10}",
                agent.id,
                agent.role,
                agent.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                agent.state,
                match agent.memory {
                    0 => "-".to_owned(),
                    bytes => format!("{:.1}M", bytes as f64 / 1_048_576.0),
                },
                agent.cpu_ns as f64 / 1e9,
                grouped(agent.messages),
                grouped(agent.votes),
                grouped(agent.vetoes),
                agent.replaced,
                format!("${:.6}", agent.cost_micro_usd as f64 / 1e6),
            );
        }
        text
    }
}

/// The overview of a swarm, shared by who runs it and who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    overview: Arc<Mutex<Overview>>,
    /// How many processes somebody wants; 0 for nobody.
    wanted: Arc<AtomicU32>,
}

impl Watch {
    /// Of a swarm that has not started.
    pub(crate) fn of(config: &Config) -> Self {
        let Some(swarm) = &config.swarm else { return Self::default() };
        let is_process = swarm.provider == ProviderConfig::Process;
        let agent = |agent: &starling_lab::config::AgentConfig| AgentView {
            id: agent.id.clone(),
            role: agent.role.name().to_owned(),
            state: if is_process { "starting" } else { "here" }.to_owned(),
            ..AgentView::default()
        };
        let transport = match swarm.process.transport {
            TransportConfig::Socket => "socket",
            TransportConfig::Zenoh => "zenoh",
        };
        let overview = Overview {
            name: config.name.clone(),
            pid: std::process::id(),
            provider: if is_process { "process" } else { "in_process" }.to_owned(),
            transport: is_process.then(|| transport.to_owned()),
            session: u32::from(!is_process),
            agents: swarm.agents.iter().map(agent).collect(),
            ..Overview::default()
        };
        Self { overview: Arc::new(Mutex::new(overview)), wanted: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Overview> {
        self.overview.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now.
    pub(crate) fn read(&self) -> Overview {
        self.lock().clone()
    }

    /// Changes it.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Overview)) {
        edit(&mut self.lock());
    }

    /// Somebody wants so many processes.
    pub(crate) fn want(&self, processes: u32) {
        self.wanted.store(processes, Ordering::Relaxed);
    }

    /// How many processes somebody wants, told once.
    pub(crate) fn take_wanted(&self) -> Option<u32> {
        Some(self.wanted.swap(0, Ordering::Relaxed)).filter(|wanted| *wanted > 0)
    }

    /// A stamp was conferred about.
    pub(crate) fn count(&self, stamp: UnixNanos, verdicts: &[Verdict]) {
        let mut overview = self.lock();
        overview.phase = Phase::Running;
        overview.bar = Some(stamp.to_string());
        overview.stamps += 1;
        overview.decisions += verdicts.len() as u64;
        for verdict in verdicts {
            overview.latency_ns = verdict.latency_ns;
            for ballot in &verdict.certificate.dossier.ballots {
                let Some(agent) = overview.agents.get_mut(ballot.agent.0 as usize) else { continue };
                agent.votes += u64::from(matches!(ballot.choice, Choice::Act { .. }));
                agent.vetoes += u64::from(ballot.choice == Choice::Veto);
            }
        }
    }
}
