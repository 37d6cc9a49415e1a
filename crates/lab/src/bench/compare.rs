//! Two builds side by side: which benchmark got worse, by how much, and whether that is more than noise.
//!
//! Invariants: a ratio is of costs, after over before, so above 1 is worse whatever the unit; a verdict other than "the same"
//! needs both a change beyond the tolerance and an interval that holds no "unchanged". Records of one run each, taken on
//! another day, can be compared, but a machine that others share has changed since: only [`paired`] rounds and
//! [`counted`] instructions are fit for a gate. No program is started here.

use std::fmt::Write as _;

use serde::Serialize;

use super::record::short;
use super::{BenchRecord, Benchmark};
use crate::stats::bootstrap;
use crate::stats::sample::{self, Convention};

/// Level of the intervals.
const LEVEL: f64 = 0.95;

/// What became of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It costs more, beyond tolerance and noise.
    Worse,
    /// It costs less, beyond tolerance and noise.
    Better,
    /// Neither.
    Same,
}

/// One benchmark of both builds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Suite, group and parameters.
    pub id: String,
    /// What `before` and `after` are told in.
    pub unit: String,
    /// The median of the first.
    pub before: f64,
    /// The median of the second.
    pub after: f64,
    /// Cost after over cost before; above 1 is worse.
    pub ratio: f64,
    /// 95 % confidence interval of the ratio: percentile bootstrap.
    pub ratio_ci95: [f64; 2],
    /// Pairs of rounds, or samples of the smaller side.
    pub n: usize,
    /// What to make of it.
    pub verdict: Verdict,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonRecord {
    /// How it was measured: `paired`, `recorded` or `instructions`.
    pub method: String,
    /// The change that counts, as a share.
    pub tolerance: f64,
    /// Benchmarks of both sides, in the order of the second.
    pub comparisons: Vec<Comparison>,
    /// Benchmarks of one side only.
    pub unmatched: Vec<String>,
}

/// What one execution costs, whatever the unit says.
fn cost(benchmark: &Benchmark, value: f64) -> f64 {
    if benchmark.more_is_better { 1.0 / value } else { value }
}

fn verdict(ratio: f64, [low, high]: [f64; 2], tolerance: f64) -> Verdict {
    if ratio > 1.0 + tolerance && low > 1.0 {
        Verdict::Worse
    } else if ratio < 1.0 / (1.0 + tolerance) && high < 1.0 {
        Verdict::Better
    } else {
        Verdict::Same
    }
}

fn median(values: &[f64]) -> Option<f64> {
    sample::quantile(values, 0.5, Convention::Linear)
}

fn find<'a>(record: &'a BenchRecord, key: &str) -> Option<&'a Benchmark> {
    record.benchmarks.iter().find(|b| b.key() == key)
}

/// Rounds of both builds that were measured in turn: each pair gives one ratio. The interval is of their median, so what
/// slowed both of a pair cancels. `None` of a benchmark that a round lacks.
#[must_use]
pub fn paired(before: &[BenchRecord], after: &[BenchRecord], tolerance: f64) -> ComparisonRecord {
    let one = |benchmark: &Benchmark| -> Option<Comparison> {
        let of = |records: &[BenchRecord]| -> Option<Vec<f64>> {
            records.iter().map(|record| find(record, &benchmark.key())?.measured).collect()
        };
        let (before, after) = (of(before)?, of(after)?);
        let ratios: Vec<f64> =
            before.iter().zip(&after).map(|(b, a)| cost(benchmark, *a) / cost(benchmark, *b)).collect();
        let (ratio, ratio_ci95) = (median(&ratios)?, bootstrap::median_interval(&ratios, LEVEL)?);
        Some(Comparison {
            id: benchmark.key(),
            unit: benchmark.unit.clone(),
            before: median(&before)?,
            after: median(&after)?,
            ratio,
            ratio_ci95,
            n: ratios.len(),
            verdict: verdict(ratio, ratio_ci95, tolerance),
        })
    };
    gather("paired", before.first(), after.first(), tolerance, one)
}

