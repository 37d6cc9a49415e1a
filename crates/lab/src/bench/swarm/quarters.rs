//! Where agents live, as a conductor needs it: started, told things, killed, measured, and gone without a trace.
//!
//! Invariant: a conductor cannot tell one provider from another but by its name. Frames between agents pass by the
//! provider, along edges only; what leaves them is counted.

use std::time::Duration;

use starling_swarm::topology::Shape;

use super::words::{Answer, Order, Role};
use crate::bench::BenchError;

/// What happened to an agent, or what it says.
#[derive(Debug)]
pub enum Report {
    /// It says something.
    Said {
        /// Its place.
        at: u32,
        /// What.
        answer: Answer,
    },
    /// It is no more.
    Gone {
        /// Its place.
        at: u32,
        /// How, in words.
        how: String,
    },
}

/// What an agent uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory, bytes; where agents share a process, their part of what it grew by.
    pub memory: u64,
    /// CPU time so far, nanoseconds.
    pub cpu_ns: u64,
}

/// What passed between agents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames handed over.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes over sockets, with all around the frames, orders and answers too; where there are no sockets, of frames.
    pub wire: u64,
    /// Frames that went where there is no edge.
    pub astray: u64,
}

/// Traces of agents on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Processes and threads, by name.
    pub alive: Vec<String>,
    /// Files, sockets and folders, by name.
    pub things: Vec<String>,
}

/// Houses swarms.
pub trait Provider {
    /// Its name: `in-process`, `process`.
    fn name(&self) -> &'static str;

    /// True if agents share their process' memory.
    fn shares_memory(&self) -> bool;

    /// Opens quarters for so many agents, none of them there yet; `spares` wait for roles.
    ///
    /// # Errors
    /// The system does not give what is needed.
    fn open(&mut self, seats: u32, shape: Shape, spares: usize) -> Result<Box<dyn Quarters>, BenchError>;

    /// What is there of agents of any quarters, by the system's own account.
    ///
    /// # Errors
    /// The system does not tell.
    fn remains(&mut self) -> Result<Remains, BenchError>;
}

/// The quarters of one swarm.
pub trait Quarters {
    /// Waits until all spares wait for a role.
    ///
    /// # Errors
    /// They do not come.
    fn warm(&mut self, at_most: Duration) -> Result<(), BenchError>;

    /// Starts an agent; returns at once.
    ///
    /// # Errors
    /// The system does not give what is needed.
    fn start(&mut self, role: &Role) -> Result<(), BenchError>;

    /// Tells an agent something; who is gone does not hear.
    ///
    /// # Errors
    /// The line is broken.
    fn say(&mut self, at: u32, order: &Order) -> Result<(), BenchError>;

    /// The next report, waited for at most so long.
    ///
    /// # Errors
    /// The line is broken.
    fn hear(&mut self, at_most: Duration) -> Result<Option<Report>, BenchError>;

    /// Kills an agent in the midst of whatever it does.
    ///
    /// # Errors
    /// The system does not do it.
    fn kill(&mut self, at: u32) -> Result<(), BenchError>;

    /// What each agent that lives uses now.
    ///
    /// # Errors
    /// The system does not tell.
    fn usage(&mut self) -> Result<Vec<Usage>, BenchError>;

    /// What passed between agents so far.
    ///
    /// # Errors
    /// The system does not tell.
    fn traffic(&mut self) -> Result<Traffic, BenchError>;

    /// Ends all agents and waits until they are gone.
    ///
    /// # Errors
    /// They do not go.
    fn destroy(self: Box<Self>) -> Result<(), BenchError>;
}
