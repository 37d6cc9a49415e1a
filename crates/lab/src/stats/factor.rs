//! One series explained by another: alpha, beta and how well they fit.

use super::matrix::dot;
use super::sample::{self, all_finite, finite};

/// Ordinary least squares of returns on a benchmark's, `r = alpha + beta b + e`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Regression {
    /// Intercept, per period.
    pub alpha: f64,
    /// Slope.
    pub beta: f64,
    /// Standard error of the intercept; `None` for two observations, which leave nothing to err.
    pub alpha_error: Option<f64>,
    /// Standard error of the slope.
    pub beta_error: Option<f64>,
    /// Share of variance explained; `None` for a constant dependent series.
    pub r_squared: Option<f64>,
    /// Standard deviation of the residuals, dividing by `n - 2`.
    pub residual_deviation: Option<f64>,
    /// Pairs of values.
    pub observations: usize,
}

impl Regression {
    /// Jensen's alpha per year, compounded: `(1 + alpha)^periods - 1` (empyrical's convention).
    pub fn annual_alpha(&self, periods: f64) -> Option<f64> {
        finite((1.0 + self.alpha).powf(periods) - 1.0)
    }
}

/// Regression of `returns` on `benchmark`; both in excess of the risk-free rate for Jensen's alpha.
///
/// `None` unless both have one length of at least two and the benchmark varies.
pub fn regress(returns: &[f64], benchmark: &[f64]) -> Option<Regression> {
    let moments = Moments::of(returns, benchmark)?;
    if moments.xx == 0.0 {
        return None;
    }
    let n = returns.len() as f64;
    let beta = finite(moments.xy / moments.xx)?;
    let alpha = finite(moments.mean_y - beta * moments.mean_x)?;
    let residual: f64 =
        returns.iter().zip(benchmark).map(|(y, x)| ((y - moments.mean_y) - beta * (x - moments.mean_x)).powi(2)).sum();
    let residual_deviation = if returns.len() > 2 { finite((residual / (n - 2.0)).sqrt()) } else { None };
    Some(Regression {
        alpha,
        beta,
        alpha_error: residual_deviation
            .map(|sd| sd * (n.recip() + moments.mean_x * moments.mean_x / moments.xx).sqrt()),
        beta_error: residual_deviation.map(|sd| sd / moments.xx.sqrt()),
        r_squared: if moments.yy == 0.0 { None } else { finite(1.0 - residual / moments.yy) },
        residual_deviation,
        observations: returns.len(),
    })
}

/// Pearson correlation, in `[-1, 1]`; `None` unless both series have one length and vary.
pub fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let moments = Moments::of(a, b)?;
    if moments.xx == 0.0 || moments.yy == 0.0 {
        return None;
    }
    // Two roots, because the product of the sums can underflow where each of them does not.
    finite(moments.xy / moments.xx.sqrt() / moments.yy.sqrt()).map(|r| r.clamp(-1.0, 1.0))
}

/// Centred sums of squares and products; `y` is the first series, `x` the second.
struct Moments {
    mean_y: f64,
    mean_x: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Moments {
    fn of(y: &[f64], x: &[f64]) -> Option<Self> {
        if y.len() != x.len() || y.len() < 2 || !all_finite(y) || !all_finite(x) {
            return None;
        }
        let (mean_y, mean_x) = (sample::mean(y)?, sample::mean(x)?);
        let y: Vec<f64> = y.iter().map(|v| v - mean_y).collect();
        let x: Vec<f64> = x.iter().map(|v| v - mean_x).collect();
        Some(Self { mean_y, mean_x, xx: dot(&x, &x), xy: dot(&x, &y), yy: dot(&y, &y) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_close, golden_returns};
    use super::*;

    #[test]
    fn equal_to_statsmodels_scipy_and_empyrical() {
        let golden = Golden::open("factor");
        let (returns, benchmark) = (golden_returns("AAPL"), golden_returns("MSFT"));
        let fit = regress(&returns, &benchmark).unwrap();
        assert_close(fit.alpha, golden.number("/alpha"));
        assert_close(fit.beta, golden.number("/beta"));
        assert_close(fit.alpha_error.unwrap(), golden.number("/alpha_se"));
        assert_close(fit.beta_error.unwrap(), golden.number("/beta_se"));
        assert_close(fit.r_squared.unwrap(), golden.number("/r_squared"));
        assert_close(fit.residual_deviation.unwrap(), golden.number("/residual_sd"));
        assert_close(fit.annual_alpha(252.0).unwrap(), golden.number("/empyrical_alpha"));
        assert_close(fit.beta, golden.number("/empyrical_beta"));
        assert_close(correlation(&returns, &benchmark).unwrap(), golden.number("/pearson"));
    }

    #[test]
    fn edges() {
        assert_eq!(regress(&[], &[]), None);
        assert_eq!(regress(&[0.1], &[0.1]), None);
        assert_eq!(regress(&[0.1, 0.2], &[0.1]), None);
        assert_eq!(regress(&[0.1, 0.2, 0.3], &[0.1; 3]), None);
        assert_eq!(regress(&[0.1, f64::NAN], &[0.1, 0.2]), None);
        assert_eq!(correlation(&[0.1; 3], &[0.1, 0.2, 0.3]), None);
        let flat = regress(&[0.1; 3], &[0.1, 0.2, 0.3]).unwrap();
        assert_eq!((flat.beta, flat.alpha, flat.r_squared), (0.0, 0.1, None));
        assert_eq!(regress(&[1.0, 3.0], &[0.0, 1.0]).unwrap().beta_error, None);
    }

    proptest! {
        #[test]
        fn a_line_is_found_again(
            x in prop::collection::vec(-1.0..1.0f64, 3..40), alpha in -1.0..1.0f64, beta in -3.0..3.0f64,
        ) {
            prop_assume!(sample::standard_deviation(&x).unwrap() > 1e-3);
            let y: Vec<f64> = x.iter().map(|v| alpha + beta * v).collect();
            let fit = regress(&y, &x).unwrap();
            prop_assert!((fit.alpha - alpha).abs() < 1e-9 && (fit.beta - beta).abs() < 1e-9);
        }
    }
}
