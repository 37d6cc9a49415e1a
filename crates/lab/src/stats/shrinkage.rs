//! Covariance pulled toward a simple target by the amount that loses least (Ledoit and Wolf).
//!
//! A sample covariance of many series over few observations has extreme eigenvalues that are noise;
//! an optimiser or a Kelly bet on it invests in that noise. Both estimators divide by `n` and not
//! `n - 1`, as the papers do, and both results are positive definite wherever the intensity is
//! above zero and the target is.

use super::error::StatsError;
use super::matrix::{Panel, SquareMatrix, dot};
use super::sample;

/// What the sample covariance is pulled toward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The identity times the mean variance (Ledoit and Wolf 2004, "A well-conditioned estimator
    /// for large-dimensional covariance matrices"). For series of like scale.
    Identity,
    /// The sample variances with the mean correlation between all pairs (Ledoit and Wolf 2004,
    /// "Honey, I shrunk the sample covariance matrix"). For assets of one market.
    ConstantCorrelation,
}

/// A shrunk covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// `(1 - intensity) * sample + intensity * target`.
    pub covariance: SquareMatrix,
    /// Weight of the target, in `[0, 1]`.
    pub intensity: f64,
}

/// Shrinks the sample covariance of the panel. Needs two observations, and for
/// [`Target::ConstantCorrelation`] two series, none constant.
pub fn shrink(panel: &Panel<'_>, target: Target) -> Result<Shrunk, StatsError> {
    let (count, length) = (panel.count(), panel.length());
    if length < 2 {
        return Err(StatsError::TooFew { what: "panel", needed: 2, found: length });
    }
    let mut centred = Vec::with_capacity(count);
    for index in 0..count {
        let series = panel.series(index);
        let mean = sample::mean(series).ok_or(StatsError::NotFinite { what: "mean", index, value: f64::INFINITY })?;
        centred.push(series.iter().map(|value| value - mean).collect::<Vec<f64>>());
    }
    let n = length as f64;
    let covariance = SquareMatrix::from_fn(count, |i, j| dot(&centred[i.max(j)], &centred[i.min(j)]) / n);
    let squares: Vec<Vec<f64>> = centred.iter().map(|s| s.iter().map(|x| x * x).collect()).collect();
    // Variance of each covariance entry, times n.
    let entry_noise =
        SquareMatrix::from_fn(count, |i, j| dot(&squares[i], &squares[j]) / n - covariance.get(i, j).powi(2));
    let noise: f64 = entry_noise.as_slice().iter().sum();
    let (goal, along) = match target {
        Target::Identity => (scaled_identity(&covariance), 0.0),
        Target::ConstantCorrelation => {
            let (goal, mean_correlation) = constant_correlation(&covariance)?;
            (goal, noise_along_target(&centred, &squares, &covariance, &entry_noise, mean_correlation))
        }
    };
    let distance: f64 = goal.as_slice().iter().zip(covariance.as_slice()).map(|(f, s)| (f - s).powi(2)).sum();
    // A sample that is its own target needs no weight on it.
    let intensity = if distance == 0.0 { 0.0 } else { ((noise - along) / distance / n).clamp(0.0, 1.0) };
    let covariance =
        SquareMatrix::from_fn(count, |i, j| intensity * goal.get(i, j) + (1.0 - intensity) * covariance.get(i, j));
    Ok(Shrunk { covariance, intensity })
}

fn scaled_identity(covariance: &SquareMatrix) -> SquareMatrix {
    let n = covariance.size();
    let mean = (0..n).map(|i| covariance.get(i, i)).sum::<f64>() / n as f64;
    SquareMatrix::from_fn(n, |i, j| if i == j { mean } else { 0.0 })
}

/// The target of that name, and the mean correlation it is made of.
fn constant_correlation(covariance: &SquareMatrix) -> Result<(SquareMatrix, f64), StatsError> {
    let n = covariance.size();
    if n < 2 {
        return Err(StatsError::TooFew { what: "panel (series)", needed: 2, found: n });
    }
    let correlation = super::correlation::from_covariance(covariance)?;
    let mean = (correlation.as_slice().iter().sum::<f64>() - n as f64) / (n * (n - 1)) as f64;
    let goal = SquareMatrix::from_fn(n, |i, j| {
        if i == j { covariance.get(i, i) } else { mean * (covariance.get(i, i) * covariance.get(j, j)).sqrt() }
    });
    Ok((goal, mean))
}

/// Covariance between the errors of target and sample (the paper's rho): the target is estimated
/// from the same data.
fn noise_along_target(
    centred: &[Vec<f64>],
    squares: &[Vec<f64>],
    covariance: &SquareMatrix,
    entry_noise: &SquareMatrix,
    mean_correlation: f64,
) -> f64 {
    let n = centred[0].len() as f64;
    let mut sum: f64 = (0..centred.len()).map(|i| entry_noise.get(i, i)).sum();
    for (i, (series, square)) in centred.iter().zip(squares).enumerate() {
        let cube: Vec<f64> = series.iter().zip(square).map(|(x, xx)| x * xx).collect();
        let variance = covariance.get(i, i);
        for (j, other) in centred.iter().enumerate() {
            if i != j {
                let theta = dot(&cube, other) / n - variance * covariance.get(i, j);
                sum += mean_correlation * (covariance.get(j, j) / variance).sqrt() * theta;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_all_close, assert_close};
    use super::*;

    #[test]
    fn identity_target_equals_scikit_learn() {
        let golden = Golden::open("factor");
        let values = Golden::open("series").numbers("/panel");
        let shrunk = shrink(&Panel::new(&values, 8).unwrap(), Target::Identity).unwrap();
        assert_close(shrunk.intensity, golden.number("/identity_delta"));
        assert_all_close(shrunk.covariance.as_slice(), &golden.numbers("/identity_shrunk"));
    }

    #[test]
    fn constant_correlation_target_equals_pyportfolioopt() {
        let golden = Golden::open("factor");
        let values = Golden::open("series").numbers("/panel");
        let shrunk = shrink(&Panel::new(&values, 8).unwrap(), Target::ConstantCorrelation).unwrap();
        assert_close(shrunk.intensity, golden.number("/constant_delta"));
        assert_all_close(shrunk.covariance.as_slice(), &golden.numbers("/constant_shrunk"));
    }

    #[test]
    fn more_series_than_observations_still_has_a_cholesky_factor() {
        let values = Golden::open("series").numbers("/panel");
        let few: Vec<f64> = (0..8).flat_map(|i| values[i * 120..i * 120 + 5].to_vec()).collect();
        let panel = Panel::new(&few, 8).unwrap();
        assert!(super::super::correlation::covariance(&panel).unwrap().eigen().unwrap().values[0] < 1e-12);
        for target in [Target::Identity, Target::ConstantCorrelation] {
            assert!(shrink(&panel, target).unwrap().covariance.cholesky().is_ok());
        }
    }

    #[test]
    fn edges() {
        let panel = [0.1, 0.2, 0.3, 0.5, 0.5, 0.5];
        let panel = Panel::new(&panel, 2).unwrap();
        assert_eq!(shrink(&panel, Target::ConstantCorrelation), Err(StatsError::Constant { series: 1 }));
        assert!(shrink(&panel, Target::Identity).is_ok());
        let single = Panel::new(&[0.1, 0.2, 0.4], 1).unwrap();
        assert!(matches!(shrink(&single, Target::ConstantCorrelation), Err(StatsError::TooFew { .. })));
        assert_eq!(shrink(&single, Target::Identity).unwrap().intensity, 0.0);
    }
}
