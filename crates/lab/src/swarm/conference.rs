//! Where agents confer: the trait that a swarm in one process and a swarm in many have in common.
//!
//! Invariant: what is decided about a stamp is a function of the configuration and of the events up to it; only how long
//! it took, in which order it came, and what it cost may differ from one conference to another.

use std::sync::Arc;
use std::time::Duration;

use starling_core::{Event, UnixNanos};
use starling_swarm::agent::TrackRecord;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::tally::Outcome;
use starling_swarm::transport::Traffic;

use super::SwarmError;
use super::stamps::Stamps;
use crate::config::Config;
use crate::tearsheet::{EquityPoint, ProcessesRecord};

/// A decision, and how long after its bar it was final.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was decided, and by whom.
    pub certificate: Arc<Certificate>,
    /// What follows from it.
    pub outcome: Outcome,
    /// Nanoseconds from the bar to the first certificate.
    pub latency_ns: u64,
    /// What the agents have cost since the decision before, millionths of a dollar.
    pub cost_micro_usd: u32,
}

/// What is known at the end.
#[derive(Debug)]
pub struct Closing {
    /// How each agent has done, in order of the configuration.
    pub records: Vec<TrackRecord>,
    /// What each would have earned alone, day by day.
    pub alone: Vec<Vec<EquityPoint>>,
    /// Frames and bytes over all edges.
    pub traffic: Traffic,
    /// Of agents in processes of their own: what became of those.
    pub processes: Option<ProcessesRecord>,
}

/// Agents that can be asked.
pub trait Conference {
    /// Shows all agents the events of a stamp and lets them confer until all know what is decided.
    ///
    /// # Errors
    /// [`SwarmError`].
    fn on_stamp(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<Vec<Verdict>, SwarmError>;

    /// Waits for at most so long, or less: the next stamp is not due yet. Whoever has agents elsewhere listens to them.
    ///
    /// # Errors
    /// [`SwarmError`].
    fn idle(&mut self, at_most: Duration) -> Result<(), SwarmError> {
        std::thread::park_timeout(at_most);
        Ok(())
    }

    /// The data has ended.
    ///
    /// # Errors
    /// [`SwarmError`].
    fn finish(&mut self) -> Result<Closing, SwarmError>;
}

impl<C: Conference + ?Sized> Conference for Box<C> {
    fn on_stamp(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<Vec<Verdict>, SwarmError> {
        (**self).on_stamp(stamp, events)
    }

    fn idle(&mut self, at_most: Duration) -> Result<(), SwarmError> {
        (**self).idle(at_most)
    }

    fn finish(&mut self) -> Result<Closing, SwarmError> {
        (**self).finish()
    }
}

/// Opens the run's data anew, from its beginning.
pub type Rewind = Box<dyn FnMut() -> Result<Stamps, SwarmError>>;

/// What a conference is opened for.
pub struct Occasion<'a> {
    /// The run.
    pub config: &'a Config,
    /// The text it was read from.
    pub text: &'a str,
    /// Its data, for agents that come later.
    pub rewind: Rewind,
}

impl std::fmt::Debug for Occasion<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Occasion").field("config", &self.config.name).finish_non_exhaustive()
    }
}

/// Opens a conference for a run that has a swarm.
pub type Convene = Box<dyn FnOnce(Occasion<'_>) -> Result<Box<dyn Conference>, SwarmError>>;
