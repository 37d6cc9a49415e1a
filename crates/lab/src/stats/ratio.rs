//! Ratios of reward to risk over a series of simple returns per period.
//!
//! A ratio whose denominator is zero, or is the rounding of a zero, is `None` and never an
//! infinity: a strategy that cannot be divided by its risk has not shown any.

use super::sample::{self, all_finite, finite};
use super::{drawdown, returns};

/// Returns are differences of numbers near one, so a deviation below a few ulp of one is rounding.
const RESOLUTION: f64 = 8.0 * f64::EPSILON;

/// Annualised Sharpe ratio, `mean(r - rf) / sd(r - rf) * sqrt(periods)`, sample deviation (Sharpe
/// 1994).
///
/// `risk_free` is per period; see [`returns::rate_per_period`].
pub fn sharpe(returns: &[f64], risk_free: f64, periods: f64) -> Option<f64> {
    // Subtracting a constant leaves the deviation as it is.
    divide(sample::mean(returns)? - risk_free, sample::standard_deviation(returns)?, periods.sqrt())
}

/// Annualised Sortino ratio, `mean(r - required) / downside deviation * sqrt(periods)`; `required`
/// is per period.
pub fn sortino(returns: &[f64], required: f64, periods: f64) -> Option<f64> {
    divide(sample::mean(returns)? - required, downside_deviation(returns, required)?, periods.sqrt())
}

/// Root mean square of the shortfalls below `required` over all `n` periods, not annualised
/// (Sortino and van der Meer 1991).
pub fn downside_deviation(returns: &[f64], required: f64) -> Option<f64> {
    // A NaN must be caught here: the minimum of it and zero is zero.
    if returns.is_empty() || !all_finite(returns) || !required.is_finite() {
        return None;
    }
    let squares: f64 = returns.iter().map(|earned| (earned - required).min(0.0).powi(2)).sum();
    finite((squares / returns.len() as f64).sqrt())
}

/// Compound annual growth over the depth of the deepest drawdown (Young 1991, over the whole
/// series).
pub fn calmar(returns: &[f64], periods: f64) -> Option<f64> {
    let depth = drawdown::max_depth(&returns::curve(1.0, returns)?)?;
    divide(returns::annual_growth(returns, periods)?, -depth, 1.0)
}

/// Annualised information ratio: the Sharpe ratio of the returns in excess of the benchmark's.
///
/// `None` unless both series have one length.
pub fn information(returns: &[f64], benchmark: &[f64], periods: f64) -> Option<f64> {
    if returns.len() != benchmark.len() {
        return None;
    }
    let active: Vec<f64> = returns.iter().zip(benchmark).map(|(r, b)| r - b).collect();
    sharpe(&active, 0.0, periods)
}

/// Omega ratio: sum of returns above `threshold` over the sum of those below it, each measured from
/// it (Keating and Shadwick 2002). `threshold` is per period.
pub fn omega(returns: &[f64], threshold: f64) -> Option<f64> {
    let (mut above, mut below) = (0.0, 0.0);
    if !all_finite(returns) {
        return None;
    }
    for earned in returns {
        let excess = earned - threshold;
        if excess > 0.0 {
            above += excess;
        } else {
            below -= excess;
        }
    }
    divide(above, below, 1.0)
}

fn divide(reward: f64, risk: f64, scale: f64) -> Option<f64> {
    if risk <= RESOLUTION { None } else { finite(reward / risk * scale) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::golden::{Golden, assert_close, golden_returns};
    use super::*;

    #[test]
    fn equal_to_empyrical_on_real_prices() {
        let (golden, rf) = (Golden::open("ratio"), Golden::open("series").number("/rf"));
        let (returns, benchmark) = (golden_returns("AAPL"), golden_returns("MSFT"));
        assert_close(sharpe(&returns, rf, 252.0).unwrap(), golden.number("/sharpe"));
        assert_close(sharpe(&returns, 0.0, 252.0).unwrap(), golden.number("/sharpe_zero"));
        assert_close(sortino(&returns, rf, 252.0).unwrap(), golden.number("/sortino"));
        let downside = downside_deviation(&returns, rf).unwrap() * 252f64.sqrt();
        assert_close(downside, golden.number("/downside"));
        assert_close(calmar(&returns, 252.0).unwrap(), golden.number("/calmar"));
        assert_close(omega(&returns, rf).unwrap(), golden.number("/omega"));
        assert_close(information(&returns, &benchmark, 252.0).unwrap(), golden.number("/information"));
    }

    #[test]
    fn no_risk_is_undefined_and_not_infinite() {
        let constant = [0.001; 20];
        assert_eq!(sharpe(&constant, 0.0, 252.0), None);
        assert_eq!(sortino(&constant, 0.0, 252.0), None);
        assert_eq!(calmar(&constant, 252.0), None);
        assert_eq!(omega(&constant, 0.0), None);
        assert_eq!(information(&constant, &constant, 252.0), None);
    }

    #[test]
    fn the_rounding_of_steady_growth_is_no_risk() {
        let equity: Vec<f64> = (0..250).map(|day| 97.3 * 1.0007f64.powi(day)).collect();
        let steady = returns::simple(&equity).unwrap();
        assert!(sample::standard_deviation(&steady).unwrap() > 0.0, "rounding shows in the returns");
        assert_eq!(sharpe(&steady, 0.0, 252.0), None);
    }

    #[test]
    fn empty_single_and_holed_input() {
        for returns in [&[][..], &[0.01], &[0.01, f64::NAN, 0.02]] {
            assert_eq!(sharpe(returns, 0.0, 252.0), None);
            assert_eq!(information(returns, returns, 252.0), None);
        }
        assert_eq!(sortino(&[], 0.0, 252.0), None);
        assert_eq!(downside_deviation(&[0.1], f64::NAN), None);
        assert_eq!(omega(&[0.1, -0.1], f64::NAN), None);
        assert_eq!(omega(&[], 0.0), None);
        assert_eq!(omega(&[0.1, f64::NAN], 0.0), None);
        assert_eq!(calmar(&[], 252.0), None);
        assert_eq!(information(&[0.1, 0.2], &[0.1], 252.0), None);
    }

    #[test]
    fn all_losses_are_defined() {
        let losses = [-0.01, -0.02, -0.03];
        assert!(sharpe(&losses, 0.0, 252.0).unwrap() < 0.0);
        assert!(sortino(&losses, 0.0, 252.0).unwrap() < 0.0);
        assert_eq!(omega(&losses, 0.0), Some(0.0));
    }

    proptest! {
        #[test]
        fn sharpe_ignores_leverage(returns in prop::collection::vec(-0.1..0.1f64, 3..50), leverage in 0.1..10.0f64) {
            let levered: Vec<f64> = returns.iter().map(|r| r * leverage).collect();
            let (a, b) = (sharpe(&returns, 0.0, 252.0), sharpe(&levered, 0.0, 252.0));
            if let (Some(a), Some(b)) = (a, b) {
                prop_assert!((a - b).abs() <= 1e-8 * a.abs().max(1.0));
            }
        }
    }
}
