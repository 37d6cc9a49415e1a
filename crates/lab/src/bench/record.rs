//! Results: one JSON schema for engine, swarm and mesh, and their table for a terminal.
//!
//! Invariant: what was asked (`requirement`, `target`, `aim`) and what was measured never share a column; what a
//! report says is in the JSON. A benchmark without a target and without checks passes nothing: `pass` is null. One whose
//! check does not hold fails, however fast it was.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use starling_swarm::cost::PriceTable;

use super::{BenchError, Distribution, Tier, Workload, sample};

/// The version of this layout.
pub const SCHEMA: u32 = 2;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The engine's suites.
    Engine,
    /// The eighteen benchmarks of swarms.
    Swarm,
    /// The ten benchmarks of the mesh.
    Mesh,
}

impl Subject {
    /// Its name, as in `starling bench NAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Swarm => "swarm",
            Self::Mesh => "mesh",
        }
    }
}

/// The statistic of the samples that is held against the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// Middle sample.
    #[default]
    Median,
    /// Arithmetic mean.
    Mean,
    /// 95th percentile; a benchmark with too few samples for one fails.
    P95,
    /// 99th percentile; as above.
    P99,
    /// The worst sample: the largest, or the smallest where more is better.
    Worst,
}

impl Judged {
    /// Its name, as in `mean`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::Mean => "mean",
            Self::P95 => "P95",
            Self::P99 => "P99",
            Self::Worst => "worst",
        }
    }

    /// Its value; `None` where there are too few samples.
    #[must_use]
    pub fn of(self, samples: &Distribution, more_is_better: bool) -> Option<f64> {
        let percentile = |name: &str| samples.percentiles.iter().find(|p| p.name == name)?.value;
        match self {
            Self::Median => Some(samples.median),
            Self::Mean => Some(samples.mean),
            Self::P95 => percentile("p95"),
            Self::P99 => percentile("p99"),
            Self::Worst if more_is_better => Some(samples.min),
            Self::Worst => Some(samples.max),
        }
    }
}

/// Something that had to be so for the figure to mean anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What is claimed, as `every task was done exactly once`.
    pub claim: String,
    /// What had to be found.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Whether the two agree.
    pub holds: bool,
}

/// Figures over a parameter, for a table or a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// What it shows, as `start to ready`.
    pub name: String,
    /// The parameter, with its unit.
    pub x: String,
    /// The figure, with its unit.
    pub y: String,
    /// The points, in the parameter's order; `x` is a text where the parameter is a name.
    pub points: Vec<Point>,
}

/// A point of a [`Series`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The parameter: a number, or a name.
    pub x: String,
    /// The figure.
    pub y: f64,
}

/// What the resources of a benchmark cost by one price table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// The prices, with their date and source.
    pub prices: PriceTable,
    /// What the resources were allocated for, as `mesh of 8`.
    pub subject: String,
    /// Agents that resources were allocated to.
    pub agents: u32,
    /// Virtual CPUs allocated, times seconds.
    pub vcpu_seconds: f64,
    /// Memory allocated, GiB times seconds.
    pub gib_seconds: f64,
    /// Operations done in that time.
    pub operations: u64,
    /// The price of it all.
    pub micro_dollars: u64,
    /// The price of an hour of the same agents.
    pub micro_dollars_hour: u64,
}

/// What a benchmark is called in its subject: a number where the definitions number them, else a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Id {
    /// Of the eighteen, or of the ten.
    Number(u32),
    /// Suite, group and parameters.
    Path(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

/// A benchmark's figure under another condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// The condition, as `one agent lies`.
    pub name: String,
    /// What it is told in.
    pub unit: String,
    /// True if more is better.
    pub more_is_better: bool,
    /// What the requirement asks.
    pub requirement: Option<f64>,
    /// What we ask.
    pub target: Option<f64>,
    /// Which statistic `measured` is.
    pub judged: Judged,
    /// What is held against the targets; null if there are too few samples to say.
    pub measured: Option<f64>,
    /// Whether it meets what is asked; null if nothing is.
    pub pass: Option<bool>,
    /// Samples and what is said of them.
    #[serde(flatten)]
    pub samples: Distribution,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Benchmark {
    /// Unique among those of one provider.
    pub id: Id,
    /// The suite.
    pub suite: String,
    /// Group and parameters.
    pub name: String,
    /// What `requirement`, `target`, `aim`, `measured` and the distribution are told in.
    pub unit: String,
    /// True if more is better.
    pub more_is_better: bool,
    /// What an item is, where the unit counts items.
    pub item: String,
    /// Items of one execution.
    pub items: u64,
    /// What the requirement asks.
    pub requirement: Option<f64>,
    /// What we ask.
    pub target: Option<f64>,
    /// Where we want to be.
    pub aim: Option<f64>,
    /// Which statistic `measured` is.
    #[serde(default)]
    pub judged: Judged,
    /// What is held against the targets; null if there are too few samples to say.
    pub measured: Option<f64>,
    /// Whether it meets requirement and target and every check holds; null without any of them.
    pub pass: Option<bool>,
    /// Its category among the definitions, where they give it one: `creation`, `trading`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What the agents ran in: `in-process`, `process`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What had to be so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The same under other conditions, as with a silent agent; a case that fails makes the benchmark fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Case>,
    /// More figures, for charts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
    /// What it cost, by each price table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub costs: Vec<Cost>,
    /// Samples and what is said of them.
    #[serde(flatten)]
    pub samples: Distribution,
}

/// Something that the definitions ask for and nothing measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// Suite and group.
    pub suite: String,
    /// Why.
    pub reason: String,
}

