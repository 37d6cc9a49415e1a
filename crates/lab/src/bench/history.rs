//! Runs over time: the course of each benchmark, whether it drifts, and where it jumped.
//!
//! Invariant: only runs that are [`comparable`] are put side by side, and only figures of benchmarks that were measured
//! alike. Many benchmarks are tested at once, so the probabilities are adjusted for their number (Benjamini and Hochberg 1995):
//! of all drifts and jumps that are told, one in twenty is chance. What it deliberately does not do: judge. Machines change
//! from day to day; the gate is [`super::compare`] of two builds measured in turn.

use super::{BenchRecord, Benchmark};
use crate::stats::trend::{Change, LEAST, Trend, mann_kendall, pettitt};

/// Probability below which a drift or a jump is told.
pub const LEVEL: f64 = 0.05;
/// Runs from which on drifts and jumps can be told.
pub const RUNS_LEAST: usize = LEAST;

/// True if two runs are of one series: the same subject, tier, machine and build profile.
#[must_use]
pub fn comparable(a: &BenchRecord, b: &BenchRecord) -> bool {
    let about = |r: &BenchRecord| (r.subject, r.tier.clone(), r.machine.clone(), r.profile.clone());
    about(a) == about(b)
}

/// One benchmark over the runs that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Course<'a> {
    /// As the last run tells it.
    pub last: &'a Benchmark,
    /// The run's date and what was measured, oldest first; the last run is the last.
    pub values: Vec<(&'a str, f64)>,
    /// A drift, if there is one; its `p` is adjusted.
    pub trend: Option<Trend>,
    /// A jump, if there is one; its `p` is adjusted, `at` a place in `values`.
    pub change: Option<Change>,
}

impl Course<'_> {
    /// True if a step upward is for the worse.
    #[must_use]
    pub fn worsens(&self, step: f64) -> bool {
        if self.last.more_is_better { step < 0.0 } else { step > 0.0 }
    }
}

/// Adjusts probabilities for their number: the largest stays, the k-th smallest of n times n / k, none above its successor.
fn adjust(p: &mut [&mut f64]) {
    p.sort_by(|a, b| b.total_cmp(a));
    let (count, mut most) = (p.len(), 1.0f64);
    for (place, p) in p.iter_mut().enumerate() {
        most = most.min(**p * count as f64 / (count - place) as f64);
        **p = most;
    }
}

/// The course of every benchmark of the last of these runs, oldest first. Runs that are not comparable to the last do not
/// count.
#[must_use]
pub fn courses<'a>(runs: &[&'a BenchRecord]) -> Vec<Course<'a>> {
    let Some(last) = runs.last() else { return Vec::new() };
    let runs: Vec<&&BenchRecord> = runs.iter().filter(|run| comparable(run, last)).collect();
    let course = |benchmark: &'a Benchmark| {
        let value = |run: &&&'a BenchRecord| {
            let found = run.benchmarks.iter().find(|other| other.alike(benchmark))?;
            Some((run.date.as_str(), found.measured?))
        };
        let values: Vec<(&str, f64)> = runs.iter().filter_map(value).collect();
        let figures: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let (trend, change) = (mann_kendall(&figures), pettitt(&figures));
        Course { last: benchmark, values, trend, change }
    };
    let mut courses: Vec<Course> = last.benchmarks.iter().map(course).collect();
    adjust(&mut courses.iter_mut().filter_map(|c| Some(&mut c.trend.as_mut()?.p)).collect::<Vec<_>>());
    adjust(&mut courses.iter_mut().filter_map(|c| Some(&mut c.change.as_mut()?.p)).collect::<Vec<_>>());
    for course in &mut courses {
        course.trend = course.trend.filter(|trend| trend.p < LEVEL);
        course.change = course.change.filter(|change| change.p < LEVEL);
    }
    courses
}

#[cfg(test)]
mod tests {
    use starling_swarm::cost::{PriceTable, Resources, Usage};

    use super::super::compare::recorded;
    use super::super::{Cost, Distribution, Id, Judged, SCHEMA, Subject};
    use super::*;

    fn benchmark(number: u32, value: f64) -> Benchmark {
        let mut benchmark = Benchmark {
            id: Id::Number(number),
            suite: "swarm".into(),
            name: "n".into(),
            unit: "ms".into(),
            more_is_better: false,
            item: String::new(),
            items: 1,
            requirement: None,
            target: None,
            aim: None,
            judged: Judged::Median,
            measured: None,
            pass: None,
            category: None,
            provider: None,
            checks: vec![],
            cases: vec![],
            series: vec![],
            costs: vec![],
            samples: Distribution::of(&[value]).unwrap(),
        };
        benchmark.judge();
        benchmark
    }

