//! `starling bench`: what this machine measures, against targets and against another build.

mod compare;
mod engine;
pub(crate) mod mesh;

use clap::{Args, Subcommand};

use crate::terminal::Failure;

/// Measure the engine, or the mesh.
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
    /// The mesh: workflows, batches, capabilities, tasks of agents, and what messages, spawning and decisions must be.
    Mesh(mesh::Mesh),
    /// Two builds, or two results: what got slower, and whether that is more than noise.
    Compare(compare::Compare),
}

impl Bench {
    /// Measures and tells.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.what {
            What::Engine(engine) => engine.run(json),
            What::Mesh(mesh) => mesh.run(json),
            What::Compare(compare) => compare.run(json),
        }
    }
}
