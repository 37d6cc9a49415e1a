//! How much to bet: the growth-optimal (Kelly) fraction, held back for what is not known, and fixed
//! fractional sizing.
//!
//! A fraction is a share of equity, may exceed one (leverage) and may be negative (the other side
//! has the edge). Nothing here clamps silently; [`fractional`] is the one place that does, and says
//! so.

use super::error::StatsError;
use super::matrix::SquareMatrix;
use super::sample::{self, finite};

/// Kelly's fraction (1956) for a bet that wins `win` per unit staked with probability `probability`
/// and else loses `loss` per unit: `p / loss - (1 - p) / win`.
///
/// `None` unless `0 <= probability <= 1` and both amounts are above zero.
pub fn kelly_binary(probability: f64, win: f64, loss: f64) -> Option<f64> {
    if !((0.0..=1.0).contains(&probability) && win > 0.0 && loss > 0.0) {
        return None;
    }
    finite(probability / loss - (1.0 - probability) / win)
}

/// Kelly's fraction for returns that are small and many: `mean(r - rf) / variance(r)` (Thorp 2006),
/// sample variance.
///
/// `None` for a constant sample, for which no bet would be large enough.
pub fn kelly_returns(returns: &[f64], risk_free: f64) -> Option<f64> {
    let variance = sample::variance(returns)?;
    if variance == 0.0 { None } else { finite((sample::mean(returns)? - risk_free) / variance) }
}

/// Kelly fractions for several assets at once, `covariance^-1 excess` (Thorp 2006). `excess` are
/// mean returns over the risk-free rate; a shrunk covariance is the better one to hand in.
pub fn kelly_portfolio(excess: &[f64], covariance: &SquareMatrix) -> Result<Vec<f64>, StatsError> {
    covariance.solve_positive_definite(excess)
}

/// Share of an estimated bet that survives its own estimation error: `max(0, 1 - (error /
/// estimate)^2)`.
///
/// Growth is quadratic around the true fraction `f`, so betting `k` times an unbiased estimate with
/// standard error `s` grows fastest in expectation at `k = f^2 / (f^2 + s^2)` (Baker and McHale
/// 2013), and `estimate^2 - s^2` is the unbiased estimate of `f^2`. An estimate within one standard
/// error of zero is worth no bet at all.
pub fn error_shrinkage(estimate: f64, standard_error: f64) -> Option<f64> {
    if !(estimate.is_finite() && standard_error >= 0.0) {
        return None;
    }
    if estimate == 0.0 {
        return Some(0.0);
    }
    finite((1.0 - (standard_error / estimate).powi(2)).max(0.0))
}

/// [`kelly_binary`] from `wins` out of `trades`, shrunk by [`error_shrinkage`] for the binomial
/// error of the win rate.
pub fn kelly_binary_shrunk(wins: u64, trades: u64, win: f64, loss: f64) -> Option<f64> {
    if trades == 0 || wins > trades {
        return None;
    }
    let n = trades as f64;
    let rate = wins as f64 / n;
    let estimate = kelly_binary(rate, win, loss)?;
    // The fraction is linear in the rate, with this slope. Laplace's rule keeps the error of an
    // unbroken record above zero.
    let slope = loss.recip() + win.recip();
    let smoothed = (wins as f64 + 1.0) / (n + 2.0);
    let error = slope * (smoothed * (1.0 - smoothed) / n).sqrt();
    finite(estimate * error_shrinkage(estimate, error)?)
}

/// [`kelly_returns`] shrunk by [`error_shrinkage`] for the standard error of the mean: nothing
/// below a t-statistic of one.
///
/// The error of the variance is left out; it is of lower order (Chopra and Ziemba 1993).
pub fn kelly_returns_shrunk(returns: &[f64], risk_free: f64) -> Option<f64> {
    let estimate = kelly_returns(returns, risk_free)?;
    let excess = sample::mean(returns)? - risk_free;
    let error = sample::standard_deviation(returns)? / (returns.len() as f64).sqrt();
    finite(estimate * error_shrinkage(excess, error)?)
}

/// A share of a Kelly fraction (a half and a quarter are usual), held to `[0, cap]`: no edge, no
/// bet.
pub fn fractional(kelly: f64, share: f64, cap: f64) -> Option<f64> {
    if !(kelly.is_finite() && share >= 0.0 && cap >= 0.0) {
        return None;
    }
    finite((kelly * share).clamp(0.0, cap))
}

