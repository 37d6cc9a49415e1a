//! Benchmarks of the engine: the workloads, how they are measured, and the one schema that results are told in.
//!
//! Invariant: a workload that does not do its work fails. Each gives an answer that is compared with one computed apart
//! (a naive formula, a count) before it is timed, so what returns early is never a good figure. Criterion and
//! `starling bench engine` run the same [`workloads`]. What it deliberately does not hold: rivals' figures. On a shared
//! machine only ratios measured in one run mean something ([`compare`]).

mod bar;
pub mod compare;
mod cost;
mod engine;
mod feature;
mod file;
pub mod history;
mod measure;
#[cfg(any(test, feature = "allocations"))]
pub mod memory;
pub mod mesh;
mod order;
mod portfolio;
pub mod price;
mod quote;
mod record;
mod rig;
mod risk;
mod series;
mod start;
mod strategy;
pub mod swarm;
mod wire;

use crate::run::RunError;

pub use cost::{COST_POINTS, order_cost_curve};
pub use measure::{Distribution, PERCENTILES, Percentile, Tier, sample};
pub use record::{
    BenchRecord, Benchmark, Case, Check, Cost, Id, Judged, Margin, Missing, Point, SCHEMA, Series, Subject,
};
pub use series::{bars, idle_bars, idle_quotes, quotes};
pub use start::cold_start;

/// Why a workload cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The run under it failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of its own could not be written or read.
    #[error(
        "the benchmark's own file {path}: {source}; free some space in the temporary folder or point TMPDIR elsewhere"
    )]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A program under measurement did not do its work.
    #[error("{program}: {reason}")]
    Program {
        /// The program.
        program: String,
        /// What it did instead.
        reason: String,
    },
    /// The input of a workload cannot be built.
    #[error("the benchmark's input cannot be built: {0}")]
    Input(String),
    /// Somebody wants it to end.
    #[error("interrupted")]
    Interrupted,
    /// Agents did not do what they were given.
    #[error(
        "the agents under measurement failed: {0}; if the machine is not overloaded, this is a fault in Starling, report it"
    )]
    Agents(String),
    /// The answer is wrong: the work was not done, or not right.
    #[error("{id} answers {found}, where {expected} is right; its time would mean nothing")]
    Answer {
        /// The workload.
        id: String,
        /// What it should answer.
        expected: f64,
        /// What it answered.
        found: f64,
    },
}

/// What a sample is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Items a second; more is better.
    PerSecond,
    /// Nanoseconds an item.
    Nanoseconds,
    /// Milliseconds for all of it.
    Milliseconds,
    /// A ratio of two times of the same run.
    Ratio,
}

impl Unit {
    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "items/s",
            Self::Nanoseconds => "ns/item",
            Self::Milliseconds => "ms",
            Self::Ratio => "ratio",
        }
    }
    /// True if more is better.
    #[must_use]
    pub const fn rises(self) -> bool {
        matches!(self, Self::PerSecond)
    }
    /// Nanoseconds for `items` items, in this unit.
    #[must_use]
    pub fn of(self, nanoseconds: f64, items: u64) -> f64 {
        match self {
            Self::PerSecond => items as f64 * 1e9 / nanoseconds,
            Self::Nanoseconds => nanoseconds / items as f64,
            Self::Milliseconds => nanoseconds / 1e6,
            Self::Ratio => nanoseconds,
        }
    }
}

/// What a measured value is held against, in the workload's unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Targets {
    /// What the requirement asks: loose.
    pub requirement: Option<f64>,
    /// What we ask: a value beyond it fails.
    pub target: Option<f64>,
    /// Where we want to be.
    pub aim: Option<f64>,
}

/// One execution of a workload.
pub type Work = Box<dyn FnMut() -> Result<f64, BenchError>>;

/// A workload with its inputs at hand.
pub struct Prepared {
    /// Does the work once and answers.
    pub work: Work,
    /// The right answer, computed apart; `None` if the answer is the measurement, and the work checks itself.
    pub expected: Option<f64>,
}

