//! Tail risk of a series of returns or of profits and losses: value at risk, expected shortfall,
//! and whether a reported value at risk was broken as often as it claims.
//!
//! Losses are positive. `tail` is the probability of the tail, in (0, 1): 0.05 is the 95 % value at
//! risk. Units are those of the input: fractions for returns, money for the profits of
//! [`position_profits`].

use super::error::{StatsError, check_finite, check_length};
use super::matrix::Panel;
use super::normal;
use super::sample::{self, Convention, all_finite, finite};

/// Historical value at risk: minus the `tail` quantile of the sample.
pub fn historical_var(returns: &[f64], tail: f64, convention: Convention) -> Option<f64> {
    check_tail(tail)?;
    Some(-sample::quantile(returns, tail, convention)?)
}

/// Historical expected shortfall (CVaR): minus the mean of the order statistics at or below the
/// rank of the quantile.
///
/// With [`Convention::Linear`] that is the mean of the worst `floor((n - 1) tail) + 1` values, as
/// empyrical has it. Never below [`historical_var`] of the same convention.
pub fn historical_cvar(returns: &[f64], tail: f64, convention: Convention) -> Option<f64> {
    check_tail(tail)?;
    if returns.is_empty() || !all_finite(returns) {
        return None;
    }
    let mut scratch = returns.to_vec();
    let position = convention.position(returns.len(), tail);
    sample::select(&mut scratch, position);
    Some(-sample::mean(&scratch[..=position.floor() as usize])?)
}

/// Value at risk of a normal distribution with the sample's mean and deviation: `-(mean + z sd)`.
pub fn parametric_var(returns: &[f64], tail: f64) -> Option<f64> {
    check_tail(tail)?;
    let (mean, deviation) = (sample::mean(returns)?, sample::standard_deviation(returns)?);
    finite(-(mean + normal::quantile(tail) * deviation))
}

/// Expected shortfall of that normal distribution: `-(mean - sd density(z) / tail)`.
pub fn parametric_cvar(returns: &[f64], tail: f64) -> Option<f64> {
    check_tail(tail)?;
    let (mean, deviation) = (sample::mean(returns)?, sample::standard_deviation(returns)?);
    finite(-(mean - deviation * normal::density(normal::quantile(tail)) / tail))
}

/// Value at risk with the normal quantile corrected for skew and excess kurtosis (Cornish and
/// Fisher 1938; Favre and Galeano 2002).
///
/// The expansion is of use for mild departures only: outside its domain (Maillard 2012) it is not
/// even monotone in `tail`, which is why it is a choice and not the default. `None` for a constant
/// sample.
pub fn cornish_fisher_var(returns: &[f64], tail: f64) -> Option<f64> {
    check_tail(tail)?;
    let (mean, deviation) = (sample::mean(returns)?, sample::standard_deviation(returns)?);
    let (skew, kurtosis) = (sample::skew(returns)?, sample::excess_kurtosis(returns)?);
    let z = normal::quantile(tail);
    let corrected = z + (z * z - 1.0) * skew / 6.0 + (z.powi(3) - 3.0 * z) * kurtosis / 24.0
        - (2.0 * z.powi(3) - 5.0 * z) * skew * skew / 36.0;
    finite(-(mean + corrected * deviation))
}

/// What today's positions would have earned in each past period: `sum(exposure * return)`.
///
/// `exposures` in money, signed, one per series of `history` (simple returns). The answer feeds the
/// functions above, which then speak in money.
pub fn position_profits(exposures: &[f64], history: &Panel<'_>) -> Result<Vec<f64>, StatsError> {
    check_length("exposures", exposures, history.count())?;
    check_finite("exposures", exposures)?;
    let mut profits = vec![0.0; history.length()];
    for (series, exposure) in exposures.iter().enumerate() {
        for (profit, earned) in profits.iter_mut().zip(history.series(series)) {
            *profit += exposure * earned;
        }
    }
    Ok(profits)
}

/// Outcome of a proportion-of-failures test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kupiec {
    /// Likelihood ratio, chi-square with one degree of freedom if the claimed rate is the true one.
    pub statistic: f64,
    /// Probability of a ratio at least as large under the claim. Small: the value at risk is wrong,
    /// in either direction.
    pub p_value: f64,
}

/// Kupiec's test (1995) that losses beyond a value at risk came with probability `tail`.
///
/// `exceptions` of `observations` periods lost more than it. `None` if there are no observations,
/// or more exceptions.
pub fn kupiec(observations: u64, exceptions: u64, tail: f64) -> Option<Kupiec> {
    check_tail(tail)?;
    if observations == 0 || exceptions > observations {
        return None;
    }
    let (n, x) = (observations as f64, exceptions as f64);
    let share = x / n;
    // x ln(x/n / p) + (n - x) ln((1 - x/n) / (1 - p)), where 0 ln 0 is 0.
    let term = |count: f64, ratio: f64| {
        if count == 0.0 { 0.0 } else { count * ratio.ln() }
    };
    let statistic = 2.0 * (term(x, share / tail) + term(n - x, (1.0 - share) / (1.0 - tail)));
    let statistic = finite(statistic)?.max(0.0);
    Some(Kupiec { statistic, p_value: normal::chi_square_1_survival(statistic) })
}

