//! Whether a series of results drifts, jumps, or differs from another: rank tests, which ask for no distribution.
//!
//! Values are taken as independent of one another in time. The p-values are those of the normal approximations, good from
//! about ten values on; with fewer, `None`.

use super::normal;
use super::sample::{self, Convention};

/// Values below which the normal approximations say nothing.
pub const LEAST: usize = 8;

/// A drift over a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Pairs that rise minus pairs that fall (Mann 1945).
    pub score: i64,
    /// Probability of a score as far from zero without a trend, two-sided, ties accounted for (Kendall 1975).
    pub p: f64,
    /// The median of the slopes of all pairs, per step (Theil 1950, Sen 1968).
    pub slope: f64,
}

fn usable(values: &[f64]) -> bool {
    values.len() >= LEAST && values.iter().all(|x| x.is_finite())
}

/// The sizes of the groups of equal values.
fn ties(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|group| group.len() as f64).collect()
}

/// The two-sided p-value of a statistic with mean zero, one step towards zero for continuity.
fn two_sided(statistic: f64, variance: f64, step: f64) -> f64 {
    let z = (statistic.abs() - step).max(0.0) / variance.sqrt();
    normal::two_sided_survival(z)
}

/// The Mann-Kendall test and the Theil-Sen slope of equally spaced values. `None` below [`LEAST`] values, or if all are
/// equal.
pub fn mann_kendall(values: &[f64]) -> Option<Trend> {
    if !usable(values) {
        return None;
    }
    let n = values.len() as f64;
    let mut score = 0;
    let mut slopes = Vec::with_capacity(values.len() * (values.len() - 1) / 2);
    for (i, first) in values.iter().enumerate() {
        for (j, second) in values.iter().enumerate().skip(i + 1) {
            score += i64::from(second > first) - i64::from(second < first);
            slopes.push((second - first) / (j - i) as f64);
        }
    }
    let tied: f64 = ties(values).iter().map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum();
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - tied) / 18.0;
    if variance <= 0.0 {
        return None;
    }
    let slope = sample::quantile(&slopes, 0.5, Convention::Linear)?;
    Some(Trend { score, p: two_sided(score as f64, variance, 1.0), slope })
}

/// A jump within a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The first value of the new level.
    pub at: usize,
    /// The largest difference of ranks across a place (Pettitt 1979).
    pub statistic: i64,
    /// Its probability without a change, `2 exp(-6 K^2 / (n^3 + n^2))`, at most 1.
    pub p: f64,
    /// Medians before and from there on.
    pub medians: [f64; 2],
}

/// Pettitt's test: the place where a series most likely jumps. `None` below [`LEAST`] values.
pub fn pettitt(values: &[f64]) -> Option<Change> {
    if !usable(values) {
        return None;
    }
    let n = values.len() as f64;
    let (mut sum, mut best, mut at) = (0i64, 0i64, 1);
    for (i, value) in values.iter().enumerate().take(values.len() - 1) {
        // Of all pairs across the place after `i`: those that fall minus those that rise.
        let signs = values.iter().map(|other| i64::from(value > other) - i64::from(value < other));
        sum += signs.sum::<i64>();
        if sum.abs() > best {
            (best, at) = (sum.abs(), i + 1);
        }
    }
    let p = (2.0 * (-6.0 * (best as f64).powi(2) / (n.powi(3) + n.powi(2))).exp()).min(1.0);
    let median = |part: &[f64]| sample::quantile(part, 0.5, Convention::Linear);
    Some(Change { at, statistic: best, p, medians: [median(&values[..at])?, median(&values[at..])?] })
}

/// The probability that two samples differ as much as these in rank, without a difference: the two-sided Mann-Whitney U test
/// (1947), ties and continuity accounted for. `None` below [`LEAST`] values in either, or if all are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<f64> {
    if !usable(a) || !usable(b) {
        return None;
    }
    let above: f64 = a
        .iter()
        .map(|x| b.iter().map(|y| if x > y { 1.0 } else { f64::from(u8::from(x == y)) * 0.5 }).sum::<f64>())
        .sum();
    let (m, n) = (a.len() as f64, b.len() as f64);
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let tied: f64 = ties(&all).iter().map(|t| t * (t * t - 1.0)).sum();
    let total = m + n;
    let variance = m * n / 12.0 * ((total + 1.0) - tied / (total * (total - 1.0)));
    (variance > 0.0).then(|| two_sided(above - m * n / 2.0, variance, 0.5))
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_close};
    use super::*;

    #[test]
    fn trends_equal_scipy() {
        let golden = Golden::open("timing");
        for case in ["rising", "flat", "tied"] {
            let path = |name: &str| format!("/trend/{case}/{name}");
            let found = mann_kendall(&golden.numbers(&path("values"))).unwrap();
            assert_close(found.score as f64, golden.number(&path("score")));
            assert_close(found.p, golden.number(&path("p")));
            assert_close(found.slope, golden.number(&path("slope")));
        }
        assert_eq!(mann_kendall(&[1.0; 20]), None);
        assert_eq!(mann_kendall(&[1.0, 2.0]), None);
    }

    #[test]
    fn changes_equal_the_definition_in_numpy() {
        let golden = Golden::open("timing");
        for case in ["jump", "flat", "tied"] {
            let path = |name: &str| format!("/change/{case}/{name}");
            let found = pettitt(&golden.numbers(&path("values"))).unwrap();
            assert_close(found.at as f64, golden.number(&path("at")));
            assert_close(found.statistic as f64, golden.number(&path("statistic")));
            assert_close(found.p, golden.number(&path("p")));
        }
    }

    #[test]
    fn two_samples_equal_scipy() {
        let golden = Golden::open("timing");
        for case in ["apart", "alike", "tied"] {
            let path = |name: &str| format!("/two/{case}/{name}");
            let found = mann_whitney(&golden.numbers(&path("a")), &golden.numbers(&path("b"))).unwrap();
            assert_close(found, golden.number(&path("p")));
        }
    }
}
