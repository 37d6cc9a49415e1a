//! Who runs agents: the trait of providers, and what they are asked and answer.
//!
//! A provider starts agents somewhere, tells when they are ready, watches over them, replaces those that die, and leaves
//! nothing behind. [`local`] runs each agent as a process of this machine.
//!
//! Invariant: an agent is reported ready only after it said so itself, and a layer of its sandbox is reported only if the
//! agent has seen it in force. Numbers are never reused: a replacement is another agent, which names the one it replaces.
//! It takes no decision about the swarm: how many agents there are is the caller's to say ([`starling_swarm::scale`]).

#[cfg(target_os = "linux")]
pub mod local;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_swarm::cost::{Resources, Spent};
use starling_swarm::id::AgentId;

/// Bytes of a role, and of a message between a provider and an agent.
pub const WORD_MAX: usize = 1 << 20;

/// What an agent may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// What it is given, and what is accounted for. Memory is enforced as private writable memory (`RLIMIT_DATA`): an
    /// allocation above it fails, and the process ends. The share of CPUs is accounted for only.
    pub resources: Resources,
    /// Open files and sockets.
    pub files: u32,
    /// Threads and processes of its user, as the system counts them; not enforced for root. Processes of its own it can
    /// never start.
    pub threads: u32,
    /// The largest file it may write, MiB.
    pub file_mib: u32,
    /// CPU time after which the system ends it, seconds; none for no end.
    pub cpu_seconds: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resources: Resources::default(), files: 256, threads: 4096, file_mib: 256, cpu_seconds: None }
    }
}

/// An agent to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its number, never used before.
    pub agent: AgentId,
    /// What it is to do, in the words of agent and caller; at most [`WORD_MAX`] bytes.
    pub role: Vec<u8>,
    /// Whether it is replaced when it dies.
    pub replace: bool,
    /// Whether a second process stands by with the role already taken. Needs `replace`.
    pub standby: bool,
}

/// What an agent is told when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Its number.
    pub agent: AgentId,
    /// The agent whose role and folder it takes over. Such an agent joins its swarm, where others found it.
    pub replaces: Option<AgentId>,
    /// What it is to do.
    pub role: Vec<u8>,
    /// True for one that stands by: it prepares, and does not act before it is activated.
    pub standby: bool,
}

/// How to end an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Ask it, and kill it if it has not ended after a grace.
    Soft,
    /// Kill it.
    Hard,
}

/// How an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Where an agent is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its process or sandbox is being started, or takes its role.
    Starting,
    /// It has said that it is ready.
    Ready,
    /// It has been asked to end.
    Stopping,
    /// It is no more.
    Gone(Exit),
}

/// Which layers of the sandbox are in force, as the agent itself found them after it was sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// It leads a session of its own: signals to the provider's terminal do not reach it.
    pub session: bool,
    /// The system kills it when the provider dies.
    pub dies_with_parent: bool,
    /// It can gain no privilege by starting a program.
    pub no_new_privs: bool,
    /// Mode of the system call filter, from its status: 0 none or not ours, 1 strict, 2 filter.
    pub seccomp: u8,
    /// The ABI of Landlock that confines it to its folder; none if it is not confined.
    pub landlock: Option<u8>,
    /// TCP ports are confined, too.
    pub ports: bool,
    /// Every limit was read back as it was set.
    pub limits: bool,
}

impl Layers {
    /// True if the layers that keep an agent from harm are all there.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.session
            && self.dies_with_parent
            && self.no_new_privs
            && self.seccomp == 2
            && self.landlock.is_some()
            && self.limits
    }
}

/// What is known of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Where it is in its life.
    pub phase: Phase,
    /// Its process, where there is one.
    pub process: Option<u32>,
    /// Its sandbox, once it has told.
    pub layers: Option<Layers>,
    /// Whom it replaces.
    pub replaces: Option<AgentId>,
    /// Its process was waiting for a role before it was asked for.
    pub warm: bool,
    /// Nanoseconds from the order to start to its word that it is ready.
    pub took_ns: Option<u64>,
    /// Another process stands by with its role.
    pub has_standby: bool,
}

/// What an agent uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Memory in use, bytes.
    pub memory: u64,
    /// Most memory that was in use, bytes.
    pub memory_peak: u64,
    /// CPU time so far, nanoseconds.
    pub cpu_ns: u64,
    /// Threads.
    pub threads: u32,
    /// Open files and sockets.
    pub files: u32,
    /// Bytes said to it by the provider.
    pub bytes_in: u64,
    /// Bytes it said to the provider.
    pub bytes_out: u64,
}

