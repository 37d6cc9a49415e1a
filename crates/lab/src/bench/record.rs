//! Results: one JSON schema for every suite, and its table and Markdown.
//!
//! Invariant: what was asked (`requirement`, `target`, `aim`) and what was measured never share a column; whatever the
//! Markdown says is in the JSON. A benchmark without a target passes nothing: `pass` is null.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{BenchError, Distribution, Tier, Workload, sample};

/// The version of this layout.
pub const SCHEMA: u32 = 1;

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Suite, group and parameters.
    pub id: String,
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
    /// The median of the samples.
    pub measured: f64,
    /// Whether it meets both requirement and target; null without either.
    pub pass: Option<bool>,
    /// Samples and what is said of them.
    #[serde(flatten)]
    pub samples: Distribution,
}

/// Something that the definitions ask for and nothing measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Suite and group.
    pub suite: String,
    /// Why.
    pub reason: String,
}

/// All results of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Results, suite by suite.
    pub benchmarks: Vec<Benchmark>,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// Cores, processor, memory, in the caller's words.
    pub machine: String,
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
}

impl Benchmark {
    /// Measures a workload.
    pub fn measure(workload: &Workload, tier: Tier) -> Result<Self, BenchError> {
        let samples = sample(workload, tier)?;
        let distribution = Distribution::of(&samples).ok_or_else(|| BenchError::Answer {
            id: workload.id(),
            expected: 0.0,
            found: f64::NAN,
        })?;
        let measured = distribution.median;
        let meets = |bound: f64| if workload.unit.rises() { measured >= bound } else { measured <= bound };
        let targets = workload.targets;
        let bounds = [targets.requirement, targets.target];
        Ok(Self {
            id: workload.id(),
            suite: workload.suite.to_owned(),
            name: format!("{}: {}", workload.group, workload.parameters),
            unit: workload.unit.name().to_owned(),
            more_is_better: workload.unit.rises(),
            item: workload.item.to_owned(),
            items: workload.items,
            requirement: targets.requirement,
            target: targets.target,
            aim: targets.aim,
            measured,
            pass: bounds.iter().any(Option::is_some).then(|| bounds.into_iter().flatten().all(meets)),
            samples: distribution,
        })
    }

    /// True if it fails what it is held against.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.pass == Some(false)
    }
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
        let mut suite = "";
        for b in &self.benchmarks {
            if b.suite != suite {
                suite = &b.suite;
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
                short(b.measured),
                b.unit,
                b.samples.n,
                bound(b.requirement),
                bound(b.target),
                verdict(b.pass)
            )
            .expect("writing to a string");
        }
        for missing in &self.missing {
            writeln!(text, "missing  {}: {}", missing.suite, missing.reason).expect("writing to a string");
        }
        text
    }

    /// The same with everything the samples say.
    #[must_use]
    pub fn markdown(&self) -> String {
        let load = self.load.map_or_else(|| "unknown".to_owned(), |[a, b]| format!("{a:.2} before, {b:.2} after"));
        let mut text = format!(
            "# Benchmarks of the engine\n\n- machine: {}\n- load: {load}\n- commit: {}\n- date: {}\n- profile: {}\n- tier: {}\n",
            self.machine, self.commit, self.date, self.profile, self.tier
        );
        text.push_str("\nMeasured is the median of n samples; a sample of a fast workload is the mean of a batch.\n");
        let mut suite = "";
        for b in &self.benchmarks {
            if b.suite != suite {
                suite = &b.suite;
                let names: Vec<&str> = b.samples.percentiles.iter().map(|p| p.name.as_str()).collect();
                let columns = format!(
                    "| benchmark | unit | required | target | aim | measured | pass | n | min | mean | max | sd | 95 % of median | {} | outliers |",
                    names.join(" | ")
                );
                let rule = "|---".repeat(columns.matches('|').count() - 1);
                write!(text, "\n## {suite}\n\n{columns}\n{rule}|\n").expect("writing to a string");
            }
            let s = &b.samples;
            let percentiles: Vec<String> =
                s.percentiles.iter().map(|p| p.value.map_or_else(|| "n too small".to_owned(), short)).collect();
            let outliers: Vec<String> = s.outliers.iter().take(5).map(|x| short(*x)).collect();
            let more = s.outliers.len().saturating_sub(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}{more} |",
                b.name,
                b.unit.replace("item", b.item.trim_end_matches('s')),
                bound(b.requirement),
                bound(b.target),
                bound(b.aim),
                short(b.measured),
                verdict(b.pass),
                s.n,
                short(s.min),
                short(s.mean),
                short(s.max),
                short(s.sd),
                s.median_ci95.map(short).join(" to "),
                percentiles.join(" | "),
                if outliers.is_empty() { "none".to_owned() } else { outliers.join(" ") },
            )
            .expect("writing to a string");
        }
        if !self.missing.is_empty() {
            text.push_str("\n## Missing\n\n| suite | reason |\n|---|---|\n");
            for missing in &self.missing {
                writeln!(text, "| {} | {} |", missing.suite, missing.reason).expect("writing to a string");
            }
        }
        text
    }
}