/// Two records of one run each, by their samples. What was measured in another way has no counterpart.
#[must_use]
pub fn recorded(before: &BenchRecord, after: &BenchRecord, tolerance: f64) -> ComparisonRecord {
    let one = |benchmark: &Benchmark| -> Option<Comparison> {
        let first = find(before, &benchmark.key()).filter(|first| first.alike(benchmark))?;
        let costs = |b: &Benchmark| b.samples.raw.iter().map(|x| cost(b, *x)).collect::<Vec<f64>>();
        let (of_first, of_second) = (costs(first), costs(benchmark));
        let (ratio, ratio_ci95) = bootstrap::median_ratio(&of_first, &of_second, LEVEL)?;
        Some(Comparison {
            id: benchmark.key(),
            unit: benchmark.unit.clone(),
            before: first.measured?,
            after: benchmark.measured?,
            ratio,
            ratio_ci95,
            n: of_first.len().min(of_second.len()),
            verdict: verdict(ratio, ratio_ci95, tolerance),
        })
    };
    gather("recorded", Some(before), Some(after), tolerance, one)
}

/// Instructions of one execution, by benchmark; they repeat to a millionth, so the ratio is its own interval.
#[must_use]
pub fn counted(before: &[(String, f64)], after: &[(String, f64)], tolerance: f64) -> ComparisonRecord {
    let mut record = ComparisonRecord {
        method: "instructions".to_owned(),
        tolerance,
        comparisons: Vec::new(),
        unmatched: Vec::new(),
    };
    for (id, after) in after {
        let Some((_, before)) = before.iter().find(|(other, _)| other == id) else {
            record.unmatched.push(id.clone());
            continue;
        };
        let ratio = after / before;
        record.comparisons.push(Comparison {
            id: id.clone(),
            unit: "instructions".to_owned(),
            before: *before,
            after: *after,
            ratio,
            ratio_ci95: [ratio; 2],
            n: 1,
            verdict: verdict(ratio, [ratio; 2], tolerance),
        });
    }
    let missing = before.iter().filter(|(id, _)| !after.iter().any(|(other, _)| other == id));
    record.unmatched.extend(missing.map(|(id, _)| id.clone()));
    record
}

fn gather(
    method: &str,
    before: Option<&BenchRecord>,
    after: Option<&BenchRecord>,
    tolerance: f64,
    one: impl Fn(&Benchmark) -> Option<Comparison>,
) -> ComparisonRecord {
    let of = |record: Option<&BenchRecord>| record.map_or_else(Vec::new, |r| r.benchmarks.clone());
    let (first, second) = (of(before), of(after));
    let mut record =
        ComparisonRecord { method: method.to_owned(), tolerance, comparisons: Vec::new(), unmatched: Vec::new() };
    for benchmark in &second {
        match one(benchmark) {
            Some(comparison) => record.comparisons.push(comparison),
            None => record.unmatched.push(benchmark.key()),
        }
    }
    let missing = first.iter().filter(|b| !second.iter().any(|other| other.key() == b.key()));
    record.unmatched.extend(missing.map(Benchmark::key));
    record
}

impl ComparisonRecord {
    /// Those that got worse.
    #[must_use]
    pub fn worse(&self) -> Vec<&Comparison> {
        self.comparisons.iter().filter(|c| c.verdict == Verdict::Worse).collect()
    }

    /// Lines for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let width = self.comparisons.iter().map(|c| c.id.chars().count()).max().unwrap_or(0).max(9);
        let mut text = String::new();
        let head = ("before", "after", "unit", "cost ratio", "95 % of the ratio", "n");
        writeln!(
            text,
            "{:<width$}  {:>13} {:>13} {:<12} {:>10} {:>19} {:>4}",
            "benchmark", head.0, head.1, head.2, head.3, head.4, head.5
        )
        .expect("writing to a string");
        for c in &self.comparisons {
            let verdict = match c.verdict {
                Verdict::Worse => "WORSE",
                Verdict::Better => "better",
                Verdict::Same => "",
            };
            let interval = format!("{:.3} .. {:.3}", c.ratio_ci95[0], c.ratio_ci95[1]);
            let line = format!(
                "{:<width$}  {:>13} {:>13} {:<12} {:>10.3} {interval:>19} {:>4} {verdict}",
                c.id,
                short(c.before),
                short(c.after),
                c.unit,
                c.ratio,
                c.n,
            );
            writeln!(text, "{}", line.trim_end()).expect("writing to a string");
        }
        for id in &self.unmatched {
            writeln!(text, "{id}: of one side only").expect("writing to a string");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Distribution, Prepared, Tier, Unit, Workload};
    use super::*;

