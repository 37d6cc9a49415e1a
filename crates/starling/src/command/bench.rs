//! `starling bench`: what this machine measures, against targets and against another build.

mod compare;
mod engine;
#[cfg(unix)]
mod swarm;

use clap::{Args, Subcommand};

use crate::terminal::Failure;

/// Measure the engine and swarms.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

/// What to measure.
#[derive(Debug, Subcommand)]
enum What {
    /// The engine: throughput, latency and the cost of orders, against the targets.
    Engine(engine::Engine),
    /// Swarms of agents: the eighteen benchmarks, in threads and in processes.
    #[cfg(unix)]
    Swarm(swarm::Swarm),
    /// Two builds, or two results: what got slower, and whether that is more than noise.
    Compare(compare::Compare),
}

impl Bench {
    /// Measures and tells.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.what {
            What::Engine(engine) => engine.run(json),
            #[cfg(unix)]
            What::Swarm(swarm) => swarm.run(json),
            What::Compare(compare) => compare.run(json),
        }
    }
}
