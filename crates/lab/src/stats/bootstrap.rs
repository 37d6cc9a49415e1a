//! Percentile bootstrap intervals (Efron 1979): how far a statistic would move had other samples been drawn.
//!
//! Seeded, so the same samples give the same interval. The samples are taken as independent: for a series in time the
//! interval is too narrow. One sample is its own interval.
//!
//! A resample of `n` is not drawn sample by sample. Its order statistics are the samples at the ranks `floor(n U)`, where the
//! `U` are the order statistics of `n` uniforms, and those have a known law: the `k`-th is `Beta(k, n + 1 - k)`, and above it
//! lie `n - k` uniforms of what is left (David and Nagaraja 2003, section 2.1). So a resample's median is drawn by its exact
//! law in the same time whatever `n`, where sample by sample a million of them would take minutes.

use super::random::Xoshiro;
use super::sample;

/// Resamples: the ends of a 95 % interval rest on 50 of them each.
pub const RESAMPLES: usize = 2_000;

/// Seed of the draws.
pub const SEED: u64 = 7;

/// Samples in order, of whose resamples the medians are drawn.
struct Sorted(Vec<f64>);

impl Sorted {
    /// `None` of no samples, or one that is not finite.
    fn new(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        (!sorted.is_empty() && sample::all_finite(&sorted)).then_some(Self(sorted))
    }

    fn at(&self, uniform: f64) -> f64 {
        let rank = (uniform * self.0.len() as f64) as usize;
        self.0[rank.min(self.0.len() - 1)]
    }

    fn median(&self) -> f64 {
        let n = self.0.len();
        middle(self.0[(n - 1) / 2], self.0[n / 2])
    }

    /// The median of a resample of as many.
    fn draw(&self, random: &mut Xoshiro) -> f64 {
        let n = self.0.len();
        let lower = n.div_ceil(2);
        let uniform = beta(random, lower as f64, (n + 1 - lower) as f64);
        if n % 2 == 1 {
            return self.at(uniform);
        }
        // The least of so many uniforms above it.
        let above = (n - lower) as f64;
        let next = uniform + (1.0 - uniform) * (1.0 - random.uniform().powf(1.0 / above));
        middle(self.at(uniform), self.at(next))
    }
}

fn middle(low: f64, high: f64) -> f64 {
    low + (high - low) * 0.5
}

/// A draw from the beta distribution, both parameters at least 1.
fn beta(random: &mut Xoshiro, a: f64, b: f64) -> f64 {
    let (x, y) = (gamma(random, a), gamma(random, b));
    x / (x + y)
}

