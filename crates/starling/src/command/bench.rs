//! `starling bench`: what this machine measures, against targets and against another build.

mod compare;
mod engine;
mod runs;
#[cfg(unix)]
mod swarm;

use clap::{Args, Subcommand};
use starling_lab::bench::BenchRecord;

use crate::terminal::{Failure, put};

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
    /// The report of a result, from the result and the runs beside it.
    Report(runs::Report),
    /// A name for a run, to compare later ones with.
    Baseline(runs::Baseline),
    /// Print the JSON schema of results (draft 2020-12).
    Schema,
}

impl Bench {
    /// Measures and tells.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.what {
            What::Engine(engine) => engine.run(json),
            #[cfg(unix)]
            What::Swarm(swarm) => swarm.run(json),
            What::Compare(compare) => compare.run(json),
            What::Report(report) => report.run(json),
            What::Baseline(baseline) => baseline.run(json),
            What::Schema => put(format_args!("{:#}", BenchRecord::schema())),
        }
    }
}
