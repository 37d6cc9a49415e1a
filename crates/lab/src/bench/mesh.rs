//! The ten benchmarks of the mesh, and what a mesh is required to do: agents of one process with their tasks, messages,
//! decisions and state.
//!
//! Invariant: an agent here is a whole node (codec, window, mailbox, acknowledgements, topology) with the very components
//! that a swarm runs, and what it is given to do is done: each benchmark holds its answers against ones computed apart, and
//! fails if one differs, however quick it was. What it deliberately does not hold: processes and links between them, which
//! the program measures, as they lie above this crate.

mod batch;
mod capability;
pub mod council;
mod creation;
mod crew;
mod figure;
mod split;
#[cfg(test)]
mod tests;
mod workflow;

use super::{BenchError, Benchmark, Case, Check, Distribution, Id, Judged, Missing, Tier};

/// The suite of the ten.
pub const SUITE: &str = "mesh";
/// The suite of what is required.
pub const REQUIRED: &str = "requirements";

/// A benchmark of the mesh.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its number, or its path.
    pub id: Id,
    /// Its category.
    pub category: &'static str,
    /// Its name.
    pub name: &'static str,
    measure: fn(Tier) -> Result<Benchmark, BenchError>,
}

impl Definition {
    /// Measures it.
    ///
    /// # Errors
    /// [`BenchError`], if its work was not done.
    pub fn measure(&self, tier: Tier) -> Result<Benchmark, BenchError> {
        (self.measure)(tier)
    }

    /// Number and name, as lists show it.
    #[must_use]
    pub fn title(&self) -> String {
        title(&self.id, self.category, self.name)
    }
}

/// How a benchmark is called in a list: `mesh/5 workflow: 5 steps...`.
#[must_use]
pub fn title(id: &Id, category: &str, name: &str) -> String {
    match id {
        Id::Number(number) => format!("{SUITE}/{number} {category}: {name}"),
        Id::Path(path) => format!("{path}: {name}"),
    }
}

/// All that needs one process.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    let ten = [
        (5, "workflow", workflow::NAME, workflow::measure as fn(Tier) -> _),
        (6, "parallel", batch::NAME, batch::measure),
        (7, "capability", capability::PROBE, capability::probe),
        (8, "creation", creation::NAME, creation::measure),
        (9, "capability", capability::WORK, capability::work),
        (10, "tasks", split::NAME, split::measure),
    ];
    let ten = ten.into_iter().map(|(number, category, name, measure)| Definition {
        id: Id::Number(number),
        category,
        name,
        measure,
    });
    let required = [
        ("spawn", figure::SPAWN, figure::spawn as fn(Tier) -> _),
        ("concurrent", figure::CONCURRENT, figure::concurrent),
        ("message", figure::MESSAGE, figure::message),
        ("throughput", figure::THROUGHPUT, figure::throughput),
        ("decision", figure::DECISION, figure::decision),
        ("consensus", figure::CONSENSUS, figure::consensus),
    ];
    let required = required.into_iter().map(|(path, name, measure)| Definition {
        id: Id::Path(format!("{REQUIRED}/{path} in-process")),
        category: path,
        name,
        measure,
    });
    ten.chain(required).collect()
}

/// What the definitions ask for and nothing measures, with the reason.
#[must_use]
pub fn missing() -> Vec<Missing> {
    let rows = [
        ("mesh/1 SIMD: dot, add, scale, relu against scalar", "the neural crate does not exist yet"),
        (
            "mesh/2 module load: eager, progressive, on demand",
            "one static program has no modules to load; models will be, with the neural crate",
        ),
        (
            "mesh/3 allocation: pools, hit rate, fragmentation",
            "nothing here has a pool: the hot path allocates nothing, the rest leaves it to the system's allocator",
        ),
        ("mesh/4 inference of four networks", "the neural crate does not exist yet"),
        ("requirements/1000x1000 matmul < 50 ms, inference < 100 ms", "the neural crate does not exist yet"),
        ("requirements/WASM bundle < 2 MB", "nothing is built for the browser"),
        (
            "requirements/Byzantine order, transactions a second",
            "the program is built without it: `cargo run --release -p starling-connect --features byzantine --example byzantine_speed`",
        ),
    ];
    rows.map(|(suite, reason)| Missing { suite: suite.to_owned(), reason: reason.to_owned() }).into()
}

/// What a figure is told in, and held against.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The unit.
    pub unit: &'static str,
    /// True if more is better.
    pub more_is_better: bool,
    /// What the requirement asks.
    pub requirement: Option<f64>,
    /// What we ask.
    pub target: Option<f64>,
    /// Where we want to be; of a whole benchmark only.
    pub aim: Option<f64>,
    /// Which statistic is held against them.
    pub judged: Judged,
}