/// Units to trade so that the way from `entry` to `stop` loses `risk` (a share such as 0.02) of
/// `equity`.
///
/// The same for long and short. `None` where entry and stop are one price, and for equity or risk
/// that is not above zero.
pub fn fixed_fractional(equity: f64, risk: f64, entry: f64, stop: f64) -> Option<f64> {
    let distance = (entry - stop).abs();
    if !(equity > 0.0 && risk > 0.0 && distance > 0.0) {
        return None;
    }
    finite(equity * risk / distance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::assert_close;
    use super::super::random::Xoshiro;
    use super::*;

    #[test]
    fn textbook_values() {
        assert_close(kelly_binary(0.55, 1.5, 1.0).unwrap(), 0.25);
        // Kelly (1956): an even-money bet is worth p - q.
        assert_close(kelly_binary(0.6, 1.0, 1.0).unwrap(), 0.2);
        // Thorp (2006), the S&P 500: mean 0.11, rate 0.06, deviation 0.15 make 2.22.
        let returns = [0.11 - 0.15, 0.11, 0.11 + 0.15];
        assert_close(kelly_returns(&returns, 0.06).unwrap(), 0.05 / 0.0225);
        assert_close(fixed_fractional(100_000.0, 0.02, 50.0, 48.0).unwrap(), 1000.0);
        assert_close(fixed_fractional(100_000.0, 0.02, 48.0, 50.0).unwrap(), 1000.0);
    }

    #[test]
    fn uncorrelated_assets_are_sized_one_by_one() {
        let covariance = SquareMatrix::new(vec![0.04, 0.0, 0.0, 0.09], 2).unwrap();
        let sizes = kelly_portfolio(&[0.02, 0.018], &covariance).unwrap();
        assert_close(sizes[0], 0.5);
        assert_close(sizes[1], 0.2);
    }

    #[test]
    fn edges() {
        assert_eq!(kelly_binary(1.1, 1.0, 1.0), None);
        assert_eq!(kelly_binary(0.5, 0.0, 1.0), None);
        assert_eq!(kelly_binary(f64::NAN, 1.0, 1.0), None);
        assert_eq!(kelly_binary(0.0, 2.0, 1.0), Some(-0.5));
        assert_eq!(kelly_returns(&[], 0.0), None);
        assert_eq!(kelly_returns(&[0.1; 4], 0.0), None);
        assert_eq!(kelly_returns(&[0.1, f64::NAN], 0.0), None);
        assert_eq!(kelly_binary_shrunk(0, 0, 1.0, 1.0), None);
        assert_eq!(kelly_binary_shrunk(3, 2, 1.0, 1.0), None);
        assert!(kelly_binary_shrunk(5, 5, 1.0, 1.0).unwrap() < 1.0, "five wins of five prove no certainty");
        assert_eq!(fractional(-0.3, 0.5, 1.0), Some(0.0));
        assert_eq!(fractional(3.0, 0.5, 1.0), Some(1.0));
        assert_eq!(fractional(f64::NAN, 0.5, 1.0), None);
        assert_eq!(fixed_fractional(1000.0, 0.02, 5.0, 5.0), None);
        assert_eq!(fixed_fractional(-1000.0, 0.02, 5.0, 4.0), None);
        assert_eq!(error_shrinkage(0.0, 0.0), Some(0.0));
        assert_eq!(error_shrinkage(0.5, 0.0), Some(1.0));
    }

    #[test]
    fn a_weak_edge_is_no_bet_and_a_proven_one_is_nearly_kelly() {
        assert_eq!(kelly_binary_shrunk(11, 20, 1.0, 1.0), Some(0.0));
        let proven = kelly_binary_shrunk(55_000, 100_000, 1.0, 1.0).unwrap();
        assert!((proven - 0.1).abs() < 1e-3 && proven < 0.1);
    }

    #[test]
    fn shrinking_grows_faster_where_the_edge_is_small() {
        // Ten thousand samples of 60 returns with a true edge of 0.1 deviations each; growth at
        // fraction f is known.
        let (mean, deviation) = (0.001, 0.01);
        let growth = |fraction: f64| fraction * mean - 0.5 * (fraction * deviation).powi(2);
        let mut random = Xoshiro::new(7);
        let (mut plain, mut shrunk) = (0.0, 0.0);
        for _ in 0..10_000 {
            let returns: Vec<f64> = (0..60).map(|_| mean + deviation * random.normal()).collect();
            plain += growth(kelly_returns(&returns, 0.0).unwrap());
            shrunk += growth(kelly_returns_shrunk(&returns, 0.0).unwrap());
        }
        assert!(shrunk > plain, "shrunk {shrunk}, plain {plain}");
        assert!(plain < 0.0, "betting the plain estimate loses money on average here: {plain}");
    }

    proptest! {
        #[test]
        fn kelly_maximises_expected_log_growth(p in 0.05..0.95f64, win in 0.2..3.0f64, loss in 0.2..1.0f64) {
            let best = kelly_binary(p, win, loss).unwrap();
            let growth = |f: f64| p * (1.0 + f * win).ln() + (1.0 - p) * (1.0 - f * loss).ln();
            for step in [-1e-3, 1e-3] {
                let other = growth(best + step);
                // Beyond ruin the logarithm is a NaN, which no growth is below.
                prop_assert!(other.is_nan() || growth(best) >= other);
            }
        }
    }
}
