//! The eighteen benchmarks of swarms, on the swarm that trades: six categories, any provider, three tiers.
//!
//! ```text
//!  conductor (a benchmark) ─ stage ─► quarters (threads, processes …) ═ agent: node, protocols, strategy on real bars
//!       ▲                                                                  │
//!       └────── answers, with what the agent's own clock said ◄────────────┘
//! ```
//!
//! Invariant: what makes a figure mean something is a list of checks in its record, and a check that does not hold fails
//! the benchmark however fast it was. Nothing is simulated: agents are the node, protocols and engine that trade, and
//! talk over the provider's own transport. A benchmark that cannot be carried out is a row that says so and fails.
//!
//! What it deliberately does not hold: how processes are started (a [`Provider`] of the caller's), and prices.

mod agent;
mod communication;
mod cost;
mod creation;
mod definition;
mod quarters;
mod resources;
mod scalability;
mod stage;
mod talk;
mod threads;
mod trader;
mod trading;
mod words;

#[cfg(test)]
mod tests;

use super::{BenchError, Benchmark, Case, Check, Cost, Distribution, Id, Judged, Series};

pub use agent::{Agent, Clock, Subject};
pub use definition::{CATEGORIES, DEFINITIONS, Definition};
pub use quarters::{Provider, Quarters, Remains, Report, Traffic, Usage};
pub use stage::{Material, Plan};
pub use threads::{Make, Threads};
pub use words::{
    Answer, Arrival, Assignment, Charter, Conduct, Distributing, Order, Own, Role, Signals, StateReport, Told,
};

use stage::Stage;

/// What a benchmark found.
#[derive(Debug)]
struct Draft {
    /// In the definition's unit.
    samples: Vec<f64>,
    cases: Vec<Case>,
    series: Vec<Series>,
    costs: Vec<Cost>,
}

impl Draft {
    fn of(samples: Vec<f64>) -> Self {
        Self { samples, cases: Vec::new(), series: Vec::new(), costs: Vec::new() }
    }
}

/// A figure under another condition, held against a bound or not.
fn case(
    name: impl Into<String>,
    unit: &str,
    judged: Judged,
    requirement: Option<f64>,
    samples: &[f64],
) -> Result<Case, BenchError> {
    let name = name.into();
    let samples = Distribution::of(samples).ok_or_else(|| unmeasured(&name))?;
    Ok(Case {
        name,
        unit: unit.to_owned(),
        more_is_better: false,
        requirement,
        target: None,
        judged,
        measured: None,
        pass: None,
        samples,
    })
}

fn unmeasured(what: &str) -> BenchError {
    BenchError::Program { program: what.to_owned(), reason: "no sample was taken, or one is no number".to_owned() }
}

/// What stands where nothing was measured.
fn nothing() -> Distribution {
    let none = Distribution::of(&[0.0]).expect("a number");
    let percentiles = none.percentiles.into_iter().map(|p| super::Percentile { value: None, ..p }).collect();
    Distribution { n: 0, raw: Vec::new(), percentiles, ..none }
}

/// Carries a benchmark out.
///
/// # Errors
/// [`BenchError::Interrupted`] only: whatever else keeps it from being carried out is told by a check that does not hold.
pub fn measure(definition: &Definition, provider: &mut dyn Provider, plan: &Plan) -> Result<Benchmark, BenchError> {
    let mut stage = Stage::new(provider, plan);
    let drafted = match definition.number {
        1 => creation::initialisation(&mut stage),
        2 => creation::deployment(&mut stage),
        3 => creation::parallel(&mut stage),
        4 => scalability::few(&mut stage),
        5 => scalability::many(&mut stage),
        6 => scalability::topologies(&mut stage),
        7 => trading::execution(&mut stage),
        8 => trading::distribution(&mut stage),
        9 => trading::consensus(&mut stage),
        10 => communication::latency(&mut stage),
        11 => communication::synchronisation(&mut stage),
        12 => communication::throughput(&mut stage),
        13 => resources::memory(&mut stage),
        14 => resources::cpu(&mut stage),
        15 => resources::bandwidth(&mut stage),
        16 => cost::operation(&mut stage),
        17 => cost::topology(&mut stage),
        18 => cost::scale(&mut stage),
        number => Err(BenchError::Input(format!("there is no benchmark {number}"))),
    };
    let (provider, mut checks, parameters) = (stage.provider().to_owned(), stage.audit.checks, stage.parameters);
    let drafted = match drafted {
        Err(BenchError::Interrupted) => return Err(BenchError::Interrupted),
        Ok(draft) => Distribution::of(&draft.samples).map(|samples| (draft, samples)).ok_or(unmeasured("its samples")),
        Err(error) => Err(error),
    };
    let (draft, samples) = drafted.unwrap_or_else(|error| {
        checks.push(Check {
            claim: "it could be carried out".to_owned(),
            expected: "yes".to_owned(),
            found: error.to_string(),
            holds: false,
        });
        (Draft::of(Vec::new()), nothing())
    });
    let name = match parameters.as_str() {
        "" => definition.name.to_owned(),
        parameters => format!("{}: {parameters}", definition.name),
    };
    let mut benchmark = Benchmark {
        id: Id::Number(definition.number),
        suite: "swarm".to_owned(),
        name,
        unit: definition.unit.to_owned(),
        more_is_better: definition.more_is_better,
        item: definition.item.to_owned(),
        items: 1,
        requirement: definition.requirement(&provider),
        target: None,
        aim: definition.aim,
        judged: definition.judged,
        measured: None,
        pass: None,
        category: Some(definition.category.to_owned()),
        provider: Some(provider),
        checks,
        cases: draft.cases,
        series: draft.series,
        costs: draft.costs,
        samples,
    };
    benchmark.judge();
    if benchmark.samples.n == 0 {
        benchmark.measured = None;
    }
    Ok(benchmark)
}