/// All results of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchRecord {
    /// The version of this layout.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// What it is about.
    pub subject: Subject,
    /// Results, suite by suite.
    pub benchmarks: Vec<Benchmark>,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// Cores, processor, memory, in the caller's words.
    pub machine: String,
    /// Cores of the machine that the measurement could use; absent of records that were made before there was the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Load of the machine before and after, if the caller knows it.
    pub load: Option<[f64; 2]>,
    /// The source revision, in the caller's words.
    pub commit: String,
    /// When, in the caller's words.
    pub date: String,
    /// The build profile.
    pub profile: String,
    /// The tier.
    pub tier: String,
    /// How long it all took, seconds.
    pub seconds: f64,
}

impl Benchmark {
    /// Samples under a name, with nothing asked of them yet.
    #[must_use]
    pub fn bare(id: Id, suite: &str, name: impl Into<String>, unit: &str, samples: Distribution) -> Self {
        Self {
            id,
            suite: suite.to_owned(),
            name: name.into(),
            unit: unit.to_owned(),
            more_is_better: false,
            item: String::new(),
            items: 1,
            requirement: None,
            target: None,
            aim: None,
            judged: Judged::default(),
            measured: None,
            pass: None,
            category: None,
            provider: None,
            checks: Vec::new(),
            cases: Vec::new(),
            series: Vec::new(),
            costs: Vec::new(),
            samples,
        }
    }

    /// Measures a workload.
    pub fn measure(workload: &Workload, tier: Tier) -> Result<Self, BenchError> {
        let samples = sample(workload, tier)?;
        let distribution = Distribution::of(&samples).ok_or_else(|| BenchError::Answer {
            id: workload.id(),
            expected: 0.0,
            found: f64::NAN,
        })?;
        let (id, name) = (Id::Path(workload.id()), format!("{}: {}", workload.group, workload.parameters));
        let mut benchmark = Self {
            more_is_better: workload.unit.rises(),
            item: workload.item.to_owned(),
            items: workload.items,
            requirement: workload.targets.requirement,
            target: workload.targets.target,
            aim: workload.targets.aim,
            ..Self::bare(id, workload.suite, name, workload.unit.name(), distribution)
        };
        benchmark.judge();
        Ok(benchmark)
    }

    /// By what it is found again in another record.
    #[must_use]
    pub fn key(&self) -> String {
        match (&self.id, &self.provider) {
            (Id::Path(path), _) => path.clone(),
            (Id::Number(number), None) => format!("{number} {}", self.name),
            (Id::Number(number), Some(provider)) => format!("{number} {}, {provider}", self.name),
        }
    }

    /// Sets `measured` and `pass` of it and of its cases from everything else.
    pub fn judge(&mut self) {
        self.cases.iter_mut().for_each(Case::judge);
        self.measured = self.judged.of(&self.samples, self.more_is_better);
        let bounds = [self.requirement, self.target];
        let own = held(bounds, self.measured, self.more_is_better);
        let checks = (!self.checks.is_empty()).then(|| self.checks.iter().all(|c| c.holds));
        let cases = self.cases.iter().map(|case| case.pass);
        self.pass = [own, checks].into_iter().chain(cases).flatten().reduce(|a, b| a && b);
    }

    /// True if it fails what it is held against.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.pass == Some(false)
    }
}

impl BenchRecord {
    /// The JSON schema of a record, draft 2020-12.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

/// How far inside what is asked a figure lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// What is asked: the tighter of requirement and target.
    pub bound: f64,
    /// The distance to it as a share of it: above zero inside, below outside. At most 1 where less is better.
    pub share: f64,
    /// How much of what is allowed is used: 1 at the bound, less inside. None if the figure or the bound is not positive.
    pub used: Option<f64>,
}