fn check_tail(tail: f64) -> Option<()> {
    (tail > 0.0 && tail < 1.0).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_close, golden_returns};
    use super::*;

    const CONVENTIONS: [(&str, Convention); 6] = [
        ("linear", Convention::Linear),
        ("lower", Convention::Lower),
        ("higher", Convention::Higher),
        ("inverted_cdf", Convention::InvertedCdf),
        ("weibull", Convention::Weibull),
        ("median_unbiased", Convention::MedianUnbiased),
    ];

    #[test]
    fn equal_to_numpy_scipy_and_empyrical_on_real_prices() {
        let (golden, returns) = (Golden::open("tail"), golden_returns("AAPL"));
        for tail in [0.01, 0.05, 0.1] {
            for (name, convention) in CONVENTIONS {
                let found = historical_var(&returns, tail, convention).unwrap();
                assert_close(found, golden.number(&format!("/historical/{tail}/{name}")));
            }
            let of = |table: &str| golden.number(&format!("/{table}/{tail}"));
            assert_close(historical_cvar(&returns, tail, Convention::Linear).unwrap(), of("cvar"));
            assert_close(parametric_var(&returns, tail).unwrap(), of("parametric"));
            assert_close(parametric_cvar(&returns, tail).unwrap(), of("parametric_cvar"));
            assert_close(cornish_fisher_var(&returns, tail).unwrap(), of("cornish_fisher"));
        }
    }

    #[test]
    fn kupiec_equals_the_binomial_likelihoods_of_scipy() {
        for row in Golden::open("tail").rows("/kupiec") {
            let number = |i: usize| row[i].as_f64().unwrap();
            let found = kupiec(row[0].as_u64().unwrap(), row[1].as_u64().unwrap(), number(2)).unwrap();
            assert_close(found.statistic, number(3));
            assert_close(found.p_value, number(4));
        }
    }

    #[test]
    fn edges() {
        for returns in [&[][..], &[0.1, f64::NAN]] {
            assert_eq!(historical_var(returns, 0.05, Convention::Linear), None);
            assert_eq!(historical_cvar(returns, 0.05, Convention::Linear), None);
            assert_eq!(parametric_var(returns, 0.05), None);
            assert_eq!(cornish_fisher_var(returns, 0.05), None);
        }
        assert_eq!(historical_var(&[-0.3], 0.05, Convention::Linear), Some(0.3));
        assert_eq!(historical_cvar(&[-0.3], 0.05, Convention::Linear), Some(0.3));
        assert_eq!(parametric_var(&[-0.3], 0.05), None);
        let constant = [0.25; 9];
        assert_eq!(historical_var(&constant, 0.05, Convention::Linear), Some(-0.25));
        assert_eq!(parametric_var(&constant, 0.05), Some(-0.25));
        assert_eq!(cornish_fisher_var(&constant, 0.05), None);
        for tail in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(historical_var(&[0.1, 0.2], tail, Convention::Linear), None);
            assert_eq!(kupiec(10, 1, tail), None);
        }
        assert_eq!(kupiec(0, 0, 0.05), None);
        assert_eq!(kupiec(5, 6, 0.05), None);
    }

    #[test]
    fn positions_times_history() {
        let history = [0.01, -0.02, 0.03, 0.05, 0.00, -0.01];
        let panel = Panel::new(&history, 2).unwrap();
        let profits = position_profits(&[1000.0, -200.0], &panel).unwrap();
        for (found, expected) in profits.iter().zip([0.0, -20.0, 32.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!(matches!(position_profits(&[1.0], &panel), Err(StatsError::Length { expected: 2, found: 1, .. })));
    }

    proptest! {
        #[test]
        fn shortfall_is_at_least_the_value_at_risk(
            returns in prop::collection::vec(-0.5..0.5f64, 2..200), tail in 0.001..0.5f64,
        ) {
            for (_, convention) in CONVENTIONS {
                let var = historical_var(&returns, tail, convention).unwrap();
                prop_assert!(historical_cvar(&returns, tail, convention).unwrap() >= var - 1e-12);
            }
            prop_assert!(parametric_cvar(&returns, tail).unwrap() >= parametric_var(&returns, tail).unwrap() - 1e-12);
        }

        #[test]
        fn kupiec_grows_with_the_distance_from_the_claim(n in 10u64..2000, tail in 0.01..0.5f64) {
            let expected = n as f64 * tail;
            let all: Vec<f64> = (0..=n).map(|x| kupiec(n, x, tail).unwrap().statistic).collect();
            for x in 1..=n {
                let (before, after) = (all[x as usize - 1], all[x as usize]);
                if x as f64 <= expected {
                    prop_assert!(after <= before);
                } else if (x - 1) as f64 >= expected {
                    prop_assert!(after >= before);
                }
            }
        }
    }
}