/// Something to measure.
pub struct Workload {
    /// The suite, as `docs/benchmarks.md` names it.
    pub suite: &'static str,
    /// The group within the suite.
    pub group: &'static str,
    /// Its parameters, as in `RSI(14) x 1000`.
    pub parameters: String,
    /// Items that one execution works through.
    pub items: u64,
    /// What an item is, in the plural.
    pub item: &'static str,
    /// What a sample is told in.
    pub unit: Unit,
    /// What it is held against.
    pub targets: Targets,
    prepare: Box<dyn Fn() -> Result<Prepared, BenchError>>,
}

impl Workload {
    /// A workload of `items` items an execution, told in nanoseconds an item, without targets.
    pub fn new(
        suite: &'static str,
        group: &'static str,
        parameters: impl Into<String>,
        (items, item): (u64, &'static str),
        prepare: impl Fn() -> Result<Prepared, BenchError> + 'static,
    ) -> Self {
        let (parameters, unit, targets) = (parameters.into(), Unit::Nanoseconds, Targets::default());
        Self { suite, group, parameters, items, item, unit, targets, prepare: Box::new(prepare) }
    }

    /// Told in another unit.
    #[must_use]
    pub fn told_in(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Held against targets: requirement, ours, aim.
    #[must_use]
    pub fn held_to(mut self, requirement: Option<f64>, target: Option<f64>, aim: Option<f64>) -> Self {
        self.targets = Targets { requirement, target, aim };
        self
    }

    /// Suite, group and parameters.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.suite, self.group, self.parameters)
    }

    /// Builds the inputs, does the work once, and holds the answer against the right one.
    pub fn prove(&self) -> Result<Prepared, BenchError> {
        let mut prepared = (self.prepare)()?;
        let found = (prepared.work)()?;
        match prepared.expected {
            // Sums in another order differ by rounding only.
            Some(expected) if (found - expected).abs() <= 1e-9 * expected.abs().max(1.0) => Ok(prepared),
            Some(expected) => Err(BenchError::Answer { id: self.id(), expected, found }),
            None if found.is_finite() => Ok(prepared),
            None => Err(BenchError::Answer { id: self.id(), expected: 0.0, found }),
        }
    }
}

/// How large the inputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Events of an engine run, and rows of a file.
    pub events: usize,
    /// Paths of a simulation.
    pub paths: usize,
}

impl Scale {
    /// As the definitions say: a million events, 100,000 paths.
    pub const FULL: Self = Self { events: 1_000_000, paths: 100_000 };
    /// To see that everything still works: its figures mean little.
    pub const SMOKE: Self = Self { events: 50_000, paths: 2_000 };
}

/// Every workload there is, suite by suite.
#[must_use]
pub fn workloads(scale: Scale) -> Vec<Workload> {
    let suites = [
        engine::workloads(scale),
        file::workloads(scale),
        bar::workloads(),
        quote::workloads(),
        wire::workloads(),
        feature::workloads(),
        strategy::workloads(),
        order::workloads(),
        risk::workloads(scale),
        portfolio::workloads(),
    ];
    suites.into_iter().flatten().collect()
}

/// What the definitions ask for and nothing here measures, with the reason.
#[must_use]
pub fn missing() -> Vec<Missing> {
    let rows = [
        ("order_placement/full path with 0/5/10/50 ms", "the local venue server over loopback does not exist yet"),
        ("order_placement/router", "orders go to the venue of their instrument: there is no router yet"),
        (
            "portfolio_updates/concurrent",
            "the ledger has one writer and no readers beside it: snapshots for readers do not exist yet",
        ),
        ("memory_queries", "the memory crate does not exist yet"),
        ("memory/component/memory client", "the memory crate does not exist yet"),
        ("bot/cache key, cached answer", "no language model is asked yet, so there are no answers to cache"),
        (
            "bot/concurrent indicator calculation",
            "a run's indicators are computed where its events are, one after the other; runs are concurrent, indicators are not",
        ),
    ];
    let counted = (
        "memory",
        "allocations an event and bytes of components need a counting allocator: build with `--features allocations`",
    );
    let counted = (!cfg!(feature = "allocations")).then_some(counted);
    let row = |(suite, reason): (&str, &str)| Missing { suite: suite.to_owned(), reason: reason.to_owned() };
    rows.into_iter().chain(counted).map(row).collect()
}

#[cfg(test)]
mod tests;