/// The margin to the tighter of these bounds; `None` without a figure, or without a bound that is not zero.
fn margin(bounds: [Option<f64>; 2], measured: Option<f64>, more_is_better: bool) -> Option<Margin> {
    let measured = measured?;
    let to = |bound: f64| {
        let inside = if more_is_better { measured - bound } else { bound - measured };
        let (part, whole) = if more_is_better { (bound, measured) } else { (measured, bound) };
        Margin { bound, share: inside / bound.abs(), used: (part > 0.0 && whole > 0.0).then(|| part / whole) }
    };
    let margins = bounds.into_iter().flatten().filter(|bound| *bound != 0.0).map(to);
    margins.min_by(|a, b| a.share.total_cmp(&b.share))
}

impl Benchmark {
    /// How far inside what is asked it lies; `None` if nothing is, or there is no figure.
    #[must_use]
    pub fn margin(&self) -> Option<Margin> {
        margin([self.requirement, self.target], self.measured, self.more_is_better)
    }

    /// True if figures of the two can be compared: the same is done as often, told in the same way, and by the same prices.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        let way = |b: &Self| (b.items, b.more_is_better, b.judged);
        let told = self.unit == other.unit && way(self) == way(other);
        self.key() == other.key() && told && self.prices() == other.prices()
    }

    /// The prices of its costs, whenever and wherever they were read: whose, a virtual CPU's second and a GiB's second.
    fn prices(&self) -> BTreeSet<(&str, u64, u64)> {
        let tables = self.costs.iter().map(|cost| &cost.prices);
        tables.map(|table| (table.provider.as_str(), table.vcpu_second, table.gib_second)).collect()
    }
}

impl Case {
    /// How far inside what is asked it lies.
    #[must_use]
    pub fn margin(&self) -> Option<Margin> {
        margin([self.requirement, self.target], self.measured, self.more_is_better)
    }

    /// Sets `measured` and `pass` from everything else.
    pub fn judge(&mut self) {
        self.measured = self.judged.of(&self.samples, self.more_is_better);
        self.pass = held([self.requirement, self.target], self.measured, self.more_is_better);
    }
}

/// Whether a figure is within its bounds; `None` without any.
fn held(bounds: [Option<f64>; 2], measured: Option<f64>, more_is_better: bool) -> Option<bool> {
    let meets = |bound: f64| measured.is_some_and(|x| if more_is_better { x >= bound } else { x <= bound });
    bounds.into_iter().flatten().map(meets).reduce(|a, b| a && b)
}

/// A number with as many digits as say something.
pub(super) fn short(x: f64) -> String {
    match x.abs() {
        a if a >= 1e5 => {
            let (digits, mut text) = (format!("{x:.0}"), String::new());
            for (i, c) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i) % 3 == 0 && !text.ends_with('-') {
                    text.push(',');
                }
                text.push(c);
            }
            text
        }
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        a if a >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}

fn bound(x: Option<f64>) -> String {
    x.map_or_else(|| "–".to_owned(), short)
}

fn measured(benchmark: &Benchmark) -> String {
    benchmark.measured.map_or_else(|| "n too small".to_owned(), short)
}

fn verdict(pass: Option<bool>) -> &'static str {
    match pass {
        Some(true) => "pass",
        Some(false) => "FAIL",
        None => "–",
    }
}

impl BenchRecord {
    /// Lines for a terminal: a heading per suite, then name, measured, unit, interval, n, target, verdict.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let width = self.benchmarks.iter().map(|b| b.name.chars().count()).max().unwrap_or(0);
        let mut suite = String::new();
        for b in &self.benchmarks {
            let of = b.provider.as_ref().map_or_else(|| b.suite.clone(), |p| format!("{}, {p}", b.suite));
            if of != suite {
                suite = of;
                let head = ("measured", "unit", "95 % of median", "n", "required", "target");
                writeln!(
                    text,
                    "{suite:<width$}  {:>13} {:<8} {:>25} {:>5} {:>12} {:>12}",
                    head.0, head.1, head.2, head.3, head.4, head.5
                )
                .expect("writing to a string");
            }
            let interval = b.samples.median_ci95.map(short).join(" .. ");
            writeln!(
                text,
                "{:<width$}  {:>13} {:<8} {interval:>25} {:>5} {:>12} {:>12} {}",
                b.name,
                measured(b),
                b.unit,
                b.samples.n,
                bound(b.requirement),
                bound(b.target),
                verdict(b.pass)
            )
            .expect("writing to a string");
            for check in b.checks.iter().filter(|check| !check.holds) {
                let Check { claim, expected, found, .. } = check;
                writeln!(text, "  does not hold: {claim}: expected {expected}, found {found}")
                    .expect("writing to a string");
            }
            for case in b.cases.iter().filter(|case| case.pass == Some(false)) {
                let found = case.measured.map_or_else(|| "n too small".to_owned(), short);
                writeln!(text, "  FAIL {}: {found} {}", case.name, case.unit).expect("writing to a string");
            }
        }
        for missing in &self.missing {
            writeln!(text, "missing  {}: {}", missing.suite, missing.reason).expect("writing to a string");
        }
        text
    }
}