impl Scale {
    /// Less is better; nothing is asked.
    #[must_use]
    pub const fn less(unit: &'static str) -> Self {
        Self { unit, more_is_better: false, requirement: None, target: None, aim: None, judged: Judged::Median }
    }

    /// More is better; nothing is asked.
    #[must_use]
    pub const fn more(unit: &'static str) -> Self {
        Self { more_is_better: true, ..Self::less(unit) }
    }

    /// Held against what is required, and against what we ask.
    #[must_use]
    pub const fn held_to(self, requirement: Option<f64>, target: Option<f64>) -> Self {
        Self { requirement, target, ..self }
    }

    /// Towards somewhere.
    #[must_use]
    pub const fn towards(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// By another statistic than the median.
    #[must_use]
    pub const fn by(self, judged: Judged) -> Self {
        Self { judged, ..self }
    }
}

fn described(what: &str, samples: &[f64]) -> Result<Distribution, BenchError> {
    let wrong = || BenchError::Answer { id: what.to_owned(), expected: 0.0, found: f64::NAN };
    Distribution::of(samples).ok_or_else(wrong)
}

/// A result of the mesh, judged; checks and cases are added by [`Build`].
#[derive(Debug)]
pub struct Build(Benchmark);

impl Build {
    /// Of samples of `items` items each.
    ///
    /// # Errors
    /// [`BenchError::Answer`], of no samples, or one that is not a number.
    pub fn new(
        id: Id,
        category: &str,
        name: &str,
        (items, item): (u64, &str),
        scale: Scale,
        samples: &[f64],
    ) -> Result<Self, BenchError> {
        let samples = described(name, samples)?;
        let suite = if matches!(id, Id::Number(_)) { SUITE } else { REQUIRED };
        Ok(Self(Benchmark {
            id,
            suite: suite.to_owned(),
            name: name.to_owned(),
            unit: scale.unit.to_owned(),
            more_is_better: scale.more_is_better,
            item: item.to_owned(),
            items,
            requirement: scale.requirement,
            target: scale.target,
            aim: scale.aim,
            judged: scale.judged,
            measured: None,
            pass: None,
            category: Some(category.to_owned()),
            provider: Some("in-process".to_owned()),
            checks: Vec::new(),
            cases: Vec::new(),
            series: Vec::new(),
            costs: Vec::new(),
            samples,
        }))
    }

    /// Agents that run in something else than this process.
    #[must_use]
    pub fn on(mut self, provider: &str) -> Self {
        self.0.provider = Some(provider.to_owned());
        self
    }

    /// Something that had to be so.
    #[must_use]
    pub fn check<T: PartialEq + std::fmt::Debug>(mut self, claim: &str, expected: T, found: T) -> Self {
        let holds = expected == found;
        let told = |value: T| format!("{value:?}");
        let (expected, found) = (told(expected), told(found));
        self.0.checks.push(Check { claim: claim.to_owned(), expected, found, holds });
        self
    }

    /// Something that had to be so, in words.
    #[must_use]
    pub fn claim(mut self, claim: &str, expected: &str, found: String, holds: bool) -> Self {
        self.0.checks.push(Check { claim: claim.to_owned(), expected: expected.to_owned(), found, holds });
        self
    }

    /// The same under another condition.
    ///
    /// # Errors
    /// [`BenchError::Answer`], of no samples, or one that is not a number.
    pub fn case(mut self, name: impl Into<String>, scale: Scale, samples: &[f64]) -> Result<Self, BenchError> {
        let name = name.into();
        let samples = described(&name, samples)?;
        self.0.cases.push(Case {
            name,
            unit: scale.unit.to_owned(),
            more_is_better: scale.more_is_better,
            requirement: scale.requirement,
            target: scale.target,
            judged: scale.judged,
            measured: None,
            pass: None,
            samples,
        });
        Ok(self)
    }

    /// Figures over a parameter.
    #[must_use]
    pub fn series(mut self, name: &str, x: &str, y: &str, points: impl IntoIterator<Item = (String, f64)>) -> Self {
        let points = points.into_iter().map(|(x, y)| super::Point { x, y }).collect();
        self.0.series.push(super::Series { name: name.to_owned(), x: x.to_owned(), y: y.to_owned(), points });
        self
    }

    /// The whole, judged.
    #[must_use]
    pub fn judge(mut self) -> Benchmark {
        self.0.judge();
        self.0
    }
}