    /// A record of one benchmark with these samples.
    fn record(unit: Unit, samples: &[f64]) -> BenchRecord {
        let prepare = || Ok(Prepared { work: Box::new(|| Ok(1.0)), expected: None });
        let workload = Workload::new("s", "g", "p", (1, "items"), prepare).told_in(unit);
        let mut benchmark = Benchmark::measure(&workload, Tier::Fast).unwrap();
        benchmark.samples = Distribution::of(samples).unwrap();
        benchmark.judge();
        BenchRecord {
            schema: super::super::SCHEMA,
            subject: super::super::Subject::Engine,
            benchmarks: vec![benchmark],
            missing: vec![],
            machine: String::new(),
            cores: Some(2),
            load: None,
            commit: String::new(),
            date: String::new(),
            profile: String::new(),
            tier: String::new(),
            seconds: 0.0,
        }
    }

    /// Samples around a value, by a few per cent either way.
    fn around(value: f64) -> Vec<f64> {
        (0..30).map(|i| value * (1.0 + 0.002 * f64::from(i * 7 % 30 - 15))).collect()
    }

    #[test]
    fn ten_per_cent_more_is_worse_and_one_is_not() {
        let before = record(Unit::Nanoseconds, &around(100.0));
        let judged =
            |value: f64| recorded(&before, &record(Unit::Nanoseconds, &around(value)), 0.05).comparisons[0].clone();
        assert_eq!(judged(110.0).verdict, Verdict::Worse);
        assert!((judged(110.0).ratio - 1.1).abs() < 1e-9);
        assert_eq!(judged(101.0).verdict, Verdict::Same);
        assert_eq!(judged(80.0).verdict, Verdict::Better);
    }

    #[test]
    fn of_rates_fewer_is_worse() {
        let before = record(Unit::PerSecond, &around(1e6));
        let found = recorded(&before, &record(Unit::PerSecond, &around(0.8e6)), 0.05);
        assert_eq!((found.comparisons[0].verdict, found.worse().len()), (Verdict::Worse, 1));
        assert!((found.comparisons[0].ratio - 1.25).abs() < 1e-9);
    }

    #[test]
    fn noise_that_straddles_one_is_no_change() {
        // The medians are 8 % apart, but the samples spread over 40 %.
        let wide = |shift: f64| (0..8).map(|i| 100.0 + shift + 5.0 * f64::from(i * 3 % 8)).collect::<Vec<_>>();
        let found = recorded(&record(Unit::Nanoseconds, &wide(0.0)), &record(Unit::Nanoseconds, &wide(9.0)), 0.05);
        assert!(found.comparisons[0].ratio > 1.05);
        assert_eq!(found.comparisons[0].verdict, Verdict::Same);
    }

    /// A machine that slows down over the rounds slows both of a pair: the ratios do not see it.
    #[test]
    fn pairs_cancel_what_slows_both() {
        let rounds = |factor: f64| -> Vec<BenchRecord> {
            (0..8).map(|i| record(Unit::Nanoseconds, &[100.0 * factor * (1.0 + 0.3 * f64::from(i))])).collect()
        };
        let same = paired(&rounds(1.0), &rounds(1.0), 0.05);
        assert_eq!((same.comparisons[0].ratio, same.comparisons[0].verdict), (1.0, Verdict::Same));
        let worse = paired(&rounds(1.0), &rounds(1.07), 0.05);
        assert_eq!((worse.comparisons[0].verdict, worse.comparisons[0].n), (Verdict::Worse, 8));
    }

    #[test]
    fn instructions_are_compared_exactly_and_what_is_alone_is_named() {
        let before = [("a".to_owned(), 1_000.0), ("gone".to_owned(), 5.0)];
        let after = [("a".to_owned(), 1_060.0), ("new".to_owned(), 7.0)];
        let found = counted(&before, &after, 0.05);
        assert_eq!((found.comparisons.len(), found.comparisons[0].verdict), (1, Verdict::Worse));
        assert_eq!(found.unmatched, ["new", "gone"]);
        assert_eq!(counted(&before, &before, 0.05).comparisons[0].verdict, Verdict::Same);
        assert!(found.table().contains("WORSE") && found.table().contains("gone: of one side only"));
    }
}