/// A draw from the gamma distribution of a shape of at least 1 and scale 1 (Marsaglia and Tsang 2000).
fn gamma(random: &mut Xoshiro, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = random.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && random.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// The ends that leave out half of `1 - level` at either side.
fn ends(statistics: &mut [f64], level: f64) -> [f64; 2] {
    let tail = 0.5 * (1.0 - level);
    let last = (statistics.len() - 1) as f64;
    [tail, 1.0 - tail].map(|share| sample::select(statistics, last * share))
}

/// The interval of the median at a level such as 0.95.
pub fn median_interval(samples: &[f64], level: f64) -> Option<[f64; 2]> {
    let sorted = Sorted::new(samples)?;
    let mut random = Xoshiro::new(SEED);
    let mut medians: Vec<f64> = (0..RESAMPLES).map(|_| sorted.draw(&mut random)).collect();
    Some(ends(&mut medians, level))
}

/// The ratio of two medians, `b` over `a`, and its interval: both samples are drawn anew, independently. `None` unless all
/// are positive.
pub fn median_ratio(a: &[f64], b: &[f64], level: f64) -> Option<(f64, [f64; 2])> {
    if !a.iter().chain(b).all(|x| *x > 0.0) {
        return None;
    }
    let (a, b) = (Sorted::new(a)?, Sorted::new(b)?);
    let mut random = Xoshiro::new(SEED);
    let ratio = |_| {
        let below = a.draw(&mut random);
        b.draw(&mut random) / below
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES).map(ratio).collect();
    Some((b.median() / a.median(), ends(&mut ratios, level)))
}

#[cfg(test)]
mod tests {
    use super::super::golden::Golden;
    use super::*;

    /// The law of a resample's median is known exactly (Efron 1979, section 3; numpy and scipy's binomial tails): the golden
    /// bounds of each end are what 2,000 draws from that law can miss it by, three standard deviations. scipy's own bootstrap
    /// was held against them, too.
    #[test]
    fn the_interval_is_the_exact_one_to_the_error_of_2_000_draws() {
        let golden = Golden::open("timing");
        let many: Vec<f64> = (0..golden.number("/bootstrap/many/n") as u32).map(f64::from).collect();
        for (name, samples) in [
            ("odd", golden.numbers("/bootstrap/odd/samples")),
            ("even", golden.numbers("/bootstrap/even/samples")),
            ("many", many),
        ] {
            let found = median_interval(&samples, 0.95).unwrap();
            for (found, end) in found.into_iter().zip(["low", "high"]) {
                let bounds = golden.numbers(&format!("/bootstrap/{name}/{end}"));
                assert!(bounds[0] <= found && found <= bounds[1], "{name}, {end}: {found} in {bounds:?}");
            }
        }
    }

    /// All resamples of a few samples can be counted.
    #[test]
    fn medians_are_drawn_as_often_as_all_resamples_have_them() {
        for n in 1..=6_usize {
            let samples: Vec<f64> = (0..n).map(|i| (i * i) as f64).collect();
            let all = n.pow(n as u32);
            let resample = |number: usize| {
                let drawn: Vec<f64> = (0..n).map(|place| samples[number / n.pow(place as u32) % n]).collect();
                sample::quantile(&drawn, 0.5, sample::Convention::Linear).unwrap()
            };
            let mut exact: Vec<f64> = (0..all).map(resample).collect();
            exact.sort_by(f64::total_cmp);
            let (sorted, mut random) = (Sorted::new(&samples).unwrap(), Xoshiro::new(SEED));
            let mut drawn: Vec<f64> = (0..20_000).map(|_| sorted.draw(&mut random)).collect();
            drawn.sort_by(f64::total_cmp);
            let share = |of: &[f64], at: f64| of.partition_point(|x| *x <= at) as f64 / of.len() as f64;
            let mut medians = exact.clone();
            medians.dedup();
            for at in &medians {
                // Kolmogorov's bound for 20,000 draws, at a chance of one in a thousand.
                let (right, found) = (share(&exact, *at), share(&drawn, *at));
                assert!((right - found).abs() < 1.95 / 20_000_f64.sqrt(), "{n}: {right} at {at}, drawn {found}");
            }
            assert!(drawn.iter().all(|x| medians.contains(x)), "{n}: a median that no resample has");
        }
    }

    /// Mean and variance of Beta(a, b) are `a / (a + b)` and `ab / (a + b)^2 (a + b + 1)`.
    #[test]
    fn a_beta_has_its_moments() {
        for (a, b) in [(1.0, 1.0), (1.0, 2.0), (3.0, 3.0), (50.0, 51.0), (50_001.0, 50_001.0)] {
            let mut random = Xoshiro::new(SEED);
            let draws: Vec<f64> = (0..40_000).map(|_| beta(&mut random, a, b)).collect();
            let (mean, variance) = (sample::mean(&draws).unwrap(), sample::variance(&draws).unwrap());
            let right: (f64, f64) = (a / (a + b), a * b / ((a + b).powi(2) * (a + b + 1.0)));
            assert!((mean - right.0).abs() < 4.0 * (right.1 / 40_000.0).sqrt(), "{a} {b}: mean {mean}");
            assert!((variance / right.1 - 1.0).abs() < 0.03, "{a} {b}: variance {variance}, {}", right.1);
        }
    }

    #[test]
    fn the_ratio_of_a_sample_with_itself_holds_one() {
        let samples: Vec<f64> = (0..40).map(|i| 100.0 + f64::from(i * 7 % 11)).collect();
        let (ratio, [low, high]) = median_ratio(&samples, &samples, 0.95).unwrap();
        assert!(ratio == 1.0 && low <= 1.0 && 1.0 <= high && high - low < 0.1, "{low} {high}");
        let slower: Vec<f64> = samples.iter().map(|x| x * 1.2).collect();
        let (ratio, [low, _]) = median_ratio(&samples, &slower, 0.95).unwrap();
        assert!((ratio - 1.2).abs() < 1e-12 && low > 1.05);
        assert_eq!(median_ratio(&[1.0], &[0.0], 0.95), None);
        assert_eq!(median_ratio(&[1.0], &[f64::INFINITY], 0.95), None);
        assert_eq!((median_interval(&[], 0.95), median_interval(&[1.0, f64::NAN], 0.95)), (None, None));
        assert_eq!(median_interval(&[3.0], 0.95), Some([3.0; 2]));
    }
}