    fn run(day: usize, values: &[f64]) -> BenchRecord {
        BenchRecord {
            schema: SCHEMA,
            subject: Subject::Swarm,
            benchmarks: values.iter().zip(1..).map(|(value, number)| benchmark(number, *value)).collect(),
            missing: vec![],
            machine: "m".into(),
            cores: Some(2),
            load: None,
            commit: String::new(),
            date: format!("2026-11-{day:02} 12:00 UTC"),
            profile: "release".into(),
            tier: "fast".into(),
            seconds: 1.0,
        }
    }

    /// R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "BH").
    #[test]
    fn probabilities_are_adjusted_as_by_r() {
        let mut p = [0.01, 0.04, 0.03, 0.005];
        adjust(&mut p.iter_mut().collect::<Vec<_>>());
        for (found, right) in p.into_iter().zip([0.02, 0.04, 0.04, 0.02]) {
            assert!((found - right).abs() < 1e-12, "{p:?}");
        }
    }

    #[test]
    fn a_jump_and_a_drift_are_found_and_noise_is_not() {
        let noise = |i: usize| 100.0 + [0.3, -0.4, 0.1, 0.5, -0.2, -0.5, 0.2][i * 3 % 7];
        let runs: Vec<BenchRecord> = (0..20)
            .map(|i| run(i + 1, &[noise(i), noise(i) + i as f64, noise(i) + if i < 12 { 0.0 } else { 9.0 }]))
            .collect();
        let found = courses(&runs.iter().collect::<Vec<_>>());
        assert_eq!((found[0].trend, found[0].change), (None, None));
        assert!((found[1].trend.unwrap().slope - 1.0).abs() < 0.1 && found[1].worsens(found[1].trend.unwrap().slope));
        let change = found[2].change.unwrap();
        assert_eq!((change.at, found[2].values[change.at].0), (12, "2026-11-13 12:00 UTC"));
        assert!((change.medians[1] - change.medians[0] - 9.0).abs() < 0.5);
    }

    #[test]
    fn few_runs_and_other_machines_say_nothing() {
        let runs: Vec<BenchRecord> = (0..RUNS_LEAST).map(|i| run(i + 1, &[i as f64])).collect();
        let all: Vec<&BenchRecord> = runs.iter().collect();
        assert!(courses(&all)[0].trend.is_some());
        assert_eq!(courses(&all[1..])[0].trend, None, "one run fewer");
        assert_eq!(courses(&all[..1])[0].values.len(), 1);
        assert!(courses(&[]).is_empty());
        let mut moved = runs.clone();
        moved[0].machine = "another".into();
        let course = &courses(&moved.iter().collect::<Vec<_>>())[0];
        assert_eq!((course.values.len(), course.trend), (RUNS_LEAST - 1, None));
        let mut smaller = runs.clone();
        smaller[3].benchmarks[0].items = 2;
        assert_eq!(courses(&smaller.iter().collect::<Vec<_>>())[0].values.len(), RUNS_LEAST - 1);
    }

    /// Dearer prices are no dearer program.
    #[test]
    fn runs_by_other_prices_are_not_compared() {
        let by = |day: usize, vcpu_second: u64| {
            let mut run = run(day, &[vcpu_second as f64]);
            let read = format!("2026-11-{day:02}");
            let prices =
                PriceTable { provider: "p".into(), vcpu_second, gib_second: 1, date: read, source: "s".into() };
            run.benchmarks[0].costs =
                vec![Cost::of(&prices, "mesh of 8", (8, Resources::default()), Usage::default(), 1)];
            run
        };
        let (cheap, dear, later) = (by(1, 100), by(2, 200), by(3, 200));
        let values = |runs: &[&BenchRecord]| courses(runs)[0].values.len();
        assert_eq!([values(&[&cheap, &dear]), values(&[&cheap, &dear, &later])], [1, 2], "read again, the same prices");
        let found = recorded(&cheap, &dear, 0.05);
        assert_eq!((found.comparisons.len(), found.unmatched.len()), (0, 1));
        assert_eq!(recorded(&dear, &later, 0.05).comparisons.len(), 1);
    }
}
