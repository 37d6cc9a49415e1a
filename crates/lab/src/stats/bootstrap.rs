//! Percentile bootstrap intervals (Efron 1979): how far a statistic would move had other samples been drawn.
//!
//! Seeded, so the same samples give the same interval. The samples are taken as independent: for a series in time the
//! interval is too narrow. A statistic of fewer than two samples has no interval.

use super::random::Xoshiro;
use super::sample::{self, Convention};

/// Resamples: the ends of a 95 % interval rest on 50 of them each.
pub const RESAMPLES: usize = 2_000;

/// Seed of the draws.
const SEED: u64 = 7;

fn median(values: &[f64]) -> Option<f64> {
    sample::quantile(values, 0.5, Convention::Linear)
}

/// The ends that leave out half of `1 - level` at either side.
fn ends(statistics: &[f64], level: f64) -> Option<[f64; 2]> {
    let tail = 0.5 * (1.0 - level);
    Some([
        sample::quantile(statistics, tail, Convention::Linear)?,
        sample::quantile(statistics, 1.0 - tail, Convention::Linear)?,
    ])
}

/// Fills `drawn` with samples, each drawn from all.
fn draw(random: &mut Xoshiro, samples: &[f64], drawn: &mut [f64]) {
    drawn.fill_with(|| samples[(random.uniform() * samples.len() as f64) as usize]);
}

/// The interval of the median at a level such as 0.95.
pub fn median_interval(samples: &[f64], level: f64) -> Option<[f64; 2]> {
    if samples.is_empty() || !samples.iter().all(|x| x.is_finite()) {
        return None;
    }
    let mut random = Xoshiro::new(SEED);
    let mut drawn = vec![0.0; samples.len()];
    let mut medians = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        draw(&mut random, samples, &mut drawn);
        medians.push(median(&drawn)?);
    }
    ends(&medians, level)
}

/// The ratio of two medians, `b` over `a`, and its interval: both samples are drawn anew, independently. `None` unless all
/// are positive.
pub fn median_ratio(a: &[f64], b: &[f64], level: f64) -> Option<(f64, [f64; 2])> {
    if a.is_empty() || b.is_empty() || !a.iter().chain(b).all(|x| x.is_finite() && *x > 0.0) {
        return None;
    }
    let mut random = Xoshiro::new(SEED);
    let (mut of_a, mut of_b) = (vec![0.0; a.len()], vec![0.0; b.len()]);
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        draw(&mut random, a, &mut of_a);
        draw(&mut random, b, &mut of_b);
        ratios.push(median(&of_b)? / median(&of_a)?);
    }
    Some((median(b)? / median(a)?, ends(&ratios, level)?))
}

#[cfg(test)]
mod tests {
    use super::super::golden::Golden;
    use super::*;

    /// The bootstrap distribution of the median of an odd number of samples is known exactly (Efron 1979, section 3): the
    /// golden ends are scipy's binomial tails, the width of the acceptance what 2,000 draws can miss by.
    #[test]
    fn the_interval_is_the_exact_one() {
        let golden = Golden::open("timing");
        let samples = golden.numbers("/bootstrap/samples");
        let exact = golden.numbers("/bootstrap/exact");
        let found = median_interval(&samples, 0.95).unwrap();
        let mut sorted = samples;
        sorted.sort_by(f64::total_cmp);
        let place = |x: f64| sorted.partition_point(|s| *s < x) as i64;
        for (found, exact) in found.into_iter().zip(exact) {
            assert!((place(found) - place(exact)).abs() <= 1, "{found} for {exact}");
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
        assert_eq!(median_interval(&[], 0.95), None);
    }
}
