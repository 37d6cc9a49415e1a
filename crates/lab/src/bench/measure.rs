//! How a workload becomes a distribution: warm-up, samples, and what is said of them.
//!
//! Invariant: every sample counts: outliers are named (modified z-score), never dropped; a percentile that the number of
//! samples cannot carry is absent. A sample of a fast workload is the mean of a batch, so percentiles are of batches, not
//! of single executions.

use std::hint::black_box;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BenchError, Workload};
use crate::stats::bootstrap;
use crate::stats::outlier;
use crate::stats::sample::{self, Convention};

/// The percentiles told: name and share.
pub const PERCENTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];
/// A sample lasts at least this long, or it is of one execution.
const SAMPLE: Duration = Duration::from_micros(500);

/// How much time measuring may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// At least 5 samples, a fifth of a second.
    Fast,
    /// At least 10 samples, two seconds.
    Standard,
    /// At least 20 samples, five seconds.
    Full,
}

impl Tier {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
    const fn budget(self) -> (usize, Duration, Duration) {
        match self {
            Self::Fast => (5, Duration::from_millis(20), Duration::from_millis(200)),
            Self::Standard => (10, Duration::from_millis(300), Duration::from_secs(2)),
            Self::Full => (20, Duration::from_millis(1_000), Duration::from_secs(5)),
        }
    }
    /// Samples at most: enough for a P99.
    const SAMPLES_MAX: usize = 1_000;
}

/// A percentile; `value` is absent where there are too few samples for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentile {
    /// Its name, as `p95`.
    pub name: String,
    /// Its value, if there are at least `10 / (1 - share)` samples.
    pub value: Option<f64>,
}

/// What is said of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Samples.
    pub n: usize,
    /// Smallest.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Middle one.
    pub median: f64,
    /// Largest.
    pub max: f64,
    /// Sample standard deviation.
    pub sd: f64,
    /// Percentiles.
    pub percentiles: Vec<Percentile>,
    /// 95 % confidence interval of the median: percentile bootstrap (Efron 1979), 2,000 resamples, seed 7.
    pub median_ci95: [f64; 2],
    /// Samples whose modified z-score exceeds 3.5 (Iglewicz & Hoaglin 1993). They count in all the rest.
    pub outliers: Vec<f64>,
    /// The samples, in the order they were taken.
    pub raw: Vec<f64>,
}

impl Distribution {
    /// Of samples; `None` if there is none, or one is not finite.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let quantile = |p| sample::quantile(samples, p, Convention::Linear);
        let n = samples.len();
        let percentile = |(name, share): (&str, f64)| Percentile {
            name: name.to_owned(),
            // Ten samples beyond it, with room for the rounding of 1 - share.
            value: if n as f64 * (1.0 - share) >= 10.0 - 1e-9 { quantile(share) } else { None },
        };
        Some(Self {
            n,
            min: quantile(0.0)?,
            mean: sample::mean(samples)?,
            median: quantile(0.5)?,
            max: quantile(1.0)?,
            sd: sample::standard_deviation(samples).unwrap_or(0.0),
            percentiles: PERCENTILES.map(percentile).into(),
            median_ci95: bootstrap::median_interval(samples, 0.95)?,
            outliers: outlier::modified_z(samples, outlier::SCORE)?,
            raw: samples.to_vec(),
        })
    }
}

/// Proves a workload, warms it up and samples it, each sample in its unit.
pub fn sample(workload: &Workload, tier: Tier) -> Result<Vec<f64>, BenchError> {
    let (least, warm_up, budget) = tier.budget();
    let mut prepared = workload.prove()?;
    let timed = prepared.expected.is_some();
    let started = Instant::now();
    let mut executions = 0u32;
    while executions == 0 || started.elapsed() < warm_up {
        black_box((prepared.work)()?);
        executions += 1;
    }
    let one = started.elapsed() / executions;
    let batch = if timed { (SAMPLE.as_nanos() / one.as_nanos().max(1)).max(1) } else { 1 };
    let mut samples = Vec::new();
    let started = Instant::now();
    while samples.len() < least || (started.elapsed() < budget && samples.len() < Tier::SAMPLES_MAX) {
        let sampled = Instant::now();
        let mut told = 0.0;
        for _ in 0..batch {
            told = black_box((prepared.work)()?);
        }
        let elapsed = sampled.elapsed().as_nanos() as f64 / batch as f64;
        samples.push(workload.unit.of(if timed { elapsed } else { told }, workload.items));
    }
    Ok(samples)
}
