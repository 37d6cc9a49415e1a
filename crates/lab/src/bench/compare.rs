//! Two builds side by side: which benchmark got worse, by how much, and whether that is more than noise.
//!
//! Invariants: a ratio is of costs, after over before, so above 1 is worse whatever the unit; a verdict other than "the same"
//! needs both a change beyond the tolerance and an interval that holds no "unchanged". Records of one run each, taken on
//! another day, can be compared, but a machine that others share has changed since: only [`paired`] rounds and
//! [`counted`] instructions are fit for a gate, and there a figure that does not count is no better one: it is broken. No
//! program is started here.

use std::fmt::Write as _;

use serde::Serialize;

use super::record::short;
use super::{BenchRecord, Benchmark, Check};
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
    /// The median of the first: of its rounds' figures, or of its samples.
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

/// A benchmark whose second build does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Suite, group and parameters.
    pub id: String,
    /// What does not hold.
    pub reason: String,
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
    /// Benchmarks whose second build does not count, and which are therefore not compared; of [`paired`] rounds only.
    pub broken: Vec<Broken>,
    /// Benchmarks of one side only, or measured otherwise.
    pub unmatched: Vec<String>,
}

impl ComparisonRecord {
    fn new(method: &str, tolerance: f64) -> Self {
        let (comparisons, broken, unmatched) = (Vec::new(), Vec::new(), Vec::new());
        Self { method: method.to_owned(), tolerance, comparisons, broken, unmatched }
    }
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

/// Why a figure does not count, if it does not.
fn fault(benchmark: &Benchmark) -> Option<String> {
    if let Some(Check { claim, expected, found, .. }) = benchmark.checks.iter().find(|check| !check.holds) {
        return Some(format!("{claim}: expected {expected}, found {found}"));
    }
    let few = || format!("{} samples carry no {}", benchmark.samples.n, benchmark.judged.name());
    benchmark.measured.is_none().then(few)
}

/// Rounds of both builds that were measured in turn: each pair gives one ratio. The interval is of their median, so what
/// slowed both of a pair cancels. A benchmark that a round lacks, or of whose first build a figure does not count, has no
/// counterpart; one of whose second build a figure does not count is broken.
#[must_use]
pub fn paired(before: &[BenchRecord], after: &[BenchRecord], tolerance: f64) -> ComparisonRecord {
    let broken = |benchmark: &Benchmark| {
        let reason = after.iter().find_map(|record| fault(find(record, &benchmark.key())?))?;
        Some(Broken { id: benchmark.key(), reason })
    };
    let one = |benchmark: &Benchmark| -> Option<Comparison> {
        let of = |records: &[BenchRecord]| -> Option<Vec<f64>> {
            let counts = |found: &&Benchmark| found.alike(benchmark) && fault(found).is_none();
            records.iter().map(|record| find(record, &benchmark.key()).filter(counts)?.measured).collect()
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
    gather("paired", before.first(), after.first(), tolerance, (broken, one))
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
            before: first.samples.median,
            after: benchmark.samples.median,
            ratio,
            ratio_ci95,
            n: of_first.len().min(of_second.len()),
            verdict: verdict(ratio, ratio_ci95, tolerance),
        })
    };
    gather("recorded", Some(before), Some(after), tolerance, (|_: &Benchmark| None, one))
}