/// What came to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An agent is ready.
    Ready {
        /// Who.
        agent: AgentId,
        /// Nanoseconds from the order.
        took_ns: u64,
        /// Its process was waiting for a role.
        warm: bool,
    },
    /// An agent ended, asked or not.
    Ended {
        /// Who.
        agent: AgentId,
        /// When that was noticed.
        at: UnixNanos,
        /// How.
        exit: Exit,
        /// It had been asked to.
        asked: bool,
    },
    /// An agent that replaces another is ready.
    Replaced {
        /// Who is no more.
        old: AgentId,
        /// Who stands in its place.
        new: AgentId,
        /// Nanoseconds from noticing the end to the word that the replacement is ready.
        took_ns: u64,
        /// It had been standing by.
        stood_by: bool,
    },
    /// An agent died too often, or could not be started so often, and is not replaced any more.
    GivenUp {
        /// Who.
        agent: AgentId,
        /// Why it could not be started the last time; none if it died, which was told before.
        why: Option<String>,
    },
    /// An agent says something to its caller.
    Said {
        /// Who.
        agent: AgentId,
        /// What.
        words: Vec<u8>,
    },
    /// A budget is spent: every agent has been asked to end.
    Spent(Spent),
    /// A process that waited for a role is no use.
    SpareLost {
        /// Why.
        why: String,
    },
}

/// Why a provider did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// Something the system would not do.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A folder could not be used.
    #[error("cannot {what} {}: {source}", .path.display())]
    Folder {
        /// What was attempted.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such agent.
    #[error("{0} is not one of this provider's, or is gone")]
    Unknown(AgentId),
    /// A number was given twice.
    #[error("{0} has been started before: give each agent a number of its own")]
    Reused(AgentId),
    /// Too many bytes.
    #[error("a role or message of {0} bytes is above {WORD_MAX}: put it in a file of the agent's folder")]
    TooLong(usize),
    /// More agents than allowed.
    #[error("{0} agents run already, which is the most this provider is set to")]
    Full(usize),
    /// No money.
    #[error(transparent)]
    Spent(#[from] Spent),
    /// It did not become ready in time.
    #[error("{agent} was not ready after {waited:?}: its phase is {phase:?}")]
    NotReady {
        /// Who.
        agent: AgentId,
        /// How long.
        waited: Duration,
        /// What it is instead.
        phase: Phase,
    },
    /// The agent takes no more words at present.
    #[error("{0} has not read what it was told before: wait and say it again")]
    Busy(AgentId),
    /// The provider itself has ended.
    #[error("the provider's supervisor has ended: make another provider")]
    Ended,
}

/// Runs agents somewhere. Orders return at once; what comes of them is in [`Provider::status`] and the events.
pub trait Provider {
    /// Starts an agent.
    ///
    /// # Errors
    /// [`ProviderError`]; the agent was not started then.
    fn spawn(&mut self, spec: Spec) -> Result<(), ProviderError>;

    /// Ends an agent and starts another in its place.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`].
    fn restart(&mut self, agent: AgentId, how: How) -> Result<(), ProviderError>;

    /// Ends an agent for good.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`].
    fn stop(&mut self, agent: AgentId, how: How) -> Result<(), ProviderError>;

    /// Says something to an agent.
    ///
    /// # Errors
    /// [`ProviderError::Busy`] if it does not listen at present.
    fn say(&mut self, agent: AgentId, words: &[u8]) -> Result<(), ProviderError>;

    /// What is known of an agent; also for a while after its end.
    fn status(&self, agent: AgentId) -> Option<Status>;

    /// All that are known, in order of their numbers.
    fn agents(&self) -> Vec<(AgentId, Status)>;

    /// What an agent uses, measured now.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`], also for one that has just ended.
    fn measure(&mut self, agent: AgentId) -> Result<Measured, ProviderError>;

    /// Waits until an agent is ready.
    ///
    /// # Errors
    /// [`ProviderError::NotReady`] if it ends instead, or time is up.
    fn wait_ready(&mut self, agent: AgentId, at_most: Duration) -> Result<Status, ProviderError>;

    /// The next thing that came to pass, waited for at most so long.
    fn next_event(&mut self, at_most: Duration) -> Option<Event>;
}