/// Instructions of one execution, by benchmark; they repeat to a millionth, so the ratio is its own interval. Of none there
/// is no ratio.
#[must_use]
pub fn counted(before: &[(String, f64)], after: &[(String, f64)], tolerance: f64) -> ComparisonRecord {
    let mut record = ComparisonRecord::new("instructions", tolerance);
    for (id, after) in after {
        let Some((_, before)) = before.iter().find(|(other, count)| other == id && *count > 0.0 && *after > 0.0) else {
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
    (broken, one): (impl Fn(&Benchmark) -> Option<Broken>, impl Fn(&Benchmark) -> Option<Comparison>),
) -> ComparisonRecord {
    let of = |record: Option<&BenchRecord>| record.map_or_else(Vec::new, |r| r.benchmarks.clone());
    let (first, second) = (of(before), of(after));
    let mut record = ComparisonRecord::new(method, tolerance);
    for benchmark in &second {
        if let Some(broken) = broken(benchmark) {
            record.broken.push(broken);
        } else if let Some(comparison) = one(benchmark) {
            record.comparisons.push(comparison);
        } else {
            record.unmatched.push(benchmark.key());
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
        for Broken { id, reason } in &self.broken {
            writeln!(text, "{id}: BROKEN, not compared: {reason}").expect("writing to a string");
        }
        for id in &self.unmatched {
            writeln!(text, "{id}: of one side only, or measured otherwise").expect("writing to a string");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Distribution, Judged, Prepared, Tier, Unit, Workload};
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

    /// Eight rounds of 100 ns, and eight of 50 ns with a change made to the benchmark of the last.
    fn with_last(change: impl Fn(&mut Benchmark)) -> [Vec<BenchRecord>; 2] {
        let [before, mut after] = [100.0, 50.0].map(|value| vec![record(Unit::Nanoseconds, &[value]); 8]);
        let last = &mut after[7].benchmarks[0];
        change(last);
        last.judge();
        [before, after]
    }

    /// Whoever loses frames is quick.
    #[test]
    fn a_second_build_whose_figure_does_not_count_is_broken_and_not_better() {
        let lost = |benchmark: &mut Benchmark| {
            let claim = "every frame became an event".to_owned();
            benchmark.checks = vec![Check { claim, expected: "100".into(), found: "99".into(), holds: false }];
        };
        let few = |benchmark: &mut Benchmark| benchmark.judged = Judged::P95;
        let cases = [
            (with_last(lost), "every frame became an event: expected 100, found 99"),
            (with_last(few), "1 samples carry no P95"),
        ];
        for ([before, after], reason) in cases {
            let found = paired(&before, &after, 0.05);
            assert!(found.comparisons.is_empty() && found.unmatched.is_empty(), "{found:?}");
            assert_eq!(found.broken, [Broken { id: "s/g/p".into(), reason: reason.into() }]);
            assert!(found.table().contains(&format!("BROKEN, not compared: {reason}")), "{}", found.table());
            // What it was measured against does not count either, but the second build is not to blame.
            let found = paired(&after, &before, 0.05);
            assert_eq!((found.comparisons.len(), found.broken.len()), (0, 0));
            assert_eq!(found.unmatched, ["s/g/p"]);
        }
        let [before, after] = with_last(|_| ());
        assert_eq!(paired(&before, &after, 0.05).comparisons[0].verdict, Verdict::Better);
    }

    /// Eight rounds that do half of the work in half of the time.
    #[test]
    fn rounds_that_were_not_measured_alike_are_not_compared() {
        let [before, mut after] = with_last(|_| ());
        after.iter_mut().for_each(|record| record.benchmarks[0].items = 2);
        let found = paired(&before, &after, 0.05);
        assert_eq!((found.comparisons.len(), found.broken.len(), found.unmatched), (0, 0, vec!["s/g/p".to_owned()]));
    }

    /// Means of 40 and 60, medians of 10 and 20.
    #[test]
    fn results_are_told_by_the_medians_that_their_ratio_is_of() {
        let of = |samples: &[f64]| {
            let mut record = record(Unit::Nanoseconds, samples);
            record.benchmarks[0].judged = Judged::Mean;
            record.benchmarks[0].judge();
            record
        };
        let found = recorded(&of(&[10.0, 10.0, 100.0]), &of(&[20.0, 20.0, 140.0]), 0.05);
        let one = &found.comparisons[0];
        assert_eq!((one.before, one.after, one.ratio), (10.0, 20.0, 2.0));
    }

    /// Neither infinitely worse nor, of nothing against nothing, the same.
    #[test]
    fn where_no_instructions_were_counted_there_is_no_ratio() {
        let of = |count: f64| [("a".to_owned(), count)];
        for (before, after) in [(0.0, 5.0), (0.0, 0.0), (5.0, 0.0)] {
            let found = counted(&of(before), &of(after), 0.05);
            assert_eq!((found.comparisons.len(), found.unmatched), (0, vec!["a".to_owned()]));
        }
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
